//! What a custom field is, and which values it takes.

use std::collections::HashMap;

use entity::id::CustomFieldId;
use entity::{CustomFieldType, Day, Timestamp};
use serde_json::{Map, Value};

use crate::leads::text::{folded, grouped, line};

/// Most custom fields of a deployment, archived ones included: a lead's values stay small, and so does the cache.
pub const MOST_FIELDS: usize = 200;
/// Longest text value, in characters.
const MOST_TEXT: usize = 2_000;
/// Most options of a selection.
const MOST_OPTIONS: usize = 200;
/// Longest option, in characters.
const MOST_OPTION: usize = 100;
/// Longest key, in characters.
const MOST_KEY: usize = 40;
/// Largest whole number that every JSON reader keeps exactly: 2^53 − 1.
const MOST_EXACT: f64 = 9_007_199_254_740_991.0;
/// Between the options of a multiple selection written as text; no option may contain it.
const SEPARATOR: char = ';';

/// The definition of a custom field.
#[derive(Clone, Debug, PartialEq)]
pub struct CustomField {
    /// The field.
    pub id: CustomFieldId,
    /// Key of its values in `lead.custom`: lower case, digits, underscores.
    pub key: String,
    /// As shown.
    pub label: String,
    /// Type of its values; never changes.
    pub field_type: CustomFieldType,
    /// Valid values of a selection; empty for other types.
    pub options: Vec<String>,
    /// Whether a new lead must have it.
    pub required: bool,
    /// What it is for.
    pub description: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was taken out of use; values stay, new ones are refused.
    pub archived_at: Option<Timestamp>,
}

/// All custom fields of the deployment.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    fields: Vec<CustomField>,
    by_key: HashMap<String, usize>,
}

impl Definitions {
    /// In the order in which they were made.
    #[must_use]
    pub fn new(fields: Vec<CustomField>) -> Self {
        let by_key = fields
            .iter()
            .enumerate()
            .map(|(n, field)| (field.key.clone(), n))
            .collect();
        Self { fields, by_key }
    }

    /// All of them, archived ones too.
    #[must_use]
    pub fn all(&self) -> &[CustomField] {
        &self.fields
    }

    /// Those in use.
    pub fn active(&self) -> impl Iterator<Item = &CustomField> {
        self.fields.iter().filter(|field| field.archived_at.is_none())
    }

    /// The field with a key, archived or not.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&CustomField> {
        self.by_key.get(key).map(|n| &self.fields[*n])
    }

    /// Checks and normalises values by key. `null` stands for "no value" and is kept as such, for the caller to
    /// take the key out.
    ///
    /// # Errors
    /// The key and what is wrong, for each value that is not accepted.
    pub fn check_all(
        &self,
        values: &Map<String, Value>,
    ) -> Result<Map<String, Value>, Vec<(String, String)>> {
        let mut checked = Map::new();
        let mut wrong = Vec::new();
        for (key, value) in values {
            match self
                .get(key)
                .ok_or_else(|| self.unknown(key))
                .and_then(|field| check(field, value))
            {
                Ok(value) => {
                    checked.insert(key.clone(), value);
                }
                Err(message) => wrong.push((key.clone(), message)),
            }
        }
        if wrong.is_empty() { Ok(checked) } else { Err(wrong) }
    }

    /// The required fields that values do not have.
    pub fn missing<'a>(&'a self, values: &'a Map<String, Value>) -> impl Iterator<Item = &'a CustomField> {
        self.active()
            .filter(|field| field.required && values.get(&field.key).is_none_or(Value::is_null))
    }

    /// The message for a key that no field has.
    #[must_use]
    pub fn unknown(&self, key: &str) -> String {
        let keys: Vec<&str> = self.active().map(|field| field.key.as_str()).collect();
        let key = shortened(key);
        if keys.is_empty() {
            format!("unknown custom field `{key}`; none is defined yet (`customFieldCreate` makes one)")
        } else {
            format!("unknown custom field `{key}`; one of {}", keys.join(", "))
        }
    }
}

/// Checks a value against a definition and gives it in its normal form: texts trimmed, moments in UTC, options as the
/// definition spells them. `null`, an empty text and an empty selection are "no value": `null`.
///
/// # Errors
/// What is wrong and what would be right.
pub fn check(field: &CustomField, value: &Value) -> Result<Value, String> {
    let key = &field.key;
    if field.archived_at.is_some() && !value.is_null() {
        return Err(format!(
            "the custom field `{key}` is archived; unarchive it to set it"
        ));
    }
    let empty = match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    if empty {
        return if field.required && field.archived_at.is_none() {
            Err(format!("the custom field `{key}` is required"))
        } else {
            Ok(Value::Null)
        };
    }
    let wrong = |expected: &str| format!("`{key}` is {expected}; this is {}", shown(value));
    match field.field_type {
        CustomFieldType::Text => {
            let text = value.as_str().ok_or_else(|| wrong("a text"))?.trim();
            if text.contains('\0') {
                return Err(format!("`{key}` must not contain a zero character"));
            }
            match text.chars().count() {
                count if count > MOST_TEXT => Err(format!(
                    "`{key}` has at most {} characters; this has {}",
                    grouped(MOST_TEXT),
                    grouped(count)
                )),
                _ => Ok(text.into()),
            }
        }
        CustomFieldType::Number => number(value).ok_or_else(|| wrong("a number")),
        CustomFieldType::Boolean => match value {
            Value::Bool(_) => Ok(value.clone()),
            _ => Err(wrong("`true` or `false`")),
        },
        CustomFieldType::Date => {
            let text = value
                .as_str()
                .ok_or_else(|| wrong("a date as text (`YYYY-MM-DD`)"))?;
            let day = Day::parse(text.trim()).map_err(|message| format!("`{key}`: {message}"))?;
            Ok(day.to_string().into())
        }
        CustomFieldType::DateTime => {
            let text = value
                .as_str()
                .ok_or_else(|| wrong("a date-time as text (RFC 3339)"))?;
            let moment =
                Timestamp::parse_rfc3339(text.trim()).map_err(|message| format!("`{key}`: {message}"))?;
            Ok(moment.to_rfc3339().into())
        }
        CustomFieldType::Select => {
            let text = value
                .as_str()
                .ok_or_else(|| wrong("one of its options, as text"))?;
            option(field, text).map(Value::from)
        }
        CustomFieldType::MultiSelect => {
            let expected = "a list of its options";
            let items = value.as_array().ok_or_else(|| wrong(expected))?;
            let mut chosen = Vec::with_capacity(items.len());
            for item in items {
                chosen.push(option(field, item.as_str().ok_or_else(|| wrong(expected))?)?);
            }
            // In the definition's order and each once: the same choice is the same value.
            let of_definition = field
                .options
                .iter()
                .filter(|option| chosen.contains(&option.as_str()));
            Ok(of_definition.map(String::as_str).collect::<Vec<_>>().into())
        }
        CustomFieldType::Url => {
            let text = value.as_str().ok_or_else(|| wrong("a web address"))?;
            web_address(text.trim())
                .map(Value::from)
                .ok_or_else(|| wrong("a web address such as `https://example.com/page`"))
        }
    }
}

/// Reads a value from text, as it stands in a file; empty text is `null`. A multiple selection has `;` between its
/// options; yes and no may be written `true`/`false`, `yes`/`no`, `y`/`n`, `1`/`0`.
///
/// # Errors
/// What is wrong and what would be right.
pub fn read_text(field: &CustomField, text: &str) -> Result<Value, String> {
    let text = text.trim();
    let key = &field.key;
    if text.is_empty() {
        return check(field, &Value::Null);
    }
    let value = match field.field_type {
        CustomFieldType::Number => {
            let whole = text.parse::<i64>().ok().map(Value::from);
            let value = whole.or_else(|| text.parse::<f64>().ok().map(Value::from));
            value.filter(|value| !value.is_null()).ok_or_else(|| {
                format!(
                    "`{key}` is a number such as `12.5`; this is `{}`",
                    shortened(text)
                )
            })?
        }
        CustomFieldType::Boolean => match text.to_lowercase().as_str() {
            "true" | "yes" | "y" | "1" => true.into(),
            "false" | "no" | "n" | "0" => false.into(),
            _ => {
                let given = shortened(text);
                return Err(format!(
                    "`{key}` is `true` or `false` (or `yes`, `no`, `1`, `0`); this is `{given}`"
                ));
            }
        },
        CustomFieldType::MultiSelect => text
            .split(SEPARATOR)
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .into(),
        CustomFieldType::Text
        | CustomFieldType::Date
        | CustomFieldType::DateTime
        | CustomFieldType::Select
        | CustomFieldType::Url => text.into(),
    };
    check(field, &value)
}

/// Writes a value as text that [`read_text`] reads again; `null` is empty.
#[must_use]
pub fn render_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items
            .iter()
            .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
            .collect::<Vec<_>>()
            .join("; "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

fn number(value: &Value) -> Option<Value> {
    let Value::Number(number) = value else { return None };
    let given = number.as_f64().filter(|given| given.is_finite())?;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
    Some(if given.fract() == 0.0 && given.abs() <= MOST_EXACT {
        // `5.0` and `5` are one value, on both databases and in every file.
        (given as i64).into()
    } else {
        value.clone()
    })
}

fn option<'a>(field: &'a CustomField, text: &str) -> Result<&'a str, String> {
    let given = folded(text);
    field
        .options
        .iter()
        .map(String::as_str)
        .find(|option| *option == text)
        .or_else(|| {
            field
                .options
                .iter()
                .map(String::as_str)
                .find(|option| folded(option) == given)
        })
        .ok_or_else(|| {
            format!(
                "`{}` is not an option of `{}`; one of {}",
                shortened(text),
                field.key,
                field.options.join(", ")
            )
        })
}

fn web_address(text: &str) -> Option<String> {
    let url = url::Url::parse(text).ok()?;
    let address = (matches!(url.scheme(), "http" | "https") && url.has_host()).then(|| url.to_string())?;
    (address.len() <= MOST_TEXT).then_some(address)
}

fn shown(value: &Value) -> String {
    match value {
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::String(text) => format!("the text `{}`", shortened(text)),
        _ => format!("`{}`", shortened(&value.to_string())),
    }
}

fn shortened(text: &str) -> String {
    text.chars().filter(|ch| !ch.is_control()).take(48).collect()
}

/// Checks the key of a new field.
pub(super) fn check_key(key: &str) -> Result<(), String> {
    let fits = key.len() <= MOST_KEY
        && key.starts_with(|ch: char| ch.is_ascii_lowercase())
        && key
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if fits {
        Ok(())
    } else {
        Err(format!(
            "`{}` is not a key: up to {MOST_KEY} of a-z, 0-9 and `_`, beginning with a letter, e.g. `sport_type`",
            shortened(key)
        ))
    }
}

/// Checks and normalises the options of a field.
pub(super) fn check_options(field_type: CustomFieldType, options: &[String]) -> Result<Vec<String>, String> {
    if !matches!(field_type, CustomFieldType::Select | CustomFieldType::MultiSelect) {
        return if options.is_empty() {
            Ok(Vec::new())
        } else {
            Err(format!(
                "only SELECT and MULTI_SELECT have options, not {field_type}"
            ))
        };
    }
    if options.is_empty() || options.len() > MOST_OPTIONS {
        return Err(format!(
            "a {field_type} has 1 to {MOST_OPTIONS} options; this has {}",
            options.len()
        ));
    }
    let mut checked: Vec<String> = Vec::with_capacity(options.len());
    for option in options {
        let option = line("an option", option, MOST_OPTION)?;
        if option.contains(SEPARATOR) {
            return Err(format!(
                "the option `{option}` contains `{SEPARATOR}`, which stands between options in files"
            ));
        }
        if checked.iter().any(|other| folded(other) == folded(&option)) {
            return Err(format!("the option `{option}` is there twice"));
        }
        checked.push(option);
    }
    Ok(checked)
}

#[cfg(test)]
mod tests;
