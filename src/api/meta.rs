//! The server about itself.

use async_graphql::Object;

use super::types::scoped;

/// Queries about the server.
#[derive(Default)]
pub struct MetaQuery;

#[scoped]
#[Object]
impl MetaQuery {
    /// The server's version, e.g. `0.1.0`. Needs no token.
    #[scope("none")]
    async fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}
