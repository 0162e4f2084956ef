//! Webhooks as clients see them.

use async_graphql::{Context, Object, Result, SimpleObject};
use entity::id::WebhookDeliveryId;
use entity::{Timestamp, WebhookState};

use super::connection::{Connection, load};
use crate::error::Error;
use crate::platforms::connections::webhook;

/// A webhook as it came, and what became of it.
pub struct WebhookDelivery(pub webhook::WebhookDelivery);

/// A header of a webhook.
#[derive(SimpleObject)]
struct WebhookHeader {
    /// Its name, in lower case.
    name: String,
    /// Its value.
    value: String,
}

#[Object]
impl WebhookDelivery {
    /// The delivery's id.
    async fn id(&self) -> WebhookDeliveryId {
        self.0.id
    }
    /// The connection that it came to.
    async fn connection(&self, ctx: &Context<'_>) -> Result<Option<Connection>> {
        load(ctx, self.0.connection_id).await
    }
    /// What it is about, in the platform's words; null where it does not say.
    async fn topic(&self) -> Option<&str> {
        self.0.topic.as_deref()
    }
    /// `GET` or `POST`.
    async fn method(&self) -> &str {
        &self.0.method
    }
    /// The address it was sent to.
    async fn url(&self) -> &str {
        &self.0.url
    }
    /// Its headers, but for those of no use.
    async fn headers(&self) -> Result<Vec<WebhookHeader>> {
        let pairs: Vec<(String, String)> = serde_json::from_str(&self.0.headers).map_err(Error::from)?;
        Ok(pairs
            .into_iter()
            .map(|(name, value)| WebhookHeader { name, value })
            .collect())
    }
    /// Its body as text; what is none is shown as �.
    async fn body(&self) -> String {
        String::from_utf8_lossy(&self.0.body).into_owned()
    }
    /// What became of it.
    async fn state(&self) -> WebhookState {
        self.0.state
    }
    /// How many things were in it.
    async fn events(&self) -> i32 {
        self.0.events
    }
    /// How often it was tried.
    async fn attempts(&self) -> i32 {
        self.0.attempts
    }
    /// When it is tried (again); null when it is done or given up.
    async fn due_at(&self) -> Option<Timestamp> {
        self.0.due_at
    }
    /// What kind of failure the last one was; null without one.
    async fn problem_kind(&self) -> Option<&str> {
        self.0.problem_kind.as_deref()
    }
    /// The same in words.
    async fn problem(&self) -> Option<&str> {
        self.0.problem.as_deref()
    }
    /// When it came.
    async fn received_at(&self) -> Timestamp {
        self.0.received_at
    }
    /// When it was done; null before.
    async fn processed_at(&self) -> Option<Timestamp> {
        self.0.processed_at
    }
}
