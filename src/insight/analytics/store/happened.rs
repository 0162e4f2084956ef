//! What is read of what happened: of some leads, or in spans that no sums are of.

use std::fmt::Display;
use std::str::FromStr;

use entity::id::LeadId;
use entity::{Channel, ConversionKind, EngagementType, Timestamp, conversion, engagement, lead};
use sea_orm::sea_query::{Alias, Condition, Expr, ExprTrait, Order, Query};
use sea_orm::{ConnectionTrait, DbErr};

use super::facts::WORTH;
use super::reads::Period;
use crate::db::{KeyType, key_table, sql};
use crate::insight::calendar::Steps;
use crate::leads::visible::Visible;

/// The lead of an engagement.
const LEAD: (engagement::Entity, engagement::Column) = (engagement::Entity, engagement::Column::LeadId);

/// Engagements of a span, of a type and channel.
#[derive(Clone, Debug)]
pub(in crate::insight::analytics) struct Engaged {
    pub(in crate::insight::analytics) period: Period,
    pub(in crate::insight::analytics) kind: EngagementType,
    pub(in crate::insight::analytics) channel: Channel,
    pub(in crate::insight::analytics) count: i64,
    /// Currency and minor units.
    pub(in crate::insight::analytics) revenue: Option<(String, i64)>,
}

/// Conversions of a span, of a kind and of leads of a source.
#[derive(Clone, Debug)]
pub(in crate::insight::analytics) struct Sold {
    pub(in crate::insight::analytics) period: Period,
    pub(in crate::insight::analytics) kind: ConversionKind,
    pub(in crate::insight::analytics) source: String,
    pub(in crate::insight::analytics) conversions: i64,
    pub(in crate::insight::analytics) minor: i64,
    pub(in crate::insight::analytics) unvalued: i64,
}

/// Whether there is one span and no more: then no row has to be asked in which it lies.
fn is_one(steps: &[Steps]) -> bool {
    matches!(steps, [one] if one.to - one.from <= one.length)
}

/// The number of the span that a moment lies in.
fn number(column: &str, steps: &[Steps]) -> String {
    if let ([one], true) = (steps, is_one(steps)) {
        return format!("CAST({} AS BIGINT)", one.first);
    }
    let mut text = "CASE".to_owned();
    for Steps {
        from,
        to,
        first,
        length,
    } in steps
    {
        let number = match to - from > *length {
            true => format!("{first} + ({column} - ({from})) / {length}"),
            false => first.to_string(),
        };
        text.push_str(&format!(
            " WHEN {column} >= {from} AND {column} < {to} THEN {number}"
        ));
    }
    text.push_str(" END");
    format!("CAST({text} AS BIGINT)")
}

/// Whether a moment lies in one of the spans: in the whole of them, and in one of them where they are few and apart.
fn within(column: &str, steps: &[Steps]) -> String {
    let whole = |of: &Steps| format!("({column} >= {} AND {column} < {})", of.from, of.to);
    let is_whole = steps.windows(2).all(|pair| pair[0].to == pair[1].from);
    match (steps.first(), steps.last()) {
        (Some(first), Some(last)) if is_whole => whole(&Steps {
            to: last.to,
            ..*first
        }),
        _ => steps.iter().map(whole).collect::<Vec<_>>().join(" OR "),
    }
}

fn period(number: Option<i64>) -> Period {
    number
        .and_then(|number| Period::try_from(number).ok())
        .unwrap_or_default()
}

/// Engagements of spans by type, channel and currency; of all leads where none are named.
pub(in crate::insight::analytics) async fn engaged(
    db: &impl ConnectionTrait,
    leads: Option<&Visible>,
    steps: &[Steps],
) -> Result<Vec<Engaged>, DbErr> {
    if steps.is_empty() {
        return Ok(Vec::new());
    }
    let at = "engagement.occurred_at";
    let mut query = Query::select();
    query
        .expr(Expr::cust(number(at, steps)))
        // One word to group by: SQLite sorts all rows by it. Of columns of which there are few values each, so that PostgreSQL
        // expects few groups and does not sort.
        .expr(Expr::cust(
            "engagement.engagement_type || ' ' || engagement.channel || ' ' || COALESCE(engagement.currency, '')",
        ))
        .expr(Expr::cust("count(*)"))
        .expr(Expr::cust("CAST(sum(engagement.revenue_minor) AS BIGINT)"))
        .from(engagement::Entity)
        .and_where(Expr::cust(within(at, steps)));
    if let Some(among) = leads.and_then(|leads| leads.among(LEAD)) {
        query.and_where(among);
    }
    query.add_group_by([Expr::cust("2")]);
    if !is_one(steps) {
        query.add_group_by([Expr::cust("1")]);
    }
    let rows = db.query_all(&query).await?;
    rows.iter()
        .map(|row| {
            let words: String = row.try_get_by_index(1)?;
            let mut words = words.split(' ');
            let minor: Option<i64> = row.try_get_by_index(3)?;
            Ok(Engaged {
                period: period(row.try_get_by_index(0)?),
                kind: word(words.next())?,
                channel: word(words.next())?,
                count: row.try_get_by_index(2)?,
                revenue: words.next().map(str::to_owned).zip(minor),
            })
        })
        .collect()
}

fn word<T: FromStr<Err: Display>>(word: Option<&str>) -> Result<T, DbErr> {
    let read = word.unwrap_or_default().parse();
    read.map_err(|error: T::Err| DbErr::Type(error.to_string()))
}

/// Conversions of spans that count, by kind and source; of all leads that there are where none are named.
pub(in crate::insight::analytics) async fn sold(
    db: &impl ConnectionTrait,
    leads: Option<&Visible>,
    steps: &[Steps],
) -> Result<Vec<Sold>, DbErr> {
    if steps.is_empty() {
        return Ok(Vec::new());
    }
    let c = || Alias::new("c");
    let at = "c.occurred_at";
    let mut query = Query::select();
    query
        .expr(Expr::cust(number(at, steps)))
        .column((c(), conversion::Column::Kind))
        .expr(Expr::cust("COALESCE(lead.source, '')"))
        .expr(Expr::cust(WORTH))
        .from_as(conversion::Entity, c())
        .inner_join(
            lead::Entity,
            Expr::col((lead::Entity, lead::Column::Id)).equals((c(), conversion::Column::LeadId)),
        )
        .and_where(Expr::cust(within(at, steps)))
        .and_where(Expr::col((c(), conversion::Column::VoidedAt)).is_null())
        .and_where(Expr::col((lead::Entity, lead::Column::DeletedAt)).is_null());
    if let Some(leads) = leads {
        query.cond_where(Condition::all().add_option(leads.condition()));
    }
    for place in 1..=3 {
        query.add_group_by([Expr::cust(place.to_string())]);
    }
    let rows = db.query_all(&query).await?;
    rows.iter()
        .map(|row| {
            Ok(Sold {
                period: period(row.try_get_by_index(0)?),
                kind: row.try_get_by_index(1)?,
                source: row.try_get_by_index(2)?,
                conversions: row.try_get_by_index(3)?,
                minor: row.try_get_by_index(4)?,
                unvalued: row.try_get_by_index(5)?,
            })
        })
        .collect()
}

/// The leads with most engagements in a span, of some leads or of all that there are, each with how many.
pub(in crate::insight::analytics) async fn busiest_of(
    db: &impl ConnectionTrait,
    leads: Option<&Visible>,
    (from, to): (Timestamp, Timestamp),
    limit: u64,
) -> Result<Vec<(LeadId, i64)>, DbErr> {
    let mut query = Query::select();
    query
        .column((engagement::Entity, engagement::Column::LeadId))
        .expr_as(Expr::cust("count(*)"), Alias::new("number"))
        .from(engagement::Entity)
        .and_where(Expr::col((engagement::Entity, engagement::Column::OccurredAt)).gte(from))
        .and_where(Expr::col((engagement::Entity, engagement::Column::OccurredAt)).lt(to));
    let among = leads.and_then(|leads| leads.among(LEAD));
    query
        .and_where(among.unwrap_or_else(|| Visible::all().is_there(LEAD)))
        .group_by_col((engagement::Entity, engagement::Column::LeadId))
        .order_by(Alias::new("number"), Order::Desc)
        .order_by((engagement::Entity, engagement::Column::LeadId), Order::Asc)
        .limit(limit);
    let rows = db.query_all(&query).await?;
    rows.iter()
        .map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?)))
        .collect()
}

/// How many engagements some leads had in a span; a lead without any, and one that is deleted, is left out.
pub(in crate::insight::analytics) async fn engagements_of(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
    (from, to): (Timestamp, Timestamp),
) -> Result<Vec<(LeadId, i64)>, DbErr> {
    let backend = db.get_database_backend();
    let mut values = Vec::new();
    let keys = leads.iter().map(|lead| [lead.0.into()]);
    let table = key_table(backend, "k", [("lead_id", KeyType::Uuid)], keys, &mut values);
    values.extend([from.micros().into(), to.micros().into()]);
    let text = format!(
        "WITH {table} SELECT k.lead_id, count(*) FROM k CROSS JOIN engagement e WHERE e.lead_id = k.lead_id \
         AND e.occurred_at >= ? AND e.occurred_at < ? \
         AND EXISTS (SELECT 1 FROM lead l WHERE l.id = k.lead_id AND l.deleted_at IS NULL) GROUP BY k.lead_id"
    );
    let rows = db.query_all_raw(sql(backend, &text, values)).await?;
    rows.iter()
        .map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?)))
        .collect()
}
