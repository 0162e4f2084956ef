//! Imports, through GraphQL and through the command line.

mod by_command;
mod files;
mod killed;
mod live;
mod olist;
mod others;
mod wrong;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Database, Server, until};

/// Sends a file to a server; answers the upload's id.
async fn upload(server: &Server, name: &str, content: impl Into<Vec<u8>>) -> String {
    let (status, body) = send(server, Some(server.admin()), name, content).await;
    assert_eq!(status, 201, "{body}");
    body["id"].as_str().expect("an id").to_owned()
}

/// Sends a file as somebody; answers status and body.
async fn send(server: &Server, token: Option<&str>, name: &str, content: impl Into<Vec<u8>>) -> (u16, Value) {
    let name: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    let url = server.url(&format!("/uploads?fileName={name}"));
    let mut request = server.http().post(url).body(content.into());
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let response = request.send().await.expect("the server answers");
    let status = response.status().as_u16();
    (status, response.json().await.expect("it answers JSON"))
}

/// The mutation that starts an import, or shows what it would do when `what` ends in `Preview`.
pub fn mutation(what: &str) -> String {
    let (kind, result) = if what.ends_with("Preview") {
        ("ImportInput", "preview { format checked good rows { line values { target value } } unknownColumns { name didYouMean }
            rejections { line column value reason } }")
    } else {
        ("ImportStartInput", "job { id kind state input }")
    };
    format!(
        "mutation ($input: {kind}!) {{ payload: {what}(input: $input) {{ {result} userErrors {{ field message code }} }} }}"
    )
}

/// Asks for an import or a preview; answers the payload.
async fn ask_for(server: &Server, what: &str, input: Value) -> Value {
    server.data(&mutation(what), json!({ "input": input })).await["payload"].take()
}

/// Starts an import; answers the job's id.
async fn start(server: &Server, what: &str, input: Value) -> String {
    let payload = ask_for(server, what, input).await;
    assert_eq!(payload["userErrors"], json!([]), "{payload}");
    payload["job"]["id"].as_str().expect("an id").to_owned()
}

/// The user error that a wrong input is answered with: path, code and message.
async fn refusal(server: &Server, what: &str, input: Value) -> (String, String, String) {
    let payload = ask_for(server, what, input).await;
    let errors = payload["userErrors"].as_array().expect("a list");
    assert_eq!(errors.len(), 1, "{payload}");
    assert_eq!(
        (&payload["job"], &payload["preview"]),
        (&Value::Null, &Value::Null)
    );
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let path: Vec<_> = errors[0]["field"]
        .as_array()
        .expect("a list")
        .iter()
        .map(text)
        .collect();
    (
        path.join("."),
        text(&errors[0]["code"]),
        text(&errors[0]["message"]),
    )
}

/// How an import ended.
#[derive(Debug)]
pub struct Ended {
    pub job: String,
    state: String,
    error: Option<String>,
    done: i64,
    total: Option<i64>,
    counts: BTreeMap<String, i64>,
}

impl Ended {
    /// Created, updated, unchanged, rejected.
    pub fn figures(&self) -> [i64; 4] {
        ["created", "updated", "unchanged", "rejected"].map(|name| self.counts[name])
    }
}

fn counts(listed: &Value) -> BTreeMap<String, i64> {
    let listed = listed.as_array().expect("a list").iter();
    listed
        .map(|count| {
            let name = count["name"].as_str().expect("a name").to_owned();
            (name, count["value"].as_i64().expect("a number"))
        })
        .collect()
}

/// Waits for the end of an import.
async fn ended(server: &Server, job: &str) -> Ended {
    let mut found = Value::Null;
    until("the import ends", async || {
        let query = "query ($id: ID!) { job(id: $id) { state error done total counts { name value } } }";
        found = server.data(query, json!({ "id": job })).await["job"].take();
        !["QUEUED", "RUNNING"].contains(&found["state"].as_str().expect("a state"))
    })
    .await;
    Ended {
        job: job.to_owned(),
        state: found["state"].as_str().expect("a state").to_owned(),
        error: found["error"].as_str().map(str::to_owned),
        done: found["done"].as_i64().expect("a number"),
        total: found["total"].as_i64(),
        counts: counts(&found["counts"]),
    }
}

/// Uploads a file and imports it; `options` go into the input beside the upload.
pub async fn import(
    server: &Server,
    what: &str,
    name: &str,
    content: impl Into<Vec<u8>>,
    options: Value,
) -> Ended {
    let input = with_upload(server, name, content, options).await;
    let job = start(server, what, input).await;
    let ended = ended(server, &job).await;
    assert_eq!(
        (ended.state.as_str(), &ended.error),
        ("SUCCEEDED", &None),
        "{ended:?}"
    );
    ended
}

/// The input of an import of a file.
async fn with_upload(server: &Server, name: &str, content: impl Into<Vec<u8>>, mut options: Value) -> Value {
    options["uploadId"] = json!(upload(server, name, content).await);
    options
}

/// What an import rejected: line, column, value, reason.
pub async fn rejections(server: &Server, job: &str) -> Vec<(i64, Option<String>, String, String)> {
    let query = "query ($id: ID!) { importRejections(jobId: $id, first: 1000) { line column value reason } }";
    let listed = server.data(query, json!({ "id": job })).await;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    listed["importRejections"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| {
            (
                one["line"].as_i64().expect("a number"),
                text(&one["column"]),
                text(&one["value"]).expect("a text"),
                text(&one["reason"]).expect("a text"),
            )
        })
        .collect()
}

fn rejection(
    line: i64,
    column: Option<&str>,
    value: &str,
    reason: &str,
) -> (i64, Option<String>, String, String) {
    (
        line,
        column.map(str::to_owned),
        value.to_owned(),
        reason.to_owned(),
    )
}

async fn count(server: &Server, filter: Value) -> i64 {
    let query = "query ($filter: LeadFilter) { leadsCount(filter: $filter) { count } }";
    let counted = server.data(query, json!({ "filter": filter })).await;
    counted["leadsCount"]["count"].as_i64().expect("a number")
}

/// Writes a file beside a database; answers its path.
fn write(database: &Database, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = database.folder().join(name);
    std::fs::write(&path, content).expect("it can be written");
    path
}

/// A file of leads with an external id and a name each.
fn many_leads(rows: usize) -> String {
    let mut text = String::from("external_id,first_name,source\n");
    for n in 0..rows {
        text.push_str(&format!("many-{n},Name {n},fair\n"));
    }
    text
}

/// The pairs of a mapping or of default values, as the API takes them.
fn pairs(left: &str, right: &str, pairs: &[(&str, &str)]) -> Value {
    pairs
        .iter()
        .map(|(first, second)| json!({ left: first, right: second }))
        .collect()
}
