//! Conversions to be told to platforms that showed advertisements.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{LineItem, Money, Person};
use crate::{Context, Result};

/// A platform that wants to know what its advertisements brought.
#[async_trait]
pub trait ConversionSink: Send + Sync {
    /// How many events one call takes.
    fn batch_limit(&self) -> usize;

    /// For how long after it happened an event is taken.
    fn oldest(&self) -> chrono::Duration;

    /// Tells events; answers for each in its order. An event is told again with the same id without counting twice. One
    /// without consent is withheld. A wrong event does not harm the others.
    ///
    /// # Errors
    /// What concerns all of them: credentials, throttle, an outage.
    async fn send(&self, context: &Context, events: &[ConversionEvent]) -> Result<Vec<ConversionOutcome>>;
}

/// Something worth money (or on its way there) that a person did.
#[derive(Clone, Debug, PartialEq)]
pub struct ConversionEvent {
    /// Ours; the platform counts an id once.
    pub id: String,
    /// What happened.
    pub name: ConversionName,
    /// When.
    pub at: DateTime<Utc>,
    /// Where.
    pub origin: Origin,
    /// Who.
    pub person: Person,
    /// What the browser told, where there was one.
    pub visitor: Visitor,
    /// What it was worth.
    pub value: Option<Money>,
    /// The order, where it was one.
    pub order: Option<String>,
    /// What was bought.
    pub lines: Vec<LineItem>,
    /// Whether the person lets advertisers have their data.
    pub consent: AdConsent,
    /// The platform's own id of the lead, where it came from there.
    pub platform_lead: Option<String>,
}

/// What happened; the platform has its own words for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConversionName {
    /// Bought something.
    Purchase,
    /// Left their name.
    Lead,
    /// Signed up.
    CompleteRegistration,
    /// Made an appointment.
    Schedule,
    /// Began to pay.
    Subscribe,
    /// Came a step further in the sales pipeline, named as the deployment names it.
    Stage(String),
    /// Something else, named as the deployment names it.
    Custom(String),
}

/// Where a conversion happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// On a web site.
    Website,
    /// In a shop of bricks.
    Store,
    /// On the phone.
    Phone,
    /// By mail.
    Email,
    /// In a chat.
    Chat,
    /// In a system such as a CRM.
    System,
}

/// What a browser told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visitor {
    /// Its address.
    pub ip: Option<String>,
    /// What it calls itself.
    pub user_agent: Option<String>,
    /// The page.
    pub url: Option<String>,
    /// The platform's click id as it came with the first page, e.g. `fbclid`, and when.
    pub click: Option<(String, DateTime<Utc>)>,
    /// The platform's own cookie of the browser, e.g. `_fbp`.
    pub browser: Option<String>,
}

/// Whether a person lets advertisers have their data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AdConsent {
    /// Yes.
    Granted,
    /// No.
    Denied,
    /// Nobody asked, and no law of theirs wants it asked.
    NotRequired,
    /// Not known; withheld.
    Unknown,
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConversionOutcome {
    /// The platform has it.
    Accepted,
    /// It was not sent, as the person has not consented.
    Withheld,
    /// The platform does not take it, or would not: why.
    Refused(String),
}
