//! Answers that are no success, of the doors beside GraphQL: shaped as GraphQL's errors, so that clients read one form.

use async_graphql::Response as GraphqlResponse;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use super::gateway::{RequestId, ResponseBody, coded_error, complete_errors};
use crate::error::Error;

const JSON: &str = "application/json; charset=utf-8";

/// An answer that is no success.
pub(super) struct Fault {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
    /// When to come again.
    pub(super) retry_after_seconds: Option<u64>,
}

impl Fault {
    pub(super) fn new(status: StatusCode, code: &'static str, message: String) -> Self {
        Self {
            status,
            code,
            message,
            retry_after_seconds: None,
        }
    }

    /// Something is wrong with what was sent.
    pub(super) fn input(message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_USER_INPUT", message)
    }

    /// The answer.
    pub(super) fn answer(self, request_id: &RequestId) -> Response {
        let Self {
            status,
            code,
            message,
            retry_after_seconds,
        } = self;
        let mut response = GraphqlResponse::from_errors(vec![coded_error(code, message)]);
        complete_errors(&mut response, request_id);
        let body = serde_json::to_vec(&ResponseBody(&response)).unwrap_or_default();
        let mut response = json(status, body);
        if let Some(seconds) = retry_after_seconds {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// An answer of JSON.
pub(super) fn json(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
    response
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Error::Forbidden(_) => StatusCode::FORBIDDEN,
            Error::BadInput(_) => StatusCode::BAD_REQUEST,
            Error::NotFound(_) => StatusCode::NOT_FOUND,
            Error::Conflict(_) => StatusCode::CONFLICT,
            Error::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Error::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            Error::Internal(source) => {
                tracing::error!(?source, "an upload or download failed");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        Self {
            status,
            code: error.code(),
            retry_after_seconds: match &error {
                Error::RateLimited {
                    retry_after_seconds, ..
                } => Some(*retry_after_seconds),
                _ => None,
            },
            message: error.to_string(),
        }
    }
}
