//! A lead itself: its fields and identities; create, read, list.

mod change;
pub mod graphql;
mod identity;
mod model;
mod plan;
mod service;
mod store;
mod upsert;

pub use change::{ExternalId, LeadChange, LeadField, LeadFields, Patch};
pub use entity::lead::Model as Lead;
pub use model::{Identity, LeadFault, LeadProblem};
pub use plan::{ItemOutcome, UpsertMode};
pub use service::{
    LeadOrder, LeadOrderField, MOST_ITEMS, Removal, check_filter, count, existing, get_many, holds,
    identities_of, known, list, remove, write, write_batch, write_keyed, write_one,
};
pub use upsert::{upsert_many, upsert_within, with_refused, without};
