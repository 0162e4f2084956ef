//! Pages that can be resumed.

use std::pin::Pin;

use futures_util::Stream;

use crate::Result;

/// Where reading goes on; the platform's own, opaque to all others. It may be stored for months.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub String);

/// Some items, and where to go on behind them.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// In the platform's order; may be empty.
    pub items: Vec<T>,
    /// Reading from here gives what comes after this page: the next page, or, behind the last one, what is new or has
    /// changed since. Reading from the same cursor twice gives the same items again (or newer states of them).
    pub cursor: Cursor,
    /// How many there are in all, where the platform tells.
    pub total: Option<u64>,
}

/// Pages as they come. A stream gives at least one page, ends behind the last, and ends with its first error; dropping it
/// stops the reading.
pub type Pages<'a, T> = Pin<Box<dyn Stream<Item = Result<Page<T>>> + Send + 'a>>;
