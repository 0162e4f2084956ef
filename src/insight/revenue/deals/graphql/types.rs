//! What deals show.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Object, Result, SimpleObject};
use entity::id::{DealId, DealStageId};
use entity::{Day, DealState, Timestamp};

use super::DealLoader;
use crate::api::types::{Access as _, EmailAddress, Money, scoped};
use crate::api::{Eager, Lead};
use crate::error::Error;
use crate::insight::revenue::conversions::graphql::Conversion;
use crate::insight::revenue::deals;

/// A stage that deals go through.
#[derive(SimpleObject)]
pub struct DealStage {
    /// The stage's id.
    id: DealStageId,
    /// What it is called.
    name: String,
    /// How likely a deal in it is won, per mille, while too few deals were closed to tell.
    probability_per_mille: i32,
    /// Whether it is out of use: no deal comes into it any more.
    is_archived: bool,
}

impl From<deals::DealStage> for DealStage {
    fn from(stage: deals::DealStage) -> Self {
        Self {
            id: stage.id,
            name: stage.name,
            probability_per_mille: stage.probability,
            is_archived: stage.archived_at.is_some(),
        }
    }
}

/// The stages that deals go through.
#[derive(SimpleObject)]
pub struct DealStages {
    /// All of them in their order, those out of use among them.
    stages: Vec<DealStage>,
    /// Counts their changes.
    version: i32,
    /// When they were last changed; null while they are as they came.
    updated_at: Option<Timestamp>,
    /// Who changed them last.
    updated_by: Option<String>,
}

impl From<deals::Stages> for DealStages {
    fn from(stages: deals::Stages) -> Self {
        Self {
            stages: stages.stages.into_iter().map(Into::into).collect(),
            version: stages.version,
            updated_at: stages.updated_at,
            updated_by: stages.updated_by,
        }
    }
}

async fn stage(ctx: &Context<'_>, id: DealStageId) -> Result<DealStage> {
    let loader = ctx.data_unchecked::<DataLoader<DealLoader>>();
    let found = loader.load_one(id).await?;
    let gone = || Error::NotFound(format!("there is no stage `{id}` any more"));
    Ok(found.ok_or_else(gone)?.into())
}

/// A sale that is hoped for, or was.
pub struct Deal(pub deals::Deal);

#[scoped]
#[Object]
impl Deal {
    /// The deal's id.
    async fn id(&self) -> DealId {
        self.0.id
    }
    /// What it is called.
    async fn name(&self) -> &str {
        &self.0.name
    }
    /// In which stage it is, or was when it was closed.
    #[graphql(complexity = "1 + child_complexity")]
    async fn stage(&self, ctx: &Context<'_>) -> Result<DealStage> {
        stage(ctx, self.0.stage_id).await
    }
    /// What has become of it.
    async fn state(&self) -> DealState {
        self.0.state
    }
    /// What it is worth; null when that is not known.
    async fn value(&self) -> Option<Money> {
        Some(Money::of_minor(self.0.value_minor?, self.0.currency.as_deref()?))
    }
    /// What it is worth in the reporting currency: an open deal by the newest rate, a closed one by that of the day on which
    /// it was closed; null when it has no value, or no rate is known.
    async fn reporting_value(&self) -> Option<Money> {
        let currency = self.0.reporting_currency.as_deref()?;
        Some(Money::of_minor(self.0.reporting_minor?, currency))
    }
    /// Why it was won or lost; null while it is open.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }
    /// When it is expected to be closed.
    async fn expected_close(&self) -> Option<Day> {
        self.0.expected_close
    }
    /// When it was opened.
    async fn opened_at(&self) -> Timestamp {
        self.0.opened_at
    }
    /// When it was closed; null while it is open.
    async fn closed_at(&self) -> Option<Timestamp> {
        self.0.closed_at
    }
    /// E-mail address of the person responsible.
    async fn owner_email(&self) -> Option<EmailAddress> {
        self.0.owner.clone().map(EmailAddress)
    }
    /// Counts its changes; `expectedVersion` of a change asks for it.
    async fn version(&self) -> i32 {
        self.0.version
    }
    /// Who opened it: `token_…`, `user_…`, `operator`.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }
    /// When Leadline learnt of it.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }
    /// When it was last changed.
    async fn updated_at(&self) -> Timestamp {
        self.0.updated_at
    }
    /// How it went: at most the 100 newest moves, newest first.
    #[graphql(complexity = "5 + 5 * child_complexity")]
    async fn history(&self, ctx: &Context<'_>) -> Result<Vec<DealMove>> {
        let loader = ctx.data_unchecked::<DataLoader<DealLoader>>();
        let moves = loader.load_one(self.0.id).await?.unwrap_or_default();
        Ok(moves.into_iter().map(DealMove).collect())
    }
    /// The conversion that it is while it is won; null otherwise.
    #[graphql(complexity = "2 + child_complexity")]
    async fn conversion(&self, ctx: &Context<'_>) -> Result<Option<Conversion>> {
        let Some(id) = self.0.conversion_id else {
            return Ok(None);
        };
        let rows = ctx.caller()?.rows.clone();
        let loader = ctx.data_unchecked::<DataLoader<DealLoader>>();
        Ok(loader.load_one((rows, id)).await?.map(Conversion))
    }
    /// The lead; null when it is deleted.
    #[scope("leads:read")]
    async fn lead(&self, ctx: &Context<'_>) -> Result<Option<Eager<Lead>>> {
        crate::leads::lead::graphql::load(ctx, self.0.lead_id).await
    }
}

/// That a deal was opened, moved to another stage, closed or opened again.
pub struct DealMove(deals::DealMove);

#[Object]
impl DealMove {
    /// When it happened.
    async fn at(&self) -> Timestamp {
        self.0.at
    }
    /// The stage before; null when it was opened.
    #[graphql(name = "fromStage", complexity = "1 + child_complexity")]
    async fn stage_before(&self, ctx: &Context<'_>) -> Result<Option<DealStage>> {
        match self.0.from_stage {
            Some(id) => stage(ctx, id).await.map(Some),
            None => Ok(None),
        }
    }
    /// The stage from then on.
    #[graphql(name = "toStage", complexity = "1 + child_complexity")]
    async fn stage_after(&self, ctx: &Context<'_>) -> Result<DealStage> {
        stage(ctx, self.0.to_stage).await
    }
    /// The state before; null when it was opened.
    #[graphql(name = "fromState")]
    async fn state_before(&self) -> Option<DealState> {
        self.0.from_state
    }
    /// The state from then on.
    #[graphql(name = "toState")]
    async fn state_after(&self) -> DealState {
        self.0.to_state
    }
    /// Why.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }
    /// Who did it: `token_…`, `user_…`, `operator`.
    async fn actor(&self) -> &str {
        &self.0.actor
    }
    /// The version of the deal that it made.
    async fn version(&self) -> i32 {
        self.0.version
    }
}
