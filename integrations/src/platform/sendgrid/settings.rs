//! What an owner enters.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::signed::PublicKey;
use crate::Secret;

/// The settings of an account.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// Where the API is; `https://api.sendgrid.com` when left out. Subusers of the EU region enter
    /// `https://api.eu.sendgrid.com`.
    #[serde(default)]
    pub base_url: Option<BaseUrl>,
    /// The version of the API; `v3` when left out.
    #[serde(default)]
    pub api_version: Option<ApiVersion>,
    /// The subuser to act for.
    #[serde(default)]
    pub subuser: Option<String>,
    /// Has the platform check each mail and send none.
    #[serde(default)]
    pub sandbox_mode: bool,
    /// The unsubscribe group (ASM) that mails belong to.
    #[serde(default)]
    pub unsubscribe_group: Option<u64>,
    /// The pool of IP addresses to send from.
    #[serde(default)]
    #[schemars(length(min = 1, max = 64))]
    pub ip_pool: Option<String>,
    /// Categories that the platform counts mails by, at most ten. Nothing personal belongs into them.
    #[serde(default)]
    #[schemars(length(max = 10))]
    pub categories: Categories,
    /// The public key of the Event Webhook, as the platform shows it under "Signed Event Webhook". Without it no events are
    /// taken.
    #[serde(default)]
    pub webhook_public_key: Option<PublicKey>,
    /// The public key of the security policy of Inbound Parse; that of the Event Webhook when left out.
    #[serde(default)]
    pub inbound_public_key: Option<PublicKey>,
    /// Takes mails from Inbound Parse also when they are not signed. Whoever knows the address can then send some.
    #[serde(default)]
    pub unsigned_inbound: bool,
    /// The host whose mails come in by Inbound Parse, e.g. `in.example.org`; needed to subscribe to `inbound`.
    #[serde(default)]
    pub inbound_hostname: Option<String>,
    /// How old a webhook may be, in hours. The platform tries for up to three days.
    #[serde(default = "eighty")]
    #[schemars(range(min = 1))]
    pub webhook_hours: u16,
}

/// The secrets of an account.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Secrets {
    /// An API key (`SG.…`) with the permission to send mail. To set up webhooks it also needs those for the settings of mail
    /// and of webhooks.
    pub api_key: Secret,
}

/// Where an API is.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("format" = "uri"))]
pub struct BaseUrl(String);

/// A version of the API.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct ApiVersion(String);

/// Categories.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<String>")]
#[schemars(with = "Vec<String>")]
pub struct Categories(pub Vec<String>);

const fn eighty() -> u16 {
    80
}

impl Settings {
    /// The address of a path below the version, e.g. `/mail/send`.
    pub fn url(&self, path: &str) -> String {
        let base = self
            .base_url
            .as_ref()
            .map_or("https://api.sendgrid.com", |base| &base.0);
        let version = self.api_version.as_ref().map_or("v3", |version| &version.0);
        format!("{base}/{version}{path}")
    }

    /// How old a webhook may be.
    pub fn webhook_age(&self) -> Duration {
        Duration::from_secs(u64::from(self.webhook_hours) * 3_600)
    }
}

impl TryFrom<String> for BaseUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match Url::parse(text.trim()) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.query().is_none() => {
                Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
            }
            _ => Err("an address like `https://api.sendgrid.com`"),
        }
    }
}

impl TryFrom<String> for ApiVersion {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digits = text.strip_prefix('v').unwrap_or_default();
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(Self(text))
        } else {
            Err("a version like `v3`")
        }
    }
}

impl TryFrom<Vec<String>> for Categories {
    type Error = &'static str;

    fn try_from(mut names: Vec<String>) -> Result<Self, Self::Error> {
        names.retain(|name| !name.is_empty());
        let mut sorted = names.clone();
        sorted.sort_unstable();
        sorted.dedup();
        if sorted.len() == names.len() && names.len() <= 10 && names.iter().all(|name| name.len() <= 255) {
            Ok(Self(names))
        } else {
            Err("at most ten different categories of at most 255 bytes")
        }
    }
}
