//! SendGrid's own SDK (npm `@sendgrid/mail` and `@sendgrid/eventwebhook`) against the sandbox: what it sends is taken, it is
//! the same as what we send, and what the sandbox signs passes its check.
//!
//! Needs `npm ci` in `tests/sdk/sendgrid`; without it the test says so and is over, except in CI.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use leadline_integrations::facet::{Content, Message, Messenger as _, Receipt};
use leadline_integrations::platform::sendgrid::{SendGrid, SendGridSandbox};
use leadline_integrations::sandbox::{Sandbox as _, start};
use leadline_integrations::transport::{Egress, HttpTransport, Policy};
use leadline_integrations::{Clock, ManualClock};
use serde_json::{Value, json};

fn ours() -> Message {
    Message {
        id: "m-1".to_owned(),
        from: "Sam <sam@example.org>".to_owned(),
        to: "lea@example.com".to_owned(),
        to_name: Some("Léa".to_owned()),
        content: Content::Email {
            subject: "Grüße".to_owned(),
            text: Some("Hello".to_owned()),
            html: Some("<p>Hello</p>".to_owned()),
            reply_to: Some("answers@example.org".to_owned()),
            message_id: "m-1@mail.example.org".to_owned(),
            references: Vec::new(),
            headers: vec![("X-Ref".to_owned(), "r-42".to_owned())],
        },
        callback: None,
    }
}

/// The same mail, as the SDK takes it.
fn theirs() -> Value {
    json!({
        "personalizations": [{
            "to": [{ "email": "lea@example.com", "name": "Léa" }],
            "customArgs": { "leadline_id": "m-1" },
        }],
        "from": { "email": "sam@example.org", "name": "Sam" },
        "replyTo": { "email": "answers@example.org" },
        "subject": "Grüße",
        "text": "Hello",
        "html": "<p>Hello</p>",
        "headers": { "Message-ID": "<m-1@mail.example.org>", "X-Leadline-Id": "m-1", "X-Ref": "r-42" },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_and_the_sandbox_understand_each_other() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/sendgrid");
    if !folder.join("node_modules/@sendgrid/mail").exists() {
        assert!(
            std::env::var_os("CI").is_none(),
            "`npm ci` in {} is missing",
            folder.display()
        );
        eprintln!(
            "SKIPPED: the SDK of SendGrid is not installed: `npm ci` in {}",
            folder.display()
        );
        return;
    }
    let moment = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(moment));
    let sandbox = Arc::new(SendGridSandbox::new(clock.clone()));
    let running = start(sandbox.clone(), clock.clone()).await.unwrap();
    let setup = sandbox.setup(&running.base);
    let key = setup.secrets["apiKey"].as_str().unwrap().to_owned();
    let base = running.base.to_string();
    let output = tokio::task::spawn_blocking(move || {
        Command::new("node")
            .args(["talk.mjs", &base, &key, &theirs().to_string()])
            .current_dir(folder)
            .output()
    });
    let output = output.await.unwrap().expect("node can be run");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["status"], 202);
    assert_eq!(said["refused"]["code"], 400);
    assert_eq!(
        said["refused"]["errors"][0]["field"],
        "personalizations.0.to.0.email"
    );
    assert_eq!(
        (&said["verified"], &said["verifiedChanged"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(said["events"][0]["leadline_id"], "m-1");
    let id = said["id"].as_str().unwrap();
    assert!(
        said["events"][0]["sg_message_id"]
            .as_str()
            .unwrap()
            .starts_with(id),
        "{said}"
    );

    let transport = HttpTransport::new(Egress::Anywhere, Policy::default()).unwrap();
    let context = setup.context(&SendGrid, &transport, clock);
    let receipt = SendGrid.send(&context, &ours()).await.unwrap();
    assert!(
        matches!(receipt, Receipt::Taken { id: Some(_), .. }),
        "{receipt:?}"
    );
    let mails = sandbox.mails();
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0], mails[1], "what the SDK sent and what we sent");
}
