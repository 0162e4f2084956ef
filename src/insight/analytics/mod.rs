//! Reports: how far leads get, how promising they are, how their journeys go, what became of those of each month, what each
//! source brings; what leads did in some days, what was earned and spent.
//!
//! Most of them are about the leads that became known in a range of days, as they stand now. What is counted of a lead is its
//! *outline*; outlines are summed up by the UTC day and month in which their leads became known, their conversions by those in
//! which these were, and both by the hour where days of other time zones are told one by one. A report adds up sums, and reads
//! rows for the ends of a range that does not begin and end with a UTC day; one with a filter on leads reads rows alone. What
//! leads did is summed up by `journeys`.
//!
//! - `model`: outlines, how they add up, what reports make of sums; pure.
//! - `keeping`: outlines and sums, kept as events come and decay goes on (`handler`), and made anew (`rebuild`).
//! - `reports`: what is asked for.
//! - `export`: reports as CSV, NDJSON and Excel files.
//! - `live`: when they may say something else than before.
//! - `verify`: whether what is kept is what the rows say.

mod export;
pub mod graphql;
mod handler;
mod keeping;
mod live;
pub mod model;
mod rebuild;
mod reports;
mod store;
mod verify;

pub use export::{
    ReportExportProblem, ReportFile, ReportKind, ReportRequest, ReportWords, report_file, report_link,
    report_of_link,
};
pub use handler::{ReportUpkeep, ReportsHandler};
pub use live::pulses;
pub use rebuild::{ReportRebuild, rebuild};
pub use reports::{
    Cohorts, Days, Engagements, Journeys, MOST_TOP, Sales, Sources, cohorts, engagements, funnel, journeys,
    quality, sales, sources,
};
pub use verify::verify;
