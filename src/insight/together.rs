//! What several ask for at once is read once for all of them: where leads are read one by one, or all models are compared.

use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as Turn;

use crate::error::Error;

/// How long a reading waits for others who ask for the same.
const GATHER: Duration = Duration::from_millis(10);

/// When the reading may have begun that answers who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::insight) enum Begun {
    /// Before they asked: the answer does not change.
    Before,
    /// After that: nobody is told of less than was there when they asked.
    After,
    /// After that, and others were waited for: of what takes long. Dashboards ask in the same moment, and one who comes just too
    /// late waits for two readings.
    Gathered,
}

/// What is being asked for, by what it is.
#[derive(Debug, Default)]
pub(in crate::insight) struct Together(Mutex<HashMap<String, Arc<Asked>>>);

#[derive(Debug, Default)]
struct Asked {
    /// How many have asked so far.
    count: AtomicU64,
    /// The last answer, and who had asked when it was begun: all up to this number.
    answer: Turn<Option<(u64, Answer)>>,
}

type Answer = Arc<dyn Any + Send + Sync>;

impl Together {
    /// What `read` answers, or another one who asks for the same. Who asks while it is read waits for the next reading, all of them
    /// for the same one, unless one that has begun will do. An error is told to whom it happens; the next one tries again.
    ///
    /// # Errors
    /// Those of `read`.
    pub(in crate::insight) async fn ask<T: Clone + Send + Sync + 'static>(
        &self,
        what: String,
        begun: Begun,
        read: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let place = self.place(what);
        let number = place.asked.count.fetch_add(1, Ordering::SeqCst) + 1;
        let mut answer = place.asked.answer.lock().await;
        if let Some((up_to, known)) = &*answer
            && (*up_to >= number || begun == Begun::Before)
            && let Some(known) = known.downcast_ref::<T>()
        {
            return Ok(known.clone());
        }
        if begun == Begun::Gathered {
            tokio::time::sleep(GATHER).await;
        }
        let up_to = place.asked.count.load(Ordering::SeqCst);
        let read = read.await?;
        *answer = Some((up_to, Arc::new(read.clone())));
        Ok(read)
    }

    fn place(&self, what: String) -> Place<'_> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = Arc::clone(all.entry(what.clone()).or_default());
        Place {
            all: self,
            what,
            asked,
        }
    }
}

/// Somebody who waits, or reads; the last one to go forgets the answer, also where their request was given up.
struct Place<'a> {
    all: &'a Together,
    what: String,
    asked: Arc<Asked>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut all = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        // This one and the one in the map.
        if Arc::strong_count(&self.asked) <= 2 {
            all.remove(&self.what);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tokio::sync::Semaphore;

    use super::*;

    /// Reads that wait until they are let go, and answer which one they are.
    #[derive(Default)]
    struct Reads {
        begun: AtomicUsize,
        may_end: Option<Arc<Semaphore>>,
    }

    impl Reads {
        async fn read(&self) -> Result<usize, Error> {
            let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
            if let Some(gate) = &self.may_end {
                gate.acquire().await.expect("it stays open").forget();
            }
            Ok(number)
        }
    }

    fn gated() -> (Arc<Together>, Arc<Reads>, Arc<Semaphore>) {
        let gate = Arc::new(Semaphore::new(0));
        let reads = Reads {
            may_end: Some(Arc::clone(&gate)),
            ..Reads::default()
        };
        (Arc::default(), Arc::new(reads), gate)
    }

    fn ask(
        together: &Arc<Together>,
        reads: &Arc<Reads>,
        what: &str,
    ) -> tokio::task::JoinHandle<Result<usize, Error>> {
        let (together, reads, what) = (Arc::clone(together), Arc::clone(reads), what.to_owned());
        tokio::spawn(async move { together.ask(what, Begun::Gathered, reads.read()).await })
    }

    /// Lets all that can go on go on.
    async fn settle() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    /// Until so many readings have begun.
    async fn begun(reads: &Reads, count: usize) {
        while reads.begun.load(Ordering::SeqCst) < count {
            tokio::task::yield_now().await;
        }
        settle().await;
    }

    #[tokio::test]
    async fn who_asks_in_the_same_moment_is_answered_by_one_reading() {
        let (together, reads) = (Arc::default(), Arc::new(Reads::default()));
        let all: Vec<_> = (0..16).map(|_| ask(&together, &reads, "funnel")).collect();
        for asked in all {
            assert_eq!(asked.await.unwrap().unwrap(), 1);
        }
        assert!(together.0.lock().unwrap().is_empty(), "nothing is kept");
    }

    #[tokio::test]
    async fn who_asks_while_it_is_read_is_answered_by_the_next_reading() {
        let (together, reads, gate) = gated();
        let first = ask(&together, &reads, "funnel");
        begun(&reads, 1).await;
        let others: Vec<_> = (0..15).map(|_| ask(&together, &reads, "funnel")).collect();
        let else_asked = ask(&together, &reads, "cohorts");
        begun(&reads, 2).await;
        assert_eq!(
            reads.begun.load(Ordering::SeqCst),
            2,
            "those who came later wait for an answer that is begun after they came"
        );
        gate.add_permits(3);
        assert_eq!(first.await.unwrap().unwrap(), 1);
        assert_eq!(else_asked.await.unwrap().unwrap(), 2);
        for other in others {
            assert_eq!(other.await.unwrap().unwrap(), 3);
        }
        assert!(together.0.lock().unwrap().is_empty(), "nothing is kept");
        gate.add_permits(1);
        assert_eq!(ask(&together, &reads, "funnel").await.unwrap().unwrap(), 4);
    }

    #[tokio::test]
    async fn what_does_not_change_is_read_once() {
        let (together, reads, gate) = gated();
        let join = || {
            let (together, reads) = (Arc::clone(&together), Arc::clone(&reads));
            tokio::spawn(async move { together.ask("then".to_owned(), Begun::Before, reads.read()).await })
        };
        let first = join();
        settle().await;
        let second = join();
        settle().await;
        gate.add_permits(1);
        assert_eq!(first.await.unwrap().unwrap(), 1);
        assert_eq!(
            second.await.unwrap().unwrap(),
            1,
            "what the first one reads is as good"
        );
        assert!(together.0.lock().unwrap().is_empty(), "nothing is kept");
    }

    #[tokio::test]
    async fn who_gives_up_leaves_the_rest_to_others() {
        let (together, reads, gate) = gated();
        let first = ask(&together, &reads, "funnel");
        begun(&reads, 1).await;
        let second = ask(&together, &reads, "funnel");
        settle().await;
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        gate.add_permits(1);
        assert_eq!(second.await.unwrap().unwrap(), 2);
        assert!(together.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_error_is_told_to_whom_it_happens() {
        let together = Together::default();
        let fails = async { Err::<usize, _>(Error::BadInput("no".to_owned())) };
        let reads = Reads::default();
        let (failed, read) = tokio::join!(
            together.ask("funnel".to_owned(), Begun::After, fails),
            together.ask("funnel".to_owned(), Begun::After, reads.read())
        );
        assert!(failed.is_err());
        assert_eq!(read.unwrap(), 1);
    }
}
