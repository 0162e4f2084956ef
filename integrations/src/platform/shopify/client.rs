//! Requests to a shop, and how its answers are to be read.

use std::sync::Mutex;
use std::time::Duration;

use serde::de::{Deserialize, DeserializeOwned, IgnoredAny};
use serde_json::{Value, json};
use tracing::warn;

use super::settings::{Keys, Options};
use super::wire::graphql::{Data, Done, UserError};
use crate::transport::{Answer, AnswerStream, Judge, Pace, Request, by_status};
use crate::{Context, Error, Kind, Result, Retry};

/// What the codes of errors mean. Whatever is not here was not accepted as sent.
const CODES: &[(&str, Kind)] = &[
    ("THROTTLED", Kind::Throttled),
    ("INTERNAL_SERVER_ERROR", Kind::Unavailable),
    ("TIMEOUT", Kind::Unavailable),
    ("ACCESS_DENIED", Kind::Forbidden),
    ("SHOP_INACTIVE", Kind::Forbidden),
];

/// What statuses mean where Shopify has its own meaning for them.
const STATUSES: &[(u16, Kind)] = &[
    // The shop is frozen: its owner has not paid.
    (402, Kind::OutOfFunds),
    // The shop is locked.
    (423, Kind::Forbidden),
    // Too many requests from one address.
    (430, Kind::Throttled),
];

/// The code of a query that costs more than a query may.
pub(super) const TOO_DEAR: &str = "MAX_COST_EXCEEDED";

/// A shop to be asked.
pub(super) struct Client<'a> {
    pub context: &'a Context,
    pub options: Options,
    keys: Keys,
}

impl<'a> Client<'a> {
    pub(super) fn of(context: &'a Context) -> Result<Self> {
        Ok(Self {
            context,
            options: Options::of(context)?,
            keys: context.secrets.read()?,
        })
    }

    /// Asks, and gives the answer as it is; `points` is what it is thought to cost.
    pub(super) async fn ask(
        &self,
        query: &str,
        variables: &Value,
        points: f64,
        judge: &Graph,
    ) -> Result<Answer> {
        let version = &self.options.api_version.0;
        let url = format!("{}/admin/api/{version}/graphql.json", self.options.origin());
        let request = self
            .context
            .http
            .post(&url)
            .json(&json!({ "query": query, "variables": variables }))
            .points(points);
        let answer = self.authorised(request).send(judge).await?;
        if let Some(served) = answer.header("x-shopify-api-version")
            && served != version
        {
            warn!(asked = %version, served, "the shop serves another version of its interface than asked for");
        }
        Ok(answer)
    }

    /// Asks, and reads the answer.
    pub(super) async fn query<T: DeserializeOwned>(&self, query: &str, variables: &Value) -> Result<T> {
        let answer = self.ask(query, variables, 0.0, &Graph::default()).await?;
        Ok(answer.json::<Data<T>>()?.data)
    }

    /// Changes something.
    pub(super) async fn change(&self, query: &str, variables: &Value) -> Result<()> {
        let done: Done = self.query(query, variables).await?;
        match done.done {
            Some(payload) => accepted(&payload.user_errors),
            None => Err(Error::malformed("the shop does not say whether it was done")),
        }
    }

    /// Fetches a file. Its address is secret and needs no token.
    pub(super) async fn file(&self, url: &str) -> Result<AnswerStream> {
        self.context.http.get(url).stream(&File).await
    }

    /// A token that the owner has made by hand goes before one that was consented to.
    fn authorised(&self, request: Request) -> Request {
        const HEADER: &str = "x-shopify-access-token";
        match &self.keys.access_token {
            Some(token) if !token.is_empty() => request.secret_header(HEADER, token),
            _ => request.token_header(HEADER),
        }
    }
}

/// Whether a change was accepted; the reasons otherwise.
pub(super) fn accepted(errors: &[UserError]) -> Result<()> {
    let Some(first) = errors.first() else {
        return Ok(());
    };
    let messages: Vec<String> = errors
        .iter()
        .map(|error| match error.field.as_deref() {
            Some([field @ .., last]) => {
                let path: Vec<&str> = field.iter().chain([last]).map(String::as_str).collect();
                format!("{}: {}", path.join("."), error.message)
            }
            _ => error.message.clone(),
        })
        .collect();
    let gone = first.message.contains("does not exist") || first.message.contains("not found");
    let kind = match first.code.as_deref() {
        Some("OPERATION_IN_PROGRESS" | "LIMIT_REACHED") => Kind::Throttled,
        _ if gone => Kind::NotFound,
        _ => Kind::Refused,
    };
    let mut error = Error::new(kind, messages.join("; "));
    error.code.clone_from(&first.code);
    Err(error)
}

/// Reads bytes as a type that borrows from them.
pub(super) fn read<'b, T: Deserialize<'b>>(bytes: &'b [u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        // Never what stands there.
        let (line, column) = (error.line(), error.column());
        let what = if error.is_data() {
            "not as the platform describes it"
        } else {
            "not JSON"
        };
        Error::malformed(format!("the answer is {what}, at line {line}, column {column}"))
    })
}

/// The parts of an answer that are looked at before it is read; what was asked for is passed over.
#[derive(serde::Deserialize)]
struct Envelope {
    errors: Option<Value>,
    extensions: Option<Extensions>,
    #[expect(dead_code, reason = "passed over")]
    data: Option<IgnoredAny>,
}

#[derive(serde::Deserialize)]
struct Extensions {
    cost: Option<Cost>,
}

#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cost {
    requested_query_cost: Option<f64>,
    throttle_status: Option<ThrottleStatus>,
}

#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct ThrottleStatus {
    maximum_available: f64,
    currently_available: f64,
    restore_rate: f64,
}

/// Reads answers of the GraphQL door.
#[derive(Debug, Default)]
pub(super) struct Graph(Mutex<Told>);

/// What was told about what a query costs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    /// What it costs, in points.
    pub points: f64,
    /// Which part of it would have been allowed, where it costs too much.
    pub allowed: Option<f64>,
}

impl Graph {
    pub(super) fn told(&self) -> Told {
        *self.lock()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn error(&self, errors: &Value, cost: Option<Cost>) -> Error {
        let Some(first) = errors.as_array().and_then(|errors| errors.first()) else {
            return Error::refused(words(errors));
        };
        let extensions = &first["extensions"];
        let code = extensions["code"].as_str();
        let kind = code.and_then(|code| CODES.iter().find(|(known, _)| *known == code));
        let kind = kind.map_or(Kind::Refused, |(_, kind)| *kind);
        let mut error = Error::new(kind, words(first));
        error.code = code.map(str::to_owned);
        if kind == Kind::Throttled
            && let Some(wait) = cost.and_then(wait)
        {
            error.retry = Retry::After(wait);
        }
        if code == Some(TOO_DEAR)
            && let (Some(cost), Some(most)) = (extensions["cost"].as_f64(), extensions["maxCost"].as_f64())
            && cost > 0.0
        {
            self.lock().allowed = Some(most / cost);
        }
        error
    }
}

/// How long until there is enough in the bucket.
fn wait(cost: Cost) -> Option<Duration> {
    let status = cost.throttle_status?;
    let missing = cost.requested_query_cost? - status.currently_available;
    (status.restore_rate > 0.0)
        .then(|| Duration::try_from_secs_f64((missing / status.restore_rate).max(0.0)).ok())?
}

/// The message of an error, whatever shape it has.
fn words(error: &Value) -> String {
    match error {
        Value::String(text) => text.clone(),
        Value::Object(fields) => match fields.get("message") {
            Some(Value::String(text)) => text.clone(),
            _ => fields
                .iter()
                .map(|(name, value)| format!("{name}: {}", words(value)))
                .collect::<Vec<_>>()
                .join("; "),
        },
        Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join("; "),
        other => other.to_string(),
    }
}

/// What a status that is no success means, with the platform's own words.
pub(super) fn by_own_status(answer: &Answer) -> Result<()> {
    let Err(mut error) = by_status(answer) else {
        return Ok(());
    };
    let status = answer.status.as_u16();
    if let Some((_, kind)) = STATUSES.iter().find(|(known, _)| *known == status) {
        error = Error::new(*kind, error.message).code(status);
        if let Some(time) = crate::transport::retry_after(answer).filter(|_| *kind == Kind::Throttled) {
            error = error.retry(Retry::After(time));
        }
    }
    let body = answer.value();
    let said = ["errors", "error_description", "error"]
        .into_iter()
        .find_map(|name| body.get(name));
    if let Some(said) = said {
        error.message = format!("{}: {}", error.message, words(said));
    }
    error.request_id = answer.header("x-request-id").map(str::to_owned);
    Err(error)
}

impl Judge for Graph {
    fn judge(&self, answer: &Answer) -> Result<()> {
        by_own_status(answer)?;
        let envelope: Envelope = read(&answer.body)?;
        let cost = envelope.extensions.and_then(|extensions| extensions.cost);
        if let Some(points) = cost.and_then(|cost| cost.requested_query_cost) {
            self.lock().points = points;
        }
        match envelope.errors {
            None | Some(Value::Null) => Ok(()),
            Some(Value::Array(errors)) if errors.is_empty() => Ok(()),
            Some(errors) => {
                let mut error = self.error(&errors, cost);
                error.request_id = answer.header("x-request-id").map(str::to_owned);
                Err(error)
            }
        }
    }

    fn pace(&self, answer: &Answer) -> Option<Pace> {
        if !answer.status.is_success() {
            return None;
        }
        let envelope: Envelope = read(&answer.body).ok()?;
        let status = envelope.extensions?.cost?.throttle_status?;
        Some(Pace::Bucket {
            available: status.currently_available,
            maximum: status.maximum_available,
            per_second: status.restore_rate,
        })
    }
}

/// Reads answers of the place where files lie, which is not the shop.
struct File;

impl Judge for File {
    fn judge(&self, answer: &Answer) -> Result<()> {
        by_status(answer).map_err(|error| match error.kind {
            // Files are kept for a week; an address that has ended is answered in any of these ways.
            Kind::Refused | Kind::Unauthorised | Kind::Forbidden | Kind::NotFound => Error::new(
                Kind::NotFound,
                "the file of the bulk operation is not there any more",
            ),
            _ => error,
        })
    }
}
