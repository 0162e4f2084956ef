//! What using a connection showed about it: whether it works, whose it is.

use std::sync::Arc;

use entity::{ConnectionState, Timestamp};
use integrations::Kind;

use super::live::{Live, forget};
use super::{Connection, service, store};
use crate::app::App;
use crate::error::Error;

/// A connection with its account, by which its people are known: the platform is asked for that where nobody was told yet, as when
/// it was away while the connection was made. What the platform fails by is the inner error.
///
/// # Errors
/// The database's and the vault's.
pub(super) async fn with_account(app: &App, live: &Live) -> Result<integrations::Result<Live>, Error> {
    if live.row.account_id.is_some() {
        return Ok(Ok(live.clone()));
    }
    let id = live.row.id;
    let Some(integration) = live.integration(app) else {
        let message = "the platform is switched off";
        return Ok(Err(integrations::Error::new(Kind::Unsupported, message)));
    };
    let account = match integration.check(&live.context(app)).await {
        Ok(account) => account,
        Err(error) => return Ok(Err(error)),
    };
    let tx = app.db().begin().await?;
    let row = store::locked(&tx, id).await?;
    let Some(mut row) = row.filter(|row| row.access_version == live.row.access_version) else {
        let message = "the connection was changed or removed meanwhile";
        return Ok(Err(integrations::Error::new(Kind::Unavailable, message)));
    };
    if row.account_id.is_none() {
        service::take_account(&mut row, Some(&account));
        store::update(&tx, row.clone()).await?;
        tx.commit().await?;
        forget(app, id);
    }
    // A platform that names no account: the connection's own id goes on standing for it.
    let mut live = live.clone();
    live.row = Arc::new(row);
    Ok(Ok(live))
}

/// Takes note of what using a connection showed: that it works, that its credentials are not accepted (any more), that the
/// owner has removed us. Nothing is written where that was known already.
///
/// # Errors
/// The database's.
pub async fn report(app: &App, live: &Live, outcome: Result<(), &integrations::Error>) -> Result<(), Error> {
    let seen = &live.row;
    let known = match outcome {
        Ok(()) => seen.problem_kind.is_none() && seen.state == ConnectionState::Active,
        Err(error) => seen.problem_kind.as_deref() == Some(error.kind.name()),
    };
    if known {
        return Ok(());
    }
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    let Some(mut row) = store::locked(&tx, seen.id).await? else {
        return Ok(());
    };
    // What was tried is not what is there now.
    if row.access_version != seen.access_version {
        return Ok(());
    }
    // What worked when it began says nothing about what broke since, and nothing is noted of what was switched off.
    let is_over = match outcome {
        Ok(()) => row.state != seen.state,
        Err(_) => row.state == ConnectionState::Disabled,
    };
    if is_over {
        return Ok(());
    }
    let before = (row.state, row.problem_kind.clone());
    note(&mut row, outcome, now);
    if (row.state, row.problem_kind.clone()) == before {
        return Ok(());
    }
    if row.state != before.0 {
        row.version += 1;
    }
    row.updated_at = now;
    service::tell(&tx, "system", now, &row, row.state.as_str()).await?;
    store::update(&tx, row).await?;
    tx.commit().await?;
    forget(app, seen.id);
    Ok(())
}

/// Writes down in a row what trying it showed.
pub(super) fn note(row: &mut Connection, outcome: Result<(), &integrations::Error>, now: Timestamp) {
    row.checked_at = Some(now);
    match outcome {
        Ok(()) => {
            row.problem_kind = None;
            row.problem = None;
            if matches!(
                row.state,
                ConnectionState::Unauthorised | ConnectionState::Revoked | ConnectionState::Pending
            ) {
                row.state = ConnectionState::Active;
            }
        }
        Err(error) => {
            row.problem_kind = Some(error.kind.name().to_owned());
            row.problem = Some(error.message.clone());
            let state = match error.kind {
                Kind::Unauthorised => ConnectionState::Unauthorised,
                Kind::Revoked => ConnectionState::Revoked,
                _ => row.state,
            };
            if matches!(row.state, ConnectionState::Active | ConnectionState::Unauthorised) {
                row.state = state;
            }
        }
    }
}
