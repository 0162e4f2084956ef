//! Leadline: lead intelligence and marketing automation behind one GraphQL API.
//!
//! The house is described in `docs/architecture.md`; `tests/suite/architecture` holds who may know whom.

// The merged roots of the schema nest a future for each room.
#![recursion_limit = "256"]

pub mod api;
pub mod app;
pub mod assembly;
pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
pub mod demo;
pub mod error;
pub mod events;
pub mod http;
pub mod identity;
pub mod insight;
pub mod jobs;
pub mod leads;
pub mod media;
pub mod origin;
pub mod outreach;
pub mod platforms;
pub mod telemetry;
pub mod vault;

pub use app::App;
pub use error::{Error, Failure, Outcome, Problem};
