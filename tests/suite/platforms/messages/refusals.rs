//! What is not sent, and why; who may ask.

use serde_json::{Value, json};

use super::{NUMBER, RESEND, ask, comes_to, consent, email, lead, mail_server, send, show, steps, twilio};
use crate::platforms::{connect, server, shop};
use crate::support::{Database, code, unknown_field};

on_both! {
    async fn what_may_not_be_sent_is_said_at_once(database: &Database) {
        let server = server(database).await;
        let (sandbox, mails) = mail_server().await;
        let phone = twilio().await;
        let mail = connect(&server, "smtp", "Mail", &sandbox).await;
        let sms = connect(&server, "twilio", "SMS", &phone).await;
        let store = connect(&server, "shopify", "Shop", &shop(1, 1).await).await;
        let reachable = lead(&server, json!({ "email": "a@example.com" })).await;
        let silent = lead(&server, json!({ "externalIds": [{ "namespace": "crm", "value": "1" }] })).await;
        let refusing = lead(&server, json!({ "email": "b@example.com" })).await;
        consent(&server, &refusing, "EMAIL", "WITHDRAWN").await;
        let no_contract = lead(&server, json!({ "email": "c@example.com" })).await;
        let query = "mutation ($lead: ID!) { consentRecord(input: { leadId: $lead, channel: EMAIL, purpose: TRANSACTIONAL, state: DENIED }) { record { id } } }";
        server.data(query, json!({ "lead": no_contract })).await;
        let nobody = entity::id::LeadId::at(entity::Timestamp(1)).to_string();
        let elsewhere = entity::id::ConnectionId::at(entity::Timestamp(1)).to_string();
        let unknown = entity::id::MessageId::at(entity::Timestamp(1)).to_string();
        let disabled = connect(&server, "smtp", "Off", &sandbox).await;
        server.data("mutation ($id: ID!) { connectionDisable(input: { id: $id }) { userErrors { code } } }", json!({ "id": disabled })).await;
        server.data("mutation { suppressionAdd(input: { channel: EMAIL, address: \"No@Example.com\", note: \"asked on the phone\" }) { suppression { id } userErrors { code } } }", json!({})).await;
        let base = json!({ "connectionId": mail, "leadId": reachable, "purpose": "TRANSACTIONAL", "content": email("Hello") });
        let text = |text: String| json!({ "sms": { "text": text } });
        let cases: Vec<(Value, &str, Value)> = vec![
            (json!({ "leadId": nobody }), "LEAD_NOT_FOUND", json!(["leadId"])),
            (json!({ "leadId": null }), "NO_ADDRESS", json!(["to"])),
            (json!({ "to": "x@example.com" }), "NO_ADDRESS", json!(["to"])),
            (json!({ "leadId": silent }), "NO_ADDRESS", json!(["leadId"])),
            (json!({ "leadId": null, "to": "nobody" }), "INVALID_ADDRESS", json!(["to"])),
            (json!({ "leadId": null, "to": "no@example.com" }), "SUPPRESSED", json!(["to"])),
            (json!({ "leadId": refusing, "purpose": "MARKETING" }), "CONSENT_WITHDRAWN", json!(["leadId"])),
            (json!({ "leadId": reachable, "purpose": "MARKETING" }), "CONSENT_MISSING", json!(["leadId"])),
            (json!({ "leadId": null, "to": "x@example.com", "purpose": "MARKETING" }), "CONSENT_MISSING", json!(["to"])),
            (json!({ "leadId": no_contract }), "CONSENT_WITHDRAWN", json!(["leadId"])),
            (json!({ "connectionId": elsewhere }), "CONNECTION_NOT_FOUND", json!(["connectionId"])),
            (json!({ "connectionId": disabled }), "CONNECTION_NOT_ACTIVE", json!(["connectionId"])),
            (json!({ "connectionId": store }), "UNSUPPORTED", json!(["connectionId"])),
            (json!({ "content": text("x".into()) }), "UNSUPPORTED", json!(["connectionId"])),
            (json!({ "content": {} }), "INVALID_CONTENT", json!(["content"])),
            (json!({ "content": { "sms": { "text": "x" }, "voice": { "text": "x" } } }), "INVALID_CONTENT", json!(["content"])),
            (json!({ "content": { "email": { "subject": "x\r\nBcc: all@example.com", "text": "x" } } }), "INVALID_CONTENT", json!(["content", "email", "subject"])),
            (json!({ "content": { "email": { "subject": "x" } } }), "INVALID_CONTENT", json!(["content", "email"])),
            (json!({ "content": { "email": { "subject": "x", "text": "x".repeat(200_001) } } }), "TOO_LONG", json!(["content", "email"])),
            (json!({ "content": { "email": { "subject": "x", "text": "x", "replyTo": "nobody" } } }), "INVALID_ADDRESS", json!(["content", "email", "replyTo"])),
            (json!({ "from": "Sam <nobody>" }), "INVALID_ADDRESS", json!(["from"])),
            (json!({ "inReplyTo": unknown }), "NOT_FOUND", json!(["inReplyTo"])),
            (json!({ "connectionId": sms, "leadId": null, "to": "+15550107009", "content": text("x".repeat(1_601)), "from": NUMBER }), "TOO_LONG", json!(["content", "sms", "text"])),
            (json!({ "connectionId": sms, "leadId": null, "to": "+15550107009", "content": text("x".into()) }), "NO_SENDER", json!(["from"])),
            (json!({ "connectionId": sms, "content": text("x".into()), "from": NUMBER }), "NO_ADDRESS", json!(["leadId"])),
        ];
        for (change, code, field) in cases {
            let mut input = base.clone();
            input.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            let refused = ask(&server, input).await;
            assert_eq!((&refused["userErrors"][0]["code"], &refused["userErrors"][0]["field"]), (&json!(code), &field), "{change}: {refused}");
            assert_eq!(refused["message"], Value::Null, "{change}");
        }
        // Who refused marketing gets what the contract needs; who agreed gets both.
        let needed = send(&server, json!({ "connectionId": mail, "leadId": refusing, "purpose": "TRANSACTIONAL", "content": email("Your invoice") })).await;
        comes_to(&server, &needed, "SENT").await;
        consent(&server, &reachable, "EMAIL", "GRANTED").await;
        let wanted = send(&server, json!({ "connectionId": mail, "leadId": reachable, "purpose": "MARKETING", "content": email("News") })).await;
        comes_to(&server, &wanted, "SENT").await;
        assert_eq!(mails.mails().len(), 2, "nothing of what was refused");
        let all = server.data("{ messages { nodes { id } } }", json!({})).await;
        assert_eq!(all["messages"]["nodes"].as_array().unwrap().len(), 2);
        let again = server.data(RESEND, json!({ "id": wanted })).await["it"].take();
        assert_eq!(again["userErrors"][0]["code"], "NOT_RESENDABLE", "{again}");
    }

    async fn what_is_said_no_to_while_it_waits_is_not_sent(database: &Database) {
        let front = crate::support::Server::start(database, crate::support::Setup::default().setting("platforms_private_networks", "true").without_work()).await;
        let (sandbox, mails) = mail_server().await;
        let connection = connect(&front, "smtp", "Mail", &sandbox).await;
        let (changing, leaving) = (lead(&front, json!({ "email": "a@example.com" })).await, lead(&front, json!({ "email": "b@example.com" })).await);
        consent(&front, &changing, "EMAIL", "GRANTED").await;
        let input = |lead: &str, purpose: &str| json!({ "connectionId": connection, "leadId": lead, "purpose": purpose, "content": email("News") });
        let regretted = send(&front, input(&changing, "MARKETING")).await;
        let orphaned = send(&front, input(&leaving, "TRANSACTIONAL")).await;
        consent(&front, &changing, "EMAIL", "WITHDRAWN").await;
        front.data("mutation ($id: ID!) { leadDelete(input: { id: $id }) { userErrors { code } } }", json!({ "id": leaving })).await;
        let worker = server(database).await;
        let failed = comes_to(&worker, &regretted, "FAILED").await;
        assert_eq!((&failed["failure"]["kind"], &failed["attempts"]), (&json!("NOT_PERMITTED"), &json!(0)), "{failed}");
        assert_eq!(steps(&failed), ["QUEUED", "FAILED"]);
        assert_eq!(comes_to(&worker, &orphaned, "FAILED").await["failure"]["kind"], "LEAD_GONE");
        assert_eq!(mails.mails().len(), 0);
    }

    async fn scopes_open_what_they_say(database: &Database) {
        let server = server(database).await;
        let (sandbox, _mails) = mail_server().await;
        let connection = connect(&server, "smtp", "Mail", &sandbox).await;
        let reader = server.token(&["messages:read"]).await;
        let writer = server.token(&["messages:write"]).await;
        let other = server.token(&["leads:write"]).await;
        let input = json!({ "connectionId": connection, "to": "a@example.com", "purpose": "TRANSACTIONAL", "content": email("Hello") });
        let query = "mutation ($input: MessageSendInput!) { it: messageSend(input: $input) { message { id } userErrors { code } } }";
        let refused = server.graphql_as(Some(&reader), query, json!({ "input": input })).await;
        assert_eq!(unknown_field(&refused), "messageSend");
        let sent = server.data_as(&writer, query, json!({ "input": input })).await["it"].take();
        let id = sent["message"]["id"].as_str().unwrap().to_owned();
        assert_eq!(server.data_as(&reader, "query ($id: ID!) { message(id: $id) { to } }", json!({ "id": id })).await["message"]["to"], "a@example.com");
        let refused = server.graphql_as(Some(&other), "{ messages { nodes { id } } }", json!({})).await;
        assert_eq!(unknown_field(&refused), "messages");
        let wrong = server.graphql("{ message(id: \"lead_01h455vb4pex5vsknk084sn02q\") { id } }", json!({})).await;
        assert_eq!(code(&wrong), "BAD_USER_INPUT");
        comes_to(&server, &id, "SENT").await;
    }

    async fn an_erased_lead_leaves_no_words_behind(database: &Database) {
        let server = server(database).await;
        let (sandbox, _mails) = mail_server().await;
        let connection = connect(&server, "smtp", "Mail", &sandbox).await;
        let lead = lead(&server, json!({ "email": "alma@example.com", "firstName": "Alma" })).await;
        let id = send(&server, json!({ "connectionId": connection, "leadId": lead, "purpose": "TRANSACTIONAL", "content": email("Dear Alma") })).await;
        comes_to(&server, &id, "SENT").await;
        server.data("mutation { suppressionAdd(input: { channel: EMAIL, address: \"alma@example.com\" }) { suppression { id } } }", json!({})).await;
        let erase = server.data("mutation ($id: ID!) { leadErase(input: { id: $id }) { userErrors { code } } }", json!({ "id": lead })).await;
        assert_eq!(erase["leadErase"]["userErrors"], json!([]));
        server.settled().await;
        let left = server.data("query ($id: ID!) { message(id: $id) { state to from subject text html name internetMessageId history { step detail } } suppressions { nodes { address reason } } }", json!({ "id": id })).await;
        let message = &left["message"];
        for field in ["to", "subject", "text", "html", "name", "internetMessageId"] {
            assert_eq!(message[field], Value::Null, "{field}: {left}");
        }
        assert_eq!(message["state"], "SENT", "that there was one stays: {left}");
        assert_eq!(left["suppressions"]["nodes"], json!([{ "address": null, "reason": "MANUAL" }]));
        // Whoever is erased is still not written to.
        let refused = ask(&server, json!({ "connectionId": connection, "to": "alma@example.com", "purpose": "TRANSACTIONAL", "content": email("Hello") })).await;
        assert_eq!(refused["userErrors"][0]["code"], "SUPPRESSED", "{refused}");
        assert!(!show(&server, &id).await.to_string().contains("lma"), "{left}");
    }
}
