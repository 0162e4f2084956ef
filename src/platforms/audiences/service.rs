//! Use cases of audiences themselves: made, changed, removed, looked at.

use std::collections::HashMap;

use entity::id::{AudienceId, ConnectionId, LeadId};
use entity::{Area, AudienceKind, AudienceState, AudienceTask, EventKind, SyncCause, Timestamp};
use serde_json::json;

use super::model::{self, wrong};
use super::selection::{checked_filter, matching};
use super::store::{self, Preview};
use super::{
    Audience, AudienceChange, AudienceDraft, AudienceProblem, LookalikeDraft, MOST_AUDIENCES, Member, syncs,
};
use crate::app::App;
use crate::db::{CallKey, Once, Page, PageRequest, Tx};
use crate::error::{Error, Outcome, Problem};
use crate::events::{self, NewEvent};
use crate::identity::{Caller, Rows, Scope};
use crate::jobs;
use crate::leads::filter::LeadFilter;
use crate::leads::lead::check_filter;
use crate::leads::visible::{Visible, by_rows};
use crate::platforms::connections::{Live, live};

pub(super) fn require_read(caller: &Caller) -> Result<(), Error> {
    caller.require(Scope::Read(Area::Audiences))
}

pub(super) fn require_write(caller: &Caller) -> Result<(), Error> {
    caller.require(Scope::Write(Area::Audiences))?;
    // Who is in an audience is told to others, whoever made it sees them or not.
    caller.require_all_rows()
}

pub(super) fn missing(id: AudienceId) -> Problem<AudienceProblem> {
    let message = format!("there is no audience `{id}`");
    wrong("id", AudienceProblem::NotFound, message)
}

/// Tells that something happened to an audience.
pub(super) async fn tell(
    tx: &Tx,
    actor: &str,
    now: Timestamp,
    row: &Audience,
    change: &str,
) -> Result<(), Error> {
    let event = NewEvent {
        kind: EventKind::AudienceChanged,
        lead_id: None,
        subject: row.id.to_string(),
        payload: json!({
            "connection": row.connection_id,
            "change": change,
            "state": row.state,
            "problem": row.problem_kind,
        }),
    };
    Ok(events::append(tx, actor, now, vec![event]).await?)
}

/// The connection of an audience, where it can be used.
async fn usable(app: &App, id: ConnectionId) -> Outcome<Live, AudienceProblem> {
    let Some(live) = live(app, id).await? else {
        let message = format!("there is no connection `{id}`");
        return Err(wrong("connectionId", AudienceProblem::ConnectionNotFound, message).into());
    };
    if live.facets(app).audience_sink.is_none() {
        let message = format!("{} has no audiences", live.row.platform);
        return Err(wrong("connectionId", AudienceProblem::Unsupported, message).into());
    }
    if !live.is_active() {
        let message = format!("the connection is {}; it has to be ACTIVE", live.row.state);
        return Err(wrong("connectionId", AudienceProblem::NotActive, message).into());
    }
    Ok(live)
}

fn blank(caller: &Caller, connection: ConnectionId, kind: AudienceKind, now: Timestamp) -> Audience {
    Audience {
        id: AudienceId::at(now),
        connection_id: connection,
        kind,
        name: String::new(),
        description: String::new(),
        filter: "{}".to_owned(),
        origin_id: None,
        country: None,
        percent: None,
        state: AudienceState::Creating,
        external_id: None,
        generation: 1,
        problem_kind: None,
        problem: None,
        failures: 0,
        every_seconds: None,
        next_sync_at: None,
        next_size_at: None,
        synced_at: None,
        size_at_least: None,
        size_at_most: None,
        readiness: None,
        size_detail: None,
        sized_at: None,
        size_failures: 0,
        size_problem_kind: None,
        size_problem: None,
        created_by: caller.actor.id.clone(),
        created_at: now,
        updated_at: now,
        deleted_at: None,
    }
}

/// Makes an audience; once for a key. The platform is told of it by a job.
///
/// # Errors
/// [`AudienceProblem`]s; a missing scope `audiences:write`; a caller who does not see all rows; the database's.
pub async fn create(
    app: &App,
    caller: &Caller,
    draft: AudienceDraft,
    key: Option<&CallKey>,
) -> Outcome<Audience, AudienceProblem> {
    require_write(caller)?;
    let now = app.clock().now();
    let once = Once::new(key, &caller.actor.id, "audienceCreate")?;
    if let Some(before) = before(app, &once, now).await? {
        return Ok(before);
    }
    let AudienceDraft {
        connection,
        name,
        description,
        filter,
        every_seconds,
    } = draft;
    let row = Audience {
        name: model::checked_name(&name)?,
        description: model::checked_description(&description)?,
        filter: checked_filter(app, &filter).await?,
        every_seconds: model::checked_schedule(every_seconds)?,
        ..blank(caller, connection, AudienceKind::Custom, now)
    };
    make(app, caller, row, &once, now).await
}

/// Makes an audience of people who are like those of another one; once for a key. The platform is asked for it by a job.
///
/// # Errors
/// As [`create`].
pub async fn lookalike(
    app: &App,
    caller: &Caller,
    draft: LookalikeDraft,
    key: Option<&CallKey>,
) -> Outcome<Audience, AudienceProblem> {
    require_write(caller)?;
    let now = app.clock().now();
    let once = Once::new(key, &caller.actor.id, "audienceLookalike")?;
    if let Some(before) = before(app, &once, now).await? {
        return Ok(before);
    }
    let LookalikeDraft {
        origin: id,
        name,
        country,
        ratio,
    } = draft;
    let origin = store::find(app.db().write(), id).await?;
    let Some(origin) = origin.filter(|origin| origin.deleted_at.is_none()) else {
        return Err(missing(id).into());
    };
    if origin.kind != AudienceKind::Custom {
        let message = "it is made of people who are like others already; name the audience of leads";
        return Err(wrong("id", AudienceProblem::Unsupported, message).into());
    }
    let row = Audience {
        name: model::checked_name(&name)?,
        country: Some(model::checked_country(&country)?),
        percent: Some(model::checked_ratio(ratio)?),
        origin_id: Some(id),
        ..blank(caller, origin.connection_id, AudienceKind::Lookalike, now)
    };
    if origin.external_id.is_none() {
        let message = "the platform does not have the audience yet; wait until it is READY";
        return Err(wrong("id", AudienceProblem::NotReady, message).into());
    }
    make(app, caller, row, &once, now).await
}

async fn before(app: &App, once: &Once<'_>, now: Timestamp) -> Result<Option<Audience>, Error> {
    let tx = app.db().begin().await?;
    let id = once.before::<AudienceId>(&tx, now).await?;
    tx.rollback().await?;
    match id {
        Some(id) => made_before(app, id).await.map(Some),
        None => Ok(None),
    }
}

async fn made_before(app: &App, id: AudienceId) -> Result<Audience, Error> {
    let found = store::find(app.db().write(), id).await?;
    found.ok_or_else(|| Error::NotFound(format!("the audience `{id}` of this call is gone")))
}

async fn make(
    app: &App,
    caller: &Caller,
    mut row: Audience,
    once: &Once<'_>,
    now: Timestamp,
) -> Outcome<Audience, AudienceProblem> {
    let usable = usable(app, row.connection_id).await;
    let tx = app.db().begin().await?;
    // Also where the connection ceased to work since another call with the key made it.
    if let Some(id) = once.before::<AudienceId>(&tx, now).await? {
        tx.rollback().await?;
        return Ok(made_before(app, id).await?);
    }
    usable?;
    if store::count(&tx).await? >= MOST_AUDIENCES {
        let message = format!("a deployment has at most {MOST_AUDIENCES} audiences");
        return Err(wrong("", AudienceProblem::TooMany, message).into());
    }
    if store::is_taken(&tx, &row).await? || !store::insert(&tx, &row).await? {
        return Err(taken(&row).into());
    }
    tell(&tx, &caller.actor.id, now, &row, "CREATED").await?;
    let (_, job) = syncs::begin(&tx, caller, &mut row, AudienceTask::Sync, SyncCause::First, now).await?;
    store::update(&tx, row.clone()).await?;
    once.keep(&tx, &row.id).await?;
    tx.commit().await?;
    jobs::wake(app, job.id).await;
    Ok(row)
}

fn taken(row: &Audience) -> Problem<AudienceProblem> {
    let message = format!(
        "an audience of this connection is called `{}` already, or is still to be removed at the platform",
        row.name
    );
    wrong("name", AudienceProblem::NameTaken, message)
}

/// Changes an audience. With another filter the platform is told at once.
///
/// # Errors
/// As [`create`]; [`AudienceProblem::NotFound`].
pub async fn update(
    app: &App,
    caller: &Caller,
    id: AudienceId,
    change: AudienceChange,
) -> Outcome<Audience, AudienceProblem> {
    require_write(caller)?;
    let now = app.clock().now();
    let AudienceChange {
        name,
        description,
        filter,
        every_seconds,
    } = change;
    let name = name.as_deref().map(model::checked_name).transpose()?;
    let description = description
        .as_deref()
        .map(model::checked_description)
        .transpose()?;
    let every = every_seconds.map(model::checked_schedule).transpose()?;
    let filter = match &filter {
        Some(filter) => Some(checked_filter(app, filter).await?),
        None => None,
    };
    let tx = app.db().begin().await?;
    let locked = store::locked(&tx, id).await?;
    let Some(mut row) = locked.filter(|row| row.deleted_at.is_none()) else {
        return Err(missing(id).into());
    };
    if row.kind == AudienceKind::Lookalike && (filter.is_some() || every.flatten().is_some()) {
        let message = "who is in it is the platform's to say: it has neither filter nor schedule";
        return Err(wrong("id", AudienceProblem::Unsupported, message).into());
    }
    if let Some(name) = name {
        row.name = name;
        if store::is_taken(&tx, &row).await? {
            return Err(taken(&row).into());
        }
    }
    if let Some(description) = description {
        row.description = description;
    }
    if let Some(every) = every
        && every != row.every_seconds
    {
        row.every_seconds = every;
        // What is due, or is to be made up for, is not put off.
        if row.next_sync_at.is_none() || (row.failures == 0 && row.next_sync_at > Some(now)) {
            row.next_sync_at = every.map(|seconds| now.plus_seconds(seconds.into()));
        }
    }
    if let Some(filter) = filter
        && filter != row.filter
    {
        row.filter = filter;
        row.next_sync_at = Some(now);
    }
    row.updated_at = now;
    tell(&tx, &caller.actor.id, now, &row, "UPDATED").await?;
    store::update(&tx, row.clone()).await?;
    tx.commit().await?;
    Ok(row)
}

/// Removes an audience here, and at the platform where that is wanted; again changes nothing. At the platform it is removed
/// by a job, which goes on until it is done; where it is left there, nobody is taken out of it any more.
///
/// # Errors
/// [`AudienceProblem::NotFound`]; a missing scope `audiences:write`; a caller who does not see all rows; the database's.
pub async fn delete(
    app: &App,
    caller: &Caller,
    id: AudienceId,
    also_on_platform: bool,
) -> Outcome<Audience, AudienceProblem> {
    require_write(caller)?;
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    let Some(mut row) = store::locked(&tx, id).await? else {
        return Err(missing(id).into());
    };
    if row.deleted_at.is_some() {
        tx.rollback().await?;
        return Ok(row);
    }
    row.state = AudienceState::Deleted;
    row.deleted_at = Some(now);
    row.updated_at = now;
    // One that is being made may be there before it is known here: the schedule waits until that has ended.
    row.next_sync_at = also_on_platform.then_some(now);
    row.next_size_at = None;
    row.problem_kind = None;
    row.problem = None;
    row.failures = 0;
    row.size_problem_kind = None;
    row.size_problem = None;
    row.size_failures = 0;
    tell(&tx, &caller.actor.id, now, &row, "DELETED").await?;
    store::update(&tx, row.clone()).await?;
    tx.commit().await?;
    Ok(row)
}

/// How many leads a filter finds, and how many of them may go to the platform of a connection.
///
/// # Errors
/// [`Error::BadInput`]: a filter that cannot be used, a connection that is not there or has no audiences; a missing scope
/// `audiences:read`; a caller who does not see all rows; the database's.
pub async fn preview(
    app: &App,
    caller: &Caller,
    filter: &LeadFilter,
    connection: ConnectionId,
) -> Result<Preview, Error> {
    require_read(caller)?;
    caller.require_all_rows()?;
    check_filter(app, filter).await?;
    let sink = live(app, connection).await?;
    let Some(live) = sink else {
        return Err(Error::BadInput(format!("there is no connection `{connection}`")));
    };
    if live.facets(app).audience_sink.is_none() {
        return Err(Error::BadInput(format!("{} has no audiences", live.row.platform)));
    }
    let matching = matching(app, filter).await?;
    Ok(store::preview(app.db().read(), &matching).await?)
}

/// An audience, also one that was removed; `None` when there is none.
///
/// # Errors
/// A missing scope `audiences:read`; the database's.
pub async fn find(app: &App, caller: &Caller, id: AudienceId) -> Result<Option<Audience>, Error> {
    require_read(caller)?;
    Ok(store::find(app.db().read(), id).await?)
}

/// Audiences that were not removed, newest first.
///
/// # Errors
/// As [`find`].
pub async fn list(
    app: &App,
    caller: &Caller,
    connection: Option<ConnectionId>,
    page: &PageRequest,
) -> Result<Page<Audience>, Error> {
    require_read(caller)?;
    Ok(store::list(app.db().read(), connection, page).await?)
}

/// Audiences by id, removed ones among them. Whoever calls has asked for the scope.
///
/// # Errors
/// The database's.
pub async fn get_many(app: &App, ids: &[AudienceId]) -> Result<HashMap<AudienceId, Audience>, Error> {
    Ok(store::by_ids(app.db().read(), ids).await?)
}

/// The audiences that leads are in, by name. Whoever shows the leads has asked for scope and sight.
///
/// # Errors
/// The database's.
pub async fn of_leads(app: &App, leads: &[LeadId]) -> Result<HashMap<LeadId, Vec<Audience>>, Error> {
    let pairs = store::of_leads(app.db().read(), leads).await?;
    if pairs.is_empty() {
        return Ok(HashMap::new());
    }
    let mut ids: Vec<AudienceId> = pairs.iter().map(|(_, audience)| *audience).collect();
    ids.sort_unstable();
    ids.dedup();
    let rows = store::by_ids(app.db().read(), &ids).await?;
    let mut found: HashMap<LeadId, Vec<Audience>> = HashMap::with_capacity(leads.len());
    for (lead, audience) in pairs {
        if let Some(row) = rows.get(&audience) {
            found.entry(lead).or_default().push(row.clone());
        }
    }
    Ok(found)
}

/// How many members audiences have, as far as each caller sees them. Whoever calls has asked for the scope.
///
/// # Errors
/// The database's.
pub async fn member_counts(
    app: &App,
    keys: &[(Rows, AudienceId)],
) -> Result<HashMap<(Rows, AudienceId), i64>, Error> {
    let mut found = HashMap::with_capacity(keys.len());
    for (rows, audiences) in by_rows(keys) {
        let visible = Visible::of(app, rows).await?;
        let counts = store::count_members(app.db().read(), &visible, &audiences).await?;
        found.extend(audiences.into_iter().map(|audience| {
            let count = counts.get(&audience).copied().unwrap_or_default();
            ((rows.clone(), audience), count)
        }));
    }
    Ok(found)
}

/// Members of an audience that the caller sees, who came last first.
///
/// # Errors
/// As [`find`].
pub async fn members(
    app: &App,
    caller: &Caller,
    audience: &Audience,
    page: &PageRequest,
) -> Result<Page<Member>, Error> {
    require_read(caller)?;
    let visible = Visible::of(app, &caller.rows).await?;
    Ok(store::list_members(app.db().read(), &visible, audience, page).await?)
}
