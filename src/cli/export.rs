//! `leadline export`: leads and reports as CSV, NDJSON or Excel.

use std::fs::{self, File};
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use clap::Subcommand;
use futures_util::StreamExt as _;
use tempfile::NamedTempFile;

use super::failure::Failure;
use super::output::counted;
use super::runtime::with_app;
use crate::config::Settings;
use crate::identity::Caller;
use crate::insight::analytics::{self, ReportKind, ReportWords};
use crate::insight::scoring::ExportScores;
use crate::leads::export::{self, Content, ExportFormat, ExportRequest};

/// Export leads and reports as CSV, NDJSON or Excel
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Leads in the order of their ids; `leadline import leads` takes the CSV and Excel files as they are
    Leads(Choices),
    /// A report, as its query in the API tells it
    Report(Box<ReportChoices>),
}

#[derive(Debug, clap::Args)]
struct Choices {
    /// csv, ndjson or xlsx; when left out what the name of the file ends in, else csv
    #[arg(long)]
    format: Option<String>,
    /// Columns between commas, in this order: `email,tags,custom.sport_type`; all of them when left out
    #[arg(long, value_name = "NAME,…")]
    columns: Option<String>,
    /// Only leads for which this holds, JSON in the shape of the API's `LeadFilter`: `{"stage":{"in":["CUSTOMER"]}}`
    #[arg(long, value_name = "JSON")]
    filter: Option<String>,
    /// Write to this file instead of standard output; it appears once it is whole. Its name ends in .csv, .ndjson or
    /// .xlsx, or --format says what it is
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct ReportChoices {
    /// funnel, lead-quality, cohorts, journeys, sources, engagements, revenue, attribution, attribution-comparison or forecast
    report: String,
    /// csv, ndjson or xlsx; when left out what the name of the file ends in, else csv
    #[arg(long)]
    format: Option<String>,
    /// The table of a csv or ndjson file; when left out the first one of the report. An Excel file has all of them
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// So many days, today being the last one
    #[arg(long, value_name = "N")]
    last_days: Option<String>,
    /// The first day, with --to
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Option<String>,
    /// The last day, with --from
    #[arg(long, value_name = "YYYY-MM-DD")]
    to: Option<String>,
    /// Whose days they are, e.g. America/Sao_Paulo; UTC when left out
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// Only leads for which this holds, JSON in the shape of the API's `LeadFilter`
    #[arg(long, value_name = "JSON")]
    filter: Option<String>,
    /// The range of the same length before it, too
    #[arg(long)]
    previous: bool,
    /// cohorts: month or week
    #[arg(long)]
    period: Option<String>,
    /// attribution, attribution-comparison: channel, source, campaign or type
    #[arg(long)]
    by: Option<String>,
    /// attribution, revenue: the model, e.g. linear
    #[arg(long)]
    model: Option<String>,
    /// forecast: how many months
    #[arg(long, value_name = "N")]
    months: Option<String>,
    /// Write to this file instead of standard output; it appears once it is whole
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(arguments: Arguments, settings: &Settings) -> Result<(), Failure> {
    match arguments.what {
        What::Leads(choices) => leads(choices, settings),
        What::Report(choices) => report(*choices, settings),
    }
}

fn leads(choices: Choices, settings: &Settings) -> Result<(), Failure> {
    let Choices {
        format,
        columns,
        filter,
        output,
    } = choices;
    let format = chosen(format, output.as_deref())?;
    // What is wrong with the flags is said before the database is touched.
    let request = ExportRequest::read(format.as_deref(), filter.as_deref(), columns.as_deref())
        .map_err(|error| Failure::usage(format!("--{error}")))?;
    not_for_terminals(request.format, output.as_deref(), "leads.xlsx")?;
    with_app(settings, async |app| {
        let scores = Arc::new(ExportScores::default());
        let content = export::open(app, &Caller::operator(), request, scores).await?;
        match &output {
            None => copy(content, &mut io::stdout().lock(), "standard output")
                .await
                .map(drop),
            Some(path) => to_file(content, path).await,
        }
    })
}

fn report(choices: ReportChoices, settings: &Settings) -> Result<(), Failure> {
    let ReportChoices {
        report,
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
        output,
    } = choices;
    let report: ReportKind = report.parse().map_err(Failure::usage)?;
    let words = ReportWords {
        format: chosen(format, output.as_deref())?,
        table,
        last_days,
        from,
        to,
        time_zone,
        filter,
        previous: previous.then(|| "true".to_owned()),
        period,
        by,
        model,
        months,
    };
    let request = words
        .request(report)
        .map_err(|error| Failure::usage(error.to_string()))?;
    not_for_terminals(request.format, output.as_deref(), "report.xlsx")?;
    with_app(settings, async |app| {
        let file = analytics::report_file(app, &Caller::operator(), request).await?;
        let Some(path) = &output else {
            return print_bytes(&file.bytes);
        };
        let shown = path.display();
        in_file(path, async |out| {
            let written = out.write_all(&file.bytes).and_then(|()| out.flush());
            written.map_err(|error| Failure::new(format!("cannot write to {shown}: {error}")))
        })
        .await?;
        eprintln!("the report {report} exported to {shown}");
        Ok(())
    })
}

fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        // Whoever reads the output has gone away.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.map_err(|error| Failure::new(format!("cannot write to standard output: {error}"))),
    }
}

/// The format that is named, or else that of the file.
fn chosen(format: Option<String>, output: Option<&Path>) -> Result<Option<String>, Failure> {
    match (format, output) {
        (None, Some(path)) => by_name(path),
        (format, _) => Ok(format),
    }
}

fn not_for_terminals(format: ExportFormat, output: Option<&Path>, example: &str) -> Result<(), Failure> {
    if format == ExportFormat::Xlsx && output.is_none() && io::stdout().is_terminal() {
        return Err(Failure::usage("an Excel file is nothing for a terminal")
            .with_hint(format!("name a file by `--output {example}`")));
    }
    Ok(())
}

/// The format that the name of a file ends in; nothing where it has no ending.
fn by_name(path: &Path) -> Result<Option<String>, Failure> {
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    if ending.is_empty() {
        return Ok(None);
    }
    let format: ExportFormat = ending.parse().map_err(|error| {
        Failure::usage(format!("--output: `{}`: {error}", path.display()))
            .with_hint("name a file with one of these endings, or say the format by --format")
    })?;
    Ok(Some(format.as_str().to_owned()))
}

async fn to_file(content: Content, path: &Path) -> Result<(), Failure> {
    let shown = path.display().to_string();
    let leads = in_file(path, async |file| copy(content, file, &shown).await).await?;
    if let Some(leads) = leads {
        eprintln!("{} exported to {shown}", counted(leads, "leads"));
    }
    Ok(())
}

/// Has a file written, which appears once it is whole.
async fn in_file<T>(
    path: &Path,
    write: impl AsyncFnOnce(&mut File) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let shown = path.display();
    let cannot = |error: io::Error| Failure::new(format!("cannot write `{shown}`: {}", reason(&error)));
    let is_file = fs::symlink_metadata(path).map_or(true, |found| found.is_file());
    if !is_file {
        // A pipe, a device, a link to somewhere: what it is stays as it is.
        return write(&mut File::create(path).map_err(cannot)?).await;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file = NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(cannot)?;
    let written = write(file.as_file_mut()).await?;
    file.persist(path).map_err(|error| cannot(error.error))?;
    Ok(written)
}

/// Why, without the name of the temporary file, which means nothing to whoever named another.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" at path ") {
        Some((reason, _)) => reason.to_owned(),
        None => text,
    }
}

/// Writes the content; answers how many leads it has, nothing where the reader of the output has gone away.
async fn copy(
    mut content: Content,
    output: &mut (impl Write + ?Sized),
    name: &str,
) -> Result<Option<u64>, Failure> {
    let outcome = async {
        while let Some(chunk) = content.chunks.next().await {
            let chunk = chunk.map_err(Failure::from)?;
            output.write_all(&chunk).map_err(Stop::Output)?;
        }
        output.flush().map_err(Stop::Output)
    }
    .await;
    let leads = content.leads.load(Ordering::Relaxed);
    match outcome {
        Ok(()) => Ok(Some(leads)),
        Err(Stop::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(None),
        Err(Stop::Output(error)) => Err(Failure::new(format!("cannot write to {name}: {error}"))),
        Err(Stop::Reading(failure)) => {
            Err(failure.within(&format!("the export broke off after {}", counted(leads, "leads"))))
        }
    }
}

/// Why a copy ended before its end.
enum Stop {
    Reading(Failure),
    Output(io::Error),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Reading(failure)
    }
}
