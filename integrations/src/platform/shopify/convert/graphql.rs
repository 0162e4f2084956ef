//! What the GraphQL door answers.

use serde_json::Map;

use super::super::wire::graphql::{
    ChannelRow, CheckoutRow, CustomerRow, LineRow, Money as TheirMoney, OrderRow, ProductRow, Text,
    VariantRow, Visit,
};
use super::{consent, field, filled, payment, put, put_flag, quantity};
use crate::facet::{
    AbandonedCheckout, ConsentState, ContactChannel, Customer, LeadRecord, LineItem, Money, Order,
    OrderVisit, Product, Variant,
};

fn text<'t>(text: Option<&'t Text<'_>>) -> Option<&'t str> {
    text.map(|text| &*text.0)
}

fn owned(found: Option<&Text<'_>>) -> Option<String> {
    found.and_then(Text::trimmed)
}

fn money(money: &TheirMoney<'_>) -> Money {
    Money {
        amount: money.amount,
        currency: money.currency_code.0.to_string(),
    }
}

pub(in super::super) fn customer(row: CustomerRow<'_>) -> Customer {
    let mut fields = Map::new();
    let email = row.default_email_address.as_ref();
    let phone = row.default_phone_number.as_ref();
    let address = row.default_address.as_ref();
    // A shop on a small plan shows apps no personal data at all: that is not to be taken for emptied.
    let withheld = email.is_none()
        && phone.is_none()
        && address.is_none()
        && row.first_name.is_none()
        && row.last_name.is_none();
    if !withheld {
        put(
            &mut fields,
            field::EMAIL,
            email.and_then(|row| text(row.address.as_ref())),
        );
        put(
            &mut fields,
            field::PHONE,
            phone.and_then(|row| text(row.address.as_ref())),
        );
        put(&mut fields, field::FIRST_NAME, text(row.first_name.as_ref()));
        put(&mut fields, field::LAST_NAME, text(row.last_name.as_ref()));
        put(
            &mut fields,
            field::COMPANY,
            address.and_then(|row| text(row.company.as_ref())),
        );
        put(
            &mut fields,
            field::ADDRESS,
            address.and_then(|row| text(row.address1.as_ref())),
        );
        put(
            &mut fields,
            field::CITY,
            address.and_then(|row| text(row.city.as_ref())),
        );
        put(
            &mut fields,
            field::REGION,
            address.and_then(|row| text(row.province_code.as_ref())),
        );
        put(
            &mut fields,
            field::COUNTRY,
            address.and_then(|row| text(row.country_code_v2.as_ref())),
        );
        put(
            &mut fields,
            field::ZIP,
            address.and_then(|row| text(row.zip.as_ref())),
        );
    }
    if row.locale.is_some() {
        put(&mut fields, field::LOCALE, text(row.locale.as_ref()));
    }
    put_flag(&mut fields, field::VERIFIED_EMAIL, row.verified_email);
    put_flag(&mut fields, field::TAX_EXEMPT, row.tax_exempt);
    put_flag(&mut fields, field::SALE_OPT_OUT, row.data_sale_opt_out);
    let said = |channel, row: Option<&ChannelRow<'_>>| {
        let row = row?;
        let level = text(row.marketing_opt_in_level.as_ref());
        consent(
            channel,
            text(row.marketing_state.as_ref()),
            level,
            row.marketing_updated_at,
        )
    };
    let consents = said(ContactChannel::Email, email)
        .into_iter()
        .chain(said(ContactChannel::Sms, phone))
        .collect();
    Customer {
        lead: LeadRecord {
            id: row.id.0.into_owned(),
            created_at: row.created_at,
            updated_at: row.updated_at,
            fields,
            consents,
            tags: Some(row.tags),
            ..LeadRecord::default()
        },
        orders: row.number_of_orders,
        spent: row.amount_spent.as_ref().map(money),
        note: row.note.filter(|note| !note.trim().is_empty()),
    }
}

pub(in super::super) fn order(row: OrderRow<'_>) -> Order {
    let total = money(&row.total_price_set.shop_money);
    let visits = row.customer_journey_summary.map_or_else(Vec::new, |journey| {
        [journey.first_visit, journey.last_visit]
            .into_iter()
            .flatten()
            .map(|found| visit(&found))
            .collect()
    });
    Order {
        id: row.id.0.into_owned(),
        name: row.name.0.into_owned(),
        customer: row.customer.map(|customer| customer.id.0.into_owned()),
        email: owned(row.email.as_ref()),
        phone: owned(row.phone.as_ref()),
        placed_at: row.processed_at.unwrap_or(row.created_at),
        updated_at: row.updated_at,
        cancelled_at: row.cancelled_at,
        test: row.test,
        payment: payment(text(row.display_financial_status.as_ref())),
        current_total: row
            .current_total_price_set
            .map_or_else(|| total.clone(), |set| money(&set.shop_money)),
        total,
        lines: Vec::new(),
        tags: row.tags,
        discount_codes: row.discount_codes,
        source: owned(row.source_name.as_ref()),
        visits,
    }
}

fn visit(visit: &Visit<'_>) -> OrderVisit {
    let utm = visit.utm_parameters.as_ref();
    OrderVisit {
        landing_page: owned(visit.landing_page.as_ref()),
        referrer: owned(visit.referrer_url.as_ref()),
        source: utm
            .and_then(|utm| owned(utm.source.as_ref()))
            .or_else(|| owned(visit.source.as_ref())),
        medium: utm.and_then(|utm| owned(utm.medium.as_ref())),
        campaign: utm.and_then(|utm| owned(utm.campaign.as_ref())),
    }
}

pub(in super::super) fn line(row: LineRow<'_>) -> LineItem {
    LineItem {
        title: owned(row.title.as_ref()).unwrap_or_default(),
        sku: owned(row.sku.as_ref()),
        product: row.product.map(|product| product.id.0.into_owned()),
        quantity: quantity(row.quantity),
        price: row.original_unit_price_set.map(|set| set.shop_money.amount),
    }
}

pub(in super::super) fn product(row: ProductRow<'_>) -> Product {
    let image = row.featured_media.and_then(|media| media.preview?.image);
    Product {
        id: row.id.0.into_owned(),
        title: row.title.0.into_owned(),
        active: text(row.status.as_ref()) == Some("ACTIVE"),
        vendor: owned(row.vendor.as_ref()),
        kind: owned(row.product_type.as_ref()),
        tags: row.tags,
        url: owned(row.online_store_url.as_ref()),
        image: image.map(|image| image.url.0.into_owned()),
        price: row.price_range_v2.map(|range| money(&range.min_variant_price)),
        variants: Vec::new(),
        updated_at: row.updated_at,
    }
}

pub(in super::super) fn variant(row: VariantRow<'_>) -> Variant {
    Variant {
        id: row.id.0.into_owned(),
        title: owned(row.title.as_ref()).unwrap_or_default(),
        sku: owned(row.sku.as_ref()),
        price: row.price,
        stock: row.inventory_quantity,
    }
}

pub(in super::super) fn checkout(row: CheckoutRow<'_>) -> AbandonedCheckout {
    let customer = row.customer.as_ref();
    let of = |channel: Option<&ChannelRow<'_>>| channel.and_then(|row| owned(row.address.as_ref()));
    let phone = [&row.shipping_address, &row.billing_address]
        .into_iter()
        .flatten()
        .find_map(|address| filled(text(address.phone.as_ref())));
    AbandonedCheckout {
        email: customer.and_then(|customer| of(customer.default_email_address.as_ref())),
        phone: phone.or_else(|| customer.and_then(|customer| of(customer.default_phone_number.as_ref()))),
        customer: row.customer.map(|customer| customer.id.0.into_owned()),
        id: row.id.0.into_owned(),
        url: owned(row.abandoned_checkout_url.as_ref()),
        created_at: row.created_at,
        updated_at: row.updated_at,
        recovered_at: row.completed_at,
        total: row.total_price_set.as_ref().map(|set| money(&set.shop_money)),
        lines: Vec::new(),
    }
}

/// How Shopify calls what somebody has said.
pub(in super::super) const fn consent_state(state: ConsentState) -> &'static str {
    match state {
        ConsentState::Granted => "SUBSCRIBED",
        ConsentState::Denied => "UNSUBSCRIBED",
        ConsentState::Pending => "PENDING",
    }
}

/// How Shopify calls the way in which consent was given: a proof of its own is told as it is, any other is not known to it.
pub(in super::super) fn opt_in_level(proof: Option<&str>) -> &'static str {
    match proof {
        Some("CONFIRMED_OPT_IN") => "CONFIRMED_OPT_IN",
        Some("SINGLE_OPT_IN") => "SINGLE_OPT_IN",
        _ => "UNKNOWN",
    }
}

/// The scopes granted, with those to read that those to write hold.
pub(in super::super) fn scopes_with_implied<'s>(granted: impl IntoIterator<Item = &'s str>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for scope in granted
        .into_iter()
        .map(str::trim)
        .filter(|scope| !scope.is_empty())
    {
        let implied = scope.strip_prefix("write_").map(|what| format!("read_{what}"));
        for scope in [Some(scope.to_owned()), implied].into_iter().flatten() {
            if !all.contains(&scope) {
                all.push(scope);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facet::{ConsentRecord, PaymentState};
    use serde_json::{Value, json};

    fn read<'a, T: serde::Deserialize<'a>>(text: &'a str) -> T {
        serde_json::from_str(text).expect("a row")
    }

    #[test]
    fn a_customer_with_counts_as_text_and_consent() {
        let row = r#"{ "id": "gid://shopify/Customer/1", "firstName": " Zo\u00eb ", "lastName": "", "note": null,
            "tags": ["a"], "numberOfOrders": "12", "amountSpent": { "amount": "99.90", "currencyCode": "EUR" },
            "defaultEmailAddress": { "emailAddress": "zoe@example.com", "marketingState": "SUBSCRIBED",
                "marketingOptInLevel": "CONFIRMED_OPT_IN", "marketingUpdatedAt": "2026-09-01T10:00:00Z" },
            "defaultPhoneNumber": { "phoneNumber": "+15550100", "marketingState": "SOMETHING_NEW" },
            "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-09-01T12:00:00+02:00", "later": 1 }"#;
        let customer = customer(read(row));
        assert_eq!(customer.orders, Some(12));
        assert_eq!(customer.spent.unwrap().amount.to_string(), "99.90");
        let lead = customer.lead;
        assert_eq!(lead.fields["firstName"], json!("Zoë"));
        assert_eq!(lead.fields["lastName"], Value::Null, "it was emptied");
        assert_eq!(lead.updated_at.unwrap().to_rfc3339(), "2026-09-01T10:00:00+00:00");
        let expected = ConsentRecord {
            channel: ContactChannel::Email,
            state: ConsentState::Granted,
            at: Some("2026-09-01T10:00:00Z".parse().unwrap()),
            proof: Some("CONFIRMED_OPT_IN".to_owned()),
        };
        assert_eq!(
            lead.consents,
            [expected],
            "a state that is not known says nothing"
        );
    }

    #[test]
    fn what_a_shop_withholds_is_not_taken_for_emptied() {
        let row = r#"{ "id": "gid://shopify/Customer/1", "firstName": null, "lastName": null, "defaultEmailAddress": null,
            "defaultPhoneNumber": null, "defaultAddress": null, "taxExempt": false }"#;
        let customer = customer(read(row));
        assert_eq!(Value::Object(customer.lead.fields), json!({ "taxExempt": false }));
    }

    #[test]
    fn states_of_payment() {
        let state = |text| super::super::payment(Some(text));
        assert_eq!(state("PARTIALLY_REFUNDED"), PaymentState::PartiallyRefunded);
        assert_eq!(state("partially_refunded"), PaymentState::PartiallyRefunded);
        assert_eq!(state("EXPIRED"), PaymentState::Voided);
        assert_eq!(state("SOMETHING_NEW"), PaymentState::Other);
    }

    #[test]
    fn writing_holds_reading() {
        let scopes = scopes_with_implied("write_customers,read_orders, read_customers,".split(','));
        assert_eq!(scopes, ["write_customers", "read_customers", "read_orders"]);
    }

    #[test]
    fn what_is_told_of_consent_comes_back() {
        for state in [ConsentState::Granted, ConsentState::Denied, ConsentState::Pending] {
            assert_eq!(super::super::said(consent_state(state)), Some(state));
        }
        assert_eq!(opt_in_level(Some("ticked the box on the fair")), "UNKNOWN");
    }
}
