//! Readings of journeys themselves: few at a time, as each may hold a connection for seconds, and one for all who ask for the same.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::app::App;
use crate::error::Error;
use crate::insight::together::{Begun, Together};

/// How many at a time: what else is asked keeps most of the connections.
const AT_ONCE: usize = 2;

struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

/// Reads in turn. `what` names all that the answer depends on; where that is settled, as of a moment that has passed, who asks while
/// another one reads is told what that one is told.
///
/// # Errors
/// Those of `read`.
pub(super) async fn in_turn<T: Clone + Send + Sync + 'static>(
    app: &App,
    what: String,
    is_settled: bool,
    read: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let turns = Arc::clone(&app.memory::<Turns>().0);
    let read = async {
        let _turn = turns.acquire().await.map_err(Error::internal)?;
        read.await
    };
    let begun = if is_settled {
        Begun::Before
    } else {
        Begun::Gathered
    };
    app.memory::<Together>().ask(what, begun, read).await
}
