//! Reports on the leads that became known in some days, as they stand now.

use std::collections::BTreeMap;

use entity::id::LeadId;
use entity::{Area, Day, ReportMeasure as M};

use super::{MOST_COHORTS, MOST_TOP, ReadingOf, each_day};
use crate::app::App;
use crate::error::Error;
use crate::identity::{Caller, Scope};
use crate::insight::analytics::model::cohorts::{Cohort, Period};
use crate::insight::analytics::model::funnel::Funnel;
use crate::insight::analytics::model::health::Health;
use crate::insight::analytics::model::quality::{self, Quality};
use crate::insight::analytics::model::sources::{self, Source, Spent};
use crate::insight::analytics::model::sums::{BY_HOUR, Sums};
use crate::insight::analytics::store;
use crate::insight::calendar::{DateRange, today};
use crate::insight::report::{Asked, Report};
use crate::insight::revenue;

/// How far leads got.
///
/// # Errors
/// A missing scope `lifecycle:read`, or `leads:read` where there is a filter; a range or filter that cannot be used; the
/// database's.
pub async fn funnel(app: &App, caller: &Caller, asked: &Asked) -> Result<Report<Funnel>, Error> {
    let read = Box::pin(async {
        let reading = ReadingOf::begin(app, caller, Area::Lifecycle, asked).await?;
        let measures = [M::Reached, M::Standing, M::Stays, M::StaySeconds, M::StayClass];
        let (current, previous) = reading.both(&measures).await?;
        let previous = previous.map(|(range, sums)| (range, Funnel::of(&sums)));
        Ok(reading.report(Funnel::of(&current), previous))
    });
    asked.together(app, caller, (), read).await
}

/// How the journeys of leads go; the currency of all money; and the leads at high risk that are worth most.
pub type Journeys = (String, Health, Vec<(LeadId, i64)>);

/// How the journeys of leads go.
///
/// # Errors
/// A missing scope `journeys:read`, `leads:read` where leads are named; more than [`MOST_TOP`] of them; else as [`funnel`].
pub async fn journeys(
    app: &App,
    caller: &Caller,
    asked: &Asked,
    at_risk: usize,
) -> Result<Report<Journeys>, Error> {
    let read = Box::pin(async {
        if at_risk > MOST_TOP {
            return Err(Error::BadInput(format!("at most {MOST_TOP} leads are named")));
        }
        if at_risk > 0 {
            caller.require(Scope::Read(Area::Leads))?;
        }
        let currency = revenue::reporting_currency(app).await?;
        let reading = ReadingOf::begin(app, caller, Area::Journeys, asked).await?;
        let measures = [
            M::Leads,
            M::Trend,
            M::RiskTenths,
            M::HighRisk,
            M::Journeys,
            M::JourneySeconds,
            M::Customers,
            M::Revenue,
        ];
        let ranges = asked.ranges();
        let mut told = Vec::new();
        for (range, sums) in ranges.iter().zip(reading.sums(&measures, &ranges, false).await?) {
            let named = match at_risk {
                0 => Vec::new(),
                most => {
                    store::at_risk(&reading.db, reading.few.as_ref(), range.moments(), most as u64).await?
                }
            };
            told.push((currency.clone(), Health::of(&sums), named));
        }
        Ok(reading.report_of(told))
    });
    asked.together(app, caller, at_risk, read).await
}

/// How promising leads are: all of the range, and those of each day.
#[derive(Clone, Debug, Default)]
pub struct Days {
    /// All of the range.
    pub all: Quality,
    /// By the day on which they became known; empty where that is not asked for.
    pub days: Vec<(Day, quality::Day)>,
}

/// How promising leads are.
///
/// # Errors
/// A missing scope `scoring:read`; more than 366 days where each is asked for; else as [`funnel`].
pub async fn quality(app: &App, caller: &Caller, asked: &Asked, by_day: bool) -> Result<Report<Days>, Error> {
    let read = Box::pin(async {
        let reading = ReadingOf::begin(app, caller, Area::Scoring, asked).await?;
        let measures = [
            M::Leads,
            M::Scored,
            M::ScoreKey,
            M::ScoreRate,
            M::Grade,
            M::Temperature,
            M::ScoreTens,
        ];
        let (current, previous) = reading.both(&measures).await?;
        let at = reading.at;
        let days = async |range: DateRange| -> Result<Vec<(Day, quality::Day)>, Error> {
            if !by_day {
                return Ok(Vec::new());
            }
            let days = each_day(range)?;
            let sums = reading.sums(&BY_HOUR, &days, true).await?;
            let told = days.iter().zip(&sums);
            Ok(told
                .map(|(day, sums)| (day.from, quality::Day::of(sums, at)))
                .collect())
        };
        let current = Days {
            all: Quality::of(&current, at),
            days: days(asked.range).await?,
        };
        let previous = match previous {
            None => None,
            Some((range, sums)) => {
                let all = Quality::of(&sums, at);
                Some((
                    range,
                    Days {
                        all,
                        days: days(range).await?,
                    },
                ))
            }
        };
        Ok(reading.report(current, previous))
    });
    asked.together(app, caller, by_day, read).await
}

/// What became of the leads of each period, and the currency of all money.
#[derive(Clone, Debug, Default)]
pub struct Cohorts {
    /// ISO 4217.
    pub currency: String,
    /// Oldest first.
    pub cohorts: Vec<Cohort>,
}

/// What became of the leads of each month or week.
///
/// # Errors
/// A missing scope `revenue:read`; more than 120 cohorts; else as [`funnel`].
pub async fn cohorts(
    app: &App,
    caller: &Caller,
    asked: &Asked,
    by: Period,
) -> Result<Report<Cohorts>, Error> {
    let read = Box::pin(async {
        let currency = revenue::reporting_currency(app).await?;
        let reading = ReadingOf::begin(app, caller, Area::Revenue, asked).await?;
        let active = match by {
            Period::Month => M::ActiveMonth,
            Period::Week => M::ActiveWeek,
        };
        let measures = [M::Leads, M::Customers, M::Revenue, M::Unvalued, active];
        let today = today(reading.at, asked.range.zone);
        let told = async |range: DateRange| -> Result<Cohorts, Error> {
            let ranges = by.ranges(range);
            if ranges.len() > MOST_COHORTS {
                return Err(Error::BadInput(format!(
                    "the range has {} cohorts; at most {MOST_COHORTS} are told at once",
                    ranges.len()
                )));
            }
            let sums = reading.sums(&measures, &ranges, false).await?;
            let told = ranges.into_iter().zip(&sums);
            Ok(Cohorts {
                currency: currency.clone(),
                cohorts: told
                    .map(|(range, sums)| Cohort::of(sums, by, range, today))
                    .collect(),
            })
        };
        let current = told(asked.range).await?;
        let previous = match asked.previous() {
            Some(range) => Some((range, told(range).await?)),
            None => None,
        };
        Ok(reading.report(current, previous))
    });
    asked.together(app, caller, by, read).await
}

/// What sources bring and cost: each, and all together; and the currency of all money.
pub type Sources = (String, Vec<Source>, Source);

/// What each source of leads brings, and costs.
///
/// # Errors
/// A missing scope `revenue:read`; a caller who sees a part of the leads, as costs are of all; else as [`funnel`].
pub async fn sources(app: &App, caller: &Caller, asked: &Asked) -> Result<Report<Sources>, Error> {
    let read = Box::pin(async {
        caller.require_all_rows()?;
        let currency = revenue::reporting_currency(app).await?;
        let reading = ReadingOf::begin(app, caller, Area::Revenue, asked).await?;
        let measures = [
            M::Leads,
            M::Qualified,
            M::Customers,
            M::Revenue,
            M::Unvalued,
            M::Scored,
            M::ScoreKey,
            M::ScoreRate,
        ];
        let (current, previous) = reading.both(&measures).await?;
        let told = async |range: DateRange, sums: &Sums| -> Result<Sources, Error> {
            // What was spent was spent on all leads of a source: of some of them nobody knows.
            let spent: BTreeMap<String, Spent> = match reading.few {
                Some(_) => BTreeMap::new(),
                None => store::costs(&reading.db, (range.from, range.to)).await?,
            };
            let (each, all) = sources::of(sums, &spent, reading.at);
            Ok((currency.clone(), each, all))
        };
        let current = told(asked.range, &current).await?;
        let previous = match previous {
            None => None,
            Some((range, sums)) => Some((range, told(range, &sums).await?)),
        };
        Ok(reading.report(current, previous))
    });
    asked.together(app, caller, (), read).await
}
