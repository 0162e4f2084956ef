//! Messages looked at.

use std::collections::HashMap;

use entity::id::{ConnectionId, LeadId, MessageId};
use entity::{Area, MessageChannel, MessageDirection, MessageState, Timestamp};

use super::{Message, Step, store};
use crate::app::App;
use crate::db::{Keyset, Page, PageRequest, SortValue};
use crate::error::Error;
use crate::identity::{Caller, Rows, Scope};
use crate::leads::visible::Visible;

/// Which messages.
#[derive(Clone, Debug, Default)]
pub struct MessageFilter {
    /// Of this lead.
    pub lead: Option<LeadId>,
    /// By this connection.
    pub connection: Option<ConnectionId>,
    /// By one of these channels; all when empty.
    pub channels: Vec<MessageChannel>,
    /// In one of these directions; both when empty.
    pub directions: Vec<MessageDirection>,
    /// In one of these states; all when empty.
    pub states: Vec<MessageState>,
    /// Asked for, or come in, at or after this moment.
    pub from: Option<Timestamp>,
    /// Before this moment.
    pub to: Option<Timestamp>,
}

impl MessageFilter {
    /// The name of the one ordering, newest first.
    pub const ORDER: &'static str = "message CREATED_AT DESC";

    /// The place of a message in it.
    #[must_use]
    pub fn keyset(row: &Message) -> Keyset {
        Keyset {
            order: Self::ORDER.to_owned(),
            value: SortValue::Int(row.created_at.micros()),
            id: row.id.0,
        }
    }
}

/// A message; `None` when there is none, or its lead is not the caller's to see.
///
/// # Errors
/// A missing scope `messages:read`; the database's.
pub async fn find(app: &App, caller: &Caller, id: MessageId) -> Result<Option<Message>, Error> {
    caller.require(Scope::Read(Area::Messages))?;
    let visible = Visible::of(app, &caller.rows).await?;
    Ok(store::find(app.db().read(), &visible, id).await?)
}

/// Messages, newest first; of leads that the caller sees, and those without a lead for who sees all.
///
/// # Errors
/// A missing scope `messages:read`; the database's.
pub async fn list(
    app: &App,
    caller: &Caller,
    filter: &MessageFilter,
    page: &PageRequest,
) -> Result<Page<Message>, Error> {
    caller.require(Scope::Read(Area::Messages))?;
    let visible = Visible::of(app, &caller.rows).await?;
    Ok(store::list(app.db().read(), &visible, filter, page).await?)
}

/// Messages by id; those that are not the caller's to see are left out.
///
/// # Errors
/// The database's. The caller's scope has been asked for by whoever lets the loader in.
pub async fn get_many(
    app: &App,
    rows: &Rows,
    ids: &[MessageId],
) -> Result<HashMap<MessageId, Message>, Error> {
    let visible = Visible::of(app, rows).await?;
    Ok(store::by_ids(app.db().read(), &visible, ids).await?)
}

/// The same page of the messages of each lead, newest first.
///
/// # Errors
/// The database's. Whoever shows the leads has asked for scope and sight.
pub async fn of_leads(
    app: &App,
    leads: &[LeadId],
    page: &PageRequest,
) -> Result<HashMap<LeadId, Page<Message>>, Error> {
    Ok(store::of_leads(app.db().read(), leads, page).await?)
}

/// What became of messages, the first thing first.
///
/// # Errors
/// The database's. Whoever shows the messages has asked for scope and sight.
pub async fn histories(app: &App, ids: &[MessageId]) -> Result<HashMap<MessageId, Vec<Step>>, Error> {
    Ok(store::histories(app.db().read(), ids).await?)
}
