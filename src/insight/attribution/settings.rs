//! Use cases of the settings of attribution.

use entity::{Area, AttributionState, EngagementType, EventKind, Timestamp};
use serde_json::json;

use super::model::settings::AttributionSettings;
use super::recompute::RECOMPUTE;
use super::store::{self, StoredSettings};
use crate::app::App;
use crate::db::Tx;
use crate::error::{Error, Outcome, Problem};
use crate::events::{self, NewEvent};
use crate::identity::{Caller, Scope};
use crate::jobs::{self, Job};

/// What can be wrong with a change of the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "AttributionSettingsErrorCode")]
pub enum SettingsProblem {
    /// A number outside of its range, or a type that is no touch.
    OutOfRange,
    /// Somebody else changed the settings meanwhile.
    Outdated,
}

/// A version of the settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Counts the changes, from 1.
    pub version: i32,
    /// What they say.
    pub settings: AttributionSettings,
    /// What the sums by them are for.
    pub state: AttributionState,
    /// When they were set; `None` while they are as they came.
    pub created_at: Option<Timestamp>,
    /// By whom.
    pub created_by: Option<String>,
}

impl Settings {
    /// Whether sums by them are complete.
    #[must_use]
    pub fn is_summed_up(&self) -> bool {
        self.state == AttributionState::Active
    }

    pub(super) fn read(row: StoredSettings) -> Result<Self, Error> {
        let is_changed = row.created_at.micros() > 0;
        Ok(Self {
            version: row.version,
            settings: store::settings_of(&row)?,
            state: row.state,
            created_at: is_changed.then_some(row.created_at),
            created_by: is_changed.then_some(row.created_by),
        })
    }
}

/// A change; what is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// See [`AttributionSettings::window_days`].
    pub window_days: Option<u32>,
    /// See [`AttributionSettings::half_life_days`].
    pub half_life_days: Option<f64>,
    /// See [`AttributionSettings::touch_types`].
    pub touch_types: Option<Vec<EngagementType>>,
    /// See [`AttributionSettings::u_shaped`].
    pub u_shaped: Option<[f64; 3]>,
    /// See [`AttributionSettings::w_shaped`].
    pub w_shaped: Option<[f64; 4]>,
    /// Change them only if this is still their version.
    pub expected_version: Option<i32>,
}

/// The newest settings, and those by which sums are told where the newest ones are not summed up yet.
///
/// # Errors
/// A missing scope `revenue:read`; a row filter; the database's.
pub async fn settings(app: &App, caller: &Caller) -> Result<(Settings, Settings), Error> {
    caller.require(Scope::Read(Area::Revenue))?;
    caller.require_all_rows()?;
    let kept = store::kept(app.db().read()).await?;
    let newest = newest(&kept)?.clone();
    Ok((
        Settings::read(newest)?,
        Settings::read(answering(&kept)?.clone())?,
    ))
}

/// The version that was set last.
pub(super) fn newest(kept: &[StoredSettings]) -> Result<&StoredSettings, Error> {
    kept.last().ok_or_else(no_settings)
}

/// The version that sums are told by: the active one, or where there is none yet the one that is being summed up.
pub(super) fn answering(kept: &[StoredSettings]) -> Result<&StoredSettings, Error> {
    let active = kept.iter().find(|row| row.state == AttributionState::Active);
    active.or(kept.last()).ok_or_else(no_settings)
}

fn no_settings() -> Error {
    Error::Internal(anyhow::anyhow!("there are no settings of attribution"))
}

/// Changes the settings. One conversion is told by them at once; sums are, when the job that is answered, too, is done.
///
/// # Errors
/// [`SettingsProblem`]s; a missing scope `settings:write`; a row filter; the database's.
pub async fn update_settings(
    app: &App,
    caller: &Caller,
    change: Change,
) -> Outcome<(Settings, Option<Job>), SettingsProblem> {
    caller.require(Scope::Write(Area::Settings))?;
    caller.require_all_rows()?;
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    let kept = store::held(&tx).await?;
    let before = newest(&kept)?.clone();
    if change
        .expected_version
        .is_some_and(|version| version != before.version)
    {
        let message = format!(
            "the settings have version {} by now: read them again",
            before.version
        );
        return Err(Problem::new("expectedVersion", SettingsProblem::Outdated, message).into());
    }
    let former = store::settings_of(&before)?;
    let settings = applied(change, former.clone());
    let wrong = settings.problems();
    if !wrong.is_empty() {
        let problem = |wrong: super::model::settings::WrongSetting| {
            Problem::new(wrong.field, SettingsProblem::OutOfRange, wrong.message)
        };
        return Err(wrong.into_iter().map(problem).collect::<Vec<_>>().into());
    }
    if settings == former {
        tx.rollback().await?;
        return Ok((Settings::read(before)?, None));
    }
    let trails_of = source_of_trails(&kept, &settings)?;
    let (row, job) = supersede(&tx, caller, now, kept, &settings, trails_of).await?;
    tx.commit().await?;
    if let Some(job) = &job {
        jobs::wake(app, job.id).await;
    }
    Ok((Settings::read(row)?, job))
}

/// Has all sums made anew by the settings that there are; those that there are answer until then.
///
/// # Errors
/// A missing scope `settings:write`; a row filter; the database's.
pub async fn rebuild(app: &App, caller: &Caller) -> Result<Settings, Error> {
    caller.require(Scope::Write(Area::Settings))?;
    caller.require_all_rows()?;
    let tx = app.db().begin().await?;
    let kept = store::held(&tx).await?;
    let settings = store::settings_of(newest(&kept)?)?;
    let (row, job) = supersede(&tx, caller, app.clock().now(), kept, &settings, None).await?;
    tx.commit().await?;
    if let Some(job) = &job {
        jobs::wake(app, job.id).await;
    }
    Settings::read(row)
}

/// The version whose trails will do for other settings: that in force, where the same touches count by it and only their weights
/// differ. Not while trails are being made anew: those that there are may be in doubt.
fn source_of_trails(kept: &[StoredSettings], settings: &AttributionSettings) -> Result<Option<i32>, Error> {
    let makes_trails =
        |row: &StoredSettings| row.state == AttributionState::Building && row.trails_of.is_none();
    if kept.iter().any(makes_trails) {
        return Ok(None);
    }
    let Some(active) = kept.iter().find(|row| row.state == AttributionState::Active) else {
        return Ok(None);
    };
    let former = store::settings_of(active)?;
    Ok(settings.have_the_trails_of(&former).then_some(active.version))
}

/// Writes the next version, and has it summed up.
async fn supersede(
    tx: &Tx,
    caller: &Caller,
    now: Timestamp,
    kept: Vec<StoredSettings>,
    settings: &AttributionSettings,
    trails_of: Option<i32>,
) -> Result<(StoredSettings, Option<Job>), Error> {
    let row = StoredSettings {
        version: newest(&kept)?.version + 1,
        settings: serde_json::to_string(settings)?,
        state: AttributionState::Building,
        trails_of,
        created_at: now,
        created_by: caller.actor.id.clone(),
    };
    // What was being summed up is not wanted any more.
    let given_up = kept
        .into_iter()
        .filter(|row| row.state == AttributionState::Building)
        .map(|row| StoredSettings {
            state: AttributionState::Past,
            ..row
        });
    let rows: Vec<_> = given_up.chain([row.clone()]).collect();
    store::store_settings(tx, &rows).await?;
    let event = NewEvent {
        kind: EventKind::AttributionChanged,
        lead_id: None,
        subject: "attribution".to_owned(),
        payload: json!({ "version": row.version, "state": row.state }),
    };
    events::append(tx, &caller.actor.id, now, vec![event]).await?;
    let job = jobs::enqueue_unless_queued(tx, caller, now, RECOMPUTE, &json!({})).await?;
    Ok((row, job))
}

fn applied(change: Change, former: AttributionSettings) -> AttributionSettings {
    let Change {
        window_days,
        half_life_days,
        touch_types,
        u_shaped,
        w_shaped,
        expected_version: _,
    } = change;
    AttributionSettings {
        window_days: window_days.unwrap_or(former.window_days),
        half_life_days: half_life_days.unwrap_or(former.half_life_days),
        touch_types: touch_types.map_or(former.touch_types, |types| types.into_iter().collect()),
        u_shaped: u_shaped.unwrap_or(former.u_shaped),
        w_shaped: w_shaped.unwrap_or(former.w_shaped),
    }
}
