//! The rules of what is told: pure.

mod event;
mod rule;
mod state;

pub(super) use self::event::{Told, event, order_of};
pub(super) use self::rule::{Happening, What, checked_key, checked_rules, delivery, rule_for};
pub use self::rule::{Rule, SharingProblem};
pub(super) use self::state::{Next, Stop, consent, next_try};

use crate::error::Problem;

pub(super) fn wrong(
    field: &str,
    code: SharingProblem,
    message: impl Into<String>,
) -> Problem<SharingProblem> {
    Problem::new(field, code, message)
}
