//! How many live connections a caller has: sockets and event streams together.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The seats of all callers of this process. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Seats(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    taken: Mutex<HashMap<String, usize>>,
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seats {
    /// `most` seats for each caller.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Inner {
            most,
            taken: Mutex::default(),
        }))
    }

    /// A seat, kept as long as it lives.
    ///
    /// # Errors
    /// What to tell a caller who has them all.
    pub fn take(&self, caller: &str) -> Result<Seat, String> {
        let mut taken = self.0.lock();
        let count = taken.entry(caller.to_owned()).or_default();
        if *count >= self.0.most {
            let most = self.0.most;
            return Err(format!(
                "too many live connections of this caller; at most {most}"
            ));
        }
        *count += 1;
        Ok(Seat {
            inner: Arc::clone(&self.0),
            caller: caller.to_owned(),
        })
    }
}

/// One live connection.
#[derive(Debug)]
pub struct Seat {
    inner: Arc<Inner>,
    caller: String,
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = self.inner.lock().entry(std::mem::take(&mut self.caller)) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_has_its_own_seats_and_gives_them_back() {
        let seats = Seats::new(2);
        let first = seats.take("a").expect("free");
        let _second = seats.take("a").expect("free");
        assert_eq!(
            seats.take("a").expect_err("all taken"),
            "too many live connections of this caller; at most 2"
        );
        let other = seats.take("b").expect("another's");
        drop(first);
        let _third = seats.take("a").expect("given back");
        assert!(seats.take("a").is_err());
        drop(other);
        assert_eq!(seats.0.lock().len(), 1, "who has none is forgotten");
    }
}
