//! A message as it comes, event by event.

use serde_json::{Value, json};

use super::{Refusal, details, reason};
use crate::sandbox::SandboxAnswer;
use crate::text_generation::sandbox::{Ending, Events, Told};

/// A message as a stream.
pub(super) fn streamed(mut message: Value, told: &Told, id: &str) -> SandboxAnswer {
    let mut events = Events::default();
    let usage = message["usage"].clone();
    // What is written is not known yet.
    message["usage"]["output_tokens"] = json!(1);
    events.event(
        "message_start",
        &json!({ "type": "message_start", "message": message }),
    );
    events.event("ping", &json!({ "type": "ping" }));
    let mut index = 0;
    let mut block = |events: &mut Events, begin: Value, deltas: Vec<Value>| {
        let start = json!({ "type": "content_block_start", "index": index, "content_block": begin });
        events.event("content_block_start", &start);
        for delta in deltas {
            let delta = json!({ "type": "content_block_delta", "index": index, "delta": delta });
            events.event("content_block_delta", &delta);
        }
        let stop = json!({ "type": "content_block_stop", "index": index });
        events.event("content_block_stop", &stop);
        index += 1;
    };
    if told.thoughts > 0 {
        let thought = json!({ "type": "thinking_delta", "thinking": "What does the reader need?" });
        let signature = json!({ "type": "signature_delta", "signature": "c2lnbmVk" });
        let begin = json!({ "type": "thinking", "thinking": "", "signature": "" });
        block(&mut events, begin, vec![thought, signature]);
    }
    // Two blocks of text: they belong together.
    let half = told.tokens.len() / 2;
    for tokens in [&told.tokens[..half], &told.tokens[half..]] {
        if tokens.is_empty() {
            continue;
        }
        let deltas = tokens
            .iter()
            .map(|text| json!({ "type": "text_delta", "text": text }))
            .collect();
        block(&mut events, json!({ "type": "text", "text": "" }), deltas);
        events.event("ping", &json!({ "type": "ping" }));
    }
    if told.ending == Ending::Failed {
        let refusal = Refusal::new(529, "overloaded_error", "Overloaded");
        events.event("error", &refusal.value(id));
        return events.answer();
    }
    let delta = json!({
        "type": "message_delta",
        "delta": {
            "stop_reason": reason(told.ending), "stop_sequence": null, "stop_details": details(told.ending),
        },
        "usage": usage,
    });
    events.event("message_delta", &delta);
    events.event("message_stop", &json!({ "type": "message_stop" }));
    events.answer()
}
