//! What is told to platforms, as clients see it.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader, NoCache};
use async_graphql::{Context, Object, Result, SimpleObject};
use entity::id::{ConnectionId, ConversionDeliveryId, ConversionId, LeadId};
use entity::{
    ConversionDeliveryState, ConversionKind, HappeningKind, SharedAs, Stage, Timestamp, UnknownConsent,
};

use crate::api::types::{Access, scoped};
use crate::api::{Eager, Lead};
use crate::app::App;
use crate::error::Error;
use crate::identity::Rows;
use crate::insight::revenue;
use crate::insight::revenue::graphql::Conversion;
use crate::leads::lead::graphql::load as load_lead;
use crate::leads::visible::by_rows;
use crate::platforms::connections::graphql::{Connection, load_connection};
use crate::platforms::conversions::{self as room, Rule};

/// Loads what is told to platforms for all requests together.
pub struct DeliveryLoader(pub App);

impl Loader<ConversionId> for DeliveryLoader {
    type Value = Vec<room::ConversionDelivery>;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[ConversionId],
    ) -> std::result::Result<HashMap<ConversionId, Self::Value>, Arc<Error>> {
        room::of_conversions(&self.0, keys).await.map_err(Arc::new)
    }
}

impl Loader<(Rows, ConversionId)> for DeliveryLoader {
    type Value = revenue::Conversion;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[(Rows, ConversionId)],
    ) -> std::result::Result<HashMap<(Rows, ConversionId), Self::Value>, Arc<Error>> {
        let mut all = HashMap::with_capacity(keys.len());
        for (rows, ids) in by_rows(keys) {
            let found = revenue::get_many(&self.0, rows, &ids).await.map_err(Arc::new)?;
            all.extend(found.into_iter().map(|(id, row)| ((rows.clone(), id), row)));
        }
        Ok(all)
    }
}

impl Loader<ConnectionId> for DeliveryLoader {
    type Value = room::ConversionSharing;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[ConnectionId],
    ) -> std::result::Result<HashMap<ConnectionId, Self::Value>, Arc<Error>> {
        room::sharing_of(&self.0, keys).await.map_err(Arc::new)
    }
}

/// What became of a conversion, for each connection that shares it.
pub async fn deliveries_of(ctx: &Context<'_>, id: ConversionId) -> Result<Vec<ConversionDelivery>> {
    let loader = ctx.data_unchecked::<DataLoader<DeliveryLoader, NoCache>>();
    let rows = loader.load_one(id).await?.unwrap_or_default();
    Ok(rows.into_iter().map(ConversionDelivery).collect())
}

/// What is shared with a connection; null where its platform takes no conversions.
pub async fn sharing_of_connection(
    ctx: &Context<'_>,
    id: ConnectionId,
    platform: &str,
) -> Result<Option<ConversionSharing>> {
    let registry = &ctx.app().platforms().registry;
    let takes = registry
        .get(platform)
        .is_some_and(|integration| integration.facets().conversion_sink.is_some());
    if !takes {
        return Ok(None);
    }
    let loader = ctx.data_unchecked::<DataLoader<DeliveryLoader, NoCache>>();
    Ok(Some(ConversionSharing {
        row: loader.load_one(id).await?,
    }))
}

/// What is told to a platform of what its advertisements brought.
pub struct ConversionSharing {
    /// None where it was never said: nothing is told.
    pub row: Option<room::ConversionSharing>,
}

/// A happening that is told, and as what.
#[derive(SimpleObject)]
struct ConversionSharingRule {
    /// What happens.
    happening: HappeningKind,
    /// Of a conversion: of this kind.
    conversion_kind: Option<ConversionKind>,
    /// Of a custom conversion: of this name; any where null.
    conversion_name: Option<String>,
    /// Of a stage: this one.
    stage: Option<Stage>,
    /// As what it is told.
    shared_as: SharedAs,
    /// By which name, for what is told as STAGE or CUSTOM.
    name: Option<String>,
}

#[Object]
impl ConversionSharing {
    /// Whether anything is told; off until somebody switches it on.
    async fn enabled(&self) -> bool {
        self.row.as_ref().is_some_and(|row| row.is_enabled)
    }
    /// Since when: what happened before is not told by itself. Null while nothing is told.
    async fn since(&self) -> Option<Timestamp> {
        self.row.as_ref()?.shared_since
    }
    /// What is told, and as what.
    async fn rules(&self) -> Result<Vec<ConversionSharingRule>> {
        let Some(row) = &self.row else {
            return Ok(Vec::new());
        };
        let rules: Vec<Rule> = serde_json::from_str(&row.rules).map_err(Error::from)?;
        let shown = |rule: Rule| ConversionSharingRule {
            happening: rule.happening,
            conversion_kind: rule.conversion_kind,
            conversion_name: rule.conversion_name,
            stage: rule.stage,
            shared_as: rule.shared_as,
            name: rule.name,
        };
        Ok(rules.into_iter().map(shown).collect())
    }
    /// What to do where nobody knows whether a lead lets advertisers have their data.
    async fn unknown_consent(&self) -> UnknownConsent {
        self.row
            .as_ref()
            .map_or(UnknownConsent::Withhold, |row| row.unknown_consent)
    }
    /// By which name the platform's click id stands in `metadata` of conversions and `sourceDetail` of leads, e.g. `fbclid`.
    async fn click_key(&self) -> Option<&str> {
        self.row.as_ref()?.click_key.as_deref()
    }
    /// The same of the platform's own cookie, e.g. `fbp`.
    async fn browser_key(&self) -> Option<&str> {
        self.row.as_ref()?.browser_key.as_deref()
    }
    /// When it was changed last; null when it was never.
    async fn updated_at(&self) -> Option<Timestamp> {
        Some(self.row.as_ref()?.updated_at)
    }
}

/// A happening that is told to a platform, and what became of it.
pub struct ConversionDelivery(pub room::ConversionDelivery);

#[scoped]
#[Object]
impl ConversionDelivery {
    /// The delivery's id.
    async fn id(&self) -> ConversionDeliveryId {
        self.0.id
    }
    /// The id of the connection that it is told to.
    async fn connection_id(&self) -> ConnectionId {
        self.0.connection_id
    }
    /// The connection that it is told to.
    #[scope("connections:read", all_rows)]
    async fn connection(&self, ctx: &Context<'_>) -> Result<Option<Connection>> {
        load_connection(ctx, self.0.connection_id).await
    }
    /// What happened.
    async fn happening(&self) -> HappeningKind {
        self.0.happening
    }
    /// The lead's id.
    async fn lead_id(&self) -> LeadId {
        self.0.lead_id
    }
    /// The lead; null when it is deleted.
    #[scope("leads:read")]
    async fn lead(&self, ctx: &Context<'_>) -> Result<Option<Eager<Lead>>> {
        load_lead(ctx, self.0.lead_id).await
    }
    /// The conversion; null where it was something else.
    #[scope("engagement:read")]
    async fn conversion(&self, ctx: &Context<'_>) -> Result<Option<Conversion>> {
        match self.0.conversion_id {
            Some(id) => {
                let rows = ctx.caller()?.rows.clone();
                let loader = ctx.data_unchecked::<DataLoader<DeliveryLoader, NoCache>>();
                Ok(loader.load_one((rows, id)).await?.map(Conversion))
            }
            None => Ok(None),
        }
    }
    /// The stage that was reached; null where it was something else.
    async fn stage(&self) -> Option<Stage> {
        self.0.stage
    }
    /// As what it is told.
    async fn shared_as(&self) -> SharedAs {
        self.0.shared_as
    }
    /// By which name, for what is told as STAGE or CUSTOM.
    async fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }
    /// What the platform knows it by: it counts one id once, however often it is told.
    async fn event_id(&self) -> &str {
        &self.0.event_id
    }
    /// When it happened.
    async fn occurred_at(&self) -> Timestamp {
        self.0.occurred_at
    }
    /// What became of it.
    async fn state(&self) -> ConversionDeliveryState {
        self.0.state
    }
    /// How often it was tried in vain.
    async fn attempts(&self) -> i32 {
        self.0.attempts
    }
    /// When it is tried (again); null when nothing more comes of it by itself.
    async fn due_at(&self) -> Option<Timestamp> {
        self.0.due_at
    }
    /// What stood against it, for programs, e.g. `CONSENT_UNKNOWN`, `REFUSED`, `TOO_OLD`, `UNAVAILABLE`; null when nothing did.
    async fn problem_kind(&self) -> Option<&str> {
        self.0.problem_kind.as_deref()
    }
    /// The same in words; a platform's own where it refused.
    async fn problem(&self) -> Option<&str> {
        self.0.problem.as_deref()
    }
    /// When the platform took it; null before.
    async fn sent_at(&self) -> Option<Timestamp> {
        self.0.sent_at
    }
    /// When the conversion was given back in part or called off; the platform still counts it where it was told before.
    async fn reversed_at(&self) -> Option<Timestamp> {
        self.0.reversed_at
    }
    /// When it was noted.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }
    /// When it changed last.
    async fn updated_at(&self) -> Timestamp {
        self.0.updated_at
    }
}
