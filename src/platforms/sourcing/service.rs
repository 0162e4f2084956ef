//! Lets leads of platforms land.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use entity::id::LeadId;
use entity::{IdentityKind, SyncKind, Timestamp};
use integrations::facet::LeadRecord;
use serde_json::json;

use super::model;
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;
use crate::identity::Caller;
use crate::leads::contact::{normalise_email, normalise_phone};
use crate::leads::import::{FieldMap, as_cell, land_leads};
use crate::leads::lead::{self, ExternalId, Identity, ItemOutcome, LeadChange, Patch, UpsertMode};
use crate::leads::visible::Visible;
use crate::platforms::connections::{Consumer, Items, Live, Refusal, Written};

/// What became of a platform's lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Landed {
    /// A new lead.
    Created(LeadId),
    /// A lead that changed.
    Updated(LeadId),
    /// A lead that knew all of it.
    Unchanged(LeadId),
    /// It is no lead: why.
    Refused(String),
}

impl Landed {
    /// The lead.
    #[must_use]
    pub const fn lead(&self) -> Option<LeadId> {
        match self {
            Self::Created(id) | Self::Updated(id) | Self::Unchanged(id) => Some(*id),
            Self::Refused(_) => None,
        }
    }
}

/// Who writes what platforms hold, in every history.
fn caller(of: &Live) -> Caller {
    Caller::on_behalf_of(crate::identity::Actor::of_id(&of.row.id.to_string()))
}

/// Writes leads of a platform within the transaction; one answer each, in their order, and what of their fields could not
/// be read, by the platform's id.
///
/// # Errors
/// The database's.
pub async fn land(
    app: &App,
    tx: &Tx,
    of: &Live,
    now: Timestamp,
    records: &[&LeadRecord],
) -> Result<(Vec<Landed>, Vec<Refusal>), Error> {
    let namespace = of.namespace();
    let made = FieldMap::new(app, &of.mapping(app), &namespace, None).await?;
    let fields = match made {
        Ok(fields) => fields,
        // E.g. a custom field that was archived since: nothing can be read until the mapping is mended.
        Err(message) => return Err(Error::BadInput(format!("the mapping of fields: {message}"))),
    };
    let mut items = Vec::with_capacity(records.len());
    let mut told = Vec::new();
    let read: Vec<Option<String>> = records
        .iter()
        .map(|record| {
            let value = |name: &str| record.fields.get(name).and_then(as_cell);
            match fields.read(&record.id, value) {
                Ok((mut lead, left_out)) => {
                    told.extend(left_out.into_iter().map(|message| Refusal {
                        external_id: record.id.clone(),
                        message,
                        is_whole: false,
                    }));
                    lead.add_tags(record.tags.as_deref().unwrap_or_default());
                    lead.add_consents(record.consents.iter().map(model::said));
                    let connection = [("connection".to_owned(), json!(of.row.name))];
                    let detail = model::source_detail(&record.trail).into_iter().chain(connection);
                    lead.set_source(&of.row.platform, detail);
                    lead.set_created_at(record.created_at.map(Timestamp::from).filter(|at| *at <= now));
                    items.push(lead);
                    None
                }
                Err(message) => Some(message),
            }
        })
        .collect();
    let source = format!("{}: {}", of.row.platform, of.row.name);
    let mut outcomes = land_leads(app, tx, &caller(of), now, &source, items)
        .await?
        .into_iter();
    let landed = read
        .into_iter()
        .map(|refused| match refused {
            Some(message) => Landed::Refused(message),
            None => match outcomes.next().expect("one outcome for each lead") {
                ItemOutcome::Created(id) => Landed::Created(id),
                ItemOutcome::Updated { id, .. } => Landed::Updated(id),
                ItemOutcome::Unchanged(id) => Landed::Unchanged(id),
                ItemOutcome::Refused(problems) => {
                    let said: Vec<_> = problems.into_iter().map(|problem| problem.message).collect();
                    Landed::Refused(said.join("; "))
                }
            },
        })
        .collect();
    Ok((landed, told))
}

/// Takes leads that platforms collected.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeadConsumer;

#[async_trait]
impl Consumer for LeadConsumer {
    fn kinds(&self) -> &'static [SyncKind] {
        &[SyncKind::Leads]
    }

    async fn write(
        &self,
        app: &App,
        tx: &Tx,
        of: &Live,
        now: Timestamp,
        items: &Items,
    ) -> Result<Written, Error> {
        let Items::Leads(records) = items else {
            return Ok(Written::default());
        };
        // Those that the owner made to try it out are no people.
        let people: Vec<&LeadRecord> = records.iter().filter(|record| !record.test).collect();
        let (landed, told) = land(app, tx, of, now, &people).await?;
        let mut written = Written {
            refused: told,
            ..Written::default()
        };
        for (record, landed) in people.iter().zip(landed) {
            match landed {
                Landed::Created(_) => written.created += 1,
                Landed::Updated(_) => written.updated += 1,
                Landed::Unchanged(_) => written.unchanged += 1,
                Landed::Refused(message) => written.refused.push(Refusal {
                    external_id: record.id.clone(),
                    message,
                    is_whole: true,
                }),
            }
        }
        Ok(written)
    }
}

/// How somebody is known who did something on a platform.
#[derive(Clone, Copy, Debug)]
pub struct Contact<'a> {
    /// The platform's id of the person.
    pub external_id: Option<&'a str>,
    /// An address.
    pub email: Option<&'a str>,
    /// A number, as it was typed.
    pub phone: Option<&'a str>,
    /// Since when they are known there.
    pub since: Option<Timestamp>,
}

/// The leads of contacts, in their order: those that are known by any of it; else a new one. `None` where there is nothing
/// to know somebody by.
///
/// # Errors
/// The database's.
pub async fn people(
    app: &App,
    tx: &Tx,
    of: &Live,
    now: Timestamp,
    contacts: &[Contact<'_>],
) -> Result<Vec<Option<LeadId>>, Error> {
    let namespace = of.namespace();
    let region = app.region().and_then(|region| format!("{region:?}").parse().ok());
    let keys: Vec<Vec<Identity>> = contacts
        .iter()
        .map(|contact| {
            let identity = |kind, namespace: &str, value: String| Identity {
                kind,
                namespace: namespace.to_owned(),
                value,
            };
            let id = contact
                .external_id
                .map(|id| identity(IdentityKind::External, &namespace, id.to_owned()));
            let email = contact.email.and_then(|email| normalise_email(email).ok());
            let phone = contact
                .phone
                .and_then(|phone| normalise_phone(phone, region).ok());
            id.into_iter()
                .chain(email.map(|email| identity(IdentityKind::Email, "", email)))
                .chain(phone.map(|phone| identity(IdentityKind::Phone, "", phone)))
                .collect()
        })
        .collect();
    let wanted: HashSet<&Identity> = keys.iter().flatten().collect();
    let known = lead::known(tx, &Visible::all(), &wanted).await?;
    let mut found: Vec<Option<LeadId>> = keys
        .iter()
        .map(|keys| keys.iter().find_map(|key| known.get(key).copied()))
        .collect();
    // Somebody may be there twice: one change for each set of identities.
    let mut strangers: HashMap<&Vec<Identity>, Vec<usize>> = HashMap::new();
    for (place, keys) in keys.iter().enumerate() {
        if found[place].is_none() && !keys.is_empty() {
            strangers.entry(keys).or_default().push(place);
        }
    }
    if strangers.is_empty() {
        return Ok(found);
    }
    let strangers: Vec<(&Vec<Identity>, Vec<usize>)> = strangers.into_iter().collect();
    let changes = strangers
        .iter()
        .map(|(keys, places)| change(of, keys, contacts[places[0]].since.filter(|at| *at <= now)));
    let changes: Vec<_> = changes.collect();
    let outcomes = lead::upsert_many(tx, app, &caller(of), now, changes, UpsertMode::Upsert).await?;
    for ((_, places), outcome) in strangers.iter().zip(outcomes) {
        for place in places {
            found[*place] = outcome.lead_id();
        }
    }
    Ok(found)
}

fn change(of: &Live, keys: &[Identity], since: Option<Timestamp>) -> LeadChange {
    let mut change = LeadChange {
        contact_is_normal: true,
        is_first_source: true,
        source: Patch::Set(of.row.platform.clone()),
        source_detail: vec![("connection".to_owned(), Some(json!(of.row.name)))],
        created_at: since,
        ..LeadChange::default()
    };
    for Identity {
        kind,
        namespace,
        value,
    } in keys
    {
        match kind {
            IdentityKind::Email => change.email = Patch::Set(value.clone()),
            IdentityKind::Phone => change.phone = Patch::Set(value.clone()),
            _ => change.external_ids.push(ExternalId {
                namespace: namespace.clone(),
                value: value.clone(),
            }),
        }
    }
    change
}
