//! A lead itself: its fields and identities; create, read, list.

pub mod graphql;
mod service;
mod store;

pub use entity::lead::Model as Lead;
pub use service::{LeadOrder, LeadOrderField, LeadProblem, NewLead, create, get_many, list};
