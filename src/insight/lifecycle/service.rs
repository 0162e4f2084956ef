//! Use cases of the lifecycle.

use std::collections::{HashMap, HashSet};

use entity::id::{LeadId, StageStayId};
use entity::{Area, EventKind, Stage, StageCause, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::model::LifecycleSettings;
use super::store::{self, Head};
use super::{StageStay, model};
use crate::app::App;
use crate::db::{CallKey, Keyset, Once, Page, PageRequest, SortValue, Tx};
use crate::error::{Error, Outcome, Problem};
use crate::events::{self, NewEvent};
use crate::identity::{Caller, Rows, Scope};
use crate::leads::visible::{Visible, outside};

/// Most leads that one call moves.
pub const MOST_AT_ONCE: usize = 1_000;
const LONGEST_REASON: usize = 500;

/// What can be wrong with a call about the lifecycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, async_graphql::Enum)]
#[graphql(name = "LifecycleErrorCode")]
pub enum LifecycleProblem {
    /// There is no such lead.
    NotFound,
    /// The lead is in that stage already.
    AlreadyInStage,
    /// A reason is needed.
    ReasonRequired,
    /// A number or moment outside of its range.
    OutOfRange,
    /// A text that is too long.
    TooLong,
    /// The lead is listed twice.
    Duplicate,
    /// More items than one call takes.
    TooMany,
    /// Somebody else changed the settings meanwhile.
    Outdated,
    /// The lead would be outside of what the row filter of the token shows.
    OutsideRowFilter,
}

/// A move by a person or token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageChange {
    /// The lead.
    pub lead_id: LeadId,
    /// To which stage: any.
    pub stage: Stage,
    /// Why, up to 500 characters.
    pub reason: String,
    /// When; now where absent. Not before the open stay was entered, not in the future.
    pub at: Option<Timestamp>,
}

/// The answer to one move: the stay that it opened, or what was wrong with it.
pub type Changed = Result<StageStay, Vec<Problem<LifecycleProblem>>>;

/// A stay that is to be opened.
#[derive(Clone)]
pub(super) struct Step {
    pub(super) to: Stage,
    pub(super) at: Timestamp,
    pub(super) cause: StageCause,
    pub(super) reason: String,
}

/// Moves leads by hand: one answer for each move, in their order. The good ones are made, all in one transaction, and
/// once for a key.
///
/// # Errors
/// A missing scope `lifecycle:write`; a key used with another input; the database's.
pub async fn change_stages(
    app: &App,
    caller: &Caller,
    changes: Vec<StageChange>,
    key: Option<&CallKey>,
) -> Result<Vec<Changed>, Error> {
    caller.require(Scope::Write(Area::Lifecycle))?;
    let now = app.clock().now();
    let once = Once::new(key, &caller.actor.id, "change stages")?;
    let visible = Visible::of(app, &caller.rows).await?;
    let tx = app.db().begin().await?;
    if let Some(before) = once.before(&tx, now).await? {
        return again(&tx, &visible, before).await;
    }
    let mut ids: Vec<LeadId> = changes.iter().map(|change| change.lead_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut heads = store::heads(&tx, &ids, true).await?;
    let inside = visible.those_in(&tx, &ids).await?;
    heads.retain(|head| !head.deleted && inside.contains(&head.id));
    let mut open = open_stays(&tx, &heads, now).await?;
    let mut seen = HashSet::new();
    let mut moves = Vec::new();
    let mut answers: Vec<Result<LeadId, Vec<Problem<LifecycleProblem>>>> = Vec::new();
    for change in changes {
        let lead_id = change.lead_id;
        let answer = if !seen.insert(lead_id) {
            let message = format!("`{lead_id}` is listed twice; move it once a call");
            Err(vec![Problem::new("leadId", LifecycleProblem::Duplicate, message)])
        } else if let Some(stay) = open.get(&lead_id) {
            check(change, stay, now).map(|step| {
                moves.push((open.remove(&lead_id).expect("just seen"), vec![step]));
                lead_id
            })
        } else {
            let message = format!("there is no lead `{lead_id}`");
            Err(vec![Problem::new("leadId", LifecycleProblem::NotFound, message)])
        };
        answers.push(answer);
    }
    let mut guard = visible.guard(&tx).await?;
    let mut entered = loop {
        moves.retain(|(open, _)| !guard.refused().contains(&open.lead_id));
        let entered = write_moves(&tx, &caller.actor.id, now, moves.clone()).await?;
        if guard.holds(entered.keys().map(|id| (*id, *id))).await? {
            break entered;
        }
    };
    let mut made = |id: LeadId| {
        if guard.refused().contains(&id) {
            let code = LifecycleProblem::OutsideRowFilter;
            return Err(vec![Problem::new("leadId", code, outside())]);
        }
        Ok(entered.remove(&id).expect("each good move opens a stay"))
    };
    let answers: Vec<Changed> = answers
        .into_iter()
        .map(|answer| answer.and_then(&mut made))
        .collect();
    // Where nothing was done the key may be used again with a better input.
    if answers.iter().any(Result::is_ok) {
        let kept: Vec<Kept> = answers
            .iter()
            .map(|answer| answer.as_ref().map(|stay| stay.id).map_err(Clone::clone))
            .collect();
        once.keep(&tx, &kept).await?;
        tx.commit().await?;
    } else {
        tx.rollback().await?;
    }
    Ok(answers)
}

/// What became of a move, as it is kept for repetitions.
type Kept = Result<StageStayId, Vec<Problem<LifecycleProblem>>>;

/// What was answered before, with the stays as they are now.
async fn again(tx: &Tx, visible: &Visible, before: Vec<Kept>) -> Result<Vec<Changed>, Error> {
    let ids: Vec<StageStayId> = before.iter().flatten().copied().collect();
    let stays = store::by_ids(&**tx, visible, &ids).await?;
    let shown = |kept: Kept| {
        kept.and_then(|id| {
            stays.get(&id).cloned().ok_or_else(|| {
                let message = "the lead was deleted since";
                vec![Problem::new("leadId", LifecycleProblem::NotFound, message)]
            })
        })
    };
    Ok(before.into_iter().map(shown).collect())
}

fn check(
    change: StageChange,
    open: &StageStay,
    now: Timestamp,
) -> Result<Step, Vec<Problem<LifecycleProblem>>> {
    let StageChange {
        lead_id: _,
        stage,
        reason,
        at,
    } = change;
    let mut problems = Vec::new();
    let reason = reason.trim().to_owned();
    if reason.is_empty() {
        let message = "say why the lead is moved";
        problems.push(Problem::new("reason", LifecycleProblem::ReasonRequired, message));
    } else if reason.chars().count() > LONGEST_REASON {
        let message = format!("a reason has up to {LONGEST_REASON} characters");
        problems.push(Problem::new("reason", LifecycleProblem::TooLong, message));
    }
    if stage == open.stage {
        let message = format!("the lead is in {stage} already, since {}", open.entered_at);
        problems.push(Problem::new("stage", LifecycleProblem::AlreadyInStage, message));
    }
    // A stay opened a moment ahead of this clock (by another machine) is left at its own beginning.
    let moment = at.unwrap_or_else(|| now.max(open.entered_at));
    if at.is_some() && (moment < open.entered_at || moment > now) {
        let message = format!(
            "{moment} is out of range: from {}, when the lead entered {}, to now, {now}; closed stays are not rewritten",
            open.entered_at, open.stage
        );
        problems.push(Problem::new("at", LifecycleProblem::OutOfRange, message));
    }
    if problems.is_empty() {
        Ok(Step {
            to: stage,
            at: moment,
            cause: StageCause::Manual,
            reason,
        })
    } else {
        Err(problems)
    }
}

/// The open stay of each lead; opens the first one where there is none, in the stage that the lead itself tells.
pub(super) async fn open_stays(
    tx: &Tx,
    heads: &[Head],
    now: Timestamp,
) -> Result<HashMap<LeadId, StageStay>, Error> {
    let ids: Vec<LeadId> = heads.iter().map(|head| head.id).collect();
    let mut open = store::open_stays(&**tx, &ids).await?;
    let first: Vec<StageStay> = heads
        .iter()
        .filter(|head| !open.contains_key(&head.id))
        .map(|head| StageStay {
            id: StageStayId::at(now),
            lead_id: head.id,
            stage: head.stage,
            previous: None,
            entered_at: head.stage_since,
            left_at: None,
            reason: None,
            actor: "system".into(),
            score_on_entry: None,
        })
        .collect();
    if first.is_empty() {
        return Ok(open);
    }
    store::open_first(tx, &first).await?;
    // Where another transaction opened it meanwhile, that one's is the stay.
    let ids: Vec<LeadId> = first.iter().map(|stay| stay.lead_id).collect();
    open.extend(store::open_stays(&**tx, &ids).await?);
    let mut told = Vec::new();
    for stay in &first {
        let ours = open.get(&stay.lead_id).is_some_and(|open| open.id == stay.id);
        if ours && stay.stage != Stage::New {
            let payload = json!({
                "from": null, "to": stay.stage, "automatic": false, "cause": StageCause::Initial,
                "enteredMicros": stay.entered_at.micros(),
            });
            told.push(NewEvent::of_lead(EventKind::StageChanged, stay.lead_id, payload));
        }
    }
    events::append(tx, "system", now, told).await?;
    Ok(open)
}

/// Closes open stays and opens others, one after the other; answers with the stays that are open then.
pub(super) async fn write_moves(
    tx: &Tx,
    actor: &str,
    now: Timestamp,
    moves: Vec<(StageStay, Vec<Step>)>,
) -> Result<HashMap<LeadId, StageStay>, Error> {
    if moves.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<LeadId> = moves.iter().map(|(open, _)| open.lead_id).collect();
    let scores = store::current_scores(tx, &ids, now).await?;
    let (mut left, mut entered, mut told) = (Vec::new(), Vec::new(), Vec::new());
    let mut last = HashMap::new();
    for (mut open, steps) in moves {
        let lead_id = open.lead_id;
        for (number, step) in steps.into_iter().enumerate() {
            let Step {
                to,
                at,
                cause,
                reason,
            } = step;
            let payload = json!({
                "from": open.stage, "to": to, "automatic": cause != StageCause::Manual, "cause": cause,
                "enteredMicros": at.micros(),
            });
            told.push(NewEvent::of_lead(EventKind::StageChanged, lead_id, payload));
            let next = StageStay {
                id: id_after(open.id, now),
                lead_id,
                stage: to,
                previous: Some(open.stage),
                entered_at: at,
                left_at: None,
                reason: Some(reason),
                actor: actor.to_owned(),
                score_on_entry: scores.get(&lead_id).copied(),
            };
            let closed = std::mem::replace(&mut open, next);
            let closed = StageStay {
                left_at: Some(at),
                ..closed
            };
            if number == 0 {
                left.push(closed);
            } else {
                entered.push(closed);
            }
        }
        entered.push(open.clone());
        last.insert(lead_id, open);
    }
    store::move_leads(tx, &left, &entered, now).await?;
    events::append(tx, actor, now, told).await?;
    Ok(last)
}

/// An id that sorts behind another one: stays entered at the same moment keep their order.
fn id_after(previous: StageStayId, now: Timestamp) -> StageStayId {
    let mut moment = now;
    loop {
        let id = StageStayId::at(moment);
        if id > previous {
            return id;
        }
        let (seconds, nanos) = previous.0.get_timestamp().map_or((0, 0), |at| at.to_unix());
        let before = i64::try_from(seconds).unwrap_or(0) * 1_000_000 + i64::from(nanos / 1_000);
        moment = Timestamp(before.max(moment.micros()) + 1_000);
    }
}

/// Stays by id; those that are not there, or whose lead is not the caller's to see, are left out.
///
/// # Errors
/// The database's. Whoever lets the loader in has asked for the scope.
pub async fn get_many(
    app: &App,
    rows: &Rows,
    ids: &[StageStayId],
) -> Result<HashMap<StageStayId, StageStay>, Error> {
    let visible = Visible::of(app, rows).await?;
    Ok(store::by_ids(app.db().read(), &visible, ids).await?)
}

/// The open stay of each lead that has one.
///
/// # Errors
/// The database's. Whoever lets the loader in has asked for the scope.
pub async fn current_stays(app: &App, ids: &[LeadId]) -> Result<HashMap<LeadId, StageStay>, Error> {
    Ok(store::open_stays(app.db().read(), ids).await?)
}

/// The name of the one ordering of a lead's stays, newest first, that cursors are bound to.
#[must_use]
pub const fn history_order() -> &'static str {
    "stay ENTERED_AT DESC"
}

/// The place of a stay in that ordering.
#[must_use]
pub fn history_place(stay: &StageStay) -> Keyset {
    Keyset {
        order: history_order().to_owned(),
        value: SortValue::Int(stay.entered_at.micros()),
        id: stay.id.0,
    }
}

/// The same page of the stays of each lead. One statement for all, unless the page begins at a cursor, which only one
/// lead can have.
///
/// # Errors
/// The database's. Whoever lets the loader in has asked for the scope.
pub async fn history(
    app: &App,
    ids: &[LeadId],
    page: &PageRequest,
) -> Result<HashMap<LeadId, Page<StageStay>>, Error> {
    let db = app.db();
    if page.after.is_none() && page.before.is_none() {
        return Ok(store::histories(db.read(), db.backend(), ids, page).await?);
    }
    let mut pages = HashMap::new();
    for id in ids {
        pages.insert(*id, store::history(db.read(), *id, page).await?);
    }
    Ok(pages)
}

/// How many touch points fell into each stay; one without any is left out.
///
/// # Errors
/// The database's. Whoever lets the loader in has asked for the scope.
pub async fn touch_points(app: &App, ids: &[StageStayId]) -> Result<HashMap<StageStayId, i64>, Error> {
    let db = app.db();
    Ok(store::touch_points(db.read(), db.backend(), ids).await?)
}

/// The settings of the lifecycle as they are stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredSettings {
    /// The settings.
    pub settings: LifecycleSettings,
    /// Counts their changes; 0 before the first.
    pub version: i32,
    /// When they were last changed.
    pub updated_at: Option<Timestamp>,
    /// By whom.
    pub updated_by: Option<String>,
}

/// A change of the settings; what is `None` stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the fields of the settings")]
pub struct SettingsChange {
    pub contacted_on_message: Option<bool>,
    pub qualified_on_score: Option<bool>,
    pub qualifying_score: Option<f64>,
    pub engaged_on_response: Option<bool>,
    pub opportunity_on_deal: Option<bool>,
    pub customer_on_conversion: Option<bool>,
    /// Change them only if this is still their version.
    pub expected_version: Option<i32>,
}

fn stored(row: Option<entity::setting::Model>) -> Result<StoredSettings, Error> {
    Ok(match row {
        Some(row) => StoredSettings {
            settings: serde_json::from_str(&row.value)?,
            version: row.version,
            updated_at: Some(row.updated_at),
            updated_by: Some(row.updated_by),
        },
        None => StoredSettings {
            settings: LifecycleSettings::default(),
            version: 0,
            updated_at: None,
            updated_by: None,
        },
    })
}

pub(super) async fn settings_in(tx: &Tx) -> Result<StoredSettings, Error> {
    stored(store::settings(&**tx).await?)
}

/// The settings in force.
///
/// # Errors
/// A missing scope `lifecycle:read`; the database's.
pub async fn settings(app: &App, caller: &Caller) -> Result<StoredSettings, Error> {
    caller.require(Scope::Read(Area::Lifecycle))?;
    stored(store::settings(app.db().read()).await?)
}

/// Changes the settings.
///
/// # Errors
/// [`LifecycleProblem`]s; a missing scope `lifecycle:write`; the database's.
pub async fn update_settings(
    app: &App,
    caller: &Caller,
    change: SettingsChange,
) -> Outcome<StoredSettings, LifecycleProblem> {
    caller.require(Scope::Write(Area::Lifecycle))?;
    caller.require_all_rows()?;
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    let before = settings_in(&tx).await?;
    let SettingsChange {
        contacted_on_message,
        qualified_on_score,
        qualifying_score,
        engaged_on_response,
        opportunity_on_deal,
        customer_on_conversion,
        expected_version,
    } = change;
    let outdated = |version: i32| {
        let message = format!("the settings have version {version} by now: read them again");
        Problem::new("expectedVersion", LifecycleProblem::Outdated, message)
    };
    if expected_version.is_some_and(|version| version != before.version) {
        return Err(outdated(before.version).into());
    }
    let old = before.settings;
    let settings = LifecycleSettings {
        contacted_on_message: contacted_on_message.unwrap_or(old.contacted_on_message),
        qualified_on_score: qualified_on_score.unwrap_or(old.qualified_on_score),
        qualifying_score: qualifying_score.unwrap_or(old.qualifying_score),
        engaged_on_response: engaged_on_response.unwrap_or(old.engaged_on_response),
        opportunity_on_deal: opportunity_on_deal.unwrap_or(old.opportunity_on_deal),
        customer_on_conversion: customer_on_conversion.unwrap_or(old.customer_on_conversion),
    };
    let problems: Vec<_> = settings
        .validate()
        .into_iter()
        .map(|(field, message)| Problem::new(field, LifecycleProblem::OutOfRange, message))
        .collect();
    if !problems.is_empty() {
        return Err(problems.into());
    }
    let version = before.version + 1;
    let value = serde_json::to_string(&settings)?;
    if !store::store_settings(&tx, version, value, &caller.actor.id, now).await? {
        return Err(outdated(version).into());
    }
    let event = NewEvent {
        kind: EventKind::SettingChanged,
        lead_id: None,
        subject: "lifecycle".into(),
        payload: json!({ "key": "lifecycle", "version": version }),
    };
    events::append(&tx, &caller.actor.id, now, vec![event]).await?;
    tx.commit().await?;
    Ok(StoredSettings {
        settings,
        version,
        updated_at: Some(now),
        updated_by: Some(caller.actor.id.clone()),
    })
}

/// The reason of an automatic move in words.
pub(super) const fn reason_of(cause: &model::Cause) -> (StageCause, &'static str) {
    let word = match cause {
        model::Cause::MessageSent => StageCause::MessageSent,
        model::Cause::Score(_) => StageCause::Score,
        model::Cause::Response { .. } => StageCause::Response,
        model::Cause::DealOpened => StageCause::DealOpened,
        model::Cause::Converted => StageCause::Conversion,
    };
    (word, cause.reason())
}
