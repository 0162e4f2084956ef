//! The pure rules of deals.

pub mod forecast;
pub mod rules;
