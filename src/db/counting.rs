//! For whom statements are executed.

use std::sync::atomic::{AtomicU64, Ordering};

tokio::task_local! {
    static FOR_OPERATION: ();
}

/// Runs what polls the execution of a GraphQL operation; a future that it spawns is polled by this, too.
pub(crate) fn for_operation<T>(poll: impl FnOnce() -> T) -> T {
    FOR_OPERATION.sync_scope((), poll)
}

/// How many statements there were since the start.
#[derive(Debug, Default)]
pub(super) struct Statements {
    pub(super) all: AtomicU64,
    pub(super) of_operations: AtomicU64,
}

impl Statements {
    /// Counts one of this task's; answers the kind of work that it was for.
    pub(super) fn count(&self) -> &'static str {
        self.all.fetch_add(1, Ordering::Relaxed);
        if FOR_OPERATION.try_with(|()| ()).is_err() {
            return "other";
        }
        self.of_operations.fetch_add(1, Ordering::Relaxed);
        "graphql"
    }
}
