//! The platform's own library (`@shopify/shopify-api` for Node) against the sandbox of Shopify: it must find webhooks and
//! callbacks signed as the platform signs, and be answered as the platform answers.
//!
//! `npm ci` in `tests/sdk/shopify` installs it. Without that this is passed over, unless `CI` is set.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use leadline_integrations::platform::shopify::SandboxShop;
use leadline_integrations::sandbox::start;
use leadline_integrations::{Clock, SystemClock};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use url::Url;

#[tokio::test(flavor = "multi_thread")]
async fn the_platforms_library_takes_the_sandbox_for_the_platform() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/shopify");
    if !folder.join("node_modules").exists() {
        assert!(
            std::env::var_os("CI").is_none(),
            "run `npm ci` in {}",
            folder.display()
        );
        eprintln!("passed over: run `npm ci` in {}", folder.display());
        return;
    }
    // The library holds times against the machine's clock.
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let shop = SandboxShop::with(30, 20, 10, 5).sandbox(Arc::clone(&clock));
    let running = start(shop, clock).await.unwrap();
    let sandbox = running.sandbox();
    sandbox.point_webhooks(&Url::parse("https://leadline.example.com/hooks").unwrap());
    let setup = sandbox.setup(&running.base);
    let deliveries: Vec<Value> = [
        "customer_created",
        "order_refunded",
        "checkout_abandoned",
        "data_requested",
    ]
    .iter()
    .flat_map(|what| sandbox.happen(what))
    .map(|delivery| {
        let headers: serde_json::Map<_, _> = delivery
            .headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.as_str().into()))
            .collect();
        json!({ "headers": headers, "body": String::from_utf8(delivery.body.to_vec()).unwrap() })
    })
    .collect();
    let asked = json!({
        "base": running.base.as_str(),
        "shop": setup.settings["shop"],
        "clientId": setup.settings["clientId"],
        "clientSecret": setup.secrets["clientSecret"],
        "token": setup.credentials.unwrap().access_token.expose(),
        "deliveries": deliveries,
    });
    let mut node = Command::new("node")
        .arg("check.mjs")
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("node");
    node.stdin
        .take()
        .unwrap()
        .write_all(asked.to_string().as_bytes())
        .await
        .unwrap();
    let output = node.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();

    let webhooks = found["webhooks"].as_array().unwrap();
    assert_eq!(webhooks.len(), 5);
    for webhook in webhooks {
        assert_eq!(
            (&webhook["valid"], &webhook["otherSecret"]),
            (&json!(true), &json!(false)),
            "{webhook}"
        );
        assert_eq!(webhook["shop"], asked["shop"]);
    }
    assert_eq!(webhooks[2]["topic"], "REFUNDS_CREATE");
    assert_eq!(
        found["callback"],
        json!({ "valid": true, "changed": false, "shop": asked["shop"] })
    );
    let graphql = json!({
        "shop": "Leadline Demo", "customers": 3, "failed": false, "cost": 5, "unknown": "undefinedField",
    });
    assert_eq!(found["graphql"], graphql);
}
