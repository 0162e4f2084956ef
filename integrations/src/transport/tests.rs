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
