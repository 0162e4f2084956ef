//! What is asked for: reports on a range of days, and on the one before it.

mod engagement;
mod leads;
mod revenue;

use entity::{Area, Day, ReportMeasure as M, Timestamp};

pub use engagement::{Engagements, MOST_TOP, engagements};
pub use leads::{Cohorts, Days, Journeys, Sources, cohorts, funnel, journeys, quality, sources};
pub use revenue::{Sales, sales};

use super::model::sums::Sums;
use super::store;
use crate::app::App;
use crate::error::Error;
use crate::identity::{Caller, Scope};
use crate::insight::calendar::{ALL, DateRange, FINE, Span, made};
use crate::insight::report::{Asked, ReadFrom, Report};
use crate::leads::visible::Visible;

/// Most cohorts of one answer.
pub const MOST_COHORTS: usize = 120;
/// Most days of a report that tells each day.
pub const MOST_DAYS: i32 = 366;

/// Each day of a range by itself.
///
/// # Errors
/// [`Error::BadInput`] for more than [`MOST_DAYS`].
fn each_day(range: DateRange) -> Result<Vec<DateRange>, Error> {
    if range.to.0 - range.from.0 >= MOST_DAYS {
        return Err(Error::BadInput(format!(
            "days are told of a range of at most {MOST_DAYS} days"
        )));
    }
    let day = |day: i32| DateRange {
        from: Day(day),
        to: Day(day),
        zone: range.zone,
    };
    Ok((range.from.0..=range.to.0).map(day).collect())
}

/// What ranges are put together of, each under the place of its range.
struct Parts {
    spans: Vec<(store::Period, Span)>,
    edges: Vec<(store::Period, (Timestamp, Timestamp))>,
}

impl Parts {
    /// Sums, and what has to be counted at the ends; by day: each range is a day, and no more is asked for than is kept by the hour.
    fn of(ranges: &[DateRange], by_day: bool) -> Self {
        let (mut spans, mut edges) = (Vec::new(), Vec::new());
        for (place, range) in ranges.iter().enumerate() {
            let parts = made(range.moments(), if by_day { &FINE } else { &ALL });
            spans.extend(parts.spans.into_iter().map(|span| (number(place), span)));
            edges.extend(parts.edges.into_iter().map(|edge| (number(place), edge)));
        }
        Self { spans, edges }
    }

    /// Everything is counted.
    fn counted(ranges: &[DateRange]) -> Self {
        let edge = |(place, range): (usize, &DateRange)| (number(place), range.moments());
        Self {
            spans: Vec::new(),
            edges: ranges.iter().enumerate().map(edge).collect(),
        }
    }
}

fn number(place: usize) -> store::Period {
    store::Period::try_from(place).expect("few ranges")
}

fn place(number: store::Period) -> usize {
    usize::try_from(number).expect("a place")
}

/// What a report reads, of one moment. It holds a connection: what needs another one is read before it is begun, or many reports
/// at once would wait for each other.
struct ReadingOf<'a> {
    db: store::Snapshot,
    /// The leads that are read one by one, where sums do not tell.
    few: Option<Visible>,
    asked: &'a Asked,
    at: Timestamp,
    is_complete: bool,
}

impl<'a> ReadingOf<'a> {
    async fn begin(app: &App, caller: &Caller, area: Area, asked: &'a Asked) -> Result<Self, Error> {
        caller.require(Scope::Read(area))?;
        asked.range.checked()?;
        let leads = asked.leads(app, caller).await?;
        let at = app.clock().now();
        let db = app.db().snapshot().await?;
        let state = store::state(&db).await?;
        Ok(Self {
            db,
            few: (!leads.is_all()).then_some(leads),
            asked,
            at,
            is_complete: state.built >= state.wanted,
        })
    }

    /// The sums of some ranges, which do not overlap; by day: each is a day, and no more is asked for than is kept by the hour.
    async fn sums(&self, measures: &[M], ranges: &[DateRange], by_day: bool) -> Result<Vec<Sums>, Error> {
        let mut all = vec![Sums::default(); ranges.len()];
        if let Some(few) = &self.few {
            let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else {
                return Ok(all);
            };
            let begins: Vec<Timestamp> = ranges.iter().map(|range| range.moments().0).collect();
            let whole = (first.moments().0, last.moments().1);
            store::each_outline(&self.db, few, whole, |outline| {
                let place = begins.partition_point(|begin| *begin <= outline.created_at) - 1;
                all[place].take(measures, outline);
            })
            .await?;
            return Ok(all);
        }
        let parts = Parts::of(ranges, by_day);
        self.kept(measures, &parts, &mut all).await?;
        for chunk in parts.edges.chunks(500) {
            for (period, outline) in store::edges(&self.db, chunk).await? {
                all[place(period)].take(measures, &outline);
            }
        }
        Ok(all)
    }

    /// Adds the sums that are kept.
    async fn kept(&self, measures: &[M], parts: &Parts, all: &mut [Sums]) -> Result<(), Error> {
        // A statement has so many keys at most.
        for chunk in parts.spans.chunks(2_000) {
            for (period, sums) in store::sums(&self.db, measures, chunk).await? {
                all[place(period)].merge(&sums);
            }
        }
        Ok(())
    }

    /// A report of what is told of each of [`ranges`](Asked::ranges).
    fn report_of<T: Default>(&self, mut told: Vec<T>) -> Report<T> {
        let current = told.pop().unwrap_or_default();
        let previous = self.asked.previous().zip(told.pop());
        self.report(current, previous)
    }

    /// The sums of the range, and of the one before it.
    async fn both(&self, measures: &[M]) -> Result<(Sums, Option<(DateRange, Sums)>), Error> {
        let mut sums = self.sums(measures, &self.asked.ranges(), false).await?;
        let current = sums.pop().unwrap_or_default();
        Ok((current, self.asked.previous().zip(sums.pop())))
    }

    fn report<T>(&self, current: T, previous: Option<(DateRange, T)>) -> Report<T> {
        Report {
            range: self.asked.range,
            current,
            previous,
            at: self.at,
            is_complete: self.is_complete,
            read_from: match self.few {
                Some(_) => ReadFrom::Leads,
                None => ReadFrom::Sums,
            },
        }
    }
}
