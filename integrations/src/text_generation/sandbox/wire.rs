//! Server-sent events as a sandbox sends them: in many pieces, cut where it hurts.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::sandbox::SandboxAnswer;

/// Between two pieces: so that they arrive as pieces.
const STEP: Duration = Duration::from_millis(2);

/// The largest piece, in bytes.
const LARGEST: usize = 400;

/// Events to be sent.
#[derive(Debug, Default)]
pub(crate) struct Events(Vec<u8>);

impl Events {
    /// A comment that keeps the connection alive.
    pub(crate) fn comment(&mut self, text: &str) {
        self.line(&format!(": {text}\n\n"));
    }

    /// Data without a name.
    pub(crate) fn data(&mut self, value: &Value) {
        self.line(&format!("data: {value}\n\n"));
    }

    /// Data that is no JSON.
    pub(crate) fn word(&mut self, word: &str) {
        self.line(&format!("data: {word}\n\n"));
    }

    /// Data with a name.
    pub(crate) fn event(&mut self, name: &str, value: &Value) {
        self.line(&format!("event: {name}\ndata: {value}\n\n"));
    }

    /// The answer that sends them.
    pub(crate) fn answer(self) -> SandboxAnswer {
        SandboxAnswer {
            status: 200,
            headers: vec![
                ("content-type", "text/event-stream; charset=utf-8".to_owned()),
                ("cache-control", "no-cache".to_owned()),
            ],
            body: cut(&self.0),
            deliveries: Vec::new(),
        }
    }

    fn line(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }
}

/// Cuts within each character that is more than a byte, between the two line ends behind an event, and wherever a piece
/// would be too large.
fn cut(bytes: &[u8]) -> Vec<(Duration, Bytes)> {
    let mut pieces = Vec::new();
    let mut begun = 0;
    for at in 1..=bytes.len() {
        let within = bytes.get(at).is_some_and(|byte| byte & 0xc0 == 0x80) && bytes[at - 1] >= 0xc0;
        let between = bytes.get(at) == Some(&b'\n') && bytes[at - 1] == b'\n';
        if within || between || at - begun == LARGEST || at == bytes.len() {
            pieces.push((STEP, Bytes::copy_from_slice(&bytes[begun..at])));
            begun = at;
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_of_several_bytes_never_comes_in_one_piece() {
        let mut events = Events::default();
        events.data(&serde_json::json!({ "text": "Grüße ☕" }));
        let answer = events.answer();
        let broken = answer
            .body
            .iter()
            .filter(|(_, piece)| std::str::from_utf8(piece).is_err());
        assert_eq!(
            broken.count(),
            4,
            "each side of two of them, and a middle of its own"
        );
        let whole: Vec<u8> = answer.body.iter().flat_map(|(_, piece)| piece.to_vec()).collect();
        assert_eq!(
            String::from_utf8(whole).unwrap(),
            "data: {\"text\":\"Grüße ☕\"}\n\n"
        );
    }
}
