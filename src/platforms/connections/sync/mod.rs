//! Readings of platforms: asked for, by schedule, one at a time for a connection, each kind going on where the last one ended.

mod job;
mod model;
mod schedule;
mod service;

pub use entity::sync_refusal::Model as SyncRefusal;
pub use entity::sync_run::Model as Sync;

pub use self::job::SyncJob;
pub use self::schedule::SyncSchedule;
pub(super) use self::service::stop_open;
pub use self::service::{Started, SyncOrder, SyncRequest, find, last_of_each, list, refusals, start};
