//! What webhooks tell.

use rust_decimal::Decimal;
use serde_json::Map;

use super::super::wire::rest;
use super::{consent, field, filled, payment, put, put_flag, quantity};
use crate::facet::{
    AbandonedCheckout, ContactChannel, Customer, LeadRecord, LineItem, Money, Order, OrderVisit, Product,
    Variant,
};

fn words(text: Option<String>) -> Vec<String> {
    let text = text.unwrap_or_default();
    text.split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn money(amount: Option<Decimal>, currency: Option<String>) -> Option<Money> {
    Some(Money {
        amount: amount?,
        currency: currency?,
    })
}

fn said(channel: ContactChannel, found: Option<&rest::Consent>) -> Option<crate::facet::ConsentRecord> {
    let found = found?;
    consent(
        channel,
        found.state.as_deref(),
        found.opt_in_level.as_deref(),
        found.at,
    )
}

/// A customer as far as the webhook tells: since version 2025-01 without tags, consent and what was spent.
pub(in super::super) fn customer(row: rest::Customer) -> Customer {
    let mut fields = Map::new();
    for (name, found) in [
        (field::EMAIL, &row.email),
        (field::PHONE, &row.phone),
        (field::FIRST_NAME, &row.first_name),
        (field::LAST_NAME, &row.last_name),
    ] {
        if let rest::Told::Is(found) = found {
            put(&mut fields, name, found.as_deref());
        }
    }
    if let Some(address) = &row.default_address {
        put(&mut fields, field::COMPANY, address.company.as_deref());
        put(&mut fields, field::ADDRESS, address.address1.as_deref());
        put(&mut fields, field::CITY, address.city.as_deref());
        put(&mut fields, field::REGION, address.province_code.as_deref());
        put(&mut fields, field::COUNTRY, address.country_code.as_deref());
        put(&mut fields, field::ZIP, address.zip.as_deref());
    }
    put_flag(&mut fields, field::VERIFIED_EMAIL, row.verified_email);
    put_flag(&mut fields, field::TAX_EXEMPT, row.tax_exempt);
    let consents = said(ContactChannel::Email, row.email_marketing_consent.as_ref())
        .into_iter()
        .chain(said(ContactChannel::Sms, row.sms_marketing_consent.as_ref()))
        .collect();
    Customer {
        lead: LeadRecord {
            id: row.id.gid("Customer"),
            created_at: row.created_at,
            updated_at: row.updated_at,
            fields,
            consents,
            tags: row.tags.map(|tags| words(Some(tags))),
            ..LeadRecord::default()
        },
        orders: row.orders_count,
        spent: money(row.total_spent, row.currency),
        note: row.note.filter(|note| !note.trim().is_empty()),
    }
}

/// A customer of whom nothing is told but what they said to marketing.
pub(in super::super) fn consent_change(row: &rest::ConsentChange) -> Customer {
    let mut fields = Map::new();
    for (name, found) in [(field::EMAIL, &row.email_address), (field::PHONE, &row.phone)] {
        if found.is_some() {
            put(&mut fields, name, found.as_deref());
        }
    }
    let consents = said(ContactChannel::Email, row.email_marketing_consent.as_ref())
        .into_iter()
        .chain(said(ContactChannel::Sms, row.sms_marketing_consent.as_ref()))
        .collect();
    Customer {
        lead: LeadRecord {
            id: row.customer_id.gid("Customer"),
            fields,
            consents,
            ..LeadRecord::default()
        },
        ..Customer::default()
    }
}

fn line(row: rest::Line) -> LineItem {
    LineItem {
        title: filled(row.title.as_deref()).unwrap_or_default(),
        sku: filled(row.sku.as_deref()),
        product: row.product_id.map(|id| id.gid("Product")),
        quantity: quantity(row.quantity),
        price: row.price,
    }
}

pub(in super::super) fn order(row: rest::Order) -> Order {
    let total = Money {
        amount: row.total_price,
        currency: row.currency,
    };
    let visit = visit(row.landing_site.as_deref(), row.referring_site.as_deref());
    Order {
        id: row.id.gid("Order"),
        name: row.name.unwrap_or_default(),
        customer: row.customer.map(|customer| customer.id.gid("Customer")),
        email: filled(row.email.as_deref()),
        phone: filled(row.phone.as_deref()),
        placed_at: row.processed_at.unwrap_or(row.created_at),
        updated_at: row.updated_at.unwrap_or(row.created_at),
        cancelled_at: row.cancelled_at,
        test: row.test,
        payment: payment(row.financial_status.as_deref()),
        current_total: Money {
            amount: row.current_total_price.unwrap_or(total.amount),
            currency: total.currency.clone(),
        },
        total,
        lines: row.line_items.into_iter().map(line).collect(),
        tags: words(row.tags),
        discount_codes: row.discount_codes.into_iter().map(|code| code.code).collect(),
        source: filled(row.source_name.as_deref()),
        visits: visit.into_iter().collect(),
    }
}

/// The visit that an order was placed in.
fn visit(landing: Option<&str>, referrer: Option<&str>) -> Option<OrderVisit> {
    let (landing_page, referrer) = (filled(landing), filled(referrer));
    if landing_page.is_none() && referrer.is_none() {
        return None;
    }
    let query = landing_page
        .as_deref()
        .and_then(|page| page.split_once('?'))
        .map_or("", |(_, query)| query);
    let of = |name: &str| {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs
            .find(|(key, _)| key == name)
            .and_then(|(_, value)| filled(Some(&value)))
    };
    Some(OrderVisit {
        source: of("utm_source"),
        medium: of("utm_medium"),
        campaign: of("utm_campaign"),
        landing_page,
        referrer,
    })
}

pub(in super::super) fn checkout(row: rest::Checkout) -> AbandonedCheckout {
    let customer = row.customer.as_ref();
    AbandonedCheckout {
        id: row.id.gid("AbandonedCheckout"),
        email: filled(row.email.as_deref()).or_else(|| filled(customer?.email.as_deref())),
        phone: filled(row.phone.as_deref()).or_else(|| filled(customer?.phone.as_deref())),
        customer: row.customer.as_ref().map(|customer| customer.id.gid("Customer")),
        url: filled(row.abandoned_checkout_url.as_deref()),
        created_at: row.created_at,
        updated_at: row.updated_at.unwrap_or(row.created_at),
        recovered_at: row.completed_at,
        total: money(row.total_price, row.currency),
        lines: row.line_items.into_iter().map(line).collect(),
    }
}

/// A product. Webhooks name no currency: its price is not known, those of its variants are.
pub(in super::super) fn product(row: rest::Product, shop: &str) -> Product {
    let handle = row.handle.filter(|_| row.published_at.is_some());
    Product {
        id: row.id.gid("Product"),
        title: row.title,
        active: row.status.as_deref() == Some("active"),
        vendor: filled(row.vendor.as_deref()),
        kind: filled(row.kind.as_deref()),
        tags: words(row.tags),
        url: handle.map(|handle| format!("https://{shop}/products/{handle}")),
        image: row.image.and_then(|image| image.src),
        price: None,
        variants: row.variants.iter().map(variant).collect(),
        updated_at: row.updated_at,
    }
}

fn variant(row: &rest::Variant) -> Variant {
    Variant {
        id: row.id.gid("ProductVariant"),
        title: filled(row.title.as_deref()).unwrap_or_default(),
        sku: filled(row.sku.as_deref()),
        price: row.price,
        stock: row.inventory_quantity,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facet::{ConsentState, PaymentState};
    use serde_json::{Value, from_value, json};

    #[test]
    fn a_customer_of_an_older_version_and_of_a_newer() {
        let old = json!({
            "id": 7, "email": "a@example.com", "first_name": null, "tags": "vip, trade fair", "orders_count": 3,
            "total_spent": "12.50", "currency": "EUR", "verified_email": true,
            "email_marketing_consent": { "state": "subscribed", "opt_in_level": "single_opt_in", "consent_updated_at": null },
        });
        let found = customer(from_value(old).unwrap());
        assert_eq!(found.lead.id, "gid://shopify/Customer/7");
        assert_eq!(
            found.lead.tags,
            Some(vec!["vip".to_owned(), "trade fair".to_owned()])
        );
        assert_eq!(found.lead.fields["firstName"], Value::Null);
        assert!(
            !found.lead.fields.contains_key("lastName"),
            "what is absent is not known"
        );
        assert_eq!(found.lead.consents[0].state, ConsentState::Granted);
        assert_eq!(found.lead.consents[0].proof.as_deref(), Some("SINGLE_OPT_IN"));
        assert_eq!(
            (found.orders, found.spent.unwrap().amount.to_string()),
            (Some(3), "12.50".to_owned())
        );

        let new =
            customer(from_value(json!({ "id": "7", "email": "a@example.com", "currency": "EUR" })).unwrap());
        assert_eq!(
            (new.lead.id.as_str(), new.orders, new.spent),
            ("gid://shopify/Customer/7", None, None)
        );
        assert_eq!((new.lead.tags, new.lead.consents), (None, vec![]));
    }

    #[test]
    fn an_order_with_the_visit_it_was_placed_in() {
        let row = json!({
            "id": 820_982_911_946_154_508_u64, "name": "#9999", "created_at": "2026-09-01T10:00:00-04:00",
            "currency": "USD", "total_price": "403.00", "current_total_price": "398.00", "financial_status": "voided",
            "landing_site": "/?utm_source=news%20letter&utm_medium=email", "referring_site": "",
            "customer": { "id": 115 }, "discount_codes": [{ "code": "SPRING" }],
            "line_items": [{ "title": "Tea", "product_id": null, "quantity": 1, "price": "199.00", "sku": "" }],
        });
        let found = order(from_value(row).unwrap());
        assert_eq!(found.placed_at.to_rfc3339(), "2026-09-01T14:00:00+00:00");
        assert_eq!(found.payment, PaymentState::Voided);
        assert_eq!(
            (
                found.total.amount.to_string(),
                found.current_total.amount.to_string()
            ),
            ("403.00".into(), "398.00".into())
        );
        assert_eq!(found.customer.as_deref(), Some("gid://shopify/Customer/115"));
        assert_eq!(found.visits[0].source.as_deref(), Some("news letter"));
        assert_eq!(found.visits[0].referrer, None);
        assert_eq!(found.lines[0].sku, None);
    }
}
