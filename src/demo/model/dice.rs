//! Chance that is the same for the same seed.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A sequence of draws; the same seed and number give the same sequence.
pub(super) struct Dice(StdRng);

impl Dice {
    /// The draws of thing `n` of a kind: independent of those of all others, so that any one can be had without the rest.
    pub(super) fn of(seed: u64, kind: u64, n: u64) -> Self {
        let mut bytes = [0; 32];
        for (part, number) in bytes.chunks_exact_mut(8).zip([seed, kind, n, 0]) {
            part.copy_from_slice(&number.to_le_bytes());
        }
        Self(StdRng::from_seed(bytes))
    }

    /// True with a probability, 0–1.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A number from 0 up to 1.
    pub(super) fn unit(&mut self) -> f64 {
        self.0.random::<f64>()
    }

    /// A whole number in a range, its end left out.
    pub(super) fn below(&mut self, from: i64, to: i64) -> i64 {
        self.0.random_range(from..to)
    }

    /// One of a list that is not empty.
    pub(super) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.0.random_range(0..of.len())]
    }

    /// One of a list, by weight; the first where all weights are 0.
    pub(super) fn weighted<'a, T>(&mut self, of: &'a [T], weight: impl Fn(&T) -> f64) -> &'a T {
        let total: f64 = of.iter().map(&weight).sum();
        let mut left = self.unit() * total;
        for item in of {
            left -= weight(item);
            if left < 0.0 {
                return item;
            }
        }
        of.iter().rev().find(|item| weight(item) > 0.0).unwrap_or(&of[0])
    }

    /// Some of a list in its order, each with the probability, at least one.
    pub(super) fn some<'a, T>(&mut self, of: &'a [T], probability: f64) -> Vec<&'a T> {
        let sure = self.0.random_range(0..of.len());
        let mut some = Vec::new();
        for (place, item) in of.iter().enumerate() {
            if self.chance(probability) || place == sure {
                some.push(item);
            }
        }
        some
    }
}
