//! The door by which a request comes in: from where, and whether cookies can be given to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_graphql::Context;
use axum::http::header::SET_COOKIE;

use crate::error::Error;
use crate::identity::ACCESS_SECONDS;
use crate::identity::session::Tokens;
use crate::origin::Origin;

/// The cookie of the access token.
pub const ACCESS_COOKIE: &str = "leadline_access";
/// The cookie of the refresh token.
pub const REFRESH_COOKIE: &str = "leadline_refresh";
/// The cookie of a sign-in that goes on at an OpenID Connect provider.
pub const OPEN_ID_COOKIE: &str = "leadline_openid";
/// Where that cookie is sent to.
const OPEN_ID_PATH: &str = "/openid/callback";
/// How long it lasts.
const OPEN_ID_SECONDS: i64 = 10 * 60;
/// The beginning of the names of cookies of consents that go on at platforms: one for each, as they go on side by side.
const CONSENT_COOKIE: &str = "leadline_consent_";
/// So much of a consent's state stands in the name.
const CONSENT_NAME_CHARS: usize = 16;
/// How long such a cookie lasts.
const CONSENT_SECONDS: i64 = 10 * 60;
/// Where the refresh token is sent to, and nowhere else.
const REFRESH_PATH: &str = "/graphql";

/// How cookies are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookies {
    /// For encrypted connections alone: everywhere but on loopback.
    pub secure: bool,
}

/// Whether a client has said that it wants no more of a subscription. Whose connection broke has not said so, and may come back.
#[derive(Clone, Debug, Default)]
pub struct Unsubscribed(Arc<AtomicBool>);

impl Unsubscribed {
    /// The client has said so.
    pub fn say(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it has.
    #[must_use]
    pub fn is_said(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Where a request came in.
#[derive(Clone, Debug, Default)]
pub struct Door {
    /// From where.
    pub origin: Arc<Origin>,
    /// The refresh token of its cookie.
    pub refresh: Option<String>,
    /// How cookies are given; none where none can be, as on a socket or stream.
    pub cookies: Option<Cookies>,
}

impl Door {
    /// The refresh token of the cookie.
    #[must_use]
    pub fn refresh_cookie(&self) -> Option<&str> {
        self.refresh.as_deref()
    }

    /// Gives tokens as cookies that no script reads and no other site's page sends along.
    ///
    /// # Errors
    /// [`Error::BadInput`] on a socket.
    pub fn keep(&self, ctx: &Context<'_>, tokens: &Tokens) -> Result<(), Error> {
        for cookie in kept_tokens(self.cookies()?, tokens) {
            ctx.append_http_header(SET_COOKIE, cookie);
        }
        Ok(())
    }

    /// Gives the browser the state of a sign-in that goes on elsewhere, by which it is known when it comes back.
    ///
    /// # Errors
    /// [`Error::BadInput`] on a socket.
    pub fn keep_state(&self, ctx: &Context<'_>, state: &str) -> Result<(), Error> {
        let cookie = written(
            self.cookies()?,
            OPEN_ID_COOKIE,
            state,
            OPEN_ID_PATH,
            OPEN_ID_SECONDS,
        );
        ctx.append_http_header(SET_COOKIE, cookie);
        Ok(())
    }

    /// How cookies are given, for whoever is about to do what cannot be undone.
    ///
    /// # Errors
    /// [`Error::BadInput`] on a socket or stream.
    pub fn cookies(&self) -> Result<Cookies, Error> {
        self.cookies.ok_or_else(|| {
            let message = "no cookies can be set over a socket or a stream: send the mutation to `POST /graphql`, or leave out `transport`";
            Error::BadInput(message.to_owned())
        })
    }

    /// Takes the cookies back.
    pub fn forget(&self, ctx: &Context<'_>) {
        if let Some(cookies) = self.cookies {
            for cookie in [
                written(cookies, ACCESS_COOKIE, "", "/", 0),
                written(cookies, REFRESH_COOKIE, "", REFRESH_PATH, 0),
            ] {
                ctx.append_http_header(SET_COOKIE, cookie);
            }
        }
    }
}

/// The cookies of tokens.
#[must_use]
pub fn kept_tokens(cookies: Cookies, tokens: &Tokens) -> Vec<String> {
    let refresh_seconds = tokens.refresh_expires_at.micros() / 1_000_000
        - tokens.access_expires_at.micros() / 1_000_000
        + ACCESS_SECONDS;
    vec![
        written(cookies, ACCESS_COOKIE, &tokens.access, "/", ACCESS_SECONDS),
        written(
            cookies,
            REFRESH_COOKIE,
            &tokens.refresh,
            REFRESH_PATH,
            refresh_seconds,
        ),
    ]
}

/// Takes the state of a sign-in elsewhere back.
#[must_use]
pub fn forgotten_state(cookies: Cookies) -> String {
    written(cookies, OPEN_ID_COOKIE, "", OPEN_ID_PATH, 0)
}

/// The name of the cookie of a consent, by its state. A state may be anybody's word, and the name stands in a header.
#[must_use]
pub fn consent_cookie(state: &str) -> String {
    let tag = state
        .chars()
        .filter(|ch| ch.is_ascii_alphanumeric() || matches!(ch, '-' | '_'))
        .take(CONSENT_NAME_CHARS);
    CONSENT_COOKIE.chars().chain(tag).collect()
}

/// Gives the browser the code of a consent, by which it is known when it comes back to `path`.
#[must_use]
pub fn kept_consent(cookies: Cookies, path: &str, state: &str, code: &str) -> String {
    written(cookies, &consent_cookie(state), code, path, CONSENT_SECONDS)
}

/// Takes it back.
#[must_use]
pub fn forgotten_consent(cookies: Cookies, path: &str, state: &str) -> String {
    written(cookies, &consent_cookie(state), "", path, 0)
}

/// Lax, not strict: who follows a link to a page of this server is signed in there, and who comes back from a provider
/// brings the state along. No cross-site request but such a navigation brings a cookie.
fn written(cookies: Cookies, name: &str, value: &str, path: &str, seconds: i64) -> String {
    let secure = if cookies.secure { "; Secure" } else { "" };
    format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}
