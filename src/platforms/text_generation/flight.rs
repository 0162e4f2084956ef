//! Texts that this process writes at the moment. Whoever asks for the same follows along; when nobody follows any more, and
//! nobody wants it kept, the writing stops.
//!
//! What is held of a text is the text, once, however many follow and however slowly they read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use entity::id::{ConnectionId, TextId};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Generation;
use super::model::TextProblem;
use crate::error::Problem;

/// Texts of one connection that are being written at a time, in a process; those for whom the platform has no place wait.
pub(super) const MOST_AT_ONCE: usize = 64;

/// How a text ended.
#[derive(Clone, Debug)]
pub(super) enum Ended {
    /// It is there.
    Done(Arc<Generation>),
    /// It is not, and why; the row where there is one.
    Failed(Option<Arc<Generation>>, Problem<TextProblem>),
    /// Nobody went on with it: it may be asked for again.
    Abandoned,
}

/// What there is of a text.
#[derive(Debug, Default)]
struct Written {
    text: String,
    ended: Option<Ended>,
    followers: usize,
    /// It is written to its end, whether somebody follows or not.
    stays: bool,
}

/// A text that is being written.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) id: TextId,
    connection: ConnectionId,
    /// What it answers, for who may be answered by it.
    digest: Option<String>,
    written: Mutex<Written>,
    changed: watch::Sender<()>,
    pub(super) stop: CancellationToken,
}

impl Flight {
    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more follows; `None` when the writing was stopped already.
    fn follow(self: &Arc<Self>, stays: bool) -> Option<Follower> {
        let mut written = self.written();
        if self.stop.is_cancelled() {
            return None;
        }
        written.followers += 1;
        written.stays |= stays;
        drop(written);
        Some(Follower {
            changes: self.changed.subscribe(),
            flight: Arc::clone(self),
            read: 0,
        })
    }

    /// There is more of it; how much there is in all, in bytes.
    pub(super) fn push(&self, text: &str) -> usize {
        let length = {
            let mut written = self.written();
            written.text.push_str(text);
            written.text.len()
        };
        self.changed.send_replace(());
        length
    }

    /// All that there is.
    pub(super) fn text(&self) -> String {
        self.written().text.clone()
    }
}

/// Somebody who waits for a text.
#[derive(Debug)]
pub(super) struct Follower {
    flight: Arc<Flight>,
    changes: watch::Receiver<()>,
    read: usize,
}

/// What a follower hears.
#[derive(Clone, Debug)]
pub(super) enum Heard {
    /// All that came since the last time.
    More(String),
    /// That was all.
    End(Ended),
}

impl Follower {
    /// What came, once there is something.
    pub(super) async fn next(&mut self) -> Heard {
        loop {
            self.changes.borrow_and_update();
            {
                let written = self.flight.written();
                if let Some(more) = written.text.get(self.read..).filter(|more| !more.is_empty()) {
                    let more = more.to_owned();
                    self.read += more.len();
                    return Heard::More(more);
                }
                if let Some(ended) = &written.ended {
                    return Heard::End(ended.clone());
                }
            }
            // The sender lives as long as the flight, which is held here.
            if self.changes.changed().await.is_err() {
                return Heard::End(Ended::Abandoned);
            }
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let mut written = self.flight.written();
        written.followers -= 1;
        if written.followers == 0 && !written.stays {
            self.flight.stop.cancel();
        }
    }
}

/// The texts that this process writes.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<Under>);

#[derive(Debug, Default)]
struct Under {
    by_id: HashMap<TextId, Arc<Flight>>,
    by_digest: HashMap<(ConnectionId, String), Arc<Flight>>,
    counts: HashMap<ConnectionId, usize>,
}

/// A place among those who write, or who follow.
#[derive(Debug)]
pub(super) enum Seat {
    /// To write, and to follow what is written.
    Lead(Lead, Follower),
    /// To follow somebody who writes the same.
    Join(Follower),
    /// None: too many write.
    Full,
}

impl Flights {
    fn under(&self) -> MutexGuard<'_, Under> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a text. With a digest: beside whoever writes the same.
    pub(super) fn seat(
        self: &Arc<Self>,
        id: TextId,
        connection: ConnectionId,
        digest: Option<String>,
        stays: bool,
    ) -> Seat {
        let mut under = self.under();
        let key = digest.clone().map(|digest| (connection, digest));
        if let Some(key) = &key
            && let Some(follower) = under.by_digest.get(key).and_then(|flight| flight.follow(stays))
        {
            return Seat::Join(follower);
        }
        let count = under.counts.entry(connection).or_default();
        if *count >= MOST_AT_ONCE {
            return Seat::Full;
        }
        *count += 1;
        let flight = Arc::new(Flight {
            id,
            connection,
            digest,
            written: Mutex::default(),
            changed: watch::Sender::new(()),
            stop: CancellationToken::new(),
        });
        under.by_id.insert(id, Arc::clone(&flight));
        if let Some(key) = key {
            // In place of one that was stopped, perhaps.
            under.by_digest.insert(key, Arc::clone(&flight));
        }
        drop(under);
        let lead = Lead {
            flights: Arc::clone(self),
            flight: Arc::clone(&flight),
            is_over: false,
        };
        match flight.follow(stays) {
            Some(follower) => Seat::Lead(lead, follower),
            None => Seat::Full,
        }
    }

    /// Follows a text by its id, where this process writes it.
    pub(super) fn follow(&self, id: TextId, stays: bool) -> Option<Follower> {
        let flight = self.under().by_id.get(&id).map(Arc::clone)?;
        flight.follow(stays)
    }

    fn remove(&self, flight: &Arc<Flight>) {
        let mut under = self.under();
        under.by_id.remove(&flight.id);
        if let Some(digest) = &flight.digest {
            let key = (flight.connection, digest.clone());
            if under
                .by_digest
                .get(&key)
                .is_some_and(|now| Arc::ptr_eq(now, flight))
            {
                under.by_digest.remove(&key);
            }
        }
        if let Some(count) = under.counts.get_mut(&flight.connection) {
            *count -= 1;
            if *count == 0 {
                under.counts.remove(&flight.connection);
            }
        }
    }
}

/// Whoever writes a text. Dropped before its end it leaves the text to others.
#[derive(Debug)]
pub(super) struct Lead {
    flights: Arc<Flights>,
    pub(super) flight: Arc<Flight>,
    is_over: bool,
}

impl Lead {
    /// The text has ended.
    pub(super) fn end(mut self, ended: Ended) {
        self.close(ended);
    }

    fn close(&mut self, ended: Ended) {
        if self.is_over {
            return;
        }
        self.is_over = true;
        self.flights.remove(&self.flight);
        self.flight.written().ended = Some(ended);
        self.flight.changed.send_replace(());
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.close(Ended::Abandoned);
    }
}

#[cfg(test)]
mod tests {
    use entity::Timestamp;

    use super::*;

    fn lead(flights: &Arc<Flights>, digest: Option<&str>, stays: bool) -> (Lead, Follower) {
        let connection = ConnectionId(uuid::Uuid::nil());
        match flights.seat(
            TextId::at(Timestamp(1)),
            connection,
            digest.map(str::to_owned),
            stays,
        ) {
            Seat::Lead(lead, follower) => (lead, follower),
            other => panic!("{other:?}"),
        }
    }

    fn join(flights: &Arc<Flights>, digest: &str) -> Option<Follower> {
        let connection = ConnectionId(uuid::Uuid::nil());
        match flights.seat(
            TextId::at(Timestamp(1)),
            connection,
            Some(digest.to_owned()),
            false,
        ) {
            Seat::Join(follower) => Some(follower),
            _ => None,
        }
    }

    #[tokio::test]
    async fn all_who_follow_hear_all_of_it_in_as_few_pieces_as_they_like() {
        let flights = Arc::new(Flights::default());
        let (lead, mut quick) = lead(&flights, Some("d"), false);
        let mut slow = join(&flights, "d").expect("it is being written");
        let mut heard = String::new();
        for word in ["one ", "two ", "three"] {
            lead.flight.push(word);
            match quick.next().await {
                Heard::More(more) => heard.push_str(&more),
                end @ Heard::End(_) => panic!("{end:?}"),
            }
        }
        lead.end(Ended::Abandoned);
        assert_eq!(heard, "one two three");
        assert!(matches!(slow.next().await, Heard::More(all) if all == heard));
        assert!(matches!(slow.next().await, Heard::End(Ended::Abandoned)));
        assert!(matches!(quick.next().await, Heard::End(Ended::Abandoned)));
        assert!(flights.under().counts.is_empty() && flights.under().by_digest.is_empty());
    }

    #[tokio::test]
    async fn the_last_who_goes_stops_it_unless_it_stays() {
        let flights = Arc::new(Flights::default());
        let (writing, first) = lead(&flights, Some("d"), false);
        let second = join(&flights, "d").expect("it is being written");
        drop(first);
        assert!(!writing.flight.stop.is_cancelled());
        drop(second);
        assert!(writing.flight.stop.is_cancelled());
        // Whoever comes now begins anew, and the old one's end does not take the new one's place away.
        let (again, _follower) = lead(&flights, Some("d"), true);
        drop(writing);
        drop(_follower);
        assert!(!again.flight.stop.is_cancelled());
        assert!(join(&flights, "d").is_some());
    }

    #[tokio::test]
    async fn there_are_so_many_at_a_time_and_no_more() {
        let flights = Arc::new(Flights::default());
        let leads: Vec<_> = (0..MOST_AT_ONCE).map(|_| lead(&flights, None, true)).collect();
        let seat = flights.seat(
            TextId::at(Timestamp(1)),
            ConnectionId(uuid::Uuid::nil()),
            None,
            true,
        );
        assert!(matches!(seat, Seat::Full));
        drop(leads);
        drop(lead(&flights, None, true));
        assert!(flights.under().by_id.is_empty());
    }
}
