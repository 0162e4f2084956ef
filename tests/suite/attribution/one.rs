//! One conversion, explained.

use serde_json::{Value, json};

use super::{campaign, converted, known_by, lead, refund, touch, void};
use crate::row_filter::{PARTNER, partner};
use crate::support::{Server, code, unknown_field};

const ASK: &str = "query ($id: ID!, $models: [AttributionModel!], $asOf: DateTime) { it: attribution(conversionId: $id, models: $models, asOf: $asOf) {
    isDirect touchpointCount durationSeconds meanSecondsBetweenTouchpoints value { amount } settings { version windowDays }
    touchpoints { engagementId engagement { id } type channel source campaign daysBeforeConversion humanConfidence
        credits { model weight value { amount } reason explanation } }
    results { model primary { channel } secondary { channel } by { name weight value { amount } touchpoints }
        campaigns: by(dimension: CAMPAIGN) { name weight } basis { from to converted lost } } } }";

async fn ask(server: &Server, id: &Value, models: &[&str], as_of: Option<&str>) -> Value {
    server
        .data(ASK, json!({ "id": id, "models": models, "asOf": as_of }))
        .await["it"]
        .take()
}

/// Weight, money and reason of each touch by the first model.
fn credits(found: &Value) -> Vec<(f64, String, String)> {
    let touches = found["touchpoints"].as_array().expect("a list").iter();
    let credit = |touch: &Value| {
        let credit = &touch["credits"][0];
        let money = credit["value"]["amount"].as_str().unwrap_or("-").to_owned();
        (
            credit["weight"].as_f64().expect("it is there"),
            money,
            credit["reason"].as_str().expect("it is there").to_owned(),
        )
    };
    touches.map(credit).collect()
}

fn near(found: &[(f64, String, String)], expected: &[f64]) {
    let weights: Vec<f64> = found.iter().map(|credit| credit.0).collect();
    let are_near = weights.len() == expected.len()
        && weights
            .iter()
            .zip(expected)
            .all(|(one, other)| (one - other).abs() < 1e-12);
    assert!(are_near, "{weights:?} are not {expected:?}");
}

on_both! {
    async fn each_model_says_why(server: &Server) {
        let ann = lead(server, "ann@example.com").await;
        // Neither what is sent to a lead, nor what was before the window or after the conversion, led to it.
        touch(server, &ann, 1, "EMAIL_SENT", json!({ "occurredAt": "2025-01-01T12:00:00Z" })).await;
        touch(server, &ann, 1, "PAGE_VIEWED", json!({ "occurredAt": "2025-12-10T11:59:59Z" })).await;
        let mail = touch(server, &ann, 1, "EMAIL_CLICKED", campaign("Spring")).await;
        touch(server, &ann, 5, "PAGE_VIEWED", json!({})).await;
        touch(server, &ann, 8, "AD_CLICKED", campaign("Meta spring")).await;
        touch(server, &ann, 11, "PAGE_VIEWED", json!({})).await;
        let id = converted(server, &ann, 10, "PURCHASE", Some("100")).await;
        refund(server, &id, "10").await;
        server.settled().await;

        let found = ask(server, &id, &["LINEAR"], None).await;
        assert_eq!(found["touchpointCount"], 3, "{found}");
        assert_eq!((&found["value"]["amount"], &found["isDirect"], &found["settings"]), (&json!("90.00"), &json!(false), &json!({ "version": 1, "windowDays": 90 })));
        assert_eq!((found["durationSeconds"].as_f64(), found["meanSecondsBetweenTouchpoints"].as_f64()), (Some(9.0 * 86_400.0), Some(3.5 * 86_400.0)));
        let first = &found["touchpoints"][0];
        assert_eq!((&first["engagementId"], &first["engagement"]["id"], &first["source"], &first["campaign"]), (&mail, &mail, &json!("Spring"), &json!("Spring")));
        assert_eq!((&first["channel"], first["daysBeforeConversion"].as_f64()), (&json!("EMAIL"), Some(9.0)));
        let linear = credits(&found);
        near(&linear, &[1.0 / 3.0; 3]);
        assert!(linear.iter().all(|credit| credit.1 == "30.00" && credit.2 == "EQUAL"), "{linear:?}");
        assert_eq!(first["credits"][0]["explanation"], "one of 3 touches that count the same");
        let third = 1.0 / 3.0;
        assert_eq!(found["results"][0]["campaigns"], json!([
            { "name": null, "weight": third }, { "name": "Meta spring", "weight": third }, { "name": "Spring", "weight": third },
        ]));

        let shaped = credits(&ask(server, &id, &["U_SHAPED"], None).await);
        near(&shaped, &[0.4, 0.2, 0.4]);
        assert_eq!(shaped.iter().map(|credit| credit.1.as_str()).collect::<Vec<_>>(), ["36.00", "18.00", "36.00"]);
        let decayed: Vec<f64> = [9.0_f64, 5.0, 2.0].map(|days| (-days / 7.0).exp2()).to_vec();
        let sum: f64 = decayed.iter().sum();
        near(&credits(&ask(server, &id, &["TIME_DECAY"], None).await), &decayed.iter().map(|part| part / sum).collect::<Vec<_>>());
        near(&credits(&ask(server, &id, &["FIRST_TOUCH"], None).await), &[1.0, 0.0, 0.0]);
        near(&credits(&ask(server, &id, &["LAST_TOUCH"], None).await), &[0.0, 0.0, 1.0]);
        // It is no opportunity: first, last and the rest are scaled.
        near(&credits(&ask(server, &id, &["W_SHAPED"], None).await), &[3.0 / 7.0, 1.0 / 7.0, 3.0 / 7.0]);
        near(&credits(&ask(server, &id, &["SHAPLEY"], None).await), &[1.0 / 3.0; 3]);
        // One journey converted, and what came after it has led to nothing so far.
        let markov = ask(server, &id, &["MARKOV"], None).await;
        near(&credits(&markov), &[1.0 / 3.0; 3]);
        assert_eq!(markov["results"][0]["basis"], json!({ "from": "2025-12-10", "to": "2026-03-10", "converted": 1, "lost": 0 }));
        let explained = markov["touchpoints"][0]["credits"][0]["explanation"].as_str().unwrap().to_owned();
        assert_eq!(explained, "without its channel 100.0 % of the conversions would be lost");
        let all = ask(server, &id, &[], None).await;
        let models: Vec<_> = all["results"].as_array().unwrap().iter().map(|result| result["model"].as_str().unwrap()).collect();
        assert_eq!(models, ["FIRST_TOUCH", "LAST_TOUCH", "LINEAR", "TIME_DECAY", "U_SHAPED", "W_SHAPED", "MARKOV", "SHAPLEY"]);
        let u = &all["results"][4];
        assert_eq!((&u["primary"]["channel"], &u["secondary"]["channel"]), (&json!("EMAIL"), &json!("ADS")));
        assert_eq!((&all["results"][0]["primary"]["channel"], &all["results"][0]["secondary"]), (&json!("EMAIL"), &Value::Null));
    }

    async fn an_opportunity_names_the_third_place(server: &Server) {
        let ann = lead(server, "ann@example.com").await;
        for (day, kind) in [(1, "EMAIL_CLICKED"), (3, "PAGE_VIEWED"), (5, "AD_CLICKED"), (7, "FORM_SUBMITTED")] {
            touch(server, &ann, day, kind, json!({})).await;
        }
        let query = "mutation ($id: ID!) { it: leadStageChange(input: { leadId: $id, stage: OPPORTUNITY, reason: \"offer\" }) { userErrors { message } } }";
        let moved = server.data(query, json!({ "id": ann })).await;
        assert_eq!(moved["it"]["userErrors"], json!([]), "{moved}");
        let id = converted(server, &ann, 10, "CUSTOMER", None).await;
        // It became one today, after the conversion: that is no part of its way.
        near(&credits(&ask(server, &id, &["W_SHAPED"], None).await), &[3.0 / 7.0, 0.5 / 7.0, 0.5 / 7.0, 3.0 / 7.0]);
        // Whoever moves it on to CUSTOMER has done so: that writes the same row.
        server.settled().await;
        let db = server.app().db().write();
        let text = "UPDATE stage_stay SET entered_at = 1772668800000000 WHERE stage = 'OPPORTUNITY'";
        sea_orm::ConnectionTrait::execute_unprepared(db, text).await.unwrap();
        let found = credits(&ask(server, &id, &["W_SHAPED"], None).await);
        near(&found, &[0.3, 0.3, 0.1, 0.3]);
        let reasons: Vec<&str> = found.iter().map(|credit| credit.2.as_str()).collect();
        assert_eq!(reasons, ["FIRST", "OPPORTUNITY", "REST", "LAST"]);
    }

    async fn what_was_known_then_is_told_as_of_then(server: &Server) {
        let ann = lead(server, "ann@example.com").await;
        touch(server, &ann, 1, "EMAIL_CLICKED", json!({})).await;
        let id = converted(server, &ann, 10, "PURCHASE", Some("100")).await;
        let bob = lead(server, "bob@example.com").await;
        touch(server, &bob, 6, "EMAIL_CLICKED", json!({})).await;
        let first = known_by(server).await;
        // Late news: a touch, a refund, other settings, and in the end it is called off.
        touch(server, &ann, 9, "AD_CLICKED", json!({})).await;
        refund(server, &id, "40").await;
        let query = "mutation { it: attributionSettingsUpdate(input: { windowDays: 5 }) { settings { version isSummedUp } userErrors { message } } }";
        let changed = server.data(query, json!({})).await["it"].take();
        assert_eq!(changed, json!({ "settings": { "version": 2, "isSummedUp": false }, "userErrors": [] }));
        let second = known_by(server).await;
        void(server, &id).await;
        server.settled().await;
        assert_eq!(ask(server, &id, &["LINEAR"], None).await, Value::Null);
        let told = |found: &Value| {
            let channels: Vec<_> = found["touchpoints"].as_array().unwrap().iter().map(|touch| touch["channel"].as_str().unwrap().to_owned()).collect();
            (channels, found["value"]["amount"].as_str().unwrap().to_owned(), found["settings"]["version"].as_i64().unwrap())
        };
        let found = ask(server, &id, &["LINEAR"], Some(&second)).await;
        assert_eq!(told(&found), (vec!["ADS".to_owned()], "60.00".to_owned(), 2));
        let found = ask(server, &id, &["LINEAR"], Some(&first)).await;
        assert_eq!(told(&found), (vec!["EMAIL".to_owned()], "100.00".to_owned(), 1));
        assert_eq!(ask(server, &id, &["LINEAR"], Some("2026-03-11T00:00:00Z")).await, Value::Null, "nobody knew of it");
        // What is learnt of all journeys is that of then, too; who does not name it does without it.
        for (as_of, basis) in [(&first, json!({ "from": "2025-12-10", "to": "2026-03-10", "converted": 1, "lost": 1 })), (&second, json!({ "from": "2026-03-05", "to": "2026-03-10", "converted": 1, "lost": 1 }))] {
            let found = ask(server, &id, &["MARKOV"], Some(as_of)).await;
            assert_eq!(found["results"][0]["basis"], basis);
            near(&credits(&found), &[1.0]);
        }
        let found = ask(server, &id, &[], Some(&first)).await;
        assert_eq!(found["results"].as_array().unwrap().len(), 7);
    }

    async fn without_touches_it_is_direct_and_a_scanner_weighs_little(server: &Server) {
        let ann = lead(server, "ann@example.com").await;
        let id = converted(server, &ann, 10, "PURCHASE", Some("100")).await;
        let found = ask(server, &id, &[], None).await;
        assert_eq!((&found["isDirect"], &found["touchpoints"], &found["durationSeconds"]), (&json!(true), &json!([]), &Value::Null));
        assert_eq!(found["results"].as_array().unwrap().len(), 8);
        assert_eq!(found["results"][0]["primary"], Value::Null);
        let bob = lead(server, "bob@example.com").await;
        let scanner = json!({ "userAgent": "Barracuda Sentinel (EE)" });
        touch(server, &bob, 1, "EMAIL_OPENED", scanner).await;
        touch(server, &bob, 2, "PAGE_VIEWED", json!({})).await;
        let id = converted(server, &bob, 10, "PURCHASE", Some("11")).await;
        let found = ask(server, &id, &["LINEAR"], None).await;
        let confidence = found["touchpoints"][0]["humanConfidence"].as_f64().unwrap();
        assert!(confidence < 1.0, "{found}");
        near(&credits(&found), &[confidence / (1.0 + confidence), 1.0 / (1.0 + confidence)]);
        let explanation = found["touchpoints"][0]["credits"][0]["explanation"].as_str().unwrap();
        assert!(explanation.contains("as surely as a person did it"), "{explanation}");
    }

    async fn who_may_not_see_it_is_told_of_nothing(server: &Server) {
        let ann = lead(server, "ann@example.com").await;
        touch(server, &ann, 1, "EMAIL_CLICKED", json!({})).await;
        let id = converted(server, &ann, 10, "PURCHASE", Some("100")).await;
        let token = partner(server, &["engagement:read"], PARTNER).await;
        let nobody = entity::id::ConversionId::at(entity::Timestamp(1)).to_string();
        for id in [&id, &json!(nobody)] {
            let found = server.data_as(&token, ASK, json!({ "id": id, "models": ["LINEAR"] })).await["it"].take();
            assert_eq!(found, Value::Null);
        }
        let refused = server.graphql_as(Some(&token), ASK, json!({ "id": id, "models": ["MARKOV"] })).await;
        assert_eq!(code(&refused), "FORBIDDEN", "{refused}");
        let other = server.token(&["leads:read"]).await;
        let refused = server.graphql_as(Some(&other), ASK, json!({ "id": id })).await;
        assert_eq!(unknown_field(&refused), "attribution");
    }
}
