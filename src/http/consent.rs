//! Consent on a platform's page: the address by which it begins, and the way back.
//!
//! `GET /connections/authorize/CODE` gives the browser a cookie and sends it to the platform's page. `GET /connections/callback`
//! wants that cookie beside the state of the query, and sends on to `/account#connected=NAME`, or to
//! `/account#connection-failed=MESSAGE`.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get};

use super::origin::{Surroundings, cookie};
use crate::api::types::{Cookies, consent_cookie, forgotten_consent, kept_consent};
use crate::app::App;
use crate::error::{Error, Failure};
use crate::origin;
use crate::platforms::connections::{
    ConnectionProblem, ConsentPage, come_back, consent_page, consent_redirect,
};

/// Sends owners to platforms, and takes in who comes back.
#[derive(Clone, Debug)]
pub struct Consent {
    app: App,
    surroundings: Arc<Surroundings>,
    /// The path of the way back, as browsers see it: cookies are sent there alone.
    path: Arc<str>,
}

impl Consent {
    /// For an application that others reach under `public_url`.
    #[must_use]
    pub fn new(app: App, surroundings: Arc<Surroundings>, public_url: &str) -> Self {
        let path = consent_redirect(public_url).map_or_else(|_| "/".into(), |back| back.path().into());
        Self {
            app,
            surroundings,
            path,
        }
    }

    /// The route by which a consent begins.
    pub fn begin_route<S: Clone + Send + Sync + 'static>(self) -> MethodRouter<S> {
        get(async |State(this): State<Self>, Path(code): Path<String>| this.begin(&code).await)
            .with_state(self)
    }

    /// The route of the way back.
    pub fn callback_route<S: Clone + Send + Sync + 'static>(self) -> MethodRouter<S> {
        get(async |State(this): State<Self>, request: Request| this.callback(request).await).with_state(self)
    }

    fn cookies(&self) -> Cookies {
        Cookies {
            secure: !self.surroundings.on_loopback,
        }
    }

    async fn begin(&self, code: &str) -> Response {
        match consent_page(&self.app, code).await {
            Ok(ConsentPage { url, state }) => {
                let kept = kept_consent(self.cookies(), &self.path, &state, code);
                to(url.as_str(), Some(&kept))
            }
            Err(failure) => to(&failed(failure), None),
        }
    }

    async fn callback(&self, request: Request) -> Response {
        let (parts, _) = request.into_parts();
        let query = parts.uri.query().unwrap_or_default();
        let query: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        let state = query.iter().find(|(name, _)| name == "state");
        let state = state.map(|(_, state)| state.clone()).unwrap_or_default();
        let code = cookie(&parts.headers, &consent_cookie(&state));
        // So that what is done is noted with where it came from.
        let coming = come_back(&self.app, query, code);
        let location = match origin::within(self.surroundings.origin(&parts), coming).await {
            Ok(returned) => fragment("connected", &returned.connection.name),
            Err(failure) => failed(failure),
        };
        let forgotten = code.map(|_| forgotten_consent(self.cookies(), &self.path, &state));
        to(&location, forgotten.as_deref())
    }
}

fn failed(failure: Failure<ConnectionProblem>) -> String {
    match failure {
        Failure::Problems(problems) => {
            let messages: Vec<_> = problems.into_iter().map(|problem| problem.message).collect();
            fragment("connection-failed", &messages.join("; "))
        }
        Failure::Error(error) => {
            if let Error::Internal(source) = &error {
                tracing::error!(?source, "a consent could not be taken in");
            }
            fragment("connection-failed", &error.to_string())
        }
    }
}

fn to(location: &str, cookie: Option<&str>) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, text) in [(header::LOCATION, Some(location)), (header::SET_COOKIE, cookie)] {
        if let Some(value) = text.and_then(|text| HeaderValue::from_str(text).ok()) {
            headers.insert(name, value);
        }
    }
    response
}

fn fragment(name: &str, text: &str) -> String {
    let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    format!("/account#{name}={}", encoded.replace('+', "%20"))
}
