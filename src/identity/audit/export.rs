//! The audit log as a file.

use bytes::Bytes;
use entity::Area;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use serde_json::json;

use super::AuditEntry;
use super::service::{AuditFilter, keyset, list, note};
use crate::app::App;
use crate::db::PageRequest;
use crate::error::Error;
use crate::identity::{Caller, Scope};

/// Entries read at a time.
const BATCH: u64 = 1_000;

/// The forms of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditFormat {
    /// One line for each entry, with a head.
    Csv,
    /// One JSON object to a line.
    Ndjson,
}

const HEAD: [&str; 10] = [
    "id",
    "at",
    "actor",
    "action",
    "subject",
    "count",
    "address",
    "userAgent",
    "requestId",
    "detail",
];

fn line(format: AuditFormat, entry: &AuditEntry, out: &mut Vec<u8>) -> Result<(), Error> {
    let AuditEntry {
        id,
        at,
        actor,
        action,
        subject,
        lead_id: _,
        count,
        detail,
        address,
        user_agent,
        request_id,
    } = entry;
    match format {
        AuditFormat::Ndjson => {
            let detail: serde_json::Value = serde_json::from_str(detail)?;
            let object = json!({
                "id": id, "at": at.to_rfc3339(), "actor": actor, "action": action, "subject": subject, "count": count,
                "address": address, "userAgent": user_agent, "requestId": request_id, "detail": detail,
            });
            serde_json::to_writer(&mut *out, &object)?;
            out.push(b'\n');
        }
        AuditFormat::Csv => {
            let mut writer = csv::Writer::from_writer(&mut *out);
            let empty = String::new();
            let cells = [
                &id.to_string(),
                &at.to_rfc3339(),
                actor,
                action,
                subject,
                &count.to_string(),
                address.as_ref().unwrap_or(&empty),
                user_agent.as_ref().unwrap_or(&empty),
                request_id.as_ref().unwrap_or(&empty),
                detail,
            ];
            // Spreadsheets would run what begins so; the browser's name is the caller's own word.
            let safe = cells.map(|cell| match cell.as_bytes().first() {
                Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r') => format!("'{cell}"),
                _ => cell.clone(),
            });
            writer.write_record(&safe).map_err(Error::internal)?;
            writer.flush().map_err(Error::internal)?;
        }
    }
    Ok(())
}

/// The entries that fit, newest first, as the text of a file; itself an act that is noted.
///
/// # Errors
/// A missing scope `audit:read`; the database's, also between the chunks.
pub async fn export(
    app: &App,
    caller: &Caller,
    format: AuditFormat,
    filter: AuditFilter,
) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
    caller.require(Scope::Read(Area::Audit))?;
    caller.require_all_rows()?;
    note(app, caller, "AUDIT_EXPORTED", &json!({})).await?;
    let head = match format {
        AuditFormat::Csv => Some(Ok(Bytes::from(format!("{}\n", HEAD.join(","))))),
        AuditFormat::Ndjson => None,
    };
    let (app, caller) = (app.clone(), caller.clone());
    let rest = stream::try_unfold(Some(PageRequest::first(BATCH)), move |page| {
        let (app, caller, filter) = (app.clone(), caller.clone(), filter.clone());
        async move {
            let Some(page) = page else { return Ok(None) };
            let found = list(&app, &caller, &filter, &page).await?;
            let mut text = Vec::new();
            for entry in &found.items {
                line(format, entry, &mut text)?;
            }
            let next = found
                .items
                .last()
                .filter(|_| found.has_next)
                .map(|last| PageRequest {
                    after: Some(keyset(last)),
                    ..PageRequest::first(BATCH)
                });
            Ok(Some((Bytes::from(text), next)))
        }
    });
    Ok(stream::iter(head).chain(rest).boxed())
}
