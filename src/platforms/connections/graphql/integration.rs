//! Platforms as clients see them.

use async_graphql::{Enum, Object, SimpleObject};
use entity::SyncKind;
use integrations::{Authentication, Category, Manifest, facet::Facets};

use crate::api::types::Json;
use crate::platforms::connections::offered;

/// An outside platform that the deployment can be connected with.
pub struct Integration {
    manifest: &'static Manifest,
    facets: Vec<&'static str>,
    kinds: Vec<SyncKind>,
}

impl Integration {
    /// Shows a platform.
    #[must_use]
    pub fn new(integration: &dyn integrations::Integration) -> Self {
        let facets: Facets<'_> = integration.facets();
        Self {
            manifest: integration.manifest(),
            facets: facets.names(),
            kinds: offered(&facets),
        }
    }
}

/// What a platform is for.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
enum IntegrationCategory {
    /// Shops.
    Commerce,
    /// Networks that show advertisements.
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
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
enum IntegrationAuthentication {
    /// A key or token that is entered.
    Key,
    /// Consent on the platform's own page: `connectionAuthorize`.
    #[graphql(name = "OAUTH2")]
    OAuth2,
    /// A name and a password.
    Basic,
    /// Not at all.
    None,
}

/// A right that a platform is asked for.
#[derive(SimpleObject)]
struct IntegrationScope {
    /// As the platform calls it.
    name: &'static str,
    /// What it is asked for.
    purpose: &'static str,
    /// Whether nothing works without it.
    required: bool,
}

/// Something that a platform tells by webhook.
#[derive(SimpleObject)]
struct IntegrationTopic {
    /// As the platform calls it.
    name: &'static str,
    /// What it tells.
    about: &'static str,
    /// Whether `connectionWebhooksRegister` asks the platform for it; the others are set up on the platform's own pages.
    registrable: bool,
}

/// A field of a platform, and the field of a lead that it feeds.
#[derive(SimpleObject)]
pub struct FieldMapping {
    /// The platform's.
    pub theirs: String,
    /// Ours, as an import calls it, e.g. `first_name`, `custom.size`; empty: it feeds none.
    pub ours: String,
}

#[Object]
impl Integration {
    /// Its name in the API, e.g. `shopify`.
    async fn key(&self) -> &str {
        self.manifest.key
    }
    /// Its name for people.
    async fn name(&self) -> &str {
        self.manifest.name
    }
    /// What it is for.
    async fn category(&self) -> IntegrationCategory {
        match self.manifest.category {
            Category::Commerce => IntegrationCategory::Commerce,
            Category::Advertising => IntegrationCategory::Advertising,
            Category::Email => IntegrationCategory::Email,
            Category::Telephony => IntegrationCategory::Telephony,
            Category::TextGeneration => IntegrationCategory::TextGeneration,
            Category::Crm => IntegrationCategory::Crm,
            Category::Other => IntegrationCategory::Other,
        }
    }
    /// What connecting it brings.
    async fn summary(&self) -> &str {
        self.manifest.summary
    }
    /// Where its own documentation is.
    async fn docs_url(&self) -> &str {
        self.manifest.docs
    }
    /// How it knows who asks.
    async fn authentication(&self) -> IntegrationAuthentication {
        match self.manifest.authentication {
            Authentication::Key => IntegrationAuthentication::Key,
            Authentication::OAuth2 => IntegrationAuthentication::OAuth2,
            Authentication::Basic => IntegrationAuthentication::Basic,
            Authentication::None => IntegrationAuthentication::None,
        }
    }
    /// What is to be entered as `settings`, as JSON Schema (draft 2020-12).
    async fn settings_schema(&self) -> Json {
        Json(self.manifest.settings.schema())
    }
    /// What is to be entered as `secrets`, as JSON Schema (draft 2020-12). Secrets are never shown again.
    async fn secrets_schema(&self) -> Json {
        Json(self.manifest.secrets.schema())
    }
    /// What it can do, e.g. `COMMERCE`, `WEBHOOKS`, `MESSENGER`.
    async fn facets(&self) -> &[&'static str] {
        &self.facets
    }
    /// What can be read of it, in the order in which it is read.
    async fn sync_kinds(&self) -> &[SyncKind] {
        &self.kinds
    }
    /// The rights that it is asked for.
    async fn scopes(&self) -> Vec<IntegrationScope> {
        let scopes = self.manifest.scopes.iter();
        scopes
            .map(|scope| IntegrationScope {
                name: scope.name,
                purpose: scope.purpose,
                required: scope.required,
            })
            .collect()
    }
    /// What it tells by webhook.
    async fn webhook_topics(&self) -> Vec<IntegrationTopic> {
        let topics = self.manifest.topics.iter();
        topics
            .map(|topic| IntegrationTopic {
                name: topic.name,
                about: topic.about,
                registrable: topic.registrable,
            })
            .collect()
    }
    /// Which of its fields feed which of ours, unless a connection says otherwise.
    async fn field_defaults(&self) -> Vec<FieldMapping> {
        let fields = self.manifest.fields.iter();
        fields
            .map(|field| FieldMapping {
                theirs: field.theirs.to_owned(),
                ours: field.ours.to_owned(),
            })
            .collect()
    }
}
