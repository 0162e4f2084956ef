//! The platforms, a folder for each: `mod.rs` (its facets), `client.rs` (requests and errors), `wire.rs` (its JSON),
//! `convert.rs` (theirs to ours, pure), `sandbox.rs` (its stand-in), `exchanges/` (recorded ones).

pub mod anthropic;
pub mod meta;
pub mod openai;
pub mod openrouter;
pub mod sendgrid;
pub mod shopify;
pub mod smtp;
pub mod twilio;
