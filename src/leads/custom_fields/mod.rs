//! Custom fields of leads: their definitions, and the rules of their values.
//!
//! The values stand in `lead.custom` by the field's key; whoever writes them asks [`definitions`] and [`check`].

pub mod graphql;
mod model;
mod service;
mod store;

pub use model::{CustomField, Definitions, MOST_FIELDS, check, read_text, render_text};
pub use service::{
    CustomFieldChange, CustomFieldProblem, NewCustomField, archive, create, definitions, follow, get_many,
    update,
};
