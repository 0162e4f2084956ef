//! What the platform tells: that somebody has filled in a form.

use async_trait::async_trait;
use http::Method;
use url::Url;

use super::client::{Area, Graph, Token};
use super::settings::is_number;
use super::wire::{AppSubscription, Done, Leadgen, Notification, PageSubscription};
use super::{Meta, MetaSecrets};
use crate::facet::{Inbound, Reply, Subscription, WebhookEvent, Webhooks};
use crate::signature::{from_hex, hmac_sha256, same};
use crate::{Context, Error, Kind, Result};

pub(super) const LEADGEN: &str = "leadgen";

#[async_trait]
impl Webhooks for Meta {
    fn handshake(&self, context: &Context, request: &Inbound) -> Result<Option<Reply>> {
        let param = |name: &str| {
            let mut pairs = request.url.query_pairs();
            pairs.find_map(|(key, value)| (key == name).then(|| value.into_owned()))
        };
        if request.method != Method::GET || param("hub.mode").is_none() {
            return Ok(None);
        }
        let secrets: MetaSecrets = context.secrets.read()?;
        let word = param("hub.verify_token").unwrap_or_default();
        let right = same(word.as_bytes(), secrets.verify_token.expose().as_bytes());
        match param("hub.challenge") {
            Some(challenge)
                if right && !word.is_empty() && param("hub.mode").as_deref() == Some("subscribe") =>
            {
                Ok(Some(Reply::text(challenge)))
            }
            _ => Err(Error::signature()),
        }
    }

    fn verify(&self, context: &Context, request: &Inbound) -> Result<()> {
        let secrets: MetaSecrets = context.secrets.read()?;
        let header = request
            .header("x-hub-signature-256")
            .ok_or_else(Error::signature)?;
        let tag = header.strip_prefix("sha256=").ok_or_else(Error::signature)?;
        hmac_sha256(
            secrets.app_secret.expose().as_bytes(),
            &request.body,
            &from_hex(tag)?,
        )
    }

    fn id(&self, _: &Inbound) -> Option<String> {
        None
    }

    fn topic(&self, request: &Inbound) -> Option<String> {
        let told: Notification = request.json().ok()?;
        let change = told.entry.into_iter().flat_map(|entry| entry.changes).next()?;
        Some(change.field)
    }

    fn parse(&self, _: &Context, request: &Inbound) -> Result<Vec<WebhookEvent>> {
        events(request.json()?)
    }

    /// Told to an address is only what the app is subscribed to and each of the pages lets the app know.
    async fn subscriptions(&self, context: &Context) -> Result<Vec<Subscription>> {
        let graph = Graph::new(context)?;
        let Some(app) = app_subscription(&graph).await? else {
            return Ok(Vec::new());
        };
        for page in self.pages.of(&graph).await?.iter() {
            let path = format!("{}/subscribed_apps", page.id);
            let token = Token::Own(&page.token);
            let apps = graph
                .all::<PageSubscription>(token, Area::Pages, &path, &[])
                .await;
            let told = apps.map_err(|error| page.name_in(error))?.into_iter().any(|app| {
                app.id.0 == graph.settings.app_id.as_str()
                    && app.subscribed_fields.iter().any(|field| field == LEADGEN)
            });
            if !told {
                return Ok(Vec::new());
            }
        }
        Ok(vec![Subscription {
            topic: LEADGEN.to_owned(),
            url: app.callback_url,
        }])
    }

    async fn subscribe(&self, context: &Context, url: &Url, topics: &[&str]) -> Result<()> {
        if let Some(unknown) = topics.iter().find(|topic| **topic != LEADGEN) {
            let text = format!("`{unknown}` cannot be subscribed to; only `{LEADGEN}`");
            return Err(Error::new(Kind::Unsupported, text));
        }
        if topics.is_empty() {
            return Ok(());
        }
        let graph = Graph::new(context)?;
        let pages = self.pages.of(&graph).await?;
        let path = format!("{}/subscriptions", graph.settings.app_id.as_str());
        let fields = [
            ("object", "page"),
            ("fields", LEADGEN),
            ("callback_url", url.as_str()),
            ("verify_token", graph.secrets.verify_token.expose()),
        ];
        let call = graph.request(Method::POST, Token::App, Area::Pages, &path);
        done(call.with(|request| request.form(fields)).read().await?)?;
        for page in pages.iter() {
            let path = format!("{}/subscribed_apps", page.id);
            let call = graph.request(Method::POST, Token::Own(&page.token), Area::Pages, &path);
            let call = call.with(|request| request.form([("subscribed_fields", LEADGEN)]));
            done(call.read().await.map_err(|error| page.name_in(error))?)?;
        }
        Ok(())
    }

    async fn unsubscribe(&self, context: &Context, url: &Url) -> Result<()> {
        let graph = Graph::new(context)?;
        match app_subscription(&graph).await? {
            Some(app) if app.callback_url.as_deref() == Some(url.as_str()) => {}
            // It tells another address, which is not ours to silence.
            _ => return Ok(()),
        }
        for page in self.pages.of(&graph).await?.iter() {
            let path = format!("{}/subscribed_apps", page.id);
            let call = graph.request(Method::DELETE, Token::Own(&page.token), Area::Pages, &path);
            match call.read::<Done>().await {
                Err(error) if error.kind != Kind::NotFound => return Err(page.name_in(error)),
                _ => {}
            }
        }
        let path = format!("{}/subscriptions", graph.settings.app_id.as_str());
        let call = graph.request(Method::DELETE, Token::App, Area::Pages, &path);
        let call = call.with(|request| request.query([("object", "page"), ("fields", LEADGEN)]));
        done(call.read().await?)
    }
}

pub(super) fn events(told: Notification) -> Result<Vec<WebhookEvent>> {
    let mut events = Vec::new();
    for change in told.entry.into_iter().flat_map(|entry| entry.changes) {
        events.push(if told.object == "page" && change.field == LEADGEN {
            let lead = serde_json::from_value::<Leadgen>(change.value).ok();
            let id = lead.map(|lead| lead.leadgen_id.0).filter(|id| is_number(id));
            let id =
                id.ok_or_else(|| Error::malformed("a new lead is told of without an id that can be read"))?;
            WebhookEvent::LeadArrived { id }
        } else {
            WebhookEvent::Ignored {
                reason: format!("nothing is made of `{}` of a {}", change.field, told.object),
            }
        });
    }
    if events.is_empty() {
        events.push(WebhookEvent::Ignored {
            reason: format!("nothing is told of a {}", told.object),
        });
    }
    Ok(events)
}

fn done(done: Done) -> Result<()> {
    if done.success {
        Ok(())
    } else {
        Err(Error::refused(
            "the platform did not change the subscription and gave no reason",
        ))
    }
}

async fn app_subscription(graph: &Graph<'_>) -> Result<Option<AppSubscription>> {
    let path = format!("{}/subscriptions", graph.settings.app_id.as_str());
    let all = graph
        .all::<AppSubscription>(Token::App, Area::Pages, &path, &[])
        .await?;
    Ok(all
        .into_iter()
        .find(|one| one.object == "page" && one.has(LEADGEN)))
}
