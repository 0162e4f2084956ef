//! Imports in GraphQL: preview, start, report. Progress and cancelling are the job's.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use entity::id::{JobId, UploadId};

use super::{ImportChoices, ImportKind, ImportProblem, StoredRejection};
use crate::api::types::{Access, scoped, user_errors};
use crate::db::CallKey;
use crate::error::Error;
use crate::jobs::graphql::Job;

user_errors!(
    /// An expected failure of a call about imports.
    ImportUserError,
    ImportProblem
);

/// A column and what it feeds.
#[derive(InputObject, Clone, Debug)]
struct ImportColumn {
    /// The target, e.g. `external_id`, `created_at`, `custom.sport`, `consent.email`.
    target: String,
    /// The column's name in the file; empty: nothing feeds this target.
    column: String,
}

/// A value where a cell is empty or a column missing.
#[derive(InputObject, Clone, Debug)]
struct ImportDefault {
    /// The target, e.g. `kind`.
    target: String,
    /// The value as it would stand in a cell.
    value: String,
}

/// Which file, and how to read it. What is left out is found out from the file.
#[derive(InputObject, Clone, Debug)]
struct ImportInput {
    /// The file: the answer of `POST /uploads`.
    upload_id: UploadId,
    /// Columns that are not told by their names.
    #[graphql(default)]
    map: Vec<ImportColumn>,
    /// Values where a cell is empty or a column missing.
    #[graphql(default)]
    defaults: Vec<ImportDefault>,
    /// Whose external ids the file has, e.g. `olist`: the same id of two sources is two leads. `import` unless given.
    namespace: Option<String>,
    /// The sheet of a workbook; the first one unless given.
    sheet: Option<String>,
    /// The delimiter of a text file: comma, semicolon, tab or pipe.
    delimiter: Option<String>,
    /// How dates are written: auto, ymd, mdy, dmy, rfc3339, or a pattern such as `%d.%m.%Y %H:%M`.
    date_format: Option<String>,
    /// Time zone of times without an offset, e.g. `America/Sao_Paulo`; UTC unless given.
    time_zone: Option<String>,
    /// auto, point or comma.
    decimal_mark: Option<String>,
    /// Country of phone numbers without a country code, e.g. `BR`; the setting `default_region` unless given.
    phone_region: Option<String>,
    /// Currency of amounts without one, e.g. `BRL`.
    currency: Option<String>,
}

/// An import to start.
#[derive(InputObject, Clone, Debug)]
struct ImportStartInput {
    /// The file and how to read it.
    #[graphql(flatten)]
    import: ImportInput,
    /// The same key and input again give the same job; kept 7 days.
    idempotency_key: Option<String>,
}

fn pairs(pairs: impl IntoIterator<Item = (String, String)>) -> String {
    let quoted = |text: String| format!("\"{}\"", text.replace('"', "\"\""));
    let pairs = pairs
        .into_iter()
        .map(|(left, right)| format!("{}={}", quoted(left), quoted(right)));
    pairs.collect::<Vec<_>>().join(",")
}

impl ImportInput {
    fn choices(self) -> (UploadId, ImportChoices) {
        let Self {
            upload_id,
            map,
            defaults,
            namespace,
            sheet,
            delimiter,
            date_format,
            time_zone,
            decimal_mark,
            phone_region,
            currency,
        } = self;
        let choices = ImportChoices {
            map: pairs(
                map.into_iter()
                    .map(|ImportColumn { target, column }| (target, column)),
            ),
            defaults: pairs(
                defaults
                    .into_iter()
                    .map(|ImportDefault { target, value }| (target, value)),
            ),
            namespace,
            sheet,
            delimiter,
            date_format,
            time_zone,
            decimal_mark,
            phone_region,
            currency,
        };
        (upload_id, choices)
    }
}

/// The answer of a mutation that starts an import.
#[derive(SimpleObject)]
struct ImportPayload {
    /// The import: watch it by `jobProgressed`, stop it by `jobCancel`; null when there are user errors.
    job: Option<Job>,
    /// What was wrong with the file or the choices.
    user_errors: Vec<ImportUserError>,
}

/// A value as it would land.
#[derive(SimpleObject)]
struct ImportPreviewValue {
    /// The target.
    target: String,
    /// The value.
    value: String,
}

/// A row as it would land.
#[derive(SimpleObject)]
struct ImportPreviewRow {
    /// Line in the file, or row of the sheet.
    line: u64,
    /// Its values.
    values: Vec<ImportPreviewValue>,
}

/// A column that nothing uses.
#[derive(SimpleObject)]
struct ImportUnknownColumn {
    /// Its name.
    name: String,
    /// A target with a near name.
    did_you_mean: Option<String>,
}

/// What an import could not use.
#[derive(SimpleObject)]
struct ImportRejection {
    /// Line in the file, or row of the sheet, from 1.
    line: u64,
    /// The column; null when it is about the row as a whole.
    column: Option<String>,
    /// What the cell holds, at most 80 characters of it.
    value: String,
    /// What is wrong and what was expected.
    reason: String,
}

/// What an import would do; nothing is written.
#[derive(SimpleObject)]
struct ImportPreview {
    /// What the file is, e.g. `CSV, UTF-8, comma`.
    format: String,
    /// The first good rows as they would land.
    rows: Vec<ImportPreviewRow>,
    /// Columns that nothing uses.
    unknown_columns: Vec<ImportUnknownColumn>,
    /// How many rows were looked at, at most 10,000.
    checked: u64,
    /// How many of them are good.
    good: u64,
    /// What is wrong with the others, at most 1,000.
    rejections: Vec<ImportRejection>,
}

/// The answer of a mutation that shows what an import would do.
#[derive(SimpleObject)]
struct ImportPreviewPayload {
    /// The preview; null when there are user errors.
    preview: Option<ImportPreview>,
    /// What was wrong with the file or the choices.
    user_errors: Vec<ImportUserError>,
}

fn shown(preview: super::Preview) -> ImportPreview {
    let super::Preview {
        format,
        rows,
        unknown_columns,
        checked,
        good,
        rejections,
    } = preview;
    ImportPreview {
        format: format.to_string(),
        rows: rows
            .into_iter()
            .map(|super::PreviewRow { line, values }| ImportPreviewRow {
                line,
                values: values
                    .into_iter()
                    .map(|(target, value)| ImportPreviewValue { target, value })
                    .collect(),
            })
            .collect(),
        unknown_columns: unknown_columns
            .into_iter()
            .map(|super::UnknownColumn { name, suggestion }| ImportUnknownColumn {
                name,
                did_you_mean: suggestion,
            })
            .collect(),
        checked,
        good,
        rejections: rejections
            .first()
            .iter()
            .map(|rejection| ImportRejection {
                line: rejection.line,
                column: rejection.column.clone(),
                value: rejection.value.clone(),
                reason: rejection.reason.clone(),
            })
            .collect(),
    }
}

/// Queries about imports.
#[derive(Default)]
pub struct ImportQuery;

#[scoped]
#[Object]
impl ImportQuery {
    /// What an import could not use, in the order of the file. Asks for `leads:read` for an import of leads, else for
    /// `engagement:read`.
    #[scope("any")]
    async fn import_rejections(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The import.")] job_id: JobId,
        #[graphql(desc = "Leave out this many from the start, 0 or more.", default)] after: i64,
        #[graphql(desc = "At most this many, 1–1,000.", default = 100)] first: i32,
    ) -> Result<Vec<ImportRejection>> {
        if !(1..=1_000).contains(&first) {
            return Err(Error::BadInput(format!("`first` is {first}; it has to be from 1 to 1,000")).into());
        }
        if after < 0 {
            return Err(Error::BadInput(format!("`after` is {after}; it has to be 0 or more")).into());
        }
        let limit = u64::from(first.unsigned_abs());
        let rows = super::rejections(ctx.app(), ctx.caller()?, job_id, after, limit).await?;
        Ok(rows
            .into_iter()
            .map(
                |StoredRejection {
                     job_id: _,
                     seq: _,
                     line,
                     column_name,
                     value,
                     code: _,
                     reason,
                 }| ImportRejection {
                    line: line.unsigned_abs(),
                    column: column_name,
                    value,
                    reason,
                },
            )
            .collect())
    }
}

/// Imports.
#[derive(Default)]
pub struct ImportMutation;

#[scoped]
#[Object]
impl ImportMutation {
    /// Shows what an import of leads would do; nothing is written.
    #[scope("leads:write")]
    async fn leads_import_preview(
        &self,
        ctx: &Context<'_>,
        input: ImportInput,
    ) -> Result<ImportPreviewPayload> {
        preview(ctx, ImportKind::Leads, input).await
    }

    /// Shows what an import of engagements would do; nothing is written.
    #[scope("engagement:write")]
    async fn engagements_import_preview(
        &self,
        ctx: &Context<'_>,
        input: ImportInput,
    ) -> Result<ImportPreviewPayload> {
        preview(ctx, ImportKind::Engagements, input).await
    }

    /// Shows what an import of conversions would do; nothing is written.
    #[scope("engagement:write")]
    async fn conversions_import_preview(
        &self,
        ctx: &Context<'_>,
        input: ImportInput,
    ) -> Result<ImportPreviewPayload> {
        preview(ctx, ImportKind::Conversions, input).await
    }

    /// Shows what an import of costs would do; nothing is written.
    #[scope("revenue:write", all_rows)]
    async fn costs_import_preview(
        &self,
        ctx: &Context<'_>,
        input: ImportInput,
    ) -> Result<ImportPreviewPayload> {
        preview(ctx, ImportKind::Costs, input).await
    }

    /// Shows what an import of rates of exchange would do; nothing is written.
    #[scope("settings:write", all_rows)]
    async fn currency_rates_import_preview(
        &self,
        ctx: &Context<'_>,
        input: ImportInput,
    ) -> Result<ImportPreviewPayload> {
        preview(ctx, ImportKind::Rates, input).await
    }

    /// Imports leads from an uploaded CSV or Excel file, as a job. A lead that is known is updated; the same file twice
    /// creates nothing twice. A consent in the file never goes over a refusal or withdrawal from elsewhere.
    #[scope("leads:write")]
    async fn leads_import(&self, ctx: &Context<'_>, input: ImportStartInput) -> Result<ImportPayload> {
        start(ctx, ImportKind::Leads, input).await
    }

    /// Imports engagements from an uploaded CSV or Excel file, as a job.
    #[scope("engagement:write")]
    async fn engagements_import(&self, ctx: &Context<'_>, input: ImportStartInput) -> Result<ImportPayload> {
        start(ctx, ImportKind::Engagements, input).await
    }

    /// Imports conversions from an uploaded CSV or Excel file, as a job.
    #[scope("engagement:write")]
    async fn conversions_import(&self, ctx: &Context<'_>, input: ImportStartInput) -> Result<ImportPayload> {
        start(ctx, ImportKind::Conversions, input).await
    }

    /// Imports costs from an uploaded CSV or Excel file, as a job. The same row twice is one cost.
    #[scope("revenue:write", all_rows)]
    async fn costs_import(&self, ctx: &Context<'_>, input: ImportStartInput) -> Result<ImportPayload> {
        start(ctx, ImportKind::Costs, input).await
    }

    /// Imports rates of exchange from an uploaded CSV or Excel file, as a job: a day, a currency and its rate in a row, or
    /// a day and a column for each currency, as the European Central Bank has it. Rates of the same day are replaced.
    #[scope("settings:write", all_rows)]
    async fn currency_rates_import(
        &self,
        ctx: &Context<'_>,
        input: ImportStartInput,
    ) -> Result<ImportPayload> {
        start(ctx, ImportKind::Rates, input).await
    }
}

async fn preview(ctx: &Context<'_>, kind: ImportKind, input: ImportInput) -> Result<ImportPreviewPayload> {
    let (upload_id, choices) = input.choices();
    let outcome = super::preview_upload(ctx.app(), ctx.caller()?, kind, upload_id, choices).await;
    let (preview, user_errors) = ImportUserError::split(outcome)?;
    Ok(ImportPreviewPayload {
        preview: preview.map(shown),
        user_errors,
    })
}

async fn start(ctx: &Context<'_>, kind: ImportKind, input: ImportStartInput) -> Result<ImportPayload> {
    let key = CallKey::of(input.idempotency_key.as_ref(), &input.import);
    let (upload_id, choices) = input.import.choices();
    let outcome = super::start(ctx.app(), ctx.caller()?, kind, upload_id, choices, key.as_ref()).await;
    let (job, user_errors) = ImportUserError::split(outcome)?;
    Ok(ImportPayload {
        job: job.map(Job::new),
        user_errors,
    })
}
