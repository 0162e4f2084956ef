//! `GET /schema.graphql`: the schema as text, as far as the caller may use it, for tools that write code from a schema.
//!
//! By `Authorization`, by the cookie of the page, or by `?token=leadline_…` for tools that take an address and nothing
//! else; who has the choice sends the header, since addresses are kept in histories and logs. 400 for both at once, 401
//! without any.

use std::sync::Arc;

use axum::extract::{Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use serde::Deserialize;

use super::access::{Beside, ServerGateway};
use super::fault::Fault;
use super::gateway::RequestId;
use crate::api::sdl_for;

/// The query of the address.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    token: Option<String>,
}

/// The route to mount at `/schema.graphql`.
pub fn route<S: Clone + Send + Sync + 'static>(gateway: Arc<ServerGateway>) -> MethodRouter<S> {
    get(async move |request: Request| {
        let (mut parts, _) = request.into_parts();
        match answer(&gateway, &mut parts).await {
            Ok(response) => response,
            Err(fault) => fault.answer(&RequestId::from_headers(&parts.headers)),
        }
    })
}

async fn answer(gateway: &ServerGateway, parts: &mut Parts) -> Result<Response, Fault> {
    let Query(Asked { token }) = Query::<Asked>::try_from_uri(&parts.uri)
        .map_err(|_| Fault::input("the query has `token` and nothing else".to_owned()))?;
    if let Some(token) = token {
        if parts.headers.contains_key(header::AUTHORIZATION) {
            return Err(Fault::input(
                "there is a token in the address and one in `Authorization`: send one of them".to_owned(),
            ));
        }
        let shown = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| Fault::input("`token` is not of the form `leadline_…`".to_owned()))?;
        parts.headers.insert(header::AUTHORIZATION, shown);
    }
    let caller = gateway.caller(parts, Beside::Contract).await?;
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    Ok((headers, sdl_for(&caller)).into_response())
}
