//! All SQL of messages and suppressions.

mod lanes;
mod suppressions;

use std::collections::HashMap;

use entity::id::{ConnectionId, LeadId, MessageId};
use entity::{
    MessageChannel, MessageDirection, MessageState, Timestamp, lead, message, message_step, message_stray,
    suppression,
};
use sea_orm::sea_query::{Expr, ExprTrait as _, IntoColumnRef};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, FromQueryResult,
    IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
};

use self::lanes::FOLLOWED;
pub(super) use self::lanes::{followed, lanes_followed, lanes_queued, queued, wake};
pub(super) use self::suppressions::*;
use super::{Message, MessageFilter, Step};
use crate::db::{
    Conflict, Direction, Page, PageRequest, Tx, insert_many, insert_new, newest_of_leads, padded,
};
use crate::leads::visible::Visible;

/// Ids of one statement.
const IDS: usize = 500;

pub(in crate::outreach::delivery) async fn insert(tx: &Tx, row: &Message) -> Result<(), DbErr> {
    insert_many(tx, std::slice::from_ref(row), Conflict::Fail)
        .await
        .map(drop)
}

/// Inserts a message that came in; false when it is there already.
pub(in crate::outreach::delivery) async fn insert_received(tx: &Tx, row: &Message) -> Result<bool, DbErr> {
    let target = "(connection_id, platform_id) WHERE direction = 'INBOUND'";
    Ok(insert_many(tx, std::slice::from_ref(row), Conflict::Keep(target)).await? == 1)
}

pub(in crate::outreach::delivery) async fn update(tx: &Tx, row: &Message) -> Result<(), DbErr> {
    message::Entity::update(row.clone().into_active_model().reset_all())
        .exec(&**tx)
        .await
        .map(drop)
}

/// A message that no other transaction changes until this one ends.
pub(in crate::outreach::delivery) async fn locked(tx: &Tx, id: MessageId) -> Result<Option<Message>, DbErr> {
    lock(tx, message::Entity::find_by_id(id)).one(&**tx).await
}

fn lock(tx: &Tx, query: Select<message::Entity>) -> Select<message::Entity> {
    // On SQLite the transaction is the only writer.
    if tx.backend() == DbBackend::Postgres {
        query.lock_exclusive()
    } else {
        query
    }
}

/// The message of ours with the platform's id, the newest, locked.
pub(in crate::outreach::delivery) async fn locked_by_platform(
    tx: &Tx,
    connection: ConnectionId,
    platform_id: &str,
) -> Result<Option<Message>, DbErr> {
    let query = message::Entity::find()
        .filter(message::Column::ConnectionId.eq(connection))
        .filter(message::Column::PlatformId.eq(platform_id))
        .filter(message::Column::Direction.eq(MessageDirection::Outbound))
        .order_by_desc(message::Column::CreatedAt)
        .limit(1);
    lock(tx, query).one(&**tx).await
}

/// The message of ours with a `Message-ID`, the newest, locked.
pub(in crate::outreach::delivery) async fn locked_by_internet_id(
    tx: &Tx,
    internet_id: &str,
) -> Result<Option<Message>, DbErr> {
    let query = message::Entity::find()
        .filter(message::Column::InternetId.eq(internet_id))
        .filter(message::Column::Direction.eq(MessageDirection::Outbound))
        .order_by_desc(message::Column::CreatedAt)
        .limit(1);
    lock(tx, query).one(&**tx).await
}

/// The last message of ours to an address since a moment, locked.
pub(in crate::outreach::delivery) async fn locked_last_to(
    tx: &Tx,
    connection: ConnectionId,
    channel: MessageChannel,
    address: &str,
    since: Timestamp,
) -> Result<Option<Message>, DbErr> {
    let query = message::Entity::find()
        .filter(message::Column::Address.eq(address))
        .filter(message::Column::CreatedAt.gte(since))
        .filter(message::Column::ConnectionId.eq(connection))
        .filter(message::Column::Channel.eq(channel))
        .filter(message::Column::Direction.eq(MessageDirection::Outbound))
        .filter(message::Column::SentAt.is_not_null())
        .order_by_desc(message::Column::CreatedAt)
        .order_by_desc(message::Column::Id)
        .limit(1);
    lock(tx, query).one(&**tx).await
}

/// Whether a message was sent again already.
pub(in crate::outreach::delivery) async fn is_resent(tx: &Tx, id: MessageId) -> Result<bool, DbErr> {
    let found = message::Entity::find()
        .filter(message::Column::ResendOf.eq(id))
        .one(&**tx)
        .await?;
    Ok(found.is_some())
}

/// Whether messages of a connection are on their way, so that the platform may know more of them than is written down.
pub(in crate::outreach::delivery) async fn is_sending(
    tx: &Tx,
    connection: ConnectionId,
) -> Result<bool, DbErr> {
    let found = message::Entity::find()
        .select_only()
        .column(message::Column::Id)
        .filter(message::Column::ConnectionId.eq(connection))
        .filter(message::Column::DueAt.is_not_null())
        .filter(Expr::cust(FOLLOWED))
        .filter(message::Column::State.is_in([MessageState::Sending, MessageState::Unknown]))
        .limit(1)
        .into_tuple::<MessageId>()
        .one(&**tx)
        .await?;
    Ok(found.is_some())
}

/// Adds to histories; answers with what was not there yet.
pub(in crate::outreach::delivery) async fn add_steps(tx: &Tx, rows: &[Step]) -> Result<Vec<Step>, DbErr> {
    insert_new(tx, rows, "(message_id, step_key)").await
}

/// Keeps something told of a message that is not known yet.
pub(in crate::outreach::delivery) async fn keep_stray(
    tx: &Tx,
    row: message_stray::Model,
) -> Result<(), DbErr> {
    let target = "(connection_id, platform_id, step_key)";
    insert_many(tx, &[row], Conflict::Keep(target)).await.map(drop)
}

/// Takes what was told of a message before its id was written down.
pub(in crate::outreach::delivery) async fn take_strays(
    tx: &Tx,
    connection: ConnectionId,
    platform_id: &str,
) -> Result<Vec<message_stray::Model>, DbErr> {
    let of_it = message_stray::Column::ConnectionId
        .eq(connection)
        .and(message_stray::Column::PlatformId.eq(platform_id));
    let found = message_stray::Entity::find()
        .filter(of_it.clone())
        .order_by_asc(message_stray::Column::ReceivedAt)
        .all(&**tx)
        .await?;
    if !found.is_empty() {
        message_stray::Entity::delete_many()
            .filter(of_it)
            .exec(&**tx)
            .await?;
    }
    Ok(found)
}

/// Forgets what nobody asked for.
pub(in crate::outreach::delivery) async fn sweep_strays(tx: &Tx, before: Timestamp) -> Result<u64, DbErr> {
    let done = message_stray::Entity::delete_many()
        .filter(message_stray::Column::ReceivedAt.lt(before))
        .exec(&**tx)
        .await?;
    Ok(done.rows_affected)
}

/// How a lead can be written to.
#[derive(Clone, Debug, FromQueryResult)]
pub(in crate::outreach::delivery) struct Reach {
    pub(in crate::outreach::delivery) email: Option<String>,
    pub(in crate::outreach::delivery) phone: Option<String>,
    pub(in crate::outreach::delivery) first_name: Option<String>,
    pub(in crate::outreach::delivery) last_name: Option<String>,
}

/// How a lead can be written to that is there and the caller's to see.
pub(in crate::outreach::delivery) async fn reach(
    tx: &Tx,
    visible: &Visible,
    id: LeadId,
) -> Result<Option<Reach>, DbErr> {
    lead::Entity::find_by_id(id)
        .select_only()
        .columns([
            lead::Column::Email,
            lead::Column::Phone,
            lead::Column::FirstName,
            lead::Column::LastName,
        ])
        .filter(lead::Column::DeletedAt.is_null())
        .apply_if(visible.condition(), |query, condition| query.filter(condition))
        .into_model::<Reach>()
        .one(&**tx)
        .await
}

/// Messages that the caller sees: those of leads that are the caller's to see, and those without a lead for who sees all.
fn seen(visible: &Visible) -> Select<message::Entity> {
    let select = message::Entity::find();
    if visible.is_all() {
        select
    } else {
        select.filter(visible.is_there((message::Entity, message::Column::LeadId)))
    }
}

pub(in crate::outreach::delivery) async fn find(
    db: &impl ConnectionTrait,
    visible: &Visible,
    id: MessageId,
) -> Result<Option<Message>, DbErr> {
    seen(visible).filter(message::Column::Id.eq(id)).one(db).await
}

pub(in crate::outreach::delivery) async fn by_ids(
    db: &impl ConnectionTrait,
    visible: &Visible,
    ids: &[MessageId],
) -> Result<HashMap<MessageId, Message>, DbErr> {
    let rows = seen(visible)
        .filter(message::Column::Id.is_in(padded(ids)))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

fn paged<E: EntityTrait>(
    mut select: Select<E>,
    page: &PageRequest,
    sort: impl IntoColumnRef,
    id: impl IntoColumnRef,
) -> Select<E> {
    let sort = Expr::col(sort.into_column_ref());
    page.apply(QueryTrait::query(&mut select), sort, id, Direction::Desc);
    select
}

pub(in crate::outreach::delivery) async fn list(
    db: &impl ConnectionTrait,
    visible: &Visible,
    filter: &MessageFilter,
    page: &PageRequest,
) -> Result<Page<Message>, DbErr> {
    use message::{Column, Entity};
    let MessageFilter {
        lead,
        connection,
        channels,
        directions,
        states,
        from,
        to,
    } = filter;
    let mut select = seen(visible);
    if let Some(lead) = lead {
        select = select.filter(Column::LeadId.eq(*lead));
    }
    if let Some(connection) = connection {
        select = select.filter(Column::ConnectionId.eq(*connection));
    }
    if !channels.is_empty() {
        select = select.filter(Column::Channel.is_in(channels.iter().copied()));
    }
    if !directions.is_empty() {
        select = select.filter(Column::Direction.is_in(directions.iter().copied()));
    }
    if !states.is_empty() {
        select = select.filter(Column::State.is_in(states.iter().copied()));
    }
    if let Some(from) = from {
        select = select.filter(Column::CreatedAt.gte(*from));
    }
    if let Some(to) = to {
        select = select.filter(Column::CreatedAt.lt(*to));
    }
    let select = paged(select, page, (Entity, Column::CreatedAt), (Entity, Column::Id));
    Ok(Page::new(page, select.all(db).await?))
}

/// The same page of the messages of each lead, newest first.
pub(in crate::outreach::delivery) async fn of_leads(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
    page: &PageRequest,
) -> Result<HashMap<LeadId, Page<Message>>, DbErr> {
    use message::{Column, Entity};
    if page.after.is_some() || page.before.is_some() {
        // A cursor is of one lead; where several come with it, each is asked for.
        let mut found = HashMap::with_capacity(leads.len());
        for lead in leads {
            let select = Entity::find().filter(Column::LeadId.eq(*lead));
            let select = paged(select, page, (Entity, Column::CreatedAt), (Entity, Column::Id));
            found.insert(*lead, Page::new(page, select.all(db).await?));
        }
        return Ok(found);
    }
    newest_of_leads::<Entity, Message>(
        db,
        "message",
        ("created_at", "id"),
        leads,
        page,
        ("", Vec::new()),
        |row| row.lead_id.expect("chosen by it"),
    )
    .await
}

/// The histories of messages, the first thing first.
pub(in crate::outreach::delivery) async fn histories(
    db: &impl ConnectionTrait,
    ids: &[MessageId],
) -> Result<HashMap<MessageId, Vec<Step>>, DbErr> {
    let rows = message_step::Entity::find()
        .filter(message_step::Column::MessageId.is_in(padded(ids)))
        .order_by_asc(message_step::Column::MessageId)
        .order_by_asc(message_step::Column::Position)
        .all(db)
        .await?;
    let mut found: HashMap<MessageId, Vec<Step>> = HashMap::with_capacity(ids.len());
    for row in rows {
        found.entry(row.message_id).or_default().push(row);
    }
    Ok(found)
}

/// The channels and addresses of the messages of leads.
pub(in crate::outreach::delivery) async fn addresses_of(
    tx: &Tx,
    leads: &[LeadId],
) -> Result<Vec<(MessageChannel, String)>, DbErr> {
    let mut found = Vec::new();
    for leads in leads.chunks(IDS) {
        let rows: Vec<(MessageChannel, String)> = message::Entity::find()
            .select_only()
            .column(message::Column::Channel)
            .column(message::Column::Address)
            .distinct()
            .filter(message::Column::LeadId.is_in(padded(leads)))
            .filter(message::Column::Address.is_not_null())
            .into_tuple()
            .all(&**tx)
            .await?;
        found.extend(rows);
    }
    Ok(found)
}

/// Takes out of the messages of leads what is personal; what waits to be sent is given up. That there were messages, and what
/// became of them, stays.
pub(in crate::outreach::delivery) async fn blank_leads(
    tx: &Tx,
    leads: &[LeadId],
    now: Timestamp,
) -> Result<(), DbErr> {
    use message::Column;
    let none = || Expr::val(Option::<String>::None);
    for leads in leads.chunks(IDS) {
        let leads = padded(leads);
        let of_them = || Column::LeadId.is_in(leads.iter().copied());
        message::Entity::update_many()
            .col_expr(Column::State, MessageState::Failed.as_str().into())
            .col_expr(Column::ProblemKind, Expr::val("LEAD_ERASED"))
            .col_expr(Column::DueAt, Expr::val(Option::<i64>::None))
            .filter(of_them())
            .filter(Column::State.eq(MessageState::Queued))
            .exec(&**tx)
            .await?;
        let mut blank = message::Entity::update_many()
            .col_expr(Column::Details, Expr::val("{}"))
            .col_expr(Column::Refs, Expr::val("[]"))
            .col_expr(Column::BlankedAt, now.micros().into())
            .filter(of_them());
        for column in [
            Column::Address,
            Column::Subject,
            Column::Body,
            Column::Html,
            Column::Problem,
            Column::InternetId,
        ] {
            blank = blank.col_expr(column, none());
        }
        blank.exec(&**tx).await?;
        let messages = message::Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(of_them())
            .into_query();
        message_step::Entity::update_many()
            .col_expr(message_step::Column::Detail, none())
            .col_expr(message_step::Column::Url, none())
            .filter(message_step::Column::MessageId.in_subquery(messages))
            .exec(&**tx)
            .await?;
        suppression::Entity::update_many()
            .col_expr(suppression::Column::Address, none())
            .col_expr(suppression::Column::Note, none())
            .filter(suppression::Column::LeadId.is_in(leads.iter().copied()))
            .exec(&**tx)
            .await?;
    }
    Ok(())
}
