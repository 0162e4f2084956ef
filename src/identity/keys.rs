//! Rotation of the vault's keys, as somebody's act.

use entity::{EventKind, Timestamp};
use serde_json::json;

use super::caller::Caller;
use super::scope::Scope;
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;
use crate::events::{self, NewEvent};
use crate::vault::Rotation;

/// Puts new keys of the vault in place of old ones.
///
/// # Errors
/// A missing scope `admin`; the database's and the vault's.
pub async fn rotate_vault_keys(
    app: &App,
    caller: &Caller,
    data: bool,
    master: bool,
) -> Result<Rotation, Error> {
    caller.require(Scope::Admin)?;
    let now = app.clock().now();
    let mut done = Rotation::default();
    if data {
        done = app.vault().rotate_data_key(app.db(), now).await?;
        recorded(app, caller, now, "data").await?;
    }
    if master {
        app.vault().rotate_master_key(app.db()).await?;
        recorded(app, caller, now, "master").await?;
    }
    Ok(done)
}

async fn recorded(app: &App, caller: &Caller, now: Timestamp, which: &str) -> Result<(), Error> {
    let tx = app.db().begin().await?;
    rotated(&tx, caller, now, which).await?;
    tx.commit().await?;
    Ok(())
}

/// Notes that a key was rotated.
pub(super) async fn rotated(tx: &Tx, caller: &Caller, now: Timestamp, which: &str) -> Result<(), Error> {
    let event = NewEvent {
        kind: EventKind::KeyRotated,
        lead_id: None,
        subject: which.to_owned(),
        payload: json!({}),
    };
    Ok(events::append(tx, &caller.actor.id, now, vec![event]).await?)
}
