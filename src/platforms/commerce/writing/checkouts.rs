//! Checkouts that were not finished.

use entity::id::{CheckoutId, LeadId};
use entity::{EngagementType, EventKind, Timestamp};
use integrations::facet;
use serde_json::json;

use super::{Page, Step, list};
use crate::error::Error;
use crate::events;
use crate::insight::engagement::{self, EngagementDraft, LeadKey, NewEngagement};
use crate::leads::visible::Visible;
use crate::platforms::commerce::model::{line, minor};
use crate::platforms::commerce::{Checkout, store};
use crate::platforms::connections::Written;
use crate::platforms::sourcing::{self, Contact};

impl Page<'_> {
    pub(super) async fn checkouts(&self, checkouts: &[&facet::AbandonedCheckout]) -> Result<Written, Error> {
        let ids: Vec<&str> = checkouts.iter().map(|checkout| checkout.id.as_str()).collect();
        let before = store::checkouts(self.tx, self.of.row.id, &ids).await?;
        let contacts: Vec<Contact<'_>> = checkouts
            .iter()
            .map(|checkout| Contact {
                external_id: checkout.customer.as_deref(),
                email: checkout.email.as_deref(),
                phone: checkout.phone.as_deref(),
                since: Some(checkout.created_at.into()),
            })
            .collect();
        let leads = sourcing::people(self.app, self.tx, self.of, self.now, &contacts).await?;
        let mut written = Written::default();
        let mut rows = Vec::new();
        for (checkout, lead) in checkouts.iter().zip(leads) {
            let old = before.get(&checkout.id);
            let row = self.checkout(checkout, lead, old)?;
            let is_older = old.is_some_and(|old| row.changed_at < old.changed_at);
            let same = |new: &Checkout, old: &Checkout| {
                Checkout {
                    synced_at: new.synced_at,
                    ..old.clone()
                } == *new
            };
            rows.extend(Step::of(row, old, is_older, same).take(&mut written));
        }
        store::put_checkouts(self.tx, &rows).await?;
        let begun = rows.iter().filter_map(|row| {
            Some(NewEngagement {
                lead: LeadKey::Id(row.lead_id?),
                draft: EngagementDraft {
                    metadata: Some(json!({ "checkout": row.id, "connection": row.connection_id })),
                    dedupe_key: Some(self.key("checkout", &row.external_id)),
                    ..EngagementDraft::new(EngagementType::CheckoutStarted, row.begun_at.min(self.now))
                },
            })
        });
        let begun: Vec<_> = begun.collect();
        if !begun.is_empty() {
            engagement::record_many(self.tx, &self.caller(), &Visible::all(), self.now, begun).await?;
        }
        let log = rows.iter().map(|row| {
            self.told(
                EventKind::CheckoutChanged,
                row.lead_id,
                row.id.to_string(),
                json!({
                    "connection": row.connection_id,
                    "isRecovered": row.recovered_at.is_some(),
                }),
            )
        });
        events::append(self.tx, &self.caller().actor.id, self.now, log.collect()).await?;
        Ok(written)
    }

    fn checkout(
        &self,
        checkout: &facet::AbandonedCheckout,
        lead_id: Option<LeadId>,
        before: Option<&Checkout>,
    ) -> Result<Checkout, Error> {
        let total = checkout.total.as_ref().and_then(|money| minor(money).ok());
        let (total_minor, currency) = total.unzip();
        Ok(Checkout {
            id: before.map_or_else(|| CheckoutId::at(self.now), |row| row.id),
            connection_id: self.of.row.id,
            external_id: checkout.id.clone(),
            customer_id: checkout.customer.clone(),
            lead_id,
            email: checkout.email.clone(),
            phone: checkout.phone.clone(),
            url: checkout.url.clone(),
            begun_at: checkout.created_at.into(),
            changed_at: checkout.updated_at.into(),
            recovered_at: checkout.recovered_at.map(Timestamp::from),
            total_minor,
            currency,
            lines: list(checkout.lines.iter().map(line))?,
            synced_at: self.now,
        })
    }
}
