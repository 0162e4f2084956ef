//! Messages by e-mail, SMS, WhatsApp and telephone: sent once, followed by what platforms tell, answered; and who is not
//! written to.
//!
//! A message is a row before it is anything else. The [`Outbox`] claims it in a transaction, hands it over outside of
//! any, and writes down what the platform said. Whoever is killed in between leaves a claim that lapses: then it is not
//! known whether the message was sent, the platform is asked ([`Inquiries`]), and nothing is sent again but by a person's
//! choice.

mod consenting;
mod erasure;
pub mod graphql;
mod handing;
mod happened;
mod hearing;
mod inquiring;
mod jobs;
mod mending;
mod model;
mod outbox;
mod sending;
mod service;
mod store;
mod suppressing;

pub use entity::message::Model as Message;
pub use entity::message_step::Model as Step;
pub use entity::suppression::Model as Suppression;

pub use self::erasure::MessageErasure;
pub use self::hearing::MessageConsumer;
pub use self::inquiring::Inquiries;
pub use self::jobs::StraySweep;
pub use self::mending::MendedConnections;
pub use self::model::{Content, Details, MessageProblem, Refused};
pub use self::outbox::{Lane, Outbox};
pub use self::sending::{MessageDraft, Recipient, resend, send};
pub use self::service::{MessageFilter, find, get_many, histories, list, of_leads};
pub use self::suppressing::{SuppressionFilter, add, list as suppressions, remove};
