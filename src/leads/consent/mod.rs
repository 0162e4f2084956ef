//! Consent: whether a lead may be contacted by a channel for a purpose, and the proof of it.
//!
//! Every word ever said is a row of the history with its proof. The newest by the moment it was said is in force,
//! whatever the order in which the words arrive.

pub mod graphql;
mod model;
mod service;
mod store;

pub use entity::consent::Model as Consent;
pub use entity::consent_record::Model as ConsentRecord;
pub use model::{ConsentFault, NewConsent};
pub use service::{
    ConsentProblem, HistoryFilter, MOST_RECORDS, ORDER, Recorded, get_many, histories, history_keyset,
    in_force, in_force_within, record, record_many,
};
