//! The lifecycle through the API.

use entity::id::LeadId;
use entity::{ConversionKind, EngagementType as T, Stage};
use leadline::leads::lead::{LeadChange, Patch};
use serde_json::{Value, json};

use crate::house::{House, NOW, days, hours, until};
use crate::support::{Database, unknown_field};

const MOVES: &str = "subscription { stageChanged { cursor from to automatic cause actor enteredAt leadId } }";
const HISTORY: &str = "query($id: ID!) { lead(id: $id) { stage currentStay { stage } stageHistory { nodes { stage previous \
                       enteredAt leftAt durationSeconds touchPoints reason actor scoreOnEntry } } } }";
const MOVE: &str = "mutation($input: LeadStageChangeInput!) { leadStageChange(input: $input) { stay { stage } lead { stage } \
                    userErrors { field message code } } }";

async fn history(house: &House, id: LeadId) -> Vec<Value> {
    let nodes = house
        .value(HISTORY, json!({ "id": id }), "/lead/stageHistory/nodes")
        .await;
    nodes.as_array().expect("a list").clone()
}

fn known(created_days: i64) -> LeadChange {
    LeadChange {
        created_at: Some(days(created_days)),
        ..LeadChange::default()
    }
}

on_both! {
    async fn a_new_lead_has_an_open_stay_and_moves_by_hand_with_a_reason(database: &Database) {
        let house = House::open(database).await;
        let id = house.lead("ann@example.com", known(-2)).await;
        let input = json!({ "leadId": id, "stage": "LOST", "reason": " budget cut ", "at": hours(-12) });
        let moved = house
            .value(MOVE, json!({ "input": input }), "/leadStageChange")
            .await;
        assert_eq!(
            moved,
            json!({ "stay": { "stage": "LOST" }, "lead": { "stage": "LOST" }, "userErrors": [] })
        );
        house
            .engage(&[
                (id, T::PageViewed, hours(-13)),
                (id, T::EmailSent, hours(-13)),
                (id, T::PageViewed, hours(-1)),
            ])
            .await;
        let told = history(&house, id).await;
        assert_eq!(told.len(), 2);
        let stays: Vec<_> = told
            .iter()
            .map(|stay| {
                json!([
                    stay["stage"],
                    stay["previous"],
                    stay["enteredAt"],
                    stay["leftAt"],
                    stay["durationSeconds"],
                    stay["touchPoints"],
                    stay["reason"]
                ])
            })
            .collect();
        assert_eq!(
            stays,
            [
                json!(["LOST", "NEW", hours(-12), null, 43_200.0, 1, "budget cut"]),
                json!(["NEW", null, days(-2), hours(-12), 129_600.0, 1, null]),
            ],
            "a page view in each stay; a sent mail is no touch point"
        );
        assert!(told[0]["actor"].as_str().expect("an actor").starts_with("token_"));
        let page = "query($id: ID!, $after: String) { lead(id: $id) { stageHistory(first: 1, after: $after) { \
                    nodes { stage } pageInfo { hasNextPage endCursor } } } }";
        let first = house.value(page, json!({ "id": id }), "/lead/stageHistory").await;
        assert_eq!(first["nodes"], json!([{ "stage": "LOST" }]));
        assert_eq!(first["pageInfo"]["hasNextPage"], true);
        let cursor = &first["pageInfo"]["endCursor"];
        let second = house
            .value(page, json!({ "id": id, "after": cursor }), "/lead/stageHistory")
            .await;
        assert_eq!(second["nodes"], json!([{ "stage": "NEW" }]));
        assert_eq!(second["pageInfo"]["hasNextPage"], false);
    }
}

on_both! {
    async fn wrong_moves_say_what_is_wrong(database: &Database) {
        let house = House::open(database).await;
        let id = house.lead("bob@example.com", known(-2)).await;
        let faults = |input: Value| {
            let house = &house;
            async move {
                let errors = house
                    .value(MOVE, json!({ "input": input }), "/leadStageChange/userErrors")
                    .await;
                let errors = errors.as_array().expect("a list").iter();
                errors
                    .map(|one| json!([one["field"], one["code"]]))
                    .collect::<Vec<_>>()
            }
        };
        let wrong = json!({ "leadId": id, "stage": "NEW", "reason": "  ", "at": days(-3) });
        assert_eq!(
            faults(wrong).await,
            [
                json!([["reason"], "REASON_REQUIRED"]),
                json!([["stage"], "ALREADY_IN_STAGE"]),
                json!([["at"], "OUT_OF_RANGE"])
            ]
        );
        let ahead = json!({ "leadId": id, "stage": "LOST", "reason": "x", "at": hours(1) });
        assert_eq!(faults(ahead).await, [json!([["at"], "OUT_OF_RANGE"])]);
        let nobody = json!({ "leadId": LeadId::at(NOW), "stage": "LOST", "reason": "x" });
        assert_eq!(faults(nobody).await, [json!([["leadId"], "NOT_FOUND"])]);
        let reader = "lifecycle:read leads:read";
        let input = json!({ "leadId": id, "stage": "LOST", "reason": "x" });
        let refused = house.ask_as(reader, MOVE, json!({ "input": input })).await;
        assert_eq!(unknown_field(&refused), "leadStageChange");
        let stranger = "leads:read";
        let refused = house.ask_as(stranger, HISTORY, json!({ "id": id })).await;
        assert_eq!(unknown_field(&refused), "currentStay");
    }
}

on_both! {
    async fn many_leads_move_at_once_with_an_answer_for_each(database: &Database) {
        let house = House::open(database).await;
        let one = house.lead("one@example.com", known(-2)).await;
        let two = house.lead("two@example.com", known(-2)).await;
        let item = |id: LeadId, stage: &str| json!({ "leadId": id, "stage": stage, "reason": "campaign" });
        let items = json!([
            item(one, "QUALIFIED"),
            item(two, "NEW"),
            item(one, "LOST"),
            item(LeadId::at(NOW), "LOST")
        ]);
        let mutation = "mutation($items: [LeadStageMoveInput!]!) { leadsStageChange(input: { items: $items }) { \
                        items { stay { stage } userErrors { field code } } userErrors { code } } }";
        let answer = house
            .value(mutation, json!({ "items": items }), "/leadsStageChange")
            .await;
        assert_eq!(
            answer,
            json!({ "userErrors": [], "items": [
                { "stay": { "stage": "QUALIFIED" }, "userErrors": [] },
                { "stay": null, "userErrors": [{ "field": ["items", "1", "stage"], "code": "ALREADY_IN_STAGE" }] },
                { "stay": null, "userErrors": [{ "field": ["items", "2", "leadId"], "code": "DUPLICATE" }] },
                { "stay": null, "userErrors": [{ "field": ["items", "3", "leadId"], "code": "NOT_FOUND" }] },
            ]})
        );
        assert_eq!(history(&house, one).await.len(), 2);
    }
}

on_both! {
    async fn engagements_deals_and_conversions_move_leads_forward(database: &Database) {
        let house = House::open(database).await;
        let id = house.lead("cleo@example.com", known(-20)).await;
        let mut told = house.follow(MOVES).await;
        // The reply arrives before the message that it answers.
        house.engage(&[(id, T::EmailReplied, days(-8))]).await;
        house.engage(&[(id, T::EmailSent, days(-9))]).await;
        let engaged = until(&mut told, |one| one["stageChanged"]["to"] == "ENGAGED").await;
        assert_eq!(engaged["stageChanged"]["from"], "CONTACTED");
        assert_eq!(engaged["stageChanged"]["cause"], "RESPONSE");
        assert_eq!(engaged["stageChanged"]["actor"], "system");
        house
            .update(LeadChange {
                id: Some(id),
                deal_stage: Patch::Set("proposal".into()),
                ..LeadChange::default()
            })
            .await;
        until(&mut told, |one| one["stageChanged"]["to"] == "OPPORTUNITY").await;
        // Older than the open stay: it moves the lead from now on, and leaves the closed stays alone.
        house.convert(id, ConversionKind::Customer, days(-15)).await;
        let customer = until(&mut told, |one| one["stageChanged"]["to"] == "CUSTOMER").await;
        assert_eq!(customer["stageChanged"]["automatic"], true);
        assert_eq!(customer["stageChanged"]["enteredAt"], json!(NOW));
        let stays: Vec<_> = history(&house, id)
            .await
            .iter()
            .map(|stay| json!([stay["stage"], stay["enteredAt"], stay["leftAt"], stay["reason"]]))
            .collect();
        assert_eq!(
            stays,
            [
                json!(["CUSTOMER", NOW, null, "conversion recorded"]),
                json!(["OPPORTUNITY", NOW, NOW, "deal opened"]),
                json!(["ENGAGED", days(-8), NOW, "first response after contact"]),
                json!(["CONTACTED", days(-9), days(-8), "first message sent"]),
                json!(["NEW", days(-20), days(-9), null]),
            ]
        );
    }
}

on_both! {
    async fn a_score_that_reaches_the_threshold_qualifies(database: &Database) {
        let house = House::open(database).await;
        let id = house
            .lead(
                "dora@example.com",
                LeadChange {
                    phone: Patch::Set("+4930901820".into()),
                    first_name: Patch::Set("Dora".into()),
                    last_name: Patch::Set("Q".into()),
                    city: Patch::Set("Berlin".into()),
                    customer_type: Patch::Set("coach".into()),
                    source: Patch::Set("referral".into()),
                    ..known(-3)
                },
            )
            .await;
        let mut told = house.follow(MOVES).await;
        // Demographic 80, behavioural 4 × 20 + 50 + 1 above 100, firmographic 80, engagement 40, intent 50:
        // 16 + 25 + 12 + 10 + 7.5 = 70.5, and QUALIFIED adds its own.
        let met = (0..4).map(|_| (id, T::MeetingScheduled, NOW));
        let all: Vec<_> = met.chain([(id, T::PurchaseMade, NOW)]).collect();
        house.engage(&all).await;
        let qualified = until(&mut told, |one| one["stageChanged"]["to"] == "QUALIFIED").await;
        assert_eq!(qualified["stageChanged"]["cause"], "SCORE");
        let stays = history(&house, id).await;
        assert_eq!(stays[0]["scoreOnEntry"], 71.0);
        assert_eq!(stays[0]["reason"], "score reached the threshold");
    }
}

on_both! {
    async fn a_move_that_is_switched_off_is_not_made(database: &Database) {
        let house = House::open(database).await;
        let mutation = "mutation($input: LifecycleSettingsUpdateInput!) { lifecycleSettingsUpdate(input: $input) { \
                        settings { contactedOnMessage customerOnConversion qualifyingScore version } \
                        userErrors { field code } } }";
        let off = json!({ "contactedOnMessage": false, "expectedVersion": 0 });
        let answer = house
            .value(mutation, json!({ "input": off }), "/lifecycleSettingsUpdate")
            .await;
        assert_eq!(
            answer["settings"],
            json!({ "contactedOnMessage": false, "customerOnConversion": true, "qualifyingScore": 60.0, "version": 1 })
        );
        let again = house
            .value(mutation, json!({ "input": off }), "/lifecycleSettingsUpdate")
            .await;
        assert_eq!(
            again["userErrors"],
            json!([{ "field": ["expectedVersion"], "code": "OUTDATED" }])
        );
        let wrong = json!({ "qualifyingScore": 0.0 });
        let wrong = house
            .value(mutation, json!({ "input": wrong }), "/lifecycleSettingsUpdate")
            .await;
        assert_eq!(
            wrong["userErrors"],
            json!([{ "field": ["qualifyingScore"], "code": "OUT_OF_RANGE" }])
        );
        let id = house.lead("eve@example.com", known(-2)).await;
        let marker = house.lead("marker@example.com", known(-2)).await;
        let mut told = house.follow(MOVES).await;
        house.engage(&[(id, T::EmailSent, hours(-1))]).await;
        house.convert(marker, ConversionKind::Purchase, hours(-1)).await;
        until(&mut told, |one| one["stageChanged"]["leadId"] == json!(marker)).await;
        let stages: Vec<_> = history(&house, id)
            .await
            .iter()
            .map(|stay| stay["stage"].clone())
            .collect();
        assert_eq!(stages, ["NEW"]);
    }
}

on_both! {
    async fn an_imported_stage_is_the_first_stay_and_380_conversions_make_380_customers(database: &Database) {
        let house = House::open(database).await;
        let mut told = house.follow(MOVES).await;
        let customer = LeadChange {
            stage: Some(Stage::Engaged),
            ..known(-30)
        };
        let id = house.lead("fay@example.com", customer).await;
        let first = until(&mut told, |one| one["stageChanged"]["leadId"] == json!(id)).await;
        assert_eq!(first["stageChanged"]["cause"], "INITIAL");
        assert_eq!(first["stageChanged"]["from"], Value::Null);
        let stays = history(&house, id).await;
        assert_eq!(
            (stays.len(), &stays[0]["stage"], &stays[0]["enteredAt"]),
            (1, &json!("ENGAGED"), &json!(days(-30)))
        );
        let mut last = id;
        for number in 0..400 {
            last = house.lead(&format!("c{number}@example.com"), known(-10)).await;
            if number < 379 {
                house.convert(last, ConversionKind::Customer, days(-1)).await;
            }
        }
        house.convert(last, ConversionKind::Customer, days(-1)).await;
        until(&mut told, |one| one["stageChanged"]["leadId"] == json!(last)).await;
        let text = "SELECT COUNT(*) AS n FROM lead WHERE stage = 'CUSTOMER'";
        let db = house.server.app().db();
        let count = async |text: &str| -> i64 {
            use sea_orm::ConnectionTrait;
            let row = db
                .read()
                .query_one_raw(leadline::db::sql(db.backend(), text, []))
                .await
                .expect("a row");
            row.expect("a row").try_get("", "n").expect("a number")
        };
        assert_eq!(count(text).await, 380);
        assert_eq!(
            count("SELECT COUNT(*) AS n FROM stage_stay WHERE left_at IS NULL").await,
            401
        );
        assert_eq!(
            count("SELECT COUNT(*) AS n FROM stage_stay WHERE left_at IS NOT NULL").await,
            380
        );
    }
}
