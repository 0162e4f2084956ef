//! How promising leads are.

use async_graphql::SimpleObject;
use entity::{Day, Grade, Temperature};

use crate::insight::analytics::Days;
use crate::insight::analytics::model::quality;

/// Leads of a grade.
#[derive(SimpleObject)]
struct GradeCount {
    /// The grade.
    grade: Grade,
    /// How many.
    leads: i64,
}

/// Leads of a temperature.
#[derive(SimpleObject)]
struct TemperatureCount {
    /// The temperature.
    temperature: Temperature,
    /// How many.
    leads: i64,
}

/// Leads by ten points of the current score.
#[derive(SimpleObject)]
struct ScoreBin {
    /// From this score on.
    from: i32,
    /// Below this score; with it for 100.
    to: i32,
    /// How many.
    leads: i64,
}

/// The leads of a day.
#[derive(SimpleObject)]
struct LeadQualityDay {
    /// The day on which they became known.
    day: Day,
    /// How many.
    leads: i64,
    /// Of them, those with a score.
    scored: i64,
    /// The mean of their current scores, 0–100; null without any.
    mean_score: Option<f64>,
}

/// How promising leads are, by their current scores.
#[derive(SimpleObject)]
pub(in crate::insight::analytics::graphql) struct LeadQuality {
    /// Leads that became known.
    leads: i64,
    /// Of them, those with a score.
    scored: i64,
    /// The mean of their current scores, 0–100; null without any.
    mean_score: Option<f64>,
    /// By grade, best first.
    grades: Vec<GradeCount>,
    /// By temperature, hottest first.
    temperatures: Vec<TemperatureCount>,
    /// By tens of the current score.
    histogram: Vec<ScoreBin>,
    /// By the day on which they became known; empty unless asked for by `byDay`.
    days: Vec<LeadQualityDay>,
}

impl LeadQuality {
    pub(in crate::insight::analytics::graphql) fn new(Days { all, days }: Days) -> Self {
        let quality::Quality {
            leads,
            scored,
            mean_score,
            grades,
            temperatures,
            tens,
        } = all;
        let bin = |(ten, leads): (i32, i64)| ScoreBin {
            from: ten * 10,
            to: ten * 10 + 10,
            leads,
        };
        let day = |(day, of): (Day, quality::Day)| LeadQualityDay {
            day,
            leads: of.leads,
            scored: of.scored,
            mean_score: of.mean_score,
        };
        Self {
            leads,
            scored,
            mean_score,
            grades: grades
                .into_iter()
                .map(|(grade, leads)| GradeCount { grade, leads })
                .collect(),
            temperatures: temperatures
                .into_iter()
                .map(|(temperature, leads)| TemperatureCount { temperature, leads })
                .collect(),
            histogram: (0..).zip(tens).map(bin).collect(),
            days: days.into_iter().map(day).collect(),
        }
    }
}
