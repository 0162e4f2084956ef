//! Leads that come from platforms: their fields become ours by the connection's mapping, what they said becomes consent,
//! where they came from their source. Customers of shops come this way, too.

mod model;
mod service;

pub use self::service::{Contact, Landed, LeadConsumer, land, people};
