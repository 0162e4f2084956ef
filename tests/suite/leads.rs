//! Leads: created, changed, upserted, deleted, erased, found, ordered, counted, followed.

use std::collections::HashSet;

use entity::Timestamp;
use entity::id::LeadId;
use leadline::db::insert_many;
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use crate::support::{Server, code};

const CREATE: &str = "mutation ($input: LeadCreateInput!) { leadCreate(input: $input) {
    outcome changedFields lead { id version } userErrors { field message code } } }";
const UPDATE: &str = "mutation ($input: LeadUpdateInput!) { leadUpdate(input: $input) {
    outcome changedFields lead { id version email phone firstName custom identities { kind value } }
    userErrors { field message code } } }";
const UPSERT: &str = "mutation ($input: LeadsUpsertInput!) { leadsUpsert(input: $input) {
    results { outcome changedFields lead { id } userErrors { field message code } }
    userErrors { message code } } }";
const COUNT: &str = "query ($filter: LeadFilter) { leadsCount(filter: $filter) { count precision } }";

async fn create(server: &Server, input: Value) -> String {
    let made = server.data(CREATE, json!({ "input": input })).await;
    assert_eq!(made["leadCreate"]["userErrors"], json!([]), "{made}");
    made["leadCreate"]["lead"]["id"]
        .as_str()
        .expect("as the schema says")
        .to_owned()
}

async fn count(server: &Server, filter: Value) -> i64 {
    let counted = server.data(COUNT, json!({ "filter": filter })).await;
    assert_eq!(counted["leadsCount"]["precision"], "EXACT");
    counted["leadsCount"]["count"]
        .as_i64()
        .expect("as the schema says")
}

fn outcomes(results: &Value) -> Vec<&str> {
    results
        .as_array()
        .expect("as the schema says")
        .iter()
        .map(|result| result["outcome"].as_str().expect("as the schema says"))
        .collect()
}

on_both! {
    /// An index holds these texts, and PostgreSQL has a bound for what an entry of one takes.
    async fn texts_as_long_as_they_may_be_are_stored(server: &Server) {
        // Of four bytes each, and none like the one before it: nothing that can be compressed.
        let mut seed = 7_u32;
        let mut text = |characters: usize| -> String {
            let next = |seed: &mut u32| {
                *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                char::from_u32(0x1_0000 + (*seed >> 8) % 0xF_0000).expect("a character")
            };
            (0..characters).map(|_| next(&mut seed)).collect()
        };
        let label = |letter: &str| letter.repeat(60);
        let owner = format!("{}@{}.{}.{}.de", label("o"), label("a"), label("b"), label("c"));
        let input = json!({
            "email": "long@example.com", "source": text(100), "customerType": text(100), "dealStage": text(100), "ownerEmail": owner,
            "country": "DE", "language": "de-DE", "region": text(200), "companyName": text(300),
        });
        let id = create(server, input.clone()).await;
        let query = "query ($id: ID!) { lead(id: $id) { source customerType ownerEmail region } }";
        let read = server.data(query, json!({ "id": id })).await["lead"].take();
        for name in ["source", "customerType", "ownerEmail", "region"] {
            assert_eq!(read[name], input[name], "{name}");
        }
    }

    async fn a_lead_shows_what_it_was_given_in_normal_form(server: &Server) {
        let id = create(server, json!({
            "email": " Ana.Souza@Example.COM ", "phone": "+55 (11) 96123-4567", "firstName": "Ana", "lastName": "Souza",
            "companyName": "Ciclo", "website": "example.com", "city": "São Paulo", "country": "br",
            "timeZone": "America/Sao_Paulo", "language": "pt_br", "interests": ["cycling", "cycling", " running "],
            "source": "referral", "sourceDetail": { "campaign": "spring" }, "expectedCloseDate": "2026-03-01",
            "dealValue": { "amount": "1234.5", "currencyCode": "brl" }, "ownerEmail": "Owner@example.com",
            "externalIds": [{ "namespace": "Shopify:Main", "value": "77" }]
        })).await;
        let read = server.data(
            "query ($id: ID!) { lead(id: $id) { displayName email phone website country timeZone language interests
                source sourceDetail expectedCloseDate dealValue { amount currencyCode } ownerEmail stage version custom
                identities { kind namespace value } } }",
            json!({ "id": id }),
        ).await;
        assert_eq!(read["lead"], json!({
            "displayName": "Ana Souza", "email": "ana.souza@example.com", "phone": "+5511961234567",
            "website": "https://example.com/", "country": "BR", "timeZone": "America/Sao_Paulo", "language": "pt-BR",
            "interests": ["cycling", "running"], "source": "referral", "sourceDetail": { "campaign": "spring" },
            "expectedCloseDate": "2026-03-01", "dealValue": { "amount": "1234.50", "currencyCode": "BRL" },
            "ownerEmail": "owner@example.com", "stage": "NEW", "version": 1, "custom": {},
            "identities": [
                { "kind": "EMAIL", "namespace": null, "value": "ana.souza@example.com" },
                { "kind": "EXTERNAL", "namespace": "shopify:main", "value": "77" },
                { "kind": "PHONE", "namespace": null, "value": "+5511961234567" },
            ],
        }));
    }

    async fn all_that_is_wrong_is_said_at_once(server: &Server) {
        let answer = server.data(CREATE, json!({ "input": {
            "email": "ana", "country": "Brazil", "language": "klingon!", "custom": { "sport": "run" },
            "dealValue": { "amount": "-1", "currencyCode": "EUR" }
        } })).await;
        let problems: Vec<(Value, &str)> = answer["leadCreate"]["userErrors"].as_array().unwrap().iter()
            .map(|problem| (problem["field"].clone(), problem["code"].as_str().unwrap())).collect();
        assert_eq!(problems, [
            (json!(["email"]), "INVALID"), (json!(["country"]), "INVALID"), (json!(["language"]), "INVALID"),
            (json!(["custom", "sport"]), "INVALID"), (json!(["dealValue"]), "INVALID"),
        ]);
        assert_eq!(
            answer["leadCreate"]["userErrors"][1]["message"],
            "unknown country `Brazil`: expected the two letters of ISO 3166-1, like BR, DE or US"
        );
        let answer = server.data(CREATE, json!({ "input": { "firstName": "Ana" } })).await;
        assert_eq!(answer["leadCreate"], json!({ "outcome": "REFUSED", "changedFields": [], "lead": null, "userErrors": [{
            "field": [], "code": "IDENTITY_REQUIRED",
            "message": "a lead needs an e-mail, a phone number or an external id",
        }] }));
        assert_eq!(count(server, json!({})).await, 0);
    }

    async fn an_identity_belongs_to_one_lead(server: &Server) {
        let ana = create(server, json!({ "email": "ana@example.com" })).await;
        let bob = create(server, json!({ "email": "bob@example.com" })).await;
        let again = server.data(CREATE, json!({ "input": { "email": "ANA@example.com" } })).await;
        assert_eq!(again["leadCreate"]["userErrors"], json!([{
            "field": ["email"], "code": "IDENTITY_TAKEN",
            "message": format!("the e-mail `ana@example.com` belongs to the lead `{ana}`"),
        }]));
        let both = server.data(UPSERT, json!({ "input": { "leads": [
            { "email": "ana@example.com", "externalIds": [{ "namespace": "crm", "value": "1" }] },
            { "email": "bob@example.com", "externalIds": [{ "namespace": "crm", "value": "1" }] },
        ] } })).await;
        let results = &both["leadsUpsert"]["results"];
        assert_eq!(outcomes(results), ["UPDATED", "REFUSED"]);
        assert_eq!(results[0]["changedFields"], json!(["IDENTITIES"]));
        assert_eq!(results[1]["userErrors"], json!([{
            "field": ["externalIds"], "code": "AMBIGUOUS",
            "message": format!("the e-mail `bob@example.com` belongs to `{bob}`, but the external id `crm`/`1` to `{ana}`: these are two leads"),
        }]));
    }

    async fn absent_keeps_null_clears_and_a_stale_version_is_refused(server: &Server) {
        let id = create(server, json!({ "email": "ana@example.com", "phone": "+5511961234567", "firstName": "Ana" })).await;
        let answer = server.data(UPDATE, json!({ "input": { "id": id, "version": 1, "firstName": null, "email": null } })).await;
        assert_eq!(answer["leadUpdate"], json!({
            "outcome": "UPDATED", "changedFields": ["EMAIL", "FIRST_NAME", "IDENTITIES"],
            "lead": { "id": id, "version": 2, "email": null, "phone": "+5511961234567", "firstName": null, "custom": {},
                "identities": [{ "kind": "PHONE", "value": "+5511961234567" }] },
            "userErrors": [],
        }));
        let stale = server.data(UPDATE, json!({ "input": { "id": id, "version": 1, "firstName": "Ann" } })).await;
        assert_eq!(stale["leadUpdate"]["userErrors"][0]["code"], "CONFLICT");
        assert_eq!(
            stale["leadUpdate"]["userErrors"][0]["message"],
            "the lead has changed: it has version 2, not 1; read it again"
        );
        let last = server.data(UPDATE, json!({ "input": { "id": id, "phone": null } })).await;
        assert_eq!(last["leadUpdate"]["userErrors"][0]["code"], "IDENTITY_REQUIRED");
        let same = server.data(UPDATE, json!({ "input": { "id": id, "phone": "+55 11 96123 4567" } })).await;
        assert_eq!((&same["leadUpdate"]["outcome"], &same["leadUpdate"]["lead"]["version"]), (&json!("UNCHANGED"), &json!(2)));
    }

    async fn the_same_batch_twice_does_nothing_the_second_time(server: &Server) {
        let leads: Vec<Value> = (0..1_000).map(|n| json!({
            "email": format!("lead{n}@example.com"), "lastName": format!("No {n}"), "source": "import",
            "externalIds": [{ "namespace": "file", "value": n.to_string() }],
        })).collect();
        let input = json!({ "input": { "leads": leads } });
        let query = "mutation ($input: LeadsUpsertInput!) { leadsUpsert(input: $input) { results { outcome } } }";
        let first = server.data(query, input.clone()).await;
        assert_eq!(outcomes(&first["leadsUpsert"]["results"]), vec!["CREATED"; 1_000]);
        let log = || async { leadline::events::relay(server.app().db()).await.unwrap();
            leadline::events::head(server.app().db().read()).await.unwrap().0 };
        server.settled().await;
        let before = log().await;
        let second = server.data(query, input).await;
        assert_eq!(outcomes(&second["leadsUpsert"]["results"]), vec!["UNCHANGED"; 1_000]);
        assert_eq!(log().await, before);
        assert_eq!(count(server, json!({})).await, 1_000);
        let too_many = server.data(UPSERT, json!({ "input": { "leads": vec![json!({ "email": "a@example.com" }); 1_001] } })).await;
        assert_eq!(too_many["leadsUpsert"]["userErrors"], json!([{ "message": "1001 items; a call takes 1 to 1000", "code": "TOO_MANY" }]));
    }

    async fn deleted_leads_come_back_and_erased_ones_do_not(server: &Server) {
        let id = create(server, json!({ "email": "ana@example.com", "firstName": "Ana", "country": "BR" })).await;
        let remove = |what: &str| format!("mutation ($id: ID!) {{ {what}(input: {{ id: $id }}) {{ leadId userErrors {{ code }} }} }}");
        let gone = server.data(&remove("leadDelete"), json!({ "id": id })).await;
        assert_eq!(gone["leadDelete"], json!({ "leadId": id, "userErrors": [] }));
        let read = "query ($id: ID!) { lead(id: $id) { firstName email } }";
        assert_eq!(server.data(read, json!({ "id": id })).await, json!({ "lead": null }));
        let twice = server.data(&remove("leadDelete"), json!({ "id": id })).await;
        assert_eq!(twice["leadDelete"], json!({ "leadId": null, "userErrors": [{ "code": "NOT_FOUND" }] }));
        let back = server.data(UPSERT, json!({ "input": { "leads": [{ "email": "ana@example.com" }] } })).await;
        assert_eq!(back["leadsUpsert"]["results"][0], json!({ "outcome": "UPDATED", "changedFields": [], "lead": { "id": id }, "userErrors": [] }));
        server.data(&remove("leadDelete"), json!({ "id": id })).await;
        let restored = server.data(
            "mutation ($id: ID!) { leadRestore(input: { id: $id }) { lead { firstName } userErrors { code } } }", json!({ "id": id }),
        ).await;
        assert_eq!(restored["leadRestore"], json!({ "lead": { "firstName": "Ana" }, "userErrors": [] }));
        let erased = server.data(&remove("leadErase"), json!({ "id": id })).await;
        assert_eq!(erased["leadErase"], json!({ "leadId": id, "userErrors": [] }));
        let anew = create(server, json!({ "email": "ana@example.com" })).await;
        assert_ne!(anew, id);
        assert_eq!(count(server, json!({})).await, 1);
    }

    async fn a_repeated_key_answers_the_first_outcome(server: &Server) {
        let input = json!({ "input": { "email": "ana@example.com", "idempotencyKey": "k1" } });
        let first = server.data(CREATE, input.clone()).await;
        assert_eq!(first["leadCreate"]["outcome"], "CREATED");
        assert_eq!(server.data(CREATE, input).await, first);
        let other = server.graphql(CREATE, json!({ "input": { "email": "bob@example.com", "idempotencyKey": "k1" } })).await;
        assert_eq!(code(&other), "CONFLICT");
        assert_eq!(count(server, json!({})).await, 1);
    }

    async fn filters_find_what_they_say(server: &Server) {
        for (n, (name, city, source)) in [
            (Some("ÀNA"), Some("São Paulo"), "Referral"), (Some("Bob_1"), Some("SÃO PEDRO"), "ads"),
            (Some("b*[c]"), None, "ads"), (None, Some("Berlin"), "forms"),
        ].into_iter().enumerate() {
            create(server, json!({ "email": format!("lead{n}@example.com"), "firstName": name, "city": city, "source": source,
                "interests": if n == 0 { json!(["run", "swim"]) } else { json!([]) },
                "dealValue": if n == 1 { json!({ "amount": "100.01", "currencyCode": "EUR" }) } else { json!(null) },
            })).await;
        }
        for (filter, found) in [
            (json!({}), 4),
            (json!({ "source": { "eq": "referral" } }), 1),
            (json!({ "source": { "in": ["ADS", "forms"] } }), 3),
            (json!({ "city": { "startsWith": "são p" } }), 2),
            (json!({ "city": { "eq": "são paulo" } }), 1),
            (json!({ "firstName": { "contains": "àn" } }), 1),
            (json!({ "firstName": { "contains": "*[C]" } }), 1),
            (json!({ "firstName": { "contains": "_" } }), 1),
            (json!({ "firstName": { "isSet": false } }), 1),
            (json!({ "not": { "city": { "startsWith": "s" } } }), 2),
            (json!({ "email": { "eq": "LEAD1@example.com" } }), 1),
            (json!({ "email": { "contains": "lead" } }), 4),
            (json!({ "interests": { "all": ["run", "swim"] } }), 1),
            (json!({ "interests": { "none": ["swim"] } }), 3),
            (json!({ "tags": { "any": ["vip"] } }), 0),
            (json!({ "tags": { "none": ["vip"] } }), 4),
            (json!({ "stage": { "in": ["NEW"] } }), 4),
            (json!({ "or": [{ "city": { "eq": "Berlin" } }, { "source": { "eq": "ads" } }] }), 3),
            (json!({ "or": [] }), 0),
            (json!({ "dealValue": { "currencyCode": "EUR", "gte": 100.01, "lte": 100.01 } }), 1),
            (json!({ "dealValue": { "currencyCode": "EUR", "gte": 100.02 } }), 0),
            (json!({ "createdAt": { "withinDays": 1 } }), 4),
            (json!({ "createdAt": { "olderThanDays": 1 } }), 0),
            (json!({ "consents": [{ "channel": "EMAIL", "purpose": "MARKETING" }] }), 0),
            (json!({ "consents": [{ "channel": "EMAIL", "purpose": "MARKETING", "granted": false }] }), 4),
        ] {
            assert_eq!(count(server, filter.clone()).await, found, "{filter}");
        }
        let deep = (0..8).fold(json!({}), |inner, _| json!({ "not": inner }));
        let refused = server.graphql(COUNT, json!({ "filter": deep })).await;
        assert_eq!(code(&refused), "BAD_USER_INPUT");
        let wide = json!({ "or": vec![json!({ "city": { "eq": "x" } }); 60] });
        let refused = server.graphql(COUNT, json!({ "filter": wide })).await;
        assert_eq!(
            refused["errors"][0]["message"],
            "filter.or.40: the filter has too many conditions: the most is 100"
        );
        let refused = server.graphql(COUNT, json!({ "filter": { "custom": [{ "key": "sport", "isSet": true }] } })).await;
        assert_eq!(code(&refused), "BAD_USER_INPUT");
    }

    async fn custom_values_are_checked_and_found(server: &Server) {
        for (key, kind, options) in [
            ("level", "NUMBER", json!([])), ("club", "BOOLEAN", json!([])), ("since", "DATE", json!([])),
            ("seen", "DATE_TIME", json!([])), ("sport", "SELECT", json!(["run", "swim"])),
            ("shoes", "MULTI_SELECT", json!(["red", "blue"])), ("note", "TEXT", json!([])),
        ] {
            let input = json!({ "key": key, "label": key, "type": kind, "options": options });
            let made = server.data(
                "mutation ($input: CustomFieldCreateInput!) { customFieldCreate(input: $input) { userErrors { message } } }",
                json!({ "input": input }),
            ).await;
            assert_eq!(made["customFieldCreate"]["userErrors"], json!([]));
        }
        let id = create(server, json!({ "email": "ana@example.com", "custom": {
            "level": 4.5, "club": true, "since": "2020-02-03", "seen": "2024-01-02T03:04:05+01:00", "sport": "RUN",
            "shoes": ["blue", "red"], "note": "São"
        } })).await;
        create(server, json!({ "email": "bob@example.com" })).await;
        let read = server.data("query ($id: ID!) { lead(id: $id) { custom } }", json!({ "id": id })).await;
        assert_eq!(read["lead"]["custom"], json!({
            "level": 4.5, "club": true, "since": "2020-02-03", "seen": "2024-01-02T02:04:05Z", "sport": "run",
            "shoes": ["red", "blue"], "note": "São"
        }));
        for (condition, found) in [
            (json!({ "key": "level", "number": { "gt": 4, "lte": 4.5 } }), 1),
            (json!({ "key": "level", "number": { "lt": 4.5 } }), 0),
            (json!({ "key": "club", "boolean": true }), 1),
            (json!({ "key": "club", "boolean": false }), 0),
            (json!({ "key": "since", "date": { "gte": "2020-02-03", "lte": "2020-02-03" } }), 1),
            (json!({ "key": "seen", "dateTime": { "gte": "2024-01-02T02:04:05Z" } }), 1),
            (json!({ "key": "seen", "dateTime": { "lt": "2024-01-02T02:04:05Z" } }), 0),
            (json!({ "key": "sport", "text": { "in": ["Run", "bike"] } }), 1),
            (json!({ "key": "shoes", "options": { "all": ["red", "blue"] } }), 1),
            (json!({ "key": "shoes", "options": { "none": ["red"] } }), 1),
            (json!({ "key": "note", "text": { "contains": "ÃO" } }), 1),
            (json!({ "key": "note", "isSet": false }), 1),
        ] {
            assert_eq!(count(server, json!({ "custom": [condition] })).await, found, "{condition}");
        }
        let update = server.data(UPDATE, json!({ "input": { "id": id, "custom": { "level": null, "sport": "swim" } } })).await;
        assert_eq!(update["leadUpdate"]["changedFields"], json!(["CUSTOM"]));
        assert_eq!(update["leadUpdate"]["lead"]["custom"]["sport"], "swim");
        assert_eq!(update["leadUpdate"]["lead"]["custom"]["level"], Value::Null);
    }

    async fn every_ordering_gives_each_lead_once_in_both_directions(server: &Server) {
        let leads: Vec<Value> = (0..57).map(|n| json!({ "email": format!("lead{n}@example.com"), "lastName": format!("Name {}", n % 5) })).collect();
        server.data(UPSERT, json!({ "input": { "leads": leads } })).await;
        server.settled().await;
        // Ties, fractions that JSON might round, and leads without a score.
        let ids: Vec<String> = all(server, "CREATED_AT", "ASC", "first", 100).await;
        let db = server.app().db();
        let tx = db.begin().await.unwrap();
        entity::lead_score::Entity::delete_many().exec(&*tx).await.unwrap();
        let rows: Vec<entity::lead_score::Model> = ids.iter().take(40).enumerate().map(|(n, id)| entity::lead_score::Model {
            decay_key: 2_000.0 + f64::from(u32::try_from(n % 7).unwrap()) / 3.0,
            last_activity_at: Timestamp::from_micros(1_000 + i64::try_from(n % 6).unwrap()),
            ..score_row(id.parse().unwrap())
        }).collect();
        insert_many(&tx, &rows, leadline::db::Conflict::Fail).await.unwrap();
        tx.commit().await.unwrap();
        for field in ["CREATED_AT", "UPDATED_AT", "NAME", "SCORE", "LAST_ACTIVITY_AT"] {
            for direction in ["ASC", "DESC"] {
                let forward = all(server, field, direction, "first", 10).await;
                assert_eq!(forward.len(), 57, "{field} {direction}");
                assert_eq!(forward.iter().collect::<HashSet<_>>().len(), 57, "{field} {direction}");
                let mut backward = all(server, field, direction, "last", 10).await;
                backward.reverse();
                assert_eq!(backward, forward, "{field} {direction}");
                if matches!(field, "SCORE" | "LAST_ACTIVITY_AT") {
                    let without: HashSet<&String> = forward[40..].iter().collect();
                    assert_eq!(without, ids[40..].iter().collect(), "those without a score come last");
                }
            }
        }
        let page = |first: i32| json!({ "first": first });
        let query = "query ($first: Int!) { leads(first: $first, order: { field: NAME }) { nodes { id displayName identities { value } } } }";
        server.costs_the_same(query, page(5), page(50)).await;
        let foreign = server.data("{ leads(first: 1) { pageInfo { endCursor } } }", json!({})).await;
        let foreign = server.graphql(
            "query ($after: String) { leads(after: $after, order: { field: NAME }) { nodes { id } } }",
            json!({ "after": foreign["leads"]["pageInfo"]["endCursor"] }),
        ).await;
        assert_eq!(code(&foreign), "BAD_USER_INPUT");
    }

    async fn a_subscriber_may_ask_for_some_leads(server: &Server) {
        let mut socket = server.socket(server.admin()).await;
        let mut feed = socket.subscribe(
            "subscription { leadChanged(filter: { country: { eq: \"BR\" } }) { event lead { email } } }", json!({}),
        ).await;
        create(server, json!({ "email": "ana@example.com", "country": "DE" })).await;
        create(server, json!({ "email": "bob@example.com", "country": "BR" })).await;
        assert_eq!(feed.data().await, json!({ "leadChanged": { "event": "LEAD_CREATED", "lead": { "email": "bob@example.com" } } }));
    }

    async fn many_writers_of_the_same_people_make_each_once(server: &Server) {
        let write = |writer: usize| async move {
            let leads: Vec<Value> = (0..50).map(|n| json!({
                "email": format!("p{}@example.com", (n * 7 + writer) % 50), "firstName": format!("from {writer}"),
            })).collect();
            let answer = server.data(UPSERT, json!({ "input": { "leads": leads } })).await;
            let results = answer["leadsUpsert"]["results"].as_array().unwrap().clone();
            assert_eq!(results.len(), 50);
            results.iter().filter(|result| result["outcome"] == "CREATED").count()
        };
        let (a, b, c, d) = tokio::join!(write(0), write(1), write(2), write(3));
        assert_eq!(a + b + c + d, 50);
        assert_eq!(count(server, json!({})).await, 50);
    }
}

/// The ids of all leads, page by page from one end.
async fn all(server: &Server, field: &str, direction: &str, from: &str, size: i32) -> Vec<String> {
    let (cursor, end, more) = if from == "first" {
        ("after", "endCursor", "hasNextPage")
    } else {
        ("before", "startCursor", "hasPreviousPage")
    };
    let query = format!(
        "query ($size: Int!, $cursor: String) {{ leads({from}: $size, {cursor}: $cursor, order: {{ field: {field}, \
         direction: {direction} }}) {{ nodes {{ id }} pageInfo {{ {end} {more} }} }} }}"
    );
    let mut ids = Vec::new();
    let mut at = Value::Null;
    loop {
        let page = server.data(&query, json!({ "size": size, "cursor": at })).await;
        let mut nodes: Vec<String> = page["leads"]["nodes"]
            .as_array()
            .expect("as the schema says")
            .iter()
            .map(|node| node["id"].as_str().expect("as the schema says").to_owned())
            .collect();
        if from == "last" {
            nodes.reverse();
        }
        let full = nodes.len() == usize::try_from(size).expect("a page has a size");
        ids.extend(nodes);
        assert!(ids.len() <= 1_000, "the pages have an end");
        if page["leads"]["pageInfo"][more] == false {
            return ids;
        }
        assert!(full, "each page but the last is full: {page}");
        at = page["leads"]["pageInfo"][end].clone();
    }
}

fn score_row(lead_id: LeadId) -> entity::lead_score::Model {
    entity::lead_score::Model {
        lead_id,
        model_version: 1,
        base: 50,
        demographic: 50.0,
        behavioral: 50.0,
        firmographic: 50.0,
        engagement: 50.0,
        intent: 50.0,
        decay_key: 0.0,
        decay_rate: 0.1,
        last_activity_at: Timestamp::from_micros(0),
        temperature: entity::Temperature::Warm,
        crosses_at: None,
        valid_until: None,
        due_at: None,
        facts: "{}".to_owned(),
        computed_at: Timestamp::from_micros(0),
    }
}
