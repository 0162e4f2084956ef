//! Outside platforms: connected with their sandboxes, over the real server.

mod advertising;
mod audiences;
mod connections;
mod consents;
mod conversions;
mod farewells;
mod lanes;
mod messages;
mod readings;
mod shops;
mod texts;
mod webhooks;

use std::sync::Arc;

use integrations::sandbox::{Running, Sandbox, start};
use integrations::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::support::{Database, Server, Setup};

const CREATE: &str = "mutation ($input: ConnectionCreateInput!) { it: connectionCreate(input: $input) {
    connection { id name state platform settings secretNames account { id name } grantedScopes missingScopes webhookUrl
        health { ok problemKind } }
    userErrors { field code message } } }";
const SYNC: &str = "mutation ($input: ConnectionSyncInput!) { it: connectionSync(input: $input) {
    sync { id state kinds full jobId } job { id kind } userErrors { field code message } } }";

/// A server that may reach sandboxes.
async fn server(database: &Database) -> Server {
    let setup = Setup::default().setting("platforms_private_networks", "true");
    Server::start(database, setup).await
}

async fn run(sandbox: impl FnOnce(Arc<dyn Clock>) -> Arc<dyn Sandbox>) -> Running {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    start(sandbox(Arc::clone(&clock)), clock)
        .await
        .expect("a port of loopback")
}

/// A shop with so many customers and orders, three products and two checkouts.
async fn shop(customers: usize, orders: usize) -> Running {
    use integrations::platform::shopify::SandboxShop;
    run(|clock| {
        SandboxShop::with(customers, orders, 3, 2)
            .unlimited()
            .sandbox(clock)
    })
    .await
}

/// How a connection to a sandbox is made, with a token where its owner has consented already.
fn input(platform: &str, name: &str, sandbox: &Running) -> Value {
    let setup = sandbox.sandbox().setup(&sandbox.base);
    let mut secrets = setup.secrets;
    if let Some(credentials) = setup.credentials
        && secrets.get("accessToken").is_none()
    {
        secrets["accessToken"] = json!(credentials.access_token.expose());
    }
    json!({ "platform": platform, "name": name, "settings": setup.settings, "secrets": secrets })
}

/// Connects, and gives the connection's id.
async fn connect(server: &Server, platform: &str, name: &str, sandbox: &Running) -> String {
    let input = input(platform, name, sandbox);
    let made = server.data(CREATE, json!({ "input": input })).await["it"].take();
    assert_eq!(made["userErrors"], json!([]), "{made}");
    assert_eq!(made["connection"]["state"], "ACTIVE", "{made}");
    made["connection"]["id"].as_str().expect("an id").to_owned()
}

/// Reads a connection to its end; gives the reading.
async fn sync(server: &Server, connection: &str, input: Value) -> Value {
    let mut all = json!({ "id": connection });
    all.as_object_mut()
        .expect("an object")
        .extend(input.as_object().expect("an object").clone());
    let begun = server.data(SYNC, json!({ "input": all })).await["it"].take();
    assert_eq!(begun["userErrors"], json!([]), "{begun}");
    ended(server, begun["sync"]["id"].as_str().expect("an id")).await
}

/// A reading that has ended.
async fn ended(server: &Server, id: &str) -> Value {
    let query = "query ($id: ID!) { sync(id: $id) { state endedAt cause counts { kind created updated unchanged refused }
        failure { kind message } refusals(first: 10) { kind externalId message } } }";
    let mut found = Value::Null;
    crate::support::until("the reading ends", async || {
        found = server.data(query, json!({ "id": id })).await["sync"].take();
        !found["endedAt"].is_null()
    })
    .await;
    found
}

fn count<'a>(sync: &'a Value, kind: &str) -> &'a Value {
    let counts = sync["counts"].as_array().expect("counts");
    counts
        .iter()
        .find(|count| count["kind"] == kind)
        .unwrap_or_else(|| panic!("{kind} in {sync}"))
}
