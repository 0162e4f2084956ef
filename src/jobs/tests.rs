use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use entity::id::JobId;
use entity::{EventKind, JobState, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::runner::{MAX_ATTEMPTS, Runner};
use super::worker::sweep;
use super::{
    Counts, Job, JobContext, JobKind, JobOutcome, JobProblem, JobRegistry, Worker, cancel, enqueue, store,
    wake,
};
use crate::app::App;
use crate::clock::Clock;
use crate::db::{Db, DbOptions};
use crate::error::{Error, Failure};
use crate::events;
use crate::identity::Caller;

const START: Timestamp = Timestamp::from_micros(1_780_000_000_000_000);

/// Counts to its total in batches of ten; each batch waits for a permit of the gate.
struct Counting {
    gate: Arc<Semaphore>,
    runs: Arc<AtomicUsize>,
}

#[async_trait]
impl JobKind for Counting {
    fn kind(&self) -> &'static str {
        "test.count"
    }

    async fn run(&self, app: &App, job: &JobContext) -> Result<JobOutcome, Error> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        let total = job.job().total.expect("given");
        let mut at: i64 = job.checkpoint()?.unwrap_or(0);
        while at < total {
            tokio::select! {
                permit = self.gate.acquire() => permit.expect("never closed").forget(),
                () = job.stopped() => {}
            }
            if job.is_cancelled().await {
                return Ok(JobOutcome::Stopped);
            }
            at += 10;
            let tx = app.db().begin().await?;
            let counts = Counts::from([("created".to_owned(), at)]);
            job.progress(&tx, at, None, &counts, &at).await?;
            tx.commit().await?;
        }
        Ok(JobOutcome::Finished)
    }
}

struct Failing;

#[async_trait]
impl JobKind for Failing {
    fn kind(&self) -> &'static str {
        "test.fail"
    }

    async fn run(&self, _: &App, job: &JobContext) -> Result<JobOutcome, Error> {
        match job.input::<String>()?.as_str() {
            "panic" => panic!("the secret is 42"),
            "internal" => Err(Error::internal(anyhow::anyhow!("the secret is 42"))),
            message => Err(Error::BadInput(message.to_owned())),
        }
    }
}

/// Waits for somebody outside: at first they say when to come again.
struct Patient {
    gate: Arc<Semaphore>,
    runs: Arc<AtomicUsize>,
}

#[async_trait]
impl JobKind for Patient {
    fn kind(&self) -> &'static str {
        "test.wait"
    }

    fn waits_for_others(&self) -> bool {
        true
    }

    async fn run(&self, app: &App, job: &JobContext) -> Result<JobOutcome, Error> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        if job.checkpoint::<bool>()?.is_some() {
            self.gate.acquire().await.expect("never closed").forget();
            return Ok(JobOutcome::Finished);
        }
        let tx = app.db().begin().await?;
        job.progress(&tx, 1, None, &Counts::new(), &true).await?;
        tx.commit().await?;
        Ok(JobOutcome::Later(Duration::from_millis(599_500)))
    }
}

struct House {
    _dir: TempDir,
    app: App,
    clock: Clock,
    gate: Arc<Semaphore>,
    runs: Arc<AtomicUsize>,
}

impl House {
    async fn build() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite:{}", dir.path().join("test.db").display());
        let db = Db::open(&DbOptions::new(url)).await.expect("opens");
        db.migrate().await.expect("migrates");
        let clock = Clock::fixed(START);
        Self {
            _dir: dir,
            app: App::new(db, clock.clone()),
            clock,
            gate: Arc::new(Semaphore::new(0)),
            runs: Arc::default(),
        }
    }

    fn registry(&self) -> Arc<JobRegistry> {
        let mut registry = JobRegistry::default();
        registry.add(Counting {
            gate: Arc::clone(&self.gate),
            runs: Arc::clone(&self.runs),
        });
        registry.add(Patient {
            gate: Arc::clone(&self.gate),
            runs: Arc::clone(&self.runs),
        });
        registry.add(Failing);
        Arc::new(registry)
    }

    fn worker(&self) -> (CancellationToken, JoinHandle<()>) {
        let stop = CancellationToken::new();
        let worker = Worker::new(self.app.clone(), self.registry());
        let task = tokio::spawn(worker.run(stop.clone(), Duration::from_secs(10)));
        (stop, task)
    }

    fn runner(&self) -> Arc<Runner> {
        Arc::new(Runner {
            app: self.app.clone(),
            registry: self.registry(),
            stop: CancellationToken::new(),
            force: CancellationToken::new(),
            tasks: TaskTracker::new(),
            waiting: tokio::sync::Semaphore::new(4),
            woken: std::sync::Mutex::default(),
        })
    }

    async fn enqueue(&self, kind: &str, input: &Value, total: Option<i64>) -> JobId {
        let now = self.clock.now();
        let tx = self.app.db().begin().await.expect("begins");
        let job = enqueue(&tx, &Caller::operator(), now, kind, input, total)
            .await
            .expect("queued");
        tx.commit().await.expect("commits");
        job.id
    }

    async fn job(&self, id: JobId) -> Job {
        store::find(self.app.db().read(), id)
            .await
            .expect("reads")
            .expect("is there")
    }

    /// Waits, by the events that commits bring, until the job is as wanted.
    async fn until(&self, id: JobId, wanted: impl Fn(&Job) -> bool) -> Job {
        let mut commits = self.app.db().commits_with_events();
        let waiting = async {
            loop {
                commits.mark_unchanged();
                let job = self.job(id).await;
                if wanted(&job) {
                    return job;
                }
                commits.changed().await.expect("the database is open");
            }
        };
        match tokio::time::timeout(Duration::from_secs(30), waiting).await {
            Ok(job) => job,
            Err(_) => panic!("the job never got there: {:?}", self.job(id).await),
        }
    }

    /// The payloads of the job's events.
    async fn told(&self, id: JobId) -> Vec<Value> {
        // On PostgreSQL events get their positions after the commit.
        events::relay(self.app.db()).await.expect("relays");
        let kinds = [EventKind::JobProgressed];
        events::page(self.app.db().read(), 0, None, &kinds, None, 1_000)
            .await
            .expect("reads")
            .into_iter()
            .filter(|event| event.subject == id.to_string())
            .map(|event| serde_json::from_str(&event.payload).expect("JSON"))
            .collect()
    }

    /// As if a process had begun the job, come to 10 and been killed.
    async fn die_at_ten(&self, id: JobId) -> Uuid {
        let claim = Uuid::from_u128(7);
        let tx = self.app.db().begin().await.expect("begins");
        assert!(
            store::claim(&tx, id, claim, self.clock.now())
                .await
                .expect("claims")
        );
        let progress = store::Progress {
            done: 10,
            total: Some(30),
            counts: json!({"created": 10}).to_string(),
            checkpoint: "10".to_owned(),
        };
        assert!(
            store::progress(&tx, id, claim, self.clock.now(), &progress)
                .await
                .expect("writes")
        );
        tx.commit().await.expect("commits");
        claim
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_to_its_end_and_tells_of_it_in_order() {
    let house = House::build().await;
    let (stop, worker) = house.worker();
    let id = house.enqueue("test.count", &json!({}), Some(40)).await;
    house.gate.add_permits(4);
    wake(&house.app, id).await;
    let job = house.until(id, |job| job.state == JobState::Succeeded).await;
    assert_eq!(
        (job.done, job.total, job.attempts, job.counts.as_str()),
        (40, Some(40), 1, r#"{"created":40}"#)
    );
    assert_eq!((job.started_at, job.ended_at), (Some(START), Some(START)));
    let told = house.told(id).await;
    let done: Vec<i64> = told
        .iter()
        .map(|event| event["done"].as_i64().expect("a number"))
        .collect();
    assert!(done.is_sorted(), "{done:?}");
    assert_eq!((done.first(), done.last()), (Some(&0), Some(&40)));
    assert_eq!(told[0]["state"], "QUEUED");
    assert_eq!(told[1]["state"], "RUNNING");
    assert_eq!(told.last().expect("some")["state"], "SUCCEEDED");
    stop.cancel();
    worker.await.expect("the worker ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_stops_a_running_job_between_two_batches() {
    let house = House::build().await;
    let (stop, worker) = house.worker();
    let id = house.enqueue("test.count", &json!({}), Some(1_000)).await;
    house.gate.add_permits(1);
    wake(&house.app, id).await;
    house.until(id, |job| job.done == 10).await;
    let caller = Caller::operator();
    let asked = cancel(&house.app, &caller, id).await.expect("runs");
    assert_eq!(
        (asked.state, asked.cancel_requested_at),
        (JobState::Running, Some(START))
    );
    let job = house.until(id, |job| job.state == JobState::Cancelled).await;
    assert_eq!(
        (job.done, job.counts.as_str(), job.ended_at),
        (10, r#"{"created":10}"#, Some(START))
    );
    let again = cancel(&house.app, &caller, id)
        .await
        .expect("asking again changes nothing");
    assert_eq!(again, job);
    stop.cancel();
    worker.await.expect("the worker ends");
}

#[tokio::test]
async fn cancelling_a_waiting_job_ends_it_at_once_and_it_never_runs() {
    let house = House::build().await;
    let id = house.enqueue("test.count", &json!({}), Some(10)).await;
    let job = cancel(&house.app, &Caller::operator(), id).await.expect("waits");
    assert_eq!((job.state, job.ended_at), (JobState::Cancelled, Some(START)));
    house.runner().take(id).await;
    assert_eq!(house.runs.load(Ordering::SeqCst), 0);
    assert_eq!(house.job(id).await.state, JobState::Cancelled);
}

#[tokio::test]
async fn what_has_ended_or_is_not_there_cannot_be_cancelled() {
    let house = House::build().await;
    let id = house.enqueue("test.count", &json!({}), Some(0)).await;
    house.runner().take(id).await;
    for (id, code) in [
        (id, JobProblem::AlreadyEnded),
        (JobId(Uuid::nil()), JobProblem::NotFound),
    ] {
        match cancel(&house.app, &Caller::operator(), id).await {
            Err(Failure::Problems(problems)) => assert_eq!(problems[0].code, code),
            other => panic!("expected a problem, got {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_a_killed_process_goes_on_from_its_checkpoint() {
    let house = House::build().await;
    let id = house.enqueue("test.count", &json!({}), Some(30)).await;
    let dead = house.die_at_ten(id).await;
    // 30 s without a sign of life are borne.
    house.clock.set(START.plus_seconds(30));
    sweep(&house.app).await.expect("sweeps");
    assert_eq!(house.job(id).await.state, JobState::Running);
    house.clock.set(START.plus_seconds(31));
    let (stop, worker) = house.worker();
    house.gate.add_permits(2);
    let job = house.until(id, |job| job.state == JobState::Succeeded).await;
    assert_eq!((job.done, job.attempts), (30, 2));
    // 20 of 30 were left: two batches, not three.
    assert_eq!(house.gate.available_permits(), 0);
    // The process that was taken for dead can write nothing any more.
    let job = Job {
        state: JobState::Running,
        ..job
    };
    let ghost = JobContext::new(house.app.clone(), job, dead, CancellationToken::new());
    let tx = house.app.db().begin().await.expect("begins");
    let refused = ghost.progress(&tx, 20, None, &BTreeMap::new(), &20).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    assert!(ghost.is_cancelled().await);
    tx.rollback().await.expect("rolls back");
    stop.cancel();
    worker.await.expect("the worker ends");
}

#[tokio::test]
async fn a_job_whose_processes_keep_dying_fails() {
    let house = House::build().await;
    let id = house.enqueue("test.count", &json!({}), Some(30)).await;
    let mut now = START;
    for _ in 0..MAX_ATTEMPTS {
        assert_eq!(house.job(id).await.state, JobState::Queued);
        house.die_at_ten(id).await;
        now = now.plus_seconds(31);
        house.clock.set(now);
        sweep(&house.app).await.expect("sweeps");
    }
    let job = house.job(id).await;
    assert_eq!(job.state, JobState::Failed);
    assert_eq!(
        job.error.as_deref(),
        Some("the job was begun 5 times and each time its process died")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_that_are_woken_for_one_job_run_it_once() {
    let house = House::build().await;
    let id = house.enqueue("test.count", &json!({}), Some(10)).await;
    house.gate.add_permits(8);
    let (one, two) = (house.runner(), house.runner());
    tokio::join!(one.take(id), two.take(id), one.take(id), two.take(id));
    assert_eq!(house.runs.load(Ordering::SeqCst), 1);
    let job = house.job(id).await;
    assert_eq!((job.state, job.attempts), (JobState::Succeeded, 1));
}

#[tokio::test]
async fn a_panic_fails_the_job_without_telling_its_message() {
    let house = House::build().await;
    for (input, shown) in [
        ("panic", "the job broke off by a fault of the program"),
        (
            "internal",
            "internal error; the server's log tells more about job_",
        ),
        ("the file has no header", "the file has no header"),
    ] {
        let id = house.enqueue("test.fail", &json!(input), None).await;
        house.runner().take(id).await;
        let job = house.job(id).await;
        let error = job.error.expect("said why");
        assert_eq!((job.state, job.ended_at), (JobState::Failed, Some(START)));
        assert!(error.starts_with(shown), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_shutdown_a_running_job_goes_back_to_the_queue_and_on_in_the_next_process() {
    let house = House::build().await;
    let (stop, worker) = house.worker();
    let id = house.enqueue("test.count", &json!({}), Some(30)).await;
    house.gate.add_permits(1);
    wake(&house.app, id).await;
    house.until(id, |job| job.done == 10).await;
    stop.cancel();
    worker.await.expect("the worker ends");
    let job = house.job(id).await;
    assert_eq!(
        (job.state, job.done, job.attempts, job.claim),
        (JobState::Queued, 10, 0, None)
    );
    let (stop, worker) = house.worker();
    house.gate.add_permits(2);
    let job = house.until(id, |job| job.state == JobState::Succeeded).await;
    assert_eq!((job.done, job.attempts, job.started_at), (30, 1, Some(START)));
    stop.cancel();
    worker.await.expect("the worker ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_wake_up_got_lost_is_found() {
    let house = House::build().await;
    let id = house.enqueue("test.count", &json!({}), Some(10)).await;
    house.gate.add_permits(1);
    let (stop, worker) = house.worker();
    // Nobody calls `wake`; the sweep does when its time has come.
    house.clock.set(START.plus_seconds(11));
    let job = house.until(id, |job| job.state == JobState::Succeeded).await;
    assert_eq!(job.started_at, Some(START.plus_seconds(11)));
    stop.cancel();
    worker.await.expect("the worker ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_at_once_set_up_one_queue() {
    let house = House::build().await;
    let opened = futures_util::future::join_all((0..4).map(|_| {
        let db = house.app.db().clone();
        tokio::spawn(async move { super::queue::Queue::open(&db).await.map(drop) })
    }))
    .await;
    for result in opened {
        assert!(matches!(result, Ok(Ok(()))), "{result:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_to_come_again_later_gives_its_place_back_and_goes_on_then() {
    let house = House::build().await;
    let runner = house.runner();
    // More than there are places.
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(house.enqueue("test.wait", &json!({}), Some(1)).await);
    }
    for id in &ids {
        runner.take(*id).await;
    }
    for id in &ids {
        let job = house
            .until(*id, |job| job.state == JobState::Queued && job.done == 1)
            .await;
        assert_eq!(
            (job.attempts, job.wake_at, job.claim),
            (0, START.plus_seconds(600), None)
        );
    }
    runner.tasks.close();
    runner.tasks.wait().await;
    assert_eq!(runner.waiting.available_permits(), 4);
    // One that waits is cancelled at once; the others are woken when their time has come, and not before.
    cancel(&house.app, &Caller::operator(), ids[0])
        .await
        .expect("waits");
    assert_eq!(house.job(ids[0]).await.state, JobState::Cancelled);
    house.clock.set(START.plus_seconds(599));
    let (stop, worker) = house.worker();
    sweep(&house.app).await.expect("sweeps");
    assert_eq!(house.runs.load(Ordering::SeqCst), 6);
    house.gate.add_permits(5);
    house.clock.set(START.plus_seconds(600));
    for id in &ids[1..] {
        let job = house.until(*id, |job| job.state == JobState::Succeeded).await;
        assert_eq!(job.attempts, 1);
    }
    assert_eq!(house.runs.load(Ordering::SeqCst), 11);
    stop.cancel();
    worker.await.expect("the worker ends");
}
