//! Leads and all that is known of them directly.

pub mod contact;
pub mod custom_fields;
pub mod import;
pub mod lead;
mod text;
