//! One conversion explained.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_graphql::{Context, Enum, Object, Result, SimpleObject};
use entity::id::EngagementId;
use entity::{AttributionDimension, AttributionModel, Channel, Day, EngagementType, Timestamp};

use super::settings::AttributionSettings;
use crate::api::types::Money;
use crate::insight::attribution::model::rules::Share;
use crate::insight::attribution::model::trail::Touch;
use crate::insight::attribution::{Attributed, Touched, Verdict, Why};
use crate::insight::engagement::graphql::{EngagementNode, load as engagement};
use crate::insight::revenue::graphql::Conversion;

/// What led to a conversion.
pub struct Attribution(Arc<Attributed>);

impl Attribution {
    pub(super) fn new(found: Attributed) -> Self {
        Self(Arc::new(found))
    }
}

/// Seconds between two moments.
#[expect(clippy::cast_precision_loss, reason = "exact to a microsecond for 285 years")]
fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    (to.micros() - from.micros()) as f64 / 1e6
}

#[Object]
impl Attribution {
    /// The conversion as it is now.
    async fn conversion(&self) -> Conversion {
        Conversion(self.0.conversion.clone())
    }
    /// By what was known at this moment.
    async fn as_of(&self) -> Timestamp {
        self.0.as_of
    }
    /// By these settings.
    async fn settings(&self) -> AttributionSettings {
        self.0.settings.clone().into()
    }
    /// What was left of its value then; null when it has none.
    async fn value(&self) -> Option<Money> {
        money(&self.0, self.0.minor)
    }
    /// Whether no touch led to it: then no model credits anything.
    async fn is_direct(&self) -> bool {
        self.0.touches.is_empty()
    }
    /// The touches of the window before the conversion, at most the 1,000 newest, in order of time.
    async fn touchpoints(&self) -> Vec<Touchpoint> {
        (0..self.0.touches.len())
            .map(|place| Touchpoint {
                of: Arc::clone(&self.0),
                place,
            })
            .collect()
    }
    /// How many touches there are.
    async fn touchpoint_count(&self) -> usize {
        self.0.touches.len()
    }
    /// From the first touch to the conversion, in seconds; null without touches.
    async fn duration_seconds(&self) -> Option<f64> {
        let first = self.0.touches.first()?;
        Some(seconds(first.at, self.0.conversion.occurred_at))
    }
    /// Mean time between one touch and the next, in seconds; null with fewer than two.
    async fn mean_seconds_between_touchpoints(&self) -> Option<f64> {
        let (first, last) = (self.0.touches.first()?, self.0.touches.last()?);
        let gaps = u32::try_from(self.0.touches.len() - 1)
            .ok()
            .filter(|gaps| *gaps > 0)?;
        Some(seconds(first.at, last.at) / f64::from(gaps))
    }
    /// What each model says.
    async fn results(&self) -> Vec<AttributionVerdict> {
        (0..self.0.verdicts.len())
            .map(|place| AttributionVerdict {
                of: Arc::clone(&self.0),
                place,
            })
            .collect()
    }
}

fn money(of: &Attributed, minor: Option<i64>) -> Option<Money> {
    Some(Money::of_minor(minor?, of.conversion.currency.as_deref()?))
}

/// An engagement, or an ad shown, that led to a conversion.
struct Touchpoint {
    of: Arc<Attributed>,
    place: usize,
}

impl Touchpoint {
    fn touch(&self) -> &Touch {
        &self.of.touches[self.place]
    }
}

#[Object]
impl Touchpoint {
    /// The engagement's id.
    async fn engagement_id(&self) -> EngagementId {
        self.touch().id
    }
    /// The engagement; null when it is not there any more.
    #[graphql(complexity = "2 + child_complexity")]
    async fn engagement(&self, ctx: &Context<'_>) -> Result<Option<EngagementNode>> {
        engagement(ctx, self.touch().id).await
    }
    /// When it happened.
    async fn occurred_at(&self) -> Timestamp {
        self.touch().at
    }
    /// What happened.
    #[graphql(name = "type")]
    async fn kind(&self) -> EngagementType {
        self.touch().kind
    }
    /// By which way.
    async fn channel(&self) -> Channel {
        self.touch().channel
    }
    /// What brought it about; null where that is not known.
    async fn source(&self) -> Option<&str> {
        self.touch().source.as_deref()
    }
    /// The campaign that brought it about; null where none did.
    async fn campaign(&self) -> Option<&str> {
        let touch = self.touch();
        touch.source.as_deref().filter(|_| touch.is_campaign)
    }
    /// How surely a person did it, 0–1; its credit by a rule is weighed by it.
    async fn human_confidence(&self) -> f64 {
        f64::from(self.touch().confidence_milli) / 1_000.0
    }
    /// How many days before the conversion it was.
    async fn days_before_conversion(&self) -> f64 {
        seconds(self.touch().at, self.of.conversion.occurred_at) / 86_400.0
    }
    /// What each model credits it with.
    async fn credits(&self) -> Vec<TouchpointCredit> {
        let credit = |verdict: &Verdict| credit(&self.of, verdict, self.place);
        self.of.verdicts.iter().map(credit).collect()
    }
}

/// Why a touch has its credit.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
enum AttributionReason {
    /// It is the only touch.
    Only,
    /// It is the first.
    First,
    /// It is the last at or before the moment the lead became an opportunity.
    Opportunity,
    /// It is the last.
    Last,
    /// It is the first and made the opportunity: one touch, one weight.
    FirstAndOpportunity,
    /// It is the last and made the opportunity: one touch, one weight.
    LastAndOpportunity,
    /// It is one of those that share what the named places leave.
    Rest,
    /// All touches count the same.
    Equal,
    /// It counts by its age.
    Decayed,
    /// The model gives it nothing.
    Nothing,
    /// By how many conversions would be lost without its channel.
    RemovalEffect,
    /// The channels of the journey share equally.
    ChannelShare,
}

/// What a model credits a touch with.
#[derive(SimpleObject)]
struct TouchpointCredit {
    /// Which model.
    model: AttributionModel,
    /// 0–1; those of all touches sum to 1.
    weight: f64,
    /// What that is of the conversion's value; null when it has none. Those of all touches sum to it exactly.
    value: Option<Money>,
    /// Why, in a word.
    reason: AttributionReason,
    /// Why, in a sentence.
    explanation: String,
}

fn credit(of: &Attributed, verdict: &Verdict, place: usize) -> TouchpointCredit {
    let Touched { weight, minor, why } = &verdict.credits[place];
    let (reason, mut explanation) = explained(*why);
    let confidence = of.touches[place].confidence_milli;
    if matches!(why, Why::Rule(_)) && confidence < 1_000 {
        let confidence = f64::from(confidence) / 1_000.0;
        explanation.push_str(&format!(
            "; weighed by {confidence}, as surely as a person did it, before all are scaled to sum to 1"
        ));
    }
    TouchpointCredit {
        model: verdict.model,
        weight: *weight,
        value: money(of, *minor),
        reason,
        explanation,
    }
}

fn explained(why: Why) -> (AttributionReason, String) {
    use AttributionReason as R;
    let (reason, text) = match why {
        Why::Rule(share) => match share {
            Share::Only => (R::Only, "the only touch: all is its own".to_owned()),
            Share::First => (R::First, "the first touch".to_owned()),
            Share::Opportunity => (
                R::Opportunity,
                "the last touch when the lead became an opportunity".to_owned(),
            ),
            Share::Last => (R::Last, "the last touch".to_owned()),
            Share::FirstAndOpportunity => (
                R::FirstAndOpportunity,
                "the first touch, which made the opportunity: one weight for both".to_owned(),
            ),
            Share::LastAndOpportunity => (
                R::LastAndOpportunity,
                "the last touch, which made the opportunity: one weight for both".to_owned(),
            ),
            Share::Rest { of } => (
                R::Rest,
                format!("one of {of} that share what the named places leave"),
            ),
            Share::Equal { of } => (R::Equal, format!("one of {of} touches that count the same")),
            Share::Decayed {
                days_before_conversion,
                half_life_days,
            } => (
                R::Decayed,
                format!(
                    "{days_before_conversion:.2} days before the conversion, half for each {half_life_days} days"
                ),
            ),
            Share::Nothing => (R::Nothing, "this model credits other touches".to_owned()),
        },
        Why::Removal { effect, of } => {
            let text = format!(
                "without its channel {:.1} % of the conversions would be lost",
                effect * 100.0
            );
            (R::RemovalEffect, shared(text, of))
        }
        Why::Channels { channels, of } => (
            R::ChannelShare,
            shared(format!("one of {channels} channels of this journey"), of),
        ),
    };
    (reason, text)
}

fn shared(text: String, of: usize) -> String {
    if of > 1 {
        format!("{text}; shared by {of} touches of the channel")
    } else {
        text
    }
}

/// What a model says of a conversion.
struct AttributionVerdict {
    of: Arc<Attributed>,
    place: usize,
}

impl AttributionVerdict {
    fn verdict(&self) -> &Verdict {
        &self.of.verdicts[self.place]
    }

    fn at(&self, place: Option<usize>) -> Option<Touchpoint> {
        Some(Touchpoint {
            of: Arc::clone(&self.of),
            place: place?,
        })
    }
}

/// What a part of a journey is credited with.
#[derive(SimpleObject)]
struct AttributionGroup {
    /// The word of a channel or type, the name of a source or campaign; null where that is not known.
    name: Option<String>,
    /// 0–1; all of them sum to 1.
    weight: f64,
    /// What that is of the conversion's value; null when it has none.
    value: Option<Money>,
    /// How many touches.
    touchpoints: usize,
}

/// The journeys that a model has learnt from.
#[derive(SimpleObject)]
struct AttributionBasis {
    /// The first UTC day on which they ended.
    from: Day,
    /// The last.
    to: Day,
    /// How many ended in a conversion of the same kind.
    converted: i64,
    /// How many have ended in none.
    lost: i64,
}

#[Object]
impl AttributionVerdict {
    /// Which model.
    async fn model(&self) -> AttributionModel {
        self.verdict().model
    }
    /// The touch with the largest weight; null without touches.
    async fn primary(&self) -> Option<Touchpoint> {
        self.at(self.verdict().leading().0)
    }
    /// The one with the second largest; null when one has all.
    async fn secondary(&self) -> Option<Touchpoint> {
        self.at(self.verdict().leading().1)
    }
    /// The credit summed up, the largest first.
    async fn by(
        &self,
        #[graphql(desc = "By what.", default_with = "AttributionDimension::Channel")]
        dimension: AttributionDimension,
    ) -> Vec<AttributionGroup> {
        let mut groups: BTreeMap<&str, (f64, i64, usize)> = BTreeMap::new();
        for (touch, credit) in self.of.touches.iter().zip(&self.verdict().credits) {
            let group = groups.entry(touch.name(dimension)).or_default();
            group.0 += credit.weight;
            group.1 += credit.minor.unwrap_or_default();
            group.2 += 1;
        }
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by(|(_, one), (_, other)| other.0.total_cmp(&one.0));
        let group = |(name, (weight, minor, touchpoints)): (&str, (f64, i64, usize))| AttributionGroup {
            name: (!name.is_empty()).then(|| name.to_owned()),
            weight,
            value: money(&self.of, self.of.minor.map(|_| minor)),
            touchpoints,
        };
        groups.into_iter().map(group).collect()
    }
    /// The journeys that the model has learnt from; null for those that look at this one alone.
    async fn basis(&self) -> Option<AttributionBasis> {
        let basis = self.verdict().basis?;
        Some(AttributionBasis {
            from: basis.days.0,
            to: basis.days.1,
            converted: basis.converted,
            lost: basis.lost,
        })
    }
}
