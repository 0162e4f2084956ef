//! What people write, and what they ask for by it.

use leadline::clock::Clock;
use serde_json::{Value, json};

use super::{
    NUMBER, WRITER, ask, comes_to, consent, consents, email, engagements, lead, phone, send, sendgrid, show,
    steps, suppressions, told, twilio,
};
use crate::platforms::server;
use crate::support::{Database, Server, Setup, until};

const INBOUND: &str = "{ messages(filter: { directions: [INBOUND] }) { nodes { id state channel from to subject text keyword purpose lead { id } answers { id } } } }";

async fn inbound(server: &Server) -> Value {
    server.data(INBOUND, json!({})).await["messages"]["nodes"].take()
}

async fn comes_in(server: &Server, count: usize) -> Value {
    let mut found = Value::Null;
    until(&format!("{count} messages came in"), async || {
        found = inbound(server).await;
        found.as_array().is_some_and(|found| found.len() == count)
    })
    .await;
    found
}

on_both! {
    async fn an_answer_by_mail_finds_its_lead_and_its_message(database: &Database) {
        let (server, sandbox) = (server(database).await, sendgrid().await);
        let connection = told(&server, "sendgrid", &sandbox).await;
        let lead = lead(&server, json!({ "email": "lea@example.com" })).await;
        let id = send(&server, json!({ "connectionId": connection, "leadId": lead, "from": "Sam <sam@example.org>", "purpose": "TRANSACTIONAL", "content": email("Your offer") })).await;
        comes_to(&server, &id, "DELIVERED").await;
        let first = sandbox.happen("reply").await;
        assert_eq!(first[0].status, Some(200), "{first:?}");
        let found = comes_in(&server, 1).await;
        let answer = &found[0];
        assert_eq!((&answer["lead"]["id"], &answer["answers"]["id"], &answer["from"]), (&json!(lead), &json!(id), &json!("lea@example.com")), "{answer}");
        assert_eq!((&answer["state"], &answer["channel"], &answer["purpose"]), (&json!("RECEIVED"), &json!("EMAIL"), &Value::Null));
        assert!(answer["subject"].is_string() && !answer["text"].as_str().unwrap().is_empty(), "{answer}");
        assert!(steps(&show(&server, &id).await).contains(&"REPLIED"));
        assert_eq!(engagements(&server, &lead).await, ["EMAIL_DELIVERED", "EMAIL_REPLIED", "EMAIL_SENT"]);
        // The same mail by another delivery: the signature is of another moment, the mail is the same.
        let delivery = &first[0].delivery;
        for _ in 0..2 {
            let mut request = server.http().post(delivery.url.clone()).body(delivery.body.clone());
            for (name, value) in &delivery.headers {
                request = request.header(*name, value);
            }
            assert_eq!(request.send().await.unwrap().status(), 200);
        }
        sandbox.happen("raw reply").await;
        assert_eq!(comes_in(&server, 2).await.as_array().unwrap().len(), 2);
        let lead = server.data("query ($id: ID!) { lead(id: $id) { messages(first: 5) { nodes { direction } } } }", json!({ "id": lead })).await;
        assert_eq!(lead["lead"]["messages"]["nodes"], json!([{ "direction": "INBOUND" }, { "direction": "INBOUND" }, { "direction": "OUTBOUND" }]));
    }

    async fn a_report_of_a_mail_server_is_about_the_mail(database: &Database) {
        let (server, sandbox) = (server(database).await, sendgrid().await);
        let connection = told(&server, "sendgrid", &sandbox).await;
        let id = send(&server, json!({ "connectionId": connection, "to": "lea@example.com", "from": "sam@example.org", "purpose": "TRANSACTIONAL", "content": email("Your offer") })).await;
        comes_to(&server, &id, "DELIVERED").await;
        sandbox.happen("bounce report").await;
        // It came back after all, from behind the server that had taken it.
        comes_to(&server, &id, "BOUNCED").await;
        assert_eq!(suppressions(&server).await[0]["address"], "lea@example.com");
        assert_eq!(inbound(&server).await, json!([]), "a report is no letter");
    }

    async fn stop_and_start_are_heard(database: &Database) {
        let (server, sandbox) = (server(database).await, twilio().await);
        let connection = told(&server, "twilio", &sandbox).await;
        let lead = phone(&server, WRITER).await;
        consent(&server, &lead, "SMS", "GRANTED").await;
        let input = |purpose: &str, text: &str| json!({ "connectionId": connection, "leadId": lead, "from": NUMBER, "purpose": purpose, "content": { "sms": { "text": text } } });
        let first = send(&server, input("MARKETING", "Is Tuesday fine?")).await;
        comes_to(&server, &first, "DELIVERED").await;
        sandbox.happen("sms").await;
        let found = comes_in(&server, 1).await;
        assert_eq!((&found[0]["lead"]["id"], &found[0]["answers"]["id"]), (&json!(lead), &json!(first)), "{found}");
        assert_eq!(engagements(&server, &lead).await, ["SMS_DELIVERED", "SMS_REPLIED", "SMS_SENT"]);
        sandbox.happen("stop").await;
        let found = comes_in(&server, 2).await;
        assert_eq!(found[0]["keyword"], "STOP", "{found}");
        let suppressed = suppressions(&server).await;
        assert_eq!((&suppressed[0]["reason"], &suppressed[0]["channel"], &suppressed[0]["address"]), (&json!("STOP"), &json!("SMS"), &json!(WRITER)), "{suppressed}");
        assert_eq!(consents(&server, &lead).await, json!([{ "channel": "SMS", "purpose": "MARKETING", "state": "WITHDRAWN" }]));
        // Not even what a contract needs: carriers let nothing pass.
        let refused = ask(&server, input("TRANSACTIONAL", "Your order")).await;
        assert_eq!(refused["userErrors"][0]["code"], "SUPPRESSED", "{refused}");
        assert!(!engagements(&server, &lead).await.contains(&"CUSTOM".to_owned()));
        sandbox.happen("help").await;
        sandbox.happen("start").await;
        comes_in(&server, 4).await;
        assert_eq!(suppressions(&server).await, json!([]));
        assert_eq!(consents(&server, &lead).await, json!([{ "channel": "SMS", "purpose": "MARKETING", "state": "GRANTED" }]));
        let again = send(&server, input("MARKETING", "Welcome back")).await;
        comes_to(&server, &again, "DELIVERED").await;
        assert_eq!(engagements(&server, &lead).await.iter().filter(|kind| *kind == "SMS_REPLIED").count(), 1, "words that ask for something are no answers");
    }

    async fn who_is_not_known_is_heard_all_the_same(database: &Database) {
        let (server, sandbox) = (server(database).await, twilio().await);
        told(&server, "twilio", &sandbox).await;
        sandbox.happen("whatsapp").await;
        let found = comes_in(&server, 1).await;
        assert_eq!((&found[0]["lead"], &found[0]["from"], &found[0]["channel"]), (&Value::Null, &json!(WRITER), &json!("WHATSAPP")), "{found}");
        assert_eq!(server.data("{ leadsCount { count } }", json!({})).await["leadsCount"]["count"], 0, "nobody is made a lead by writing");
        // Who stops before anybody knows them is not written to when they are known.
        sandbox.happen("stop").await;
        comes_in(&server, 2).await;
        phone(&server, WRITER).await;
        assert_eq!(suppressions(&server).await[0]["address"], WRITER);
        // A token with a row filter does not see what belongs to no lead.
        let query = "{ messages { nodes { id } } }";
        assert_eq!(server.data(query, json!({})).await["messages"]["nodes"].as_array().unwrap().len(), 2);
    }

    async fn a_word_that_is_heard_late_was_said_when_it_arrived(database: &Database) {
        let now = Clock::system().now();
        let at = |seconds: i64| now.plus_seconds(seconds).to_rfc3339();
        let setup = |seconds| Setup::default().at(&at(seconds)).setting("platforms_private_networks", "true");
        // Nobody works: what arrives waits.
        let front = Server::start(database, setup(0).without_work()).await;
        let sandbox = twilio().await;
        told(&front, "twilio", &sandbox).await;
        let lead = phone(&front, WRITER).await;
        consent(&front, &lead, "SMS", "GRANTED").await;
        front.set_time(&at(60));
        let delivered = sandbox.happen("stop").await;
        assert!(!delivered.is_empty() && delivered.iter().all(|delivered| delivered.status == Some(200)), "{delivered:?}");
        front.set_time(&at(600));
        consent(&front, &lead, "SMS", "GRANTED").await;
        let worker = Server::start(database, setup(1_200)).await;
        comes_in(&worker, 1).await;
        let found = worker.data("{ messages(filter: { directions: [INBOUND] }) { nodes { sentAt keyword } } suppressions { nodes { since } } }", json!({})).await;
        let told = |text: &Value| entity::Timestamp::parse_rfc3339(text.as_str().unwrap()).unwrap();
        let arrived = |moment| moment >= now.plus_seconds(59) && moment <= now.plus_seconds(61);
        assert_eq!(found["messages"]["nodes"][0]["keyword"], "STOP", "{found}");
        assert!(arrived(told(&found["messages"]["nodes"][0]["sentAt"])), "{found}");
        assert!(arrived(told(&found["suppressions"]["nodes"][0]["since"])), "{found}");
        // Said after it, and heard before it.
        assert_eq!(consents(&worker, &lead).await, json!([{ "channel": "SMS", "purpose": "MARKETING", "state": "GRANTED" }]));
    }
}
