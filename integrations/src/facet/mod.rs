//! What a platform can do: one trait for each capability. A platform has a facet or has it not; none is stubbed.
//!
//! A new facet is a trait, a field of [`Facets`] and a case of the conformance suite; platforms without it stay as they
//! are.

mod ad_reporting;
mod audience_sink;
mod commerce;
mod conversion_sink;
mod lead_source;
mod messenger;
mod oauth;
mod paging;
mod person;
mod text_generator;
mod webhooks;

pub use self::ad_reporting::{AdLevel, AdReporting, AdResult, DateRange};
pub use self::audience_sink::{
    Audience, AudienceReceipt, AudienceSink, AudienceSize, AudienceStatus, Lookalike, NewAudience,
};
pub use self::commerce::{
    AbandonedCheckout, Commerce, CommerceCounts, ConsentChange, Customer, LineItem, Order, OrderVisit,
    PaymentState, Product, Shop, Variant,
};
pub use self::conversion_sink::{
    AdConsent, ConversionEvent, ConversionName, ConversionOutcome, ConversionSink, Origin, Visitor,
};
pub use self::lead_source::{LeadForm, LeadRecord, LeadSource, LeadTrail};
pub use self::messenger::{Channel, Content, DeliveryState, Limits, Message, Messenger, Receipt, Reconciled};
pub use self::oauth::{AuthorizeRequest, Callback, Exchange, OAuth};
pub use self::paging::{Cursor, Page, Pages};
pub use self::person::{ConsentRecord, ConsentState, ContactChannel, Money, Person};
pub use self::text_generator::{
    Finish, Model, Role, TextGenerator, TextMessage, TextPiece, TextRequest, Usage,
};
pub use self::webhooks::{
    Inbound, InboundMessage, Keyword, MessageEvent, Reply, Subscription, WebhookEvent, Webhooks,
};

/// The facets of a platform. Name those it has and end with `..Facets::default()`.
#[derive(Clone, Copy, Default)]
pub struct Facets<'a> {
    /// Leads to be read.
    pub lead_source: Option<&'a dyn LeadSource>,
    /// A shop.
    pub commerce: Option<&'a dyn Commerce>,
    /// Audiences for advertisements.
    pub audience_sink: Option<&'a dyn AudienceSink>,
    /// Conversions to be told.
    pub conversion_sink: Option<&'a dyn ConversionSink>,
    /// Messages to be sent.
    pub messenger: Option<&'a dyn Messenger>,
    /// Text to be written.
    pub text_generator: Option<&'a dyn TextGenerator>,
    /// Webhooks to be received.
    pub webhooks: Option<&'a dyn Webhooks>,
    /// What advertisements cost and brought.
    pub ad_reporting: Option<&'a dyn AdReporting>,
    /// Consent given on the platform's own page.
    pub oauth: Option<&'a dyn OAuth>,
}

impl Facets<'_> {
    /// The names of the facets that are there, e.g. `LEAD_SOURCE`.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        // Taken apart, so that a new facet is not forgotten here.
        let Self {
            lead_source,
            commerce,
            audience_sink,
            conversion_sink,
            messenger,
            text_generator,
            webhooks,
            ad_reporting,
            oauth,
        } = self;
        [
            ("LEAD_SOURCE", lead_source.is_some()),
            ("COMMERCE", commerce.is_some()),
            ("AUDIENCE_SINK", audience_sink.is_some()),
            ("CONVERSION_SINK", conversion_sink.is_some()),
            ("MESSENGER", messenger.is_some()),
            ("TEXT_GENERATOR", text_generator.is_some()),
            ("WEBHOOKS", webhooks.is_some()),
            ("AD_REPORTING", ad_reporting.is_some()),
            ("OAUTH", oauth.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, there)| there.then_some(name))
        .collect()
    }
}

impl std::fmt::Debug for Facets<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}
