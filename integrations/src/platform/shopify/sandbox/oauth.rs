//! Consent: the page, which says yes at once, and the tokens.

use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};
use url::Url;

use super::state::{DOMAIN, State};
use super::{CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, TOKEN};
use crate::sandbox::{SandboxAnswer, SandboxRequest};
use crate::signature;

/// What the app was granted. Those to write hold those to read.
pub(super) const SCOPES: [&str; 3] = ["write_customers", "read_orders", "read_products"];

const KNOWN: [&str; 10] = [
    "read_customers",
    "write_customers",
    "read_orders",
    "write_orders",
    "read_all_orders",
    "read_products",
    "write_products",
    "read_marketing_events",
    "read_checkouts",
    "read_inventory",
];

/// An access token that was handed out, with what renews it.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    access: String,
    refresh: Option<String>,
    /// The refresh token before this one: good until this grant is used.
    before: Option<String>,
    expires: Option<DateTime<Utc>>,
}

impl Grant {
    pub(super) fn first() -> Self {
        Self {
            access: TOKEN.to_owned(),
            refresh: Some(REFRESH_TOKEN.to_owned()),
            before: None,
            expires: None,
        }
    }
}

impl State {
    /// Whether an access token is good. Its first use ends the refresh token that it was had with.
    pub(super) fn knows_token(&mut self, token: &str) -> bool {
        let now = self.now;
        let found = self.grants.iter_mut().find(|grant| grant.access == token);
        let Some(grant) = found.filter(|grant| grant.expires.is_none_or(|at| now < at)) else {
            return false;
        };
        grant.before = None;
        true
    }

    fn grant(&mut self, before: Option<String>, expiring: bool) -> Value {
        let number = self.number();
        let grant = Grant {
            access: format!(
                "shpat_{}",
                &signature::sha256_hex(format!("access {number}").as_bytes())[..32]
            ),
            refresh: expiring.then(|| {
                format!(
                    "shprt_{}",
                    &signature::sha256_hex(format!("refresh {number}").as_bytes())[..32]
                )
            }),
            before,
            expires: expiring.then(|| self.now + Duration::hours(1)),
        };
        let mut answer = json!({ "access_token": grant.access, "scope": self.scopes.join(",") });
        if let Some(refresh) = &grant.refresh {
            answer["expires_in"] = 3_600.into();
            answer["refresh_token"] = refresh.as_str().into();
            answer["refresh_token_expires_in"] = 7_776_000.into();
        }
        self.grants.push(grant);
        answer
    }
}

fn refused(status: u16, error: &str, description: &str) -> SandboxAnswer {
    SandboxAnswer::json(
        status,
        &json!({ "error": error, "error_description": description }),
    )
}

/// The page on which the owner consents.
pub(super) fn authorize(state: &mut State, request: &SandboxRequest) -> SandboxAnswer {
    let page =
        |text: &str| SandboxAnswer::text(400, "text/html", format!("<html><body>{text}</body></html>"));
    if request.param("client_id") != Some(CLIENT_ID) {
        return page("Oauth error invalid_request: Could not find Shopify API application with api_key");
    }
    let redirect = request
        .param("redirect_uri")
        .and_then(|text| Url::parse(text).ok());
    let Some(mut redirect) = redirect else {
        return page("Oauth error invalid_request: The redirect_uri is not whitelisted");
    };
    let wanted: Vec<&str> = request.param("scope").unwrap_or_default().split(',').collect();
    if let Some(unknown) = wanted.iter().find(|scope| !KNOWN.contains(scope)) {
        return page(&format!("Oauth error invalid_scope: {unknown}"));
    }
    // Reading is left out where writing is granted.
    let granted = wanted.iter().filter(|scope| {
        let write = scope.strip_prefix("read_").map(|what| format!("write_{what}"));
        write.is_none_or(|write| !wanted.contains(&write.as_str()))
    });
    state.scopes = granted.map(|scope| (*scope).to_owned()).collect();
    let code = signature::sha256_hex(format!("code {}", state.number()).as_bytes())[..32].to_owned();
    state.codes.insert(code.clone(), redirect.to_string());
    let mut query = vec![
        ("code", code),
        ("host", signature::to_base64(format!("{DOMAIN}/admin").as_bytes())),
        ("shop", DOMAIN.to_owned()),
        ("state", request.param("state").unwrap_or_default().to_owned()),
        ("timestamp", state.seconds().to_string()),
    ];
    let text = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&query)
        .finish();
    let tag = signature::sign_sha256(CLIENT_SECRET.as_bytes(), text.replace('+', "%20").as_bytes());
    query.insert(1, ("hmac", hex::encode(tag)));
    redirect.query_pairs_mut().extend_pairs(query);
    SandboxAnswer::empty(302).header("location", redirect)
}

/// Tokens for codes and for older tokens.
pub(super) fn token(state: &mut State, request: &SandboxRequest) -> SandboxAnswer {
    let body = request.json();
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    if text("client_id") != CLIENT_ID {
        return refused(
            400,
            "application_cannot_be_found",
            "The application could not be found.",
        );
    }
    if text("client_secret") != CLIENT_SECRET {
        return refused(401, "invalid_client", "client authentication failed");
    }
    let expiring = match body["expiring"].as_str() {
        Some("1") => true,
        Some("0") | None if body["expiring"].is_null() || body["expiring"].is_string() => false,
        _ => return refused(400, "invalid_request", "expiring must be \"0\" or \"1\""),
    };
    match body["grant_type"].as_str() {
        None | Some("authorization_code") => {
            if state.codes.remove(&text("code")).is_none() {
                let description = "The authorization code was not found or was already used";
                return refused(400, "invalid_request", description);
            }
            SandboxAnswer::json(200, &state.grant(None, expiring))
        }
        Some("refresh_token") => {
            let given = text("refresh_token");
            let current = state
                .grants
                .iter()
                .position(|grant| grant.refresh.as_deref() == Some(&given));
            // The answer to the refresh before was lost: the one that nobody has used gives way.
            let lost = state
                .grants
                .iter()
                .position(|grant| grant.before.as_deref() == Some(&given));
            let Some(at) = current.or(lost) else {
                return refused(
                    400,
                    "invalid_grant",
                    "The refresh token is invalid or has expired",
                );
            };
            state.grants.remove(at);
            SandboxAnswer::json(200, &state.grant(Some(given), true))
        }
        Some("urn:ietf:params:oauth:grant-type:token-exchange") => {
            let kind = "urn:shopify:params:oauth:token-type:offline-access-token";
            if text("subject_token_type") != kind || text("requested_token_type") != kind {
                return refused(400, "invalid_request", "The token type is not supported");
            }
            let subject = text("subject_token");
            if !state.knows_token(&subject) {
                return refused(400, "invalid_subject_token", "The subject token is invalid");
            }
            state.grants.retain(|grant| grant.access != subject);
            SandboxAnswer::json(200, &state.grant(None, expiring))
        }
        Some(_) => refused(400, "unsupported_grant_type", "The grant type is not supported"),
    }
}
