//! Connections themselves: made, tried, changed, switched off, removed.

use integrations::sandbox::Failure;
use sea_orm::EntityTrait as _;
use serde_json::{Value, json};

use super::{CREATE, SYNC, connect, ended, input, server, shop, sync};
use crate::support::{Database, code, until};

const ONE: &str =
    "query ($id: ID!) { it: connection(id: $id) { name state settings secretNames syncEverySeconds
    account { name } health { ok problemKind problem checkedAt } lastSync { state cause failure { kind } }
    syncs(first: 5) { nodes { state cause } } mapping { theirs ours } accessTokenExpiresAt } }";

fn act(mutation: &str) -> String {
    format!(
        "mutation ($id: ID!) {{ it: {mutation}(input: {{ id: $id }}) {{ connection {{ state }} userErrors {{ code message }} }} }}"
    )
}

on_both! {
    async fn the_catalogue_says_what_is_to_be_entered(database: &Database) {
        let server = server(database).await;
        let query = "{ integrations { key name category authentication facets syncKinds settingsSchema secretsSchema
            scopes { name required } webhookTopics { name registrable } fieldDefaults { theirs ours } } }";
        let all = server.data(query, json!({})).await["integrations"].take();
        let keys: Vec<&str> = all.as_array().unwrap().iter().map(|one| one["key"].as_str().unwrap()).collect();
        assert_eq!(keys, ["anthropic", "meta", "openai", "openrouter", "sendgrid", "shopify", "smtp", "twilio"]);
        let shopify = &all[5];
        assert_eq!((&shopify["category"], &shopify["authentication"]), (&json!("COMMERCE"), &json!("OAUTH2")));
        assert_eq!(shopify["facets"], json!(["COMMERCE", "WEBHOOKS", "OAUTH"]));
        assert_eq!(shopify["syncKinds"], json!(["CUSTOMERS", "PRODUCTS", "ORDERS", "ABANDONED_CHECKOUTS"]));
        assert!(shopify["settingsSchema"]["properties"]["shop"].is_object(), "{shopify}");
        assert_eq!(shopify["secretsSchema"]["properties"]["clientSecret"]["writeOnly"], json!(true), "{shopify}");
    }

    async fn wrong_input_is_told_by_field(database: &Database) {
        let (server, sandbox) = (server(database).await, shop(3, 3).await);
        let good = input("shopify", "Shop", &sandbox);
        let tried = async |change: Value| {
            let mut input = good.clone();
            input.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            let made = server.data(CREATE, json!({ "input": input })).await["it"].take();
            assert_eq!(made["connection"], Value::Null, "{made}");
            (made["userErrors"][0]["field"].clone(), made["userErrors"][0]["code"].clone())
        };
        assert_eq!(tried(json!({ "platform": "myspace" })).await, (json!(["platform"]), json!("UNKNOWN_PLATFORM")));
        assert_eq!(tried(json!({ "name": " " })).await, (json!(["name"]), json!("INVALID_NAME")));
        assert_eq!(tried(json!({ "syncEverySeconds": 5 })).await.1, json!("INVALID_SCHEDULE"));
        let (field, code) = tried(json!({ "settings": { "shop": "https://evil.example.com" } })).await;
        assert_eq!((&field[0], code), (&json!("settings"), json!("INVALID_SETTINGS")));
        assert_eq!(tried(json!({ "secrets": { "accessToken": 7 } })).await.1, json!("INVALID_SECRETS"));
        assert_eq!(tried(json!({ "secrets": { "nonsense": "x" } })).await.1, json!("INVALID_SECRETS"));
        let wrong = json!({ "accessToken": "shpat_wrong", "clientSecret": good["secrets"]["clientSecret"] });
        assert_eq!(tried(json!({ "secrets": wrong })).await, (json!(["secrets"]), json!("CREDENTIALS_REFUSED")));
        let nowhere = json!([{ "theirs": "email", "ours": "no_such_field" }]);
        assert_eq!(tried(json!({ "mapping": nowhere })).await.1, json!("INVALID_MAPPING"));
        let none = server.data("{ connections { nodes { id } } }", json!({})).await;
        assert_eq!(none["connections"]["nodes"], json!([]));
    }

    async fn secrets_go_in_and_never_come_out(database: &Database) {
        let (server, sandbox) = (server(database).await, shop(3, 3).await);
        let mut socket = server.socket(server.admin()).await;
        let mut feed = socket.subscribe("subscription { connectionChanged { change state connection { name secretNames settings } } }", json!({})).await;
        let id = connect(&server, "shopify", "Shop", &sandbox).await;
        let told = feed.data().await.to_string();
        let read = server.data(ONE, json!({ "id": id })).await.to_string();
        let events = entity::event::Entity::find().all(server.app().db().read()).await.unwrap();
        let log: String = events.into_iter().map(|event| event.payload).collect();
        let entries = entity::audit_entry::Entity::find().all(server.app().db().read()).await.unwrap();
        let audit: String = entries.into_iter().map(|entry| entry.detail).collect();
        let secrets = input("shopify", "Shop", &sandbox)["secrets"].clone();
        for (name, secret) in secrets.as_object().unwrap() {
            assert!(read.contains(name.as_str()), "{name} is named: {read}");
            for text in [&told, &read, &log, &audit] {
                assert!(!text.contains(secret.as_str().unwrap()), "{name} in {text}");
            }
        }
        let rows = entity::connection::Entity::find().all(server.app().db().read()).await.unwrap();
        let sealed = rows[0].secrets.clone().unwrap();
        for secret in secrets.as_object().unwrap().values() {
            let plain = secret.as_str().unwrap().as_bytes();
            assert!(!sealed.windows(plain.len()).any(|part| part == plain), "a secret stands in the database as it is");
        }
    }

    async fn a_connection_is_tried_and_tells_when_it_breaks(database: &Database) {
        let (server, sandbox) = (server(database).await, shop(3, 3).await);
        let id = connect(&server, "shopify", "Shop", &sandbox).await;
        let test = "mutation ($id: ID!) { it: connectionTest(input: { id: $id }) { ok problemKind problem missingScopes connection { state health { ok } } userErrors { code } } }";
        let works = server.data(test, json!({ "id": id })).await["it"].take();
        assert_eq!((&works["ok"], &works["missingScopes"]), (&json!(true), &json!(["read_all_orders"])), "{works}");
        server.settled().await;
        let mut socket = server.socket(server.admin()).await;
        let mut feed = socket.subscribe("subscription { connectionChanged { change state problemKind } }", json!({})).await;
        sandbox.faults.next(Failure::Unauthorised, 50);
        let broken = server.data(test, json!({ "id": id })).await["it"].take();
        assert_eq!((&broken["ok"], &broken["problemKind"]), (&json!(false), &json!("UNAUTHORISED")), "{broken}");
        assert_eq!(broken["connection"]["state"], "UNAUTHORISED");
        assert_eq!(feed.data().await["connectionChanged"], json!({ "change": "UNAUTHORISED", "state": "UNAUTHORISED", "problemKind": "UNAUTHORISED" }));
        let refused = server.data(SYNC, json!({ "input": { "id": id } })).await["it"].take();
        assert_eq!(refused["userErrors"][0]["code"], "NOT_ACTIVE");
        sandbox.faults.clear();
        let mended = server.data(test, json!({ "id": id })).await["it"].take();
        assert_eq!((&mended["ok"], &mended["connection"]["state"]), (&json!(true), &json!("ACTIVE")), "{mended}");
        assert_eq!(feed.data().await["connectionChanged"]["state"], "ACTIVE");
    }

    async fn a_connection_is_changed_switched_off_and_removed(database: &Database) {
        let (server, sandbox) = (server(database).await, shop(3, 3).await);
        let id = connect(&server, "shopify", "Shop", &sandbox).await;
        let update = "mutation ($input: ConnectionUpdateInput!) { it: connectionUpdate(input: $input) { connection { name secretNames syncEverySeconds nextSyncAt mapping { theirs ours } } userErrors { field code message } } }";
        let changed = server.data(update, json!({ "input": { "id": id, "name": "Corner shop", "syncEverySeconds": 3600,
            "mapping": [{ "theirs": "note", "ours": "notes" }] } })).await["it"].take();
        assert_eq!(changed["userErrors"], json!([]), "{changed}");
        assert_eq!((&changed["connection"]["name"], &changed["connection"]["syncEverySeconds"]), (&json!("Corner shop"), &json!(3600)));
        assert_eq!(changed["connection"]["mapping"], json!([{ "theirs": "note", "ours": "notes" }]));
        let wrong = server.data(update, json!({ "input": { "id": id, "secrets": { "accessToken": "shpat_wrong" } } })).await["it"].take();
        assert_eq!(wrong["userErrors"][0]["code"], "CREDENTIALS_REFUSED", "{wrong}");
        // What was refused changed nothing.
        let works = server.data("mutation ($id: ID!) { connectionTest(input: { id: $id }) { ok } }", json!({ "id": id })).await;
        assert_eq!(works["connectionTest"]["ok"], true);
        let off = server.data(&act("connectionDisable"), json!({ "id": id })).await["it"].take();
        assert_eq!(off["connection"]["state"], "DISABLED");
        let refused = server.data(SYNC, json!({ "input": { "id": id } })).await["it"].take();
        assert_eq!(refused["userErrors"][0]["code"], "NOT_ACTIVE");
        let on = server.data(&act("connectionEnable"), json!({ "id": id })).await["it"].take();
        assert_eq!(on["connection"]["state"], "ACTIVE");
        let delete = "mutation ($id: ID!) { it: connectionDelete(input: { id: $id }) { deletedId userErrors { code } } }";
        for _ in 0..2 {
            let gone = server.data(delete, json!({ "id": id })).await["it"].take();
            assert_eq!(gone, json!({ "deletedId": id, "userErrors": [] }));
        }
        assert_eq!(server.data(ONE, json!({ "id": id })).await["it"], Value::Null);
        let gone = server.data(&act("connectionEnable"), json!({ "id": id })).await["it"].take();
        assert_eq!(gone["userErrors"][0]["code"], "NOT_FOUND");
    }

    async fn stored_secrets_are_not_sent_to_an_address_that_was_changed(database: &Database) {
        let (server, sandbox, other) = (server(database).await, shop(3, 3).await, shop(3, 3).await);
        let id = connect(&server, "shopify", "Shop", &sandbox).await;
        let update = "mutation ($input: ConnectionUpdateInput!) { it: connectionUpdate(input: $input) { connection { state settings } userErrors { field code message } } }";
        let elsewhere = input("shopify", "Shop", &other);
        let asked = other.requests().len();
        for secrets in [json!({}), json!({ "accessToken": elsewhere["secrets"]["accessToken"] })] {
            let change = json!({ "id": id, "settings": elsewhere["settings"], "secrets": secrets });
            let refused = server.data(update, json!({ "input": change })).await["it"].take();
            assert_eq!(refused["userErrors"][0]["code"], "INVALID_SECRETS", "{refused}");
            let message = refused["userErrors"][0]["message"].as_str().unwrap();
            assert!(message.contains("`baseUrl`") && message.contains("`clientSecret`"), "{message}");
        }
        let test = "mutation ($id: ID!) { connectionTest(input: { id: $id }) { ok } }";
        assert_eq!(server.data(test, json!({ "id": id })).await["connectionTest"]["ok"], true);
        assert_eq!(other.requests().len(), asked, "nothing was sent there");
        let change = json!({ "id": id, "settings": elsewhere["settings"], "secrets": elsewhere["secrets"] });
        let taken = server.data(update, json!({ "input": change })).await["it"].take();
        assert_eq!(taken["userErrors"], json!([]), "{taken}");
        assert!(other.requests().len() > asked, "it is tried there");
        // What is no address is changed as before.
        let mut settings = elsewhere["settings"].clone();
        settings["pageSize"] = json!(10);
        let taken = server.data(update, json!({ "input": { "id": id, "settings": settings } })).await["it"].take();
        assert_eq!((&taken["userErrors"], &taken["connection"]["settings"]["pageSize"]), (&json!([]), &json!(10)), "{taken}");
    }

    async fn a_schedule_reads_by_itself_from_the_beginning_on(database: &Database) {
        let (server, sandbox) = (server(database).await, shop(4, 4).await);
        let mut input = input("shopify", "Shop", &sandbox);
        input["syncEverySeconds"] = json!(300);
        let made = server.data(CREATE, json!({ "input": input })).await["it"].take();
        let id = made["connection"]["id"].clone();
        let mut read = Value::Null;
        until("it is read", async || {
            read = server.data(ONE, json!({ "id": id })).await["it"].take();
            read["lastSync"]["state"] == "SUCCEEDED"
        }).await;
        assert_eq!(read["lastSync"]["cause"], "FIRST");
        assert_eq!(read["syncs"]["nodes"].as_array().unwrap().len(), 1, "{read}");
    }

    async fn one_reading_at_a_time_and_one_slow_platform_delays_no_other(database: &Database) {
        let server = server(database).await;
        // More slow shops than jobs run at a time.
        let mut slow = Vec::new();
        for n in 0..6 {
            let sandbox = shop(4, 4).await;
            let id = connect(&server, "shopify", &format!("Slow {n}"), &sandbox).await;
            sandbox.faults.next(Failure::Slow(std::time::Duration::from_secs(20)), 100);
            let begun = server.data(SYNC, json!({ "input": { "id": id } })).await["it"].take();
            assert_eq!(begun["userErrors"], json!([]), "{begun}");
            slow.push((sandbox, id, begun["sync"]["id"].clone(), begun["job"]["id"].clone()));
        }
        let again = server.data(SYNC, json!({ "input": { "id": slow[0].1 } })).await["it"].take();
        assert_eq!(again["userErrors"][0]["code"], "SYNC_RUNNING", "{again}");
        let sandbox = shop(4, 4).await;
        let id = connect(&server, "shopify", "Fast", &sandbox).await;
        let begun = std::time::Instant::now();
        let read = sync(&server, &id, json!({})).await;
        assert_eq!(read["state"], "SUCCEEDED", "{read}");
        assert!(begun.elapsed() < std::time::Duration::from_secs(15), "{:?}", begun.elapsed());
        // A reading that waits can be cancelled, and is told as such.
        let cancel = "mutation ($id: ID!) { jobCancel(input: { id: $id }) { userErrors { code } } }";
        for (_, _, sync, job) in &slow {
            server.data(cancel, json!({ "id": job })).await;
            let read = ended(&server, sync.as_str().unwrap()).await;
            assert_eq!(read["state"], "CANCELLED", "{read}");
        }
    }

    async fn what_old_credentials_showed_is_not_said_of_new_ones(database: &Database) {
        use integrations::{Error, Kind};
        use leadline::platforms::connections::{live, report};
        let (server, sandbox) = (server(database).await, shop(3, 3).await);
        let id = connect(&server, "shopify", "Shop", &sandbox).await;
        let key: entity::id::ConnectionId = id.parse().unwrap();
        let update = "mutation ($input: ConnectionUpdateInput!) { it: connectionUpdate(input: $input) { userErrors { message } } }";
        let settings = input("shopify", "Shop", &sandbox)["settings"].clone();
        let enter = async |size: i64| {
            let mut settings = settings.clone();
            settings["pageSize"] = json!(size);
            let taken = server.data(update, json!({ "input": { "id": id, "settings": settings } })).await["it"].take();
            assert_eq!(taken["userErrors"], json!([]), "{taken}");
        };
        let state = async || {
            let read = server.data(ONE, json!({ "id": id })).await["it"].take();
            (read["state"].clone(), read["health"]["problemKind"].clone())
        };
        let begun = async || live(server.app(), key).await.unwrap().expect("it is there");
        let refused = Error::new(Kind::Unauthorised, "no");
        let (works, broken) = ((json!("ACTIVE"), Value::Null), (json!("UNAUTHORISED"), json!("UNAUTHORISED")));
        // Neither bad, though what was there before was refused.
        let old = begun().await;
        enter(10).await;
        report(server.app(), &old, Err(&refused)).await.unwrap();
        assert_eq!(state().await, works);
        // Nor good.
        let new = begun().await;
        report(server.app(), &new, Err(&refused)).await.unwrap();
        assert_eq!(state().await, broken);
        report(server.app(), &old, Ok(())).await.unwrap();
        assert_eq!(state().await, broken);
        // What began while it worked says nothing about what broke since.
        report(server.app(), &new, Ok(())).await.unwrap();
        assert_eq!(state().await, broken);
        // What is entered anew is not held to be broken, whatever was there before.
        enter(11).await;
        assert_eq!(state().await, works);
        // Another name changes nothing of it: the word still counts.
        let named = begun().await;
        server.data(update, json!({ "input": { "id": id, "name": "Corner shop" } })).await;
        report(server.app(), &named, Err(&refused)).await.unwrap();
        assert_eq!(state().await, broken);
        // The platform is away while others are entered: they are not refused, so they are used.
        sandbox.faults.next(Failure::ServerError, 4);
        enter(12).await;
        sandbox.faults.clear();
        assert_eq!(state().await, (json!("ACTIVE"), json!("UNAVAILABLE")));
        // Tried as it was, while others are entered.
        let test = "mutation ($id: ID!) { connectionTest(input: { id: $id }) { ok } }";
        sandbox.faults.next(Failure::Slow(std::time::Duration::from_secs(8)), 1);
        let asked = sandbox.requests().len();
        let tried = server.graphql(test, json!({ "id": id }));
        let entered = async {
            until("it is being tried", async || sandbox.requests().len() > asked).await;
            enter(13).await;
        };
        let (tried, ()) = tokio::join!(tried, entered);
        assert_eq!(code(&tried), "CONFLICT", "{tried}");
        assert_eq!(state().await, works);
    }

    async fn connections_are_not_for_everybody(database: &Database) {
        let (server, sandbox) = (server(database).await, shop(3, 3).await);
        let id = connect(&server, "shopify", "Shop", &sandbox).await;
        let reader = server.token(&["connections:read"]).await;
        let read = server.data_as(&reader, ONE, json!({ "id": id })).await;
        assert_eq!(read["it"]["name"], "Shop");
        let refused = server.graphql_as(Some(&reader), &act("connectionDisable"), json!({ "id": id })).await;
        assert_ne!(code(&refused), "", "{refused}");
    }
}
