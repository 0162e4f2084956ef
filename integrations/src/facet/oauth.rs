//! Consent given on the platform's own page (OAuth 2).

use async_trait::async_trait;
use url::Url;

use crate::{Context, Credentials, Result, Secret};

/// A platform whose owner consents on its own page.
#[async_trait]
pub trait OAuth: Send + Sync {
    /// Whether it takes a code challenge (PKCE, RFC 7636).
    fn pkce(&self) -> bool;

    /// The page to send the owner to.
    ///
    /// # Errors
    /// [`Kind::Settings`](crate::Kind::Settings).
    fn authorize_url(&self, context: &Context, request: &AuthorizeRequest) -> Result<Url>;

    /// Checks what the owner came back with, but for the state, which was compared before: signature, whose account,
    /// how old. Gives the code.
    ///
    /// # Errors
    /// [`Kind::Signature`](crate::Kind::Signature); [`Kind::Revoked`](crate::Kind::Revoked) when the owner said no.
    fn callback(&self, context: &Context, callback: &Callback) -> Result<Secret>;

    /// Exchanges the code.
    ///
    /// # Errors
    /// The platform's.
    async fn exchange(&self, context: &Context, exchange: &Exchange) -> Result<Credentials>;

    /// New credentials for old ones. The old refresh token may be used up by this: the new ones are to be stored before
    /// anything else is done.
    ///
    /// # Errors
    /// [`Kind::Revoked`](crate::Kind::Revoked) when only the owner can mend it; the platform's.
    async fn refresh(&self, context: &Context, credentials: &Credentials) -> Result<Credentials>;
}

/// What the owner is sent to consent with.
#[derive(Clone, Debug)]
pub struct AuthorizeRequest {
    /// Ours, to know the answer by.
    pub state: String,
    /// Where the owner comes back to.
    pub redirect: Url,
    /// SHA-256 of the verifier, base64url; only where the platform takes it.
    pub code_challenge: Option<String>,
}

/// What the owner came back with.
#[derive(Clone, Debug)]
pub struct Callback {
    /// The query, decoded, in its order.
    pub query: Vec<(String, String)>,
}

impl Callback {
    /// A parameter of the query.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// What a code is exchanged with.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The code.
    pub code: Secret,
    /// Where the owner came back to.
    pub redirect: Url,
    /// The verifier of the challenge.
    pub verifier: Option<Secret>,
}
