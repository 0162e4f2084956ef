//! Connections that are kept for the next mail.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use lettre::transport::smtp::client::TlsParameters;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Server;
use super::session::{self, Session};
use super::settings::Encryption;
use crate::Result;
use crate::transport::too_late;

/// How long a connection is kept without work.
const IDLE: Duration = Duration::from_secs(60);
/// How many are kept in all.
const KEPT: usize = 100;
/// How many mails go over one: servers have a limit of their own.
const MAILS: u32 = 100;

/// Whose connection it is: all that makes a difference to the server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encryption: Encryption,
    pub(super) user: Option<String>,
    /// A hash of the password and of what else is long.
    pub(super) hash: String,
}

/// The connections of a process to mail servers.
#[derive(Clone, Default)]
pub(super) struct Pool(Arc<Inner>);

#[derive(Default)]
struct Inner {
    servers: Mutex<HashMap<Key, Kept>>,
    sweeper: Mutex<Option<JoinHandle<()>>>,
}

struct Kept {
    places: Arc<Semaphore>,
    tls: Option<TlsParameters>,
    idle: Vec<(Session, Instant)>,
}

/// A place among the connections to a server.
pub(super) struct Place {
    key: Key,
    tls: Option<TlsParameters>,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    pub(super) fn tls(&self) -> Option<TlsParameters> {
        self.tls.clone()
    }
}

impl Pool {
    /// Waits until there is a place; where there is a limit to that, no longer.
    pub(super) async fn enter(&self, server: &Server, patience: Option<Duration>) -> Result<Place> {
        let key = server.key();
        let (places, known) = {
            let mut servers = self.0.servers();
            let kept = servers.entry(key.clone()).or_insert_with(|| Kept {
                places: Arc::new(Semaphore::new(server.settings.connections.0)),
                tls: None,
                idle: Vec::new(),
            });
            (Arc::clone(&kept.places), kept.tls.clone())
        };
        let permit = places.acquire_owned();
        let permit = match patience {
            Some(time) => timeout(time, permit).await.map_err(|_| too_late())?,
            None => permit.await,
        };
        let permit = permit.expect("never closed");
        let tls = match (server.settings.encryption, known) {
            (Encryption::None, _) => None,
            (_, Some(tls)) => Some(tls),
            // The certificates of the system are many files.
            (_, None) => {
                let tls = session::tls(server)?;
                if let Some(kept) = self.0.servers().get_mut(&key) {
                    kept.tls = Some(tls.clone());
                }
                Some(tls)
            }
        };
        Ok(Place {
            key,
            tls,
            _permit: permit,
        })
    }

    /// A connection that was kept, the one used last.
    pub(super) fn take(&self, place: &Place) -> Option<Session> {
        self.0.sweep(Instant::now());
        let mut servers = self.0.servers();
        servers
            .get_mut(&place.key)?
            .idle
            .pop()
            .map(|(session, _)| session)
    }

    /// Keeps a connection for the next mail.
    pub(super) fn give(&self, place: &Place, session: Session) {
        if session.sent >= MAILS {
            tokio::spawn(session.quit());
            return;
        }
        {
            let mut servers = self.0.servers();
            let all: usize = servers.values().map(|kept| kept.idle.len()).sum();
            let Some(kept) = servers.get_mut(&place.key).filter(|_| all < KEPT) else {
                return;
            };
            kept.idle.push((session, Instant::now()));
        }
        let mut sweeper = self.0.sweeper.lock().unwrap_or_else(PoisonError::into_inner);
        if sweeper.as_ref().is_none_or(JoinHandle::is_finished) {
            *sweeper = Some(tokio::spawn(sweep(Arc::downgrade(&self.0))));
        }
    }

    /// Drops all connections of a server that are without work: one of them has turned out to be dead.
    pub(super) fn forget(&self, place: &Place) {
        if let Some(kept) = self.0.servers().get_mut(&place.key) {
            kept.idle.clear();
        }
    }

    #[cfg(test)]
    pub(super) fn sweep(&self, now: Instant) -> usize {
        self.0.sweep(now);
        self.0.servers().values().map(|kept| kept.idle.len()).sum()
    }
}

async fn sweep(pool: Weak<Inner>) {
    loop {
        tokio::time::sleep(IDLE / 2).await;
        let Some(pool) = pool.upgrade() else { return };
        if pool.sweep(Instant::now()) == 0 {
            return;
        }
    }
}

impl Inner {
    fn servers(&self) -> MutexGuard<'_, HashMap<Key, Kept>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says good-bye on what was kept too long; tells for how many servers something is left.
    fn sweep(&self, now: Instant) -> usize {
        let mut servers = self.servers();
        for kept in servers.values_mut() {
            let (old, young): (Vec<_>, _) = std::mem::take(&mut kept.idle)
                .into_iter()
                .partition(|(_, since)| now.saturating_duration_since(*since) >= IDLE);
            kept.idle = young;
            for (session, _) in old {
                tokio::spawn(session.quit());
            }
        }
        // Nobody is on the way there.
        servers.retain(|_, kept| !kept.idle.is_empty() || Arc::strong_count(&kept.places) > 1);
        servers.len()
    }
}
