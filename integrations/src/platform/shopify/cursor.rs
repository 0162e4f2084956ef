//! Where reading goes on.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

use crate::facet::Cursor;
use crate::{Error, Result};

/// What changed in this time before the newest that was read is asked for again: changes come to the index a little late,
/// and out of order.
const OVERLAP: Duration = Duration::minutes(3);
/// Of so many of these it is kept that they were given; of any more, some are given twice.
const KEPT: usize = 200;

/// A place in a reading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Place {
    /// In the file of a bulk operation.
    Bulk {
        operation: String,
        begun: DateTime<Utc>,
        /// How many objects of it were given.
        given: u64,
        mark: Mark,
    },
    /// In a listing of what changed.
    List {
        /// Since when; without, all there is.
        since: Option<DateTime<Utc>>,
        /// Behind which object of that listing.
        after: Option<String>,
        /// How many objects of it were given.
        given: u64,
        mark: Mark,
    },
}

impl Place {
    /// Reads a cursor.
    ///
    /// # Errors
    /// [`Kind::Refused`](crate::Kind::Refused) when it is not one of ours.
    pub(super) fn of(cursor: &Cursor) -> Result<Self> {
        serde_json::from_str(&cursor.0).map_err(|_| Error::refused("not a cursor of this platform"))
    }

    pub(super) fn cursor(&self) -> Cursor {
        Cursor(serde_json::to_string(self).expect("texts and numbers are JSON"))
    }
}

/// The newest change that was read, and what was given of those shortly before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    newest: Option<DateTime<Utc>>,
    given: Vec<(DateTime<Utc>, String)>,
}

impl Mark {
    /// A mark that stands at a moment.
    pub(super) fn at(newest: DateTime<Utc>) -> Self {
        Self {
            newest: Some(newest),
            given: Vec::new(),
        }
    }

    /// Since when to ask for changes.
    pub(super) fn since(&self) -> Option<DateTime<Utc>> {
        self.newest.map(|newest| newest - OVERLAP)
    }

    /// Whether an object was given in this state already; it is taken for given from now on.
    pub(super) fn is_new(&mut self, id: &str, updated: DateTime<Utc>) -> bool {
        if self.since().is_some_and(|since| updated < since) {
            return true;
        }
        if self.given.iter().any(|(at, known)| *at == updated && known == id) {
            return false;
        }
        self.newest = self.newest.max(Some(updated));
        self.given.push((updated, id.to_owned()));
        true
    }

    /// Forgets what will not be asked for again, and the oldest of what is too much.
    pub(super) fn trim(&mut self) {
        let since = self.since();
        self.given
            .retain(|(at, _)| since.is_none_or(|since| *at >= since));
        if self.given.len() > KEPT {
            self.given.sort_unstable();
            self.given.drain(..self.given.len() - KEPT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn what_was_given_is_not_new_until_it_changes() {
        let mut mark = Mark::at(at(0));
        assert!(mark.is_new("a", at(-10)), "within the overlap, and not given");
        assert!(!mark.is_new("a", at(-10)));
        assert!(mark.is_new("a", at(5)));
        assert_eq!(mark.since(), Some(at(5) - OVERLAP));
        assert!(
            mark.is_new("old", at(-1_000)) && mark.is_new("old", at(-1_000)),
            "never kept"
        );
        mark.is_new("b", at(1_000));
        mark.trim();
        assert_eq!(mark.given, [(at(1_000), "b".to_owned())]);
    }

    #[test]
    fn it_stays_small() {
        let mut mark = Mark::default();
        for i in 0..1_000 {
            mark.is_new(&format!("gid://shopify/Customer/{i}"), at(0));
        }
        mark.trim();
        assert_eq!(mark.given.len(), KEPT);
    }

    #[test]
    fn a_place_comes_back_from_its_cursor() {
        let place = Place::List {
            since: Some(at(0)),
            after: Some("x".to_owned()),
            given: 3,
            mark: Mark::at(at(9)),
        };
        assert_eq!(Place::of(&place.cursor()).unwrap(), place);
        assert_eq!(
            Place::of(&Cursor("7".to_owned())).unwrap_err().kind,
            crate::Kind::Refused
        );
    }
}
