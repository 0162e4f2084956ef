//! Importing leads, engagements and conversions from files.
//!
//! A file passes through four steps. [`Source`] tells CSV from Excel by its content and gives rows of cells.
//! [`Mapping`] says which column feeds which target. [`Converter`] turns the cells of a row into typed
//! [`Value`]s. [`RejectionLog`] collects what could not be used, by line and column. These know no database.
//!
//! [`drive`] puts them to work for every kind of import: a thread reads and converts ahead; batch by batch, each in one
//! transaction, a [`Sink`] says what the records become and writes it, and a [`Watcher`] keeps rejections and checkpoint.
//! Leads land here; the rooms of engagements and conversions bring sinks of their own.

mod convert;
mod csv;
mod engine;
mod fields;
pub mod graphql;
mod job;
mod leads;
mod mapping;
mod number;
mod preview;
mod report;
mod row;
mod sink;
mod source;
mod spec;
mod store;
mod targets;
#[cfg(test)]
mod tests;
mod text;
mod value;
mod xlsx;

pub use convert::{ConvertError, ConvertOptions, Converter, Record};
pub use engine::{BATCH_ROWS, FileError, Opened, Step, Watcher, check_custom_fields, drive, open};
pub use fields::{FieldMap, Said, as_cell, check_lead_fields};
pub use job::{
    ImportInput, ImportJob, ImportProblem, StoredRejection, job_kind, preview_upload, rejections, start,
};
pub use leads::{ImportedLead, LeadSink, land_leads};
pub use mapping::{Assignments, Binding, Mapping, MappingError, UnknownColumn};
pub use number::{
    DecimalMark, NumberError, detect_decimal_mark, parse_boolean, parse_decimal, to_minor_units,
};
pub use preview::{Preview, PreviewRow, preview};
pub use report::{ReasonCount, Rejection, RejectionLog};
pub use row::{Cell, CellKind, Row, RowFault};
pub use sink::{Fault, FileContext, Landed, LeadRef, Sink};
pub use source::{Format, Header, Input, Rows, Source, SourceError, SourceOptions};
pub use spec::{ChoiceError, DEFAULT_NAMESPACE, ImportChoices, ImportSpec};
pub use targets::{Field, ImportKind, Shape, Target};
pub use text::{Delimiter, TextEncoding};
pub use value::{
    DateError, DateFormat, DateOrder, Detection, Value, detect_date_format, parse_day, parse_moment,
};

/// Most columns a file may have.
pub const MAX_COLUMNS: usize = 512;
/// Most bytes of text one cell may hold.
pub const MAX_CELL_BYTES: usize = 64 * 1024;
