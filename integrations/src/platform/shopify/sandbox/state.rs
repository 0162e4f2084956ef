//! What the stand-in keeps.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use url::Url;

use super::bulk::Operation;
use super::oauth::Grant;
use super::rows::{CheckoutRow, CustomerRow, OrderRow, ProductRow, Store, World};

pub(super) const DOMAIN: &str = "leadline-demo.myshopify.com";
/// The size of the bucket of the standard plan, and what flows in a second.
pub(super) const BUCKET: (f64, f64) = (2_000.0, 100.0);

/// A subscription to webhooks.
#[derive(Clone, Debug)]
pub(super) struct Subscription {
    pub id: u64,
    pub topic: String,
    pub uri: String,
    pub created: i64,
    pub fields: Option<Vec<String>>,
}

pub(super) struct State {
    pub now: DateTime<Utc>,
    pub limits: bool,
    pub customers: Store<CustomerRow>,
    pub orders: Store<OrderRow>,
    pub products: Store<ProductRow>,
    pub checkouts: Store<CheckoutRow>,
    pub subscriptions: Vec<Subscription>,
    pub app_webhooks: Option<Url>,
    pub operations: Vec<Operation>,
    pub grants: Vec<Grant>,
    /// Codes that were handed out, with where their owner came back to.
    pub codes: BTreeMap<String, String>,
    pub scopes: Vec<String>,
    bucket: (f64, DateTime<Utc>),
    counter: u64,
}

impl State {
    pub(super) fn new(world: World, limits: bool) -> Self {
        let now = DateTime::from_timestamp(world.born, 0).unwrap_or_default();
        Self {
            now,
            limits,
            customers: Store::new(world),
            orders: Store::new(world),
            products: Store::new(world),
            checkouts: Store::new(world),
            subscriptions: Vec::new(),
            app_webhooks: None,
            operations: Vec::new(),
            grants: vec![Grant::first()],
            codes: BTreeMap::new(),
            scopes: super::oauth::SCOPES
                .iter()
                .map(|scope| (*scope).to_owned())
                .collect(),
            bucket: (BUCKET.0, now),
            counter: 0,
        }
    }

    /// A number that was not given out before.
    pub(super) fn number(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    pub(super) fn request_id(&mut self) -> String {
        format!("5a{:06x}-0000-4000-8000-00000000cafe", self.number())
    }

    /// Takes points out of the bucket, if there are so many; what is left either way.
    pub(super) fn draw(&mut self, points: f64) -> Result<f64, f64> {
        if !self.limits {
            return Ok(BUCKET.0);
        }
        let (available, at) = self.bucket;
        let passed = (self.now - at).to_std().unwrap_or_default().as_secs_f64();
        let available = (available + passed * BUCKET.1).min(BUCKET.0);
        let left = if points <= available {
            Ok(available - points)
        } else {
            Err(available)
        };
        self.bucket = (left.unwrap_or_else(|available| available), self.now);
        left
    }

    pub(super) fn holds(&self) -> BTreeMap<&'static str, usize> {
        let changed: Vec<&CustomerRow> = self.customers.changed().collect();
        BTreeMap::from([
            ("customers", self.customers.len()),
            ("orders", self.orders.len()),
            ("products", self.products.len()),
            ("abandonedCheckouts", self.checkouts.len()),
            ("webhookSubscriptions", self.subscriptions.len()),
            ("bulkOperations", self.operations.len()),
            (
                "tagsOfChangedCustomers",
                changed.iter().map(|row| row.tags.len()).sum(),
            ),
            (
                "noteLinesOfChangedCustomers",
                changed
                    .iter()
                    .filter_map(|row| row.note.as_ref())
                    .map(|note| note.lines().count())
                    .sum(),
            ),
        ])
    }

    pub(super) fn seconds(&self) -> i64 {
        self.now.timestamp()
    }
}

/// What a mutation answers when something is wrong with what was sent.
pub(super) fn user_error(field: &[&str], message: &str) -> Value {
    serde_json::json!([{ "field": field, "message": message }])
}
