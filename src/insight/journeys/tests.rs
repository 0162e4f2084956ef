//! Journeys over a real database (SQLite; the end-to-end tests cover both): figures do not depend on the order of
//! arrival, on batches, on repetitions, or on how far the handler has come.

use std::collections::BTreeMap;

use entity::id::LeadId;
use entity::{Day, EngagementType as T, Timestamp, Trend};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::app::App;
use crate::clock::Clock;
use crate::db::{Db, DbOptions};
use crate::events::{self, Handler};
use crate::identity::Caller;
use crate::insight::engagement::{self, EngagementDraft, LeadKey, NewEngagement};
use crate::leads::lead::{self, LeadChange, Patch, UpsertMode};

const NOW: Timestamp = Timestamp(1_772_323_200_000_000); // 2026-03-01T00:00:00Z

async fn app_with_leads(folder: &std::path::Path) -> (App, Vec<LeadId>) {
    let url = format!("sqlite:{}", folder.join("test.db").display());
    let db = Db::open(&DbOptions::new(url)).await.expect("opens");
    db.migrate().await.expect("migrates");
    let app = App::new(db, Clock::fixed(NOW));
    let mut leads = Vec::new();
    for name in ["ada", "bob"] {
        let change = LeadChange {
            email: Patch::Set(format!("{name}@example.com")),
            ..LeadChange::default()
        };
        let id = lead::write_one(&app, &Caller::operator(), change, UpsertMode::Create).await;
        leads.push(id.expect("a lead"));
    }
    (app, leads)
}

/// What the handler would do with what it has not seen, at most so many events of it.
async fn handle(app: &App, from: &mut events::Position, limit: u64) {
    let db = app.db();
    let found = events::page(db.read(), *from, None, JourneysHandler.kinds(), None, limit)
        .await
        .expect("a page");
    let Some(last) = found.last() else { return };
    *from = last.position;
    let tx = db.begin().await.expect("begins");
    JourneysHandler.handle(app, &tx, &found).await.expect("handles");
    tx.commit().await.expect("commits");
}

/// One engagement: lead, type, hour before now, revenue, message.
type Made = (usize, T, i64, Option<i64>, bool);

fn draft(leads: &[LeadId], number: usize, made: &Made) -> NewEngagement {
    let (lead, kind, hours, revenue, in_message) = made;
    let mut draft = EngagementDraft::new(*kind, NOW.plus_seconds(-3_600 * hours));
    draft.dedupe_key = Some(format!("key-{number}"));
    draft.revenue_minor = *revenue;
    draft.currency = revenue.map(|_| "EUR".into());
    draft.message_id = in_message.then(|| "m1".into());
    NewEngagement {
        lead: LeadKey::Id(leads[*lead]),
        draft,
    }
}

/// All figures that are kept.
#[derive(Debug, PartialEq)]
struct Figures {
    journeys: Vec<Journey>,
    days: Vec<BTreeMap<Day, DayActivity>>,
    deployment: BTreeMap<Day, DeploymentActivity>,
}

async fn figures(app: &App, leads: &[LeadId]) -> Figures {
    let caller = Caller::operator();
    let found = journeys(app, leads).await.expect("journeys");
    let (from, to) = (NOW.plus_days(-100).day(), NOW.day());
    let mut days = Vec::new();
    for lead_id in leads {
        let of = ActivityOf {
            lead_id: *lead_id,
            by: Period::Day,
            from,
            to,
        };
        days.push(activity(app, &caller, of).await.expect("activity"));
    }
    Figures {
        journeys: leads.iter().map(|lead| (*found[lead]).clone()).collect(),
        days,
        deployment: deployment(app, &caller, Period::Month, from, to)
            .await
            .expect("a summary"),
    }
}

/// Records in batches, each item perhaps twice, the handler coming after or staying behind; answers the figures, read
/// once with what is pending and once when all is handled.
async fn told(made: &[Made], order: &[usize], batch: usize, handled: u64) -> (Figures, Figures) {
    let folder = tempfile::tempdir().expect("a folder");
    let (app, leads) = app_with_leads(folder.path()).await;
    let mut cursor = 0;
    for numbers in order.chunks(batch) {
        let items = numbers
            .iter()
            .map(|number| draft(&leads, *number, &made[*number]))
            .collect();
        engagement::record(&app, &Caller::operator(), items)
            .await
            .expect("records");
        handle(&app, &mut cursor, handled).await;
    }
    let behind = figures(&app, &leads).await;
    for _ in 0..order.len() {
        handle(&app, &mut cursor, 7).await;
    }
    (behind, figures(&app, &leads).await)
}

#[test]
fn figures_do_not_depend_on_order_batches_repetitions_or_the_handlers_pace() {
    let made = (
        0_usize..2,
        prop::sample::select(vec![
            T::EmailSent,
            T::EmailDelivered,
            T::EmailClicked,
            T::EmailOpened,
            T::PageViewed,
            T::PurchaseMade,
        ]),
        0_i64..24 * 90,
        prop::option::of(-50_i64..500),
        any::<bool>(),
    );
    let cases = prop::collection::vec(made, 1..14).prop_flat_map(|made| {
        let numbers: Vec<usize> = (0..made.len()).chain(0..made.len() / 2).collect();
        (Just(made), Just(numbers).prop_shuffle(), 1_usize..6, 0_u64..5)
    });
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut runner = TestRunner::new(Config {
        cases: 12,
        failure_persistence: None,
        ..Config::default()
    });
    runner
        .run(&cases, |(made, shuffled, batch, handled)| {
            let straight: Vec<usize> = (0..made.len()).collect();
            let (_, plain) = runtime.block_on(told(&made, &straight, 1_000, 1_000));
            let (behind, after) = runtime.block_on(told(&made, &shuffled, batch, handled.max(1)));
            prop_assert_eq!(&after, &plain);
            prop_assert_eq!(&behind.journeys, &plain.journeys);
            prop_assert_eq!(&behind.days, &plain.days);
            Ok(())
        })
        .expect("holds for all cases");
}

#[tokio::test]
async fn a_journey_by_hand_and_the_overview() {
    let folder = tempfile::tempdir().expect("a folder");
    let (app, leads) = app_with_leads(folder.path()).await;
    let made: [Made; 4] = [
        (0, T::EmailSent, 24 * 40, None, false),
        (0, T::PageViewed, 24 * 2, None, false),
        (0, T::PageViewed, 24 * 2 + 1, None, false),
        (0, T::PurchaseMade, 1, Some(4_900), false),
    ];
    let items = (0..made.len()).map(|n| draft(&leads, n, &made[n])).collect();
    engagement::record(&app, &Caller::operator(), items)
        .await
        .expect("records");
    let found = journeys(&app, &leads).await.expect("journeys");
    let ada = &found[&leads[0]];
    assert_eq!((ada.last, ada.before, ada.trend()), (3, 1, Trend::Increasing));
    assert_eq!((ada.facts.engagements(), ada.facts.touch_points), (4, 3));
    assert_eq!(ada.facts.active_days, 3);
    assert_eq!(ada.facts.revenue.get("EUR"), 4_900);
    assert_eq!(found[&leads[1]].facts, JourneyFacts::default());
    assert_eq!(found[&leads[1]].trend(), Trend::Declining);
    let overview = overview(&app, &Caller::operator()).await.expect("an overview");
    assert_eq!(
        (overview.leads, overview.looked_at, overview.high_risk),
        (2, 2, 0)
    );
    assert_eq!(
        overview.trends,
        [(Trend::Increasing, 1), (Trend::Stable, 0), (Trend::Declining, 1)]
    );
    assert!((overview.mean_touch_points - 1.5).abs() < 1e-9);
    let mut cursor = 0;
    handle(&app, &mut cursor, 100).await;
    let stats = engagement_stats(&app, NOW.plus_days(-60).day(), NOW.day(), &[T::PageViewed], &[])
        .await
        .expect("stats");
    assert_eq!((stats.total, stats.by_day.len()), (2, 2));
}
