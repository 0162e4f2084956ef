//! What to import and how: the flags of the command line, the input of the API, the input of the job.

use phonenumber::country;
use serde::{Deserialize, Serialize};

use super::convert::ConvertOptions;
use super::mapping::Assignments;
use super::number::DecimalMark;
use super::source::SourceOptions;
use super::targets::ImportKind;
use super::text::Delimiter;
use super::value::DateFormat;
use crate::leads::contact::{Currency, PhoneRegion, normalise_namespace};

/// Whose external ids a file has unless it is said.
pub const DEFAULT_NAMESPACE: &str = "import";

/// What to import and how, checked.
#[derive(Clone, Debug)]
pub struct ImportSpec {
    /// Leads, engagements or conversions.
    pub kind: ImportKind,
    /// Which column feeds which target, over what the names tell.
    pub map: Assignments,
    /// Values where a cell is empty or a column missing.
    pub defaults: Assignments,
    /// Whose external ids the file has: the same id of two sources is two leads.
    pub namespace: String,
    sheet: Option<String>,
    delimiter: Option<Delimiter>,
    convert: ConvertOptions,
}

/// The same as texts, as people write it and as the job keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ImportChoices {
    /// `target=column`, separated by commas.
    pub map: String,
    /// `target=value`, separated by commas.
    pub defaults: String,
    /// Whose external ids the file has; `import` unless given.
    pub namespace: Option<String>,
    /// The sheet of a workbook.
    pub sheet: Option<String>,
    /// `,`, `;`, `|` or `tab`.
    pub delimiter: Option<String>,
    /// `auto`, `ymd`, `mdy`, `dmy`, `rfc3339` or a pattern such as `%d.%m.%Y %H:%M`.
    pub date_format: Option<String>,
    /// Time zone of times without an offset; UTC unless given.
    pub time_zone: Option<String>,
    /// `auto`, `.` or `,`.
    pub decimal_mark: Option<String>,
    /// Country of phone numbers without a country code; that of the settings unless given.
    pub phone_region: Option<String>,
    /// Currency of amounts without one.
    pub currency: Option<String>,
}

/// A choice that cannot be used: its name and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{choice}: {reason}")]
pub struct ChoiceError {
    /// Which choice, as the API names it.
    pub choice: &'static str,
    /// What is wrong and what would be right.
    pub reason: String,
}

fn read<T, E: ToString>(
    choice: &'static str,
    text: Option<&str>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, ChoiceError> {
    text.map(str::trim)
        .filter(|text| !text.is_empty())
        .map(|text| {
            parse(text).map_err(|reason| ChoiceError {
                choice,
                reason: reason.to_string(),
            })
        })
        .transpose()
}

impl ImportChoices {
    /// With a country for phone numbers without a country code, where none was chosen.
    #[must_use]
    pub fn or_region(mut self, region: Option<country::Id>) -> Self {
        self.phone_region = self
            .phone_region
            .or_else(|| region.map(|region| format!("{region:?}")));
        self
    }
}

impl ImportSpec {
    /// Checks the choices of an import of `kind`.
    ///
    /// # Errors
    /// The first choice that cannot be used.
    pub fn new(kind: ImportKind, choices: &ImportChoices) -> Result<Self, ChoiceError> {
        let defaults = ConvertOptions::default();
        let namespace = choices.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
        let namespace = normalise_namespace(namespace).map_err(|error| ChoiceError {
            choice: "namespace",
            reason: error.to_string(),
        })?;
        Ok(Self {
            kind,
            map: read("map", Some(&choices.map), str::parse)?.unwrap_or_default(),
            defaults: read("defaults", Some(&choices.defaults), str::parse)?.unwrap_or_default(),
            namespace,
            sheet: choices.sheet.clone().filter(|name| !name.trim().is_empty()),
            delimiter: read("delimiter", choices.delimiter.as_deref(), str::parse)?,
            convert: ConvertOptions {
                dates: read(
                    "dateFormat",
                    choices.date_format.as_deref(),
                    str::parse::<DateFormat>,
                )?
                .unwrap_or(defaults.dates),
                zone: read(
                    "timeZone",
                    choices.time_zone.as_deref(),
                    crate::leads::contact::parse_time_zone,
                )?
                .unwrap_or(defaults.zone),
                decimals: read(
                    "decimalMark",
                    choices.decimal_mark.as_deref(),
                    str::parse::<DecimalMark>,
                )?
                .unwrap_or(defaults.decimals),
                region: read(
                    "phoneRegion",
                    choices.phone_region.as_deref(),
                    str::parse::<PhoneRegion>,
                )?,
                currency: read("currency", choices.currency.as_deref(), str::parse::<Currency>)?,
            },
        })
    }

    pub(super) fn source_options(&self) -> SourceOptions {
        SourceOptions {
            sheet: self.sheet.clone(),
            delimiter: self.delimiter,
        }
    }

    pub(super) fn convert_options(&self) -> ConvertOptions {
        self.convert.clone()
    }
}
