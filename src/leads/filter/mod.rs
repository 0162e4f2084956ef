//! The filter tree over leads: what lists, counts, exports, segments and tokens select by.
//!
//! [`LeadFilter`] is the tree as clients write it and as it is stored (JSON in the same shape);
//! [`LeadFilter::check`] bounds it, and [`condition`] turns a checked one into SQL.

mod model;
mod store;

pub use model::{
    ConsentCondition, CustomCondition, DayRange, DealValueCondition, FilterError, GradeCondition, LeadFilter,
    ListCondition, MOST_CONDITIONS, MOST_DEPTH, MomentRange, NumberRange, ScoreScale, StageCondition,
    TemperatureCondition, Terms, TextCondition,
};
pub use store::condition;
