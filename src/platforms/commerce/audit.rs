//! Looking a shop over: what is not told to us, who may not be written to, who is there twice, what was not read, what the shop
//! does not take.

use entity::id::ConnectionId;

use super::service::{fault, shop, shop_of};
use super::{Farewell, Shop, store};
use crate::app::App;
use crate::error::Outcome;
use crate::identity::Caller;
use crate::platforms::connections::{ConnectionProblem, Live, webhook};

/// So many of those that a finding is about are named in it.
const NAMED: u64 = 5;

/// What a look over a shop found.
#[derive(Clone, Debug)]
pub struct Audit {
    /// The shop.
    pub shop: Shop,
    /// Customers that were read.
    pub customers: i64,
    /// Of these, those who let us write to them.
    pub with_consent: i64,
    /// Customers who share a lead with another customer of the shop: the same person twice.
    pub duplicate_customers: i64,
    /// Orders that were read.
    pub orders: i64,
    /// Orders that the platform counts and that were not read; `None` where it does not tell.
    pub unsynced_orders: Option<i64>,
    /// Customers that the platform counts and that were not read.
    pub unsynced_customers: Option<i64>,
    /// What the platform could tell by webhook and does not.
    pub missing_webhooks: Vec<String>,
    /// What is to be mended, the worst first.
    pub findings: Vec<Finding>,
}

/// Something to be mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What, for programs, e.g. `MISSING_WEBHOOKS`.
    pub code: &'static str,
    /// What, in words.
    pub message: String,
    /// What to do.
    pub advice: &'static str,
}

/// Looks a shop over: what is not told to us, who may not be written to, who is there twice, what was not read. Asks the
/// platform for its figures.
///
/// # Errors
/// [`ConnectionProblem`]s; a missing scope `commerce:write`; the database's.
pub async fn audit(
    app: &App,
    caller: &Caller,
    public_url: &str,
    connection: ConnectionId,
) -> Outcome<Audit, ConnectionProblem> {
    let (live, commerce) = shop(app, caller, connection).await?;
    let context = live.context(app);
    let told = commerce.shop(&context).await.map_err(fault)?;
    let counts = commerce.counts(&context).await.map_err(fault)?;
    let shop = shop_of(connection, told, counts, app.clock().now());
    let tx = app.db().begin().await?;
    store::put_shop(&tx, shop.clone()).await?;
    tx.commit().await?;
    let missing_webhooks = missing_webhooks(app, &live, public_url).await?;
    let figures = store::figures(app.db().write(), connection).await?;
    let untold = store::refused_farewells(app.db().write(), connection, NAMED).await?;
    let unsynced = |there: Option<i64>, read: i64| there.map(|there| (there - read).max(0));
    let mut found = Audit {
        customers: figures.customers,
        with_consent: figures.with_consent,
        duplicate_customers: figures.shared_leads,
        orders: figures.orders,
        unsynced_orders: unsynced(shop.orders, figures.orders),
        unsynced_customers: unsynced(shop.customers, figures.customers),
        shop,
        missing_webhooks,
        findings: Vec::new(),
    };
    found.findings = untold_withdrawals(&untold)
        .into_iter()
        .chain(findings(&found, &figures))
        .collect();
    Ok(found)
}

async fn missing_webhooks(
    app: &App,
    live: &Live,
    public_url: &str,
) -> Outcome<Vec<String>, ConnectionProblem> {
    let (Some(integration), Some(webhooks)) = (live.integration(app), live.facets(app).webhooks) else {
        return Ok(Vec::new());
    };
    let own = webhook::address(public_url, live.row.id).map(String::from);
    let told = webhooks.subscriptions(&live.context(app)).await.map_err(fault)?;
    let is_told = |topic: &str| {
        told.iter().any(|subscription| {
            subscription.topic == topic && (subscription.url.is_none() || subscription.url == own)
        })
    };
    Ok(integration
        .manifest()
        .topics
        .iter()
        .filter(|topic| topic.registrable && !is_told(topic.name))
        .map(|topic| topic.name.to_owned())
        .collect())
}

/// The law does not wait: it comes first.
fn untold_withdrawals((count, first): &(u64, Vec<Farewell>)) -> Option<Finding> {
    let named = first.iter().map(|row| {
        let why = row.problem.as_deref().unwrap_or("refused");
        format!("{} ({}): {why}", row.customer_id, row.channel)
    });
    let named: Vec<_> = named.collect();
    (*count > 0).then(|| Finding {
        code: "UNTOLD_WITHDRAWALS",
        message: format!(
            "the shop does not take {count} withdrawals of consent, among them {}",
            named.join("; ")
        ),
        advice: "take the consent back in the shop by hand, or it goes on writing to them",
    })
}

fn findings(audit: &Audit, figures: &store::Figures) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |code, message: String, advice| {
        found.push(Finding {
            code,
            message,
            advice,
        });
    };
    if !audit.missing_webhooks.is_empty() {
        add(
            "MISSING_WEBHOOKS",
            format!(
                "the shop does not tell {} of what it could: {}",
                audit.missing_webhooks.len(),
                audit.missing_webhooks.join(", ")
            ),
            "call connectionWebhooksRegister; until then changes are seen at the next sync only",
        );
    }
    if let Some(orders) = audit.unsynced_orders.filter(|orders| *orders > 0) {
        add(
            "UNSYNCED_ORDERS",
            format!("{orders} orders of the shop were not read"),
            "call connectionSync with kinds [ORDERS] and full: true; where old ones stay away, the app lacks the right to \
             read all orders",
        );
    }
    if let Some(customers) = audit.unsynced_customers.filter(|customers| *customers > 0) {
        add(
            "UNSYNCED_CUSTOMERS",
            format!("{customers} customers of the shop were not read"),
            "call connectionSync with kinds [CUSTOMERS] and full: true",
        );
    }
    if audit.customers > 0 && audit.with_consent * 100 < audit.customers * 30 {
        add(
            "LOW_CONSENT",
            format!(
                "{} of {} customers let you write to them",
                audit.with_consent, audit.customers
            ),
            "ask for consent at the checkout and in a form; nobody else is written to",
        );
    }
    if audit.duplicate_customers > 0 {
        add(
            "DUPLICATE_CUSTOMERS",
            format!(
                "{} customers share a lead with another customer of the shop",
                audit.duplicate_customers
            ),
            "merge them in the shop; here they are one lead already",
        );
    }
    if figures.without_contact > 0 {
        add(
            "CUSTOMERS_WITHOUT_CONTACT",
            format!(
                "{} customers have neither an address nor a number",
                figures.without_contact
            ),
            "where all are so, the app was not approved for protected customer data",
        );
    }
    if figures.without_lead > 0 || figures.orders_without_lead > 0 {
        add(
            "WITHOUT_LEAD",
            format!(
                "{} customers and {} orders belong to no lead",
                figures.without_lead, figures.orders_without_lead
            ),
            "look at the refusals of the last sync",
        );
    }
    found
}
