//! Leads that come field by field, from a platform say, instead of row by row from a file. They are read and land the same
//! way: the same targets, the same forms of values, the same upsert.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use entity::{ConsentChannel, ConsentPurpose, ConsentState, Timestamp};
use serde_json::Value as Json;

use super::convert::{ConvertOptions, Converter, Record};
use super::leads::{ImportedLead, imported};
use super::mapping::{Assignments, Mapping};
use super::number::DecimalMark;
use super::row::{CellKind, Row};
use super::sink::{Fault, FileContext};
use super::source::Header;
use super::targets::ImportKind;
use super::value::DateFormat;
use super::{DateOrder, check_custom_fields};
use crate::app::App;
use crate::error::Error;

/// The name of the column that holds the id of the other side; no field of theirs is called so.
const ID: &str = "\u{1}id";

/// Which of their fields feed which of ours, ready to read leads.
pub struct FieldMap {
    converter: Converter,
    file: FileContext,
    /// Theirs by ours, behind the column of the id. Where several feed one of ours, the first that is there counts.
    theirs: Vec<Vec<String>>,
}

/// What a lead has said, with the moment and the proof that a file does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// For which channel.
    pub channel: ConsentChannel,
    /// For what.
    pub purpose: ConsentPurpose,
    /// Given or not.
    pub state: ConsentState,
    /// When; `None` when nobody knows.
    pub at: Option<Timestamp>,
    /// The text that was agreed to, or how the other side came by it.
    pub wording: Option<String>,
}

fn header(ours: &BTreeMap<&str, Vec<String>>) -> Header {
    let ours = ours.keys().map(|name| (*name).to_owned());
    Header {
        line: 1,
        names: std::iter::once(ID.to_owned()).chain(ours).collect(),
    }
}

fn explicit(ours: &BTreeMap<&str, Vec<String>>) -> Assignments {
    let id = ("external_id".to_owned(), ID.to_owned());
    let fields = ours.keys().map(|name| ((*name).to_owned(), (*name).to_owned()));
    Assignments(std::iter::once(id).chain(fields).collect())
}

/// Whether a mapping of their fields to ours can be used; else why not.
///
/// # Errors
/// The database's.
pub async fn check_lead_fields(
    app: &App,
    mapping: &BTreeMap<String, String>,
) -> Result<Result<(), String>, Error> {
    Ok(FieldMap::new(app, mapping, "check", None).await?.map(drop))
}

impl FieldMap {
    /// Reads a mapping: theirs to ours, as the targets of an import are called. `namespace`: whose ids they have.
    /// `country`: of phone numbers without a country code, two letters.
    ///
    /// # Errors
    /// The database's; within: what is wrong with the mapping.
    pub async fn new(
        app: &App,
        mapping: &BTreeMap<String, String>,
        namespace: &str,
        country: Option<&str>,
    ) -> Result<Result<Self, String>, Error> {
        let mut by_ours: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (theirs, ours) in mapping {
            by_ours.entry(ours.as_str()).or_default().push(theirs.clone());
        }
        let fields = explicit(&by_ours);
        let made = Mapping::new(
            ImportKind::Leads,
            &header(&by_ours),
            &fields,
            &Assignments::default(),
        );
        let mapping = match made {
            Ok(mapping) => mapping,
            Err(error) => return Ok(Err(error.to_string())),
        };
        if let Err(error) = check_custom_fields(app, &mapping).await? {
            return Ok(Err(error.to_string()));
        }
        let own = app.region().map(|region| format!("{region:?}"));
        let region = country.or(own.as_deref()).and_then(|code| code.parse().ok());
        let options = ConvertOptions {
            dates: DateFormat::Ordered(DateOrder::YearMonthDay),
            decimals: DecimalMark::Point,
            region,
            ..ConvertOptions::default()
        };
        let file = FileContext {
            mapping: mapping.clone(),
            namespace: namespace.to_owned(),
        };
        Ok(Converter::of(mapping, options)
            .map(|converter| Self {
                converter,
                file,
                theirs: by_ours.into_values().collect(),
            })
            .map_err(|error| error.to_string()))
    }

    /// Reads a lead: its id on the other side, and its fields by their names. What cannot be read is left out and told; the
    /// rest is taken.
    ///
    /// # Errors
    /// What is wrong with it as a whole.
    pub fn read<'v>(
        &self,
        id: &str,
        field: impl Fn(&str) -> Option<Cow<'v, str>>,
    ) -> Result<(ImportedLead, Vec<String>), String> {
        let names = &self.converter.mapping().header().names;
        let mut left_out = HashSet::new();
        let mut told = Vec::new();
        loop {
            let mut row = Row::default();
            row.clear(1);
            for (column, name) in names.iter().enumerate() {
                let text = match column {
                    0 => Some(Cow::Borrowed(id)),
                    _ if left_out.contains(name) => None,
                    _ => self.theirs[column - 1]
                        .iter()
                        .find_map(|theirs| field(theirs).filter(|text| !text.trim().is_empty())),
                };
                if let Some(text) = text {
                    row.put(column, CellKind::Text, |cell| cell.push_str(&text));
                }
            }
            let mut record = Record::default();
            let mut rejections = Vec::new();
            if self.converter.convert(&row, &mut record, &mut rejections) {
                return match imported(&self.file, &record) {
                    Ok(lead) => Ok((lead, told)),
                    Err(faults) => {
                        // Tags and notes that cannot be: the rest of the lead can.
                        let Some(name) = self.first_of(&faults, &left_out) else {
                            return Err(said(&faults));
                        };
                        told.push(said(&faults));
                        left_out.insert(name);
                        continue;
                    }
                };
            }
            let before = left_out.len();
            for rejection in rejections {
                told.push(match &rejection.column {
                    Some(column) => format!("{column}: {}", rejection.reason),
                    None => rejection.reason.clone(),
                });
                left_out.extend(rejection.column.filter(|column| column != ID));
            }
            if left_out.len() == before {
                return Err(told.join("; "));
            }
        }
    }

    /// The first of their fields that feeds what is at fault.
    fn first_of(&self, faults: &[Fault], left_out: &HashSet<String>) -> Option<String> {
        let bindings = self.converter.mapping().bindings();
        let names = &self.converter.mapping().header().names;
        faults.iter().find_map(|fault| {
            let target = fault.field.join(".");
            let binding = bindings
                .iter()
                .find(|binding| binding.target.to_string() == target)?;
            let name = names.get(binding.column?)?;
            (!left_out.contains(name) && name != ID).then(|| name.clone())
        })
    }
}

fn said(faults: &[Fault]) -> String {
    let said: Vec<_> = faults.iter().map(|fault| fault.message.as_str()).collect();
    said.join("; ")
}

/// A field as an import reads it: texts, numbers and truths as they are written, lists as lists.
#[must_use]
pub fn as_cell(value: &Json) -> Option<Cow<'_, str>> {
    match value {
        Json::Null => None,
        Json::String(text) => Some(Cow::Borrowed(text)),
        Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
            Some(Cow::Owned(value.to_string()))
        }
    }
}
