//! Streams that come in every cut, and streams in which nothing comes. Time stands still and is put forward by waiting.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::DateTime;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use proptest::prelude::*;
use serde_json::json;
use tokio::time::Instant;

use super::trial::{Outcome, asked, collect};
use crate::platform::openai::OpenAi;
use crate::sandbox::Setup;
use crate::transport::{HttpTransport, Incoming, Outgoing, Policy, Wire, WireFault};
use crate::{Context, Kind, ManualClock};

type Pieces = Vec<(Duration, Bytes)>;

/// Answers with pieces, each some time after the one before; when they are at an end, with `rest` for ever.
struct Timed {
    pieces: Pieces,
    rest: Option<(Duration, Bytes)>,
    asked: Mutex<u32>,
}

#[async_trait]
impl Wire for Timed {
    async fn send(&self, _: Outgoing) -> Result<Incoming, WireFault> {
        *self.asked.lock().expect("nobody panics") += 1;
        let rest = stream::iter(std::iter::repeat(self.rest.clone()).map_while(|piece| piece));
        let pieces = stream::iter(self.pieces.clone())
            .chain(rest)
            .then(|(after, piece)| async move {
                tokio::time::sleep(after).await;
                Ok(piece)
            });
        let kind = HeaderValue::from_static("text/event-stream");
        Ok(Incoming {
            status: StatusCode::OK,
            headers: HeaderMap::from_iter([(header::CONTENT_TYPE, kind)]),
            body: Box::pin(pieces),
        })
    }
}

fn connection(wire: Arc<Timed>, attempts: u32) -> Context {
    let policy = Policy {
        attempts,
        ..Policy::default()
    };
    let deadlines = json!({ "firstTokenSeconds": 300, "betweenTokensSeconds": 20, "wholeTextSeconds": 1000 });
    let setup = Setup {
        settings: json!({ "deadlines": deadlines }),
        secrets: json!({ "apiKey": KEY }),
        credentials: None,
    };
    let clock = Arc::new(ManualClock::at(DateTime::UNIX_EPOCH));
    setup.context(&OpenAi, &HttpTransport::over(wire, policy), clock)
}

async fn read(pieces: Pieces, rest: Option<(u64, &'static str)>, attempts: u32) -> (Outcome, Duration, u32) {
    let rest = rest.map(|(seconds, text)| (Duration::from_secs(seconds), Bytes::from(text)));
    let wire = Arc::new(Timed {
        pieces,
        rest,
        asked: Mutex::default(),
    });
    let context = connection(wire.clone(), attempts);
    let begun = Instant::now();
    let outcome = collect(&OpenAi, &context, asked("m", "Two lines.")).await;
    let times = *wire.asked.lock().expect("nobody panics");
    (outcome, begun.elapsed(), times)
}

fn after(seconds: u64, text: impl Into<Bytes>) -> (Duration, Bytes) {
    (Duration::from_secs(seconds), text.into())
}

fn chunk(text: &str) -> String {
    format!(
        "data: {}\n\n",
        json!({ "choices": [{ "index": 0, "delta": { "content": text } }] })
    )
}

const KEY: &str = "sk-proj-echoed-by-the-platform";
const THOUGHT: &str = "data: {\"choices\":[{\"delta\":{\"reasoning\":\"hm\"}}]}\n\n";
const STOP: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
const COMMENT: &str = ": PROCESSING\n\n";

#[tokio::test(start_paused = true)]
async fn comments_are_no_first_token() {
    let (outcome, took, asked) = read(vec![], Some((5, COMMENT)), 1).await;
    assert_eq!((outcome.kind(), asked), (Some(Kind::TimedOut), 1));
    assert_eq!(took.as_secs(), 300);
}

#[tokio::test(start_paused = true)]
async fn nothing_at_all_is_waited_for_as_long_as_the_settings_say() {
    let (outcome, took, _) = read(vec![after(250, chunk("Late"))], Some((1, STOP)), 1).await;
    assert_eq!(outcome.text(), "Late");
    assert_eq!(took.as_secs(), 251);
}

#[tokio::test(start_paused = true)]
async fn comments_and_empty_chunks_are_no_next_token() {
    let first = vec![after(100, chunk("Half"))];
    let (outcome, took, asked) = read(first.clone(), Some((5, COMMENT)), 4).await;
    assert_eq!(
        (outcome.kind(), outcome.text().as_str()),
        (Some(Kind::TimedOut), "Half")
    );
    assert_eq!(
        (took.as_secs(), asked),
        (120, 1),
        "nothing is tried again behind the first piece"
    );
    let (outcome, took, _) = read(
        first,
        Some((5, "data: {\"choices\":[{\"delta\":{\"content\":\"\"}}]}\n\n")),
        4,
    )
    .await;
    assert_eq!((outcome.kind(), took.as_secs()), (Some(Kind::TimedOut), 120));
}

#[tokio::test(start_paused = true)]
async fn thinking_is_progress() {
    let mut pieces: Pieces = (0..30).map(|_| after(15, THOUGHT)).collect();
    pieces.push(after(15, chunk("Thought out.")));
    pieces.push(after(0, STOP));
    let (outcome, took, _) = read(pieces, None, 1).await;
    assert_eq!(outcome.text(), "Thought out.");
    assert_eq!(took.as_secs(), 31 * 15);
    let (outcome, took, _) = read(vec![after(1, THOUGHT)], Some((5, COMMENT)), 1).await;
    assert_eq!((outcome.kind(), took.as_secs()), (Some(Kind::TimedOut), 21));
}

#[tokio::test(start_paused = true)]
async fn a_text_as_a_whole_has_a_deadline_too_tries_included() {
    let endless = Box::leak(chunk("more ").into_boxed_str());
    let (outcome, took, _) = read(vec![], Some((15, endless)), 1).await;
    assert_eq!((outcome.kind(), took.as_secs()), (Some(Kind::TimedOut), 1000));
    assert_eq!(outcome.pieces.len(), 66);
    let (outcome, took, asked) = read(vec![], Some((5, COMMENT)), 9).await;
    assert_eq!(
        (outcome.kind(), took.as_secs(), asked),
        (Some(Kind::TimedOut), 1000, 4)
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_and_what_breaks_off_are_told_apart() {
    let (outcome, ..) = read(vec![after(0, "data: {\"choices\": [\n\n")], None, 1).await;
    assert_eq!(outcome.kind(), Some(Kind::Malformed));
    let (outcome, ..) = read(vec![after(0, &b"data: \xff\xfe\n\n"[..])], None, 1).await;
    assert_eq!(outcome.kind(), Some(Kind::Malformed));
    let (outcome, ..) = read(vec![after(0, chunk("Half"))], None, 1).await;
    assert_eq!(
        (outcome.kind(), outcome.text().as_str()),
        (Some(Kind::Cut), "Half")
    );
    let large: Pieces = (0..40).map(|_| after(0, vec![b':'; 1 << 20])).collect();
    let (outcome, ..) = read(large, None, 1).await;
    assert_eq!(outcome.kind(), Some(Kind::Malformed));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_the_platform_echoes_is_struck_out() {
    let told =
        json!({ "error": { "message": format!("bad key {KEY}"), "type": "x", "code": "invalid_api_key" } });
    let error = format!("data: {told}\n\n");
    let begun = after(0, chunk("Half"));
    for pieces in [vec![after(0, error.clone())], vec![begun, after(0, error)]] {
        let (outcome, ..) = read(pieces, None, 1).await;
        let error = outcome.end.unwrap_err();
        assert_eq!(
            (error.kind, error.message.as_str()),
            (Kind::Unauthorised, "bad key [secret]")
        );
    }
}

/// A stream with every kind of line end, comments, unknown fields and data of two lines.
fn hard() -> String {
    let text = |text: &str, end: &str| {
        format!("data: {{\"choices\":[{{\"delta\":{end}data: {{\"content\":\"{text}\"}}}}]}}{end}{end}")
    };
    [
        "\u{feff}: a comment\r\n\r\n",
        &text("Grüße ", "\n"),
        "id: 7\nretry: 10\nunknown: x\nevent\n",
        &text("☕ ", "\r\n"),
        ":\r:\r\r",
        &text("für 👋", "\r"),
        STOP,
    ]
    .concat()
}

proptest! {
    #[test]
    fn it_is_the_same_however_it_is_cut(mut cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..40)) {
        let bytes = hard().into_bytes();
        cuts.sort_by_key(|cut| cut.index(bytes.len()));
        let mut pieces = Vec::new();
        let mut begun = 0;
        for cut in cuts.iter().map(|cut| cut.index(bytes.len())).chain([bytes.len()]) {
            pieces.push(after(0, bytes[begun..cut].to_vec()));
            begun = cut;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (outcome, ..) = runtime.block_on(read(pieces, None, 1));
        prop_assert_eq!(outcome.text(), "Grüße ☕ für 👋");
        prop_assert!(outcome.end.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_the_same_byte_by_byte() {
    let pieces = hard()
        .into_bytes()
        .into_iter()
        .map(|byte| after(0, vec![byte]))
        .collect();
    let (outcome, ..) = read(pieces, None, 1).await;
    assert_eq!(outcome.text(), "Grüße ☕ für 👋");
    assert!(outcome.end.is_ok(), "{outcome:?}");
}
