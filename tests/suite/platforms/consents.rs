//! Consent on a platform's page, in the browser in which it began.

use std::collections::BTreeMap;
use std::sync::Mutex;

use integrations::sandbox::Running;
use serde_json::{Value, json};

use super::{CREATE, count, input, server, shop, sync};
use crate::support::{Database, Server, Setup, until};

const STATE: &str = "query ($id: ID!) { it: connection(id: $id) { state health { ok problemKind } } }";

/// A browser with its cookies; where it is sent is looked at, not followed.
struct Browser {
    http: reqwest::Client,
    cookies: Mutex<BTreeMap<String, String>>,
}

impl Browser {
    fn new() -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        Self {
            http: http.build().expect("a client"),
            cookies: Mutex::default(),
        }
    }

    fn cookies(&self) -> BTreeMap<String, String> {
        self.cookies.lock().expect("nobody panics").clone()
    }

    /// Opens an address; answers where it is sent.
    async fn open(&self, url: &str) -> String {
        let mut request = self.http.get(url);
        if url.contains("/connections/callback?") {
            let pairs = self.cookies().into_iter();
            let pairs: Vec<_> = pairs.map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header("cookie", pairs.join("; "));
        }
        let answer = request.send().await.expect("an answer");
        let mut cookies = self.cookies.lock().expect("nobody panics");
        for cookie in answer.headers().get_all("set-cookie") {
            let cookie = cookie.to_str().expect("text");
            let (pair, rules) = cookie.split_once("; ").expect("rules");
            let (name, value) = pair.split_once('=').expect("a pair");
            assert!(
                rules.starts_with("Path=/connections/callback; Max-Age=")
                    && rules.ends_with("; HttpOnly; SameSite=Lax"),
                "{rules}"
            );
            if value.is_empty() {
                cookies.remove(name);
            } else {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let location = answer.headers()["location"].to_str().expect("text");
        location.to_owned()
    }

    /// Goes to the platform, which takes it for agreed; answers the way back.
    async fn agree(&self, begun: &Value) -> String {
        let page = self.open(begun["url"].as_str().expect("an address")).await;
        self.open(&page).await
    }
}

/// A connection that waits for its owner's consent.
async fn pending(server: &Server, name: &str, sandbox: &Running) -> String {
    let mut input = input("shopify", name, sandbox);
    input["secrets"]
        .as_object_mut()
        .expect("an object")
        .remove("accessToken");
    let made = server.data(CREATE, json!({ "input": input })).await["it"].take();
    assert_eq!(made["connection"]["state"], "PENDING", "{made}");
    made["connection"]["id"].as_str().expect("an id").to_owned()
}

async fn begin(server: &Server, id: &str) -> Value {
    let authorize = "mutation ($id: ID!) { it: connectionAuthorize(input: { id: $id }) { url expiresAt userErrors { code message } } }";
    let begun = server.data(authorize, json!({ "id": id })).await["it"].take();
    assert_eq!(begun["userErrors"], json!([]), "{begun}");
    begun
}

async fn state(server: &Server, id: &str) -> Value {
    server.data(STATE, json!({ "id": id })).await["it"]["state"].take()
}

on_both! {
    async fn an_owner_consents_and_takes_it_back(database: &Database) {
        let (server, sandbox) = (server(database).await, shop(3, 3).await);
        let id = pending(&server, "Shop", &sandbox).await;
        let begun = begin(&server, &id).await;
        let browser = Browser::new();
        let back = browser.agree(&begun).await;
        // A state that nobody was given is refused.
        let forged = back.replace("state=", "state=x");
        let answer = browser.open(&forged).await;
        assert!(answer.contains("connection-failed"), "{answer}");
        assert_eq!(browser.open(&back).await, "/account#connected=Shop");
        let again = browser.open(&back).await;
        assert!(again.contains("connection-failed"), "{again}");
        let read = server.data(STATE, json!({ "id": id })).await["it"].take();
        assert_eq!((&read["state"], &read["health"]["ok"]), (&json!("ACTIVE"), &json!(true)), "{read}");
        let customers = sync(&server, &id, json!({ "kinds": ["CUSTOMERS"] })).await;
        assert_eq!(count(&customers, "CUSTOMERS")["created"], 3, "{customers}");
        // What the owner consented to is not shown to another address.
        let mut elsewhere = sandbox.sandbox().setup(&shop(3, 3).await.base);
        elsewhere.secrets.as_object_mut().unwrap().remove("accessToken");
        let update = "mutation ($input: ConnectionUpdateInput!) { it: connectionUpdate(input: $input) { connection { state } userErrors { code message } } }";
        let moved = server.data(update, json!({ "input": { "id": id, "settings": elsewhere.settings, "secrets": elsewhere.secrets } })).await["it"].take();
        assert_eq!(moved["connection"]["state"], "PENDING", "{moved}");
        let mut home = sandbox.sandbox().setup(&sandbox.base);
        home.secrets.as_object_mut().unwrap().remove("accessToken");
        server.data(update, json!({ "input": { "id": id, "settings": home.settings, "secrets": home.secrets } })).await;
        let begun = begin(&server, &id).await;
        assert_eq!(browser.open(&browser.agree(&begun).await).await, "/account#connected=Shop");
        // The owner removes the app: the platform says so by webhook.
        let register = "mutation ($id: ID!) { connectionWebhooksRegister(input: { id: $id }) { topics userErrors { code message } } }";
        let told = server.data(register, json!({ "id": id })).await;
        assert_eq!(told["connectionWebhooksRegister"]["userErrors"], json!([]), "{told}");
        sandbox.happen("app_uninstalled").await;
        until("it is known that the app was removed", async || {
            let read = server.data(STATE, json!({ "id": id })).await["it"].take();
            read["state"] == "REVOKED" && read["health"]["problemKind"] == "REVOKED"
        }).await;
    }

    async fn only_the_browser_that_began_comes_back(database: &Database) {
        let (server, one, two) = (server(database).await, shop(3, 3).await, shop(3, 3).await);
        let (first, second) = (pending(&server, "One", &one).await, pending(&server, "Two", &two).await);
        let (own, other) = (Browser::new(), Browser::new());
        let begun = begin(&server, &first).await;
        let back = own.agree(&begun).await;
        // The platform is not told what the browser is known by.
        let (_, code) = begun["url"].as_str().unwrap().rsplit_once('/').unwrap();
        let shown: Vec<_> = one.requests().into_iter().map(|request| format!("{request:?}")).collect();
        assert!(!back.contains(code) && !shown.iter().any(|request| request.contains(code)), "{shown:?}");
        // Another browser has no cookie, or one of what it began itself.
        let refused = other.open(&back).await;
        assert!(refused.contains("connection-failed=") && refused.contains("another%20browser"), "{refused}");
        let others = other.agree(&begin(&server, &second).await).await;
        let (name, _) = own.cookies().into_iter().next().expect("a cookie");
        let (_, value) = other.cookies().into_iter().next().expect("a cookie");
        other.cookies.lock().unwrap().insert(name, value);
        let refused = other.open(&back).await;
        assert!(refused.contains("another%20browser"), "{refused}");
        assert_eq!(state(&server, &first).await, "PENDING");
        // That has used nothing up, and a look at the address has not either.
        own.http.head(begun["url"].as_str().unwrap()).send().await.unwrap();
        assert_eq!(own.open(&back).await, "/account#connected=One");
        assert_eq!(other.open(&others).await, "/account#connected=Two");
        assert_eq!((state(&server, &first).await, state(&server, &second).await), (json!("ACTIVE"), json!("ACTIVE")));
        // Once: nor does the address lead anywhere.
        assert_eq!(own.cookies(), BTreeMap::new());
        let (tag, value) = (back.split("state=").nth(1).unwrap(), code.to_owned());
        own.cookies.lock().unwrap().insert(format!("leadline_consent_{}", &tag[..16]), value);
        let again = own.open(&back).await;
        assert!(again.contains("taken%20before"), "{again}");
        let again = own.open(begun["url"].as_str().unwrap()).await;
        assert!(again.starts_with("/account#connection-failed="), "{again}");
        let nonsense = own.open(&server.url("/connections/authorize/nonsense")).await;
        assert!(nonsense.starts_with("/account#connection-failed="), "{nonsense}");
    }

    async fn several_consents_go_on_in_one_browser(database: &Database) {
        let (server, one, two) = (server(database).await, shop(3, 3).await, shop(3, 3).await);
        let (first, second) = (pending(&server, "One", &one).await, pending(&server, "Two", &two).await);
        let browser = Browser::new();
        let mut ways = Vec::new();
        for id in [&first, &second, &second] {
            ways.push(browser.agree(&begin(&server, id).await).await);
        }
        assert_eq!(browser.cookies().len(), 3);
        assert_eq!(browser.open(&ways[1]).await, "/account#connected=Two");
        assert_eq!(browser.open(&ways[0]).await, "/account#connected=One");
        assert_eq!(browser.open(&ways[2]).await, "/account#connected=Two", "consented to again");
        assert_eq!(browser.cookies(), BTreeMap::new());
    }

    async fn who_comes_back_too_late_begins_anew(database: &Database) {
        let setup = Setup::default().at("2026-11-01T12:00:00Z").setting("platforms_private_networks", "true");
        let (server, sandbox) = (Server::start(database, setup).await, shop(3, 3).await);
        let id = pending(&server, "Shop", &sandbox).await;
        let browser = Browser::new();
        let (begun, unopened) = (begin(&server, &id).await, begin(&server, &id).await);
        assert!(begun["expiresAt"].as_str().unwrap().starts_with("2026-11-01T12:10:00"), "{begun}");
        let back = browser.agree(&begun).await;
        server.set_time("2026-11-01T12:10:01Z");
        let late = browser.open(&back).await;
        assert!(late.contains("too%20late"), "{late}");
        let late = browser.open(unopened["url"].as_str().unwrap()).await;
        assert!(late.contains("too%20old"), "{late}");
        assert_eq!(state(&server, &id).await, "PENDING");
    }
}
