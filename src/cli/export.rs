//! `leadline export`: leads as CSV, NDJSON or Excel.

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
use crate::insight::scoring::ExportScores;
use crate::leads::export::{self, Content, ExportFormat, ExportRequest};

/// Export leads as CSV, NDJSON or Excel
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Leads in the order of their ids; `leadline import leads` takes the CSV and Excel files as they are
    Leads(Choices),
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

pub(super) fn run(arguments: Arguments, settings: &Settings) -> Result<(), Failure> {
    let What::Leads(Choices {
        format,
        columns,
        filter,
        output,
    }) = arguments.what;
    let format = match (format, &output) {
        (None, Some(path)) => by_name(path)?,
        (format, _) => format,
    };
    // What is wrong with the flags is said before the database is touched.
    let request = ExportRequest::read(format.as_deref(), filter.as_deref(), columns.as_deref())
        .map_err(|error| Failure::usage(format!("--{error}")))?;
    if request.format == ExportFormat::Xlsx && output.is_none() && io::stdout().is_terminal() {
        return Err(Failure::usage("an Excel file is nothing for a terminal")
            .with_hint("name a file by `--output leads.xlsx`"));
    }
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
    let cannot = |error: io::Error| Failure::new(format!("cannot write `{shown}`: {}", reason(&error)));
    let is_file = fs::symlink_metadata(path).map_or(true, |found| found.is_file());
    let leads = if is_file {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut file = NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(cannot)?;
        let leads = copy(content, file.as_file_mut(), &shown).await?;
        file.persist(path).map_err(|error| cannot(error.error))?;
        leads
    } else {
        // A pipe, a device, a link to somewhere: what it is stays as it is.
        copy(content, &mut File::create(path).map_err(cannot)?, &shown).await?
    };
    if let Some(leads) = leads {
        eprintln!("{} exported to {shown}", counted(leads, "leads"));
    }
    Ok(())
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
