//! Conversions. What the platform would refuse is refused here, as one wrong event would fail all that are sent with it.

use chrono::{DateTime, Duration, Utc};
use rust_decimal::Decimal;
use serde_json::Number;

use super::person::user_data;
use crate::facet::{ConversionEvent, ConversionName, Origin, Visitor};
use crate::platform::meta::settings::MetaSettings;
use crate::platform::meta::wire::{Content, CustomData, Event, UserData};

/// For so long after it happened an event is taken.
pub(in crate::platform::meta) const OLDEST: Duration = Duration::days(7);
/// The same for shops of bricks.
const OLDEST_IN_STORE: Duration = Duration::days(62);

/// An event as the platform wants it, or why it would not take it.
pub(in crate::platform::meta) fn event(
    event: &ConversionEvent,
    settings: &MetaSettings,
    now: DateTime<Utc>,
) -> Result<Event, String> {
    let stage = matches!(event.name, ConversionName::Stage(_));
    let name = match &event.name {
        ConversionName::Purchase => "Purchase",
        ConversionName::Lead => "Lead",
        ConversionName::CompleteRegistration => "CompleteRegistration",
        ConversionName::Schedule => "Schedule",
        ConversionName::Subscribe => "Subscribe",
        ConversionName::Stage(name) | ConversionName::Custom(name) => name.trim(),
    };
    if name.is_empty() || event.id.is_empty() {
        return Err("an event needs a name and an id".to_owned());
    }
    let source = if stage {
        "system_generated"
    } else {
        source(event.origin)
    };
    if event.at > now {
        return Err("it lies in the future".to_owned());
    }
    let oldest = if source == "physical_store" {
        OLDEST_IN_STORE
    } else {
        OLDEST
    };
    if now - event.at >= oldest {
        return Err(format!("it is older than {} days", oldest.num_days()));
    }
    let mut user_data = user_data(&event.person);
    put_visitor(&mut user_data, &event.visitor);
    if let Some(lead) = &event.platform_lead {
        let number = lead.parse().ok().filter(|_| (15..=17).contains(&lead.len()));
        user_data.lead_id = Some(number.ok_or("the platform's id of the lead is none: 15 to 17 digits")?);
    }
    if user_data == UserData::default() {
        return Err("there is nothing to match the person by".to_owned());
    }
    let url = event.visitor.url.clone().filter(|url| !url.is_empty());
    if source == "website" && (user_data.client_user_agent.is_none() || url.is_none()) {
        return Err(
            "an event on a web site needs the page's address and the browser's user agent".to_owned(),
        );
    }
    Ok(Event {
        event_name: name.to_owned(),
        event_time: event.at.timestamp(),
        event_id: event.id.clone(),
        action_source: source,
        event_source_url: url,
        user_data,
        custom_data: custom_data(event, stage.then_some(settings.crm_name.as_str()))?,
        data_processing_options: settings.limited_data_use.then_some("LDU").into_iter().collect(),
        // 0: the platform finds out where the person is.
        data_processing_options_country: settings.limited_data_use.then_some(0),
        data_processing_options_state: settings.limited_data_use.then_some(0),
    })
}

fn source(origin: Origin) -> &'static str {
    match origin {
        Origin::Website => "website",
        Origin::Store => "physical_store",
        Origin::Phone => "phone_call",
        Origin::Email => "email",
        Origin::Chat => "chat",
        Origin::System => "system_generated",
    }
}

fn put_visitor(data: &mut UserData, visitor: &Visitor) {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    data.client_ip_address = given(&visitor.ip).filter(|text| text.parse::<std::net::IpAddr>().is_ok());
    data.client_user_agent = given(&visitor.user_agent);
    data.fbp = given(&visitor.browser);
    data.fbc = visitor
        .click
        .as_ref()
        .filter(|(click, _)| !click.is_empty())
        .map(|(click, at)| {
            if click.starts_with("fb.") {
                click.clone()
            } else {
                format!("fb.1.{}.{click}", at.timestamp_millis())
            }
        });
}

fn custom_data(event: &ConversionEvent, crm: Option<&str>) -> Result<CustomData, String> {
    let mut data = CustomData {
        order_id: event.order.clone(),
        event_source: crm.map(|_| "crm"),
        lead_event_source: crm.map(str::to_owned),
        ..CustomData::default()
    };
    match &event.value {
        Some(money) => {
            let currency = money.currency.to_ascii_uppercase();
            if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
                return Err(format!("`{}` is no currency of ISO 4217", money.currency));
            }
            data.currency = Some(currency);
            data.value = Some(number(money.amount)?);
        }
        None if event.name == ConversionName::Purchase => {
            return Err("a purchase needs a value and its currency".to_owned());
        }
        None => {}
    }
    for line in &event.lines {
        let Some(id) = line.sku.clone().or_else(|| line.product.clone()) else {
            continue;
        };
        data.content_ids.push(id.clone());
        data.contents.push(Content {
            id,
            quantity: line.quantity,
            item_price: line.price.map(number).transpose()?,
        });
    }
    if !data.contents.is_empty() {
        data.content_type = Some("product");
        data.num_items = Some(event.lines.iter().map(|line| u64::from(line.quantity)).sum());
    }
    Ok(data)
}

fn number(amount: Decimal) -> Result<Number, String> {
    let text = amount.normalize().to_string();
    text.parse().map_err(|_| format!("{text} is no amount"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::facet::{AdConsent, LineItem, Money, Person};

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_760_000_100, 0).expect("a moment")
    }

    fn settings(more: &serde_json::Value) -> MetaSettings {
        let mut all = json!({ "appId": "1" });
        all.as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        serde_json::from_value(all).expect("settings")
    }

    fn purchase() -> ConversionEvent {
        ConversionEvent {
            id: "order-1001".to_owned(),
            name: ConversionName::Purchase,
            at: now() - Duration::seconds(100),
            origin: Origin::Website,
            person: Person {
                email: Some("john_smith@gmail.com".to_owned()),
                ..Person::default()
            },
            visitor: Visitor {
                ip: Some("203.0.113.7".to_owned()),
                user_agent: Some("Mozilla/5.0".to_owned()),
                url: Some("https://shop.example.com/thanks".to_owned()),
                click: Some(("AbC".to_owned(), now() - Duration::milliseconds(100_000))),
                browser: Some("fb.1.1759999999999.1098115397".to_owned()),
            },
            value: Some(Money {
                amount: Decimal::new(12_050, 2),
                currency: "eur".to_owned(),
            }),
            order: Some("1001".to_owned()),
            lines: vec![LineItem {
                title: "Thing".to_owned(),
                sku: Some("SKU1".to_owned()),
                product: None,
                quantity: 2,
                price: Some(Decimal::from(20)),
            }],
            consent: AdConsent::Granted,
            platform_lead: None,
        }
    }

    #[test]
    fn a_purchase_of_the_documentation() {
        let sent = event(&purchase(), &settings(&json!({})), now()).unwrap();
        assert_eq!(
            serde_json::to_value(sent).unwrap(),
            json!({
                "event_name": "Purchase", "event_time": 1_760_000_000, "event_id": "order-1001",
                "action_source": "website", "event_source_url": "https://shop.example.com/thanks",
                "user_data": {
                    "em": ["62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"],
                    "client_ip_address": "203.0.113.7", "client_user_agent": "Mozilla/5.0",
                    "fbc": "fb.1.1760000000000.AbC", "fbp": "fb.1.1759999999999.1098115397",
                },
                "custom_data": {
                    "currency": "EUR", "value": 120.5, "order_id": "1001", "content_type": "product",
                    "content_ids": ["SKU1"], "contents": [{ "id": "SKU1", "quantity": 2, "item_price": 20 }],
                    "num_items": 2,
                },
            })
        );
    }

    #[test]
    fn a_stage_of_a_lead() {
        let stage = ConversionEvent {
            name: ConversionName::Stage("Qualified".to_owned()),
            origin: Origin::Website,
            visitor: Visitor::default(),
            value: None,
            order: None,
            lines: Vec::new(),
            person: Person::default(),
            platform_lead: Some("1234567890123456".to_owned()),
            ..purchase()
        };
        let settings = settings(&json!({ "crmName": "Ours", "limitedDataUse": true }));
        let sent = serde_json::to_value(event(&stage, &settings, now()).unwrap()).unwrap();
        assert_eq!(
            sent,
            json!({
                "event_name": "Qualified", "event_time": 1_760_000_000, "event_id": "order-1001",
                "action_source": "system_generated", "user_data": { "lead_id": 1_234_567_890_123_456_u64 },
                "custom_data": { "event_source": "crm", "lead_event_source": "Ours" },
                "data_processing_options": ["LDU"], "data_processing_options_country": 0,
                "data_processing_options_state": 0,
            })
        );
    }

    #[test]
    fn what_the_platform_would_refuse_is_not_sent() {
        let refused = |change: &dyn Fn(&mut ConversionEvent)| {
            let mut changed = purchase();
            change(&mut changed);
            event(&changed, &settings(&json!({})), now()).unwrap_err()
        };
        assert!(refused(&|event| event.at = now() + Duration::seconds(1)).contains("future"));
        assert!(refused(&|event| event.at = now() - Duration::days(7)).contains("7 days"));
        assert!(refused(&|event| event.value = None).contains("value"));
        assert!(refused(&|event| event.visitor.url = None).contains("address"));
        assert!(refused(&|event| event.visitor.user_agent = None).contains("user agent"));
        assert!(refused(&|event| event.platform_lead = Some("abc".to_owned())).contains("15 to 17"));
        assert!(refused(&|event| event.name = ConversionName::Custom(" ".to_owned())).contains("name"));
        let euros = refused(&|event| {
            event.value.as_mut().expect("a value").currency = "Euro".to_owned();
        });
        assert!(euros.contains("`Euro`"), "{euros}");
        let nobody = refused(&|event| {
            event.person = Person::default();
            event.visitor = Visitor::default();
        });
        assert!(nobody.contains("match"), "{nobody}");
        let mut old = purchase();
        old.origin = Origin::Store;
        old.at = now() - Duration::days(61);
        assert_eq!(
            event(&old, &settings(&json!({})), now()).unwrap().action_source,
            "physical_store"
        );
    }
}
