//! What reports count of one lead.

use std::collections::BTreeSet;

use entity::{ConversionKind, Day, Grade, ReportMeasure as M, Stage, Temperature, Timestamp, Trend};
use serde::{Deserialize, Serialize};

use super::lengths;
use crate::insight::calendar::{month_of, week_of};
use crate::insight::journeys::{self, JourneySettings};
use crate::leads::filter::ScoreScale;

/// The stages of the funnel, in order.
pub const FUNNEL: [Stage; 6] = [
    Stage::New,
    Stage::Contacted,
    Stage::Qualified,
    Stage::Engaged,
    Stage::Opportunity,
    Stage::Customer,
];

/// What is counted of a lead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outline {
    /// When it became known; stored beside the rest.
    #[serde(skip)]
    pub created_at: Timestamp,
    /// Where it came from; empty where that is not known.
    #[serde(rename = "s", default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// The stage that it is in.
    #[serde(rename = "g")]
    pub stage: Stage,
    /// The furthest stage of the funnel that it has reached.
    #[serde(rename = "r")]
    pub reached: Stage,
    /// Stays that have ended: the stage, and seconds.
    #[serde(rename = "d", default, skip_serializing_if = "Vec::is_empty")]
    pub stays: Vec<(Stage, i64)>,
    /// Its score.
    #[serde(rename = "q", default, skip_serializing_if = "Option::is_none")]
    pub score: Option<Scored>,
    /// What came of it, by quarter of an hour and kind.
    #[serde(rename = "c", default, skip_serializing_if = "Vec::is_empty")]
    pub sales: Vec<Sale>,
    /// When it was active.
    #[serde(rename = "a", default, skip_serializing_if = "Active::is_never")]
    pub active: Active,
    /// How its journey goes.
    #[serde(rename = "j")]
    pub going: Going,
}

/// How a journey goes, as it was at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Going {
    /// Which way.
    #[serde(rename = "t")]
    pub trend: Trend,
    /// Tenths of the churn risk, 0–9; 1 is with the last of them.
    #[serde(rename = "r")]
    pub risk_tenths: u8,
    /// Whether the risk is high.
    #[serde(rename = "h", default, skip_serializing_if = "std::ops::Not::not")]
    pub is_high_risk: bool,
    /// How long it is, from the first engagement to the last; `None` where there is none.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<i64>,
}

impl Going {
    /// How it goes at a moment, and the next one at which time makes a difference to reports.
    #[must_use]
    pub fn at(of: &journeys::Going, created_at: Timestamp, now: Timestamp) -> (Self, Option<Timestamp>) {
        let settings = JourneySettings::default();
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        let trend = journeys::trend(count(of.last), count(of.before), &settings);
        let risk = journeys::churn_risk(&of.facts, created_at, trend, &settings, now);
        let tenths = (1..=9_u8)
            .rev()
            .find(|tenths| risk >= f64::from(*tenths) / 10.0)
            .unwrap_or(0);
        let going = Self {
            trend,
            risk_tenths: tenths,
            is_high_risk: journeys::is_high_risk(risk, &settings),
            seconds: of
                .facts
                .first_at()
                .map(|_| of.facts.duration_micros() / 1_000_000),
        };
        let steps = (1..=9_u8)
            .map(|tenths| f64::from(tenths) / 10.0)
            .chain([settings.high_risk]);
        let next = steps.filter(|step| *step > risk || (*step >= settings.high_risk && !going.is_high_risk));
        let next = next.fold(f64::INFINITY, f64::min);
        let reached = match next.is_finite() {
            true => journeys::reaches_at(next, &of.facts, created_at, trend, &settings),
            false => None,
        };
        // A little behind it; and not at once again, where rounding says so.
        let reached = reached.map(|at| Timestamp(at.micros().saturating_add(2)));
        let due = [reached, of.next].into_iter().flatten().min();
        (going, due.map(|due| due.max(now.plus_seconds(1))))
    }
}

/// The conversions of a lead of one kind in a quarter of an hour, as far as they count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Sale {
    /// The quarter, counted from 1970 on.
    #[serde(rename = "q")]
    pub quarter: i32,
    /// The kind.
    #[serde(rename = "k")]
    pub kind: ConversionKind,
    /// How many.
    #[serde(rename = "n")]
    pub conversions: i64,
    /// What they are worth less what was given back, in minor units of the currency of the reports.
    #[serde(rename = "m", default, skip_serializing_if = "is_zero")]
    pub minor: i64,
    /// Of them, those whose worth is not known in that currency.
    #[serde(rename = "u", default, skip_serializing_if = "is_zero")]
    pub unvalued: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "so serde wants it")]
const fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// The UTC months and weeks in which a lead did something that a person is likely to have done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Active {
    /// Since January 1970.
    #[serde(rename = "m")]
    pub months: BTreeSet<i32>,
    /// Since the week of the Monday before 1970.
    #[serde(rename = "w")]
    pub weeks: BTreeSet<i32>,
}

impl Active {
    fn is_never(&self) -> bool {
        self.weeks.is_empty()
    }

    /// Takes a day in.
    pub fn on(&mut self, day: Day) {
        self.months.insert(month_of(day));
        self.weeks.insert(week_of(day));
    }

    /// Takes the days of another in.
    pub fn merge(&mut self, other: &Self) {
        self.months.extend(&other.months);
        self.weeks.extend(&other.weeks);
    }
}

/// A score, as it was at some moment. Key and rate tell the current score at any later one: sums of them tell its mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scored {
    /// Base + rate × day of the last activity, in thousandths of points.
    #[serde(rename = "k")]
    pub key_milli: i64,
    /// Points a day, in millionths.
    #[serde(rename = "r")]
    pub rate_micro: i64,
    /// Decay has left something of it.
    #[serde(rename = "p")]
    pub is_above_zero: bool,
    /// Its grade.
    #[serde(rename = "g")]
    pub grade: Grade,
    /// Its temperature.
    #[serde(rename = "t")]
    pub temperature: Temperature,
    /// Its tens, 0–9; 100 is with the nineties.
    #[serde(rename = "b")]
    pub tens: u8,
}

impl Scored {
    /// The score at a moment, and the next one at which decay makes a difference to reports.
    #[must_use]
    pub fn at(decay_key: f64, scale: &ScoreScale, now: Timestamp) -> (Self, Option<Timestamp>) {
        let has = |score: f64| decay_key >= score + scale.rate * now.days();
        let tens = (1..=9_u8)
            .rev()
            .find(|tens| has(f64::from(*tens) * 10.0))
            .unwrap_or(0);
        let first =
            |steps: &[(Grade, f64)]| steps.iter().find(|(_, from)| has(*from)).map(|(grade, _)| *grade);
        let temperature = scale.temperatures.iter().find(|(_, from)| has(*from));
        #[expect(
            clippy::cast_possible_truncation,
            reason = "scores and days are small numbers"
        )]
        let thousandths = |value: f64, of: f64| (value * of).round() as i64;
        let scored = Self {
            key_milli: thousandths(decay_key, 1e3),
            rate_micro: thousandths(scale.rate, 1e6),
            is_above_zero: decay_key > scale.rate * now.days(),
            grade: first(&scale.grades).unwrap_or(Grade::D),
            temperature: temperature.map_or(Temperature::Cold, |(temperature, _)| *temperature),
            tens,
        };
        let steps = (1..=9).map(|tens| f64::from(tens) * 10.0);
        let steps = steps.chain(scale.grades.iter().map(|(_, from)| *from));
        let steps = steps.chain(scale.temperatures.iter().map(|(_, from)| *from));
        // The highest that it still has is the first to be lost.
        let next = steps.filter(|step| has(*step)).fold(f64::NEG_INFINITY, f64::max);
        let next = if next.is_finite() { next } else { 0.0 };
        if scale.rate <= 0.0 || !scored.is_above_zero {
            return (scored, None);
        }
        let days = (decay_key - next) / scale.rate;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "a moment; the cast saturates"
        )]
        let due = (days * entity::time::DAY_MICROS as f64) as i64;
        // Not at once again, where rounding says so.
        (
            scored,
            Some(Timestamp(due.saturating_add(1).max(now.plus_seconds(1).micros()))),
        )
    }
}

impl Outline {
    /// What its conversions are worth, in minor units, where it is at high risk.
    #[must_use]
    pub fn at_risk_minor(&self) -> Option<i64> {
        let worth = || self.sales.iter().map(|sale| sale.minor).sum();
        self.going.is_high_risk.then(worth)
    }

    /// Its place among the stages of the funnel.
    #[must_use]
    pub fn place(&self) -> usize {
        FUNNEL
            .iter()
            .position(|stage| *stage == self.reached)
            .unwrap_or(0)
    }

    /// Whether it got as far as a stage of the funnel.
    #[must_use]
    pub fn has_reached(&self, stage: Stage) -> bool {
        FUNNEL
            .iter()
            .position(|of| *of == stage)
            .is_some_and(|place| place <= self.place())
    }

    /// All that its conversions add to the sums of when they were: in which quarter of an hour, what, of what, how much.
    pub fn each_sale(&self, mut add: impl FnMut(i32, M, &str, i64)) {
        for sale in &self.sales {
            let kind = sale.kind.as_str();
            add(sale.quarter, M::KindConversions, kind, sale.conversions);
            add(sale.quarter, M::KindWorth, kind, sale.minor);
            add(sale.quarter, M::KindUnvalued, kind, sale.unvalued);
            add(sale.quarter, M::SourceConversions, &self.source, sale.conversions);
            add(sale.quarter, M::SourceWorth, &self.source, sale.minor);
        }
    }

    /// What it adds to the sums of when it became known, of what is wanted: what, of what, how much.
    pub fn each(&self, wants: impl Fn(M) -> bool, mut add: impl FnMut(M, &str, i64)) {
        let mut add = |measure: M, name: &str, amount: i64| {
            if wants(measure) {
                add(measure, name, amount);
            }
        };
        let source = self.source.as_str();
        add(M::Leads, source, 1);
        if self.has_reached(Stage::Qualified) {
            add(M::Qualified, source, 1);
        }
        if self.has_reached(Stage::Customer) {
            add(M::Customers, source, 1);
        }
        add(M::Trend, self.going.trend.as_str(), 1);
        add(M::RiskTenths, digit(self.going.risk_tenths), 1);
        if self.going.is_high_risk {
            add(M::HighRisk, "", 1);
        }
        if let Some(seconds) = self.going.seconds {
            add(M::Journeys, "", 1);
            add(M::JourneySeconds, "", seconds);
        }
        for sale in &self.sales {
            add(M::Revenue, source, sale.minor);
            add(M::Conversions, source, sale.conversions);
            add(M::Unvalued, source, sale.unvalued);
        }
        add(M::Standing, self.stage.as_str(), 1);
        for stage in &FUNNEL[..=self.place()] {
            add(M::Reached, stage.as_str(), 1);
        }
        for (stage, seconds) in &self.stays {
            add(M::Stays, stage.as_str(), 1);
            add(M::StaySeconds, stage.as_str(), *seconds);
            if wants(M::StayClass) {
                add(M::StayClass, &format!("{stage}:{}", lengths::class(*seconds)), 1);
            }
        }
        if let Some(score) = &self.score {
            add(M::Scored, source, 1);
            add(M::Grade, score.grade.as_str(), 1);
            add(M::Temperature, score.temperature.as_str(), 1);
            add(M::ScoreTens, digit(score.tens), 1);
            if score.is_above_zero {
                add(M::ScoreKey, source, score.key_milli);
                add(M::ScoreRate, source, score.rate_micro);
            }
        }
        for (measure, units) in [
            (M::ActiveMonth, &self.active.months),
            (M::ActiveWeek, &self.active.weeks),
        ] {
            if wants(measure) {
                units.iter().for_each(|unit| add(measure, &unit.to_string(), 1));
            }
        }
    }
}

/// A number below ten, as a text.
fn digit(number: u8) -> &'static str {
    const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    DIGITS[usize::from(number.min(9))]
}

/// The furthest stage of the funnel among those that a lead was in. Who left was a customer.
#[must_use]
pub fn furthest(stages: impl IntoIterator<Item = Stage>) -> Stage {
    let place = |stage: Stage| match stage {
        Stage::Churned => Some(FUNNEL.len() - 1),
        stage => FUNNEL.iter().position(|of| *of == stage),
    };
    let furthest = stages.into_iter().filter_map(place).max().unwrap_or(0);
    FUNNEL[furthest]
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_772_366_400_000_000);

    #[test]
    fn who_left_was_a_customer_and_who_is_lost_keeps_what_was_reached() {
        assert_eq!(furthest([Stage::New, Stage::Churned]), Stage::Customer);
        assert_eq!(
            furthest([Stage::Qualified, Stage::Lost, Stage::New]),
            Stage::Qualified
        );
        assert_eq!(furthest([]), Stage::New);
    }

    #[test]
    fn a_score_is_read_by_its_scale_and_looked_at_when_decay_takes_it_on() {
        let scale = ScoreScale::default();
        let key = |current: f64| current + scale.rate * NOW.days();
        let (score, due) = Scored::at(key(76.0), &scale, NOW);
        assert_eq!(
            (score.grade, score.temperature, score.tens),
            (Grade::BPlus, Temperature::Hot, 7)
        );
        // One point takes ten days: then it is warm.
        let due = due.unwrap();
        assert!(
            (due.micros() - NOW.plus_days(10).micros()).abs() < 1_000_000,
            "{due}"
        );
        let (later, next) = Scored::at(key(76.0), &scale, Timestamp(due.micros() + 1_000));
        assert_eq!(
            (later.grade, later.temperature, later.tens),
            (Grade::BPlus, Temperature::Warm, 7)
        );
        assert_eq!((later.key_milli, later.rate_micro), (score.key_milli, 100_000));
        assert!(next.unwrap() > due);
        let (last, due) = Scored::at(key(5.0), &scale, NOW);
        assert_eq!((last.grade, last.tens, last.is_above_zero), (Grade::D, 0, true));
        assert!((due.unwrap().micros() - NOW.plus_days(50).micros()).abs() < 1_000_000);
        let (none, due) = Scored::at(key(-1.0), &scale, NOW);
        assert_eq!((none.is_above_zero, due), (false, None));
        let still = ScoreScale { rate: 0.0, ..scale };
        assert_eq!(Scored::at(76.0, &still, NOW).1, None);
    }

    #[test]
    fn decay_is_followed_to_its_end_in_few_steps() {
        let scale = ScoreScale::default();
        let key = 100.0 + scale.rate * NOW.days();
        let mut at = NOW;
        let mut steps = 0;
        while let (_, Some(due)) = Scored::at(key, &scale, at) {
            assert!(due > at);
            at = due;
            steps += 1;
        }
        // 9 tens, 75, and nothing; what falls together counts once, a rounding twice.
        assert!((11..=22).contains(&steps), "{steps}");
        assert!((at.micros() - NOW.plus_days(1_000).micros()).abs() < 60_000_000);
    }

    #[test]
    fn outlines_are_stored_as_they_are() {
        let outline = Outline {
            created_at: NOW,
            source: "paid_search".to_owned(),
            stage: Stage::Lost,
            reached: Stage::Qualified,
            stays: vec![(Stage::New, 60)],
            score: Some(
                Scored::at(
                    76.0,
                    &ScoreScale {
                        rate: 0.0,
                        ..ScoreScale::default()
                    },
                    NOW,
                )
                .0,
            ),
            sales: vec![Sale {
                quarter: 0,
                kind: ConversionKind::Purchase,
                conversions: 1,
                minor: 5,
                unvalued: 0,
            }],
            active: Active::default(),
            going: Going {
                trend: Trend::Declining,
                risk_tenths: 8,
                is_high_risk: true,
                seconds: Some(60),
            },
        };
        let text = serde_json::to_string(&outline).unwrap();
        let read: Outline = serde_json::from_str(&text).unwrap();
        assert_eq!(
            Outline {
                created_at: NOW,
                ..read
            },
            outline
        );
        let mut all = Vec::new();
        outline.each(
            |_| true,
            |measure, name, amount| all.push(format!("{measure} {name} {amount}")),
        );
        assert_eq!(
            all.join(", "),
            "LEADS paid_search 1, QUALIFIED paid_search 1, TREND DECLINING 1, RISK_TENTHS 8 1, HIGH_RISK  1, JOURNEYS  1, \
             JOURNEY_SECONDS  60, REVENUE paid_search 5, CONVERSIONS paid_search 1, \
             UNVALUED paid_search 0, STANDING LOST 1, REACHED NEW 1, REACHED CONTACTED 1, REACHED QUALIFIED 1, STAYS NEW 1, \
             STAY_SECONDS NEW 60, STAY_CLASS NEW:1 1, SCORED paid_search 1, GRADE B_PLUS 1, TEMPERATURE HOT 1, SCORE_TENS 7 1, \
             SCORE_KEY paid_search 76000, SCORE_RATE paid_search 0"
        );
    }
}
