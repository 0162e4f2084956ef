//! Use cases of engagements.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use entity::id::{EngagementId, LeadId};
use entity::{Area, Channel, EngagementType, EventKind, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::model::{EngagementDraft, MessageEvent, ProblemCode, human_confidence, lone_confidence};
use super::payload::{Recorded, Reweighed};
use super::{Engagement, store};
use crate::app::App;
use crate::db::{CallKey, Once, Page, PageRequest, Tx, is_transient};
use crate::error::{Error, Problem};
use crate::events::{self, NewEvent};
use crate::identity::{Caller, Rows, Scope};
use crate::leads::lead::{self, Identity};
use crate::leads::visible::{self, Visible};

/// Most engagements of one call.
pub const MOST_AT_ONCE: usize = 1_000;

/// What can be wrong with an engagement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, async_graphql::Enum)]
#[graphql(name = "EngagementErrorCode")]
pub enum EngagementProblem {
    /// Needed and absent.
    Missing,
    /// Given where it does not belong.
    NotAllowed,
    /// A number or moment outside of its range.
    OutOfRange,
    /// A text or object that is too long.
    TooLong,
    /// Not of the form that is wanted.
    Malformed,
    /// There is no such lead.
    LeadNotFound,
    /// More items than one call takes.
    TooMany,
    /// Its dedupe key belongs to something outside of what the row filter of the token shows.
    OutsideRowFilter,
}

impl From<ProblemCode> for EngagementProblem {
    fn from(code: ProblemCode) -> Self {
        match code {
            ProblemCode::Missing => Self::Missing,
            ProblemCode::NotAllowed => Self::NotAllowed,
            ProblemCode::OutOfRange => Self::OutOfRange,
            ProblemCode::TooLong => Self::TooLong,
            ProblemCode::Malformed => Self::Malformed,
        }
    }
}

/// By what the lead of an engagement is given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LeadKey {
    /// Its id.
    Id(LeadId),
    /// What it is known by.
    Known(Identity),
}

/// An engagement that is about to be recorded.
#[derive(Clone, Debug)]
pub struct NewEngagement {
    /// The lead.
    pub lead: LeadKey,
    /// The rest.
    pub draft: EngagementDraft,
}

/// The answer to one engagement handed in.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It is stored.
    Recorded(Arc<Engagement>),
    /// One with its dedupe key was there already: that one.
    Duplicate(Arc<Engagement>),
    /// It is not stored; why.
    Refused(Vec<Problem<EngagementProblem>>),
}

/// Records up to [`MOST_AT_ONCE`] engagements in one transaction; one answer each, in their order.
///
/// # Errors
/// A missing scope `engagement:write`; more items than that; the database's.
pub async fn record(app: &App, caller: &Caller, items: Vec<NewEngagement>) -> Result<Vec<Answer>, Error> {
    record_keyed(app, caller, items, None).await
}

/// The same with an idempotency key: the same call again answers the same.
///
/// # Errors
/// As [`record`]; a key used with another input.
pub async fn record_keyed(
    app: &App,
    caller: &Caller,
    items: Vec<NewEngagement>,
    key: Option<&CallKey>,
) -> Result<Vec<Answer>, Error> {
    caller.require(Scope::Write(Area::Engagement))?;
    if items.len() > MOST_AT_ONCE {
        return Err(Error::BadInput(format!(
            "{} engagements are too many: at most {MOST_AT_ONCE} at once",
            items.len()
        )));
    }
    match record_once(app, caller, items.clone(), key).await {
        Err(error) if is_transient(&error) => record_once(app, caller, items, key).await,
        outcome => outcome,
    }
}

async fn record_once(
    app: &App,
    caller: &Caller,
    items: Vec<NewEngagement>,
    key: Option<&CallKey>,
) -> Result<Vec<Answer>, Error> {
    let now = app.clock().now();
    let once = Once::new(key, &caller.actor.id, "record engagements")?;
    let seen = Visible::of(app, &caller.rows).await?;
    let tx = app.db().begin().await?;
    if let Some(before) = once.before(&tx, now).await? {
        return again(&tx, &seen, before).await;
    }
    let answers = record_many(&tx, caller, &seen, now, items).await?;
    if key.is_some() {
        if answers.iter().all(|answer| matches!(answer, Answer::Refused(_))) {
            // Nothing was done: the key may be used again with a better input.
            tx.rollback().await?;
            return Ok(answers);
        }
        once.keep(&tx, &answers.iter().map(Kept::of).collect::<Vec<_>>())
            .await?;
    }
    tx.commit().await?;
    Ok(answers)
}

/// An answer as it is kept for repetitions.
#[derive(Serialize, Deserialize)]
enum Kept {
    Recorded(EngagementId),
    Duplicate(EngagementId),
    Refused(Vec<Problem<EngagementProblem>>),
}

impl Kept {
    fn of(answer: &Answer) -> Self {
        match answer {
            Answer::Recorded(row) => Self::Recorded(row.id),
            Answer::Duplicate(row) => Self::Duplicate(row.id),
            Answer::Refused(problems) => Self::Refused(problems.clone()),
        }
    }
}

/// What was answered before, with the engagements as they are now.
async fn again(tx: &Tx, visible: &Visible, before: Vec<Kept>) -> Result<Vec<Answer>, Error> {
    let ids: Vec<EngagementId> = before
        .iter()
        .filter_map(|kept| match kept {
            Kept::Recorded(id) | Kept::Duplicate(id) => Some(*id),
            Kept::Refused(_) => None,
        })
        .collect();
    let found = store::by_ids(&**tx, visible, &ids).await?;
    let row = |id| {
        let row = found.get(&id).cloned();
        row.ok_or_else(|| Error::NotFound(format!("the engagement `{id}` of this call is gone")))
    };
    before
        .into_iter()
        .map(|kept| {
            Ok(match kept {
                Kept::Recorded(id) => Answer::Recorded(row(id)?),
                Kept::Duplicate(id) => Answer::Duplicate(row(id)?),
                Kept::Refused(problems) => Answer::Refused(problems),
            })
        })
        .collect()
}

/// The same within a transaction of the caller's own, for imports; the caller's scope has been asked for. `seen` is what
/// the caller sees.
///
/// # Errors
/// The database's.
pub async fn record_many(
    tx: &Tx,
    caller: &Caller,
    seen: &Visible,
    now: Timestamp,
    items: Vec<NewEngagement>,
) -> Result<Vec<Answer>, Error> {
    let leads = Leads::find(tx, seen, &items).await?;
    let mut answers: Vec<Option<Answer>> = vec![None; items.len()];
    let mut rows: Vec<(usize, Engagement)> = Vec::with_capacity(items.len());
    for (place, NewEngagement { lead, draft }) in items.into_iter().enumerate() {
        let mut problems: Vec<_> = draft
            .problems(now)
            .into_iter()
            .map(|problem| Problem::new(problem.field, problem.code.into(), problem.message))
            .collect();
        match leads.get(&lead) {
            Some(lead_id) if problems.is_empty() => rows.push((place, row_of(draft, lead_id, now))),
            Some(_) => answers[place] = Some(Answer::Refused(problems)),
            None => {
                problems.insert(0, not_found(&lead));
                answers[place] = Some(Answer::Refused(problems));
            }
        }
    }
    // Whoever records events of the same message waits, so that confidence is concluded from all of them.
    let messages: HashSet<(LeadId, &str)> = rows
        .iter()
        .filter_map(|(_, row)| Some((row.lead_id, row.message_id.as_deref()?)))
        .collect();
    store::lock_messages(tx, &messages).await?;
    drop(messages);

    let mut fresh = without_duplicates(tx, rows, &mut answers).await?;
    hide_strangers(tx, seen, &mut answers).await?;
    let reweighed = weigh(tx, &mut fresh).await?;
    let mut log = Vec::with_capacity(fresh.len() + reweighed.len());
    for (_, row) in &fresh {
        log.push(recorded(row)?);
    }
    log.extend(reweighed);
    events::append(tx, &caller.actor.id, now, log).await?;
    metrics::counter!("leadline_engagements_recorded_total").increment(fresh.len() as u64);
    for (place, row) in fresh {
        answers[place] = Some(Answer::Recorded(Arc::new(row)));
    }
    Ok(answers
        .into_iter()
        .map(|answer| answer.expect("each item was refused, a duplicate or stored"))
        .collect())
}

/// The leads that the items name and that are there.
struct Leads {
    by_id: HashSet<LeadId>,
    by_identity: HashMap<Identity, LeadId>,
}

impl Leads {
    async fn find(tx: &Tx, seen: &Visible, items: &[NewEngagement]) -> Result<Self, Error> {
        let mut ids = HashSet::new();
        let mut identities = HashSet::new();
        for item in items {
            match &item.lead {
                LeadKey::Id(id) => drop(ids.insert(*id)),
                LeadKey::Known(identity) => drop(identities.insert(identity)),
            }
        }
        Ok(Self {
            by_id: lead::existing(tx, seen, &ids).await?,
            by_identity: lead::known(tx, seen, &identities).await?,
        })
    }

    fn get(&self, key: &LeadKey) -> Option<LeadId> {
        match key {
            LeadKey::Id(id) => self.by_id.get(id).copied(),
            LeadKey::Known(identity) => self.by_identity.get(identity).copied(),
        }
    }
}

fn not_found(key: &LeadKey) -> Problem<EngagementProblem> {
    let (path, message) = match key {
        LeadKey::Id(id) => ("leadId", format!("there is no lead `{id}`")),
        LeadKey::Known(identity) => ("identity", format!("there is no lead with the {identity}")),
    };
    Problem::new(path, EngagementProblem::LeadNotFound, message)
}

fn row_of(draft: EngagementDraft, lead_id: LeadId, now: Timestamp) -> Engagement {
    let channel = draft.channel();
    let EngagementDraft {
        kind,
        custom_name,
        channel: _,
        source_kind,
        source_id,
        source_name,
        message_id,
        message_link_count,
        url,
        title,
        value,
        revenue_minor,
        currency,
        device,
        country,
        region,
        city,
        ip,
        user_agent,
        metadata,
        occurred_at,
        dedupe_key,
    } = draft;
    Engagement {
        id: EngagementId::at(now),
        lead_id,
        engagement_type: kind,
        channel,
        custom_name,
        source_kind,
        source_id,
        source_name,
        message_id,
        message_link_count,
        url,
        title,
        value,
        revenue_minor,
        currency,
        device,
        country,
        region,
        city,
        ip,
        confidence_milli: lone_confidence(kind, user_agent.as_deref()),
        user_agent,
        metadata: metadata.as_ref().map(Json::to_string),
        occurred_at,
        received_at: now,
        dedupe_key,
    }
}

/// Refuses what is a duplicate of something that the caller must not see.
async fn hide_strangers(tx: &Tx, seen: &Visible, answers: &mut [Option<Answer>]) -> Result<(), Error> {
    if seen.is_all() {
        return Ok(());
    }
    let first = |answer: &Option<Answer>| match answer {
        Some(Answer::Duplicate(first)) => Some(first.lead_id),
        _ => None,
    };
    let leads: Vec<LeadId> = answers.iter().filter_map(first).collect();
    let inside = seen.those_in(tx, &leads).await?;
    for answer in answers {
        if first(answer).is_some_and(|lead| !inside.contains(&lead)) {
            let code = EngagementProblem::OutsideRowFilter;
            let problem = Problem::new("dedupeKey", code, visible::outside());
            *answer = Some(Answer::Refused(vec![problem]));
        }
    }
    Ok(())
}

/// Stores the rows whose dedupe key is new and answers for the others with the first.
async fn without_duplicates(
    tx: &Tx,
    rows: Vec<(usize, Engagement)>,
    answers: &mut [Option<Answer>],
) -> Result<Vec<(usize, Engagement)>, Error> {
    let keys: Vec<&str> = rows
        .iter()
        .filter_map(|(_, row)| row.dedupe_key.as_deref())
        .collect();
    let mut known = store::by_dedupe_keys(tx, &keys).await?;
    let mut first_here: HashMap<String, usize> = HashMap::new();
    let mut repeats: Vec<(usize, String)> = Vec::new();
    let mut fresh: Vec<(usize, Engagement)> = Vec::with_capacity(rows.len());
    for (place, row) in rows {
        if let Some(key) = &row.dedupe_key {
            if let Some(first) = known.get(key) {
                answers[place] = Some(Answer::Duplicate(Arc::clone(first)));
                continue;
            }
            if first_here.contains_key(key) {
                repeats.push((place, key.clone()));
                continue;
            }
            first_here.insert(key.clone(), place);
        }
        fresh.push((place, row));
    }
    // Everybody inserts keys in the same order, so that two who bring the same ones wait for each other in one direction.
    fresh.sort_by(|(_, one), (_, other)| one.dedupe_key.cmp(&other.dedupe_key));
    if store::insert(tx, fresh.iter().map(|(_, row)| row)).await? < fresh.len() as u64 {
        // Somebody else stored some of the keys in the meantime.
        let keys: Vec<&str> = first_here.keys().map(String::as_str).collect();
        known = store::by_dedupe_keys(tx, &keys).await?;
        fresh.retain(|(place, row)| {
            let first = row.dedupe_key.as_ref().and_then(|key| known.get(key));
            match first.filter(|first| first.id != row.id) {
                Some(first) => {
                    answers[*place] = Some(Answer::Duplicate(Arc::clone(first)));
                    false
                }
                None => true,
            }
        });
    }
    fresh.sort_unstable_by_key(|(place, _)| *place);
    if !repeats.is_empty() {
        let here: HashMap<usize, &Engagement> = fresh.iter().map(|(place, row)| (*place, row)).collect();
        for (place, key) in repeats {
            let first = match here.get(&first_here[&key]) {
                Some(row) => Arc::new((*row).clone()),
                None => Arc::clone(&known[&key]),
            };
            answers[place] = Some(Answer::Duplicate(first));
        }
    }
    Ok(fresh)
}

/// Concludes the confidence of the messages that the new rows belong to; corrects the rows, earlier ones among them,
/// and answers the events that say so.
async fn weigh(tx: &Tx, fresh: &mut [(usize, Engagement)]) -> Result<Vec<NewEvent>, Error> {
    let messages: HashSet<(LeadId, &str)> = fresh
        .iter()
        .filter_map(|(_, row)| Some((row.lead_id, row.message_id.as_deref()?)))
        .collect();
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    let mut rows = store::of_messages(tx, &messages).await?;
    drop(messages);
    let mut new: HashMap<EngagementId, &mut Engagement> =
        fresh.iter_mut().map(|(_, row)| (row.id, row)).collect();
    let mut changed: HashMap<i32, Vec<EngagementId>> = HashMap::new();
    let mut log = Vec::new();
    rows.sort_unstable_by(|one, other| {
        (one.lead_id, &one.message_id, one.id).cmp(&(other.lead_id, &other.message_id, other.id))
    });
    for message in
        rows.chunk_by(|one, other| one.lead_id == other.lead_id && one.message_id == other.message_id)
    {
        let links = message.iter().filter_map(|row| row.message_link_count).max();
        let links = links.and_then(|count| u32::try_from(count).ok());
        let all: Vec<MessageEvent<'_>> = message
            .iter()
            .map(|row| MessageEvent {
                id: row.id,
                kind: row.engagement_type,
                occurred_at: row.occurred_at,
                user_agent: row.user_agent.as_deref(),
                link: row.url.as_deref(),
            })
            .collect();
        let figures: HashMap<EngagementId, i32> = human_confidence(&all, links).into_iter().collect();
        for row in message {
            let Some(figure) = figures.get(&row.id).copied() else {
                continue;
            };
            if figure == row.confidence_milli {
                continue;
            }
            changed.entry(figure).or_default().push(row.id);
            match new.get_mut(&row.id) {
                Some(new) => new.confidence_milli = figure,
                None => log.push(reweighed(row, figure)?),
            }
        }
    }
    for (figure, ids) in &changed {
        store::set_confidence(tx, ids, *figure).await?;
    }
    Ok(log)
}

fn recorded(row: &Engagement) -> Result<NewEvent, Error> {
    let payload = Recorded {
        kind: row.engagement_type,
        channel: row.channel,
        occurred_micros: row.occurred_at.micros(),
        confidence_milli: row.confidence_milli,
        revenue_minor: row.revenue_minor,
        currency: row.currency.as_deref().map(Into::into),
    };
    Ok(NewEvent {
        kind: EventKind::EngagementRecorded,
        lead_id: Some(row.lead_id),
        subject: row.id.to_string(),
        payload: serde_json::to_value(payload)?,
    })
}

fn reweighed(row: &store::MessageRow, to_milli: i32) -> Result<NewEvent, Error> {
    let payload = Reweighed {
        kind: row.engagement_type,
        channel: row.channel,
        occurred_micros: row.occurred_at.micros(),
        from_milli: row.confidence_milli,
        to_milli,
    };
    Ok(NewEvent {
        kind: EventKind::EngagementReweighed,
        lead_id: Some(row.lead_id),
        subject: row.id.to_string(),
        payload: serde_json::to_value(payload)?,
    })
}

/// Which engagements; what is absent does not restrict.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EngagementFilter {
    /// Of this lead.
    pub lead_id: Option<LeadId>,
    /// Of these types; none given is all.
    pub types: Vec<EngagementType>,
    /// By these channels; none given is all.
    pub channels: Vec<Channel>,
    /// That occurred at or after this moment.
    pub from: Option<Timestamp>,
    /// That occurred before this moment.
    pub to: Option<Timestamp>,
}

/// What engagements add up to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// How many.
    pub total: i64,
    /// By type, in the order of the vocabulary; without those that have none.
    pub by_type: Vec<(EngagementType, i64)>,
    /// By channel, in the order of the vocabulary; without those that have none.
    pub by_channel: Vec<(Channel, i64)>,
    /// By UTC day, earliest first; without those that have none.
    pub by_day: Vec<(entity::Day, i64)>,
    /// Revenue in minor units by currency.
    pub revenue: Vec<(String, i64)>,
}

fn may_read(caller: &Caller) -> Result<(), Error> {
    caller.require(Scope::Read(Area::Engagement))
}

/// A page of engagements, the latest first.
///
/// # Errors
/// A missing scope `engagement:read`; the database's.
pub async fn list(
    app: &App,
    caller: &Caller,
    filter: &EngagementFilter,
    page: &PageRequest,
) -> Result<Page<Engagement>, Error> {
    may_read(caller)?;
    let visible = Visible::of(app, &caller.rows).await?;
    Ok(store::list(app.db().read(), &visible, filter, page).await?)
}

/// The latest engagements of many leads, at most `limit` of each, with one statement. Whoever shows the leads has asked
/// for scope and sight.
///
/// # Errors
/// The database's.
pub async fn newest(
    app: &App,
    leads: &[LeadId],
    limit: u64,
) -> Result<HashMap<LeadId, Vec<Arc<Engagement>>>, Error> {
    Ok(store::newest(app.db().read(), leads, limit).await?)
}

/// Engagements by id; those that are not there are left out. The scope has been asked for by whoever lets the loader in.
///
/// # Errors
/// The database's.
pub async fn get_many(
    app: &App,
    rows: &Rows,
    ids: &[EngagementId],
) -> Result<HashMap<EngagementId, Arc<Engagement>>, Error> {
    let visible = Visible::of(app, rows).await?;
    Ok(store::by_ids(app.db().read(), &visible, ids).await?)
}

/// What engagements add up to by type, channel and day.
///
/// # Errors
/// A missing scope `engagement:read`; the database's.
pub async fn stats(app: &App, caller: &Caller, filter: &EngagementFilter) -> Result<Stats, Error> {
    may_read(caller)?;
    let visible = Visible::of(app, &caller.rows).await?;
    let mut by_type = BTreeMap::<EngagementType, i64>::new();
    let mut by_channel = BTreeMap::<Channel, i64>::new();
    let mut by_day = BTreeMap::<entity::Day, i64>::new();
    let mut revenue = BTreeMap::<String, i64>::new();
    for sum in seen_sums(app, &visible, filter).await? {
        *by_type.entry(sum.kind).or_default() += sum.count;
        *by_channel.entry(sum.channel).or_default() += sum.count;
        *by_day.entry(sum.day).or_default() += sum.count;
        if let Some((currency, minor)) = sum.revenue {
            *revenue.entry(currency).or_default() += minor;
        }
    }
    Ok(Stats {
        total: by_type.values().sum(),
        by_type: by_type.into_iter().collect(),
        by_channel: by_channel.into_iter().collect(),
        by_day: by_day.into_iter().collect(),
        revenue: revenue.into_iter().collect(),
    })
}

/// The same by type, channel, day and currency at once. Whoever asks has asked for a scope.
///
/// # Errors
/// The database's.
pub async fn seen_sums(
    app: &App,
    visible: &Visible,
    filter: &EngagementFilter,
) -> Result<Vec<store::Sum>, Error> {
    Ok(store::sums(app.db().read_lagging(), visible, filter).await?)
}

/// Blanks what is personal in the engagements of erased leads.
pub(super) async fn blank(tx: &Tx, leads: &[LeadId]) -> Result<(), Error> {
    Ok(store::blank(tx, leads).await?)
}

/// The same page of the engagements of each lead, the latest first. One statement for all, unless the page begins at a
/// cursor, which only one lead can have, or at the end.
///
/// # Errors
/// The database's. Whoever shows the leads has asked for scope and sight.
pub async fn timeline(
    app: &App,
    leads: &[LeadId],
    page: &PageRequest,
) -> Result<HashMap<LeadId, Page<Arc<Engagement>>>, Error> {
    let db = app.db().read();
    if page.after.is_none() && page.before.is_none() && !page.backward {
        let found = store::newest(db, leads, page.limit + 1).await?;
        let pages = found
            .into_iter()
            .map(|(lead, rows)| (lead, Page::new(page, rows)));
        return Ok(pages.collect());
    }
    let mut pages = HashMap::new();
    for lead in leads {
        let filter = EngagementFilter {
            lead_id: Some(*lead),
            ..EngagementFilter::default()
        };
        let found = store::list(db, &Visible::all(), &filter, page).await?;
        pages.insert(*lead, found.map(Arc::new));
    }
    Ok(pages)
}
