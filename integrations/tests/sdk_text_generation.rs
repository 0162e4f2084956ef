//! The platforms' own clients (npm `openai` and `@anthropic-ai/sdk`) talk to the sandboxes: what they take for the platform
//! is close enough to it. `npm ci` in `tests/sdk/text_generation` installs them; without, the tests are skipped, but not
//! in CI.

use std::path::Path;
use std::sync::Arc;

use leadline_integrations::sandbox::start;
use leadline_integrations::{SystemClock, all};
use serde_json::{Value, json};
use tokio::process::Command;

/// What came of the talk; `None` where the clients are not installed.
async fn talk(key: &str) -> Option<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/text_generation");
    if !folder.join("node_modules").exists() {
        assert!(
            std::env::var_os("CI").is_none(),
            "the clients are not installed: npm ci in {}",
            folder.display()
        );
        eprintln!(
            "SKIPPED: the clients are not installed: npm ci in {}",
            folder.display()
        );
        return None;
    }
    let platform = all()
        .into_iter()
        .find(|platform| platform.manifest().key == key)
        .expect("a platform");
    let clock = Arc::new(SystemClock);
    let running = start(platform.sandbox(clock.clone()), clock)
        .await
        .expect("a port of loopback");
    let setup = running.sandbox().setup(&running.base);
    let model = running.sandbox().cases().text_generator.expect("a case").model;
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let output = Command::new("node")
        .arg("talk.mjs")
        .args([
            key,
            &text(&setup.settings["baseUrl"]),
            &text(&setup.secrets["apiKey"]),
            &model,
        ])
        .current_dir(&folder)
        .output()
        .await
        .expect("node is there");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

fn expect_talk(told: &Value, finish: &str, models: u64) {
    let whole = told["whole"].as_str().expect("a text");
    assert!(whole.contains("new rye bread"), "{told}");
    assert_eq!(
        told["streamed"], told["whole"],
        "the stream is the same text, with all its characters"
    );
    assert_eq!(told["finish"], finish);
    assert_eq!(told["read"], 8);
    assert_eq!(told["written"], told["pieces"]);
    assert!(
        told["subject"]
            .as_str()
            .is_some_and(|subject| subject.starts_with("subject: ")),
        "{told}"
    );
    assert_eq!(told["models"], models);
}

#[tokio::test]
async fn openais_client_takes_the_sandbox_for_openai() {
    let Some(told) = talk("openai").await else { return };
    expect_talk(&told, "stop", 121);
    assert_eq!(told["broken"]["name"], "APIError");
    assert_eq!(told["unknown"], json!({ "name": "NotFoundError", "status": 404 }));
    assert_eq!(
        told["stranger"],
        json!({ "name": "AuthenticationError", "status": 401 })
    );
}

#[tokio::test]
async fn openais_client_takes_the_sandbox_for_openrouter() {
    let Some(told) = talk("openrouter").await else {
        return;
    };
    expect_talk(&told, "stop", 321);
    assert_eq!(told["broken"]["name"], "APIError");
    assert_eq!(told["unknown"], json!({ "name": "NotFoundError", "status": 404 }));
    assert_eq!(
        told["stranger"],
        json!({ "name": "AuthenticationError", "status": 401 })
    );
}

#[tokio::test]
async fn anthropics_client_takes_the_sandbox_for_anthropic() {
    let Some(told) = talk("anthropic").await else {
        return;
    };
    expect_talk(&told, "end_turn", 130);
    assert_eq!(told["counted"], 8);
    assert_eq!(told["broken"]["name"], "APIError");
    assert_eq!(told["unknown"], json!({ "name": "NotFoundError", "status": 404 }));
    assert_eq!(
        told["stranger"],
        json!({ "name": "AuthenticationError", "status": 401 })
    );
}
