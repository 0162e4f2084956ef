//! The platform's own SDK (npm `facebook-nodejs-business-sdk`) against the sandbox, beside our client.
//!
//! Needs `npm ci` in `tests/sdk/meta`; without it the test says so and is over, except in CI.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use chrono::{DateTime, Duration};
use futures_util::StreamExt as _;
use leadline_integrations::facet::{
    AdConsent, AdLevel, AdReporting as _, AudienceSink as _, ConversionEvent, ConversionName,
    ConversionOutcome, ConversionSink as _, DateRange, LeadSource as _, Money, NewAudience, Origin, Person,
    Visitor,
};
use leadline_integrations::platform::meta::Meta;
use leadline_integrations::sandbox::{Running, start};
use leadline_integrations::transport::{Egress, HttpTransport, Policy};
use leadline_integrations::{Integration as _, ManualClock};
use rust_decimal::Decimal;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_and_our_client_do_the_same() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/meta");
    if !folder.join("node_modules/facebook-nodejs-business-sdk").exists() {
        assert!(
            std::env::var_os("CI").is_none(),
            "`npm ci` in {} is missing",
            folder.display()
        );
        eprintln!(
            "SKIPPED: the SDK of Meta is not installed: `npm ci` in {}",
            folder.display()
        );
        return;
    }
    let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
    let clock = Arc::new(ManualClock::at(now));
    let meta = Meta::default();
    let running = start(meta.sandbox(clock.clone()), clock.clone()).await.unwrap();
    let setup = running.sandbox().setup(&running.base);
    let range = DateRange {
        from: now.date_naive() - Duration::days(20),
        to: now.date_naive() - Duration::days(1),
    };
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let arguments = [
        "talk.mjs".to_owned(),
        running.base.to_string(),
        text(&setup.secrets["appSecret"]),
        setup
            .credentials
            .as_ref()
            .expect("credentials")
            .access_token
            .expose()
            .to_owned(),
        text(&setup.settings["adAccountId"])
            .trim_start_matches("act_")
            .to_owned(),
        text(&setup.settings["datasetId"]),
        range.from.to_string(),
        range.to.to_string(),
        (now - Duration::minutes(5)).timestamp().to_string(),
    ];
    let output = tokio::task::spawn_blocking(move || {
        Command::new("node").args(arguments).current_dir(folder).output()
    });
    let output = output.await.unwrap().expect("node can be run");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();

    assert_eq!((&said["audiences"], &said["received"]), (&json!(30), &json!(1)));
    assert_eq!(said["unhashed"]["code"], 100);
    assert_eq!(said["unproven"]["code"], 100);
    assert_eq!(running.sandbox().holds()["events"], 1);
    assert_eq!(running.sandbox().holds()["audience_members"], 2);

    let transport = HttpTransport::new(Egress::Anywhere, Policy::default()).unwrap();
    let context = setup.context(&meta, &transport, clock);

    let leads: Vec<_> = meta.leads(&context, None).collect().await;
    let leads: BTreeSet<String> = leads
        .into_iter()
        .flat_map(|page| page.unwrap().items)
        .map(|lead| lead.id)
        .collect();
    let theirs: BTreeSet<String> = said["leads"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_str().unwrap().to_owned())
        .collect();
    assert_eq!((leads.len(), &leads), (260, &theirs));

    let results: Vec<_> = meta
        .results(&context, range, AdLevel::Campaign, None)
        .collect()
        .await;
    let results: Vec<_> = results
        .into_iter()
        .flat_map(|page| page.unwrap().items)
        .map(|row| json!([row.id, row.day, row.spend.amount.to_string()]))
        .collect();
    assert_eq!(results.len(), 240);
    assert_eq!(Value::from(results), said["results"]);

    // What the SDK has made is found, and whom it has added is known.
    let named = NewAudience {
        name: "Made by the SDK".to_owned(),
        description: String::new(),
    };
    let audience = meta.create(&context, &named).await.unwrap();
    assert_eq!(said["audience"], audience.id);
    let known = Person {
        external_id: "person-1".to_owned(),
        email: Some("LEAD1@example.com".to_owned()),
        ..Person::default()
    };
    meta.add(&context, &audience.id, &[known]).await.unwrap();
    assert_eq!(running.sandbox().holds()["audience_members"], 2);

    let event = ConversionEvent {
        id: "order-1001".to_owned(),
        name: ConversionName::Purchase,
        at: now - Duration::minutes(5),
        origin: Origin::System,
        person: Person {
            email: Some("John_Smith@gmail.com".to_owned()),
            phone: Some("+16505551212".to_owned()),
            first_name: Some("Valéry".to_owned()),
            last_name: Some("Größe".to_owned()),
            city: Some("New York".to_owned()),
            region: Some("NY".to_owned()),
            postal_code: Some("94025-1234".to_owned()),
            country: Some("US".to_owned()),
            ..Person::default()
        },
        visitor: Visitor::default(),
        value: Some(Money {
            amount: Decimal::new(12_050, 2),
            currency: "EUR".to_owned(),
        }),
        order: None,
        lines: Vec::new(),
        consent: AdConsent::Granted,
        platform_lead: None,
    };
    let outcomes = meta.send(&context, &[event]).await.unwrap();
    assert_eq!(outcomes, [ConversionOutcome::Accepted]);
    assert_eq!(
        running.sandbox().holds()["events"],
        1,
        "the same event, told by both"
    );
    let [theirs, ours] = &told(&running)[..] else {
        panic!("two events");
    };
    assert_eq!(theirs["user_data"].as_object().map(serde_json::Map::len), Some(8));
    assert_eq!(theirs["user_data"], ours["user_data"]);
    assert_eq!(theirs["event_time"], ours["event_time"]);
}

/// The events that were told, whoever told them.
fn told(running: &Running) -> Vec<Value> {
    let requests = running.requests();
    let told = requests
        .iter()
        .filter(|request| request.path.ends_with("/events"));
    told.map(|request| request.json()["data"][0].clone()).collect()
}
