//! Facts, model and moment → score.
//!
//! One pass over the model (`walk`) names every contribution. [`score`] adds them up without allocating,
//! [`explain`] writes them down: the two cannot disagree.
//!
//! Windows are exact: an event at t is in a window of d days while now < t + d × 86,400 s, one that lies in the future
//! included. Active days are UTC days: a window of d days holds the d days that end with today, so that a day leaves it
//! at the midnight that begins the d-th day after it.

use entity::{EngagementType, Grade, ScoreComponent, Temperature, Timestamp};
use serde::Serialize;

use super::{
    config::{PointClass, ScoreModel, TargetLocation},
    decay,
    facts::{Field, ScoreFacts, first_day_of},
};
use crate::insight::engagement::is_reply;

/// A lead's score at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Each component, 0–100, in the order of [`ScoreComponent`].
    pub components: [f64; 5],
    /// The weighted sum of the components, rounded half up, before decay.
    pub base: i32,
    /// From when decay counts.
    pub last_activity: Timestamp,
    /// What orders leads by current score.
    pub decay_key: f64,
    /// The first moment at which an event, an active day or the class of the last contact leaves its window. Until then
    /// the base stays as long as the facts do.
    pub valid_until: Option<Timestamp>,
    /// The score after decay, 0 to base.
    pub current: f64,
    /// By the current score.
    pub grade: Grade,
    /// By the current score.
    pub temperature: Temperature,
    /// When decay takes it to the next temperature, and to which.
    pub next_crossing: Option<(Timestamp, Temperature)>,
}

/// One contribution to a component.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Factor {
    /// To which component.
    pub component: ScoreComponent,
    /// What contributed: `field`, `engagement`, `active_days`, `base`, `target_location`, `customer_type`, `source`,
    /// `last_inbound`, `email_consent`, `sms_consent`, `stage`, `high_intent`, `recent_replies`; and with negative points
    /// what a limit took away: `active_days_limit`, `high_intent_limit`, `recent_replies_limit`.
    pub factor: &'static str,
    /// Points within the component.
    pub points: f64,
    /// How many; events in the whole life of the lead are weighed by human confidence and may be a fraction.
    pub count: f64,
    /// The engagements of which type.
    pub engagement_type: Option<EngagementType>,
    /// The field of the lead.
    pub field: Option<&'static str>,
    /// Engagements from when on; absent where the whole life of the lead counts.
    pub since: Option<Timestamp>,
}

/// Why a score is what it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// Every contribution other than 0, in the order of the components.
    pub factors: Vec<Factor>,
    /// The sum of its factors for each component.
    pub sums: [f64; 5],
    /// What the score it explains is.
    pub score: Score,
}

impl Explanation {
    /// Whether the component was cut off at 100.
    #[must_use]
    pub fn is_cut(&self, component: ScoreComponent) -> bool {
        self.sums[component.index()] > 100.0
    }
}

/// The score of a lead with these facts, by this model, at this moment. Does not allocate.
#[must_use]
pub fn score(facts: &ScoreFacts, model: &ScoreModel, now: Timestamp) -> Score {
    let mut sums = [0.0; 5];
    let valid_until = walk(facts, model, now, |factor| {
        sums[factor.component.index()] += factor.points
    });
    finish(facts, model, now, sums, valid_until)
}

/// The score with all that contributed to it.
#[must_use]
pub fn explain(facts: &ScoreFacts, model: &ScoreModel, now: Timestamp) -> Explanation {
    let mut sums = [0.0; 5];
    let mut factors = Vec::new();
    let valid_until = walk(facts, model, now, |factor| {
        sums[factor.component.index()] += factor.points;
        if factor.points != 0.0 {
            factors.push(factor);
        }
    });
    Explanation {
        factors,
        sums,
        score: finish(facts, model, now, sums, valid_until),
    }
}

fn finish(
    facts: &ScoreFacts,
    model: &ScoreModel,
    now: Timestamp,
    sums: [f64; 5],
    valid_until: Option<Timestamp>,
) -> Score {
    let components = sums.map(|sum| sum.clamp(0.0, 100.0));
    let weighted: f64 = components
        .iter()
        .zip(model.weights.as_array())
        .map(|(component, weight)| component * weight)
        .sum();
    // Weights such as 0.15 have no exact binary form: a billionth of a point makes a computed 62.4999… the 62.5 it is.
    #[expect(clippy::cast_possible_truncation, reason = "0 to 100")]
    let base = (weighted + 0.5 + 1e-9).floor() as i32;
    let rate = model.decay.points_per_day;
    let last_activity = facts.last_activity();
    let decay_key = decay::decay_key(base, last_activity, rate);
    Score {
        components,
        base,
        last_activity,
        decay_key,
        valid_until,
        current: decay::current(base, decay_key, rate, now),
        grade: decay::grade(decay_key, &model.grades, rate, now),
        temperature: decay::temperature(decay_key, &model.temperatures, rate, now),
        next_crossing: decay::next_crossing(decay_key, &model.temperatures, rate, now),
    }
}

/// The earliest of the moments at which something leaves its window.
struct Leaving(Timestamp);

impl Leaving {
    fn at(&mut self, moment: Timestamp) {
        self.0 = self.0.min(moment);
    }
}

/// Names every contribution, in a fixed order, and answers with the first moment at which one leaves its window.
fn walk(
    facts: &ScoreFacts,
    model: &ScoreModel,
    now: Timestamp,
    mut contribute: impl FnMut(Factor),
) -> Option<Timestamp> {
    let mut leaving = Leaving(Timestamp(i64::MAX));
    demographic(facts, model, &mut contribute);
    behavioral(facts, model, now, &mut contribute, &mut leaving);
    firmographic(facts, model, &mut contribute);
    engagement(facts, model, now, &mut contribute, &mut leaving);
    intent(facts, model, now, &mut contribute, &mut leaving);
    (leaving.0 != Timestamp(i64::MAX)).then_some(leaving.0)
}

const fn plain(component: ScoreComponent, factor: &'static str, points: f64) -> Factor {
    Factor {
        component,
        factor,
        points,
        count: 1.0,
        engagement_type: None,
        field: None,
        since: None,
    }
}

fn demographic(facts: &ScoreFacts, model: &ScoreModel, contribute: &mut impl FnMut(Factor)) {
    let points = &model.demographic;
    for (field, name, points) in [
        (Field::Email, "email", points.email),
        (Field::FirstName, "firstName", points.first_name),
        (Field::LastName, "lastName", points.last_name),
        (Field::Phone, "phone", points.phone),
        (Field::Location, "location", points.location),
        (Field::CustomerType, "customerType", points.customer_type),
        (Field::PrimaryInterest, "primaryInterest", points.primary_interest),
        (Field::Interests, "interests", points.interests),
    ] {
        if facts.fields.has(field) {
            let factor = plain(ScoreComponent::Demographic, "field", points);
            contribute(Factor {
                field: Some(name),
                ..factor
            });
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn behavioral(
    facts: &ScoreFacts,
    model: &ScoreModel,
    now: Timestamp,
    contribute: &mut impl FnMut(Factor),
    leaving: &mut Leaving,
) {
    let component = ScoreComponent::Behavioral;
    let rules = &model.behavioral;
    for ((kind, points), thousandths) in rules.per_event.iter().zip(facts.counts.as_array()) {
        if *thousandths != 0 && points != 0.0 {
            let count = *thousandths as f64 / 1000.0;
            let factor = plain(component, "engagement", points * count);
            contribute(Factor {
                count,
                engagement_type: Some(kind),
                ..factor
            });
        }
    }
    let first = first_day_of(rules.active_days_window, now);
    let (days, oldest) = facts.active_days.since(first);
    if let Some(oldest) = oldest {
        let points = f64::from(days) * rules.per_active_day;
        let since = Some(first.start());
        contribute(Factor {
            count: days.into(),
            since,
            ..plain(component, "active_days", points)
        });
        limit(
            component,
            "active_days_limit",
            points,
            rules.active_days_limit,
            contribute,
        );
        leaving.at(oldest.start().plus_days(rules.active_days_window.into()));
    }
}

/// Takes away what is above a limit.
fn limit(
    component: ScoreComponent,
    factor: &'static str,
    points: f64,
    most: f64,
    contribute: &mut impl FnMut(Factor),
) {
    if points > most {
        contribute(plain(component, factor, most - points));
    }
}

fn firmographic(facts: &ScoreFacts, model: &ScoreModel, contribute: &mut impl FnMut(Factor)) {
    let component = ScoreComponent::Firmographic;
    let rules = &model.firmographic;
    contribute(plain(component, "base", rules.base));
    if rules.target_locations.iter().any(|place| lies_in(facts, place)) {
        contribute(Factor {
            field: Some("location"),
            ..plain(component, "target_location", rules.target_location)
        });
    }
    if let Some(points) = class_of(facts.customer_type.as_deref(), &rules.customer_types) {
        contribute(Factor {
            field: Some("customerType"),
            ..plain(component, "customer_type", points)
        });
    }
    if let Some(points) = class_of(facts.source.as_deref(), &rules.sources) {
        contribute(Factor {
            field: Some("source"),
            ..plain(component, "source", points)
        });
    }
}

fn lies_in(facts: &ScoreFacts, place: &TargetLocation) -> bool {
    let TargetLocation {
        country,
        region,
        city,
    } = place;
    let fits = |wanted: &Option<String>, given: &Option<Box<str>>| match (wanted, given) {
        (None, _) => true,
        (Some(wanted), Some(given)) => same_word(wanted, given),
        (Some(_), None) => false,
    };
    // A place without any part is no place, not every place.
    (country.is_some() || region.is_some() || city.is_some())
        && fits(country, &facts.country)
        && fits(region, &facts.region)
        && fits(city, &facts.city)
}

fn class_of(word: Option<&str>, classes: &[PointClass]) -> Option<f64> {
    let word = word?;
    classes
        .iter()
        .find(|class| class.values.iter().any(|value| same_word(value, word)))
        .map(|class| class.points)
}

/// The letters by which words are compared: lower case, with an underscore for space and hyphen.
pub(super) fn folded(word: &str) -> impl Iterator<Item = char> {
    word.trim()
        .chars()
        .flat_map(char::to_lowercase)
        .map(|letter| match letter {
            ' ' | '-' => '_',
            other => other,
        })
}

fn same_word(a: &str, b: &str) -> bool {
    folded(a).eq(folded(b))
}

fn engagement(
    facts: &ScoreFacts,
    model: &ScoreModel,
    now: Timestamp,
    contribute: &mut impl FnMut(Factor),
    leaving: &mut Leaving,
) {
    let component = ScoreComponent::Engagement;
    let rules = &model.engagement;
    if let Some(last) = facts.last_inbound_at {
        let class = rules
            .recency
            .iter()
            .find(|class| now < last.plus_days(class.days.into()));
        if let Some(class) = class {
            leaving.at(last.plus_days(class.days.into()));
        }
        let points = class.map_or(rules.older, |class| class.points);
        contribute(Factor {
            since: Some(last),
            ..plain(component, "last_inbound", points)
        });
    }
    if facts.email_consent {
        contribute(plain(component, "email_consent", rules.email_consent));
    }
    if facts.sms_consent {
        contribute(plain(component, "sms_consent", rules.sms_consent));
    }
    let points = rules.stages.get(facts.stage) * rules.stage_share;
    contribute(Factor {
        field: Some("stage"),
        ..plain(component, "stage", points)
    });
}

fn intent(
    facts: &ScoreFacts,
    model: &ScoreModel,
    now: Timestamp,
    contribute: &mut impl FnMut(Factor),
    leaving: &mut Leaving,
) {
    let component = ScoreComponent::Intent;
    let rules = &model.intent;
    let mut events = [0_u32; 27];
    let mut replies = 0_u32;
    for (kind, at) in facts.recent() {
        let leaves = at.plus_days(rules.high_intent_window.into());
        if rules.high_intent.get(*kind) != 0.0 && now < leaves {
            events[kind.index()] += 1;
            leaving.at(leaves);
        }
        let leaves = at.plus_days(rules.replies_window.into());
        if is_reply(*kind) && now < leaves {
            replies += 1;
            leaving.at(leaves);
        }
    }
    let window_start = |days: u32| Some(now.plus_days(-i64::from(days)));
    let mut sum = 0.0;
    for (kind, count) in EngagementType::ALL.iter().zip(events) {
        if count > 0 {
            let points = f64::from(count) * rules.high_intent.get(*kind);
            sum += points;
            contribute(Factor {
                count: count.into(),
                engagement_type: Some(*kind),
                since: window_start(rules.high_intent_window),
                ..plain(component, "high_intent", points)
            });
        }
    }
    limit(
        component,
        "high_intent_limit",
        sum,
        rules.high_intent_limit,
        contribute,
    );
    let points = rules.stages.get(facts.stage);
    contribute(Factor {
        field: Some("stage"),
        ..plain(component, "stage", points)
    });
    if replies > 0 {
        let points = f64::from(replies) * rules.per_reply;
        contribute(Factor {
            count: replies.into(),
            since: window_start(rules.replies_window),
            ..plain(component, "recent_replies", points)
        });
        limit(
            component,
            "recent_replies_limit",
            points,
            rules.replies_limit,
            contribute,
        );
    }
}
