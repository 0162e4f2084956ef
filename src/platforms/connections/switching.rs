//! Connections are switched off and on, and removed.

use std::time::Duration;

use entity::ConnectionState;
use entity::id::ConnectionId;
use integrations::facet::Facets;

use super::service::{missing, require_write, tell, waits_for_consent};
use super::{Connection, ConnectionProblem, live, store, sync, webhook};
use crate::app::App;
use crate::error::Outcome;
use crate::identity::Caller;
use crate::jobs;

/// Switches a connection off: nothing is read of it, told to it or taken from it. A reading that goes on is cancelled.
///
/// # Errors
/// As [`update`](super::update).
pub async fn disable(app: &App, caller: &Caller, id: ConnectionId) -> Outcome<Connection, ConnectionProblem> {
    switch(app, caller, id, ConnectionState::Disabled).await
}

/// Switches a connection on again.
///
/// # Errors
/// As [`update`](super::update).
pub async fn enable(app: &App, caller: &Caller, id: ConnectionId) -> Outcome<Connection, ConnectionProblem> {
    switch(app, caller, id, ConnectionState::Active).await
}

async fn switch(
    app: &App,
    caller: &Caller,
    id: ConnectionId,
    to: ConnectionState,
) -> Outcome<Connection, ConnectionProblem> {
    require_write(caller)?;
    let now = app.clock().now();
    let seen = live::look(app, id).await?;
    let needs_consent = match &seen {
        Some(live) => {
            let secrets = live::opened(app, app.db().write(), &live.row).await?;
            let integration = live.integration(app);
            integration.is_some_and(|integration| waits_for_consent(integration, &secrets))
        }
        None => false,
    };
    let tx = app.db().begin().await?;
    let Some(mut row) = store::locked(&tx, id).await? else {
        return Err(missing(id).into());
    };
    let is_done = match to {
        ConnectionState::Disabled => row.state == to,
        // One that waits for consent or does not work is not mended by switching it on.
        _ => row.state != ConnectionState::Disabled,
    };
    if is_done {
        return Ok(row);
    }
    row.state = match to {
        ConnectionState::Disabled => to,
        _ if row.credentials.is_none() && needs_consent => ConnectionState::Pending,
        _ => to,
    };
    row.version += 1;
    row.updated_at = now;
    row.next_sync_at = row.sync_every_seconds.map(|_| now);
    store::update(&tx, row.clone()).await?;
    tell(&tx, &caller.actor.id, now, &row, row.state.as_str()).await?;
    let reading = match to {
        ConnectionState::Disabled => sync::stop_open(&tx, &caller.actor.id, id, now).await?,
        _ => None,
    };
    tx.commit().await?;
    live::forget(app, id);
    if let Some(job) = reading {
        jobs::interrupt(app, job);
    }
    Ok(row)
}

/// Removes a connection with its secrets; what came by it stays, a reading that goes on is cancelled. Its webhooks are taken
/// back at the platform where that can be done; where not, the platform is told that nobody is there. Removing it again
/// changes nothing.
///
/// # Errors
/// [`ConnectionProblem::NotFound`]; a missing scope `connections:write`; the database's.
pub async fn delete(
    app: &App,
    caller: &Caller,
    public_url: &str,
    id: ConnectionId,
) -> Outcome<ConnectionId, ConnectionProblem> {
    require_write(caller)?;
    let now = app.clock().now();
    let found = live::look(app, id).await?;
    if let Some(live) = &found
        && live.is_active()
        && let Facets {
            webhooks: Some(webhooks),
            ..
        } = live.facets(app)
        && let Some(url) = webhook::address(public_url, id)
    {
        let context = live.context(app);
        let taken_back = webhooks.unsubscribe(&context, &url);
        match tokio::time::timeout(Duration::from_secs(5), taken_back).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(connection = %id, %error, "webhooks could not be taken back at the platform");
            }
            Err(_) => {
                tracing::warn!(connection = %id, "webhooks could not be taken back at the platform in time");
            }
        }
    }
    let tx = app.db().begin().await?;
    let Some(mut row) = store::locked(&tx, id).await? else {
        let before = store::by_ids(&*tx, &[id]).await?;
        return if before.contains_key(&id) {
            Ok(id)
        } else {
            Err(missing(id).into())
        };
    };
    row.secrets = None;
    row.credentials = None;
    row.credentials_until = None;
    row.state = ConnectionState::Disabled;
    row.next_sync_at = None;
    row.deleted_at = Some(now);
    row.version += 1;
    row.updated_at = now;
    store::forget_cursors(&tx, id).await?;
    tell(&tx, &caller.actor.id, now, &row, "DELETED").await?;
    store::update(&tx, row).await?;
    let reading = sync::stop_open(&tx, &caller.actor.id, id, now).await?;
    tx.commit().await?;
    live::forget(app, id);
    if let Some(job) = reading {
        jobs::interrupt(app, job);
    }
    Ok(id)
}
