//! Reports as CSV, NDJSON and Excel files.
//!
//! - `request`: what is asked for, in the same words at every door.
//! - `tables`: a report as tables; pure.
//! - `files`: tables as a file; pure.
//! - `service`: a request read and made a file.

mod files;
mod request;
mod service;
mod table;
mod tables;

pub use request::{ReportExportProblem, ReportKind, ReportRequest, ReportWords};
pub use service::{ReportFile, report_file, report_link, report_of_link};
