//! What became of connections, for rooms that keep something waiting for them.

use std::collections::BTreeMap;

use entity::EventKind;
use entity::id::ConnectionId;
use serde::Deserialize;

use crate::error::Error;
use crate::events::Event;

/// What events say has become of connections, by the last word about each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fates {
    /// Those that work (again): what waits for them may be tried now.
    pub mended: Vec<ConnectionId>,
    /// Those that were removed.
    pub removed: Vec<ConnectionId>,
}

/// What an event of a connection says.
#[derive(Deserialize)]
struct Changed {
    change: String,
    problem: Option<String>,
}

impl Fates {
    /// Of a batch of the log; events of other kinds are passed over.
    ///
    /// # Errors
    /// An event that cannot be read.
    pub fn of(events: &[Event]) -> Result<Self, Error> {
        let mut last: BTreeMap<ConnectionId, Changed> = BTreeMap::new();
        for event in events {
            if event.kind == EventKind::ConnectionChanged
                && let Ok(id) = event.subject.parse()
            {
                last.insert(id, serde_json::from_str(&event.payload)?);
            }
        }
        let mut fates = Self::default();
        for (id, Changed { change, problem }) in last {
            match change.as_str() {
                "DELETED" => fates.removed.push(id),
                // One that is in use and yet does not work is left alone.
                "ACTIVE" | "AUTHORIZED" | "TESTED" | "UPDATED" if problem.is_none() => fates.mended.push(id),
                _ => {}
            }
        }
        Ok(fates)
    }
}
