use std::sync::Arc;

use async_trait::async_trait;
use entity::Timestamp;
use entity::id::{LeadId, NoteId};
use entity::note;
use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryTrait};
use tempfile::TempDir;

use super::filters::kept;
use super::{ScaleSource, Visible, by_rows, read_scores_by, row_filter};
use crate::app::App;
use crate::clock::Clock;
use crate::db::{Db, DbOptions};
use crate::error::Error;
use crate::identity::{Caller, RowFilter, Rows};
use crate::leads::filter::ScoreScale;
use crate::leads::lead::{LeadChange, Patch, UpsertMode, write_one};

async fn house() -> (TempDir, App) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("test.db").display());
    let db = Db::open(&DbOptions::new(url)).await.unwrap();
    db.migrate().await.unwrap();
    let clock = Clock::fixed(Timestamp::parse_rfc3339("2026-03-01T12:00:00Z").unwrap());
    (folder, App::new(db, clock))
}

async fn lead(app: &App, email: &str, source: &str) -> LeadId {
    let change = LeadChange {
        email: Patch::Set(email.into()),
        source: Patch::Set(source.into()),
        ..LeadChange::default()
    };
    let made = write_one(app, &Caller::operator(), change, UpsertMode::Create).await;
    made.expect("a lead")
}

async fn seen(app: &App, filter: &str, leads: &[LeadId]) -> Vec<LeadId> {
    let rows = Rows::Where(RowFilter::new(filter));
    let visible = Visible::of(app, &rows).await.unwrap();
    let mut seen: Vec<_> = visible.those(app, leads).await.unwrap().into_iter().collect();
    seen.sort_unstable();
    seen
}

#[tokio::test]
async fn who_sees_all_is_asked_nothing() {
    let (_folder, app) = house().await;
    let visible = Visible::of(&app, &Rows::All).await.unwrap();
    let before = app.db().statement_count();
    let leads = [LeadId::at(Timestamp(1))];
    assert_eq!(visible.those(&app, &leads).await.unwrap().len(), 1);
    let mut values = Vec::new();
    assert_eq!(visible.and_among("lead_id", &mut values), "");
    assert_eq!(visible.and_seen("lead_id", &mut values), "");
    let column = (entity::note::Entity, entity::note::Column::LeadId);
    assert!(values.is_empty() && visible.among(column).is_none() && visible.is_seen(column).is_none());
    assert!(visible.condition().is_none() && visible.among_ever(column).is_none());
    assert_eq!(app.db().statement_count(), before);
}

#[tokio::test]
async fn a_filter_is_read_once_and_few_are_kept() {
    let (_folder, app) = house().await;
    for n in 0..2_000 {
        let filter = RowFilter::new(&format!(r#"{{"source":{{"eq":"{n}"}}}}"#));
        Visible::of(&app, &Rows::Where(filter.clone())).await.unwrap();
        Visible::of(&app, &Rows::Where(filter)).await.unwrap();
    }
    let (read, broken) = kept(&app);
    assert!(read <= 1_000 && broken == 0, "{read} {broken}");
}

#[tokio::test]
async fn what_cannot_be_read_shows_nothing_and_is_told_once() {
    let (_folder, app) = house().await;
    let leads = [
        lead(&app, "a@example.com", "x").await,
        lead(&app, "b@example.com", "y").await,
    ];
    assert_eq!(seen(&app, r#"{"source":{"eq":"x"}}"#, &leads).await, leads[..1]);
    let broken = [
        "",
        "[]",
        "{}",
        r#"{"source":[]}"#,
        r#"{ "source":{"eq":"x"} }"#,
        r#"{"sauce":{"eq":"x"}}"#,
        r#"{"not":{"custom":[{"key":"gone","isSet":true}]}}"#,
    ];
    for _ in 0..3 {
        for filter in broken {
            assert!(seen(&app, filter, &leads).await.is_empty(), "{filter}");
        }
    }
    assert_eq!(kept(&app).1, broken.len());
}

struct Fixed;

#[async_trait]
impl ScaleSource for Fixed {
    async fn scale(&self, _: &App) -> Result<ScoreScale, Error> {
        Ok(ScoreScale::default())
    }
}

#[tokio::test]
async fn scores_are_read_by_who_knows_how_or_not_at_all() {
    let (_folder, app) = house().await;
    let leads = [lead(&app, "a@example.com", "x").await];
    let unscored = r#"{"not":{"score":{"gte":0.0}}}"#;
    assert!(seen(&app, unscored, &leads).await.is_empty(), "nobody knows how");
    read_scores_by(&app, Arc::new(Fixed));
    assert_eq!(seen(&app, unscored, &leads).await, leads);
}

#[tokio::test]
async fn a_filter_has_one_form() {
    let (_folder, app) = house().await;
    let one = row_filter(&app, r#"{ "stage": { "in": ["NEW"] }, "source": { "eq": "x" } }"#)
        .await
        .unwrap();
    let same = row_filter(&app, r#"{"source":{"eq":"x"},"stage":{"in":["NEW"]}}"#)
        .await
        .unwrap();
    assert_eq!(one, same);
    assert_eq!(one.as_str(), r#"{"source":{"eq":"x"},"stage":{"in":["NEW"]}}"#);
}

#[test]
fn keys_are_parted_by_what_is_seen() {
    let part = Rows::Where(RowFilter::new("{}"));
    let keys = [(Rows::All, 1), (part.clone(), 1), (Rows::All, 2)];
    let parts = by_rows(&keys);
    assert_eq!(parts.len(), 2);
    assert_eq!(
        (&parts[&Rows::All][..], &parts[&part][..]),
        (&[1, 2][..], &[1][..])
    );
}

#[tokio::test]
async fn few_rows_are_asked_for_by_their_keys() {
    let (_folder, app) = house().await;
    let filter = RowFilter::new(r#"{"source":{"eq":"x"}}"#);
    for rows in [Rows::All, Rows::Where(filter)] {
        let visible = Visible::of(&app, &rows).await.unwrap();
        let seen = visible.is_there((note::Entity, note::Column::LeadId));
        let select = note::Entity::find_by_id(NoteId::at(Timestamp(1))).filter(seen);
        let text = select.build(DbBackend::Sqlite).to_string();
        let plan = crate::db::sql(DbBackend::Sqlite, &format!("EXPLAIN QUERY PLAN {text}"), []);
        let steps = app.db().read().query_all_raw(plan).await.unwrap();
        let steps: Vec<String> = steps
            .iter()
            .map(|row| row.try_get("", "detail").unwrap())
            .collect();
        assert!(
            steps.iter().any(|step| step.starts_with("SEARCH lead ")),
            "{steps:?}"
        );
        assert!(!steps.iter().any(|step| step.contains("SCAN")), "{steps:?}");
    }
}
