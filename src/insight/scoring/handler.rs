//! Keeping scores true: events as they come, and what time alone changes.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use entity::id::LeadId;
use entity::{EngagementType, EventKind, ScoreCause, Timestamp};

use super::facts::{take_consents, take_row};
use super::model::ScoreFacts;
use super::service::{ModelCache, Writing};
use super::{models, store};
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;
use crate::events::{Event, Handler};
use crate::insight::engagement::{Recorded, Reweighed};
use crate::jobs::Chore;

/// Takes events into the facts of leads and scores them at once.
#[derive(Debug, Default)]
pub struct ScoringHandler {
    cache: ModelCache,
}

/// What a batch of events says of one lead.
#[derive(Default)]
struct News {
    cause: Option<ScoreCause>,
    erased: bool,
    row: bool,
    consents: bool,
    seen: Vec<(EngagementType, Timestamp, i32)>,
    reweighed: Vec<(EngagementType, i32, i32)>,
}

fn read(events: &[Event]) -> Result<BTreeMap<LeadId, News>, Error> {
    let mut all: BTreeMap<LeadId, News> = BTreeMap::new();
    for event in events {
        let Some(lead_id) = event.lead_id else { continue };
        let news = all.entry(lead_id).or_default();
        let cause = match event.kind {
            EventKind::LeadErased => {
                news.erased = true;
                continue;
            }
            EventKind::LeadCreated => {
                news.row = true;
                news.consents = true;
                ScoreCause::Created
            }
            EventKind::LeadUpdated | EventKind::LeadRestored => {
                news.row = true;
                ScoreCause::Fields
            }
            EventKind::StageChanged => {
                news.row = true;
                ScoreCause::Stage
            }
            EventKind::ConsentChanged => {
                news.consents = true;
                ScoreCause::Consent
            }
            EventKind::EngagementRecorded => {
                let seen = Recorded::read(event)?;
                news.seen
                    .push((seen.kind, seen.occurred_at(), seen.confidence_milli));
                ScoreCause::Engagement
            }
            EventKind::EngagementReweighed => {
                let view = Reweighed::read(event)?;
                news.reweighed.push((view.kind, view.from_milli, view.to_milli));
                ScoreCause::Engagement
            }
            _ => continue,
        };
        // A lead that became known in this batch became known, whatever else happened to it.
        if news.cause != Some(ScoreCause::Created) {
            news.cause = Some(cause);
        }
    }
    Ok(all)
}

/// The name of the cursor of [`ScoringHandler`].
pub const HANDLER: &str = "scoring";

#[async_trait]
impl Handler for ScoringHandler {
    fn name(&self) -> &'static str {
        HANDLER
    }

    fn kinds(&self) -> &'static [EventKind] {
        &[
            EventKind::LeadCreated,
            EventKind::LeadUpdated,
            EventKind::LeadRestored,
            EventKind::LeadErased,
            EventKind::ConsentChanged,
            EventKind::EngagementRecorded,
            EventKind::EngagementReweighed,
            EventKind::StageChanged,
        ]
    }

    async fn handle(&self, app: &App, tx: &Tx, events: &[Event]) -> Result<(), Error> {
        let now = app.clock().now();
        let mut news = read(events)?;
        let erased: Vec<LeadId> = news
            .iter()
            .filter(|(_, news)| news.erased)
            .map(|(id, _)| *id)
            .collect();
        if !erased.is_empty() {
            store::erase(tx, &erased).await?;
        }
        news.retain(|_, news| !news.erased && news.cause.is_some());
        if news.is_empty() {
            return Ok(());
        }
        let in_force = models::in_force_in(tx, &self.cache, now).await?;
        let ids: Vec<LeadId> = news.keys().copied().collect();
        let stored = store::locked(tx, &ids).await?;
        let asking = |ask: fn(&News) -> bool| -> Vec<LeadId> {
            let asking = news
                .iter()
                .filter(|(id, news)| ask(news) || !stored.contains_key(id));
            asking.map(|(id, _)| *id).collect()
        };
        let rows = store::leads(&**tx, tx.backend(), &asking(|news| news.row)).await?;
        let rows: BTreeMap<LeadId, _> = rows.into_iter().map(|row| (row.id, row)).collect();
        let granted = store::consents(&**tx, &asking(|news| news.consents)).await?;
        let mut writing = Writing::new(in_force.clone(), now);
        for (id, news) in &news {
            let before = stored.get(id);
            let row = rows.get(id);
            let mut facts = match (before, row) {
                (Some(before), _) => ScoreFacts::from_json(&before.facts)?,
                (None, Some(row)) => ScoreFacts::new(row.created_at),
                // Erased since: nothing is kept of it.
                (None, None) => continue,
            };
            if let Some(row) = row {
                take_row(&mut facts, row, &in_force.model);
            }
            if news.consents || before.is_none() {
                take_consents(&mut facts, *id, &granted);
            }
            for (kind, at, confidence) in &news.seen {
                facts.observe(*kind, *at, *confidence);
            }
            for (kind, from, to) in &news.reweighed {
                facts.reweigh(*kind, *from, *to);
            }
            let cause = news.cause.expect("leads without news were left out");
            writing.score(*id, before, &mut facts, None, cause);
        }
        writing.write(tx).await?;
        Ok(())
    }
}

/// Looks at the scores that time alone has changed: an event left its window, decay crossed a temperature.
#[derive(Debug, Default)]
pub struct ScoreUpkeep {
    cache: ModelCache,
}

/// Scores looked at in one transaction.
const BATCH: i64 = 2_000;

#[async_trait]
impl Chore for ScoreUpkeep {
    fn name(&self) -> &'static str {
        "scores past their time"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(1)
    }

    async fn run(&self, app: &App) -> Result<(), Error> {
        let db = app.db();
        loop {
            let now = app.clock().now();
            if !store::any_due(db.read(), db.backend(), now).await? {
                return Ok(());
            }
            let tx = db.begin().await?;
            let in_force = models::in_force_in(&tx, &self.cache, now).await?;
            let due = store::due(&tx, now, BATCH).await?;
            if due.is_empty() {
                // Another worker is at them.
                return Ok(());
            }
            let mut writing = Writing::new(in_force, now);
            for before in &due {
                let mut facts = ScoreFacts::from_json(&before.facts)?;
                writing.score(
                    before.lead_id,
                    Some(before),
                    &mut facts,
                    Some(&before.facts),
                    ScoreCause::Window,
                );
            }
            writing.write(&tx).await?;
            tx.commit().await?;
        }
    }
}
