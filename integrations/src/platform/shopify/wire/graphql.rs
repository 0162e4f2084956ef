//! What the GraphQL door answers. Rows borrow from the bytes they are read from: a file of a bulk operation has as many as
//! the shop has customers.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer};

/// Text that is borrowed where it has no escapes.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(in super::super) struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

impl Text<'_> {
    /// Without space around it; `None` when there is nothing else.
    pub(in super::super) fn trimmed(&self) -> Option<String> {
        let text = self.0.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }
}

/// A count, which comes as text or as a number.
pub(in super::super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    struct Count;

    impl Visitor<'_> for Count {
        type Value = Option<u64>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a count")
        }

        fn visit_u64<E>(self, count: u64) -> Result<Option<u64>, E> {
            Ok(Some(count))
        }

        fn visit_i64<E>(self, count: i64) -> Result<Option<u64>, E> {
            Ok(count.try_into().ok())
        }

        fn visit_str<E>(self, text: &str) -> Result<Option<u64>, E> {
            Ok(text.trim().parse().ok())
        }

        fn visit_unit<E>(self) -> Result<Option<u64>, E> {
            Ok(None)
        }
    }

    deserializer.deserialize_any(Count)
}

#[derive(Deserialize)]
pub(in super::super) struct Data<T> {
    pub data: T,
}

/// A connection that was asked for under the name `items`.
#[derive(Deserialize)]
pub(in super::super) struct Items<R> {
    pub items: Connection<R>,
}

/// Objects by their ids, asked for under the name `items`.
#[derive(Deserialize)]
pub(in super::super) struct ByIds<R> {
    pub items: Vec<Option<R>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Connection<R> {
    pub page_info: PageInfo,
    pub nodes: Vec<R>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct PageInfo {
    pub has_next_page: bool,
    pub end_cursor: Option<String>,
}

impl PageInfo {
    /// Where the next page begins, if there is one.
    pub(in super::super) fn next(self) -> Option<String> {
        self.end_cursor.filter(|_| self.has_next_page)
    }
}

/// The children of an object beyond those that came with it.
#[derive(Deserialize)]
pub(in super::super) struct Rest<R> {
    pub node: Option<RestOf<R>>,
}

#[derive(Deserialize)]
pub(in super::super) struct RestOf<R> {
    pub items: Connection<R>,
}

/// The part of a line of a bulk file that says where it belongs.
#[derive(Deserialize)]
pub(in super::super) struct LineHead<'a> {
    #[serde(rename = "__parentId", borrow, default)]
    pub parent: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Money<'a> {
    pub amount: Decimal,
    #[serde(borrow)]
    pub currency_code: Text<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct MoneySet<'a> {
    #[serde(borrow)]
    pub shop_money: Money<'a>,
}

#[derive(Debug, Deserialize)]
pub(in super::super) struct Ref<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct CustomerRow<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow)]
    pub first_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub last_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub locale: Option<Text<'a>>,
    pub note: Option<String>,
    #[serde(default)]
    pub tags: Vec<String>,
    pub verified_email: Option<bool>,
    pub tax_exempt: Option<bool>,
    pub data_sale_opt_out: Option<bool>,
    #[serde(default, deserialize_with = "count")]
    pub number_of_orders: Option<u64>,
    #[serde(borrow)]
    pub amount_spent: Option<Money<'a>>,
    pub created_at: Option<DateTime<Utc>>,
    pub updated_at: Option<DateTime<Utc>>,
    #[serde(borrow)]
    pub default_email_address: Option<ChannelRow<'a>>,
    #[serde(borrow)]
    pub default_phone_number: Option<ChannelRow<'a>>,
    #[serde(borrow)]
    pub default_address: Option<AddressRow<'a>>,
}

/// An e-mail address or a number, and what was said to marketing there.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct ChannelRow<'a> {
    #[serde(borrow, alias = "emailAddress", alias = "phoneNumber")]
    pub address: Option<Text<'a>>,
    #[serde(borrow)]
    pub marketing_state: Option<Text<'a>>,
    #[serde(borrow)]
    pub marketing_opt_in_level: Option<Text<'a>>,
    pub marketing_updated_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct AddressRow<'a> {
    #[serde(borrow)]
    pub company: Option<Text<'a>>,
    #[serde(borrow)]
    pub address1: Option<Text<'a>>,
    #[serde(borrow)]
    pub city: Option<Text<'a>>,
    #[serde(borrow)]
    pub province_code: Option<Text<'a>>,
    #[serde(borrow)]
    pub country_code_v2: Option<Text<'a>>,
    #[serde(borrow)]
    pub zip: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct OrderRow<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow)]
    pub email: Option<Text<'a>>,
    #[serde(borrow)]
    pub phone: Option<Text<'a>>,
    pub created_at: DateTime<Utc>,
    pub processed_at: Option<DateTime<Utc>>,
    pub updated_at: DateTime<Utc>,
    pub cancelled_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub test: bool,
    #[serde(default)]
    pub tags: Vec<String>,
    #[serde(default)]
    pub discount_codes: Vec<String>,
    #[serde(borrow)]
    pub source_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub display_financial_status: Option<Text<'a>>,
    #[serde(borrow)]
    pub customer: Option<Ref<'a>>,
    #[serde(borrow)]
    pub total_price_set: MoneySet<'a>,
    #[serde(borrow)]
    pub current_total_price_set: Option<MoneySet<'a>>,
    #[serde(borrow)]
    pub customer_journey_summary: Option<Journey<'a>>,
    /// Absent in lines of bulk files: there they are lines of their own.
    #[serde(borrow)]
    pub children: Option<Connection<LineRow<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Journey<'a> {
    #[serde(borrow)]
    pub first_visit: Option<Visit<'a>>,
    #[serde(borrow)]
    pub last_visit: Option<Visit<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Visit<'a> {
    #[serde(borrow)]
    pub landing_page: Option<Text<'a>>,
    #[serde(borrow)]
    pub referrer_url: Option<Text<'a>>,
    #[serde(borrow)]
    pub source: Option<Text<'a>>,
    #[serde(borrow)]
    pub utm_parameters: Option<Utm<'a>>,
}

#[derive(Deserialize)]
pub(in super::super) struct Utm<'a> {
    #[serde(borrow)]
    pub source: Option<Text<'a>>,
    #[serde(borrow)]
    pub medium: Option<Text<'a>>,
    #[serde(borrow)]
    pub campaign: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct LineRow<'a> {
    #[serde(borrow)]
    pub title: Option<Text<'a>>,
    #[serde(borrow)]
    pub sku: Option<Text<'a>>,
    #[serde(default)]
    pub quantity: i64,
    #[serde(borrow)]
    pub product: Option<Ref<'a>>,
    #[serde(borrow)]
    pub original_unit_price_set: Option<MoneySet<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct ProductRow<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow)]
    pub title: Text<'a>,
    #[serde(borrow)]
    pub status: Option<Text<'a>>,
    #[serde(borrow)]
    pub vendor: Option<Text<'a>>,
    #[serde(borrow)]
    pub product_type: Option<Text<'a>>,
    #[serde(default)]
    pub tags: Vec<String>,
    #[serde(borrow)]
    pub online_store_url: Option<Text<'a>>,
    #[serde(borrow)]
    pub featured_media: Option<Media<'a>>,
    #[serde(borrow)]
    pub price_range_v2: Option<PriceRange<'a>>,
    pub updated_at: DateTime<Utc>,
    #[serde(borrow)]
    pub children: Option<Connection<VariantRow<'a>>>,
}

#[derive(Deserialize)]
pub(in super::super) struct Media<'a> {
    #[serde(borrow)]
    pub preview: Option<Preview<'a>>,
}

#[derive(Deserialize)]
pub(in super::super) struct Preview<'a> {
    #[serde(borrow)]
    pub image: Option<Image<'a>>,
}

#[derive(Deserialize)]
pub(in super::super) struct Image<'a> {
    #[serde(borrow)]
    pub url: Text<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct PriceRange<'a> {
    #[serde(borrow)]
    pub min_variant_price: Money<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct VariantRow<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow)]
    pub title: Option<Text<'a>>,
    #[serde(borrow)]
    pub sku: Option<Text<'a>>,
    pub price: Option<Decimal>,
    pub inventory_quantity: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct CheckoutRow<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow)]
    pub abandoned_checkout_url: Option<Text<'a>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub completed_at: Option<DateTime<Utc>>,
    #[serde(borrow)]
    pub total_price_set: Option<MoneySet<'a>>,
    #[serde(borrow)]
    pub customer: Option<CheckoutCustomer<'a>>,
    #[serde(borrow)]
    pub billing_address: Option<CheckoutAddress<'a>>,
    #[serde(borrow)]
    pub shipping_address: Option<CheckoutAddress<'a>>,
    #[serde(borrow)]
    pub children: Option<Connection<LineRow<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct CheckoutCustomer<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow)]
    pub default_email_address: Option<ChannelRow<'a>>,
    #[serde(borrow)]
    pub default_phone_number: Option<ChannelRow<'a>>,
}

#[derive(Deserialize)]
pub(in super::super) struct CheckoutAddress<'a> {
    #[serde(borrow)]
    pub phone: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct ShopData {
    pub shop: ShopRow,
    pub current_app_installation: Option<Installation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct ShopRow {
    pub id: String,
    pub name: String,
    pub email: Option<String>,
    pub myshopify_domain: String,
    pub primary_domain: Option<Domain>,
    pub currency_code: String,
    pub iana_timezone: Option<String>,
    pub plan: Option<Plan>,
}

#[derive(Deserialize)]
pub(in super::super) struct Domain {
    pub url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Plan {
    pub public_display_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Installation {
    pub access_scopes: Vec<AccessScope>,
}

#[derive(Deserialize)]
pub(in super::super) struct AccessScope {
    pub handle: String,
}

#[derive(Deserialize)]
pub(in super::super) struct Counts {
    pub customers: Option<Count>,
    pub orders: Option<Count>,
    pub products: Option<Count>,
}

#[derive(Deserialize)]
pub(in super::super) struct Count {
    #[serde(deserialize_with = "count")]
    pub count: Option<u64>,
    pub precision: Option<String>,
}

#[derive(Deserialize)]
pub(in super::super) struct Done {
    pub done: Option<Payload>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Payload {
    #[serde(default)]
    pub user_errors: Vec<UserError>,
}

#[derive(Debug, Deserialize)]
pub(in super::super) struct UserError {
    pub field: Option<Vec<String>>,
    pub message: String,
    pub code: Option<String>,
}

#[derive(Deserialize)]
pub(in super::super) struct NoteData {
    pub customer: Option<Note>,
}

#[derive(Deserialize)]
pub(in super::super) struct Note {
    pub note: Option<String>,
}

#[derive(Deserialize)]
pub(in super::super) struct BulkBegun {
    pub begun: Option<BulkPayload>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct BulkPayload {
    pub bulk_operation: Option<BulkId>,
    #[serde(default)]
    pub user_errors: Vec<UserError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct BulkId {
    pub id: String,
    pub created_at: DateTime<Utc>,
}

#[derive(Deserialize)]
pub(in super::super) struct BulkNode {
    pub node: Option<BulkState>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct BulkState {
    pub status: Option<String>,
    pub error_code: Option<String>,
    #[serde(default, deserialize_with = "count")]
    pub root_object_count: Option<u64>,
    pub url: Option<String>,
    pub partial_data_url: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Webhooks {
    pub webhook_subscriptions: Connection<WebhookRow>,
}

#[derive(Deserialize)]
pub(in super::super) struct WebhookRow {
    pub id: String,
    pub topic: String,
    pub uri: Option<String>,
}

/// What the token door answers.
#[derive(Deserialize)]
pub(in super::super) struct Token {
    #[serde(rename = "access_token")]
    pub access: String,
    #[serde(default)]
    pub scope: String,
    #[serde(default, deserialize_with = "count")]
    pub expires_in: Option<u64>,
    #[serde(rename = "refresh_token")]
    pub refresh: Option<String>,
    #[serde(default, deserialize_with = "count")]
    pub refresh_token_expires_in: Option<u64>,
}
