//! Leads in GraphQL.

mod fields;
mod input;
mod mutation;
mod query;
mod subscription;

pub use fields::{IdentityLoader, LeadFields, LeadLoader, load, load_many, load_model};
pub use mutation::LeadMutation;
pub use query::LeadQuery;
pub use subscription::LeadSubscription;
