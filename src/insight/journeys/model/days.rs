//! What happened on each day; weeks and months are sums of days.

use std::collections::BTreeMap;

use chrono::Datelike;
use entity::{Day, Stage, Timestamp};
use serde::{Deserialize, Serialize};

use super::facts::{Contribution, Money};
use crate::insight::engagement::{TypeCounts, is_inbound};

/// The first or last of several changes: its moment in microseconds, and what was before or after it.
type Edge<T> = Option<(i64, T)>;

/// What happened to one lead on a UTC day, or in several days together. Empty and [`merge`](Self::merge) form a
/// commutative monoid.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayActivity {
    /// Engagements by type.
    #[serde(rename = "n")]
    pub by_type: TypeCounts,
    /// Revenue of engagements.
    #[serde(rename = "r", default, skip_serializing_if = "Money::is_empty")]
    pub revenue: Money,
    /// The score before the first change.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    score_start: Edge<i32>,
    /// The score after the last change.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    score_end: Edge<i32>,
    /// The stage before the first move.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    stage_start: Edge<Stage>,
    /// The stage after the last move.
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    stage_end: Edge<Stage>,
}

/// Of two changes at the same moment the smaller start and the greater end stay: some rule there must be, and this one
/// does not ask which came first.
fn earlier<T: Ord + Copy>(one: &mut Edge<T>, other: Edge<T>) {
    if let Some(other) = other {
        *one = Some(one.map_or(other, |one| one.min(other)));
    }
}

fn later<T: Ord + Copy>(one: &mut Edge<T>, other: Edge<T>) {
    *one = (*one).max(other);
}

impl DayActivity {
    /// Takes an engagement in. The caller chooses the day by when it occurred, however late it arrives.
    pub fn fold(&mut self, engagement: &Contribution<'_>) {
        self.by_type.add(engagement.kind, 1);
        if let Some((currency, minor)) = engagement.revenue {
            self.revenue.add(currency, minor);
        }
    }

    /// Notes a change of the base score.
    pub fn note_score(&mut self, at: Timestamp, before: i32, after: i32) {
        earlier(&mut self.score_start, Some((at.micros(), before)));
        later(&mut self.score_end, Some((at.micros(), after)));
    }

    /// Notes a move from one stage to another.
    pub fn note_stage(&mut self, at: Timestamp, before: Stage, after: Stage) {
        earlier(&mut self.stage_start, Some((at.micros(), before)));
        later(&mut self.stage_end, Some((at.micros(), after)));
    }

    /// Adds what happened in other days, or the rest of this one.
    pub fn merge(&mut self, other: &Self) {
        let Self {
            by_type,
            revenue,
            score_start,
            score_end,
            stage_start,
            stage_end,
        } = other;
        self.by_type.merge(by_type);
        self.revenue.merge(revenue);
        earlier(&mut self.score_start, *score_start);
        later(&mut self.score_end, *score_end);
        earlier(&mut self.stage_start, *stage_start);
        later(&mut self.stage_end, *stage_end);
    }

    /// Whether the lead itself did something.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.by_type.iter().any(|(kind, _)| is_inbound(kind))
    }

    /// Engagements of all types.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.by_type.total()
    }

    /// The score at start and end; absent where it did not change, and is what it was before.
    #[must_use]
    pub fn score(&self) -> Option<(i32, i32)> {
        Some((self.score_start?.1, self.score_end?.1))
    }

    /// By how many points the score changed.
    #[must_use]
    pub fn score_change(&self) -> i32 {
        self.score().map_or(0, |(start, end)| end - start)
    }

    /// The stage at start and end; absent where the lead did not move, and is where it was before.
    #[must_use]
    pub fn stage(&self) -> Option<(Stage, Stage)> {
        Some((self.stage_start?.1, self.stage_end?.1))
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

/// A span into which days are summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Period {
    /// A UTC day.
    Day,
    /// From Monday to Sunday.
    Week,
    /// A calendar month.
    Month,
}

impl Period {
    /// The first day of the span that holds the day.
    #[must_use]
    pub fn start_of(self, day: Day) -> Day {
        match self {
            Self::Day => day,
            Self::Week => day.week_start(),
            Self::Month => {
                let date = day.to_chrono();
                Day(day.0 - i32::try_from(date.day0()).expect("below 31"))
            }
        }
    }
}

/// Sums days into spans, by the first day of each.
#[must_use]
pub fn by_period<'a>(
    days: impl IntoIterator<Item = (Day, &'a DayActivity)>,
    period: Period,
) -> BTreeMap<Day, DayActivity> {
    let mut sums = BTreeMap::<Day, DayActivity>::new();
    for (day, activity) in days {
        sums.entry(period.start_of(day)).or_default().merge(activity);
    }
    sums
}

#[cfg(test)]
mod tests {
    use entity::{Channel, EngagementType};
    use proptest::prelude::*;

    use super::*;

    const SUNDAY: Timestamp = Timestamp(1_772_323_200_000_000); // 2026-03-01T00:00:00Z

    fn viewed(at: Timestamp) -> Contribution<'static> {
        Contribution {
            kind: EngagementType::PageViewed,
            channel: Channel::Web,
            occurred_at: at,
            confidence: 1000,
            revenue: Some(("EUR", 5)),
        }
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_the_first() {
        let day = SUNDAY.day();
        assert_eq!(Period::Week.start_of(day).to_string(), "2026-02-23");
        assert_eq!(Period::Week.start_of(Day(day.0 + 1)).to_string(), "2026-03-02");
        assert_eq!(Period::Month.start_of(Day(day.0 - 1)).to_string(), "2026-02-01");
        assert_eq!(Period::Month.start_of(Day(day.0 + 30)).to_string(), "2026-03-01");
        assert_eq!(Period::Day.start_of(day), day);
    }

    #[test]
    fn a_day_by_hand() {
        let mut activity = DayActivity::default();
        assert!(!activity.is_active());
        activity.fold(&Contribution {
            kind: EngagementType::EmailSent,
            revenue: None,
            ..viewed(SUNDAY)
        });
        assert!(!activity.is_active(), "what we did does not make a day active");
        activity.fold(&viewed(SUNDAY));
        assert!(activity.is_active());
        activity.note_score(SUNDAY.plus_seconds(20), 12, 20);
        activity.note_score(SUNDAY.plus_seconds(10), 8, 12);
        activity.note_stage(SUNDAY.plus_seconds(10), Stage::New, Stage::Contacted);
        assert_eq!((activity.score(), activity.score_change()), (Some((8, 20)), 12));
        assert_eq!(activity.stage(), Some((Stage::New, Stage::Contacted)));
        assert_eq!(
            activity.to_json(),
            concat!(
                r#"{"n":[0,1,16,1],"r":{"EUR":5},"a":[1772323210000000,8],"b":[1772323220000000,20],"#,
                r#""f":[1772323210000000,"NEW"],"g":[1772323210000000,"CONTACTED"]}"#
            )
        );
        assert_eq!(DayActivity::default().to_json(), r#"{"n":[]}"#);
    }

    #[derive(Clone, Debug)]
    enum Happening {
        Engaged(Contribution<'static>),
        Score(Timestamp, i32, i32),
        Stage(Timestamp, Stage, Stage),
    }

    fn any_happening() -> impl Strategy<Value = (Day, Happening)> {
        let stage = || prop::sample::select(Stage::ALL);
        (
            0_i64..70,
            0_i64..1_000,
            0..3_u8,
            stage(),
            stage(),
            any::<(u8, u8)>(),
        )
            .prop_map(|(day, second, which, from, to, (before, after))| {
                let at = SUNDAY.plus_days(day).plus_seconds(second);
                let happening = match which {
                    0 => Happening::Engaged(viewed(at)),
                    1 => Happening::Score(at, before.into(), after.into()),
                    _ => Happening::Stage(at, from, to),
                };
                (at.day(), happening)
            })
    }

    fn taken_in(happenings: &[(Day, Happening)]) -> BTreeMap<Day, DayActivity> {
        let mut days = BTreeMap::<Day, DayActivity>::new();
        for (day, happening) in happenings {
            let activity = days.entry(*day).or_default();
            match happening {
                Happening::Engaged(engagement) => activity.fold(engagement),
                Happening::Score(at, before, after) => activity.note_score(*at, *before, *after),
                Happening::Stage(at, before, after) => activity.note_stage(*at, *before, *after),
            }
        }
        days
    }

    fn summed(days: &BTreeMap<Day, DayActivity>, period: Period) -> BTreeMap<Day, DayActivity> {
        by_period(days.iter().map(|(day, activity)| (*day, activity)), period)
    }

    proptest! {
        #[test]
        fn neither_order_nor_batches_leave_a_trace(
            (all, shuffled) in prop::collection::vec(any_happening(), 0..40)
                .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
            cut in 0_usize..40,
        ) {
            let straight = taken_in(&all);
            let (first, second) = shuffled.split_at(cut.min(shuffled.len()));
            let mut merged = taken_in(first);
            for (day, activity) in taken_in(second) {
                merged.entry(day).or_default().merge(&activity);
            }
            prop_assert_eq!(&merged, &straight);
            for activity in merged.values() {
                let again = DayActivity::from_json(&activity.to_json()).expect("its own form");
                prop_assert_eq!(&again, activity);
            }
        }

        #[test]
        fn weeks_and_months_are_sums_of_days(all in prop::collection::vec(any_happening(), 0..40)) {
            let days = taken_in(&all);
            for period in [Period::Day, Period::Week, Period::Month] {
                let sums = summed(&days, period);
                let engaged = all.iter().filter(|(_, one)| matches!(one, Happening::Engaged(_))).count();
                prop_assert_eq!(sums.values().map(DayActivity::total).sum::<i64>(), engaged as i64);
                for (start, sum) in &sums {
                    prop_assert_eq!(period.start_of(*start), *start);
                    let inside = all.iter().filter(|(day, _)| period.start_of(*day) == *start);
                    // All that happened in the span, as if it were one day.
                    let as_one: Vec<_> = inside.map(|(_, one)| (*start, one.clone())).collect();
                    prop_assert_eq!(&taken_in(&as_one)[start], sum);
                }
            }
        }
    }
}
