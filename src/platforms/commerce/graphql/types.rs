//! What shops hold, as clients see it.

use async_graphql::{Context, Object, Result, SimpleObject};
use entity::id::{CheckoutId, ConnectionId, OrderId, ProductId};
use entity::{PaymentState, Timestamp};
use rust_decimal::Decimal as Number;
use serde::de::DeserializeOwned;

use crate::api::types::{CurrencyCode, Decimal, Json, Money, scoped};
use crate::api::{Eager, Lead};
use crate::error::Error;
use crate::leads::lead::graphql::load as load_lead;
use crate::platforms::commerce::{self as room, Finding, Line, Variant, Visit};
use crate::platforms::connections::graphql::{Connection, load_connection};

/// A shop.
pub struct Shop(pub room::Shop);

/// An order.
pub struct Order(pub room::Order);

/// A product.
pub struct Product(pub room::Product);

/// A checkout that was begun and not finished in time.
pub struct AbandonedCheckout(pub room::Checkout);

/// What a shop knows of a lead as a customer.
pub struct ShopCustomer(pub room::Customer);

/// What a look over a shop found.
pub struct ShopAudit(pub room::Audit);

fn read<T: DeserializeOwned>(text: &str) -> Result<T> {
    Ok(serde_json::from_str(text).map_err(Error::from)?)
}

fn money(minor: Option<i64>, currency: Option<&String>) -> Option<Money> {
    Some(Money::of_minor(minor?, currency?))
}

fn price(number: Option<Number>) -> Option<Decimal> {
    number.map(Decimal)
}

/// A line of an order or checkout.
#[derive(SimpleObject)]
struct OrderLine {
    /// What it is called.
    title: String,
    /// The seller's own number of it.
    sku: Option<String>,
    /// The platform's id of the product.
    product_id: Option<String>,
    /// How many.
    quantity: u32,
    /// What one costs, in the currency of the order.
    price: Option<Decimal>,
}

impl From<Line> for OrderLine {
    fn from(line: Line) -> Self {
        let Line {
            title,
            sku,
            product,
            quantity,
            price: one,
        } = line;
        Self {
            title,
            sku,
            product_id: product,
            quantity,
            price: price(one),
        }
    }
}

/// A visit that led to an order.
#[derive(SimpleObject)]
struct OrderVisit {
    /// The page it began on.
    landing_page: Option<String>,
    /// Where it came from.
    referrer: Option<String>,
    /// `utm_source`, or the platform's own word for it.
    source: Option<String>,
    /// `utm_medium`.
    medium: Option<String>,
    /// `utm_campaign`.
    campaign: Option<String>,
}

/// A form that a product comes in.
#[derive(SimpleObject)]
struct ProductVariant {
    /// The platform's id.
    external_id: String,
    /// What it is called.
    title: String,
    /// The seller's own number of it.
    sku: Option<String>,
    /// What it costs, in the currency of the product.
    price: Option<Decimal>,
    /// How many there are; negative where more were sold.
    stock: Option<i64>,
}

#[Object]
impl Shop {
    /// The connection by which it is read.
    async fn connection(&self, ctx: &Context<'_>) -> Result<Option<Connection>> {
        load_connection(ctx, self.0.connection_id).await
    }
    /// The platform's id.
    async fn external_id(&self) -> &str {
        &self.0.external_id
    }
    /// Its name.
    async fn name(&self) -> &str {
        &self.0.name
    }
    /// Where it is to be visited.
    async fn url(&self) -> &str {
        &self.0.url
    }
    /// Its currency.
    async fn currency_code(&self) -> CurrencyCode {
        CurrencyCode(self.0.currency.clone())
    }
    /// Its time zone.
    async fn time_zone(&self) -> Option<&str> {
        self.0.time_zone.as_deref()
    }
    /// What its owner pays the platform for.
    async fn plan(&self) -> Option<&str> {
        self.0.plan.as_deref()
    }
    /// How many customers the platform counts.
    async fn customer_count(&self) -> Option<i64> {
        self.0.customers
    }
    /// How many orders the platform counts.
    async fn order_count(&self) -> Option<i64> {
        self.0.orders
    }
    /// How many products the platform counts.
    async fn product_count(&self) -> Option<i64> {
        self.0.products
    }
    /// When this was read.
    async fn updated_at(&self) -> Timestamp {
        self.0.updated_at
    }
}

#[scoped]
#[Object]
impl Order {
    /// The order's id.
    async fn id(&self) -> OrderId {
        self.0.id
    }
    /// The shop's connection.
    async fn connection_id(&self) -> ConnectionId {
        self.0.connection_id
    }
    /// The platform's id.
    async fn external_id(&self) -> &str {
        &self.0.external_id
    }
    /// As people call it, e.g. `#1001`.
    async fn name(&self) -> &str {
        &self.0.name
    }
    /// Who bought; null where that is not known, or the lead is deleted.
    #[scope("leads:read")]
    async fn lead(&self, ctx: &Context<'_>) -> Result<Option<Eager<Lead>>> {
        match self.0.lead_id {
            Some(id) => load_lead(ctx, id).await,
            None => Ok(None),
        }
    }
    /// The platform's id of the customer; null for guests.
    async fn customer_id(&self) -> Option<&str> {
        self.0.customer_id.as_deref()
    }
    /// The address given with the order.
    async fn email(&self) -> Option<&str> {
        self.0.email.as_deref()
    }
    /// The number given with the order, as it was typed.
    async fn phone(&self) -> Option<&str> {
        self.0.phone.as_deref()
    }
    /// When it was placed.
    async fn placed_at(&self) -> Timestamp {
        self.0.placed_at
    }
    /// When it changed last in the shop.
    async fn changed_at(&self) -> Timestamp {
        self.0.changed_at
    }
    /// When it was called off; null while it was not.
    async fn cancelled_at(&self) -> Option<Timestamp> {
        self.0.cancelled_at
    }
    /// A trial by the owner, no sale.
    async fn test(&self) -> bool {
        self.0.is_test
    }
    /// Whether it is paid.
    async fn payment(&self) -> PaymentState {
        self.0.payment
    }
    /// As placed, with taxes and shipping.
    async fn total(&self) -> Money {
        Money::of_minor(self.0.total_minor, &self.0.currency)
    }
    /// What is left of it after edits and refunds.
    async fn current_total(&self) -> Money {
        Money::of_minor(self.0.current_minor, &self.0.currency)
    }
    /// What was bought.
    async fn lines(&self) -> Result<Vec<OrderLine>> {
        let lines: Vec<Line> = read(&self.0.lines)?;
        Ok(lines.into_iter().map(OrderLine::from).collect())
    }
    /// Its tags in the shop.
    async fn tags(&self) -> Result<Vec<String>> {
        read(&self.0.tags)
    }
    /// Codes that made it cheaper.
    async fn discount_codes(&self) -> Result<Vec<String>> {
        read(&self.0.discount_codes)
    }
    /// Where it was placed, e.g. `web`, `pos`.
    async fn source(&self) -> Option<&str> {
        self.0.source.as_deref()
    }
    /// The visits that led to it, as far as the platform tells.
    async fn visits(&self) -> Result<Vec<OrderVisit>> {
        let visits: Vec<Visit> = read(&self.0.visits)?;
        Ok(visits
            .into_iter()
            .map(|visit| {
                let Visit {
                    landing_page,
                    referrer,
                    source,
                    medium,
                    campaign,
                } = visit;
                OrderVisit {
                    landing_page,
                    referrer,
                    source,
                    medium,
                    campaign,
                }
            })
            .collect())
    }
    /// When it was read.
    async fn synced_at(&self) -> Timestamp {
        self.0.synced_at
    }
}

#[Object]
impl Product {
    /// The product's id.
    async fn id(&self) -> ProductId {
        self.0.id
    }
    /// The shop's connection.
    async fn connection_id(&self) -> ConnectionId {
        self.0.connection_id
    }
    /// The platform's id.
    async fn external_id(&self) -> &str {
        &self.0.external_id
    }
    /// What it is called.
    async fn title(&self) -> &str {
        &self.0.title
    }
    /// Whether it is on sale.
    async fn active(&self) -> bool {
        self.0.is_active
    }
    /// Who makes it.
    async fn vendor(&self) -> Option<&str> {
        self.0.vendor.as_deref()
    }
    /// What kind of thing it is, in the seller's words.
    async fn kind(&self) -> Option<&str> {
        self.0.kind.as_deref()
    }
    /// Its tags in the shop.
    async fn tags(&self) -> Result<Vec<String>> {
        read(&self.0.tags)
    }
    /// Where it is to be seen.
    async fn url(&self) -> Option<&str> {
        self.0.url.as_deref()
    }
    /// A picture.
    async fn image_url(&self) -> Option<&str> {
        self.0.image.as_deref()
    }
    /// Its lowest price.
    async fn price(&self) -> Option<Money> {
        money(self.0.price_minor, self.0.currency.as_ref())
    }
    /// What it comes in.
    async fn variants(&self) -> Result<Vec<ProductVariant>> {
        let variants: Vec<Variant> = read(&self.0.variants)?;
        Ok(variants
            .into_iter()
            .map(|variant| {
                let Variant {
                    id,
                    title,
                    sku,
                    price: one,
                    stock,
                } = variant;
                ProductVariant {
                    external_id: id,
                    title,
                    sku,
                    price: price(one),
                    stock,
                }
            })
            .collect())
    }
    /// When it changed last in the shop.
    async fn changed_at(&self) -> Timestamp {
        self.0.changed_at
    }
    /// When it was read.
    async fn synced_at(&self) -> Timestamp {
        self.0.synced_at
    }
}

#[scoped]
#[Object]
impl AbandonedCheckout {
    /// The checkout's id.
    async fn id(&self) -> CheckoutId {
        self.0.id
    }
    /// The shop's connection.
    async fn connection_id(&self) -> ConnectionId {
        self.0.connection_id
    }
    /// The platform's id.
    async fn external_id(&self) -> &str {
        &self.0.external_id
    }
    /// Who began it; null where that is not known, or the lead is deleted.
    #[scope("leads:read")]
    async fn lead(&self, ctx: &Context<'_>) -> Result<Option<Eager<Lead>>> {
        match self.0.lead_id {
            Some(id) => load_lead(ctx, id).await,
            None => Ok(None),
        }
    }
    /// The platform's id of the customer.
    async fn customer_id(&self) -> Option<&str> {
        self.0.customer_id.as_deref()
    }
    /// The address given.
    async fn email(&self) -> Option<&str> {
        self.0.email.as_deref()
    }
    /// The number given, as it was typed.
    async fn phone(&self) -> Option<&str> {
        self.0.phone.as_deref()
    }
    /// Where the customer can go on with it.
    async fn url(&self) -> Option<&str> {
        self.0.url.as_deref()
    }
    /// When it was begun.
    async fn begun_at(&self) -> Timestamp {
        self.0.begun_at
    }
    /// When it changed last.
    async fn changed_at(&self) -> Timestamp {
        self.0.changed_at
    }
    /// When it became an order after all; null while it did not.
    async fn recovered_at(&self) -> Option<Timestamp> {
        self.0.recovered_at
    }
    /// What it comes to.
    async fn total(&self) -> Option<Money> {
        money(self.0.total_minor, self.0.currency.as_ref())
    }
    /// What is in it.
    async fn lines(&self) -> Result<Vec<OrderLine>> {
        let lines: Vec<Line> = read(&self.0.lines)?;
        Ok(lines.into_iter().map(OrderLine::from).collect())
    }
    /// When it was read.
    async fn synced_at(&self) -> Timestamp {
        self.0.synced_at
    }
}

#[Object]
impl ShopCustomer {
    /// The shop's connection.
    async fn connection_id(&self) -> ConnectionId {
        self.0.connection_id
    }
    /// The platform's id.
    async fn external_id(&self) -> &str {
        &self.0.external_id
    }
    /// The address that the shop has.
    async fn email(&self) -> Option<&str> {
        self.0.email.as_deref()
    }
    /// The number that the shop has.
    async fn phone(&self) -> Option<&str> {
        self.0.phone.as_deref()
    }
    /// How many orders the platform counts.
    async fn order_count(&self) -> i64 {
        self.0.orders
    }
    /// What the platform counts as spent.
    async fn spent(&self) -> Option<Money> {
        money(self.0.spent_minor, self.0.currency.as_ref())
    }
    /// The tags in the shop.
    async fn tags(&self) -> Result<Vec<String>> {
        read(&self.0.tags)
    }
    /// The owner's note in the shop.
    async fn note(&self) -> Option<&str> {
        self.0.note.as_deref()
    }
    /// What the shop has on record of consent: `channel`, `state`, `at`.
    async fn consents(&self) -> Result<Json> {
        Ok(Json(read(&self.0.consents)?))
    }
    /// When the customer came to the shop.
    async fn created_at(&self) -> Option<Timestamp> {
        self.0.created_at
    }
    /// When the customer was read.
    async fn synced_at(&self) -> Timestamp {
        self.0.synced_at
    }
}

/// Something to be mended in a shop.
#[derive(SimpleObject)]
struct ShopFinding {
    /// What, for programs, e.g. `MISSING_WEBHOOKS`.
    code: &'static str,
    /// What, in words.
    message: String,
    /// What to do.
    advice: &'static str,
}

#[Object]
impl ShopAudit {
    /// The shop, with the platform's figures of now.
    async fn shop(&self) -> Shop {
        Shop(self.0.shop.clone())
    }
    /// Customers that were read.
    async fn customer_count(&self) -> i64 {
        self.0.customers
    }
    /// Share of them who let you write to them, 0 to 1; null without customers.
    #[expect(clippy::cast_precision_loss, reason = "a share for display")]
    async fn consent_coverage(&self) -> Option<f64> {
        (self.0.customers > 0).then(|| self.0.with_consent as f64 / self.0.customers as f64)
    }
    /// Customers who share a lead with another customer of the shop.
    async fn duplicate_customers(&self) -> i64 {
        self.0.duplicate_customers
    }
    /// Orders that were read.
    async fn order_count(&self) -> i64 {
        self.0.orders
    }
    /// Orders that the platform counts and that were not read; null where it does not tell.
    async fn unsynced_orders(&self) -> Option<i64> {
        self.0.unsynced_orders
    }
    /// Customers that the platform counts and that were not read; null where it does not tell.
    async fn unsynced_customers(&self) -> Option<i64> {
        self.0.unsynced_customers
    }
    /// What the platform could tell by webhook and does not.
    async fn missing_webhooks(&self) -> &[String] {
        &self.0.missing_webhooks
    }
    /// What is to be mended, the worst first.
    async fn findings(&self) -> Vec<ShopFinding> {
        let findings = self.0.findings.clone().into_iter();
        findings
            .map(
                |Finding {
                     code,
                     message,
                     advice,
                 }| ShopFinding {
                    code,
                    message,
                    advice,
                },
            )
            .collect()
    }
}
