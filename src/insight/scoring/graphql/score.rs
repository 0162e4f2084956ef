//! Scores of leads.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, Object, Result, SimpleObject};
use entity::id::{EngagementId, LeadId, ScoreEntryId};
use entity::{EngagementType, EventKind, Grade, ScoreCause, ScoreComponent, Temperature, Timestamp};
use serde::Deserialize;

use super::READ;
use crate::api::types::{Access, Listed, Live, Pages, connection, page_request, scoped};
use crate::api::{Eager, Lead};
use crate::app::App;
use crate::db::Page;
use crate::error::Error;
use crate::events::Event;
use crate::insight::engagement::{is_inbound, is_reply};
use crate::insight::scoring::{self, Factor, Newest, ScoreEntry, Scored, ScoresCache};
use crate::leads::filter::{LeadFilter, ScoreScale};
use crate::leads::lead::graphql as lead;

/// Loads what scoring knows, for all requests together.
pub struct ScoringLoader {
    app: App,
    cache: ScoresCache,
}

impl ScoringLoader {
    /// A loader over an application.
    #[must_use]
    pub fn new(app: App) -> Self {
        Self {
            app,
            cache: ScoresCache::default(),
        }
    }

    async fn scale(&self, filter: &LeadFilter) -> Result<ScoreScale, Error> {
        if filter.reads_scores() {
            scoring::scale(&self.app, &self.cache).await
        } else {
            Ok(ScoreScale::default())
        }
    }
}

/// The score of a lead.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ScoreOf {
    lead: LeadId,
    /// Whether it will be asked why.
    explained: bool,
}

/// The newest engagements of a lead.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NewestOf(LeadId);

/// A page of a lead's score history.
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

impl Loader<ScoreOf> for ScoringLoader {
    type Value = Arc<Scored>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[ScoreOf]) -> Loaded<ScoreOf, Arc<Scored>> {
        let mut found = HashMap::with_capacity(keys.len());
        for explained in [false, true] {
            let keys = keys.iter().filter(|key| key.explained == explained);
            let ids: Vec<LeadId> = keys.map(|key| key.lead).collect();
            if ids.is_empty() {
                continue;
            }
            let scores = scoring::scores(&self.app, &self.cache, &ids, explained)
                .await
                .map_err(Arc::new)?;
            found.extend(
                scores
                    .into_iter()
                    .map(|(lead, scored)| (ScoreOf { lead, explained }, Arc::new(scored))),
            );
        }
        Ok(found)
    }
}

/// The current score of a lead through the shared loader, 0–100; 0 for a lead that is not there. Whoever shows it has
/// asked for the scope.
///
/// # Errors
/// The database's.
pub async fn current(ctx: &Context<'_>, lead: LeadId) -> Result<f64> {
    let loader = ctx.data_unchecked::<DataLoader<ScoringLoader>>();
    let key = ScoreOf {
        lead,
        explained: false,
    };
    let scored = loader.load_one(key).await?;
    Ok(scored.map_or(0.0, |scored| scored.score.current))
}

/// How lead filters read scores, for whoever asks again and again.
pub struct Scales(ScoringLoader);

impl Scales {
    /// Over an application.
    #[must_use]
    pub fn new(app: App) -> Self {
        Self(ScoringLoader::new(app))
    }

    /// The scale for a filter; the product's own for one that reads no scores.
    ///
    /// # Errors
    /// The database's.
    pub async fn of(&self, filter: &LeadFilter) -> Result<ScoreScale, Error> {
        self.0.scale(filter).await
    }
}

/// How a lead filter reads scores; the product's own scale for one that reads none.
///
/// # Errors
/// The database's.
pub async fn scale(ctx: &Context<'_>, filter: &LeadFilter) -> Result<ScoreScale, Error> {
    ctx.data_unchecked::<DataLoader<ScoringLoader>>()
        .loader()
        .scale(filter)
        .await
}

impl Loader<NewestOf> for ScoringLoader {
    type Value = Arc<Newest>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[NewestOf]) -> Loaded<NewestOf, Arc<Newest>> {
        let ids: Vec<LeadId> = keys.iter().map(|key| key.0).collect();
        let newest = scoring::newest_engagements(&self.app, &ids)
            .await
            .map_err(Arc::new)?;
        Ok(newest
            .into_iter()
            .map(|(id, newest)| (NewestOf(id), Arc::new(newest)))
            .collect())
    }
}

impl Loader<HistoryPage> for ScoringLoader {
    type Value = Page<ScoreEntry>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[HistoryPage]) -> Loaded<HistoryPage, Page<ScoreEntry>> {
        // Leads of one list ask for the same page of their histories: one statement.
        let mut alike: HashMap<_, Vec<&HistoryPage>> = HashMap::new();
        for key in keys {
            let page = (key.first, &key.after, key.last, &key.before);
            alike.entry(page).or_default().push(key);
        }
        let mut found = HashMap::with_capacity(keys.len());
        for keys in alike.into_values() {
            let request = page_request(&keys[0].pages(), scoring::history_order()).map_err(Arc::new)?;
            let ids: Vec<LeadId> = keys.iter().map(|key| key.lead).collect();
            let mut pages = scoring::history(&self.app, &ids, &request)
                .await
                .map_err(Arc::new)?;
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

/// The components of a score, each 0–100.
#[derive(SimpleObject)]
struct ScoreComponents {
    /// Who the lead is.
    demographic: f64,
    /// What the lead did.
    behavioral: f64,
    /// Where the lead belongs and comes from.
    firmographic: f64,
    /// How fresh and permitted the contact is.
    engagement: f64,
    /// How near to buying.
    intent: f64,
}

impl From<[f64; 5]> for ScoreComponents {
    fn from([demographic, behavioral, firmographic, engagement, intent]: [f64; 5]) -> Self {
        Self {
            demographic,
            behavioral,
            firmographic,
            engagement,
            intent,
        }
    }
}

/// How a score falls while nothing comes from the lead.
#[derive(SimpleObject)]
struct ScoreDecay {
    /// Points a day of 86,400 s.
    points_per_day: f64,
    /// Days since the last activity, with the fraction.
    idle_days: f64,
    /// Points lost so far: `base` less `current`.
    lost: f64,
    /// When decay takes the lead to the next temperature, if nothing happens before; null when it never does.
    crosses_at: Option<Timestamp>,
    /// Which temperature that is.
    crosses_to: Option<Temperature>,
}

/// How promising a lead is.
struct LeadScore {
    lead_id: LeadId,
    scored: Arc<Scored>,
}

#[Object]
impl LeadScore {
    /// The score now: `base` after decay, 0–100.
    async fn current(&self) -> f64 {
        self.scored.score.current
    }
    /// The weighted sum of the components, rounded, before decay: 0–100.
    async fn base(&self) -> i32 {
        self.scored.score.base
    }
    /// By the current score.
    async fn grade(&self) -> Grade {
        self.scored.score.grade
    }
    /// By the current score.
    async fn temperature(&self) -> Temperature {
        self.scored.score.temperature
    }
    /// What the base is made of.
    async fn components(&self) -> ScoreComponents {
        self.scored.score.components.into()
    }
    /// How it falls.
    async fn decay(&self) -> ScoreDecay {
        let Scored {
            score, model, now, ..
        } = &*self.scored;
        ScoreDecay {
            points_per_day: model.decay.points_per_day,
            idle_days: (now.days() - score.last_activity.days()).max(0.0),
            lost: f64::from(score.base) - score.current,
            crosses_at: score.next_crossing.map(|(at, _)| at),
            crosses_to: score.next_crossing.map(|(_, to)| to),
        }
    }
    /// When the base was computed; now, where what was stored did not hold any more.
    async fn computed_at(&self) -> Timestamp {
        self.scored.computed_at
    }
    /// Until when the base holds if nothing happens: the first moment at which an event leaves its window. Null: for
    /// good.
    async fn valid_until(&self) -> Option<Timestamp> {
        self.scored.score.valid_until
    }
    /// Version of the scoring model.
    async fn model_version(&self) -> i32 {
        self.scored.model_version
    }
    /// From when decay counts: the last inbound engagement, else when the lead became known.
    async fn last_activity_at(&self) -> Timestamp {
        self.scored.score.last_activity
    }
    /// Everything that contributes, in the order of the components. The points of a component's factors sum to the
    /// component, but for what is above 100.
    async fn explain(&self) -> Result<Vec<ScoreFactor>> {
        let factors = self.scored.explain()?.factors;
        Ok(factors
            .into_iter()
            .map(|factor| ScoreFactor {
                lead_id: self.lead_id,
                factor,
            })
            .collect())
    }
}

/// One contribution to a score.
struct ScoreFactor {
    lead_id: LeadId,
    factor: Factor,
}

#[Object]
impl ScoreFactor {
    /// To which component.
    async fn component(&self) -> ScoreComponent {
        self.factor.component
    }
    /// What contributes: `field`, `engagement`, `active_days`, `base`, `target_location`, `customer_type`, `source`,
    /// `last_inbound`, `email_consent`, `sms_consent`, `stage`, `high_intent`, `recent_replies`; with negative points what
    /// a limit takes away: `active_days_limit`, `high_intent_limit`, `recent_replies_limit`.
    async fn factor(&self) -> &str {
        self.factor.factor
    }
    /// Points within the component, before its weight.
    async fn points(&self) -> f64 {
        self.factor.points
    }
    /// How many; engagements over the lead's whole life are weighed by human confidence and may be a fraction.
    async fn count(&self) -> f64 {
        self.factor.count
    }
    /// The engagements of which type.
    async fn engagement_type(&self) -> Option<EngagementType> {
        self.factor.engagement_type
    }
    /// The field of the lead.
    async fn field(&self) -> Option<&str> {
        self.factor.field
    }
    /// Engagements from when on count; null where the lead's whole life does.
    async fn since(&self) -> Option<Timestamp> {
        self.factor.since
    }
    /// The engagements behind it, newest first, up to 20; empty where none are.
    async fn engagement_ids(&self, ctx: &Context<'_>) -> Result<Vec<EngagementId>> {
        let Factor {
            factor,
            engagement_type,
            since,
            ..
        } = &self.factor;
        let rule: fn(EngagementType) -> bool = match *factor {
            "engagement" | "high_intent" => |_| true,
            "active_days" | "last_inbound" => is_inbound,
            "recent_replies" => is_reply,
            _ => return Ok(Vec::new()),
        };
        let most = if *factor == "last_inbound" { 1 } else { 20 };
        let loader = ctx.data_unchecked::<DataLoader<ScoringLoader>>();
        let newest = loader.load_one(NewestOf(self.lead_id)).await?.unwrap_or_default();
        let counts = |kind: EngagementType, at: Timestamp| {
            rule(kind)
                && engagement_type.is_none_or(|wanted| wanted == kind)
                && since.is_none_or(|since| at >= since)
        };
        Ok(newest
            .iter()
            .filter(|(_, kind, at)| counts(*kind, *at))
            .map(|(id, ..)| *id)
            .take(most)
            .collect())
    }
}

/// An entry of a lead's score history.
pub struct ScoreHistoryEntry(ScoreEntry);

#[Object]
impl ScoreHistoryEntry {
    /// The entry's id.
    async fn id(&self) -> ScoreEntryId {
        self.0.id
    }
    /// When the score changed.
    async fn at(&self) -> Timestamp {
        self.0.at
    }
    /// The score before decay from then on: 0–100.
    async fn base(&self) -> i32 {
        self.0.base
    }
    /// What it is made of.
    async fn components(&self) -> ScoreComponents {
        let ScoreEntry {
            demographic,
            behavioral,
            firmographic,
            engagement,
            intent,
            ..
        } = self.0;
        [demographic, behavioral, firmographic, engagement, intent].into()
    }
    /// Version of the scoring model.
    async fn model_version(&self) -> i32 {
        self.0.model_version
    }
    /// What brought the change about.
    async fn cause(&self) -> ScoreCause {
        self.0.cause
    }
}

/// What scoring knows of a lead.
pub struct LeadScoring(pub LeadId);

#[scoped]
#[Object]
impl LeadScoring {
    /// How promising the lead is, as of now: whatever was acknowledged before is in it.
    #[scope("scoring:read")]
    async fn score(&self, ctx: &Context<'_>) -> Result<Option<Eager<LeadScore>>> {
        ctx.caller()?.require(READ)?;
        let loader = ctx.data_unchecked::<DataLoader<ScoringLoader>>();
        let key = ScoreOf {
            lead: self.0,
            explained: ctx.look_ahead().field("explain").exists(),
        };
        let scored = loader.load_one(key).await?;
        Ok(scored.map(|scored| {
            Eager(LeadScore {
                lead_id: self.0,
                scored,
            })
        }))
    }

    /// How the score came to be what it is, newest first.
    #[scope("scoring:read")]
    #[graphql(complexity = "first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    async fn score_history(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Result<Listed<ScoreHistoryEntry>> {
        ctx.caller()?.require(READ)?;
        let key = HistoryPage {
            lead: self.0,
            first,
            after,
            last,
            before,
        };
        // Checked here, so that a wrong cursor of one lead is not the trouble of all.
        page_request(&key.pages(), scoring::history_order())?;
        let loader = ctx.data_unchecked::<DataLoader<ScoringLoader>>();
        let page = loader.load_one(key).await?.unwrap_or(Page {
            items: Vec::new(),
            has_next: false,
            has_previous: false,
        });
        Ok(connection(page, |entry| {
            (scoring::history_place(&entry), ScoreHistoryEntry(entry))
        }))
    }
}

/// The payload of `SCORE_CHANGED`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rescored {
    from: Option<i32>,
    to: i32,
    current: f64,
    grade: Grade,
    temperature: Temperature,
    from_temperature: Option<Temperature>,
    cause: ScoreCause,
}

/// The payload of `TEMPERATURE_CHANGED`.
#[derive(Deserialize)]
struct Cooled {
    from: Temperature,
    to: Temperature,
    current: f64,
    base: i32,
    grade: Grade,
}

/// A lead's score changed.
pub struct ScoreChanged {
    event: Arc<Event>,
    change: Rescored,
}

impl ScoreChanged {
    pub(super) fn read(event: Arc<Event>) -> std::result::Result<Self, Error> {
        let change = if event.kind == EventKind::TemperatureChanged {
            let Cooled {
                from,
                to,
                current,
                base,
                grade,
            } = serde_json::from_str(&event.payload)?;
            Rescored {
                from: Some(base),
                to: base,
                current,
                grade,
                temperature: to,
                from_temperature: Some(from),
                cause: ScoreCause::Window,
            }
        } else {
            serde_json::from_str(&event.payload)?
        };
        Ok(Self { event, change })
    }
}

#[scoped]
#[Object]
impl ScoreChanged {
    /// Resume after this event by `after:`.
    async fn cursor(&self) -> String {
        Live::cursor(&self.event)
    }
    /// SCORE_CHANGED, or TEMPERATURE_CHANGED where decay alone took the lead to another temperature.
    async fn event(&self) -> EventKind {
        self.event.kind
    }
    /// When it was recorded.
    async fn at(&self) -> Timestamp {
        self.event.at
    }
    /// The base before; null for the first score.
    async fn from(&self) -> Option<i32> {
        self.change.from
    }
    /// The base now; equal to `from` where only the decay, grade or temperature changed.
    async fn to(&self) -> i32 {
        self.change.to
    }
    /// The score after decay at that moment, 0–100.
    async fn current(&self) -> f64 {
        self.change.current
    }
    /// The grade now.
    async fn grade(&self) -> Grade {
        self.change.grade
    }
    /// The temperature now.
    async fn temperature(&self) -> Temperature {
        self.change.temperature
    }
    /// The temperature before; null for the first score.
    async fn from_temperature(&self) -> Option<Temperature> {
        self.change.from_temperature
    }
    /// What brought it about.
    async fn cause(&self) -> ScoreCause {
        self.change.cause
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
