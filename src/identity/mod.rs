//! Who calls, and what they may do.
//!
//! An API token and a user's session both make a [`Caller`]. Every use case takes one and asks it, and knows nothing of how
//! they came in.
//!
//! - `user`, `role`, `session`, `account`, `open_id`: people.
//! - `token`: API tokens.
//! - `mail`: what Leadline writes to people.
//! - `audit`: who did what, from where.
//! - one file each for what they share: scopes, secrets that are handed out, signed links, passwords, codes that are good once, limits of
//!   guessing, access tokens (JWT).

mod access_token;
pub mod account;
pub mod audit;
mod authenticator;
mod caller;
pub mod code;
mod device;
mod keys;
mod link;
pub mod mail;
pub mod open_id;
pub mod passwords;
pub mod role;
mod scope;
mod secret;
pub mod session;
mod store;
mod throttle;
pub mod token;
pub mod user;

pub use access_token::{ACCESS_SECONDS, rotate_signing_key};
pub use authenticator::{Authenticator, Holder, caller_again};
pub use caller::{Actor, Caller, Credential, RowFilter, Rows};
pub use keys::rotate_vault_keys;
pub use link::{LINK_SECONDS, Link, MOST_LINK, open_link, sign_link};
pub use passwords::Password;
pub use scope::{Scope, ScopeError, Scopes};
pub use token::{
    CreatedToken, TokenDraft, TokenProblem, create_filtered_token, create_token, list_tokens, revoke_token,
    rows_of,
};
