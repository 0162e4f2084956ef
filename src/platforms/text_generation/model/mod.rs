//! What may be asked of a model, and what went wrong: pure rules.

mod cost;
mod cursor;

use entity::id::ConnectionId;
use entity::{TextFinish, TextRole};
use integrations::facet::{Finish, Role, TextMessage, TextRequest};
use integrations::{Kind, Retry};
use serde_json::Value;

pub(super) use self::cost::{
    Estimate, MOST_COST, Price, checked_dollars, checked_tokens, estimate, input_tokens, stored_cost,
    written_tokens,
};
pub use self::cost::{dollars, free_again};
pub use self::cursor::TextCursor;
pub(super) use self::cursor::behind;
use super::Generation;
use crate::db::{Keyset, SortValue};
use crate::error::Problem;

/// Where nobody says how long a text may be.
pub const USUAL_TOKENS: i32 = 1_024;
const MOST_TOKENS: i32 = 100_000;
const MOST_MESSAGES: usize = 200;
const MOST_PROMPT_BYTES: usize = 512 * 1024;
const MOST_SCHEMA_BYTES: usize = 64 * 1024;
const MOST_MODEL_CHARS: usize = 200;
/// How much a text may be, whatever the model counts as a token.
pub(super) const MOST_TEXT_BYTES: usize = 2 << 20;

/// What can be wrong with a call about texts.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, async_graphql::Enum,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[graphql(name = "TextErrorCode")]
pub enum TextProblem {
    /// There is no such connection, or no such text that is yours to read.
    NotFound,
    /// The connection is switched off, or waits for consent.
    NotActive,
    /// The platform of the connection has no models.
    Unsupported,
    /// Something in the request cannot be.
    InvalidInput,
    /// No model is named, and the connection has none for that case.
    NoModel,
    /// The platform has no such model.
    UnknownModel,
    /// There is more to read than the model can look at.
    PromptTooLong,
    /// The model or the platform would not write that.
    ContentRefused,
    /// The platform does not accept the request; the message says why.
    Refused,
    /// The platform takes no more for the moment.
    Throttled,
    /// What was paid for is used up at the platform.
    OutOfFunds,
    /// The platform does not accept the credentials of the connection.
    CredentialsRefused,
    /// The platform failed, or could not be reached.
    PlatformFault,
    /// The answer broke off, or came too late.
    BrokeOff,
    /// The budget of the day does not suffice.
    BudgetSpent,
    /// There is a limit in dollars, and nobody knows what the model costs.
    PriceUnknown,
    /// As many texts are being written by this connection as may be at a time.
    TooMany,
    /// The server ended while the text was being written.
    Interrupted,
    /// It was cancelled before it was done.
    Cancelled,
    /// The text of an earlier call is not kept any more.
    Gone,
}

impl TextProblem {
    /// As it is stored.
    pub(super) fn word(self) -> String {
        match serde_json::to_value(self) {
            Ok(Value::String(word)) => word,
            _ => String::new(),
        }
    }

    /// What was stored; a fault of the platform where it is none of these words.
    #[must_use]
    pub fn of_word(word: &str) -> Self {
        serde_json::from_value(Value::String(word.to_owned())).unwrap_or(Self::PlatformFault)
    }
}

pub(super) fn wrong(field: &str, code: TextProblem, message: impl Into<String>) -> Problem<TextProblem> {
    Problem::new(field, code, message)
}

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// By whom.
    pub role: TextRole,
    /// What.
    pub text: String,
}

/// A text that is to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct TextDraft {
    /// By which connection.
    pub connection: ConnectionId,
    /// By which model; the connection's own without one.
    pub model: Option<String>,
    /// What the model is told to be.
    pub system: Option<String>,
    /// What was said so far.
    pub messages: Vec<Said>,
    /// At most so many tokens.
    pub max_tokens: i32,
    /// 0 to 2.
    pub temperature: Option<f64>,
    /// The answer is to be JSON of this schema.
    pub json_schema: Option<Value>,
    /// Whether the answer to an earlier request of the same may be given; none: unless chance is asked for.
    pub cache: Option<bool>,
}

impl TextDraft {
    /// Whether an earlier answer to the same will do: where nothing is said, unless a temperature above 0 asks for chance.
    pub(super) fn takes_known(&self) -> bool {
        self.cache
            .unwrap_or_else(|| self.temperature.is_none_or(|temperature| temperature <= 0.0))
    }

    /// The request, with a model and for somebody.
    pub(super) fn request(&self, model: String, user: String) -> TextRequest {
        TextRequest {
            model,
            system: self.system.clone(),
            messages: self
                .messages
                .iter()
                .map(|said| TextMessage {
                    role: match said.role {
                        TextRole::User => Role::User,
                        TextRole::Assistant => Role::Assistant,
                    },
                    text: said.text.clone(),
                })
                .collect(),
            max_tokens: self.max_tokens.max(1).unsigned_abs(),
            temperature: self.temperature,
            json_schema: self
                .json_schema
                .clone()
                .map(|schema| ("answer".to_owned(), schema)),
            user: Some(user),
        }
    }
}

/// Tells all that cannot be in a request.
pub(super) fn check(draft: &TextDraft) -> Result<(), Vec<Problem<TextProblem>>> {
    let mut problems = Vec::new();
    let mut say = |field: &str, message: String| {
        problems.push(wrong(field, TextProblem::InvalidInput, message));
    };
    if let Some(model) = &draft.model
        && !is_model_name(model)
    {
        say(
            "model",
            format!("the name of a model has 1 to {MOST_MODEL_CHARS} characters"),
        );
    }
    if !(1..=MOST_TOKENS).contains(&draft.max_tokens) {
        say("maxTokens", format!("a text has 1 to {MOST_TOKENS} tokens"));
    }
    if let Some(temperature) = draft.temperature
        && !(0.0..=2.0).contains(&temperature)
    {
        say("temperature", "a temperature is from 0 to 2".to_owned());
    }
    if draft.messages.is_empty() || draft.messages.len() > MOST_MESSAGES {
        say("messages", format!("there are 1 to {MOST_MESSAGES} messages"));
    }
    if draft
        .messages
        .last()
        .is_some_and(|last| last.role != TextRole::User)
    {
        say("messages", "the last message is the user's".to_owned());
    }
    for (at, said) in draft.messages.iter().enumerate() {
        if said.text.trim().is_empty() {
            say(
                &format!("messages.{at}.text"),
                "a message is not empty".to_owned(),
            );
            break;
        }
    }
    if prompt_bytes(
        draft.system.as_deref(),
        draft.messages.iter().map(|said| &*said.text),
    ) > MOST_PROMPT_BYTES
    {
        let message = format!("`system` and `messages` have at most {MOST_PROMPT_BYTES} bytes together");
        say("messages", message);
    }
    if let Some(schema) = &draft.json_schema {
        if !schema.is_object() {
            say(
                "jsonSchema",
                "a schema is an object, e.g. `{\"type\": \"object\"}`".to_owned(),
            );
        } else if schema.to_string().len() > MOST_SCHEMA_BYTES {
            say(
                "jsonSchema",
                format!("a schema has at most {MOST_SCHEMA_BYTES} bytes"),
            );
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}

fn is_model_name(name: &str) -> bool {
    !name.trim().is_empty() && name.chars().count() <= MOST_MODEL_CHARS && !name.chars().any(char::is_control)
}

fn prompt_bytes<'a>(system: Option<&str>, messages: impl Iterator<Item = &'a str>) -> usize {
    system.map_or(0, str::len) + messages.map(str::len).sum::<usize>()
}

/// The same for the same request by the same connection as it is set up, and nothing that tells what was asked.
pub(super) fn digest(
    key: &[u8; 32],
    connection: ConnectionId,
    version: i64,
    request: &TextRequest,
) -> String {
    let TextRequest {
        model,
        system,
        messages,
        max_tokens,
        temperature,
        json_schema,
        // The same text, whoever it is for.
        user: _,
    } = request;
    let messages: Vec<_> = messages
        .iter()
        .map(|message| (message.role == Role::User, &message.text))
        .collect();
    // As JSON, so that no two requests run together to the same text.
    let temperature = temperature.map(f64::to_bits);
    let whole = (
        connection,
        version,
        model,
        system,
        messages,
        max_tokens,
        temperature,
        json_schema,
    );
    let text = serde_json::to_vec(&whole).unwrap_or_default();
    blake3::keyed_hash(key, &text).to_hex().to_string()
}

/// For whom a text is, told to the platform: the same for the same caller, and nothing that tells who.
pub(super) fn user_name(key: &[u8; 32], actor: &str) -> String {
    let hash = blake3::keyed_hash(key, format!("text user {actor}").as_bytes()).to_hex();
    hash[..32].to_owned()
}

/// The name of a model for a budget.
pub(super) fn checked_model(name: &str) -> Result<String, Problem<TextProblem>> {
    let name = name.trim();
    if is_model_name(name) {
        Ok(name.to_owned())
    } else {
        let message = format!("the name of a model has 1 to {MOST_MODEL_CHARS} characters");
        Err(wrong("defaultModel", TextProblem::InvalidInput, message))
    }
}

/// What a failure of the platform is to whoever asked for a text, and in words.
pub(super) fn problem_of(error: &integrations::Error) -> (TextProblem, String) {
    let told = error.message.to_lowercase();
    let code = error.code.as_deref().unwrap_or_default().to_lowercase();
    let is_about_content = ["content_policy", "content_filter", "moderation", "refusal"]
        .iter()
        .any(|word| code.contains(word));
    let is_too_long = [
        "context_length",
        "token_limit",
        "string_too_long",
        "payload_too_large",
        "request_too_large",
    ]
    .iter()
    .any(|word| code.contains(word))
        || ["too long", "context length", "context window", "maximum context"]
            .iter()
            .any(|words| told.contains(words));
    let problem = match error.kind {
        Kind::NotFound => TextProblem::UnknownModel,
        Kind::Refused if is_about_content => TextProblem::ContentRefused,
        Kind::Refused if is_too_long => TextProblem::PromptTooLong,
        Kind::Refused => TextProblem::Refused,
        Kind::Throttled => TextProblem::Throttled,
        Kind::OutOfFunds => TextProblem::OutOfFunds,
        Kind::Unauthorised | Kind::Revoked | Kind::Forbidden => TextProblem::CredentialsRefused,
        Kind::Cut | Kind::TimedOut => TextProblem::BrokeOff,
        _ => TextProblem::PlatformFault,
    };
    let message = match error.retry {
        Retry::After(time) => format!("{} (try again after {} s)", error.message, time.as_secs().max(1)),
        _ => error.message.clone(),
    };
    (problem, message)
}

/// Whether a failure says something about the connection, not about what was asked.
pub(super) fn is_of_connection(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Unauthorised | Kind::Revoked | Kind::Forbidden | Kind::OutOfFunds | Kind::Settings
    )
}

/// Why a model stopped.
pub(super) fn finish_of(finish: Finish) -> TextFinish {
    match finish {
        Finish::Complete => TextFinish::Complete,
        Finish::Truncated => TextFinish::Truncated,
        Finish::Refused => TextFinish::Refused,
        Finish::ToolCall => TextFinish::ToolCall,
    }
}

/// Which generations.
#[derive(Clone, Debug, Default)]
pub struct GenerationFilter {
    /// By this connection.
    pub connection: Option<ConnectionId>,
    /// In one of these states; all when empty.
    pub states: Vec<entity::TextState>,
    /// Asked for by this caller.
    pub created_by: Option<String>,
}

impl GenerationFilter {
    /// The name of the one ordering, the latest first.
    pub const ORDER: &'static str = "text STARTED_AT DESC";

    /// The place of a generation in it.
    #[must_use]
    pub fn keyset(row: &Generation) -> Keyset {
        Keyset {
            order: Self::ORDER.to_owned(),
            value: SortValue::Int(row.started_at.micros()),
            id: row.id.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use entity::Timestamp;

    use super::*;

    fn draft() -> TextDraft {
        TextDraft {
            connection: ConnectionId::at(Timestamp(1)),
            model: None,
            system: None,
            messages: vec![Said {
                role: TextRole::User,
                text: "write".to_owned(),
            }],
            max_tokens: 100,
            temperature: None,
            json_schema: None,
            cache: None,
        }
    }

    #[test]
    fn what_cannot_be_is_told_all_at_once() {
        assert_eq!(check(&draft()), Ok(()));
        let wrong = TextDraft {
            model: Some("  ".to_owned()),
            max_tokens: 0,
            temperature: Some(f64::NAN),
            messages: vec![Said {
                role: TextRole::Assistant,
                text: " ".to_owned(),
            }],
            json_schema: Some(Value::Null),
            ..draft()
        };
        let fields: Vec<String> = check(&wrong)
            .expect_err("nothing of it can be")
            .into_iter()
            .map(|problem| problem.field.join("."))
            .collect();
        assert_eq!(
            fields,
            [
                "model",
                "maxTokens",
                "temperature",
                "messages",
                "messages.0.text",
                "jsonSchema"
            ]
        );
        let long = TextDraft {
            system: Some("x".repeat(MOST_PROMPT_BYTES)),
            ..draft()
        };
        assert_eq!(check(&long).expect_err("too long").len(), 1);
    }

    #[test]
    fn chance_is_not_answered_from_memory_unless_asked_for() {
        let with = |temperature, cache| TextDraft {
            temperature,
            cache,
            ..draft()
        };
        assert!(with(None, None).takes_known());
        assert!(with(Some(0.0), None).takes_known());
        assert!(!with(Some(0.7), None).takes_known());
        assert!(with(Some(0.7), Some(true)).takes_known());
        assert!(!with(None, Some(false)).takes_known());
    }

    #[test]
    fn each_part_of_a_request_makes_another_digest() {
        let (key, connection) = ([7; 32], ConnectionId::at(Timestamp(1)));
        let of = |draft: &TextDraft, version, user: &str| {
            digest(
                &key,
                connection,
                version,
                &draft.request("m".to_owned(), user.to_owned()),
            )
        };
        let first = of(&draft(), 1, "a");
        assert_eq!(first, of(&draft(), 1, "b"), "whoever it is for");
        let others = [
            of(&draft(), 2, "a"),
            of(
                &TextDraft {
                    system: Some(String::new()),
                    ..draft()
                },
                1,
                "a",
            ),
            of(
                &TextDraft {
                    max_tokens: 101,
                    ..draft()
                },
                1,
                "a",
            ),
            of(
                &TextDraft {
                    temperature: Some(0.0),
                    ..draft()
                },
                1,
                "a",
            ),
            of(
                &TextDraft {
                    json_schema: Some(serde_json::json!({})),
                    ..draft()
                },
                1,
                "a",
            ),
            digest(
                &key,
                connection,
                1,
                &draft().request("n".to_owned(), String::new()),
            ),
            digest(
                &[8; 32],
                connection,
                1,
                &draft().request("m".to_owned(), String::new()),
            ),
            of(
                &TextDraft {
                    messages: [draft().messages, draft().messages].concat(),
                    ..draft()
                },
                1,
                "a",
            ),
        ];
        for (at, other) in others.iter().enumerate() {
            assert_ne!(&first, other, "{at}");
            assert!(!others[..at].contains(other), "{at}");
        }
    }

    #[test]
    fn failures_are_told_by_what_can_be_done() {
        let of = |kind, code: &str, message: &str| {
            problem_of(&integrations::Error::new(kind, message).code(code)).0
        };
        assert_eq!(of(Kind::NotFound, "404", "no"), TextProblem::UnknownModel);
        assert_eq!(
            of(Kind::Refused, "context_length_exceeded", "no"),
            TextProblem::PromptTooLong
        );
        assert_eq!(
            of(
                Kind::Refused,
                "invalid_request_error",
                "prompt is too long: 9 tokens > 8 maximum"
            ),
            TextProblem::PromptTooLong
        );
        assert_eq!(
            of(Kind::Refused, "content_policy_violation", "no"),
            TextProblem::ContentRefused
        );
        assert_eq!(of(Kind::Refused, "x", "no"), TextProblem::Refused);
        assert_eq!(of(Kind::Cut, "", "cut"), TextProblem::BrokeOff);
        assert_eq!(of(Kind::Malformed, "", "x"), TextProblem::PlatformFault);
        let wait = integrations::Error::new(Kind::Throttled, "busy")
            .retry(Retry::After(std::time::Duration::from_secs(90)));
        assert_eq!(
            problem_of(&wait),
            (TextProblem::Throttled, "busy (try again after 90 s)".to_owned())
        );
    }

    #[test]
    fn problems_are_read_as_they_were_stored() {
        assert_eq!(TextProblem::BudgetSpent.word(), "BUDGET_SPENT");
        for problem in [
            TextProblem::Interrupted,
            TextProblem::Gone,
            TextProblem::PromptTooLong,
        ] {
            assert_eq!(TextProblem::of_word(&problem.word()), problem);
        }
    }
}
