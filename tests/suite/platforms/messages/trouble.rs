//! Killed half-way, not known, throttled, slow, away.

use std::time::Duration;

use entity::{MessageState, lease, message};
use integrations::facet::{DeliveryState, MessageEvent, WebhookEvent};
use integrations::sandbox::Failure;
use leadline::clock::Clock;
use leadline::outreach::delivery::MessageConsumer;
use leadline::platforms::connections::{Consumer as _, live};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use serde_json::{Value, json};

use super::{
    NUMBER, RESEND, comes_to, consent, email, engagements, lead, mail_server, send, sendgrid, show, steps,
    told, twilio,
};
use crate::platforms::{connect, server};
use crate::support::{Database, Server, Setup, until};

/// A server whose clock stands now, until it is moved.
async fn standing(database: &Database, more: impl FnOnce(Setup) -> Setup) -> (Server, entity::Timestamp) {
    let now = Clock::system().now();
    let setup = Setup::default()
        .at(&now.to_rfc3339())
        .setting("platforms_private_networks", "true");
    (Server::start(database, more(setup)).await, now)
}

/// As if whoever handed a message over had been killed before writing down what came of it.
async fn killed_while_sending(server: &Server, id: &str) {
    let id: entity::id::MessageId = id.parse().expect("an id");
    let now = server.app().clock().now();
    let done = message::Entity::update_many()
        .col_expr(message::Column::State, "SENDING".into())
        .col_expr(message::Column::Attempts, 1.into())
        .col_expr(message::Column::Claim, "gone".into())
        .col_expr(message::Column::SentAt, now.plus_seconds(-300).micros().into())
        .col_expr(message::Column::DueAt, now.plus_seconds(-1).micros().into())
        .filter(message::Column::Id.eq(id))
        .exec(server.app().db().write());
    assert_eq!(done.await.expect("it is written").rows_affected, 1);
}

/// A message that waits, as one that was asked for before the connection broke.
async fn queue(server: &Server, connection: &str, n: usize) {
    use sea_orm::IntoActiveModel as _;
    let now = server.app().clock().now();
    let connection_id = connection.parse().expect("an id");
    let id = entity::id::MessageId::at(now);
    let row = message::Model {
        id,
        connection_id,
        lead_id: None,
        direction: entity::MessageDirection::Outbound,
        channel: entity::MessageChannel::Email,
        purpose: Some(entity::MessagePurpose::Transactional),
        state: MessageState::Queued,
        address: Some(format!("a{n}@example.com")),
        own_address: Some("sam@example.org".to_owned()),
        subject: Some("Hello".to_owned()),
        body: Some("Good day.".to_owned()),
        html: None,
        details: "{}".to_owned(),
        internet_id: Some(format!("{id}@example.org")),
        platform_id: None,
        refs: "[]".to_owned(),
        answers_id: None,
        resend_of: None,
        segments: None,
        link_count: 0,
        steps: 0,
        opens: 0,
        clicks: 0,
        attempts: 0,
        asked: 0,
        due_at: Some(now),
        claim: None,
        sent_at: None,
        problem_kind: None,
        problem: None,
        problem_code: None,
        callback: Some(server.url(&format!("/webhooks/{connection}"))),
        created_by: "test".to_owned(),
        created_at: now,
        updated_at: now,
        blanked_at: None,
    };
    let put = message::Entity::insert(row.into_active_model());
    put.exec_without_returning(server.app().db().write())
        .await
        .expect("a message");
}

/// All messages, as they are kept.
async fn rows(server: &Server) -> Vec<message::Model> {
    use sea_orm::QueryOrder as _;
    let all = message::Entity::find().order_by_asc(message::Column::Id);
    all.all(server.app().db().write()).await.expect("it is read")
}

/// Waits until the outbox has looked several times: messages of another connection have gone, one after the other.
async fn looked(server: &Server) {
    let (sandbox, _) = mail_server().await;
    let connection = connect(server, "smtp", "Mail", &sandbox).await;
    for _ in 0..3 {
        let input = json!({ "connectionId": connection, "to": "probe@example.com", "purpose": "TRANSACTIONAL", "content": email("Hello") });
        let id = send(server, input).await;
        comes_to(server, &id, "SENT").await;
        message::Entity::delete_by_id(id.parse::<entity::id::MessageId>().expect("an id"))
            .exec(server.app().db().write())
            .await
            .expect("it is removed");
    }
}

fn later(server: &Server, now: entity::Timestamp, seconds: i64) {
    server.set_time(&now.plus_seconds(seconds).to_rfc3339());
}

async fn resend(server: &Server, id: &str) -> Value {
    server.data(RESEND, json!({ "id": id })).await["it"].take()
}

on_both! {
    async fn what_was_on_its_way_when_the_process_was_killed_is_not_sent_again(database: &Database) {
        let front = Server::start(database, Setup::default().setting("platforms_private_networks", "true").without_work()).await;
        let (sandbox, mails) = mail_server().await;
        let connection = connect(&front, "smtp", "Mail", &sandbox).await;
        let input = json!({ "connectionId": connection, "to": "a@example.com", "purpose": "TRANSACTIONAL", "content": email("Hello") });
        let id = send(&front, input).await;
        killed_while_sending(&front, &id).await;
        let worker = server(database).await;
        let unknown = comes_to(&worker, &id, "UNKNOWN").await;
        // The mail server cannot say: asked once, and later again.
        until("the mail server was asked", async || {
            let found = show(&worker, &id).await;
            found["nextAttemptAt"].as_str() > unknown["sentAt"].as_str() && found["state"] == "UNKNOWN"
        }).await;
        assert_eq!(mails.mails().len(), 0, "{unknown}");
        assert_eq!(unknown["failure"]["kind"], "UNKNOWN");
        // A person's choice.
        let again = resend(&worker, &id).await;
        assert_eq!(again["message"]["resendOf"]["id"], *id, "{again}");
        assert_eq!(again["message"]["internetMessageId"], unknown["internetMessageId"], "who gets both can tell");
        let new = again["message"]["id"].as_str().unwrap().to_owned();
        comes_to(&worker, &new, "SENT").await;
        assert_eq!(mails.mails().len(), 1);
        assert_eq!(resend(&worker, &id).await["userErrors"][0]["code"], "ALREADY_RESENT");
        assert_eq!(resend(&worker, &new).await["userErrors"][0]["code"], "NOT_RESENDABLE");
        assert_eq!(show(&worker, &id).await["state"], "UNKNOWN");
    }

    async fn what_is_not_known_is_asked_of_the_platform(database: &Database) {
        // Webhooks do not arrive: the address is nobody's.
        let (server, now) = standing(database, |setup| setup.setting("public_url", "http://127.0.0.1:9")).await;
        let sandbox = twilio().await;
        let connection = connect(&server, "twilio", "SMS", &sandbox).await;
        let before = sandbox.sandbox().holds()["sent"];
        let input = |text: &str| json!({ "connectionId": connection, "to": "+15550107009", "from": NUMBER, "purpose": "TRANSACTIONAL", "content": { "sms": { "text": text } } });
        // Taken, and the answer lost.
        sandbox.faults.on("Messages.json", Failure::CutWithin, 1);
        let taken = send(&server, input("It was taken.")).await;
        let unknown = comes_to(&server, &taken, "UNKNOWN").await;
        assert_eq!(unknown["externalId"], Value::Null, "{unknown}");
        later(&server, now, 25);
        until("it is found", async || !show(&server, &taken).await["externalId"].is_null()).await;
        let found = show(&server, &taken).await;
        assert!(["SENT", "DELIVERED"].contains(&found["state"].as_str().unwrap()), "{found}");
        assert_eq!(found["failure"], Value::Null, "{found}");
        assert_eq!(sandbox.sandbox().holds()["sent"], before + 1);
        // Not taken, and nobody knew: said to have failed when the platform has had time, never sent again by itself.
        sandbox.faults.on("Messages.json", Failure::Cut, 1);
        let lost = send(&server, input("It was lost.")).await;
        comes_to(&server, &lost, "UNKNOWN").await;
        let asked = || sandbox.requests().iter().filter(|request| request.method == "GET" && request.path.ends_with("Messages.json")).count();
        let before_asking = asked();
        later(&server, now, 50);
        until("the platform was asked", async || asked() > before_asking).await;
        assert_eq!(show(&server, &lost).await["state"], "UNKNOWN", "it may yet turn up");
        later(&server, now, 200);
        let failed = comes_to(&server, &lost, "FAILED").await;
        assert_eq!(failed["failure"]["kind"], "NOT_TAKEN", "{failed}");
        assert_eq!(sandbox.sandbox().holds()["sent"], before + 1);
        let again = resend(&server, &lost).await;
        comes_to(&server, again["message"]["id"].as_str().unwrap(), "SENT").await;
        assert_eq!(sandbox.sandbox().holds()["sent"], before + 2);
    }

    async fn whoever_is_throttled_waits_as_long_as_the_platform_says(database: &Database) {
        let (server, now) = standing(database, |setup| setup).await;
        let sandbox = sendgrid().await;
        let connection = told(&server, "sendgrid", &sandbox).await;
        sandbox.faults.on("mail/send", Failure::Throttled { seconds: 300 }, 1);
        let input = json!({ "connectionId": connection, "to": "a@example.com", "from": "sam@example.org", "purpose": "TRANSACTIONAL", "content": email("Hello") });
        let id = send(&server, input).await;
        until("it is known why it waits", async || show(&server, &id).await["failure"]["kind"] == "THROTTLED").await;
        let waits = show(&server, &id).await;
        assert_eq!((&waits["state"], &waits["attempts"]), (&json!("QUEUED"), &json!(0)), "{waits}");
        let due = entity::Timestamp::parse_rfc3339(waits["nextAttemptAt"].as_str().unwrap()).unwrap();
        assert!(due > now.plus_seconds(200) && due <= now.plus_seconds(400), "{waits}");
        assert_eq!(sandbox.sandbox().holds()["messages"], 0);
        later(&server, now, 450);
        let sent = comes_to(&server, &id, "DELIVERED").await;
        assert_eq!(sent["attempts"], 1, "{sent}");
        assert_eq!(sandbox.sandbox().holds()["messages"], 1);
    }

    async fn a_mailbox_that_is_full_is_tried_again_for_a_while(database: &Database) {
        let (server, now) = standing(database, |setup| setup).await;
        let (sandbox, mails) = mail_server().await;
        let connection = connect(&server, "smtp", "Mail", &sandbox).await;
        let id = send(&server, json!({ "connectionId": connection, "to": "full@example.com", "purpose": "TRANSACTIONAL", "content": email("Hello") })).await;
        let mut moment = 0;
        for attempt in 1..6 {
            until("it was tried", async || {
                let found = show(&server, &id).await;
                found["attempts"] == attempt && found["state"] == "QUEUED"
            }).await;
            moment += 10_000;
            later(&server, now, moment);
        }
        let failed = comes_to(&server, &id, "FAILED").await;
        assert_eq!((&failed["attempts"], &failed["failure"]["kind"]), (&json!(6), &json!("RECIPIENT_TEMPORARY")), "{failed}");
        assert_eq!(mails.mails().len(), 0);
    }

    async fn a_connection_that_is_not_let_in_keeps_its_messages_until_it_is_mended(database: &Database) {
        let (server, now) = standing(database, |setup| setup).await;
        let sandbox = sendgrid().await;
        let connection = told(&server, "sendgrid", &sandbox).await;
        sandbox.faults.on("mail/send", Failure::Unauthorised, 1);
        let id = send(&server, json!({ "connectionId": connection, "to": "a@example.com", "from": "sam@example.org", "purpose": "TRANSACTIONAL", "content": email("Hello") })).await;
        let state = async || server.data("query ($id: ID!) { connection(id: $id) { state } }", json!({ "id": connection })).await["connection"]["state"].take();
        until("the connection is known not to work", async || state().await == "UNAUTHORISED").await;
        assert_eq!(show(&server, &id).await["state"], "QUEUED");
        let tested = server.data("mutation ($id: ID!) { connectionTest(input: { id: $id }) { ok } }", json!({ "id": connection })).await;
        assert_eq!(tested["connectionTest"]["ok"], true);
        let mut moment = 0;
        until("it is sent", async || {
            moment += 30;
            later(&server, now, moment);
            show(&server, &id).await["state"] == "DELIVERED"
        }).await;
        assert_eq!(sandbox.sandbox().holds()["messages"], 1);
    }

    async fn messages_of_a_connection_that_is_not_let_in_wait_without_being_touched(database: &Database) {
        let (server, now) = standing(database, |setup| setup).await;
        let sandbox = sendgrid().await;
        let connection = told(&server, "sendgrid", &sandbox).await;
        let input = |to: &str| json!({ "connectionId": connection, "to": to, "from": "sam@example.org", "purpose": "TRANSACTIONAL", "content": email("Hello") });
        // More than go at a time, so that most of them were never tried.
        let act = async |mutation: &str| {
            let text = format!("mutation ($id: ID!) {{ it: {mutation}(input: {{ id: $id }}) {{ userErrors {{ message }} }} }}");
            let done = server.data(&text, json!({ "id": connection })).await;
            assert_eq!(done["it"]["userErrors"], json!([]), "{done}");
        };
        let state = async || server.data("query ($id: ID!) { connection(id: $id) { state } }", json!({ "id": connection })).await["connection"]["state"].take();
        sandbox.faults.on("mail/send", Failure::Unauthorised, 1_000);
        send(&server, input("first@example.com")).await;
        until("the connection is known not to work", async || state().await == "UNAUTHORISED").await;
        for n in 0..10 {
            queue(&server, &connection, n).await;
        }
        let asked = || sandbox.requests().iter().filter(|request| request.path.contains("mail/send")).count();
        // A claim that was under way has come back.
        until("all wait", async || rows(&server).await.iter().all(|row| row.state == MessageState::Queued)).await;
        let (before, asked_before) = (rows(&server).await, asked());
        assert_eq!(before.len(), 11);
        let mut seconds = 0;
        for _ in 0..5 {
            seconds += 7_200;
            later(&server, now, seconds);
            looked(&server).await;
            assert_eq!(rows(&server).await, before, "after {seconds} s");
        }
        assert_eq!(asked(), asked_before);
        sandbox.faults.clear();
        act("connectionTest").await;
        until("they are sent", async || rows(&server).await.iter().all(|row| row.state == MessageState::Delivered)).await;
        assert_eq!(sandbox.sandbox().holds()["messages"], 11);
        // The same of one that is switched off; what waits for three days is given up.
        act("connectionDisable").await;
        queue(&server, &connection, 10).await;
        let waits = rows(&server).await;
        later(&server, now, seconds + 2 * 86_400);
        looked(&server).await;
        assert_eq!(rows(&server).await, waits);
        later(&server, now, seconds + 4 * 86_400);
        until("it is given up", async || rows(&server).await.iter().any(|row| row.state == MessageState::Failed)).await;
        let failed = rows(&server).await.into_iter().find(|row| row.state == MessageState::Failed).unwrap();
        assert_eq!((failed.problem_kind.as_deref(), failed.due_at), (Some("EXPIRED"), None));
    }

    async fn a_platform_that_is_away_leaves_the_rest_of_the_queue_alone(database: &Database) {
        let (server, now) = standing(database, |setup| setup).await;
        let sandbox = sendgrid().await;
        let connection = told(&server, "sendgrid", &sandbox).await;
        sandbox.faults.on("mail/send", Failure::Throttled { seconds: 300 }, 1_000);
        for n in 0..20 {
            queue(&server, &connection, n).await;
        }
        until("it is known why they wait", async || rows(&server).await.iter().any(|row| row.problem_kind.as_deref() == Some("THROTTLED"))).await;
        until("the lane rests", async || {
            let db = server.app().db().write();
            let resting = lease::Entity::find().filter(lease::Column::Name.starts_with("messages:")).filter(lease::Column::Holder.eq("")).one(db).await;
            resting.unwrap().is_some() && rows(&server).await.iter().all(|row| row.state == MessageState::Queued)
        }).await;
        let before = rows(&server).await;
        let touched = before.iter().filter(|row| row.problem_kind.is_some()).count();
        assert!((1..=4).contains(&touched), "{touched} were on their way");
        later(&server, now, 200);
        looked(&server).await;
        assert_eq!(rows(&server).await, before);
        sandbox.faults.clear();
        later(&server, now, 450);
        until("they are sent", async || rows(&server).await.iter().all(|row| row.state == MessageState::Delivered)).await;
        assert_eq!(sandbox.sandbox().holds()["messages"], 20);
    }

    async fn consent_that_is_taken_back_while_a_message_waits_for_the_platform_counts(database: &Database) {
        let (server, now) = standing(database, |setup| setup).await;
        let sandbox = sendgrid().await;
        let connection = told(&server, "sendgrid", &sandbox).await;
        let lead = lead(&server, json!({ "email": "lea@example.com" })).await;
        consent(&server, &lead, "EMAIL", "GRANTED").await;
        // So short that it would be waited for on the way.
        sandbox.faults.on("mail/send", Failure::Throttled { seconds: 20 }, 1);
        let id = send(&server, json!({ "connectionId": connection, "leadId": lead, "from": "sam@example.org", "purpose": "MARKETING", "content": email("News") })).await;
        until("it waits in the queue", async || {
            let found = show(&server, &id).await;
            found["state"] == "QUEUED" && found["failure"]["kind"] == "THROTTLED"
        }).await;
        later(&server, now, 5);
        consent(&server, &lead, "EMAIL", "WITHDRAWN").await;
        later(&server, now, 60);
        let failed = comes_to(&server, &id, "FAILED").await;
        assert_eq!(failed["failure"]["kind"], "NOT_PERMITTED", "{failed}");
        assert_eq!(sandbox.sandbox().holds()["messages"], 0);
    }

    async fn a_slow_connection_delays_no_other(database: &Database) {
        let server = server(database).await;
        let ((slow, _), (quick, mails)) = (mail_server().await, mail_server().await);
        let input = |connection: &str, to: &str| json!({ "connectionId": connection, "to": to, "purpose": "TRANSACTIONAL", "content": email("Hello") });
        let slow_one = connect(&server, "smtp", "Slow", &slow).await;
        let quick_one = connect(&server, "smtp", "Quick", &quick).await;
        slow.faults.next(Failure::Slow(Duration::from_secs(600)), 1_000);
        let mut held = Vec::new();
        for n in 0..20 {
            held.push(send(&server, input(&slow_one, &format!("s{n}@example.com"))).await);
        }
        comes_to(&server, &held[0], "SENDING").await;
        let mut through = Vec::new();
        for n in 0..5 {
            through.push(send(&server, input(&quick_one, &format!("q{n}@example.com"))).await);
        }
        for id in &through {
            comes_to(&server, id, "SENT").await;
        }
        assert_eq!(mails.mails().len(), 5);
        assert_eq!(show(&server, &held[19]).await["state"], "QUEUED");
    }

    async fn what_is_told_before_the_answer_is_not_lost(database: &Database) {
        let server = server(database).await;
        let sandbox = sendgrid().await;
        // It tells nothing by itself.
        let connection = connect(&server, "sendgrid", "Mail", &sandbox).await;
        sandbox.faults.on("mail/send", Failure::Slow(Duration::from_secs(2)), 1);
        let lead = lead(&server, json!({ "email": "a@example.com" })).await;
        let id = send(&server, json!({ "connectionId": connection, "leadId": lead, "from": "sam@example.org", "purpose": "TRANSACTIONAL", "content": email("Hello") })).await;
        comes_to(&server, &id, "SENDING").await;
        let event = |message: Option<&str>, platform: Option<&str>, state| {
            WebhookEvent::Message(MessageEvent {
                id: Some(format!("{state:?}")),
                message: message.map(str::to_owned),
                platform_message: platform.map(str::to_owned),
                recipient: None,
                state,
                fault: None,
                at: None,
                code: None,
                detail: None,
                url: None,
                user_agent: None,
                ip: None,
                machine: false,
            })
        };
        let hear = async |event: WebhookEvent| {
            let app = server.app();
            let live = live(app, connection.parse().unwrap()).await.unwrap().unwrap();
            let tx = app.db().begin().await.unwrap();
            let heard = MessageConsumer.hear(app, &tx, &live, app.clock().now(), &event).await.unwrap();
            tx.commit().await.unwrap();
            heard
        };
        // By the platform's id, which is not known here yet; by ours; and of somebody else's message.
        assert!(!hear(event(None, Some("sand000001-boxQSCTMdFkRUe"), DeliveryState::Opened)).await);
        assert!(!hear(event(None, Some("somebody-elses"), DeliveryState::Bounced)).await);
        assert!(hear(event(Some(&id), None, DeliveryState::Delivered)).await);
        assert!(hear(event(Some(&id), None, DeliveryState::Delivered)).await, "twice");
        assert_eq!(show(&server, &id).await["state"], "DELIVERED");
        until("the answer is written down", async || !show(&server, &id).await["externalId"].is_null()).await;
        let found = show(&server, &id).await;
        assert_eq!((&found["state"], &found["opens"]), (&json!("DELIVERED"), &json!(1)), "{found}");
        let mut told = steps(&found);
        told.sort_unstable();
        assert_eq!(told, ["DELIVERED", "OPENED", "QUEUED", "SENDING", "SENT"]);
        assert_eq!(engagements(&server, &lead).await, ["EMAIL_DELIVERED", "EMAIL_OPENED", "EMAIL_SENT"]);
    }
}
