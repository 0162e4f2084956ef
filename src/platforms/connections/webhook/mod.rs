//! Webhooks that platforms send: verified, kept as they came, answered, and processed afterwards.

mod intake;
mod processor;
mod service;

use entity::id::ConnectionId;
use url::Url;

pub use entity::webhook_delivery::Model as WebhookDelivery;

pub use self::intake::{Refused, Taken, WebhookIntake};
pub use self::processor::WebhookProcessor;
pub use self::service::{DeliveryFilter, find, list, register, replay, subscriptions};

/// Where a platform sends the webhooks of a connection; `None` where the server's address is none.
#[must_use]
pub fn address(public_url: &str, id: ConnectionId) -> Option<Url> {
    Url::parse(&format!("{public_url}/webhooks/{id}")).ok()
}
