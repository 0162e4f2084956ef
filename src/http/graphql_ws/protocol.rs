//! The messages of `graphql-transport-ws` and its close codes: pure, no I/O.

use std::borrow::Cow;

use async_graphql::{Request, Response};
use axum::extract::ws::Utf8Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::http::gateway::{InitPayload, RequestPayload, ResponseBody};

/// The subprotocol's name in `Sec-WebSocket-Protocol`.
pub const SUBPROTOCOL: &str = "graphql-transport-ws";

/// Longest operation id, in bytes. The protocol names no bound; clients send a UUID or a number.
pub(super) const MAX_ID_BYTES: usize = 256;

/// Longest reason of a close frame, in bytes (RFC 6455, 5.5: 125 less the code).
const MAX_REASON_BYTES: usize = 123;

/// Why a socket is closed: the code of the close frame. The table in the [module docs](super) says what each means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum CloseCode {
    /// The message is larger than the limit.
    TooBig = 1009,
    /// The server is stopping; reconnect.
    ServiceRestart = 1012,
    /// It cannot be told now whether the client may come in; try again.
    TryAgainLater = 1013,
    /// A message that is not of the protocol.
    BadRequest = 4400,
    /// `subscribe` before `connection_ack`.
    Unauthorized = 4401,
    /// The client is refused, or its token was revoked.
    Forbidden = 4403,
    /// The client does not speak `graphql-transport-ws`.
    SubprotocolNotAcceptable = 4406,
    /// No `connection_init` in time, or no sign of life after a ping.
    Timeout = 4408,
    /// The id is taken by a live operation.
    SubscriberExists = 4409,
    /// A second `connection_init`.
    TooManyInits = 4429,
    /// Leadline's own: the client reads too slowly; resume with the last cursor.
    SlowConsumer = 4900,
}

/// The end of a socket that this side decides on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Closing {
    pub(super) code: CloseCode,
    pub(super) reason: String,
}

impl Closing {
    /// `reason` is cut to what a close frame holds, between characters.
    pub(super) fn new(code: CloseCode, reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
        Self { code, reason }
    }

    fn bad(reason: impl Into<String>) -> Self {
        Self::new(CloseCode::BadRequest, reason)
    }
}

/// What a client may say.
pub(super) enum ClientMessage<'a> {
    Init(InitPayload),
    Ping(Option<&'a str>),
    Pong,
    Subscribe { id: Cow<'a, str>, request: Box<Request> },
    Complete { id: Cow<'a, str> },
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

impl<'a> ClientMessage<'a> {
    /// Reads one text message; anything that is not of the protocol is a [`CloseCode::BadRequest`].
    pub(super) fn parse(text: &'a str) -> Result<Self, Closing> {
        let Envelope { kind, id, payload } =
            serde_json::from_str(text).map_err(|error| Closing::bad(format!("invalid message: {error}")))?;
        let id = || match id {
            None => Err(Closing::bad(format!("invalid message: `{kind}` without `id`"))),
            Some(id) if id.is_empty() => Err(Closing::bad("invalid message: `id` is empty")),
            Some(id) if id.len() > MAX_ID_BYTES => Err(Closing::bad(format!(
                "invalid message: `id` is longer than {MAX_ID_BYTES} bytes"
            ))),
            Some(id) => Ok(id),
        };
        let object = || match payload.map(RawValue::get) {
            Some(raw) if !raw.starts_with('{') => Err(Closing::bad(format!(
                "invalid message: payload of `{kind}` is not an object"
            ))),
            payload => Ok(payload),
        };
        match kind.as_ref() {
            "connection_init" => match object()? {
                None => Ok(Self::Init(InitPayload::new())),
                Some(raw) => serde_json::from_str(raw)
                    .map(Self::Init)
                    .map_err(|error| Closing::bad(format!("invalid payload of `connection_init`: {error}"))),
            },
            "ping" => Ok(Self::Ping(object()?)),
            "pong" => object().map(|_payload| Self::Pong),
            "subscribe" => {
                let raw =
                    object()?.ok_or_else(|| Closing::bad("invalid message: `subscribe` without payload"))?;
                let request = serde_json::from_str::<RequestPayload>(raw)
                    .map_err(|error| Closing::bad(format!("invalid payload of `subscribe`: {error}")))?
                    .into_request()
                    .ok_or_else(|| Closing::bad("invalid payload of `subscribe`: `query` is missing"))?;
                Ok(Self::Subscribe {
                    id: id()?,
                    request: Box::new(request),
                })
            }
            "complete" => Ok(Self::Complete { id: id()? }),
            other => Err(Closing::bad(format!(
                "unexpected message type `{other}`; one of connection_init, ping, pong, subscribe, complete"
            ))),
        }
    }
}

/// `connection_ack`.
pub(super) const ACK: Utf8Bytes = Utf8Bytes::from_static(r#"{"type":"connection_ack"}"#);

/// `ping`.
pub(super) const PING: Utf8Bytes = Utf8Bytes::from_static(r#"{"type":"ping"}"#);

/// `pong`, with the payload of the ping it answers.
pub(super) fn pong(payload: Option<&str>) -> Utf8Bytes {
    match payload {
        None => Utf8Bytes::from_static(r#"{"type":"pong"}"#),
        Some(payload) => format!(r#"{{"type":"pong","payload":{payload}}}"#).into(),
    }
}

/// The payload of a `next`.
pub(super) fn payload_json(response: &Response) -> String {
    serde_json::to_string(&ResponseBody(response)).expect("a response is plain JSON in memory")
}

/// The payload of an `error`.
pub(super) fn errors_json(response: &Response) -> String {
    serde_json::to_string(&response.errors).expect("errors are plain JSON in memory")
}

/// Writes the messages of one operation, with its id escaped once.
pub(in crate::http) struct OperationWriter {
    next_prefix: Box<[u8]>,
    /// Where the JSON string of the id stands in `next_prefix`.
    id: std::ops::Range<usize>,
    /// Size of the last message, as the guess for the next.
    last_bytes: usize,
}

impl OperationWriter {
    pub(in crate::http) fn new(id: &str) -> Self {
        let mut prefix = br#"{"type":"next","id":"#.to_vec();
        let start = prefix.len();
        serde_json::to_writer(&mut prefix, id).expect("a string is plain JSON in memory");
        let id = start..prefix.len();
        prefix.extend_from_slice(br#","payload":"#);
        Self {
            next_prefix: prefix.into(),
            id,
            last_bytes: 256,
        }
    }

    fn id(&self) -> &str {
        std::str::from_utf8(&self.next_prefix[self.id.clone()]).expect("JSON is UTF-8")
    }

    /// `next`: the response is written straight into the message.
    pub(super) fn next(&mut self, response: &Response) -> Utf8Bytes {
        let mut message = Vec::with_capacity(self.last_bytes + 64);
        message.extend_from_slice(&self.next_prefix);
        serde_json::to_writer(&mut message, &ResponseBody(response))
            .expect("a response is plain JSON in memory");
        message.push(b'}');
        self.last_bytes = message.len();
        Utf8Bytes::try_from(message).expect("JSON is UTF-8")
    }

    /// `next` with a payload that is JSON already.
    pub(super) fn next_of(&self, payload: &str) -> Utf8Bytes {
        let mut message = Vec::with_capacity(self.next_prefix.len() + payload.len() + 1);
        message.extend_from_slice(&self.next_prefix);
        message.extend_from_slice(payload.as_bytes());
        message.push(b'}');
        Utf8Bytes::try_from(message).expect("JSON is UTF-8")
    }

    /// `error`: the operation has failed before or at its start.
    pub(super) fn error(&self, response: &Response) -> Utf8Bytes {
        self.error_of(&errors_json(response))
    }

    /// `error` with errors that are JSON already.
    pub(super) fn error_of(&self, errors: &str) -> Utf8Bytes {
        format!(r#"{{"type":"error","id":{},"payload":{errors}}}"#, self.id()).into()
    }

    /// `complete`: nothing follows.
    pub(super) fn complete(&self) -> Utf8Bytes {
        format!(r#"{{"type":"complete","id":{}}}"#, self.id()).into()
    }
}

/// Writes what an operation says in the form of its transport.
pub(in crate::http) enum Writer {
    /// Messages of a socket.
    Socket(OperationWriter),
    /// Events of a stream ([`graphql_sse`](crate::http::graphql_sse)).
    Events,
}

impl Writer {
    pub(in crate::http) fn next(&mut self, response: &Response) -> Utf8Bytes {
        match self {
            Self::Socket(writer) => writer.next(response),
            Self::Events => self.next_of(&payload_json(response)),
        }
    }

    pub(in crate::http) fn next_of(&self, payload: &str) -> Utf8Bytes {
        match self {
            Self::Socket(writer) => writer.next_of(payload),
            // JSON has no line ends of its own: it is one line of data.
            Self::Events => format!("event: next\ndata: {payload}\n\n").into(),
        }
    }

    pub(in crate::http) fn error(&self, response: &Response) -> Utf8Bytes {
        self.error_of(&errors_json(response))
    }

    pub(in crate::http) fn error_of(&self, errors: &str) -> Utf8Bytes {
        match self {
            Self::Socket(writer) => writer.error_of(errors),
            // Streams have no event for errors: they come as a result, and nothing after it.
            Self::Events => format!("event: next\ndata: {{\"errors\":{errors}}}\n\n{COMPLETE_EVENT}").into(),
        }
    }

    pub(in crate::http) fn complete(&self) -> Utf8Bytes {
        match self {
            Self::Socket(writer) => writer.complete(),
            Self::Events => Utf8Bytes::from_static(COMPLETE_EVENT),
        }
    }
}

/// Nothing follows. The empty data is for `EventSource`, which does not hand out events without any.
const COMPLETE_EVENT: &str = "event: complete\ndata:\n\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Closing {
        match ClientMessage::parse(text) {
            Err(closing) => closing,
            Ok(_) => panic!("{text} was taken"),
        }
    }

    #[test]
    fn what_is_not_of_the_protocol_is_refused_with_4400() {
        for text in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"type":7}"#,
            r#"{"type":"next","id":"1","payload":{}}"#,
            r#"{"type":"connection_init","payload":"x"}"#,
            r#"{"type":"ping","payload":[1]}"#,
            r#"{"type":"pong","payload":1}"#,
            r#"{"type":"subscribe","payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":"","payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":1,"payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":"1"}"#,
            r#"{"type":"subscribe","id":"1","payload":{}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":"{a}","variables":[]}}"#,
            r#"{"type":"complete"}"#,
        ] {
            assert_eq!(refused(text).code, CloseCode::BadRequest, "{text}");
        }
    }

    #[test]
    fn a_reason_fits_a_close_frame_and_is_cut_between_characters() {
        let closing = refused(&format!(r#"{{"type":"{}"}}"#, "é".repeat(200)));
        assert!(
            closing.reason.len() <= 123 && closing.reason.len() >= 122,
            "{}",
            closing.reason.len()
        );
        assert!(closing.reason.ends_with('é'));
    }

    #[test]
    fn order_of_keys_and_nulls_do_not_matter() {
        let text = r#"{"payload":{"variables":null,"operationName":null,"extensions":null,"query":"{a}"},"id":"x","type":"subscribe"}"#;
        match ClientMessage::parse(text) {
            Ok(ClientMessage::Subscribe { id, request }) => {
                assert_eq!(id, "x");
                assert_eq!(request.query, "{a}");
                assert_eq!(request.operation_name, None);
            }
            _ => panic!("not a subscribe"),
        }
        assert!(
            matches!(ClientMessage::parse(r#"{"type":"connection_init","payload":null}"#), Ok(ClientMessage::Init(p)) if p.is_empty())
        );
    }

    #[test]
    fn ids_are_escaped() {
        let mut writer = OperationWriter::new("a\"\n");
        assert_eq!(writer.complete().as_str(), r#"{"type":"complete","id":"a\"\n"}"#);
        let response = Response::new(async_graphql::value!({"n": 1}));
        assert_eq!(
            writer.next(&response).as_str(),
            r#"{"type":"next","id":"a\"\n","payload":{"data":{"n":1}}}"#
        );
    }
}
