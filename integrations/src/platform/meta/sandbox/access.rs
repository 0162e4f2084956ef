//! Who asks: tokens and the proofs of them, the page of consent, the exchange of codes.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use serde_json::json;
use url::Url;

use super::reply::{Answered, Fault, Params};
use super::{APP, APP_SECRET, leads};
use crate::sandbox::{SandboxAnswer, SandboxRequest};
use crate::signature::sign_sha256;

pub(in crate::platform::meta) const USER_TOKEN: &str = "EAAGuser0000000000000000000000000001";
pub(in crate::platform::meta) const SYSTEM_TOKEN: &str = "EAAGsystem00000000000000000000000001";
const SCOPES: [&str; 8] = [
    "ads_management",
    "ads_read",
    "leads_retrieval",
    "pages_manage_ads",
    "pages_manage_metadata",
    "pages_read_engagement",
    "pages_show_list",
    "public_profile",
];

/// Whose token it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    User,
    System,
    App,
    /// A page, by its place among them.
    Page(usize),
}

/// The tokens and codes in circulation.
#[derive(Default)]
pub(super) struct Access {
    /// Until when; `None`: for ever.
    issued: BTreeMap<String, Option<DateTime<Utc>>>,
    /// The address that a code was given to.
    codes: BTreeMap<String, String>,
    count: u32,
}

pub(super) fn app_token() -> String {
    format!("{APP}|{APP_SECRET}")
}

impl Access {
    /// Whose token a request has, and whether it is proven to come from the app.
    pub(super) fn holder(&self, request: &SandboxRequest, params: &Params) -> Result<Holder, Fault> {
        let token = request
            .header("authorization")
            .and_then(|text| text.strip_prefix("Bearer "))
            .or_else(|| params.text("access_token"))
            .ok_or_else(|| {
                Fault::new(
                    2500,
                    "An active access token must be used to query information about the current user.",
                )
            })?;
        let holder = self.holder_of(token, request.at)?;
        let proof = params.text("appsecret_proof").ok_or_else(|| {
            Fault::new(
                100,
                "API calls from the server require an appsecret_proof argument",
            )
        })?;
        let expected = hex::encode(sign_sha256(APP_SECRET.as_bytes(), token.as_bytes()));
        if proof != expected {
            return Err(Fault::new(
                100,
                "Invalid appsecret_proof provided in the API argument",
            ));
        }
        Ok(holder)
    }

    fn holder_of(&self, token: &str, at: DateTime<Utc>) -> Result<Holder, Fault> {
        if token == app_token() {
            return Ok(Holder::App);
        }
        if token == USER_TOKEN {
            return Ok(Holder::User);
        }
        if token == SYSTEM_TOKEN {
            return Ok(Holder::System);
        }
        if let Some(page) = leads::page_of_token(token) {
            return Ok(Holder::Page(page));
        }
        match self.issued.get(token) {
            Some(until) if until.is_none_or(|until| until > at) => Ok(Holder::User),
            Some(_) => {
                let text = "Error validating access token: Session has expired.";
                Err(Fault::new(190, text).subcode(463))
            }
            None => Err(Fault::new(
                190,
                "Invalid OAuth access token - Cannot parse access token",
            )),
        }
    }

    fn issue(&mut self, prefix: &str, until: DateTime<Utc>) -> String {
        self.count += 1;
        let token = format!("{prefix}{:030}", self.count);
        self.issued.insert(token.clone(), Some(until));
        token
    }

    /// The page of consent: says yes at once.
    pub(super) fn dialog(&mut self, request: &SandboxRequest) -> SandboxAnswer {
        let wrong = |text: &'static str| SandboxAnswer::text(400, "text/html", text);
        if request.param("client_id") != Some(APP) {
            return wrong("Invalid App ID");
        }
        if request.param("response_type").is_some_and(|kind| kind != "code") {
            return wrong("Unsupported response_type");
        }
        if request.param("scope").is_none() && request.param("config_id").is_none() {
            return wrong("Neither scope nor config_id");
        }
        let redirect = request.param("redirect_uri").unwrap_or_default();
        let Ok(mut back) = Url::parse(redirect) else {
            return wrong("The redirect_uri URL must be absolute");
        };
        self.count += 1;
        let code = format!("AQCode{:040}", self.count);
        self.codes.insert(code.clone(), redirect.to_owned());
        back.query_pairs_mut().append_pair("code", &code);
        if let Some(state) = request.param("state") {
            back.query_pairs_mut().append_pair("state", state);
        }
        SandboxAnswer::empty(302).header("location", back)
    }

    /// Exchanges a code, or a token for one that lives longer.
    pub(super) fn exchange(&mut self, params: &Params, at: DateTime<Utc>) -> Answered {
        if params.required("client_id")? != APP {
            return Err(Fault::new(
                101,
                "Error validating application. Invalid application ID.",
            ));
        }
        if params.required("client_secret")? != APP_SECRET {
            return Err(Fault::new(1, "Error validating client secret."));
        }
        let answer = |token: String, seconds: i64| json!({ "access_token": token, "token_type": "bearer", "expires_in": seconds });
        if params.text("grant_type") == Some("fb_exchange_token") {
            let old = params.required("fb_exchange_token")?;
            match self.holder_of(old, at)? {
                Holder::User => {
                    let seconds = Duration::days(60).num_seconds();
                    let token = self.issue("EAAGlong", at + Duration::days(60));
                    return Ok(answer(token, seconds));
                }
                _ => return Err(Fault::parameter("Only a user token can be exchanged")),
            }
        }
        let code = params.required("code")?;
        let redirect = params.required("redirect_uri")?;
        let given = self
            .codes
            .remove(code)
            .ok_or_else(|| Fault::new(100, "This authorization code has been used.").subcode(36009))?;
        if given != redirect {
            let text = "Error validating verification code. Please make sure your redirect_uri is identical to the one \
                        you used in the OAuth dialog request";
            return Err(Fault::new(100, text).subcode(36008));
        }
        let token = self.issue("EAAGshort", at + Duration::hours(2));
        Ok(answer(token, 7_200))
    }

    /// Looks at a token, with the app's own.
    pub(super) fn debug(&self, holder: Holder, params: &Params, at: DateTime<Utc>) -> Answered {
        if holder != Holder::App {
            return Err(Fault::parameter(
                "You must provide an app access token, or a user access token of a developer",
            ));
        }
        let token = params.required("input_token")?;
        Ok(match self.holder_of(token, at) {
            Ok(holder) => {
                let expires = self.issued.get(token).copied().flatten();
                json!({ "data": {
                    "app_id": APP,
                    "type": match holder {
                        Holder::User => "USER",
                        Holder::System => "SYSTEM_USER",
                        Holder::App => "APP",
                        Holder::Page(_) => "PAGE",
                    },
                    "application": "Leadline",
                    "is_valid": true,
                    "expires_at": expires.map_or(0, |until| until.timestamp()),
                    "data_access_expires_at": (at + Duration::days(90)).timestamp(),
                    "scopes": SCOPES,
                    "granular_scopes": [{ "scope": "pages_show_list" }],
                    "user_id": "10224000000000001",
                } })
            }
            Err(fault) => json!({ "data": {
                "app_id": APP,
                "is_valid": false,
                "error": { "code": fault.code, "message": fault.message, "subcode": fault.subcode },
                "scopes": [],
            } }),
        })
    }
}
