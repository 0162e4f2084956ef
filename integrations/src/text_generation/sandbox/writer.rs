//! A "model": the same order gives the same text. Words in double brackets in the last message make it behave otherwise:
//! `[[refuse]]`, `[[fail]]` (an error within the text), `[[fail early]]` (before the first word), `[[busy]]` (before the
//! first word, the first time), `[[empty]]` (nothing at all), `[[cold]]` (nothing at all the first time), `[[pause]]`.

use serde_json::{Map, Value, json};

use super::SandboxModel;

/// What is to be written.
#[derive(Clone, Debug)]
pub(crate) struct Order<'a> {
    /// By whom.
    pub model: &'a SandboxModel,
    /// What the model was told to be.
    pub system: String,
    /// What was said, by role.
    pub messages: Vec<(String, String)>,
    /// At most so many tokens.
    pub limit: Option<u64>,
    /// JSON of this schema.
    pub schema: Option<Value>,
    /// How often the same was ordered before.
    pub before: usize,
}

/// What was written.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// Its tokens.
    pub tokens: Vec<String>,
    /// Tokens of thinking, before them.
    pub thoughts: u64,
    /// How it ended.
    pub ending: Ending,
}

/// How a text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All was said.
    Done,
    /// There was no room for more.
    Cut,
    /// It would not.
    Refused,
    /// It broke off.
    Failed,
    /// Nothing came at all.
    Empty,
    /// It wants to be asked to go on.
    Paused,
}

impl Told {
    /// The text as a whole.
    pub(crate) fn text(&self) -> String {
        self.tokens.concat()
    }

    /// How many tokens it took.
    pub(crate) fn count(&self) -> u64 {
        self.tokens.len() as u64 + self.thoughts
    }
}

impl Order<'_> {
    /// How many tokens there are to read.
    pub(crate) fn read(&self) -> u64 {
        let said: u64 = self.messages.iter().map(|(_, text)| words(text)).sum();
        words(&self.system) + said
    }

    fn last(&self, role: &str) -> &str {
        let found = self.messages.iter().rev().find(|(by, _)| by == role);
        found.map_or("", |(_, text)| text)
    }

    fn wants(&self, trigger: &str) -> bool {
        self.last("user").contains(trigger)
    }
}

/// How many tokens a text is, by the sandboxes' simple count.
pub(crate) fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

/// Writes.
pub(crate) fn write(order: &Order<'_>) -> Told {
    let nothing = |ending| Told {
        tokens: Vec::new(),
        thoughts: 0,
        ending,
    };
    if order.wants("[[refuse]]") {
        return nothing(Ending::Refused);
    }
    if order.wants("[[fail early]]") || (order.wants("[[busy]]") && order.before == 0) {
        return nothing(Ending::Failed);
    }
    if order.wants("[[empty]]") || (order.wants("[[cold]]") && order.before == 0) {
        return nothing(Ending::Empty);
    }
    let mut tokens = match &order.schema {
        Some(schema) => pieces(&by_schema(schema, "", order).to_string()),
        None => sentences(order).split_inclusive(' ').map(str::to_owned).collect(),
    };
    let thoughts = if order.model.thinks { 12 } else { 0 };
    let mut ending = Ending::Done;
    if order.wants("[[pause]]") {
        let half = tokens.len() / 2;
        // Asked to go on, it does so where it stopped.
        if order.messages.last().is_some_and(|(role, _)| role == "assistant") {
            tokens.drain(..half);
        } else {
            tokens.truncate(half);
            ending = Ending::Paused;
        }
    }
    if order.wants("[[fail]]") {
        tokens.truncate(tokens.len() / 2);
        ending = Ending::Failed;
    }
    let room = order.limit.unwrap_or(order.model.output).min(order.model.output);
    let room = usize::try_from(room.saturating_sub(thoughts)).unwrap_or(usize::MAX);
    if tokens.len() > room {
        tokens.truncate(room);
        if ending != Ending::Failed {
            ending = Ending::Cut;
        }
    }
    Told {
        thoughts: thoughts.min(order.limit.unwrap_or(thoughts)),
        tokens,
        ending,
    }
}

const OPENINGS: [&str; 4] = [
    "Good news for everyone who cares about",
    "Let us talk about",
    "You asked, and here it is:",
    "A small idea with a large effect:",
];
const BENEFITS: [&str; 5] = [
    "It saves you hours every week — without a new tool to learn.",
    "Teams from Zürich to São Paulo already rely on it.",
    "Setting it up takes less time than a good café crème ☕.",
    "From 29 € a month you get everything, and nothing you do not need.",
    "Your customers notice the difference on the very first day.",
];
const CALLS: [&str; 4] = [
    "Reply to this message and we will show you how.",
    "Book fifteen minutes this week – it is worth it.",
    "Try it free for 14 days; no card, no fuss.",
    "Viele Grüße, and talk soon 👋",
];

fn sentences(order: &Order<'_>) -> String {
    let user = order.last("user");
    let seed = seed(&[&order.model.id, &order.system, user]);
    let topic: Vec<&str> = user
        .split_whitespace()
        .filter(|word| !word.starts_with("[[") && !word.ends_with("]]"))
        .take(8)
        .collect();
    let topic = topic.join(" ");
    let topic = topic.trim_end_matches(['.', '!', '?', ':']);
    let mut text = format!("{} {topic}.", OPENINGS[seed % OPENINGS.len()]);
    for step in 0..3 {
        text.push(' ');
        text.push_str(BENEFITS[(seed + step) % BENEFITS.len()]);
    }
    text.push(' ');
    text.push_str(CALLS[seed / 7 % CALLS.len()]);
    text
}

/// A value that a schema allows.
fn by_schema(schema: &Value, name: &str, order: &Order<'_>) -> Value {
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    if !schema["const"].is_null() {
        return schema["const"].clone();
    }
    if let Some(first) = schema["anyOf"].get(0) {
        return by_schema(first, name, order);
    }
    // Where several types are allowed, the first.
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    match kind {
        Some("array") => json!([
            by_schema(&schema["items"], name, order),
            by_schema(&schema["items"], name, order)
        ]),
        Some("integer") => json!(3),
        Some("number") => json!(0.5),
        Some("boolean") => json!(true),
        Some("null") => Value::Null,
        Some("string") => {
            let seed = seed(&[name, order.last("user")]);
            json!(format!("{}: {}", name, BENEFITS[seed % BENEFITS.len()]))
        }
        _ => {
            let fields = schema["properties"].as_object().cloned().unwrap_or_default();
            let filled: Map<String, Value> = fields
                .into_iter()
                .map(|(name, schema)| {
                    let value = by_schema(&schema, &name, order);
                    (name, value)
                })
                .collect();
            Value::Object(filled)
        }
    }
}

/// Pieces of six characters.
fn pieces(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(6).map(|piece| piece.iter().collect()).collect()
}

/// A number made of texts: FNV-1a, as it needs nothing.
pub(super) fn seed(texts: &[&str]) -> usize {
    let hash = texts
        .iter()
        .flat_map(|text| text.bytes())
        .fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
    hash as usize
}
