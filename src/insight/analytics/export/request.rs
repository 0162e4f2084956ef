//! What is asked for.

use std::fmt;
use std::str::FromStr;

use chrono_tz::Tz;
use entity::{Area, AttributionDimension, AttributionModel, Day, Timestamp};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Problem};
use crate::insight::analytics::model::cohorts::Period;
use crate::insight::analytics::reports::MOST_DAYS;
use crate::insight::calendar::DateRange;
use crate::insight::calendar::DaysAsked;
use crate::insight::revenue::MOST_MONTHS;
use crate::leads::export::{ExportFormat, read_filter};
use crate::leads::filter::LeadFilter;

/// A report that can be had as a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, async_graphql::Enum)]
#[serde(rename_all = "kebab-case")]
pub enum ReportKind {
    /// `funnelReport`.
    Funnel,
    /// `leadQualityReport`.
    LeadQuality,
    /// `cohortReport`.
    Cohorts,
    /// `journeyReport`.
    Journeys,
    /// `sourceReport`.
    Sources,
    /// `engagementReport`.
    Engagements,
    /// `revenueReport`.
    Revenue,
    /// `attributionSummary`.
    Attribution,
    /// `attributionCompare`.
    AttributionComparison,
    /// `revenueForecast`.
    Forecast,
}

/// What a report can be asked with beside a format and a time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Range,
    Filter,
    Previous,
    Period,
    By,
    Model,
    Months,
}

impl Choice {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::Filter => "filter",
            Self::Previous => "previous",
            Self::Period => "period",
            Self::By => "by",
            Self::Model => "model",
            Self::Months => "months",
        }
    }
}

impl ReportKind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Funnel,
        Self::LeadQuality,
        Self::Cohorts,
        Self::Journeys,
        Self::Sources,
        Self::Engagements,
        Self::Revenue,
        Self::Attribution,
        Self::AttributionComparison,
        Self::Forecast,
    ];

    /// Its name in addresses, at the command line and in names of files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Funnel => "funnel",
            Self::LeadQuality => "lead-quality",
            Self::Cohorts => "cohorts",
            Self::Journeys => "journeys",
            Self::Sources => "sources",
            Self::Engagements => "engagements",
            Self::Revenue => "revenue",
            Self::Attribution => "attribution",
            Self::AttributionComparison => "attribution-comparison",
            Self::Forecast => "forecast",
        }
    }

    /// Its tables. A file of lines has one of them: the first one, unless another is asked for.
    #[must_use]
    pub const fn tables(self) -> &'static [&'static str] {
        match self {
            Self::Funnel => &["stages", "totals"],
            Self::LeadQuality => &["grades", "temperatures", "scores", "days", "totals"],
            Self::Cohorts => &["cohorts", "activity"],
            Self::Journeys => &["totals", "trends", "churn_risk", "at_risk"],
            Self::Sources => &["sources", "totals"],
            Self::Engagements => &["types", "channels", "days", "revenue", "top_leads"],
            Self::Revenue => &["totals", "days", "kinds", "sources", "campaigns", "costs"],
            Self::Attribution => &["credits", "totals"],
            Self::AttributionComparison => &["credits", "agreement", "totals"],
            Self::Forecast => &["months", "stages"],
        }
    }

    /// What it is read by.
    pub(super) const fn area(self) -> Area {
        match self {
            Self::Funnel => Area::Lifecycle,
            Self::LeadQuality => Area::Scoring,
            Self::Journeys => Area::Journeys,
            Self::Engagements => Area::Engagement,
            Self::Cohorts
            | Self::Sources
            | Self::Revenue
            | Self::Attribution
            | Self::AttributionComparison
            | Self::Forecast => Area::Revenue,
        }
    }

    /// Whether it tells of all leads, and so is not for who sees a part of them.
    pub(super) const fn is_of_all_leads(self) -> bool {
        matches!(self, Self::Sources | Self::Revenue | Self::Forecast)
    }

    const fn takes(self) -> &'static [Choice] {
        use Choice::{By, Filter, Model, Months, Period, Previous, Range};
        match self {
            Self::Funnel | Self::LeadQuality | Self::Journeys | Self::Sources | Self::Engagements => {
                &[Range, Filter, Previous]
            }
            Self::Cohorts => &[Range, Filter, Previous, Period],
            Self::Revenue => &[Range, Filter, Previous, Model],
            Self::Attribution => &[Range, Filter, Previous, By, Model],
            Self::AttributionComparison => &[Range, Filter, Previous, By],
            Self::Forecast => &[Filter, Months],
        }
    }
}

impl fmt::Display for ReportKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ReportKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| {
                let given: String = text.chars().take(48).collect();
                let all = Self::ALL.map(Self::as_str).join(", ");
                format!("there is no report `{given}`; one of {all}")
            })
    }
}

/// What can be wrong with an export of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "ReportExportErrorCode")]
pub enum ReportExportProblem {
    /// The report has no such table.
    InvalidTable,
    /// No range, or none that can be used.
    InvalidRange,
    /// There is no such time zone.
    InvalidTimeZone,
    /// The filter is malformed or beyond its limits.
    InvalidFilter,
    /// The report is not asked with this.
    NotApplicable,
    /// The request is too long for a link.
    TooLong,
}

/// Which report, of what, as which file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportRequest {
    /// Which.
    pub report: ReportKind,
    /// The format.
    pub format: ExportFormat,
    /// The table of a file of lines; the first one when absent. A workbook has all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<DaysAsked>,
    /// Whose days they are; UTC when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Only leads for which this holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<LeadFilter>,
    /// The range of the same length before it, too.
    #[serde(default)]
    pub previous: bool,
    /// How long the periods of cohorts are; months when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
    /// What attribution is told by; channels when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<AttributionDimension>,
    /// By which model; `LAST_TOUCH` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<AttributionModel>,
    /// The months of a forecast; 6 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub months: Option<u32>,
}

/// A request in words, as an address or a command line has it. Empty ones count as absent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ReportWords {
    /// The name of a format; CSV when absent.
    pub format: Option<String>,
    /// The table of a file of lines.
    pub table: Option<String>,
    /// So many days, today being the last one.
    pub last_days: Option<String>,
    /// The first day.
    pub from: Option<String>,
    /// The last day.
    pub to: Option<String>,
    /// Whose days they are.
    pub time_zone: Option<String>,
    /// Only leads for which this holds, as JSON.
    pub filter: Option<String>,
    /// `true` or `false`.
    pub previous: Option<String>,
    /// `MONTH` or `WEEK`.
    pub period: Option<String>,
    /// A dimension of attribution.
    pub by: Option<String>,
    /// A model of attribution.
    pub model: Option<String>,
    /// How many months.
    pub months: Option<String>,
}

impl ReportWords {
    /// What they ask for.
    ///
    /// # Errors
    /// [`Error::BadInput`] naming what is wrong.
    pub fn request(self, report: ReportKind) -> Result<ReportRequest, Error> {
        let Self {
            format,
            table,
            last_days,
            from,
            to,
            time_zone,
            filter,
            previous,
            period,
            by,
            model,
            months,
        } = self;
        let (from, to) = (read_day("from", from)?, read_day("to", to)?);
        let range = match (read("lastDays", last_days)?, from, to) {
            (None, None, None) => None,
            (last, from, to) => Some(DaysAsked::given(last, from, to)?),
        };
        Ok(ReportRequest {
            report,
            format: read("format", format)?.unwrap_or_default(),
            table: read("table", table)?,
            range,
            time_zone: read("timeZone", time_zone)?,
            filter: read_filter(filter.as_deref())?,
            previous: read("previous", previous)?.unwrap_or(false),
            period: read("period", period)?,
            by: read("by", by)?,
            model: read("model", model)?,
            months: read("months", months)?,
        })
    }
}

/// What a word says; nothing for an empty one.
fn read<T: FromStr<Err: fmt::Display>>(name: &str, word: Option<String>) -> Result<Option<T>, Error> {
    read_by(name, word, str::parse)
}

fn read_day(name: &str, word: Option<String>) -> Result<Option<Day>, Error> {
    read_by(name, word, Day::parse)
}

fn read_by<T, E: fmt::Display>(
    name: &str,
    word: Option<String>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, Error> {
    let word = word.as_deref().map(str::trim).filter(|word| !word.is_empty());
    let read = word.map(parse).transpose();
    read.map_err(|error| Error::BadInput(format!("{name}: {error}")))
}

impl ReportRequest {
    /// The first one of its kind, of nothing yet.
    #[must_use]
    pub fn new(report: ReportKind, format: ExportFormat) -> Self {
        Self {
            report,
            format,
            table: None,
            range: None,
            time_zone: None,
            filter: None,
            previous: false,
            period: None,
            by: None,
            model: None,
            months: None,
        }
    }

    /// The table of a file of lines.
    pub(super) fn chosen_table(&self) -> &str {
        self.table.as_deref().unwrap_or(self.report.tables()[0])
    }

    /// The days that it is of, as of now; today for a report that is of no days. What is wrong with it is told here, but for what
    /// only the database knows.
    pub(super) fn checked(&self, now: Timestamp) -> Result<DateRange, Problem<ReportExportProblem>> {
        use ReportExportProblem as P;
        let zone: Tz = match &self.time_zone {
            None => Tz::UTC,
            Some(name) => name.parse().map_err(|_| {
                let shown: String = name.chars().take(64).collect();
                let message = format!("`{shown}` is not a time zone such as `America/Sao_Paulo`");
                Problem::new("timeZone", P::InvalidTimeZone, message)
            })?,
        };
        let report = self.report;
        let tables = report.tables();
        match &self.table {
            Some(table) if self.format == ExportFormat::Xlsx => {
                let message = format!(
                    "an Excel file has all tables; leave `{}` out, or choose csv",
                    shown(table)
                );
                return Err(Problem::new("table", P::InvalidTable, message));
            }
            Some(table) if !tables.contains(&table.as_str()) => {
                let (shown, all) = (shown(table), tables.join(", "));
                let message = format!("the report {report} has no table `{shown}`; one of {all}");
                return Err(Problem::new("table", P::InvalidTable, message));
            }
            _ => {}
        }
        let given = [
            (Choice::Range, self.range.is_some()),
            (Choice::Filter, self.filter.is_some()),
            (Choice::Previous, self.previous),
            (Choice::Period, self.period.is_some()),
            (Choice::By, self.by.is_some()),
            (Choice::Model, self.model.is_some()),
            (Choice::Months, self.months.is_some()),
        ];
        for (choice, is_given) in given {
            if is_given && !report.takes().contains(&choice) {
                let takes: Vec<&str> = report.takes().iter().map(|choice| choice.as_str()).collect();
                let (choice, takes) = (choice.as_str(), takes.join(", "));
                let message = format!("the report {report} is not asked with `{choice}`, but with {takes}");
                return Err(Problem::new(choice, P::NotApplicable, message));
            }
        }
        if let Some(months) = self.months.filter(|months| !(1..=MOST_MONTHS).contains(months)) {
            let message = format!("a forecast is of 1 to {MOST_MONTHS} months, not of {months}");
            return Err(Problem::new("months", P::InvalidRange, message));
        }
        let range = match self.range {
            Some(range) => range,
            None if !report.takes().contains(&Choice::Range) => DaysAsked::Last(1),
            None => {
                let message = "say of which days: `lastDays`, or `from` and `to`";
                return Err(Problem::new("range", P::InvalidRange, message));
            }
        };
        let invalid = |error: Error| Problem::new("range", P::InvalidRange, error.to_string());
        let range = range.until(now, zone).map_err(invalid)?;
        if self.format != ExportFormat::Xlsx && self.chosen_table() == "days" && !has_days(range) {
            let message = format!("days are told of a range of at most {MOST_DAYS} days");
            return Err(Problem::new("range", P::InvalidRange, message));
        }
        Ok(range)
    }
}

/// Whether each day of a range is told.
pub(super) fn has_days(range: DateRange) -> bool {
    range.to.0 - range.from.0 < MOST_DAYS
}

fn shown(text: &str) -> String {
    text.chars().take(48).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_772_366_400_000_000); // 2026-03-01T12:00:00Z

    fn request(report: ReportKind) -> ReportRequest {
        ReportRequest::new(report, ExportFormat::Csv)
    }

    fn refused(request: &ReportRequest) -> (String, ReportExportProblem) {
        let problem = request.checked(NOW).unwrap_err();
        (problem.message, problem.code)
    }

    #[test]
    fn names_are_read_back() {
        for kind in ReportKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            let written = serde_json::to_string(&kind).unwrap();
            assert_eq!(written, format!("\"{kind}\""));
            assert!(!kind.tables().is_empty());
        }
        let unknown = "funel".parse::<ReportKind>().unwrap_err();
        assert!(
            unknown.starts_with("there is no report `funel`; one of funnel, "),
            "{unknown}"
        );
    }

    #[test]
    fn what_a_report_is_not_asked_with_is_said() {
        let mut forecast = request(ReportKind::Forecast);
        assert_eq!(
            forecast.checked(NOW).unwrap().from,
            Day::parse("2026-03-01").unwrap()
        );
        forecast.range = Some(DaysAsked::Last(30));
        assert_eq!(
            refused(&forecast),
            (
                "the report forecast is not asked with `range`, but with filter, months".to_owned(),
                ReportExportProblem::NotApplicable
            )
        );
        let mut funnel = request(ReportKind::Funnel);
        assert_eq!(refused(&funnel).1, ReportExportProblem::InvalidRange);
        funnel.range = Some(DaysAsked::Last(0));
        assert_eq!(refused(&funnel).1, ReportExportProblem::InvalidRange);
        funnel.range = Some(DaysAsked::Last(30));
        funnel.model = Some(AttributionModel::Linear);
        assert_eq!(refused(&funnel).1, ReportExportProblem::NotApplicable);
        funnel.model = None;
        funnel.time_zone = Some("Mars/Olympus".to_owned());
        assert_eq!(refused(&funnel).1, ReportExportProblem::InvalidTimeZone);
        funnel.time_zone = Some("Asia/Tokyo".to_owned());
        let range = funnel.checked(NOW).unwrap();
        assert_eq!(
            (range.from, range.to),
            (
                Day::parse("2026-01-31").unwrap(),
                Day::parse("2026-03-01").unwrap()
            )
        );
        funnel.table = Some("days".to_owned());
        assert_eq!(
            refused(&funnel),
            (
                "the report funnel has no table `days`; one of stages, totals".to_owned(),
                ReportExportProblem::InvalidTable
            )
        );
    }

    #[test]
    fn days_are_of_a_year_at_most() {
        let mut quality = request(ReportKind::LeadQuality);
        quality.range = Some(DaysAsked::Last(367));
        assert!(quality.checked(NOW).is_ok(), "grades have no days");
        quality.table = Some("days".to_owned());
        assert_eq!(refused(&quality).1, ReportExportProblem::InvalidRange);
        quality.range = Some(DaysAsked::Last(366));
        assert!(quality.checked(NOW).is_ok());
        quality.format = ExportFormat::Xlsx;
        assert_eq!(refused(&quality).1, ReportExportProblem::InvalidTable);
    }
}
