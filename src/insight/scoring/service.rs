//! Use cases of scores: read, explain, write.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use entity::id::{EngagementId, LeadId, ScoreEntryId};
use entity::{EngagementType, EventKind, Grade, ScoreCause, Temperature, Timestamp};
use serde_json::json;

use super::facts::gather;
use super::handler::ScoringHandler;
use super::model::{self, Explanation, Score, ScoreFacts, ScoreModel, current, grade, temperature};
use super::store::Found;
use super::{ScoreEntry, StoredScore, models, store};
use crate::app::App;
use crate::db::{Keyset, Page, PageRequest, SortValue, Tx};
use crate::error::Error;
use crate::events::{self, Handler, NewEvent};
use crate::leads::filter::ScoreScale;

/// A model and its version.
#[derive(Clone, Debug)]
pub(super) struct InForce {
    pub(super) version: i32,
    pub(super) model: Arc<ScoreModel>,
}

/// Remembers the model in force: a published version never changes, so that its number tells whether it still is.
#[derive(Debug, Default)]
pub(super) struct ModelCache(Mutex<Option<InForce>>);

impl ModelCache {
    pub(super) fn get(&self, version: i32) -> Option<InForce> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().filter(|held| held.version == version).cloned()
    }

    pub(super) fn put(&self, in_force: &InForce) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(in_force.clone());
    }
}

/// A lead's score as it is at the moment of reading.
#[derive(Clone, Debug)]
pub struct Scored {
    /// The score.
    pub score: Score,
    /// The version of the model it was computed with.
    pub model_version: i32,
    /// The model.
    pub model: Arc<ScoreModel>,
    /// When the base was computed.
    pub computed_at: Timestamp,
    /// For which moment it is told.
    pub now: Timestamp,
    facts: Option<Facts>,
}

#[derive(Clone, Debug)]
enum Facts {
    Text(String),
    Read(Box<ScoreFacts>),
}

impl Scored {
    /// Why the score is what it is.
    ///
    /// # Errors
    /// When the stored facts cannot be read, or were not asked for.
    pub fn explain(&self) -> Result<Explanation, Error> {
        Ok(match &self.facts {
            Some(Facts::Text(text)) => model::explain(&ScoreFacts::from_json(text)?, &self.model, self.now),
            Some(Facts::Read(facts)) => model::explain(facts, &self.model, self.now),
            None => {
                return Err(Error::internal(anyhow::anyhow!(
                    "a score was read without its facts and is to be explained"
                )));
            }
        })
    }

    fn computed(facts: ScoreFacts, in_force: &InForce, now: Timestamp) -> Self {
        Self {
            score: model::score(&facts, &in_force.model, now),
            model_version: in_force.version,
            model: Arc::clone(&in_force.model),
            computed_at: now,
            now,
            facts: Some(Facts::Read(Box::new(facts))),
        }
    }

    /// From a stored row that still holds: only decay goes on.
    fn stored(row: Found, in_force: &InForce, now: Timestamp) -> Self {
        let rules = &in_force.model;
        let rate = rules.decay.points_per_day;
        let score = Score {
            components: row.components,
            base: row.base,
            last_activity: row.last_activity_at,
            decay_key: row.decay_key,
            valid_until: row.valid_until,
            current: current(row.base, row.decay_key, rate, now),
            grade: grade(row.decay_key, &rules.grades, rate, now),
            temperature: temperature(row.decay_key, &rules.temperatures, rate, now),
            next_crossing: model::next_crossing(row.decay_key, &rules.temperatures, rate, now),
        };
        Self {
            score,
            model_version: in_force.version,
            model: Arc::clone(rules),
            computed_at: row.computed_at,
            now,
            facts: row.facts.map(Facts::Text),
        }
    }
}

const fn components(row: &StoredScore) -> [f64; 5] {
    [
        row.demographic,
        row.behavioral,
        row.firmographic,
        row.engagement,
        row.intent,
    ]
}

/// The scores of leads as they are now; a lead that is not there is left out. `explained`: [`Scored::explain`] will be
/// asked. Two statements where all are fresh (one, where this process knows the model already), five where some are not,
/// whatever their number.
///
/// # Errors
/// The database's. Whoever lets the loader in has asked for the scope.
pub async fn scores(
    app: &App,
    cache: &ScoresCache,
    ids: &[LeadId],
    explained: bool,
) -> Result<HashMap<LeadId, Scored>, Error> {
    let db = app.db();
    let now = app.clock().now();
    let handler = ScoringHandler::default();
    let (name, kinds) = (handler.name(), handler.kinds());
    let found = store::find(db.read(), db.backend(), name, kinds, ids, now, explained).await?;
    let known = found
        .first()
        .and_then(|found| found.published)
        .and_then(|version| cache.0.get(version));
    let in_force = match known {
        Some(in_force) => in_force,
        None => models::in_force(app, &cache.0).await?,
    };
    let mut scores = HashMap::with_capacity(ids.len());
    for found in found {
        if found.pending {
            continue;
        }
        let id = found.lead_id;
        let holds =
            found.model_version == in_force.version && found.valid_until.is_none_or(|until| now < until);
        let scored = match &found.facts {
            _ if holds => Scored::stored(found, &in_force, now),
            Some(facts) => Scored::computed(ScoreFacts::from_json(facts)?, &in_force, now),
            // Another model was published between two statements.
            None => continue,
        };
        scores.insert(id, scored);
    }
    let stale: Vec<LeadId> = ids
        .iter()
        .copied()
        .filter(|id| !scores.contains_key(id))
        .collect();
    if !stale.is_empty() {
        for (id, facts) in gather(app, &stale, &in_force.model).await? {
            scores.insert(id, Scored::computed(facts, &in_force, now));
        }
    }
    Ok(scores)
}

/// How lead filters read scores by the model in force. Scores that a recalculation has not come to yet are read by the
/// rate they will have.
///
/// # Errors
/// The database's.
pub async fn scale(app: &App, cache: &ScoresCache) -> Result<ScoreScale, Error> {
    let ScoreModel {
        grades,
        temperatures,
        decay,
        ..
    } = &*models::in_force(app, &cache.0).await?.model;
    Ok(ScoreScale {
        rate: decay.points_per_day,
        grades: vec![
            (Grade::APlus, grades.a_plus),
            (Grade::A, grades.a),
            (Grade::BPlus, grades.b_plus),
            (Grade::B, grades.b),
            (Grade::CPlus, grades.c_plus),
            (Grade::C, grades.c),
            (Grade::D, f64::NEG_INFINITY),
        ],
        temperatures: vec![
            (Temperature::Hot, temperatures.hot),
            (Temperature::Warm, temperatures.warm),
            (Temperature::Cold, f64::NEG_INFINITY),
        ],
    })
}

/// What a reader of scores remembers between reads.
#[derive(Debug, Default)]
pub struct ScoresCache(pub(super) ModelCache);

/// Scores that are being written within one transaction.
pub(super) struct Writing {
    in_force: InForce,
    now: Timestamp,
    scores: Vec<StoredScore>,
    history: Vec<ScoreEntry>,
    told: Vec<NewEvent>,
}

impl Writing {
    pub(super) fn new(in_force: InForce, now: Timestamp) -> Self {
        Self {
            in_force,
            now,
            scores: Vec::new(),
            history: Vec::new(),
            told: Vec::new(),
        }
    }

    /// Scores a lead. `text` is the stored form of the facts where they have not changed.
    pub(super) fn score(
        &mut self,
        lead_id: LeadId,
        before: Option<&StoredScore>,
        facts: &mut ScoreFacts,
        text: Option<&str>,
        cause: ScoreCause,
    ) {
        let now = self.now;
        let rules = &self.in_force.model;
        let score = model::score(facts, rules, now);
        let facts = match text {
            Some(text) => text.to_owned(),
            None => {
                facts.trim(now);
                facts.to_json()
            }
        };
        let crosses_at = score.next_crossing.map(|(at, _)| at);
        let [demographic, behavioral, firmographic, engagement, intent] = score.components;
        let after = StoredScore {
            lead_id,
            model_version: self.in_force.version,
            base: score.base,
            demographic,
            behavioral,
            firmographic,
            engagement,
            intent,
            decay_key: score.decay_key,
            decay_rate: rules.decay.points_per_day,
            last_activity_at: score.last_activity,
            temperature: score.temperature,
            crosses_at,
            valid_until: score.valid_until,
            due_at: [crosses_at, score.valid_until].into_iter().flatten().min(),
            facts,
            computed_at: now,
        };
        if let Some(before) = before {
            let same = StoredScore {
                computed_at: now,
                ..before.clone()
            } == after;
            if same {
                return;
            }
        }
        let parts_changed =
            before.is_none_or(|before| before.base != score.base || components(before) != score.components);
        if parts_changed {
            self.history.push(ScoreEntry {
                lead_id,
                at: now,
                id: ScoreEntryId::at(now),
                model_version: self.in_force.version,
                base: score.base,
                demographic,
                behavioral,
                firmographic,
                engagement,
                intent,
                cause,
            });
        }
        if let Some(event) = self.event(before, &score, parts_changed, lead_id, cause) {
            self.told.push(event);
        }
        self.scores.push(after);
    }

    /// A change that clients are told: another base, grade or temperature, or another whole point of the current score
    /// by something else than the passing of time; by time alone, another temperature.
    fn event(
        &self,
        before: Option<&StoredScore>,
        score: &Score,
        parts_changed: bool,
        lead_id: LeadId,
        cause: ScoreCause,
    ) -> Option<NewEvent> {
        let rules = &self.in_force.model;
        let was = before.map(|before| {
            let rate = before.decay_rate;
            let current = current(before.base, before.decay_key, rate, self.now);
            let grade = grade(before.decay_key, &rules.grades, rate, self.now);
            (before.base, current, grade, before.temperature)
        });
        if cause == ScoreCause::Window && !parts_changed {
            let (_, _, _, from) = was?;
            if from == score.temperature {
                return None;
            }
            let payload = json!({
                "from": from, "to": score.temperature, "current": score.current, "base": score.base,
                "grade": score.grade,
            });
            return Some(NewEvent::of_lead(EventKind::TemperatureChanged, lead_id, payload));
        }
        let changed = was.is_none_or(|(base, current, grade, temperature)| {
            base != score.base
                || grade != score.grade
                || temperature != score.temperature
                || current.floor() != score.current.floor()
        });
        changed.then(|| {
            let payload = json!({
                "from": was.map(|(base, ..)| base), "to": score.base, "current": score.current,
                "grade": score.grade, "temperature": score.temperature,
                "fromTemperature": was.map(|(.., temperature)| temperature), "cause": cause,
            });
            NewEvent::of_lead(EventKind::ScoreChanged, lead_id, payload)
        })
    }

    /// Writes all that changed; answers how many scores did.
    pub(super) async fn write(self, tx: &Tx) -> Result<i64, Error> {
        store::write(tx, &self.scores, &self.history).await?;
        let changed = i64::try_from(self.told.len()).unwrap_or(i64::MAX);
        events::append(tx, "system", self.now, self.told).await?;
        Ok(changed)
    }
}

/// The name of the one ordering of a lead's score history, newest first, that cursors are bound to.
#[must_use]
pub const fn history_order() -> &'static str {
    "score AT DESC"
}

/// The place of an entry in that ordering.
#[must_use]
pub fn history_place(entry: &ScoreEntry) -> Keyset {
    Keyset {
        order: history_order().to_owned(),
        value: SortValue::Int(entry.at.micros()),
        id: entry.id.0,
    }
}

/// The same page of the score history of each lead. One statement for all, unless the page begins at a cursor, which
/// only one lead can have.
///
/// # Errors
/// The database's. Whoever lets the loader in has asked for the scope.
pub async fn history(
    app: &App,
    ids: &[LeadId],
    page: &PageRequest,
) -> Result<HashMap<LeadId, Page<ScoreEntry>>, Error> {
    let db = app.db();
    if page.after.is_none() && page.before.is_none() {
        return Ok(store::histories(db.read(), db.backend(), ids, page).await?);
    }
    let mut pages = HashMap::new();
    for id in ids {
        pages.insert(*id, store::history(db.read(), *id, page).await?);
    }
    Ok(pages)
}

/// Engagements of one lead, newest first, up to 20 of each type.
pub type Newest = Vec<(EngagementId, EngagementType, Timestamp)>;

/// The newest engagements of each lead, up to 20 of each type: what stands behind the factors of its score.
///
/// # Errors
/// The database's. Whoever lets the loader in has asked for the scope.
pub async fn newest_engagements(app: &App, ids: &[LeadId]) -> Result<HashMap<LeadId, Newest>, Error> {
    const PER_TYPE: i64 = 20;
    let db = app.db();
    let mut newest: HashMap<LeadId, Newest> = HashMap::new();
    for (lead, id, kind, at) in store::newest_engagements(db.read(), db.backend(), ids, PER_TYPE).await? {
        newest.entry(lead).or_default().push((id, kind, at));
    }
    Ok(newest)
}
