//! What is asked for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::leads::filter::LeadFilter;

/// A format of files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, async_graphql::Enum)]
#[serde(rename_all = "lowercase")]
pub enum ExportFormat {
    /// Comma-separated values in UTF-8, the names of the columns first.
    #[default]
    Csv,
    /// One JSON object on each line.
    Ndjson,
    /// An Excel workbook of one sheet, up to 1,048,575 leads.
    Xlsx,
}

impl ExportFormat {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Csv, Self::Ndjson, Self::Xlsx];

    /// Its name, which is the usual end of file names too.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
            Self::Xlsx => "xlsx",
        }
    }

    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Ndjson => "application/x-ndjson",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }
}

impl fmt::Display for ExportFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ExportFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|format| format.as_str().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| {
                let given: String = text.chars().take(48).collect();
                format!(
                    "unknown format `{given}`; one of {}",
                    Self::ALL.map(Self::as_str).join(", ")
                )
            })
    }
}

/// What can be wrong with an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "ExportErrorCode")]
pub enum ExportProblem {
    /// A column is unknown, or named twice.
    InvalidColumns,
    /// The filter is malformed or beyond its limits.
    InvalidFilter,
    /// Filter and columns are too long for a link.
    TooLong,
}

/// Which leads, which columns, in which format.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportRequest {
    /// The format.
    pub format: ExportFormat,
    /// Only leads for which this holds.
    #[serde(default, skip_serializing_if = "is_everything")]
    pub filter: LeadFilter,
    /// The columns, in this order; all that the caller may see when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
}

fn is_everything(filter: &LeadFilter) -> bool {
    *filter == LeadFilter::default()
}

impl ExportRequest {
    /// From texts: the name of a format (CSV when absent), the filter as JSON, the columns between commas (one with a
    /// comma in its name stands in double quotes). Empty texts count as absent.
    ///
    /// # Errors
    /// [`Error::BadInput`] naming what is wrong and the valid choices.
    pub fn read(format: Option<&str>, filter: Option<&str>, columns: Option<&str>) -> Result<Self, Error> {
        let given = |text: Option<&str>| {
            text.map(str::trim)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        let format = given(format)
            .map_or(Ok(ExportFormat::default()), |text| text.parse())
            .map_err(|message| Error::BadInput(format!("format: {message}")))?;
        let filter = read_filter(filter)?.unwrap_or_default();
        let columns = given(columns).map(|text| split(&text)).transpose()?;
        Ok(Self {
            format,
            filter,
            columns,
        })
    }
}

/// A filter from JSON; nothing from an empty text.
///
/// # Errors
/// [`Error::BadInput`] for what is no filter.
pub fn read_filter(text: Option<&str>) -> Result<Option<LeadFilter>, Error> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    text.map(serde_json::from_str).transpose().map_err(|error| {
        Error::BadInput(format!(
            "filter: {error}; expected a JSON object such as {{\"stage\":{{\"in\":[\"CUSTOMER\"]}}}}"
        ))
    })
}

fn split(text: &str) -> Result<Vec<String>, Error> {
    let mut names = vec![String::new()];
    let mut quoted = false;
    for character in text.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => names.push(String::new()),
            _ => names.last_mut().expect("never empty").push(character),
        }
    }
    if quoted {
        return Err(Error::BadInput("columns: a quote is not closed".into()));
    }
    let names = names
        .iter()
        .map(|name| name.trim())
        .filter(|name| !name.is_empty());
    Ok(names.map(str::to_owned).collect())
}
