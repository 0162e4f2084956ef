//! Use cases of journeys.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use entity::id::LeadId;
use entity::{Area, Channel, Day, EngagementType, Timestamp, Trend};

use super::handler::{KINDS, read};
use super::model::{
    self, DayActivity, DeploymentActivity, JourneyFacts, JourneySettings, LeadFold, Period, by_period,
};
use super::store::{self, Stored};
use crate::app::App;
use crate::db::ConnectionTrait;
use crate::error::Error;
use crate::identity::{Caller, Scope};
use crate::insight::engagement::{self, EngagementFilter, Stats};
use crate::leads::visible::Visible;

/// Most days of one summary: a little over ten years.
const MOST_DAYS: i32 = 3_700;

/// The journey of a lead, read at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Journey {
    /// What is kept of it.
    pub facts: JourneyFacts,
    /// Engagements of the last 30 days.
    pub last: i64,
    /// Engagements of the 30 days before.
    pub before: i64,
    /// The moment.
    pub now: Timestamp,
}

impl Journey {
    /// Which way it goes.
    #[must_use]
    pub fn trend(&self) -> Trend {
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        model::trend(count(self.last), count(self.before), &JourneySettings::default())
    }

    /// How likely the lead is lost, 0–1.
    #[must_use]
    pub fn churn_risk(&self, created_at: Timestamp) -> f64 {
        model::churn_risk(
            &self.facts,
            created_at,
            self.trend(),
            &JourneySettings::default(),
            self.now,
        )
    }

    /// Whether that is high.
    #[must_use]
    pub fn is_high_risk(&self, created_at: Timestamp) -> bool {
        model::is_high_risk(self.churn_risk(created_at), &JourneySettings::default())
    }

    /// How well it stands, 0–100.
    #[must_use]
    pub fn health(&self, created_at: Timestamp, current_score: f64) -> f64 {
        model::health(
            self.churn_risk(created_at),
            current_score,
            &JourneySettings::default(),
        )
    }
}

/// The journeys of leads as they are now, what the handler has not come to included. Two statements whatever their
/// number; four when active days are pending.
///
/// # Errors
/// The database's. Whoever lets the loader in has asked for the scope.
pub async fn journeys(app: &App, leads: &[LeadId]) -> Result<HashMap<LeadId, Arc<Journey>>, Error> {
    let db = app.db();
    let now = app.clock().now();
    let spans = model::spans(now, &JourneySettings::default());
    let mut stored = store::with_pending(db.read(), leads, KINDS).await?;
    if stored.values().any(|stored| !stored.pending.is_empty()) {
        // Rarely: what is pending needs the days, of the same moment as the journeys.
        let snapshot = db.snapshot().await?;
        let mut all = store::with_pending(&snapshot, leads, KINDS).await?;
        let days = pending_days(&all)?;
        let mut before: HashMap<LeadId, HashMap<Day, DayActivity>> = HashMap::new();
        for (lead, day, activity) in store::days(&snapshot, &days).await? {
            before.entry(lead).or_default().insert(day, activity);
        }
        snapshot.commit().await?;
        for (lead, stored) in &mut all {
            let mut fold = LeadFold {
                facts: std::mem::take(&mut stored.facts),
                days: before.remove(lead).unwrap_or_default(),
            };
            take_pending(&mut fold, stored)?;
            stored.facts = fold.facts;
        }
        stored = all;
    }
    let recent = store::recent(db.read(), leads, spans, now).await?;
    Ok(stored
        .into_iter()
        .map(|(lead, stored)| {
            let store::Recent { last, before, .. } = recent.get(&lead).copied().unwrap_or_default();
            let journey = Journey {
                facts: stored.facts,
                last,
                before,
                now,
            };
            (lead, Arc::new(journey))
        })
        .collect())
}

fn pending_days(all: &HashMap<LeadId, Stored>) -> Result<HashSet<(LeadId, Day)>, Error> {
    let mut days = HashSet::new();
    for (lead, stored) in all {
        for event in &stored.pending {
            if let Some(model::Happening::Engaged(recorded)) = read(event)? {
                days.insert((*lead, recorded.occurred_at().day()));
            }
        }
    }
    Ok(days)
}

fn take_pending(fold: &mut LeadFold, stored: &Stored) -> Result<(), Error> {
    for event in &stored.pending {
        if let Some(happening) = read(event)? {
            fold.take(&happening);
        }
    }
    Ok(())
}

/// The stays of leads, in the order in which they were entered.
///
/// # Errors
/// The database's. Whoever lets the loader in has asked for the scope.
pub(super) async fn stays(
    app: &App,
    leads: &[LeadId],
) -> Result<HashMap<LeadId, Vec<entity::stage_stay::Model>>, Error> {
    let mut by_lead: HashMap<LeadId, Vec<_>> = HashMap::new();
    for stay in store::stays(app.db().read(), leads).await? {
        by_lead.entry(stay.lead_id).or_default().push(stay);
    }
    Ok(by_lead)
}

/// Which days of which lead, in which spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActivityOf {
    /// The lead.
    pub lead_id: LeadId,
    /// The spans.
    pub by: Period,
    /// The first day.
    pub from: Day,
    /// The last day, included.
    pub to: Day,
}

/// Whether a summary of these days can be asked for.
///
/// # Errors
/// [`Error::BadInput`] for a range that is none or too long.
pub fn check_range(from: Day, to: Day) -> Result<(), Error> {
    if from > to {
        return Err(Error::BadInput(format!("`from` ({from}) is after `to` ({to})")));
    }
    if to.0.saturating_sub(from.0) >= MOST_DAYS {
        return Err(Error::BadInput(format!(
            "from {from} to {to} are more than {MOST_DAYS} days; ask for fewer"
        )));
    }
    Ok(())
}

/// What happened to a lead, by the first day of each span in which something did.
///
/// # Errors
/// A missing scope `journeys:read`, a range that is none or too long; the database's.
pub async fn activity(
    app: &App,
    caller: &Caller,
    of: ActivityOf,
) -> Result<BTreeMap<Day, DayActivity>, Error> {
    caller.require(Scope::Read(Area::Journeys))?;
    let ActivityOf {
        lead_id,
        by,
        from,
        to,
    } = of;
    check_range(from, to)?;
    let (start, end) = (from.start(), to.start().plus_days(1));
    let snapshot = app.db().snapshot().await?;
    let pending = store::with_pending(&snapshot, &[lead_id], KINDS)
        .await?
        .remove(&lead_id);
    let mut fold = LeadFold {
        facts: JourneyFacts::default(),
        days: store::days_between(&snapshot, lead_id, from, to)
            .await?
            .into_iter()
            .collect(),
    };
    let scores = store::score_changes(&snapshot, lead_id, start, end).await?;
    let stays = store::stays_between(&snapshot, lead_id, start, end).await?;
    snapshot.commit().await?;
    if let Some(stored) = pending {
        take_pending(&mut fold, &stored)?;
    }
    let mut days = fold.days;
    days.retain(|day, _| (from..=to).contains(day));
    for pair in scores.windows(2) {
        let (at, after) = pair[1];
        days.entry(at.day()).or_default().note_score(at, pair[0].1, after);
    }
    if let Some((at, base)) = scores.first().filter(|(at, _)| *at >= start) {
        days.entry(at.day()).or_default().note_score(*at, 0, *base);
    }
    for stay in stays {
        if let Some(previous) = stay.previous {
            let day = days.entry(stay.entered_at.day()).or_default();
            day.note_stage(stay.entered_at, previous, stay.stage);
        }
    }
    Ok(by_period(days.iter().map(|(day, activity)| (*day, activity)), by))
}

/// What all leads did, by the first day of each span in which something happened.
///
/// # Errors
/// A missing scope `journeys:read`, a range that is none or too long; the database's.
pub async fn deployment(
    app: &App,
    caller: &Caller,
    by: Period,
    from: Day,
    to: Day,
) -> Result<BTreeMap<Day, DeploymentActivity>, Error> {
    caller.require(Scope::Read(Area::Journeys))?;
    check_range(from, to)?;
    let mut sums: BTreeMap<Day, DeploymentActivity> = BTreeMap::new();
    let days = if caller.rows.is_all() {
        store::deployment(app.db().read(), from, to).await?
    } else {
        some_leads(app, caller, from, to).await?
    };
    for (day, activity) in days {
        sums.entry(by.start_of(day)).or_default().merge(&activity);
    }
    Ok(sums)
}

/// What the leads that a caller sees did by day: the days of the deployment are of all leads, so it is counted from what
/// hangs on the leads.
async fn some_leads(
    app: &App,
    caller: &Caller,
    from: Day,
    to: Day,
) -> Result<Vec<(Day, DeploymentActivity)>, Error> {
    let visible = Visible::of(app, &caller.rows).await?;
    let (start, end) = (from.start(), to.start().plus_days(1));
    let filter = EngagementFilter {
        from: Some(start),
        to: Some(end),
        ..EngagementFilter::default()
    };
    let mut days: BTreeMap<Day, DeploymentActivity> = BTreeMap::new();
    for sum in engagement::seen_sums(app, &visible, &filter).await? {
        let revenue = sum
            .revenue
            .as_ref()
            .map(|(currency, minor)| (currency.as_str(), *minor));
        let sums = days.entry(sum.day).or_default();
        sums.add(sum.kind, sum.channel, sum.count, revenue);
    }
    for (day, stage, count) in store::moves(app.db().read_lagging(), &visible, start, end).await? {
        days.entry(day).or_default().add_moves(stage, count);
    }
    Ok(days.into_iter().collect())
}

/// What the engagements of all leads add up to, read from the days of the deployment. The scope has been asked for.
///
/// # Errors
/// A range that is none or too long; the database's.
pub async fn engagement_stats(
    app: &App,
    from: Day,
    to: Day,
    types: &[EngagementType],
    channels: &[Channel],
) -> Result<Stats, Error> {
    check_range(from, to)?;
    let mut by_type = BTreeMap::<EngagementType, i64>::new();
    let mut by_channel = BTreeMap::<Channel, i64>::new();
    let mut by_day = BTreeMap::<Day, i64>::new();
    let mut revenue = BTreeMap::<String, i64>::new();
    for (day, activity) in store::deployment(app.db().read_lagging(), from, to).await? {
        let wanted = activity.sums().filter(|sum| {
            (types.is_empty() || types.contains(&sum.kind))
                && (channels.is_empty() || channels.contains(&sum.channel))
        });
        for sum in wanted {
            *by_type.entry(sum.kind).or_default() += sum.count;
            *by_channel.entry(sum.channel).or_default() += sum.count;
            *by_day.entry(day).or_default() += sum.count;
            if let Some((currency, minor)) = sum.revenue {
                *revenue.entry(currency.to_owned()).or_default() += minor;
            }
        }
    }
    Ok(Stats {
        total: by_type.values().sum(),
        by_type: by_type.into_iter().collect(),
        by_channel: by_channel.into_iter().collect(),
        by_day: by_day.into_iter().collect(),
        revenue: revenue.into_iter().collect(),
    })
}

/// How the journeys of all leads stand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overview {
    /// How many leads there are.
    pub leads: i64,
    /// How many of them were looked at: all up to 20,000, else so many drawn at random.
    pub looked_at: i64,
    /// Of those, how many go which way, in the order of the vocabulary.
    pub trends: Vec<(Trend, i64)>,
    /// Of those, how many are at high risk.
    pub high_risk: i64,
    /// Mean churn risk, 0–1.
    pub mean_risk: f64,
    /// Mean health, 0–100.
    pub mean_health: f64,
    /// Mean duration in days.
    pub mean_days: f64,
    /// Mean number of touch points.
    pub mean_touch_points: f64,
}

/// Up to so many leads all are looked at; of more, about so many drawn at random, which leaves a share off by less
/// than 0.7 of a percent in 19 of 20 cases.
const SAMPLE: i64 = 20_000;
/// Journeys read at once.
const CHUNK: usize = 1_000;

/// How the journeys of all leads stand. What it costs does not grow beyond 20,000 leads, but for counting them.
///
/// # Errors
/// A missing scope `journeys:read`; the database's.
#[expect(clippy::cast_precision_loss, reason = "means of fewer than 2^53 things")]
pub async fn overview(app: &App, caller: &Caller) -> Result<Overview, Error> {
    caller.require(Scope::Read(Area::Journeys))?;
    let db = app.db().read_lagging();
    let visible = Visible::of(app, &caller.rows).await?;
    let leads = store::count_leads(db, &visible).await?;
    let sampled = store::sample(db, &visible, SAMPLE, leads).await?;
    let mut overview = Overview {
        leads,
        looked_at: i64::try_from(sampled.len()).unwrap_or(i64::MAX),
        ..Overview::default()
    };
    let mut trends: HashMap<Trend, i64> = HashMap::new();
    let (mut risk, mut health, mut days, mut touches) = (0.0, 0.0, 0.0, 0_i64);
    for chunk in sampled.chunks(CHUNK) {
        let ids: Vec<LeadId> = chunk.iter().map(|lead| lead.lead_id).collect();
        let found = journeys(app, &ids).await?;
        for lead in chunk {
            let Some(journey) = found.get(&lead.lead_id) else {
                continue;
            };
            let current = match (lead.decay_key, lead.decay_rate) {
                (Some(key), Some(rate)) => (key - rate * journey.now.days()).max(0.0),
                _ => 0.0,
            };
            *trends.entry(journey.trend()).or_default() += 1;
            overview.high_risk += i64::from(journey.is_high_risk(lead.created_at));
            risk += journey.churn_risk(lead.created_at);
            health += journey.health(lead.created_at, current);
            days += journey.facts.duration_micros() as f64 / entity::time::DAY_MICROS as f64;
            touches += journey.facts.touch_points;
        }
    }
    let count = (overview.looked_at as f64).max(1.0);
    overview.trends = Trend::ALL
        .iter()
        .map(|trend| (*trend, trends.get(trend).copied().unwrap_or(0)))
        .collect();
    overview.mean_risk = risk / count;
    overview.mean_health = health / count;
    overview.mean_days = days / count;
    overview.mean_touch_points = touches as f64 / count;
    Ok(overview)
}

/// What all leads did on UTC days, both ends included, and in quarters of an hour before and behind them. Whoever asks has
/// asked for the scope.
///
/// # Errors
/// The database's.
pub async fn deployment_in(
    db: &impl ConnectionTrait,
    days: &[(Day, Day)],
    quarters: &[(i32, i32)],
) -> Result<Vec<(Timestamp, DeploymentActivity)>, Error> {
    let mut all = Vec::new();
    for (from, to) in days {
        let found = store::deployment(db, *from, *to).await?.into_iter();
        all.extend(found.map(|(day, activity)| (day.start(), activity)));
    }
    for (from, to) in quarters {
        let found = store::quarters(db, *from, *to).await?.into_iter();
        let at = |quarter: i32| Timestamp(i64::from(quarter) * entity::time::QUARTER_MICROS);
        all.extend(found.map(|(quarter, activity)| (at(quarter), activity)));
    }
    Ok(all)
}

/// How many engagements all leads had in some spans of quarters of an hour, each with its number, both ends included. Whoever
/// asks has asked for the scope.
///
/// # Errors
/// The database's.
pub async fn engagements_in(
    db: &impl ConnectionTrait,
    spans: &[(i32, i32, i32)],
) -> Result<Vec<(i32, i64)>, Error> {
    Ok(store::engagements_in(db, spans).await?)
}

/// How a lead goes, as far as the handler has taken in what it did.
#[derive(Clone, Debug, Default)]
pub struct Going {
    /// What is kept of its journey.
    pub facts: JourneyFacts,
    /// Engagements of the last 30 days.
    pub last: i64,
    /// Engagements of the 30 days before.
    pub before: i64,
    /// When these numbers will be others although nothing happens.
    pub next: Option<Timestamp>,
}

/// How leads go; those that have done nothing are left out.
///
/// # Errors
/// The database's.
pub async fn goings(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
    now: Timestamp,
) -> Result<HashMap<LeadId, Going>, Error> {
    let settings = JourneySettings::default();
    let mut goings: HashMap<LeadId, Going> = HashMap::new();
    for (lead, facts) in store::facts(db, leads.iter().copied()).await? {
        goings.entry(lead).or_default().facts = facts;
    }
    for (lead, recent) in store::recent(db, leads, model::spans(now, &settings), now).await? {
        let going = goings.entry(lead).or_default();
        (going.last, going.before) = (recent.last, recent.before);
        let leaving = recent.oldest.iter().zip(1..);
        let leaving = leaving.filter_map(|(at, spans)| Some(model::leaves_at((*at)?, spans, &settings)));
        going.next = leaving.min();
    }
    Ok(goings)
}
