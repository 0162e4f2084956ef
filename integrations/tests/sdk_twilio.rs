//! Twilio's own SDK (npm `twilio`) against the sandbox, and what it signs against our check.
//!
//! Needs `npm ci` in `tests/sdk/twilio`; without it the test says so and is over, except in CI.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use http::{HeaderMap, Method};
use leadline_integrations::facet::Inbound;
use leadline_integrations::platform::twilio::Twilio;
use leadline_integrations::sandbox::start;
use leadline_integrations::transport::{Egress, HttpTransport, Policy};
use leadline_integrations::{Clock, Integration, ManualClock};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_and_the_sandbox_understand_each_other() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/twilio");
    if !folder.join("node_modules/twilio").exists() {
        assert!(
            std::env::var_os("CI").is_none(),
            "`npm ci` in {} is missing",
            folder.display()
        );
        eprintln!(
            "SKIPPED: the SDK of Twilio is not installed: `npm ci` in {}",
            folder.display()
        );
        return;
    }
    let noon = chrono::DateTime::from_timestamp(1_741_953_600, 0).unwrap();
    let clock = Arc::new(ManualClock::at(noon));
    let running = start(Twilio.sandbox(clock.clone()), clock.clone()).await.unwrap();
    let setup = running.sandbox().setup(&running.base);
    let account = setup.settings["accountSid"].as_str().unwrap().to_owned();
    let token = setup.secrets["authToken"].as_str().unwrap().to_owned();
    let base = running.base.to_string();
    let output = tokio::task::spawn_blocking(move || {
        Command::new("node")
            .args(["talk.mjs", &base, &account, &token, "+15550200000"])
            .current_dir(folder)
            .output()
    });
    let output = output.await.unwrap().expect("node can be run");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();

    assert_eq!(said["message"]["status"], "queued");
    assert_eq!(said["message"]["body"], "Grüße & bis bald 👋");
    assert_eq!(said["message"]["created"], "2025-03-14T12:00:00.000Z");
    assert_eq!(said["call"]["status"], "queued");
    let told = said["told"].as_array().unwrap();
    let statuses: Vec<&str> = told.iter().filter_map(|one| one["status"].as_str()).collect();
    assert_eq!(
        statuses,
        [
            "sent",
            "delivered",
            "initiated",
            "ringing",
            "in-progress",
            "completed"
        ]
    );
    assert!(
        told.iter()
            .all(|one| one["valid"] == true && one["validForOther"] == false),
        "{told:?}"
    );
    assert_eq!(
        (&said["listed"], &said["distinct"]),
        (&json!(104), &json!(104)),
        "four pages, each row once"
    );
    let recent = said["recent"].as_u64().unwrap();
    assert!((41..104).contains(&recent), "{recent}");
    assert_eq!(said["numbers"], 55);
    assert_eq!(said["owner"], "Sandbox of Example Ltd");
    assert_eq!(said["refused"], json!({ "status": 400, "code": 21610 }));

    let transport = HttpTransport::new(Egress::Anywhere, Policy::default()).unwrap();
    let context = setup.context(&Twilio, &transport, clock.clone());
    let webhooks = Twilio.facets().webhooks.unwrap();
    let signed = said["signed"].as_array().unwrap();
    assert_eq!(signed.len(), 4);
    for one in signed {
        let text = |name: &str| one[name].as_str().unwrap().to_owned();
        let mut headers = HeaderMap::new();
        headers.insert("content-type", text("type").parse().unwrap());
        headers.insert("x-twilio-signature", text("signature").parse().unwrap());
        let mut request = Inbound {
            method: Method::POST,
            url: text("url").parse().unwrap(),
            headers,
            body: text("body").into(),
            received_at: clock.now(),
        };
        assert_eq!(webhooks.verify(&context, &request), Ok(()), "{one}");
        request.body = (text("body") + "x").into();
        assert!(webhooks.verify(&context, &request).is_err(), "{one}");
    }
}
