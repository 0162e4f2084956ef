//! `GET /connections/callback`: the way back from a platform's page of consent.
//!
//! The state of the query is good once, and tells which connection it is about. Whoever comes back is sent to
//! `/account#connected=NAME`, or to `/account#connection-failed=MESSAGE`.

use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::{MethodRouter, get};

use crate::app::App;
use crate::error::{Error, Failure};
use crate::platforms::connections::come_back;

/// The route to mount.
pub fn route<S: Clone + Send + Sync + 'static>(app: App) -> MethodRouter<S> {
    get(async |State(app): State<App>, RawQuery(query): RawQuery| {
        let query = query.unwrap_or_default();
        let query = url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        let location = match come_back(&app, query).await {
            Ok(returned) => fragment("connected", &returned.connection.name),
            Err(Failure::Problems(problems)) => {
                let messages: Vec<_> = problems.into_iter().map(|problem| problem.message).collect();
                fragment("connection-failed", &messages.join("; "))
            }
            Err(Failure::Error(error)) => {
                if let Error::Internal(source) = &error {
                    tracing::error!(?source, "a consent could not be taken in");
                }
                fragment("connection-failed", &error.to_string())
            }
        };
        let mut response = StatusCode::SEE_OTHER.into_response();
        if let Ok(location) = HeaderValue::from_str(&location) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    })
    .with_state(app)
}

fn fragment(name: &str, text: &str) -> String {
    let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    format!("/account#{name}={}", encoded.replace('+', "%20"))
}
