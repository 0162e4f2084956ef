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
pub use model::{Definitions, Identity, LeadFault, LeadProblem};
pub use plan::{ItemOutcome, UpsertMode};
pub use service::{LeadOrder, LeadOrderField, existing, get_many, known, list, write, write_one};
pub use upsert::upsert_many;
