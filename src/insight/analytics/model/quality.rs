//! How promising leads are.

use entity::{Grade, ReportMeasure as M, Temperature, Timestamp};

use super::sums::{Sums, mean_score};

/// The leads that became known in a range, by how promising they are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quality {
    /// Leads that became known.
    pub leads: i64,
    /// Of them, those with a score.
    pub scored: i64,
    /// The mean of their current scores.
    pub mean_score: Option<f64>,
    /// By grade, best first.
    pub grades: Vec<(Grade, i64)>,
    /// By temperature, hottest first.
    pub temperatures: Vec<(Temperature, i64)>,
    /// By tens of the current score: 0 up to 10, …, 90 up to and with 100.
    pub tens: [i64; 10],
}

impl Quality {
    /// What sums tell, at a moment.
    #[must_use]
    pub fn of(sums: &Sums, now: Timestamp) -> Self {
        let grades = Grade::ALL
            .iter()
            .map(|grade| (*grade, sums.get(M::Grade, grade.as_str())));
        let temperatures = Temperature::ALL.iter();
        let temperatures = temperatures.map(|of| (*of, sums.get(M::Temperature, of.as_str())));
        let mut tens = [0; 10];
        for (place, count) in tens.iter_mut().enumerate() {
            *count = sums.get(M::ScoreTens, &place.to_string());
        }
        let day = Day::of(sums, now);
        Self {
            leads: day.leads,
            scored: day.scored,
            mean_score: day.mean_score,
            grades: grades.collect(),
            temperatures: temperatures.collect(),
            tens,
        }
    }
}

/// The leads that became known on a day.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Day {
    /// How many.
    pub leads: i64,
    /// Of them, those with a score.
    pub scored: i64,
    /// The mean of their current scores.
    pub mean_score: Option<f64>,
}

impl Day {
    /// What sums tell, at a moment.
    #[must_use]
    pub fn of(sums: &Sums, now: Timestamp) -> Self {
        let scored = sums.total(M::Scored);
        Self {
            leads: sums.total(M::Leads),
            scored,
            mean_score: mean_score(sums.total(M::ScoreKey), sums.total(M::ScoreRate), scored, now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::insight::analytics::model::outline::{Active, Going, Outline, Scored};
    use crate::leads::filter::ScoreScale;
    use entity::Stage;

    #[test]
    fn the_mean_follows_decay_without_looking_at_leads_again() {
        let now = Timestamp(1_772_366_400_000_000);
        let scale = ScoreScale::default();
        let mut sums = Sums::default();
        for score in [80.0, 60.0, -3.0] {
            let outline = Outline {
                created_at: now,
                source: String::new(),
                stage: Stage::New,
                reached: Stage::New,
                stays: Vec::new(),
                score: Some(Scored::at(score + scale.rate * now.days(), &scale, now).0),
                sales: Vec::new(),
                active: Active::default(),
                going: Going::at(&crate::insight::journeys::Going::default(), now, now).0,
            };
            sums.take(
                &[
                    M::Leads,
                    M::Scored,
                    M::ScoreKey,
                    M::ScoreRate,
                    M::Temperature,
                    M::ScoreTens,
                ],
                &outline,
            );
        }
        let mean = |days| Quality::of(&sums, now.plus_days(days)).mean_score.unwrap();
        // (80 + 60 + 0) / 3, and a tenth of a point less each day for two of the three.
        assert!((mean(0) - 46.6667).abs() < 0.001, "{}", mean(0));
        assert!((mean(30) - (140.0 - 6.0) / 3.0).abs() < 0.001);
        let quality = Quality::of(&sums, now);
        assert_eq!(quality.tens, [1, 0, 0, 0, 0, 0, 1, 0, 1, 0]);
        assert_eq!(
            quality.temperatures.iter().map(|(_, count)| *count).sum::<i64>(),
            3
        );
        assert_eq!((quality.leads, quality.scored), (3, 3));
        assert_eq!(Quality::of(&Sums::default(), now).mean_score, None);
    }
}
