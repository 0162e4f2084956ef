//! How fast the pure rules are: `cargo bench --bench rules`.
//!
//! Rescoring in bulk reads one row of facts for each lead, so decoding and scoring together bound it.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use entity::{Channel, EngagementType as T, Stage, Timestamp};
use leadline::insight::{
    journeys::model::{Contribution, JourneyFacts},
    scoring::model::{Field, Fields, ScoreFacts, ScoreModel, compare, explain, score},
};

const NOW: Timestamp = Timestamp(1_772_366_400_000_000);

/// A lead with 40 engagements over 60 days.
fn busy_lead() -> ScoreFacts {
    let mut facts = ScoreFacts::new(NOW.plus_days(-90));
    facts.fields = Fields::of(&[Field::Email, Field::FirstName, Field::LastName, Field::Location]);
    (facts.country, facts.city) = (Some("DE".into()), Some("Berlin".into()));
    (facts.customer_type, facts.source) = (Some("athlete".into()), Some("paid_search".into()));
    (facts.stage, facts.email_consent) = (Stage::Engaged, true);
    let kinds = [
        T::EmailOpened,
        T::PageViewed,
        T::EmailClicked,
        T::FormSubmitted,
        T::EmailReplied,
    ];
    for number in 0..40_i64 {
        let kind = kinds[usize::try_from(number).expect("positive") % kinds.len()];
        facts.observe(kind, NOW.plus_seconds(-number * 129_600), 1000);
    }
    facts.trim(NOW);
    facts
}

fn rules(criterion: &mut Criterion) {
    let model = ScoreModel::default();
    let facts = busy_lead();
    let text = facts.to_json();
    criterion.bench_function("score", |bencher| {
        bencher.iter(|| score(black_box(&facts), black_box(&model), NOW));
    });
    criterion.bench_function("decode facts", |bencher| {
        bencher.iter(|| ScoreFacts::from_json(black_box(&text)).expect("its own form"));
    });
    criterion.bench_function("encode facts", |bencher| {
        bencher.iter(|| black_box(&facts).to_json())
    });
    criterion.bench_function("decode facts and score", |bencher| {
        bencher.iter(|| {
            let facts = ScoreFacts::from_json(black_box(&text)).expect("its own form");
            score(&facts, black_box(&model), NOW)
        });
    });
    criterion.bench_function("compare two models", |bencher| {
        bencher.iter(|| compare(&model, &model, black_box(&facts), NOW));
    });
    criterion.bench_function("explain", |bencher| {
        bencher.iter(|| explain(black_box(&facts), black_box(&model), NOW));
    });
    let engagement = Contribution {
        kind: T::PageViewed,
        channel: Channel::Web,
        occurred_at: NOW,
        confidence: 1000,
        revenue: Some(("EUR", 100)),
    };
    let mut journey = JourneyFacts::default();
    journey.fold(&engagement, true);
    let text = journey.to_json();
    criterion.bench_function("decode a journey, fold, encode", |bencher| {
        bencher.iter(|| {
            let mut journey = JourneyFacts::from_json(black_box(&text)).expect("its own form");
            journey.fold(black_box(&engagement), false);
            journey.to_json()
        });
    });
}

criterion_group!(benches, rules);
criterion_main!(benches);
