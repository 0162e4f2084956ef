//! Exports of reports in GraphQL: signed links.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use entity::{AttributionDimension, AttributionModel, Timestamp};

use crate::api::types::{Access, TimeZone, WebAddress, scoped, user_errors};
use crate::error::Problem;
use crate::identity::Link;
use crate::insight::analytics::model::cohorts::Period;
use crate::insight::analytics::{ReportExportProblem, ReportKind, ReportRequest, report_link};
use crate::insight::calendar::graphql::ReportRangeInput;
use crate::leads::export::ExportFormat;
use crate::leads::filter::LeadFilter;

user_errors!(
    /// An expected failure of a call about exports of reports.
    ReportExportUserError,
    ReportExportProblem
);

/// Which report to export, of what, and how.
#[derive(InputObject)]
struct ReportExportInput {
    /// The report.
    report: ReportKind,
    /// The format of the file: `XLSX` has a sheet for each table, the others have one table.
    #[graphql(default)]
    format: ExportFormat,
    /// The table of a `CSV` or `NDJSON` file, e.g. `stages`; when absent the first one of the report.
    table: Option<String>,
    /// The days, for all reports but `FORECAST`.
    range: Option<ReportRangeInput>,
    /// Whose days they are; UTC when absent.
    time_zone: Option<TimeZone>,
    /// Only leads for which this holds (scope `leads:read`).
    filter: Option<LeadFilter>,
    /// The range of the same length before it, too: in the same tables, which have a column `range` then. Not for `FORECAST`.
    previous: Option<bool>,
    /// `COHORTS`: how long the periods are; months when absent.
    period: Option<Period>,
    /// `ATTRIBUTION` and `ATTRIBUTION_COMPARISON`: by what; channels when absent.
    by: Option<AttributionDimension>,
    /// `ATTRIBUTION` and `REVENUE`: by which model; `LAST_TOUCH` when absent.
    model: Option<AttributionModel>,
    /// `FORECAST`: how many months, 1–36; 6 when absent.
    months: Option<i32>,
}

/// The answer of `reportExport`.
#[derive(SimpleObject)]
struct ReportExportPayload {
    /// Where the file is to be had, by GET and without a token; null when there are user errors. Whoever has the link can open
    /// it.
    url: Option<WebAddress>,
    /// Until when it can be opened: 15 minutes from now, and no longer than your token is valid.
    expires_at: Option<Timestamp>,
    /// What was wrong with the input.
    user_errors: Vec<ReportExportUserError>,
}

/// Exports of reports.
#[derive(Default)]
pub struct ReportExportMutation;

#[scoped]
#[Object]
impl ReportExportMutation {
    /// A link to a report as a file, made when it is opened: a browser can open it without your token. The report asks for the
    /// scope that its query asks for.
    #[scope("any")]
    async fn report_export(
        &self,
        ctx: &Context<'_>,
        input: ReportExportInput,
    ) -> Result<ReportExportPayload> {
        let ReportExportInput {
            report,
            format,
            table,
            range,
            time_zone,
            filter,
            previous,
            period,
            by,
            model,
            months,
        } = input;
        let wrong = |error: crate::error::Error| {
            Problem::new("range", ReportExportProblem::InvalidRange, error.to_string())
        };
        let outcome = match range.map(|range| range.days()).transpose() {
            Err(error) => Err(wrong(error).into()),
            Ok(range) => {
                let request = ReportRequest {
                    report,
                    format,
                    table,
                    range,
                    time_zone: time_zone.map(|TimeZone(name)| name),
                    filter,
                    previous: previous.unwrap_or(false),
                    period,
                    by,
                    model,
                    // What is no number of months is refused as any other one.
                    months: months.map(|months| u32::try_from(months).unwrap_or(0)),
                };
                report_link(ctx.app(), ctx.caller()?, request).await
            }
        };
        let (link, user_errors) = ReportExportUserError::split(outcome)?;
        let (url, expires_at) = match link {
            Some(Link { link, expires_at }) => {
                let url = format!("{}/exports/reports?link={link}", ctx.public_url());
                (Some(WebAddress(url)), Some(expires_at))
            }
            None => (None, None),
        };
        Ok(ReportExportPayload {
            url,
            expires_at,
            user_errors,
        })
    }
}
