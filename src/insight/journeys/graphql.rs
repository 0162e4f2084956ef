//! Journeys in GraphQL.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, Enum, Object, Result, SimpleObject, Subscription};
use entity::id::LeadId;
use entity::{Area, AttributionModel, Day, EventKind, Stage, Timestamp, Trend};
use futures_util::{Stream, StreamExt};

use super::handler::KINDS;
use super::model::{DayActivity, DeploymentActivity, Milestone, Period};
use super::{ActivityOf, Journey, Overview};
use crate::api::types::{Access, Live, Money, scoped};
use crate::api::{Eager, Lead};
use crate::app::App;
use crate::error::Error;
use crate::events::{Event, Filter};
use crate::identity::Scope;
use crate::insight::attribution::graphql::{JourneyTouchpoint, of_journey};
use crate::insight::engagement::graphql::{ChannelCount, TypeCount};
use crate::insight::scoring;
use crate::leads::lead::{self, graphql as lead_graphql};

const READ: Scope = Scope::Read(Area::Journeys);

/// Loads journeys for all requests together.
pub struct JourneyLoader(pub App);

impl Loader<LeadId> for JourneyLoader {
    type Value = Arc<Journey>;
    type Error = Arc<Error>;

    async fn load(&self, ids: &[LeadId]) -> std::result::Result<HashMap<LeadId, Self::Value>, Arc<Error>> {
        super::journeys(&self.0, ids).await.map_err(Arc::new)
    }
}

/// The stays of a lead.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StaysOf(LeadId);

impl Loader<StaysOf> for JourneyLoader {
    type Value = Arc<Vec<JourneyStage>>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[StaysOf]) -> std::result::Result<HashMap<StaysOf, Self::Value>, Arc<Error>> {
        let ids: Vec<LeadId> = keys.iter().map(|key| key.0).collect();
        let found = super::service::stays(&self.0, &ids).await.map_err(Arc::new)?;
        Ok(found
            .into_iter()
            .map(|(id, stays)| {
                let stages = stays
                    .into_iter()
                    .map(|stay| JourneyStage {
                        stage: stay.stage,
                        entered_at: stay.entered_at,
                        left_at: stay.left_at,
                    })
                    .collect();
                (StaysOf(id), Arc::new(stages))
            })
            .collect())
    }
}

async fn load(ctx: &Context<'_>, lead: &Arc<lead::Lead>) -> Result<JourneyNode> {
    let caller = ctx.caller()?;
    caller.require(READ)?;
    let loader = ctx.data_unchecked::<DataLoader<JourneyLoader>>();
    let journey = loader
        .load_one(lead.id)
        .await?
        .ok_or_else(|| Error::NotFound(format!("there is no lead `{}`", lead.id)))?;
    Ok(JourneyNode {
        lead: Arc::clone(lead),
        journey,
    })
}

/// A stage that a lead passed.
#[derive(SimpleObject, Clone)]
pub struct JourneyStage {
    /// The stage.
    stage: Stage,
    /// When it was entered.
    entered_at: Timestamp,
    /// When it was left; null for where the lead is.
    left_at: Option<Timestamp>,
}

/// The first times in a lead's way; null for what has not happened.
#[derive(SimpleObject)]
struct Milestones {
    /// The first message to the lead, or call.
    first_contact_at: Option<Timestamp>,
    /// Entered QUALIFIED.
    qualified_at: Option<Timestamp>,
    /// Entered OPPORTUNITY.
    opportunity_at: Option<Timestamp>,
    /// Entered CUSTOMER, or a conversion to a customer.
    customer_at: Option<Timestamp>,
    /// The first purchase.
    first_purchase_at: Option<Timestamp>,
}

/// The way of a lead so far, and how it goes on.
pub struct JourneyNode {
    lead: Arc<lead::Lead>,
    journey: Arc<Journey>,
}

fn money(sums: &super::model::Money) -> Vec<Money> {
    sums.iter()
        .map(|(currency, minor)| Money::of_minor(minor, currency))
        .collect()
}

#[scoped]
#[Object(name = "Journey")]
impl JourneyNode {
    /// The lead whose journey it is.
    async fn lead(&self) -> Lead {
        Lead::new(Arc::clone(&self.lead))
    }
    /// When it began: the first engagement, else when the lead became known.
    async fn started_at(&self) -> Timestamp {
        self.journey.facts.started_at(self.lead.created_at)
    }
    /// The last engagement; null when there was none.
    async fn last_activity_at(&self) -> Option<Timestamp> {
        self.journey.facts.last_at()
    }
    /// From the first engagement to the last, in seconds.
    async fn duration_seconds(&self) -> i64 {
        self.journey.facts.duration_micros() / 1_000_000
    }
    /// How many engagements.
    async fn engagements(&self) -> i64 {
        self.journey.facts.engagements()
    }
    /// How many of each type, without those that have none.
    async fn by_type(&self) -> Vec<TypeCount> {
        let counts = self.journey.facts.by_type.iter();
        counts
            .map(|(engagement_type, count)| TypeCount {
                engagement_type,
                count,
            })
            .collect()
    }
    /// How many by each channel, without those that have none.
    async fn by_channel(&self) -> Vec<ChannelCount> {
        let counts = self.journey.facts.by_channel.iter();
        counts
            .map(|(channel, count)| ChannelCount { channel, count })
            .collect()
    }
    /// How many touch points: what the lead itself did, and ads shown to it.
    async fn touch_points(&self) -> i64 {
        self.journey.facts.touch_points
    }
    /// Touch points weighed by human confidence.
    #[expect(clippy::cast_precision_loss, reason = "thousandths of touch points")]
    async fn weighed_touch_points(&self) -> f64 {
        self.journey.facts.touch_weight as f64 / 1000.0
    }
    /// UTC days on which the lead itself did something.
    async fn active_days(&self) -> i64 {
        self.journey.facts.active_days
    }
    /// First times.
    async fn milestones(&self) -> Milestones {
        let at = |milestone| self.journey.facts.milestone(milestone);
        Milestones {
            first_contact_at: at(Milestone::FirstContact),
            qualified_at: at(Milestone::Qualified),
            opportunity_at: at(Milestone::Opportunity),
            customer_at: at(Milestone::Customer),
            first_purchase_at: at(Milestone::FirstPurchase),
        }
    }
    /// The stages passed, in their order; the last is where the lead is.
    async fn stages(&self, ctx: &Context<'_>) -> Result<Vec<JourneyStage>> {
        let loader = ctx.data_unchecked::<DataLoader<JourneyLoader>>();
        let stages = loader.load_one(StaysOf(self.lead.id)).await?;
        Ok(stages.map_or_else(Vec::new, |stages| stages.to_vec()))
    }
    /// Revenue of engagements, less refunds; one amount for each currency.
    async fn revenue(&self) -> Vec<Money> {
        money(&self.journey.facts.revenue)
    }
    /// Revenue and the value of conversions, less refunds; one amount for each currency.
    async fn lifetime_value(&self) -> Vec<Money> {
        let mut sums = self.journey.facts.revenue.clone();
        sums.merge(&self.journey.facts.conversions);
        money(&sums)
    }
    /// The touches that conversions have come after, with what these owe to them by a model: the newest 100, newest first, of the
    /// newest 50 conversions. `MARKOV` tells of all journeys at once, and is not to be had here.
    #[scope("engagement:read")]
    #[graphql(complexity = "20 + 20 * child_complexity")]
    async fn touchpoints(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "By which model.", default_with = "AttributionModel::Linear")]
        model: AttributionModel,
    ) -> Result<Vec<JourneyTouchpoint>> {
        of_journey(ctx, self.lead.id, model).await
    }
    /// Engagements of the last 30 days against the 30 before.
    async fn trend(&self) -> Trend {
        self.journey.trend()
    }
    /// Engagements of the last 30 days.
    async fn engagements_last_30_days(&self) -> i64 {
        self.journey.last
    }
    /// Engagements of the 30 days before those.
    async fn engagements_30_days_before(&self) -> i64 {
        self.journey.before
    }
    /// How likely the lead is lost, 0–1.
    async fn churn_risk(&self) -> f64 {
        self.journey.churn_risk(self.lead.created_at)
    }
    /// Whether that is high: above 0.7.
    async fn high_risk(&self) -> bool {
        self.journey.is_high_risk(self.lead.created_at)
    }
    /// How well it stands, 0–100: half what speaks against churn, half the current score.
    async fn health(&self, ctx: &Context<'_>) -> Result<f64> {
        let current = scoring::graphql::current(ctx, self.lead.id).await?;
        Ok(self.journey.health(self.lead.created_at, current))
    }
}

/// A span into which days are summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
enum ActivityPeriod {
    /// A UTC day.
    Day,
    /// From Monday to Sunday.
    Week,
    /// A calendar month.
    Month,
}

impl From<ActivityPeriod> for Period {
    fn from(period: ActivityPeriod) -> Self {
        match period {
            ActivityPeriod::Day => Self::Day,
            ActivityPeriod::Week => Self::Week,
            ActivityPeriod::Month => Self::Month,
        }
    }
}

/// What happened to a lead in a span.
struct LeadActivity(Day, DayActivity);

#[Object]
impl LeadActivity {
    /// The first day of the span.
    async fn start(&self) -> Day {
        self.0
    }
    /// How many engagements.
    async fn total(&self) -> i64 {
        self.1.total()
    }
    /// How many of each type, without those that have none.
    async fn by_type(&self) -> Vec<TypeCount> {
        let counts = self.1.by_type.iter();
        counts
            .map(|(engagement_type, count)| TypeCount {
                engagement_type,
                count,
            })
            .collect()
    }
    /// Revenue; one amount for each currency.
    async fn revenue(&self) -> Vec<Money> {
        money(&self.1.revenue)
    }
    /// By how many points the base score changed.
    async fn score_change(&self) -> i32 {
        self.1.score_change()
    }
    /// The base score before its first change in the span; null where it did not change.
    async fn score_start(&self) -> Option<i32> {
        self.1.score().map(|(start, _)| start)
    }
    /// The base score after its last change in the span; null where it did not change.
    async fn score_end(&self) -> Option<i32> {
        self.1.score().map(|(_, end)| end)
    }
    /// The stage before the first move in the span; null where the lead did not move.
    async fn stage_start(&self) -> Option<Stage> {
        self.1.stage().map(|(start, _)| start)
    }
    /// The stage after the last move in the span; null where the lead did not move.
    async fn stage_end(&self) -> Option<Stage> {
        self.1.stage().map(|(_, end)| end)
    }
}

/// What happened to a lead, span by span.
#[derive(SimpleObject)]
struct LeadActivities {
    /// The spans in which something happened, earliest first.
    nodes: Vec<LeadActivity>,
}

/// How many leads entered a stage.
#[derive(SimpleObject)]
struct StageMoves {
    /// The stage.
    stage: Stage,
    /// How many moves into it.
    count: i64,
}

/// What all leads did in a span.
struct ActivitySummary(Day, DeploymentActivity);

#[Object]
impl ActivitySummary {
    /// The first day of the span.
    async fn start(&self) -> Day {
        self.0
    }
    /// How many engagements.
    async fn total(&self) -> i64 {
        self.1.total()
    }
    /// How many of each type, without those that have none.
    async fn by_type(&self) -> Vec<TypeCount> {
        let mut counts: Vec<TypeCount> = Vec::new();
        for sum in self.1.sums() {
            match counts.last_mut().filter(|last| last.engagement_type == sum.kind) {
                Some(last) => last.count += sum.count,
                None => counts.push(TypeCount {
                    engagement_type: sum.kind,
                    count: sum.count,
                }),
            }
        }
        counts
    }
    /// How many by each channel, without those that have none.
    async fn by_channel(&self) -> Vec<ChannelCount> {
        let mut counts = crate::insight::engagement::ChannelCounts::default();
        for sum in self.1.sums() {
            counts.add(sum.channel, sum.count);
        }
        counts
            .iter()
            .map(|(channel, count)| ChannelCount { channel, count })
            .collect()
    }
    /// Revenue; one amount for each currency.
    async fn revenue(&self) -> Vec<Money> {
        money(&self.1.revenue())
    }
    /// Moves into each stage, without those that had none.
    async fn stage_moves(&self) -> Vec<StageMoves> {
        self.1
            .moves()
            .map(|(stage, count)| StageMoves { stage, count })
            .collect()
    }
}

/// What all leads did, span by span.
#[derive(SimpleObject)]
struct ActivitySummaries {
    /// The spans in which something happened, earliest first.
    nodes: Vec<ActivitySummary>,
}

/// What a lead has of its journey.
pub struct JourneyFields(pub Arc<lead::Lead>);

#[scoped]
#[Object]
impl JourneyFields {
    /// The way of the lead so far, and how it goes on.
    #[scope("journeys:read")]
    async fn journey(&self, ctx: &Context<'_>) -> Result<Eager<JourneyNode>> {
        load(ctx, &self.0).await.map(Eager)
    }

    /// What happened to the lead by day, week or month.
    #[scope("journeys:read")]
    async fn activity(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The spans.")] by: ActivityPeriod,
        #[graphql(desc = "The first UTC day.")] from: Day,
        #[graphql(desc = "The last UTC day, included; today when absent.")] to: Option<Day>,
    ) -> Result<LeadActivities> {
        let app = ctx.app();
        let of = ActivityOf {
            lead_id: self.0.id,
            by: by.into(),
            from,
            to: to.unwrap_or_else(|| app.clock().now().day()),
        };
        let spans = super::activity(app, ctx.caller()?, of).await?;
        Ok(LeadActivities {
            nodes: spans
                .into_iter()
                .map(|(start, sum)| LeadActivity(start, sum))
                .collect(),
        })
    }
}

/// How many leads go which way.
#[derive(SimpleObject)]
struct TrendCount {
    /// The way.
    trend: Trend,
    /// How many leads.
    count: i64,
}

/// How the journeys of all leads stand.
#[derive(SimpleObject)]
struct JourneysOverview {
    /// How many leads there are.
    leads: i64,
    /// How many of them were looked at: all up to 20,000, of more about so many drawn evenly or at random. The counts
    /// are of these.
    looked_at: i64,
    /// How many go which way.
    trends: Vec<TrendCount>,
    /// How many are at high risk: above 0.7.
    high_risk: i64,
    /// Mean churn risk, 0–1.
    mean_churn_risk: f64,
    /// Mean health, 0–100.
    mean_health: f64,
    /// Mean duration from first to last engagement, in days.
    mean_duration_days: f64,
    /// Mean number of touch points.
    mean_touch_points: f64,
}

/// Queries about journeys.
#[derive(Default)]
pub struct JourneyQuery;

#[scoped]
#[Object]
impl JourneyQuery {
    /// The journey of a lead; null when there is no lead with this id. The lead itself asks for `leads:read`.
    #[scope("journeys:read")]
    async fn journey(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The lead's id, `lead_…`.")] lead_id: LeadId,
    ) -> Result<Option<JourneyNode>> {
        match lead_graphql::load_model(ctx, lead_id).await? {
            Some(lead) => Ok(Some(load(ctx, &lead).await?)),
            None => Ok(None),
        }
    }

    /// What all leads did by day, week or month.
    #[scope("journeys:read")]
    async fn activity_summary(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The spans.")] by: ActivityPeriod,
        #[graphql(desc = "The first UTC day.")] from: Day,
        #[graphql(desc = "The last UTC day, included; today when absent.")] to: Option<Day>,
    ) -> Result<ActivitySummaries> {
        let app = ctx.app();
        let to = to.unwrap_or_else(|| app.clock().now().day());
        let spans = super::deployment(app, ctx.caller()?, by.into(), from, to).await?;
        Ok(ActivitySummaries {
            nodes: spans
                .into_iter()
                .map(|(start, sum)| ActivitySummary(start, sum))
                .collect(),
        })
    }

    /// How the journeys of all leads stand.
    #[scope("journeys:read")]
    async fn journeys_overview(&self, ctx: &Context<'_>) -> Result<JourneysOverview> {
        let Overview {
            leads,
            looked_at,
            trends,
            high_risk,
            mean_risk,
            mean_health,
            mean_days,
            mean_touch_points,
        } = super::overview(ctx.app(), ctx.caller()?).await?;
        Ok(JourneysOverview {
            leads,
            looked_at,
            trends: trends
                .into_iter()
                .map(|(trend, count)| TrendCount { trend, count })
                .collect(),
            high_risk,
            mean_churn_risk: mean_risk,
            mean_health,
            mean_duration_days: mean_days,
            mean_touch_points,
        })
    }
}

/// Something changed a journey.
struct JourneyUpdated(Arc<Event>);

#[scoped]
#[Object]
impl JourneyUpdated {
    /// Resume after this event by `after:`.
    async fn cursor(&self) -> String {
        Live::cursor(&self.0)
    }
    /// What changed it.
    async fn event(&self) -> EventKind {
        self.0.kind
    }
    /// When that was recorded.
    async fn at(&self) -> Timestamp {
        self.0.at
    }
    /// The id of the lead.
    async fn lead_id(&self) -> Option<LeadId> {
        self.0.lead_id
    }
    /// The journey as it is now, this event included; null once the lead is deleted.
    #[scope("leads:read")]
    async fn journey(&self, ctx: &Context<'_>) -> Result<Option<JourneyNode>> {
        let Some(id) = self.0.lead_id else { return Ok(None) };
        match lead_graphql::load_model(ctx, id).await? {
            Some(lead) => Ok(Some(load(ctx, &lead).await?)),
            None => Ok(None),
        }
    }
}

/// Subscriptions to journeys.
#[derive(Default)]
pub struct JourneySubscription;

#[scoped]
#[Subscription]
impl JourneySubscription {
    /// Journeys as engagements, moves and conversions change them.
    #[scope("journeys:read")]
    async fn journey_updated(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only of this lead.")] lead_id: Option<LeadId>,
        #[graphql(desc = "Resume after this cursor: nothing is lost, nothing comes twice.")] after: Option<
            String,
        >,
    ) -> Result<impl Stream<Item = Result<JourneyUpdated>> + use<>> {
        let filter = Filter {
            lead_id,
            ..Filter::kinds(KINDS)
        };
        let events = Live::open(ctx, READ, filter, after.as_deref())?;
        Ok(events.map(|event| Ok(JourneyUpdated(event?))))
    }
}
