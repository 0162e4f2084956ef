//! How a draft of a model would move leads: the back-test before it is published.

use entity::{Grade, Temperature, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    config::ScoreModel,
    facts::ScoreFacts,
    score::{Score, score},
};

/// One lead by two models at the same moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// By the first model.
    pub before: Score,
    /// By the second.
    pub after: Score,
}

impl Change {
    /// Whether grade or temperature change.
    #[must_use]
    pub fn moves(&self) -> bool {
        self.before.grade != self.after.grade || self.before.temperature != self.after.temperature
    }
}

/// Scores the same facts by two models at the same moment.
#[must_use]
pub fn compare(before: &ScoreModel, after: &ScoreModel, facts: &ScoreFacts, now: Timestamp) -> Change {
    Change {
        before: score(facts, before, now),
        after: score(facts, after, now),
    }
}

/// How many leads move from which grade and temperature to which. Empty, [`add`](Self::add) and
/// [`merge`](Self::merge) form a commutative monoid: leads may be split into batches in any way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moves {
    /// Leads compared.
    pub leads: u64,
    /// Leads of which grade or temperature change.
    pub moved: u64,
    /// Leads by grade before (row) and after (column), in the order of [`Grade`].
    pub grades: [[u64; 7]; 7],
    /// Leads by temperature before (row) and after (column), in the order of [`Temperature`].
    pub temperatures: [[u64; 3]; 3],
    /// Sum of the bases before.
    pub base_before: i64,
    /// Sum of the bases after.
    pub base_after: i64,
}

impl Moves {
    /// Counts one lead.
    pub fn add(&mut self, change: &Change) {
        let Change { before, after } = change;
        self.leads += 1;
        self.moved += u64::from(change.moves());
        self.grades[before.grade.index()][after.grade.index()] += 1;
        self.temperatures[before.temperature.index()][after.temperature.index()] += 1;
        self.base_before += i64::from(before.base);
        self.base_after += i64::from(after.base);
    }

    /// Takes in the counts of another batch.
    pub fn merge(&mut self, other: &Self) {
        let Self {
            leads,
            moved,
            grades,
            temperatures,
            base_before,
            base_after,
        } = other;
        self.leads += leads;
        self.moved += moved;
        for (mine, theirs) in self.grades.iter_mut().flatten().zip(grades.iter().flatten()) {
            *mine += theirs;
        }
        for (mine, theirs) in self
            .temperatures
            .iter_mut()
            .flatten()
            .zip(temperatures.iter().flatten())
        {
            *mine += theirs;
        }
        self.base_before += base_before;
        self.base_after += base_after;
    }

    /// Leads that move to another grade.
    #[must_use]
    pub fn grade_changes(&self) -> u64 {
        self.leads
            - Grade::ALL
                .iter()
                .map(|grade| self.grades[grade.index()][grade.index()])
                .sum::<u64>()
    }

    /// Leads that move to another temperature.
    #[must_use]
    pub fn temperature_changes(&self) -> u64 {
        let same = Temperature::ALL
            .iter()
            .map(|one| self.temperatures[one.index()][one.index()]);
        self.leads - same.sum::<u64>()
    }
}
