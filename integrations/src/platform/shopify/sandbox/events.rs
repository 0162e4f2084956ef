//! What happens in the shop, and the webhooks that tell of it.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use url::Url;

use super::CLIENT_SECRET;
use super::rows::{Consent, CustomerRow, OrderRow, ProductRow, Row as _, moment};
use super::state::{DOMAIN, State};
use crate::sandbox::Delivery;
use crate::signature;

pub(super) const HAPPENINGS: &[&str] = &[
    "customer_created",
    "customer_updated",
    "customer_unsubscribed",
    "customer_stopped_texts",
    "customer_deleted",
    "order_created",
    "order_updated",
    "order_paid",
    "order_cancelled",
    "order_refunded",
    "checkout_abandoned",
    "checkout_recovered",
    "product_created",
    "product_updated",
    "product_deleted",
    "data_requested",
    "customer_redacted",
    "scopes_updated",
    "shop_redacted",
    "app_uninstalled",
];

/// Topics by the name in the API and the name in the header.
const TOPICS: [(&str, &str); 20] = [
    ("ORDERS_CREATE", "orders/create"),
    ("ORDERS_UPDATED", "orders/updated"),
    ("ORDERS_PAID", "orders/paid"),
    ("ORDERS_CANCELLED", "orders/cancelled"),
    ("CUSTOMERS_CREATE", "customers/create"),
    ("CUSTOMERS_UPDATE", "customers/update"),
    ("CUSTOMERS_DELETE", "customers/delete"),
    (
        "CUSTOMERS_EMAIL_MARKETING_CONSENT_UPDATE",
        "customers_email_marketing_consent/update",
    ),
    (
        "CUSTOMERS_MARKETING_CONSENT_UPDATE",
        "customers_marketing_consent/update",
    ),
    ("CHECKOUTS_CREATE", "checkouts/create"),
    ("CHECKOUTS_UPDATE", "checkouts/update"),
    ("PRODUCTS_CREATE", "products/create"),
    ("PRODUCTS_UPDATE", "products/update"),
    ("PRODUCTS_DELETE", "products/delete"),
    ("REFUNDS_CREATE", "refunds/create"),
    ("BULK_OPERATIONS_FINISH", "bulk_operations/finish"),
    ("APP_UNINSTALLED", "app/uninstalled"),
    ("APP_SCOPES_UPDATE", "app/scopes_update"),
    ("CUSTOMERS_REDACT", "customers/redact"),
    ("CUSTOMERS_DATA_REQUEST", "customers/data_request"),
];

/// The webhooks that tell something, to whoever wants to know.
pub(super) fn tell(state: &mut State, topic: &str, payload: &Value) -> Vec<Delivery> {
    // Those that the law wants are not subscribed to: the app's configuration names one address for them.
    let compliance = topic.ends_with("_REDACT") || topic == "CUSTOMERS_DATA_REQUEST";
    let mut addresses: Vec<(Url, Option<Vec<String>>)> = Vec::new();
    if let Some(url) = &state.app_webhooks {
        addresses.push((url.clone(), None));
    }
    for known in &state.subscriptions {
        let Ok(url) = Url::parse(&known.uri) else { continue };
        let wanted = known.topic == topic || (compliance && state.app_webhooks.is_none());
        if wanted && addresses.iter().all(|(address, _)| *address != url) {
            addresses.push((url, known.fields.clone()));
        }
    }
    let header = TOPICS
        .iter()
        .find(|(name, _)| *name == topic)
        .map_or("shop/redact", |(_, header)| header);
    let event = state.number();
    addresses
        .into_iter()
        .map(|(url, fields)| {
            let mut payload = payload.clone();
            if let (Some(fields), Value::Object(all)) = (fields, &mut payload) {
                all.retain(|key, _| fields.contains(key));
            }
            let body = payload.to_string();
            let tag = signature::sign_sha256(CLIENT_SECRET.as_bytes(), body.as_bytes());
            Delivery {
                after: Duration::ZERO,
                method: Method::POST,
                url,
                headers: vec![
                    ("content-type", "application/json".to_owned()),
                    ("x-shopify-topic", header.to_owned()),
                    ("x-shopify-hmac-sha256", signature::to_base64(&tag)),
                    ("x-shopify-shop-domain", DOMAIN.to_owned()),
                    ("x-shopify-api-version", "2026-10".to_owned()),
                    (
                        "x-shopify-webhook-id",
                        format!("b54557e4-{:04x}-4000-8000-{event:012x}", state.number()),
                    ),
                    (
                        "x-shopify-event-id",
                        format!("98880550-0000-4000-8000-{event:012x}"),
                    ),
                    ("x-shopify-triggered-at", moment(state.seconds())),
                ],
                body: body.into(),
            }
        })
        .collect()
}

/// The webhook of a consent that has changed.
pub(super) fn tell_consent(state: &mut State, row: &CustomerRow, email: bool) -> Vec<Delivery> {
    let id = CustomerRow::FIRST + row.i as u64;
    let said = |consent: &Consent| {
        json!({
            "state": consent.state.to_ascii_lowercase(),
            "opt_in_level": consent.level.as_ref().map(|level| level.to_ascii_lowercase()),
            "consent_updated_at": consent.at.map(moment), "consent_collected_from": "OTHER",
        })
    };
    match (email, &row.email, &row.phone) {
        (true, Some((address, consent)), _) => {
            let payload = json!({ "customer_id": id, "email_address": address, "email_marketing_consent": said(consent) });
            tell(state, "CUSTOMERS_EMAIL_MARKETING_CONSENT_UPDATE", &payload)
        }
        (false, _, Some((number, consent))) => {
            let payload = json!({ "id": id, "phone": number, "sms_marketing_consent": said(consent) });
            tell(state, "CUSTOMERS_MARKETING_CONSENT_UPDATE", &payload)
        }
        _ => Vec::new(),
    }
}

pub(super) fn happen(state: &mut State, what: &str) -> Vec<Delivery> {
    match what.split_once('_') {
        Some(("customer", _)) => customer(state, what),
        Some(("order", _)) => order(state, what),
        Some(("product" | "checkout", _)) => goods(state, what),
        _ => app(state, what),
    }
}

fn customer(state: &mut State, what: &str) -> Vec<Delivery> {
    let now = state.seconds();
    let next = state.customers.next();
    if what == "customer_created" {
        let mut row = state.customers.fresh(next);
        (row.created, row.updated) = (now, now);
        (row.orders, row.spent, row.last_order) = (0, 0, None);
        state.customers.put(row.clone());
        return tell(state, "CUSTOMERS_CREATE", &row.payload());
    }
    // Somebody with an address and a number.
    let found = (0..next).rev().filter_map(|i| state.customers.get(i));
    let Some(mut row) = found
        .into_iter()
        .find(|row| row.email.is_some() && row.phone.is_some())
    else {
        return Vec::new();
    };
    row.updated = now;
    let id = CustomerRow::FIRST + row.i as u64;
    match what {
        "customer_deleted" => {
            state.customers.remove(row.i);
            tell(
                state,
                "CUSTOMERS_DELETE",
                &json!({ "id": id, "admin_graphql_api_id": CustomerRow::gid(row.i) }),
            )
        }
        "customer_redacted" => {
            let payload = json!({
                "shop_id": 61_000_000_001_u64, "shop_domain": DOMAIN, "orders_to_redact": [],
                "customer": { "id": id, "email": row.email(), "phone": null },
            });
            tell(state, "CUSTOMERS_REDACT", &payload)
        }
        "customer_unsubscribed" | "customer_stopped_texts" => {
            let email = what == "customer_unsubscribed";
            let slot = if email { &mut row.email } else { &mut row.phone };
            if let Some((_, consent)) = slot {
                "UNSUBSCRIBED".clone_into(&mut consent.state);
                consent.at = Some(now);
            }
            state.customers.put(row.clone());
            tell_consent(state, &row, email)
        }
        "customer_updated" => {
            row.last = format!("{}-Example", row.last.trim_end_matches("-Example"));
            state.customers.put(row.clone());
            tell(state, "CUSTOMERS_UPDATE", &row.payload())
        }
        _ => Vec::new(),
    }
}

fn order(state: &mut State, what: &str) -> Vec<Delivery> {
    let now = state.seconds();
    let next = state.orders.next();
    if what == "order_created" {
        let mut row = state.orders.fresh(next);
        (row.created, row.updated) = (now, now);
        (row.cancelled, row.test, row.refunded, row.state) = (None, false, 0, "PENDING");
        state.orders.put(row.clone());
        return tell(state, "ORDERS_CREATE", &row.payload());
    }
    let Some(mut row) = next.checked_sub(1).and_then(|last| state.orders.get(last)) else {
        return Vec::new();
    };
    row.updated = now;
    let topic = match what {
        "order_updated" => {
            row.tags.push("checked".to_owned());
            row.tags.dedup();
            None
        }
        "order_paid" => {
            row.state = "PAID";
            Some("ORDERS_PAID")
        }
        "order_cancelled" => {
            (row.cancelled, row.state) = (Some(now), "VOIDED");
            Some("ORDERS_CANCELLED")
        }
        "order_refunded" => {
            (row.state, row.refunded) = ("REFUNDED", row.total());
            None
        }
        _ => return Vec::new(),
    };
    state.orders.put(row.clone());
    let mut deliveries = tell(state, "ORDERS_UPDATED", &row.payload());
    if let Some(topic) = topic {
        deliveries.extend(tell(state, topic, &row.payload()));
    }
    if what == "order_refunded" {
        deliveries.extend(tell(state, "REFUNDS_CREATE", &row.refund_payload(now)));
    }
    deliveries
}

fn goods(state: &mut State, what: &str) -> Vec<Delivery> {
    let now = state.seconds();
    let products = state.products.next();
    let last = (0..products).rev().find_map(|i| state.products.get(i));
    match (what, last) {
        ("product_created", _) => {
            let mut row = state.products.fresh(products);
            (row.created, row.updated) = (now, now);
            state.products.put(row.clone());
            tell(state, "PRODUCTS_CREATE", &row.payload())
        }
        ("product_updated", Some(mut row)) => {
            row.updated = now;
            row.title = format!("{} (new)", row.title.trim_end_matches(" (new)"));
            state.products.put(row.clone());
            tell(state, "PRODUCTS_UPDATE", &row.payload())
        }
        ("product_deleted", Some(row)) => {
            state.products.remove(row.i);
            tell(
                state,
                "PRODUCTS_DELETE",
                &json!({ "id": ProductRow::FIRST + row.i as u64 }),
            )
        }
        ("checkout_abandoned", _) => {
            let mut row = state.checkouts.fresh(state.checkouts.next());
            (row.created, row.updated, row.completed) = (now, now, None);
            state.checkouts.put(row.clone());
            tell(state, "CHECKOUTS_CREATE", &row.payload())
        }
        ("checkout_recovered", _) => {
            let last = state.checkouts.next().checked_sub(1);
            let Some(mut row) = last.and_then(|last| state.checkouts.get(last)) else {
                return Vec::new();
            };
            (row.updated, row.completed) = (now, Some(now));
            state.checkouts.put(row.clone());
            tell(state, "CHECKOUTS_UPDATE", &row.payload())
        }
        _ => Vec::new(),
    }
}

fn app(state: &mut State, what: &str) -> Vec<Delivery> {
    let shop = json!({
        "id": 61_000_000_001_u64, "name": "Leadline Demo", "domain": "leadline-demo.example.com", "myshopify_domain": DOMAIN,
    });
    match what {
        "data_requested" => {
            let payload = json!({
                "shop_id": 61_000_000_001_u64, "shop_domain": DOMAIN, "orders_requested": [OrderRow::FIRST],
                "customer": { "id": CustomerRow::FIRST, "email": "anna.muller0@example.com", "phone": null },
                "data_request": { "id": 9_999 },
            });
            tell(state, "CUSTOMERS_DATA_REQUEST", &payload)
        }
        "scopes_updated" => {
            let previous = state.scopes.clone();
            if !state.scopes.iter().any(|scope| scope == "read_all_orders") {
                state.scopes.push("read_all_orders".to_owned());
            }
            let payload = json!({
                "id": "gid://shopify/AppInstallation/1", "previous": previous, "current": state.scopes,
                "updated_at": moment(state.seconds()),
            });
            tell(state, "APP_SCOPES_UPDATE", &payload)
        }
        "shop_redacted" => tell(
            state,
            "SHOP_REDACT",
            &json!({ "shop_id": 61_000_000_001_u64, "shop_domain": DOMAIN }),
        ),
        "app_uninstalled" => {
            let deliveries = tell(state, "APP_UNINSTALLED", &shop);
            state.grants.clear();
            state.subscriptions.clear();
            deliveries
        }
        _ => Vec::new(),
    }
}
