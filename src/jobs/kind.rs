//! The kinds of work, known by name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::JobContext;
use crate::app::App;
use crate::error::Error;

/// How a run ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobOutcome {
    /// All is done.
    Finished,
    /// It stopped between two batches because [`JobContext::is_cancelled`] said so.
    Stopped,
    /// Somebody outside is not to be asked before so much time has passed. It gives its place back, and goes on from its checkpoint
    /// then, in whichever process; that counts as no attempt.
    Later(Duration),
}

/// A kind of background work.
#[async_trait]
pub trait JobKind: Send + Sync + 'static {
    /// Its name, e.g. `leads.import`; never changed.
    fn kind(&self) -> &'static str;

    /// Whether it mostly waits for somebody outside. Such jobs take no place among those that run at a time, so that one that
    /// waits long delays none.
    fn waits_for_others(&self) -> bool {
        false
    }

    /// Does the work from the job's checkpoint on. Between two batches it asks [`JobContext::is_cancelled`]; each batch
    /// commits with [`JobContext::progress`].
    ///
    /// # Errors
    /// The job ends as failed with the error's message ([`Error::Internal`]: with a general one, the details are
    /// logged). [`Error::Unavailable`] is tried again, from the checkpoint, a few times.
    async fn run(&self, app: &App, job: &JobContext) -> Result<JobOutcome, Error>;
}

/// Something that a worker does now and then, e.g. removing what has expired. It may run in several processes at once
/// and must bear it.
#[async_trait]
pub trait Chore: Send + Sync + 'static {
    /// What it is called in the log.
    fn name(&self) -> &'static str;

    /// How often it is done; at the worker's start for the first time.
    fn every(&self) -> Duration;

    /// Does it.
    ///
    /// # Errors
    /// Are logged; it is tried again when its time comes.
    async fn run(&self, app: &App) -> Result<(), Error>;
}

/// All kinds of work and all chores of a deployment.
#[derive(Default)]
pub struct JobRegistry {
    kinds: BTreeMap<&'static str, Arc<dyn JobKind>>,
    chores: Vec<Arc<dyn Chore>>,
}

impl JobRegistry {
    /// Adds a kind.
    ///
    /// # Panics
    /// When there is one of that name already: a fault of the assembly.
    pub fn add(&mut self, kind: impl JobKind) -> &mut Self {
        let name = kind.kind();
        let before = self.kinds.insert(name, Arc::new(kind));
        assert!(before.is_none(), "two kinds of jobs are called `{name}`");
        self
    }

    /// Adds a chore.
    pub fn add_chore(&mut self, chore: impl Chore) -> &mut Self {
        self.chores.push(Arc::new(chore));
        self
    }

    pub(super) fn kind(&self, name: &str) -> Option<&Arc<dyn JobKind>> {
        self.kinds.get(name)
    }

    pub(super) fn chores(&self) -> &[Arc<dyn Chore>] {
        &self.chores
    }
}

impl std::fmt::Debug for JobRegistry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.kinds.keys()).finish()
    }
}
