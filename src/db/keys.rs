//! Many keys in one statement whose text does not depend on how many they are.

use sea_orm::DbBackend;
use sea_orm::sea_query::Value;

use super::bulk::array_element;

/// The type of a column of a [`key_table`], as PostgreSQL calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// An id.
    Uuid,
    /// A text.
    Text,
    /// A moment, a position, a sum of money.
    BigInt,
    /// A day, a count.
    Integer,
}

impl KeyType {
    const fn postgres(self) -> &'static str {
        match self {
            Self::Uuid => "uuid",
            Self::Text => "text",
            Self::BigInt => "bigint",
            Self::Integer => "integer",
        }
    }

    const fn null(self) -> Value {
        match self {
            Self::Uuid => Value::Uuid(None),
            Self::Text => Value::String(None),
            Self::BigInt => Value::BigInt(None),
            Self::Integer => Value::Int(None),
        }
    }
}

/// A table of keys to join with: `k(a, b) AS (…)`, to stand after `WITH`, with its values pushed onto `values`.
///
/// PostgreSQL gets one array per column. SQLite gets a list padded with nulls to a power of two, which equal nothing;
/// a left join sees them as rows without keys.
///
/// # Panics
/// When a row has not as many values as there are columns.
#[must_use]
pub fn key_table<const N: usize>(
    backend: DbBackend,
    name: &str,
    columns: [(&str, KeyType); N],
    rows: impl IntoIterator<Item = [Value; N]>,
    values: &mut Vec<Value>,
) -> String {
    let names = columns.map(|(column, _)| column).join(", ");
    if backend == DbBackend::Postgres {
        let mut literals = columns.map(|_| String::from("{"));
        for (n, row) in rows.into_iter().enumerate() {
            for (literal, value) in literals.iter_mut().zip(row) {
                if n > 0 {
                    literal.push(',');
                }
                array_element(literal, value);
            }
        }
        let casts = columns.map(|(_, of)| format!("?::text::{}[]", of.postgres()));
        values.extend(literals.into_iter().map(|mut literal| {
            literal.push('}');
            Value::from(literal)
        }));
        return format!("{name}({names}) AS (SELECT * FROM UNNEST({}))", casts.join(", "));
    }
    let mut count = 0_usize;
    for row in rows {
        values.extend(row);
        count += 1;
    }
    let padded = count.next_power_of_two();
    for _ in count..padded {
        values.extend(columns.map(|(_, of)| of.null()));
    }
    let marks = format!("({})", ["?"; N].join(","));
    format!("{name}({names}) AS (VALUES {})", vec![marks; padded].join(","))
}

/// What stands behind `FROM k` for rows that are looked up key by key, by an index that the condition names the columns of:
/// `CROSS JOIN table name WHERE condition`. Nothing else can be asked of them behind it. PostgreSQL would guess how many rows a range
/// of each key has, and read a table of sums from end to end for it.
pub fn looked_up(backend: DbBackend, table: &str, name: &str, condition: &str) -> String {
    if backend == DbBackend::Postgres {
        return format!(
            "CROSS JOIN LATERAL (SELECT {name}.* FROM {table} {name} WHERE {condition} OFFSET 0) {name}"
        );
    }
    format!("CROSS JOIN {table} {name} WHERE {condition}")
}

/// The condition that a column is one of some keys: `column IN (?, …)`, or `column = ANY(…)` on PostgreSQL. No keys,
/// no rows.
#[must_use]
pub fn among(
    backend: DbBackend,
    column: &str,
    of: KeyType,
    keys: impl IntoIterator<Item = Value>,
    values: &mut Vec<Value>,
) -> String {
    if backend == DbBackend::Postgres {
        let mut literal = String::from("{");
        for (n, key) in keys.into_iter().enumerate() {
            if n > 0 {
                literal.push(',');
            }
            array_element(&mut literal, key);
        }
        literal.push('}');
        values.push(literal.into());
        // As a subquery, read once: a cast of a parameter would be made anew for each row that a scan compares.
        let array = format!("{}[]", of.postgres());
        return format!("{column} = ANY((SELECT ?::text::{array})::{array})");
    }
    let before = values.len();
    values.extend(keys);
    let count = values.len() - before;
    let padded = count.next_power_of_two();
    values.extend((count..padded).map(|_| of.null()));
    format!("{column} IN ({})", vec!["?"; padded].join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_depends_on_the_power_of_two_alone() {
        let mut values = Vec::new();
        let keys = [1_i64, 2, 3].map(Value::from);
        let text = among(
            DbBackend::Sqlite,
            "day",
            KeyType::BigInt,
            keys.clone(),
            &mut values,
        );
        assert_eq!(text, "day IN (?,?,?,?)");
        assert_eq!((values.len(), &values[3]), (4, &Value::BigInt(None)));
        values.clear();
        let text = among(DbBackend::Postgres, "day", KeyType::BigInt, keys, &mut values);
        assert_eq!(text, "day = ANY((SELECT ?::text::bigint[])::bigint[])");
        assert_eq!(values, [Value::from("{1,2,3}")]);
        values.clear();
        let rows = [["a", "b"], ["c", "d"], ["e", "f"]].map(|row| row.map(Value::from));
        let columns = [("x", KeyType::Text), ("y", KeyType::Text)];
        let text = key_table(DbBackend::Sqlite, "k", columns, rows.clone(), &mut values);
        assert_eq!(text, "k(x, y) AS (VALUES (?,?),(?,?),(?,?),(?,?))");
        assert_eq!(values.len(), 8);
        values.clear();
        let text = key_table(DbBackend::Postgres, "k", columns, rows, &mut values);
        assert_eq!(
            text,
            "k(x, y) AS (SELECT * FROM UNNEST(?::text::text[], ?::text::text[]))"
        );
        assert_eq!(values[0], Value::from("{\"a\",\"c\",\"e\"}"));
    }
}
