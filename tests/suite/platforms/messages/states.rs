//! What becomes of messages that are sent.

use serde_json::{Value, json};

use super::{
    NUMBER, SEND, ask, comes_to, consents, email, engagements, lead, mail_server, phone, send, sendgrid,
    show, steps, suppressions, told, twilio,
};
use crate::platforms::{connect, server};
use crate::support::{Database, until};

on_both! {
    async fn a_mail_is_sent_once_and_answers_name_what_they_answer(database: &Database) {
        let server = server(database).await;
        let (sandbox, mails) = mail_server().await;
        let connection = connect(&server, "smtp", "Mail", &sandbox).await;
        let lead = lead(&server, json!({ "email": "Alma.Becker@example.com", "firstName": "Alma", "lastName": "Becker" })).await;
        let mut socket = server.socket(server.admin()).await;
        let mut feed = socket.subscribe("subscription ($lead: ID) { it: messageChanged(leadId: $lead) { cursor change state leadId message { id } } }", json!({ "lead": lead })).await;
        let input = json!({ "connectionId": connection, "leadId": lead, "purpose": "TRANSACTIONAL", "content": email("Your offer"), "idempotencyKey": "once" });
        let asked = server.data(SEND, json!({ "input": input })).await["it"].take();
        assert_eq!((&asked["message"]["to"], &asked["message"]["lead"]["id"]), (&json!("alma.becker@example.com"), &json!(lead)), "{asked}");
        let id = asked["message"]["id"].as_str().unwrap().to_owned();
        let sent = comes_to(&server, &id, "SENT").await;
        assert_eq!(steps(&sent), ["QUEUED", "SENDING", "SENT"], "{sent}");
        assert_eq!((&sent["attempts"], &sent["failure"], &sent["nextAttemptAt"]), (&json!(1), &Value::Null, &Value::Null), "{sent}");
        // Live, and again from the middle of it.
        let mut told = Vec::new();
        while told.last().is_none_or(|said: &Value| said["change"] != "SENT") {
            told.push(feed.data().await["it"].take());
        }
        let changes: Vec<_> = told.iter().map(|said| said["change"].as_str().unwrap()).collect();
        assert_eq!(changes, ["QUEUED", "SENDING", "SENT"]);
        assert!(told.iter().all(|said| said["message"]["id"] == *id && said["leadId"] == *lead), "{told:?}");
        let mut rest = socket.subscribe("subscription ($after: String, $connection: ID) { it: messageChanged(connectionId: $connection, after: $after) { change } }",
            json!({ "after": told[0]["cursor"], "connection": connection })).await;
        assert_eq!(rest.data().await["it"]["change"], "SENDING");
        // The same call again is the same message, though the text would do for a second one.
        let again = server.data(SEND, json!({ "input": input })).await["it"].take();
        assert_eq!(again["message"]["id"], *id, "{again}");
        let mail = String::from_utf8_lossy(&mails.mails()[0].data).into_owned();
        assert_eq!(mails.mails().len(), 1);
        let message_id = sent["internetMessageId"].as_str().unwrap();
        assert!(message_id.ends_with("@example.org") && mail.contains(&format!("Message-ID: <{message_id}>")), "{mail}");
        assert!(mail.contains("Alma Becker") && mail.contains("sandbox@example.org"), "{mail}");
        // What answers it says so.
        let follow = send(&server, json!({ "connectionId": connection, "to": "alma.becker@example.com", "from": "Sam <sam@example.org>", "purpose": "TRANSACTIONAL",
            "content": email("Re: Your offer"), "inReplyTo": id })).await;
        let followed = comes_to(&server, &follow, "SENT").await;
        assert_eq!((&followed["answers"]["id"], &followed["lead"]["id"]), (&json!(id), &json!(lead)), "{followed}");
        let mail = String::from_utf8_lossy(&mails.mails()[1].data).into_owned();
        assert!(mail.contains(&format!("References: <{message_id}>")) && mail.contains(&format!("In-Reply-To: <{message_id}>")), "{mail}");
        assert_eq!(engagements(&server, &lead).await, ["EMAIL_SENT", "EMAIL_SENT"]);
        let list = server.data("query ($lead: ID) { messages(first: 1, filter: { leadId: $lead, states: [SENT] }) { nodes { id } pageInfo { hasNextPage endCursor } }
            lead(id: $lead) { messages { nodes { id } } } }".replace("$lead: ID)", "$lead: ID!)").as_str(), json!({ "lead": lead })).await;
        assert_eq!((&list["messages"]["nodes"], &list["messages"]["pageInfo"]["hasNextPage"]), (&json!([{ "id": follow }]), &json!(true)), "newest first: {list}");
        assert_eq!(list["lead"]["messages"]["nodes"], json!([{ "id": follow }, { "id": id }]));
    }

    async fn what_a_platform_tells_counts_once(database: &Database) {
        let (server, sandbox) = (server(database).await, sendgrid().await);
        let connection = told(&server, "sendgrid", &sandbox).await;
        let lead = lead(&server, json!({ "email": "alma.becker@example.com" })).await;
        let id = send(&server, json!({ "connectionId": connection, "leadId": lead, "from": "Sam <sam@example.org>", "purpose": "TRANSACTIONAL", "content": email("Your offer") })).await;
        comes_to(&server, &id, "DELIVERED").await;
        let opened = sandbox.happen("open").await;
        assert_eq!(opened[0].status, Some(200), "{opened:?}");
        sandbox.happen("machine open").await;
        sandbox.happen("click").await;
        until("it was opened and clicked", async || {
            let found = show(&server, &id).await;
            found["opens"] == 2 && found["clicks"] == 1
        }).await;
        // Sent again by the platform under another signature, and what comes late: nothing more, and not back.
        sandbox.happen("deferred").await;
        for delivered in &opened {
            let delivery = &delivered.delivery;
            let mut request = server.http().post(delivery.url.clone()).body(delivery.body.clone());
            for (name, value) in &delivery.headers {
                request = request.header(*name, value);
            }
            assert_eq!(request.send().await.unwrap().status(), 200);
        }
        until("the late word is in the history", async || steps(&show(&server, &id).await).contains(&"DEFERRED")).await;
        let found = show(&server, &id).await;
        assert_eq!((&found["state"], &found["opens"], &found["clicks"], &found["failure"]), (&json!("DELIVERED"), &json!(2), &json!(1), &Value::Null), "{found}");
        assert_eq!(engagements(&server, &lead).await, ["EMAIL_CLICKED", "EMAIL_DELIVERED", "EMAIL_OPENED", "EMAIL_OPENED", "EMAIL_SENT"]);
        let weighed = server.data("query ($id: ID!) { lead(id: $id) { engagements(first: 50) { nodes { type humanConfidence messageId } } } }", json!({ "id": lead })).await;
        let opens: Vec<f64> = weighed["lead"]["engagements"]["nodes"].as_array().unwrap().iter()
            .filter(|node| node["type"] == "EMAIL_OPENED").map(|node| node["humanConfidence"].as_f64().unwrap()).collect();
        assert!(opens.contains(&1.0) && opens.iter().any(|open| *open < 0.5), "the platform says that a machine opened it: {weighed}");
        // Spam: no marketing, and nothing else by mail either.
        sandbox.happen("spam report").await;
        until("the complaint is heard", async || steps(&show(&server, &id).await).contains(&"COMPLAINED")).await;
        let suppressed = suppressions(&server).await;
        assert_eq!((&suppressed[0]["reason"], &suppressed[0]["message"]["id"], &suppressed[0]["lead"]["id"]), (&json!("COMPLAINT"), &json!(id), &json!(lead)), "{suppressed}");
        assert_eq!(consents(&server, &lead).await, json!([{ "channel": "EMAIL", "purpose": "MARKETING", "state": "WITHDRAWN" }]));
    }

    async fn what_comes_back_for_good_is_not_written_to_again(database: &Database) {
        let (server, sandbox) = (server(database).await, sendgrid().await);
        let connection = told(&server, "sendgrid", &sandbox).await;
        let input = |to: &str| json!({ "connectionId": connection, "to": to, "from": "sam@example.org", "purpose": "TRANSACTIONAL", "content": email("Hello") });
        let id = send(&server, input("unknown@example.com")).await;
        let bounced = comes_to(&server, &id, "BOUNCED").await;
        assert_eq!(bounced["failure"]["code"], "5.1.1", "{bounced}");
        let blocked = send(&server, input("policy@example.com")).await;
        comes_to(&server, &blocked, "BLOCKED").await;
        let full = send(&server, input("full@example.com")).await;
        comes_to(&server, &full, "DEFERRED").await;
        let suppressed = suppressions(&server).await;
        assert_eq!(suppressed.as_array().unwrap().len(), 1, "{suppressed}");
        assert_eq!((&suppressed[0]["reason"], &suppressed[0]["address"]), (&json!("HARD_BOUNCE"), &json!("unknown@example.com")));
        let refused = ask(&server, input("Unknown@example.com")).await;
        assert_eq!((&refused["userErrors"][0]["code"], &refused["userErrors"][0]["field"]), (&json!("SUPPRESSED"), &json!(["to"])), "{refused}");
        let remove = "mutation ($id: ID!) { it: suppressionRemove(input: { id: $id }) { suppression { liftedAt } userErrors { code } } }";
        let lifted = server.data(remove, json!({ "id": suppressed[0]["id"] })).await["it"].take();
        assert!(lifted["suppression"]["liftedAt"].is_string(), "{lifted}");
        send(&server, input("unknown@example.com")).await;
    }

    async fn texts_and_calls_are_followed(database: &Database) {
        let (server, sandbox) = (server(database).await, twilio().await);
        let connection = told(&server, "twilio", &sandbox).await;
        let lead = phone(&server, "+15550107009").await;
        let input = |to: Value, content: Value| {
            let mut input = json!({ "connectionId": connection, "from": NUMBER, "purpose": "TRANSACTIONAL", "content": content });
            input.as_object_mut().unwrap().extend(to.as_object().unwrap().clone());
            input
        };
        let sms = send(&server, input(json!({ "leadId": lead }), json!({ "sms": { "text": "Is Tuesday fine?" } }))).await;
        let delivered = comes_to(&server, &sms, "DELIVERED").await;
        assert!(delivered["externalId"].as_str().unwrap().starts_with("SM"), "{delivered}");
        assert_eq!(delivered["segments"], 1, "{delivered}");
        let call = send(&server, input(json!({ "leadId": lead }), json!({ "voice": { "text": "Your order waits.", "language": "en-GB" } }))).await;
        comes_to(&server, &call, "DELIVERED").await;
        assert_eq!(engagements(&server, &lead).await, ["CALL_ANSWERED", "CALL_MADE", "SMS_DELIVERED", "SMS_SENT"]);
        // Refused at once, and a line in use.
        let landline = send(&server, input(json!({ "to": "+15550121614" }), json!({ "sms": { "text": "x" } }))).await;
        let failed = comes_to(&server, &landline, "FAILED").await;
        assert_eq!((&failed["failure"]["kind"], &failed["failure"]["code"], &failed["attempts"]), (&json!("RECIPIENT_NOT_MOBILE"), &json!("21614"), &json!(1)), "{failed}");
        let opted_out = send(&server, input(json!({ "to": "+15550121610" }), json!({ "sms": { "text": "x" } }))).await;
        comes_to(&server, &opted_out, "BLOCKED").await;
        assert_eq!(suppressions(&server).await[0]["reason"], "STOP");
        let busy = send(&server, input(json!({ "to": "+15550300001" }), json!({ "voice": { "text": "x" } }))).await;
        comes_to(&server, &busy, "FAILED").await;
    }
}
