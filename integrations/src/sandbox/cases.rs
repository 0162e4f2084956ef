//! What the conformance suite needs to know of a sandbox: a case for each facet of the platform.

use crate::Kind;
use crate::facet::{DateRange, Message};

/// A case for each facet; one that is missing fails the suite.
#[derive(Clone, Debug, Default)]
pub struct Cases {
    /// For `LeadSource`.
    pub lead_source: Option<LeadSourceCase>,
    /// For `Commerce`.
    pub commerce: Option<CommerceCase>,
    /// For `AudienceSink`.
    pub audience_sink: Option<AudienceSinkCase>,
    /// For `ConversionSink`.
    pub conversion_sink: Option<ConversionSinkCase>,
    /// For `Messenger`.
    pub messenger: Option<MessengerCase>,
    /// For `TextGenerator`.
    pub text_generator: Option<TextGeneratorCase>,
    /// For `Webhooks`.
    pub webhooks: Option<WebhooksCase>,
    /// For `AdReporting`.
    pub ad_reporting: Option<AdReportingCase>,
    /// For `OAuth`: that there is one. The sandbox's page of consent says yes at once, with a redirect.
    pub oauth: Option<()>,
}

/// Leads: more than one page of them.
#[derive(Clone, Debug)]
pub struct LeadSourceCase {
    /// How many it holds.
    pub leads: usize,
    /// The id of one.
    pub lead: String,
    /// What happens at the platform so that there is one more.
    pub another: &'static str,
}

/// A shop: more than one page of customers and of orders.
#[derive(Clone, Debug)]
pub struct CommerceCase {
    /// How many customers it holds.
    pub customers: usize,
    /// How many orders.
    pub orders: usize,
    /// How many products.
    pub products: usize,
    /// How many abandoned checkouts.
    pub abandoned_checkouts: usize,
    /// The id of a customer.
    pub customer: String,
    /// What happens at the platform so that there is one more customer.
    pub another_customer: &'static str,
    /// What happens at the platform so that there is one more order.
    pub another_order: &'static str,
}

/// Audiences. What [`holds`](super::Sandbox::holds) calls them is told here.
#[derive(Clone, Debug)]
pub struct AudienceSinkCase {
    /// The name under which it counts members.
    pub members: &'static str,
}

/// Conversions.
#[derive(Clone, Debug)]
pub struct ConversionSinkCase {
    /// The name under which it counts events, each once.
    pub events: &'static str,
}

/// Messages.
#[derive(Clone, Debug)]
pub struct MessengerCase {
    /// Messages that are taken, at least one for each channel.
    pub messages: Vec<Message>,
    /// Messages that are not, and why.
    pub refused: Vec<(Message, Kind)>,
    /// The name under which it counts messages.
    pub held: &'static str,
}

/// Text.
#[derive(Clone, Debug)]
pub struct TextGeneratorCase {
    /// A model that it has.
    pub model: String,
    /// Whether the answers (or the prices in the settings of the sandbox's connection) tell what they cost.
    pub cost: bool,
}

/// Webhooks. All of [`happenings`](super::Sandbox::happenings) are let happen.
#[derive(Clone, Debug)]
pub struct WebhooksCase {
    /// Topics that can be subscribed to by the API; empty where it is done on the platform's pages.
    pub topics: Vec<&'static str>,
    /// Whether the platform's deliveries carry an id.
    pub ids: bool,
    /// Whether deliveries are signed. Where they are not, anybody can send them: say so in the manifest's summary.
    pub signed: bool,
}

/// Results of advertisements.
#[derive(Clone, Debug)]
pub struct AdReportingCase {
    /// Days of which it has results.
    pub range: DateRange,
    /// How many results there are for these days, by campaign: more than one page.
    pub results: usize,
}
