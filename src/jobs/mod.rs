//! Background work that outlives its request.
//!
//! The row of table `job` is the truth: what to do, how far it has come, how it ended. [apalis](https://docs.rs/apalis)
//! only wakes a worker for it: the payload of its task is the job's id, so that losing the queue loses nothing (the
//! worker's [sweep](Worker) wakes what was forgotten and takes up what a dead process left).
//!
//! A room [enqueues](enqueue) a job in its own transaction and [wakes](wake) a worker after the commit. The work itself
//! is a [`JobKind`] in the [`JobRegistry`], which the assembly fills. Each run holds the job by a claim; progress is
//! committed together with the work's own writes and only by the run that holds the claim, so that a batch counts
//! once even when a process was taken for dead and comes back.

mod context;
pub mod graphql;
mod hub;
mod kind;
mod queue;
mod runner;
mod service;
mod store;
#[cfg(test)]
mod tests;
mod worker;

pub use context::{Counts, JobContext};
pub use entity::job::Model as Job;
pub use hub::Hub;
pub use kind::{Chore, JobKind, JobOutcome, JobRegistry};
pub use service::{
    JobFilter, JobProblem, cancel, cancel_within, enqueue, enqueue_unless_queued, find, get_many, interrupt,
    kind_of, list, queued_before, wake,
};
pub use worker::Worker;
