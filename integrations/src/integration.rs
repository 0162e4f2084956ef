//! What a platform is.

use std::sync::Arc;

use async_trait::async_trait;

use crate::facet::Facets;
use crate::sandbox::Sandbox;
use crate::{Clock, Context, Form, Result};

/// A platform. What it can do is in its [`Facets`]; what it cannot do is absent from them.
#[async_trait]
pub trait Integration: Send + Sync + 'static {
    /// What it is, and what must be entered to connect it.
    fn manifest(&self) -> &'static Manifest;

    /// What it can do.
    fn facets(&self) -> Facets<'_>;

    /// Whether the credentials work, and whose they are. Changes nothing and costs nothing.
    ///
    /// # Errors
    /// Why it does not work.
    async fn check(&self, context: &Context) -> Result<Account>;

    /// A stand-in of the platform with data of its own.
    fn sandbox(&self, clock: Arc<dyn Clock>) -> Arc<dyn Sandbox>;
}

/// What a platform is, for people who choose one and for whoever draws the form.
#[derive(Debug)]
pub struct Manifest {
    /// Its name in the API and the database: lower case, never changed, e.g. `shopify`.
    pub key: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// What it is for.
    pub category: Category,
    /// One or two sentences about what connecting it brings.
    pub summary: &'static str,
    /// Where its own documentation is.
    pub docs: &'static str,
    /// How it knows who asks.
    pub authentication: Authentication,
    /// What is to be entered.
    pub settings: Form,
    /// What is to be entered and is never shown again.
    pub secrets: Form,
    /// The settings by which it is decided where the secrets are sent, by name. Who changes one of them has to enter the
    /// secrets again, so that nobody has a stored secret sent to an address of theirs.
    pub addresses: &'static [&'static str],
    /// What it is asked for, where it knows scopes.
    pub scopes: &'static [Scope],
    /// What it tells by webhook.
    pub topics: &'static [Topic],
    /// Which of its fields feed which of ours, unless the connection says otherwise.
    pub fields: &'static [FieldDefault],
}

/// What a platform is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Category {
    /// Shops.
    Commerce,
    /// Networks that show advertisements, and the leads from there.
    Advertising,
    /// Mail.
    Email,
    /// Text messages and calls.
    Telephony,
    /// Models that write text.
    TextGeneration,
    /// Other systems that hold customers.
    Crm,
    /// Whatever else.
    Other,
}

/// How a platform knows who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Authentication {
    /// A key or token that the owner enters.
    Key,
    /// The owner consents in the platform's own page (OAuth 2). Where a platform also takes a token made by hand, the
    /// form of its secrets has a field for it.
    OAuth2,
    /// A name and a password.
    Basic,
    /// Not at all.
    None,
}

/// A right that a platform grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// As the platform calls it.
    pub name: &'static str,
    /// What it is asked for.
    pub purpose: &'static str,
    /// Whether nothing works without it.
    pub required: bool,
}

/// Something that a platform tells by webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic {
    /// As the platform calls it.
    pub name: &'static str,
    /// What it tells.
    pub about: &'static str,
    /// Whether it can be subscribed to by the platform's API; the others are set up in its own pages.
    pub registrable: bool,
}

/// A field of the platform, and the lead field that it feeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldDefault {
    /// As it stands in [`LeadRecord::fields`](crate::facet::LeadRecord::fields).
    pub theirs: &'static str,
    /// As an import calls it: `email`, `phone`, `first_name`, `last_name`, `display_name`, `company_name`, `job_title`, `city`, `region`,
    /// `postal_code`, `country`, `language`, `custom.<key>`, …
    pub ours: &'static str,
}

/// Whose credentials they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// As the platform names the account.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Where it is to be seen.
    pub url: Option<String>,
    /// What was granted, where the platform tells.
    pub scopes: Option<Vec<String>>,
    /// What else is worth knowing, e.g. `("currency", "EUR")`.
    pub details: Vec<(&'static str, String)>,
}
