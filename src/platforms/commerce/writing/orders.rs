//! Orders become purchases and conversions.

use entity::id::{LeadId, OrderId};
use entity::{ConversionKind, EngagementType, EventKind, Timestamp};
use integrations::facet;
use serde_json::{Map, json};

use super::{Page, Step, list, refusal};
use crate::error::Error;
use crate::events;
use crate::insight::engagement::{self, EngagementDraft, LeadKey, NewEngagement};
use crate::insight::revenue::{self, NewConversion, Reversal};
use crate::leads::visible::Visible;
use crate::platforms::commerce::model::{is_called_off, is_purchase, line, minor, payment, visit};
use crate::platforms::commerce::{Order, store};
use crate::platforms::connections::Written;
use crate::platforms::sourcing::{self, Contact};

impl Page<'_> {
    pub(super) async fn orders(&self, orders: &[&facet::Order]) -> Result<Written, Error> {
        let ids: Vec<&str> = orders.iter().map(|order| order.id.as_str()).collect();
        let before = store::orders(self.tx, self.of.row.id, &ids).await?;
        let contacts: Vec<Contact<'_>> = orders
            .iter()
            // A trial by the owner makes nobody a lead.
            .map(|order| Contact {
                external_id: order.customer.as_deref().filter(|_| !order.test),
                email: order.email.as_deref().filter(|_| !order.test),
                phone: order.phone.as_deref().filter(|_| !order.test),
                since: Some(order.placed_at.into()),
            })
            .collect();
        let leads = sourcing::people(self.app, self.tx, self.of, self.now, &contacts).await?;
        let mut written = Written::default();
        let mut rows = Vec::new();
        for (order, lead) in orders.iter().zip(leads) {
            let old = before.get(&order.id);
            let row = match self.order(order, lead, old)? {
                Ok(row) => row,
                Err(message) => {
                    written.refused.push(refusal(&order.id, message));
                    continue;
                }
            };
            let is_older = old.is_some_and(|old| row.changed_at < old.changed_at);
            let same = |new: &Order, old: &Order| {
                Order {
                    synced_at: new.synced_at,
                    ..old.clone()
                } == *new
            };
            rows.extend(Step::of(row, old, is_older, same).take(&mut written));
        }
        store::put_orders(self.tx, &rows).await?;
        self.purchases(&rows).await?;
        let log = rows.iter().map(|row| {
            self.told(
                EventKind::OrderChanged,
                row.lead_id,
                row.id.to_string(),
                json!({
                    "connection": row.connection_id,
                    "payment": row.payment,
                    "isNew": !before.contains_key(&row.external_id),
                }),
            )
        });
        events::append(self.tx, &self.caller().actor.id, self.now, log.collect()).await?;
        Ok(written)
    }

    fn order(
        &self,
        order: &facet::Order,
        lead_id: Option<LeadId>,
        before: Option<&Order>,
    ) -> Result<Result<Order, String>, Error> {
        let totals = minor(&order.total).and_then(|total| Ok((total, minor(&order.current_total)?)));
        let ((total_minor, currency), (current_minor, current)) = match totals {
            Ok(totals) => totals,
            Err(message) => return Ok(Err(message)),
        };
        if current != currency {
            return Ok(Err(format!(
                "its totals are in two currencies, {currency} and {current}"
            )));
        }
        Ok(Ok(Order {
            id: before.map_or_else(|| OrderId::at(self.now), |row| row.id),
            connection_id: self.of.row.id,
            external_id: order.id.clone(),
            name: order.name.clone(),
            customer_id: order.customer.clone(),
            // What is told of an order later may leave the customer out.
            lead_id: lead_id.or(before.and_then(|row| row.lead_id)),
            email: order.email.clone(),
            phone: order.phone.clone(),
            placed_at: order.placed_at.into(),
            changed_at: order.updated_at.into(),
            cancelled_at: order.cancelled_at.map(Timestamp::from),
            is_test: order.test,
            payment: payment(order.payment),
            currency,
            total_minor,
            current_minor,
            lines: list(order.lines.iter().map(line))?,
            tags: list(&order.tags)?,
            discount_codes: list(&order.discount_codes)?,
            source: order.source.clone(),
            visits: list(order.visits.iter().map(visit))?,
            synced_at: self.now,
        }))
    }

    /// Orders that money was taken for are purchases and conversions; what was given back is taken back.
    async fn purchases(&self, orders: &[Order]) -> Result<(), Error> {
        let bought: Vec<(&Order, LeadId)> = orders
            .iter()
            .filter(|order| !order.is_test && is_purchase(order.payment))
            .filter_map(|order| Some((order, order.lead_id?)))
            .collect();
        if bought.is_empty() && orders.is_empty() {
            return Ok(());
        }
        let caller = self.caller();
        let seen = Visible::all();
        let engagements = bought.iter().map(|(order, lead)| NewEngagement {
            lead: LeadKey::Id(*lead),
            draft: EngagementDraft {
                title: Some(order.name.clone()),
                // The value is the conversion's: counted once.
                revenue_minor: None,
                metadata: Some(json!({ "order": order.id, "connection": order.connection_id })),
                dedupe_key: Some(self.key("order", &order.external_id)),
                ..EngagementDraft::new(EngagementType::PurchaseMade, order.placed_at.min(self.now))
            },
        });
        engagement::record_many(self.tx, &caller, &seen, self.now, engagements.collect()).await?;
        let conversions = bought.iter().map(|(order, lead)| NewConversion {
            lead: LeadKey::Id(*lead),
            kind: ConversionKind::Purchase,
            custom_name: None,
            value_minor: Some(order.total_minor.max(0)),
            currency: Some(order.currency.clone()),
            metadata: Map::from_iter([
                ("order".to_owned(), json!(order.id)),
                ("name".to_owned(), json!(order.name)),
            ]),
            occurred_at: order.placed_at.min(self.now),
            dedupe_key: Some(self.key("order", &order.external_id)),
        });
        revenue::record_many(self.tx, &caller, &seen, self.now, conversions.collect()).await?;
        // Also of those that count no more: they may have counted before.
        let reversals = orders
            .iter()
            .filter(|order| !order.is_test)
            .map(|order| Reversal {
                dedupe_key: self.key("order", &order.external_id),
                left_minor: order.current_minor,
                is_void: is_called_off(order.payment, order.cancelled_at),
            });
        revenue::reverse_many(self.tx, &caller, self.now, &reversals.collect::<Vec<_>>()).await?;
        Ok(())
    }
}
