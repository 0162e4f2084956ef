//! The timeline of a lead: what lies in many tables, as one list, newest first.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, Enum, Object, Result, SimpleObject, Union};
use entity::id::LeadId;
use entity::{Area, EventKind, Timestamp};
use uuid::Uuid;

use super::log::EventNode;
use super::types::{Access, Listed, Pages, connection, page_request, scoped};
use crate::app::App;
use crate::db::{Keyset, Page, PageRequest, SortValue};
use crate::error::Error;
use crate::events;
use crate::identity::Scope;
use crate::insight::engagement::{self, graphql::EngagementNode};
use crate::insight::lifecycle::{self, graphql::StageStayNode};
use crate::insight::revenue::{self, graphql::Conversion};
use crate::leads::notes::{self, graphql::Note};

/// The ordering of all timelines.
const ORDER: &str = "timeline AT DESC";

/// What kind of entry a timeline has.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TimelineKind {
    /// An interaction, at the moment it occurred.
    Engagement,
    /// A note, at the moment it was written.
    Note,
    /// A move to a stage, at the moment it was entered.
    Stage,
    /// A conversion, at the moment it occurred.
    Conversion,
    /// What happened to the lead itself, from the event log: created, changed, deleted, restored, tagged, consents.
    Event,
}

const KINDS: [TimelineKind; 5] = [
    TimelineKind::Engagement,
    TimelineKind::Note,
    TimelineKind::Stage,
    TimelineKind::Conversion,
    TimelineKind::Event,
];

impl TimelineKind {
    /// Whoever may not read it does not see it.
    const fn scope(self) -> Scope {
        match self {
            Self::Engagement | Self::Conversion => Scope::Read(Area::Engagement),
            Self::Note => Scope::Read(Area::Leads),
            Self::Stage => Scope::Read(Area::Lifecycle),
            Self::Event => Scope::Read(Area::Events),
        }
    }
}

/// Events that are not told by an entry of their own.
const EVENTS: &[EventKind] = &[
    EventKind::LeadCreated,
    EventKind::LeadUpdated,
    EventKind::LeadDeleted,
    EventKind::LeadRestored,
    EventKind::LeadTagged,
    EventKind::ConsentChanged,
];

/// What a timeline tells of.
#[derive(Clone)]
pub(super) enum Happened {
    Engagement(Arc<engagement::Engagement>),
    Note(notes::Note),
    Stage(lifecycle::StageStay),
    Conversion(revenue::Conversion),
    Event(Arc<events::Event>),
}

impl Happened {
    /// When, and what breaks ties.
    fn place(&self) -> (Timestamp, Uuid) {
        match self {
            Self::Engagement(row) => (row.occurred_at, row.id.0),
            Self::Note(row) => (row.created_at, row.id.0),
            Self::Stage(row) => (row.entered_at, row.id.0),
            Self::Conversion(row) => (row.occurred_at, row.id.0),
            Self::Event(row) => (row.at, events::place(row.position)),
        }
    }
}

/// What happened.
#[derive(Union)]
#[graphql(name = "TimelineItem")]
enum TimelineItem {
    Engagement(EngagementNode),
    Note(Note),
    Stage(StageStayNode),
    Conversion(Conversion),
    Event(EventNode),
}

/// An entry of a timeline.
#[derive(SimpleObject)]
struct TimelineEntry {
    /// When it happened.
    at: Timestamp,
    /// What kind of thing it is.
    kind: TimelineKind,
    /// What happened.
    item: TimelineItem,
}

impl From<Happened> for TimelineEntry {
    fn from(happened: Happened) -> Self {
        let (at, _) = happened.place();
        let (kind, item) = match happened {
            Happened::Engagement(row) => (
                TimelineKind::Engagement,
                TimelineItem::Engagement(EngagementNode(row)),
            ),
            Happened::Note(row) => (TimelineKind::Note, TimelineItem::Note(Note(row))),
            Happened::Stage(row) => (TimelineKind::Stage, TimelineItem::Stage(StageStayNode(row))),
            Happened::Conversion(row) => (
                TimelineKind::Conversion,
                TimelineItem::Conversion(Conversion(row)),
            ),
            Happened::Event(row) => (TimelineKind::Event, TimelineItem::Event(EventNode(row))),
        };
        Self { at, kind, item }
    }
}

/// A page of a lead's timeline.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct TimelinePage {
    lead: LeadId,
    kinds: Vec<TimelineKind>,
    pages: Pages,
}

/// Loads timelines for all requests together: one statement for each kind of entry, whatever the number of leads.
pub(super) struct TimelineLoader(pub(super) App);

impl Loader<TimelinePage> for TimelineLoader {
    type Value = Page<Happened>;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[TimelinePage],
    ) -> std::result::Result<HashMap<TimelinePage, Page<Happened>>, Arc<Error>> {
        // Leads of one list ask for the same page of their timelines.
        let mut alike: HashMap<_, Vec<&TimelinePage>> = HashMap::new();
        for key in keys {
            alike.entry((&key.kinds, &key.pages)).or_default().push(key);
        }
        let mut found = HashMap::with_capacity(keys.len());
        for ((kinds, pages), keys) in alike {
            let request = page_request(pages, ORDER).map_err(Arc::new)?;
            let leads: Vec<LeadId> = keys.iter().map(|key| key.lead).collect();
            let mut merged = self.merged(kinds, &leads, &request).await.map_err(Arc::new)?;
            for key in keys {
                let page = merged
                    .remove(&key.lead)
                    .unwrap_or_else(|| Page::new(&request, Vec::new()));
                found.insert(key.clone(), page);
            }
        }
        Ok(found)
    }
}

impl TimelineLoader {
    /// The same page of each kind of entry of each lead, put together.
    async fn merged(
        &self,
        kinds: &[TimelineKind],
        leads: &[LeadId],
        request: &PageRequest,
    ) -> std::result::Result<HashMap<LeadId, Page<Happened>>, Error> {
        let app = &self.0;
        let mut parts: HashMap<LeadId, Vec<Page<Happened>>> = HashMap::new();
        for kind in kinds {
            let found: Vec<(LeadId, Page<Happened>)> = match kind {
                TimelineKind::Engagement => told(
                    engagement::timeline(app, leads, request).await?,
                    Happened::Engagement,
                ),
                TimelineKind::Note => told(notes::written(app, leads, request).await?, Happened::Note),
                TimelineKind::Stage => told(lifecycle::history(app, leads, request).await?, Happened::Stage),
                TimelineKind::Conversion => told(
                    revenue::timeline(app, leads, request).await?,
                    Happened::Conversion,
                ),
                TimelineKind::Event => told(
                    events::of_leads(app.db().read(), leads, EVENTS, request).await?,
                    |event| Happened::Event(Arc::new(event)),
                ),
            };
            for (lead, page) in found {
                parts.entry(lead).or_default().push(page);
            }
        }
        Ok(parts
            .into_iter()
            .map(|(lead, pages)| (lead, merge(request, pages)))
            .collect())
    }
}

fn told<T>(
    found: HashMap<LeadId, Page<T>>,
    happened: impl Fn(T) -> Happened,
) -> Vec<(LeadId, Page<Happened>)> {
    found
        .into_iter()
        .map(|(lead, page)| (lead, page.map(&happened)))
        .collect()
}

/// One page of the same pages of several lists.
fn merge(request: &PageRequest, pages: Vec<Page<Happened>>) -> Page<Happened> {
    let more_after = pages.iter().any(|page| page.has_next);
    let more_before = pages.iter().any(|page| page.has_previous);
    let mut items: Vec<Happened> = pages.into_iter().flat_map(|page| page.items).collect();
    items.sort_by_key(|item| std::cmp::Reverse(item.place()));
    let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
    let over = items.len().saturating_sub(limit);
    if request.backward {
        items.drain(..over);
        Page {
            items,
            has_next: more_after,
            has_previous: more_before || over > 0,
        }
    } else {
        items.truncate(limit);
        Page {
            items,
            has_next: more_after || over > 0,
            has_previous: more_before,
        }
    }
}

/// What a lead shows of all that happened to it.
pub struct LeadTimelineFields(pub LeadId);

#[scoped]
#[Object]
impl LeadTimelineFields {
    /// All that happened to the lead, newest first. An entry that the caller may not read is not there: engagements and
    /// conversions ask for `engagement:read`, moves for `lifecycle:read`, events of the lead itself for `events:read`.
    #[scope("leads:read")]
    #[graphql(complexity = "5 + first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    async fn timeline(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only entries of these kinds; all when absent.")] kinds: Option<Vec<TimelineKind>>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Result<Listed<TimelineEntry>> {
        let caller = ctx.caller()?;
        let pages = Pages {
            first,
            after,
            last,
            before,
        };
        // Checked here, so that a wrong cursor of one lead is not the trouble of all.
        let request = page_request(&pages, ORDER)?;
        let asked = kinds.unwrap_or_else(|| KINDS.to_vec());
        let key = TimelinePage {
            lead: self.0,
            kinds: KINDS
                .into_iter()
                .filter(|kind| asked.contains(kind) && caller.scopes.allows(kind.scope()))
                .collect(),
            pages,
        };
        let loader = ctx.data_unchecked::<DataLoader<TimelineLoader>>();
        let page = loader
            .load_one(key)
            .await?
            .unwrap_or_else(|| Page::new(&request, Vec::new()));
        Ok(connection(page, |happened| {
            let (at, id) = happened.place();
            let keyset = Keyset {
                order: ORDER.into(),
                value: SortValue::Int(at.micros()),
                id,
            };
            (keyset, TimelineEntry::from(happened))
        }))
    }
}
