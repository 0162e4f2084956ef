//! What all leads together did on a day.

use std::collections::BTreeMap;

use entity::{Channel, Day, EngagementType, Stage, Timestamp};
use serde::{Deserialize, Serialize};

use super::facts::{Contribution, Money};
use super::fold::{Happening, contribution};

/// Place of a type and of a channel in their vocabularies, and a currency (empty for none).
type Key = (usize, usize, String);

/// What all leads together did on a UTC day, or in several days. Empty and [`merge`](Self::merge) form a commutative
/// monoid.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct DeploymentActivity {
    /// Number and revenue in minor units.
    sums: BTreeMap<Key, (i64, i64)>,
    /// Moves into each stage, by its place in the vocabulary.
    moves: BTreeMap<usize, i64>,
}

/// Rows instead of keys that are no text.
#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(rename = "n")]
    sums: Vec<(usize, usize, String, i64, i64)>,
    #[serde(rename = "g", default, skip_serializing_if = "Vec::is_empty")]
    moves: Vec<(usize, i64)>,
}

impl From<Stored> for DeploymentActivity {
    fn from(Stored { sums, moves }: Stored) -> Self {
        Self {
            sums: sums
                .into_iter()
                .map(|(kind, channel, currency, number, minor)| ((kind, channel, currency), (number, minor)))
                .collect(),
            moves: moves.into_iter().collect(),
        }
    }
}

impl From<DeploymentActivity> for Stored {
    fn from(DeploymentActivity { sums, moves }: DeploymentActivity) -> Self {
        Self {
            sums: sums
                .into_iter()
                .map(|((kind, channel, currency), (number, minor))| (kind, channel, currency, number, minor))
                .collect(),
            moves: moves.into_iter().collect(),
        }
    }
}

/// How many engagements, of which type, by which channel, with which revenue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum<'a> {
    /// The type.
    pub kind: EngagementType,
    /// The channel.
    pub channel: Channel,
    /// How many.
    pub count: i64,
    /// Currency and minor units.
    pub revenue: Option<(&'a str, i64)>,
}

impl DeploymentActivity {
    /// Takes an engagement in. The caller chooses the day by when it occurred, however late it arrives.
    pub fn fold(&mut self, engagement: &Contribution<'_>) {
        let (currency, minor) = engagement.revenue.unwrap_or(("", 0));
        let key = (
            engagement.kind.index(),
            engagement.channel.index(),
            currency.to_owned(),
        );
        let sum = self.sums.entry(key).or_default();
        sum.0 += 1;
        sum.1 += minor;
    }

    /// Adds engagements of a type by a channel; `revenue` is their sum in one currency.
    pub fn add(&mut self, kind: EngagementType, channel: Channel, count: i64, revenue: Option<(&str, i64)>) {
        let (currency, minor) = revenue.unwrap_or(("", 0));
        let key = (kind.index(), channel.index(), currency.to_owned());
        let sum = self.sums.entry(key).or_default();
        sum.0 += count;
        sum.1 += minor;
    }

    /// Adds moves into a stage.
    pub fn add_moves(&mut self, to: Stage, count: i64) {
        *self.moves.entry(to.index()).or_default() += count;
    }

    /// Notes that a lead entered a stage.
    pub fn note_move(&mut self, to: Stage) {
        *self.moves.entry(to.index()).or_default() += 1;
    }

    /// Adds what happened in other days, or the rest of this one.
    pub fn merge(&mut self, other: &Self) {
        for (key, (number, minor)) in &other.sums {
            let sum = self.sums.entry(key.clone()).or_default();
            sum.0 += number;
            sum.1 += minor;
        }
        for (stage, number) in &other.moves {
            *self.moves.entry(*stage).or_default() += number;
        }
    }

    /// Takes away what happened elsewhere. What is nothing then is left out, so that what is equal looks equal.
    pub fn take_away(&mut self, other: &Self) {
        for (key, (number, minor)) in &other.sums {
            let sum = self.sums.entry(key.clone()).or_default();
            sum.0 -= number;
            sum.1 -= minor;
        }
        for (stage, number) in &other.moves {
            *self.moves.entry(*stage).or_default() -= number;
        }
        self.sums.retain(|_, sum| *sum != (0, 0));
        self.moves.retain(|_, number| *number != 0);
    }

    /// The engagements of one and the moves of another.
    #[must_use]
    pub fn of_both(engagements: &Self, moves: &Self) -> Self {
        Self {
            sums: engagements.sums.clone(),
            moves: moves.moves.clone(),
        }
    }

    /// Whether nothing happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sums.is_empty() && self.moves.is_empty()
    }

    /// The sums, in the order of the vocabularies.
    pub fn sums(&self) -> impl Iterator<Item = Sum<'_>> {
        self.sums
            .iter()
            .filter_map(|((kind, channel, currency), (count, minor))| {
                Some(Sum {
                    kind: *EngagementType::ALL.get(*kind)?,
                    channel: *Channel::ALL.get(*channel)?,
                    count: *count,
                    revenue: (!currency.is_empty()).then_some((currency.as_str(), *minor)),
                })
            })
    }

    /// Engagements of all types.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.sums.values().map(|(number, _)| number).sum()
    }

    /// Revenue by currency.
    #[must_use]
    pub fn revenue(&self) -> Money {
        let mut revenue = Money::default();
        for (currency, minor) in self.sums().filter_map(|sum| sum.revenue) {
            revenue.add(currency, minor);
        }
        revenue
    }

    /// Moves into each stage, in the order of the vocabulary, without those that had none.
    pub fn moves(&self) -> impl Iterator<Item = (Stage, i64)> {
        self.moves
            .iter()
            .filter_map(|(stage, number)| Some((*Stage::ALL.get(*stage)?, *number)))
    }

    /// The compact form for storage.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("keys are text and figures are integers")
    }

    /// Reads the compact form.
    ///
    /// # Errors
    /// Where the text is not an activity.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

/// What all leads did, by UTC day and by quarter of an hour. The quarters have no moves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deployment {
    /// By UTC day.
    pub days: BTreeMap<Day, DeploymentActivity>,
    /// By quarter of an hour, counted from 1970 on.
    pub quarters: BTreeMap<i32, DeploymentActivity>,
}

impl Deployment {
    /// Takes in what happened, on the day on which it did, however late it arrives.
    pub fn take(&mut self, happening: &Happening<'_>) {
        match happening {
            Happening::Engaged(recorded) => {
                let (at, engagement) = (recorded.occurred_at(), contribution(recorded));
                self.days.entry(at.day()).or_default().fold(&engagement);
                self.quarters.entry(at.quarter()).or_default().fold(&engagement);
            }
            Happening::Moved(moved) => {
                let day = Timestamp(moved.entered_micros).day();
                self.days.entry(day).or_default().note_move(moved.to);
            }
            Happening::Reweighed(_) | Happening::Converted(_) | Happening::Reversed(_) => {}
        }
    }

    /// Takes away what is in another one.
    pub fn take_away(&mut self, other: &Self) {
        for (day, activity) in &other.days {
            self.days.entry(*day).or_default().take_away(activity);
        }
        for (quarter, activity) in &other.quarters {
            self.quarters.entry(*quarter).or_default().take_away(activity);
        }
        self.days.retain(|_, activity| !activity.is_empty());
        self.quarters.retain(|_, activity| !activity.is_empty());
    }

    /// What lies on a UTC day.
    #[must_use]
    pub fn on(&self, day: Day) -> Self {
        let (first, next) = (day.start().quarter(), day.start().plus_days(1).quarter());
        let quarters = self.quarters.range(first..next);
        Self {
            days: self
                .days
                .get_key_value(&day)
                .into_iter()
                .map(|(day, of)| (*day, of.clone()))
                .collect(),
            quarters: quarters.map(|(quarter, of)| (*quarter, of.clone())).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_by_type_channel_and_currency() {
        let engaged = |kind, channel, revenue| Contribution {
            kind,
            channel,
            occurred_at: Timestamp(0),
            confidence: 1000,
            revenue,
        };
        let bought = engaged(EngagementType::PurchaseMade, Channel::Store, Some(("EUR", 4_900)));
        let mut one = DeploymentActivity::default();
        one.fold(&bought);
        one.note_move(Stage::Customer);
        let mut other = DeploymentActivity::default();
        other.fold(&bought);
        other.fold(&engaged(EngagementType::EmailSent, Channel::Email, None));
        one.merge(&other);
        assert_eq!((one.total(), one.revenue().get("EUR")), (3, 9_800));
        assert_eq!(one.moves().collect::<Vec<_>>(), [(Stage::Customer, 1)]);
        assert_eq!(
            one.to_json(),
            r#"{"n":[[0,0,"",1,0],[21,7,"EUR",2,9800]],"g":[[5,1]]}"#
        );
        assert_eq!(
            DeploymentActivity::from_json(&one.to_json()).expect("its own form"),
            one
        );
    }
}
