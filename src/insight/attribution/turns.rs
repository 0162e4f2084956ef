//! Readings of journeys themselves: few at a time, as each holds a connection for seconds, and one for all who ask for the same.

use std::future::Future;
use std::sync::Arc;

use entity::Timestamp;
use tokio::sync::Semaphore;

use crate::app::App;
use crate::error::Error;
use crate::insight::together::Together;

/// How many at a time: what else is asked keeps most of the connections.
const AT_ONCE: usize = 2;

struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

/// Reads in turn. `what` names all that the answer depends on; as of a moment that has passed it does not change any more, so who asks
/// while another one reads is told what that one is told.
///
/// # Errors
/// Those of `read`.
pub(super) async fn in_turn<T: Clone + Send + Sync + 'static>(
    app: &App,
    what: String,
    as_of: Option<Timestamp>,
    read: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let turns = Arc::clone(&app.memory::<Turns>().0);
    let read = async {
        let _turn = turns.acquire().await.map_err(Error::internal)?;
        read.await
    };
    let together = app.memory::<Together>();
    if as_of.is_some_and(|as_of| as_of < app.clock().now()) {
        together.join(what, read).await
    } else {
        together.ask(what, read).await
    }
}
