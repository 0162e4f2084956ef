//! Audiences: who is told to the platform, and who is there no more.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use entity::{AudienceMemberState, audience, audience_member};
use http::Method;
use integrations::facet::{AudienceSink as _, NewAudience};
use integrations::platform::meta::Meta;
use integrations::sandbox::{Failure, Running};
use integrations::transport::{Egress, HttpTransport, Policy};
use integrations::{Context, Integration as _, SystemClock};
use sea_orm::EntityTrait as _;
use serde_json::{Value, json};

use super::{connect, run, server, shop};
use crate::support::{Database, Server, Setup, code, until};

const NOW: &str = "2026-03-01T12:00:00Z";
const CREATE: &str = "mutation ($input: AudienceCreateInput!) { it: audienceCreate(input: $input) {
    audience { id state name } userErrors { field code message } } }";
const SYNC: &str =
    "mutation ($id: ID!) { it: audienceSync(input: { id: $id }) { sync { id state jobId } job { id kind }
    userErrors { field code message } } }";
const UPDATE: &str = "mutation ($input: AudienceUpdateInput!) { it: audienceUpdate(input: $input) {
    audience { name description everySeconds nextSyncAt filter } userErrors { field code message } } }";
const DELETE: &str =
    "mutation ($id: ID!, $also: Boolean!) { it: audienceDelete(input: { id: $id, alsoOnPlatform: $also }) {
    audience { state deletedAt } userErrors { field code message } } }";
const LOOKALIKE: &str = "mutation ($input: AudienceLookalikeInput!) { it: audienceLookalike(input: $input) {
    audience { id state kind } userErrors { field code message } } }";
const ONE: &str = "query ($id: ID!) { it: audience(id: $id) { id kind name description state filter externalId everySeconds nextSyncAt
    syncedAt memberCount failure { kind message } sizeFailure { kind message } size { readiness atLeast detail } connection { name } origin { name } country ratio
    members { nodes { joinedAt toldAt lead { id email audiences { name } } } } deletedAt
    lastSync { id task cause state added removed changed received invalid unmatchable failure { kind message } endedAt job { state done total } }
    syncs(first: 20) { nodes { task state added removed } } } }";
const CONSENT: &str =
    "mutation ($input: ConsentRecordInput!) { it: consentRecord(input: $input) { userErrors { message } } }";

/// The platform, and a connection to it.
async fn meta(server: &Server, name: &str) -> (Running, String) {
    let sandbox = run(|clock| Meta::default().sandbox(clock)).await;
    let id = connect(server, "meta", name, &sandbox).await;
    (sandbox, id)
}

/// The platform as its owner uses it, past the server.
fn facet(sandbox: &Running) -> (Meta, Context) {
    let platform = Meta::default();
    let transport = HttpTransport::new(Egress::Anywhere, Policy::default()).expect("TLS is compiled in");
    let setup = sandbox.sandbox().setup(&sandbox.base);
    let context = setup.context(&platform, &transport, Arc::new(SystemClock));
    (platform, context)
}

/// A server whose clock stands.
async fn server_at(database: &Database, moment: &str) -> Server {
    let setup = Setup::default()
        .setting("platforms_private_networks", "true")
        .at(moment);
    Server::start(database, setup).await
}

async fn say(server: &Server, lead: &str, state: &str) {
    let said = json!({ "leadId": lead, "channel": "ADS", "state": state });
    let said = server.data(CONSENT, json!({ "input": said })).await;
    assert_eq!(said["it"]["userErrors"], json!([]), "{said}");
}

/// A lead; it has agreed to be shared where that is wanted.
async fn lead(server: &Server, input: Value, agrees: bool) -> String {
    let made = server
        .data(
            "mutation ($input: LeadCreateInput!) { it: leadCreate(input: $input) { lead { id } userErrors { message } } }",
            json!({ "input": input }),
        )
        .await;
    let id = made["it"]["lead"]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{made}"))
        .to_owned();
    if agrees {
        say(server, &id, "GRANTED").await;
    }
    id
}

async fn person(server: &Server, name: &str) -> String {
    let input = json!({ "email": format!("{name}@example.com"), "firstName": name, "source": "fair" });
    lead(server, input, true).await
}

async fn create(server: &Server, connection: &str, name: &str) -> String {
    let input = json!({ "connectionId": connection, "name": name, "description": "of the fair", "filter": { "source": { "eq": "fair" } } });
    let made = server.data(CREATE, json!({ "input": input })).await["it"].take();
    assert_eq!(
        (&made["userErrors"], &made["audience"]["state"]),
        (&json!([]), &json!("CREATING")),
        "{made}"
    );
    made["audience"]["id"].as_str().expect("an id").to_owned()
}

async fn one(server: &Server, id: &str) -> Value {
    server.data(ONE, json!({ "id": id })).await["it"].take()
}

/// The audience, once it stands so and nothing is being told.
async fn stands(server: &Server, id: &str, state: &str) -> Value {
    let mut found = Value::Null;
    until(&format!("the audience is {state}"), async || {
        found = one(server, id).await;
        let last = &found["lastSync"];
        found["state"] == state && !last["endedAt"].is_null() && last["job"]["state"] != "RUNNING"
    })
    .await;
    found
}

/// Has the platform told, and waits for it.
async fn told(server: &Server, id: &str) -> Value {
    let begun = server.data(SYNC, json!({ "id": id })).await["it"].take();
    assert_eq!(
        (&begun["userErrors"], &begun["job"]["kind"]),
        (&json!([]), &json!("platforms.audience")),
        "{begun}"
    );
    until("the sync ends", async || {
        let found = one(server, id).await;
        found["lastSync"]["id"] == begun["sync"]["id"] && !found["lastSync"]["endedAt"].is_null()
    })
    .await;
    // The fields of one answer are read one after the other.
    one(server, id).await
}

/// The people of uploads: those that came and those that went, by our own ids, in their order.
fn uploads(sandbox: &Running) -> Vec<(Method, Vec<String>)> {
    let requests = sandbox.requests();
    let uploads = requests.iter().filter(|one| one.path.ends_with("/users"));
    uploads
        .map(|one| {
            let body = one.json();
            assert_eq!(body["payload"]["schema"][0], "EXTERN_ID", "{body}");
            let rows = body["payload"]["data"].as_array().expect("rows").iter();
            let ids = rows.map(|row| row[0].as_str().expect("an id").to_owned());
            (one.method.clone(), ids.collect())
        })
        .collect()
}

/// Who is in the platform's one audience, by what it was told.
fn heard(sandbox: &Running) -> BTreeSet<String> {
    let mut inside = BTreeSet::new();
    for (method, ids) in uploads(sandbox) {
        for id in ids {
            if method == Method::DELETE {
                inside.remove(&id);
            } else {
                inside.insert(id);
            }
        }
    }
    inside
}

/// The same, when nothing is under way: the platform holds as many.
fn inside(sandbox: &Running) -> BTreeSet<String> {
    let inside = heard(sandbox);
    assert_eq!(sandbox.sandbox().holds()["audience_members"], inside.len());
    inside
}

/// Waits until these are in it.
async fn until_inside(sandbox: &Running, ids: &[&String]) {
    let ids = those(ids);
    until(&format!("{ids:?} are in the audience"), async || {
        heard(sandbox) == ids && sandbox.sandbox().holds()["audience_members"] == ids.len()
    })
    .await;
}

fn those(ids: &[&String]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).clone()).collect()
}

async fn removal(server: &Server, mutation: &str, lead: &str) {
    let query = format!(
        "mutation ($id: ID!) {{ it: {mutation}(input: {{ id: $id }}) {{ userErrors {{ message }} }} }}"
    );
    let done = server.data(&query, json!({ "id": lead })).await;
    assert_eq!(done["it"]["userErrors"], json!([]), "{done}");
}

async fn rows(server: &Server) -> Vec<audience_member::Model> {
    let found = audience_member::Entity::find()
        .all(server.app().db().read())
        .await;
    found.expect("members are readable")
}

on_both! {
    async fn who_belongs_is_told_and_nobody_else(database: &Database) {
        let server = server(database).await;
        let (sandbox, connection) = meta(&server, "Ads").await;
        let (ann, bob) = (person(&server, "ann").await, person(&server, "bob").await);
        lead(&server, json!({ "email": "cyd@example.com", "source": "fair" }), false).await;
        lead(&server, json!({ "email": "dan@example.com", "source": "web" }), true).await;
        lead(&server, json!({ "firstName": "Eve", "companyName": "x", "externalIds": [{ "namespace": "crm", "value": "1" }], "source": "fair" }), true).await;
        // Whoever has said no to passing on is not told of, whatever else they agreed to.
        let gus = person(&server, "gus").await;
        let no = "mutation ($input: ConsentRecordInput!) { consentRecord(input: $input) { userErrors { message } } }";
        let input = json!({ "leadId": gus, "channel": "ADS", "purpose": "THIRD_PARTY", "state": "DENIED", "source": "form" });
        assert_eq!(server.data(no, json!({ "input": input })).await["consentRecord"]["userErrors"], json!([]));
        let gone = person(&server, "fay").await;
        removal(&server, "leadDelete", &gone).await;
        let query = "query ($id: ID!) { it: audiencePreview(filter: { source: { eq: \"fair\" } }, connectionId: $id) { matching consenting matchable belonging } }";
        let preview = server.data(query, json!({ "id": connection })).await["it"].take();
        assert_eq!(preview, json!({ "matching": 5, "consenting": 3, "matchable": 4, "belonging": 2 }));
        let mut socket = server.socket(server.admin()).await;
        let mut feed = socket.subscribe("subscription { it: audienceChanged { change state audience { name } } }", json!({})).await;
        let id = create(&server, &connection, "Fair").await;
        let found = stands(&server, &id, "READY").await;
        assert_eq!(inside(&sandbox), those(&[&ann, &bob]));
        let last = &found["lastSync"];
        assert_eq!((&last["task"], &last["cause"], &last["state"]), (&json!("SYNC"), &json!("FIRST"), &json!("SUCCEEDED")), "{found}");
        assert_eq!((&last["added"], &last["removed"], &last["received"], &last["invalid"]), (&json!(2), &json!(0), &json!(2), &json!(0)), "{found}");
        assert_eq!((&last["job"]["state"], &last["job"]["done"], &last["job"]["total"]), (&json!("SUCCEEDED"), &json!(2), &json!(2)), "{found}");
        assert_eq!((&found["memberCount"], &found["size"]["readiness"]), (&json!(2), &json!("TOO_SMALL")), "{found}");
        assert_eq!(found["filter"], json!({ "source": { "eq": "fair" } }), "{found}");
        assert_eq!(found["connection"]["name"], "Ads");
        assert!(found["externalId"].is_string() && found["failure"].is_null() && found["nextSyncAt"].is_null(), "{found}");
        let members = found["members"]["nodes"].as_array().unwrap();
        let emails: BTreeSet<&str> = members.iter().map(|member| member["lead"]["email"].as_str().unwrap()).collect();
        assert_eq!(emails, BTreeSet::from(["ann@example.com", "bob@example.com"]), "{found}");
        assert_eq!(members[0]["lead"]["audiences"], json!([{ "name": "Fair" }]));
        for change in ["CREATED", "CREATING", "SYNCED"] {
            let said = feed.data().await["it"].take();
            assert_eq!((&said["change"], &said["audience"]["name"]), (&json!(change), &json!("Fair")), "{said}");
        }
        // Nothing of who they are went over the wire as it is.
        for request in sandbox.requests() {
            assert!(!String::from_utf8_lossy(&request.body).contains("example.com"), "{}", request.path);
        }
        // Again: nothing is told.
        let before = uploads(&sandbox).len();
        let again = told(&server, &id).await;
        assert_eq!((&again["lastSync"]["added"], &again["lastSync"]["removed"], &again["lastSync"]["changed"]), (&json!(0), &json!(0), &json!(0)), "{again}");
        assert_eq!(uploads(&sandbox).len(), before);
    }

    async fn who_withdraws_is_deleted_or_erased_leaves_at_once(database: &Database) {
        let server = server(database).await;
        let (sandbox, connection) = meta(&server, "Ads").await;
        let mut leads = Vec::new();
        for name in ["ann", "bob", "cyd", "dan"] {
            leads.push(person(&server, name).await);
        }
        let [ann, bob, cyd, dan] = &leads[..] else { unreachable!() };
        let id = create(&server, &connection, "Fair").await;
        stands(&server, &id, "READY").await;
        assert_eq!(inside(&sandbox), those(&[ann, bob, cyd, dan]));
        // Nobody asks for a sync.
        say(&server, ann, "WITHDRAWN").await;
        until_inside(&sandbox, &[bob, cyd, dan]).await;
        removal(&server, "leadDelete", bob).await;
        until_inside(&sandbox, &[cyd, dan]).await;
        removal(&server, "leadErase", cyd).await;
        until_inside(&sandbox, &[dan]).await;
        // By our own id alone.
        let requests = sandbox.requests();
        let last = requests.iter().rfind(|one| one.path.ends_with("/users")).unwrap().json();
        let row = last["payload"]["data"][0].as_array().unwrap();
        assert!(row[0] == json!(cyd) && row[1..].iter().all(|cell| cell == ""), "{last}");
        until("the log of it is kept", async || rows(&server).await.len() == 1).await;
        assert_eq!(one(&server, &id).await["memberCount"], 1);
        // Who comes back is told of when the platform is told next.
        removal(&server, "leadRestore", bob).await;
        say(&server, ann, "GRANTED").await;
        server.settled().await;
        assert_eq!(inside(&sandbox), those(&[dan]));
        let back = told(&server, &id).await;
        assert_eq!(back["lastSync"]["added"], 2, "{back}");
        assert_eq!(inside(&sandbox), those(&[ann, bob, dan]));
    }

    async fn who_is_known_by_something_else_is_told_anew(database: &Database) {
        let server = server(database).await;
        let (sandbox, connection) = meta(&server, "Ads").await;
        let ann = person(&server, "ann").await;
        let id = create(&server, &connection, "Fair").await;
        stands(&server, &id, "READY").await;
        let change = async |input: Value| {
            let query = "mutation ($input: LeadUpdateInput!) { it: leadUpdate(input: $input) { userErrors { message } } }";
            let done = server.data(query, json!({ "input": input })).await;
            assert_eq!(done["it"]["userErrors"], json!([]), "{done}");
        };
        // What no platform matches by is not told.
        change(json!({ "id": ann, "jobTitle": "boss" })).await;
        let same = told(&server, &id).await;
        assert_eq!((&same["lastSync"]["changed"], uploads(&sandbox).len()), (&json!(0), 1), "{same}");
        change(json!({ "id": ann, "email": "ann@example.org" })).await;
        let changed = told(&server, &id).await;
        assert_eq!((&changed["lastSync"]["changed"], &changed["lastSync"]["added"]), (&json!(1), &json!(0)), "{changed}");
        let methods: Vec<Method> = uploads(&sandbox).into_iter().map(|(method, _)| method).collect();
        assert_eq!(methods, [Method::POST, Method::DELETE, Method::POST]);
        assert_eq!(inside(&sandbox), those(&[&ann]));
    }

    async fn a_filter_that_changes_counts_at_once_and_one_that_broke_takes_nobody_out(database: &Database) {
        let server = server(database).await;
        let (sandbox, connection) = meta(&server, "Ads").await;
        let field = "mutation { customFieldCreate(input: { key: \"sport\", type: TEXT }) { customField { id } } }";
        assert!(server.data(field, json!({})).await["customFieldCreate"]["customField"].is_object());
        let sporty = |name: &str| json!({ "email": format!("{name}@example.com"), "source": "web", "custom": { "sport": "golf" } });
        let (ann, bob, cyd) = (person(&server, "ann").await, lead(&server, sporty("bob"), true).await, lead(&server, sporty("cyd"), true).await);
        let id = create(&server, &connection, "Fair").await;
        stands(&server, &id, "READY").await;
        assert_eq!(inside(&sandbox), those(&[&ann]));
        let filter = json!({ "custom": [{ "key": "sport", "text": { "eq": "golf" } }] });
        let changed = server.data(UPDATE, json!({ "input": { "id": id, "filter": filter, "name": "Golf", "everySeconds": 86_400 } })).await["it"].take();
        assert_eq!((&changed["userErrors"], &changed["audience"]["filter"]), (&json!([]), &filter), "{changed}");
        until_inside(&sandbox, &[&bob, &cyd]).await;
        stands(&server, &id, "READY").await;
        // It cannot be read any more who belongs into it, but who withdraws has to go.
        let broken = audience::Entity::update_many().col_expr(audience::Column::Filter, "{\"sauce\":{}}".into());
        broken.exec(server.app().db().write()).await.unwrap();
        say(&server, &cyd, "WITHDRAWN").await;
        until_inside(&sandbox, &[&bob]).await;
        let failing = stands(&server, &id, "FAILING").await;
        assert_eq!(failing["failure"]["kind"], "SETTINGS", "{failing}");
        assert!(failing["failure"]["message"].as_str().unwrap().starts_with("the filter cannot be used any more: "), "{failing}");
        assert_eq!(inside(&sandbox), those(&[&bob]));
    }

    async fn what_was_told_and_not_heard_is_known(database: &Database) {
        let server = server_at(database, NOW).await;
        let (sandbox, connection) = meta(&server, "Ads").await;
        let (ann, bob) = (person(&server, "ann").await, person(&server, "bob").await);
        // The platform takes them, and its answers are lost.
        sandbox.faults.on("/users", Failure::CutWithin, 4);
        let id = create(&server, &connection, "Fair").await;
        let failing = stands(&server, &id, "FAILING").await;
        assert_eq!((&failing["failure"]["kind"], &failing["lastSync"]["state"]), (&json!("CUT"), &json!("FAILED")), "{failing}");
        assert_eq!((&failing["memberCount"], sandbox.sandbox().holds()["audience_members"]), (&json!(0), 2), "{failing}");
        assert_eq!(failing["nextSyncAt"], "2026-03-01T12:01:00Z", "{failing}");
        assert!(rows(&server).await.iter().all(|row| row.state == AudienceMemberState::Joining && row.told_at.is_none()));
        // Who withdraws then is taken out all the same.
        server.set_time("2026-03-01T12:00:30Z");
        say(&server, &ann, "WITHDRAWN").await;
        let found = stands(&server, &id, "READY").await;
        assert_eq!((&found["lastSync"]["added"], &found["lastSync"]["removed"]), (&json!(1), &json!(1)), "{found}");
        assert_eq!(inside(&sandbox), those(&[&bob]));
        assert_eq!(rows(&server).await.iter().map(|row| row.state).collect::<Vec<_>>(), [AudienceMemberState::In]);
    }

    async fn what_was_under_way_when_the_server_stopped_goes_on(database: &Database) {
        let first = server(database).await;
        let (sandbox, connection) = meta(&first, "Ads").await;
        let (ann, bob) = (person(&first, "ann").await, person(&first, "bob").await);
        sandbox.faults.on("/users", Failure::Slow(Duration::from_mins(5)), 1);
        let id = create(&first, &connection, "Fair").await;
        until("it is being told", async || !uploads(&sandbox).is_empty()).await;
        let sync = one(&first, &id).await["lastSync"]["id"].take();
        first.stop().await;
        let second = server(database).await;
        let found = stands(&second, &id, "READY").await;
        assert_eq!((&found["lastSync"]["id"], &found["lastSync"]["added"]), (&sync, &json!(2)), "{found}");
        assert_eq!(inside(&sandbox), those(&[&ann, &bob]));
    }

    async fn it_is_tried_again_when_the_platform_says_so(database: &Database) {
        let server = server_at(database, NOW).await;
        let (sandbox, connection) = meta(&server, "Ads").await;
        let ann = person(&server, "ann").await;
        // By another one it is seen that the schedule has looked.
        let other = json!({ "connectionId": connection, "name": "Other", "filter": { "source": { "eq": "fair" } }, "everySeconds": 300 });
        let other = server.data(CREATE, json!({ "input": other })).await["it"]["audience"]["id"].take();
        let other = other.as_str().unwrap();
        stands(&server, other, "READY").await;
        sandbox.faults.on("/users", Failure::Throttled { seconds: 600 }, 1);
        let id = create(&server, &connection, "Fair").await;
        let failing = stands(&server, &id, "FAILING").await;
        assert_eq!((&failing["failure"]["kind"], &failing["nextSyncAt"]), (&json!("THROTTLED"), &json!("2026-03-01T12:10:00Z")), "{failing}");
        server.set_time("2026-03-01T12:09:59Z");
        until("the schedule has looked", async || one(&server, other).await["lastSync"]["cause"] == "SCHEDULE").await;
        let waits = one(&server, &id).await;
        assert_eq!((&waits["state"], &waits["lastSync"]["id"]), (&json!("FAILING"), &failing["lastSync"]["id"]), "it was asked too early");
        server.set_time("2026-03-01T12:10:01Z");
        let found = stands(&server, &id, "READY").await;
        assert_eq!((&found["failure"], &found["lastSync"]["cause"]), (&Value::Null, &json!("SCHEDULE")), "{found}");
        assert_eq!((&found["memberCount"], &found["members"]["nodes"][0]["lead"]["id"]), (&json!(1), &json!(ann)), "{found}");
    }

    async fn a_connection_that_breaks_is_waited_for(database: &Database) {
        let server = server_at(database, NOW).await;
        let (sandbox, connection) = meta(&server, "Ads").await;
        let (ann, bob) = (person(&server, "ann").await, person(&server, "bob").await);
        let id = create(&server, &connection, "Fair").await;
        stands(&server, &id, "READY").await;
        sandbox.faults.on("/users", Failure::Unauthorised, 1);
        server.set_time("2026-03-01T12:10:00Z");
        say(&server, &ann, "WITHDRAWN").await;
        let failing = stands(&server, &id, "FAILING").await;
        assert_eq!(failing["failure"]["kind"], "UNAUTHORISED", "{failing}");
        let query = "query ($id: ID!) { connection(id: $id) { state } }";
        assert_eq!(server.data(query, json!({ "id": connection })).await["connection"]["state"], "UNAUTHORISED");
        let refused = server.data(SYNC, json!({ "id": id })).await["it"].take();
        assert_eq!(refused["userErrors"][0]["code"], "NOT_ACTIVE", "{refused}");
        assert!(!failing["nextSyncAt"].is_null(), "who withdrew is not forgotten: {failing}");
        let asked = sandbox.requests().len();
        server.set_time("2026-03-01T19:00:00Z");
        until("it is put off", async || one(&server, &id).await["nextSyncAt"] == "2026-03-01T19:01:00Z").await;
        assert_eq!(sandbox.requests().len(), asked, "nobody is asked by a connection that does not work");
        let test = "mutation ($id: ID!) { connectionTest(input: { id: $id }) { ok } }";
        assert_eq!(server.data(test, json!({ "id": connection })).await["connectionTest"]["ok"], true);
        server.set_time("2026-03-01T19:02:00Z");
        until("who withdrew is out", async || uploads(&sandbox).last().is_some_and(|(method, _)| *method == Method::DELETE)
            && sandbox.sandbox().holds()["audience_members"] == 1).await;
        let found = stands(&server, &id, "READY").await;
        assert_eq!((&found["failure"], &found["memberCount"]), (&Value::Null, &json!(1)), "{found}");
        assert_eq!(found["members"]["nodes"][0]["lead"]["id"], json!(bob));
    }

    async fn one_that_is_slow_delays_no_other_and_can_be_cancelled(database: &Database) {
        let server = server(database).await;
        let ((slow, slow_id), (quick, quick_id)) = (meta(&server, "Slow").await, meta(&server, "Quick").await);
        let ann = person(&server, "ann").await;
        // The ids of one platform are never the same.
        let other = NewAudience { name: "Other".into(), description: String::new() };
        let (platform, context) = facet(&quick);
        platform.create(&context, &other).await.unwrap();
        slow.faults.on("/users", Failure::Slow(Duration::from_mins(5)), 1);
        let waits = create(&server, &slow_id, "Fair").await;
        until("it is being told", async || !uploads(&slow).is_empty()).await;
        let id = create(&server, &quick_id, "Fair").await;
        stands(&server, &id, "READY").await;
        assert_eq!(inside(&quick), those(&[&ann]));
        let going_on = one(&server, &waits).await;
        assert!(going_on["lastSync"]["endedAt"].is_null(), "{going_on}");
        let again = server.data(SYNC, json!({ "id": waits })).await["it"].take();
        assert_eq!(again["userErrors"][0]["code"], "SYNC_RUNNING", "{again}");
        let job = server.data("query ($id: ID!) { audience(id: $id) { lastSync { jobId } } }", json!({ "id": waits })).await;
        let cancel = "mutation ($id: ID!) { jobCancel(input: { id: $id }) { userErrors { message } } }";
        server.data(cancel, json!({ "id": job["audience"]["lastSync"]["jobId"] })).await;
        until("it is cancelled", async || one(&server, &waits).await["lastSync"]["state"] == "CANCELLED").await;
        let found = told(&server, &waits).await;
        assert_eq!((&found["state"], &found["lastSync"]["added"]), (&json!("READY"), &json!(1)), "{found}");
        assert_eq!(slow.sandbox().holds()["audience_members"], 1);
    }

    async fn a_schedule_tells_of_who_came_and_asks_how_large_it_is(database: &Database) {
        let server = server_at(database, NOW).await;
        let (sandbox, connection) = meta(&server, "Ads").await;
        let ann = person(&server, "ann").await;
        let input = json!({ "connectionId": connection, "name": "Fair", "filter": { "source": { "eq": "fair" } }, "everySeconds": 43_200 });
        let made = server.data(CREATE, json!({ "input": input })).await["it"].take();
        let id = made["audience"]["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
        let first = stands(&server, &id, "READY").await;
        assert_eq!((&first["nextSyncAt"], &first["everySeconds"]), (&json!("2026-03-02T00:00:00Z"), &json!(43_200)), "{first}");
        let bob = person(&server, "bob").await;
        server.set_time("2026-03-01T18:00:01Z");
        until("the size is asked for", async || one(&server, &id).await["lastSync"]["task"] == "SIZE").await;
        let sized = stands(&server, &id, "READY").await;
        assert_eq!((&sized["lastSync"]["state"], &sized["nextSyncAt"]), (&json!("SUCCEEDED"), &first["nextSyncAt"]), "{sized}");
        assert_eq!(inside(&sandbox), those(&[&ann]));
        server.set_time("2026-03-02T00:00:01Z");
        until_inside(&sandbox, &[&ann, &bob]).await;
        assert_eq!(stands(&server, &id, "READY").await["nextSyncAt"], "2026-03-02T12:00:01Z");
    }

    async fn a_size_that_cannot_be_read_says_nothing_of_who_is_in_it(database: &Database) {
        let server = server_at(database, NOW).await;
        let (sandbox, connection) = meta(&server, "Ads").await;
        let ann = person(&server, "ann").await;
        let id = create(&server, &connection, "Fair").await;
        let before = stands(&server, &id, "READY").await;
        assert_eq!((&before["sizeFailure"], before["size"].is_object()), (&Value::Null, true), "{before}");
        let its_own = before["externalId"].as_str().unwrap();
        let query = "subscription ($id: ID) { it: audienceChanged(id: $id) { change state problemKind } }";
        let mut socket = server.socket(server.admin()).await;
        let mut feed = socket.subscribe(query, json!({ "id": id })).await;
        // At the end of telling: all is told all the same.
        server.set_time("2026-03-01T12:10:00Z");
        sandbox.faults.on(its_own, Failure::Malformed, 1);
        let found = told(&server, &id).await;
        assert_eq!((&found["state"], &found["failure"], &found["lastSync"]["state"]), (&json!("READY"), &Value::Null, &json!("SUCCEEDED")), "{found}");
        assert_eq!((&found["sizeFailure"]["kind"], &found["size"]), (&json!("MALFORMED"), &before["size"]), "{found}");
        // And by itself.
        sandbox.faults.on(its_own, Failure::Malformed, 1);
        server.set_time("2026-03-02T12:00:00Z");
        until("it was asked for again", async || {
            let found = one(&server, &id).await;
            found["lastSync"]["task"] == "SIZE" && !found["lastSync"]["endedAt"].is_null()
        }).await;
        let found = one(&server, &id).await;
        assert_eq!((&found["state"], &found["failure"], &found["lastSync"]["state"]), (&json!("READY"), &Value::Null, &json!("FAILED")), "{found}");
        assert_eq!((&found["sizeFailure"]["kind"], &found["size"]), (&json!("MALFORMED"), &before["size"]), "{found}");
        let mut changes = Vec::new();
        while changes.last().is_none_or(|change: &Value| change["change"] != "SIZE_FAILED") {
            changes.push(feed.data().await["it"].take());
        }
        assert!(changes.iter().all(|change| change["state"] != "FAILING" && change["problemKind"].is_null()), "{changes:?}");
        server.set_time("2026-03-03T12:00:00Z");
        until("it is known again", async || one(&server, &id).await["sizeFailure"].is_null()).await;
        // Telling fails by itself, too, and is counted by itself.
        sandbox.faults.on("/users", Failure::Malformed, 1);
        say(&server, &ann, "WITHDRAWN").await;
        let failing = stands(&server, &id, "FAILING").await;
        assert_eq!((&failing["failure"]["kind"], &failing["sizeFailure"]), (&json!("MALFORMED"), &Value::Null), "{failing}");
    }

    async fn an_audience_that_is_gone_at_the_platform_is_made_anew(database: &Database) {
        let server = server(database).await;
        let (sandbox, connection) = meta(&server, "Ads").await;
        let (ann, bob) = (person(&server, "ann").await, person(&server, "bob").await);
        let id = create(&server, &connection, "Fair").await;
        let before = stands(&server, &id, "READY").await;
        // Its owner removes it there.
        let (platform, context) = facet(&sandbox);
        platform.delete(&context, before["externalId"].as_str().unwrap()).await.unwrap();
        assert_eq!(sandbox.sandbox().holds()["audience_members"], 0);
        person(&server, "cyd").await;
        let found = told(&server, &id).await;
        assert_eq!((&found["state"], &found["memberCount"], &found["lastSync"]["added"]), (&json!("READY"), &json!(3), &json!(3)), "{found}");
        assert_ne!(found["externalId"], before["externalId"]);
        assert_eq!(sandbox.sandbox().holds()["audience_members"], 3);
        assert!(inside(&sandbox).is_superset(&those(&[&ann, &bob])));
    }

    async fn people_who_are_like_them_and_the_end_of_both(database: &Database) {
        let server = server(database).await;
        let (sandbox, connection) = meta(&server, "Ads").await;
        let before = sandbox.sandbox().holds()["audiences"];
        let ann = person(&server, "ann").await;
        let id = create(&server, &connection, "Fair").await;
        stands(&server, &id, "READY").await;
        let draft = json!({ "id": id, "name": "Like the fair", "country": "de", "ratio": 0.03 });
        let like = server.data(LOOKALIKE, json!({ "input": draft })).await["it"].take();
        assert_eq!((&like["userErrors"], &like["audience"]["kind"]), (&json!([]), &json!("LOOKALIKE")), "{like}");
        let like = like["audience"]["id"].as_str().unwrap().to_owned();
        let found = stands(&server, &like, "READY").await;
        assert_eq!((&found["origin"]["name"], &found["country"], &found["ratio"]), (&json!("Fair"), &json!("DE"), &json!(0.03)), "{found}");
        assert_eq!((&found["filter"], &found["memberCount"]), (&Value::Null, &json!(0)), "{found}");
        assert_eq!(sandbox.sandbox().holds()["audiences"], before + 2);
        let body = sandbox.requests().iter().rfind(|one| one.method == Method::POST && one.path.ends_with("/customaudiences")).unwrap().json();
        assert_eq!((&body["lookalike_spec"]["country"], &body["lookalike_spec"]["ratio"]), (&json!("DE"), &json!(0.03)), "{body}");
        let of_itself = json!({ "id": like, "name": "x", "country": "DE", "ratio": 0.01 });
        let refused = server.data(LOOKALIKE, json!({ "input": of_itself })).await["it"].take();
        assert_eq!(refused["userErrors"][0]["code"], "UNSUPPORTED", "{refused}");
        // One is left at the platform, the other is removed there: what the platform fails at is tried again.
        let left = server.data(DELETE, json!({ "id": like, "also": false })).await["it"].take();
        assert_eq!(left["audience"]["state"], "DELETED", "{left}");
        for _ in 0..2 {
            let gone = server.data(DELETE, json!({ "id": id, "also": true })).await["it"].take();
            assert_eq!((&gone["userErrors"], &gone["audience"]["state"]), (&json!([]), &json!("DELETED")), "{gone}");
        }
        until("it is gone at the platform", async || sandbox.sandbox().holds()["audiences"] == before + 1).await;
        until("nothing is left to do", async || {
            let found = one(&server, &id).await;
            found["lastSync"]["task"] == "REMOVE" && found["lastSync"]["state"] == "SUCCEEDED" && found["externalId"].is_null()
        }).await;
        assert_eq!(sandbox.sandbox().holds()["audience_members"], 0);
        let list = server.data("{ audiences { nodes { name } } leads { nodes { id audiences { name } } } }", json!({})).await;
        assert_eq!(list, json!({ "audiences": { "nodes": [] }, "leads": { "nodes": [{ "id": ann, "audiences": [] }] } }));
        for (mutation, variables) in [(SYNC, json!({ "id": id })), (UPDATE, json!({ "input": { "id": id, "name": "x" } }))] {
            let refused = server.data(mutation, variables).await["it"].take();
            assert_eq!(refused["userErrors"][0]["code"], "NOT_FOUND", "{refused}");
        }
        // The name is free again.
        create(&server, &connection, "Fair").await;
    }

    async fn wrong_input_is_told_by_field(database: &Database) {
        let server = server(database).await;
        let (_sandbox, connection) = meta(&server, "Ads").await;
        let shop = shop(1, 1).await;
        let shop = connect(&server, "shopify", "Shop", &shop).await;
        let good = json!({ "connectionId": connection, "name": "Fair", "filter": {} });
        let tried = async |change: Value| {
            let mut input = good.clone();
            input.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            let made = server.data(CREATE, json!({ "input": input })).await["it"].take();
            assert_eq!(made["audience"], Value::Null, "{made}");
            (made["userErrors"][0]["field"].clone(), made["userErrors"][0]["code"].clone())
        };
        let nowhere = "conn_01h455vb4pex5vsknk084sn02q";
        assert_eq!(tried(json!({ "connectionId": nowhere })).await, (json!(["connectionId"]), json!("CONNECTION_NOT_FOUND")));
        assert_eq!(tried(json!({ "connectionId": shop })).await, (json!(["connectionId"]), json!("UNSUPPORTED")));
        assert_eq!(tried(json!({ "name": " " })).await, (json!(["name"]), json!("INVALID_NAME")));
        assert_eq!(tried(json!({ "description": "x".repeat(501) })).await, (json!(["description"]), json!("INVALID_DESCRIPTION")));
        assert_eq!(tried(json!({ "everySeconds": 60 })).await, (json!(["everySeconds"]), json!("INVALID_SCHEDULE")));
        let unknown = json!({ "custom": [{ "key": "nothing", "isSet": true }] });
        assert_eq!(tried(json!({ "filter": unknown })).await, (json!(["filter"]), json!("INVALID_FILTER")));
        let none = server.data("{ audiences { nodes { id } } }", json!({})).await;
        assert_eq!(none["audiences"]["nodes"], json!([]));
        let id = create(&server, &connection, "Fair").await;
        stands(&server, &id, "READY").await;
        assert_eq!(tried(json!({})).await, (json!(["name"]), json!("NAME_TAKEN")));
        let like = async |change: Value| {
            let mut input = json!({ "id": id, "name": "Like", "country": "DE", "ratio": 0.01 });
            input.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            let made = server.data(LOOKALIKE, json!({ "input": input })).await["it"].take();
            (made["userErrors"][0]["field"].clone(), made["userErrors"][0]["code"].clone())
        };
        assert_eq!(like(json!({ "country": "Germany" })).await, (json!(["country"]), json!("INVALID_LOOKALIKE")));
        assert_eq!(like(json!({ "ratio": 0.015 })).await, (json!(["ratio"]), json!("INVALID_LOOKALIKE")));
        assert_eq!(like(json!({ "id": "aud_01h455vb4pex5vsknk084sn02q" })).await, (json!(["id"]), json!("NOT_FOUND")));
        let preview = format!("{{ audiencePreview(filter: {{}}, connectionId: \"{shop}\") {{ matching }} }}");
        assert_eq!(code(&server.graphql(&preview, json!({})).await), "BAD_USER_INPUT");
        // A name that the platform's other audience has is taken over once, not twice.
        let renamed = server.data(UPDATE, json!({ "input": { "id": id, "name": "Trade fair" } })).await["it"].take();
        assert_eq!(renamed["audience"]["name"], "Trade fair", "{renamed}");
        let twin = create(&server, &connection, "Fair").await;
        let failing = stands(&server, &twin, "FAILING").await;
        assert!(failing["failure"]["message"].as_str().unwrap().contains(&id), "{failing}");
    }
}
