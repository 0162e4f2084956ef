//! Identical live subscriptions are run once: a thousand dashboards that watch the same cost one execution of each
//! event, and each socket a copy of the finished text.
//!
//! A group reads the log once and hands its payloads to all members through a bounded channel. A member that lags
//! behind it goes on alone, from the last payload that it took: nothing is lost, nothing is buffered without bound.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_graphql::{Request, Response, Variables};
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use tokio::runtime::Handle;
use tokio::sync::broadcast;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::operation::never_started;
use super::protocol::{errors_json, payload_json};
use crate::events::Place;
use crate::http::gateway::{RequestId, coded_error, complete_errors, never_ran};

/// Payloads that a member may lag behind before it goes on alone.
const CHANNEL: usize = 256;

/// A group of so many members hands out what it has once in [`PACE`]: a thousand sockets are written to once for a few
/// events instead of once for each. What comes alone goes out at once.
const CROWD: usize = 64;
const PACE: Duration = Duration::from_millis(20);
/// Most payloads handed out together.
const HANDFUL: usize = 32;

/// After so many payloads it is seen whether members keep up.
const STRIDE: usize = 64;
/// A stride that takes less is a burst, e.g. of an import.
const BURST: Duration = Duration::from_millis(50);
/// How long a burst waits for its members after each stride; a member that does not read delays the others no longer.
const PATIENCE: Duration = Duration::from_millis(20);

/// What is the same for all members of a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    rights: String,
    query: String,
    operation_name: Option<String>,
    /// As JSON, for comparison.
    variables: String,
}

impl Key {
    pub(super) fn new(rights: String, request: &Request) -> Self {
        Self {
            rights,
            query: request.query.clone(),
            operation_name: request.operation_name.clone(),
            variables: serde_json::to_string(&request.variables).expect("variables are plain JSON"),
        }
    }
}

/// A request that can be made anew.
pub(super) struct Source {
    query: String,
    operation_name: Option<String>,
    variables: Variables,
}

impl Source {
    pub(super) fn of(request: &Request) -> Self {
        Self {
            query: request.query.clone(),
            operation_name: request.operation_name.clone(),
            variables: request.variables.clone(),
        }
    }

    pub(super) fn request(&self) -> Request {
        let mut request = Request::new(self.query.clone()).variables(self.variables.clone());
        request.operation_name.clone_from(&self.operation_name);
        request
    }
}

/// What a group says to its members.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// The payload of a `next`, and the place in the log behind it.
    Payload(Arc<str>, i64),
    /// The payload of an `error`; nothing follows.
    Failed(Arc<str>),
    /// Nothing follows.
    End,
}

impl Item {
    const fn is_last(&self) -> bool {
        !matches!(self, Self::Payload(..))
    }
}

/// All groups.
#[derive(Default)]
pub(super) struct Groups(Mutex<HashMap<Key, Weak<Group>>>);

/// One execution and its members.
pub(super) struct Group {
    items: broadcast::Sender<Item>,
    /// What was handed out last, where who joins is told that first: how something is, until it changes.
    state: Option<Mutex<Option<Item>>>,
    /// The place in the log behind the last payload handed out.
    sent: AtomicI64,
    /// Stops the execution with the last member.
    _running: DropGuard,
}

/// A seat in a group.
pub(super) struct Member {
    /// What is said before anything else.
    pub(super) first: Option<Item>,
    pub(super) items: broadcast::Receiver<Item>,
    /// Where to go on from when this member lags.
    pub(super) place: i64,
    /// Keeps the group alive.
    pub(super) _group: Arc<Group>,
}

impl Groups {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Weak<Group>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the group of this key; where there is none yet it is begun, on the runtime `home`, at a place of the log with
    /// what `open` answers.
    pub(super) fn join(
        self: &Arc<Self>,
        key: Key,
        (begin, is_state): (i64, bool),
        request_id: &RequestId,
        home: &Handle,
        open: impl FnOnce(Place) -> BoxStream<'static, Response>,
    ) -> Member {
        let mut groups = self.lock();
        if let Some(group) = groups.get(&key).and_then(Weak::upgrade) {
            return group.seat();
        }
        let stop = CancellationToken::new();
        let group = Arc::new(Group {
            items: broadcast::Sender::new(CHANNEL),
            state: is_state.then(Mutex::default),
            sent: AtomicI64::new(begin),
            _running: stop.clone().drop_guard(),
        });
        let member = group.seat();
        groups.retain(|_, group| group.strong_count() > 0);
        groups.insert(key.clone(), Arc::downgrade(&group));
        drop(groups);
        let place = Place::at(begin);
        let results = open(place.clone());
        let run = run(
            Arc::clone(self),
            key,
            Arc::downgrade(&group),
            results,
            place,
            request_id.clone(),
        );
        home.spawn(async move {
            // The task must not outlive its members, nor keep the group alive.
            tokio::select! {
                () = stop.cancelled() => {}
                () = run => {}
            }
        });
        member
    }

    /// Nobody joins this group any more.
    fn end(&self, key: &Key, group: &Weak<Group>) {
        let mut groups = self.lock();
        if groups.get(key).is_some_and(|known| known.ptr_eq(group)) {
            groups.remove(key);
        }
    }
}

impl Group {
    fn seat(self: &Arc<Self>) -> Member {
        // The place first: what is sent in between may be taken twice into account, never not at all.
        let place = self.sent.load(Ordering::Acquire);
        // Nothing is handed out between the two.
        let state = self
            .state
            .as_ref()
            .map(|state| state.lock().unwrap_or_else(PoisonError::into_inner));
        Member {
            first: state.as_ref().and_then(|state| (**state).clone()),
            items: self.items.subscribe(),
            place,
            _group: Arc::clone(self),
        }
    }

    fn hand_out(&self, item: Item) {
        let state = self
            .state
            .as_ref()
            .map(|state| state.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(mut state) = state {
            *state = Some(item.clone());
            // Without members there is nobody to tell.
            let _ = self.items.send(item);
        } else {
            let _ = self.items.send(item);
        }
    }
}

async fn run(
    groups: Arc<Groups>,
    key: Key,
    group: Weak<Group>,
    mut results: BoxStream<'static, Response>,
    place: Place,
    request_id: RequestId,
) {
    let mut answered = false;
    let mut next = async || match AssertUnwindSafe(results.next()).catch_unwind().await {
        Ok(Some(mut response)) => {
            let failed = never_ran(&response) || (!answered && never_started(&response));
            answered = true;
            complete_errors(&mut response, &request_id);
            if failed {
                Item::Failed(errors_json(&response).into())
            } else {
                Item::Payload(payload_json(&response).into(), place.get())
            }
        }
        Ok(None) => Item::End,
        Err(_panic) => {
            tracing::error!(request_id = request_id.as_str(), "a resolver panicked");
            let mut response = Response::from_errors(vec![coded_error("INTERNAL", "internal error")]);
            complete_errors(&mut response, &request_id);
            Item::Failed(errors_json(&response).into())
        }
    };
    let mut stride = (0, Instant::now());
    let mut due = Instant::now();
    let mut handful = Vec::new();
    loop {
        handful.push(next().await);
        let Some(members) = group.upgrade().map(|group| group.items.receiver_count()) else {
            return;
        };
        while members >= CROWD && handful.len() < HANDFUL && !handful.iter().any(Item::is_last) {
            match timeout_at(due, next()).await {
                Ok(item) => handful.push(item),
                Err(_) => break,
            }
        }
        due = Instant::now() + PACE;
        if handful.iter().any(Item::is_last) {
            // Before the last word, so that who comes later begins a group of its own.
            groups.end(&key, &group);
        }
        let Some(group) = group.upgrade() else { return };
        stride.0 += handful.len();
        for item in handful.drain(..) {
            if let Item::Payload(_, position) = &item {
                group.sent.store(*position, Ordering::Release);
            }
            let last = item.is_last();
            group.hand_out(item);
            if last {
                return;
            }
        }
        if stride.0 >= STRIDE {
            if stride.1.elapsed() < BURST {
                let end = Instant::now() + PATIENCE;
                while group.items.len() > CHANNEL - STRIDE && Instant::now() < end {
                    sleep(Duration::from_millis(1)).await;
                }
                yield_now().await;
            }
            stride = (0, Instant::now());
        }
    }
}
