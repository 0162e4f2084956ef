//! The server's outside: GraphQL over HTTP and WebSocket.
//!
//! - [`access`]: who may speak: holders of tokens, users.
//! - [`console`]: the page at `/`.
//! - [`contract`]: the schema as text.
//! - [`exports`]: leads, reports and the audit log as files.
//! - [`gateway`]: what both transports ask of the caller: who may speak, and how a request is made ready.
//! - [`graphql_http`]: POST and GET by the GraphQL-over-HTTP specification.
//! - [`graphql_sse`]: streams of events by the GraphQL-over-SSE protocol.
//! - [`graphql_ws`]: sockets by the `graphql-transport-ws` protocol.
//! - [`health`]: whether the server lives and is ready.
//! - [`intake`]: what is looked at before a document is parsed.
//! - [`listen`]: takes connections.
//! - [`open_id`]: the way back from an OpenID Connect provider.
//! - [`origin`]: where a request comes from, and the cookies that it brings.
//! - [`preflight`]: what shows that a request is not another site's doing.
//! - [`seats`]: how many live connections a caller has.
//! - [`server`]: the router of all that, and what surrounds every request.
//! - `unread`: what nobody read of a request is thrown away, so that its answer arrives.
//! - [`uploads`]: files for imports.

pub mod access;
mod consent;
pub mod console;
pub mod contract;
pub mod exports;
mod fault;
pub mod gateway;
pub mod graphql_http;
pub mod graphql_sse;
pub mod graphql_ws;
mod headers;
pub mod health;
pub mod intake;
pub mod listen;
pub mod open_id;
pub mod origin;
pub mod preflight;
pub mod seats;
pub mod server;
mod unread;
pub mod uploads;
mod webhooks;

#[cfg(test)]
mod testing;
