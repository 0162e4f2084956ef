//! What leads did.

use async_graphql::{ComplexObject, Context, Result, SimpleObject};
use entity::id::LeadId;

use crate::api::types::Money;
use crate::api::{Eager, Lead};
use crate::insight::analytics as service;
use crate::insight::engagement::graphql::{ChannelCount, DayCount, TypeCount};
use crate::leads::lead::graphql as lead_graphql;

/// A lead with what it did.
#[derive(SimpleObject)]
#[graphql(complex)]
struct TopLead {
    /// The id of the lead.
    lead_id: LeadId,
    /// Its engagements in the range.
    engagements: i64,
}

#[ComplexObject]
impl TopLead {
    /// The lead.
    async fn lead(&self, ctx: &Context<'_>) -> Result<Option<Eager<Lead>>> {
        lead_graphql::load(ctx, self.lead_id).await
    }
}

/// What leads did.
#[derive(SimpleObject)]
pub(in crate::insight::analytics::graphql) struct Engagements {
    /// Engagements of all types.
    total: i64,
    /// By type, in the order of the types; those without any are left out.
    types: Vec<TypeCount>,
    /// By channel, in the order of the channels; those without any are left out.
    channels: Vec<ChannelCount>,
    /// What they were worth, by currency.
    revenue: Vec<Money>,
    /// By day; empty unless asked for by `byDay`.
    days: Vec<DayCount>,
    /// Those that did most; empty unless asked for by `topLeads`.
    top_leads: Vec<TopLead>,
}

impl Engagements {
    pub(in crate::insight::analytics::graphql) fn new(
        service::Engagements { all, days, top }: service::Engagements,
    ) -> Self {
        Self {
            total: all.total(),
            types: (all.by_type.iter())
                .map(|(kind, count)| TypeCount {
                    engagement_type: *kind,
                    count: *count,
                })
                .collect(),
            channels: (all.by_channel.iter())
                .map(|(channel, count)| ChannelCount {
                    channel: *channel,
                    count: *count,
                })
                .collect(),
            revenue: (all.revenue.iter())
                .map(|(currency, minor)| Money::of_minor(*minor, currency))
                .collect(),
            days: days
                .into_iter()
                .map(|(day, count)| DayCount { day, count })
                .collect(),
            top_leads: top
                .into_iter()
                .map(|(lead_id, engagements)| TopLead { lead_id, engagements })
                .collect(),
        }
    }
}
