//! All SQL of the event log.

use std::collections::{HashMap, HashSet};

use entity::id::LeadId;
use entity::{EventKind, Timestamp, audit_entry, event, event_cursor, event_head};
use sea_orm::sea_query::{Condition, OnConflict, SimpleExpr};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect,
};

use uuid::Uuid;

use super::{Event, Filter, Position};
use crate::db::{Conflict, Db, Keyset, Page, PageRequest, SortValue, Tx, insert_many, newest_of_leads, sql};

/// Most events that one pass of the relay moves: bounds the memory and the length of its transaction.
const RELAY_BATCH: i64 = 5_000;

/// Keeps entries of the audit log.
pub(super) async fn note(tx: &Tx, entries: Vec<audit_entry::Model>) -> Result<(), DbErr> {
    insert_many(tx, &entries, Conflict::Fail).await.map(drop)
}

pub(super) async fn append(tx: &Tx, mut rows: Vec<Event>) -> Result<(), DbErr> {
    if tx.backend() == DbBackend::Postgres {
        crate::db::insert_outbox(tx, &rows).await?;
        return Ok(());
    }
    let count = i64::try_from(rows.len()).expect("a batch is small");
    let last: i64 = tx
        .query_one_raw(sql(
            tx.backend(),
            "UPDATE event_head SET last_position = last_position + ? WHERE id = 1 RETURNING last_position",
            [count.into()],
        ))
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("event_head".into()))?
        .try_get("", "last_position")?;
    for (row, position) in rows.iter_mut().zip(last - count + 1..) {
        row.position = position;
    }
    insert_many(tx, &rows, Conflict::Fail).await?;
    Ok(())
}

/// Gives the committed events of the outbox their positions (PostgreSQL; on SQLite there is nothing to do).
/// The head row is the lock: whoever holds it is the one relay, everybody else goes on. Answers how many it moved.
///
/// # Errors
/// The database's; then nothing has moved.
pub async fn relay(db: &Db) -> Result<u64, DbErr> {
    if db.backend() != DbBackend::Postgres {
        return Ok(0);
    }
    if !is_waiting(db).await? {
        return Ok(0);
    }
    let mut moved = 0;
    loop {
        let tx = db.begin().await?;
        let head = tx
            .query_one_raw(sql(
                db.backend(),
                "SELECT last_position FROM event_head WHERE id = 1 FOR UPDATE SKIP LOCKED",
                [],
            ))
            .await?;
        let Some(head) = head else {
            tx.rollback().await?;
            return Ok(moved);
        };
        let last: i64 = head.try_get("", "last_position")?;
        let count = tx
            .execute_raw(sql(
                db.backend(),
                // A bound instead of a list: however old the statistics are, it is one walk of the key.
                "WITH moved AS (DELETE FROM event_outbox WHERE seq <= (SELECT max(seq) FROM (SELECT seq FROM \
                 event_outbox ORDER BY seq LIMIT ?) AS first) RETURNING *) INSERT INTO event (position, kind, lead_id, subject, actor, payload, at) \
                 SELECT ? + row_number() OVER (ORDER BY seq), kind, lead_id, subject, actor, payload, at FROM moved",
                [RELAY_BATCH.into(), last.into()],
            ))
            .await?
            .rows_affected();
        let step = i64::try_from(count).expect("a batch is small");
        tx.execute_raw(sql(
            db.backend(),
            "UPDATE event_head SET last_position = last_position + ? WHERE id = 1",
            [step.into()],
        ))
        .await?;
        tx.commit().await?;
        moved += count;
        if step < RELAY_BATCH {
            return Ok(moved);
        }
    }
}

/// Whether committed events wait for their positions (PostgreSQL).
///
/// # Errors
/// The database's.
pub async fn is_waiting(db: &Db) -> Result<bool, DbErr> {
    if db.backend() != DbBackend::Postgres {
        return Ok(false);
    }
    let waiting = db
        .write()
        .query_one_raw(sql(db.backend(), "SELECT 1 AS one FROM event_outbox LIMIT 1", []))
        .await?;
    Ok(waiting.is_some())
}

/// The last position given, and the oldest still kept.
///
/// # Errors
/// The database's.
pub async fn head(db: &impl ConnectionTrait) -> Result<(Position, Position), DbErr> {
    let head = event_head::Entity::find_by_id(1)
        .one(db)
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("event_head".into()))?;
    Ok((head.last_position, head.oldest_position))
}

/// Events after a position in their order, of the given kinds (all when empty) and at most up to a position.
///
/// # Errors
/// The database's.
pub async fn page(
    db: &impl ConnectionTrait,
    after: Position,
    up_to: Option<Position>,
    kinds: &[EventKind],
    lead_id: Option<LeadId>,
    limit: u64,
) -> Result<Vec<Event>, DbErr> {
    let mut query = event::Entity::find().filter(event::Column::Position.gt(after));
    if let Some(up_to) = up_to {
        query = query.filter(event::Column::Position.lte(up_to));
    }
    if !kinds.is_empty() {
        query = query.filter(event::Column::Kind.is_in(kinds.iter().copied()));
    }
    if let Some(lead_id) = lead_id {
        query = query.filter(event::Column::LeadId.eq(lead_id));
    }
    query
        .order_by_asc(event::Column::Position)
        .limit(limit)
        .all(db)
        .await
}

/// The wanted events before a position (up to the last when `None`), the latest first; those alone that `seen`
/// holds for where it is given.
///
/// # Errors
/// The database's.
pub async fn latest(
    db: &impl ConnectionTrait,
    filter: &Filter,
    seen: Option<SimpleExpr>,
    before: Option<Position>,
    limit: u64,
) -> Result<Vec<Event>, DbErr> {
    let Filter {
        kinds,
        lead_id,
        subjects,
    } = filter;
    let mut query = event::Entity::find();
    if let Some(seen) = seen {
        query = query.filter(seen);
    }
    if let Some(before) = before {
        query = query.filter(event::Column::Position.lt(before));
    }
    if !kinds.is_empty() {
        query = query.filter(event::Column::Kind.is_in(kinds.iter().copied()));
    }
    if let Some(lead_id) = lead_id {
        query = query.filter(event::Column::LeadId.eq(*lead_id));
    }
    if !subjects.is_empty() {
        query = query.filter(event::Column::Subject.is_in(subjects.iter().map(String::as_str)));
    }
    query
        .order_by_desc(event::Column::Position)
        .limit(limit)
        .all(db)
        .await
}

/// The place of a position among ids, for lists that have events among other things.
#[must_use]
pub fn place(position: Position) -> Uuid {
    Uuid::from_u128(u128::try_from(position).unwrap_or(0))
}

/// The same page of the events of each lead, of the given kinds, newest first by the moment and then the position. One
/// statement for all, unless the page begins at a cursor, which only one lead can have. The tie in a cursor is an id
/// among whose like [`place`] puts the positions.
///
/// # Errors
/// The database's.
pub async fn of_leads(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
    kinds: &[EventKind],
    page: &PageRequest,
) -> Result<HashMap<LeadId, Page<Event>>, DbErr> {
    if page.after.is_none() && page.before.is_none() {
        let marks = vec!["?"; kinds.len()].join(",");
        let also = format!("AND kind IN ({marks})");
        let values = kinds.iter().map(|kind| kind.as_str().into()).collect();
        let order = ("at", "position");
        // A lead's own: the query asks for no others.
        let of = |event: &Event| event.lead_id.expect("asked for by its lead");
        return newest_of_leads(db, "event", order, leads, page, (&also, values), of).await;
    }
    let mut pages = HashMap::new();
    for lead in leads {
        let mut query = event::Entity::find()
            .filter(event::Column::LeadId.eq(*lead))
            .filter(event::Column::Kind.is_in(kinds.iter().copied()));
        for (cursor, later) in [(&page.after, false), (&page.before, true)] {
            if let Some(at) = cursor {
                query = query.filter(beyond(at, later)?);
            }
        }
        let query = if page.backward {
            query
                .order_by_asc(event::Column::At)
                .order_by_asc(event::Column::Position)
        } else {
            query
                .order_by_desc(event::Column::At)
                .order_by_desc(event::Column::Position)
        };
        let rows = query.limit(page.limit + 1).all(db).await?;
        pages.insert(*lead, Page::new(page, rows));
    }
    Ok(pages)
}

/// Events later, or earlier, than a place in a list that has other things as well.
fn beyond(at: &Keyset, later: bool) -> Result<Condition, DbErr> {
    let SortValue::Int(moment) = at.value else {
        return Err(DbErr::Custom("a cursor without a moment".into()));
    };
    let moment = Timestamp(moment);
    // An id of other things is greater than any position.
    let tie = i64::try_from(at.id.as_u128()).unwrap_or(Position::MAX);
    let (apart, same) = if later {
        (event::Column::At.gt(moment), event::Column::Position.gt(tie))
    } else {
        (event::Column::At.lt(moment), event::Column::Position.lt(tie))
    };
    let tied = Condition::all().add(event::Column::At.eq(moment)).add(same);
    Ok(Condition::any().add(apart).add(tied))
}

/// How many events of the given kinds (all when empty) there are after a position.
pub(super) async fn count_after(
    db: &impl ConnectionTrait,
    after: Position,
    kinds: &[EventKind],
) -> Result<u64, DbErr> {
    let mut query = event::Entity::find().filter(event::Column::Position.gt(after));
    if !kinds.is_empty() {
        query = query.filter(event::Column::Kind.is_in(kinds.iter().copied()));
    }
    query.count(db).await
}

/// The position of the last event about a lead, 0 when there is none.
///
/// # Errors
/// The database's.
pub async fn last_of_lead(db: &impl ConnectionTrait, lead_id: LeadId) -> Result<Position, DbErr> {
    let row: Option<Position> = event::Entity::find()
        .select_only()
        .column(event::Column::Position)
        .filter(event::Column::LeadId.eq(lead_id))
        .order_by_desc(event::Column::Position)
        .limit(1)
        .into_tuple()
        .one(db)
        .await?;
    Ok(row.unwrap_or(0))
}

/// Most events that [`prune`] removes at once: bounds the length of its transaction.
const PRUNE_BATCH: i64 = 10_000;

/// Removes the oldest events, at most 10,000, up to the first that was recorded at or after a moment or that some
/// handler has still to come to; answers how many.
///
/// # Errors
/// The database's.
pub async fn prune(tx: &Tx, before: Timestamp) -> Result<u64, DbErr> {
    // Read in the order of the log, so that no index on the moment is needed.
    let text = "SELECT max(position) AS last FROM (SELECT position, at FROM event WHERE position <= \
                COALESCE((SELECT min(position) FROM event_cursor), 9223372036854775807) \
                ORDER BY position LIMIT ?) AS oldest WHERE at < ? \
                AND position < COALESCE((SELECT min(position) FROM (SELECT position, at FROM event ORDER BY position \
                LIMIT ?) AS oldest WHERE at >= ?), 9223372036854775807)";
    let values = [PRUNE_BATCH, before.micros(), PRUNE_BATCH, before.micros()].map(Into::into);
    let row = tx.query_one_raw(sql(tx.backend(), text, values)).await?;
    let last = row
        .map(|row| row.try_get::<Option<Position>>("", "last"))
        .transpose()?
        .flatten();
    let Some(last) = last else {
        return Ok(0);
    };
    let removed = event::Entity::delete_many()
        .filter(event::Column::Position.lte(last))
        .exec(&**tx)
        .await?;
    tx.execute_raw(sql(
        tx.backend(),
        "UPDATE event_head SET oldest_position = ? WHERE id = 1",
        [(last + 1).into()],
    ))
    .await?;
    Ok(removed.rows_affected)
}

/// Makes sure that a handler has a cursor; a new one begins at `start`.
pub(super) async fn ensure_cursor(db: &Db, name: &str, start: Position, now: Timestamp) -> Result<(), DbErr> {
    event_cursor::Entity::insert(event_cursor::ActiveModel {
        name: Set(name.to_owned()),
        position: Set(start),
        updated_at: Set(now),
        failures: Set(None),
        last_error: Set(None),
    })
    .on_conflict(
        OnConflict::column(event_cursor::Column::Name)
            .do_nothing()
            .to_owned(),
    )
    .exec_without_returning(db.write())
    .await
    .map(drop)
}

/// Where a handler stands, without locking it.
pub(super) async fn cursor(
    db: &impl ConnectionTrait,
    name: &str,
) -> Result<Option<event_cursor::Model>, DbErr> {
    event_cursor::Entity::find_by_id(name.to_owned()).one(db).await
}

/// The position up to which a handler has handled all there was for it; 0 for one that has not begun.
///
/// # Errors
/// The database's.
pub async fn handled(db: &impl ConnectionTrait, name: &str) -> Result<Position, DbErr> {
    Ok(cursor(db, name).await?.map_or(0, |cursor| cursor.position))
}

/// The leads of which a handler of some kinds of events has not handled all there is.
///
/// # Errors
/// The database's.
pub async fn waiting_leads(
    db: &impl ConnectionTrait,
    name: &str,
    kinds: &[EventKind],
) -> Result<HashSet<LeadId>, DbErr> {
    let words: Vec<String> = kinds.iter().map(|kind| format!("'{kind}'")).collect();
    let words = words.join(",");
    let backend = db.get_database_backend();
    let outbox = if backend == DbBackend::Postgres {
        format!(" UNION SELECT lead_id FROM event_outbox WHERE kind IN ({words}) AND lead_id IS NOT NULL")
    } else {
        String::new()
    };
    let text = format!(
        "SELECT lead_id FROM event WHERE kind IN ({words}) AND lead_id IS NOT NULL \
         AND position > COALESCE((SELECT position FROM event_cursor WHERE name = ?), 0){outbox}"
    );
    let rows = db.query_all_raw(sql(backend, &text, [name.into()])).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// The events of some kinds that a handler has not come to, those of PostgreSQL's outbox included, so many at most: what they say
/// and whom it is of; their order and who did it are left out.
///
/// # Errors
/// The database's.
pub async fn waiting(
    db: &impl ConnectionTrait,
    name: &str,
    kinds: &[EventKind],
    limit: usize,
) -> Result<Vec<Event>, DbErr> {
    let words: Vec<String> = kinds.iter().map(|kind| format!("'{kind}'")).collect();
    let words = words.join(",");
    let backend = db.get_database_backend();
    let outbox = if backend == DbBackend::Postgres {
        format!(" UNION ALL SELECT kind, lead_id, payload FROM event_outbox WHERE kind IN ({words})")
    } else {
        String::new()
    };
    let text = format!(
        "SELECT kind, lead_id, payload FROM event WHERE kind IN ({words}) \
         AND position > COALESCE((SELECT position FROM event_cursor WHERE name = ?), 0){outbox} LIMIT {limit}"
    );
    let rows = db.query_all_raw(sql(backend, &text, [name.into()])).await?;
    rows.iter()
        .map(|row| {
            Ok(Event {
                position: 0,
                kind: row.try_get_by_index(0)?,
                lead_id: row.try_get_by_index(1)?,
                subject: String::new(),
                actor: String::new(),
                payload: row.try_get_by_index(2)?,
                at: Timestamp(0),
            })
        })
        .collect()
}

/// How far the log has got, and how far each handler: what is derived is the same while this is.
pub type Positions = Vec<(String, Position)>;

/// How far the log has got, and how far each handler.
///
/// # Errors
/// The database's.
pub async fn positions(db: &impl ConnectionTrait) -> Result<Positions, DbErr> {
    let text = "SELECT name, position FROM event_cursor UNION ALL SELECT '', last_position FROM event_head ORDER BY 1";
    let rows = db.query_all_raw(sql(db.get_database_backend(), text, [])).await?;
    rows.iter()
        .map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?)))
        .collect()
}

/// Keeps a handler from going on until the transaction ends: waits for what it is at.
///
/// # Errors
/// The database's.
pub async fn hold(tx: &Tx, name: &str) -> Result<(), DbErr> {
    // SQLite has one transaction that writes at a time.
    if tx.backend() == DbBackend::Postgres {
        let text = "SELECT position FROM event_cursor WHERE name = ? FOR UPDATE";
        tx.query_one_raw(sql(tx.backend(), text, [name.into()])).await?;
    }
    Ok(())
}

/// Where a handler stands, locked until the transaction ends; `None` when another process has it.
pub(super) async fn lock_cursor(tx: &Tx, name: &str) -> Result<Option<Position>, DbErr> {
    let text = match tx.backend() {
        DbBackend::Postgres => "SELECT position FROM event_cursor WHERE name = ? FOR UPDATE SKIP LOCKED",
        _ => "SELECT position FROM event_cursor WHERE name = ?",
    };
    let row = tx.query_one_raw(sql(tx.backend(), text, [name.into()])).await?;
    row.map(|row| row.try_get("", "position")).transpose()
}

pub(super) async fn move_cursor(
    tx: &Tx,
    name: &str,
    position: Position,
    now: Timestamp,
) -> Result<(), DbErr> {
    tx.execute_raw(sql(
        tx.backend(),
        "UPDATE event_cursor SET position = ?, updated_at = ?, failures = NULL, last_error = NULL WHERE name = ?",
        [position.into(), now.micros().into(), name.into()],
    ))
    .await
    .map(drop)
}

pub(super) async fn note_failure(db: &Db, name: &str, error: &str) -> Result<(), DbErr> {
    db.write()
        .execute_raw(sql(
            db.backend(),
            "UPDATE event_cursor SET failures = COALESCE(failures, 0) + 1, last_error = ? WHERE name = ?",
            [error.into(), name.into()],
        ))
        .await
        .map(drop)
}
