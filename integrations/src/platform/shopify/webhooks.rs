//! What the shop tells by itself.

use async_trait::async_trait;
use serde_json::json;
use url::Url;

use super::client::{Client, accepted};
use super::settings::{Keys, Options};
use super::wire::graphql::{self, Done};
use super::wire::rest;
use super::{Shopify, convert, manifest};
use crate::facet::{Inbound, Reply, Subscription, WebhookEvent, Webhooks};
use crate::{Context, Error, Kind, Result, signature};

/// A header of a delivery. The system that is to follow names them without `x-`.
fn header<'r>(request: &'r Inbound, name: &str) -> Option<&'r str> {
    request
        .header(name)
        .or_else(|| request.header(name.strip_prefix("x-")?))
}

/// The name of a topic in the API, e.g. `ORDERS_CREATE`.
fn in_api(topic: &str) -> String {
    topic.replace(['/', '.'], "_").to_ascii_uppercase()
}

/// The name of a topic in deliveries.
fn in_deliveries(api: &str) -> String {
    let known = manifest::TOPICS.iter().find(|topic| in_api(topic.name) == api);
    known.map_or_else(|| api.to_ascii_lowercase(), |topic| topic.name.to_owned())
}

#[async_trait]
impl Webhooks for Shopify {
    fn handshake(&self, _: &Context, _: &Inbound) -> Result<Option<Reply>> {
        Ok(None)
    }

    fn verify(&self, context: &Context, request: &Inbound) -> Result<()> {
        let keys: Keys = context.secrets.read()?;
        let tag = signature::from_base64(header(request, "x-shopify-hmac-sha256").unwrap_or_default())?;
        if request.body.is_empty() {
            return Err(Error::signature());
        }
        let secrets = [&keys.client_secret, &keys.previous_client_secret];
        let signed = secrets
            .into_iter()
            .flatten()
            .filter(|secret| !secret.is_empty())
            .any(|secret| signature::hmac_sha256(secret.expose().as_bytes(), &request.body, &tag).is_ok());
        if signed { Ok(()) } else { Err(Error::signature()) }
    }

    fn id(&self, request: &Inbound) -> Option<String> {
        header(request, "x-shopify-webhook-id").map(str::to_owned)
    }

    fn topic(&self, request: &Inbound) -> Option<String> {
        header(request, "x-shopify-topic").map(str::to_owned)
    }

    fn parse(&self, context: &Context, request: &Inbound) -> Result<Vec<WebhookEvent>> {
        let Some(topic) = header(request, "x-shopify-topic") else {
            return Err(Error::malformed("the delivery names no topic"));
        };
        Ok(vec![event(context, topic, request)?])
    }

    async fn subscriptions(&self, context: &Context) -> Result<Vec<Subscription>> {
        let found = subscribed(&Client::of(context)?).await?;
        let subscription = |row: graphql::WebhookRow| Subscription {
            topic: in_deliveries(&row.topic),
            url: row.uri,
        };
        Ok(found.into_iter().map(subscription).collect())
    }

    async fn subscribe(&self, context: &Context, url: &Url, topics: &[&str]) -> Result<()> {
        let client = Client::of(context)?;
        for topic in topics {
            let known = manifest::TOPICS.iter().find(|known| known.name == *topic);
            if !known.is_some_and(|known| known.registrable) {
                let names: Vec<_> = manifest::TOPICS
                    .iter()
                    .filter(|known| known.registrable)
                    .map(|known| known.name)
                    .collect();
                let text = format!("`{topic}` cannot be subscribed to; one of {}", names.join(", "));
                return Err(Error::refused(text));
            }
            let subscription = json!({ "uri": url.as_str(), "format": "JSON" });
            let variables = json!({ "topic": in_api(topic), "subscription": subscription });
            let done: Done = client
                .query(include_str!("queries/webhook_create.graphql"), &variables)
                .await?;
            let errors = done.done.map(|payload| payload.user_errors).unwrap_or_default();
            // It is told there already.
            if errors
                .iter()
                .all(|error| error.message.contains("already been taken"))
            {
                continue;
            }
            accepted(&errors)?;
        }
        Ok(())
    }

    async fn unsubscribe(&self, context: &Context, url: &Url) -> Result<()> {
        let client = Client::of(context)?;
        for row in subscribed(&client).await? {
            let same = row
                .uri
                .as_deref()
                .and_then(|uri| Url::parse(uri).ok())
                .is_some_and(|known| known == *url);
            if !same {
                continue;
            }
            let query = include_str!("queries/webhook_delete.graphql");
            match client.change(query, &json!({ "id": row.id })).await {
                Err(error) if error.kind != Kind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

async fn subscribed(client: &Client<'_>) -> Result<Vec<graphql::WebhookRow>> {
    let mut all = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let query = include_str!("queries/webhooks.graphql");
        let found: graphql::Webhooks = client.query(query, &json!({ "after": after })).await?;
        all.extend(found.webhook_subscriptions.nodes);
        after = found.webhook_subscriptions.page_info.next();
        if after.is_none() {
            return Ok(all);
        }
    }
}

fn event(context: &Context, topic: &str, request: &Inbound) -> Result<WebhookEvent> {
    Ok(match topic {
        "customers/create" | "customers/update" | "customers/enable" | "customers/disable" => {
            WebhookEvent::Customer(Box::new(convert::rest_customer(request.json()?)))
        }
        "customers_email_marketing_consent/update" | "customers_marketing_consent/update" => {
            WebhookEvent::Customer(Box::new(convert::consent_change(&request.json()?)))
        }
        "customers/delete" => {
            let id = request.json::<rest::Only>()?.id.gid("Customer");
            WebhookEvent::CustomerDeleted { id }
        }
        "orders/create"
        | "orders/updated"
        | "orders/paid"
        | "orders/cancelled"
        | "orders/fulfilled"
        | "orders/partially_fulfilled" => WebhookEvent::Order(Box::new(convert::rest_order(request.json()?))),
        "orders/delete" => {
            let id = request.json::<rest::Only>()?.id.gid("Order");
            WebhookEvent::OrderChanged { id }
        }
        "refunds/create" => {
            let id = request.json::<rest::Refund>()?.order_id.gid("Order");
            WebhookEvent::OrderChanged { id }
        }
        "checkouts/create" | "checkouts/update" => {
            WebhookEvent::Checkout(Box::new(convert::rest_checkout(request.json()?)))
        }
        "products/create" | "products/update" => {
            let shop = Options::of(context)?.shop.0;
            WebhookEvent::Product(Box::new(convert::rest_product(request.json()?, &shop)))
        }
        "products/delete" => {
            let id = request.json::<rest::Only>()?.id.gid("Product");
            WebhookEvent::ProductDeleted { id }
        }
        "customers/data_request" => {
            let (customer, email) = compliance(request)?;
            WebhookEvent::DataRequest { customer, email }
        }
        "customers/redact" => {
            let (customer, email) = compliance(request)?;
            WebhookEvent::Redact { customer, email }
        }
        "shop/redact" => WebhookEvent::RedactShop,
        "app/uninstalled" => WebhookEvent::Uninstalled,
        "app/scopes_update" => {
            let scopes: rest::Scopes = request.json()?;
            let scopes = convert::scopes_with_implied(scopes.current.iter().map(String::as_str));
            WebhookEvent::ScopesChanged { scopes }
        }
        "bulk_operations/finish" => {
            let id = request.json::<rest::Bulk>()?.admin_graphql_api_id;
            WebhookEvent::BulkFinished { id }
        }
        other => {
            let reason = format!("`{other}` tells nothing that is kept");
            WebhookEvent::Ignored { reason }
        }
    })
}

fn compliance(request: &Inbound) -> Result<(Option<String>, Option<String>)> {
    let asked: rest::Compliance = request.json()?;
    let Some(customer) = asked.customer else {
        return Ok((None, None));
    };
    Ok((
        customer.id.map(|id| id.gid("Customer")),
        customer.email.filter(|email| !email.is_empty()),
    ))
}
