//! What stands in a cell of a CSV, NDJSON or Excel file.

use std::borrow::Cow;

use entity::Day;
use rust_decimal::Decimal;
use serde::ser::{Serialize, Serializer};
use serde_json::{Number, Value as Json};

use super::guarded;
use crate::leads::contact::Currency;
use crate::leads::custom_fields::render_text;

/// What stands in a cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Nothing,
    /// A text.
    Text(String),
    /// Texts.
    List(Vec<String>),
    /// A number, for spreadsheets too.
    Number(Number),
    /// An amount of money in units of its currency.
    Amount(Decimal),
    /// A day.
    Day(Day),
    /// Yes or no.
    Flag(bool),
    /// The chosen options of a custom field: their names have no `;` in them.
    Options(Vec<Json>),
    /// An object or a list of objects.
    Json(Json),
}

impl Value {
    /// An amount of money, of minor units.
    #[must_use]
    pub fn money(minor: i64, currency: &str) -> Self {
        let exponent = currency.parse::<Currency>().map_or(2, Currency::exponent);
        Self::Amount(Decimal::from_i128_with_scale(i128::from(minor), exponent))
    }

    /// The text of a cell, which a spreadsheet program takes for no formula.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Nothing => Cow::Borrowed(""),
            Self::Text(text) => guarded(text),
            Self::List(items) => Cow::Owned(guarded(&joined(items)).into_owned()),
            Self::Options(items) => {
                Cow::Owned(guarded(&render_text(&Json::Array(items.clone()))).into_owned())
            }
            // Numbers are no formulas, also where they are negative.
            Self::Number(number) => Cow::Owned(number.to_string()),
            Self::Amount(amount) => Cow::Owned(unmistakable(*amount)),
            Self::Day(day) => Cow::Owned(day.to_string()),
            Self::Flag(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
            Self::Json(value) => Cow::Owned(value.to_string()),
        }
    }
}

/// A list as the import reads it: between `; `, or as a JSON array where an item has a mark of the list in it.
fn joined(items: &[String]) -> String {
    let text = items.join("; ");
    if text.starts_with('[') || items.iter().any(|item| item.contains([';', '|'])) {
        Json::from(items).to_string()
    } else {
        text
    }
}

/// An amount that nobody takes for thousands: `1.500` has a further digit.
fn unmistakable(amount: Decimal) -> String {
    let mut text = amount.to_string();
    if amount.scale() == 3 {
        text.push('0');
    }
    text
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nothing => serializer.serialize_unit(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => items.serialize(serializer),
            Self::Options(items) => items.serialize(serializer),
            Self::Number(number) => number.serialize(serializer),
            Self::Amount(amount) => serializer.collect_str(amount),
            Self::Day(day) => day.serialize(serializer),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Json(value) => value.serialize(serializer),
        }
    }
}
