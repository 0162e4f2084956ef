//! What holds for any facts and models.

use entity::{EngagementType as T, ScoreComponent, Stage, Temperature, Timestamp, time::DAY_MICROS};
use proptest::prelude::*;

use super::{config::Recency, facts::is_intent_candidate, *};
use crate::insight::engagement::is_inbound;

const NOW: Timestamp = Timestamp(1_772_366_400_000_000); // 2026-03-01T12:00:00Z

fn days_ago(days: i64) -> Timestamp {
    NOW.plus_days(-days)
}

type Event = (T, Timestamp, i32);

fn any_event() -> impl Strategy<Value = Event> {
    // Fine and coarse moments, so that ties and window edges occur.
    let ago = prop_oneof![
        0..100 * DAY_MICROS,
        (0_i64..100).prop_map(|days| days * DAY_MICROS)
    ];
    (
        prop::sample::select(T::ALL),
        ago,
        prop::sample::select(vec![100, 1000]),
    )
        .prop_map(|(kind, ago, confidence)| (kind, Timestamp(NOW.micros() - ago), confidence))
}

fn any_lead() -> impl Strategy<Value = ScoreFacts> {
    let word = |words: Vec<&'static str>| {
        prop::option::of(prop::sample::select(words)).prop_map(|word| word.map(Box::<str>::from))
    };
    (
        prop::collection::vec(any::<bool>(), 8),
        word(vec!["DE", "AT"]),
        word(vec!["coach", "athlete", "other"]),
        word(vec!["referral", "ads", "x"]),
        prop::sample::select(Stage::ALL),
        any::<(bool, bool)>(),
        0..400_i64,
    )
        .prop_map(|(fields, country, customer_type, source, stage, consents, age)| {
            let mut facts = ScoreFacts::new(days_ago(age));
            let all = [
                Field::Email,
                Field::FirstName,
                Field::LastName,
                Field::Phone,
                Field::Location,
                Field::CustomerType,
                Field::PrimaryInterest,
                Field::Interests,
            ];
            for (field, present) in all.into_iter().zip(fields) {
                facts.fields.set(field, present);
            }
            (facts.country, facts.customer_type, facts.source) = (country, customer_type, source);
            (facts.stage, facts.email_consent, facts.sms_consent) = (stage, consents.0, consents.1);
            facts
        })
}

fn any_facts() -> impl Strategy<Value = ScoreFacts> {
    (any_lead(), prop::collection::vec(any_event(), 0..25)).prop_map(|(mut facts, events)| {
        for (kind, at, confidence) in events {
            facts.observe(kind, at, confidence);
        }
        facts
    })
}

/// Thousandths, as a person would type them: they survive JSON to the last bit.
fn points() -> impl Strategy<Value = f64> {
    (0_u32..=100_000).prop_map(|thousandths| f64::from(thousandths) / 1000.0)
}

prop_compose! {
    fn any_model()(
        parts in prop::collection::vec(1_u32..100, 5),
        kinds in prop::collection::vec(points(), 27),
        windows in prop::collection::vec(1_u32..=30, 3),
        limits in prop::collection::vec(points(), 3),
        each in prop::collection::vec(points(), 6),
        rate in prop_oneof![Just(0.0), (1_u32..5_000).prop_map(|rate| f64::from(rate) / 1000.0)],
        hot in 40_u32..100,
        warm in 1_u32..40,
        recency in prop::collection::vec(1_u32..40, 0..4),
    ) -> ScoreModel {
        let mut model = ScoreModel::default();
        let sum: u32 = parts.iter().sum();
        let share = |part: usize| f64::from(parts[part]) / f64::from(sum);
        (model.weights.demographic, model.weights.behavioral) = (share(0), share(1));
        (model.weights.firmographic, model.weights.engagement) = (share(2), share(3));
        model.weights.intent = share(4);
        for (kind, points) in T::ALL.iter().zip(kinds) {
            model.behavioral.per_event.set(*kind, if is_inbound(*kind) { (points * 100.0).round() / 1000.0 } else { 0.0 });
            let intent = if is_intent_candidate(*kind) { points } else { 0.0 };
            model.intent.high_intent.set(*kind, intent);
        }
        model.behavioral.active_days_window = windows[0];
        (model.intent.high_intent_window, model.intent.replies_window) = (windows[1], windows[2]);
        model.behavioral.active_days_limit = limits[0];
        (model.intent.high_intent_limit, model.intent.replies_limit) = (limits[1], limits[2]);
        (model.behavioral.per_active_day, model.intent.per_reply) = ((each[0] * 50.0).round() / 1000.0, each[1]);
        (model.engagement.email_consent, model.engagement.older) = (each[2], each[3]);
        let mut days = 0;
        model.engagement.recency = recency.iter().zip(&each).map(|(step, points)| {
            days += step;
            Recency { days, points: *points }
        }).collect();
        model.decay.points_per_day = rate;
        (model.temperatures.hot, model.temperatures.warm) = (hot.into(), warm.into());
        model
    }
}

proptest! {
    #[test]
    fn the_order_of_arrival_leaves_no_trace(
        lead in any_lead(),
        (events, shuffled) in prop::collection::vec(any_event(), 0..30)
            .prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle())),
    ) {
        let taken_in = |events: Vec<Event>| {
            let mut facts = lead.clone();
            for (kind, at, confidence) in events {
                facts.observe(kind, at, confidence);
            }
            facts
        };
        let (one, other) = (taken_in(events), taken_in(shuffled));
        prop_assert_eq!(one.to_json(), other.to_json());
        prop_assert_eq!(one, other);
    }

    #[test]
    fn a_corrected_confidence_is_as_if_it_had_always_been_so(facts in any_facts(), event in any_event()) {
        let (kind, at, _) = event;
        let (mut corrected, mut straight) = (facts.clone(), facts);
        corrected.observe(kind, at, 1000);
        corrected.reweigh(kind, 1000, 100);
        straight.observe(kind, at, 100);
        prop_assert_eq!(corrected, straight);
    }

    #[test]
    fn facts_survive_storage_and_trimming(facts in any_facts(), model in any_model()) {
        let stored = ScoreFacts::from_json(&facts.to_json()).expect("its own form");
        prop_assert_eq!(score(&stored, &model, NOW), score(&facts, &model, NOW));
        prop_assert_eq!(&stored, &facts);
        let mut trimmed = facts.clone();
        trimmed.trim(NOW);
        prop_assert_eq!(explain(&trimmed, &model, NOW), explain(&facts, &model, NOW));
    }

    #[test]
    fn models_are_valid_and_survive_json_within_a_rounding(model in any_model(), facts in any_facts()) {
        prop_assert_eq!(model.validate(), []);
        let text = serde_json::to_string(&model).expect("plain data");
        let again: ScoreModel = serde_json::from_str(&text).expect("its own form");
        prop_assert_eq!(score(&facts, &again, NOW).base, score(&facts, &model, NOW).base);
        prop_assert_eq!(again.behavioral, model.behavioral);
        prop_assert_eq!(again.intent, model.intent);
    }

    #[test]
    fn the_base_stays_until_it_is_said_to_change(
        facts in any_facts(), model in any_model(), part in 0.0..1.0_f64,
    ) {
        let now = score(&facts, &model, NOW);
        let (last, first_after) = match now.valid_until {
            Some(until) => {
                prop_assert!(until > NOW);
                (Timestamp(until.micros() - 1), Some(until))
            }
            None => (NOW.plus_days(4_000), None),
        };
        let between = Timestamp(NOW.micros() + ((last.micros() - NOW.micros()) as f64 * part) as i64);
        for moment in [between.min(last), last] {
            let later = score(&facts, &model, moment);
            prop_assert_eq!(later.base, now.base);
            prop_assert_eq!(later.components, now.components);
            prop_assert_eq!(later.valid_until, now.valid_until);
            prop_assert_eq!(later.decay_key, now.decay_key);
        }
        if let Some(until) = first_after {
            prop_assert!(score(&facts, &model, until).valid_until != now.valid_until);
        }
    }

    #[test]
    fn the_current_score_never_rises_by_itself_and_stays_within_the_base(
        facts in any_facts(), model in any_model(), a in 0..900 * DAY_MICROS, b in 0..900 * DAY_MICROS,
    ) {
        let Score { base, decay_key, last_activity, .. } = score(&facts, &model, NOW);
        let rate = model.decay.points_per_day;
        let at = |ahead: i64| current(base, decay_key, rate, Timestamp(NOW.micros() + ahead));
        prop_assert!(at(a.min(b)) >= at(a.max(b)));
        prop_assert!((0.0..=f64::from(base)).contains(&at(a)));
        let idle = (NOW.micros() + a - last_activity.micros()) as f64 / DAY_MICROS as f64;
        prop_assert!((at(a) - (f64::from(base) - rate * idle).max(0.0)).abs() < 1e-5);
    }

    #[test]
    fn a_crossing_is_exact(facts in any_facts(), model in any_model()) {
        let score = score(&facts, &model, NOW);
        let rate = model.decay.points_per_day;
        let at = |moment| temperature(score.decay_key, &model.temperatures, rate, moment);
        match score.next_crossing {
            Some((moment, to)) => {
                prop_assert!(moment > NOW);
                prop_assert_eq!(at(Timestamp(moment.micros() - 1)), score.temperature);
                prop_assert_eq!(at(moment), to);
                prop_assert!(to.index() > score.temperature.index());
            }
            None => prop_assert!(rate == 0.0 || score.temperature == Temperature::Cold),
        }
    }

    #[test]
    fn grade_temperature_and_threshold_agree_with_the_current_score(
        facts in any_facts(), model in any_model(), wanted in 1_u32..100,
    ) {
        let score = score(&facts, &model, NOW);
        let rate = model.decay.points_per_day;
        let reached = score.decay_key >= decay_threshold(wanted.into(), rate, NOW);
        // The threshold itself apart, where a millionth decides what is shown.
        prop_assume!((score.current - f64::from(wanted)).abs() > 1e-5);
        prop_assert_eq!(reached, score.current > f64::from(wanted));
    }

    #[test]
    fn an_explanation_sums_to_its_score(facts in any_facts(), model in any_model()) {
        let explanation = explain(&facts, &model, NOW);
        let mut sums = [0.0; 5];
        for factor in &explanation.factors {
            sums[factor.component.index()] += factor.points;
        }
        prop_assert_eq!(sums, explanation.sums);
        let score = score(&facts, &model, NOW);
        prop_assert_eq!(sums.map(|sum: f64| sum.clamp(0.0, 100.0)), score.components);
        prop_assert_eq!(explanation.score, score);
        for component in ScoreComponent::ALL {
            prop_assert_eq!(explanation.is_cut(*component), sums[component.index()] > 100.0);
        }
        let weighted: f64 = score.components.iter().zip(model.weights.as_array()).map(|(a, b)| a * b).sum();
        prop_assert!((f64::from(score.base) - weighted).abs() <= 0.5 + 1e-6);
    }

    #[test]
    fn batches_of_moves_merge_in_any_way(
        leads in prop::collection::vec(any_facts(), 0..6),
        before in any_model(), after in any_model(), cut in 0_usize..6,
    ) {
        let count = |leads: &[ScoreFacts]| {
            let mut moves = Moves::default();
            for facts in leads {
                moves.add(&compare(&before, &after, facts, NOW));
            }
            moves
        };
        let (first, second) = leads.split_at(cut.min(leads.len()));
        let mut merged = count(second);
        merged.merge(&count(first));
        prop_assert_eq!(merged, count(&leads));
    }
}
