//! What the conversions of a lead owe to its touches.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, Object, Result};
use entity::id::{EngagementId, LeadId};
use entity::{AttributionModel, Channel, EngagementType, Timestamp};

use crate::api::types::{Access, Money};
use crate::app::App;
use crate::error::Error;
use crate::identity::Scope;
use crate::insight::attribution::{JourneyCredit, of_journeys};
use crate::insight::engagement::graphql::{EngagementNode, load as engagement};

/// Loads the credit of the touches of leads for all requests together.
pub struct CreditLoader(pub App);

/// A lead, and by which model.
type Key = (LeadId, AttributionModel);

impl Loader<Key> for CreditLoader {
    type Value = Arc<JourneyCredit>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[Key]) -> std::result::Result<HashMap<Key, Self::Value>, Arc<Error>> {
        let mut all = HashMap::with_capacity(keys.len());
        for model in AttributionModel::ALL {
            let leads: Vec<LeadId> = keys
                .iter()
                .filter(|(_, of)| of == model)
                .map(|(lead, _)| *lead)
                .collect();
            if !leads.is_empty() {
                let found = of_journeys(&self.0, &leads, *model).await.map_err(Arc::new)?;
                all.extend(
                    found
                        .into_iter()
                        .map(|(lead, credit)| ((lead, *model), Arc::new(credit))),
                );
            }
        }
        Ok(all)
    }
}

/// The touches of a lead with what its conversions owe to them.
///
/// # Errors
/// A missing scope `engagement:read`; `MARKOV`; the database's.
pub async fn of_journey(
    ctx: &Context<'_>,
    lead: LeadId,
    model: AttributionModel,
) -> Result<Vec<JourneyTouchpoint>> {
    ctx.caller()?.require(Scope::Read(entity::Area::Engagement))?;
    let loader = ctx.data_unchecked::<DataLoader<CreditLoader>>();
    let Some(credit) = loader.load_one((lead, model)).await? else {
        return Ok(Vec::new());
    };
    let touchpoint = |place| JourneyTouchpoint {
        of: Arc::clone(&credit),
        place,
    };
    Ok((0..credit.touches.len()).map(touchpoint).collect())
}

/// A touch of a lead that a conversion has come after.
pub struct JourneyTouchpoint {
    of: Arc<JourneyCredit>,
    place: usize,
}

#[Object]
impl JourneyTouchpoint {
    /// The engagement's id.
    async fn engagement_id(&self) -> EngagementId {
        self.of.touches[self.place].touch.id
    }
    /// The engagement; null when it is not there any more.
    #[graphql(complexity = "2 + child_complexity")]
    async fn engagement(&self, ctx: &Context<'_>) -> Result<Option<EngagementNode>> {
        engagement(ctx, self.of.touches[self.place].touch.id).await
    }
    /// When it happened.
    async fn occurred_at(&self) -> Timestamp {
        self.of.touches[self.place].touch.at
    }
    /// What happened.
    #[graphql(name = "type")]
    async fn kind(&self) -> EngagementType {
        self.of.touches[self.place].touch.kind
    }
    /// By which way.
    async fn channel(&self) -> Channel {
        self.of.touches[self.place].touch.channel
    }
    /// What brought it about; null where that is not known.
    async fn source(&self) -> Option<&str> {
        self.of.touches[self.place].touch.source.as_deref()
    }
    /// The conversions of the lead that it is credited with, in fractions.
    async fn conversions(&self) -> f64 {
        self.of.touches[self.place].conversions
    }
    /// What it is credited with of their value, less what was given back.
    async fn value(&self) -> Money {
        Money::of_minor(self.of.touches[self.place].minor, &self.of.currency)
    }
}
