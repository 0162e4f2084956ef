//! Exchanges written after the platform's documentation.

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use serde_json::json;

use super::super::Meta;
use super::read;
use crate::facet::{AdLevel, AdReporting as _, AudienceSink as _, DateRange, LeadSource as _, NewAudience};
use crate::sandbox::Setup;
use crate::transport::{HttpTransport, Policy, Recording};
use crate::{Clock, Context, Credentials, Integration as _, Kind, ManualClock, Retry, Secret};

struct Played {
    meta: Meta,
    recording: Arc<Recording>,
    clock: Arc<ManualClock>,
    context: Context,
}

fn play(files: &[&str]) -> Played {
    let meta = Meta::default();
    let recording = Arc::new(Recording::of(files));
    let clock = Arc::new(ManualClock::at(
        DateTime::from_timestamp(1_790_000_000, 0).expect("a moment"),
    ));
    let setup = Setup {
        settings: json!({ "appId": "42", "adAccountId": "17" }),
        secrets: json!({ "appSecret": "app-secret", "verifyToken": "verify-token" }),
        credentials: Some(Credentials {
            access_token: Secret::new("EAAGowner"),
            refresh_token: None,
            expires_at: None,
            refresh_expires_at: None,
            scopes: Vec::new(),
        }),
    };
    let transport = HttpTransport::over(Arc::clone(&recording) as Arc<_>, Policy::default());
    let context = setup.context(&meta, &transport, Arc::clone(&clock) as Arc<dyn Clock>);
    Played {
        meta,
        recording,
        clock,
        context,
    }
}

#[tokio::test]
async fn a_lead_without_rights_to_advertisements() {
    let played = play(&[include_str!("../exchanges/lead.json")]);
    let lead = played
        .meta
        .lead(&played.context, "1234567890123456")
        .await
        .unwrap()
        .expect("a lead");
    assert_eq!(lead.fields["full_name"], "Ada L");
    assert_eq!(
        lead.trail.form,
        Some(("624049654589".to_owned(), "Offer".to_owned()))
    );
    assert_eq!(
        (lead.trail.campaign, lead.trail.medium.as_deref()),
        (None, Some("fb"))
    );
    assert_eq!(played.recording.left(), 0);
    assert_eq!(
        played.clock.waits(),
        [Duration::from_secs(6)],
        "at 90 per cent it is slowed down"
    );
}

#[tokio::test]
async fn results_and_errors_within_a_success() {
    let played = play(&[include_str!("../exchanges/insights.json")]);
    let range = DateRange {
        from: "2026-09-01".parse().unwrap(),
        to: "2026-09-30".parse().unwrap(),
    };
    let error = read(
        played
            .meta
            .results(&played.context, range, AdLevel::Campaign, None),
    )
    .await
    .unwrap_err();
    assert_eq!((error.kind, error.retry), (Kind::Forbidden, Retry::Never));
    assert_eq!(error.request_id.as_deref(), Some("AbC"));
    let pages = read(
        played
            .meta
            .results(&played.context, range, AdLevel::Campaign, None),
    )
    .await
    .unwrap();
    let [page] = &pages[..] else {
        panic!("{pages:?}");
    };
    let row = &page.items[0];
    assert_eq!(
        (row.spend.amount.to_string().as_str(), row.spend.currency.as_str()),
        ("12.34", "EUR")
    );
    assert_eq!(
        (row.impressions, row.clicks, row.name.as_str()),
        (100, 7, "Autumn")
    );
    assert_eq!(row.actions, [("lead".to_owned(), 3.into(), None)]);
    assert_eq!(played.recording.left(), 0);
}

#[tokio::test]
async fn audience_terms_that_are_not_accepted() {
    let played = play(&[include_str!("../exchanges/audience.json")]);
    let named = NewAudience {
        name: "VIP buyers".to_owned(),
        description: "CRM".to_owned(),
    };
    let error = played.meta.create(&played.context, &named).await.unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_deref()),
        (Kind::Forbidden, Some("200/1870090"))
    );
    assert!(error.message.contains("accept the terms"), "{error}");
    let made = played.meta.create(&played.context, &named).await.unwrap();
    assert_eq!((made.id.as_str(), played.recording.left()), ("2385", 0));
}

#[tokio::test]
async fn a_removed_app_is_for_the_owner_to_mend() {
    let played = play(&[include_str!("../exchanges/removed.json")]);
    let error = played.meta.check(&played.context).await.unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_deref()),
        (Kind::Revoked, Some("190/458"))
    );
    assert!(!error.message.contains("EAAGowner"), "{error}");
}
