//! `GET /openid/callback`: the way back from the OpenID Connect provider.
//!
//! The state of the query has to be that of the browser's cookie. Whoever comes in is given cookies and sent to the path that
//! the sign-in began with; whoever does not, to `/account#sign-in-failed=MESSAGE`.

use std::sync::Arc;

use axum::extract::{Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get};
use serde::Deserialize;

use super::origin::{Surroundings, cookie};
use crate::api::types::{Cookies, OPEN_ID_COOKIE, forgotten_state, kept_tokens};
use crate::app::App;
use crate::error::{Error, Failure};
use crate::identity::open_id;
use crate::origin;

/// Takes in who comes back.
#[derive(Clone, Debug)]
pub struct Callback {
    app: App,
    surroundings: Arc<Surroundings>,
    public_url: Arc<str>,
}

/// What the provider says.
#[derive(Debug, Deserialize)]
struct Said {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
}

impl Callback {
    /// Takes people in for an application.
    #[must_use]
    pub fn new(app: App, surroundings: Arc<Surroundings>, public_url: &str) -> Self {
        Self {
            app,
            surroundings,
            public_url: public_url.into(),
        }
    }

    /// The route to mount.
    pub fn route<S: Clone + Send + Sync + 'static>(self) -> MethodRouter<S> {
        get(
            async |State(this): State<Self>, Query(said): Query<Said>, request: Request| {
                this.answer(said, request).await
            },
        )
        .with_state(self)
    }

    async fn answer(&self, said: Said, request: Request) -> Response {
        let (parts, _) = request.into_parts();
        let cookies = Cookies {
            secure: !self.surroundings.on_loopback,
        };
        let state =
            cookie(&parts.headers, OPEN_ID_COOKIE).filter(|kept| said.state.as_deref() == Some(*kept));
        let (location, given) = match (state, said.code, said.error) {
            (_, _, Some(error)) => {
                let error: String = error
                    .chars()
                    .filter(|ch| ch.is_ascii_graphic())
                    .take(80)
                    .collect();
                (failed(&format!("the provider refused: {error}")), Vec::new())
            }
            (Some(state), Some(code), None) => {
                let origin = self.surroundings.origin(&parts);
                // So that what is done is noted with where it came from.
                let finishing = open_id::finish(&self.app, &origin, &self.public_url, state, code);
                match origin::within(Arc::clone(&origin), finishing).await {
                    Ok(finished) => (
                        finished.redirect,
                        kept_tokens(cookies, &finished.signed_in.tokens),
                    ),
                    Err(Failure::Problems(problems)) => {
                        let messages: Vec<_> = problems.into_iter().map(|problem| problem.message).collect();
                        (failed(&messages.join("; ")), Vec::new())
                    }
                    Err(Failure::Error(error)) => {
                        if let Error::Internal(source) = &error {
                            tracing::error!(?source, "a sign-in by OpenID Connect failed");
                        }
                        (failed(&error.to_string()), Vec::new())
                    }
                }
            }
            _ => (
                failed("the way back was taken by another browser, or too late; begin anew"),
                Vec::new(),
            ),
        };
        let mut response = StatusCode::SEE_OTHER.into_response();
        let headers = response.headers_mut();
        if let Ok(location) = HeaderValue::from_str(&location) {
            headers.insert(header::LOCATION, location);
        }
        for cookie in given.into_iter().chain([forgotten_state(cookies)]) {
            if let Ok(cookie) = HeaderValue::from_str(&cookie) {
                headers.append(header::SET_COOKIE, cookie);
            }
        }
        response
    }
}

fn failed(message: &str) -> String {
    let encoded: String = url::form_urlencoded::byte_serialize(message.as_bytes()).collect();
    format!("/account#sign-in-failed={}", encoded.replace('+', "%20"))
}
