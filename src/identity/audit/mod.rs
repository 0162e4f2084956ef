//! The audit log: who did what to what, from where. It is kept longer than the event log (`audit_retention_days`), and holds
//! no personal data beside network addresses and the names of browsers.
//!
//! Whatever is appended to the event log by somebody is noted in the same transaction (`events::audit`); what leaves no event,
//! such as an export or a sign-in that failed, is noted here.

mod export;
pub mod graphql;
mod service;
mod store;

pub use entity::audit_entry::Model as AuditEntry;
pub use export::{AuditFormat, export};
pub(in crate::identity) use service::failed_sign_in;
pub use service::{AuditFilter, ORDER, keyset, list, note, prune};
