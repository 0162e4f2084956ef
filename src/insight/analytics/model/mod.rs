//! Reports as rules: what is counted of a lead, how it adds up, what follows from sums. Pure.

pub mod cohorts;
pub mod engaged;
pub mod funnel;
pub mod health;
pub mod lengths;
pub mod outline;
pub mod quality;
pub mod sold;
pub mod sources;
pub mod sums;
