use chrono::Duration;
use rust_decimal::Decimal;

use super::{Ground, set};
use crate::facet::{
    AdConsent, ConversionEvent, ConversionName, ConversionOutcome, ConversionSink as _, Money, Origin,
    Person, Visitor,
};
use crate::sandbox::Failure;
use crate::{Clock as _, Kind, Retry};

fn event(ground: &Ground, number: usize) -> ConversionEvent {
    ConversionEvent {
        id: format!("order-{number}"),
        name: ConversionName::Purchase,
        at: ground.clock.now() - Duration::minutes(5),
        origin: Origin::System,
        person: Person {
            external_id: format!("person-{number}"),
            email: Some(format!("lead{number}@example.com")),
            phone: Some("+4930123456".to_owned()),
            first_name: Some("Jürgen".to_owned()),
            country: Some("DE".to_owned()),
            ..Person::default()
        },
        visitor: Visitor::default(),
        value: Some(Money {
            amount: Decimal::new(1_999, 2),
            currency: "EUR".to_owned(),
        }),
        order: Some(number.to_string()),
        lines: Vec::new(),
        consent: AdConsent::Granted,
        platform_lead: None,
    }
}

#[tokio::test]
async fn events_count_once() {
    let ground = Ground::new().await;
    let events: Vec<_> = (0..2_500).map(|number| event(&ground, number)).collect();
    for _ in 0..2 {
        let outcomes = ground.meta.send(&ground.context, &events).await.unwrap();
        assert!(outcomes.len() == 2_500 && outcomes.iter().all(|one| *one == ConversionOutcome::Accepted));
    }
    assert_eq!(ground.holds("events"), 2_500);
    assert_eq!(ground.asked("/events"), 6, "at most a thousand at once");
}

#[tokio::test]
async fn without_consent_nothing_is_told() {
    let ground = Ground::new().await;
    let with = |number, consent| ConversionEvent {
        consent,
        ..event(&ground, number)
    };
    let events = [
        with(1, AdConsent::Denied),
        with(2, AdConsent::Granted),
        with(3, AdConsent::Unknown),
        with(4, AdConsent::NotRequired),
    ];
    let outcomes = ground.meta.send(&ground.context, &events).await.unwrap();
    let (accepted, withheld) = (ConversionOutcome::Accepted, ConversionOutcome::Withheld);
    assert_eq!(
        outcomes,
        [withheld.clone(), accepted.clone(), withheld.clone(), accepted]
    );
    let sent = &ground.running.requests()[0];
    assert_eq!(sent.json()["data"].as_array().map(Vec::len), Some(2));
    let outcomes = ground.meta.send(&ground.context, &events[..1]).await.unwrap();
    assert_eq!((outcomes, ground.asked("/events")), (vec![withheld], 1));
}

#[tokio::test]
async fn a_wrong_event_harms_no_other() {
    let ground = Ground::new().await;
    let mut events: Vec<_> = (0..100).map(|number| event(&ground, number)).collect();
    // Found here.
    events[10].at = ground.clock.now() - Duration::days(8);
    events[11].at = ground.clock.now() + Duration::seconds(5);
    events[12].value = None;
    events[13].origin = Origin::Website;
    // Found by the platform alone.
    events[40].order = Some("refuse-me-1".to_owned());
    events[41].order = Some("refuse-me-2".to_owned());
    events[99].order = Some("refuse-me-3".to_owned());
    let outcomes = ground.meta.send(&ground.context, &events).await.unwrap();
    for (number, outcome) in outcomes.iter().enumerate() {
        match number {
            10..=13 => assert!(matches!(outcome, ConversionOutcome::Refused(_)), "{number}"),
            40 | 41 | 99 => {
                assert!(
                    matches!(outcome, ConversionOutcome::Refused(text) if text.contains("order_id")),
                    "{outcome:?}"
                );
            }
            _ => assert_eq!(*outcome, ConversionOutcome::Accepted, "{number}"),
        }
    }
    assert_eq!(ground.holds("events"), 93);
    assert!(ground.asked("/events") < 40, "{}", ground.asked("/events"));
}

#[tokio::test]
async fn stages_of_leads_and_tests() {
    let ground = Ground::with(|setup| {
        set(&mut setup.settings, "testEventCode", "TEST12345");
        set(&mut setup.settings, "limitedDataUse", true);
    })
    .await;
    let stage = ConversionEvent {
        name: ConversionName::Stage("Qualified".to_owned()),
        platform_lead: Some("1234567890100007".to_owned()),
        value: None,
        ..event(&ground, 1)
    };
    let outcomes = ground.meta.send(&ground.context, &[stage]).await.unwrap();
    assert_eq!(outcomes, [ConversionOutcome::Accepted]);
    let sent = ground.running.requests()[0].json();
    assert_eq!(sent["test_event_code"], "TEST12345");
    let sent = &sent["data"][0];
    assert_eq!(sent["user_data"]["lead_id"], 1_234_567_890_100_007_u64);
    assert_eq!(sent["action_source"], "system_generated");
    assert_eq!(sent["custom_data"]["lead_event_source"], "Leadline");
    assert_eq!(sent["data_processing_options"][0], "LDU");
}

#[tokio::test]
async fn without_a_dataset_it_says_what_to_fill_in() {
    let ground = Ground::with(|setup| {
        setup
            .settings
            .as_object_mut()
            .expect("an object")
            .remove("datasetId");
    })
    .await;
    let error = ground
        .meta
        .send(&ground.context, &[event(&ground, 1)])
        .await
        .unwrap_err();
    assert_eq!(error.kind, Kind::Settings);
    assert!(error.message.contains("datasetId"), "{error}");
    let ground = Ground::with(|setup| set(&mut setup.settings, "datasetId", "4711")).await;
    let error = ground
        .meta
        .send(&ground.context, &[event(&ground, 1), event(&ground, 2)])
        .await
        .unwrap_err();
    assert_eq!((error.kind, ground.asked("/events")), (Kind::NotFound, 1));
}

#[tokio::test]
async fn an_outage_concerns_all() {
    let ground = Ground::new().await;
    ground.running.faults.next(Failure::ServerError, 4);
    let error = ground
        .meta
        .send(&ground.context, &[event(&ground, 1)])
        .await
        .unwrap_err();
    assert_eq!((error.kind, error.retry), (Kind::Unavailable, Retry::Exhausted));
    ground.running.faults.next(Failure::CutWithin, 1);
    let outcomes = ground
        .meta
        .send(&ground.context, &[event(&ground, 1)])
        .await
        .unwrap();
    assert_eq!(outcomes, [ConversionOutcome::Accepted]);
    assert_eq!(
        ground.holds("events"),
        1,
        "taken, cut off, sent again: counted once"
    );
}
