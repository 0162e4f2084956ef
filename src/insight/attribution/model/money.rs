//! Amounts that add up: a whole number of minor units shared by weights.

/// The bits of a weight as a fraction of the greatest that take part, at most. Sums of 2^28 such weights fit 128 bits.
const WEIGHT_BITS: u32 = 100;

/// The bits of an `f64` that carry its digits.
const DIGITS: u32 = 53;

/// Shares of a total, in minor units of a currency, proportional to weights. They sum to the total exactly.
///
/// Largest remainder (Hamilton's method): each gets the whole part of its ideal share, and the units that are left go
/// one each to the largest fractional parts; of equal parts, the earlier one first. So each share is less than one
/// unit off its ideal, and what has no weight gets nothing. A negative total is shared like its opposite, so that a
/// refund takes back exactly what was given.
///
/// Weights need not sum to 1. One that is negative, infinite or not a number counts as 0; where none counts, all are
/// equal. Without weights there are no shares, whatever the total.
///
/// The arithmetic is in whole numbers of 128 bits. A weight takes part to 2^−65 of the greatest for a total near the
/// ends of `i64`, and to 2^−99 for a total below 2^28, so rounding of the weights moves no share by a unit unless there
/// are thousands of them at a total near those ends.
#[must_use]
#[expect(clippy::missing_panics_doc, reason = "no share is larger than its total")]
pub fn split(total: i64, weights: &[f64]) -> Vec<i64> {
    let amount = total.unsigned_abs();
    if amount == 0 {
        return vec![0; weights.len()];
    }
    let parts = whole_weights(weights, amount);
    let sum: u128 = parts.iter().sum();
    let mut left = amount;
    let mut shares = Vec::with_capacity(parts.len());
    let mut remainders = Vec::with_capacity(parts.len());
    for (place, part) in parts.into_iter().enumerate() {
        let product = u128::from(amount) * part;
        let share = u64::try_from(product / sum).expect("a share is at most the amount");
        left -= share;
        shares.push(share);
        remainders.push((product % sum, place));
    }
    // The sort is stable, so of equal remainders the earlier one comes first.
    remainders.sort_by_key(|(remainder, _)| std::cmp::Reverse(*remainder));
    for (_, place) in remainders {
        if left == 0 {
            break;
        }
        shares[place] += 1;
        left -= 1;
    }
    shares.into_iter().map(|share| signed(share, total < 0)).collect()
}

/// A share with the sign of its total; its size is at most the total's, so it fits.
fn signed(share: u64, negative: bool) -> i64 {
    if negative {
        0_i64.checked_sub_unsigned(share)
    } else {
        i64::try_from(share).ok()
    }
    .expect("a share is no larger than its total")
}

/// The weights as whole numbers, so large that nothing but digits far behind the unit is lost, so small that a product
/// with the amount fits 128 bits.
fn whole_weights(weights: &[f64], amount: u64) -> Vec<u128> {
    let usable = |weight: f64| {
        if weight.is_finite() && weight > 0.0 {
            weight
        } else {
            0.0
        }
    };
    let greatest = weights.iter().copied().map(usable).fold(0.0, f64::max);
    if greatest <= 0.0 {
        return vec![1; weights.len()];
    }
    let amount_bits = u64::BITS - amount.leading_zeros();
    let bits = WEIGHT_BITS.min(u128::BITS - amount_bits);
    let (_, top) = digits(greatest);
    weights
        .iter()
        .map(|weight| {
            let (whole, exponent) = digits(usable(*weight));
            // Exponents of usable weights are at most that of the greatest.
            let below = top.abs_diff(exponent);
            let room = bits - DIGITS;
            match room.checked_sub(below) {
                Some(up) => u128::from(whole) << up,
                None => rounded_down_by(whole, below - room),
            }
        })
        .collect()
}

/// A number halved so many times, to the nearest.
fn rounded_down_by(whole: u64, halvings: u32) -> u128 {
    if halvings > DIGITS + 1 {
        return 0;
    }
    (u128::from(whole) + (1 << (halvings - 1))) >> halvings
}

/// A weight, 0 or above, as whole × 2^exponent.
fn digits(weight: f64) -> (u64, i32) {
    let bits = weight.to_bits();
    let fraction = bits & ((1 << (DIGITS - 1)) - 1);
    let exponent = i32::try_from((bits >> (DIGITS - 1)) & 0x7ff).expect("eleven bits");
    if exponent == 0 {
        // Below 2^−1022 the leading digit is not implied.
        (fraction, -1_074)
    } else {
        (fraction | (1 << (DIGITS - 1)), exponent - 1_075)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn by_hand() {
        assert_eq!(split(100, &[1.0, 1.0, 1.0]), [34, 33, 33]);
        assert_eq!(split(-100, &[1.0, 1.0, 1.0]), [-34, -33, -33]);
        assert_eq!(split(0, &[0.3, 0.7]), [0, 0]);
        assert_eq!(split(1, &[0.5, 0.5]), [1, 0]);
        // The tie of the second and third is settled by order, though the first is larger.
        assert_eq!(split(10, &[0.5, 0.25, 0.25]), [5, 3, 2]);
        assert_eq!(split(101, &[0.4, 0.2, 0.4]), [41, 20, 40]);
        assert_eq!(split(7, &[]), [0_i64; 0]);
        assert_eq!(split(7, &[0.2]), [7]);
    }

    #[test]
    fn what_is_no_weight_counts_as_none() {
        assert_eq!(split(9, &[0.0, 0.0, 0.0]), [3, 3, 3]);
        assert_eq!(split(9, &[f64::NAN, 1.0, f64::INFINITY, -1.0]), [0, 9, 0, 0]);
        assert_eq!(split(i64::MAX, &[0.0, 1e-300, 0.0]), [0, i64::MAX, 0]);
    }

    #[test]
    fn the_ends_of_the_range() {
        assert_eq!(split(i64::MAX, &[1.0]), [i64::MAX]);
        assert_eq!(split(i64::MIN, &[1.0]), [i64::MIN]);
        assert_eq!(split(i64::MAX, &[1.0, 1.0]), [i64::MAX / 2 + 1, i64::MAX / 2]);
        assert_eq!(split(i64::MIN, &[1.0, 1.0]), [i64::MIN / 2, i64::MIN / 2]);
        assert_eq!(split(1_000, &[5e-324, 5e-324]), [500, 500]);
        assert_eq!(
            split(1_000, &[f64::MAX, f64::MAX, f64::MIN_POSITIVE]),
            [500, 500, 0]
        );
    }

    fn total() -> impl Strategy<Value = i64> {
        prop_oneof![
            any::<i64>(),
            -1_000_i64..1_000,
            i64::MAX - 1_000..=i64::MAX,
            i64::MIN..=i64::MIN + 1_000
        ]
    }

    proptest! {
        #[test]
        fn the_sum_is_exact(total in total(), weights in prop::collection::vec(any::<f64>(), 1..60)) {
            let shares = split(total, &weights);
            prop_assert_eq!(shares.len(), weights.len());
            prop_assert_eq!(shares.iter().map(|share| i128::from(*share)).sum::<i128>(), i128::from(total));
            prop_assert!(shares.iter().all(|share| share.signum() * total.signum() >= 0));
        }

        /// Whole weights have exact ideals: amount × weight / sum of weights.
        #[test]
        fn each_is_less_than_a_unit_off(total in total(), weights in prop::collection::vec(0_u32..1_000_000, 1..60)) {
            let sum: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
            prop_assume!(sum > 0);
            let floats: Vec<f64> = weights.iter().map(|weight| f64::from(*weight) / 3.0f64.exp2()).collect();
            for (share, weight) in split(total, &floats).into_iter().zip(weights) {
                let off = i128::from(share) * sum - i128::from(total) * i128::from(weight);
                prop_assert!(off.abs() < sum, "{} for {} of {}", share, weight, sum);
            }
        }

        #[test]
        fn any_fractions_are_less_than_a_unit_off(
            total in -1_000_000_000_000_i64..1_000_000_000_000,
            weights in prop::collection::vec(0.0..1.0_f64, 1..60),
        ) {
            let sum: f64 = weights.iter().sum();
            prop_assume!(sum > 0.0);
            for (share, weight) in split(total, &weights).into_iter().zip(weights) {
                #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
                let off = share as f64 - total as f64 * weight / sum;
                prop_assert!(off.abs() < 1.001, "{}", off);
            }
        }

        #[test]
        fn more_weight_never_gets_less_and_the_earlier_of_equals_not_less(
            total in 0_i64..=i64::MAX, weights in prop::collection::vec(0_u8..6, 1..40),
        ) {
            let floats: Vec<f64> = weights.iter().map(|weight| f64::from(*weight)).collect();
            let shares = split(total, &floats);
            for later in 0..weights.len() {
                for earlier in 0..later {
                    if weights[earlier] >= weights[later] {
                        prop_assert!(shares[earlier] >= shares[later]);
                    } else {
                        prop_assert!(shares[earlier] <= shares[later]);
                    }
                }
            }
            prop_assert_eq!(split(-total, &floats), shares.iter().map(|share| -share).collect::<Vec<_>>());
        }
    }
}
