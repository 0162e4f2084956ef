//! Python's own `smtplib` sends to the sandbox, and `aiosmtpd` (PyPI) with Python's own `email` package receives from us.
//!
//! Needs `python3`, and for receiving `pip install -r tests/sdk/smtp/requirements.txt`, there or in `tests/sdk/smtp/venv`;
//! without it the test says so and is over, except in CI.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use leadline_integrations::facet::{Content, Message, Messenger as _, Receipt};
use leadline_integrations::platform::smtp::{Smtp, SmtpSandbox};
use leadline_integrations::sandbox::{Sandbox as _, Setup, start};
use leadline_integrations::transport::{Egress, HttpTransport, Policy};
use leadline_integrations::{Clock, ManualClock};
use serde_json::{Value, json};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/smtp")
}

/// Python with what is needed; `None` where it is not installed.
fn python(needed: &str) -> Option<PathBuf> {
    let own = folder().join("venv/bin/python");
    let program = if own.exists() { own } else { "python3".into() };
    let output = Command::new(&program)
        .args(["-c", &format!("import {needed}")])
        .output();
    if output.is_ok_and(|output| output.status.success()) {
        return Some(program);
    }
    let missing = format!(
        "`{needed}` of Python is not installed: pip install -r {}/requirements.txt",
        folder().display()
    );
    assert!(std::env::var_os("CI").is_none(), "{missing}");
    eprintln!("SKIPPED: {missing}");
    None
}

fn clock() -> Arc<dyn Clock> {
    let moment = chrono::DateTime::from_timestamp(1_700_000_000, 0).expect("a moment");
    Arc::new(ManualClock::at(moment))
}

#[tokio::test(flavor = "multi_thread")]
async fn smtplib_and_the_sandbox_understand_each_other() {
    let Some(python) = python("smtplib") else { return };
    let sandbox = Arc::new(SmtpSandbox::new(clock()));
    let running = start(sandbox.clone(), clock()).await.unwrap();
    let setup = sandbox.setup(&running.base);
    let port = running.base.port().unwrap().to_string();
    let user = setup.settings["user"].as_str().unwrap().to_owned();
    let password = setup.secrets["password"].as_str().unwrap().to_owned();
    let output = tokio::task::spawn_blocking(move || {
        Command::new(python)
            .arg("send.py")
            .args([port, user, password])
            .current_dir(folder())
            .output()
    });
    let output = output.await.unwrap().expect("Python can be run");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["wrong"], 535);
    assert_eq!(
        (&said["auth_plain"], &said["auth_login"]),
        (&json!(235), &json!(235))
    );
    assert_eq!(
        said["partly"],
        json!({ "unknown@example.com": 550, "full@example.com": 452 })
    );
    assert_eq!(said["spam"], json!([554, "5.7.1 message looks like spam"]));
    assert_eq!(said["noop"], 250);
    assert!(
        said["features"]
            .as_array()
            .unwrap()
            .contains(&json!("pipelining"))
    );
    let mails = sandbox.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(
        (mails[0].from.as_str(), &mails[0].to[..]),
        ("sam@example.org", &["lea@example.com".to_owned()][..])
    );
    let data = String::from_utf8_lossy(&mails[0].data);
    assert!(data.contains("\r\n.\r\n.. two dots\r\n"), "{data}");
}

#[tokio::test(flavor = "multi_thread")]
async fn aiosmtpd_receives_what_we_send() {
    let Some(python) = python("aiosmtpd") else { return };
    let mut receiver = Command::new(python)
        .arg("receive.py")
        .current_dir(folder())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(receiver.stdout.take().unwrap()).lines();
    let port = lines.next().unwrap().unwrap();
    let setup = Setup {
        settings: json!({
            "host": "127.0.0.1", "port": port.parse::<u16>().unwrap(), "encryption": "NONE", "user": "sam@example.org",
        }),
        secrets: json!({ "password": "a password" }),
        credentials: None,
    };
    let smtp = Smtp::default();
    let transport = HttpTransport::new(Egress::Anywhere, Policy::default()).unwrap();
    let context = setup.context(&smtp, &transport, clock());
    let text = format!("Guten Tag,\n.\n..\nGrüße 👋 {}\n", "lang ".repeat(400));
    let html = format!("<p>{}</p>", "Größe ".repeat(500));
    let references: Vec<_> = (0..30)
        .map(|number| format!("reference-{number}@mail.example.org"))
        .collect();
    let message = Message {
        id: "m-1".to_owned(),
        from: "\"Sender, Sam\" <sam@example.org>".to_owned(),
        to: "lea@bücher.example".to_owned(),
        to_name: Some("Léa 👋 Käuferin, geb. Groß".to_owned()),
        content: Content::Email {
            subject: "Grüße aus Köln, und was es sonst noch zu sagen gibt: alles wird gut 👋".to_owned(),
            text: Some(text.clone()),
            html: Some(html.clone()),
            reply_to: Some("answers@example.org".to_owned()),
            message_id: "m-1@mail.example.org".to_owned(),
            references,
            headers: vec![
                (
                    "List-Unsubscribe".to_owned(),
                    format!(
                        "<https://u.example.org/{}>, <mailto:u@example.org>",
                        "x".repeat(300)
                    ),
                ),
                (
                    "List-Unsubscribe-Post".to_owned(),
                    "List-Unsubscribe=One-Click".to_owned(),
                ),
            ],
        },
        callback: None,
    };
    let receipt = smtp.send(&context, &message).await.unwrap();
    assert!(
        matches!(&receipt, Receipt::Taken { id: Some(id), .. } if id == "PY1"),
        "{receipt:?}"
    );
    let told: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    receiver.kill().unwrap();
    receiver.wait().unwrap();
    assert_eq!(told["from"], "sam@example.org");
    assert_eq!(told["to"], json!(["lea@xn--bcher-kva.example"]));
    assert_eq!(told["defects"], json!([]));
    let Content::Email { subject, headers, .. } = &message.content else {
        unreachable!("it is a mail")
    };
    assert_eq!(told["subject"], subject.as_str());
    assert_eq!(told["sender"], json!(["Sender, Sam", "sam@example.org"]));
    assert_eq!(
        told["recipient"],
        json!([message.to_name, "lea@xn--bcher-kva.example"])
    );
    assert_eq!(told["replyTo"], "answers@example.org");
    assert_eq!(told["date"], 1_700_000_000.0);
    assert_eq!(told["headers"]["Message-ID"], "<m-1@mail.example.org>");
    assert_eq!(told["headers"]["In-Reply-To"], "<reference-29@mail.example.org>");
    assert_eq!(
        told["headers"]["References"]
            .as_str()
            .unwrap()
            .split_whitespace()
            .count(),
        30
    );
    for (name, value) in headers {
        assert_eq!(told["headers"][name], value.as_str());
    }
    assert_eq!(told["type"], "multipart/alternative");
    assert_eq!(
        told["text"].as_str().unwrap().replace("\r\n", "\n").trim_end(),
        text.trim_end()
    );
    assert_eq!(told["html"].as_str().unwrap().trim_end(), html);
    assert!(told["longest"].as_u64().unwrap() <= 998);
}
