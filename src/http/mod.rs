//! The server's outside: GraphQL over HTTP and WebSocket.
//!
//! - [`access`]: who may speak: holders of tokens, users.
//! - [`console`]: the page at `/`.
//! - [`exports`]: leads as files.
//! - [`gateway`]: what both transports ask of the caller: who may speak, and how a request is made ready.
//! - [`graphql_http`]: POST by the GraphQL-over-HTTP specification.
//! - [`graphql_ws`]: sockets by the `graphql-transport-ws` protocol.
//! - [`health`]: whether the server lives and is ready.
//! - [`open_id`]: the way back from an OpenID Connect provider.
//! - [`origin`]: where a request comes from, and the cookies that it brings.
//! - [`server`]: the router of all that, and what surrounds every request.
//! - [`uploads`]: files for imports.

pub mod access;
pub mod console;
pub mod exports;
mod fault;
pub mod gateway;
pub mod graphql_http;
pub mod graphql_ws;
pub mod health;
pub mod open_id;
pub mod origin;
pub mod server;
pub mod uploads;

#[cfg(test)]
mod testing;
