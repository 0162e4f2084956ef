//! A shop.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::{ConsentRecord, Cursor, LeadRecord, Money, Pages};
use crate::{Context, Result};

/// A platform that sells.
///
/// The listings give what changed since a cursor, oldest change first, and all there is without one (by the platform's
/// bulk door where it has one). Safe to repeat.
#[async_trait]
pub trait Commerce: Send + Sync {
    /// The shop itself.
    ///
    /// # Errors
    /// The platform's.
    async fn shop(&self, context: &Context) -> Result<Shop>;

    /// How much there is of everything; for telling what was not read.
    ///
    /// # Errors
    /// The platform's.
    async fn counts(&self, context: &Context) -> Result<CommerceCounts>;

    /// Customers.
    fn customers<'a>(&'a self, context: &'a Context, since: Option<Cursor>) -> Pages<'a, Customer>;

    /// Orders.
    fn orders<'a>(&'a self, context: &'a Context, since: Option<Cursor>) -> Pages<'a, Order>;

    /// One order by the platform's id, e.g. one that a webhook named; `None` when it is not there (any more).
    ///
    /// # Errors
    /// The platform's.
    async fn order(&self, context: &Context, id: &str) -> Result<Option<Order>>;

    /// Products.
    fn products<'a>(&'a self, context: &'a Context, since: Option<Cursor>) -> Pages<'a, Product>;

    /// Checkouts that were begun and not finished, and what became of them.
    fn abandoned_checkouts<'a>(
        &'a self,
        context: &'a Context,
        since: Option<Cursor>,
    ) -> Pages<'a, AbandonedCheckout>;

    /// Puts tags on a customer and takes others off; the rest stays. Twice is as once.
    ///
    /// # Errors
    /// The platform's.
    async fn change_tags(
        &self,
        context: &Context,
        customer: &str,
        add: &[String],
        remove: &[String],
    ) -> Result<()>;

    /// Adds a line to the note of a customer, unless it is there already.
    ///
    /// # Errors
    /// The platform's.
    async fn add_note(&self, context: &Context, customer: &str, line: &str) -> Result<()>;

    /// Tells the shop what a customer has said to marketing.
    ///
    /// # Errors
    /// The platform's.
    async fn change_consent(&self, context: &Context, customer: &str, change: &ConsentChange) -> Result<()>;
}

/// What a customer has said to marketing, to be told to the shop.
pub type ConsentChange = ConsentRecord;

/// A shop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shop {
    /// The platform's id.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Where it is to be visited.
    pub url: String,
    /// ISO 4217.
    pub currency: String,
    /// IANA name.
    pub time_zone: Option<String>,
    /// The owner's e-mail address.
    pub email: Option<String>,
    /// What the owner pays the platform for, by its name.
    pub plan: Option<String>,
}

/// How much a shop holds. `None` where the platform does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommerceCounts {
    /// Customers.
    pub customers: Option<u64>,
    /// Orders.
    pub orders: Option<u64>,
    /// Products.
    pub products: Option<u64>,
}

/// Somebody who bought or might.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Customer {
    /// The person: fields, consent, tags.
    pub lead: LeadRecord,
    /// How many orders the platform counts; `None` where it does not tell.
    pub orders: Option<u64>,
    /// What it counts as spent.
    pub spent: Option<Money>,
    /// The owner's note about them.
    pub note: Option<String>,
}

/// What was bought.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// The platform's id.
    pub id: String,
    /// As people call it, e.g. `#1001`.
    pub name: String,
    /// The customer's id; `None` for guests.
    pub customer: Option<String>,
    /// The address given with the order.
    pub email: Option<String>,
    /// The number given with the order, as it was typed.
    pub phone: Option<String>,
    /// When it was placed.
    pub placed_at: DateTime<Utc>,
    /// When it changed last.
    pub updated_at: DateTime<Utc>,
    /// When it was called off.
    pub cancelled_at: Option<DateTime<Utc>>,
    /// A trial by the owner, no sale.
    pub test: bool,
    /// Whether it is paid.
    pub payment: PaymentState,
    /// As placed, with taxes and shipping.
    pub total: Money,
    /// What is left of it after edits and refunds.
    pub current_total: Money,
    /// What was bought.
    pub lines: Vec<LineItem>,
    /// Labels.
    pub tags: Vec<String>,
    /// Codes that made it cheaper.
    pub discount_codes: Vec<String>,
    /// Where it was placed, e.g. `web`, `pos`.
    pub source: Option<String>,
    /// The visits that led to it, first and last, where the platform tells.
    pub visits: Vec<OrderVisit>,
}

/// Whether an order is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PaymentState {
    /// Not yet.
    Pending,
    /// Set aside, not taken.
    Authorized,
    /// In part.
    PartiallyPaid,
    /// In full.
    Paid,
    /// A part was given back.
    PartiallyRefunded,
    /// All was given back.
    Refunded,
    /// It was called off before it was paid, or the time to pay ran out.
    Voided,
    /// A state that we do not know.
    Other,
}

/// A line of an order or checkout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineItem {
    /// What it is called.
    pub title: String,
    /// The seller's own number of it.
    pub sku: Option<String>,
    /// The product's id.
    pub product: Option<String>,
    /// How many.
    pub quantity: u32,
    /// What one costs.
    pub price: Option<Decimal>,
}

/// A visit that led to an order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderVisit {
    /// The page it began on.
    pub landing_page: Option<String>,
    /// Where it came from.
    pub referrer: Option<String>,
    /// `utm_source`, or the platform's own word for it.
    pub source: Option<String>,
    /// `utm_medium`.
    pub medium: Option<String>,
    /// `utm_campaign`.
    pub campaign: Option<String>,
}

/// What can be bought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// The platform's id.
    pub id: String,
    /// What it is called.
    pub title: String,
    /// Whether it is on sale.
    pub active: bool,
    /// Who makes it.
    pub vendor: Option<String>,
    /// What kind of thing it is, in the seller's words.
    pub kind: Option<String>,
    /// Labels.
    pub tags: Vec<String>,
    /// Where it is to be seen.
    pub url: Option<String>,
    /// A picture.
    pub image: Option<String>,
    /// Its lowest price.
    pub price: Option<Money>,
    /// What it comes in.
    pub variants: Vec<Variant>,
    /// When it changed last.
    pub updated_at: DateTime<Utc>,
}

/// A form that a product comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// The platform's id.
    pub id: String,
    /// What it is called.
    pub title: String,
    /// The seller's own number of it.
    pub sku: Option<String>,
    /// What it costs.
    pub price: Option<Decimal>,
    /// How many there are; may be negative where more were sold.
    pub stock: Option<i64>,
}

/// A checkout that was begun and not finished in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbandonedCheckout {
    /// The platform's id.
    pub id: String,
    /// The customer's id.
    pub customer: Option<String>,
    /// The address given.
    pub email: Option<String>,
    /// The number given, as it was typed.
    pub phone: Option<String>,
    /// Where it can be gone on with.
    pub url: Option<String>,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// When it changed last.
    pub updated_at: DateTime<Utc>,
    /// When it became an order after all.
    pub recovered_at: Option<DateTime<Utc>>,
    /// What it comes to.
    pub total: Option<Money>,
    /// What is in it.
    pub lines: Vec<LineItem>,
}
