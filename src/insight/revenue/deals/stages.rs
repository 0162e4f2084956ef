//! Use cases of the stages that deals go through.

use std::collections::{HashMap, HashSet};

use entity::id::DealStageId;
use entity::{Area, EventKind, Timestamp, setting};
use serde_json::json;

use super::model::rules::{self, DealProblem, Problems};
use super::{DealStage, store};
use crate::app::App;
use crate::error::{Error, Outcome, Problem};
use crate::events::{self, NewEvent};
use crate::identity::{Caller, Scope};

/// Most stages, those out of use among them.
const MOST_STAGES: usize = 50;

/// The stages in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stages {
    /// All of them, those out of use among them.
    pub stages: Vec<DealStage>,
    /// Counts their changes.
    pub version: i32,
    /// When they were last changed; `None` while they are as they came.
    pub updated_at: Option<Timestamp>,
    /// By whom.
    pub updated_by: Option<String>,
}

impl Stages {
    fn new(stages: Vec<DealStage>, row: setting::Model) -> Self {
        let is_changed = row.updated_at.micros() > 0;
        Self {
            stages,
            version: row.version,
            updated_at: is_changed.then_some(row.updated_at),
            updated_by: is_changed.then_some(row.updated_by),
        }
    }
}

/// A stage as it is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageDraft {
    /// Which one; a new one when absent.
    pub id: Option<DealStageId>,
    /// What it is called.
    pub name: String,
    /// How likely a deal in it is won, per mille, where nothing else tells.
    pub probability: i32,
    /// Whether it is out of use.
    pub is_archived: bool,
}

/// The stages in their order.
///
/// # Errors
/// A missing scope `engagement:read`; the database's.
pub async fn stages(app: &App, caller: &Caller) -> Result<Stages, Error> {
    caller.require(Scope::Read(Area::Engagement))?;
    let db = app.db().read();
    let row = store::settings(db).await?;
    Ok(Stages::new(store::all_stages(db).await?, row))
}

/// Stages by id.
///
/// # Errors
/// The database's. Whoever shows deals has asked for the scope.
pub async fn stages_by_id(app: &App, ids: &[DealStageId]) -> Result<HashMap<DealStageId, DealStage>, Error> {
    Ok(store::stages_by_id(app.db().read(), ids).await?)
}

/// Makes the stages what they are wanted to be, in the order in which they are given. One that is left out is removed, unless
/// deals are or were in it.
///
/// # Errors
/// [`DealProblem`]s; a missing scope `settings:write`; a row filter; the database's.
pub async fn update_stages(
    app: &App,
    caller: &Caller,
    drafts: Vec<StageDraft>,
    expected_version: Option<i32>,
) -> Outcome<Stages, DealProblem> {
    caller.require(Scope::Write(Area::Settings))?;
    caller.require_all_rows()?;
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    let row = store::held_settings(&tx, true).await?;
    if expected_version.is_some_and(|version| version != row.version) {
        let message = format!("the stages have version {} by now: read them again", row.version);
        return Err(Problem::new("expectedVersion", DealProblem::Outdated, message).into());
    }
    let before = store::all_stages(&*tx).await?;
    let after = checked(&before, drafts, now)?;
    let kept: HashSet<DealStageId> = after.iter().map(|stage| stage.id).collect();
    let gone: Vec<DealStageId> = before
        .iter()
        .map(|stage| stage.id)
        .filter(|id| !kept.contains(id))
        .collect();
    let used = store::used_stages(&tx, &gone).await?;
    let used: Vec<&str> = before
        .iter()
        .filter(|stage| used.contains(&stage.id))
        .map(|stage| stage.name.as_str())
        .collect();
    if !used.is_empty() {
        let message = format!(
            "deals are or were in {}: archive it instead of leaving it out",
            used.join(", ")
        );
        return Err(Problem::new("stages", DealProblem::StageInUse, message).into());
    }
    if after == before {
        return Ok(Stages::new(before, row));
    }
    store::delete_stages(&tx, &gone).await?;
    store::put_stages(&tx, &after).await?;
    let row = setting::Model {
        version: row.version + 1,
        updated_at: now,
        updated_by: caller.actor.id.clone(),
        ..row
    };
    store::store_settings(&tx, row.clone()).await?;
    let event = NewEvent {
        kind: EventKind::SettingChanged,
        lead_id: None,
        subject: row.key.clone(),
        payload: json!({ "key": row.key, "version": row.version }),
    };
    events::append(&tx, &caller.actor.id, now, vec![event]).await?;
    tx.commit().await?;
    Ok(Stages::new(after, row))
}

/// The stages that drafts ask for.
fn checked(
    before: &[DealStage],
    drafts: Vec<StageDraft>,
    now: Timestamp,
) -> Result<Vec<DealStage>, Problems> {
    if drafts.len() > MOST_STAGES {
        let message = format!("{} stages are too many: at most {MOST_STAGES}", drafts.len());
        return Err(vec![Problem::new("stages", DealProblem::TooMany, message)]);
    }
    let mut problems = Vec::new();
    let mut after: Vec<DealStage> = Vec::with_capacity(drafts.len());
    for (draft, position) in drafts.into_iter().zip(0_i32..) {
        let place = position.to_string();
        let mut add = |problem: Problem<DealProblem>| problems.push(problem.within(&["stages", &place]));
        let StageDraft {
            id,
            name,
            probability,
            is_archived,
        } = draft;
        let name = rules::name("name", &name).unwrap_or_else(|problem| {
            add(problem);
            String::new()
        });
        if !(0..=1_000).contains(&probability) {
            let message = format!("{probability} is out of range: 0 to 1,000 per mille");
            add(Problem::new(
                "probabilityPerMille",
                DealProblem::OutOfRange,
                message,
            ));
        }
        let known = id.and_then(|id| before.iter().find(|stage| stage.id == id));
        if let (Some(id), None) = (id, known) {
            let message = format!("there is no stage `{id}`");
            add(Problem::new("id", DealProblem::StageNotFound, message));
        }
        if id.is_some_and(|id| after.iter().any(|stage| stage.id == id)) {
            let message = "the stage is listed twice";
            add(Problem::new("id", DealProblem::Duplicate, message));
        }
        let folded = rules::folded(&name);
        if !name.is_empty() && after.iter().any(|stage| rules::folded(&stage.name) == folded) {
            let message = format!("two stages are called `{name}`");
            add(Problem::new("name", DealProblem::Duplicate, message));
        }
        let archived_at = known.and_then(|stage| stage.archived_at).unwrap_or(now);
        after.push(DealStage {
            id: id.unwrap_or_else(|| DealStageId::at(now)),
            name,
            position,
            probability,
            archived_at: is_archived.then_some(archived_at),
        });
    }
    if after.iter().all(|stage| stage.archived_at.is_some()) {
        let message = "deals need a stage that is in use";
        problems.push(Problem::new("stages", DealProblem::Missing, message));
    }
    if problems.is_empty() {
        Ok(after)
    } else {
        Err(problems)
    }
}
