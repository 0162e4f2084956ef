//! Who calls, and what they may do.
//!
//! Today the only way in is an API token. Users, roles and sessions will make a [`Caller`] as well, and the rooms will
//! not notice: every use case takes a `Caller` and asks it.

mod caller;
mod scope;
mod store;
mod token;

pub use caller::{Actor, Caller, RowFilter, Rows};
pub use scope::{Scope, ScopeError, Scopes};
pub use token::{
    Authenticator, CreatedToken, Holder, TokenProblem, create_filtered_token, create_token, list_tokens,
    revoke_token, rows_of, token_holder,
};
