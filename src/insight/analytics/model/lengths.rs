//! Classes of length: how long stays in a stage were, kept as numbers that add up and still tell a median.
//!
//! A class is a quarter of a doubling: [1, 2, 3) minutes, then [4, 5, 6, 7), [8, 10, 12, 14), [16, 20 …). Its width is at most
//! a quarter of where it begins, and within it lengths are taken to lie evenly: a median is off by an eighth at the very most.

const MINUTE: i64 = 60;

/// The class of a length in seconds.
#[must_use]
pub fn class(seconds: i64) -> u32 {
    let minutes = u64::try_from(seconds / MINUTE).unwrap_or(0);
    if minutes < 4 {
        return u32::try_from(minutes).expect("below 4");
    }
    let doublings = minutes.ilog2();
    let quarter = u32::try_from((minutes >> (doublings - 2)) & 3).expect("two bits");
    4 * (doublings - 1) + quarter
}

/// Where a class begins, in seconds.
#[must_use]
pub fn begin(class: u32) -> i64 {
    if class < 4 {
        return i64::from(class) * MINUTE;
    }
    let doublings = (class / 4 + 1).min(40);
    (i64::from(4 + class % 4) << (doublings - 2)) * MINUTE
}

/// The median of lengths of which it is known how many are in each class, ascending; in seconds.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "seconds and counts are far below 2^52")]
pub fn median(classes: &[(u32, i64)]) -> Option<f64> {
    let all: i64 = classes.iter().map(|(_, count)| count).sum();
    if all <= 0 {
        return None;
    }
    let middle = all as f64 / 2.0;
    let mut before = 0.0;
    for (class, count) in classes.iter().filter(|(_, count)| *count > 0) {
        let count = *count as f64;
        if before + count >= middle {
            let (from, to) = (begin(*class) as f64, begin(class + 1) as f64);
            return Some(from + (to - from) * (middle - before) / count);
        }
        before += count;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn classes_by_hand() {
        let minutes = [0, 1, 3, 4, 5, 7, 8, 9, 10, 15, 16, 19, 20, 1_440];
        let classes: Vec<u32> = minutes.iter().map(|minutes| class(minutes * MINUTE)).collect();
        assert_eq!(classes, [0, 1, 3, 4, 5, 7, 8, 8, 9, 11, 12, 12, 13, 37]);
        assert_eq!((begin(8), begin(9), begin(12)), (480, 600, 960));
        // A length before 0 is none: clocks that differ.
        assert_eq!(class(-5), 0);
        assert_eq!(class(i64::MAX), class(i64::MAX - 1));
        assert_eq!(median(&[]), None);
        // Two of them in the class of 8 and 9 minutes: its middle.
        assert_eq!(median(&[(8, 2)]), Some(540.0));
        assert_eq!(median(&[(0, 1), (8, 1), (37, 1)]), Some(540.0));
    }

    proptest! {
        #[test]
        fn a_length_lies_in_its_class(seconds in 0_i64..400_000_000) {
            let class = class(seconds);
            prop_assert!(begin(class) <= seconds && seconds < begin(class + 1));
        }

        #[test]
        fn a_median_is_off_by_a_quarter_at_most(mut seconds in prop::collection::vec(240_i64..100_000_000, 1..60)) {
            seconds.sort_unstable();
            let mut counts = std::collections::BTreeMap::new();
            for seconds in &seconds {
                *counts.entry(class(*seconds)).or_insert(0) += 1;
            }
            let told = median(&counts.into_iter().collect::<Vec<_>>()).unwrap();
            // Between the two in the middle, each by its class.
            let (low, high) = (seconds[(seconds.len() - 1) / 2], seconds[seconds.len() / 2]);
            prop_assert!(told >= begin(class(low)) as f64 && told <= begin(class(high) + 1) as f64);
        }
    }
}
