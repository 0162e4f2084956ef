//! The messenger against the sandbox.

mod encryption;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::DateTime;

use super::sandbox::letter;
use super::{Smtp, SmtpSandbox};
use crate::facet::{Content, DeliveryState, Message, Messenger as _, Receipt, Reconciled};
use crate::sandbox::{Failure, Running, Sandbox as _, Setup, start};
use crate::transport::{Egress, HttpTransport, Policy};
use crate::{Clock, Context, Integration as _, Kind, ManualClock, RecipientFault, Retry};

struct Ground {
    smtp: Smtp,
    sandbox: Arc<SmtpSandbox>,
    running: Running,
    context: Context,
}

fn clock() -> Arc<dyn Clock> {
    let moment = DateTime::from_timestamp(1_700_000_000, 0).expect("a moment");
    Arc::new(ManualClock::at(moment))
}

fn context_of(smtp: &Smtp, setup: &Setup, answer: Duration) -> Context {
    let policy = Policy {
        answer,
        ..Policy::default()
    };
    let transport = HttpTransport::new(Egress::Anywhere, policy).expect("a transport");
    setup.context(smtp, &transport, clock())
}

async fn ground_with(answer: Duration, change: impl FnOnce(&mut Setup)) -> Ground {
    let smtp = Smtp::default();
    let sandbox = Arc::new(SmtpSandbox::new(clock()));
    let running = start(sandbox.clone(), clock()).await.expect("a sandbox");
    let mut setup = sandbox.setup(&running.base);
    change(&mut setup);
    let context = context_of(&smtp, &setup, answer);
    Ground {
        smtp,
        sandbox,
        running,
        context,
    }
}

async fn ground() -> Ground {
    ground_with(Duration::from_secs(10), |_| {}).await
}

impl Ground {
    async fn send(&self, message: &Message) -> crate::Result<Receipt> {
        self.smtp.send(&self.context, message).await
    }

    fn held(&self) -> usize {
        self.sandbox.holds()["messages"]
    }

    fn connections(&self) -> usize {
        self.sandbox.holds()["connections"]
    }
}

fn taken(receipt: &Receipt) -> Option<&str> {
    match receipt {
        Receipt::Taken {
            id,
            state: DeliveryState::Queued,
            segments: None,
        } => id.as_deref(),
        other => panic!("not taken: {other:?}"),
    }
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_written() {
    let ground = ground().await;
    let receipt = ground
        .send(&letter("m-1", "Léa <lea@bücher.example>", "Grüße"))
        .await
        .unwrap();
    assert_eq!(taken(&receipt), Some("S000001"));
    let [mail] = &ground.sandbox.mails()[..] else {
        panic!("one mail")
    };
    assert_eq!(
        (mail.from.as_str(), &mail.to[..]),
        ("sam@example.org", &["lea@xn--bcher-kva.example".to_owned()][..])
    );
    assert!(mail.parameters.contains("ENVID=m-1"), "{}", mail.parameters);
    assert!(mail.parameters.contains("SIZE="), "{}", mail.parameters);
    let read = mail_parser::MessageParser::default()
        .parse(&mail.data[..])
        .unwrap();
    assert_eq!(read.subject(), Some("Grüße"));
    assert_eq!(read.message_id(), Some("m-1@mail.example.org"));
    assert_eq!(read.in_reply_to().as_text(), Some("second@mail.example.org"));
    assert_eq!(read.references().as_text_list().unwrap().len(), 2);
    assert_eq!(read.date().unwrap().to_timestamp(), 1_700_000_000);
    assert_eq!(
        read.header_raw("List-Unsubscribe-Post").unwrap().trim(),
        "List-Unsubscribe=One-Click"
    );
    assert_eq!(
        read.body_text(0).unwrap().replace("\r\n", "\n").trim_end(),
        "Good day,\n\nhere is your offer.\n.\nSam",
        "the dot on a line by itself came through"
    );
    assert!(read.body_html(0).unwrap().contains("<p>here is your offer.</p>"));
}

#[tokio::test]
async fn connections_are_kept_and_dropped() {
    let ground = ground().await;
    for number in 0..3 {
        let message = letter(&format!("m-{number}"), "lea@example.com", "Hello");
        taken(&ground.send(&message).await.unwrap());
    }
    let error = ground
        .send(&letter("m-3", "unknown@example.com", "Hello"))
        .await
        .unwrap_err();
    assert_eq!(error.kind, Kind::Recipient(RecipientFault::Unknown));
    taken(
        &ground
            .send(&letter("m-4", "lea@example.com", "Hello"))
            .await
            .unwrap(),
    );
    assert_eq!(
        (ground.held(), ground.connections()),
        (4, 1),
        "a refused recipient ends nothing"
    );
    assert_eq!(ground.smtp.pool.sweep(Instant::now()), 1);
    assert_eq!(
        ground.smtp.pool.sweep(Instant::now() + Duration::from_secs(61)),
        0
    );
    taken(
        &ground
            .send(&letter("m-5", "lea@example.com", "Hello"))
            .await
            .unwrap(),
    );
    assert_eq!(ground.connections(), 2);
}

#[tokio::test]
async fn another_password_is_another_connection() {
    let ground = ground().await;
    taken(
        &ground
            .send(&letter("m-1", "lea@example.com", "Hello"))
            .await
            .unwrap(),
    );
    let mut setup = ground.sandbox.setup(&ground.running.base);
    setup.secrets["password"] = "another-password".into();
    let other = context_of(&ground.smtp, &setup, Duration::from_secs(10));
    let error = ground
        .smtp
        .send(&other, &letter("m-2", "lea@example.com", "Hello"))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_deref()),
        (Kind::Unauthorised, Some("535 5.7.8"))
    );
    assert_eq!(ground.held(), 1);
}

#[tokio::test]
async fn a_kept_connection_that_has_ended_is_made_anew() {
    let ground = ground().await;
    let hello = |id: &str| letter(id, "lea@example.com", "Hello");
    taken(&ground.send(&hello("m-1")).await.unwrap());
    for failure in [
        Failure::Throttled { seconds: 1 },
        Failure::Cut,
        Failure::CutWithin,
    ] {
        let before = (ground.held(), ground.connections());
        ground.running.faults.on("MAIL", failure, 1);
        taken(&ground.send(&hello("m-2")).await.unwrap());
        let after = (ground.held(), ground.connections());
        assert_eq!(after, (before.0 + 1, before.1 + 1), "{failure:?}");
    }
    // A new one that is told so as well is told to wait.
    ground
        .running
        .faults
        .on("MAIL", Failure::Throttled { seconds: 1 }, 2);
    let error = ground.send(&hello("m-3")).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (Kind::Throttled, Retry::BackOff));
}

#[tokio::test]
async fn before_the_final_dot_failures_are_sure() {
    let ground = ground_with(Duration::from_millis(300), |_| {}).await;
    let slow = Failure::Slow(Duration::from_secs(5));
    let cases = [
        ("CONNECT", Failure::Cut, Kind::Unreachable),
        ("CONNECT", Failure::CutWithin, Kind::Unreachable),
        ("CONNECT", Failure::Malformed, Kind::Malformed),
        ("CONNECT", Failure::Throttled { seconds: 9 }, Kind::Throttled),
        ("CONNECT", slow, Kind::TimedOut),
        ("EHLO", Failure::ServerError, Kind::Unavailable),
        ("AUTH", Failure::Unauthorised, Kind::Unauthorised),
        ("AUTH", Failure::Cut, Kind::Unavailable),
        ("MAIL", Failure::ServerError, Kind::Unavailable),
        ("MAIL", Failure::Cut, Kind::Cut),
        ("MAIL", slow, Kind::TimedOut),
        ("RCPT", Failure::Cut, Kind::Cut),
        ("RCPT", Failure::Malformed, Kind::Malformed),
        ("RCPT", Failure::Throttled { seconds: 9 }, Kind::Throttled),
        ("DATA", Failure::ServerError, Kind::Unavailable),
        ("DATA", Failure::Cut, Kind::Cut),
        ("DATA", Failure::CutWithin, Kind::Cut),
        ("DOT", Failure::ServerError, Kind::Unavailable),
        ("DOT", Failure::Throttled { seconds: 9 }, Kind::Throttled),
    ];
    for (command, failure, kind) in cases {
        // Without a kept connection, so that it is this one that fails.
        ground.smtp.pool.sweep(Instant::now() + Duration::from_secs(61));
        ground.running.faults.on(command, failure, 1);
        let error = ground
            .send(&letter("m-1", "lea@example.com", "Hello"))
            .await
            .unwrap_err();
        assert_eq!(error.kind, kind, "{command} {failure:?}: {error}");
        assert_eq!(error.retry, kind.usual_retry());
        ground.running.faults.clear();
    }
    assert_eq!(ground.held(), 0);
}

#[tokio::test]
async fn after_the_final_dot_nothing_is_sure_without_a_reply() {
    let ground = ground_with(Duration::from_millis(100), |_| {}).await;
    for failure in [
        Failure::Cut,
        Failure::CutWithin,
        Failure::Malformed,
        Failure::Slow(Duration::from_secs(20)),
    ] {
        ground.running.faults.on("DOT", failure, 1);
        let message = letter("m-1", "lea@example.com", "Hello");
        let receipt = ground.send(&message).await.unwrap();
        assert!(
            matches!(receipt, Receipt::Unknown { .. }),
            "{failure:?}: {receipt:?}"
        );
        let found = ground
            .smtp
            .reconcile(&ground.context, &message, DateTime::UNIX_EPOCH)
            .await;
        assert_eq!(found, Ok(Reconciled::CannotTell));
    }
    // Such a connection is not used again.
    taken(
        &ground
            .send(&letter("m-2", "lea@example.com", "Hello"))
            .await
            .unwrap(),
    );
    assert_eq!(ground.connections(), 5);
}

#[tokio::test]
async fn a_server_that_is_slow_to_take_is_waited_for() {
    let ground = ground_with(Duration::from_millis(300), |_| {}).await;
    ground
        .running
        .faults
        .on("DOT", Failure::Slow(Duration::from_millis(600)), 1);
    taken(
        &ground
            .send(&letter("m-1", "lea@example.com", "Hello"))
            .await
            .unwrap(),
    );
}

#[tokio::test]
async fn addresses_are_refused_as_the_table_has_it() {
    let ground = ground().await;
    let cases = [
        ("unknown", Kind::Recipient(RecipientFault::Unknown), "550 5.1.1"),
        ("moved", Kind::Recipient(RecipientFault::Unknown), "551 5.1.6"),
        ("disabled", Kind::Recipient(RecipientFault::Unknown), "550 5.2.1"),
        ("full", Kind::Recipient(RecipientFault::Temporary), "452 4.2.2"),
        ("policy", Kind::Recipient(RecipientFault::Blocked), "550 5.7.1"),
        ("optout", Kind::Recipient(RecipientFault::OptedOut), "550 5.7.1"),
        (
            "greylist",
            Kind::Recipient(RecipientFault::Temporary),
            "450 4.7.1",
        ),
        ("spam", Kind::Recipient(RecipientFault::Blocked), "554 5.7.1"),
        ("content", Kind::Refused, "554 5.6.0"),
        ("later", Kind::Unavailable, "451 4.3.0"),
    ];
    for (local, kind, code) in cases {
        let error = ground
            .send(&letter("m-1", &format!("{local}@example.com"), "Hello"))
            .await
            .unwrap_err();
        assert_eq!((error.kind, error.code.as_deref()), (kind, Some(code)), "{error}");
    }
    taken(
        &ground
            .send(&letter("m-2", "greylist@example.com", "Hello"))
            .await
            .unwrap(),
    );
    let mut foreign = letter("m-3", "lea@example.com", "Hello");
    foreign.from = "sam@not-ours.example".to_owned();
    assert_eq!(ground.send(&foreign).await.unwrap_err().kind, Kind::Forbidden);
    assert_eq!((ground.held(), ground.connections()), (1, 1));
}

#[tokio::test]
async fn large_mails_and_addresses_of_other_letters() {
    let ground = ground().await;
    let mut large = letter("m-1", "lea@example.com", "Hello");
    if let Content::Email { text, .. } = &mut large.content {
        *text = Some("A line of thirty-two characters\n".repeat(400_000));
    }
    let error = ground.send(&large).await.unwrap_err();
    assert_eq!(error.kind, Kind::Refused);
    if let Content::Email { text, .. } = &mut large.content {
        *text = Some(".A line that begins with a dot\n".repeat(100_000));
    }
    taken(&ground.send(&large).await.unwrap());
    taken(
        &ground
            .send(&letter("m-2", "léa@example.com", "Hello"))
            .await
            .unwrap(),
    );
    let mails = ground.sandbox.mails();
    assert!(mails[1].parameters.contains("SMTPUTF8"));
    assert_eq!(mails[1].to, ["léa@example.com"]);
    let read = mail_parser::MessageParser::default()
        .parse(&mails[0].data[..])
        .unwrap();
    let text = read.body_text(0).unwrap();
    assert_eq!(
        text.lines()
            .filter(|line| *line == ".A line that begins with a dot")
            .count(),
        100_000
    );
}

#[tokio::test]
async fn bounces_go_where_the_settings_say() {
    let ground = ground_with(Duration::from_secs(10), |setup| {
        setup.settings["bounceAddress"] = "bounce+{id}@mail.example.org".into();
    })
    .await;
    taken(
        &ground
            .send(&letter("m-1", "lea@example.com", "Hello"))
            .await
            .unwrap(),
    );
    assert_eq!(ground.sandbox.mails()[0].from, "bounce+m-1@mail.example.org");
}

#[tokio::test]
async fn a_check_signs_in_and_sends_nothing() {
    let ground = ground().await;
    let account = ground.smtp.check(&ground.context).await.unwrap();
    assert_eq!(account.name, "sandbox@example.org");
    assert!(account.details.contains(&("largestMail", (10 << 20).to_string())));
    assert_eq!(ground.held(), 0);

    let wrong = ground_with(Duration::from_secs(10), |setup| {
        setup.secrets["password"] = "not-the-password".into();
    })
    .await;
    let error = wrong.smtp.check(&wrong.context).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unauthorised);
    let shown = format!("{:?} {error:?} {error}", wrong.context);
    assert!(!shown.contains("not-the-password"), "{shown}");

    let closed = ground_with(Duration::from_secs(10), |setup| {
        setup.settings["port"] = 1.into();
    })
    .await;
    assert_eq!(
        closed.smtp.check(&closed.context).await.unwrap_err().kind,
        Kind::Unreachable
    );
}

#[tokio::test]
async fn the_own_network_is_not_for_every_server() {
    let ground = ground().await;
    let transport = HttpTransport::new(Egress::Public, Policy::default()).unwrap();
    let setup = ground.sandbox.setup(&ground.running.base);
    let context = setup.context(&ground.smtp, &transport, clock());
    let error = ground.smtp.check(&context).await.unwrap_err();
    assert_eq!(error.kind, Kind::Settings);
    assert_eq!(ground.connections(), 0);
}

#[test]
fn names_that_servers_give_are_found() {
    assert_eq!(
        super::queue_id("2.0.0 Ok: queued as 4F2A").as_deref(),
        Some("4F2A")
    );
    assert_eq!(super::queue_id("OK id=1r-2b-3c").as_deref(), Some("1r-2b-3c"));
    assert_eq!(super::queue_id("2.0.0 accepted"), None);
}

#[test]
fn settings_are_told_what_is_wrong() {
    let form = &Smtp::default().manifest().settings;
    assert!(
        form.check(&serde_json::json!({ "host": "mail.example.org", "encryption": "STARTTLS" }))
            .is_ok()
    );
    for (settings, path) in [
        (serde_json::json!({ "host": "smtp://mail.example.org" }), "host"),
        (serde_json::json!({ "host": "a b" }), "host"),
        (serde_json::json!({ "host": "a\r\nQUIT" }), "host"),
        (
            serde_json::json!({ "host": "a", "connections": 0 }),
            "connections",
        ),
        (
            serde_json::json!({ "host": "a", "encryption": "SSL" }),
            "encryption",
        ),
        (
            serde_json::json!({ "host": "a", "bounceAddress": "x" }),
            "bounceAddress",
        ),
        (
            serde_json::json!({ "host": "a", "certificates": "x" }),
            "certificates",
        ),
        (serde_json::json!({ "host": "a", "hots": "b" }), "hots"),
    ] {
        let problem = form.check(&settings).unwrap_err();
        assert_eq!(problem.path, [path], "{problem}");
    }
}
