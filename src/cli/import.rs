//! `leadline import`: leads, engagements, conversions, costs or rates of exchange from a CSV or Excel file.

use std::fmt::Write as _;
use std::fs::File;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::failure::Failure;
use super::output::{counted, print};
use super::runtime::with_app;
use super::serve::{INTERRUPTED, Signals};
use crate::config::Settings;
use crate::db::Tx;
use crate::error::Error;
use crate::identity::Caller;
use crate::insight::engagement::EngagementSink;
use crate::insight::revenue::{ConversionSink, CostSink, RateSink};
use crate::leads::import::{
    FileError, ImportChoices, ImportKind, ImportSpec, LeadSink, Preview, Rejection, RejectionLog, Sink, Step,
    Watcher, drive, open, preview,
};

/// Rejected rows that are shown; all of them go to the file of `--rejected`.
const SHOWN: usize = 20;

/// What to do after an import that broke off.
const GO_ON: &str =
    "what the report counts is in; run the same command again for the rest: nothing is created twice";

/// Import leads, engagements, conversions, costs or rates of exchange from a CSV or Excel file
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Leads: known ones are updated, the same file twice creates nothing twice
    Leads(Choices),
    /// Engagements of leads that are there
    Engagements(Choices),
    /// Conversions of leads that are there
    Conversions(Choices),
    /// Costs: the same row twice is one cost
    Costs(Choices),
    /// Rates of exchange: a day, a currency and its rate in a row, or a day and a column for each currency
    Rates(Choices),
}

#[derive(Debug, clap::Args)]
struct Choices {
    /// The file, CSV or .xlsx, whatever its name says
    file: PathBuf,
    /// Columns that are not told by their names: `external_id=mql_id,created_at=first_contact_date`
    #[arg(long, value_name = "TARGET=COLUMN,…", default_value = "")]
    map: String,
    /// Values where a cell is empty or a column missing: `kind=CUSTOMER`
    #[arg(long, value_name = "TARGET=VALUE,…", default_value = "")]
    default: String,
    /// How dates are written: auto, ymd, mdy, dmy, rfc3339, or a pattern such as `%d.%m.%Y`
    #[arg(long, value_name = "FORMAT")]
    date_format: Option<String>,
    /// Time zone of times without an offset, such as America/Sao_Paulo; UTC when left out
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// Whose external ids the file has: the same id of two sources is two leads
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// Currency of amounts without one, such as BRL
    #[arg(long, value_name = "CODE")]
    currency: Option<String>,
    /// How decimals are marked: auto, point or comma
    #[arg(long, value_name = "MARK")]
    decimal_mark: Option<String>,
    /// Country of phone numbers without a country code, such as BR
    #[arg(long, value_name = "COUNTRY")]
    phone_region: Option<String>,
    /// Delimiter of a text file: comma, semicolon, tab or pipe; found out when left out
    #[arg(long, value_name = "NAME")]
    delimiter: Option<String>,
    /// Sheet of a workbook; the first one when left out
    #[arg(long, value_name = "NAME")]
    sheet: Option<String>,
    /// Show what would be imported, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Write every rejected row to this CSV file: line, column, value, reason
    #[arg(long, value_name = "FILE")]
    rejected: Option<PathBuf>,
}

/// What is wrong with a file as a whole.
fn unusable(file: &Path, error: &FileError) -> Failure {
    let failure = Failure::usage(format!("`{}`: {error}", file.display()));
    match error {
        FileError::Mapping(_) => failure.with_hint(
            "say which column feeds which target with --map TARGET=COLUMN,…; --dry-run shows what would land",
        ),
        _ => failure,
    }
}

pub(super) fn run(arguments: Arguments, settings: &Settings) -> Result<(), Failure> {
    match arguments.what {
        What::Leads(choices) => import(ImportKind::Leads, &LeadSink, choices, settings),
        What::Engagements(choices) => import(ImportKind::Engagements, &EngagementSink, choices, settings),
        What::Conversions(choices) => import(ImportKind::Conversions, &ConversionSink, choices, settings),
        What::Costs(choices) => import(ImportKind::Costs, &CostSink, choices, settings),
        What::Rates(choices) => import(ImportKind::Rates, &RateSink, choices, settings),
    }
}

fn import(kind: ImportKind, sink: &impl Sink, choices: Choices, settings: &Settings) -> Result<(), Failure> {
    let Choices {
        file,
        map,
        default,
        date_format,
        time_zone,
        namespace,
        currency,
        decimal_mark,
        phone_region,
        delimiter,
        sheet,
        dry_run,
        rejected,
    } = choices;
    let choices = ImportChoices {
        map,
        defaults: default,
        namespace,
        sheet,
        delimiter,
        date_format,
        time_zone,
        decimal_mark,
        phone_region,
        currency,
    }
    .or_region(settings.default_region);
    let spec = ImportSpec::new(kind, &choices)
        .map_err(|error| Failure::usage(format!("--{}: {}", flag(error.choice), error.reason)))?;
    // What is wrong with the file as a whole is said before the database is touched.
    let (mut source, converter) = open(&file, &spec).map_err(|error| unusable(&file, &error))?;
    if dry_run {
        let preview = preview(&mut source, &converter, 10, None)
            .map_err(|error| unusable(&file, &FileError::from(error)))?;
        return print(&shown(&file, &preview));
    }
    let unknown = converter
        .mapping()
        .unknown_columns()
        .iter()
        .map(|column| match &column.suggestion {
            Some(target) => format!("`{}` (did you mean `{target}`?)", column.name),
            None => format!("`{}`", column.name),
        });
    let unknown = unknown.collect::<Vec<_>>().join(", ");
    if !unknown.is_empty() {
        eprintln!("not imported, since no target takes them: columns {unknown}");
    }
    drop((source, converter));
    with_app(settings, async |app| {
        let mut log = RejectionLog::default();
        if let Some(path) = &rejected {
            let cannot = |error| Failure::new(format!("cannot write `{}`: {error}", path.display()));
            log = log
                .with_writer(File::create(path).map_err(cannot)?)
                .map_err(cannot)?;
        }
        let mut watcher = Terminal::new(log);
        let (asked, mut signals) = (watcher.interrupted.clone(), Signals::new()?);
        let listening = AbortOnDropHandle::new(tokio::spawn(async move {
            signals.next().await;
            asked.cancel();
            signals.next().await;
            std::process::exit(INTERRUPTED);
        }));
        let outcome = drive(app, &Caller::operator(), file, spec, sink, 0, &mut watcher).await;
        drop(listening);
        watcher.bar.finish_and_clear();
        let written = watcher.log.flush();
        let finished = match outcome {
            Err(Error::BadInput(what)) if watcher.rows == 0 => return Err(Failure::usage(what)),
            Err(error) if watcher.rows == 0 => return Err(error.into()),
            outcome => {
                print(&watcher.report(kind, rejected.as_deref()))?;
                outcome.map_err(|error| Failure::from(error).with_hint(GO_ON))?
            }
        };
        if let (Some(path), Some(error)) = (&rejected, watcher.unwritable.take().or(written.err())) {
            let what = format!("cannot write the rejected rows to `{}`: {error}", path.display());
            return Err(Failure::new(what).with_hint(GO_ON));
        }
        if !finished {
            return Err(Failure::new("interrupted before the end of the file").with_hint(GO_ON));
        }
        if watcher.rejected > 0 && watcher.rejected == watcher.rows {
            return Err(
                Failure::new(format!("every row was rejected: no {kind} were imported"))
                    .with_hint("the report above says why; --dry-run shows how the file is read"),
            );
        }
        Ok(())
    })
}

/// The flag of a choice as the API names it.
fn flag(choice: &str) -> String {
    if choice == "defaults" {
        return "default".to_owned();
    }
    choice.chars().fold(String::new(), |mut flag, letter| {
        if letter.is_uppercase() {
            flag.push('-');
        }
        flag.extend(letter.to_lowercase());
        flag
    })
}

/// Shows progress on a terminal and keeps the report.
struct Terminal {
    bar: ProgressBar,
    log: RejectionLog,
    /// Why the rejected rows could not be written.
    unwritable: Option<std::io::Error>,
    /// Whether it was asked to end, as by Ctrl-C: it stops after the batch it is at.
    interrupted: CancellationToken,
    rows: u64,
    created: u64,
    updated: u64,
    unchanged: u64,
    rejected: u64,
}

impl Terminal {
    fn new(log: RejectionLog) -> Self {
        let bar = if std::io::stderr().is_terminal() {
            let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}  {eta} left");
            ProgressBar::new(1_000).with_style(style.expect("the template is valid"))
        } else {
            ProgressBar::hidden()
        };
        Self {
            bar,
            log,
            unwritable: None,
            interrupted: CancellationToken::new(),
            rows: 0,
            created: 0,
            updated: 0,
            unchanged: 0,
            rejected: 0,
        }
    }

    fn report(&self, kind: ImportKind, rejected: Option<&Path>) -> String {
        let Self {
            bar: _,
            log,
            unwritable: _,
            interrupted: _,
            rows,
            created,
            updated,
            unchanged,
            rejected: refused,
        } = self;
        let mut text = format!(
            "{}: {} created, {updated} updated, {unchanged} unchanged, {refused} rejected\n",
            counted(*rows, "rows"),
            counted(*created, &kind.to_string()),
        );
        rejections(&mut text, log.first(), log.rows());
        if *refused > 0
            && let Some(path) = rejected
        {
            let _ = writeln!(text, "all rejected rows: {}", path.display());
        }
        if *created + *updated > 0 {
            text.push_str(
                "journeys, stages and scores follow as soon as `leadline serve` or `leadline worker` runs\n",
            );
        }
        text
    }
}

fn rejections(text: &mut String, rejections: &[Rejection], rows: u64) {
    for Rejection {
        line,
        column,
        value,
        code: _,
        reason,
    } in rejections.iter().take(SHOWN)
    {
        let _ = match column {
            Some(column) => writeln!(text, "  line {line}, column `{column}`: `{value}`: {reason}"),
            None => writeln!(text, "  line {line}: {reason}"),
        };
    }
    if rejections.len() > SHOWN {
        let _ = writeln!(
            text,
            "  … ({} in all; --rejected FILE writes all of them)",
            counted(rows, "rejected rows")
        );
    }
}

#[async_trait]
impl Watcher for Terminal {
    async fn batch(&mut self, _: &Tx, _: &Step) -> Result<(), Error> {
        Ok(())
    }

    async fn committed(&mut self, step: Step) -> bool {
        let Step {
            rows,
            progress,
            created,
            updated,
            unchanged,
            rejections,
            rejected,
        } = step;
        self.rows = rows;
        self.created += created;
        self.updated += updated;
        self.unchanged += unchanged;
        self.rejected += rejected;
        for rejection in rejections {
            if let Err(error) = self.log.add(rejection) {
                self.unwritable = Some(error);
                return false;
            }
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of 1,000"
        )]
        self.bar.set_position((progress.clamp(0.0, 1.0) * 1_000.0) as u64);
        self.bar
            .set_message(format!("{}, {} rejected", counted(rows, "rows"), self.rejected));
        !self.interrupted.is_cancelled()
    }
}

fn shown(file: &Path, preview: &Preview) -> String {
    let Preview {
        format,
        rows,
        unknown_columns,
        checked,
        good,
        rejections: log,
    } = preview;
    let mut text = format!("{}: {format}\n", file.display());
    let _ = writeln!(
        text,
        "{}, {good} of them good; nothing was written\n\nas they would land:",
        counted(*checked, "rows")
    );
    for row in rows {
        let values = row
            .values
            .iter()
            .map(|(target, value)| format!("{target}={value}"));
        let _ = writeln!(
            text,
            "  line {}: {}",
            row.line,
            values.collect::<Vec<_>>().join("  ")
        );
    }
    if !unknown_columns.is_empty() {
        text.push_str("\ncolumns that nothing uses:\n");
        for column in unknown_columns {
            let _ = match &column.suggestion {
                Some(target) => writeln!(text, "  `{}` (did you mean `{target}`?)", column.name),
                None => writeln!(text, "  `{}`", column.name),
            };
        }
    }
    if log.rows() > 0 {
        let _ = writeln!(text, "\nbad rows: {}", log.rows());
        rejections(&mut text, log.first(), log.rows());
    }
    text
}
