//! Consent.

use async_trait::async_trait;
use chrono::Duration;
use serde_json::{Value, json};
use url::Url;
use url::form_urlencoded::Serializer;

use super::client::by_own_status;
use super::settings::{Keys, Options, is_shop};
use super::wire::graphql::Token;
use super::{Shopify, convert, manifest};
use crate::facet::{AuthorizeRequest, Callback, Exchange, OAuth};
use crate::transport::{Answer, Judge};
use crate::{Context, Credentials, Error, Kind, Result, Secret, signature};

/// How far the time in a callback may be from ours, either way.
const TOLERANCE: i64 = 90;

#[async_trait]
impl OAuth for Shopify {
    fn pkce(&self) -> bool {
        false
    }

    fn authorize_url(&self, context: &Context, request: &AuthorizeRequest) -> Result<Url> {
        let options = Options::of(context)?;
        let mut url = Url::parse(&format!("{}/admin/oauth/authorize", options.origin()))
            .map_err(|error| Error::new(Kind::Settings, format!("not an address: {error}")))?;
        let scopes: Vec<&str> = manifest::SCOPES
            .iter()
            .filter(|scope| options.all_orders || scope.name != manifest::ALL_ORDERS)
            .map(|scope| scope.name)
            .collect();
        url.query_pairs_mut()
            .append_pair("client_id", client_id(&options)?)
            .append_pair("scope", &scopes.join(","))
            .append_pair("redirect_uri", request.redirect.as_str())
            .append_pair("state", &request.state)
            // For the app, not for the person who installs it.
            .append_pair("grant_options[]", "");
        Ok(url)
    }

    fn callback(&self, context: &Context, callback: &Callback) -> Result<Secret> {
        let options = Options::of(context)?;
        if let Some(error) = callback.get("error") {
            return Err(Error::new(Kind::Revoked, "the owner of the shop did not consent").code(error));
        }
        let keys: Keys = context.secrets.read()?;
        verify(&keys, callback)?;
        let shop = callback.get("shop").unwrap_or_default().to_ascii_lowercase();
        if !is_shop(&shop) || shop != options.shop.0 {
            let text = "the answer is from another shop than the one in the settings";
            return Err(Error::new(Kind::Signature, text));
        }
        let at: Option<i64> = callback.get("timestamp").and_then(|text| text.parse().ok());
        if at.is_none_or(|at| at.abs_diff(context.clock.now().timestamp()) > TOLERANCE.unsigned_abs()) {
            let text = "the answer is too old: begin the installation anew, and check the server's clock";
            return Err(Error::new(Kind::Signature, text));
        }
        match callback.get("code") {
            Some(code) if !code.is_empty() => Ok(Secret::new(code)),
            _ => Err(Error::malformed("the answer has no code")),
        }
    }

    async fn exchange(&self, context: &Context, exchange: &Exchange) -> Result<Credentials> {
        let more = json!({ "code": exchange.code.expose(), "expiring": "1" });
        token(context, more, &exchange.code, &TokenJudge { refresh: false }).await
    }

    /// Without a refresh token, as permanent tokens of older installations have none, it is exchanged for one that expires.
    async fn refresh(&self, context: &Context, credentials: &Credentials) -> Result<Credentials> {
        let more = if let Some(refresh) = &credentials.refresh_token {
            json!({ "grant_type": "refresh_token", "refresh_token": refresh.expose() })
        } else {
            let kind = "urn:shopify:params:oauth:token-type:offline-access-token";
            json!({
                "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
                "subject_token": credentials.access_token.expose(),
                "subject_token_type": kind,
                "requested_token_type": kind,
                "expiring": "1",
            })
        };
        let old = credentials.refresh_token.as_ref();
        let old = old.unwrap_or(&credentials.access_token);
        let mut renewed = token(context, more, old, &TokenJudge { refresh: true }).await?;
        if renewed.scopes.is_empty() {
            renewed.scopes.clone_from(&credentials.scopes);
        }
        Ok(renewed)
    }
}

fn client_id(options: &Options) -> Result<&str> {
    options
        .client_id
        .as_deref()
        .filter(|id| !id.is_empty())
        .ok_or_else(|| Error::new(Kind::Settings, "setting `clientId`: needed for consent"))
}

/// Whether a callback is signed with one of the app's secrets.
fn verify(keys: &Keys, callback: &Callback) -> Result<()> {
    let tag = signature::from_hex(callback.get("hmac").unwrap_or_default())?;
    let text = signed_text(&callback.query);
    let secrets = [&keys.client_secret, &keys.previous_client_secret];
    let signed = secrets
        .into_iter()
        .flatten()
        .filter(|secret| !secret.is_empty())
        .any(|secret| signature::hmac_sha256(secret.expose().as_bytes(), text.as_bytes(), &tag).is_ok());
    if signed { Ok(()) } else { Err(Error::signature()) }
}

/// What is signed of a query: all but the signature, sorted by name, spaces as `%20`.
fn signed_text(query: &[(String, String)]) -> String {
    let mut pairs: Vec<&(String, String)> = query
        .iter()
        .filter(|(name, _)| name != "hmac" && name != "signature")
        .collect();
    pairs.sort_by(|left, right| left.0.cmp(&right.0));
    let text = Serializer::new(String::new())
        .extend_pairs(pairs.into_iter().map(|(name, value)| (name, value)))
        .finish();
    text.replace('+', "%20")
}

/// `shown`: what is shown to the platform; struck out of errors.
async fn token(
    context: &Context,
    mut body: Value,
    shown: &Secret,
    judge: &TokenJudge,
) -> Result<Credentials> {
    let options = Options::of(context)?;
    let keys: Keys = context.secrets.read()?;
    let secret = keys
        .client_secret
        .filter(|secret| !secret.is_empty())
        .ok_or_else(|| Error::new(Kind::Settings, "secret `clientSecret`: needed for consent"))?;
    body["client_id"] = client_id(&options)?.into();
    body["client_secret"] = secret.expose().into();
    let url = format!("{}/admin/oauth/access_token", options.origin());
    let answer = context
        .http
        .post(&url)
        .json(&body)
        .hides(shown)
        .send(judge)
        .await?;
    let token: Token = answer.json()?;
    let until =
        |seconds: Option<u64>| Some(answer.at + Duration::try_seconds(i64::try_from(seconds?).ok()?)?);
    Ok(Credentials {
        expires_at: until(token.expires_in),
        refresh_expires_at: until(token.refresh_token_expires_in),
        access_token: Secret::new(token.access),
        refresh_token: token.refresh.map(Secret::new),
        scopes: convert::scopes_with_implied(token.scope.split(',')),
    })
}

/// Reads answers of the token door.
struct TokenJudge {
    refresh: bool,
}

impl Judge for TokenJudge {
    fn judge(&self, answer: &Answer) -> Result<()> {
        let Err(mut error) = by_own_status(answer) else {
            return Ok(());
        };
        let body = answer.value();
        if let Some(code) = body["error"].as_str() {
            error.code = Some(code.to_owned());
        }
        let code = error.code.as_deref().unwrap_or_default();
        let refused = matches!(
            error.kind,
            Kind::Refused | Kind::Unauthorised | Kind::Forbidden | Kind::NotFound
        );
        // What is wrong with the app's own keys is not for the shop's owner to mend by consenting again.
        let ours = matches!(code, "invalid_client" | "application_cannot_be_found");
        if ours && refused {
            error.kind = Kind::Unauthorised;
        } else if self.refresh && refused {
            error.kind = Kind::Revoked;
        }
        Err(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_is_sorted_and_without_the_signature() {
        let pairs = [
            ("timestamp", "1337178173"),
            ("state", "a b"),
            ("hmac", "x"),
            ("code", "0907"),
            ("shop", "s.myshopify.com"),
        ];
        let query: Vec<_> = pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        assert_eq!(
            signed_text(&query),
            "code=0907&shop=s.myshopify.com&state=a%20b&timestamp=1337178173"
        );
    }
}
