//! A table of a report.

use entity::Day;
use serde_json::Number;

use crate::insight::calendar::DateRange;
use crate::insight::report::Report;
use crate::leads::cell::Value;

/// A table with a header.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: Vec<&'static str>,
    pub(super) rows: Vec<Vec<Value>>,
}

impl Table {
    /// An empty one.
    pub(super) fn new(name: &'static str, columns: &[&'static str]) -> Self {
        Self {
            name,
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }
}

/// A table of a report with one part for each of its ranges. `rows` makes those of a range; where the range before is asked for,
/// too, a first column says which one they are of.
pub(super) fn told<T, R: IntoIterator<Item = Vec<Value>>>(
    name: &'static str,
    columns: &[&'static str],
    report: &Report<T>,
    rows: impl Fn(&T, DateRange) -> R,
) -> Table {
    let mut table = Table::new(name, columns);
    table.rows.extend(rows(&report.current, report.range));
    let Some((range, previous)) = &report.previous else {
        return table;
    };
    table.columns.insert(0, "range");
    for row in &mut table.rows {
        row.insert(0, text("current"));
    }
    for mut row in rows(previous, *range) {
        row.insert(0, text("previous"));
        table.rows.push(row);
    }
    table
}

/// A text.
pub(super) fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

/// A name; nothing for an empty one.
pub(super) fn named(name: &str) -> Value {
    if name.is_empty() {
        Value::Nothing
    } else {
        text(name)
    }
}

/// A word of the API.
pub(super) fn word(word: impl std::fmt::Display) -> Value {
    Value::Text(word.to_string())
}

pub(super) fn whole(count: i64) -> Value {
    Value::Number(count.into())
}

/// A number, where there is one.
pub(super) fn number(number: impl Into<Option<f64>>) -> Value {
    let number = number.into().and_then(Number::from_f64);
    number.map_or(Value::Nothing, Value::Number)
}

pub(super) fn day(day: Day) -> Value {
    Value::Day(day)
}

/// Money, where there is any.
pub(super) fn money(minor: impl Into<Option<i64>>, currency: &str) -> Value {
    let minor = minor.into();
    minor.map_or(Value::Nothing, |minor| Value::money(minor, currency))
}
