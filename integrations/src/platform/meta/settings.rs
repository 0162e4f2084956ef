//! What an owner enters.

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use url::Url;

use crate::facet::ContactChannel;
use crate::{Context, Error, Kind, Result, Secret};

/// The settings of a connection.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MetaSettings {
    /// The number of the app, from its dashboard.
    pub(super) app_id: Number,
    /// The pages to read leads from; all that the token may see, if left out.
    pub(super) page_ids: Option<Vec<Number>>,
    /// The advertising account, for audiences and results: its number, with or without `act_`.
    pub(super) ad_account_id: Option<AccountId>,
    /// The dataset (pixel) that conversions are sent to.
    pub(super) dataset_id: Option<Number>,
    /// The version of the Graph API. Those of the marketing part end after about a year.
    #[serde(default)]
    pub(super) api_version: ApiVersion,
    /// Shows conversions under "Test events" while it is set. They count all the same: take it out again.
    pub(super) test_event_code: Option<String>,
    /// Has the platform use conversions with the limits that laws of some US states ask for.
    #[serde(default)]
    pub(super) limited_data_use: bool,
    /// What this system is called beside stages of leads.
    #[serde(default = "crm_name")]
    pub(super) crm_name: String,
    /// Where the data of people in audiences come from.
    #[serde(default)]
    pub(super) customer_file_source: FileSource,
    /// Boxes of forms that are consent to marketing, and by what. For boxes that are not named here their text is looked
    /// at.
    #[serde(default)]
    pub(super) consent_boxes: Vec<ConsentBox>,
    /// The configuration of `Facebook Login for Business`, if the app has one; else permissions are asked for one by one.
    pub(super) login_config_id: Option<Number>,
    /// Where the API is, if not at the platform.
    pub(super) base_url: Option<BaseUrl>,
    /// Where the page of consent is, if not at the platform.
    pub(super) dialog_url: Option<BaseUrl>,
}

fn crm_name() -> String {
    "Leadline".to_owned()
}

/// The secrets of a connection.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MetaSecrets {
    /// The secret of the app, from its dashboard. It signs webhooks and proves that requests come from the app.
    #[serde(deserialize_with = "filled")]
    pub(super) app_secret: Secret,
    /// The token of a system user. Without one the owner consents on the platform's page.
    pub(super) access_token: Option<Secret>,
    /// A word of your own, by which we know that the platform asks for the address of webhooks.
    #[serde(deserialize_with = "filled")]
    pub(super) verify_token: Secret,
}

/// A secret with something in it: signatures by an empty one can be made by anybody.
fn filled<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    let secret = Secret::deserialize(deserializer)?;
    if secret.expose().trim().is_empty() {
        return Err(D::Error::custom("must not be empty"));
    }
    Ok(secret)
}

/// A box of a form that is consent.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ConsentBox {
    /// The key of the box, e.g. `optional_1`.
    pub(super) key: String,
    /// The form it is in; in any, if left out.
    pub(super) form_id: Option<Number>,
    /// What a tick allows; nothing, if empty.
    pub(super) channels: Vec<BoxChannel>,
}

/// By what a tick allows marketing.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum BoxChannel {
    /// E-mail.
    Email,
    /// Text messages.
    Sms,
    /// WhatsApp.
    Whatsapp,
    /// Calls.
    Voice,
}

impl From<BoxChannel> for ContactChannel {
    fn from(channel: BoxChannel) -> Self {
        match channel {
            BoxChannel::Email => Self::Email,
            BoxChannel::Sms => Self::Sms,
            BoxChannel::Whatsapp => Self::WhatsApp,
            BoxChannel::Voice => Self::Voice,
        }
    }
}

/// Where the data of people come from, as the platform wants to know.
#[derive(Clone, Copy, Debug, Default, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum FileSource {
    /// From them.
    #[default]
    UserProvidedOnly,
    /// From partners.
    PartnerProvidedOnly,
    /// From both.
    BothUserAndPartnerProvided,
}

/// A number of the platform: digits.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub(super) struct Number(String);

impl Number {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Number {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let text = text.trim();
        if is_number(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be the number that the platform shows, digits only")
        }
    }
}

/// Whether a text can be an id of the platform; others never get into an address.
pub(super) fn is_number(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// An advertising account; kept with `act_`, as addresses want it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub(super) struct AccountId(String);

impl AccountId {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AccountId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digits = text.trim();
        let digits = digits.strip_prefix("act_").unwrap_or(digits);
        if is_number(digits) {
            Ok(Self(format!("act_{digits}")))
        } else {
            Err("must be the number of an advertising account, e.g. `act_123456`")
        }
    }
}

/// A version of the API, e.g. `v25.0`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub(super) struct ApiVersion(String);

impl ApiVersion {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ApiVersion {
    fn default() -> Self {
        Self("v25.0".to_owned())
    }
}

impl TryFrom<String> for ApiVersion {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let parts = text.strip_prefix('v').and_then(|number| number.split_once('.'));
        match parts {
            Some((major, minor)) if is_number(major) && is_number(minor) => Ok(Self(text)),
            _ => Err("must be a version such as `v25.0`"),
        }
    }
}

/// An address of a server, without a slash at its end.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("format" = "uri"))]
pub(super) struct BaseUrl(String);

impl BaseUrl {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for BaseUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match Url::parse(text.trim()) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.query().is_none() => {
                Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
            }
            _ => Err("must be an address such as `https://graph.facebook.com`"),
        }
    }
}

impl MetaSettings {
    pub(super) fn read(context: &Context) -> Result<Self> {
        context.settings.read()
    }

    pub(super) fn account(&self) -> Result<&str> {
        let account = self.ad_account_id.as_ref().map(AccountId::as_str);
        account.ok_or_else(|| missing("adAccountId", "the number of the advertising account"))
    }

    pub(super) fn dataset(&self) -> Result<&str> {
        let dataset = self.dataset_id.as_ref().map(Number::as_str);
        dataset.ok_or_else(|| {
            missing(
                "datasetId",
                "the number of the dataset (pixel) that conversions are sent to",
            )
        })
    }
}

fn missing(name: &str, what: &str) -> Error {
    Error::new(
        Kind::Settings,
        format!("setting `{name}` is missing: fill in {what}"),
    )
}
