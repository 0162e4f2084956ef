//! The pure rules of attribution: no I/O, no clock, no outside randomness.
//!
//! [`rules`] shares one conversion among the touches of its own journey. [`markov`] and [`shapley`] look at the
//! journeys of a period at once, through sums that can be kept by day: [`transitions`] and channel sets. [`money`]
//! turns shares into amounts that add up, [`touches`] brings the credits of channels back to one journey, and
//! [`agreement`] says how far models differ.
//!
//! [`trail`] is what one conversion rests on, [`sums`] what trails add to each day, [`settings`] what a deployment may set.

pub mod agreement;
mod linear;
pub mod markov;
pub mod money;
pub mod named;
pub mod paths;
pub mod rules;
pub mod sets;
pub mod settings;
pub mod shapley;
pub mod sums;
pub mod touches;
pub mod trail;
pub mod transitions;
