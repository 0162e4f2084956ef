//! Texts that this process writes at the moment. Whoever asks for the same follows along. When all who followed have said that
//! they want no more of it the writing stops; who went without a word may come back, so that it goes on.
//!
//! What is held of a text is the text, once, however many follow and however slowly they read.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use entity::id::{ConnectionId, TextId};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Generation;
use super::model::{TextCursor, TextProblem, behind};
use crate::error::Problem;

/// Texts of one connection that are being written at a time, in a process; those for whom the platform has no place wait.
pub(super) const MOST_AT_ONCE: usize = 64;
/// Those of them that one caller may have: the others find a place, however much one asks for.
pub(super) const MOST_OF_ONE: usize = 48;

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
    /// Who follows, and how often.
    followers: HashMap<String, usize>,
    /// Those who went without a word and did not come back.
    away: HashSet<String>,
    /// It is written to its end, whether somebody follows or not.
    stays: bool,
}

/// A text that is being written.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) id: TextId,
    connection: ConnectionId,
    /// Who asked for it first.
    caller: String,
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

    /// One more follows behind what they have read; `None` when the writing was stopped already.
    fn follow(self: &Arc<Self>, caller: &str, read: usize, stays: bool) -> Option<Follower> {
        let mut written = self.written();
        if self.stop.is_cancelled() {
            return None;
        }
        *written.followers.entry(caller.to_owned()).or_default() += 1;
        written.away.remove(caller);
        written.stays |= stays;
        drop(written);
        Some(Follower {
            changes: self.changed.subscribe(),
            flight: Arc::clone(self),
            caller: caller.to_owned(),
            read,
            is_unwanted: false,
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
    caller: String,
    read: usize,
    is_unwanted: bool,
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
    /// Which text, and how much of it was heard.
    pub(super) fn place(&self) -> TextCursor {
        TextCursor {
            id: self.flight.id,
            read: self.read,
        }
    }

    /// Whether so much of the text was there to be heard.
    pub(super) fn is_within(&self) -> bool {
        behind(&self.flight.written().text, self.read).is_some()
    }

    /// Says that no more of it is wanted: whoever goes without that may come back.
    pub(super) fn forgo(&mut self) {
        self.is_unwanted = true;
    }

    /// What came, once there is something.
    pub(super) async fn next(&mut self) -> Heard {
        loop {
            self.changes.borrow_and_update();
            {
                let written = self.flight.written();
                if let Some(more) = behind(&written.text, self.read).filter(|more| !more.is_empty()) {
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
        let left = written.followers.get_mut(&self.caller).map_or(0, |count| {
            *count -= 1;
            *count
        });
        if left == 0 {
            written.followers.remove(&self.caller);
            // Who follows it elsewhere, too, is here yet.
            if !self.is_unwanted {
                written.away.insert(self.caller.clone());
            }
        }
        if written.followers.is_empty() && written.away.is_empty() && !written.stays {
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
    /// How many are written by a connection for each caller.
    counts: HashMap<ConnectionId, HashMap<String, usize>>,
}

/// A place among those who write, or who follow.
#[derive(Debug)]
pub(super) enum Seat {
    /// To write, and to follow what is written.
    Lead(Lead, Follower),
    /// To follow somebody who writes the same.
    Join(Follower),
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// As many are written as may be.
    All,
    /// As many are written for the caller as may be for one.
    Own,
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
        caller: &str,
        digest: Option<String>,
        stays: bool,
    ) -> Result<Seat, Full> {
        let mut under = self.under();
        let key = digest.clone().map(|digest| (connection, digest));
        if let Some(key) = &key
            && let Some(flight) = under.by_digest.get(key)
            && let Some(follower) = flight.follow(caller, 0, stays)
        {
            return Ok(Seat::Join(follower));
        }
        let counts = under.counts.entry(connection).or_default();
        if counts.values().sum::<usize>() >= MOST_AT_ONCE {
            return Err(Full::All);
        }
        let own = counts.entry(caller.to_owned()).or_default();
        if *own >= MOST_OF_ONE {
            return Err(Full::Own);
        }
        *own += 1;
        let flight = Arc::new(Flight {
            id,
            connection,
            caller: caller.to_owned(),
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
        match flight.follow(caller, 0, stays) {
            Some(follower) => Ok(Seat::Lead(lead, follower)),
            None => Err(Full::All),
        }
    }

    /// Goes on with a text from a place in it, where this process writes it.
    pub(super) fn rejoin(&self, at: TextCursor, caller: &str, stays: bool) -> Option<Follower> {
        let flight = self.under().by_id.get(&at.id).map(Arc::clone)?;
        flight.follow(caller, at.read, stays)
    }

    /// Has a text written no further, where this process writes it.
    pub(super) fn stop(&self, id: TextId) {
        if let Some(flight) = self.under().by_id.get(&id) {
            flight.stop.cancel();
        }
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
        if let Some(counts) = under.counts.get_mut(&flight.connection) {
            if let Some(own) = counts.get_mut(&flight.caller) {
                *own -= 1;
                if *own == 0 {
                    counts.remove(&flight.caller);
                }
            }
            if counts.is_empty() {
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

    fn seat(flights: &Arc<Flights>, caller: &str, digest: Option<&str>, stays: bool) -> Result<Seat, Full> {
        let (id, connection) = (TextId::at(Timestamp(1)), ConnectionId(uuid::Uuid::nil()));
        flights.seat(id, connection, caller, digest.map(str::to_owned), stays)
    }

    fn lead_for(flights: &Arc<Flights>, caller: &str) -> (Lead, Follower) {
        match seat(flights, caller, None, true) {
            Ok(Seat::Lead(lead, follower)) => (lead, follower),
            other => panic!("{other:?}"),
        }
    }

    fn lead(flights: &Arc<Flights>, digest: Option<&str>, stays: bool) -> (Lead, Follower) {
        match seat(flights, "user_a", digest, stays) {
            Ok(Seat::Lead(lead, follower)) => (lead, follower),
            other => panic!("{other:?}"),
        }
    }

    fn join(flights: &Arc<Flights>, digest: &str) -> Option<Follower> {
        match seat(flights, "user_b", Some(digest), false) {
            Ok(Seat::Join(follower)) => Some(follower),
            _ => None,
        }
    }

    fn rejoin(flights: &Arc<Flights>, at: TextCursor) -> Follower {
        flights.rejoin(at, "user_a", false).expect("it is being written")
    }

    fn forgo(mut follower: Follower) {
        follower.forgo();
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
        forgo(first);
        assert!(!writing.flight.stop.is_cancelled());
        forgo(second);
        assert!(writing.flight.stop.is_cancelled());
        // Whoever comes now begins anew, and the old one's end does not take the new one's place away.
        let (again, follower) = lead(&flights, Some("d"), true);
        drop(writing);
        forgo(follower);
        assert!(!again.flight.stop.is_cancelled());
        assert!(join(&flights, "d").is_some());
    }

    #[tokio::test]
    async fn who_goes_without_a_word_may_come_back_and_hears_the_rest() {
        let flights = Arc::new(Flights::default());
        let (writing, mut first) = lead(&flights, Some("d"), false);
        writing.flight.push("one ");
        assert!(matches!(first.next().await, Heard::More(more) if more == "one "));
        let at = first.place();
        drop(first);
        // Others come and go: somebody may come back all the same.
        forgo(join(&flights, "d").expect("it is being written"));
        assert!(!writing.flight.stop.is_cancelled());
        writing.flight.push("two");
        let mut back = rejoin(&flights, at);
        assert!(back.is_within());
        assert!(matches!(back.next().await, Heard::More(more) if more == "two"));
        let beyond = TextCursor { read: 100, ..at };
        assert!(!rejoin(&flights, beyond).is_within());
        // The loss of a connection that is noticed after they came back takes nobody away.
        let late = rejoin(&flights, at);
        drop(late);
        forgo(back);
        assert!(writing.flight.stop.is_cancelled());
        assert!(flights.rejoin(at, "user_a", false).is_none());
    }

    #[tokio::test]
    async fn there_are_so_many_at_a_time_and_no_more() {
        let flights = Arc::new(Flights::default());
        let mut leads: Vec<_> = (0..MOST_OF_ONE).map(|_| lead_for(&flights, "user_a")).collect();
        assert!(matches!(seat(&flights, "user_a", None, true), Err(Full::Own)));
        // The others find a place, as long as there is one.
        leads.extend((MOST_OF_ONE..MOST_AT_ONCE).map(|n| lead_for(&flights, &format!("user_{n}"))));
        assert!(matches!(seat(&flights, "user_b", None, true), Err(Full::All)));
        drop(leads);
        drop(lead_for(&flights, "user_a"));
        assert!(flights.under().by_id.is_empty() && flights.under().counts.is_empty());
    }
}
