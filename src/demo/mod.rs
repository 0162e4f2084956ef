//! Demonstration data: half a year of a business that sells training software, made up but believable.
//!
//! [`DataSet`] is a pure function of seed, number of leads and reference day.

mod model;

pub use model::{
    DAYS, DataSet, DemoLead, FIELDS, FieldDefinition, NAMESPACE, Outcome, Person, Step, TAGS, TagDefinition,
    What,
};
