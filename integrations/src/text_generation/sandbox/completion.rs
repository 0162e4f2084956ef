//! Chat completions as two of the sandboxes read and write them.

use serde_json::{Map, Value, json};

use super::{Ending, Events, Told};

/// What is wrong with a request: the parameter and why.
pub(crate) type Fault = (&'static str, String);

/// What was said: the system's part, and the rest by role.
pub(crate) type Said = (String, Vec<(String, String)>);

/// Reads the messages.
///
/// # Errors
/// What is wrong with them.
pub(crate) fn messages(body: &Value) -> Result<Said, Fault> {
    let wrong = |why: &str| ("messages", why.to_owned());
    let list = body["messages"]
        .as_array()
        .ok_or_else(|| wrong("Missing required parameter: 'messages'."))?;
    if list.is_empty() {
        return Err(wrong(
            "Invalid 'messages': empty array. Expected an array with minimum length 1.",
        ));
    }
    let mut system = String::new();
    let mut said = Vec::new();
    for message in list {
        let text = match &message["content"] {
            Value::String(text) => text.clone(),
            Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
            _ => {
                return Err(wrong(
                    "Invalid type for 'messages[0].content': expected a string or an array.",
                ));
            }
        };
        match message["role"].as_str() {
            Some("system" | "developer") => system.push_str(&text),
            Some(role @ ("user" | "assistant" | "tool")) => said.push((role.to_owned(), text)),
            _ => return Err(wrong("Invalid value: 'messages[0].role' is not supported.")),
        }
    }
    Ok((system, said))
}

/// Reads the schema that the answer is to have.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn schema(body: &Value) -> Result<Option<Value>, Fault> {
    let wrong = |why: &str| ("response_format", why.to_owned());
    let format = &body["response_format"];
    match format["type"].as_str() {
        None if format.is_null() => Ok(None),
        Some("text") => Ok(None),
        Some("json_object") => Ok(Some(json!({ "type": "object" }))),
        Some("json_schema") => {
            let asked = &format["json_schema"];
            let name = asked["name"].as_str().unwrap_or_default();
            let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if name.is_empty() || name.len() > 64 || !name.chars().all(allowed) {
                return Err(wrong(
                    "Invalid 'response_format.json_schema.name': 1 to 64 of [A-Za-z0-9_-].",
                ));
            }
            if asked["strict"] == json!(true)
                && let Err(why) = strict(&asked["schema"])
            {
                return Err((
                    "response_format",
                    format!("Invalid schema for response_format '{name}': {why}"),
                ));
            }
            Ok(Some(asked["schema"].clone()))
        }
        _ => Err(wrong("Invalid value: 'response_format.type'.")),
    }
}

/// Where a schema is strict, all objects name all their fields and allow no others.
fn strict(schema: &Value) -> Result<(), String> {
    if schema["type"] == "array" {
        return strict(&schema["items"]);
    }
    let Some(fields) = schema["properties"].as_object() else {
        return Ok(());
    };
    if schema["additionalProperties"] != json!(false) {
        return Err("'additionalProperties' is required to be supplied and to be false.".to_owned());
    }
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    for (name, field) in fields {
        if !required.contains(&json!(name)) {
            return Err(format!("'required' is missing '{name}'."));
        }
        strict(field)?;
    }
    Ok(())
}

/// A completion to be told.
#[derive(Debug)]
pub(crate) struct Completion<'a> {
    /// Its id.
    pub id: &'a str,
    /// Seconds since 1970.
    pub created: i64,
    /// Who wrote it.
    pub model: &'a str,
    /// What.
    pub told: &'a Told,
    /// What it took.
    pub usage: Value,
    /// What else each object says.
    pub extra: Map<String, Value>,
    /// What else each choice says.
    pub choice: Map<String, Value>,
    /// The word for why it ended where the model would not: platforms differ.
    pub refused: &'static str,
}

/// The text of a refusal.
const REFUSAL: &str = "I cannot help with that.";

impl Completion<'_> {
    /// As a whole.
    pub(crate) fn whole(&self) -> Value {
        let refused = self.told.ending == Ending::Refused;
        let message = json!({
            "role": "assistant",
            "content": (!refused).then(|| self.told.text()),
            "refusal": refused.then_some(REFUSAL),
        });
        let mut choice = self.choice.clone();
        choice.insert("index".to_owned(), json!(0));
        choice.insert("finish_reason".to_owned(), json!(self.reason()));
        choice.insert("message".to_owned(), message);
        let mut object = self.object("chat.completion");
        object.insert("choices".to_owned(), json!([choice]));
        object.insert("usage".to_owned(), self.usage.clone());
        Value::Object(object)
    }

    /// Chunk by chunk, up to and with the one that says why it ended; `between` is let write its own before each.
    pub(crate) fn chunks(&self, events: &mut Events, mut between: impl FnMut(&mut Events, usize)) {
        between(events, 0);
        events.data(&self.chunk(&json!({ "role": "assistant", "content": "" }), None));
        if self.told.ending == Ending::Refused {
            events.data(&self.chunk(&json!({ "refusal": REFUSAL }), None));
        }
        for (at, token) in self.told.tokens.iter().enumerate() {
            between(events, at + 1);
            events.data(&self.chunk(&json!({ "content": token }), None));
        }
        if self.told.ending != Ending::Failed {
            events.data(&self.chunk(&json!({}), Some(self.reason())));
        }
    }

    /// One chunk.
    pub(crate) fn chunk(&self, delta: &Value, reason: Option<&str>) -> Value {
        let mut choice = if reason.is_some() {
            self.choice.clone()
        } else {
            Map::new()
        };
        choice.insert("index".to_owned(), json!(0));
        choice.insert("delta".to_owned(), delta.clone());
        choice.insert("finish_reason".to_owned(), json!(reason));
        let mut object = self.object("chat.completion.chunk");
        object.insert("choices".to_owned(), json!([choice]));
        Value::Object(object)
    }

    /// The chunk that says what it took.
    pub(crate) fn usage_chunk(&self) -> Value {
        let mut object = self.object("chat.completion.chunk");
        object.insert("choices".to_owned(), json!([]));
        object.insert("usage".to_owned(), self.usage.clone());
        Value::Object(object)
    }

    fn reason(&self) -> &'static str {
        match self.told.ending {
            Ending::Cut => "length",
            Ending::Refused => self.refused,
            Ending::Failed => "error",
            Ending::Done | Ending::Empty | Ending::Paused => "stop",
        }
    }

    fn object(&self, kind: &str) -> Map<String, Value> {
        let mut object = self.extra.clone();
        object.insert("id".to_owned(), json!(self.id));
        object.insert("object".to_owned(), json!(kind));
        object.insert("created".to_owned(), json!(self.created));
        object.insert("model".to_owned(), json!(self.model));
        object
    }
}
