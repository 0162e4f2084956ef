//! Leadline: lead intelligence and marketing automation behind one GraphQL API.

pub mod cli;
pub mod config;
pub mod http;
pub mod insight;
pub mod telemetry;
