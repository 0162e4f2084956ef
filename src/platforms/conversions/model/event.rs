//! From a row and what is known of its lead to what the platform is told.

use entity::id::OrderId;
use entity::{HappeningKind, SharedAs, Timestamp};
use integrations::facet::{
    AdConsent, ConversionEvent, ConversionName, LineItem, Money, Origin, Person, Visitor,
};
use rust_decimal::Decimal;
use serde_json::{Map, Value};

use crate::insight::revenue::Conversion;
use crate::leads::contact::Currency;
use crate::leads::lead::Lead;
use crate::platforms::commerce::{Line, Order};
use crate::platforms::conversions::{ConversionDelivery, ConversionSharing};

/// Longest text that is taken from what was handed in with a conversion, in characters.
const MOST_TEXT_CHARS: usize = 2_000;

/// What is known of a delivery when it is told.
pub(in super::super) struct Told<'a> {
    pub(in super::super) row: &'a ConversionDelivery,
    pub(in super::super) sharing: &'a ConversionSharing,
    pub(in super::super) lead: &'a Lead,
    pub(in super::super) conversion: Option<&'a Conversion>,
    /// The order that the conversion came from; of the same lead.
    pub(in super::super) order: Option<&'a Order>,
    /// The platform's own id of the lead.
    pub(in super::super) platform_lead: Option<&'a str>,
    pub(in super::super) consent: AdConsent,
}

/// What a conversion came with, by name.
fn object(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_default()
}

fn text(object: &Map<String, Value>, key: &str) -> Option<String> {
    let text = object.get(key)?.as_str()?.trim();
    let fits = !text.is_empty() && text.chars().count() <= MOST_TEXT_CHARS;
    fits.then(|| text.to_owned())
}

/// The order of ours that a conversion names.
pub(in super::super) fn order_of(conversion: &Conversion) -> Option<OrderId> {
    text(&object(&conversion.metadata), "order")?.parse().ok()
}

/// What is left of the value after what was given back.
fn value(conversion: &Conversion) -> Option<Money> {
    let currency: Currency = conversion.currency.as_deref()?.parse().ok()?;
    let left = conversion.value_minor? - conversion.refunded_minor;
    Some(Money {
        amount: Decimal::new(left, currency.exponent()),
        currency: currency.code().to_owned(),
    })
}

fn name(row: &ConversionDelivery) -> ConversionName {
    let own = || row.name.clone().unwrap_or_default();
    match row.shared_as {
        SharedAs::Purchase => ConversionName::Purchase,
        SharedAs::Lead => ConversionName::Lead,
        SharedAs::CompleteRegistration => ConversionName::CompleteRegistration,
        SharedAs::Schedule => ConversionName::Schedule,
        SharedAs::Subscribe => ConversionName::Subscribe,
        SharedAs::Stage => ConversionName::Stage(own()),
        SharedAs::Custom => ConversionName::Custom(own()),
    }
}

fn person(lead: &Lead) -> Person {
    Person {
        external_id: lead.id.to_string(),
        email: lead.email.clone(),
        phone: lead.phone.clone(),
        first_name: lead.first_name.clone(),
        last_name: lead.last_name.clone(),
        city: lead.city.clone(),
        region: lead.region.clone(),
        postal_code: lead.postal_code.clone(),
        country: lead.country.clone(),
        born: None,
    }
}

/// What a browser told: with the conversion, or when the lead came.
fn visitor(told: &Told<'_>, facts: &Map<String, Value>) -> Visitor {
    let source = object(&told.lead.source_detail);
    let known = |key: Option<&String>, at: Timestamp| {
        let key = key?;
        let with_conversion = text(facts, key).map(|value| (value, at));
        with_conversion.or_else(|| text(&source, key).map(|value| (value, told.lead.created_at)))
    };
    let at = told.row.occurred_at;
    Visitor {
        ip: text(facts, "ip"),
        user_agent: text(facts, "userAgent"),
        url: text(facts, "url"),
        click: known(told.sharing.click_key.as_ref(), at).map(|(click, at)| (click, at.to_chrono())),
        browser: known(told.sharing.browser_key.as_ref(), at).map(|(browser, _)| browser),
    }
}

fn lines(order: &Order) -> Vec<LineItem> {
    let lines: Vec<Line> = serde_json::from_str(&order.lines).unwrap_or_default();
    let line = |line: Line| LineItem {
        title: line.title,
        sku: line.sku,
        product: line.product,
        quantity: line.quantity,
        price: line.price,
    };
    lines.into_iter().map(line).collect()
}

/// What the platform is told.
pub(in super::super) fn event(told: &Told<'_>) -> ConversionEvent {
    let facts = told
        .conversion
        .map(|conversion| object(&conversion.metadata))
        .unwrap_or_default();
    let visitor = visitor(told, &facts);
    let is_visit = visitor.user_agent.is_some() && visitor.url.is_some();
    // A number that is ours would tell the platform nothing.
    let named = text(&facts, "order").filter(|order| order.parse::<OrderId>().is_err());
    ConversionEvent {
        id: told.row.event_id.clone(),
        name: name(told.row),
        at: told.row.occurred_at.to_chrono(),
        origin: if is_visit && told.row.happening == HappeningKind::Conversion {
            Origin::Website
        } else {
            Origin::System
        },
        person: person(told.lead),
        visitor,
        value: told.conversion.and_then(value),
        order: told.order.map(|order| order.external_id.clone()).or(named),
        lines: told.order.map(lines).unwrap_or_default(),
        consent: told.consent,
        platform_lead: told.platform_lead.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use entity::id::{ConnectionId, ConversionId, LeadId};
    use entity::{ConversionKind, Stage};

    use super::super::{Happening, Rule, What, delivery};
    use super::*;

    fn lead() -> Lead {
        Lead {
            id: LeadId::at(Timestamp(1)),
            email: Some("ann@example.com".into()),
            phone: None,
            first_name: None,
            last_name: None,
            company_name: None,
            job_title: None,
            website: None,
            street: None,
            city: None,
            region: None,
            postal_code: None,
            country: Some("DE".into()),
            time_zone: None,
            language: None,
            customer_type: None,
            interests: "[]".into(),
            custom: "{}".into(),
            source: None,
            source_detail: r#"{ "fbclid": "of the source", "gclid": "another's" }"#.into(),
            deal_stage: None,
            deal_value_minor: None,
            deal_currency: None,
            expected_close: None,
            owner: None,
            sort_name: String::new(),
            stage: Stage::New,
            stage_since: Timestamp(1),
            version: 1,
            created_at: Timestamp(1_000_000),
            updated_at: Timestamp(1),
            deleted_at: None,
            erased_at: None,
        }
    }

    fn told(metadata: &str, value: i64, refunded: i64, currency: &str) -> ConversionEvent {
        let lead = lead();
        let sharing = ConversionSharing {
            click_key: Some("fbclid".into()),
            ..crate::platforms::conversions::store::off(
                ConnectionId::at(Timestamp(1)),
                "system",
                Timestamp(1),
            )
        };
        let conversion = Conversion {
            reporting_minor: None,
            reporting_refunded_minor: None,
            reporting_currency: None,
            id: ConversionId::at(Timestamp(1)),
            lead_id: lead.id,
            kind: ConversionKind::Purchase,
            custom_name: None,
            value_minor: Some(value),
            currency: Some(currency.into()),
            metadata: metadata.into(),
            occurred_at: Timestamp(2_000_000),
            received_at: Timestamp(2_000_000),
            dedupe_key: None,
            refunded_minor: refunded,
            voided_at: None,
        };
        let rule = Rule {
            happening: HappeningKind::Conversion,
            conversion_kind: Some(ConversionKind::Purchase),
            conversion_name: None,
            stage: None,
            shared_as: SharedAs::Purchase,
            name: None,
        };
        let happening = Happening {
            lead: lead.id,
            at: conversion.occurred_at,
            what: What::Conversion {
                id: conversion.id,
                kind: conversion.kind,
                name: None,
            },
        };
        let row = delivery(&sharing, &happening, &rule, Timestamp(3));
        event(&Told {
            row: &row,
            sharing: &sharing,
            lead: &lead,
            conversion: Some(&conversion),
            order: None,
            platform_lead: Some("1234567890123456"),
            consent: AdConsent::Granted,
        })
    }

    #[test]
    fn what_is_left_of_the_value_is_told_in_its_currency() {
        let value = |event: ConversionEvent| {
            event
                .value
                .map(|money| (money.amount.to_string(), money.currency))
        };
        let euros = told("{}", 12_050, 50, "EUR");
        assert_eq!(
            (euros.id.starts_with("conv_"), euros.name.clone()),
            (true, ConversionName::Purchase)
        );
        assert_eq!(value(euros), Some(("120.00".into(), "EUR".into())));
        assert_eq!(
            value(told("{}", 1_200, 0, "JPY")),
            Some(("1200".into(), "JPY".into()))
        );
    }

    #[test]
    fn what_a_browser_told_comes_with_the_conversion_or_with_the_lead() {
        let bare = told("{}", 1, 0, "EUR");
        assert_eq!(bare.origin, Origin::System);
        let click = |event: &ConversionEvent| {
            event
                .visitor
                .click
                .clone()
                .map(|(click, at)| (click, at.timestamp()))
        };
        assert_eq!(
            click(&bare),
            Some(("of the source".into(), 1)),
            "when the lead came"
        );
        assert_eq!(
            bare.visitor.browser, None,
            "nobody said by which name it is known"
        );
        let metadata = r#"{ "url": "https://example.com/thanks", "userAgent": "Mozilla/5.0", "ip": "203.0.113.7", "fbclid": "of the sale",
            "order": " A-1 " }"#;
        let web = told(metadata, 1, 0, "EUR");
        assert_eq!(
            (web.origin, click(&web)),
            (Origin::Website, Some(("of the sale".into(), 2)))
        );
        assert_eq!(web.visitor.ip.as_deref(), Some("203.0.113.7"));
        assert_eq!(
            (web.order.as_deref(), web.platform_lead.as_deref()),
            (Some("A-1"), Some("1234567890123456"))
        );
    }

    #[test]
    fn what_is_of_another_form_is_left_out() {
        let order = OrderId::at(Timestamp(1));
        assert_eq!(
            told(&format!(r#"{{ "order": "{order}" }}"#), 1, 0, "EUR").order,
            None,
            "a number of ours"
        );
        let long = format!(r#"{{ "order": "{}" }}"#, "x".repeat(MOST_TEXT_CHARS + 1));
        for metadata in ["[]", "nonsense", r#"{ "order": 7, "url": null }"#, long.as_str()] {
            let event = told(metadata, 1, 0, "EUR");
            assert_eq!((event.order, event.visitor.url), (None, None));
        }
    }
}
