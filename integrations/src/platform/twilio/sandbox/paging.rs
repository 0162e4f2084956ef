//! Pages of a listing.

use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use super::{Answered, Refusal};
use crate::sandbox::{SandboxAnswer, SandboxRequest};

/// A page of a listing, newest first. The token of the next page names the last one of this page, so that what comes in
/// between shifts nothing.
pub(super) fn page(request: &SandboxRequest, name: &str, rows: &[Value]) -> Answered {
    let size = match request.param("PageSize").map(str::parse::<usize>) {
        None => 50,
        Some(Ok(size @ 1..=1000)) => size,
        Some(_) => return Err(Refusal::bad(20001, "PageSize must be between 1 and 1000")),
    };
    let page: usize = request
        .param("Page")
        .and_then(|page| page.parse().ok())
        .unwrap_or_default();
    let start = match request.param("PageToken") {
        Some(token) => {
            let last = token.strip_prefix("PA").unwrap_or_default();
            let at = rows.iter().position(|row| row["sid"] == last);
            at.ok_or_else(|| Refusal::bad(20001, "Invalid PageToken"))? + 1
        }
        None if page > 0 => return Err(Refusal::bad(20001, "Page needs a PageToken")),
        None => 0,
    };
    let shown: Vec<Value> = rows.iter().skip(start).take(size).cloned().collect();
    let more = start + shown.len() < rows.len();
    let next = shown.last().filter(|_| more).map(|last| {
        let kept = request
            .query
            .iter()
            .filter(|(key, _)| !["Page", "PageToken", "PageSize"].contains(&key.as_str()));
        let query = Serializer::new(String::new())
            .extend_pairs(kept)
            .append_pair("PageSize", &size.to_string())
            .append_pair("Page", &(page + 1).to_string())
            .append_pair(
                "PageToken",
                &format!("PA{}", last["sid"].as_str().unwrap_or_default()),
            )
            .finish();
        format!("{}?{query}", request.path)
    });
    Ok(SandboxAnswer::json(
        200,
        &json!({
            name: shown,
            "page": page,
            "page_size": size,
            "start": start,
            "end": start + size,
            "first_page_uri": format!("{}?PageSize={size}&Page=0", request.path),
            "next_page_uri": next,
            "previous_page_uri": null,
            "uri": request.path,
        }),
    ))
}

/// Whether a day is as a filter with `=`, `<` or `>` behind its name wants it; what has no day (yet) passes no filter.
pub(super) fn passes(
    request: &SandboxRequest,
    name: &str,
    at: Option<chrono::DateTime<chrono::Utc>>,
) -> Result<bool, Refusal> {
    let mut passes = true;
    for (sign, ordering) in [
        ("", vec![std::cmp::Ordering::Equal]),
        ("<", vec![std::cmp::Ordering::Less, std::cmp::Ordering::Equal]),
        (">", vec![std::cmp::Ordering::Greater, std::cmp::Ordering::Equal]),
    ] {
        let Some(text) = request.param(&format!("{name}{sign}")) else {
            continue;
        };
        // SDKs send moments, and the day in them counts.
        let text = text.get(..10).unwrap_or(text);
        let day: chrono::NaiveDate = text
            .parse()
            .map_err(|_| Refusal::bad(20001, format!("{name} must be YYYY-MM-DD")))?;
        passes &= at.is_some_and(|at| ordering.contains(&at.date_naive().cmp(&day)));
    }
    Ok(passes)
}
