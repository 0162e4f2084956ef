//! What a conversion rests on: the touches that led to it.

use entity::{
    AttributionDimension, AttributionModel, Channel, ConversionKind, EngagementType, Timestamp,
    id::EngagementId, time::DAY_MICROS,
};
use serde::{Deserialize, Serialize};

use super::{
    rules::{Converted, credits, weighed_by_confidence},
    settings::AttributionSettings,
};

/// Most touches of one trail: the newest. More are no path that a person went.
pub const MOST_TOUCHES: usize = 1_000;
/// The models that look at all journeys take a touch only where a person is likely to have been there: at least so many
/// thousandths. A mail scanner's has 100.
pub const LIKELY_MILLI: i32 = 500;

/// An engagement that may have led to a conversion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Touch {
    /// Which.
    pub id: EngagementId,
    /// When.
    pub at: Timestamp,
    /// What it was.
    pub kind: EngagementType,
    /// By which way.
    pub channel: Channel,
    /// What brought it about: a campaign, a form, a platform.
    pub source: Option<String>,
    /// Whether that was a campaign.
    pub is_campaign: bool,
    /// How surely a person did it, in thousandths.
    pub confidence_milli: i32,
}

/// In JSON: a list, which is short.
type Written = (
    EngagementId,
    i64,
    EngagementType,
    Channel,
    Option<String>,
    bool,
    i32,
);

impl From<Touch> for Written {
    fn from(touch: Touch) -> Self {
        let Touch {
            id,
            at,
            kind,
            channel,
            source,
            is_campaign,
            confidence_milli,
        } = touch;
        (
            id,
            at.micros(),
            kind,
            channel,
            source,
            is_campaign,
            confidence_milli,
        )
    }
}

impl From<Written> for Touch {
    fn from((id, at, kind, channel, source, is_campaign, confidence_milli): Written) -> Self {
        Self {
            id,
            at: Timestamp(at),
            kind,
            channel,
            source,
            is_campaign,
            confidence_milli,
        }
    }
}

impl Touch {
    /// What it is called where credit is summed up; empty where that is not known.
    #[must_use]
    pub fn name(&self, by: AttributionDimension) -> &str {
        match by {
            AttributionDimension::Channel => self.channel.as_str(),
            AttributionDimension::Type => self.kind.as_str(),
            AttributionDimension::Source => self.source.as_deref().unwrap_or_default(),
            AttributionDimension::Campaign if self.is_campaign => self.source.as_deref().unwrap_or_default(),
            AttributionDimension::Campaign => "",
        }
    }

    /// Whether a person is likely to have been there.
    #[must_use]
    pub const fn is_likely(&self) -> bool {
        self.confidence_milli >= LIKELY_MILLI
    }
}

/// What a journey came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A conversion.
    Converted {
        /// What it is.
        kind: ConversionKind,
        /// What is left of its value after refunds, in minor units of the currency of the reports; none without one.
        value: Option<i64>,
        /// When the lead first became an opportunity, if it did.
        opportunity_at: Option<Timestamp>,
    },
    /// Nothing so far.
    Lost,
}

/// A conversion, or touches that none has come after, with the touches that count for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trail {
    /// When it ended: the conversion, or the last touch.
    pub at: Timestamp,
    /// In what.
    pub end: End,
    /// In order of time, ties by id.
    pub touches: Vec<Touch>,
}

impl Trail {
    /// The trail of a conversion among the touches of its lead, which are in order of time, ties by id.
    #[must_use]
    pub fn of_conversion(at: Timestamp, end: End, touches: &[Touch], settings: &AttributionSettings) -> Self {
        let first = touches.partition_point(|touch| touch.at < window_start(at, settings));
        let last = touches.partition_point(|touch| touch.at <= at);
        let counts = |touch: &&Touch| !is_itself(touch, at);
        let touches: Vec<&Touch> = touches[first.min(last)..last].iter().filter(counts).collect();
        let touches = &touches[touches.len().saturating_sub(MOST_TOUCHES)..];
        Self {
            at,
            end,
            touches: touches.iter().map(|touch| (*touch).clone()).collect(),
        }
    }

    /// The trail that no conversion has ended yet: of the touches after the last one, those within the window of the newest.
    #[must_use]
    pub fn open(since: Option<Timestamp>, touches: &[Touch], settings: &AttributionSettings) -> Option<Self> {
        let at = touches.last().map(|touch| touch.at)?;
        let begin = window_start(at, settings);
        let first =
            touches.partition_point(|touch| touch.at < begin || since.is_some_and(|since| touch.at <= since));
        let touches = &touches[first.max(touches.len().saturating_sub(MOST_TOUCHES))..];
        (!touches.is_empty()).then(|| Self {
            at,
            end: End::Lost,
            touches: touches.to_vec(),
        })
    }

    /// The credit of each touch by a rule, weighed by how surely a person was there; `None` for the models that look at all
    /// journeys.
    #[must_use]
    pub fn credits(&self, model: AttributionModel, settings: &AttributionSettings) -> Option<Vec<f64>> {
        let moments: Vec<Timestamp> = self.touches.iter().map(|touch| touch.at).collect();
        let confidence: Vec<i32> = self.touches.iter().map(|touch| touch.confidence_milli).collect();
        let credits = credits(model, &moments, self.converted(), &settings.weights())?;
        Some(weighed_by_confidence(&credits, &confidence))
    }

    /// What the rules look at beside the touches.
    #[must_use]
    pub fn converted(&self) -> Converted {
        let opportunity_at = match self.end {
            End::Converted { opportunity_at, .. } => opportunity_at,
            End::Lost => None,
        };
        Converted {
            at: self.at,
            opportunity_at,
        }
    }
}

/// The moment from which touches count.
#[must_use]
pub fn window_start(at: Timestamp, settings: &AttributionSettings) -> Timestamp {
    let window = i64::from(settings.window_days) * DAY_MICROS;
    Timestamp(at.micros().saturating_sub(window))
}

/// A purchase at the very moment of a conversion is that conversion, told as an engagement too; it did not lead to itself.
fn is_itself(touch: &Touch, at: Timestamp) -> bool {
    touch.kind == EngagementType::PurchaseMade && touch.at == at
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn touch(n: u64, day: i64, channel: Channel) -> Touch {
        let at = Timestamp(day * DAY_MICROS);
        Touch {
            id: EngagementId(uuid::Uuid::from_u64_pair(at.micros().unsigned_abs(), n)),
            at,
            kind: EngagementType::PageViewed,
            channel,
            source: None,
            is_campaign: false,
            confidence_milli: 1_000,
        }
    }
}
