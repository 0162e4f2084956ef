//! Leads and all that is known of them directly.

pub mod cell;
pub mod consent;
pub mod contact;
pub mod custom_fields;
pub mod export;
pub mod filter;
pub mod import;
pub mod lead;
pub mod notes;
pub mod tags;
mod text;
pub mod visible;
