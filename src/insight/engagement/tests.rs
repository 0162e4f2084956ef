//! Recording over a real database (SQLite; the end-to-end tests cover both).

use std::time::Duration;

use entity::id::LeadId;
use entity::{Channel, EngagementType as T, EventKind, IdentityKind, Timestamp};

use super::*;
use crate::app::App;
use crate::clock::Clock;
use crate::db::{Db, DbOptions, PageRequest};
use crate::events::{self, Event};
use crate::identity::Caller;
use crate::leads::lead::{self, Identity, LeadChange, Patch, UpsertMode};

const NOW: Timestamp = Timestamp(1_772_323_200_000_000); // 2026-03-01T00:00:00Z

struct Scene {
    app: App,
    lead: LeadId,
    _folder: tempfile::TempDir,
}

async fn scene() -> Scene {
    let folder = tempfile::tempdir().expect("a folder");
    let db = Db::open(&DbOptions {
        url: format!("sqlite:{}", folder.path().join("test.db").display()),
        replica_url: None,
        max_connections: 2,
        acquire_timeout: Duration::from_secs(5),
    })
    .await
    .expect("opens");
    db.migrate().await.expect("migrates");
    let app = App::new(db, Clock::fixed(NOW));
    let change = LeadChange {
        email: Patch::Set("ada@example.com".into()),
        ..LeadChange::default()
    };
    let lead = lead::write_one(&app, &Caller::operator(), change, UpsertMode::Create)
        .await
        .expect("a lead");
    Scene {
        app,
        lead,
        _folder: folder,
    }
}

impl Scene {
    fn draft(&self, kind: T, seconds: i64, key: Option<&str>) -> NewEngagement {
        let mut draft = EngagementDraft::new(kind, NOW.plus_seconds(seconds));
        draft.dedupe_key = key.map(Into::into);
        NewEngagement {
            lead: LeadKey::Id(self.lead),
            draft,
        }
    }

    fn of_message(&self, kind: T, seconds: i64, url: &str) -> NewEngagement {
        let mut new = self.draft(kind, seconds, None);
        new.draft.message_id = Some("m1".into());
        new.draft.url = Some(url.into());
        new
    }

    async fn record(&self, items: Vec<NewEngagement>) -> Vec<Answer> {
        record(&self.app, &Caller::operator(), items)
            .await
            .expect("records")
    }

    async fn log(&self, kind: EventKind) -> Vec<Event> {
        events::page(self.app.db().read(), 0, None, &[kind], None, 100)
            .await
            .expect("a page")
    }

    async fn all(&self) -> Vec<Engagement> {
        let filter = EngagementFilter::default();
        let first = PageRequest::first(100);
        let page = list(&self.app, &Caller::operator(), &filter, &first).await;
        page.expect("a page").items
    }
}

fn row(answer: &Answer) -> &Engagement {
    match answer {
        Answer::Recorded(row) | Answer::Duplicate(row) => row,
        Answer::Refused(problems) => panic!("refused: {problems:?}"),
    }
}

#[tokio::test]
async fn the_same_key_is_one_engagement_within_a_batch_and_between_batches() {
    let scene = scene().await;
    let answers = scene
        .record(vec![
            scene.draft(T::PageViewed, 1, Some("a")),
            scene.draft(T::PageViewed, 2, None),
            scene.draft(T::FormSubmitted, 3, Some("a")),
        ])
        .await;
    assert!(matches!(answers[0], Answer::Recorded(_)) && matches!(answers[1], Answer::Recorded(_)));
    assert!(matches!(answers[2], Answer::Duplicate(_)));
    assert_eq!(row(&answers[2]), row(&answers[0]));
    let again = scene
        .record(vec![
            scene.draft(T::LinkClicked, 9, Some("b")),
            scene.draft(T::LinkClicked, 9, Some("a")),
        ])
        .await;
    assert!(matches!(again[0], Answer::Recorded(_)));
    assert!(matches!(again[1], Answer::Duplicate(_)));
    assert_eq!(row(&again[1]), row(&answers[0]));
    assert_eq!(scene.all().await.len(), 3);
    assert_eq!(scene.log(EventKind::EngagementRecorded).await.len(), 3);
}

#[tokio::test]
async fn each_item_is_answered_and_leads_are_found_by_what_they_are_known_by() {
    let scene = scene().await;
    let known = |value: &str| LeadKey::Known(Identity::given(IdentityKind::Email, "", value));
    let mut by_email = scene.draft(T::EmailReplied, 1, None);
    by_email.lead = known(" ADA@example.com");
    let mut nobody = scene.draft(T::EmailReplied, 2, None);
    nobody.lead = known("bob@example.com");
    let mut worthless = scene.draft(T::PageViewed, 3, None);
    worthless.draft.value = Some(101);
    let answers = scene.record(vec![nobody, by_email, worthless]).await;
    assert_eq!(row(&answers[1]).lead_id, scene.lead);
    assert_eq!(row(&answers[1]).channel, Channel::Email);
    let messages: Vec<String> = [&answers[0], &answers[2]]
        .iter()
        .map(|answer| match answer {
            Answer::Refused(problems) => format!("{} {}", problems[0].field.join("."), problems[0].message),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        messages,
        [
            "identity there is no lead with the e-mail `bob@example.com`",
            "value 101 is out of range: 0 to 100"
        ]
    );
}

#[tokio::test]
async fn a_delivery_that_arrives_late_corrects_the_click_before_it() {
    let scene = scene().await;
    let clicked = scene
        .record(vec![scene.of_message(T::EmailClicked, 1, "a")])
        .await;
    assert_eq!(row(&clicked[0]).confidence_milli, HUMAN);
    scene
        .record(vec![
            scene.of_message(T::EmailDelivered, 0, "a"),
            scene.of_message(T::EmailOpened, 1, "a"),
        ])
        .await;
    let reweighed = scene.log(EventKind::EngagementReweighed).await;
    assert_eq!(reweighed.len(), 1);
    assert_eq!(reweighed[0].subject, row(&clicked[0]).id.to_string());
    assert_eq!(
        Reweighed::read(&reweighed[0]).expect("its payload"),
        Reweighed {
            kind: T::EmailClicked,
            channel: Channel::Email,
            occurred_micros: NOW.plus_seconds(1).micros(),
            from_milli: HUMAN,
            to_milli: MACHINE,
        }
    );
    let stored = scene.all().await;
    let confidence = |kind: T| {
        let mut found = stored.iter().filter(|row| row.engagement_type == kind);
        found.next().expect("stored").confidence_milli
    };
    assert_eq!(
        (confidence(T::EmailClicked), confidence(T::EmailOpened)),
        (MACHINE, HUMAN)
    );
    // Within one batch nothing has to be corrected: the row says so from the start.
    let mut other = scene.of_message(T::EmailClicked, 2, "b");
    other.draft.message_id = Some("m2".into());
    let mut delivered = scene.of_message(T::EmailDelivered, 2, "b");
    delivered.draft.message_id = Some("m2".into());
    let answers = scene.record(vec![other, delivered]).await;
    assert_eq!(row(&answers[0]).confidence_milli, MACHINE);
    assert_eq!(scene.log(EventKind::EngagementReweighed).await.len(), 1);
    let log = scene.log(EventKind::EngagementRecorded).await;
    let last: Vec<i32> = log[3..]
        .iter()
        .map(|event| Recorded::read(event).expect("its payload").confidence_milli)
        .collect();
    assert_eq!(last, [MACHINE, HUMAN]);
}

#[tokio::test]
async fn stats_add_up_and_the_newest_come_first() {
    let scene = scene().await;
    let mut bought = scene.draft(T::PurchaseMade, -86_400, None);
    bought.draft.revenue_minor = Some(4_900);
    bought.draft.currency = Some("EUR".into());
    scene
        .record(vec![
            scene.draft(T::PageViewed, 0, None),
            bought,
            scene.draft(T::PageViewed, 60, None),
            scene.draft(T::EmailSent, 30, None),
        ])
        .await;
    let filter = EngagementFilter::default();
    let found = stats(&scene.app, &Caller::operator(), &filter)
        .await
        .expect("stats");
    assert_eq!(
        found,
        Stats {
            total: 4,
            by_type: vec![(T::EmailSent, 1), (T::PageViewed, 2), (T::PurchaseMade, 1)],
            by_channel: vec![(Channel::Email, 1), (Channel::Web, 3)],
            by_day: vec![(NOW.plus_days(-1).day(), 1), (NOW.day(), 3)],
            revenue: vec![("EUR".into(), 4_900)],
        }
    );
    let newest = newest(&scene.app, &[scene.lead], 2).await.expect("found");
    let moments: Vec<Timestamp> = newest[&scene.lead].iter().map(|row| row.occurred_at).collect();
    assert_eq!(moments, [NOW.plus_seconds(60), NOW.plus_seconds(30)]);
}
