//! Messages: sent once, followed, answered; who is not written to.

mod inbound;
mod refusals;
mod states;
mod trouble;

use std::sync::Arc;

use integrations::Integration as _;
use integrations::platform::sendgrid::SendGrid;
use integrations::platform::smtp::SmtpSandbox;
use integrations::platform::twilio::Twilio;
use integrations::sandbox::{Running, Sandbox};
use serde_json::{Value, json};

use super::{connect, run};
use crate::support::{Server, until};

const SEND: &str = "mutation ($input: MessageSendInput!) { it: messageSend(input: $input) { message { id state from to subject text
    internetMessageId connectionId purpose lead { id } } userErrors { field code message } } }";
const RESEND: &str = "mutation ($id: ID!) { it: messageResend(input: { id: $id }) { message { id state resendOf { id } internetMessageId }
    userErrors { field code message } } }";
const SHOW: &str = "query ($id: ID!) { message(id: $id) { id state attempts opens clicks segments externalId internetMessageId nextAttemptAt sentAt
    failure { kind message code } history { step at code detail url } lead { id } answers { id } keyword text from to direction } }";
/// A number of the sandbox's account.
const NUMBER: &str = "+15550200000";
/// Somebody who writes by themselves.
const WRITER: &str = "+15550107001";

/// A mail server of which the mails can be seen.
async fn mail_server() -> (Running, Arc<SmtpSandbox>) {
    let mut kept = None;
    let running = run(|clock| {
        let sandbox = Arc::new(SmtpSandbox::new(clock));
        kept = Some(Arc::clone(&sandbox));
        sandbox as Arc<dyn Sandbox>
    })
    .await;
    (running, kept.expect("it was made"))
}

async fn sendgrid() -> Running {
    run(|clock| SendGrid.sandbox(clock)).await
}

async fn twilio() -> Running {
    run(|clock| Twilio.sandbox(clock)).await
}

/// Connects, and has the platform tell what it can.
async fn told(server: &Server, platform: &str, sandbox: &Running) -> String {
    let id = connect(server, platform, platform, sandbox).await;
    sandbox.sandbox().point_webhooks(
        &server
            .url(&format!("/webhooks/{id}"))
            .parse()
            .expect("an address"),
    );
    id
}

/// A lead, with what is given.
async fn lead(server: &Server, input: Value) -> String {
    let query = "mutation ($input: LeadCreateInput!) { it: leadCreate(input: $input) { lead { id } userErrors { message } } }";
    let made = server.data(query, json!({ "input": input })).await["it"].take();
    made["lead"]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{made}"))
        .to_owned()
}

/// A lead with a number of the sandbox's, which no numbering plan has.
async fn phone(server: &Server, number: &str) -> String {
    use entity::{IdentityKind, lead_identity};
    use sea_orm::{ColumnTrait as _, EntityTrait as _, IntoActiveModel as _, QueryFilter as _};
    let id = lead(
        server,
        json!({ "externalIds": [{ "namespace": "crm", "value": number }] }),
    )
    .await;
    let lead_id: entity::id::LeadId = id.parse().expect("an id");
    let db = server.app().db().write();
    let known = lead_identity::Entity::find()
        .filter(lead_identity::Column::LeadId.eq(lead_id))
        .one(db)
        .await
        .expect("it is read")
        .expect("the external id");
    let identity = lead_identity::Model {
        kind: IdentityKind::Phone,
        namespace: String::new(),
        value: number.to_owned(),
        ..known
    };
    let put = lead_identity::Entity::insert(identity.into_active_model());
    put.exec_without_returning(db).await.expect("an identity");
    let numbered = entity::lead::Entity::update_many()
        .col_expr(entity::lead::Column::Phone, number.into())
        .filter(entity::lead::Column::Id.eq(lead_id))
        .exec(db);
    numbered.await.expect("a number");
    id
}

async fn consent(server: &Server, lead: &str, channel: &str, state: &str) {
    let query = "mutation ($input: ConsentRecordInput!) { it: consentRecord(input: $input) { record { id } userErrors { message } } }";
    let input = json!({ "leadId": lead, "channel": channel, "state": state });
    let made = server.data(query, json!({ "input": input })).await["it"].take();
    assert_eq!(made["userErrors"], json!([]), "{made}");
}

async fn ask(server: &Server, input: Value) -> Value {
    server.data(SEND, json!({ "input": input })).await["it"].take()
}

/// Asks for a message that may be sent; gives its id.
async fn send(server: &Server, input: Value) -> String {
    let asked = ask(server, input).await;
    assert_eq!(asked["userErrors"], json!([]), "{asked}");
    assert_eq!(asked["message"]["state"], "QUEUED", "{asked}");
    asked["message"]["id"].as_str().expect("an id").to_owned()
}

async fn show(server: &Server, id: &str) -> Value {
    server.data(SHOW, json!({ "id": id })).await["message"].take()
}

/// The message once it is in a state.
async fn comes_to(server: &Server, id: &str, state: &str) -> Value {
    let mut found = Value::Null;
    until(&format!("the message is {state}"), async || {
        found = show(server, id).await;
        found["state"] == state
    })
    .await;
    found
}

fn steps(message: &Value) -> Vec<&str> {
    let history = message["history"].as_array().expect("a history");
    history
        .iter()
        .map(|entry| entry["step"].as_str().expect("a step"))
        .collect()
}

/// The types of a lead's engagements, sorted.
async fn engagements(server: &Server, lead: &str) -> Vec<String> {
    let query = "query ($id: ID!) { lead(id: $id) { engagements(first: 50) { nodes { type } } } }";
    let found = server.data(query, json!({ "id": lead })).await;
    let nodes = found["lead"]["engagements"]["nodes"].as_array().expect("a list");
    let mut types: Vec<String> = nodes
        .iter()
        .map(|node| node["type"].as_str().expect("a type").to_owned())
        .collect();
    types.sort();
    types
}

async fn suppressions(server: &Server) -> Value {
    let query = "{ suppressions { nodes { id channel address reason lead { id } message { id } } } }";
    server.data(query, json!({})).await["suppressions"]["nodes"].take()
}

/// The words in force of a lead about a channel.
async fn consents(server: &Server, lead: &str) -> Value {
    let query = "query ($id: ID!) { lead(id: $id) { consents { channel purpose state } } }";
    server.data(query, json!({ "id": lead })).await["lead"]["consents"].take()
}

fn email(subject: &str) -> Value {
    json!({ "email": { "subject": subject, "text": "Good day,\n\nhere it is.\n",
        "html": "<p>Good day, <a href=\"https://a.example/1\">here</a> and <a href=\"https://a.example/2\">there</a></p>" } })
}
