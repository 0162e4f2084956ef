//! Predicted lifetime value from past orders: BG/NBD for how often, Gamma-Gamma for how much.
//!
//! - [`summary`]: a customer's orders in four numbers, as a fold.
//! - [`bg_nbd`]: purchases to come and the chance that a customer still buys; [`expected`] is its series.
//! - [`gamma_gamma`]: the mean value of the orders to come.
//! - [`lifetime`]: both trained together, and a customer's value over a horizon with its explanation.
//! - [`backtest`](mod@backtest): trained on a first period, compared with what was bought after it.
//! - [`maximum`]: the search for the most likely parameters.
//!
//! Pure: no clock, no randomness, no I/O. The same customers give the same parameters, in whatever order they come.
//! `reference/` has the script and the figures of an independent implementation, and `differences.md`.

pub mod backtest;
pub mod bg_nbd;
pub mod expected;
pub mod gamma_gamma;
pub mod lifetime;
pub mod maximum;
#[cfg(test)]
mod measurements;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod simulation;
pub mod summary;

pub use backtest::{Backtest, backtest};
pub use bg_nbd::{BgNbd, Histories, History};
pub use gamma_gamma::{GammaGamma, Spending, Spendings};
pub use lifetime::{
    Explanation, LifetimeModel, LifetimeSettings, Prediction, Shortfall, TrainingProblem, ValueBasis,
    predict, train,
};
pub use maximum::{Convergence, Fit};
pub use summary::{Observed, OutOfOrder, PurchaseFold, Summary};
