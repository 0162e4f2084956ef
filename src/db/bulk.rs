//! Writing many rows with one statement.
//!
//! PostgreSQL gets one array per column (`INSERT … SELECT … FROM UNNEST(…)`): one prepared statement per table,
//! whatever the number of rows. SQLite gets `VALUES` lists in a few fixed sizes, for the same reason.

use futures_util::future::join;
use sea_orm::sea_query::Value;
use sea_orm::{
    ColumnTrait, ColumnType, ConnectionTrait, DbBackend, DbErr, EntityName, EntityTrait, FromQueryResult,
    IdenStatic, Iterable, ModelTrait, Statement,
};

use super::Tx;

/// What to do with a row whose key is there already.
#[derive(Clone, Copy, Debug)]
pub enum Conflict<'a> {
    /// It is an error.
    Fail,
    /// Keep what is there. The text names the conflict target, e.g. `(lead_id)`; empty: any.
    Keep(&'a str),
    /// Replace all other columns by the new row's. The text names the key columns, separated by commas.
    Replace(&'a str),
    /// Add the new row's numbers to those of all other columns. The text names the key columns.
    Add(&'a str),
}

/// Rows of one statement on SQLite, largest first. 512 rows of 32 columns stay below its 32,766 variables.
const SQLITE_CHUNKS: [usize; 4] = [512, 64, 8, 1];
/// Most rows of one statement on PostgreSQL: the next ones are written down while the server is at these.
const POSTGRES_CHUNK: usize = 1_000;

/// Inserts rows; answers how many were really written.
///
/// # Errors
/// The database's, e.g. a unique key with [`Conflict::Fail`].
pub async fn insert_many<M>(tx: &Tx, rows: &[M], conflict: Conflict<'_>) -> Result<u64, DbErr>
where
    M: ModelTrait + Sync,
{
    insert_refs(tx, &rows.iter().collect::<Vec<_>>(), conflict).await
}

/// The same for rows that lie in different places.
///
/// # Errors
/// As [`insert_many`].
pub async fn insert_refs<M>(tx: &Tx, rows: &[&M], conflict: Conflict<'_>) -> Result<u64, DbErr>
where
    M: ModelTrait + Sync,
{
    insert_into::<M>(
        tx,
        <M::Entity as EntityName>::table_name(&M::Entity::default()),
        &[],
        rows,
        conflict,
    )
    .await
}

/// Inserts rows but for those whose key is there already; answers with those that were really written.
/// `target` names the conflict target, e.g. `(lead_id, tag_id)`.
///
/// # Errors
/// The database's.
pub async fn insert_new<M>(tx: &Tx, rows: &[M], target: &str) -> Result<Vec<M>, DbErr>
where
    M: ModelTrait + Sync + FromQueryResult,
{
    let table = <M::Entity as EntityName>::table_name(&M::Entity::default());
    let rows: Vec<&M> = rows.iter().collect();
    let mut written = Vec::new();
    for mut statement in inserts(tx.backend(), table, &[], &rows, Conflict::Keep(target)) {
        statement.sql.push_str(" RETURNING *");
        for row in tx.query_all_raw(statement).await? {
            written.push(M::from_query_result(&row, "")?);
        }
    }
    Ok(written)
}

/// Inserts rows or replaces those with the same key.
///
/// # Errors
/// The database's.
pub async fn upsert_many<M>(tx: &Tx, rows: &[M], key: &str) -> Result<u64, DbErr>
where
    M: ModelTrait + Sync,
{
    insert_many(tx, rows, Conflict::Replace(key)).await
}

/// Appends events to the outbox, which has the columns of the log but for the position.
pub(crate) async fn insert_outbox(tx: &Tx, rows: &[entity::event::Model]) -> Result<u64, DbErr> {
    let rows: Vec<_> = rows.iter().collect();
    insert_into(tx, "event_outbox", &["position"], &rows, Conflict::Fail).await
}

/// The same into a table of another name, leaving out the named columns.
async fn insert_into<M>(
    tx: &Tx,
    table: &str,
    without: &[&str],
    rows: &[&M],
    conflict: Conflict<'_>,
) -> Result<u64, DbErr>
where
    M: ModelTrait + Sync,
{
    let mut affected = 0;
    let mut statements = inserts(tx.backend(), table, without, rows, conflict);
    let mut next = statements.next();
    while let Some(statement) = next {
        // The next one is made while the database is at this one.
        let (done, following) = join(tx.execute_raw(statement), async { statements.next() }).await;
        affected += done?.rows_affected();
        next = following;
    }
    Ok(affected)
}

/// The statements that insert rows, made one by one: one for each chunk of rows.
fn inserts<'r, M>(
    backend: DbBackend,
    table: &str,
    without: &[&str],
    rows: &'r [&'r M],
    conflict: Conflict<'_>,
) -> impl Iterator<Item = Statement> + Send + use<'r, M>
where
    M: ModelTrait + Sync,
{
    let columns: Vec<_> = <<M::Entity as EntityTrait>::Column as Iterable>::iter()
        .filter(|column| !without.contains(&column.as_str()))
        .collect();
    let names: Vec<&str> = columns.iter().map(IdenStatic::as_str).collect();
    let head = format!("INSERT INTO {table} ({})", names.join(", "));
    let tail = match conflict {
        Conflict::Fail => String::new(),
        Conflict::Keep(target) => format!(" ON CONFLICT {target} DO NOTHING"),
        Conflict::Replace(key) | Conflict::Add(key) => {
            let keys: Vec<&str> = key.split(',').map(str::trim).collect();
            let set: Vec<String> = names
                .iter()
                .filter(|name| !keys.contains(name))
                .map(|name| match conflict {
                    Conflict::Add(_) => format!("{name} = {table}.{name} + excluded.{name}"),
                    _ => format!("{name} = excluded.{name}"),
                })
                .collect();
            format!(" ON CONFLICT ({key}) DO UPDATE SET {}", set.join(", "))
        }
    };
    let row_marks = format!("({})", vec!["?"; columns.len()].join(","));
    let casts: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(n, column)| {
            format!(
                "${}::text::{}[]",
                n + 1,
                postgres_type(column.def().get_column_type())
            )
        })
        .collect();
    let mut rest = rows;
    std::iter::from_fn(move || {
        let sizes: &[usize] = match backend {
            DbBackend::Postgres => &[POSTGRES_CHUNK.min(rest.len())],
            _ => &SQLITE_CHUNKS,
        };
        let size = *sizes.iter().find(|size| (1..=rest.len()).contains(*size))?;
        let (chunk, remaining) = rest.split_at(size);
        rest = remaining;
        Some(if backend == DbBackend::Postgres {
            let sql = format!("{head} SELECT * FROM UNNEST({}){tail}", casts.join(", "));
            let values = columns.iter().map(|column| array(chunk, *column));
            Statement::from_sql_and_values(backend, sql, values)
        } else {
            let marks = vec![row_marks.as_str(); size].join(",");
            let values = chunk
                .iter()
                .flat_map(|row| columns.iter().map(|column| row.get(*column)));
            Statement::from_sql_and_values(backend, format!("{head} VALUES {marks}{tail}"), values)
        })
    })
}

/// A column of some rows as a PostgreSQL array literal.
fn array<M: ModelTrait>(rows: &[&M], column: <M::Entity as EntityTrait>::Column) -> Value {
    let mut literal = String::with_capacity(rows.len() * 16);
    literal.push('{');
    for (n, row) in rows.iter().enumerate() {
        if n > 0 {
            literal.push(',');
        }
        array_element(&mut literal, row.get(column));
    }
    literal.push('}');
    Value::from(literal)
}

fn postgres_type(column: &ColumnType) -> &'static str {
    match column {
        ColumnType::Uuid => "uuid",
        ColumnType::BigInteger => "bigint",
        ColumnType::Integer | ColumnType::SmallInteger => "integer",
        ColumnType::Double | ColumnType::Float => "double precision",
        ColumnType::Boolean => "boolean",
        ColumnType::Json | ColumnType::JsonBinary => "jsonb",
        ColumnType::Binary(_) | ColumnType::VarBinary(_) | ColumnType::Blob => "bytea",
        _ => "text",
    }
}

/// Writes a value as an element of a PostgreSQL array literal.
pub(super) fn array_element(out: &mut String, value: Value) {
    use std::fmt::Write;
    let written = match value {
        Value::Bool(Some(v)) => write!(out, "{v}"),
        Value::Int(Some(v)) => write!(out, "{v}"),
        Value::BigInt(Some(v)) => write!(out, "{v}"),
        Value::SmallInt(Some(v)) => write!(out, "{v}"),
        Value::Double(Some(v)) => write!(out, "{v}"),
        Value::Uuid(Some(v)) => write!(out, "{v}"),
        Value::String(Some(v)) => {
            quoted(out, &v);
            Ok(())
        }
        Value::Json(Some(v)) => {
            quoted(out, &v.to_string());
            Ok(())
        }
        Value::Bytes(Some(v)) => {
            out.push_str("\"\\\\x");
            for byte in &v {
                write!(out, "{byte:02x}").expect("writing to a string");
            }
            out.push('"');
            Ok(())
        }
        _ => {
            out.push_str("NULL");
            Ok(())
        }
    };
    written.expect("writing to a string");
}

fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for ch in text.chars() {
        if matches!(ch, '"' | '\\') {
            out.push('\\');
        }
        out.push(ch);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn array_elements_are_quoted() {
        let mut out = String::new();
        array_element(&mut out, Value::from("a \"b\" \\ {c}, NULL"));
        assert_eq!(out, r#""a \"b\" \\ {c}, NULL""#);
        out.clear();
        array_element(&mut out, Value::String(None));
        assert_eq!(out, "NULL");
    }
}
