//! Sign-in by an OpenID Connect provider: the authorization code flow with PKCE, state and nonce.
//!
//! The browser goes to the provider ([`begin`]) and comes back with a code ([`finish`]). That it is the same browser is shown by
//! a cookie that holds the state: a link that somebody else began signs nobody in.
//!
//! Whose account it is: the one that came from there before; else the one of the same e-mail address, when both sides know
//! the address to be theirs; else a new one, where an invitation of that address is open or everybody may sign up.
//! A provider's sign-in counts as it is: Leadline's own second factor is not asked for on top of it.

mod client;
pub mod graphql;
mod service;

pub use service::{Begun, Finished, OpenIdProblem, begin, finish};
