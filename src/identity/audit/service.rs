//! Use cases of the audit log.

use entity::id::AuditEntryId;
use entity::{Area, Timestamp};

use super::{AuditEntry, store};
use crate::app::App;
use crate::db::{Keyset, Page, PageRequest, SortValue, Tx};
use crate::error::Error;
use crate::identity::{Caller, Scope};
use crate::origin::{self, Origin};

/// The ordering of entries, as cursors name it.
pub const ORDER: &str = "NEWEST";

/// Which entries; all conditions hold together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Who: `user_…`, `token_…`, `operator`, `nobody`.
    pub actor: Option<String>,
    /// What, e.g. `LEAD_UPDATED`.
    pub action: Option<String>,
    /// To what: its id.
    pub subject: Option<String>,
    /// From this moment on.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
}

/// The place of an entry in the list.
#[must_use]
pub fn keyset(entry: &AuditEntry) -> Keyset {
    Keyset {
        order: ORDER.into(),
        value: SortValue::Int(entry.at.micros()),
        id: entry.id.0,
    }
}

/// Entries, newest first.
///
/// # Errors
/// A missing scope `audit:read`; the database's.
pub async fn list(
    app: &App,
    caller: &Caller,
    filter: &AuditFilter,
    page: &PageRequest,
) -> Result<Page<AuditEntry>, Error> {
    caller.require(Scope::Read(Area::Audit))?;
    caller.require_all_rows()?;
    Ok(store::list(app.db().read(), filter, page).await?)
}

fn entry(now: Timestamp, actor: &str, action: &str, subject: &str, origin: &Origin) -> AuditEntry {
    AuditEntry {
        id: AuditEntryId::at(now),
        at: now,
        actor: actor.to_owned(),
        action: action.to_owned(),
        subject: subject.to_owned(),
        lead_id: None,
        count: 1,
        detail: "{}".to_owned(),
        address: origin.address.map(|address| address.to_string()),
        user_agent: origin.user_agent.as_deref().map(str::to_owned),
        request_id: origin.request_id.as_deref().map(str::to_owned),
    }
}

/// Notes an act that leaves no event, such as an export.
///
/// # Errors
/// The database's.
pub async fn note(app: &App, caller: &Caller, action: &str, detail: &serde_json::Value) -> Result<(), Error> {
    let origin = origin::current().unwrap_or_else(|| caller.origin.clone());
    let mut entry = entry(app.clock().now(), &caller.actor.id, action, "", &origin);
    entry.detail = detail.to_string();
    kept(app, entry).await
}

/// Notes a sign-in that failed; of the user, where there is one.
///
/// # Errors
/// The database's.
pub(in crate::identity) async fn failed_sign_in(app: &App, origin: &Origin, user: &str) -> Result<(), Error> {
    kept(
        app,
        entry(app.clock().now(), "nobody", "SIGN_IN_FAILED", user, origin),
    )
    .await
}

async fn kept(app: &App, entry: AuditEntry) -> Result<(), Error> {
    let tx: Tx = app.db().begin().await?;
    store::insert(&tx, entry).await?;
    tx.commit().await?;
    Ok(())
}

/// Removes entries from before a moment; answers how many.
///
/// # Errors
/// The database's.
pub async fn prune(app: &App, before: Timestamp) -> Result<u64, Error> {
    const BATCH: i64 = 5_000;
    let mut removed = 0;
    loop {
        let tx = app.db().begin().await?;
        let count = store::prune(&tx, before, BATCH).await?;
        tx.commit().await?;
        removed += count;
        if count == 0 {
            return Ok(removed);
        }
    }
}
