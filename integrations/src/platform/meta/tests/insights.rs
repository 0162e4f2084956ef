use std::collections::BTreeSet;

use chrono::Duration;
use rust_decimal::Decimal;

use super::{Ground, read};
use crate::Clock as _;
use crate::facet::{AdLevel, AdReporting as _, Cursor, DateRange};

fn range(ground: &Ground, days: i64) -> DateRange {
    let to = ground.clock.now().date_naive() - Duration::days(1);
    DateRange {
        from: to - Duration::days(days - 1),
        to,
    }
}

#[tokio::test]
async fn results_by_day_and_on_from_every_cursor() {
    let ground = Ground::new().await;
    let range = range(&ground, 30);
    let pages = read(
        ground
            .meta
            .results(&ground.context, range, AdLevel::Campaign, None),
    )
    .await
    .unwrap();
    let all: Vec<_> = pages.iter().flat_map(|page| page.items.clone()).collect();
    assert_eq!((pages.len(), all.len()), (4, 360));
    assert_eq!(
        all.iter()
            .map(|one| (one.day, one.id.as_str()))
            .collect::<BTreeSet<_>>()
            .len(),
        360
    );
    assert!(
        all.iter()
            .all(|one| one.spend.currency == "EUR" && one.spend.amount > Decimal::ZERO)
    );
    assert!(
        all.iter()
            .all(|one| one.day >= range.from && one.day <= range.to && one.impressions >= 500)
    );
    let leads = all
        .iter()
        .find(|one| !one.actions.is_empty())
        .expect("a day with leads");
    let (name, count, worth) = &leads.actions[1];
    assert_eq!(
        (name.as_str(), *worth),
        ("lead", Some(*count * Decimal::TEN + Decimal::new(5, 1)))
    );
    assert_eq!(leads.actions[0].2, None);
    let mut passed = 0;
    for page in &pages {
        passed += page.items.len();
        let since = Some(page.cursor.clone());
        let rest = read(
            ground
                .meta
                .results(&ground.context, range, AdLevel::Campaign, since),
        )
        .await
        .unwrap();
        let rest: Vec<_> = rest.into_iter().flat_map(|page| page.items).collect();
        assert_eq!(rest, all[passed..]);
    }
}

#[tokio::test]
async fn by_all_levels_and_when_there_is_nothing() {
    let ground = Ground::new().await;
    for (level, count) in [(AdLevel::Account, 2), (AdLevel::AdGroup, 48), (AdLevel::Ad, 72)] {
        let pages = read(
            ground
                .meta
                .results(&ground.context, range(&ground, 2), level, None),
        )
        .await
        .unwrap();
        assert_eq!(
            pages.iter().map(|page| page.items.len()).sum::<usize>(),
            count,
            "{level:?}"
        );
        assert!(
            pages[0]
                .items
                .iter()
                .all(|one| !one.id.is_empty() && !one.name.is_empty())
        );
    }
    let long_ago = DateRange {
        from: "2010-01-01".parse().unwrap(),
        to: "2010-01-31".parse().unwrap(),
    };
    let pages = read(ground.meta.results(&ground.context, long_ago, AdLevel::Ad, None))
        .await
        .unwrap();
    assert_eq!((pages.len(), pages[0].items.len()), (1, 0));
}

#[tokio::test]
async fn a_cursor_that_the_platform_has_forgotten_begins_anew() {
    let ground = Ground::new().await;
    let since = Some(Cursor("gone".to_owned()));
    let pages = read(
        ground
            .meta
            .results(&ground.context, range(&ground, 1), AdLevel::Campaign, since),
    )
    .await;
    assert_eq!(pages.unwrap()[0].items.len(), 12);
}
