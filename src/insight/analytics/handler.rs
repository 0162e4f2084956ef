//! Keeping outlines and sums true as events come, and as time passes.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use entity::id::LeadId;
use entity::{Day, EventKind};
use serde_json::json;

use super::keeping::{self, LIKELY_MILLI, News, Now};
use super::model::outline::Active;
use super::rebuild::REBUILD;
use super::store;
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;
use crate::events::{Event, Handler, Position, handled};
use crate::identity::Caller;
use crate::insight::calendar::month_of;
use crate::insight::engagement::{Recorded, Reweighed, is_inbound};
use crate::insight::journeys;
use crate::insight::revenue::revalued_leads;
use crate::insight::scoring::{self, ScoresCache};
use crate::jobs::{self, Chore};

/// Takes what happens to leads into what reports count of them.
#[derive(Debug, Default)]
pub struct ReportsHandler {
    scores: ScoresCache,
}

/// The name of its cursor.
pub(super) const NAME: &str = "reports";
/// The handlers that have to know of an engagement before reports can tell what it makes of its lead.
pub(super) const FIRST: [&str; 2] = [scoring::HANDLER, journeys::HANDLER];
/// The events that may change what is counted.
pub(super) const KINDS: &[EventKind] = &[
    EventKind::LeadCreated,
    EventKind::LeadUpdated,
    EventKind::LeadDeleted,
    EventKind::LeadRestored,
    EventKind::LeadErased,
    EventKind::EngagementRecorded,
    EventKind::EngagementReweighed,
    EventKind::ConversionRecorded,
    EventKind::ConversionReversed,
    EventKind::ConversionsRevalued,
    EventKind::StageChanged,
    EventKind::ScoreChanged,
    EventKind::ScoreModelPublished,
];

fn active_on(day: Day) -> Active {
    let mut active = Active::default();
    active.on(day);
    active
}

/// What an event tells of its lead; `None` where nothing that is counted.
fn news(event: &Event) -> Result<Option<News>, Error> {
    Ok(match event.kind {
        EventKind::EngagementRecorded => {
            let recorded = Recorded::read(event)?;
            let is_own = is_inbound(recorded.kind) && recorded.confidence_milli >= LIKELY_MILLI;
            let day = is_own.then(|| active_on(recorded.occurred_at().day()));
            // What is done to a lead makes its journey longer, and changes the trend.
            Some(News::Known(day.unwrap_or_default()))
        }
        EventKind::EngagementReweighed => {
            let reweighed = Reweighed::read(event)?;
            is_inbound(reweighed.kind).then_some(News::Anew)
        }
        _ => Some(News::Known(Active::default())),
    })
}

#[async_trait]
impl Handler for ReportsHandler {
    fn name(&self) -> &'static str {
        NAME
    }

    fn kinds(&self) -> &'static [EventKind] {
        KINDS
    }

    async fn handle(&self, app: &App, tx: &Tx, events: &[Event]) -> Result<(), Error> {
        let mut state = store::held(tx).await?;
        let mut leads: BTreeMap<LeadId, News> = BTreeMap::new();
        let mut engaged: BTreeMap<LeadId, Position> = BTreeMap::new();
        let mut months: BTreeSet<(i32, LeadId)> = BTreeSet::new();
        for event in events {
            match event.kind {
                // Grades and temperatures begin elsewhere now.
                EventKind::ScoreModelPublished => state.wanted += 1,
                EventKind::ConversionsRevalued => {
                    for (lead, _) in revalued_leads(tx, event).await? {
                        leads
                            .entry(lead)
                            .or_insert_with(|| News::Known(Active::default()));
                    }
                }
                kind => {
                    if let (EventKind::EngagementRecorded, Some(lead)) = (kind, event.lead_id) {
                        months.insert((month_of(Recorded::read(event)?.occurred_at().day()), lead));
                    }
                    if let (Some(lead), Some(news)) = (event.lead_id, news(event)?) {
                        if matches!(
                            kind,
                            EventKind::EngagementRecorded | EventKind::EngagementReweighed
                        ) {
                            engaged.insert(lead, event.position);
                        }
                        match leads.entry(lead) {
                            std::collections::btree_map::Entry::Vacant(entry) => drop(entry.insert(news)),
                            std::collections::btree_map::Entry::Occupied(entry) => {
                                entry.into_mut().merge(news)
                            }
                        }
                    }
                }
            }
        }
        if events
            .iter()
            .any(|event| event.kind == EventKind::ScoreModelPublished)
        {
            store::store_state(tx, state).await?;
        }
        store::keep_busy(tx, &months).await?;
        if leads.is_empty() {
            return Ok(());
        }
        // An engagement moves the beginning of decay, and changes the journey: of neither does an event tell once it is so.
        let mut known = Position::MAX;
        for name in FIRST {
            known = known.min(handled(&**tx, name).await?);
        }
        let waiting: HashSet<LeadId> = engaged
            .into_iter()
            .filter(|(_, position)| *position > known)
            .map(|(lead, _)| lead)
            .collect();
        let scale = scoring::scale(app, &self.scores).await?;
        let now = Now {
            scale: &scale,
            at: app.clock().now(),
            waiting: &waiting,
            leaves_due: true,
        };
        keeping::keep(tx, &now, &leads).await.map(drop)
    }
}

/// Looks at the leads whose current score has come to another grade, temperature or ten by decay, and has all leads looked at
/// where that is wanted.
#[derive(Debug, Default)]
pub struct ReportUpkeep {
    scores: ScoresCache,
}

/// Leads of one transaction.
const BATCH: i64 = 500;

#[async_trait]
impl Chore for ReportUpkeep {
    fn name(&self) -> &'static str {
        "reports past their time"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(1)
    }

    async fn run(&self, app: &App) -> Result<(), Error> {
        let state = store::state(app.db().read()).await?;
        if state.wanted > state.built {
            let tx = app.db().begin().await?;
            let now = app.clock().now();
            let job = jobs::enqueue_unless_queued(&tx, &Caller::system(), now, REBUILD, &json!({})).await?;
            tx.commit().await?;
            if let Some(job) = job {
                jobs::wake(app, job.id).await;
            }
        }
        loop {
            let now = app.clock().now();
            if !store::is_due(app.db().read(), now, FIRST).await? {
                return Ok(());
            }
            let scale = scoring::scale(app, &self.scores).await?;
            let tx = app.db().begin().await?;
            store::held(&tx).await?;
            let due = store::due(&*tx, now, FIRST, BATCH).await?;
            let is_last = due.len() < usize::try_from(BATCH).expect("a small number");
            let leads = due.into_iter().map(|lead| (lead, News::Known(Active::default())));
            let now = Now {
                scale: &scale,
                at: now,
                waiting: &HashSet::new(),
                leaves_due: false,
            };
            keeping::keep(&tx, &now, &leads.collect()).await?;
            tx.commit().await?;
            if is_last {
                return Ok(());
            }
        }
    }
}
