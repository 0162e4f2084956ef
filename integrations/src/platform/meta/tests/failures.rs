use std::time::Duration;

use super::{Ground, context_within, read};
use crate::facet::{AdLevel, AdReporting as _, AudienceSink as _, DateRange, LeadSource as _};
use crate::sandbox::Failure;
use crate::{Clock as _, Integration as _, Kind, Retry};

#[tokio::test]
async fn a_limit_is_waited_for_as_long_as_it_says() {
    let ground = Ground::new().await;
    ground.running.faults.next(Failure::Throttled { seconds: 60 }, 2);
    let account = ground.meta.check(&ground.context).await.unwrap();
    assert_eq!(account.name, "Ada Owner");
    assert_eq!(
        ground.clock.waits(),
        [Duration::from_mins(1), Duration::from_mins(1)]
    );
}

#[tokio::test]
async fn a_long_limit_is_for_whoever_asks_and_holds_for_its_kind_alone() {
    let ground = Ground::new().await;
    ground
        .running
        .faults
        .on("/insights", Failure::Throttled { seconds: 1_800 }, 1);
    let day = ground.clock.now().date_naive();
    let range = DateRange { from: day, to: day };
    for _ in 0..2 {
        let error = read(ground.meta.results(&ground.context, range, AdLevel::Ad, None))
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind, error.retry),
            (Kind::Throttled, Retry::After(Duration::from_mins(30)))
        );
    }
    assert_eq!(ground.asked("/insights"), 1, "the second was not even sent");
    assert_eq!(ground.meta.forms(&ground.context).await.unwrap().len(), 30);
    assert!(ground.clock.waits().is_empty(), "leads are counted apart");
    ground.clock.advance(Duration::from_mins(30));
    let pages = read(ground.meta.results(&ground.context, range, AdLevel::Ad, None))
        .await
        .unwrap();
    assert_eq!(pages[0].items.len(), 36);
}

#[tokio::test]
async fn faults_of_the_platform_are_tried_again_with_growing_waits() {
    let ground = Ground::new().await;
    ground.running.faults.next(Failure::ServerError, 4);
    let error = ground.meta.check(&ground.context).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (Kind::Unavailable, Retry::Exhausted));
    let waits = ground.clock.waits();
    assert!(waits.len() == 3 && waits.is_sorted(), "{waits:?}");
}

#[tokio::test]
async fn a_token_that_is_not_accepted() {
    let ground = Ground::new().await;
    for path in ["/me/accounts", "/leadgen_forms", "/leads"] {
        ground.running.faults.on(path, Failure::Unauthorised, 1);
        let error = read(ground.meta.leads(&ground.context, None)).await.unwrap_err();
        assert_eq!(
            (error.kind, error.code.as_deref()),
            (Kind::Unauthorised, Some("190/463")),
            "{path}"
        );
    }
    ground
        .running
        .faults
        .on("/customaudiences", Failure::Unauthorised, 1);
    let named = crate::facet::NewAudience {
        name: "Buyers".to_owned(),
        description: String::new(),
    };
    assert_eq!(
        ground
            .meta
            .create(&ground.context, &named)
            .await
            .unwrap_err()
            .kind,
        Kind::Unauthorised
    );
}

#[tokio::test]
async fn cut_slow_and_unreadable() {
    let ground = Ground::new().await;
    for failure in [Failure::Cut, Failure::CutWithin] {
        ground.running.faults.next(failure, 1);
        assert_eq!(
            ground.meta.check(&ground.context).await.unwrap().name,
            "Ada Owner"
        );
        assert_eq!(ground.clock.waits().len(), 1, "{failure:?}");
    }
    let hasty = context_within(
        Duration::from_millis(500),
        &ground.meta,
        &ground.setup,
        &ground.clock,
    );
    ground
        .running
        .faults
        .next(Failure::Slow(Duration::from_mins(1)), 4);
    let error = ground.meta.check(&hasty).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (Kind::TimedOut, Retry::Exhausted));
    assert_eq!(ground.clock.waits().len(), 3);
    ground.running.faults.next(Failure::Malformed, 1);
    assert_eq!(
        ground.meta.check(&ground.context).await.unwrap_err().kind,
        Kind::Malformed
    );
}

#[tokio::test]
async fn a_stream_that_breaks_gives_what_it_had() {
    let ground = Ground::new().await;
    let day = ground.clock.now().date_naive();
    let range = DateRange {
        from: day - chrono::Duration::days(29),
        to: day,
    };
    let mut pages = ground
        .meta
        .results(&ground.context, range, AdLevel::Campaign, None);
    let first = futures_util::StreamExt::next(&mut pages)
        .await
        .expect("a page")
        .unwrap();
    assert_eq!(first.items.len(), 100);
    ground.running.faults.next(Failure::Malformed, 1);
    let rest = read(pages).await;
    assert_eq!(rest.unwrap_err().kind, Kind::Malformed);
}
