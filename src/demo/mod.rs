//! Demonstration data: half a year of a business that sells training software, made up but believable.
//!
//! [`DataSet`] is a pure function of seed, number of leads and reference day. [`fill`] brings it into a database through
//! the services, as if the half year were passing; [`trickle`] goes on from there. [`Platforms`] are the outside platforms' stand-ins.

mod fill;
mod model;
mod platforms;
mod trickle;

pub use fill::{Filled, fill, settled};
pub use platforms::Platforms;
pub use trickle::trickle;

pub use model::{
    DAYS, DataSet, Deed, DemoLead, FIELDS, FieldDefinition, NAMESPACE, Outcome, Person, Pulse, Step, TAGS,
    TagDefinition, What,
};
