//! Jobs through the API: shown, listed, followed, cancelled.

use async_trait::async_trait;
use leadline::app::App;
use leadline::error::Error;
use leadline::identity::Caller;
use leadline::jobs::{JobContext, JobKind, JobOutcome, enqueue, wake};
use serde_json::{Value, json};

use crate::support::{Database, Server, Setup, code, unknown_field, until};

const JOB: &str =
    "query ($id: ID!) { job(id: $id) { kind state progress done total counts { name value } error attempts
    input createdBy startedAt endedAt cancelRequestedAt } }";
const CANCEL: &str = "mutation ($input: JobCancelInput!) { jobCancel(input: $input) { job { state } userErrors { field code } } }";

/// Ends as its input says: `done`, `fail`, or when it is cancelled.
struct Acting;

#[async_trait]
impl JobKind for Acting {
    fn kind(&self) -> &'static str {
        "test.acting"
    }

    async fn run(&self, _: &App, job: &JobContext) -> Result<JobOutcome, Error> {
        match job.input::<String>()?.as_str() {
            "done" => Ok(JobOutcome::Finished),
            "fail" => Err(Error::BadInput("it was told to fail".into())),
            _ => {
                job.stopped().await;
                Ok(JobOutcome::Stopped)
            }
        }
    }
}

async fn ask(server: &Server, what: &str) -> String {
    let app = server.app();
    let tx = app.db().begin().await.expect("a transaction");
    let job = enqueue(
        &tx,
        &Caller::operator(),
        app.clock().now(),
        "test.acting",
        &what,
        Some(1),
    )
    .await
    .expect("a job");
    tx.commit().await.expect("commits");
    wake(app, job.id).await;
    job.id.to_string()
}

async fn job(server: &Server, id: &str) -> Value {
    server.data(JOB, json!({ "id": id })).await["job"].take()
}

on_both! {
    async fn a_job_is_shown_and_followed_to_its_end(database: &Database) {
        let server = Server::start(database, Setup::default().job(Acting)).await;
        let mut socket = server.socket(server.admin()).await;
        let mut feed = socket.subscribe("subscription { jobProgressed { state progress job { id } } }", json!({})).await;
        let id = ask(&server, "done").await;
        let mut states = Vec::new();
        while states.last().is_none_or(|state| state != "SUCCEEDED") {
            let told = feed.data().await["jobProgressed"].take();
            if told["job"]["id"] == json!(id) {
                states.push(told["state"].as_str().unwrap().to_owned());
            }
        }
        assert_eq!(states.first().map(String::as_str), Some("QUEUED"));
        let shown = job(&server, &id).await;
        assert_eq!((&shown["kind"], &shown["state"], &shown["progress"]), (&json!("test.acting"), &json!("SUCCEEDED"), &json!(1.0)));
        assert_eq!((&shown["attempts"], &shown["createdBy"], &shown["input"]), (&json!(1), &json!("operator"), &json!("done")));
        assert!(shown["endedAt"].is_string() && shown["error"].is_null());
        let failed = ask(&server, "fail").await;
        until("it has failed", async || job(&server, &failed).await["state"] == "FAILED").await;
        assert_eq!(job(&server, &failed).await["error"], "it was told to fail");
        let list = "query ($states: [JobState!]) { jobs(states: $states, kinds: [\"test.acting\"]) { nodes { id } } }";
        let listed = server.data(list, json!({ "states": ["FAILED"] })).await;
        assert_eq!(listed["jobs"]["nodes"], json!([{ "id": failed }]));
        let listed = server.data(list, json!({})).await;
        assert_eq!(listed["jobs"]["nodes"], json!([{ "id": failed }, { "id": id }]), "the newest first");
        server.stop().await;
    }

    async fn a_job_that_runs_is_cancelled(database: &Database) {
        let server = Server::start(database, Setup::default().job(Acting)).await;
        let id = ask(&server, "wait").await;
        until("it runs", async || job(&server, &id).await["state"] == "RUNNING").await;
        let asked = server.data(CANCEL, json!({ "input": { "id": id } })).await;
        assert_eq!(asked["jobCancel"]["userErrors"], json!([]));
        until("it is cancelled", async || job(&server, &id).await["state"] == "CANCELLED").await;
        let again = server.data(CANCEL, json!({ "input": { "id": id } })).await;
        assert_eq!(again["jobCancel"], json!({ "job": { "state": "CANCELLED" }, "userErrors": [] }), "no change");
        let done = ask(&server, "done").await;
        until("it is done", async || job(&server, &done).await["state"] == "SUCCEEDED").await;
        let late = server.data(CANCEL, json!({ "input": { "id": done } })).await;
        assert_eq!(late["jobCancel"], json!({ "job": null, "userErrors": [{ "field": ["id"], "code": "ALREADY_ENDED" }] }));
        server.stop().await;
    }

    async fn wrong_jobs_and_callers_are_refused(database: &Database) {
        let server = Server::start(database, Setup::default().job(Acting)).await;
        let nobody = entity::id::JobId::at(entity::Timestamp(1)).to_string();
        assert_eq!(job(&server, &nobody).await, Value::Null);
        let missing = server.data(CANCEL, json!({ "input": { "id": nobody } })).await;
        assert_eq!(missing["jobCancel"]["userErrors"], json!([{ "field": ["id"], "code": "NOT_FOUND" }]));
        let foreign = server.graphql(JOB, json!({ "id": "lead_x" })).await;
        assert_eq!((code(&foreign), &foreign["data"]), ("BAD_USER_INPUT", &json!({ "job": null })));
        let reader = server.token(&["jobs:read"]).await;
        let refused = server.graphql_as(Some(&reader), CANCEL, json!({ "input": { "id": nobody } })).await;
        assert_eq!(unknown_field(&refused), "jobCancel");
        let stranger = server.token(&["leads:write"]).await;
        assert_eq!(unknown_field(&server.graphql_as(Some(&stranger), JOB, json!({ "id": nobody })).await), "job");
        server.stop().await;
    }

    async fn scores_are_recalculated_once_for_a_key(server: &Server) {
        let query = "mutation ($key: String) { scoresRecalculate(input: { idempotencyKey: $key }) { job { id } } }";
        let first = server.data(query, json!({ "key": "k" })).await;
        assert_eq!(server.data(query, json!({ "key": "k" })).await, first);
        assert_ne!(server.data(query, json!({ "key": "other" })).await, first);
        assert_ne!(server.data("mutation { scoresRecalculate { job { id } } }", json!({})).await, first);
    }
}
