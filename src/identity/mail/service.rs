//! Use cases of mails.

use entity::id::MailId;
use entity::{MailState, Timestamp};

use super::{Mail, store};
use crate::app::App;
use crate::db::{Keyset, Page, PageRequest, SortValue, Tx};
use crate::error::Error;
use crate::identity::{Caller, Scope};
use crate::vault::Place;

/// The ordering of mails, as cursors name it.
pub const ORDER: &str = "NEWEST";

/// A mail that is about to be written.
#[derive(Clone, Debug)]
pub struct NewMail {
    /// To whom.
    pub recipient: String,
    /// Its subject; no secret.
    pub subject: String,
    /// Its text.
    pub body: String,
}

/// Puts a mail into the outbox, in the transaction that makes it necessary.
///
/// # Errors
/// The database's and the vault's.
pub async fn queue(app: &App, tx: &Tx, new: NewMail) -> Result<MailId, Error> {
    let NewMail {
        recipient,
        subject,
        body,
    } = new;
    let now = app.clock().now();
    let id = MailId::at(now);
    let body = app
        .vault()
        .seal(tx, now, Place::MAIL_BODY, id.0, body.as_bytes())
        .await?;
    let is_sent = app.access().smtp_url.is_some();
    let mail = Mail {
        id,
        recipient,
        subject,
        body,
        state: if is_sent {
            MailState::Waiting
        } else {
            MailState::Kept
        },
        attempts: 0,
        next_attempt_at: is_sent.then_some(now),
        error: None,
        created_at: now,
        sent_at: None,
    };
    store::insert(tx, mail).await?;
    Ok(id)
}

/// The place of a mail in the list.
#[must_use]
pub fn keyset(mail: &Mail) -> Keyset {
    Keyset {
        order: ORDER.into(),
        value: SortValue::Int(mail.created_at.micros()),
        id: mail.id.0,
    }
}

/// The outbox, newest first. Its texts hold links by which others sign in, so it asks for `admin`.
///
/// # Errors
/// A missing scope `admin`; the database's.
pub async fn list(app: &App, caller: &Caller, page: &PageRequest) -> Result<Page<Mail>, Error> {
    caller.require(Scope::Admin)?;
    caller.require_all_rows()?;
    Ok(store::list(app.db().read(), page).await?)
}

/// A mail by id; `None` when there is none.
///
/// # Errors
/// A missing scope `admin`; the database's.
pub async fn get(app: &App, caller: &Caller, id: MailId) -> Result<Option<Mail>, Error> {
    caller.require(Scope::Admin)?;
    caller.require_all_rows()?;
    Ok(store::find(app.db().read(), id).await?)
}

/// The text of a mail.
///
/// # Errors
/// A missing scope `admin`; the database's and the vault's.
pub async fn get_body(app: &App, caller: &Caller, mail: &Mail) -> Result<String, Error> {
    caller.require(Scope::Admin)?;
    caller.require_all_rows()?;
    read_body(app, mail).await
}

pub(super) async fn read_body(app: &App, mail: &Mail) -> Result<String, Error> {
    let plain = app
        .vault()
        .open(app.db().read(), Place::MAIL_BODY, mail.id.0, &mail.body)
        .await?;
    String::from_utf8(plain.to_vec()).map_err(Error::internal)
}

/// Removes mails from before a moment; answers how many.
///
/// # Errors
/// The database's.
pub async fn prune(app: &App, before: Timestamp) -> Result<u64, Error> {
    let tx = app.db().begin().await?;
    let removed = store::prune(&tx, before).await?;
    tx.commit().await?;
    Ok(removed)
}
