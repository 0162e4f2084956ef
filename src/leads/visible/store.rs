//! The SQL behind the question.

use std::collections::HashSet;
use std::sync::Arc;

use entity::id::LeadId;
use entity::lead;
use sea_orm::sea_query::{
    Condition, Expr, ExprTrait, IntoColumnRef, LockType, PostgresQueryBuilder, Query, SelectStatement,
    SimpleExpr, SqliteQueryBuilder, Value,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait,
};

use super::Visible;
use crate::db::{Db, Tx, padded};
use crate::leads::filter::{self, LeadFilter, Terms};

/// A part of the leads: those for which all of this holds.
#[derive(Debug)]
pub(super) struct Part {
    filters: Vec<Filter>,
    backend: DbBackend,
}

/// A checked filter, and by what it is asked; none that could be used shows nothing.
type Filter = (Option<Arc<LeadFilter>>, Terms);

impl Part {
    /// Those for which a checked filter holds; none without one that can be used.
    pub(super) fn new(filter: Option<Arc<LeadFilter>>, terms: Terms, db: &Db) -> Self {
        Self {
            filters: vec![(filter, terms)],
            backend: db.backend(),
        }
    }

    /// Those of a part for which a checked filter holds as well.
    pub(super) fn narrowed(of: Option<&Self>, filter: LeadFilter, terms: Terms, db: &Db) -> Self {
        let mut part = Self::new(Some(Arc::new(filter)), terms, db);
        part.filters
            .extend(of.into_iter().flat_map(|of| of.filters.clone()));
        part
    }

    fn condition(&self) -> Condition {
        let each = self.filters.iter().map(|(filter, terms)| match filter {
            Some(filter) => filter::condition(filter, terms, self.backend),
            None => Condition::all().add(Expr::val(1).eq(0)),
        });
        each.fold(Condition::all(), Condition::add)
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

    /// A query of this database as text with `?` for its values, which are pushed onto `values`.
    fn text(&self, query: &SelectStatement, values: &mut Vec<Value>) -> String {
        let (text, found) = match self.backend {
            DbBackend::Postgres => {
                let (text, found) = query.build(PostgresQueryBuilder);
                (unnumbered(&text), found)
            }
            _ => query.build(SqliteQueryBuilder),
        };
        values.extend(found.0);
        text
    }
}

fn ids() -> SelectStatement {
    Query::select()
        .column((lead::Entity, lead::Column::Id))
        .from(lead::Entity)
        .to_owned()
}

/// That there is a lead with this id among those of a query.
fn has(mut leads: SelectStatement, id: SimpleExpr) -> SimpleExpr {
    Expr::exists(
        leads
            .and_where(Expr::col((lead::Entity, lead::Column::Id)).eq(id))
            .to_owned(),
    )
}

// Two forms of one question. What reads a list asks for membership: the leads are found once. What reads few rows by their
// keys asks for each: SQLite would find all leads first. PostgreSQL's planner knows no difference.
impl Visible {
    /// The condition on the columns of `lead`, for a query over that table; none where nothing is hidden. Whether the lead
    /// is deleted is another question.
    #[must_use]
    pub fn condition(&self) -> Option<Condition> {
        self.0.as_ref().map(|part| part.condition())
    }

    /// For few rows of another table: that the lead in a column is there, not deleted, and the caller's to see.
    pub fn is_there(&self, column: impl IntoColumnRef) -> SimpleExpr {
        let leads = match &self.0 {
            Some(part) => part.leads(false),
            None => ids().and_where(lead::Column::DeletedAt.is_null()).to_owned(),
        };
        has(leads, Expr::col(column))
    }

    /// The same for statements that ask it of nobody who sees all leads: none for them.
    pub fn is_seen(&self, column: impl IntoColumnRef) -> Option<SimpleExpr> {
        let part = self.0.as_ref()?;
        Some(has(part.leads(false), Expr::col(column)))
    }

    /// The same for lists.
    pub fn among(&self, column: impl IntoColumnRef) -> Option<SimpleExpr> {
        let part = self.0.as_ref()?;
        Some(Expr::col(column).in_subquery(part.leads(false)))
    }

    /// The same for lists with deleted leads: for the log, which tells of a deletion as well.
    pub fn among_ever(&self, column: impl IntoColumnRef) -> Option<SimpleExpr> {
        let part = self.0.as_ref()?;
        Some(Expr::col(column).in_subquery(part.leads(true)))
    }

    /// The same for a list in a statement written as text: ` AND column IN (…)` with its values pushed onto `values`, or
    /// nothing.
    #[must_use]
    pub fn and_among(&self, column: &str, values: &mut Vec<Value>) -> String {
        let Some(part) = &self.0 else {
            return String::new();
        };
        let text = part.text(&part.leads(false), values);
        format!(" AND {column} IN ({text})")
    }

    /// The same for few rows; the column is not one of a table that is called `lead` in the statement.
    #[must_use]
    pub fn and_seen(&self, column: &'static str, values: &mut Vec<Value>) -> String {
        let Some(part) = &self.0 else {
            return String::new();
        };
        let query = Query::select()
            .expr(has(part.leads(false), Expr::cust(column)))
            .to_owned();
        let text = part.text(&query, values);
        format!(" AND ({text})")
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
