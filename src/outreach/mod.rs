//! What goes out to leads, and what they answer.

pub mod delivery;
