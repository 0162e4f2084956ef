//! Mails of Leadline to its users: resets of passwords, invitations, and the like. (Messages to leads are outreach's.)
//!
//! A mail is written into the outbox by the transaction that makes it necessary, so there is none about what did not happen,
//! and none is forgotten. Without a mail server it stays there, for `leadline mail list` and the query `mails`; with one, a
//! worker hands it over, trying again later and later for a day. A worker that is killed between the server's answer
//! and its note of it sends the mail again: at least once, which does for links that are good once.

pub mod graphql;
mod sender;
mod service;
mod store;

pub use entity::mail::Model as Mail;
pub use sender::MailSender;
pub use service::{NewMail, ORDER, get, get_body, keyset, list, prune, queue};
