//! Purchases to expect of a customer who still buys.
//!
//! Equation (10) of Fader, Hardie & Lee (2005) takes 1 − (…) ₂F₁(r+x, b+x; a+b+x−1; z) by a − 1: it loses its digits
//! near a = 1 and for short spans, and ₂F₁ grows out of range where a + b + x − 1 comes near 0. The same expectation
//! without a difference: while nothing stops the customer, the number K of purchases in t days is negative binomial
//! with shape R = r + x and z = t / (α + T + t); the j-th of them still happens if none of the j − 1 before it was the
//! last, whose chance is E(1−p)^(j−1) with p ~ Beta(a, b + x). So with f(k) = P(K = k)
//!
//! > E = Σ_{k≥1} f(k) · S(k),  S(k) = Σ_{j<k} (B)_j / (a + B)_j,  B = b + x,
//!
//! all terms positive: the Euler-transformed series of ₂F₁, summed by parts. Where z comes near 1 the series is long
//! and the integral E[(1 − (1 + p t/(α+T))^−R) / p] over p takes its place (double exponential trapezoidal rule of
//! Takahasi & Mori 1974).

/// From this many times the customer's exposure α + T on, the integral takes the place of the series.
const LONG: f64 = 1_000.0;
/// What is left of the sum when it ends, relative.
const REST: f64 = 1e-15;
/// Below exp(this), f(k) is left out: it is nothing against the rest.
const SMALLEST: f64 = -690.0;

/// The expected purchases in `days` of a customer who is alive, given R = r + x, α + T (days), a and b + x, all
/// positive. 0 for no days; NaN where one of the four is no positive number.
#[must_use]
pub fn while_alive(shape: f64, exposure: f64, a: f64, b: f64, days: f64) -> f64 {
    let known = [shape, exposure, a, b].iter().all(|x| x.is_finite() && *x > 0.0);
    if !known || days.is_nan() {
        f64::NAN
    } else if days <= 0.0 {
        0.0
    } else if days > LONG * exposure {
        integral(shape, days / exposure, a, b)
    } else {
        series(shape, days / exposure, a, b)
    }
}

/// By the series; `span` is t / (α + T).
fn series(shape: f64, span: f64, a: f64, b: f64) -> f64 {
    let z = span / (1.0 + span);
    let mut k = 0.0;
    // f(k), S(k) and the last term of S.
    let mut log = -shape * span.ln_1p();
    let (mut sum_survived, mut survived) = (0.0, 1.0);
    let mut next = |k: f64| {
        sum_survived += survived;
        survived *= (b + k) / (a + b + k);
        (sum_survived, survived)
    };
    while log < SMALLEST {
        next(k);
        log += (z * (shape + k) / (k + 1.0)).ln();
        k += 1.0;
    }
    let mut mass = log.exp();
    let mut total = 0.0;
    loop {
        let (sum, last) = next(k);
        mass *= z * (shape + k) / (k + 1.0);
        k += 1.0;
        total += mass * sum;
        // From here on f falls at least by this ratio and S rises by at most `last`.
        let ratio = z * ((shape + k) / (k + 1.0)).max(1.0);
        if ratio < 1.0 {
            let fall = ratio / (1.0 - ratio);
            if mass * fall * (sum + last / (1.0 - ratio)) <= REST * total {
                return total;
            }
        }
    }
}

/// By the integral; `span` is t / (α + T). With p = 1/(1+e^−u), u about the peak of the density of p.
fn integral(shape: f64, span: f64, a: f64, b: f64) -> f64 {
    let peak = (a / b).ln();
    let width = (1.0 / a + 1.0 / b).sqrt();
    let log_density = |u: f64| -a * softplus(-u) - b * softplus(u);
    let highest = log_density(peak);
    let (mut weights, mut total) = (0.0, 0.0);
    for node in -NODES..=NODES {
        let place = f64::from(node) * STEP;
        let u = peak + width * place.sinh();
        let weight = (log_density(u) - highest).exp() * place.cosh();
        if weight > 0.0 {
            let p = (-softplus(-u)).exp();
            let reach = p * span;
            let purchases = if reach < 1e-18 {
                shape * span
            } else {
                -(-shape * reach.ln_1p()).exp_m1() / p
            };
            weights += weight;
            total += weight * purchases;
        }
    }
    total / weights
}

/// Distance and number of the nodes to either side: sinh(16) spans every Beta density in reach of an `f64`.
const STEP: f64 = 1.0 / 64.0;
const NODES: i32 = 16 * 64;

/// ln(1 + eˣ).
pub(super) fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn who_never_stops_buys_at_the_posterior_rate() {
        // a → 0: R t / (α + T) = 3 × 50 / 120
        assert!((while_alive(3.0, 120.0, 1e-14, 1.0, 50.0) - 1.25).abs() < 1e-12);
        assert_eq!(while_alive(3.0, 120.0, 1.0, 1.0, 0.0), 0.0);
        assert_eq!(while_alive(3.0, 120.0, 1.0, 1.0, -1.0), 0.0);
        assert!(while_alive(3.0, -120.0, 1.0, 1.0, 50.0).is_nan());
        assert!(while_alive(f64::NAN, 120.0, 1.0, 1.0, 50.0).is_nan());
    }

    #[test]
    fn by_hand_for_shape_one() {
        // R = 1, p uniform: ∫ (1 − 1/(1+pτ))/p dp = ln(1+τ).
        for span in [1e-9, 0.5, 7.0, 900.0, 1e5] {
            let expected = f64::ln_1p(span);
            assert!(
                (while_alive(1.0, 2.0, 1.0, 1.0, 2.0 * span) / expected - 1.0).abs() < 1e-12,
                "{span}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn series_and_integral_agree(
            shape in -4.0..6.0_f64, span in -6.0..5.0_f64, a in -5.0..5.0_f64, b in -4.0..6.0_f64,
        ) {
            let (shape, span, a, b) = (shape.exp(), span.exp(), a.exp(), b.exp());
            let (sum, area) = (series(shape, span, a, b), integral(shape, span, a, b));
            prop_assert!((sum / area - 1.0).abs() < 1e-9, "{sum} {area}");
            prop_assert!(sum <= shape * span * (1.0 + 1e-12));
        }
    }
}
