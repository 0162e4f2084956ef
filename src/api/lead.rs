//! `Lead` as clients see it: what each room knows of a lead, put together.

use std::sync::Arc;

use async_graphql::MergedObject;

use crate::leads::lead;

/// A person or company that may become, or is, a customer.
#[derive(MergedObject)]
pub struct Lead(lead::graphql::LeadFields);

impl Lead {
    /// Shows a lead that the caller may see.
    #[must_use]
    pub fn new(lead: Arc<lead::Lead>) -> Self {
        Self(lead::graphql::LeadFields(lead))
    }
}
