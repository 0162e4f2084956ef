//! What was earned and spent.

use async_graphql::SimpleObject;
use entity::{ConversionKind, CostKind, Day};

use crate::api::types::Money;
use crate::insight::analytics as service;
use crate::insight::analytics::model::sold::{Line, Sold};
use crate::insight::analytics::model::sources::Spent;

/// Conversions of a kind.
#[derive(SimpleObject)]
struct ConversionsOfKind {
    /// The kind.
    kind: ConversionKind,
    /// How many.
    conversions: i64,
    /// What they are worth, less what was given back.
    revenue: Money,
    /// Of them, those without a worth in the currency of the reports, as no rate of their day is known.
    unvalued: i64,
}

/// Costs of a kind.
#[derive(SimpleObject)]
struct CostsOfKind {
    /// The kind.
    kind: CostKind,
    /// How much.
    amount: Money,
    /// Of them, those without an amount in the currency of the reports, as no rate of their day is known.
    unvalued: i64,
}

/// What a source earned, and what was spent on it.
#[derive(SimpleObject)]
struct SourceRevenue {
    /// The source of the leads; null for leads of which it is not known, and costs that name none.
    source: Option<String>,
    /// Conversions of its leads.
    conversions: i64,
    /// What they are worth, less what was given back.
    revenue: Money,
    /// What was spent on the source; null where there is a filter on leads.
    cost: Option<Money>,
    /// (revenue − cost) / cost; null without costs.
    roi: Option<f64>,
}

/// What a campaign earned, and what was spent on it.
#[derive(SimpleObject)]
struct CampaignRevenue {
    /// The campaign.
    campaign: String,
    /// Conversions that the model credits it with, in fractions.
    conversions: f64,
    /// What they are worth, less what was given back.
    revenue: Money,
    /// What was spent on it; null where there is a filter on leads.
    cost: Option<Money>,
    /// (revenue − cost) / cost; null without costs.
    roi: Option<f64>,
}

/// What was earned and spent on a day.
#[derive(SimpleObject)]
struct RevenueDay {
    /// The day.
    day: Day,
    /// Conversions.
    conversions: i64,
    /// What they are worth, less what was given back.
    revenue: Money,
    /// What was spent; null where there is a filter on leads.
    cost: Option<Money>,
}

/// What was earned and spent.
#[derive(SimpleObject)]
pub(in crate::insight::analytics::graphql) struct Revenue {
    /// Conversions.
    conversions: i64,
    /// What they are worth, less what was given back.
    revenue: Money,
    /// Of them, those without a worth in the currency of the reports, as no rate of their day is known.
    unvalued: i64,
    /// What was spent; null where there is a filter on leads.
    cost: Option<Money>,
    /// Costs without an amount in the currency of the reports, as no rate of their day is known.
    unvalued_costs: i64,
    /// (revenue − cost) / cost; null without costs.
    roi: Option<f64>,
    /// Conversions by kind; those without any are left out.
    kinds: Vec<ConversionsOfKind>,
    /// By the source of the leads, those that brought most first.
    sources: Vec<SourceRevenue>,
    /// By campaign, those that brought most first. Conversions that no campaign has a part in are in none of them.
    campaigns: Vec<CampaignRevenue>,
    /// Costs by kind; those without any are left out. Null where there is a filter on leads.
    costs: Option<Vec<CostsOfKind>>,
    /// By day; empty unless asked for by `byDay`.
    days: Vec<RevenueDay>,
}

impl Revenue {
    pub(in crate::insight::analytics::graphql) fn new(sales: service::Sales, has_costs: bool) -> Self {
        let service::Sales {
            currency,
            all,
            campaigns,
            days,
        } = sales;
        let money = |minor: i64| Money::of_minor(minor, &currency);
        let roi = all.roi();
        #[expect(clippy::cast_possible_truncation, reason = "a whole number of conversions")]
        let whole = |conversions: f64| conversions.round() as i64;
        let kind = |(kind, of): (ConversionKind, Sold)| ConversionsOfKind {
            kind,
            conversions: of.conversions,
            revenue: money(of.minor),
            unvalued: of.unvalued,
        };
        let cost = |(kind, of): (CostKind, Spent)| CostsOfKind {
            kind,
            amount: money(of.minor),
            unvalued: of.unvalued,
        };
        let source = |(name, line): (String, Line)| SourceRevenue {
            source: Some(name).filter(|name| !name.is_empty()),
            conversions: whole(line.conversions),
            revenue: money(line.minor),
            cost: has_costs.then(|| money(line.spent.minor)),
            roi: line.roi(),
        };
        let campaign = |(campaign, line): (String, Line)| CampaignRevenue {
            campaign,
            conversions: line.conversions,
            revenue: money(line.minor),
            cost: has_costs.then(|| money(line.spent.minor)),
            roi: line.roi(),
        };
        let day = |(day, line): (Day, Line)| RevenueDay {
            day,
            conversions: whole(line.conversions),
            revenue: money(line.minor),
            cost: has_costs.then(|| money(line.spent.minor)),
        };
        Self {
            conversions: all.sold.conversions,
            revenue: money(all.sold.minor),
            unvalued: all.sold.unvalued,
            cost: has_costs.then(|| money(all.spent.minor)),
            unvalued_costs: all.spent.unvalued,
            roi,
            kinds: all.kinds.into_iter().map(kind).collect(),
            sources: all.sources.into_iter().map(source).collect(),
            campaigns: campaigns.into_iter().map(campaign).collect(),
            costs: has_costs.then(|| all.costs.into_iter().map(cost).collect()),
            days: days.into_iter().map(day).collect(),
        }
    }
}
