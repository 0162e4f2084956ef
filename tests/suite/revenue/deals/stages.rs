//! The stages that deals go through.

use serde_json::{Value, json};

use super::{done, fault, lead, open, refused};
use crate::support::Database;

const ALL: &str =
    "{ it: dealStages { version updatedBy stages { id name probabilityPerMille isArchived } } }";
const UPDATE: &str = "mutation ($input: DealStagesUpdateInput!) { it: dealStagesUpdate(input: $input) {
    dealStages { version updatedBy stages { id name probabilityPerMille isArchived } } userErrors { field code message } } }";

fn draft(stage: &Value) -> Value {
    json!({ "id": stage["id"], "name": stage["name"], "probabilityPerMille": stage["probabilityPerMille"], "isArchived": stage["isArchived"] })
}

on_both! {
    async fn stages_are_renamed_ordered_archived_and_removed(database: &Database) {
        let server = &open(database).await;
        let first = server.data(ALL, json!({})).await["it"].take();
        let stages: Vec<Value> = first["stages"].as_array().unwrap().clone();
        let told: Vec<_> = stages.iter().map(|stage| (stage["name"].as_str().unwrap(), stage["probabilityPerMille"].as_i64().unwrap(), stage["isArchived"] == true)).collect();
        assert_eq!(told, [("Qualification", 100, false), ("Proposal", 300, false), ("Negotiation", 600, false), ("Contract", 800, false)]);
        assert_eq!((&first["version"], &first["updatedBy"]), (&json!(1), &json!(null)));
        let update = async |stages: Value, version: Value| server.data(UPDATE, json!({ "input": { "stages": stages, "expectedVersion": version } })).await["it"].take();
        let ann = lead(server, "ann@example.com").await;
        let id = done(server, "dealCreate", json!({ "leadId": ann, "name": "x", "stageId": stages[0]["id"] })).await["id"].take();
        done(server, "dealMove", json!({ "id": id, "stageId": stages[1]["id"] })).await;

        // A deal is in the second and was in the first: neither can go.
        for gone in [0, 1] {
            let rest: Vec<_> = (0..4).filter(|n| *n != gone).map(|n| draft(&stages[n])).collect();
            let refused = update(json!(rest), json!(null)).await;
            assert_eq!((&refused["dealStages"], &refused["userErrors"][0]["field"], &refused["userErrors"][0]["code"]), (&json!(null), &json!(["stages"]), &json!("STAGE_IN_USE")));
            assert!(refused["userErrors"][0]["message"].as_str().unwrap().contains(stages[gone]["name"].as_str().unwrap()), "{refused}");
        }
        let mut archived = draft(&stages[1]);
        archived["isArchived"] = json!(true);
        let mut renamed = draft(&stages[0]);
        (renamed["name"], renamed["probabilityPerMille"]) = (json!(" First talk "), json!(50));
        let wanted = json!([draft(&stages[3]), renamed, { "name": "Pilot", "probabilityPerMille": 1000 }, archived]);
        let now = update(wanted.clone(), json!(1)).await;
        assert_eq!(now["userErrors"], json!([]), "{now}");
        let now = now["dealStages"].clone();
        let told: Vec<_> = now["stages"].as_array().unwrap().iter().map(|stage| (stage["name"].as_str().unwrap(), stage["isArchived"] == true)).collect();
        assert_eq!(told, [("Contract", false), ("First talk", false), ("Pilot", false), ("Proposal", true)]);
        assert_eq!((&now["version"], now["updatedBy"].as_str().unwrap().starts_with("token_")), (&json!(2), true));
        assert_eq!(server.data(ALL, json!({})).await["it"], now);
        assert_eq!(update(wanted, json!(1)).await["userErrors"][0]["code"], "OUTDATED");
        let same: Vec<_> = now["stages"].as_array().unwrap().iter().map(draft).collect();
        assert_eq!(update(json!(same), json!(2)).await["dealStages"]["version"], 2, "what is so already is no change");

        // Its deal stays in the archived one; no other comes into it.
        let found = server.data("query ($id: ID!) { deal(id: $id) { stage { name isArchived } history { toStage { name } } } }", json!({ "id": id })).await;
        assert_eq!(found["deal"], json!({ "stage": { "name": "Proposal", "isArchived": true }, "history": [{ "toStage": { "name": "Proposal" } }, { "toStage": { "name": "First talk" } }] }));
        assert_eq!(refused(server, "dealCreate", json!({ "leadId": ann, "name": "y", "stageId": stages[1]["id"] })).await, fault("stageId", "STAGE_ARCHIVED"));
        done(server, "dealMove", json!({ "id": id, "stageId": stages[0]["id"] })).await;
        assert_eq!(refused(server, "dealMove", json!({ "id": id, "stageId": stages[1]["id"] })).await, fault("stageId", "STAGE_ARCHIVED"));
        // The first in use is where deals begin.
        assert_eq!(done(server, "dealCreate", json!({ "leadId": ann, "name": "z" })).await["stage"]["name"], "Contract");
        server.settled().await;
        let told = server.data("{ activity(first: 9, filter: { types: [SETTING_CHANGED], subject: \"deal_stages\" }) { nodes { payload } } }", json!({})).await;
        assert_eq!(told["activity"]["nodes"], json!([{ "payload": { "key": "deal_stages", "version": 2 } }]));
    }

    async fn wrong_stages_are_refused_as_a_whole(database: &Database) {
        let server = &open(database).await;
        let first = server.data(ALL, json!({})).await["it"].take();
        let mine = draft(&first["stages"][0]);
        let new = |name: &str, probability: i32| json!({ "name": name, "probabilityPerMille": probability });
        let nowhere = entity::id::DealStageId::at(entity::Timestamp(1)).to_string();
        let mut archived = mine.clone();
        archived["isArchived"] = json!(true);
        for (stages, field, code) in [
            (json!([]), json!(["stages"]), "MISSING"),
            (json!([archived]), json!(["stages"]), "MISSING"),
            (json!([new("a", 1_001)]), json!(["stages", "0", "probabilityPerMille"]), "OUT_OF_RANGE"),
            (json!([new("a", 1), new("b", -1)]), json!(["stages", "1", "probabilityPerMille"]), "OUT_OF_RANGE"),
            (json!([new(" ", 1)]), json!(["stages", "0", "name"]), "MISSING"),
            (json!([new("a", 1), new(" A", 1)]), json!(["stages", "1", "name"]), "DUPLICATE"),
            (json!([mine, { "id": mine["id"], "name": "other", "probabilityPerMille": 1 }]), json!(["stages", "1", "id"]), "DUPLICATE"),
            (json!([{ "id": nowhere, "name": "a", "probabilityPerMille": 1 }]), json!(["stages", "0", "id"]), "STAGE_NOT_FOUND"),
            (json!((0..51).map(|n| new(&n.to_string(), 1)).collect::<Vec<_>>()), json!(["stages"]), "TOO_MANY"),
        ] {
            let refused = server.data(UPDATE, json!({ "input": { "stages": stages } })).await["it"].take();
            let fault = &refused["userErrors"][0];
            assert_eq!((&refused["dealStages"], &fault["field"], &fault["code"]), (&json!(null), &field, &json!(code)), "{stages}: {refused}");
        }
        assert_eq!(server.data(ALL, json!({})).await["it"], first, "nothing was written");
    }
}
