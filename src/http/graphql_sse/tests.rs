use std::sync::atomic::Ordering;
use std::time::Duration;

use async_graphql::Executor;
use axum::Router;
use http_body_util::BodyExt as _;
use serde_json::{Value as Json, json};
use tokio::time::timeout;
use tower::ServiceExt as _;

use super::*;
use crate::http::graphql_ws::GraphqlWs;
use crate::http::seats::Seats;
use crate::http::testing::{TestGateway, schema};

/// Longest wait of a test for something that must come.
const PATIENCE: Duration = Duration::from_secs(20);

fn service(
    limits: SocketLimits,
) -> (
    GraphqlWs<impl Executor, TestGateway>,
    Arc<TestGateway>,
    crate::http::testing::Probe,
) {
    let (schema, probe, _drops) = schema();
    let gateway = Arc::new(TestGateway::default());
    let sockets = GraphqlWs::new(schema, Arc::clone(&gateway), Seats::new(3), limits);
    (sockets, gateway, probe)
}

async fn ask<E: Executor>(
    sockets: &GraphqlWs<E, TestGateway>,
    query: &str,
    pairs: &[(&str, &str)],
) -> Response {
    let mut request = HttpRequest::post("/graphql/stream")
        .header("content-type", "application/json")
        .header("x-request-id", "req-1");
    for (name, value) in pairs {
        request = request.header(*name, *value);
    }
    let body = Body::from(json!({ "query": query }).to_string());
    Router::new()
        .route("/graphql/stream", sockets.streams().route())
        .oneshot(request.body(body).unwrap())
        .await
        .unwrap()
}

async fn whole(response: Response) -> String {
    let body = timeout(PATIENCE, response.into_body().collect()).await.unwrap();
    String::from_utf8(body.unwrap().to_bytes().to_vec()).unwrap()
}

async fn piece(body: &mut Body) -> Option<String> {
    let frame = timeout(PATIENCE, body.frame()).await.unwrap()?;
    let data = frame.unwrap().into_data().unwrap();
    Some(String::from_utf8(data.to_vec()).unwrap())
}

#[tokio::test]
async fn results_are_next_events_and_complete_ends_them() {
    let (sockets, ..) = service(SocketLimits::default());
    let answer = ask(
        &sockets,
        "subscription { count(to: 2) }",
        &[("accept", "text/event-stream")],
    )
    .await;
    assert_eq!(answer.status(), 200);
    assert_eq!(
        answer.headers()["content-type"],
        "text/event-stream; charset=utf-8"
    );
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(
        whole(answer).await,
        "event: next\ndata: {\"data\":{\"count\":1}}\n\n\
         event: next\ndata: {\"data\":{\"count\":2}}\n\nevent: complete\ndata:\n\n"
    );
    let answer = ask(&sockets, "{ sum(a: 1, b: 2) requestId }", &[]).await;
    assert_eq!(
        whole(answer).await,
        "event: next\ndata: {\"data\":{\"sum\":3,\"requestId\":\"req-1\"}}\n\nevent: complete\ndata:\n\n"
    );
}

#[tokio::test]
async fn what_cannot_run_is_a_result_with_errors() {
    let limits = SocketLimits {
        query_timeout: Duration::from_millis(50),
        ..SocketLimits::default()
    };
    let (sockets, ..) = service(limits);
    for (query, code) in [
        ("{", "BAD_USER_INPUT"),
        ("subscription { nothing }", "BAD_USER_INPUT"),
        ("subscription { unopened }", "BAD_USER_INPUT"),
        ("{ overBudget }", "RATE_LIMITED"),
        ("{ endless }", "TIMEOUT"),
        ("{ panicking }", "INTERNAL"),
    ] {
        let answer = ask(&sockets, query, &[]).await;
        assert_eq!(answer.status(), 200, "{query}");
        let text = whole(answer).await;
        let data = text.strip_prefix("event: next\ndata: ").unwrap();
        let data = data.strip_suffix("\n\nevent: complete\ndata:\n\n").unwrap();
        let data: Json = serde_json::from_str(data).unwrap();
        assert_eq!(data["errors"][0]["extensions"]["code"], code, "{query}: {data}");
        assert_eq!(data["errors"][0]["extensions"]["requestId"], "req-1");
        assert_eq!(data.get("data"), None);
    }
}

#[tokio::test]
async fn what_is_no_request_is_refused_as_over_http() {
    let (sockets, ..) = service(SocketLimits::default());
    for (pairs, status, code) in [
        (&[("authorization", "bad")][..], 401, "UNAUTHENTICATED"),
        (&[("authorization", "away")], 503, "UNAVAILABLE"),
        (&[("accept", "application/json")], 406, "BAD_USER_INPUT"),
        (&[("content-encoding", "gzip")], 415, "BAD_USER_INPUT"),
    ] {
        let answer = ask(&sockets, "{ hello }", pairs).await;
        assert_eq!(answer.status(), status, "{pairs:?}");
        let body: Json = serde_json::from_str(&whole(answer).await).unwrap();
        assert_eq!(body["errors"][0]["extensions"]["code"], code);
    }
    let route = Router::new().route("/graphql/stream", sockets.streams().route());
    let get = HttpRequest::get("/graphql/stream").body(Body::empty()).unwrap();
    let answer = route.oneshot(get).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["allow"]),
        (405, &HeaderValue::from_static("POST"))
    );
}

#[tokio::test]
async fn a_quiet_stream_is_kept_by_comments_until_its_token_is_revoked() {
    let limits = SocketLimits {
        ping_interval: Duration::from_millis(20),
        ..SocketLimits::default()
    };
    let (sockets, gateway, _) = service(limits);
    let answer = ask(
        &sockets,
        "subscription { silent }",
        &[("authorization", "good-ada")],
    )
    .await;
    let mut body = answer.into_body();
    for _ in 0..3 {
        assert_eq!(piece(&mut body).await.as_deref(), Some(":\n\n"));
    }
    gateway.revoked.cancel();
    let mut said = piece(&mut body).await.unwrap();
    while said == ":\n\n" {
        said = piece(&mut body).await.unwrap();
    }
    assert!(
        said.contains("\"code\":\"UNAUTHENTICATED\"") && said.ends_with("event: complete\ndata:\n\n"),
        "{said}"
    );
    assert_eq!(piece(&mut body).await, None);
}

#[tokio::test]
async fn who_stops_reading_is_bounded_and_then_ended() {
    let limits = SocketLimits {
        stall_timeout: Duration::from_millis(200),
        ..SocketLimits::default()
    };
    let (sockets, _, probe) = service(limits);
    let answer = ask(&sockets, "subscription { flood }", &[]).await;
    assert_eq!(sockets.open_sockets(), 1);
    let mut body = answer.into_body();
    timeout(PATIENCE, async {
        while sockets.open_sockets() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    // One in the channel, one in the hand of the task.
    assert!(probe.taken.load(Ordering::SeqCst) <= 3, "{:?}", probe.taken);
    let mut pieces = 0;
    while let Some(said) = piece(&mut body).await {
        assert!(!said.contains("complete"), "{said}");
        pieces += 1;
    }
    assert_eq!(pieces, 1);
}

#[tokio::test]
async fn a_stopping_server_cuts_streams_off_so_that_clients_come_back() {
    let (sockets, ..) = service(SocketLimits::default());
    let answer = ask(&sockets, "subscription { silent }", &[]).await;
    timeout(PATIENCE, sockets.shut_down()).await.unwrap();
    assert_eq!(whole(answer).await, "");
    assert_eq!(ask(&sockets, "subscription { silent }", &[]).await.status(), 503);
}

#[tokio::test]
async fn who_goes_away_ends_the_operation() {
    let (schema, _probe, mut drops) = schema();
    let sockets = GraphqlWs::new(
        schema,
        Arc::new(TestGateway::default()),
        Seats::new(1),
        SocketLimits::default(),
    );
    let answer = ask(&sockets, "subscription { counted(to: 1000000, slow: true) }", &[]).await;
    let mut body = answer.into_body();
    assert!(piece(&mut body).await.unwrap().starts_with("event: next\n"));
    let refused = ask(&sockets, "{ hello }", &[]).await;
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["retry-after"]),
        (429, &HeaderValue::from_static("10"))
    );
    drop(body);
    timeout(PATIENCE, drops.recv()).await.unwrap().unwrap();
    sockets.shut_down().await;
}
