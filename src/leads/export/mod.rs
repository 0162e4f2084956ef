//! Exporting leads as CSV, NDJSON or Excel.
//!
//! [`open`] is the one function behind every door: HTTP, the signed links of GraphQL, the command line. Leads are read
//! in the order of their ids, [`BATCH_LEADS`] at a time from behind the last one, so that memory does not grow with
//! their number and no long transaction holds the database back. A batch is read as of one moment; leads that come
//! after the export began are left out, leads deleted before their batch are as well.
//!
//! Columns bear the names of the import's targets, so that an export can be imported as it is.

mod cells;
mod columns;
pub mod graphql;
mod lines;
mod request;
mod service;
mod store;
#[cfg(test)]
mod tests;
mod workbook;

pub use cells::ExportedScore;
pub use request::{ExportFormat, ExportProblem, ExportRequest, read_filter};
pub use service::{BATCH_LEADS, Content, ScoreSource, link, open, open_link};
