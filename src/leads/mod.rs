//! Leads and all that is known of them directly.

pub mod lead;
