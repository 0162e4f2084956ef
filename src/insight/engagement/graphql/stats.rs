//! What engagements add up to.

use async_graphql::SimpleObject;
use entity::{Channel, Day, EngagementType};

use crate::api::types::Money;
use crate::insight::engagement::Stats;

/// What engagements add up to.
#[derive(SimpleObject)]
pub(super) struct EngagementStats {
    /// How many.
    total: i64,
    /// By type, without those that have none.
    by_type: Vec<TypeCount>,
    /// By channel, without those that have none.
    by_channel: Vec<ChannelCount>,
    /// By UTC day, earliest first, without those that have none.
    by_day: Vec<DayCount>,
    /// Revenue, one amount for each currency.
    revenue: Vec<Money>,
}

/// How many engagements of a type.
#[derive(SimpleObject)]
pub struct TypeCount {
    /// The type.
    #[graphql(name = "type")]
    pub engagement_type: EngagementType,
    /// How many.
    pub count: i64,
}

/// How many engagements by a channel.
#[derive(SimpleObject)]
pub struct ChannelCount {
    /// The channel.
    pub channel: Channel,
    /// How many.
    pub count: i64,
}

/// How many engagements on a day.
#[derive(SimpleObject)]
pub struct DayCount {
    /// The day: of UTC, unless a report is asked for in another time zone.
    pub day: Day,
    /// How many.
    pub count: i64,
}

impl From<Stats> for EngagementStats {
    fn from(stats: Stats) -> Self {
        let Stats {
            total,
            by_type,
            by_channel,
            by_day,
            revenue,
        } = stats;
        Self {
            total,
            by_type: by_type
                .into_iter()
                .map(|(engagement_type, count)| TypeCount {
                    engagement_type,
                    count,
                })
                .collect(),
            by_channel: by_channel
                .into_iter()
                .map(|(channel, count)| ChannelCount { channel, count })
                .collect(),
            by_day: by_day
                .into_iter()
                .map(|(day, count)| DayCount { day, count })
                .collect(),
            revenue: revenue
                .iter()
                .map(|(currency, minor)| Money::of_minor(*minor, currency))
                .collect(),
        }
    }
}
