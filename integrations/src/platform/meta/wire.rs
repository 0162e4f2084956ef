//! The platform's JSON. What is not known is passed over; ids come as texts or numbers, numbers as texts.

use std::fmt;

use rust_decimal::Decimal;
use serde::de::{Deserializer, Error as _, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

/// An id, whether it came as a text or a number. Never by way of a float, which is too narrow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Id(pub(super) String);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl Visitor<'_> for Either {
            type Value = Id;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id as a text or a number")
            }

            fn visit_str<E>(self, text: &str) -> Result<Id, E> {
                Ok(Id(text.to_owned()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Id, E> {
                Ok(Id(number.to_string()))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

/// An amount, whether it came as a text or a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount(pub(super) Decimal);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match Value::deserialize(deserializer)? {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            _ => return Err(D::Error::custom("expected a number")),
        };
        let amount = text.parse().or_else(|_| Decimal::from_scientific(&text));
        amount
            .map(Self)
            .map_err(|_| D::Error::custom("expected a number"))
    }
}

/// A part of a listing.
#[derive(Debug, Deserialize)]
pub(super) struct Listing<T> {
    pub(super) data: Vec<T>,
    #[serde(default)]
    pub(super) paging: Paging,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Paging {
    #[serde(default)]
    pub(super) cursors: Cursors,
    /// That there is more; the address itself has the token in it and is not used.
    pub(super) next: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Cursors {
    pub(super) after: Option<String>,
}

/// An answer that is a failure.
#[derive(Debug, Deserialize)]
pub(super) struct Failed {
    pub(super) error: Option<Fault>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Fault {
    #[serde(default)]
    pub(super) message: String,
    #[serde(default)]
    pub(super) code: u32,
    pub(super) error_subcode: Option<u32>,
    #[serde(default)]
    pub(super) is_transient: bool,
    pub(super) error_user_msg: Option<String>,
    pub(super) fbtrace_id: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Done {
    #[serde(default)]
    pub(super) success: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Named {
    pub(super) id: Id,
    #[serde(default)]
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Page {
    pub(super) id: Id,
    #[serde(default)]
    pub(super) name: String,
    /// Absent where the token's owner has no task on the page.
    pub(super) access_token: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Form {
    pub(super) id: Id,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) status: String,
    pub(super) leads_count: Option<u64>,
    #[serde(default)]
    pub(super) questions: Vec<Question>,
    #[serde(default)]
    pub(super) legal_content: LegalContent,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Question {
    #[serde(default)]
    pub(super) key: String,
    #[serde(default)]
    pub(super) label: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct LegalContent {
    #[serde(default)]
    pub(super) custom_disclaimer: Disclaimer,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Disclaimer {
    #[serde(default)]
    pub(super) checkboxes: Vec<Checkbox>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Checkbox {
    #[serde(default)]
    pub(super) key: String,
    #[serde(default)]
    pub(super) text: String,
    #[serde(default)]
    pub(super) is_checked_by_default: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Lead {
    pub(super) id: Id,
    pub(super) created_time: Option<String>,
    #[serde(default)]
    pub(super) field_data: Vec<Answered>,
    pub(super) form_id: Option<Id>,
    pub(super) ad_id: Option<Id>,
    pub(super) ad_name: Option<String>,
    pub(super) adset_id: Option<Id>,
    pub(super) adset_name: Option<String>,
    pub(super) campaign_id: Option<Id>,
    pub(super) campaign_name: Option<String>,
    pub(super) is_organic: Option<bool>,
    pub(super) platform: Option<String>,
    #[serde(default)]
    pub(super) custom_disclaimer_responses: Vec<Ticked>,
    pub(super) partner_name: Option<String>,
    pub(super) retailer_item_id: Option<Id>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Answered {
    pub(super) name: String,
    #[serde(default)]
    pub(super) values: Vec<Value>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Ticked {
    pub(super) checkbox_key: String,
    /// `"1"` or `""`; also seen as a boolean.
    #[serde(default)]
    pub(super) is_checked: Value,
}

/// A notification.
#[derive(Debug, Deserialize)]
pub(super) struct Notification {
    #[serde(default)]
    pub(super) object: String,
    #[serde(default)]
    pub(super) entry: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    #[serde(default)]
    pub(super) changes: Vec<Change>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Change {
    #[serde(default)]
    pub(super) field: String,
    #[serde(default)]
    pub(super) value: Value,
}

#[derive(Debug, Deserialize)]
pub(super) struct Leadgen {
    pub(super) leadgen_id: Id,
}

#[derive(Debug, Deserialize)]
pub(super) struct AppSubscription {
    #[serde(default)]
    pub(super) object: String,
    pub(super) callback_url: Option<String>,
    #[serde(default)]
    pub(super) fields: Vec<Value>,
}

impl AppSubscription {
    /// Whether it is about a field; fields come as names or as objects with names.
    pub(super) fn has(&self, name: &str) -> bool {
        self.fields
            .iter()
            .any(|field| field == name || field["name"] == name)
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct PageSubscription {
    pub(super) id: Id,
    #[serde(default)]
    pub(super) subscribed_fields: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Token {
    pub(super) access_token: String,
    pub(super) expires_in: Option<i64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Debugged {
    pub(super) data: TokenFacts,
}

#[derive(Debug, Deserialize)]
pub(super) struct TokenFacts {
    #[serde(default)]
    pub(super) is_valid: bool,
    /// Unix seconds; 0 for tokens that do not expire.
    #[serde(default)]
    pub(super) expires_at: i64,
    #[serde(default)]
    pub(super) scopes: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Account {
    pub(super) name: Option<String>,
    pub(super) currency: Option<String>,
    pub(super) timezone_name: Option<String>,
}

/// An event to be told.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Event {
    pub(super) event_name: String,
    pub(super) event_time: i64,
    pub(super) event_id: String,
    pub(super) action_source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) event_source_url: Option<String>,
    pub(super) user_data: UserData,
    #[serde(skip_serializing_if = "CustomData::is_empty")]
    pub(super) custom_data: CustomData,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) data_processing_options: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data_processing_options_country: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data_processing_options_state: Option<u8>,
}

/// Who; hashed but for what the platform wants as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct UserData {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) em: Option<[String; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ph: Option<[String; 1]>,
    #[serde(rename = "fn", skip_serializing_if = "Option::is_none")]
    pub(super) first: Option<[String; 1]>,
    #[serde(rename = "ln", skip_serializing_if = "Option::is_none")]
    pub(super) last: Option<[String; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) db: Option<[String; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ct: Option<[String; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) st: Option<[String; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) zp: Option<[String; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) country: Option<[String; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) external_id: Option<[String; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_ip_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_user_agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fbc: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fbp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lead_id: Option<u64>,
}

/// What it was worth, and what was bought.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct CustomData {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) currency: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) order_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) content_ids: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) contents: Vec<Content>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) num_items: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) event_source: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lead_event_source: Option<String>,
}

impl CustomData {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Content {
    pub(super) id: String,
    pub(super) quantity: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) item_price: Option<Number>,
}

#[derive(Serialize)]
pub(super) struct Events<'a> {
    pub(super) data: &'a [Event],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) test_event_code: Option<&'a str>,
}

#[derive(Debug, Deserialize)]
pub(super) struct EventsTaken {
    #[serde(default)]
    pub(super) events_received: usize,
    #[serde(default)]
    pub(super) messages: Vec<Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CustomAudience {
    pub(super) id: Id,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) subtype: String,
    #[serde(default)]
    pub(super) operation_status: Status,
    #[serde(default)]
    pub(super) delivery_status: Status,
    pub(super) approximate_count_lower_bound: Option<i64>,
    pub(super) approximate_count_upper_bound: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Status {
    pub(super) code: Option<u32>,
    pub(super) description: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Upload<'a> {
    pub(super) session: Session,
    pub(super) payload: Payload<'a>,
}

#[derive(Serialize)]
pub(super) struct Session {
    pub(super) session_id: u64,
    pub(super) batch_seq: usize,
    pub(super) last_batch_flag: bool,
    pub(super) estimated_num_total: usize,
}

#[derive(Serialize)]
pub(super) struct Payload<'a> {
    pub(super) schema: &'static [&'static str],
    pub(super) data: &'a [Vec<String>],
}

#[derive(Debug, Deserialize)]
pub(super) struct Uploaded {
    #[serde(default)]
    pub(super) num_received: u64,
    #[serde(default)]
    pub(super) num_invalid_entries: u64,
}

/// The result of a day.
#[derive(Debug, Deserialize)]
pub(super) struct Insight {
    pub(super) account_id: Option<Id>,
    pub(super) account_name: Option<String>,
    pub(super) account_currency: Option<String>,
    pub(super) campaign_id: Option<Id>,
    pub(super) campaign_name: Option<String>,
    pub(super) adset_id: Option<Id>,
    pub(super) adset_name: Option<String>,
    pub(super) ad_id: Option<Id>,
    pub(super) ad_name: Option<String>,
    #[serde(default)]
    pub(super) spend: Amount,
    #[serde(default)]
    pub(super) impressions: Amount,
    #[serde(default)]
    pub(super) clicks: Amount,
    #[serde(default)]
    pub(super) actions: Vec<Action>,
    #[serde(default)]
    pub(super) action_values: Vec<Action>,
    pub(super) date_start: chrono::NaiveDate,
}

#[derive(Debug, Deserialize)]
pub(super) struct Action {
    #[serde(default)]
    pub(super) action_type: String,
    #[serde(default)]
    pub(super) value: Amount,
}
