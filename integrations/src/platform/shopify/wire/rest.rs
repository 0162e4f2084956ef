//! What webhooks tell: still in the shape of the older interface, with numbers for ids. Each topic leaves out what it does not
//! know, so all fields may be absent.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer};

/// A field that is there, perhaps empty, or is not told of.
#[derive(Debug, Default)]
pub(in super::super) enum Told {
    #[default]
    Not,
    Is(Option<String>),
}

impl<'de> Deserialize<'de> for Told {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Self::Is)
    }
}

/// An id, which is a number, a number as text, or a global id.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(in super::super) enum Id {
    Number(u64),
    Text(String),
}

impl Id {
    /// As a global id of a kind.
    pub(in super::super) fn gid(&self, kind: &str) -> String {
        match self {
            Self::Text(text) if text.starts_with("gid://") => text.clone(),
            Self::Text(text) => format!("gid://shopify/{kind}/{text}"),
            Self::Number(number) => format!("gid://shopify/{kind}/{number}"),
        }
    }
}

#[derive(Debug, Deserialize)]
pub(in super::super) struct Customer {
    pub id: Id,
    #[serde(default)]
    pub email: Told,
    #[serde(default)]
    pub phone: Told,
    #[serde(default)]
    pub first_name: Told,
    #[serde(default)]
    pub last_name: Told,
    pub note: Option<String>,
    pub tags: Option<String>,
    pub verified_email: Option<bool>,
    pub tax_exempt: Option<bool>,
    pub orders_count: Option<u64>,
    pub total_spent: Option<Decimal>,
    pub currency: Option<String>,
    pub created_at: Option<DateTime<Utc>>,
    pub updated_at: Option<DateTime<Utc>>,
    pub default_address: Option<Address>,
    pub email_marketing_consent: Option<Consent>,
    pub sms_marketing_consent: Option<Consent>,
}

#[derive(Debug, Deserialize)]
pub(in super::super) struct Address {
    pub company: Option<String>,
    pub address1: Option<String>,
    pub city: Option<String>,
    pub province_code: Option<String>,
    pub country_code: Option<String>,
    pub zip: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(in super::super) struct Consent {
    pub state: Option<String>,
    pub opt_in_level: Option<String>,
    #[serde(rename = "consent_updated_at")]
    pub at: Option<DateTime<Utc>>,
}

/// A consent that has changed. The customer is called `customer_id` in one topic and `id` in the other.
#[derive(Debug, Deserialize)]
pub(in super::super) struct ConsentChange {
    #[serde(alias = "id")]
    pub customer_id: Id,
    #[serde(alias = "email")]
    pub email_address: Option<String>,
    pub phone: Option<String>,
    pub email_marketing_consent: Option<Consent>,
    pub sms_marketing_consent: Option<Consent>,
}

#[derive(Debug, Deserialize)]
pub(in super::super) struct Only {
    pub id: Id,
}

#[derive(Debug, Deserialize)]
pub(in super::super) struct Order {
    pub id: Id,
    pub name: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub created_at: DateTime<Utc>,
    pub processed_at: Option<DateTime<Utc>>,
    pub updated_at: Option<DateTime<Utc>>,
    pub cancelled_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub test: bool,
    pub financial_status: Option<String>,
    pub currency: String,
    pub total_price: Decimal,
    pub current_total_price: Option<Decimal>,
    pub tags: Option<String>,
    #[serde(default)]
    pub discount_codes: Vec<Code>,
    pub source_name: Option<String>,
    pub landing_site: Option<String>,
    pub referring_site: Option<String>,
    pub customer: Option<Only>,
    #[serde(default)]
    pub line_items: Vec<Line>,
}

#[derive(Debug, Deserialize)]
pub(in super::super) struct Code {
    pub code: String,
}

#[derive(Debug, Deserialize)]
pub(in super::super) struct Line {
    pub title: Option<String>,
    pub sku: Option<String>,
    pub product_id: Option<Id>,
    #[serde(default)]
    pub quantity: i64,
    pub price: Option<Decimal>,
}

#[derive(Debug, Deserialize)]
pub(in super::super) struct Refund {
    pub order_id: Id,
}

#[derive(Debug, Deserialize)]
pub(in super::super) struct Checkout {
    pub id: Id,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: Option<DateTime<Utc>>,
    pub completed_at: Option<DateTime<Utc>>,
    pub abandoned_checkout_url: Option<String>,
    pub currency: Option<String>,
    pub total_price: Option<Decimal>,
    pub customer: Option<CheckoutCustomer>,
    #[serde(default)]
    pub line_items: Vec<Line>,
}

#[derive(Debug, Deserialize)]
pub(in super::super) struct CheckoutCustomer {
    pub id: Id,
    pub email: Option<String>,
    pub phone: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(in super::super) struct Product {
    pub id: Id,
    pub title: String,
    pub handle: Option<String>,
    pub status: Option<String>,
    pub vendor: Option<String>,
    #[serde(rename = "product_type")]
    pub kind: Option<String>,
    pub tags: Option<String>,
    pub published_at: Option<DateTime<Utc>>,
    pub updated_at: DateTime<Utc>,
    pub image: Option<Image>,
    #[serde(default)]
    pub variants: Vec<Variant>,
}

#[derive(Debug, Deserialize)]
pub(in super::super) struct Image {
    pub src: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(in super::super) struct Variant {
    pub id: Id,
    pub title: Option<String>,
    pub sku: Option<String>,
    pub price: Option<Decimal>,
    pub inventory_quantity: Option<i64>,
}

/// What the law wants done for a customer.
#[derive(Debug, Deserialize)]
pub(in super::super) struct Compliance {
    pub customer: Option<ComplianceCustomer>,
}

#[derive(Debug, Deserialize)]
pub(in super::super) struct ComplianceCustomer {
    pub id: Option<Id>,
    pub email: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(in super::super) struct Scopes {
    #[serde(default)]
    pub current: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(in super::super) struct Bulk {
    pub admin_graphql_api_id: String,
}
