//! `POST /webhooks/{connection}`: what outside platforms tell by themselves.
//!
//! A request is answered when it is kept for good: 200 (or what the platform wants to hear), also for one that was kept
//! before; 401 where the signature is wrong; 404 where there is no such connection; 413 where it is larger than what the
//! platform sends; 503 with `Retry-After` where more comes than can be kept. `GET` answers the questions by which platforms try an address.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get};
use entity::id::ConnectionId;
use integrations::facet::Reply;
use url::Url;

use crate::error::Error;
use crate::platforms::connections::{Refused, Taken, WebhookIntake};

/// How long it may take to come.
const BODY_TIME: Duration = Duration::from_secs(10);

/// Takes webhooks in.
#[derive(Clone, Debug)]
pub struct Webhooks {
    intake: WebhookIntake,
    public_url: Arc<str>,
}

impl Webhooks {
    /// Takes in for a server that others reach under `public_url`.
    #[must_use]
    pub fn new(intake: WebhookIntake, public_url: &str) -> Self {
        Self {
            intake,
            public_url: public_url.into(),
        }
    }

    /// The route to mount.
    pub fn route<S: Clone + Send + Sync + 'static>(self) -> MethodRouter<S> {
        let answer = async |State(this): State<Self>, Path(id): Path<String>, request: Request| {
            this.answer(&id, request).await
        };
        get(answer).post(answer).with_state(self)
    }

    async fn answer(&self, id: &str, request: Request) -> Response {
        let Ok(id) = id.parse::<ConnectionId>() else {
            return not_found();
        };
        let (parts, body) = request.into_parts();
        let length = body
            .size_hint()
            .exact()
            .map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        let admitted = match self.intake.admit(id, length).await {
            Ok(admitted) => admitted,
            Err(refused) => return turned_away(refused),
        };
        let largest = admitted.largest;
        let Ok(body) = tokio::time::timeout(BODY_TIME, to_bytes(body, largest)).await else {
            count("SLOW");
            return (StatusCode::REQUEST_TIMEOUT, "the body did not come in time\n").into_response();
        };
        let Ok(body) = body else {
            return turned_away(Refused::TooLarge(largest));
        };
        let asked = parts.uri.path_and_query().map_or("/", |asked| asked.as_str());
        // As the platform was told, not as a proxy asks.
        let Ok(url) = Url::parse(&format!("{}{asked}", self.public_url)) else {
            return not_found();
        };
        match self
            .intake
            .take(admitted, parts.method, url, parts.headers, body)
            .await
        {
            Ok(Taken::Kept(reply) | Taken::Answered(reply)) => replied(reply),
            Err(refused) => turned_away(refused),
        }
    }
}

fn count(why: &'static str) {
    metrics::counter!("leadline_webhooks_refused_total", "why" => why).increment(1);
}

fn turned_away(refused: Refused) -> Response {
    count(match &refused {
        Refused::NotFound => "NOT_FOUND",
        Refused::Unsigned => "UNSIGNED",
        Refused::TooLarge(_) => "TOO_LARGE",
        Refused::Busy(_) => "BUSY",
        Refused::Fault(_) => "FAULT",
    });
    match refused {
        Refused::NotFound => not_found(),
        Refused::Unsigned => {
            (StatusCode::UNAUTHORIZED, "the signature is missing or wrong\n").into_response()
        }
        Refused::TooLarge(largest) => {
            let message = format!("a webhook of this platform has at most {largest} bytes\n");
            (StatusCode::PAYLOAD_TOO_LARGE, message).into_response()
        }
        Refused::Busy(seconds) => busy(seconds),
        Refused::Fault(error) => {
            match &error {
                Error::Internal(source) => tracing::error!(?source, "a webhook could not be taken in"),
                other => tracing::warn!(error = %other, "a webhook could not be taken in"),
            }
            busy(5)
        }
    }
}

fn replied(reply: Reply) -> Response {
    let Reply {
        status,
        content_type,
        body,
    } = reply;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "there is no such connection\n").into_response()
}

fn busy(seconds: u32) -> Response {
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, "busy; send it again\n").into_response();
    response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    response
}
