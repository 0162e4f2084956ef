//! Twilio's JSON. What is not read is not named; what may be absent or null is optional.

use serde::{Deserialize, Deserializer};

/// An account. Its token is in the answer too, and is not read.
#[derive(Debug, Deserialize)]
pub struct AccountResource {
    pub sid: String,
    #[serde(default)]
    pub friendly_name: Option<String>,
    #[serde(default)]
    pub status: Option<String>,
    #[serde(rename = "type", default)]
    pub kind: Option<String>,
}

/// A message.
#[derive(Debug, Default, Deserialize)]
pub struct MessageResource {
    pub sid: String,
    #[serde(default)]
    pub status: Option<String>,
    #[serde(default)]
    pub direction: Option<String>,
    #[serde(default)]
    pub to: Option<String>,
    #[serde(default)]
    pub from: Option<String>,
    #[serde(default)]
    pub body: Option<String>,
    #[serde(default, deserialize_with = "number")]
    pub num_segments: Option<u32>,
    #[serde(default, deserialize_with = "number")]
    pub error_code: Option<u32>,
    #[serde(default)]
    pub error_message: Option<String>,
    #[serde(default)]
    pub date_created: Option<String>,
}

/// A call.
#[derive(Debug, Default, Deserialize)]
pub struct CallResource {
    pub sid: String,
    #[serde(default)]
    pub status: Option<String>,
    #[serde(default)]
    pub direction: Option<String>,
    #[serde(default)]
    pub to: Option<String>,
    #[serde(default)]
    pub from: Option<String>,
    #[serde(default)]
    pub date_created: Option<String>,
}

/// A number of the account.
#[derive(Debug, Deserialize)]
pub struct NumberResource {
    pub sid: String,
    pub phone_number: String,
    #[serde(default)]
    pub capabilities: Capabilities,
    #[serde(default)]
    pub sms_url: Option<String>,
    #[serde(default)]
    pub sms_application_sid: Option<String>,
}

/// What a number can do.
#[derive(Debug, Default, Deserialize)]
pub struct Capabilities {
    #[serde(default, alias = "SMS")]
    pub sms: Option<bool>,
}

/// A messaging service.
#[derive(Debug, Deserialize)]
pub struct ServiceResource {
    #[serde(default)]
    pub inbound_request_url: Option<String>,
    #[serde(default)]
    pub use_inbound_webhook_on_number: Option<bool>,
}

/// A page of a listing.
#[derive(Debug, Deserialize)]
pub struct Listing<T> {
    #[serde(alias = "messages", alias = "calls", alias = "incoming_phone_numbers")]
    pub rows: Vec<T>,
    #[serde(default)]
    pub next_page_uri: Option<String>,
}

/// A refusal: Twilio's own shape, or problem+json.
#[derive(Debug, Default, Deserialize)]
pub struct Refusal {
    #[serde(default, deserialize_with = "number")]
    pub code: Option<u32>,
    #[serde(default)]
    pub message: Option<String>,
    #[serde(default)]
    pub title: Option<String>,
    #[serde(default)]
    pub detail: Option<String>,
    #[serde(default)]
    pub errors: Vec<RefusalDetail>,
}

/// One of several things that are wrong.
#[derive(Debug, Default, Deserialize)]
pub struct RefusalDetail {
    #[serde(default)]
    pub detail: Option<String>,
    #[serde(default)]
    pub message: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(u32),
    Text(String),
    Other(serde::de::IgnoredAny),
}

/// A number that also comes as text; what is neither is as if it were not there.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    Ok(match Option::<NumberOrText>::deserialize(deserializer)? {
        Some(NumberOrText::Number(number)) => Some(number),
        Some(NumberOrText::Text(text)) => text.trim().parse().ok(),
        Some(NumberOrText::Other(_)) | None => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_as_numbers_texts_and_not_at_all() {
        let read = |text: &str| serde_json::from_str::<MessageResource>(text).unwrap();
        let text = read(r#"{"sid":"SM1","num_segments":"2","error_code":"30003","unknown":{}}"#);
        assert_eq!((text.num_segments, text.error_code), (Some(2), Some(30003)));
        let bare =
            read(r#"{"sid":"SM1","num_segments":3,"error_code":null,"body":null,"status":"a_new_one"}"#);
        assert_eq!((bare.num_segments, bare.error_code), (Some(3), None));
        assert_eq!(read(r#"{"sid":"SM1","num_segments":[1]}"#).num_segments, None);
    }
}
