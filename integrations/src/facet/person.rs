//! What several facets say of a person.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;

/// An amount in a currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Money {
    /// In the currency's major unit, e.g. `12.50`.
    pub amount: Decimal,
    /// ISO 4217, e.g. `EUR`.
    pub currency: String,
}

/// A person as handed to a platform: what is known, as it is. Normalising and hashing is the platform's part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// Our id, stable, tells nothing about the person.
    pub external_id: String,
    /// E-mail address.
    pub email: Option<String>,
    /// E.164.
    pub phone: Option<String>,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// City.
    pub city: Option<String>,
    /// State or region: two letters in the US.
    pub region: Option<String>,
    /// Postal code.
    pub postal_code: Option<String>,
    /// ISO 3166 alpha-2.
    pub country: Option<String>,
    /// Day of birth.
    pub born: Option<NaiveDate>,
}

/// Where consent counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContactChannel {
    /// E-mail.
    Email,
    /// Text messages.
    Sms,
    /// WhatsApp.
    WhatsApp,
    /// Calls.
    Voice,
}

/// What a person has said to marketing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConsentState {
    /// Yes.
    Granted,
    /// No, or no more.
    Denied,
    /// Asked, and has not answered yet (double opt-in).
    Pending,
}

/// Consent as a platform has it on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentRecord {
    /// Where.
    pub channel: ContactChannel,
    /// What.
    pub state: ConsentState,
    /// When it was given or taken back; `None` when the platform does not know.
    pub at: Option<DateTime<Utc>>,
    /// How the platform came by it, e.g. `CONFIRMED_OPT_IN` or the text of a box that was ticked.
    pub proof: Option<String>,
}
