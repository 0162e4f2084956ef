//! Scores through the API. The figures are worked out by hand from the product's own model.

use entity::id::LeadId;
use entity::{ConsentChannel, EngagementType as T};
use leadline::leads::lead::{LeadChange, Patch};
use serde_json::{Value, json};

use crate::house::{House, NOW, days, hours, until};
use crate::support::{Database, unknown_field};

const SCORES: &str = "subscription { scoreChanged { event from to current grade temperature \
                      fromTemperature cause leadId } }";
const SCORE: &str = "query($id: ID!) { lead(id: $id) { score { current base grade temperature modelVersion \
                     lastActivityAt validUntil components { demographic behavioral firmographic engagement intent } \
                     decay { pointsPerDay idleDays lost crossesAt crossesTo } } } }";
const HISTORY: &str = "query($id: ID!) { lead(id: $id) { scoreHistory { nodes { at base cause modelVersion \
                       components { behavioral engagement } } } } }";

/// A coach from Berlin, by referral, ten days old: demographic 65, firmographic 80.
fn coach() -> LeadChange {
    LeadChange {
        first_name: Patch::Set("Ann".into()),
        last_name: Patch::Set("Ot".into()),
        city: Patch::Set("Berlin".into()),
        customer_type: Patch::Set("coach".into()),
        source: Patch::Set("referral".into()),
        created_at: Some(days(-10)),
        ..LeadChange::default()
    }
}

/// An open two days ago, a form yesterday, a page view an hour ago: behavioural 2 + 15 + 1 and 3 active days, intent 15.
async fn active(house: &House, id: LeadId) {
    let all = [
        (id, T::PageViewed, hours(-1)),
        (id, T::EmailOpened, days(-2)),
        (id, T::FormSubmitted, days(-1)),
    ];
    house.engage(&all).await;
}

async fn score(house: &House, id: LeadId) -> Value {
    house.value(SCORE, json!({ "id": id }), "/lead/score").await
}

async fn history(house: &House, id: LeadId) -> Vec<Value> {
    let nodes = house
        .value(HISTORY, json!({ "id": id }), "/lead/scoreHistory/nodes")
        .await;
    nodes.as_array().expect("a list").clone()
}

on_both! {
    async fn the_worked_example_comes_out_to_the_point(database: &Database) {
        let house = House::open(database).await;
        let id = house.lead("ann@example.com", coach()).await;
        active(&house, id).await;
        // Read at once: whether the handler has come that far already makes no difference.
        let read = score(&house, id).await;
        assert_eq!(
            read["components"],
            json!({ "demographic": 65.0, "behavioral": 21.0, "firmographic": 80.0, "engagement": 40.0, "intent": 15.0 })
        );
        // 13 + 5.25 + 12 + 10 + 2.25 = 42.5, rounded half up; an hour of decay.
        assert_eq!(read["base"], 43);
        assert_eq!(read["current"], 42.995_833);
        assert_eq!(
            (&read["grade"], &read["temperature"]),
            (&json!("C"), &json!("COLD"))
        );
        assert_eq!(read["modelVersion"], 1);
        assert_eq!(read["lastActivityAt"], json!(hours(-1)));
        assert_eq!(
            read["validUntil"],
            json!(hours(-1).plus_days(7)),
            "when the last contact is a week old"
        );
        assert_eq!(read["decay"]["pointsPerDay"], 0.1);
        // The fields alone: 13 + 12 = 25.
        let quiet = house.lead("quiet@example.com", coach()).await;
        let read = score(&house, quiet).await;
        assert_eq!(
            (&read["base"], &read["current"]),
            (&json!(25), &json!(24.0)),
            "ten days of decay since it is known"
        );
    }
}

on_both! {
    async fn an_explanation_sums_to_the_components_and_names_its_engagements(database: &Database) {
        let house = House::open(database).await;
        let id = house.lead("ann@example.com", coach()).await;
        active(&house, id).await;
        let query = "query($id: ID!) { lead(id: $id) { score { components { demographic behavioral firmographic engagement \
                     intent } explain { component factor points count field engagementType engagementIds } } } }";
        let read = house.value(query, json!({ "id": id }), "/lead/score").await;
        let factors = read["explain"].as_array().expect("a list");
        for name in [
            "demographic",
            "behavioral",
            "firmographic",
            "engagement",
            "intent",
        ] {
            let of = factors
                .iter()
                .filter(|one| one["component"] == name.to_uppercase());
            let sum: f64 = of.map(|one| one["points"].as_f64().expect("points")).sum();
            assert_eq!(json!(sum), read["components"][name], "{name}");
        }
        let form = factors
            .iter()
            .find(|one| one["factor"] == "engagement" && one["engagementType"] == "FORM_SUBMITTED")
            .expect("the form counts");
        assert_eq!((&form["points"], &form["count"]), (&json!(15.0), &json!(1.0)));
        assert_eq!(form["engagementIds"].as_array().map(Vec::len), Some(1));
        let active = factors
            .iter()
            .find(|one| one["factor"] == "active_days")
            .expect("active days count");
        assert_eq!(
            (
                &active["points"],
                active["engagementIds"].as_array().map(Vec::len)
            ),
            (&json!(3.0), Some(3))
        );
    }
}

on_both! {
    async fn what_becomes_known_changes_the_score_and_time_takes_it_down(database: &Database) {
        let house = House::open(database).await;
        let id = house.lead("ann@example.com", coach()).await;
        house.server.settled().await;
        let mut told = house.follow(SCORES).await;
        active(&house, id).await;
        until(&mut told, |one| one["scoreChanged"]["to"] == 43).await;
        house.set_time(NOW.plus_seconds(1));
        house.consent(id, ConsentChannel::Email).await;
        let changed = until(&mut told, |one| one["scoreChanged"]["cause"] == "CONSENT").await;
        // 30 × 0.25 more: 42.5 + 7.5.
        assert_eq!(
            (&changed["scoreChanged"]["from"], &changed["scoreChanged"]["to"]),
            (&json!(43), &json!(50))
        );
        assert_eq!(
            changed["scoreChanged"]["temperature"], "COLD",
            "an hour of decay below 50"
        );
        let last = NOW.plus_seconds(2);
        house.set_time(last);
        house.engage(&[(id, T::PageViewed, last)]).await;
        let warm = until(&mut told, |one| one["scoreChanged"]["cause"] == "ENGAGEMENT").await;
        let warm = &warm["scoreChanged"];
        assert_eq!(
            (&warm["from"], &warm["to"], &warm["current"]),
            (&json!(50), &json!(50), &json!(50.0))
        );
        assert_eq!(
            (&warm["fromTemperature"], &warm["temperature"]),
            (&json!("COLD"), &json!("WARM"))
        );
        let read = score(&house, id).await;
        assert_eq!(
            (&read["grade"], &read["decay"]["crossesTo"]),
            (&json!("C_PLUS"), &json!("COLD"))
        );
        // Decay alone: told, without a new base.
        house.set_time(last.plus_days(1));
        let cold = until(&mut told, |one| {
            one["scoreChanged"]["event"] == "TEMPERATURE_CHANGED"
        })
        .await;
        let cold = &cold["scoreChanged"];
        assert_eq!(
            (&cold["to"], &cold["current"], &cold["temperature"]),
            (&json!(50), &json!(49.9), &json!("COLD"))
        );
        // After 8 days the last contact is older than a week: 10 points × 0.25 less. 50.25 − 2.5 = 47.75.
        house.set_time(last.plus_days(8));
        let read = score(&house, id).await;
        assert_eq!((&read["base"], &read["current"]), (&json!(48), &json!(47.2)));
        until(&mut told, |one| one["scoreChanged"]["to"] == 48).await;
        // After 31 days: no recent form (−15 × 0.15), last contact older than 30 days (−10 × 0.25), no active days
        // (−3 × 0.25). 47.75 − 5.5 = 42.25.
        house.set_time(last.plus_days(31));
        let read = score(&house, id).await;
        assert_eq!((&read["base"], &read["current"]), (&json!(42), &json!(38.9)));
        until(&mut told, |one| one["scoreChanged"]["to"] == 42).await;
        let causes: Vec<_> = history(&house, id)
            .await
            .iter()
            .map(|one| json!([one["base"], one["cause"]]))
            .collect();
        assert_eq!(
            causes[..4],
            [
                json!([42, "WINDOW"]),
                json!([48, "WINDOW"]),
                json!([50, "ENGAGEMENT"]),
                json!([50, "CONSENT"])
            ]
        );
        assert!(causes.contains(&json!([25, "CREATED"])), "{causes:?}");
        // The same facts, model and moment after a recalculation: the same figures.
        let before = score(&house, id).await;
        let job = recalculated(&house).await;
        assert_eq!(job["counts"], json!([{ "name": "changed", "value": 0 }]));
        assert_eq!(score(&house, id).await["components"], before["components"]);
    }
}

async fn finished(house: &House, id: &Value) -> Value {
    let mut told = house
        .follow(&format!("subscription {{ jobProgressed(id: {id}) {{ state job {{ state counts {{ name value }} done total }} }} }}"))
        .await;
    let now = "query($id: ID!) { job(id: $id) { state error counts { name value } done total } }";
    loop {
        let job = house.value(now, json!({ "id": id }), "/job").await;
        match job["state"].as_str() {
            Some("SUCCEEDED") => return job,
            Some("QUEUED" | "RUNNING") => drop(until(&mut told, |_| true).await),
            _ => panic!("{job}"),
        }
    }
}

async fn recalculated(house: &House) -> Value {
    let query = "mutation { scoresRecalculate { job { id } } }";
    let id = house.value(query, json!({}), "/scoresRecalculate/job/id").await;
    finished(house, &id).await
}

on_both! {
    async fn the_order_of_arrival_leaves_no_trace(database: &Database) {
        let house = House::open(database).await;
        let mut told = house.follow(SCORES).await;
        let all = [
            (T::EmailOpened, days(-40)),
            (T::FormSubmitted, days(-29)),
            (T::EmailReplied, days(-13)),
            (T::PageViewed, days(-3)),
            (T::EmailSent, days(-2)),
        ];
        let one = house.lead("one@example.com", coach()).await;
        let two = house.lead("two@example.com", coach()).await;
        for (kind, at) in all {
            house.engage(&[(one, kind, at)]).await;
        }
        let backwards: Vec<_> = all.iter().rev().map(|(kind, at)| (two, *kind, *at)).collect();
        house.engage(&backwards).await;
        let marker = house.lead("marker@example.com", coach()).await;
        until(&mut told, |event| {
            event["scoreChanged"]["leadId"] == json!(marker)
        })
        .await;
        // The move to CONTACTED that follows from the message scores each lead once more, in its own time.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while std::time::Instant::now() < deadline
            && score(&house, one).await["components"] != score(&house, two).await["components"]
        {
            tokio::task::yield_now().await;
        }
        let first = score(&house, one).await;
        assert_eq!(
            first["components"]["behavioral"], 31.0,
            "2 + 15 + 10 + 1 and 3 days"
        );
        assert_eq!(
            first["components"]["intent"], 40.0,
            "two high-intent events and a reply of the last 14 days"
        );
        assert_eq!(first["components"], score(&house, two).await["components"]);
    }
}

const DRAFT: &str = "mutation($input: ScoreModelDraftCreateInput!) { scoreModelDraftCreate(input: $input) { \
                     model { id version state } userErrors { field code message } } }";
const DEFINITION: &str = "{ scoreModel { version state definition { \
    weights { demographic behavioral firmographic engagement intent } \
    demographic { email firstName lastName phone location customerType primaryInterest interests primaryInterestField } \
    behavioral { perEvent { type points } perActiveDay activeDaysLimit activeDaysWindow } \
    firmographic { base targetLocation targetLocations { country region city } customerTypes { name points values } \
      sources { name points values } } \
    engagement { recency { days points } older emailConsent smsConsent stages { stage points } stageShare } \
    intent { highIntent { type points } highIntentLimit highIntentWindow stages { stage points } perReply repliesLimit \
      repliesWindow } \
    grades { aPlus a bPlus b cPlus c } temperatures { hot warm } decay { pointsPerDay } } } }";

on_both! {
    async fn a_definition_is_read_edited_and_checked(database: &Database) {
        let house = House::open(database).await;
        let model = house.value(DEFINITION, json!({}), "/scoreModel").await;
        assert_eq!(
            (&model["version"], &model["state"]),
            (&json!(1), &json!("PUBLISHED"))
        );
        assert_eq!(model["definition"]["weights"]["behavioral"], 0.25);
        let mut definition = model["definition"].clone();
        definition["weights"]["intent"] = json!(0.5);
        definition["engagement"]["recency"][1]["days"] = json!(3);
        let answer = house
            .value(
                DRAFT,
                json!({ "input": { "definition": definition } }),
                "/scoreModelDraftCreate",
            )
            .await;
        assert_eq!(answer["model"], Value::Null);
        let fields: Vec<_> = answer["userErrors"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| one["field"].clone())
            .collect();
        assert_eq!(
            fields,
            [
                json!(["definition", "weights"]),
                json!(["definition", "engagement", "recency", "1", "days"])
            ]
        );
        let publish =
            "mutation($id: ID!) { scoreModelPublish(input: { id: $id }) { userErrors { field code } } }";
        let id = house
            .value("{ scoreModel { id } }", json!({}), "/scoreModel/id")
            .await;
        let errors = house
            .value(publish, json!({ "id": id }), "/scoreModelPublish/userErrors")
            .await;
        assert_eq!(errors, json!([{ "field": ["id"], "code": "NOT_A_DRAFT" }]));
        let reader = "scoring:read";
        let refused = house.ask_as(reader, DRAFT, json!({ "input": {} })).await;
        assert_eq!(unknown_field(&refused), "scoreModelDraftCreate");
        let read = house
            .ask_as(reader, "{ scoreModels { version } }", json!({}))
            .await;
        assert_eq!(read["data"]["scoreModels"], json!([{ "version": 1 }]));
        let stranger = "leads:read";
        let refused = house
            .ask_as(stranger, "{ scoreModel { version } }", json!({}))
            .await;
        assert_eq!(unknown_field(&refused), "scoreModel");
    }
}

on_both! {
    async fn publishing_does_what_the_back_test_said(database: &Database) {
        let house = House::open(database).await;
        // A stage reached by the new score would change it again.
        let off = "mutation { lifecycleSettingsUpdate(input: { qualifiedOnScore: false }) { settings { version } } }";
        house.server.data(off, json!({})).await;
        let mut told = house.follow(SCORES).await;
        let mut ids = Vec::new();
        for number in 0..30 {
            let id = house.lead(&format!("lead{number}@example.com"), coach()).await;
            let met: Vec<_> = (0..number % 4)
                .map(|_| (id, T::MeetingScheduled, hours(-2)))
                .collect();
            house.engage(&met).await;
            ids.push(id);
        }
        let marker = house.lead("marker@example.com", coach()).await;
        until(&mut told, |event| {
            event["scoreChanged"]["leadId"] == json!(marker)
        })
        .await;
        ids.push(marker);
        let mut definition = house.value(DEFINITION, json!({}), "/scoreModel/definition").await;
        // A meeting is worth all there is, and intent has no limit.
        for points in definition["behavioral"]["perEvent"]
            .as_array_mut()
            .expect("a list")
        {
            if points["type"] == "MEETING_SCHEDULED" {
                points["points"] = json!(100.0);
            }
        }
        definition["intent"]["highIntentLimit"] = json!(100.0);
        let draft = house
            .value(
                DRAFT,
                json!({ "input": { "definition": definition, "note": "meetings" } }),
                "/scoreModelDraftCreate",
            )
            .await;
        assert_eq!(draft["userErrors"], json!([]));
        assert_eq!(draft["model"]["version"], 2);
        let id = &draft["model"]["id"];
        house.set_time(NOW.plus_seconds(1));
        let test = "mutation($id: ID!) { scoreModelBacktest(input: { draftId: $id }) { job { id } userErrors { code } } }";
        let job = house
            .value(test, json!({ "id": id }), "/scoreModelBacktest/job/id")
            .await;
        finished(&house, &job).await;
        let result = "query($id: ID!) { scoreBacktest(jobId: $id) { leads moved gradeChanges temperatureChanges \
                      grades { from to leads } temperatures { from to leads } \
                      samples { leadId before { base grade temperature } after { base grade temperature current } } } }";
        let said = house.value(result, json!({ "id": job }), "/scoreBacktest").await;
        assert_eq!(said["leads"], 31);
        let sample = &said["samples"][0];
        assert_eq!(sample["before"]["base"], 43, "one meeting: 13 + 5.25 + 12 + 10 + 2.25");
        assert_eq!(sample["after"]["base"], 62, "one meeting: 13 + 25 + 12 + 10 + 2.25");
        let before = grades(&house, &ids).await;
        let publish = "mutation($id: ID!) { scoreModelPublish(input: { id: $id }) { model { state version } job { id } } }";
        let published = house
            .value(publish, json!({ "id": id }), "/scoreModelPublish")
            .await;
        assert_eq!(published["model"], json!({ "state": "PUBLISHED", "version": 2 }));
        // Readers see it at once, and nothing else once the recalculation is through.
        let at_once = grades(&house, &ids).await;
        let job = finished(&house, &published["job"]["id"]).await;
        assert_eq!((&job["done"], &job["total"]), (&json!(31), &json!(31)));
        let after = grades(&house, &ids).await;
        assert_eq!(after, at_once);
        let moved = before
            .iter()
            .zip(&after)
            .filter(|(before, after)| before != after)
            .count();
        assert_eq!(json!(moved), said["moved"]);
        assert!(moved > 0);
        let states = house
            .value("{ scoreModels { version state } }", json!({}), "/scoreModels")
            .await;
        assert_eq!(
            states,
            json!([{ "version": 2, "state": "PUBLISHED" }, { "version": 1, "state": "RETIRED" }])
        );
        let entry = &history(&house, ids[3]).await[0];
        assert_eq!(
            (&entry["base"], &entry["cause"], &entry["modelVersion"]),
            (&json!(67), &json!("MODEL"), &json!(2))
        );
    }
}

async fn grades(house: &House, ids: &[LeadId]) -> Vec<Value> {
    let mut all = Vec::new();
    for id in ids {
        let query = "query($id: ID!) { lead(id: $id) { score { grade temperature } } }";
        all.push(house.value(query, json!({ "id": id }), "/lead/score").await);
    }
    all
}

on_both! {
    async fn a_page_of_leads_costs_as_many_statements_as_one_lead(database: &Database) {
        let house = House::open(database).await;
        let mut told = house.follow(SCORES).await;
        for number in 0..12 {
            let id = house.lead(&format!("lead{number}@example.com"), coach()).await;
            active(&house, id).await;
        }
        let marker = house.lead("marker@example.com", coach()).await;
        until(&mut told, |event| {
            event["scoreChanged"]["leadId"] == json!(marker)
        })
        .await;
        let query = "query($first: Int!) { leads(first: $first) { nodes { id currentStay { touchPoints } \
                     stageHistory(first: 2) { nodes { stage touchPoints } } scoreHistory(first: 2) { nodes { base } } \
                     score { current explain { factor engagementIds } } } } }";
        house.server.costs_the_same(query, json!({ "first": 1 }), json!({ "first": 12 })).await;
    }
}

on_both! {
    async fn filters_read_scores_by_the_model_in_force(database: &Database) {
        let house = House::open(database).await;
        let id = house.lead("ann@example.com", coach()).await;
        let mut definition = house.value(DEFINITION, json!({}), "/scoreModel/definition").await;
        definition["decay"]["pointsPerDay"] = json!(0.5);
        definition["temperatures"]["warm"] = json!(15.0);
        let input = json!({ "definition": definition, "idempotencyKey": "k" });
        let draft = house.value(DRAFT, json!({ "input": input }), "/scoreModelDraftCreate").await;
        assert_eq!(
            house.value(DRAFT, json!({ "input": input }), "/scoreModelDraftCreate").await,
            draft,
            "one draft for one key"
        );
        let publish = "mutation($id: ID!) { scoreModelPublish(input: { id: $id, idempotencyKey: \"p\" }) { model { version } job { id } } }";
        let published = house.value(publish, json!({ "id": draft["model"]["id"] }), "/scoreModelPublish").await;
        assert_eq!(published["model"]["version"], 2);
        let again = house.value(publish, json!({ "id": draft["model"]["id"] }), "/scoreModelPublish").await;
        assert_eq!(again, published, "it is published, and asked for again");
        house.server.settled().await;
        // 25 before decay, ten days at half a point: 20.
        let read = score(&house, id).await;
        assert_eq!((&read["current"], &read["temperature"]), (&json!(20.0), &json!("WARM")));
        let query = "query($filter: LeadFilter) { leadsCount(filter: $filter) { count } }";
        for (filter, count) in [
            (json!({ "score": { "gte": 19.9, "lt": 20.1 } }), 1),
            (json!({ "score": { "gte": 20.1 } }), 0),
            (json!({ "temperature": { "in": ["WARM"] } }), 1),
            (json!({ "not": { "temperature": { "in": ["WARM"] } } }), 0),
        ] {
            let counted = house.value(query, json!({ "filter": filter }), "/leadsCount/count").await;
            assert_eq!(counted, count, "{filter}");
        }
    }
}
