//! What a facet gets, and nothing else: HTTP, secrets, settings, a clock. No database, no globals.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::de::value::{Error as ValueError, MapDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::transport::Http;
use crate::{Clock, Error, Kind, Result, Secret, form};

/// All that a facet knows of a connection; cheap to clone.
#[derive(Clone, Debug)]
pub struct Context {
    /// HTTP with this connection's own throttle, retries and time-outs.
    pub http: Http,
    /// What the owner entered as secret, and the access token in force.
    pub secrets: Secrets,
    /// What the owner entered otherwise.
    pub settings: Settings,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What the owner entered, as JSON of the manifest's settings form.
#[derive(Clone, Debug)]
pub struct Settings(Arc<Value>);

impl Settings {
    /// Takes a filled-in form.
    #[must_use]
    pub fn new(value: Value) -> Self {
        Self(Arc::new(value))
    }

    /// Reads it as the platform's own type.
    ///
    /// # Errors
    /// [`Kind::Settings`] with the name of the field: it was stored by another version, or never checked.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        form::read(&self.0).map_err(|problem| {
            Error::new(
                Kind::Settings,
                format!("setting `{}`: {}", problem.path.join("."), problem.message),
            )
        })
    }
}

/// The secrets of a connection.
#[derive(Clone)]
pub struct Secrets {
    entered: Arc<BTreeMap<String, Secret>>,
    token: Arc<dyn TokenSource>,
}

impl Secrets {
    /// The secrets that were entered, and where the access token comes from.
    #[must_use]
    pub fn new(entered: BTreeMap<String, Secret>, token: Arc<dyn TokenSource>) -> Self {
        Self {
            entered: Arc::new(entered),
            token,
        }
    }

    /// The same for secrets that are kept elsewhere, too.
    #[must_use]
    pub fn shared(entered: Arc<BTreeMap<String, Secret>>, token: Arc<dyn TokenSource>) -> Self {
        Self { entered, token }
    }

    /// Reads what was entered as the platform's own type (of [`Secret`]s and options of them).
    ///
    /// # Errors
    /// [`Kind::Settings`] when one is missing.
    pub fn read<'de, T: Deserialize<'de>>(&'de self) -> Result<T> {
        let entered = self
            .entered
            .iter()
            .map(|(name, secret)| (name.as_str(), Entered(secret.expose())));
        T::deserialize(MapDeserializer::<_, ValueError>::new(entered)).map_err(|error| {
            // What cannot be read is named by its value; here also short ones are struck out.
            let text = self
                .entered
                .values()
                .filter(|secret| !secret.is_empty())
                .fold(error.to_string(), |text, secret| {
                    text.replace(secret.expose(), "[secret]")
                });
            Error::new(Kind::Settings, format!("secrets: {text}"))
        })
    }

    /// The access token in force, refreshed before it expires.
    ///
    /// # Errors
    /// [`Kind::Unauthorised`] where there is none yet, [`Kind::Revoked`] where it was taken back, the platform's when
    /// refreshing fails.
    pub async fn access_token(&self) -> Result<Secret> {
        self.token.token().await
    }

    pub(crate) async fn token_refused(&self, token: &Secret) -> Result<Option<Secret>> {
        self.token.refused(token).await
    }

    /// Strikes out each of the secrets in a text. Very short ones stay: they would strike out half of any text.
    pub(crate) fn redact<'s>(&'s self, text: &str, more: impl IntoIterator<Item = &'s Secret>) -> String {
        self.entered
            .values()
            .chain(more)
            .filter(|secret| secret.expose().len() >= 6)
            .fold(text.to_owned(), |text, secret| {
                text.replace(secret.expose(), "[secret]")
            })
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.entered.keys()).finish()
    }
}

/// A secret as it is read: a text, and so is an optional one.
struct Entered<'de>(&'de str);

impl<'de> IntoDeserializer<'de, ValueError> for Entered<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Entered<'de> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_borrowed_str(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

/// Where the access token of a connection comes from. Whoever keeps the credentials refreshes them before they expire.
#[async_trait]
pub trait TokenSource: Send + Sync {
    /// The access token in force.
    ///
    /// # Errors
    /// See [`Secrets::access_token`].
    async fn token(&self) -> Result<Secret>;

    /// The platform does not accept a token: another one, where it can be had; `None` where it cannot.
    ///
    /// # Errors
    /// As [`Self::token`].
    async fn refused(&self, token: &Secret) -> Result<Option<Secret>>;
}

/// A token that never changes; `None` for platforms that know no access tokens, or before consent.
#[derive(Clone, Debug)]
pub struct StaticToken(pub Option<Secret>);

#[async_trait]
impl TokenSource for StaticToken {
    async fn token(&self) -> Result<Secret> {
        self.0.clone().ok_or_else(|| {
            Error::new(
                Kind::Unauthorised,
                "there is no access token yet: authorise the connection",
            )
        })
    }

    async fn refused(&self, _: &Secret) -> Result<Option<Secret>> {
        Ok(None)
    }
}

/// What a platform hands out when its owner has consented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// For requests.
    pub access_token: Secret,
    /// For the next access token.
    pub refresh_token: Option<Secret>,
    /// Until when the access token is good; `None`: until it is taken back.
    pub expires_at: Option<DateTime<Utc>>,
    /// Until when the refresh token is good; `None`: not known.
    pub refresh_expires_at: Option<DateTime<Utc>>,
    /// What the owner consented to, as the platform calls it.
    pub scopes: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Keys {
        api_key: Secret,
        signing_key: Option<Secret>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wrong {
        #[expect(dead_code, reason = "it cannot be read")]
        api_key: u32,
    }

    fn secrets(entered: &[(&str, &str)]) -> Secrets {
        let entered = entered
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Secret::new(*value)));
        Secrets::new(entered.collect(), Arc::new(StaticToken(None)))
    }

    #[test]
    fn secrets_are_read_optional_ones_too() {
        let both: Keys = secrets(&[("apiKey", "first"), ("signingKey", "second")])
            .read()
            .unwrap();
        assert_eq!(both.api_key.expose(), "first");
        assert_eq!(both.signing_key, Some(Secret::new("second")));
        let one: Keys = secrets(&[("apiKey", "first")]).read().unwrap();
        assert_eq!((one.api_key.expose(), one.signing_key), ("first", None));
        let error = secrets(&[("signingKey", "second")]).read::<Keys>().unwrap_err();
        assert_eq!(
            (error.kind, error.message.as_str()),
            (Kind::Settings, "secrets: missing field `apiKey`")
        );
    }

    #[test]
    fn a_secret_that_cannot_be_read_is_not_told() {
        let error = secrets(&[("apiKey", "pw1")]).read::<Wrong>().unwrap_err();
        assert!(!error.message.contains("pw1"), "{error}");
    }
}
