//! Tags: words that people hang on leads, with a colour and a category.

pub mod graphql;
mod model;
mod service;
mod store;

pub use entity::tag::Model as Tag;
pub use model::{checked_name, name_key};
pub use service::{
    LeadTagging, MOST_LEADS, NewTag, TagChange, TagFilter, TagProblem, Tagging, assign_many, change_leads,
    create, delete, get_many, leads_counts, list, of_leads, resolve_names, tags_keyset, update,
};
