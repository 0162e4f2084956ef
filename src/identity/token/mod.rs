//! API tokens: for programs, partners' among them. Shown once, kept as a hash; bound to scopes, to a part of the leads, to
//! networks, web origins and a budget.

pub mod graphql;
mod model;
mod service;
mod store;
mod usage;

pub use entity::api_token::Model as Token;
pub use model::{MOST_NAME, Terms, TokenProblem, checked_networks, checked_origins};
pub use service::{
    CreatedToken, TokenChange, TokenDraft, create, create_filtered_token, create_token, get, list_tokens,
    revoke_token, rotate, rows_of, update,
};
pub(in crate::identity) use service::{caller_of, shown};
pub use usage::{DayOfUse, Usage, days};
