//! The audiences of a lead, at the lead.

use async_graphql::{Context, Object, Result};
use entity::Area;
use entity::id::LeadId;

use super::audience::{Audience, of_lead};
use crate::api::types::{Access, scoped};
use crate::identity::Scope;

/// The audiences of a lead.
pub struct LeadAudienceFields(pub LeadId);

#[scoped]
#[Object]
impl LeadAudienceFields {
    /// The audiences for advertisements that the lead is in, by name.
    #[scope("audiences:read")]
    #[graphql(complexity = "5 + 5 * child_complexity")]
    async fn audiences(&self, ctx: &Context<'_>) -> Result<Vec<Audience>> {
        ctx.caller()?.require(Scope::Read(Area::Audiences))?;
        of_lead(ctx, self.0).await
    }
}
