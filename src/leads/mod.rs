//! Leads and all that is known of them directly.

pub mod contact;
pub mod import;
pub mod lead;
