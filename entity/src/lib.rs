//! Tables, identifiers and vocabulary of Leadline: no queries, no rules.
//!
//! - [`id`]: one newtype per kind of id, shown as a TypeID (`lead_01h…`).
//! - [`time`]: [`Timestamp`] (microseconds) and [`Day`], stored as integers so that both databases count alike.
//! - [`vocabulary`]: the closed lists of words (stages, channels, kinds …), one list for the database, JSON and GraphQL.
//! - one module per table for the rest.
#![deny(missing_docs)]

pub mod id;
pub mod time;
pub mod vocabulary;

pub use time::{Day, Timestamp};
pub use vocabulary::*;
