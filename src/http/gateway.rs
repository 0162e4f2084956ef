//! What both transports of GraphQL share: who may speak ([`Gateway`]), how a request is named ([`RequestId`])
//! and how a request is read and a response written.
//!
//! The transports know nothing of tokens, scopes or the schema. The caller implements [`Gateway`] once and gives
//! it, with any [`async_graphql::Executor`], to [`GraphqlHttp`](super::graphql_http::GraphqlHttp) and
//! [`GraphqlWs`](super::graphql_ws::GraphqlWs).

use std::future::Future;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use async_graphql::parser::types::OperationType;
use async_graphql::{Extensions, Request, Response, ServerError, Value, Variables};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use entity::Safelist;
use futures_util::future::BoxFuture;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use super::intake::Budget;

/// The JSON object that a client sent with `connection_init`; empty when it sent none.
pub type InitPayload = serde_json::Map<String, serde_json::Value>;

/// Decides who may speak and makes each request ready to run.
pub trait Gateway: Send + Sync + 'static {
    /// Who speaks: kept for one request over HTTP, for the life of the socket over WebSocket.
    type Caller: Send + Sync + 'static;

    /// Lets a client in or refuses it. Called once a request over HTTP and once a socket, on `connection_init`.
    /// A client without a token may be let in as nobody; that is for the gateway to say.
    fn admit(
        &self,
        parts: &Parts,
        entrance: Entrance<'_>,
    ) -> impl Future<Output = Result<Admission<Self::Caller>, Refusal>> + Send;

    /// Makes one operation ready to run: adds the caller, the request id, loaders and limits to `request`.
    /// An error refuses the operation before it runs; give it an `extensions.code`.
    fn prepare(
        &self,
        caller: &Arc<Self::Caller>,
        account: &Arc<str>,
        request: Request,
        request_id: &RequestId,
    ) -> impl Future<Output = Result<Request, ServerError>> + Send;

    /// What happens to documents of this caller that are not expected.
    fn safelist(&self, _caller: &Arc<Self::Caller>) -> Safelist {
        Safelist::Off
    }

    /// What this caller may spend.
    fn budget(&self, _caller: &Arc<Self::Caller>) -> Budget {
        Budget::NONE
    }

    /// Whether a prepared subscription may be run once for all who ask for the same, and from where: only where its
    /// results depend on nothing but its text, its variables, the rights of the caller and the event log from that
    /// place on. It is then run with a [`Place`](crate::events::Place) among its data.
    fn share(&self, _caller: &Arc<Self::Caller>, _request: &mut Request) -> Option<Share> {
        None
    }
}

/// Among the data of a request that goes on with what was begun and paid for before.
#[derive(Debug, Clone, Copy)]
pub struct Continued;

/// How a subscription is shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The same text for callers with the same rights, another one for others.
    pub rights: String,
    /// The position of the event log behind which it begins.
    pub begin: i64,
    /// Who joins is told the last result at once: it says how something is, not what happened.
    pub is_state: bool,
}

/// The way by which a client comes in.
#[derive(Debug, Clone, Copy)]
pub enum Entrance<'a> {
    /// One request, POST or GET.
    Http,
    /// One request that is answered by a stream of events.
    Stream,
    /// A socket, with the payload of its `connection_init`.
    Socket(&'a InitPayload),
}

/// A client that was let in.
pub struct Admission<C> {
    /// Who it is.
    pub caller: Arc<C>,
    /// Under what its live connections and its costs are counted: the same for all that one caller does.
    pub account: Arc<str>,
    /// Resolves when this client may speak no longer (its token was revoked or ran out): its socket is then
    /// closed with 4403, its stream ended. Never looked at over HTTP. `None` means never.
    pub revoked: Option<BoxFuture<'static, ()>>,
}

/// Why a client is not let in. The text is shown to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The token is missing, malformed, unknown or expired: 401 over HTTP, 4403 on a socket.
    Unauthenticated(String),
    /// The token is known but may not come in this way: 403 over HTTP, 4403 on a socket.
    Forbidden(String),
    /// It cannot be told at the moment, for instance because the database is away: 503 over HTTP, 1013 on a
    /// socket, after both of which clients try again.
    Unavailable(String),
}

/// The account of a client whom nothing is known of but its address, or in IPv6 its network: one has addresses without
/// number there.
#[must_use]
pub fn account_of_address(address: Option<IpAddr>) -> Arc<str> {
    match address.map(|address| address.to_canonical()) {
        None => "address:unknown".into(),
        Some(IpAddr::V4(address)) => format!("address:{address}").into(),
        Some(IpAddr::V6(address)) => {
            let network = Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64));
            format!("address:{network}/64").into()
        }
    }
}

/// The name of one request in logs and in `extensions.requestId` of its errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The `x-request-id` header when it is 1 to 64 characters of `A-Z a-z 0-9 . _ : -`, else a random one.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        headers
            .get("x-request-id")
            .and_then(|value| value.to_str().ok())
            .filter(|id| {
                (1..=64).contains(&id.len())
                    && id
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b))
            })
            .map_or_else(
                || Self(format!("{:032x}", rand::random::<u128>()).into()),
                |id| Self(id.into()),
            )
    }

    /// The id of the `number`th operation of a socket whose own id is `self`.
    pub(super) fn of_operation(&self, number: u64) -> Self {
        Self(format!("{}:{number}", self.0).into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The GraphQL-over-HTTP request, which is also the payload of `subscribe`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RequestPayload {
    pub(super) query: Option<String>,
    pub(super) operation_name: Option<String>,
    pub(super) variables: Option<Variables>,
    pub(super) extensions: Option<Extensions>,
}

impl RequestPayload {
    /// The request to run, or `None` when it has neither `query` nor the hash of one.
    pub(super) fn into_request(self) -> Option<Request> {
        let Self {
            query,
            operation_name,
            variables,
            extensions,
        } = self;
        let extensions = extensions.unwrap_or_default();
        let hashed = extensions.contains_key("persistedQuery");
        let mut request = Request::new(query.or_else(|| hashed.then(String::new))?);
        request.operation_name = operation_name.filter(|name| !name.is_empty());
        request.variables = variables.unwrap_or_default();
        request.extensions = extensions;
        Some(request)
    }
}

/// What kind of operation a request runs; `None` where it names one that is not there, of which the executor says so.
/// The parsed document stays in the request, so it is parsed once.
pub(super) fn operation_type(request: &mut Request) -> Result<Option<OperationType>, Box<ServerError>> {
    let wanted = request.operation_name.clone();
    let document = request.parsed_query().map_err(Box::new)?;
    let mut operations = document.operations.iter();
    let operation = match &wanted {
        Some(wanted) => operations.find(|(name, _)| name.is_some_and(|name| name.as_str() == wanted)),
        None => operations.next(),
    };
    Ok(operation.map(|(_, operation)| operation.node.ty))
}

/// An error of the transport or of a whole request, with its code.
pub(super) fn coded_error(code: &str, message: impl Into<String>) -> ServerError {
    let mut error = ServerError::new(message, None);
    error.extensions.get_or_insert_default().set("code", code);
    error
}

/// Whether the operation never ran: nothing but errors, and none of them of a field.
pub(super) fn never_ran(response: &Response) -> bool {
    response.data == Value::Null
        && !response.errors.is_empty()
        && response.errors.iter().all(|error| error.path.is_empty())
}

/// Gives each error its `extensions.requestId`, and an `extensions.code` where the schema gave none:
/// `BAD_USER_INPUT` for an error of the whole request (it does not parse or does not fit the schema),
/// `INTERNAL` for one of a field.
pub(super) fn complete_errors(response: &mut Response, request_id: &RequestId) {
    for error in &mut response.errors {
        let of_field = !error.path.is_empty();
        let extensions = error.extensions.get_or_insert_default();
        if extensions.get("code").is_none() {
            extensions.set("code", if of_field { "INTERNAL" } else { "BAD_USER_INPUT" });
        }
        extensions.set("requestId", request_id.as_str());
    }
}

/// A response as the GraphQL specification writes it: without `data` when the operation never ran.
/// (`Response` itself always writes `data`.)
pub(super) struct ResponseBody<'a>(pub(super) &'a Response);

impl Serialize for ResponseBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let response = self.0;
        let mut body = serializer.serialize_struct("Response", 3)?;
        if !response.errors.is_empty() {
            body.serialize_field("errors", &response.errors)?;
        }
        if !never_ran(response) {
            body.serialize_field("data", &response.data)?;
        }
        if !response.extensions.is_empty() {
            body.serialize_field("extensions", &response.extensions)?;
        }
        body.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_known_by_address_or_network() {
        let account = |address: Option<&str>| {
            account_of_address(address.map(|address| address.parse().expect("an address"))).to_string()
        };
        assert_eq!(account(Some("192.0.2.7")), "address:192.0.2.7");
        assert_eq!(account(Some("::ffff:192.0.2.7")), "address:192.0.2.7");
        assert_eq!(account(Some("2001:db8:1:2:3:4:5:6")), "address:2001:db8:1:2::/64");
        assert_eq!(account(None), "address:unknown");
    }
}
