//! Reading leads, engagements and conversions from files: the part that knows no data base.
//!
//! A file passes through four steps. [`Source`] tells CSV from Excel by its content and gives rows of cells.
//! [`Mapping`] says which column feeds which target. [`Converter`] turns the cells of a row into typed
//! [`Value`]s. [`RejectionLog`] collects what could not be used, by line and column.

mod convert;
mod csv;
mod mapping;
mod number;
mod preview;
mod report;
mod row;
mod source;
mod targets;
#[cfg(test)]
mod tests;
mod text;
mod value;
mod xlsx;

pub use convert::{ConvertError, ConvertOptions, Converter, Record};
pub use mapping::{Assignments, Binding, Mapping, MappingError, UnknownColumn};
pub use number::{
    DecimalMark, NumberError, detect_decimal_mark, parse_boolean, parse_decimal, to_minor_units,
};
pub use preview::{Preview, PreviewRow, preview};
pub use report::{ReasonCount, Rejection, RejectionLog};
pub use row::{Cell, CellKind, Row, RowFault};
pub use source::{Format, Header, Input, Rows, Source, SourceError, SourceOptions};
pub use targets::{Field, ImportKind, Shape, Target};
pub use text::{Delimiter, TextEncoding};
pub use value::{
    DateError, DateFormat, DateOrder, Detection, Value, detect_date_format, parse_day, parse_moment,
};

/// Most columns a file may have.
pub const MAX_COLUMNS: usize = 512;
/// Most bytes of text one cell may hold.
pub const MAX_CELL_BYTES: usize = 64 * 1024;
