//! All SQL of generated texts.

use std::collections::{BTreeMap, HashMap};

use entity::id::{ConnectionId, TextId};
use entity::{
    Day, TextFinish, TextState, Timestamp, connection, text_answer, text_budget, text_generation,
    text_spending,
};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait,
};

use super::model::{Estimate, GenerationFilter};
use super::{Budget, Generation};
use crate::db::{Direction, Page, PageRequest, Tx, padded, sql};

/// Most groups of a usage.
pub(super) const MOST_GROUPS: u64 = 1_000;

pub(super) async fn insert(tx: &Tx, row: Generation) -> Result<(), DbErr> {
    text_generation::Entity::insert(row.into_active_model())
        .exec_without_returning(&**tx)
        .await
        .map(drop)
}

pub(super) async fn update(tx: &Tx, row: Generation) -> Result<(), DbErr> {
    text_generation::Entity::update(row.into_active_model().reset_all())
        .exec(&**tx)
        .await
        .map(drop)
}

pub(super) async fn find(db: &impl ConnectionTrait, id: TextId) -> Result<Option<Generation>, DbErr> {
    text_generation::Entity::find_by_id(id).one(db).await
}

/// A generation that no other transaction changes until this one ends.
pub(super) async fn locked(tx: &Tx, id: TextId) -> Result<Option<Generation>, DbErr> {
    let mut query = text_generation::Entity::find_by_id(id);
    if tx.backend() == DbBackend::Postgres {
        query = query.lock_exclusive();
    }
    query.one(&**tx).await
}

/// The latest complete answer to the same whose text is kept.
pub(super) async fn known(
    db: &impl ConnectionTrait,
    connection: ConnectionId,
    digest: &str,
    now: Timestamp,
) -> Result<Option<(Generation, Vec<u8>)>, DbErr> {
    use text_generation::Column;
    // A few, as the text of one may have been removed a moment ago.
    let rows = text_generation::Entity::find()
        .filter(Column::ConnectionId.eq(connection))
        .filter(Column::Digest.eq(digest))
        .filter(Column::State.eq(TextState::Done))
        .filter(Column::Finish.eq(TextFinish::Complete))
        .filter(Column::CopyOf.is_null())
        .order_by_desc(Column::Id)
        .limit(3)
        .all(db)
        .await?;
    for row in rows {
        if let Some(text) = answer(db, row.id, now).await? {
            return Ok(Some((row, text)));
        }
    }
    Ok(None)
}

/// A text that is kept, sealed.
pub(super) async fn answer(
    db: &impl ConnectionTrait,
    id: TextId,
    now: Timestamp,
) -> Result<Option<Vec<u8>>, DbErr> {
    let found = text_answer::Entity::find_by_id(id)
        .filter(text_answer::Column::Until.gt(now))
        .one(db)
        .await?;
    Ok(found.map(|row| row.text))
}

pub(super) async fn keep_answer(tx: &Tx, row: text_answer::Model) -> Result<(), DbErr> {
    text_answer::Entity::insert(row.into_active_model())
        .exec_without_returning(&**tx)
        .await
        .map(drop)
}

/// Says that texts are still being written.
pub(super) async fn keep_alive(db: &impl ConnectionTrait, id: TextId, until: Timestamp) -> Result<(), DbErr> {
    use text_generation::Column;
    text_generation::Entity::update_many()
        .col_expr(Column::AliveUntil, until.micros().into())
        .filter(Column::Id.eq(id))
        .filter(Column::State.eq(TextState::Running))
        .exec(db)
        .await
        .map(drop)
}

/// Whether somebody wants a text written no further.
pub(super) async fn is_cancelled(db: &impl ConnectionTrait, id: TextId) -> Result<bool, DbErr> {
    use text_generation::Column;
    let found: Option<TextId> = text_generation::Entity::find_by_id(id)
        .select_only()
        .column(Column::Id)
        .filter(Column::CancelRequestedAt.is_not_null())
        .into_tuple()
        .one(db)
        .await?;
    Ok(found.is_some())
}

/// The latest entry of a caller that was answered by the text of another one.
pub(super) async fn copy_of(
    tx: &Tx,
    of: &Generation,
    written: TextId,
    caller: &str,
) -> Result<Option<Generation>, DbErr> {
    use text_generation::Column;
    text_generation::Entity::find()
        .filter(Column::ConnectionId.eq(of.connection_id))
        .filter(Column::Digest.eq(&*of.digest))
        .filter(Column::State.eq(of.state))
        .filter(Column::CopyOf.eq(written))
        .filter(Column::CreatedBy.eq(caller))
        .order_by_desc(Column::Id)
        .limit(1)
        .one(&**tx)
        .await
}

/// Texts that nobody writes any more, though they have not ended.
pub(super) async fn abandoned(
    db: &impl ConnectionTrait,
    now: Timestamp,
    limit: u64,
) -> Result<Vec<TextId>, DbErr> {
    use text_generation::Column;
    text_generation::Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::AliveUntil.lt(now))
        .order_by_asc(Column::AliveUntil)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await
}

/// Removes texts whose time is over; answers how many.
pub(super) async fn prune_answers(tx: &Tx, now: Timestamp, limit: u64) -> Result<usize, DbErr> {
    use text_answer::Column;
    let ids: Vec<TextId> = text_answer::Entity::find()
        .select_only()
        .column(Column::GenerationId)
        .filter(Column::Until.lte(now))
        .order_by_asc(Column::Until)
        .limit(limit)
        .into_tuple()
        .all(&**tx)
        .await?;
    if !ids.is_empty() {
        text_answer::Entity::delete_many()
            .filter(Column::GenerationId.is_in(padded(&ids)))
            .exec(&**tx)
            .await?;
    }
    Ok(ids.len())
}

/// Removes what is known of texts that were asked for before a moment; answers how many.
pub(super) async fn prune_generations(tx: &Tx, before: Timestamp, limit: u64) -> Result<usize, DbErr> {
    use text_generation::Column;
    let ids: Vec<TextId> = text_generation::Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::StartedAt.lt(before))
        .filter(Column::State.ne(TextState::Running))
        .order_by_asc(Column::StartedAt)
        .limit(limit)
        .into_tuple()
        .all(&**tx)
        .await?;
    if !ids.is_empty() {
        text_generation::Entity::delete_many()
            .filter(Column::Id.is_in(padded(&ids)))
            .exec(&**tx)
            .await?;
    }
    Ok(ids.len())
}

/// Removes what was spent before a day.
pub(super) async fn prune_spending(tx: &Tx, before: Day) -> Result<(), DbErr> {
    text_spending::Entity::delete_many()
        .filter(text_spending::Column::Day.lt(before))
        .exec(&**tx)
        .await
        .map(drop)
}

/// Generations, the latest first.
pub(super) async fn list(
    db: &impl ConnectionTrait,
    filter: &GenerationFilter,
    page: &PageRequest,
) -> Result<Page<Generation>, DbErr> {
    use text_generation::{Column, Entity};
    let mut select = Entity::find();
    if let Some(connection) = filter.connection {
        select = select.filter(Column::ConnectionId.eq(connection));
    }
    if !filter.states.is_empty() {
        select = select.filter(Column::State.is_in(filter.states.iter().copied()));
    }
    if let Some(caller) = &filter.created_by {
        select = select.filter(Column::CreatedBy.eq(caller));
    }
    page.apply(
        QueryTrait::query(&mut select),
        Expr::col((Entity, Column::StartedAt)),
        (Entity, Column::Id),
        Direction::Desc,
    );
    Ok(Page::new(page, select.all(db).await?))
}

/// Counts an estimate into what is spent, where the budget suffices for it: one statement, so that two at the same time do
/// not both take the last of it.
pub(super) async fn reserve(
    tx: &Tx,
    connection: ConnectionId,
    day: Day,
    estimate: Estimate,
) -> Result<bool, DbErr> {
    // Locks the row. PostgreSQL, where an UPDATE had to wait for another one, asks NOT EXISTS no second time of what the
    // other one wrote: two at once would both find room for the last text.
    let row = "INSERT INTO text_spending (connection_id, day, cost, tokens) VALUES (?, ?, 0, 0) \
               ON CONFLICT (connection_id, day) DO UPDATE SET cost = text_spending.cost";
    let values = [connection.0.into(), day.0.into()];
    tx.execute_raw(sql(tx.backend(), row, values)).await?;
    let Estimate { tokens, cost } = estimate;
    let text = "UPDATE text_spending SET cost = cost + ?, tokens = tokens + ? WHERE connection_id = ? AND day = ? \
                AND NOT EXISTS (SELECT 1 FROM text_budget b WHERE b.connection_id = text_spending.connection_id AND \
                (text_spending.cost > b.cost_per_day - ? OR text_spending.tokens > b.tokens_per_day - ?))";
    let values = [
        cost.into(),
        tokens.into(),
        connection.0.into(),
        day.0.into(),
        cost.into(),
        tokens.into(),
    ];
    Ok(tx
        .execute_raw(sql(tx.backend(), text, values))
        .await?
        .rows_affected()
        == 1)
}

/// Corrects what is spent.
pub(super) async fn correct(
    tx: &Tx,
    connection: ConnectionId,
    day: Day,
    change: Estimate,
) -> Result<(), DbErr> {
    let text =
        "UPDATE text_spending SET cost = cost + ?, tokens = tokens + ? WHERE connection_id = ? AND day = ?";
    let Estimate { tokens, cost } = change;
    let values = [cost.into(), tokens.into(), connection.0.into(), day.0.into()];
    tx.execute_raw(sql(tx.backend(), text, values)).await.map(drop)
}

/// What connections have spent in a day, by connection; those that have spent nothing are not there.
pub(super) async fn spending(
    db: &impl ConnectionTrait,
    connections: &[ConnectionId],
    day: Day,
) -> Result<HashMap<ConnectionId, Estimate>, DbErr> {
    use text_spending::Column;
    let rows = text_spending::Entity::find()
        .filter(Column::ConnectionId.is_in(padded(connections)))
        .filter(Column::Day.eq(day))
        .all(db)
        .await?;
    let spent = rows.into_iter().map(|row| {
        let text_spending::Model { cost, tokens, .. } = row;
        (row.connection_id, Estimate { tokens, cost })
    });
    Ok(spent.collect())
}

/// What connections have spent on texts that have ended, by connection and day, from a day on.
pub(super) async fn spent_since(
    db: &impl ConnectionTrait,
    from: Day,
) -> Result<BTreeMap<ConnectionId, Vec<(Day, i64)>>, DbErr> {
    let text = "SELECT s.connection_id, s.day, CAST(s.cost - COALESCE((SELECT SUM(g.counted_cost) FROM text_generation g \
                WHERE g.alive_until IS NOT NULL AND g.connection_id = s.connection_id AND g.day = s.day), 0) AS BIGINT) AS cost \
                FROM text_spending s WHERE s.day >= ? ORDER BY s.connection_id, s.day";
    let mut spent: BTreeMap<ConnectionId, Vec<(Day, i64)>> = BTreeMap::new();
    for row in db
        .query_all_raw(sql(db.get_database_backend(), text, [from.0.into()]))
        .await?
    {
        let day = Day(row.try_get("", "day")?);
        let of = spent.entry(row.try_get("", "connection_id")?).or_default();
        of.push((day, row.try_get("", "cost")?));
    }
    Ok(spent)
}

pub(super) async fn budget(
    db: &impl ConnectionTrait,
    connection: ConnectionId,
) -> Result<Option<Budget>, DbErr> {
    text_budget::Entity::find_by_id(connection).one(db).await
}

/// The budget of a connection, made where there is none, that no other transaction changes until this one ends.
pub(super) async fn locked_budget(
    tx: &Tx,
    connection: ConnectionId,
    actor: &str,
    now: Timestamp,
) -> Result<Budget, DbErr> {
    let text = "INSERT INTO text_budget (connection_id, updated_by, updated_at) VALUES (?, ?, ?) \
                ON CONFLICT (connection_id) DO NOTHING";
    let values = [connection.0.into(), actor.into(), now.micros().into()];
    tx.execute_raw(sql(tx.backend(), text, values)).await?;
    let mut query = text_budget::Entity::find_by_id(connection);
    if tx.backend() == DbBackend::Postgres {
        query = query.lock_exclusive();
    }
    query
        .one(&**tx)
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("text_budget".to_owned()))
}

pub(super) async fn update_budget(tx: &Tx, row: Budget) -> Result<(), DbErr> {
    text_budget::Entity::update(row.into_active_model().reset_all())
        .exec(&**tx)
        .await
        .map(drop)
}

/// Budgets of connections that were not removed, changed last first.
pub(super) async fn budgets(db: &impl ConnectionTrait, page: &PageRequest) -> Result<Page<Budget>, DbErr> {
    use text_budget::{Column, Entity};
    let there = Query::select()
        .column(connection::Column::Id)
        .from(connection::Entity)
        .and_where(connection::Column::DeletedAt.is_null())
        .to_owned();
    let mut select = Entity::find().filter(Column::ConnectionId.in_subquery(there));
    page.apply(
        QueryTrait::query(&mut select),
        Expr::col((Entity, Column::UpdatedAt)),
        (Entity, Column::ConnectionId),
        Direction::Desc,
    );
    Ok(Page::new(page, select.all(db).await?))
}

/// By what a usage is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageBy {
    /// By day, UTC.
    Day,
    /// By connection.
    Connection,
    /// By the model that was asked for.
    Model,
}

/// What was used in some days.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct UsageSum {
    /// The day, by day.
    pub day: Option<Day>,
    /// The connection, by connection.
    pub connection: Option<ConnectionId>,
    /// The model, by model.
    pub model: Option<String>,
    /// How many texts were asked for.
    pub requests: i64,
    /// Of these, those that were answered from memory.
    pub from_cache: i64,
    /// Of these, those that failed or were cancelled.
    pub failed: i64,
    /// Of these, those whose cost nobody tells.
    pub unpriced: i64,
    /// Tokens read, those of the platform's cache included.
    pub input: i64,
    /// Tokens written.
    pub output: i64,
    /// In US dollars, millionths of a millionth.
    pub cost: i64,
}

/// What was used from a day until before another: the groups that cost most, by day in their order.
pub(super) async fn usage(
    db: &impl ConnectionTrait,
    backend: DbBackend,
    from: Day,
    to: Day,
    by: UsageBy,
) -> Result<Vec<UsageSum>, DbErr> {
    let (column, order) = match by {
        UsageBy::Day => ("day", "day"),
        UsageBy::Connection => ("connection_id", "cost DESC, connection_id"),
        UsageBy::Model => ("model", "cost DESC, model"),
    };
    let text = format!(
        "SELECT {column} AS part, COUNT(*) AS requests, \
         CAST(SUM(CASE WHEN copy_of IS NOT NULL AND state = 'DONE' THEN 1 ELSE 0 END) AS BIGINT) AS from_cache, \
         CAST(SUM(CASE WHEN state IN ('FAILED', 'CANCELLED') THEN 1 ELSE 0 END) AS BIGINT) AS failed, \
         CAST(SUM(CASE WHEN cost IS NULL AND state <> 'RUNNING' THEN 1 ELSE 0 END) AS BIGINT) AS unpriced, \
         CAST(SUM(input_tokens + cache_read_tokens + cache_write_tokens) AS BIGINT) AS input, \
         CAST(SUM(output_tokens) AS BIGINT) AS output, CAST(COALESCE(SUM(cost), 0) AS BIGINT) AS cost \
         FROM text_generation WHERE day >= ? AND day < ? GROUP BY {column} ORDER BY {order} LIMIT {MOST_GROUPS}"
    );
    let rows = db
        .query_all_raw(sql(backend, &text, [from.0.into(), to.0.into()]))
        .await?;
    rows.iter()
        .map(|row| {
            let mut sum = UsageSum {
                requests: row.try_get("", "requests")?,
                from_cache: row.try_get("", "from_cache")?,
                failed: row.try_get("", "failed")?,
                unpriced: row.try_get("", "unpriced")?,
                input: row.try_get("", "input")?,
                output: row.try_get("", "output")?,
                cost: row.try_get("", "cost")?,
                ..UsageSum::default()
            };
            match by {
                UsageBy::Day => sum.day = Some(row.try_get("", "part")?),
                UsageBy::Connection => sum.connection = Some(row.try_get("", "part")?),
                UsageBy::Model => sum.model = Some(row.try_get("", "part")?),
            }
            Ok(sum)
        })
        .collect()
}
