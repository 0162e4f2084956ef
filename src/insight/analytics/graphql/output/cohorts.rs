//! What became of the leads of each month or week.

use async_graphql::SimpleObject;
use entity::Day;

use crate::api::types::Money;
use crate::insight::analytics::Cohorts;
use crate::insight::analytics::model::sources::share;
use crate::insight::analytics::model::{cohorts, funnel};

/// Leads that were active in a period.
#[derive(SimpleObject)]
struct CohortActivity {
    /// Which: 0 is the period of the cohort itself, 1 the one after it.
    period: i32,
    /// How many did something in it that a person is likely to have done.
    leads: i64,
    /// What part of the cohort, 0–1; null without leads.
    share: Option<f64>,
}

/// The leads of a month or week.
#[derive(SimpleObject)]
struct Cohort {
    /// The first of its days that is in the range.
    from: Day,
    /// The last of them.
    to: Day,
    /// How many leads became known.
    leads: i64,
    /// Of them, those that became customers.
    customers: i64,
    /// Customers by leads, 0–1; null without leads.
    conversion_rate: Option<f64>,
    /// What their conversions are worth by now, less what was given back.
    revenue: Money,
    /// Revenue by leads; null without leads.
    revenue_per_lead: Option<Money>,
    /// Revenue by customers: what a customer was worth so far; null without customers.
    lifetime_value: Option<Money>,
    /// Their conversions without a worth in the currency of the reports, as no rate of their day is known.
    unvalued: i64,
    /// Who was active in which period, up to the one of today.
    activity: Vec<CohortActivity>,
}

/// What became of the leads of each period.
#[derive(SimpleObject)]
pub(in crate::insight::analytics::graphql) struct CohortTable {
    /// Oldest first.
    cohorts: Vec<Cohort>,
}

impl CohortTable {
    pub(in crate::insight::analytics::graphql) fn new(Cohorts { currency, cohorts }: Cohorts) -> Self {
        let cohort = |of: cohorts::Cohort| {
            let money = |minor: i64| Money::of_minor(minor, &currency);
            let activity = |(period, leads): (i32, i64)| CohortActivity {
                period,
                leads,
                share: funnel::part(leads, of.leads),
            };
            Cohort {
                from: of.range.from,
                to: of.range.to,
                leads: of.leads,
                customers: of.customers,
                conversion_rate: of.conversion_rate,
                revenue: money(of.revenue_minor),
                revenue_per_lead: share(of.revenue_minor, of.leads).map(money),
                lifetime_value: share(of.revenue_minor, of.customers).map(money),
                unvalued: of.unvalued,
                activity: (0..).zip(of.active.iter().copied()).map(activity).collect(),
            }
        };
        Self {
            cohorts: cohorts.into_iter().map(cohort).collect(),
        }
    }
}
