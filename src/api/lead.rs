//! `Lead` as clients see it: what each room knows of a lead, put together.

use std::sync::Arc;

use async_graphql::MergedObject;

use super::timeline::LeadTimelineFields;
use crate::insight::engagement::graphql::EngagementFields;
use crate::insight::journeys::graphql::JourneyFields;
use crate::insight::lifecycle::graphql::LeadLifecycle;
use crate::insight::revenue::graphql::{LeadConversionFields, LeadDealFields, LeadLifetimeFields};
use crate::insight::scoring::graphql::LeadScoring;
use crate::leads::{consent, lead, notes, tags};
use crate::outreach::delivery::graphql::LeadMessageFields;
use crate::platforms::audiences::graphql::LeadAudienceFields;
use crate::platforms::commerce::graphql::LeadCommerceFields;

/// A person or company that may become, or is, a customer.
#[derive(MergedObject)]
pub struct Lead(
    lead::graphql::LeadFields,
    tags::graphql::LeadTagFields,
    notes::graphql::LeadNoteFields,
    consent::graphql::LeadConsentFields,
    LeadLifecycle,
    LeadScoring,
    EngagementFields,
    JourneyFields,
    LeadConversionFields,
    LeadDealFields,
    LeadLifetimeFields,
    LeadTimelineFields,
    LeadCommerceFields,
    LeadAudienceFields,
    LeadMessageFields,
);

impl Lead {
    /// Shows a lead that the caller may see.
    #[must_use]
    pub fn new(lead: Arc<lead::Lead>) -> Self {
        let id = lead.id;
        Self(
            lead::graphql::LeadFields(Arc::clone(&lead)),
            tags::graphql::LeadTagFields(id),
            notes::graphql::LeadNoteFields(id),
            consent::graphql::LeadConsentFields(id),
            LeadLifecycle(id),
            LeadScoring(id),
            EngagementFields(id),
            JourneyFields(lead),
            LeadConversionFields(id),
            LeadDealFields(id),
            LeadLifetimeFields(id),
            LeadTimelineFields(id),
            LeadCommerceFields(id),
            LeadAudienceFields(id),
            LeadMessageFields(id),
        )
    }
}
