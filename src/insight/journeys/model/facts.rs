//! What is kept of a lead's way.

use std::collections::BTreeMap;

use entity::{Channel, EngagementType, Timestamp};
use serde::{Deserialize, Serialize};

use crate::insight::engagement::{
    ChannelCounts, TypeCounts, is_inbound, is_outbound_message, is_touch_point,
};

/// Sums of minor units by currency (ISO 4217).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Money(BTreeMap<String, i64>);

impl Money {
    /// Adds minor units of a currency; negative ones are taken away.
    pub fn add(&mut self, currency: &str, minor: i64) {
        let sum = match self.0.get_mut(currency) {
            Some(sum) => sum,
            None => self.0.entry(currency.to_owned()).or_default(),
        };
        *sum += minor;
    }

    /// Adds all sums of another.
    pub fn merge(&mut self, other: &Self) {
        for (currency, minor) in &other.0 {
            self.add(currency, *minor);
        }
    }

    /// Minor units of one currency.
    #[must_use]
    pub fn get(&self, currency: &str) -> i64 {
        self.0.get(currency).copied().unwrap_or(0)
    }

    /// Currencies and their sums, in the order of the alphabet.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i64)> {
        self.0.iter().map(|(currency, minor)| (currency.as_str(), *minor))
    }

    /// Whether nothing was ever added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A first time in a lead's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Milestone {
    /// The first message to the lead, or call.
    FirstContact,
    /// Entered QUALIFIED.
    Qualified,
    /// Entered OPPORTUNITY.
    Opportunity,
    /// Entered CUSTOMER, or a conversion to a customer.
    Customer,
    /// The first purchase.
    FirstPurchase,
}

/// What one engagement adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contribution<'a> {
    /// What happened.
    pub kind: EngagementType,
    /// By which way.
    pub channel: Channel,
    /// When.
    pub occurred_at: Timestamp,
    /// Human confidence in thousandths.
    pub confidence: i32,
    /// Currency and minor units.
    pub revenue: Option<(&'a str, i64)>,
}

/// What is kept of a lead's way. Empty and [`merge`](Self::merge) form a commutative monoid.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JourneyFacts {
    /// First, last engagement; first, last inbound one; then the milestones in their order. Microseconds.
    #[serde(rename = "t")]
    moments: [Option<i64>; 9],
    /// Engagements by type.
    #[serde(rename = "n")]
    pub by_type: TypeCounts,
    /// Engagements by channel.
    #[serde(rename = "c")]
    pub by_channel: ChannelCounts,
    /// Touch points.
    #[serde(rename = "p")]
    pub touch_points: i64,
    /// Touch points weighed by human confidence, in thousandths.
    #[serde(rename = "w")]
    pub touch_weight: i64,
    /// UTC days with at least one inbound engagement.
    #[serde(rename = "d")]
    pub active_days: i64,
    /// Revenue of engagements.
    #[serde(rename = "r", default, skip_serializing_if = "Money::is_empty")]
    pub revenue: Money,
    /// Value of conversions.
    #[serde(rename = "v", default, skip_serializing_if = "Money::is_empty")]
    pub conversions: Money,
}

const FIRST: usize = 0;
const LAST: usize = 1;
const FIRST_INBOUND: usize = 2;
const LAST_INBOUND: usize = 3;
const MILESTONES: usize = 4;

impl JourneyFacts {
    /// Takes an engagement in.
    ///
    /// `is_new_active_day` says that it is inbound and the first inbound one of its lead on its UTC day. Which of a
    /// day's engagements is the first to be taken in does not matter, only that exactly one of them says so: the caller
    /// knows by the row of that lead and day (`DayActivity::is_active` before and after).
    pub fn fold(&mut self, engagement: &Contribution<'_>, is_new_active_day: bool) {
        let Contribution {
            kind,
            channel,
            occurred_at,
            confidence,
            revenue,
        } = *engagement;
        self.earliest(FIRST, occurred_at);
        self.latest(LAST, occurred_at);
        if is_inbound(kind) {
            self.earliest(FIRST_INBOUND, occurred_at);
            self.latest(LAST_INBOUND, occurred_at);
            self.active_days += i64::from(is_new_active_day);
        }
        self.by_type.add(kind, 1);
        self.by_channel.add(channel, 1);
        if is_touch_point(kind) {
            self.touch_points += 1;
            self.touch_weight += i64::from(confidence);
        }
        if let Some((currency, minor)) = revenue {
            self.revenue.add(currency, minor);
        }
        if is_outbound_message(kind) || kind == EngagementType::CallMade {
            self.reach(Milestone::FirstContact, occurred_at);
        }
        if kind == EngagementType::PurchaseMade {
            self.reach(Milestone::FirstPurchase, occurred_at);
        }
    }

    /// Corrects an engagement whose confidence was found to be another one, in thousandths.
    pub fn reweigh(&mut self, kind: EngagementType, from: i32, to: i32) {
        if is_touch_point(kind) {
            self.touch_weight += i64::from(to) - i64::from(from);
        }
    }

    /// Takes the value of a conversion in.
    pub fn fold_conversion(&mut self, currency: &str, minor: i64) {
        self.conversions.add(currency, minor);
    }

    /// Notes that a milestone was reached; the earliest moment stays.
    pub fn reach(&mut self, milestone: Milestone, at: Timestamp) {
        self.earliest(MILESTONES + milestone as usize, at);
    }

    /// Adds the facts of other engagements of the same lead; their new active days must be other days.
    pub fn merge(&mut self, other: &Self) {
        let Self {
            moments,
            by_type,
            by_channel,
            touch_points,
            touch_weight,
            active_days,
            revenue,
            conversions,
        } = other;
        for (place, moment) in moments.iter().enumerate() {
            let Some(moment) = moment.map(Timestamp) else {
                continue;
            };
            if matches!(place, LAST | LAST_INBOUND) {
                self.latest(place, moment);
            } else {
                self.earliest(place, moment);
            }
        }
        self.by_type.merge(by_type);
        self.by_channel.merge(by_channel);
        self.touch_points += touch_points;
        self.touch_weight += touch_weight;
        self.active_days += active_days;
        self.revenue.merge(revenue);
        self.conversions.merge(conversions);
    }

    fn earliest(&mut self, place: usize, at: Timestamp) {
        let moment = &mut self.moments[place];
        *moment = Some(moment.map_or(at.micros(), |before| before.min(at.micros())));
    }

    fn latest(&mut self, place: usize, at: Timestamp) {
        let moment = &mut self.moments[place];
        *moment = Some(moment.map_or(at.micros(), |before| before.max(at.micros())));
    }

    /// The first engagement.
    #[must_use]
    pub fn first_at(&self) -> Option<Timestamp> {
        self.moments[FIRST].map(Timestamp)
    }

    /// The last engagement.
    #[must_use]
    pub fn last_at(&self) -> Option<Timestamp> {
        self.moments[LAST].map(Timestamp)
    }

    /// The first inbound engagement.
    #[must_use]
    pub fn first_inbound_at(&self) -> Option<Timestamp> {
        self.moments[FIRST_INBOUND].map(Timestamp)
    }

    /// The last inbound engagement.
    #[must_use]
    pub fn last_inbound_at(&self) -> Option<Timestamp> {
        self.moments[LAST_INBOUND].map(Timestamp)
    }

    /// When the milestone was reached first.
    #[must_use]
    pub fn milestone(&self, milestone: Milestone) -> Option<Timestamp> {
        self.moments[MILESTONES + milestone as usize].map(Timestamp)
    }

    /// When the journey began: the first engagement, else the lead's creation.
    #[must_use]
    pub fn started_at(&self, created_at: Timestamp) -> Timestamp {
        self.first_at().unwrap_or(created_at)
    }

    /// How long the journey is so far, in microseconds: from its beginning to the last engagement.
    #[must_use]
    pub fn duration_micros(&self) -> i64 {
        match (self.first_at(), self.last_at()) {
            (Some(first), Some(last)) => last.micros() - first.micros(),
            _ => 0,
        }
    }

    /// Engagements of all types.
    #[must_use]
    pub fn engagements(&self) -> i64 {
        self.by_type.total()
    }

    /// The mean distance between neighbouring active days, in days; absent with fewer than two of them.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "days of a life")]
    pub fn mean_gap_days(&self) -> Option<f64> {
        let (first, last) = (self.first_inbound_at()?.day(), self.last_inbound_at()?.day());
        (self.active_days >= 2).then(|| f64::from(last.0 - first.0) / (self.active_days - 1) as f64)
    }

    /// The compact form for storage.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("keys are text and figures are integers")
    }

    /// Reads the compact form.
    ///
    /// # Errors
    /// Where the text is not the facts of a journey.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    const DAY: Timestamp = Timestamp(1_772_323_200_000_000); // 2026-03-01T00:00:00Z

    fn any_engagement() -> impl Strategy<Value = Contribution<'static>> {
        (
            prop::sample::select(EngagementType::ALL),
            prop::sample::select(Channel::ALL),
            (0_i64..20, 0_i64..86_400),
            prop::sample::select(vec![100, 1000]),
            prop::option::of((prop::sample::select(vec!["EUR", "USD"]), -1_000_i64..100_000)),
        )
            .prop_map(
                |(kind, channel, (day, second), confidence, revenue)| Contribution {
                    kind,
                    channel,
                    occurred_at: DAY.plus_days(day).plus_seconds(second),
                    confidence,
                    revenue,
                },
            )
    }

    /// Takes engagements in as the caller does: a row for each day says whether it was active before.
    fn taken_in(engagements: &[Contribution<'_>], days: &mut HashSet<entity::Day>) -> JourneyFacts {
        let mut facts = JourneyFacts::default();
        for engagement in engagements {
            let new = is_inbound(engagement.kind) && days.insert(engagement.occurred_at.day());
            facts.fold(engagement, new);
        }
        facts
    }

    #[test]
    fn a_short_way_by_hand() {
        let at = |kind, day, revenue| Contribution {
            kind,
            channel: Channel::Email,
            occurred_at: DAY.plus_days(day),
            confidence: 1000,
            revenue,
        };
        use EngagementType as T;
        let way = [
            at(T::EmailSent, 0, None),
            at(T::EmailOpened, 1, None),
            at(T::EmailOpened, 1, None),
            at(T::PageViewed, 5, None),
            at(T::PurchaseMade, 9, Some(("EUR", 4_900))),
            at(T::EmailSent, 12, None),
        ];
        let mut facts = taken_in(&way, &mut HashSet::new());
        facts.reach(Milestone::Customer, DAY.plus_days(9));
        facts.fold_conversion("EUR", 4_900);
        assert_eq!(
            (facts.engagements(), facts.touch_points, facts.active_days),
            (6, 4, 3)
        );
        assert_eq!(facts.mean_gap_days(), Some(4.0));
        assert_eq!(facts.started_at(DAY.plus_days(-3)), DAY);
        assert_eq!(facts.duration_micros(), 12 * entity::time::DAY_MICROS);
        assert_eq!(facts.milestone(Milestone::FirstContact), Some(DAY));
        assert_eq!(facts.milestone(Milestone::FirstPurchase), Some(DAY.plus_days(9)));
        assert_eq!(facts.milestone(Milestone::Qualified), None);
        assert_eq!(facts.last_inbound_at(), Some(DAY.plus_days(9)));
        assert_eq!(facts.revenue.iter().collect::<Vec<_>>(), [("EUR", 4_900)]);
        facts.reweigh(T::EmailOpened, 1000, 100);
        assert_eq!(facts.touch_weight, 3_100);
        assert_eq!(JourneyFacts::default().started_at(DAY), DAY);
    }

    proptest! {
        #[test]
        fn neither_order_nor_batches_leave_a_trace(
            (engagements, shuffled) in prop::collection::vec(any_engagement(), 0..30)
                .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
            cut in 0_usize..30,
        ) {
            let straight = taken_in(&engagements, &mut HashSet::new());
            let (first, second) = shuffled.split_at(cut.min(shuffled.len()));
            let mut days = HashSet::new();
            let one = taken_in(first, &mut days);
            let mut merged = taken_in(second, &mut days);
            merged.merge(&one);
            prop_assert_eq!(&merged, &straight);
            prop_assert_eq!(merged.to_json(), straight.to_json());
            prop_assert_eq!(JourneyFacts::from_json(&merged.to_json()).expect("its own form"), merged);
            let mut with_nothing = straight.clone();
            with_nothing.merge(&JourneyFacts::default());
            prop_assert_eq!(with_nothing, straight);
        }

        #[test]
        fn a_corrected_confidence_is_as_if_it_had_always_been_so(engagement in any_engagement()) {
            let with = |confidence| {
                let mut facts = JourneyFacts::default();
                facts.fold(&Contribution { confidence, ..engagement }, false);
                facts
            };
            let mut corrected = with(1000);
            corrected.reweigh(engagement.kind, 1000, 100);
            prop_assert_eq!(corrected, with(100));
        }
    }
}
