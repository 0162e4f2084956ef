//! What the platform answers: objects with the fields that were asked for, pages, errors in its own shape.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::sandbox::{SandboxAnswer, SandboxRequest};

pub(super) type Answered = Result<Value, Fault>;

/// An error of the platform.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) status: u16,
    pub(super) code: u32,
    pub(super) subcode: Option<u32>,
    pub(super) message: String,
    pub(super) transient: bool,
    /// For limits of a use case: its name and the minutes to wait.
    pub(super) limit: Option<(&'static str, u32)>,
}

impl Fault {
    pub(super) fn new(code: u32, message: impl Into<String>) -> Self {
        Self {
            status: 400,
            code,
            subcode: None,
            message: message.into(),
            transient: false,
            limit: None,
        }
    }

    /// A parameter that is missing or wrong.
    pub(super) fn parameter(message: impl std::fmt::Display) -> Self {
        Self::new(100, format!("(#100) {message}"))
    }

    /// Not there, or not to be seen with this token: the platform does not tell which.
    pub(super) fn missing(id: &str) -> Self {
        let text = format!(
            "Unsupported request. Object with ID '{id}' does not exist, cannot be loaded due to missing permissions, or \
             does not support this operation"
        );
        Self::new(100, text).subcode(33)
    }

    pub(super) fn subcode(mut self, subcode: u32) -> Self {
        self.subcode = Some(subcode);
        self
    }

    pub(super) fn answer(&self) -> SandboxAnswer {
        let name = if self.code == 100 && self.subcode == Some(33) {
            "GraphMethodException"
        } else {
            "OAuthException"
        };
        let mut error = json!({
            "message": self.message,
            "type": name,
            "code": self.code,
            "is_transient": self.transient,
            "fbtrace_id": "AbCdEfGhIjKlMnOp",
        });
        if let Some(subcode) = self.subcode {
            error["error_subcode"] = subcode.into();
        }
        let mut answer = SandboxAnswer::json(self.status, &json!({ "error": error }));
        if let Some((name, minutes)) = self.limit {
            let usage = json!({ "1700000000000001": [{
                "type": name, "call_count": 100, "total_cputime": 40, "total_time": 60,
                "estimated_time_to_regain_access": minutes,
            }] });
            answer = answer.header("x-business-use-case-usage", usage);
        }
        answer
    }
}

/// The parameters of a request, from wherever it has them: query, form or JSON.
pub(super) struct Params(Map<String, Value>);

impl Params {
    pub(super) fn of(request: &SandboxRequest) -> Self {
        let mut all: Map<String, Value> = request
            .query
            .iter()
            .map(|(name, value)| (name.clone(), Value::String(value.clone())))
            .collect();
        match request.json() {
            Value::Object(fields) => all.extend(fields),
            _ => all.extend(
                request
                    .form()
                    .into_iter()
                    .map(|(name, value)| (name, Value::String(value))),
            ),
        }
        Self(all)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// A parameter that is a structure; in a query or a form it is JSON as text.
    pub(super) fn structure(&self, name: &str) -> Option<Value> {
        match self.0.get(name)? {
            Value::String(text) => Some(serde_json::from_str(text).unwrap_or_else(|_| text.clone().into())),
            other => Some(other.clone()),
        }
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, Fault> {
        self.text(name)
            .ok_or_else(|| Fault::parameter(format!("The parameter {name} is required")))
    }
}

/// An object with the fields that were asked for, and its id. A field that it cannot have is refused.
pub(super) fn project(object: &Value, fields: &str, known: &[&str]) -> Answered {
    let mut projected = Map::new();
    for name in ["id"].into_iter().chain(top_level(fields)) {
        if name != "id" && !known.contains(&name) {
            return Err(Fault::parameter(format!(
                "Tried accessing nonexistent field ({name})"
            )));
        }
        if let Some(value) = object.get(name) {
            projected.insert(name.to_owned(), value.clone());
        }
    }
    Ok(projected.into())
}

/// The names in a list of fields, what is nested within braces apart.
fn top_level(fields: &str) -> Vec<&str> {
    let (mut depth, mut start, mut names) = (0_u32, 0, Vec::new());
    let bounds = fields.char_indices().chain([(fields.len(), ',')]);
    for (at, letter) in bounds {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                let name = &fields[start..at];
                names.push(name.split_once('{').map_or(name, |(name, _)| name).trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// A page of a listing. The platform may give fewer than were asked for, and does (`most`). Each item has a key that its
/// place is known by.
pub(super) fn page(
    items: Vec<(String, Value)>,
    params: &Params,
    request: &SandboxRequest,
    most: usize,
) -> Answered {
    let limit = match params.text("limit") {
        Some(text) => text.parse::<usize>().ok().filter(|limit| *limit > 0),
        None => Some(25),
    };
    let limit = limit
        .ok_or_else(|| Fault::parameter("Param limit must be a positive integer"))?
        .min(most);
    let start = match params.text("after") {
        None => 0,
        Some(after) => {
            let key = URL_SAFE_NO_PAD.decode(after).unwrap_or_default();
            items
                .iter()
                .position(|(name, _)| name.as_bytes() == key)
                .ok_or_else(|| Fault::parameter("Invalid cursors values are passed"))?
                + 1
        }
    };
    let left = items.len().saturating_sub(start + limit);
    let shown: Vec<_> = items.into_iter().skip(start).take(limit).collect();
    let (Some((first, _)), Some((last, _))) = (shown.first(), shown.last()) else {
        return Ok(json!({ "data": [] }));
    };
    let after = URL_SAFE_NO_PAD.encode(last);
    let mut paging = json!({ "cursors": { "before": URL_SAFE_NO_PAD.encode(first), "after": after } });
    if left > 0 {
        let mut next = request.url.clone();
        let kept: Vec<_> = request.query.iter().filter(|(name, _)| name != "after").collect();
        next.query_pairs_mut()
            .clear()
            .extend_pairs(kept)
            .append_pair("after", &after);
        paging["next"] = next.as_str().into();
    }
    let data: Vec<Value> = shown.into_iter().map(|(_, item)| item).collect();
    Ok(json!({ "data": data, "paging": paging }))
}
