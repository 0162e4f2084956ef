//! One engagement, and how many of them are loaded for all requests together.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, Object, Result, SimpleObject};
use entity::id::{EngagementId, LeadId};
use entity::{Channel, Device, EngagementType, SourceKind, Timestamp};

use super::READ;
use crate::api::types::{Access, Json, Money, scoped};
use crate::api::{Eager, Lead};
use crate::app::App;
use crate::error::Error;
use crate::identity::Rows;
use crate::insight::engagement::{self as room, Engagement};
use crate::leads::lead;
use crate::leads::visible::by_rows;

/// One interaction with a lead.
pub struct EngagementNode(pub Arc<Engagement>);

#[scoped]
#[Object(name = "Engagement")]
impl EngagementNode {
    /// The engagement's id.
    async fn id(&self) -> EngagementId {
        self.0.id
    }
    /// The lead; null when the caller may not see it, or it is deleted.
    #[scope("leads:read")]
    async fn lead(&self, ctx: &Context<'_>) -> Result<Option<Eager<Lead>>> {
        lead::graphql::load(ctx, self.0.lead_id).await
    }
    /// What happened.
    #[graphql(name = "type")]
    async fn engagement_type(&self) -> EngagementType {
        self.0.engagement_type
    }
    /// Name of a `CUSTOM` engagement.
    async fn custom_name(&self) -> Option<&str> {
        self.0.custom_name.as_deref()
    }
    /// By which way.
    async fn channel(&self) -> Channel {
        self.0.channel
    }
    /// What brought it about.
    async fn source(&self) -> Option<EngagementSource> {
        let engagement = &self.0;
        engagement.source_kind.map(|kind| EngagementSource {
            kind,
            id: engagement.source_id.clone(),
            name: engagement.source_name.clone(),
        })
    }
    /// Groups the engagements of one message.
    async fn message_id(&self) -> Option<&str> {
        self.0.message_id.as_deref()
    }
    /// The page or link.
    async fn url(&self) -> Option<&str> {
        self.0.url.as_deref()
    }
    /// The page's title, the mail's subject …
    async fn title(&self) -> Option<&str> {
        self.0.title.as_deref()
    }
    /// Worth given by the source, 0–100.
    async fn value(&self) -> Option<i32> {
        self.0.value
    }
    /// Revenue; negative for a refund.
    async fn revenue(&self) -> Option<Money> {
        Some(Money::of_minor(
            self.0.revenue_minor?,
            self.0.currency.as_deref()?,
        ))
    }
    /// The device it came from.
    async fn device(&self) -> Option<Device> {
        self.0.device
    }
    /// ISO 3166-1 alpha-2, e.g. `DE`.
    async fn country(&self) -> Option<&str> {
        self.0.country.as_deref()
    }
    /// State, province or region.
    async fn region(&self) -> Option<&str> {
        self.0.region.as_deref()
    }
    /// City.
    async fn city(&self) -> Option<&str> {
        self.0.city.as_deref()
    }
    /// IPv4 or IPv6 address.
    async fn ip(&self) -> Option<&str> {
        self.0.ip.as_deref()
    }
    /// Browser or client, as it named itself.
    async fn user_agent(&self) -> Option<&str> {
        self.0.user_agent.as_deref()
    }
    /// More, a JSON object.
    async fn metadata(&self) -> Result<Option<Json>, Error> {
        let text = self.0.metadata.as_deref();
        Ok(text.map(serde_json::from_str).transpose()?.map(Json))
    }
    /// How surely a person did it, 0–1: 0.1 for opens and clicks of mail scanners and prefetchers, 1 for all else.
    async fn human_confidence(&self) -> f64 {
        f64::from(self.0.confidence_milli) / 1000.0
    }
    /// When it happened.
    async fn occurred_at(&self) -> Timestamp {
        self.0.occurred_at
    }
    /// When Leadline learnt of it.
    async fn received_at(&self) -> Timestamp {
        self.0.received_at
    }
    /// The same key twice is one engagement.
    async fn dedupe_key(&self) -> Option<&str> {
        self.0.dedupe_key.as_deref()
    }
}

/// What brought an engagement about.
#[derive(SimpleObject)]
struct EngagementSource {
    /// What kind of thing.
    kind: SourceKind,
    /// Its id there.
    id: Option<String>,
    /// Its name there.
    name: Option<String>,
}

/// Loads engagements by id for all requests together.
pub struct EngagementLoader(pub App);

impl Loader<(Rows, EngagementId)> for EngagementLoader {
    type Value = Arc<Engagement>;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[(Rows, EngagementId)],
    ) -> std::result::Result<HashMap<(Rows, EngagementId), Self::Value>, Arc<Error>> {
        let mut all = HashMap::with_capacity(keys.len());
        for (rows, ids) in by_rows(keys) {
            let found = room::get_many(&self.0, rows, &ids).await.map_err(Arc::new)?;
            all.extend(found.into_iter().map(|(id, row)| ((rows.clone(), id), row)));
        }
        Ok(all)
    }
}

/// Reads an engagement through the shared loader.
///
/// # Errors
/// A missing scope `engagement:read`; the database's.
pub async fn load(ctx: &Context<'_>, id: EngagementId) -> Result<Option<EngagementNode>> {
    let caller = ctx.caller()?;
    caller.require(READ)?;
    let loader = ctx.data_unchecked::<DataLoader<EngagementLoader>>();
    Ok(loader
        .load_one((caller.rows.clone(), id))
        .await?
        .map(EngagementNode))
}

/// Loads the latest engagements of leads for all requests together.
pub struct NewestLoader(pub App);

/// The latest so many of a lead.
type Newest = (LeadId, u64);

impl Loader<Newest> for NewestLoader {
    type Value = Arc<Vec<Arc<Engagement>>>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[Newest]) -> std::result::Result<HashMap<Newest, Self::Value>, Arc<Error>> {
        // Whoever wants fewer than others get the beginning of what is read for them.
        let most = keys.iter().map(|(_, limit)| *limit).max().unwrap_or(1);
        let mut leads: Vec<LeadId> = keys.iter().map(|(lead, _)| *lead).collect();
        leads.sort_unstable();
        leads.dedup();
        let found = room::newest(&self.0, &leads, most).await.map_err(Arc::new)?;
        Ok(keys
            .iter()
            .map(|key| {
                let rows = found.get(&key.0).map_or(&[][..], Vec::as_slice);
                let limit = usize::try_from(key.1).unwrap_or(usize::MAX).min(rows.len());
                (*key, Arc::new(rows[..limit].to_vec()))
            })
            .collect())
    }
}
