//! What stands in the cells of a lead's row. Pure.

use entity::{ConsentChannel, ConsentPurpose, ConsentState, Grade, IdentityKind, Temperature, lead_identity};
use serde_json::{Map, Number, Value as Json, json};

use super::columns::Column;
use crate::leads::cell::Value;
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
    Value::money(minor, currency)
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
