//! Every field below every query, as the schema has them: none tells of a lead that is not seen.

use std::collections::{BTreeSet, VecDeque};

use serde_json::json;

use super::{NOW, PARTNER, Scene, partner};
use crate::every_field::{Field, Model};
use crate::support::{Database, Server, Setup};

/// A query with its arguments, for scenes that have what it asks for.
fn calls(scene: &Scene, root: &Field) -> Vec<String> {
    let by = |argument: &str, ids: Vec<&str>| -> Vec<String> {
        ids.into_iter()
            .map(|id| format!("{}({argument}: \"{id}\")", root.name))
            .collect()
    };
    let families = || scene.inside.iter().chain(&scene.outside);
    match &root.name[..] {
        "lead" => by("id", families().map(|family| &family.lead[..]).collect()),
        "journey" => by("leadId", families().map(|family| &family.lead[..]).collect()),
        "engagement" => by("id", families().map(|family| &family.engagement[..]).collect()),
        "conversion" => by("id", families().map(|family| &family.conversion[..]).collect()),
        "deal" => by("id", families().map(|family| &family.deal[..]).collect()),
        "node" => by("id", families().flat_map(|family| family.ids()).collect()),
        "nodes" => {
            let ids: Vec<String> = families()
                .flat_map(|family| family.ids())
                .map(|id| format!("\"{id}\""))
                .collect();
            vec![format!("nodes(ids: [{}])", ids.join(", "))]
        }
        _ => vec![root.call.clone()],
    }
}

/// The documents that ask for each field below a call once: on the shortest way to its type.
fn documents(model: &Model, call: &str, ty: &str) -> Vec<String> {
    let mut documents = Vec::new();
    let mut known = BTreeSet::new();
    let mut next = VecDeque::from([(ty.to_owned(), format!("{{ {call} {{ … }} }}"))]);
    while let Some((ty, way)) = next.pop_front() {
        if !known.insert(ty.clone()) {
            continue;
        }
        if let Some(kinds) = model.kinds.get(&ty) {
            for kind in kinds {
                next.push_back((
                    kind.clone(),
                    way.replacen('…', &format!("... on {kind} {{ … }}"), 1),
                ));
            }
        }
        let Some(fields) = model.fields.get(&ty) else {
            continue;
        };
        let mut plain = vec!["__typename".to_owned()];
        for field in fields {
            let call = match field.arguments.is_empty()
                || field.call.contains('(')
                || !field.ty.ends_with("Connection")
            {
                true => field.call.clone(),
                false => format!("{}(first: 5)", field.name),
            };
            if model.fields.contains_key(&field.ty) || model.kinds.contains_key(&field.ty) {
                next.push_back((field.ty.clone(), way.replacen('…', &format!("{call} {{ … }}"), 1)));
            } else {
                plain.push(call);
            }
        }
        documents.push(way.replacen('…', &plain.join(" "), 1));
    }
    documents
}

on_both! {
    async fn no_field_below_a_query_tells_of_what_is_outside(database: &Database) {
        let setup = Setup::default().at(NOW).setting("graphql_budget", "0").setting("graphql_max_cost", "1000000");
        let server = Server::start(database, setup).await;
        let scene = Scene::new(&server).await;
        server.settled().await;
        let token = partner(&server, &["admin"], PARTNER).await;
        let model = Model::whole();
        let outside: Vec<&str> = scene
            .outside
            .iter()
            .flat_map(|family| family.ids())
            .chain(["cyd@example.com", "dan@example.com", "crm:cyd", "crm:dan", "of cyd", "of dan"])
            .collect();
        let (mut asked, mut tells) = (0, 0);
        for root in &model.fields["Query"] {
            // What is for who sees all leads is not there: `access` goes through that.
            if root.need.as_ref().is_some_and(|need| need.all_rows) {
                continue;
            }
            for call in calls(&scene, root) {
                for document in documents(&model, &call, &root.ty) {
                    let own = server.graphql_as(Some(&token), &document, json!({})).await;
                    for error in own["errors"].as_array().into_iter().flatten() {
                        let code = error["extensions"]["code"].as_str().unwrap();
                        assert!(!["INTERNAL", "TOO_COMPLEX"].contains(&code), "{document}: {own}");
                        let message = error["message"].as_str().unwrap();
                        assert!(!message.contains("must have a selection") && !message.contains("conflict"), "{document}: {own}");
                    }
                    let said = own["data"].to_string();
                    for mark in &outside {
                        assert!(!said.contains(mark), "{document} tells of {mark}: {said}");
                    }
                    // Who sees all is told of them by the same document: there is something to hide.
                    let all = server.graphql(&document, json!({})).await["data"].to_string();
                    tells += usize::from(outside.iter().any(|mark| all.contains(mark)));
                    asked += 1;
                }
            }
        }
        assert!(asked > 500 && tells > 100, "{tells} of {asked} documents have something to hide");
        server.stop().await;
    }
}

#[test]
fn the_documents_ask_for_every_field() {
    let model = Model::whole();
    let lead = model.fields["Query"]
        .iter()
        .find(|field| field.name == "lead")
        .unwrap();
    let documents = documents(&model, "lead(id: \"x\")", &lead.ty).join("\n");
    for field in &model.fields["Lead"] {
        assert!(documents.contains(&field.name), "{}", field.name);
    }
    assert!(documents.contains("... on Event"), "kinds of things");
}
