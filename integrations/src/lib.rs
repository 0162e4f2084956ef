//! Outside platforms: shops, advertising, mail, telephony, text models. Each is a folder in [`platform`] that says what it
//! is ([`Manifest`]) and what it can do ([`Facets`](facet::Facets)); [`all`] is the one list of them.
//!
//! The crate knows nothing of the database, GraphQL or axum: a facet gets a [`Context`] and answers with plain records, so
//! that a platform can be tried without a server. Each brings a stand-in of itself ([`sandbox`]) that speaks real HTTP on
//! loopback, and the same suite of tests holds all of them to the same promises (`tests/conformance`).
//! `docs/adding-an-integration.md` walks through writing one.

#![deny(missing_docs)]

mod clock;
mod context;
mod error;
pub mod facet;
mod form;
mod integration;
pub mod mail;
pub mod platform;
mod registry;
pub mod sandbox;
mod secret;
pub mod signature;
mod text_generation;
pub mod transport;

pub use self::clock::{Clock, ManualClock, SystemClock};
pub use self::context::{Context, Credentials, Secrets, Settings, StaticToken, TokenSource};
pub use self::error::{Error, Kind, RecipientFault, Result, Retry};
pub use self::form::{Form, FormProblem};
pub use self::integration::{
    Account, Authentication, Category, FieldDefault, Integration, Manifest, Scope, Topic,
};
pub use self::registry::{Registry, UnknownKey};
pub use self::secret::Secret;

/// All platforms: adding one is a folder in `platform`, which is named there, and a line here.
#[must_use]
pub fn all() -> Vec<Box<dyn Integration>> {
    vec![
        Box::new(platform::meta::Meta::default()),
        Box::new(platform::shopify::Shopify),
        Box::new(platform::twilio::Twilio),
        Box::new(platform::anthropic::Anthropic),
        Box::new(platform::openai::OpenAi),
        Box::new(platform::openrouter::OpenRouter),
        Box::new(platform::sendgrid::SendGrid),
        Box::new(platform::smtp::Smtp::default()),
    ]
}
