//! The SQL behind the question.

use std::collections::HashSet;

use entity::id::LeadId;
use entity::lead;
use sea_orm::sea_query::{
    Condition, Expr, ExprTrait, LockType, PostgresQueryBuilder, Query, SelectStatement, SqliteQueryBuilder,
    Value,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait,
};

use super::{Part, Visible};
use crate::db::{Tx, padded};
use crate::leads::filter;

impl Part {
    fn condition(&self) -> Condition {
        match &self.filter {
            Some(filter) => filter::condition(filter, &self.terms, self.backend),
            None => Condition::all().add(Expr::val(1).eq(0)),
        }
    }

    /// The ids of the leads, those that are deleted among them or not.
    fn leads(&self, with_deleted: bool) -> SelectStatement {
        let mut query = ids();
        query.cond_where(self.condition());
        if !with_deleted {
            query.and_where(lead::Column::DeletedAt.is_null());
        }
        query
    }
}

fn ids() -> SelectStatement {
    Query::select()
        .column((lead::Entity, lead::Column::Id))
        .from(lead::Entity)
        .to_owned()
}

impl Visible {
    /// The condition on the columns of `lead`, for a query over that table; none where nothing is hidden. Whether the lead
    /// is deleted is another question.
    #[must_use]
    pub fn condition(&self) -> Option<Condition> {
        self.0.as_ref().map(|part| part.condition())
    }

    /// The ids of all leads that are there, not deleted, and the caller's to see, as a query within another.
    #[must_use]
    pub fn there(&self) -> SelectStatement {
        match &self.0 {
            Some(part) => part.leads(false),
            None => ids().and_where(lead::Column::DeletedAt.is_null()).to_owned(),
        }
    }

    /// The same for statements that ask it of nobody who sees all leads: none for them.
    #[must_use]
    pub fn leads(&self) -> Option<SelectStatement> {
        self.0.as_ref().map(|part| part.leads(false))
    }

    /// The same with deleted leads: for the log, which tells of a deletion as well.
    #[must_use]
    pub fn leads_ever(&self) -> Option<SelectStatement> {
        self.0.as_ref().map(|part| part.leads(true))
    }

    /// The same for a statement written as text: ` AND column IN (…)` with its values pushed onto `values`, or nothing.
    #[must_use]
    pub fn and(&self, column: &str, values: &mut Vec<Value>) -> String {
        let Some(part) = &self.0 else {
            return String::new();
        };
        let query = part.leads(false);
        let (text, found) = match part.backend {
            DbBackend::Postgres => {
                let (text, values) = query.build(PostgresQueryBuilder);
                (unnumbered(&text), values)
            }
            _ => query.build(SqliteQueryBuilder),
        };
        values.extend(found.0);
        format!(" AND {column} IN ({text})")
    }
}

/// `$1`, `$2` … as `?`: the query builder numbers them in the order of its values, and no text of a filter stands between.
fn unnumbered(text: &str) -> String {
    let mut marked = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(ch) = chars.next() {
        if ch == '$' && chars.peek().is_some_and(char::is_ascii_digit) {
            while chars.next_if(char::is_ascii_digit).is_some() {}
            marked.push('?');
        } else {
            marked.push(ch);
        }
    }
    marked
}

/// Of these leads, those that are the caller's to see, deleted ones among them.
pub(super) async fn those(
    db: &impl ConnectionTrait,
    visible: &Visible,
    leads: &[LeadId],
) -> Result<HashSet<LeadId>, DbErr> {
    let Some(part) = &visible.0 else {
        return Ok(leads.iter().copied().collect());
    };
    if leads.is_empty() {
        return Ok(HashSet::new());
    }
    let mut query = part.leads(true);
    query.and_where(Expr::col((lead::Entity, lead::Column::Id)).is_in(padded(leads)));
    let rows = db.query_all(&query).await?;
    rows.iter().map(|row| row.try_get("", "id")).collect()
}

pub(super) async fn lock(tx: &Tx, visible: &Visible, ids: &[LeadId]) -> Result<HashSet<LeadId>, DbErr> {
    let mut query = lead::Entity::find()
        .select_only()
        .column(lead::Column::Id)
        .filter(lead::Column::Id.is_in(padded(ids)))
        .filter(lead::Column::DeletedAt.is_null())
        .apply_if(visible.condition(), |query, condition| query.filter(condition));
    if tx.backend() == DbBackend::Postgres {
        // In the order of ids, so that two callers never wait for each other in a circle. On SQLite the transaction is
        // the only writer.
        query = query.order_by_asc(lead::Column::Id).lock(LockType::NoKeyUpdate);
    }
    let found: Vec<LeadId> = query.into_tuple().all(&**tx).await?;
    Ok(found.into_iter().collect())
}

/// A place in the transaction to come back to.
pub(super) async fn mark(tx: &Tx) -> Result<(), DbErr> {
    tx.execute_unprepared("SAVEPOINT row_filter").await.map(drop)
}

pub(super) async fn unmark(tx: &Tx) -> Result<(), DbErr> {
    tx.execute_unprepared("RELEASE SAVEPOINT row_filter")
        .await
        .map(drop)
}

/// Undoes what was done since the mark, which stays.
pub(super) async fn back(tx: &Tx) -> Result<(), DbErr> {
    tx.execute_unprepared("ROLLBACK TO SAVEPOINT row_filter")
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_lose_their_numbers_alone() {
        assert_eq!(
            unnumbered("a = $1 AND b ~ $12 AND c = '$.\"x\"'"),
            "a = ? AND b ~ ? AND c = '$.\"x\"'"
        );
    }
}
