//! Theirs to ours and back; pure.

mod graphql;
mod rest;

use serde_json::{Map, Value};

pub(super) use self::graphql::{
    checkout, consent_state, customer, line, opt_in_level, order, product, scopes_with_implied, variant,
};
pub(super) use self::rest::{
    checkout as rest_checkout, consent_change, customer as rest_customer, order as rest_order,
    product as rest_product,
};
use crate::facet::{ConsentRecord, ConsentState, ContactChannel, PaymentState};

/// The names under which fields of a customer are told, whatever way they came.
pub(super) mod field {
    pub(in super::super) const EMAIL: &str = "email";
    pub(in super::super) const PHONE: &str = "phone";
    pub(in super::super) const FIRST_NAME: &str = "firstName";
    pub(in super::super) const LAST_NAME: &str = "lastName";
    pub(in super::super) const LOCALE: &str = "locale";
    pub(in super::super) const COMPANY: &str = "company";
    pub(in super::super) const ADDRESS: &str = "address1";
    pub(in super::super) const CITY: &str = "city";
    pub(in super::super) const REGION: &str = "provinceCode";
    pub(in super::super) const COUNTRY: &str = "countryCode";
    pub(in super::super) const ZIP: &str = "zip";
    pub(in super::super) const VERIFIED_EMAIL: &str = "verifiedEmail";
    pub(in super::super) const TAX_EXEMPT: &str = "taxExempt";
    pub(in super::super) const SALE_OPT_OUT: &str = "dataSaleOptOut";
}

/// What a state of marketing means; `None` where nothing was said, or we do not know the state.
fn said(state: &str) -> Option<ConsentState> {
    match state.to_ascii_uppercase().as_str() {
        "SUBSCRIBED" => Some(ConsentState::Granted),
        // Whose data is being struck out wants no mail.
        "UNSUBSCRIBED" | "REDACTED" => Some(ConsentState::Denied),
        "PENDING" => Some(ConsentState::Pending),
        _ => None,
    }
}

fn consent(
    channel: ContactChannel,
    state: Option<&str>,
    level: Option<&str>,
    at: Option<chrono::DateTime<chrono::Utc>>,
) -> Option<ConsentRecord> {
    Some(ConsentRecord {
        channel,
        state: said(state?)?,
        at,
        proof: level
            .map(str::to_ascii_uppercase)
            .filter(|level| level != "UNKNOWN"),
    })
}

fn payment(status: Option<&str>) -> PaymentState {
    match status.map(str::to_ascii_uppercase).as_deref() {
        Some("PENDING") => PaymentState::Pending,
        Some("AUTHORIZED") => PaymentState::Authorized,
        Some("PARTIALLY_PAID") => PaymentState::PartiallyPaid,
        Some("PAID") => PaymentState::Paid,
        Some("PARTIALLY_REFUNDED") => PaymentState::PartiallyRefunded,
        Some("REFUNDED") => PaymentState::Refunded,
        Some("VOIDED" | "EXPIRED") => PaymentState::Voided,
        _ => PaymentState::Other,
    }
}

fn quantity(quantity: i64) -> u32 {
    u32::try_from(quantity.max(0)).unwrap_or(u32::MAX)
}

fn filled(text: Option<&str>) -> Option<String> {
    let text = text?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Puts a field that is known: null when it is empty.
fn put(fields: &mut Map<String, Value>, name: &str, text: Option<&str>) {
    let value = filled(text).map_or(Value::Null, Value::String);
    fields.insert(name.to_owned(), value);
}

fn put_flag(fields: &mut Map<String, Value>, name: &str, flag: Option<bool>) {
    if let Some(flag) = flag {
        fields.insert(name.to_owned(), flag.into());
    }
}
