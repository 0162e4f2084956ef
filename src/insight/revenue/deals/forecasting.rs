//! What the open deals will bring.

use std::collections::HashMap;

use chrono::Months;
use chrono_tz::Tz;
use entity::id::DealStageId;
use entity::{Area, Day, Timestamp};

use super::model::forecast::{Sum, WinRate, month_starts, weigh};
use super::{DealStage, store};
use crate::app::App;
use crate::error::Error;
use crate::identity::{Caller, Scope};
use crate::insight::report::{self, ReadFrom};
use crate::insight::revenue::rates::reporting_currency;
use crate::leads::filter::LeadFilter;

/// Most months of a forecast.
pub const MOST_MONTHS: u32 = 36;

/// What the open deals will bring, in the reporting currency.
#[derive(Clone, Debug)]
pub struct Forecast {
    /// The day that it was made on.
    pub today: Day,
    /// ISO 4217.
    pub currency: String,
    /// The first day of each month, and what is expected to be closed in it.
    pub months: Vec<(Day, Sum)>,
    /// What was expected to be closed before the first month.
    pub overdue: Sum,
    /// What is expected to be closed after the last month.
    pub later: Sum,
    /// What has no day.
    pub undated: Sum,
    /// All of it.
    pub total: Sum,
    /// Open deals without a value.
    pub without_value: i64,
    /// Open deals whose value is not known in the reporting currency.
    pub without_rate: i64,
    /// What it rests on, in the order of the stages.
    pub stages: Vec<StageForecast>,
}

/// What a forecast rests on.
#[derive(Clone, Debug)]
pub struct StageForecast {
    /// The stage.
    pub stage: DealStage,
    /// Deals that have ever been in it and were closed within the last 12 months.
    pub closed: i64,
    /// Those of them that were won.
    pub won: i64,
    /// How likely a deal in it is won.
    pub rate: WinRate,
    /// Its open deals.
    pub open: Sum,
}

/// What the open deals will bring by the month of their expected close: their value times the win rate of their stage. The
/// first month is that of today in a time zone. The value of each stage is weighed and rounded as a whole, and shared among
/// the months by the largest remainders, so that months and stages add up to the same. With a filter it is of the deals of those
/// leads; what it rests on is what became of all deals.
///
/// # Errors
/// A missing scope `revenue:read`, or `leads:read` where there is a filter; a row filter; a number of months that is none, or a filter
/// that cannot be used; the database's.
pub async fn forecast(
    app: &App,
    caller: &Caller,
    months: u32,
    zone: Tz,
    filter: Option<&LeadFilter>,
) -> Result<(Forecast, ReadFrom), Error> {
    caller.require(Scope::Read(Area::Revenue))?;
    caller.require_all_rows()?;
    if !(1..=MOST_MONTHS).contains(&months) {
        return Err(Error::BadInput(format!(
            "a forecast is of 1 to {MOST_MONTHS} months, not of {months}"
        )));
    }
    let asked = (months, zone, filter);
    let read = Box::pin(read(app, caller, asked));
    match filter {
        Some(_) => report::together(app, caller, asked, read).await,
        None => read.await,
    }
}

async fn read(
    app: &App,
    caller: &Caller,
    (months, zone, filter): (u32, Tz, Option<&LeadFilter>),
) -> Result<(Forecast, ReadFrom), Error> {
    let now = app.clock().now();
    let today = now.to_chrono().with_timezone(&zone).date_naive();
    let starts = month_starts(today, months);
    let currency = reporting_currency(app).await?;
    let leads = report::selected(app, caller, filter).await?;
    let db = app.db().read();
    let stages = store::all_stages(db).await?;
    let closed = store::closed(db, a_year_before(now)).await?;
    let cells = store::open(db, &leads, &starts, &currency).await?;
    let counts = |of: fn(&store::Cell) -> i64| cells.iter().map(of).sum();
    let (without_value, without_rate) = (
        counts(|cell| cell.without_value),
        counts(|cell| cell.without_rate),
    );
    // Before the first month, the months, behind the last one, without a day.
    let width = starts.len() + 2;
    let mut table: HashMap<DealStageId, Vec<Sum>> = HashMap::new();
    for cell in cells {
        let row = table
            .entry(cell.stage)
            .or_insert_with(|| vec![Sum::default(); width]);
        let place = usize::try_from(cell.span).unwrap_or(width - 1);
        row[place] += Sum {
            deals: cell.deals,
            value: cell.value.into(),
            weighted: 0,
        };
    }
    let mut spans = vec![Sum::default(); width];
    let mut told = Vec::with_capacity(stages.len());
    for stage in stages {
        let row = table.remove(&stage.id);
        if row.is_none() && stage.archived_at.is_some() {
            continue;
        }
        let mut row = row.unwrap_or_default();
        let (closed, won) = closed.get(&stage.id).copied().unwrap_or_default();
        let rate = WinRate::new(won, closed, stage.probability);
        weigh(rate, &mut row);
        for (span, cell) in spans.iter_mut().zip(&row) {
            *span += *cell;
        }
        told.push(StageForecast {
            stage,
            closed,
            won,
            rate,
            open: row.into_iter().sum(),
        });
    }
    let total = spans.iter().copied().sum();
    let (undated, later) = (spans.pop().unwrap_or_default(), spans.pop().unwrap_or_default());
    let mut spans = spans.into_iter();
    let forecast = Forecast {
        today: today.into(),
        currency,
        overdue: spans.next().unwrap_or_default(),
        months: starts.into_iter().zip(spans).collect(),
        later,
        undated,
        total,
        without_value,
        without_rate,
        stages: told,
    };
    Ok((forecast, ReadFrom::of(&leads)))
}

/// The same moment of the year before.
fn a_year_before(now: Timestamp) -> Timestamp {
    let before = now.to_chrono().checked_sub_months(Months::new(12));
    before.map_or(now, Timestamp::from)
}
