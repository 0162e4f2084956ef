//! What a request promises, whatever the platform.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use http::StatusCode;
use tokio::sync::{Notify, Semaphore};

use super::*;
use crate::{Kind, ManualClock, Retry, Secret, Secrets, StaticToken};

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

/// A platform that says at `/busy` when to come again, as often as it is told to; and that answers `/slow` when it is let.
struct Busy {
    seconds: u64,
    times: Mutex<u32>,
    asked: Mutex<Vec<String>>,
    let_go: Semaphore,
}

impl Busy {
    fn saying(seconds: u64, times: u32) -> Arc<Self> {
        Arc::new(Self {
            seconds,
            times: Mutex::new(times),
            asked: Mutex::default(),
            let_go: Semaphore::new(0),
        })
    }

    fn http(self: &Arc<Self>, clock: Arc<dyn Clock>) -> Http {
        let wire: Arc<dyn Wire> = Arc::<Self>::clone(self);
        let secrets = Secrets::new(BTreeMap::new(), Arc::new(StaticToken(None)));
        HttpTransport::over(wire, Policy::default()).connection("busy", Lane::new(1), secrets, clock)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("nobody panics").clone()
    }
}

#[async_trait]
impl Wire for Busy {
    async fn send(&self, request: Outgoing) -> Result<Incoming, WireFault> {
        let path = request.url.path().to_owned();
        self.asked.lock().expect("nobody panics").push(path.clone());
        if path == "/slow" {
            self.let_go.acquire().await.expect("never closed").forget();
        }
        let is_busy = path != "/free" && {
            let mut times = self.times.lock().expect("nobody panics");
            *times = times.saturating_sub(1);
            *times > 0
        };
        let mut headers = http::HeaderMap::new();
        headers.insert(http::header::RETRY_AFTER, self.seconds.into());
        Ok(Incoming {
            status: if is_busy {
                StatusCode::TOO_MANY_REQUESTS
            } else {
                StatusCode::OK
            },
            headers,
            body: Box::pin(futures_util::stream::empty()),
        })
    }
}

fn standing() -> ManualClock {
    ManualClock::at(DateTime::from_timestamp(1_790_000_000, 0).expect("a moment"))
}

/// A clock on which waiting ends when it is told to.
#[derive(Debug)]
struct HeldClock {
    clock: ManualClock,
    waits: Notify,
    goes_on: Notify,
}

#[async_trait]
impl Clock for HeldClock {
    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    async fn sleep(&self, time: Duration) {
        self.waits.notify_one();
        self.goes_on.notified().await;
        self.clock.advance(time);
    }
}

#[tokio::test]
async fn a_long_wait_is_given_back_and_holds_no_place() {
    let (platform, clock) = (Busy::saying(600, u32::MAX), Arc::new(standing()));
    let http = platform.http(Arc::<ManualClock>::clone(&clock));
    let busy = async || {
        let asked = http
            .get("https://busy.example/busy")
            .limit("busy")
            .send(&StatusJudge);
        asked.await.map(drop).expect_err("it is busy")
    };
    for _ in 0..2 {
        let error = busy().await;
        let due = Retry::After(Duration::from_secs(600));
        assert_eq!((error.kind, error.retry), (Kind::Throttled, due));
    }
    assert!(clock.waits().is_empty(), "nothing is waited for here");
    let free = http.get("https://busy.example/free").send(&StatusJudge).await;
    assert!(free.is_ok(), "the others go on");
    assert_eq!(
        platform.asked(),
        ["/busy", "/free"],
        "nor is it asked before its time"
    );
}

#[tokio::test]
async fn who_waits_leaves_its_place_to_others() {
    let platform = Busy::saying(30, 2);
    let clock = Arc::new(HeldClock {
        clock: standing(),
        waits: Notify::new(),
        goes_on: Notify::new(),
    });
    let http = platform.http(Arc::<HeldClock>::clone(&clock));
    let waits = http
        .get("https://busy.example/busy")
        .limit("busy")
        .send(&StatusJudge);
    let others = async {
        clock.waits.notified().await;
        let free = http.get("https://busy.example/free").send(&StatusJudge);
        let free = tokio::time::timeout(Duration::from_secs(20), free).await;
        assert!(
            free.expect("the one place of the lane is free").is_ok(),
            "it is answered"
        );
        clock.goes_on.notify_one();
    };
    let (waited, ()) = tokio::join!(waits, others);
    assert!(waited.is_ok(), "it goes on when its time has come");
    assert_eq!(platform.asked(), ["/busy", "/free", "/busy"]);
}

#[tokio::test]
async fn who_stands_in_line_is_told_of_a_pause_as_well() {
    let (platform, clock) = (Busy::saying(600, u32::MAX), Arc::new(standing()));
    let http = platform.http(clock);
    let send = || http.get("https://busy.example/slow").send(&StatusJudge);
    // Both come before the first is answered.
    let let_go = async { platform.let_go.add_permits(2) };
    let (first, second, ()) = tokio::join!(send(), send(), let_go);
    for answer in [first, second] {
        let error = answer.map(drop).expect_err("it is busy");
        assert_eq!(error.retry, Retry::After(Duration::from_secs(600)));
    }
    assert_eq!(platform.asked(), ["/slow"], "the second was not sent");
}

/// A server that has too much to do at first.
#[derive(Default)]
struct BusyAtFirst(std::sync::atomic::AtomicUsize);

#[async_trait]
impl Wire for BusyAtFirst {
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
    let wire = Arc::new(BusyAtFirst::default());
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
    let (wire, lane) = (Arc::new(BusyAtFirst::default()), Lane::new(1));
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
