//! What reports are asked with, and how they tell: of a range of days, of some leads or of all, and of the range before.
//!
//! - `graphql`: the same in GraphQL.

pub mod graphql;

use std::any::type_name;
use std::fmt::Debug;

use entity::{Area, Day, Timestamp};
use futures_util::future::BoxFuture;

use super::calendar::DateRange;
use super::scoring::{self, ScoresCache};
use super::together::{Begun, Together};
use crate::app::App;
use crate::error::Error;
use crate::identity::{Caller, Scope};
use crate::leads::filter::{LeadFilter, ScoreScale, Terms};
use crate::leads::lead;
use crate::leads::visible::Visible;

/// What a report is asked of.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The days: on which leads became known, or on which something happened.
    pub range: DateRange,
    /// Only these leads.
    pub filter: Option<LeadFilter>,
    /// The range of the same length before it, too.
    pub with_previous: bool,
}

impl Asked {
    /// All leads in a range.
    #[must_use]
    pub const fn all(range: DateRange) -> Self {
        Self {
            range,
            filter: None,
            with_previous: false,
        }
    }

    /// The range of the same length that ends where this one begins, where that is asked for.
    #[must_use]
    pub fn previous(&self) -> Option<DateRange> {
        let DateRange { from, to, zone } = self.range;
        let days = to.0 - from.0 + 1;
        self.with_previous.then(|| DateRange {
            from: Day(from.0 - days),
            to: Day(from.0 - 1),
            zone,
        })
    }

    /// That one, and the range itself.
    #[must_use]
    pub fn ranges(&self) -> Vec<DateRange> {
        self.previous().into_iter().chain([self.range]).collect()
    }

    /// Whether not all leads are meant.
    #[must_use]
    pub fn has_filter(&self) -> bool {
        meant(self.filter.as_ref()).is_some()
    }

    /// Whether all leads are meant, and the caller sees them: then sums tell it.
    #[must_use]
    pub fn is_of_all(&self, caller: &Caller) -> bool {
        !self.has_filter() && caller.require_all_rows().is_ok()
    }

    /// The leads that it is of.
    ///
    /// # Errors
    /// As [`selected`].
    pub async fn leads(&self, app: &App, caller: &Caller) -> Result<Visible, Error> {
        selected(app, caller, self.filter.as_ref()).await
    }

    /// What reads leads one by one is read once for all who ask for it at once, and may see and do the same; what is read from sums is
    /// read at once. `more` is what else the answer depends on.
    ///
    /// # Errors
    /// Those of `read`.
    pub async fn together<T: Clone + Send + Sync + 'static>(
        &self,
        app: &App,
        caller: &Caller,
        more: impl Debug,
        read: BoxFuture<'_, Result<T, Error>>,
    ) -> Result<T, Error> {
        if self.is_of_all(caller) {
            return read.await;
        }
        together(app, caller, (self, more), read).await
    }

    /// A name for what is told of this to who may see and do the same.
    pub(in crate::insight) fn named<T>(&self, caller: &Caller, more: impl Debug) -> String {
        named::<T>(caller, (self, more))
    }
}

fn named<T>(caller: &Caller, what: impl Debug) -> String {
    let Caller { rows, scopes, .. } = caller;
    format!("{} {what:?} {rows:?} {scopes:?}", type_name::<T>())
}

/// Read once for all who ask for it at once, and may see and do the same. `what` names all that the answer depends on.
///
/// # Errors
/// Those of `read`.
pub(in crate::insight) async fn together<T: Clone + Send + Sync + 'static>(
    app: &App,
    caller: &Caller,
    what: impl Debug,
    read: BoxFuture<'_, Result<T, Error>>,
) -> Result<T, Error> {
    let what = named::<T>(caller, what);
    app.memory::<Together>().ask(what, Begun::Gathered, read).await
}

fn meant(filter: Option<&LeadFilter>) -> Option<&LeadFilter> {
    filter.filter(|filter| **filter != LeadFilter::default())
}

/// The leads that a caller sees, and for which a filter holds.
///
/// # Errors
/// A missing scope `leads:read` where there is a filter; one that cannot be used; the database's.
pub async fn selected(app: &App, caller: &Caller, filter: Option<&LeadFilter>) -> Result<Visible, Error> {
    let visible = Visible::of(app, &caller.rows).await?;
    let Some(filter) = meant(filter) else {
        return Ok(visible);
    };
    // What holds for a lead is told by who may read leads.
    caller.require(Scope::Read(Area::Leads))?;
    lead::check_filter(app, filter).await?;
    let scale = match filter.reads_scores() {
        true => scoring::scale(app, &ScoresCache::default()).await?,
        false => ScoreScale::default(),
    };
    let now = app.clock().now();
    Ok(visible.narrowed(filter.clone(), Terms { now, scale }, app.db()))
}

/// How a report was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// From sums.
    Sums,
    /// From each lead, as there is a filter, or the caller sees a part of them.
    Leads,
}

impl ReadFrom {
    /// Of some leads, or of all.
    #[must_use]
    pub const fn of(leads: &Visible) -> Self {
        match leads.is_all() {
            true => Self::Sums,
            false => Self::Leads,
        }
    }
}

/// A report.
#[derive(Clone, Debug)]
pub struct Report<T> {
    /// What is asked for.
    pub range: DateRange,
    /// What it says.
    pub current: T,
    /// The range before it and what is said of that, where it is asked for.
    pub previous: Option<(DateRange, T)>,
    /// As of when.
    pub at: Timestamp,
    /// Whether all is counted: not while leads are looked at for the first time, or anew.
    pub is_complete: bool,
    /// How it was read.
    pub read_from: ReadFrom,
}

impl<T> Report<T> {
    /// The same of what is made of each part.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn try_map<R>(self, make: impl Fn(T) -> Result<R, Error>) -> Result<Report<R>, Error> {
        let previous = self
            .previous
            .map(|(range, told)| Ok::<_, Error>((range, make(told)?)));
        Ok(Report {
            range: self.range,
            current: make(self.current)?,
            previous: previous.transpose()?,
            at: self.at,
            is_complete: self.is_complete,
            read_from: self.read_from,
        })
    }

    /// The same of what is made of each part.
    pub fn map<R>(self, make: impl Fn(T) -> R) -> Report<R> {
        Report {
            range: self.range,
            current: make(self.current),
            previous: self.previous.map(|(range, told)| (range, make(told))),
            at: self.at,
            is_complete: self.is_complete,
            read_from: self.read_from,
        }
    }
}
