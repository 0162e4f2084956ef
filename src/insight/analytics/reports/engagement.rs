//! What leads did in some days.

use std::collections::BTreeMap;

use entity::id::LeadId;
use entity::{Area, Day, ReportLevel, Timestamp};

use super::{ReadingOf, each_day};
use crate::app::App;
use crate::error::Error;
use crate::identity::{Caller, Scope};
use crate::insight::analytics::model::engaged::Engaged;
use crate::insight::analytics::store;
use crate::insight::calendar::{DateRange, Made, made, month_of, steps};
use crate::insight::journeys;
use crate::insight::report::{Asked, Report};
use crate::leads::visible::Visible;

/// Most leads that are named.
pub const MOST_TOP: usize = 50;
/// Of a range with no more engagements than this the busiest leads are found by counting all of them.
const FEW: i64 = 20_000;
/// Of how many leads of each month, and of how many of these, engagements are counted where there are more.
const OF_EACH: i64 = 200;
const COUNTED: i64 = 200;

/// What leads did in a range.
#[derive(Clone, Debug, Default)]
pub struct Engagements {
    /// All of it.
    pub all: Engaged,
    /// How much on each day; empty where that is not asked for.
    pub days: Vec<(Day, i64)>,
    /// The leads that did most, each with how much; none where that is not asked for.
    pub top: Vec<(LeadId, i64)>,
}

/// What leads did. Not read lead by lead, it is of all leads, those that were deleted since included.
///
/// # Errors
/// A missing scope `engagement:read`, `leads:read` where there is a filter; a range or filter that cannot be used; more than
/// 366 days where each is asked for; more than [`MOST_TOP`] leads; the database's.
pub async fn engagements(
    app: &App,
    caller: &Caller,
    asked: &Asked,
    by_day: bool,
    top: usize,
) -> Result<Report<Engagements>, Error> {
    let read = Box::pin(async {
        if top > MOST_TOP {
            return Err(Error::BadInput(format!("at most {MOST_TOP} leads are named")));
        }
        if top > 0 {
            caller.require(Scope::Read(Area::Leads))?;
        }
        let reading = ReadingOf::begin(app, caller, Area::Engagement, asked).await?;
        let mut told = Vec::new();
        for range in asked.ranges() {
            let days = if by_day { each_day(range)? } else { Vec::new() };
            let mut engagements = match &reading.few {
                Some(leads) => of_some(&reading, leads, range, &days).await?,
                None => of_all(&reading, range, &days).await?,
            };
            if top > 0 {
                engagements.top = busiest(&reading, range, engagements.all.total(), top).await?;
            }
            told.push(engagements);
        }
        Ok(reading.report_of(told))
    });
    asked.together(app, caller, (by_day, top), read).await
}

/// By rows of engagements.
async fn of_some(
    reading: &ReadingOf<'_>,
    leads: &Visible,
    range: DateRange,
    days: &[DateRange],
) -> Result<Engagements, Error> {
    let spans: Vec<_> = match days {
        [] => vec![(0, range.moments())],
        days => days.iter().map(|day| (day.from.0, day.moments())).collect(),
    };
    let mut told = Engagements::default();
    let mut by_day: BTreeMap<i32, i64> = days.iter().map(|day| (day.from.0, 0)).collect();
    for of in store::engaged(&reading.db, Some(leads), &steps(&spans)).await? {
        let revenue = of
            .revenue
            .as_ref()
            .map(|(currency, minor)| (currency.as_str(), *minor));
        told.all.add(of.kind, of.channel, of.count, revenue);
        if let Some(day) = by_day.get_mut(&of.period) {
            *day += of.count;
        }
    }
    told.days = by_day.into_iter().map(|(day, count)| (Day(day), count)).collect();
    Ok(told)
}

/// The UTC days and quarters of an hour that a span is made of, as ranges whose ends are included.
#[derive(Default)]
struct Parts {
    days: Vec<(Day, Day)>,
    quarters: Vec<(i32, i32)>,
}

impl Parts {
    fn of(made: &Made) -> Self {
        let mut parts = Self::default();
        for span in &made.spans {
            match span.level {
                ReportLevel::Day => parts.days.push((Day(span.from), Day(span.to))),
                _ => parts.quarters.push((span.from, span.to)),
            }
        }
        parts
    }
}

/// By what is kept of all leads: by UTC day, and by quarter of an hour at the ends, or for each day of another time zone.
async fn of_all(reading: &ReadingOf<'_>, range: DateRange, days: &[DateRange]) -> Result<Engagements, Error> {
    const LEVELS: [ReportLevel; 2] = [ReportLevel::Day, ReportLevel::Quarter];
    let whole = made(range.moments(), &LEVELS);
    let parts = Parts::of(&whole);
    let mut told = Engagements::default();
    let mut by_day: BTreeMap<i32, i64> = days.iter().map(|day| (day.from.0, 0)).collect();
    let is_utc = |(from, to): (Timestamp, Timestamp)| from == from.day().start() && to == from.plus_days(1);
    let are_utc = days.iter().all(|day| is_utc(day.moments()));
    for (at, activity) in journeys::deployment_in(&reading.db, &parts.days, &parts.quarters).await? {
        for sum in activity.sums() {
            told.all.add(sum.kind, sum.channel, sum.count, sum.revenue);
        }
        if let Some(day) = by_day.get_mut(&at.day().0).filter(|_| are_utc) {
            *day += activity.total();
        }
    }
    // Clocks that were less than a quarter of an hour off are of long ago.
    let edges: Vec<_> = whole.edges.iter().map(|edge| (0, *edge)).collect();
    for of in store::engaged(&reading.db, None, &steps(&edges)).await? {
        let revenue = of
            .revenue
            .as_ref()
            .map(|(currency, minor)| (currency.as_str(), *minor));
        told.all.add(of.kind, of.channel, of.count, revenue);
    }
    if !are_utc {
        let (mut spans, mut edges) = (Vec::new(), Vec::new());
        for day in days {
            let made = made(day.moments(), &[ReportLevel::Quarter]);
            spans.extend(made.spans.iter().map(|span| (day.from.0, span.from, span.to)));
            edges.extend(made.edges.iter().map(|edge| (day.from.0, *edge)));
        }
        for (day, count) in journeys::engagements_in(&reading.db, &spans).await? {
            *by_day.entry(day).or_default() += count;
        }
        for of in store::engaged(&reading.db, None, &steps(&edges)).await? {
            *by_day.entry(of.period).or_default() += of.count;
        }
    }
    told.days = by_day.into_iter().map(|(day, count)| (Day(day), count)).collect();
    Ok(told)
}

/// The leads that did most. Where all leads did much, they are looked for among those that did most in each month; what is
/// told of each is what it did in the range.
async fn busiest(
    reading: &ReadingOf<'_>,
    range: DateRange,
    engagements: i64,
    top: usize,
) -> Result<Vec<(LeadId, i64)>, Error> {
    let moments = range.moments();
    let limit = top as u64;
    if let Some(leads) = &reading.few {
        return Ok(store::busiest_of(&reading.db, Some(leads), moments, limit).await?);
    }
    if engagements <= FEW {
        return Ok(store::busiest_of(&reading.db, None, moments, limit).await?);
    }
    let months = (
        month_of(moments.0.day()),
        month_of(Timestamp(moments.1.micros() - 1).day()),
    );
    let leads = store::busiest(&reading.db, months, OF_EACH, COUNTED).await?;
    let mut counted = store::engagements_of(&reading.db, &leads, moments).await?;
    counted.sort_unstable_by(|(one, first), (other, second)| second.cmp(first).then(one.cmp(other)));
    counted.truncate(top);
    Ok(counted)
}
