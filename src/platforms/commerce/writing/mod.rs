//! Writes what shops hold: each page in the caller's transaction, with a handful of statements whatever its size. What is
//! older than what is there is passed over, so that webhooks may come in any order.

mod checkouts;
mod customers;
mod orders;
mod products;

use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use entity::id::LeadId;
use entity::{EventKind, SyncKind, Timestamp};
use integrations::Context;
use integrations::facet::WebhookEvent;
use serde_json::Value;

use super::store;
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;
use crate::events::NewEvent;
use crate::identity::{Actor, Caller};
use crate::platforms::connections::{Consumer, Items, Live, Refusal, Written};

/// Takes what shops hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct CommerceConsumer;

#[async_trait]
impl Consumer for CommerceConsumer {
    fn kinds(&self) -> &'static [SyncKind] {
        &[
            SyncKind::Customers,
            SyncKind::Products,
            SyncKind::Orders,
            SyncKind::AbandonedCheckouts,
        ]
    }

    async fn begin(&self, app: &App, of: &Live, context: &Context) -> Result<(), Error> {
        let Some(commerce) = of.facets(app).commerce else {
            return Ok(());
        };
        // What ails the platform is told by the reading itself.
        if let (Ok(shop), Ok(counts)) = (commerce.shop(context).await, commerce.counts(context).await) {
            let tx = app.db().begin().await?;
            store::put_shop(
                &tx,
                super::service::shop_of(of.row.id, shop, counts, app.clock().now()),
            )
            .await?;
            tx.commit().await?;
        }
        Ok(())
    }

    async fn write(
        &self,
        app: &App,
        tx: &Tx,
        of: &Live,
        now: Timestamp,
        items: &Items,
    ) -> Result<Written, Error> {
        let page = Page { app, tx, of, now };
        match items {
            Items::Customers(items) => page.customers_in_turn(items).await,
            Items::Products(items) => {
                page.products(&newest(
                    items,
                    |product| &product.id,
                    |product| product.updated_at,
                ))
                .await
            }
            Items::Orders(items) => {
                page.orders(&newest(items, |order| &order.id, |order| order.updated_at))
                    .await
            }
            Items::AbandonedCheckouts(items) => {
                let items = newest(items, |checkout| &checkout.id, |checkout| checkout.updated_at);
                page.checkouts(&items).await
            }
            Items::Leads(_) | Items::AdResults(_) => Ok(Written::default()),
        }
    }

    async fn hear(
        &self,
        app: &App,
        tx: &Tx,
        of: &Live,
        _: Timestamp,
        event: &WebhookEvent,
    ) -> Result<bool, Error> {
        let now = app.clock().now();
        let page = Page { app, tx, of, now };
        let id = of.row.id;
        match event {
            WebhookEvent::CustomerDeleted { id: customer } => {
                store::delete_customer(tx, id, customer).await?;
            }
            WebhookEvent::ProductDeleted { id: product } => {
                store::delete_product(tx, id, product, now).await?;
            }
            WebhookEvent::DataRequest { customer, email } => page.asked_for_data(customer, email).await?,
            WebhookEvent::Redact { customer, email } => {
                let known = match (customer, email) {
                    (Some(customer), _) => vec![customer.clone()],
                    (None, Some(email)) => store::customers_by_email(tx, id, email).await?,
                    (None, None) => Vec::new(),
                };
                for customer in &known {
                    store::blank_customer(tx, id, customer).await?;
                }
                return Ok(!known.is_empty());
            }
            WebhookEvent::RedactShop => store::blank_shop(tx, id).await?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The newest of those with the same id, in the order of the first: a page may hold a thing twice, and webhooks may come in
/// any order.
fn newest<T>(items: &[T], id: fn(&T) -> &String, at: fn(&T) -> DateTime<Utc>) -> Vec<&T> {
    let mut places: HashMap<&String, usize> = HashMap::with_capacity(items.len());
    let mut found: Vec<&T> = Vec::with_capacity(items.len());
    for item in items {
        match places.get(id(item)) {
            Some(place) if at(found[*place]) > at(item) => {}
            Some(place) => found[*place] = item,
            None => {
                places.insert(id(item), found.len());
                found.push(item);
            }
        }
    }
    found
}

/// What is written together.
struct Page<'a> {
    app: &'a App,
    tx: &'a Tx,
    of: &'a Live,
    now: Timestamp,
}

/// Something that was left out, or not.
enum Step<T> {
    New(T),
    Changed(T),
    Same,
}

impl<T> Step<T> {
    /// Compares with what is there; what is there and younger stays.
    fn of(row: T, before: Option<&T>, is_older: bool, is_same: impl Fn(&T, &T) -> bool) -> Self {
        match before {
            None => Self::New(row),
            Some(_) if is_older => Self::Same,
            Some(before) if is_same(&row, before) => Self::Same,
            Some(_) => Self::Changed(row),
        }
    }

    fn take(self, written: &mut Written) -> Option<T> {
        match self {
            Self::New(row) => {
                written.created += 1;
                Some(row)
            }
            Self::Changed(row) => {
                written.updated += 1;
                Some(row)
            }
            Self::Same => {
                written.unchanged += 1;
                None
            }
        }
    }
}

fn refusal(id: &str, message: String) -> Refusal {
    Refusal {
        external_id: id.to_owned(),
        message,
        is_whole: true,
    }
}

fn list<T: serde::Serialize>(items: impl IntoIterator<Item = T>) -> Result<String, Error> {
    Ok(serde_json::to_string(&items.into_iter().collect::<Vec<_>>())?)
}

impl Page<'_> {
    fn caller(&self) -> Caller {
        Caller::on_behalf_of(Actor::of_id(&self.of.row.id.to_string()))
    }

    fn told(&self, kind: EventKind, lead_id: Option<LeadId>, subject: String, payload: Value) -> NewEvent {
        NewEvent {
            kind,
            lead_id,
            subject,
            payload,
        }
    }

    /// What an order is known by in engagements and conversions.
    fn key(&self, what: &str, external_id: &str) -> String {
        format!("{what}:{}:{external_id}", self.of.namespace())
    }
}
