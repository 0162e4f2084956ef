//! What is to be done with messages now, lane by lane.

use entity::id::ConnectionId;
use entity::{MessageState, Timestamp, message};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};

use crate::db::{Tx, sql};
use crate::outreach::delivery::{Lane, Message};

/// What waits to be handed over, and what is on its way or not known: said in these words, as the indices are of them.
const QUEUED: &str = "state = 'QUEUED'";
pub(super) const FOLLOWED: &str = "state <> 'QUEUED'";
/// What stood in the way of messages that go when their connection works again.
const MENDED: [&str; 5] = [
    "UNAUTHORISED",
    "REVOKED",
    "OUT_OF_FUNDS",
    "UNAVAILABLE",
    "UNREACHABLE",
];

/// Lanes on which a message waits to be handed over: since `now` or longer where the connection is in use, since `old` or
/// longer where it is not.
pub(in crate::outreach::delivery) async fn lanes_queued(
    db: &impl ConnectionTrait,
    now: Timestamp,
    old: Timestamp,
) -> Result<Vec<Lane>, DbErr> {
    // A look into the index for each connection and channel, however many messages wait. A removed one ends what waits.
    let text = "SELECT c.id AS connection, k.channel AS channel FROM connection c CROSS JOIN (SELECT 'EMAIL' AS channel \
                UNION ALL SELECT 'SMS' UNION ALL SELECT 'WHATSAPP' UNION ALL SELECT 'VOICE') k WHERE (SELECT m.due_at FROM \
                message m WHERE m.connection_id = c.id AND m.channel = k.channel AND m.due_at IS NOT NULL AND \
                m.state = 'QUEUED' ORDER BY m.due_at LIMIT 1) <= CASE WHEN c.state = 'ACTIVE' OR c.deleted_at IS NOT NULL \
                THEN CAST(? AS bigint) ELSE CAST(? AS bigint) END";
    let values = [now.micros().into(), old.micros().into()];
    lanes(db, text, values).await
}

/// Lanes on which is to be found out what became of a message. Where the connection is not in use nobody can be asked, but
/// claims lapse.
pub(in crate::outreach::delivery) async fn lanes_followed(
    db: &impl ConnectionTrait,
    now: Timestamp,
) -> Result<Vec<Lane>, DbErr> {
    let text = "SELECT c.id AS connection, k.channel AS channel FROM connection c CROSS JOIN (SELECT 'EMAIL' AS channel \
                UNION ALL SELECT 'SMS' UNION ALL SELECT 'WHATSAPP' UNION ALL SELECT 'VOICE') k WHERE (CASE WHEN \
                c.state = 'ACTIVE' OR c.deleted_at IS NOT NULL THEN (SELECT m.due_at FROM message m WHERE \
                m.connection_id = c.id AND m.channel = k.channel AND m.due_at IS NOT NULL AND m.state <> 'QUEUED' \
                ORDER BY m.due_at LIMIT 1) ELSE (SELECT m.due_at FROM message m WHERE m.connection_id = c.id AND \
                m.channel = k.channel AND m.due_at IS NOT NULL AND m.state <> 'QUEUED' AND m.state = 'SENDING' \
                ORDER BY m.due_at LIMIT 1) END) <= ?";
    lanes(db, text, [now.micros().into()]).await
}

async fn lanes<const N: usize>(
    db: &impl ConnectionTrait,
    text: &str,
    values: [sea_orm::Value; N],
) -> Result<Vec<Lane>, DbErr> {
    let rows = db
        .query_all_raw(sql(db.get_database_backend(), text, values))
        .await?;
    let lane = |row: &sea_orm::QueryResult| {
        Ok(Lane {
            connection: row.try_get("", "connection")?,
            channel: row.try_get("", "channel")?,
        })
    };
    rows.iter().map(lane).collect()
}

/// What is to be handed over on a lane, the longest due first.
pub(in crate::outreach::delivery) async fn queued(
    db: &impl ConnectionTrait,
    lane: Lane,
    due: Timestamp,
    limit: u64,
) -> Result<Vec<Message>, DbErr> {
    on(lane, due, limit).filter(Expr::cust(QUEUED)).all(db).await
}

/// What is to be found out on a lane, the longest due first; `lapsed`: claims alone.
pub(in crate::outreach::delivery) async fn followed(
    db: &impl ConnectionTrait,
    lane: Lane,
    due: Timestamp,
    lapsed: bool,
    limit: u64,
) -> Result<Vec<Message>, DbErr> {
    let mut select = on(lane, due, limit).filter(Expr::cust(FOLLOWED));
    if lapsed {
        select = select.filter(message::Column::State.eq(MessageState::Sending));
    }
    select.all(db).await
}

fn on(lane: Lane, due: Timestamp, limit: u64) -> Select<message::Entity> {
    message::Entity::find()
        .filter(message::Column::ConnectionId.eq(lane.connection))
        .filter(message::Column::Channel.eq(lane.channel))
        .filter(message::Column::DueAt.is_not_null())
        .filter(message::Column::DueAt.lte(due))
        .order_by_asc(message::Column::DueAt)
        .order_by_asc(message::Column::Id)
        .limit(limit)
}

/// Has tried now what waits because its connection did not work.
pub(in crate::outreach::delivery) async fn wake(
    tx: &Tx,
    connection: ConnectionId,
    now: Timestamp,
) -> Result<(), DbErr> {
    message::Entity::update_many()
        .col_expr(message::Column::DueAt, now.micros().into())
        .filter(message::Column::ConnectionId.eq(connection))
        .filter(message::Column::DueAt.gt(now))
        .filter(Expr::cust(QUEUED))
        .filter(message::Column::ProblemKind.is_in(MENDED))
        .exec(&**tx)
        .await
        .map(drop)
}
