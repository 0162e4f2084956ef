//! The current score as a formula of the moment.
//!
//! `decay_key = base + rate × last_activity_days` does not change while time passes, and a current score of x is
//! reached as long as `decay_key ≥ x + rate × now_days`. That comparison, [`decay_threshold`], *is* the definition of
//! grade and temperature here, so that an index on `decay_key` and the rules never disagree, not even by a rounding.

use entity::{Grade, Temperature, Timestamp, time::DAY_MICROS};

use super::config::{Grades, Temperatures};

/// What orders leads by current score at any moment: the base plus the rate (points a day) for each day from the
/// epoch to the last activity.
#[must_use]
pub fn decay_key(base: i32, last_activity: Timestamp, rate: f64) -> f64 {
    f64::from(base) + rate * last_activity.days()
}

/// The decay key from which on a lead has at least the given current score at the given moment.
#[must_use]
pub fn decay_threshold(score: f64, rate: f64, now: Timestamp) -> f64 {
    score + rate * now.days()
}

/// The current score, 0 to base, to a millionth of a point. Never rises while time passes.
#[must_use]
pub fn current(base: i32, decay_key: f64, rate: f64, now: Timestamp) -> f64 {
    // The key is a large number (some thousands): the millionth hides what is lost in taking it apart.
    let value = ((decay_key - rate * now.days()) * 1e6).round() / 1e6;
    value.clamp(0.0, f64::from(base.max(0)))
}

/// The grade at the given moment.
#[must_use]
pub fn grade(decay_key: f64, grades: &Grades, rate: f64, now: Timestamp) -> Grade {
    let Grades {
        a_plus,
        a,
        b_plus,
        b,
        c_plus,
        c,
    } = *grades;
    let steps = [
        (a_plus, Grade::APlus),
        (a, Grade::A),
        (b_plus, Grade::BPlus),
        (b, Grade::B),
        (c_plus, Grade::CPlus),
        (c, Grade::C),
    ];
    steps
        .into_iter()
        .find(|(from, _)| decay_key >= decay_threshold(*from, rate, now))
        .map_or(Grade::D, |(_, grade)| grade)
}

/// The temperature at the given moment.
#[must_use]
pub fn temperature(decay_key: f64, temperatures: &Temperatures, rate: f64, now: Timestamp) -> Temperature {
    let Temperatures { hot, warm } = *temperatures;
    if decay_key >= decay_threshold(hot, rate, now) {
        Temperature::Hot
    } else if decay_key >= decay_threshold(warm, rate, now) {
        Temperature::Warm
    } else {
        Temperature::Cold
    }
}

/// The first moment after now, to the microsecond, at which decay alone gives another temperature, and which.
#[must_use]
pub fn next_crossing(
    decay_key: f64,
    temperatures: &Temperatures,
    rate: f64,
    now: Timestamp,
) -> Option<(Timestamp, Temperature)> {
    let from = match temperature(decay_key, temperatures, rate, now) {
        Temperature::Hot => temperatures.hot,
        Temperature::Warm => temperatures.warm,
        Temperature::Cold => return None,
    };
    if rate <= 0.0 {
        return None;
    }
    let reached = |micros: i64| decay_key >= decay_threshold(from, rate, Timestamp(micros));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "a guess, made exact below; the cast saturates"
    )]
    let guess = ((decay_key - from) / rate * DAY_MICROS as f64) as i64;
    // The threshold never falls while time passes, so the crossing lies between a moment at which it is still reached
    // and one at which it is not; the guess is off by a few microseconds at most.
    let (mut before, mut after, mut step) = (guess.max(now.micros()), guess.max(now.micros()), 8);
    while before > now.micros() && !reached(before) {
        before = before.saturating_sub(step).max(now.micros());
        step *= 2;
    }
    step = 8;
    while reached(after) {
        if after == i64::MAX {
            return None;
        }
        after = after.saturating_add(step);
        step *= 2;
    }
    while after - before > 1 {
        let middle = before + (after - before) / 2;
        if reached(middle) {
            before = middle;
        } else {
            after = middle;
        }
    }
    let moment = Timestamp(after);
    Some((moment, temperature(decay_key, temperatures, rate, moment)))
}
