//! When loaders fetch.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_graphql::dataloader::{DataLoader, NoCache};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, Stream};
use pin_project_lite::pin_project;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::db;

/// From so many requests at once the server is busy, and fetches of one loader begin at most once in [`PACE`]: what is asked
/// for meanwhile is one statement. A server at rest fetches at once.
const BUSY: usize = 8;
const PACE: Duration = Duration::from_millis(2);

/// Queries and mutations that run.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Fetches that the request which runs on this thread has asked for.
    static ASKED: RefCell<Option<Vec<BoxFuture<'static, ()>>>> = const { RefCell::new(None) };
}

/// A loader for all requests together. It fetches when the request that asks first has asked for all it can
/// ([`Gathering`]), and takes what others have asked for until then.
pub(super) fn batched<T>(loader: T) -> DataLoader<T, NoCache> {
    let turn = Arc::new(Mutex::new(Instant::now()));
    let spawner = move |fetch: BoxFuture<'static, ()>| {
        let turn = Arc::clone(&turn);
        let fetch = async move {
            let mut due = turn.lock().await;
            if RUNNING.load(Ordering::Relaxed) >= BUSY {
                sleep_until(*due).await;
            }
            *due = Instant::now() + PACE;
            drop(due);
            fetch.await;
        }
        .boxed();
        ASKED.with_borrow_mut(|asked| match asked {
            Some(asked) => asked.push(fetch),
            None => drop(tokio::spawn(fetch)),
        });
    };
    DataLoader::new(loader, spawner).delay(Duration::ZERO)
}

/// One of the requests that run, while it lives.
pub(super) struct Counted(());

impl Counted {
    pub(super) fn new() -> Self {
        RUNNING.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::Relaxed);
    }
}

pin_project! {
    /// The execution of a request: what it asks of loaders is fetched when it has nothing more to do but wait, and
    /// so at once for all leads of a list.
    pub(super) struct Gathering<E> {
        #[pin]
        execution: E,
    }
}

impl<E> Gathering<E> {
    pub(super) const fn new(execution: E) -> Self {
        Self { execution }
    }
}

impl<E: Future> Future for Gathering<E> {
    type Output = E::Output;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<E::Output> {
        let _asked = Asked::begin();
        db::for_operation(|| self.project().execution.poll(task))
    }
}

impl<E: Stream> Stream for Gathering<E> {
    type Item = E::Item;

    fn poll_next(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<E::Item>> {
        let _asked = Asked::begin();
        db::for_operation(|| self.project().execution.poll_next(task))
    }
}

/// While it lives, fetches wait. (They begin with its end, that of a panic too.)
struct Asked {
    outer: Option<Vec<BoxFuture<'static, ()>>>,
}

impl Asked {
    fn begin() -> Self {
        Self {
            outer: ASKED.replace(Some(Vec::new())),
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        for fetch in ASKED.replace(self.outer.take()).into_iter().flatten() {
            // Its statements are the operation's.
            tokio::spawn(Gathering::new(fetch));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::convert::Infallible;

    use async_graphql::dataloader::Loader;
    use futures_util::future::join_all;

    use super::*;

    /// Notes how many keys each fetch was for, and takes as long as a statement.
    #[derive(Clone, Default)]
    struct Noting(Arc<std::sync::Mutex<Vec<usize>>>);

    impl Loader<u32> for Noting {
        type Value = u32;
        type Error = Infallible;

        async fn load(&self, keys: &[u32]) -> Result<HashMap<u32, u32>, Infallible> {
            self.0.lock().unwrap().push(keys.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(keys.iter().map(|key| (*key, key * 2)).collect())
        }
    }

    /// Asks for a key at a time, as the leads of a list do.
    async fn request(loader: &DataLoader<Noting, NoCache>, keys: std::ops::Range<u32>) {
        let _counted = Counted::new();
        let found = Gathering::new(join_all(keys.clone().map(|key| loader.load_one(key)))).await;
        let found: Vec<_> = found.into_iter().map(|found| found.unwrap().unwrap()).collect();
        assert_eq!(found, keys.map(|key| key * 2).collect::<Vec<_>>());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn what_a_request_asks_for_is_one_fetch() {
        for _ in 0..50 {
            let noting = Noting::default();
            let loader = batched(noting.clone());
            request(&loader, 0..400).await;
            assert_eq!(*noting.0.lock().unwrap(), [400]);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn what_many_ask_for_at_once_is_few_fetches() {
        let noting = Noting::default();
        let loader = Arc::new(batched(noting.clone()));
        let requests = (0..100).map(|n| {
            let loader = Arc::clone(&loader);
            tokio::spawn(async move { request(&loader, n * 3..n * 3 + 3).await })
        });
        for request in join_all(requests).await {
            request.unwrap();
        }
        let counts = noting.0.lock().unwrap();
        assert_eq!(counts.iter().sum::<usize>(), 300);
        assert!(counts.len() < 30, "{counts:?}");
    }

    #[tokio::test]
    async fn a_request_that_panics_leaves_none_waiting() {
        let loader = Arc::new(batched(Noting::default()));
        let first = {
            let loader = Arc::clone(&loader);
            async move {
                let mut asked = Box::pin(loader.load_one(1));
                assert!(futures_util::poll!(&mut asked).is_pending());
                panic!("as a resolver may");
            }
        };
        let first: tokio::task::JoinHandle<()> = tokio::spawn(Gathering::new(first));
        assert!(first.await.unwrap_err().is_panic());
        request(&loader, 1..2).await;
        assert_eq!(loader.load_one(7).await, Ok(Some(14)));
    }
}
