//! What an owner fills in.

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use crate::{Error, Kind, Result, Secret};

/// What connects an account, secrets apart.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TwilioSettings {
    /// The SID of the account or sub-account that owns the numbers, on the first page of the Twilio console: `AC` and 32 hex digits.
    pub account_sid: AccountSid,
    /// The SID of an API key to sign in with: `SK` and 32 hex digits. Its secret is then needed too. Without one the auth token is used.
    #[serde(default)]
    pub api_key_sid: Option<KeySid>,
    /// The SID of a messaging service that text messages and WhatsApp go through: `MG` and 32 hex digits. The senders of messages
    /// must then belong to it.
    #[serde(default)]
    pub messaging_service_sid: Option<ServiceSid>,
    /// The numbers, in E.164, whose incoming messages are to be told here. All of the account when left out.
    #[serde(default)]
    pub numbers: Vec<String>,
    /// For how many seconds a message may wait at Twilio before it is given up: 1 to 36000. Ten hours when left out.
    #[serde(default)]
    pub validity_seconds: Option<Validity>,
    /// Whether Twilio replaces characters that make a text message dearer by look-alikes, e.g. curly quotes by straight ones.
    #[serde(default)]
    pub smart_encoded: bool,
    /// The voice of calls, e.g. `Polly.Amy`. Twilio's own choice for the language when left out.
    #[serde(default)]
    pub voice: Option<String>,
    /// For how many seconds a call rings: 1 to 600. 60 when left out.
    #[serde(default)]
    pub ring_seconds: Option<Ring>,
    /// Whether Twilio finds out that a machine took a call. It costs extra.
    #[serde(default)]
    pub machine_detection: bool,
    /// The version of Twilio's API.
    #[serde(default)]
    pub api_version: ApiVersion,
    /// Where the API is, e.g. for an edge or region of Twilio's.
    #[serde(default = "api")]
    pub base_url: BaseUrl,
    /// Where the API of messaging services is.
    #[serde(default = "messaging")]
    pub messaging_base_url: BaseUrl,
}

/// The secrets of an account.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TwilioSecrets {
    /// The primary auth token of the account that owns the numbers (a sub-account has its own). Twilio signs its webhooks with it.
    pub auth_token: Secret,
    /// The secondary auth token, while the primary one is being replaced by it.
    #[serde(default)]
    pub secondary_auth_token: Option<Secret>,
    /// The secret of the API key.
    #[serde(default)]
    pub api_key_secret: Option<Secret>,
    /// The shared secret of webhooks that are signed with HMAC-SHA256, where that is set up at Twilio.
    #[serde(default)]
    pub webhook_secret: Option<Secret>,
}

fn api() -> BaseUrl {
    BaseUrl(Url::parse("https://api.twilio.com").expect("an address"))
}

fn messaging() -> BaseUrl {
    BaseUrl(Url::parse("https://messaging.twilio.com").expect("an address"))
}

/// Where an API is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("format" = "uri"))]
pub struct BaseUrl(#[schemars(with = "String")] Url);

impl BaseUrl {
    /// As an address.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.0
    }

    /// What paths are written behind.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }
}

impl TryFrom<String> for BaseUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        match Url::parse(text.trim()) {
            Ok(url)
                if matches!(url.scheme(), "https" | "http")
                    && url.has_host()
                    && url.query().is_none()
                    && url.fragment().is_none() =>
            {
                Ok(Self(url))
            }
            _ => Err("must be an address as `https://api.twilio.com`"),
        }
    }
}

impl TwilioSettings {
    /// Name and password of requests.
    ///
    /// # Errors
    /// [`Kind::Settings`] where there is an API key without its secret, or the other way round.
    pub fn credentials<'a>(&'a self, secrets: &'a TwilioSecrets) -> Result<(&'a str, &'a Secret)> {
        match (&self.api_key_sid, &secrets.api_key_secret) {
            (None, None) => Ok((self.account_sid.as_str(), &secrets.auth_token)),
            (Some(sid), Some(secret)) => Ok((sid.as_str(), secret)),
            _ => Err(Error::new(
                Kind::Settings,
                "an API key is its SID (`apiKeySid`) and its secret (`apiKeySecret`): one of them is missing",
            )),
        }
    }
}

macro_rules! sid {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
        #[serde(try_from = "String")]
        #[schemars(extend("pattern" = concat!("^", $prefix, "[0-9a-fA-F]{32}$")))]
        pub struct $name(String);

        impl $name {
            /// As it is written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                let text = text.trim();
                match text.strip_prefix($prefix) {
                    Some(rest) if rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                        Ok(Self(text.to_owned()))
                    }
                    _ => Err(concat!("must be `", $prefix, "` and 32 hex digits").to_owned()),
                }
            }
        }
    };
}

sid!(
    /// Names an account.
    AccountSid,
    "AC"
);
sid!(
    /// Names an API key.
    KeySid,
    "SK"
);
sid!(
    /// Names a messaging service.
    ServiceSid,
    "MG"
);

macro_rules! seconds {
    ($(#[$doc:meta])* $name:ident, $most:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
        #[serde(try_from = "u32")]
        #[schemars(extend("minimum" = 1, "maximum" = $most))]
        pub struct $name(u32);

        impl $name {
            /// As a number.
            #[must_use]
            pub const fn seconds(self) -> u32 {
                self.0
            }
        }

        impl TryFrom<u32> for $name {
            type Error = String;

            fn try_from(seconds: u32) -> Result<Self, String> {
                if (1..=$most).contains(&seconds) {
                    Ok(Self(seconds))
                } else {
                    Err(concat!("must be 1 to ", $most, " seconds").to_owned())
                }
            }
        }
    };
}

seconds!(
    /// For how long a message may wait.
    Validity,
    36000
);
seconds!(
    /// For how long a call rings.
    Ring,
    600
);

/// A version of the API, a day.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = "^\\d{4}-\\d{2}-\\d{2}$"))]
pub struct ApiVersion(String);

impl ApiVersion {
    /// As it stands in addresses.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ApiVersion {
    fn default() -> Self {
        Self("2010-04-01".to_owned())
    }
}

impl TryFrom<String> for ApiVersion {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        if text.len() == 10 && text.parse::<chrono::NaiveDate>().is_ok() {
            Ok(Self(text))
        } else {
            Err("must be a day as `2010-04-01`")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Form;

    #[test]
    fn what_is_filled_in_wrongly_is_told_with_the_name_of_the_field() {
        const SID: &str = "AC00000000000000000000000000000001";
        let form = Form::of::<TwilioSettings>();
        assert_eq!(form.check(&json!({ "accountSid": SID })), Ok(()));
        let wrong = [
            (
                json!({ "accountSid": "SK00000000000000000000000000000001" }),
                "accountSid",
                "must be `AC`",
            ),
            (
                json!({ "accountSid": SID, "validitySeconds": 36001 }),
                "validitySeconds",
                "1 to 36000",
            ),
            (
                json!({ "accountSid": SID, "ringSeconds": 0 }),
                "ringSeconds",
                "1 to 600",
            ),
            (
                json!({ "accountSid": SID, "apiVersion": "../v1" }),
                "apiVersion",
                "2010-04-01",
            ),
            (
                json!({ "accountSid": SID, "baseUrl": "api.twilio.com" }),
                "baseUrl",
                "https://api.twilio.com",
            ),
        ];
        for (value, field, message) in wrong {
            let problem = form.check(&value).unwrap_err();
            assert_eq!(problem.path, [field]);
            assert!(problem.message.contains(message), "{problem}");
        }
        let schema = form.schema();
        assert_eq!(
            schema["properties"]["accountSid"]["pattern"],
            "^AC[0-9a-fA-F]{32}$"
        );
        assert_eq!(schema["required"], json!(["accountSid"]));
        let secrets = Form::of::<TwilioSecrets>().schema();
        assert_eq!(secrets["required"], json!(["authToken"]));
    }

    #[test]
    fn half_a_key_is_told() {
        let read = |value| serde_json::from_value::<TwilioSettings>(value).unwrap();
        let with_key = read(json!({
            "accountSid": "AC00000000000000000000000000000001",
            "apiKeySid": "SK00000000000000000000000000000002",
        }));
        let mut secrets = TwilioSecrets {
            auth_token: "token".into(),
            secondary_auth_token: None,
            api_key_secret: None,
            webhook_secret: None,
        };
        assert_eq!(with_key.credentials(&secrets).unwrap_err().kind, Kind::Settings);
        secrets.api_key_secret = Some("secret".into());
        let (name, password) = with_key.credentials(&secrets).unwrap();
        assert_eq!(
            (name, password.expose()),
            ("SK00000000000000000000000000000002", "secret")
        );
        let without = read(json!({ "accountSid": "AC00000000000000000000000000000001" }));
        assert_eq!(without.credentials(&secrets).unwrap_err().kind, Kind::Settings);
        secrets.api_key_secret = None;
        assert_eq!(without.credentials(&secrets).unwrap().1.expose(), "token");
    }
}
