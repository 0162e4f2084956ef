//! Measurements, not tests: `cargo test --release measurements -- --ignored --nocapture --test-threads 1`.

use std::{hint::black_box, time::Instant};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::{
    bg_nbd::{BgNbd, Histories},
    gamma_gamma::{GammaGamma, Spendings},
    lifetime::{LifetimeSettings, TrainingProblem, predict, train},
    maximum::Convergence,
    simulation::{Truth, simulate},
    summary::Summary,
};

fn summaries(truth: &Truth, size: usize, seed: u64) -> Vec<Summary> {
    simulate(truth, size, 0, seed)
        .into_iter()
        .map(|customer| customer.summary)
        .collect()
}

#[test]
#[ignore = "a measurement"]
fn seconds_to_train_and_microseconds_to_predict() {
    let settings = LifetimeSettings::default();
    for size in [1_000, 10_000, 100_000, 1_000_000_u32] {
        let customers = summaries(&Truth::default(), size as usize, 1);
        let histories: Histories = customers.iter().collect();
        let begin = Instant::now();
        let fit = BgNbd::fit(&histories, 0.0).unwrap();
        let how_often = begin.elapsed();
        let spendings: Spendings = customers.iter().collect();
        let begin = Instant::now();
        let values = GammaGamma::fit(&spendings, 0.0).unwrap();
        let how_much = begin.elapsed();
        let begin = Instant::now();
        let model = train(&customers, &settings).unwrap();
        let whole = begin.elapsed();
        let begin = Instant::now();
        for customer in &customers {
            black_box(predict(&model, black_box(customer), &settings));
        }
        println!(
            "{size} customers, {} histories: BG/NBD {how_often:.3?} ({} steps), Gamma-Gamma {how_much:.3?} ({} steps), \
             train {whole:.3?}, predict {:.2} µs each",
            histories.as_slice().len(),
            fit.iterations,
            values.iterations,
            begin.elapsed().as_secs_f64() * 1e6 / f64::from(size),
        );
    }
}

/// Fits of many small data sets of varied truths: how many searches do not end, and are any lower than the truth?
#[test]
#[ignore = "a measurement"]
fn searches_that_do_not_end() {
    let mut random = StdRng::seed_from_u64(5);
    let mut between = |low: f64, high: f64| (low.ln() + (high / low).ln() * random.random::<f64>()).exp();
    for penalty in [0.0, 0.01] {
        let (mut sets, mut stalled, mut limit, mut low, mut most) = (0, [0, 0], [0, 0], [0, 0], 0);
        for (seed, size) in (0..600).zip([60, 150, 1_000].into_iter().cycle()) {
            let truth = Truth {
                purchases: BgNbd {
                    r: between(0.1, 5.0),
                    alpha: between(3.0, 300.0),
                    a: between(0.05, 5.0),
                    b: between(0.3, 20.0),
                },
                values: GammaGamma {
                    p: between(0.5, 50.0),
                    q: between(0.7, 20.0),
                    gamma: between(100.0, 100_000.0),
                },
                ages: 1..400,
            };
            let customers = summaries(&truth, size, seed);
            let (histories, spendings): (Histories, Spendings) =
                (customers.iter().collect(), customers.iter().collect());
            let Some(values) = GammaGamma::fit(&spendings, penalty) else {
                continue;
            };
            let purchases = BgNbd::fit(&histories, penalty).unwrap();
            sets += 1;
            for (i, (convergence, iterations, behind)) in [
                (
                    purchases.convergence,
                    purchases.iterations,
                    truth.purchases.log_likelihood(&histories) - purchases.log_likelihood,
                ),
                (
                    values.convergence,
                    values.iterations,
                    truth.values.log_likelihood(&spendings) - values.log_likelihood,
                ),
            ]
            .into_iter()
            .enumerate()
            {
                stalled[i] += u32::from(convergence == Convergence::Stalled);
                limit[i] += u32::from(convergence == Convergence::AtLimit);
                low[i] += u32::from(penalty == 0.0 && behind > 1e-6);
                most = most.max(iterations);
                if convergence == Convergence::Stalled {
                    println!("stalled: {i} seed {seed} {purchases:?} {values:?}");
                }
            }
        }
        println!(
            "penalty {penalty}: {sets} sets, [BG/NBD, Gamma-Gamma] stalled {stalled:?}, at a limit {limit:?}, below the truth {low:?}, most steps {most}"
        );
    }
}

/// What a model of few customers or few days says of the purchases and values of the next year, as a share of the truth.
#[test]
#[ignore = "a measurement"]
fn how_much_is_enough() {
    let truth = Truth::default();
    let every = LifetimeSettings {
        min_customers: 0,
        min_repeat_customers: 0,
        min_days: 0,
        ..LifetimeSettings::default()
    };
    for (name, truth) in [
        ("frequent", truth),
        (
            "rare",
            Truth {
                purchases: BgNbd {
                    r: 0.243,
                    alpha: 30.9,
                    a: 0.793,
                    b: 2.426,
                },
                values: GammaGamma {
                    p: 6.25,
                    q: 3.74,
                    gamma: 1_544.0,
                },
                ages: 1..2,
            },
        ),
    ] {
        for days in [45, 90, 180, 365] {
            for size in [30, 100, 300, 1_000] {
                let truth = Truth {
                    ages: 1..days + 1,
                    purchases: truth.purchases,
                    values: truth.values,
                };
                let (mut ratios, mut failed, mut repeats) = (Vec::new(), 0, 0);
                for seed in 0..300 {
                    let customers = summaries(&truth, size, seed);
                    repeats += customers.iter().filter(|customer| customer.repeats > 0).count();
                    let expected = |of: BgNbd| -> f64 {
                        let one = |c: &Summary| {
                            of.expected(c.repeats, f64::from(c.recency_days), f64::from(c.age_days), 365.0)
                        };
                        customers.iter().map(one).sum()
                    };
                    match train(&customers, &every) {
                        Ok(model) => {
                            let found = expected(model.purchases.parameters) / expected(truth.purchases);
                            let mean = model.values.parameters.population_mean().unwrap_or(f64::INFINITY)
                                / truth.values.population_mean().unwrap();
                            ratios.push((found, mean));
                        }
                        Err(TrainingProblem::NotConverged | TrainingProblem::NotEnoughData(_)) => failed += 1,
                        Err(problem) => panic!("{problem}"),
                    }
                }
                let middle = |pick: fn(&(f64, f64)) -> f64| {
                    let mut all: Vec<f64> = ratios.iter().map(pick).collect();
                    all.sort_by(f64::total_cmp);
                    [10, 50, 90].map(|percent| (all[(all.len() - 1) * percent / 100] * 100.0).round() / 100.0)
                };
                println!(
                    "{name}, {days} days, {size} customers ({} with a repeat): purchases of a year / truth at 10, 50, 90 % {:?}, \
                     mean value / truth {:?}, {failed} of 300 failed",
                    repeats / 300,
                    middle(|ratio| ratio.0),
                    middle(|ratio| ratio.1),
                );
            }
        }
    }
}
