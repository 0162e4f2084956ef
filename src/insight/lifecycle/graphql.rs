//! The lifecycle in GraphQL.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, InputObject, Object, Result, SimpleObject, Subscription};
use entity::id::{LeadId, StageStayId};
use entity::{Area, EventKind, Stage, StageCause, Timestamp};
use futures_util::{Stream, StreamExt};
use serde::Deserialize;

use super::{LifecycleProblem, MOST_AT_ONCE, SettingsChange, StageChange, StageStay, StoredSettings};
use crate::api::types::{Access, Listed, Live, Pages, connection, page_request, scoped, user_errors};
use crate::api::{Eager, Lead};
use crate::app::App;
use crate::db::{CallKey, Page};
use crate::error::{Error, Problem};
use crate::events::{Event, Filter};
use crate::identity::Scope;
use crate::leads::lead::graphql as lead;

const READ: Scope = Scope::Read(Area::Lifecycle);

/// Loads what the lifecycle knows, for all requests together.
pub struct LifecycleLoader(pub App);

/// The open stay of a lead.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CurrentStay(LeadId);

/// Touch points of a stay.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TouchPoints(StageStayId);

/// A page of a lead's stays.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HistoryPage {
    lead: LeadId,
    first: Option<i32>,
    after: Option<String>,
    last: Option<i32>,
    before: Option<String>,
}

impl HistoryPage {
    fn pages(&self) -> Pages {
        Pages {
            first: self.first,
            after: self.after.clone(),
            last: self.last,
            before: self.before.clone(),
        }
    }
}

type Loaded<K, V> = std::result::Result<HashMap<K, V>, Arc<Error>>;

impl Loader<CurrentStay> for LifecycleLoader {
    type Value = StageStay;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[CurrentStay]) -> Loaded<CurrentStay, StageStay> {
        let ids: Vec<LeadId> = keys.iter().map(|key| key.0).collect();
        let stays = super::current_stays(&self.0, &ids).await.map_err(Arc::new)?;
        Ok(stays
            .into_iter()
            .map(|(id, stay)| (CurrentStay(id), stay))
            .collect())
    }
}

impl Loader<TouchPoints> for LifecycleLoader {
    type Value = i64;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[TouchPoints]) -> Loaded<TouchPoints, i64> {
        let ids: Vec<StageStayId> = keys.iter().map(|key| key.0).collect();
        let counts = super::touch_points(&self.0, &ids).await.map_err(Arc::new)?;
        Ok(counts
            .into_iter()
            .map(|(id, count)| (TouchPoints(id), count))
            .collect())
    }
}

impl Loader<HistoryPage> for LifecycleLoader {
    type Value = Page<StageStay>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[HistoryPage]) -> Loaded<HistoryPage, Page<StageStay>> {
        // Leads of one list ask for the same page of their histories: one statement.
        let mut alike: HashMap<_, Vec<&HistoryPage>> = HashMap::new();
        for key in keys {
            let page = (key.first, &key.after, key.last, &key.before);
            alike.entry(page).or_default().push(key);
        }
        let mut found = HashMap::with_capacity(keys.len());
        for keys in alike.into_values() {
            let request = page_request(&keys[0].pages(), super::history_order()).map_err(Arc::new)?;
            let ids: Vec<LeadId> = keys.iter().map(|key| key.lead).collect();
            let mut pages = super::history(&self.0, &ids, &request).await.map_err(Arc::new)?;
            for key in keys {
                let page = pages
                    .remove(&key.lead)
                    .unwrap_or_else(|| Page::new(&request, Vec::new()));
                found.insert(key.clone(), page);
            }
        }
        Ok(found)
    }
}

/// A stay of a lead in a stage.
pub struct StageStayNode(pub StageStay);

/// A stay of a lead in a stage.
#[Object(name = "StageStay")]
impl StageStayNode {
    /// The stay's id.
    async fn id(&self) -> StageStayId {
        self.0.id
    }
    /// The stage.
    async fn stage(&self) -> Stage {
        self.0.stage
    }
    /// The stage before; null for the first stay.
    async fn previous(&self) -> Option<Stage> {
        self.0.previous
    }
    /// When it was entered.
    async fn entered_at(&self) -> Timestamp {
        self.0.entered_at
    }
    /// When it was left; null while the lead is in it.
    async fn left_at(&self) -> Option<Timestamp> {
        self.0.left_at
    }
    /// How long it lasted, in seconds to the microsecond; until now while the lead is in it.
    #[expect(clippy::cast_precision_loss, reason = "exact to a microsecond for 285 years")]
    async fn duration_seconds(&self, ctx: &Context<'_>) -> f64 {
        let now = ctx.app().clock().now();
        super::stay_micros(self.0.entered_at, self.0.left_at, now) as f64 / 1e6
    }
    /// Why it was entered; null for the first stay.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }
    /// Who moved the lead: `token_…`, `user_…`, `operator`, or `system` for an automatic move.
    async fn actor(&self) -> &str {
        &self.0.actor
    }
    /// The current score when the move was recorded, 0–100; null when there was none yet.
    async fn score_on_entry(&self) -> Option<f64> {
        self.0.score_on_entry
    }
    /// Inbound engagements and ad events that happened during the stay, late ones included.
    async fn touch_points(&self, ctx: &Context<'_>) -> Result<i64> {
        let loader = ctx.data_unchecked::<DataLoader<LifecycleLoader>>();
        Ok(loader.load_one(TouchPoints(self.0.id)).await?.unwrap_or(0))
    }
}

/// What the lifecycle knows of a lead.
pub struct LeadLifecycle(pub LeadId);

#[scoped]
#[Object]
impl LeadLifecycle {
    /// The open stay; null for the moment until the first one of a new lead is opened.
    #[scope("lifecycle:read")]
    async fn current_stay(&self, ctx: &Context<'_>) -> Result<Option<StageStayNode>> {
        ctx.caller()?.require(READ)?;
        let loader = ctx.data_unchecked::<DataLoader<LifecycleLoader>>();
        Ok(loader.load_one(CurrentStay(self.0)).await?.map(StageStayNode))
    }

    /// All stays, newest first.
    #[scope("lifecycle:read")]
    #[graphql(complexity = "first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    async fn stage_history(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Result<Listed<StageStayNode>> {
        ctx.caller()?.require(READ)?;
        let key = HistoryPage {
            lead: self.0,
            first,
            after,
            last,
            before,
        };
        // Checked here, so that a wrong cursor of one lead is not the trouble of all.
        page_request(&key.pages(), super::history_order())?;
        let loader = ctx.data_unchecked::<DataLoader<LifecycleLoader>>();
        let page = loader.load_one(key).await?.unwrap_or(Page {
            items: Vec::new(),
            has_next: false,
            has_previous: false,
        });
        Ok(connection(page, |stay| {
            (super::history_place(&stay), StageStayNode(stay))
        }))
    }
}

/// Which automatic moves are made.
#[derive(SimpleObject)]
struct LifecycleSettings {
    /// The first outbound message moves a lead to CONTACTED.
    contacted_on_message: bool,
    /// A current score of `qualifyingScore` moves a lead to QUALIFIED.
    qualified_on_score: bool,
    /// The current score that qualifies: above 0, up to 100.
    qualifying_score: f64,
    /// A reply, meeting or form after contact moves a lead to ENGAGED.
    engaged_on_response: bool,
    /// An opened deal moves a lead to OPPORTUNITY.
    opportunity_on_deal: bool,
    /// A recorded conversion to a customer, or a purchase, moves a lead to CUSTOMER.
    customer_on_conversion: bool,
    /// Counts the changes; 0 before the first.
    version: i32,
    /// When they were last changed.
    updated_at: Option<Timestamp>,
    /// By whom.
    updated_by: Option<String>,
}

impl From<StoredSettings> for LifecycleSettings {
    fn from(stored: StoredSettings) -> Self {
        let StoredSettings {
            settings,
            version,
            updated_at,
            updated_by,
        } = stored;
        let super::LifecycleSettings {
            contacted_on_message,
            qualified_on_score,
            qualifying_score,
            engaged_on_response,
            opportunity_on_deal,
            customer_on_conversion,
        } = settings;
        Self {
            contacted_on_message,
            qualified_on_score,
            qualifying_score,
            engaged_on_response,
            opportunity_on_deal,
            customer_on_conversion,
            version,
            updated_at,
            updated_by,
        }
    }
}

/// Queries about the lifecycle.
#[derive(Default)]
pub struct LifecycleQuery;

#[scoped]
#[Object]
impl LifecycleQuery {
    /// Which automatic moves are made.
    #[scope("lifecycle:read")]
    async fn lifecycle_settings(&self, ctx: &Context<'_>) -> Result<LifecycleSettings> {
        Ok(super::settings(ctx.app(), ctx.caller()?).await?.into())
    }
}

user_errors!(
    /// An expected failure of a call about the lifecycle.
    LifecycleUserError,
    LifecycleProblem
);

/// A move of a lead to a stage.
#[derive(InputObject, Debug)]
struct LeadStageMoveInput {
    /// The lead.
    lead_id: LeadId,
    /// To which stage: any but the one it is in.
    stage: Stage,
    /// Why, up to 500 characters.
    reason: String,
    /// When; now where absent. From when the lead entered its stage up to now.
    at: Option<Timestamp>,
}

impl From<LeadStageMoveInput> for StageChange {
    fn from(input: LeadStageMoveInput) -> Self {
        let LeadStageMoveInput {
            lead_id,
            stage,
            reason,
            at,
        } = input;
        Self {
            lead_id,
            stage,
            reason,
            at,
        }
    }
}

/// Input of `leadStageChange`.
#[derive(InputObject, Debug)]
struct LeadStageChangeInput {
    /// The move.
    #[graphql(flatten)]
    change: LeadStageMoveInput,
    /// The same key and input again give the same answer and are done once; kept 7 days.
    idempotency_key: Option<String>,
}

/// Moves of several leads.
#[derive(InputObject, Debug)]
struct LeadsStageChangeInput {
    /// The moves, up to 1,000; each lead once.
    items: Vec<LeadStageMoveInput>,
    /// The same key and input again give the same answer and are done once; kept 7 days.
    idempotency_key: Option<String>,
}

/// The answer of `leadStageChange`, and to each item of `leadsStageChange`.
#[derive(SimpleObject)]
#[graphql(complex)]
struct LeadStageChangePayload {
    /// The stay that was opened; null when there are user errors.
    stay: Option<StageStayNode>,
    /// What was wrong with the input.
    user_errors: Vec<LifecycleUserError>,
    #[graphql(skip)]
    lead_id: LeadId,
}

#[scoped]
#[async_graphql::ComplexObject]
impl LeadStageChangePayload {
    /// The lead as it is now; null when there is none.
    #[scope("leads:read")]
    async fn lead(&self, ctx: &Context<'_>) -> Result<Option<Eager<Lead>>> {
        lead::load(ctx, self.lead_id).await
    }
}

fn payload(lead_id: LeadId, changed: super::Changed, within: &[&str]) -> LeadStageChangePayload {
    let (stay, user_errors) = match changed {
        Ok(stay) => (Some(StageStayNode(stay)), Vec::new()),
        Err(problems) => {
            let problems = problems.into_iter().map(|problem| problem.within(within).into());
            (None, problems.collect())
        }
    };
    LeadStageChangePayload {
        stay,
        user_errors,
        lead_id,
    }
}

/// The answer of `leadsStageChange`.
#[derive(SimpleObject)]
struct LeadsStageChangePayload {
    /// One answer for each item, in their order; empty when nothing was done.
    items: Vec<LeadStageChangePayload>,
    /// What was wrong with the input as a whole.
    user_errors: Vec<LifecycleUserError>,
}

/// A change of the lifecycle's settings; what is absent stays as it is.
#[derive(InputObject)]
struct LifecycleSettingsUpdateInput {
    /// The first outbound message moves a lead to CONTACTED.
    contacted_on_message: Option<bool>,
    /// A current score of `qualifyingScore` moves a lead to QUALIFIED.
    qualified_on_score: Option<bool>,
    /// The current score that qualifies: above 0, up to 100.
    qualifying_score: Option<f64>,
    /// A reply, meeting or form after contact moves a lead to ENGAGED.
    engaged_on_response: Option<bool>,
    /// An opened deal moves a lead to OPPORTUNITY.
    opportunity_on_deal: Option<bool>,
    /// A recorded conversion to a customer, or a purchase, moves a lead to CUSTOMER.
    customer_on_conversion: Option<bool>,
    /// Change them only if this is still their version.
    expected_version: Option<i32>,
}

/// The answer of `lifecycleSettingsUpdate`.
#[derive(SimpleObject)]
struct LifecycleSettingsUpdatePayload {
    /// The settings as they are now; null when there are user errors.
    settings: Option<LifecycleSettings>,
    /// What was wrong with the input.
    user_errors: Vec<LifecycleUserError>,
}

/// Changes of the lifecycle.
#[derive(Default)]
pub struct LifecycleMutation;

#[scoped]
#[Object]
impl LifecycleMutation {
    /// Moves a lead to a stage.
    #[scope("lifecycle:write")]
    async fn lead_stage_change(
        &self,
        ctx: &Context<'_>,
        input: LeadStageChangeInput,
    ) -> Result<LeadStageChangePayload> {
        let key = CallKey::of(input.idempotency_key.as_ref(), &input);
        let lead_id = input.change.lead_id;
        let changes = vec![input.change.into()];
        let mut changed = super::change_stages(ctx.app(), ctx.caller()?, changes, key.as_ref()).await?;
        Ok(payload(lead_id, changed.remove(0), &[]))
    }

    /// Moves up to 1,000 leads, with an answer for each: those in order are moved, the others are not.
    #[scope("lifecycle:write")]
    #[graphql(complexity = "10 + child_complexity")]
    async fn leads_stage_change(
        &self,
        ctx: &Context<'_>,
        input: LeadsStageChangeInput,
    ) -> Result<LeadsStageChangePayload> {
        let caller = ctx.caller()?;
        if input.items.len() > MOST_AT_ONCE {
            let message = format!("{} items; one call takes up to {MOST_AT_ONCE}", input.items.len());
            return Ok(LeadsStageChangePayload {
                items: Vec::new(),
                user_errors: vec![Problem::new("items", LifecycleProblem::TooMany, message).into()],
            });
        }
        let key = CallKey::of(input.idempotency_key.as_ref(), &input);
        let ids: Vec<LeadId> = input.items.iter().map(|item| item.lead_id).collect();
        let changes = input.items.into_iter().map(StageChange::from).collect();
        let changed = super::change_stages(ctx.app(), caller, changes, key.as_ref()).await?;
        let items = ids
            .into_iter()
            .zip(changed)
            .enumerate()
            .map(|(place, (id, changed))| payload(id, changed, &["items", &place.to_string()]))
            .collect();
        Ok(LeadsStageChangePayload {
            items,
            user_errors: Vec::new(),
        })
    }

    /// Changes which automatic moves are made from now on.
    #[scope("lifecycle:write", all_rows)]
    async fn lifecycle_settings_update(
        &self,
        ctx: &Context<'_>,
        input: LifecycleSettingsUpdateInput,
    ) -> Result<LifecycleSettingsUpdatePayload> {
        let LifecycleSettingsUpdateInput {
            contacted_on_message,
            qualified_on_score,
            qualifying_score,
            engaged_on_response,
            opportunity_on_deal,
            customer_on_conversion,
            expected_version,
        } = input;
        let change = SettingsChange {
            contacted_on_message,
            qualified_on_score,
            qualifying_score,
            engaged_on_response,
            opportunity_on_deal,
            customer_on_conversion,
            expected_version,
        };
        let outcome = super::update_settings(ctx.app(), ctx.caller()?, change).await;
        let (settings, user_errors) = LifecycleUserError::split(outcome)?;
        Ok(LifecycleSettingsUpdatePayload {
            settings: settings.map(Into::into),
            user_errors,
        })
    }
}

/// The payload of the event.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Moved {
    from: Option<Stage>,
    to: Stage,
    automatic: bool,
    cause: StageCause,
    entered_micros: i64,
}

/// A lead moved to another stage.
struct StageChanged {
    event: Arc<Event>,
    moved: Moved,
}

#[scoped]
#[Object]
impl StageChanged {
    /// Resume after this event by `after:`.
    async fn cursor(&self) -> String {
        Live::cursor(&self.event)
    }
    /// When it was recorded.
    async fn at(&self) -> Timestamp {
        self.event.at
    }
    /// When the stage was entered; may lie before `at`.
    async fn entered_at(&self) -> Timestamp {
        Timestamp(self.moved.entered_micros)
    }
    /// The stage before; null for a lead that became known in this stage.
    async fn from(&self) -> Option<Stage> {
        self.moved.from
    }
    /// The stage it is in.
    async fn to(&self) -> Stage {
        self.moved.to
    }
    /// Whether Leadline moved it by itself.
    async fn automatic(&self) -> bool {
        self.moved.automatic
    }
    /// What moved it.
    async fn cause(&self) -> StageCause {
        self.moved.cause
    }
    /// Who moved it: `token_…`, `user_…`, `operator`, or `system` for an automatic move.
    async fn actor(&self) -> &str {
        &self.event.actor
    }
    /// The id of the lead.
    async fn lead_id(&self) -> Option<LeadId> {
        self.event.lead_id
    }
    /// The lead as it is now; null once it is deleted.
    #[scope("leads:read")]
    async fn lead(&self, ctx: &Context<'_>) -> Result<Option<Eager<Lead>>> {
        match self.event.lead_id {
            Some(id) => lead::load(ctx, id).await,
            None => Ok(None),
        }
    }
}

/// Subscriptions to the lifecycle.
#[derive(Default)]
pub struct LifecycleSubscription;

#[scoped]
#[Subscription]
impl LifecycleSubscription {
    /// Leads as they move to other stages.
    #[scope("lifecycle:read")]
    async fn stage_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this lead.")] lead_id: Option<LeadId>,
        #[graphql(desc = "Only moves to one of these stages.")] stages: Option<Vec<Stage>>,
        #[graphql(desc = "Resume after this cursor: nothing is lost, nothing comes twice.")] after: Option<
            String,
        >,
    ) -> Result<impl Stream<Item = Result<StageChanged>> + use<>> {
        let filter = Filter {
            lead_id,
            ..Filter::kinds(&[EventKind::StageChanged])
        };
        let events = Live::open(ctx, READ, filter, after.as_deref())?;
        Ok(events.filter_map(move |event| {
            let shown = event.and_then(|event| {
                let moved: Moved = serde_json::from_str(&event.payload)?;
                Ok(StageChanged { event, moved })
            });
            let wanted = shown.as_ref().is_err()
                || stages
                    .as_ref()
                    .is_none_or(|stages| shown.as_ref().is_ok_and(|one| stages.contains(&one.moved.to)));
            let item = wanted.then(|| shown.map_err(async_graphql::Error::from));
            std::future::ready(item)
        }))
    }
}
