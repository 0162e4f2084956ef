//! Audiences and who is in them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::events::is_hash;
use super::reply::{Answered, Fault, Params, page, project};
use crate::sandbox::SandboxRequest;

const KNOWN: usize = 30;
const FIELDS: &[&str] = &[
    "name",
    "description",
    "subtype",
    "operation_status",
    "delivery_status",
    "approximate_count_lower_bound",
    "approximate_count_upper_bound",
    "time_created",
    "time_content_updated",
    "customer_file_source",
    "lookalike_spec",
];
const KEYS: &[&str] = &[
    "EXTERN_ID",
    "EMAIL",
    "PHONE",
    "GEN",
    "DOBY",
    "DOBM",
    "DOBD",
    "LN",
    "FN",
    "FI",
    "CT",
    "ST",
    "ZIP",
    "MADID",
    "COUNTRY",
    "LOOKALIKE_VALUE",
];
const NOT_HASHED: &[&str] = &["EXTERN_ID", "MADID", "LOOKALIKE_VALUE"];

struct Audience {
    id: String,
    name: String,
    description: String,
    subtype: &'static str,
    members: BTreeSet<u64>,
    /// Members by what they are known by.
    known: BTreeMap<(String, String), u64>,
    changed: DateTime<Utc>,
    origin: Option<String>,
}

/// The audiences of the account.
pub(super) struct Audiences {
    all: Vec<Audience>,
    /// The last batch of each upload, and whether it was the last of all.
    sessions: BTreeMap<(String, u64), (u64, bool)>,
    made: usize,
    joined: u64,
}

impl Audiences {
    pub(super) fn new(now: DateTime<Utc>) -> Self {
        let mut audiences = Self {
            all: Vec::new(),
            sessions: BTreeMap::new(),
            made: 0,
            joined: 0,
        };
        for number in 0..KNOWN {
            audiences.make(&format!("Newsletter {}", 1990 + number), "", "CUSTOM", None, now);
        }
        audiences
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    pub(super) fn members(&self) -> usize {
        self.all.iter().map(|audience| audience.members.len()).sum()
    }

    fn make(
        &mut self,
        name: &str,
        description: &str,
        subtype: &'static str,
        origin: Option<String>,
        now: DateTime<Utc>,
    ) -> String {
        self.made += 1;
        let id = format!("2385123456789{:04}", self.made);
        let new = Audience {
            id: id.clone(),
            name: name.to_owned(),
            description: description.to_owned(),
            subtype,
            members: BTreeSet::new(),
            known: BTreeMap::new(),
            changed: now,
            origin,
        };
        self.all.insert(0, new);
        id
    }

    pub(super) fn knows(&self, id: &str) -> bool {
        self.all.iter().any(|audience| audience.id == id)
    }

    pub(super) fn list(&self, params: &Params, request: &SandboxRequest) -> Answered {
        let fields = params.text("fields").unwrap_or_default();
        let items = self.all.iter().map(|audience| {
            Ok((
                audience.id.clone(),
                project(&self.shown(audience), fields, FIELDS)?,
            ))
        });
        page(items.collect::<Result<_, Fault>>()?, params, request, 20)
    }

    pub(super) fn get(&self, id: &str, params: &Params) -> Answered {
        let audience = self.all.iter().find(|audience| audience.id == id);
        let audience = audience.ok_or_else(|| Fault::missing(id))?;
        project(
            &self.shown(audience),
            params.text("fields").unwrap_or_default(),
            FIELDS,
        )
    }

    fn shown(&self, audience: &Audience) -> Value {
        let source = audience
            .origin
            .as_ref()
            .and_then(|id| self.all.iter().find(|one| one.id == *id));
        // Half of those who are told are matched; a thousand is the least that is counted.
        let matched = source.map_or(audience.members.len() / 2, |source| source.members.len() * 50);
        let (lower, upper) = if matched < 1_000 {
            (-1, -1)
        } else {
            let bound = i64::try_from(matched).unwrap_or(i64::MAX);
            (bound / 100 * 100, bound / 100 * 100 + 600)
        };
        let flagged = audience.name.to_lowercase().contains("diagnosis");
        let operation = if flagged {
            json!({ "code": 471, "description": "Flagged: the name suggests information that is not allowed." })
        } else {
            json!({ "code": 200, "description": "Normal" })
        };
        let delivery = if lower < 0 {
            json!({ "code": 300, "description": "Audience too small: it needs more people to be used." })
        } else {
            json!({ "code": 200, "description": "This audience is ready for use." })
        };
        json!({
            "id": audience.id, "name": audience.name, "description": audience.description,
            "subtype": audience.subtype,
            "operation_status": operation, "delivery_status": delivery,
            "approximate_count_lower_bound": lower, "approximate_count_upper_bound": upper,
            "time_content_updated": audience.changed.timestamp(),
        })
    }

    /// Makes one. The platform makes another of the same name without a word.
    pub(super) fn create(&mut self, params: &Params, now: DateTime<Utc>) -> Answered {
        let name = params.required("name")?;
        let description = params.text("description").unwrap_or_default();
        let id = match params.required("subtype")? {
            "CUSTOM" => {
                let known = [
                    "USER_PROVIDED_ONLY",
                    "PARTNER_PROVIDED_ONLY",
                    "BOTH_USER_AND_PARTNER_PROVIDED",
                ];
                if !known.contains(&params.required("customer_file_source")?) {
                    return Err(Fault::parameter(format!(
                        "Param customer_file_source must be one of {{{}}}",
                        known.join(", ")
                    )));
                }
                self.make(name, description, "CUSTOM", None, now)
            }
            "LOOKALIKE" => {
                let origin = params.required("origin_audience_id")?;
                if !self.knows(origin) {
                    return Err(Fault::missing(origin));
                }
                let spec = params.structure("lookalike_spec").unwrap_or_default();
                let ratio = spec["ratio"].as_f64().unwrap_or_default();
                let steps = (ratio * 100.0).round();
                let in_steps = (ratio * 100.0 - steps).abs() < 1e-9 && (1.0..=20.0).contains(&steps);
                if !in_steps || spec["country"].as_str().is_none_or(|country| country.len() != 2) {
                    return Err(Fault::parameter("Invalid lookalike_spec"));
                }
                let same = |one: &Audience| one.name == name && one.origin.as_deref() == Some(origin);
                if self.all.iter().any(same) {
                    return Err(Fault::new(2654, "(#2654) Lookalike audience already exists."));
                }
                self.make(name, description, "LOOKALIKE", Some(origin.to_owned()), now)
            }
            other => return Err(Fault::parameter(format!("Unknown subtype {other}"))),
        };
        Ok(json!({ "id": id }))
    }

    pub(super) fn delete(&mut self, id: &str) -> Answered {
        if !self.knows(id) {
            return Err(Fault::missing(id));
        }
        self.all.retain(|audience| audience.id != id);
        Ok(json!({ "success": true }))
    }

    /// Adds people or removes them.
    pub(super) fn users(&mut self, id: &str, params: &Params, add: bool, now: DateTime<Utc>) -> Answered {
        let audience = self.all.iter_mut().find(|audience| audience.id == id);
        let audience = audience.ok_or_else(|| Fault::missing(id))?;
        if audience.subtype != "CUSTOM" {
            return Err(Fault::parameter(
                "Users can only be added to audiences of customer lists",
            ));
        }
        if audience.name.to_lowercase().contains("diagnosis") {
            return Err(Fault::parameter("Audience Upload Blocked").subcode(1_713_230));
        }
        let payload = params
            .structure("payload")
            .ok_or_else(|| Fault::parameter("The parameter payload is required"))?;
        let session = session(params)?;
        if let Some((number, batch, last)) = session {
            let known = self.sessions.entry((id.to_owned(), number)).or_default();
            // The same batch may come again; none may be left out, and none comes behind the last.
            let again = batch == known.0;
            if !again && (batch != known.0 + 1 || known.1) {
                return Err(Fault::parameter("session.batch_seq is out of sequence"));
            }
            *known = (batch, last);
        }
        let rows = rows(&payload)?;
        let received = rows.len();
        let mut invalid = 0_usize;
        for row in rows {
            let known_by: Vec<_> = row.into_iter().filter(|(_, value)| !value.is_empty()).collect();
            let by_more = known_by
                .iter()
                .any(|(key, _)| !NOT_HASHED.contains(&key.as_str()) || key == "MADID");
            if known_by.is_empty() || (add && !by_more) {
                invalid += 1;
                continue;
            }
            let identities: Vec<_> = known_by
                .into_iter()
                .filter(|(key, _)| ["EXTERN_ID", "EMAIL", "PHONE"].contains(&key.as_str()))
                .collect();
            let members: BTreeSet<u64> = identities
                .iter()
                .filter_map(|identity| audience.known.get(identity).copied())
                .filter(|member| audience.members.contains(member))
                .collect();
            if !add {
                audience.members.retain(|member| !members.contains(member));
            } else if members.is_empty() {
                self.joined += 1;
                audience.members.insert(self.joined);
                audience
                    .known
                    .extend(identities.into_iter().map(|identity| (identity, self.joined)));
            }
        }
        audience.changed = now;
        Ok(json!({
            "audience_id": id, "session_id": session.map_or(0, |(session, ..)| session).to_string(),
            "num_received": received, "num_invalid_entries": invalid, "invalid_entry_samples": {},
        }))
    }
}

fn session(params: &Params) -> Result<Option<(u64, u64, bool)>, Fault> {
    let Some(session) = params.structure("session") else {
        return Ok(None);
    };
    let number = |name: &str| {
        session[name]
            .as_u64()
            .filter(|number| *number > 0)
            .ok_or_else(|| Fault::parameter(format!("session.{name} must be a positive integer")))
    };
    let last = session["last_batch_flag"]
        .as_bool()
        .ok_or_else(|| Fault::parameter("session.last_batch_flag must be a boolean"))?;
    Ok(Some((number("session_id")?, number("batch_seq")?, last)))
}

type Row = Vec<(String, String)>;

fn rows(payload: &Value) -> Result<Vec<Row>, Fault> {
    let mismatch = || Fault::parameter("Data is missing or does not match schema");
    let data = payload["data"].as_array().ok_or_else(mismatch)?;
    if data.is_empty() || data.len() > 10_000 {
        return Err(Fault::parameter("payload.data must have 1 to 10000 rows"));
    }
    let (schema, single): (Vec<String>, bool) = match &payload["schema"] {
        Value::String(key) => {
            let key = key.strip_suffix("_SHA256").unwrap_or(key);
            (vec![key.to_owned()], true)
        }
        Value::Array(keys) => {
            let keys = keys.iter().map(|key| key.as_str().map(str::to_owned));
            (keys.collect::<Option<_>>().ok_or_else(mismatch)?, false)
        }
        _ => return Err(mismatch()),
    };
    if let Some(unknown) = schema.iter().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(Fault::parameter(format!(
            "Unknown key {unknown} in payload.schema"
        )));
    }
    let mut rows = Vec::with_capacity(data.len());
    for row in data {
        let cells = match row {
            Value::Array(cells) => cells.clone(),
            cell if single => vec![cell.clone()],
            _ => return Err(mismatch()),
        };
        if cells.len() != schema.len() {
            return Err(mismatch());
        }
        let mut read = Row::new();
        for (key, cell) in schema.iter().zip(cells) {
            let text = cell.as_str().ok_or_else(mismatch)?;
            if !text.is_empty() && !NOT_HASHED.contains(&key.as_str()) && !is_hash(text) {
                return Err(Fault::parameter(format!("{key} must be hashed with SHA-256")));
            }
            read.push((key.clone(), text.to_owned()));
        }
        rows.push(read);
    }
    Ok(rows)
}
