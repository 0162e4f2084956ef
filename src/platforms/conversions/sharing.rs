//! Use cases of what is shared: settings of a connection, and what happened before.

use std::collections::HashMap;

use entity::id::ConnectionId;
use entity::{Area, ConversionDeliveryState, EventKind, Timestamp, UnknownConsent};
use integrations::facet::ConversionSink;
use serde_json::json;

use super::model::{checked_key, checked_rules, wrong};
use super::service::{cancel_all, tell_all};
use super::{ConversionSharing, Rule, SharingProblem, backfill as past, store};
use crate::app::App;
use crate::db::{CallKey, Once};
use crate::error::{Error, Outcome};
use crate::events::{self, NewEvent};
use crate::identity::{Caller, Scope};
use crate::jobs::{self, Job};
use crate::platforms::connections::{Live, live};

/// A change of what is shared; `None` leaves as is.
#[derive(Clone, Debug, Default)]
pub struct SharingChange {
    /// Whether anything is told.
    pub is_enabled: Option<bool>,
    /// All rules anew.
    pub rules: Option<Vec<Rule>>,
    /// What to do where consent is not known.
    pub unknown_consent: Option<UnknownConsent>,
    /// By which name click ids are known; none: they are not told.
    pub click_key: Option<Option<String>>,
    /// The same of the platform's cookie.
    pub browser_key: Option<Option<String>>,
}

/// What happened before is to be told.
#[derive(Clone, Copy, Debug)]
pub struct Backfill {
    /// To this connection.
    pub connection: ConnectionId,
    /// What happened at or after this moment.
    pub since: Timestamp,
}

pub(super) fn require_write(caller: &Caller) -> Result<(), Error> {
    caller.require(Scope::Write(Area::Connections))?;
    // What is told is outside of any row filter.
    caller.require_all_rows()
}

/// The connection, and its platform where it takes conversions.
async fn sink(app: &App, id: ConnectionId) -> Outcome<(Live, &dyn ConversionSink), SharingProblem> {
    let Some(live) = live(app, id).await? else {
        let message = format!("there is no connection `{id}`");
        return Err(wrong("connectionId", SharingProblem::NotFound, message).into());
    };
    let Some(sink) = live.facets(app).conversion_sink else {
        let message = format!("{} takes no conversions", live.row.platform);
        return Err(wrong("connectionId", SharingProblem::Unsupported, message).into());
    };
    Ok((live, sink))
}

/// What is shared with connections; nothing for those where that was never said.
///
/// # Errors
/// The database's. Whoever shows the connections has asked for scope and sight.
pub async fn sharing_of(
    app: &App,
    connections: &[ConnectionId],
) -> Result<HashMap<ConnectionId, ConversionSharing>, Error> {
    if connections.is_empty() {
        return Ok(HashMap::new());
    }
    Ok(store::sharings(app.db().read(), connections).await?)
}

/// Changes what is shared with a connection. Switched off, what waits is not told any more; switched on, what happens from
/// then on is told, and what was called off before by [`backfill`] alone.
///
/// # Errors
/// [`SharingProblem`]s; a missing scope `connections:write`; a caller who does not see all rows; the database's.
pub async fn update(
    app: &App,
    caller: &Caller,
    connection: ConnectionId,
    change: SharingChange,
) -> Outcome<ConversionSharing, SharingProblem> {
    require_write(caller)?;
    let SharingChange {
        is_enabled,
        rules,
        unknown_consent,
        click_key,
        browser_key,
    } = change;
    let rules = rules.map(checked_rules).transpose()?;
    let click_key = match click_key {
        Some(key) => Some(checked_key("clickKey", key)?),
        None => None,
    };
    let browser_key = match browser_key {
        Some(key) => Some(checked_key("browserKey", key)?),
        None => None,
    };
    sink(app, connection).await?;
    let now = app.clock().now();
    let actor = &caller.actor.id;
    let tx = app.db().begin().await?;
    let before = store::locked_sharing(&tx, store::off(connection, actor, now)).await?;
    let mut row = before.clone();
    if let Some(rules) = rules {
        row.rules = serde_json::to_string(&rules)?;
    }
    row.unknown_consent = unknown_consent.unwrap_or(row.unknown_consent);
    row.click_key = click_key.unwrap_or(row.click_key);
    row.browser_key = browser_key.unwrap_or(row.browser_key);
    row.is_enabled = is_enabled.unwrap_or(row.is_enabled);
    if row.is_enabled && row.rules == "[]" {
        let message = "say what is to be told: at least one rule";
        return Err(wrong("rules", SharingProblem::InvalidRule, message).into());
    }
    row.shared_since = match (row.is_enabled, before.is_enabled) {
        (true, true) => before.shared_since,
        (true, false) => Some(now),
        (false, _) => None,
    };
    if !before.is_enabled {
        row.paused_until = None;
    }
    if row == before {
        // The row of a first call stands, and says nothing.
        tx.commit().await?;
        return Ok(row);
    }
    row.updated_by.clone_from(actor);
    row.updated_at = now;
    if before.is_enabled && !row.is_enabled {
        let why = (store::SWITCHED_OFF, "sharing was switched off before it was told");
        cancel_all(&tx, actor, now, connection, why).await?;
    } else if row.unknown_consent == UnknownConsent::NotRequired
        && before.unknown_consent == UnknownConsent::Withhold
    {
        let count = store::reoffer_all(&tx, connection, now).await?;
        let state = (ConversionDeliveryState::Pending, None);
        tell_all(&tx, actor, now, connection, state, count).await?;
    }
    store::put_sharing(&tx, row.clone()).await?;
    let told = NewEvent {
        kind: EventKind::ConversionSharingChanged,
        lead_id: None,
        subject: connection.to_string(),
        payload: json!({ "enabled": row.is_enabled, "unknownConsent": row.unknown_consent }),
    };
    events::append(&tx, actor, now, vec![told]).await?;
    tx.commit().await?;
    Ok(row)
}

/// Has what happened before told, as far as the platform takes it; once for a key. What was told already is not told
/// again; what was called off because sharing was switched off is.
///
/// # Errors
/// [`SharingProblem`]s; a missing scope `connections:write`; a caller who does not see all rows; the database's.
pub async fn backfill(
    app: &App,
    caller: &Caller,
    wanted: Backfill,
    key: Option<&CallKey>,
) -> Outcome<Job, SharingProblem> {
    require_write(caller)?;
    let Backfill { connection, since } = wanted;
    let now = app.clock().now();
    let (_, sink) = sink(app, connection).await?;
    let once = Once::new(key, &caller.actor.id, "conversionBackfill")?;
    let tx = app.db().begin().await?;
    if let Some(id) = once.before(&tx, now).await? {
        tx.rollback().await?;
        return Ok(jobs::queued_before(app, id).await?);
    }
    let sharing = store::sharings(&*tx, &[connection]).await?.remove(&connection);
    if !sharing.is_some_and(|sharing| sharing.is_enabled) {
        let message = "nothing is shared with the connection; see conversionSharingUpdate";
        return Err(wrong("connectionId", SharingProblem::NotShared, message).into());
    }
    let oldest = sink.oldest();
    if since > now || now.to_chrono() - since.to_chrono() > oldest {
        let message = format!(
            "the platform takes what happened in the last {} days",
            oldest.num_days()
        );
        return Err(wrong("since", SharingProblem::OutOfRange, message).into());
    }
    let job = jobs::enqueue(
        &tx,
        caller,
        now,
        past::KIND,
        &past::Input { connection, since },
        None,
    )
    .await?;
    once.keep(&tx, &job.id).await?;
    tx.commit().await?;
    jobs::wake(app, job.id).await;
    Ok(job)
}
