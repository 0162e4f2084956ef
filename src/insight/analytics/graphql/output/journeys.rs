//! How journeys go.

use async_graphql::{ComplexObject, Context, Result, SimpleObject};
use entity::Trend;
use entity::id::LeadId;

use crate::api::types::Money;
use crate::api::{Eager, Lead};
use crate::insight::analytics as service;
use crate::insight::analytics::model::funnel;
use crate::insight::analytics::model::sources::share;
use crate::leads::lead::graphql as lead_graphql;

/// Leads whose journeys go one way.
#[derive(SimpleObject)]
struct TrendLeads {
    /// Which way.
    trend: Trend,
    /// How many.
    leads: i64,
}

/// Leads by a tenth of their churn risk.
#[derive(SimpleObject)]
struct RiskBin {
    /// From this risk on, 0–1.
    from: f64,
    /// Below this risk; with it for 1.
    to: f64,
    /// How many.
    leads: i64,
}

/// A lead at high risk.
#[derive(SimpleObject)]
#[graphql(complex)]
struct LeadAtRisk {
    /// The id of the lead.
    lead_id: LeadId,
    /// What its conversions are worth, less what was given back.
    revenue: Money,
}

#[ComplexObject]
impl LeadAtRisk {
    /// The lead.
    async fn lead(&self, ctx: &Context<'_>) -> Result<Option<Eager<Lead>>> {
        lead_graphql::load(ctx, self.lead_id).await
    }
}

/// How journeys go.
#[derive(SimpleObject)]
pub(in crate::insight::analytics::graphql) struct JourneyHealth {
    /// Leads that became known.
    leads: i64,
    /// By which way their journeys go: engagements of the last 30 days against those of the 30 days before.
    trends: Vec<TrendLeads>,
    /// By tenths of their churn risk.
    churn_risk: Vec<RiskBin>,
    /// Those at high risk: above 0.7.
    high_risk: i64,
    /// What part of the leads that is, 0–1; null without leads.
    high_risk_share: Option<f64>,
    /// Those of them that have brought most; empty unless asked for by `atRisk`.
    at_risk: Vec<LeadAtRisk>,
    /// Leads that have done anything.
    journeys: i64,
    /// The mean length of their journeys in days, from the first engagement to the last; null without any.
    mean_duration_days: Option<f64>,
    /// Leads that became customers.
    customers: i64,
    /// What the conversions of all leads are worth by now, less what was given back.
    revenue: Money,
    /// Revenue by customers: what a customer was worth so far; null without customers.
    lifetime_value: Option<Money>,
}

impl JourneyHealth {
    pub(in crate::insight::analytics::graphql) fn new(
        (currency, health, at_risk): service::Journeys,
    ) -> Self {
        let money = |minor: i64| Money::of_minor(minor, &currency);
        let bin = |(place, leads): (u8, i64)| RiskBin {
            from: f64::from(place) / 10.0,
            to: f64::from(place + 1) / 10.0,
            leads,
        };
        let named = |(lead_id, minor): (LeadId, i64)| LeadAtRisk {
            lead_id,
            revenue: money(minor),
        };
        Self {
            leads: health.leads,
            trends: (health.trends.iter())
                .map(|(trend, leads)| TrendLeads {
                    trend: *trend,
                    leads: *leads,
                })
                .collect(),
            churn_risk: (0..).zip(health.risk_tenths).map(bin).collect(),
            high_risk: health.high_risk,
            high_risk_share: funnel::part(health.high_risk, health.leads),
            at_risk: at_risk.into_iter().map(named).collect(),
            journeys: health.journeys,
            mean_duration_days: health.mean_days,
            customers: health.customers,
            revenue: money(health.revenue_minor),
            lifetime_value: share(health.revenue_minor, health.customers).map(money),
        }
    }
}
