//! What was earned and spent in some days.

use std::collections::BTreeMap;

use entity::{Area, AttributionDimension, AttributionModel, Day, ReportMeasure as M};

use super::{Parts, ReadingOf, each_day, place};
use crate::app::App;
use crate::error::Error;
use crate::identity::{Caller, Scope};
use crate::insight::analytics::model::sold::{Cost, Earnings, Line, campaigns};
use crate::insight::analytics::model::sums::{SOLD_BY_HOUR, Sums};
use crate::insight::analytics::store;
use crate::insight::attribution::{self, Name, SummaryRequest};
use crate::insight::calendar::{DateRange, steps};
use crate::insight::report::{Asked, Report};
use crate::insight::revenue;

/// What is summed up of conversions.
const MEASURES: [M; 5] = [
    M::KindConversions,
    M::KindWorth,
    M::KindUnvalued,
    M::SourceConversions,
    M::SourceWorth,
];

/// What was earned and spent in a range.
#[derive(Clone, Debug, Default)]
pub struct Sales {
    /// ISO 4217, of all money.
    pub currency: String,
    /// All of it.
    pub all: Earnings,
    /// Campaigns, with what the model credits them with; those with costs alone where none is asked for.
    pub campaigns: Vec<(String, Line)>,
    /// Each day; empty where that is not asked for.
    pub days: Vec<(Day, Line)>,
}

/// What was earned and spent: conversions on the days on which they were, less what was given back since, and costs; what a model
/// credits campaigns with, where one is named. Where there is a filter there are no costs, as these are of all leads.
///
/// # Errors
/// A missing scope `revenue:read`, `leads:read` where there is a filter; a caller who sees a part of the leads, as costs are of
/// all; a range or filter that cannot be used; more than 366 days where each is asked for; the database's.
pub async fn sales(
    app: &App,
    caller: &Caller,
    asked: &Asked,
    by_day: bool,
    campaigns_by: Option<AttributionModel>,
) -> Result<Report<Sales>, Error> {
    let read = Box::pin(async {
        caller.require_all_rows()?;
        caller.require(Scope::Read(Area::Revenue))?;
        asked.range.checked()?;
        let currency = revenue::reporting_currency(app).await?;
        let credited = match campaigns_by {
            Some(model) => credited(app, caller, asked, model).await?,
            None => Vec::new(),
        };
        let mut credited = credited.into_iter();
        let reading = ReadingOf::begin(app, caller, Area::Revenue, asked).await?;
        let ranges = asked.ranges();
        let mut told = Vec::new();
        for (range, sums) in ranges.iter().zip(reading.sold(&MEASURES, &ranges, false).await?) {
            let costs = match reading.few {
                Some(_) => Vec::new(),
                None => store::costs_by(&reading.db, (range.from, range.to)).await?,
            };
            let campaigns = campaigns(credited.next().unwrap_or_default(), &costs);
            let days = match by_day {
                true => days(&reading, *range, &costs).await?,
                false => Vec::new(),
            };
            told.push(Sales {
                currency: currency.clone(),
                all: Earnings::of(&sums, &costs),
                campaigns,
                days,
            });
        }
        Ok(reading.report_of(told))
    });
    asked.together(app, caller, (by_day, campaigns_by), read).await
}

/// A campaign, the conversions and the money that it is credited with.
type Campaign = (String, f64, i64);

/// What a model credits campaigns with, in each of the ranges.
async fn credited(
    app: &App,
    caller: &Caller,
    asked: &Asked,
    model: AttributionModel,
) -> Result<Vec<Vec<Campaign>>, Error> {
    let request = SummaryRequest {
        asked: asked.clone(),
        by: AttributionDimension::Campaign,
        kinds: Vec::new(),
        as_of: None,
    };
    let report = attribution::summary(app, caller, &request, model, usize::MAX, false).await?;
    let Report {
        current, previous, ..
    } = report.map(|summary| {
        let named = summary.rows.into_iter().filter_map(|row| match row.name {
            Name::Known(name) => Some((name, row.conversions, row.minor)),
            Name::Unknown | Name::Others => None,
        });
        named.collect()
    });
    Ok(previous
        .map(|(_, told)| told)
        .into_iter()
        .chain([current])
        .collect())
}

#[expect(clippy::cast_precision_loss, reason = "numbers of conversions")]
async fn days(reading: &ReadingOf<'_>, range: DateRange, costs: &[Cost]) -> Result<Vec<(Day, Line)>, Error> {
    let days = each_day(range)?;
    let mut lines: BTreeMap<Day, Line> = BTreeMap::new();
    for (day, sums) in days.iter().zip(reading.sold(&SOLD_BY_HOUR, &days, true).await?) {
        let line = lines.entry(day.from).or_default();
        line.conversions = sums.total(M::KindConversions) as f64;
        line.minor = sums.total(M::KindWorth);
    }
    for cost in costs {
        lines.entry(cost.day).or_default().spent.add(cost.spent);
    }
    Ok(lines.into_iter().collect())
}

impl ReadingOf<'_> {
    /// The sums of conversions in some ranges, which do not overlap; by day: each is a day, and no more is asked for than is
    /// kept by the hour.
    async fn sold(&self, measures: &[M], ranges: &[DateRange], by_day: bool) -> Result<Vec<Sums>, Error> {
        let mut all = vec![Sums::default(); ranges.len()];
        let parts = match self.few {
            Some(_) => Parts::counted(ranges),
            None => Parts::of(ranges, by_day),
        };
        self.kept(measures, &parts, &mut all).await?;
        for of in store::sold(&self.db, self.few.as_ref(), &steps(&parts.edges)).await? {
            let sums = &mut all[place(of.period)];
            sums.add(M::KindConversions, of.kind.as_str(), of.conversions);
            sums.add(M::KindWorth, of.kind.as_str(), of.minor);
            sums.add(M::KindUnvalued, of.kind.as_str(), of.unvalued);
            sums.add(M::SourceConversions, &of.source, of.conversions);
            sums.add(M::SourceWorth, &of.source, of.minor);
        }
        Ok(all)
    }
}
