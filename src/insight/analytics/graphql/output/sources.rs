//! What sources bring and cost.

use async_graphql::SimpleObject;

use crate::api::types::Money;
use crate::insight::analytics::Sources;
use crate::insight::analytics::model::sources::Source;

/// A source of leads.
#[derive(SimpleObject)]
struct SourceRow {
    /// Its name; null for leads of which it is not known, and costs that name none; null for all together, too.
    source: Option<String>,
    /// Leads that became known.
    leads: i64,
    /// Of them, those that were qualified or got further.
    qualified: i64,
    /// Of them, those that became customers.
    customers: i64,
    /// Customers by leads, 0–1; null without leads.
    conversion_rate: Option<f64>,
    /// The mean of their current scores, 0–100; null without any.
    mean_score: Option<f64>,
    /// What their conversions are worth by now, less what was given back.
    revenue: Money,
    /// What was spent on the source on these days; null where there is a filter on leads.
    cost: Option<Money>,
    /// (revenue − cost) / cost; null without costs.
    roi: Option<f64>,
    /// Cost by leads; null without leads.
    cost_per_lead: Option<Money>,
    /// Cost by customers; null without customers.
    cost_per_customer: Option<Money>,
    /// Conversions without a worth in the currency of the reports, as no rate of their day is known.
    unvalued: i64,
    /// Costs of which the same is true.
    unvalued_costs: i64,
}

/// What sources bring and cost.
#[derive(SimpleObject)]
pub(in crate::insight::analytics::graphql) struct SourceTable {
    /// Those with most leads first.
    sources: Vec<SourceRow>,
    /// All together.
    total: SourceRow,
}

impl SourceTable {
    pub(in crate::insight::analytics::graphql) fn new(
        (currency, sources, total): Sources,
        has_costs: bool,
    ) -> Self {
        let money = |minor: i64| Money::of_minor(minor, &currency);
        let row = |source: Source| SourceRow {
            leads: source.leads,
            qualified: source.qualified,
            customers: source.customers,
            conversion_rate: source.conversion_rate,
            mean_score: source.mean_score,
            revenue: money(source.revenue_minor),
            cost: has_costs.then(|| money(source.spent.minor)),
            roi: source.roi(),
            cost_per_lead: source.cost_per_lead().filter(|_| has_costs).map(money),
            cost_per_customer: source.cost_per_customer().filter(|_| has_costs).map(money),
            unvalued: source.unvalued,
            unvalued_costs: source.spent.unvalued,
            source: Some(source.name).filter(|name| !name.is_empty()),
        };
        Self {
            total: row(total),
            sources: sources.into_iter().map(row).collect(),
        }
    }
}
