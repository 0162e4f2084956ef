//! Lifecycle: in which stage a lead stands, how it came there, and what moves it on.

pub mod model;
