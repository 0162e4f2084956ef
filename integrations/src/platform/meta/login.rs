//! Consent on the platform's page. There are no refresh tokens: a token that is still good is exchanged for a new one, and
//! for a dead one the owner has to come again.

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use http::Method;
use url::Url;

use super::client::{Area, Graph, Token as By};
use super::settings::{BaseUrl, Number};
use super::wire::{Debugged, Token, TokenFacts};
use super::{MANIFEST, Meta, MetaSettings};
use crate::facet::{AuthorizeRequest, Callback, Exchange, OAuth};
use crate::{Context, Credentials, Error, Kind, Result, Secret};

#[async_trait]
impl OAuth for Meta {
    fn pkce(&self) -> bool {
        false
    }

    fn authorize_url(&self, context: &Context, request: &AuthorizeRequest) -> Result<Url> {
        let settings = MetaSettings::read(context)?;
        let base = settings.dialog_url.as_ref().map(BaseUrl::as_str);
        let base = base.unwrap_or("https://www.facebook.com");
        let url = format!("{base}/{}/dialog/oauth", settings.api_version.as_str());
        let mut url = Url::parse(&url)
            .map_err(|error| Error::new(Kind::Settings, format!("setting `dialogUrl`: {error}")))?;
        url.query_pairs_mut()
            .append_pair("client_id", settings.app_id.as_str())
            .append_pair("redirect_uri", request.redirect.as_str())
            .append_pair("state", &request.state)
            .append_pair("response_type", "code");
        let asked = if let Some(id) = &settings.login_config_id {
            ("config_id", Number::as_str(id).to_owned())
        } else {
            let scopes: Vec<_> = MANIFEST.scopes.iter().map(|scope| scope.name).collect();
            ("scope", scopes.join(","))
        };
        url.query_pairs_mut().append_pair(asked.0, &asked.1);
        Ok(url)
    }

    fn callback(&self, context: &Context, callback: &Callback) -> Result<Secret> {
        if let Some(error) = callback.get("error") {
            let denied = error == "access_denied" || callback.get("error_reason") == Some("user_denied");
            let kind = if denied { Kind::Revoked } else { Kind::Refused };
            let words = callback.get("error_description").unwrap_or(error);
            return Err(Error::new(kind, context.http.redact(words)));
        }
        match callback.get("code") {
            Some(code) if !code.is_empty() => Ok(Secret::new(code)),
            _ => Err(Error::malformed("the owner came back without a code")),
        }
    }

    async fn exchange(&self, context: &Context, exchange: &Exchange) -> Result<Credentials> {
        let graph = Graph::new(context)?;
        let asked = [
            ("redirect_uri", exchange.redirect.as_str()),
            ("code", exchange.code.expose()),
        ];
        let short = token(&graph, &asked, &exchange.code).await?;
        lengthen(&graph, &Secret::new(short.access_token)).await
    }

    async fn refresh(&self, context: &Context, credentials: &Credentials) -> Result<Credentials> {
        let graph = Graph::new(context)?;
        lengthen(&graph, &credentials.access_token)
            .await
            .map_err(|error| {
                if error.kind == Kind::Unauthorised {
                    Error {
                        kind: Kind::Revoked,
                        ..error
                    }
                } else {
                    error
                }
            })
    }
}

/// A token that lives for about two months, for one that is still good.
async fn lengthen(graph: &Graph<'_>, old: &Secret) -> Result<Credentials> {
    let asked = [
        ("grant_type", "fb_exchange_token"),
        ("fb_exchange_token", old.expose()),
    ];
    let long = token(graph, &asked, old).await?;
    let access_token = Secret::new(long.access_token);
    let facts = facts(graph, &access_token).await?;
    Ok(Credentials {
        access_token,
        refresh_token: None,
        expires_at: expiry(long.expires_in, &facts, graph.context.clock.now()),
        refresh_expires_at: None,
        scopes: facts.scopes,
    })
}

/// Tokens of some kinds do not expire, and then neither answer tells a time.
fn expiry(expires_in: Option<i64>, facts: &TokenFacts, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    match expires_in {
        Some(seconds) if seconds > 0 => now.checked_add_signed(Duration::try_seconds(seconds)?),
        _ if facts.expires_at > 0 => DateTime::from_timestamp(facts.expires_at, 0),
        _ => None,
    }
}

/// The platform takes these as parameters of the address alone; it is not logged. `shown` is struck out of errors.
async fn token(graph: &Graph<'_>, asked: &[(&str, &str)], shown: &Secret) -> Result<Token> {
    let app = [
        ("client_id", graph.settings.app_id.as_str()),
        ("client_secret", graph.secrets.app_secret.expose()),
    ];
    let call = graph.bare(Method::GET, "oauth/access_token").hiding(shown);
    call.with(|request| request.query(app).query(asked.iter().copied()))
        .read()
        .await
}

/// What the platform knows of a token.
pub(super) async fn facts(graph: &Graph<'_>, shown: &Secret) -> Result<TokenFacts> {
    let call = graph.get(
        By::App,
        Area::Login,
        "debug_token",
        &[("input_token", shown.expose())],
    );
    let Debugged { data } = call.hiding(shown).read().await?;
    if data.is_valid {
        Ok(data)
    } else {
        Err(Error::new(
            Kind::Unauthorised,
            "the platform says that the access token is not good (any more)",
        ))
    }
}
