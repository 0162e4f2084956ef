//! What the platform's documentation shows.

use super::*;
use crate::facet::{Commerce, ConsentState, Webhooks};
use crate::transport::Recording;
use crate::{Integration as _, Kind, Retry};

/// A connection to what was recorded.
fn recorded(files: &[&str]) -> (Context, Arc<Recording>, Arc<ManualClock>) {
    let recording = Arc::new(Recording::of(files));
    let clock = Arc::new(ManualClock::at(moment()));
    let transport = HttpTransport::over(Arc::clone(&recording) as _, Policy::default());
    let setup = Setup {
        settings: serde_json::json!({ "shop": "my-shop.myshopify.com" }),
        secrets: serde_json::json!({ "accessToken": "shpat_example_token" }),
        credentials: None,
    };
    (
        setup.context(&Shopify, &transport, Arc::clone(&clock) as _),
        recording,
        clock,
    )
}

#[tokio::test]
async fn a_bulk_operation_from_its_beginning_to_its_file() {
    let (context, recording, clock) = recorded(&[include_str!("../exchanges/bulk.json")]);
    let (pages, end) = all(Shopify.customers(&context, None)).await;
    end.unwrap();
    assert_eq!(recording.left(), 0);
    let items: Vec<_> = pages.iter().flat_map(|page| &page.items).collect();
    assert_eq!(items.len(), 2);
    assert_eq!(items[0].lead.consents[0].state, ConsentState::Granted);
    assert_eq!(items[1].lead.fields["email"], serde_json::Value::Null);
    assert_eq!(clock.waits(), [Duration::from_secs(1), Duration::from_secs(2)]);
}

#[tokio::test]
async fn an_operation_that_took_too_long_is_followed_by_pages() {
    let (context, recording, _) = recorded(&[include_str!("../exchanges/bulk_partial.json")]);
    let (pages, end) = all(Shopify.customers(&context, None)).await;
    end.unwrap();
    assert_eq!(recording.left(), 0);
    let ids: Vec<_> = pages
        .iter()
        .flat_map(|page| &page.items)
        .map(|item| item.lead.id.as_str())
        .collect();
    assert_eq!(
        ids,
        [
            "gid://shopify/Customer/1",
            "gid://shopify/Customer/1",
            "gid://shopify/Customer/2"
        ]
    );
}

#[tokio::test]
async fn errors_in_each_of_their_shapes() {
    let (context, recording, clock) = recorded(&[include_str!("../exchanges/errors.json")]);
    Shopify.check(&context).await.unwrap();
    assert_eq!(
        clock.waits(),
        [Duration::from_secs_f64(0.46)],
        "(101 - 55) points at 100 a second"
    );
    let mut seen = Vec::new();
    for _ in 0..5 {
        let error = Shopify.check(&context).await.unwrap_err();
        seen.push((error.kind, error.retry, error.code.unwrap_or_default()));
    }
    let expected = [
        (Kind::Forbidden, "ACCESS_DENIED"),
        (Kind::Unauthorised, "401"),
        (Kind::OutOfFunds, "402"),
        (Kind::Forbidden, "423"),
        (Kind::NotFound, "404"),
    ];
    assert_eq!(
        seen,
        expected.map(|(kind, code)| (kind, Retry::Never, code.to_owned()))
    );
    let tags = ["vip".to_owned()];
    let error = Shopify.change_tags(&context, "1", &tags, &[]).await.unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (Kind::Refused, "tags: Tags is too long")
    );
    assert_eq!(recording.left(), 0);
}

#[tokio::test]
async fn an_address_that_is_taken_is_ours() {
    let (context, recording, _) = recorded(&[include_str!("../exchanges/webhooks.json")]);
    let url = url::Url::parse("https://app.example.com/hooks/shopify").unwrap();
    Shopify
        .subscribe(&context, &url, &["orders/create", "app/uninstalled"])
        .await
        .unwrap();
    let found = Shopify.subscriptions(&context).await.unwrap();
    assert_eq!(found[1].topic, "fulfillments_create", "one that we do not know");
    assert_eq!(recording.left(), 0);
}
