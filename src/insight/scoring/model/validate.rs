//! Whether a scoring model makes sense.

use std::{collections::HashSet, fmt, ops::RangeInclusive};

use super::{
    config::{PointClass, PointsByStage, PointsByType, ScoreModel},
    facts::{RECENT_DAYS, is_intent_candidate},
};
use crate::insight::engagement::is_inbound;

/// One thing that is wrong with a scoring model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelProblem {
    /// Where, as a path in the JSON form, e.g. `engagement.recency[1].days`.
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for ModelProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

const POINTS: RangeInclusive<f64> = 0.0..=100.0;

impl ScoreModel {
    /// All that is wrong with the model; empty where it may be published.
    #[must_use]
    pub fn validate(&self) -> Vec<ModelProblem> {
        let Self {
            weights,
            demographic,
            behavioral,
            firmographic,
            engagement,
            intent,
            grades,
            temperatures,
            decay,
        } = self;
        let mut check = Check(Vec::new());

        let names = [
            "demographic",
            "behavioral",
            "firmographic",
            "engagement",
            "intent",
        ];
        for (name, weight) in names.into_iter().zip(weights.as_array()) {
            check.range(&format!("weights.{name}"), weight, 0.0..=1.0);
        }
        let sum: f64 = weights.as_array().iter().sum();
        // A range, so that NaN lies outside of it.
        if !(1.0 - 1e-6..=1.0 + 1e-6).contains(&sum) {
            check.add("weights", format!("sum to {sum}; they must sum to 1"));
        }

        for (name, points) in [
            ("email", demographic.email),
            ("firstName", demographic.first_name),
            ("lastName", demographic.last_name),
            ("phone", demographic.phone),
            ("location", demographic.location),
            ("customerType", demographic.customer_type),
            ("primaryInterest", demographic.primary_interest),
            ("interests", demographic.interests),
        ] {
            check.range(&format!("demographic.{name}"), points, POINTS);
        }
        check.word(
            "demographic.primaryInterestField",
            &demographic.primary_interest_field,
        );

        check.types(
            "behavioral.perEvent",
            &behavioral.per_event,
            is_inbound,
            "inbound types",
        );
        check.range("behavioral.perActiveDay", behavioral.per_active_day, POINTS);
        check.range("behavioral.activeDaysLimit", behavioral.active_days_limit, POINTS);
        check.window("behavioral.activeDaysWindow", behavioral.active_days_window);

        check.range("firmographic.base", firmographic.base, POINTS);
        check.range(
            "firmographic.targetLocation",
            firmographic.target_location,
            POINTS,
        );
        for (number, place) in firmographic.target_locations.iter().enumerate() {
            let field = format!("firmographic.targetLocations[{number}]");
            let parts = [
                ("country", &place.country),
                ("region", &place.region),
                ("city", &place.city),
            ];
            if parts.iter().all(|(_, part)| part.is_none()) {
                check.add(&field, "names no place: give a country, region or city".into());
            }
            for (name, part) in parts {
                if let Some(part) = part {
                    check.word(&format!("{field}.{name}"), part);
                }
            }
        }
        check.classes("firmographic.customerTypes", &firmographic.customer_types);
        check.classes("firmographic.sources", &firmographic.sources);

        check.range("engagement.older", engagement.older, POINTS);
        check.range("engagement.emailConsent", engagement.email_consent, POINTS);
        check.range("engagement.smsConsent", engagement.sms_consent, POINTS);
        check.range("engagement.stageShare", engagement.stage_share, 0.0..=1.0);
        check.stages("engagement.stages", &engagement.stages);
        let mut before = 0;
        for (number, step) in engagement.recency.iter().enumerate() {
            let field = format!("engagement.recency[{number}]");
            if !(before + 1..=3_650).contains(&step.days) {
                let message = format!("{} is out of range: {} to 3650, rising", step.days, before + 1);
                check.add(&format!("{field}.days"), message);
            }
            before = step.days;
            check.range(&format!("{field}.points"), step.points, POINTS);
        }

        let candidates = "inbound types other than opens, clicks and page views";
        check.types(
            "intent.highIntent",
            &intent.high_intent,
            is_intent_candidate,
            candidates,
        );
        check.range("intent.highIntentLimit", intent.high_intent_limit, POINTS);
        check.window("intent.highIntentWindow", intent.high_intent_window);
        check.stages("intent.stages", &intent.stages);
        check.range("intent.perReply", intent.per_reply, POINTS);
        check.range("intent.repliesLimit", intent.replies_limit, POINTS);
        check.window("intent.repliesWindow", intent.replies_window);

        check.falling(
            "grades",
            &[
                ("aPlus", grades.a_plus),
                ("a", grades.a),
                ("bPlus", grades.b_plus),
                ("b", grades.b),
                ("cPlus", grades.c_plus),
                ("c", grades.c),
            ],
        );
        check.falling(
            "temperatures",
            &[("hot", temperatures.hot), ("warm", temperatures.warm)],
        );
        // A slower decay than this would cross a threshold after centuries and only strain the arithmetic.
        let rate = decay.points_per_day;
        if rate != 0.0 && !(0.001..=100.0).contains(&rate) {
            check.add(
                "decay.pointsPerDay",
                format!("{rate} is out of range: 0, or 0.001 to 100"),
            );
        }
        check.0
    }
}

struct Check(Vec<ModelProblem>);

impl Check {
    fn add(&mut self, field: &str, message: String) {
        self.0.push(ModelProblem {
            field: field.into(),
            message,
        });
    }

    fn range(&mut self, field: &str, value: f64, range: RangeInclusive<f64>) {
        if !range.contains(&value) {
            let message = format!("{value} is out of range: {} to {}", range.start(), range.end());
            self.add(field, message);
        }
    }

    fn window(&mut self, field: &str, days: u32) {
        if !(1..=RECENT_DAYS).contains(&days) {
            self.add(field, format!("{days} is out of range: 1 to {RECENT_DAYS} days"));
        }
    }

    fn word(&mut self, field: &str, word: &str) {
        if word.trim().is_empty() || word.chars().count() > 100 {
            self.add(field, "must have 1 to 100 characters".into());
        }
    }

    fn types(
        &mut self,
        field: &str,
        points: &PointsByType,
        allowed: fn(entity::EngagementType) -> bool,
        which: &str,
    ) {
        for (kind, points) in points.iter() {
            if points != 0.0 && !allowed(kind) {
                self.add(
                    &format!("{field}.{kind}"),
                    format!("has no points here: only {which} do"),
                );
            } else {
                self.range(&format!("{field}.{kind}"), points, POINTS);
            }
        }
    }

    fn stages(&mut self, field: &str, points: &PointsByStage) {
        for (stage, points) in points.iter() {
            self.range(&format!("{field}.{stage}"), points, POINTS);
        }
    }

    fn classes(&mut self, field: &str, classes: &[PointClass]) {
        let mut words = HashSet::new();
        for (number, class) in classes.iter().enumerate() {
            self.word(&format!("{field}[{number}].name"), &class.name);
            self.range(&format!("{field}[{number}].points"), class.points, POINTS);
            for (place, value) in class.values.iter().enumerate() {
                let field = format!("{field}[{number}].values[{place}]");
                self.word(&field, value);
                if !words.insert(super::score::folded(value).collect::<String>()) {
                    self.add(
                        &field,
                        format!("`{value}` is listed twice; the first place counts"),
                    );
                }
            }
        }
    }

    fn falling(&mut self, field: &str, thresholds: &[(&str, f64)]) {
        let mut above = f64::INFINITY;
        for (name, value) in thresholds {
            let path = format!("{field}.{name}");
            // 0 itself would be no threshold: every current score reaches it.
            if !(*value > 0.0 && *value <= 100.0) {
                self.add(&path, format!("{value} is out of range: above 0, up to 100"));
            } else if *value >= above {
                self.add(
                    &path,
                    format!("{value} must lie below the threshold before it, {above}"),
                );
            }
            above = *value;
        }
    }
}
