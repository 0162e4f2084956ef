//! What the platform tells by itself.

use async_trait::async_trait;
use chrono::DateTime;
use url::Url;

use super::client::Client;
use super::wire::{Notice, is_id};
use super::{Guestbook, Secrets, convert};
use crate::facet::{Inbound, Reply, Subscription, WebhookEvent, Webhooks};
use crate::signature::{from_hex, hmac_sha256};
use crate::{Context, Error, Kind, Result};

pub(super) const CREATED: &str = "entry.created";
pub(super) const CHANGED: &str = "entry.changed";

/// How far the moment in a signature may be from ours, in seconds: the platform signs anew when it sends again.
const TOLERANCE: i64 = 300;

#[async_trait]
impl Webhooks for Guestbook {
    /// The platform asks no questions.
    fn handshake(&self, _: &Context, _: &Inbound) -> Result<Option<Reply>> {
        Ok(None)
    }

    /// `guestbook-signature: t=1795000000,v1=<hex>`, the HMAC-SHA256 of `<t>.<body>`.
    fn verify(&self, context: &Context, request: &Inbound) -> Result<()> {
        let secrets: Secrets = context.secrets.read()?;
        let secret = secrets.signing_secret.ok_or_else(Error::signature)?;
        let header = request
            .header("guestbook-signature")
            .ok_or_else(Error::signature)?;
        let part = |name: &str| {
            let mut parts = header.split(',').filter_map(|part| part.trim().split_once('='));
            parts.find_map(|(key, value)| (key == name).then_some(value))
        };
        let (at, tag) = part("t").zip(part("v1")).ok_or_else(Error::signature)?;
        let signed = [at.as_bytes(), b".", &request.body].concat();
        hmac_sha256(secret.expose().as_bytes(), &signed, &from_hex(tag)?)?;
        // Only now is the moment known to be theirs. What is old may have been overheard and sent again.
        let at = at.parse().ok().and_then(|at| DateTime::from_timestamp(at, 0));
        let at = at.ok_or_else(Error::signature)?;
        if (request.received_at - at).num_seconds().abs() > TOLERANCE {
            return Err(Error::signature());
        }
        Ok(())
    }

    fn id(&self, request: &Inbound) -> Option<String> {
        request.header("guestbook-delivery").map(str::to_owned)
    }

    fn topic(&self, request: &Inbound) -> Option<String> {
        request.header("guestbook-event").map(str::to_owned)
    }

    fn parse(&self, _: &Context, request: &Inbound) -> Result<Vec<WebhookEvent>> {
        Ok(vec![match request.json()? {
            Notice::Created { entry } => WebhookEvent::Lead(Box::new(convert::lead(entry))),
            Notice::Changed { entry_id } if is_id(&entry_id) => WebhookEvent::LeadArrived { id: entry_id },
            Notice::Changed { .. } => return Err(Error::malformed("an entry changed whose id is none")),
            Notice::Other => WebhookEvent::Ignored {
                reason: "an event that is not known".to_owned(),
            },
        }])
    }

    async fn subscriptions(&self, context: &Context) -> Result<Vec<Subscription>> {
        let hooks = Client::of(context)?.hooks().await?;
        let told = hooks.into_iter().flat_map(|hook| {
            let url = Some(hook.url);
            let topics = hook.events.into_iter();
            topics.map(move |topic| Subscription {
                topic,
                url: url.clone(),
            })
        });
        Ok(told.collect())
    }

    async fn subscribe(&self, context: &Context, url: &Url, topics: &[&str]) -> Result<()> {
        if let Some(unknown) = topics.iter().find(|topic| ![CREATED, CHANGED].contains(topic)) {
            let text = format!("Guestbook tells nothing called `{unknown}`");
            return Err(Error::new(Kind::Unsupported, text));
        }
        let client = Client::of(context)?;
        let hooks = client.hooks().await?;
        let here = hooks.iter().filter(|hook| hook.url == url.as_str());
        let told: Vec<&str> = here.flat_map(|hook| &hook.events).map(String::as_str).collect();
        let mut missing = topics.to_vec();
        missing.retain(|topic| !told.contains(topic));
        if missing.is_empty() {
            return Ok(());
        }
        client.add_hook(url, &missing).await
    }

    async fn unsubscribe(&self, context: &Context, url: &Url) -> Result<()> {
        let client = Client::of(context)?;
        for hook in client.hooks().await? {
            if hook.url == url.as_str() {
                client.remove_hook(&hook.id).await?;
            }
        }
        Ok(())
    }
}
