//! How far models differ on a channel.

/// How far models differ on the share of one channel. All in percentage points of the whole, 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    /// The least share that a model gives.
    pub least: f64,
    /// The greatest.
    pub greatest: f64,
    /// The greatest less the least: 0 where all agree.
    pub range: f64,
    /// The mean of the shares.
    pub mean: f64,
    /// The mean absolute deviation: by how much a model is off that mean, on average.
    pub deviation: f64,
}

/// How far models differ, for each channel.
///
/// `shares` has one row for each model, with the share of each channel, 0 to 1, in the same order in every row. A row
/// that is short counts as 0 where it ends. Empty where there are no models.
#[must_use]
pub fn agreement(shares: &[Vec<f64>]) -> Vec<Agreement> {
    let channels = shares.iter().map(Vec::len).max().unwrap_or_default();
    (0..channels)
        .map(|channel| {
            let points = shares
                .iter()
                .map(|model| 100.0 * model.get(channel).copied().unwrap_or_default());
            of(points)
        })
        .collect()
}

fn of(points: impl Iterator<Item = f64> + Clone) -> Agreement {
    let least = points.clone().fold(f64::INFINITY, f64::min);
    let greatest = points.clone().fold(f64::NEG_INFINITY, f64::max);
    let mean = mean(points.clone());
    Agreement {
        least,
        greatest,
        range: greatest - least,
        mean,
        deviation: self::mean(points.map(|each| (each - mean).abs())),
    }
}

fn mean(points: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = points.fold((0.0, 0.0), |(sum, count), each| (sum + each, count + 1.0));
    sum / count
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn by_hand() {
        let found = agreement(&[vec![0.5, 0.5], vec![0.25, 0.75], vec![0.75]]);
        assert_eq!(
            found[0],
            Agreement {
                least: 25.0,
                greatest: 75.0,
                range: 50.0,
                mean: 50.0,
                deviation: 50.0 / 3.0,
            }
        );
        assert_eq!((found[1].least, found[1].greatest), (0.0, 75.0));
        assert_eq!(agreement(&[]), []);
        assert_eq!(agreement(&[vec![]]), []);
    }

    #[test]
    fn models_of_one_mind_do_not_differ() {
        for each in agreement(&vec![vec![0.25, 0.75]; 5]) {
            assert_eq!((each.range, each.deviation), (0.0, 0.0));
        }
    }

    proptest! {
        #[test]
        fn deviation_is_at_most_half_the_range(
            shares in prop::collection::vec(prop::collection::vec(0.0..=1.0_f64, 4), 1..8),
        ) {
            for each in agreement(&shares) {
                prop_assert!((0.0..=100.0).contains(&each.least) && each.least <= each.greatest);
                prop_assert!(each.least - 1e-9 <= each.mean && each.mean <= each.greatest + 1e-9);
                prop_assert!(each.deviation <= each.range / 2.0 + 1e-9);
            }
        }
    }
}
