//! API tokens: made, bound, changed, rotated and revoked by GraphQL.

use serde_json::{Value, json};

use crate::sessions::{tokens, user};
use crate::support::{Database, Server, Setup, unknown_field, until};

const CREATE: &str = "mutation ($input: ApiTokenCreateInput!) { apiTokenCreate(input: $input) {
    token { id name hint scopes rowFilter networks origins budget { limit restorePerSecond } createdBy expiresAt }
    secret userErrors { field code message }
} }";
const UPDATE: &str = "mutation ($input: ApiTokenUpdateInput!) { apiTokenUpdate(input: $input) {
    token { scopes rowFilter networks expiresAt } userErrors { field code message }
} }";
const ROTATE: &str = "mutation ($input: ApiTokenRotateInput!) { apiTokenRotate(input: $input) {
    token { previousSecretUntil } secret userErrors { code }
} }";
const COUNT: &str = "{ leadsCount { count } }";

async fn made(server: &Server, by: &str, input: Value) -> (String, String) {
    let mut answer = server.data_as(by, CREATE, json!({ "input": input })).await["apiTokenCreate"].take();
    assert_eq!(answer["userErrors"], json!([]), "{answer}");
    let text = |value: Value| value.as_str().expect("a text").to_owned();
    (text(answer["token"]["id"].take()), text(answer["secret"].take()))
}

on_both! {
    async fn a_token_is_made_with_its_bounds_and_shown_once(server: &Server) {
        let ada = user(server, "ada@example.com", "admin").await;
        let (admin, _) = tokens(server, "ada@example.com").await;
        let input = json!({
            "name": " Partner X ", "scopes": ["leads:read", "engagement:write"], "expiresAt": "2099-01-01T00:00:00Z",
            "rowFilter": { "source": { "eq": "partner-x" } }, "networks": ["127.0.0.1", "192.0.2.7/24"],
            "budget": { "limit": 1000, "restorePerSecond": 10 },
        });
        let answer = server.data_as(&admin, CREATE, json!({ "input": input })).await["apiTokenCreate"].take();
        let (token, secret) = (&answer["token"], answer["secret"].as_str().expect("a secret"));
        assert_eq!((&token["name"], &token["createdBy"]), (&json!("Partner X"), &json!(ada)));
        assert_eq!(token["scopes"], json!(["leads:read", "engagement:write"]));
        assert_eq!((&token["rowFilter"], &token["networks"]), (&json!({ "source": { "eq": "partner-x" } }), &json!(["127.0.0.1/32", "192.0.2.0/24"])));
        assert_eq!(token["budget"], json!({ "limit": 1000, "restorePerSecond": 10 }));
        assert!(secret.starts_with("leadline_") && secret.len() == 58 && secret.starts_with(token["hint"].as_str().expect("a hint")));
        let create = "mutation ($input: LeadCreateInput!) { leadCreate(input: $input) { lead { id } } }";
        server.data(create, json!({ "input": { "email": "a@example.com", "source": "partner-x" } })).await;
        server.data(create, json!({ "input": { "email": "b@example.com", "source": "other" } })).await;
        let answer = server.graphql_as(Some(secret), COUNT, json!({})).await;
        assert_eq!(answer["data"]["leadsCount"]["count"], 1, "{answer}");
        assert_eq!(answer["extensions"]["cost"]["throttle"]["limit"], 1000.0, "its own budget: {answer}");
        // Neither in the list nor anywhere else.
        let listed = server.data_as(&admin, "{ apiTokens { id name hint lastUsedAt usage { day requests } } }", json!({})).await;
        assert!(!listed.to_string().contains(&secret[20..]), "{listed}");
        until("its use is noted", async || {
            let asked = server.data_as(&admin, "query ($id: ID!) { apiToken(id: $id) { usage(days: 1) { requests } } }", json!({ "id": token["id"] })).await;
            asked["apiToken"]["usage"][0]["requests"] == 1
        })
        .await;
    }

    async fn wrong_bounds_are_named(server: &Server) {
        let base = json!({ "name": "x", "scopes": ["leads:read"] });
        for (key, value, wanted) in [
            ("name", json!(" "), "INVALID_NAME"),
            ("name", json!("x".repeat(101)), "INVALID_NAME"),
            ("scopes", json!([]), "INVALID_SCOPE"),
            ("scopes", json!(["leads:fly"]), "INVALID_SCOPE"),
            ("expiresAt", json!("2020-01-01T00:00:00Z"), "INVALID_EXPIRY"),
            ("rowFilter", json!({}), "INVALID_ROW_FILTER"),
            ("rowFilter", json!({ "source": {} }), "INVALID_ROW_FILTER"),
            ("networks", json!(["somewhere"]), "INVALID_NETWORK"),
            ("origins", json!(["app.example.com"]), "INVALID_ORIGIN"),
            ("budget", json!({ "limit": 0, "restorePerSecond": 1 }), "INVALID_BUDGET"),
        ] {
            let mut input = base.clone();
            input[key] = value.clone();
            let answer = server.data(CREATE, json!({ "input": input })).await["apiTokenCreate"].take();
            let error = &answer["userErrors"][0];
            assert_eq!((&error["code"], &error["field"][0], &answer["secret"]), (&json!(wanted), &json!(key), &json!(null)), "{value}: {answer}");
        }
    }

    async fn nobody_makes_a_token_beyond_themselves(database: &Database) {
        let server = Server::start(database, Setup::default().at("2026-03-01T12:00:00Z")).await;
        let (_, maker) = made(&server, server.admin(), json!({
            "name": "maker", "scopes": ["tokens:write", "leads:read"], "expiresAt": "2026-04-01T00:00:00Z",
            "networks": ["127.0.0.0/8"], "budget": { "limit": 1000, "restorePerSecond": 10 },
        })).await;
        let fine = json!({
            "name": "child", "scopes": ["leads:read"], "expiresAt": "2026-03-15T00:00:00Z", "networks": ["127.0.0.1"],
            "budget": { "limit": 100, "restorePerSecond": 10 },
        });
        let (child, _) = made(&server, &maker, fine.clone()).await;
        let (strong, _) = made(&server, server.admin(), json!({ "name": "strong", "scopes": ["admin"] })).await;
        for (key, value, wanted) in [
            ("scopes", json!(["leads:write"]), "BEYOND_OWN"),
            ("scopes", json!(["admin"]), "BEYOND_OWN"),
            ("expiresAt", json!(null), "INVALID_EXPIRY"),
            ("expiresAt", json!("2026-05-01T00:00:00Z"), "INVALID_EXPIRY"),
            ("networks", json!([]), "BEYOND_OWN"),
            ("networks", json!(["10.0.0.0/8"]), "BEYOND_OWN"),
            ("budget", json!({ "limit": 2000, "restorePerSecond": 10 }), "BEYOND_OWN"),
            ("budget", json!(null), "BEYOND_OWN"),
        ] {
            let mut input = fine.clone();
            input[key] = value.clone();
            let answer = server.data_as(&maker, CREATE, json!({ "input": input })).await["apiTokenCreate"].take();
            assert_eq!(answer["userErrors"][0]["code"], wanted, "{key} {value}: {answer}");
            if key == "networks" && value == json!([]) || key != "expiresAt" || value != json!(null) {
                // Nor widens one that is there.
                let mut change = json!({ "id": child });
                change[key] = value.clone();
                let answer = server.data_as(&maker, UPDATE, json!({ "input": change })).await["apiTokenUpdate"].take();
                assert_eq!(answer["userErrors"][0]["code"], wanted, "{key} {value}: {answer}");
            }
        }
        for (query, field) in [(UPDATE, "apiTokenUpdate"), (ROTATE, "apiTokenRotate")] {
            let answer = server.data_as(&maker, query, json!({ "input": { "id": strong } })).await;
            assert_eq!(answer[field]["userErrors"][0]["code"], "BEYOND_OWN", "{answer}");
        }
        // The secret of a token is what the token may do: where it may, as long as it may.
        let (free, _) = made(&server, server.admin(), json!({ "name": "free", "scopes": ["leads:read"] })).await;
        let answer = server.data_as(&maker, ROTATE, json!({ "input": { "id": free } })).await;
        assert!(["BEYOND_OWN", "INVALID_EXPIRY"].contains(&answer["apiTokenRotate"]["userErrors"][0]["code"].as_str().unwrap()), "{answer}");
        assert_eq!(answer["apiTokenRotate"]["secret"], json!(null));
        let answer = server.data_as(&maker, ROTATE, json!({ "input": { "id": child } })).await;
        assert_eq!(answer["apiTokenRotate"]["userErrors"], json!([]), "{answer}");
        // Who has no budget of their own has that of the settings.
        let (own, plain) = made(&server, server.admin(), json!({ "name": "plain", "scopes": ["tokens:write"] })).await;
        for (limit, wanted) in [(50_001, json!([{ "code": "BEYOND_OWN" }])), (50_000, json!([]))] {
            let change = json!({ "id": own, "budget": { "limit": limit, "restorePerSecond": 1000 } });
            let query = "mutation ($input: ApiTokenUpdateInput!) { apiTokenUpdate(input: $input) { userErrors { code } } }";
            let answer = server.data_as(&plain, query, json!({ "input": change })).await;
            assert_eq!(answer["apiTokenUpdate"]["userErrors"], wanted, "{limit}");
        }
        let revoke = "mutation ($id: ID!) { apiTokenRevoke(input: { id: $id }) { token { id } userErrors { code } } }";
        let answer = server.data_as(&maker, revoke, json!({ "id": strong })).await;
        assert_eq!(answer["apiTokenRevoke"]["userErrors"][0]["code"], "BEYOND_OWN");
        let readers = server.token(&["leads:write"]).await;
        assert_eq!(unknown_field(&server.graphql_as(Some(&readers), CREATE, json!({ "input": fine })).await), "apiTokenCreate");
        server.stop().await;
    }

    async fn what_is_narrowed_is_narrow_at_once_on_every_server(database: &Database) {
        let one = Server::start(database, Setup::default()).await;
        let two = Server::start(database, Setup::default().without_work()).await;
        let create = "mutation ($input: LeadCreateInput!) { leadCreate(input: $input) { lead { id } } }";
        one.data(create, json!({ "input": { "email": "a@example.com", "source": "partner-x" } })).await;
        one.data(create, json!({ "input": { "email": "b@example.com", "source": "other" } })).await;
        let (id, secret) = made(&one, one.admin(), json!({ "name": "x", "scopes": ["leads:read", "engagement:read"] })).await;
        assert_eq!(two.data_as(&secret, COUNT, json!({})).await["leadsCount"]["count"], 2);
        let mut socket = two.socket(&secret).await;
        let begun = std::time::Instant::now();
        let change = json!({ "input": { "id": id, "rowFilter": { "source": { "eq": "partner-x" } } } });
        one.data(UPDATE, change).await;
        assert_eq!(socket.closed().await, 4403);
        assert!(begun.elapsed().as_secs_f64() < 1.0, "{:?}", begun.elapsed());
        until("both servers show the part", async || {
            let mut parts = 0;
            for server in [&one, &two] {
                parts += i32::from(server.data_as(&secret, COUNT, json!({})).await["leadsCount"]["count"] == 1);
            }
            parts == 2
        })
        .await;
        // A new name closes nothing; fewer scopes do.
        let mut socket = two.socket(&secret).await;
        one.data(UPDATE, json!({ "input": { "id": id, "name": "y" } })).await;
        let mut feed = socket.subscribe("subscription { leadChanged { event } }", json!({})).await;
        one.data(create, json!({ "input": { "email": "c@example.com", "source": "partner-x" } })).await;
        assert_eq!(feed.data().await["leadChanged"]["event"], "LEAD_CREATED");
        one.data(UPDATE, json!({ "input": { "id": id, "scopes": ["leads:read"] } })).await;
        assert_eq!(socket.closed().await, 4403);
        // And so does a network that it is not in any more.
        let mut socket = two.socket(&secret).await;
        one.data(UPDATE, json!({ "input": { "id": id, "networks": ["192.0.2.0/24"] } })).await;
        assert_eq!(socket.closed().await, 4403);
        until("it is refused from here", async || {
            let (status, answer) = two.post(Some(&secret), COUNT, json!({})).await;
            status == 403 && answer["errors"][0]["message"] == "this token may not be used from 127.0.0.1"
        })
        .await;
        one.stop().await;
        two.stop().await;
    }

    async fn a_token_of_pages_is_good_for_those_alone(server: &Server) {
        let (_, secret) = made(server, server.admin(), json!({ "name": "x", "scopes": ["leads:read"], "origins": ["https://app.example.com"] })).await;
        let ask = async |page: Option<&str>| {
            let mut asked = server.http().post(server.url("/graphql")).bearer_auth(&secret).json(&json!({ "query": COUNT }));
            if let Some(page) = page {
                asked = asked.header("origin", page);
            }
            asked.send().await.expect("an answer").status().as_u16()
        };
        assert_eq!(ask(Some("https://app.example.com")).await, 200);
        assert_eq!(ask(Some("https://evil.example.com")).await, 403);
        assert_eq!(ask(None).await, 403);
    }

    async fn a_rotated_token_has_two_secrets_for_a_while(database: &Database) {
        let server = Server::start(database, Setup::default().at("2026-03-01T12:00:00Z")).await;
        let (id, first) = made(&server, server.admin(), json!({ "name": "x", "scopes": ["leads:read"] })).await;
        let rotate = async |overlap: i32| {
            let answer = server.data(ROTATE, json!({ "input": { "id": id, "overlapSeconds": overlap } })).await["apiTokenRotate"].take();
            answer["secret"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
        };
        let status = async |secret: &str| server.post(Some(secret), COUNT, json!({})).await.0;
        assert_eq!(status(&first).await, 200);
        let second = rotate(60).await;
        assert_eq!((status(&first).await, status(&second).await), (200, 200));
        server.set_time("2026-03-01T12:01:01Z");
        until("the first is good no more", async || status(&first).await == 401).await;
        assert_eq!(status(&second).await, 200);
        let mut socket = server.socket(&second).await;
        let third = rotate(0).await;
        assert_eq!(socket.closed().await, 4403, "opened with a secret that is good no more");
        let mut socket = server.socket(&third).await;
        let fourth = rotate(60).await;
        server.set_time("2026-03-01T12:02:02Z");
        // What is looked at when a change is heard: the third secret has run out.
        server.data(UPDATE, json!({ "input": { "id": id, "name": "y" } })).await;
        assert_eq!(socket.closed().await, 4403);
        let third = fourth;
        until("the second is good no more", async || status(&second).await == 401).await;
        assert_eq!(status(&third).await, 200);
        let answer = server.data(ROTATE, json!({ "input": { "id": id, "overlapSeconds": 99_999_999 } })).await;
        assert_eq!(answer["apiTokenRotate"]["userErrors"][0]["code"], "INVALID_EXPIRY");
        server.stop().await;
    }

    async fn a_revoked_token_is_gone_for_good(server: &Server) {
        let (id, secret) = made(server, server.admin(), json!({ "name": "x", "scopes": ["leads:read"] })).await;
        let mut socket = server.socket(&secret).await;
        let revoke = "mutation ($id: ID!) { apiTokenRevoke(input: { id: $id }) { token { revokedAt } userErrors { code } } }";
        let done = server.data(revoke, json!({ "id": id })).await;
        assert!(done["apiTokenRevoke"]["token"]["revokedAt"].is_string(), "{done}");
        assert_eq!(socket.closed().await, 4403);
        assert_eq!(server.post(Some(&secret), COUNT, json!({})).await.0, 401);
        assert_eq!(server.data(revoke, json!({ "id": id })).await, done, "again changes nothing");
        for (query, field) in [(UPDATE, "apiTokenUpdate"), (ROTATE, "apiTokenRotate")] {
            let answer = server.data(query, json!({ "input": { "id": id } })).await;
            assert_eq!(answer[field]["userErrors"][0]["code"], "NOT_FOUND", "{answer}");
        }
    }
}
