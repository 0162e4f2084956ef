//! What led to conversions: the touches of each, their credit by eight models, and the sums by channel, source, campaign and
//! type.
//!
//! - `model`: the rules, pure.
//! - `keeping`: trails of conversions and sums of days, kept as engagements, conversions and stages come (`handler`), and made
//!   anew by other settings (`recompute`).
//! - `one`: a conversion explained; `sums`: those of a range, models side by side; `reading`: what these are read from, sums or the
//!   journeys of some leads; `as_of`: journeys by what was known once; `higher_order`: Markov chains that no sums tell; `settings`.
//! - `verify`: whether what is kept is what the rows say.

mod as_of;
pub mod graphql;
mod handler;
mod higher_order;
mod journey;
mod keeping;
pub mod model;
mod one;
mod reading;
mod recompute;
mod settings;
mod store;
mod sums;
mod turns;
mod verify;

pub use as_of::MOST_AS_OF;
pub use handler::AttributionHandler;
pub use higher_order::HIGHEST_ORDER;
pub use journey::{Credited, JourneyCredit, of_journeys};
pub use model::sums::Total;
pub use one::{Asked, Attributed, Basis, Touched, Verdict, Why, attribution};
pub use recompute::{Recompute, RecomputeChore};
pub use settings::{Change, Settings, SettingsProblem, rebuild, settings, update_settings};
pub use sums::{
    CompareRow, Compared, Journeys, Name, Row, Summary, SummaryRequest, compare, summary, summary_by_order,
};
pub use verify::{Verified, verify};
