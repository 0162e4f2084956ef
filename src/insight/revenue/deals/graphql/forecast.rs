//! What the open deals will bring.

use async_graphql::SimpleObject;
use entity::{Day, WinRateBasis};

use super::types::DealStage;
use crate::api::types::{CurrencyCode, Money};
use crate::error::Error;
use crate::insight::revenue::deals::{Forecast, StageForecast, Sum};

/// Some open deals.
#[derive(SimpleObject)]
struct RevenueForecastSum {
    /// How many.
    deals: i64,
    /// Their value in the reporting currency.
    value: Money,
    /// The same times the win rates of their stages.
    weighted_value: Money,
}

impl RevenueForecastSum {
    fn new(sum: Sum, currency: &str) -> Result<Self, Error> {
        let money = |minor: i128| {
            let minor = i64::try_from(minor).map_err(Error::internal)?;
            Ok::<_, Error>(Money::of_minor(minor, currency))
        };
        Ok(Self {
            deals: sum.deals,
            value: money(sum.value)?,
            weighted_value: money(sum.weighted)?,
        })
    }
}

/// The open deals that are expected to be closed in a month.
#[derive(SimpleObject)]
struct RevenueForecastMonth {
    /// The first day of the month.
    month: Day,
    /// What they are.
    #[graphql(flatten)]
    sum: RevenueForecastSum,
}

/// What a forecast rests on: a stage.
#[derive(SimpleObject)]
struct RevenueForecastStage {
    /// The stage.
    stage: DealStage,
    /// Deals that have ever been in it and were closed within the last 12 months.
    closed: i64,
    /// Those of them that were won.
    won: i64,
    /// How likely a deal in it is won, 0 to 1: the part of the closed ones that was won, or, with fewer than 5 of them, the
    /// probability that the stage was given.
    win_rate: f64,
    /// Which of the two.
    basis: WinRateBasis,
    /// Its open deals.
    open_deals: i64,
    /// Their value in the reporting currency.
    open_value: Money,
    /// The same times the win rate.
    weighted_value: Money,
}

impl RevenueForecastStage {
    fn new(told: StageForecast, currency: &str) -> Result<Self, Error> {
        let StageForecast {
            stage,
            closed,
            won,
            rate,
            open,
        } = told;
        let open = RevenueForecastSum::new(open, currency)?;
        Ok(Self {
            stage: stage.into(),
            closed,
            won,
            win_rate: rate.as_f64(),
            basis: rate.basis,
            open_deals: open.deals,
            open_value: open.value,
            weighted_value: open.weighted_value,
        })
    }
}

/// What the open deals will bring. Months, `overdue`, `later` and `undated` add up to `total`, and so do the stages.
#[derive(SimpleObject)]
pub(super) struct RevenueForecast {
    /// The day that it was made on.
    today: Day,
    /// The currency of the reports.
    currency_code: CurrencyCode,
    /// By the month of the expected close, that of today first.
    months: Vec<RevenueForecastMonth>,
    /// What was expected to be closed before this month.
    overdue: RevenueForecastSum,
    /// What is expected to be closed after the last of these months.
    later: RevenueForecastSum,
    /// What nobody expects to be closed on any day.
    undated: RevenueForecastSum,
    /// All open deals.
    total: RevenueForecastSum,
    /// Open deals without a value: they are counted, and bring nothing.
    without_value: i64,
    /// Open deals in a currency without a rate of exchange: they are counted, and bring nothing.
    without_rate: i64,
    /// What it rests on: the stages that are in use or have open deals.
    stages: Vec<RevenueForecastStage>,
}

impl TryFrom<Forecast> for RevenueForecast {
    type Error = Error;

    fn try_from(told: Forecast) -> Result<Self, Error> {
        let currency = told.currency;
        let sum = |sum| RevenueForecastSum::new(sum, &currency);
        let month = |(month, of)| Ok(RevenueForecastMonth { month, sum: sum(of)? });
        let stage = |stage| RevenueForecastStage::new(stage, &currency);
        Ok(Self {
            today: told.today,
            months: told.months.into_iter().map(month).collect::<Result<_, Error>>()?,
            overdue: sum(told.overdue)?,
            later: sum(told.later)?,
            undated: sum(told.undated)?,
            total: sum(told.total)?,
            without_value: told.without_value,
            without_rate: told.without_rate,
            stages: told.stages.into_iter().map(stage).collect::<Result<_, Error>>()?,
            currency_code: CurrencyCode(currency),
        })
    }
}
