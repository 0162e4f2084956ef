//! Customers become leads.

use std::collections::HashSet;

use entity::id::LeadId;
use entity::{IdentityKind, Timestamp};
use integrations::facet;
use serde_json::json;

use super::{Page, list, refusal};
use crate::error::Error;
use crate::events;
use crate::leads::lead::Identity;
use crate::leads::notes::{self, NewNote};
use crate::leads::visible::Visible;
use crate::platforms::commerce::model::minor;
use crate::platforms::commerce::{Customer, store};
use crate::platforms::connections::Written;
use crate::platforms::sourcing::{self, Landed};

impl Page<'_> {
    /// Customers, those who are there twice one after the other: what is told of them may be a part only.
    pub(super) async fn customers_in_turn(&self, customers: &[facet::Customer]) -> Result<Written, Error> {
        let mut written = Written::default();
        let mut rest: Vec<&facet::Customer> = customers.iter().collect();
        while !rest.is_empty() {
            let mut seen = HashSet::new();
            let (turn, later): (Vec<_>, Vec<_>) = rest
                .into_iter()
                .partition(|customer| seen.insert(customer.lead.id.as_str()));
            let Written {
                created,
                updated,
                unchanged,
                refused,
            } = self.customers(&turn).await?;
            written.created += created;
            written.updated += updated;
            written.unchanged += unchanged;
            written.refused.extend(refused);
            rest = later;
        }
        Ok(written)
    }

    async fn customers(&self, customers: &[&facet::Customer]) -> Result<Written, Error> {
        let ids: Vec<&str> = customers
            .iter()
            .map(|customer| customer.lead.id.as_str())
            .collect();
        let before = store::customers(self.tx, self.of.row.id, &ids).await?;
        let is_older = |customer: &facet::Customer| {
            let known = before.get(&customer.lead.id).and_then(|row| row.changed_at);
            let told = customer.lead.updated_at.map(Timestamp::from);
            told.zip(known).is_some_and(|(told, known)| told < known)
        };
        let mapping = self.of.mapping(self.app);
        let feeding = |ours: &str| -> Vec<&str> {
            let theirs = mapping.iter().filter(|(_, target)| target.as_str() == ours);
            theirs.map(|(theirs, _)| theirs.as_str()).collect()
        };
        let (emails, phones) = (feeding("email"), feeding("phone"));
        let current: Vec<_> = customers
            .iter()
            .copied()
            .filter(|customer| !is_older(customer))
            .collect();
        let leads: Vec<_> = current.iter().map(|customer| &customer.lead).collect();
        let (landed, told) = sourcing::land(self.app, self.tx, self.of, self.now, &leads).await?;
        let mut written = Written {
            unchanged: (customers.len() - current.len()) as u64,
            refused: told,
            ..Written::default()
        };
        let mut rows = Vec::with_capacity(current.len());
        for (customer, landed) in current.into_iter().zip(landed) {
            let lead = landed.lead();
            match landed {
                Landed::Created(_) => written.created += 1,
                Landed::Updated(_) => written.updated += 1,
                Landed::Unchanged(_) => written.unchanged += 1,
                Landed::Refused(message) => written.refused.push(refusal(&customer.lead.id, message)),
            }
            let told = |names: &[&str]| {
                let mut found = names
                    .iter()
                    .filter_map(|name| customer.lead.fields.get(*name)?.as_str());
                found.next().map(str::to_owned)
            };
            let (email, phone) = (told(&emails), told(&phones));
            let row = self.customer(customer, (email, phone), lead, before.get(&customer.lead.id))?;
            let same = |old: &Customer| {
                Customer {
                    synced_at: row.synced_at,
                    ..old.clone()
                } == row
            };
            if !before.get(&row.external_id).is_some_and(same) {
                rows.push(row);
            }
        }
        store::put_customers(self.tx, &rows).await?;
        Ok(written)
    }

    /// What a webhook does not tell stays as it was read.
    fn customer(
        &self,
        customer: &facet::Customer,
        (email, phone): (Option<String>, Option<String>),
        lead_id: Option<LeadId>,
        before: Option<&Customer>,
    ) -> Result<Customer, Error> {
        let facet::Customer {
            lead,
            orders,
            spent,
            note,
        } = customer;
        // Without a moment it is a part of what there is.
        let known = before.filter(|_| lead.updated_at.is_none());
        // What is no amount is not worth losing the customer for.
        let spent = spent.as_ref().and_then(|money| minor(money).ok());
        let (spent_minor, currency) = match spent {
            Some((minor, currency)) => (Some(minor), Some(currency)),
            None => before
                .map(|row| (row.spent_minor, row.currency.clone()))
                .unwrap_or_default(),
        };
        let consents = lead.consents.iter().map(|consent| {
            json!({
                "channel": format!("{:?}", consent.channel).to_uppercase(),
                "state": format!("{:?}", consent.state).to_uppercase(),
                "at": consent.at,
            })
        });
        Ok(Customer {
            connection_id: self.of.row.id,
            external_id: lead.id.clone(),
            lead_id: lead_id.or(before.and_then(|row| row.lead_id)),
            email: email.or_else(|| known.and_then(|row| row.email.clone())),
            phone: phone.or_else(|| known.and_then(|row| row.phone.clone())),
            orders: match orders {
                Some(orders) => i64::try_from(*orders).unwrap_or(i64::MAX),
                None => before.map_or(0, |row| row.orders),
            },
            spent_minor,
            currency,
            tags: match (&lead.tags, before) {
                (None, Some(row)) => row.tags.clone(),
                (tags, _) => list(tags.iter().flatten())?,
            },
            note: note.clone().or_else(|| known.and_then(|row| row.note.clone())),
            consents: match before {
                Some(row) if lead.consents.is_empty() => row.consents.clone(),
                _ => list(consents)?,
            },
            created_at: lead
                .created_at
                .map(Timestamp::from)
                .or(before.and_then(|row| row.created_at)),
            changed_at: lead
                .updated_at
                .map(Timestamp::from)
                .or(before.and_then(|row| row.changed_at)),
            synced_at: self.now,
        })
    }

    /// The law wants a customer's data handed to them by the owner: said on the lead, where the owner sees it.
    pub(super) async fn asked_for_data(
        &self,
        customer: &Option<String>,
        email: &Option<String>,
    ) -> Result<(), Error> {
        let mut identities = HashSet::new();
        identities.extend(customer.as_ref().map(|id| Identity {
            kind: IdentityKind::External,
            namespace: self.of.namespace(),
            value: id.clone(),
        }));
        identities.extend(email.as_ref().map(|email| Identity {
            kind: IdentityKind::Email,
            namespace: String::new(),
            value: email.to_lowercase(),
        }));
        let known = crate::leads::lead::known(self.tx, &Visible::all(), &identities.iter().collect()).await?;
        let leads: HashSet<LeadId> = known.into_values().collect();
        let shop = &self.of.row.name;
        let notes = leads.into_iter().map(|lead_id| NewNote {
            lead_id,
            body: format!(
                "{shop} passes on that this customer asks for a copy of their data. Answer within 30 days: leadsExport with a filter for this lead gives what is kept here."
            ),
            pinned: true,
            at: None,
        });
        let notes: Vec<_> = notes.collect();
        if !notes.is_empty() {
            let actor = self.caller().actor.id;
            let log = notes::add_many(self.tx, &actor, self.now, notes).await?.0;
            events::append(self.tx, &actor, self.now, log).await?;
        }
        Ok(())
    }
}
