//! The shop.

use async_trait::async_trait;
use chrono::{SecondsFormat, Utc};
use serde_json::json;

use super::client::Client;
use super::resource::{Checkouts, Customers, Orders, Products};
use super::wire::graphql::{Count, Counts, NoteData, ShopData};
use super::{Shopify, convert, listing};
use crate::facet::{
    AbandonedCheckout, Commerce, CommerceCounts, ConsentChange, ContactChannel, Cursor, Customer, Order,
    Pages, Product, Shop,
};
use crate::{Context, Error, Kind, Result};

/// How many tags one request takes.
const TAGS: usize = 250;

pub(super) async fn shop(client: &Client<'_>) -> Result<ShopData> {
    client
        .query(include_str!("queries/shop.graphql"), &json!({}))
        .await
}

#[async_trait]
impl Commerce for Shopify {
    async fn shop(&self, context: &Context) -> Result<Shop> {
        let found = shop(&Client::of(context)?).await?.shop;
        Ok(Shop {
            id: found.id,
            name: found.name,
            url: match found.primary_domain {
                Some(domain) => domain.url,
                None => format!("https://{}", found.myshopify_domain),
            },
            currency: found.currency_code,
            time_zone: found.iana_timezone,
            email: found.email,
            plan: found.plan.and_then(|plan| plan.public_display_name),
        })
    }

    async fn counts(&self, context: &Context) -> Result<CommerceCounts> {
        let counts: Counts = Client::of(context)?
            .query(include_str!("queries/counts.graphql"), &json!({}))
            .await?;
        // Beyond 25,000 the platform says "at least", which is no count.
        let exact = |count: Option<Count>| {
            let count = count?;
            (count.precision.as_deref() == Some("EXACT")).then_some(count.count)?
        };
        Ok(CommerceCounts {
            customers: exact(counts.customers),
            orders: exact(counts.orders),
            products: exact(counts.products),
        })
    }

    fn customers<'a>(&'a self, context: &'a Context, since: Option<Cursor>) -> Pages<'a, Customer> {
        listing::pages::<Customers>(context, since, true)
    }

    fn orders<'a>(&'a self, context: &'a Context, since: Option<Cursor>) -> Pages<'a, Order> {
        listing::pages::<Orders>(context, since, true)
    }

    async fn order(&self, context: &Context, id: &str) -> Result<Option<Order>> {
        let id = if id.starts_with("gid://") {
            id.to_owned()
        } else {
            format!("gid://shopify/Order/{id}")
        };
        let found = listing::some::<Orders>(&Client::of(context)?, &[id]).await?;
        Ok(found.into_iter().next())
    }

    fn products<'a>(&'a self, context: &'a Context, since: Option<Cursor>) -> Pages<'a, Product> {
        listing::pages::<Products>(context, since, true)
    }

    fn abandoned_checkouts<'a>(
        &'a self,
        context: &'a Context,
        since: Option<Cursor>,
    ) -> Pages<'a, AbandonedCheckout> {
        listing::pages::<Checkouts>(context, since, false)
    }

    async fn change_tags(
        &self,
        context: &Context,
        customer: &str,
        add: &[String],
        remove: &[String],
    ) -> Result<()> {
        let client = Client::of(context)?;
        let customer = customer_id(customer);
        for (query, tags) in [
            (include_str!("queries/tags_add.graphql"), add),
            (include_str!("queries/tags_remove.graphql"), remove),
        ] {
            for tags in tags.chunks(TAGS) {
                client
                    .change(query, &json!({ "id": customer, "tags": tags }))
                    .await?;
            }
        }
        Ok(())
    }

    async fn add_note(&self, context: &Context, customer: &str, line: &str) -> Result<()> {
        let client = Client::of(context)?;
        let customer = customer_id(customer);
        let line = line.trim();
        let found: NoteData = client
            .query(include_str!("queries/note.graphql"), &json!({ "id": customer }))
            .await?;
        let Some(found) = found.customer else {
            return Err(Error::new(Kind::NotFound, "the shop has no such customer"));
        };
        let note = found.note.unwrap_or_default();
        if line.is_empty() || holds(&note, line) {
            return Ok(());
        }
        // The note is written as a whole.
        let note = if note.trim().is_empty() {
            line.to_owned()
        } else {
            format!("{}\n{line}", note.trim_end())
        };
        let input = json!({ "input": { "id": customer, "note": note } });
        client
            .change(include_str!("queries/note_write.graphql"), &input)
            .await
    }

    async fn change_consent(&self, context: &Context, customer: &str, change: &ConsentChange) -> Result<()> {
        let client = Client::of(context)?;
        let (query, field) = match change.channel {
            ContactChannel::Email => (
                include_str!("queries/consent_email.graphql"),
                "emailMarketingConsent",
            ),
            ContactChannel::Sms => (include_str!("queries/consent_sms.graphql"), "smsMarketingConsent"),
            ContactChannel::WhatsApp | ContactChannel::Voice => {
                let text = "Shopify keeps consent for e-mail and text messages alone";
                return Err(Error::new(Kind::Unsupported, text));
            }
        };
        let at = change
            .at
            .unwrap_or_else(|| context.clock.now())
            .with_timezone(&Utc);
        let input = json!({
            "customerId": customer_id(customer),
            field: {
                "marketingState": convert::consent_state(change.state),
                "marketingOptInLevel": convert::opt_in_level(change.proof.as_deref()),
                "consentUpdatedAt": at.to_rfc3339_opts(SecondsFormat::Secs, true),
            },
        });
        client.change(query, &json!({ "input": input })).await
    }
}

/// Whether the lines of a text are among those of a note.
fn holds(note: &str, text: &str) -> bool {
    let lines: Vec<&str> = note.lines().map(str::trim).collect();
    let wanted: Vec<&str> = text.lines().map(str::trim).collect();
    lines.windows(wanted.len()).any(|part| part == wanted)
}

/// The global id of a customer, also for a number.
fn customer_id(id: &str) -> String {
    if id.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("gid://shopify/Customer/{id}")
    } else {
        id.to_owned()
    }
}
