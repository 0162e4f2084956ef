//! Use cases of exports of reports.

use std::collections::HashMap;

use entity::id::LeadId;
use entity::{ActorKind, Area, AttributionDimension, AttributionModel, Timestamp};
use serde_json::json;

use super::request::{ReportExportProblem as P, ReportKind, ReportRequest, has_days};
use super::table::{Table, day, text, word};
use super::tables::Leads;
use super::{files, tables};
use crate::app::App;
use crate::error::{Error, Outcome, Problem};
use crate::identity::{self, Caller, Link, MOST_LINK, Scope, audit};
use crate::insight::analytics::model::cohorts::Period;
use crate::insight::analytics::reports::{self, MOST_TOP};
use crate::insight::attribution::{self, SummaryRequest};
use crate::insight::calendar::DateRange;
use crate::insight::report::{Asked, ReadFrom, Report};
use crate::insight::revenue;
use crate::leads::cell::Value;
use crate::leads::export::ExportFormat;
use crate::leads::lead;

/// What links of this room are signed for.
const PURPOSE: &str = "leadline report link 1";
/// The months of a forecast of which nobody says how many.
const MONTHS: u32 = 6;

/// A report as a file.
#[derive(Clone, Debug)]
pub struct ReportFile {
    /// Its format.
    pub format: ExportFormat,
    /// What to call it, e.g. `funnel-2026-01-01-2026-03-31.csv`; with `-incomplete` while not all leads are counted.
    pub file_name: String,
    /// What stands in it: some hundred rows, a few thousand at most.
    pub bytes: Vec<u8>,
}

/// What is told of a report.
struct Told {
    tables: Vec<Table>,
    at: Timestamp,
    previous: Option<DateRange>,
    is_complete: bool,
    read_from: ReadFrom,
}

impl Told {
    fn of<T>(report: &Report<T>, tables: Vec<Table>) -> Self {
        Self {
            tables,
            at: report.at,
            previous: report.previous.as_ref().map(|(range, _)| *range),
            is_complete: report.is_complete,
            read_from: report.read_from,
        }
    }

    /// What is of no range.
    fn now(app: &App, tables: Vec<Table>, read_from: ReadFrom) -> Self {
        Self {
            tables,
            at: app.clock().now(),
            previous: None,
            is_complete: true,
            read_from,
        }
    }
}

/// Whether a caller may ask for it; of which days it is.
async fn checked(app: &App, caller: &Caller, request: &ReportRequest) -> Outcome<DateRange, P> {
    caller.require(Scope::Read(request.report.area()))?;
    if request.report.is_of_all_leads() {
        caller.require_all_rows()?;
    }
    let range = request.checked(app.clock().now())?;
    if let Some(filter) = &request.filter {
        caller.require(Scope::Read(Area::Leads))?;
        match lead::check_filter(app, filter).await {
            Ok(()) => {}
            Err(Error::BadInput(why)) => return Err(Problem::new("filter", P::InvalidFilter, why).into()),
            Err(error) => return Err(error.into()),
        }
    }
    if request.chosen_table() == "at_risk" || request.chosen_table() == "top_leads" {
        caller.require(Scope::Read(Area::Leads))?;
    }
    Ok(range)
}

/// A report as a file. Tables that name leads are empty for who may not read leads.
///
/// # Errors
/// [`ReportExportProblem`](P)s of the request; the scope of the report, or `leads:read` where there is a filter or a table names
/// leads; a caller who sees a part of the leads, for what is of all of them; the database's.
pub async fn report_file(app: &App, caller: &Caller, request: ReportRequest) -> Outcome<ReportFile, P> {
    let range = checked(app, caller, &request).await?;
    let told = told(app, caller, &request, range).await?;
    let ReportRequest { report, format, .. } = request;
    if caller.actor.kind != ActorKind::System {
        let detail = json!({ "report": report, "format": format });
        audit::note(app, caller, "REPORT_EXPORTED", &detail).await?;
    }
    let table = request.chosen_table();
    let of_table = told.tables.iter().find(|known| known.name == table);
    let bytes = match (format, of_table) {
        (ExportFormat::Csv, Some(table)) => files::csv(table)?,
        (ExportFormat::Ndjson, Some(table)) => files::ndjson(table)?,
        (ExportFormat::Xlsx, _) => files::workbook(&about(&request, range, &told), &told.tables)?,
        (_, None) => return Err(Error::internal(anyhow::anyhow!("{report} has no table `{table}`")).into()),
    };
    let mut file_name = report.to_string();
    if format != ExportFormat::Xlsx && table != report.tables()[0] {
        file_name.push_str(&format!("-{}", table.replace('_', "-")));
    }
    file_name.push_str(&format!("-{}", range.from));
    if range.to != range.from {
        file_name.push_str(&format!("-{}", range.to));
    }
    if !told.is_complete {
        file_name.push_str("-incomplete");
    }
    Ok(ReportFile {
        format,
        file_name: format!("{file_name}.{format}"),
        bytes,
    })
}

/// A link by which the holder of a token, or whoever is given it, can have a report for 15 minutes without the token. The request
/// is checked now, and the caller's rights again when the link is opened.
///
/// # Errors
/// As [`report_file`]; a caller without a token.
pub async fn report_link(app: &App, caller: &Caller, request: ReportRequest) -> Outcome<Link, P> {
    checked(app, caller, &request).await?;
    let link = identity::sign_link(app, caller, PURPOSE, request).await?;
    if link.link.len() > MOST_LINK {
        let message = format!(
            "the filter is too long for a link: it would have {} characters, the most is {MOST_LINK}; ask \
             `GET /exports/reports/…` with the token instead",
            link.link.len()
        );
        return Err(Problem::new("filter", P::TooLong, message).into());
    }
    Ok(link)
}

/// The report of a link made by [`report_link`].
///
/// # Errors
/// [`Error::Forbidden`] for a link that is forged or has expired, or whose token was revoked or has expired; as [`report_file`].
pub async fn report_of_link(app: &App, link: &str) -> Outcome<ReportFile, P> {
    let (caller, request) = identity::open_link(app, PURPOSE, link).await?;
    report_file(app, &caller, request).await
}

async fn told(app: &App, caller: &Caller, request: &ReportRequest, range: DateRange) -> Result<Told, Error> {
    let asked = Asked {
        range,
        filter: request.filter.clone(),
        with_previous: request.previous,
    };
    // What is not shown is not read.
    let shows = |table: &str| request.format == ExportFormat::Xlsx || request.chosen_table() == table;
    let by_day = shows("days") && has_days(range);
    let names_leads = shows("at_risk") || shows("top_leads");
    let top = match names_leads && caller.scopes.allows(Scope::Read(Area::Leads)) {
        true => MOST_TOP,
        false => 0,
    };
    let (by, model) = (
        request.by.unwrap_or(AttributionDimension::Channel),
        request.model.unwrap_or(AttributionModel::LastTouch),
    );
    let has_costs = !asked.has_filter();
    let credited = || SummaryRequest {
        asked: asked.clone(),
        by,
        kinds: Vec::new(),
        as_of: None,
    };
    Ok(match request.report {
        ReportKind::Funnel => {
            let report = reports::funnel(app, caller, &asked).await?;
            Told::of(&report, tables::funnel(&report))
        }
        ReportKind::LeadQuality => {
            let report = reports::quality(app, caller, &asked, by_day).await?;
            Told::of(&report, tables::quality(&report))
        }
        ReportKind::Cohorts => {
            let period = request.period.unwrap_or(Period::Month);
            let report = reports::cohorts(app, caller, &asked, period).await?;
            Told::of(&report, tables::cohorts(&report))
        }
        ReportKind::Journeys => {
            let report = reports::journeys(app, caller, &asked, top).await?;
            let leads = named(app, caller, &report, |(.., at_risk)| at_risk).await?;
            Told::of(&report, tables::journeys(&report, &leads))
        }
        ReportKind::Sources => {
            let report = reports::sources(app, caller, &asked).await?;
            Told::of(&report, tables::sources(&report, has_costs))
        }
        ReportKind::Engagements => {
            let report = reports::engagements(app, caller, &asked, by_day, top).await?;
            let leads = named(app, caller, &report, |told| &told.top).await?;
            Told::of(&report, tables::engagements(&report, &leads))
        }
        ReportKind::Revenue => {
            let campaigns_by = shows("campaigns").then_some(model);
            let report = reports::sales(app, caller, &asked, by_day, campaigns_by).await?;
            Told::of(&report, tables::sales(&report, has_costs))
        }
        ReportKind::Attribution => {
            let report = attribution::summary(app, caller, &credited(), model, usize::MAX, false).await?;
            Told::of(&report, tables::attribution(&report, by))
        }
        ReportKind::AttributionComparison => {
            let report = attribution::compare(app, caller, &credited()).await?;
            Told::of(&report, tables::comparison(&report, by))
        }
        ReportKind::Forecast => {
            let months = request.months.unwrap_or(MONTHS);
            let of = asked.filter.as_ref();
            let (forecast, read_from) = revenue::forecast(app, caller, months, range.zone, of).await?;
            let tables = tables::forecast(&forecast).map_err(Error::internal)?;
            Told::now(app, tables, read_from)
        }
    })
}

/// The leads that a report names, as far as the caller sees them.
async fn named<T, N>(
    app: &App,
    caller: &Caller,
    report: &Report<T>,
    names: impl Fn(&T) -> &Vec<(LeadId, N)>,
) -> Result<Leads, Error> {
    let previous = report.previous.as_ref().map(|(_, told)| told);
    let told = [Some(&report.current), previous].into_iter().flatten();
    let ids: Vec<LeadId> = told
        .flat_map(|told| names(told).iter().map(|(lead, _)| *lead))
        .collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    lead::get_many(app, &caller.rows, &ids).await
}

/// What a workbook says of itself.
fn about(request: &ReportRequest, range: DateRange, told: &Told) -> Vec<(&'static str, Value)> {
    let ReportRequest {
        report,
        filter,
        period,
        by,
        model,
        ..
    } = request;
    let mut about = vec![("report", word(report))];
    match request.range {
        Some(_) => about.extend([("from", day(range.from)), ("to", day(range.to))]),
        None => about.push(("day", day(range.from))),
    }
    if let Some(previous) = told.previous {
        about.extend([
            ("previous from", day(previous.from)),
            ("previous to", day(previous.to)),
        ]);
    }
    about.push(("time zone", text(range.zone.name())));
    if let Some(filter) = filter {
        let filter = serde_json::to_value(filter).unwrap_or_default();
        about.push(("filter", Value::Json(filter)));
    }
    let chosen = [
        ("period", period.map(word)),
        ("by", by.map(word)),
        ("model", model.map(word)),
    ];
    about.extend(
        chosen
            .into_iter()
            .filter_map(|(name, chosen)| Some((name, chosen?))),
    );
    let read_from = match told.read_from {
        ReadFrom::Sums => "SUMS",
        ReadFrom::Leads => "LEADS",
    };
    about.extend([
        ("as of", text(told.at.to_rfc3339())),
        ("complete", Value::Flag(told.is_complete)),
        ("read from", text(read_from)),
    ]);
    about
}
