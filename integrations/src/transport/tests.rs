//! What a request promises, whatever the platform.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::DateTime;
use http::StatusCode;

use super::*;
use crate::{Kind, ManualClock, Secret, Secrets, StaticToken};

/// A server that says all that it was told, in its own words and its own code.
struct Parrot;

#[async_trait]
impl Wire for Parrot {
    async fn send(&self, request: Outgoing) -> Result<Incoming, WireFault> {
        let told = format!(
            "{:?} {}",
            request.headers.get("x-key"),
            String::from_utf8_lossy(&request.body)
        );
        Ok(Incoming {
            status: StatusCode::BAD_REQUEST,
            headers: http::HeaderMap::new(),
            body: Box::pin(futures_util::stream::iter([Ok(told.into_bytes().into())])),
        })
    }
}

impl Judge for Parrot {
    fn judge(&self, answer: &Answer) -> crate::Result<()> {
        let words = String::from_utf8_lossy(&answer.body).into_owned();
        Err(crate::Error::new(Kind::Refused, words.clone()).code(words))
    }
}

#[tokio::test]
async fn neither_words_nor_code_of_an_error_tell_a_secret() {
    let entered = BTreeMap::from([("key".to_owned(), Secret::new("entered-key"))]);
    let secrets = Secrets::new(entered, Arc::new(StaticToken(None)));
    let clock = Arc::new(ManualClock::at(
        DateTime::from_timestamp(1_790_000_000, 0).expect("a moment"),
    ));
    let http = HttpTransport::over(Arc::new(Parrot), Policy::default()).connection(
        "parrot",
        Lane::new(1),
        secrets,
        clock,
    );
    let refresh = Secret::new("refresh-token");
    let error = http
        .post("https://parrot.example/token")
        .header("x-key", "entered-key")
        .form([("refresh_token", refresh.expose()), ("grant", "refresh")])
        .hides(&refresh)
        .send(&Parrot)
        .await
        .map(|_| ())
        .expect_err("it refuses");
    let shown = format!("{error} {error:?}");
    assert!(
        shown.contains("grant=refresh"),
        "its own words are there: {shown}"
    );
    assert_eq!(shown.matches("[secret]").count(), 8, "{shown}");
    assert!(
        !shown.contains("entered-key") && !shown.contains("refresh-token"),
        "{shown}"
    );
}

/// A server that has too much to do at first.
#[derive(Default)]
struct Busy(std::sync::atomic::AtomicUsize);

#[async_trait]
impl Wire for Busy {
    async fn send(&self, _: Outgoing) -> Result<Incoming, WireFault> {
        let is_first = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
        let mut headers = http::HeaderMap::new();
        headers.insert("retry-after", http::HeaderValue::from_static("20"));
        Ok(Incoming {
            status: if is_first {
                StatusCode::TOO_MANY_REQUESTS
            } else {
                StatusCode::OK
            },
            headers,
            body: Box::pin(futures_util::stream::empty()),
        })
    }
}

#[tokio::test]
async fn what_must_go_soon_or_not_at_all_does_not_wait_for_a_limit() {
    let clock = Arc::new(ManualClock::at(
        DateTime::from_timestamp(1_790_000_000, 0).expect("a moment"),
    ));
    let wire = Arc::new(Busy::default());
    let secrets = Secrets::new(BTreeMap::new(), Arc::new(StaticToken(None)));
    let http = HttpTransport::over(wire.clone(), Policy::default()).connection(
        "busy",
        Lane::new(1),
        secrets,
        clock.clone(),
    );
    let soon = http.patient_for(Duration::from_secs(3));
    for asked in ["the answer tells of it", "it is known"] {
        let sent = soon.post("https://busy.example/").once().send(&StatusJudge).await;
        let error = sent.map(|_| ()).expect_err(asked);
        assert_eq!(error.kind, Kind::Throttled, "{asked}: {error}");
        assert_eq!(
            error.retry,
            crate::Retry::After(Duration::from_secs(20)),
            "{asked}"
        );
    }
    assert_eq!(wire.0.load(std::sync::atomic::Ordering::Relaxed), 1);
    // The others have time.
    let sent = http.post("https://busy.example/").once().send(&StatusJudge).await;
    assert!(sent.is_ok(), "{:?}", sent.map(|_| ()));
    assert_eq!(wire.0.load(std::sync::atomic::Ordering::Relaxed), 2);
}

#[tokio::test]
async fn what_others_were_in_the_way_of_for_too_long_is_not_sent() {
    let clock = Arc::new(ManualClock::at(
        DateTime::from_timestamp(1_790_000_000, 0).expect("a moment"),
    ));
    let (wire, lane) = (Arc::new(Busy::default()), Lane::new(1));
    let secrets = Secrets::new(BTreeMap::new(), Arc::new(StaticToken(None)));
    let http = HttpTransport::over(wire.clone(), Policy::default()).connection(
        "busy",
        Arc::clone(&lane),
        secrets,
        clock,
    );
    let place = lane.enter(false).await;
    let soon = http.patient_for(Duration::from_millis(5));
    let late = tokio::spawn(async move { soon.post("https://busy.example/").send(&StatusJudge).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(place);
    let error = late
        .await
        .expect("it ends")
        .map(|_| ())
        .expect_err("it is too late");
    assert_eq!(
        (error.kind, error.retry),
        (Kind::Throttled, crate::Retry::After(Duration::from_secs(1)))
    );
    assert_eq!(wire.0.load(std::sync::atomic::Ordering::Relaxed), 0);
}
