//! The data set itself: a pure function of seed, number of leads and reference day.
//!
//! Lead number `n` can be had without those before it, so that any number of leads needs the memory of one.

mod arc;
mod definitions;
mod dice;
mod live;
mod mail;
mod money;
mod names;
mod permission;
mod person;
mod places;
mod selling;
mod story;
mod words;

use entity::{Day, Timestamp};

pub use arc::Outcome;
pub use definitions::{FIELDS, FieldDefinition, TAGS, TagDefinition};
pub use live::{Deed, Pulse};
pub use money::{CameTo, Dealt};
pub use person::Person;
pub use story::{Step, What};

use dice::Dice;
use story::Teller;

/// The namespace of the leads' identifiers.
pub const NAMESPACE: &str = "demo";
/// How far back the data reaches, in days.
pub const DAYS: i32 = 180;

/// Kinds of draws.
const MOMENTS: u64 = 1;
const PEOPLE: u64 = 2;
const STORIES: u64 = 3;
const LIVE: u64 = 4;

/// A data set. The same seed, number and day make the same one, whenever it is filled in: the same leads in the same
/// order with the same fields, tags, consents, notes, engagements, deals, conversions and moves at the same moments.
/// What Leadline adds by itself (ids, the order of what happens at the same time) may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataSet {
    /// Of the draws.
    pub seed: u64,
    /// How many leads.
    pub leads: u64,
    /// The reference day: all lies before its beginning, in UTC.
    pub today: Day,
}

/// A lead with its story.
#[derive(Clone, Debug, PartialEq)]
pub struct DemoLead {
    /// Its number, from 0, in the order in which the leads became known (by day).
    pub n: u64,
    /// Who it is.
    pub person: Person,
    /// What comes of it.
    pub outcome: Outcome,
    /// What Leadline is told of it, in order of arrival.
    pub steps: Vec<Step>,
}

impl DataSet {
    /// The first day of the data.
    #[must_use]
    pub const fn first_day(&self) -> Day {
        Day(self.today.0 - DAYS)
    }

    /// Lead number `n`.
    #[must_use]
    pub fn lead(&self, n: u64) -> DemoLead {
        let person = Person::draw(&mut Dice::of(self.seed, PEOPLE, n), n, self.created_at(n));
        let dice = Dice::of(self.seed, STORIES, n);
        let (outcome, steps) = Teller::new(dice, &person, n, self.today.start()).tell();
        DemoLead {
            n,
            person,
            outcome,
            steps,
        }
    }

    /// Who lead number `n` is, without its story.
    #[must_use]
    pub fn person(&self, n: u64) -> Person {
        Person::draw(&mut Dice::of(self.seed, PEOPLE, n), n, self.created_at(n))
    }

    /// How many leads become known before a day begins: the numbers below.
    #[must_use]
    pub fn leads_before(&self, day: Day) -> u64 {
        let (mut low, mut high) = (0, self.leads);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.created_on(middle) < day {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The day on which lead number `n` becomes known: more and more a day, as the business grows.
    #[expect(clippy::cast_precision_loss, reason = "exact for fewer leads than 2^53")]
    #[expect(clippy::cast_possible_truncation, reason = "between 0 and the number of days")]
    fn created_on(&self, n: u64) -> Day {
        // The share of leads known after a share t of the time is 0.6 t + 0.4 t².
        let share = (n as f64 + 0.5) / self.leads.max(n + 1) as f64;
        let time = ((0.36 + 1.6 * share).sqrt() - 0.6) / 0.8;
        let day = (time * f64::from(DAYS)) as i32;
        Day(self.first_day().0 + day.clamp(0, DAYS - 1))
    }

    fn created_at(&self, n: u64) -> Timestamp {
        let mut dice = Dice::of(self.seed, MOMENTS, n);
        // From 6 in the morning until midnight, most about three in the afternoon.
        let spread = dice.below(0, 32_400) + dice.below(0, 32_400);
        self.created_on(n).start().plus_seconds(21_600 + spread - 60)
    }
}

#[cfg(test)]
mod tests;
