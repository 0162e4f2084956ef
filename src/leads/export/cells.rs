//! What stands in the cells of a lead's row. Pure.

use std::borrow::Cow;

use entity::{
    ConsentChannel, ConsentPurpose, ConsentState, Day, Grade, IdentityKind, Temperature, lead_identity,
};
use rust_decimal::Decimal;
use serde::ser::{Serialize, Serializer};
use serde_json::{Map, Number, Value as Json, json};

use super::columns::Column;
use crate::leads::cell::guarded;
use crate::leads::contact::Currency;
use crate::leads::custom_fields::render_text;
use crate::leads::import::Field;
use crate::leads::lead::Lead;

/// The score of a lead as an export shows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExportedScore {
    /// Current score, 0–100.
    pub current: f64,
    /// Its grade.
    pub grade: Grade,
    /// Its temperature.
    pub temperature: Temperature,
}

/// A lead and what hangs on it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) lead: Lead,
    /// In the order in which they were learnt.
    pub(super) identities: Vec<lead_identity::Model>,
    /// By name.
    pub(super) tags: Vec<String>,
    pub(super) consents: Vec<(ConsentChannel, ConsentPurpose, ConsentState)>,
    pub(super) score: Option<ExportedScore>,
}

/// What stands in a cell.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Nothing,
    Text(String),
    List(Vec<String>),
    /// A number, for spreadsheets too.
    Number(Number),
    /// An amount of money in units of its currency.
    Amount(Decimal),
    Day(Day),
    Flag(bool),
    /// The chosen options of a custom field: their names have no `;` in them.
    Options(Vec<Json>),
    /// An object or a list of objects.
    Json(Json),
}

/// The cells of a row, in the order of the columns.
///
/// # Errors
/// When the stored JSON of the lead cannot be read.
pub(super) fn cells(columns: &[Column], entry: &Entry) -> Result<Vec<Value>, serde_json::Error> {
    let Entry {
        lead,
        identities,
        tags,
        consents,
        score,
    } = entry;
    let mut source: Option<Map<String, Json>> = None;
    let mut custom: Option<Map<String, Json>> = None;
    let mut cells = Vec::with_capacity(columns.len());
    for column in columns {
        let value = match column {
            Column::LeadId => Value::Text(lead.id.to_string()),
            Column::ExternalId(namespace) => identities
                .iter()
                .find(|known| known.kind == IdentityKind::External && known.namespace == *namespace)
                .map_or(Value::Nothing, |known| Value::Text(known.value.clone())),
            Column::Plain(target) => match target.field() {
                Field::Tags => list(tags.clone()),
                Field::Interests => list(serde_json::from_str(&lead.interests)?),
                field => of_field(lead, field)?,
            },
            Column::SourceFact(key) => {
                let facts = parsed(&mut source, &lead.source_detail)?;
                facts.get(key).map_or(Value::Nothing, of_json)
            }
            Column::Custom(key) => {
                let values = parsed(&mut custom, &lead.custom)?;
                values.get(key).map_or(Value::Nothing, of_json)
            }
            Column::Consent(channel, purpose) => consents
                .iter()
                .find(|(of_channel, of_purpose, _)| of_channel == channel && of_purpose == purpose)
                .map_or(Value::Nothing, |(_, _, state)| Value::Text(state.to_string())),
            Column::StageSince => Value::Text(lead.stage_since.to_rfc3339()),
            Column::UpdatedAt => Value::Text(lead.updated_at.to_rfc3339()),
            Column::Score => score
                .and_then(|score| Number::from_f64(score.current))
                .map_or(Value::Nothing, Value::Number),
            Column::Grade => score.map_or(Value::Nothing, |score| Value::Text(score.grade.to_string())),
            Column::Temperature => {
                score.map_or(Value::Nothing, |score| Value::Text(score.temperature.to_string()))
            }
            Column::Identities => known_by(identities),
        };
        cells.push(value);
    }
    Ok(cells)
}

/// JSON that several columns may ask for, read once.
fn parsed<'a>(
    kept: &'a mut Option<Map<String, Json>>,
    text: &str,
) -> Result<&'a Map<String, Json>, serde_json::Error> {
    let read = match kept.take() {
        Some(read) => read,
        None => serde_json::from_str(text)?,
    };
    Ok(kept.insert(read))
}

/// A field of the lead that stands in its own row and has no key.
fn of_field(lead: &Lead, field: Field) -> Result<Value, serde_json::Error> {
    let text = match field {
        Field::Email => &lead.email,
        Field::Phone => &lead.phone,
        Field::FirstName => &lead.first_name,
        Field::LastName => &lead.last_name,
        Field::CompanyName => &lead.company_name,
        Field::JobTitle => &lead.job_title,
        Field::Website => &lead.website,
        Field::Street => &lead.street,
        Field::City => &lead.city,
        Field::Region => &lead.region,
        Field::PostalCode => &lead.postal_code,
        Field::Country => &lead.country,
        Field::TimeZone => &lead.time_zone,
        Field::Language => &lead.language,
        Field::CustomerType => &lead.customer_type,
        Field::Source => &lead.source,
        Field::DealStage => &lead.deal_stage,
        Field::DealCurrency => &lead.deal_currency,
        Field::OwnerEmail => &lead.owner,
        Field::SourceDetail => {
            let facts: Json = serde_json::from_str(&lead.source_detail)?;
            let none = facts.as_object().is_none_or(Map::is_empty);
            return Ok(if none { Value::Nothing } else { Value::Json(facts) });
        }
        Field::DealValue => return Ok(deal_value(lead)),
        Field::ExpectedCloseDate => return Ok(lead.expected_close.map_or(Value::Nothing, Value::Day)),
        Field::Stage => return Ok(Value::Text(lead.stage.to_string())),
        Field::CreatedAt => return Ok(Value::Text(lead.created_at.to_rfc3339())),
        _ => return Ok(Value::Nothing),
    };
    Ok(text.clone().map_or(Value::Nothing, Value::Text))
}

fn deal_value(lead: &Lead) -> Value {
    let (Some(minor), Some(currency)) = (lead.deal_value_minor, &lead.deal_currency) else {
        return Value::Nothing;
    };
    let exponent = currency.parse::<Currency>().map_or(2, Currency::exponent);
    Value::Amount(Decimal::from_i128_with_scale(i128::from(minor), exponent))
}

fn list(items: Vec<String>) -> Value {
    if items.is_empty() {
        Value::Nothing
    } else {
        Value::List(items)
    }
}

fn of_json(value: &Json) -> Value {
    match value {
        Json::Null => Value::Nothing,
        Json::Bool(flag) => Value::Flag(*flag),
        Json::Number(number) => Value::Number(number.clone()),
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(items) if items.iter().all(Json::is_string) => Value::Options(items.clone()),
        Json::Array(_) | Json::Object(_) => Value::Json(value.clone()),
    }
}

fn known_by(identities: &[lead_identity::Model]) -> Value {
    let shown = identities.iter().map(|known| match known.kind {
        IdentityKind::External => {
            json!({ "kind": known.kind, "namespace": known.namespace, "value": known.value })
        }
        IdentityKind::Email | IdentityKind::Phone => json!({ "kind": known.kind, "value": known.value }),
    });
    let shown: Vec<Json> = shown.collect();
    if shown.is_empty() {
        Value::Nothing
    } else {
        Value::Json(shown.into())
    }
}

impl Value {
    /// The text of a cell, which a spreadsheet program takes for no formula.
    pub(super) fn text(&self) -> Cow<'_, str> {
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
