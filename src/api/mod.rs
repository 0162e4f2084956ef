//! The GraphQL layer: assembles the schema of what the rooms' `graphql.rs` files offer.
//!
//! A graph has circles (`Lead` has a score, a score has a lead), so the `graphql.rs` files belong to this layer
//! although they stand in their rooms: they may know each other's types and [`Lead`], and nothing else knows them.

mod batching;
mod contract;
mod cost;
mod document;
mod documents;
mod eager;
mod errors;
mod lead;
mod log;
mod meta;
mod node;
mod nulls;
mod order;
mod scan;
mod schema;
mod shape;
mod sharing;
mod sight;
mod timeline;
pub mod types;

pub use cost::{AT_THE_DOOR, Purse, Throttle, with_purse};
pub use eager::Eager;
pub use lead::Lead;
pub use scan::{fingerprint, scan};
pub use schema::{Api, sdl, with_caller};
pub use shape::sdl_for;
pub use sharing::{Shared, shared_by};
