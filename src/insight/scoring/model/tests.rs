//! Worked examples by hand from the default model.

use entity::{EngagementType as T, Grade, ScoreComponent, Stage, Temperature, Timestamp, time::DAY_MICROS};

use super::{
    config::{PointsByType, Recency, TargetLocation},
    facts::RECENT_PER_TYPE,
    *,
};

const NOW: Timestamp = Timestamp(1_772_366_400_000_000); // 2026-03-01T12:00:00Z

fn days_ago(days: i64) -> Timestamp {
    NOW.plus_days(-days)
}

/// A coach by referral, engaged, with consent to e-mail; last seen two days ago.
fn coach() -> ScoreFacts {
    let mut facts = ScoreFacts::new(days_ago(100));
    facts.fields = Fields::of(&[
        Field::Email,
        Field::FirstName,
        Field::LastName,
        Field::Phone,
        Field::Location,
        Field::CustomerType,
    ]);
    facts.country = Some("DE".into());
    facts.city = Some("Köln".into());
    facts.customer_type = Some("Coach".into());
    facts.source = Some("REFERRAL".into());
    facts.stage = Stage::Engaged;
    facts.email_consent = true;
    for (kind, at, confidence) in [
        (T::EmailSent, days_ago(1), 1000),
        (T::EmailOpened, days_ago(50), 1000),
        (T::EmailOpened, days_ago(40), 100),
        (T::EmailOpened, days_ago(5), 1000),
        (T::EmailOpened, days_ago(5), 1000),
        (T::EmailClicked, days_ago(5), 1000),
        (T::FormSubmitted, days_ago(5), 1000),
        (T::EmailReplied, days_ago(2), 1000),
    ] {
        facts.observe(kind, at, confidence);
    }
    facts
}

#[test]
fn the_coach_by_hand() {
    let score = score(&coach(), &ScoreModel::default(), NOW);
    // demographic  15 + 10 + 10 + 15 + 10 + 20 = 80
    // behavioral   3.1 opens × 2 + click 5 + form 15 + reply 10 + 2 active days = 38.2
    // firmographic 50 + coach 15 + referral 15 = 80
    // engagement   under 7 days 40 + e-mail consent 30 + ENGAGED 60 × 0.15 = 79
    // intent       form 15 + reply 15 + ENGAGED 30 + one reply 10 = 70
    for (component, expected) in score.components.into_iter().zip([80.0, 38.2, 80.0, 79.0, 70.0]) {
        assert!(
            (component - expected).abs() < 1e-9,
            "{component} is not {expected}"
        );
    }
    // 16 + 9.55 + 12 + 19.75 + 10.5 = 67.8; less two days of 0.1
    assert_eq!(score.base, 68);
    assert!((score.current - 67.8).abs() < 1e-9);
    assert_eq!((score.grade, score.temperature), (Grade::B, Temperature::Warm));
    assert_eq!(score.last_activity, days_ago(2));
    // The last contact leaves the class "under 7 days" first.
    assert_eq!(score.valid_until, Some(days_ago(2).plus_days(7)));
    // 68 falls below 50 after 180 days.
    let (moment, to) = score.next_crossing.expect("decays");
    assert_eq!(to, Temperature::Cold);
    assert!(moment.micros().abs_diff(days_ago(2).plus_days(180).micros()) < 20);
}

#[test]
fn a_lead_of_which_nothing_is_known_has_the_firmographic_base() {
    let score = score(&ScoreFacts::new(NOW), &ScoreModel::default(), NOW);
    assert_eq!(score.components, [0.0, 0.0, 50.0, 0.0, 0.0]);
    // 7.5 is rounded half up.
    assert_eq!(
        (score.base, score.grade, score.temperature),
        (8, Grade::D, Temperature::Cold)
    );
    assert_eq!((score.valid_until, score.next_crossing), (None, None));
}

#[test]
fn everything_at_once_is_100_and_decays_to_0() {
    let mut facts = ScoreFacts::new(days_ago(400));
    facts.fields = Fields::of(&[
        Field::Email,
        Field::FirstName,
        Field::LastName,
        Field::Phone,
        Field::Location,
        Field::CustomerType,
        Field::PrimaryInterest,
        Field::Interests,
    ]);
    facts.country = Some("de".into());
    facts.customer_type = Some("team".into());
    facts.source = Some("partner".into());
    facts.stage = Stage::Customer;
    (facts.email_consent, facts.sms_consent) = (true, true);
    for _ in 0..4 {
        facts.observe(T::PurchaseMade, NOW, 1000);
        facts.observe(T::SmsReplied, NOW, 1000);
    }
    let mut model = ScoreModel::default();
    model.firmographic.target_locations = vec![TargetLocation {
        country: Some("DE".into()),
        ..Default::default()
    }];
    let explanation = explain(&facts, &model, NOW);
    // engagement 40 + 30 + 15 + 15; intent limit 50 + stage CUSTOMER 0 + replies limit 30
    assert_eq!(explanation.sums, [100.0, 241.0, 100.0, 100.0, 80.0]);
    assert!(explanation.is_cut(ScoreComponent::Behavioral));
    assert!(!explanation.is_cut(ScoreComponent::Demographic));
    let score = explanation.score;
    assert_eq!(
        (score.base, score.grade, score.temperature),
        (97, Grade::APlus, Temperature::Hot)
    );
    let gone = super::score(&facts, &model, NOW.plus_days(1_000));
    assert_eq!(
        (gone.current, gone.grade, gone.temperature),
        (0.0, Grade::D, Temperature::Cold)
    );
    assert_eq!(gone.valid_until, None);
}

#[test]
fn the_last_contact_ages_by_exact_moments() {
    let mut facts = ScoreFacts::new(days_ago(1_000));
    facts.observe(T::PageViewed, NOW, 1000);
    let at = |micros| {
        let score = score(&facts, &ScoreModel::default(), Timestamp(NOW.micros() + micros));
        score.components[ScoreComponent::Engagement.index()]
    };
    for (days, before, from) in [(7, 40.0, 30.0), (30, 30.0, 20.0), (90, 20.0, 10.0)] {
        assert_eq!((at(days * DAY_MICROS - 1), at(days * DAY_MICROS)), (before, from));
    }
}

#[test]
fn an_active_day_leaves_at_a_midnight() {
    let mut facts = ScoreFacts::new(days_ago(1_000));
    facts.observe(T::AdClicked, NOW, 1000);
    facts.observe(T::AdClicked, NOW.plus_seconds(60), 1000);
    let leaves = NOW.day().start().plus_days(30);
    let at = |moment| score(&facts, &ScoreModel::default(), moment).components[1];
    assert_eq!((at(Timestamp(leaves.micros() - 1)), at(leaves)), (1.0, 0.0));
}

#[test]
fn a_crossing_is_the_first_microsecond_below_and_the_very_threshold_still_counts() {
    let (rate, thresholds) = (0.1, ScoreModel::default().temperatures);
    for base in [75, 76, 80, 97] {
        let key = decay_key(base, NOW, rate);
        assert_eq!(temperature(key, &thresholds, rate, NOW), Temperature::Hot);
        let (moment, to) = next_crossing(key, &thresholds, rate, NOW).expect("decays");
        assert_eq!(to, Temperature::Warm);
        assert_eq!(temperature(key, &thresholds, rate, moment), Temperature::Warm);
        let before = Timestamp(moment.micros() - 1);
        assert_eq!(temperature(key, &thresholds, rate, before), Temperature::Hot);
        let expected = NOW.plus_days(i64::from(base - 75) * 10);
        assert!(
            moment.micros().abs_diff(expected.micros()) < 20,
            "{moment} is not {expected}"
        );
    }
    let key = decay_key(74, NOW, rate);
    assert_eq!(temperature(key, &thresholds, rate, NOW), Temperature::Warm);
    assert_eq!(
        next_crossing(decay_key(80, NOW, 0.0), &thresholds, 0.0, NOW),
        None
    );
    assert_eq!(
        next_crossing(decay_key(49, NOW, rate), &thresholds, rate, NOW),
        None
    );
}

#[test]
fn an_explanation_names_fields_events_and_limits() {
    let mut facts = coach();
    for _ in 0..3 {
        facts.observe(T::EmailReplied, days_ago(3), 1000);
    }
    let explanation = explain(&facts, &ScoreModel::default(), NOW);
    let line = |component: ScoreComponent| {
        explanation
            .factors
            .iter()
            .filter(|factor| factor.component == component)
            .map(|factor| {
                let what = factor
                    .engagement_type
                    .map(T::as_str)
                    .or(factor.field)
                    .unwrap_or("");
                format!("{} {what} {} × {}", factor.points, factor.factor, factor.count)
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(
        line(ScoreComponent::Intent),
        [
            "60 EMAIL_REPLIED high_intent × 4",
            "15 FORM_SUBMITTED high_intent × 1",
            "-25  high_intent_limit × 1",
            "30 stage stage × 1",
            "40  recent_replies × 4",
            "-10  recent_replies_limit × 1",
        ]
    );
    assert_eq!(
        line(ScoreComponent::Behavioral),
        [
            "6.2 EMAIL_OPENED engagement × 3.1",
            "5 EMAIL_CLICKED engagement × 1",
            "40 EMAIL_REPLIED engagement × 4",
            "15 FORM_SUBMITTED engagement × 1",
            "3  active_days × 3",
        ]
    );
    assert_eq!(
        line(ScoreComponent::Firmographic),
        [
            "50  base × 1",
            "15 customerType customer_type × 1",
            "15 source source × 1"
        ]
    );
}

#[test]
fn words_are_compared_without_case_hyphen_or_space() {
    let mut facts = ScoreFacts::new(NOW);
    let points = |facts: &ScoreFacts| score(facts, &ScoreModel::default(), NOW).components[2];
    for (word, expected) in [
        ("Bike-Fitter", 60.0),
        (" BIKE FITTER ", 60.0),
        ("bikefitter", 50.0),
    ] {
        facts.customer_type = Some(word.into());
        assert_eq!(points(&facts), expected, "{word}");
    }
    let mut model = ScoreModel::default();
    model.firmographic.target_locations = vec![
        TargetLocation::default(),
        TargetLocation {
            country: Some("DE".into()),
            city: Some("KÖLN".into()),
            ..Default::default()
        },
    ];
    facts = ScoreFacts::new(NOW);
    facts.city = Some("Köln".into());
    assert_eq!(score(&facts, &model, NOW).components[2], 50.0, "another country");
    facts.country = Some("DE".into());
    assert_eq!(score(&facts, &model, NOW).components[2], 70.0);
}

#[test]
fn the_default_model_is_valid_and_mistakes_are_named() {
    let model = ScoreModel::default();
    assert_eq!(model.validate(), []);
    let mut wrong = model.clone();
    wrong.weights.intent = 0.2;
    wrong.demographic.email = -1.0;
    wrong.demographic.primary_interest_field = " ".into();
    wrong.behavioral.per_event.set(T::EmailSent, 1.0);
    wrong.behavioral.per_event.set(T::PageViewed, f64::NAN);
    wrong.behavioral.active_days_window = 31;
    wrong.firmographic.target_locations = vec![TargetLocation::default()];
    wrong.firmographic.sources[1].values.push("Referral".into());
    wrong.engagement.recency.push(Recency {
        days: 60,
        points: 5.0,
    });
    wrong.intent.high_intent.set(T::EmailClicked, 1.0);
    wrong.grades.b = 70.0;
    wrong.temperatures.warm = 0.0;
    wrong.decay.points_per_day = 1e-6;
    let shown: Vec<_> = wrong.validate().iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "weights: sum to 1.05; they must sum to 1",
            "demographic.email: -1 is out of range: 0 to 100",
            "demographic.primaryInterestField: must have 1 to 100 characters",
            "behavioral.perEvent.EMAIL_SENT: has no points here: only inbound types do",
            "behavioral.perEvent.PAGE_VIEWED: NaN is out of range: 0 to 100",
            "behavioral.activeDaysWindow: 31 is out of range: 1 to 30 days",
            "firmographic.targetLocations[0]: names no place: give a country, region or city",
            "firmographic.sources[1].values[3]: `Referral` is listed twice; the first place counts",
            "engagement.recency[3].days: 60 is out of range: 91 to 3650, rising",
            "intent.highIntent.EMAIL_CLICKED: has no points here: only inbound types other than opens, clicks and page views do",
            "grades.b: 70 must lie below the threshold before it, 70",
            "temperatures.warm: 0 is out of range: above 0, up to 100",
            "decay.pointsPerDay: 0.000001 is out of range: 0, or 0.001 to 100",
        ]
    );
    assert!(!model.gathers_like(&wrong));
}

#[test]
fn a_model_is_json_by_name_and_an_unknown_name_is_a_mistake() {
    let json = serde_json::to_value(ScoreModel::default()).expect("plain data");
    assert_eq!(json["behavioral"]["perEvent"]["EMAIL_OPENED"], 2.0);
    assert_eq!(json["weights"]["behavioral"], 0.25);
    assert_eq!(
        serde_json::from_value::<ScoreModel>(json).expect("its own form"),
        ScoreModel::default()
    );
    let partly: ScoreModel =
        serde_json::from_str(r#"{"intent": {"highIntent": {"CHAT_MESSAGE": 5}}}"#).expect("valid");
    assert_eq!(
        partly.intent.high_intent,
        PointsByType::of(&[(T::ChatMessage, 5.0)])
    );
    assert_eq!(partly.weights, ScoreModel::default().weights);
    let error = serde_json::from_str::<ScoreModel>(r#"{"weight": {}}"#)
        .expect_err("unknown")
        .to_string();
    assert!(
        error.contains("unknown field `weight`, expected one of `weights`"),
        "{error}"
    );
}

/// Stored facts name types and stages by number: a change of order would silently rewrite the past.
#[test]
fn the_stored_form_of_facts_does_not_change() {
    let text = coach().to_json();
    assert_eq!(
        text,
        concat!(
            r#"{"f":63,"lc":"DE","lt":"Köln","ct":"Coach","so":"REFERRAL","st":3,"ce":true,"at":1763726400000000,"#,
            r#""in":1772193600000000,"n":[2,3100,3,1000,4,1000,15,1000],"d":[20511,281749854617609],"#,
            r#""r":[4,1772193600000000,15,1771934400000000]}"#
        )
    );
    assert_eq!(ScoreFacts::from_json(&text).expect("its own form"), coach());
    let error = ScoreFacts::from_json(r#"{"st":0,"at":0,"n":[99,1]}"#).expect_err("no such type");
    assert!(
        error.to_string().contains("no engagement type has the number 99"),
        "{error}"
    );
    let types: Vec<_> = T::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(
        types.join(" "),
        "EMAIL_SENT EMAIL_DELIVERED EMAIL_OPENED EMAIL_CLICKED EMAIL_REPLIED EMAIL_BOUNCED EMAIL_COMPLAINED \
         EMAIL_UNSUBSCRIBED SMS_SENT SMS_DELIVERED SMS_REPLIED WHATSAPP_SENT WHATSAPP_REPLIED CALL_MADE \
         CALL_ANSWERED FORM_SUBMITTED PAGE_VIEWED LINK_CLICKED CONTENT_DOWNLOADED MEETING_SCHEDULED \
         CHECKOUT_STARTED PURCHASE_MADE AD_VIEWED AD_CLICKED SOCIAL_INTERACTION CHAT_MESSAGE CUSTOM"
    );
    let stages: Vec<_> = Stage::ALL.iter().map(|stage| stage.as_str()).collect();
    assert_eq!(
        stages.join(" "),
        "NEW CONTACTED QUALIFIED ENGAGED OPPORTUNITY CUSTOMER CHURNED LOST"
    );
}

#[test]
fn only_the_newest_events_of_a_type_are_kept() {
    let mut facts = ScoreFacts::new(NOW);
    facts.observe(T::FormSubmitted, days_ago(29), 1000);
    for second in 0..150 {
        facts.observe(T::ChatMessage, NOW.plus_seconds(second), 1000);
    }
    assert_eq!(facts.recent().len(), RECENT_PER_TYPE + 1);
    let oldest = facts
        .recent()
        .iter()
        .rfind(|(kind, _)| *kind == T::ChatMessage)
        .expect("kept")
        .1;
    assert_eq!(oldest, NOW.plus_seconds(50));
    facts.trim(NOW.plus_days(1));
    assert_eq!(facts.recent().len(), RECENT_PER_TYPE);
    assert_eq!(
        facts.counts.get(T::FormSubmitted),
        1000,
        "the whole life still counts"
    );
}

#[test]
fn moves_count_leads_by_grade_and_temperature() {
    let model = ScoreModel::default();
    let mut lenient = model.clone();
    lenient.temperatures.hot = 60.0;
    let mut moves = Moves::default();
    moves.add(&compare(&model, &lenient, &coach(), NOW));
    moves.add(&compare(&model, &lenient, &ScoreFacts::new(NOW), NOW));
    assert_eq!((moves.leads, moves.moved), (2, 1));
    assert_eq!((moves.grade_changes(), moves.temperature_changes()), (0, 1));
    assert_eq!(
        moves.temperatures[Temperature::Warm.index()][Temperature::Hot.index()],
        1
    );
    assert_eq!(
        moves.temperatures[Temperature::Cold.index()][Temperature::Cold.index()],
        1
    );
    assert_eq!((moves.base_before, moves.base_after), (76, 76));
    let mut twice = moves.clone();
    twice.merge(&moves);
    assert_eq!(
        (twice.leads, twice.grades[Grade::B.index()][Grade::B.index()]),
        (4, 2)
    );
}
