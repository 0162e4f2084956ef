//! Which way a journey goes and how likely it is to end.

use entity::time::{DAY_MICROS, HOUR_MICROS};
use entity::{Timestamp, Trend};
use serde::{Deserialize, Serialize};

use super::facts::JourneyFacts;

/// Every number of trend, churn risk and health.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct JourneySettings {
    /// Days of each of the two spans that the trend compares.
    pub trend_days: u32,
    /// By how many percent the later span must differ from the earlier one.
    pub trend_percent: u32,
    /// The least time, in days, in which risk grows to 1 − 1/e.
    pub shortest_patience_days: f64,
    /// That time in mean gaps between active days, where they make it longer.
    pub patience_gaps: f64,
    /// Added to the risk of a declining journey, taken from that of an increasing one.
    pub trend_risk: f64,
    /// Above this, risk is high.
    pub high_risk: f64,
    /// The share of 100 × (1 − risk) in health.
    pub retention_share: f64,
    /// The share of the current score in health.
    pub score_share: f64,
}

impl Default for JourneySettings {
    fn default() -> Self {
        Self {
            trend_days: 30,
            trend_percent: 20,
            shortest_patience_days: 30.0,
            patience_gaps: 3.0,
            trend_risk: 0.1,
            high_risk: 0.7,
            retention_share: 0.5,
            score_share: 0.5,
        }
    }
}

/// Where the two spans that a trend compares begin at a moment: the later one, and the one before it. They move on with each
/// hour (UTC), so that a trend changes once an hour at most while nothing happens.
#[must_use]
pub fn spans(now: Timestamp, settings: &JourneySettings) -> (Timestamp, Timestamp) {
    let hour = Timestamp(now.micros() - now.micros().rem_euclid(HOUR_MICROS));
    let days = i64::from(settings.trend_days);
    (hour.plus_days(-days), hour.plus_days(-2 * days))
}

/// When an engagement that lies in one of the spans will lie in it no more: `spans` is 1 for the later one, 2 for the other.
#[must_use]
pub fn leaves_at(occurred_at: Timestamp, spans: u32, settings: &JourneySettings) -> Timestamp {
    let at = occurred_at
        .plus_days(i64::from(spans * settings.trend_days))
        .micros();
    Timestamp(at + (HOUR_MICROS - at.rem_euclid(HOUR_MICROS)).rem_euclid(HOUR_MICROS))
}

/// Which way a journey goes, by the number of engagements in the last span and in the one before it.
///
/// Whole numbers are compared, so that a fifth more is exactly a fifth. Anything after nothing is increasing.
#[must_use]
pub fn trend(last: u64, before: u64, settings: &JourneySettings) -> Trend {
    let percent = u128::from(settings.trend_percent);
    let (last, before) = (u128::from(last), u128::from(before));
    if last == 0 && before == 0 {
        Trend::Declining
    } else if last * 100 > before * (100 + percent) {
        Trend::Increasing
    } else if last * 100 < before * 100_u128.saturating_sub(percent) {
        Trend::Declining
    } else {
        Trend::Stable
    }
}

/// When the risk of a lead that does nothing will have come to a higher one, unless its trend changes before; `None` where it
/// never does.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a moment; the cast saturates"
)]
pub fn reaches_at(
    risk: f64,
    facts: &JourneyFacts,
    created_at: Timestamp,
    trend: Trend,
    settings: &JourneySettings,
) -> Option<Timestamp> {
    let left = 1.0 - (risk - part(trend, settings));
    if left <= 0.0 {
        return None;
    }
    let (since, patience) = (idle_since(facts, created_at), patience(facts, settings));
    let idle = -left.ln().min(0.0) * patience * DAY_MICROS as f64;
    Some(Timestamp(since.micros().saturating_add(idle as i64)))
}

fn idle_since(facts: &JourneyFacts, created_at: Timestamp) -> Timestamp {
    let last = facts.last_inbound_at();
    last.unwrap_or_else(|| facts.started_at(created_at))
}

fn patience(facts: &JourneyFacts, settings: &JourneySettings) -> f64 {
    let gaps = facts.mean_gap_days();
    gaps.map_or(0.0, |gap| gap * settings.patience_gaps)
        .max(settings.shortest_patience_days)
}

const fn part(trend: Trend, settings: &JourneySettings) -> f64 {
    match trend {
        Trend::Declining => settings.trend_risk,
        Trend::Stable => 0.0,
        Trend::Increasing => -settings.trend_risk,
    }
}

/// How likely the lead is lost, 0–1: r = 1 − exp(−idle / max(30, 3 × mean gap between active days)), then the trend's
/// part. Idle days are those since the last inbound engagement, else since the journey's beginning.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "exact to a microsecond for 285 years")]
pub fn churn_risk(
    facts: &JourneyFacts,
    created_at: Timestamp,
    trend: Trend,
    settings: &JourneySettings,
    now: Timestamp,
) -> f64 {
    let idle = now.micros() - idle_since(facts, created_at).micros();
    let idle = idle.max(0) as f64 / DAY_MICROS as f64;
    let risk = 1.0 - (-idle / patience(facts, settings)).exp();
    (risk + part(trend, settings)).clamp(0.0, 1.0)
}

/// Whether a risk is high.
#[must_use]
pub fn is_high_risk(risk: f64, settings: &JourneySettings) -> bool {
    risk > settings.high_risk
}

/// How well the journey stands, 0–100: half what speaks against churn, half the current score.
#[must_use]
pub fn health(risk: f64, current_score: f64, settings: &JourneySettings) -> f64 {
    let health = 100.0 * (1.0 - risk) * settings.retention_share + current_score * settings.score_share;
    health.clamp(0.0, 100.0)
}

#[cfg(test)]
mod tests {
    use entity::{Channel, EngagementType};
    use proptest::prelude::*;

    use super::*;
    use crate::insight::journeys::model::facts::Contribution;

    const NOW: Timestamp = Timestamp(1_772_366_400_000_000);

    fn seen(days_ago: &[i64]) -> JourneyFacts {
        let mut facts = JourneyFacts::default();
        for days in days_ago {
            let engagement = Contribution {
                kind: EngagementType::PageViewed,
                channel: Channel::Web,
                occurred_at: NOW.plus_days(-days),
                confidence: 1000,
                revenue: None,
            };
            facts.fold(&engagement, true);
        }
        facts
    }

    fn risk(facts: &JourneyFacts, trend: Trend) -> f64 {
        churn_risk(facts, NOW.plus_days(-60), trend, &JourneySettings::default(), NOW)
    }

    #[test]
    fn a_fifth_is_the_border_of_a_trend() {
        for (last, before, expected) in [
            (0, 0, Trend::Declining),
            (1, 0, Trend::Increasing),
            (0, 1, Trend::Declining),
            (12, 10, Trend::Stable),
            (13, 10, Trend::Increasing),
            (8, 10, Trend::Stable),
            (7, 10, Trend::Declining),
            (42, 35, Trend::Stable),
        ] {
            assert_eq!(
                trend(last, before, &JourneySettings::default()),
                expected,
                "{last} after {before}"
            );
        }
    }

    #[test]
    fn risk_by_hand() {
        // 30 idle days at the shortest patience of 30: 1 − 1/e = 0.632121
        assert!((risk(&seen(&[30]), Trend::Stable) - 0.632_121).abs() < 1e-6);
        assert!((risk(&seen(&[30]), Trend::Declining) - 0.732_121).abs() < 1e-6);
        assert!((risk(&seen(&[30]), Trend::Increasing) - 0.532_121).abs() < 1e-6);
        // Active every 20 days, patience 60: 1 − exp(−30/60) = 0.393469
        assert!((risk(&seen(&[30, 50, 70]), Trend::Stable) - 0.393_469).abs() < 1e-6);
        // Never seen, known for 60 days: 1 − exp(−2) = 0.864665
        assert!((risk(&JourneyFacts::default(), Trend::Stable) - 0.864_665).abs() < 1e-6);
        assert_eq!(risk(&seen(&[0]), Trend::Increasing), 0.0);
        assert_eq!(risk(&seen(&[1_000]), Trend::Declining), 1.0);
        let settings = JourneySettings::default();
        assert!(is_high_risk(0.701, &settings) && !is_high_risk(0.7, &settings));
        assert_eq!(health(0.25, 60.0, &settings), 67.5);
    }

    proptest! {
        #[test]
        fn risk_grows_with_idleness_and_health_stays_in_range(
            days in prop::collection::vec(0_i64..500, 1..8), later in 0_i64..500, score in 0.0..=100.0_f64,
            trend in prop::sample::select(Trend::ALL),
        ) {
            let facts = seen(&days);
            let settings = JourneySettings::default();
            let at = |ahead| churn_risk(&facts, NOW, trend, &settings, NOW.plus_days(ahead));
            prop_assert!((0.0..=1.0).contains(&at(0)));
            prop_assert!(at(later) >= at(0));
            prop_assert!((0.0..=100.0).contains(&health(at(later), score, &settings)));
        }
    }

    #[test]
    fn risk_reaches_what_it_is_said_to_reach() {
        let settings = JourneySettings::default();
        for trend in [Trend::Declining, Trend::Stable, Trend::Increasing] {
            let facts = seen(&[40, 3]);
            let created = NOW.plus_days(-60);
            for wanted in [0.2, 0.5, 0.7, 0.85] {
                let at = reaches_at(wanted, &facts, created, trend, &settings).unwrap();
                let risk = |at| churn_risk(&facts, created, trend, &settings, at);
                assert!((risk(at) - wanted).abs() < 1e-9, "{trend} {wanted} {}", risk(at));
            }
        }
        // Without the trend's part it comes up to 1 in no time that there is.
        assert_eq!(reaches_at(1.0, &seen(&[]), NOW, Trend::Stable, &settings), None);
    }

    #[test]
    fn what_leaves_a_span_has_left_it() {
        let settings = JourneySettings::default();
        for minutes in [0, 1, 59, 60] {
            let at = NOW.plus_seconds(minutes * 60);
            let left = leaves_at(at, 1, &settings);
            assert!(spans(left, &settings).0 >= at, "{minutes}");
            assert!(spans(Timestamp(left.micros() - 1), &settings).0 < at, "{minutes}");
            let left = leaves_at(at, 2, &settings);
            assert!(spans(left, &settings).1 >= at && spans(Timestamp(left.micros() - 1), &settings).1 < at);
        }
    }
}
