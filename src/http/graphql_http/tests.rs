use axum::Router;
use axum::body::to_bytes;
use axum::http::Request;
use serde_json::{Value as Json, json};
use tower::ServiceExt;

use super::*;
use crate::http::testing::{TestGateway, schema};

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Json,
}

impl Answer {
    fn content_type(&self) -> &str {
        self.headers["content-type"].to_str().unwrap()
    }

    /// Code and message of the only error, after a look at its request id.
    fn error(&self) -> (&str, &str) {
        let errors = self.body["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0]["extensions"]["requestId"], "req-1");
        (
            errors[0]["extensions"]["code"].as_str().unwrap(),
            errors[0]["message"].as_str().unwrap(),
        )
    }
}

async fn send(method: Method, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    let limits = HttpLimits {
        query_timeout: Duration::from_millis(50),
        ..HttpLimits::default()
    };
    send_to(limits, "/graphql", method, headers, body).await
}

async fn get(query: &str, headers: &[(&str, &str)]) -> Answer {
    let limits = HttpLimits {
        get: true,
        ..HttpLimits::default()
    };
    send_to(limits, &format!("/graphql?{query}"), Method::GET, headers, "").await
}

async fn send_to(
    limits: HttpLimits,
    uri: &str,
    method: Method,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Answer {
    let route = GraphqlHttp::new(schema().0, Arc::new(TestGateway::default()), limits).route::<()>();
    let mut request = Request::builder()
        .method(method)
        .uri(uri)
        .header("x-request-id", "req-1");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = Router::new()
        .route("/graphql", route)
        .oneshot(request.body(body.into()).unwrap())
        .await
        .unwrap();
    let (parts, body) = answer.into_parts();
    let body = serde_json::from_slice(&to_bytes(body, usize::MAX).await.unwrap()).unwrap();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body,
    }
}

const JSON_TYPE: (&str, &str) = ("content-type", "application/json");
const STRICT: (&str, &str) = ("accept", "application/graphql-response+json");

async fn post(body: &str) -> Answer {
    send(Method::POST, &[JSON_TYPE], body.to_owned()).await
}

async fn strict(query: &str) -> Answer {
    send(
        Method::POST,
        &[JSON_TYPE, STRICT],
        json!({ "query": query }).to_string(),
    )
    .await
}

#[tokio::test]
async fn a_query_answers_in_json_without_accept() {
    let answer = post(r#"{"query":"query Q($a: Int!) { sum(a: $a, b: 2) requestId hello }","variables":{"a":40},"operationName":"Q"}"#).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.content_type(), "application/json; charset=utf-8");
    assert_eq!(
        answer.body,
        json!({"data": {"sum": 42, "requestId": "req-1", "hello": "hello nobody"}})
    );
}

#[tokio::test]
async fn nulls_are_as_if_absent_and_unknown_keys_are_ignored() {
    let answer = post(
        r#"{"query":"{ sum(a: 1, b: 2) }","variables":null,"operationName":null,"extensions":null,"x":1}"#,
    )
    .await;
    assert_eq!(answer.body, json!({"data": {"sum": 3}}));
}

#[tokio::test]
async fn a_mutation_runs_and_a_body_in_pieces_is_put_together() {
    let pieces = ["{\"query\":", "\"mutation { double", "(n: 4) }\"}"].map(Ok::<_, std::io::Error>);
    let answer = send(
        Method::POST,
        &[JSON_TYPE],
        Body::from_stream(futures_util::stream::iter(pieces)),
    )
    .await;
    assert_eq!(answer.body, json!({"data": {"double": 8}}));
}

#[tokio::test]
async fn accept_is_negotiated() {
    let body = r#"{"query":"{ sum(a: 1, b: 2) }"}"#;
    for (accept, expected) in [
        ("application/graphql-response+json", GRAPHQL_RESPONSE),
        (
            "application/graphql-response+json; charset=utf-8, application/json;q=0.9",
            GRAPHQL_RESPONSE,
        ),
        (
            "application/json, application/graphql-response+json",
            GRAPHQL_RESPONSE,
        ),
        ("application/graphql-response+json;q=0.5, application/json", JSON),
        ("text/html, application/json;q=0.1", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
    ] {
        let answer = send(Method::POST, &[JSON_TYPE, ("accept", accept)], body).await;
        assert_eq!(
            (answer.status, answer.content_type()),
            (200, expected),
            "{accept}"
        );
    }
    for accept in ["text/html", "application/json;q=0", ""] {
        let answer = send(Method::POST, &[JSON_TYPE, ("accept", accept)], body).await;
        assert_eq!(
            (answer.status, answer.error().0),
            (406, "BAD_USER_INPUT"),
            "{accept}"
        );
    }
}

#[tokio::test]
async fn what_never_ran_has_no_data_and_a_status_by_the_media_type() {
    for query in [
        "{",
        "{ nothing }",
        "{ sum(a: 1) }",
        "subscription { count(to: 1) }",
    ] {
        let answer = strict(query).await;
        assert_eq!(
            (answer.status, answer.content_type()),
            (400, GRAPHQL_RESPONSE),
            "{query}"
        );
        assert_eq!(answer.body.get("data"), None, "{query}");
        assert_eq!(answer.error().0, "BAD_USER_INPUT", "{query}");

        let answer = post(&json!({ "query": query }).to_string()).await;
        assert_eq!((answer.status, answer.content_type()), (200, JSON), "{query}");
        assert_eq!(answer.error().0, "BAD_USER_INPUT", "{query}");
    }
    let answer = strict("{ overBudget }").await;
    assert_eq!(
        (answer.status, answer.error()),
        (429, ("RATE_LIMITED", "the budget is spent"))
    );
}

#[tokio::test]
async fn errors_of_fields_keep_the_status_200() {
    let answer = strict("{ failing sum(a: 1, b: 1) }").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["data"]["sum"], 2);
    assert_eq!(answer.error(), ("NOT_FOUND", "no such lead"));

    let answer = strict("{ failingNonNull }").await;
    assert_eq!((answer.status, answer.error()), (200, ("INTERNAL", "broken")));
    assert_eq!(answer.body.get("data"), Some(&Json::Null));
}

#[tokio::test]
async fn bad_bodies_are_400() {
    for (body, message) in [
        ("", "the body is empty; send a JSON object with `query`"),
        ("NONSENSE", "the body is not a JSON object with `query`"),
        ("\"{ hello }\"", "the body is not a JSON object with `query`"),
        ("{}", "`query` is missing"),
        (r#"{"qeury":"{ hello }"}"#, "`query` is missing"),
        (
            r#"[{"query":"{ hello }"}]"#,
            "an array of operations is not accepted; send one operation a request",
        ),
    ] {
        let answer = post(body).await;
        assert_eq!(
            (answer.status, answer.error()),
            (400, ("BAD_USER_INPUT", message)),
            "{body}"
        );
    }
    for body in [
        r#"{"query":"#,
        r#"{"query":7}"#,
        r#"{"query":"{hello}","variables":[7]}"#,
        r#"{"query":"{hello}","operationName":1}"#,
    ] {
        let answer = post(body).await;
        assert_eq!(
            (answer.status, answer.error().0),
            (400, "BAD_USER_INPUT"),
            "{body}"
        );
        assert!(
            answer
                .error()
                .1
                .starts_with("the body is not a GraphQL request in JSON: "),
            "{body}"
        );
    }
}

#[tokio::test]
async fn only_json_in_utf_8_is_taken() {
    let body = r#"{"query":"{ sum(a: 1, b: 2) }"}"#;
    for content_type in [
        "application/json;charset=utf-8",
        "Application/JSON; charset=\"UTF-8\"",
    ] {
        assert_eq!(
            send(Method::POST, &[("content-type", content_type)], body)
                .await
                .status,
            200,
            "{content_type}"
        );
    }
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "application/json; charset=utf-16",
        "",
    ] {
        let answer = send(Method::POST, &[("content-type", content_type)], body).await;
        assert_eq!(
            (answer.status, answer.error().0),
            (415, "BAD_USER_INPUT"),
            "{content_type}"
        );
    }
    assert_eq!(send(Method::POST, &[], body).await.status, 415);
    assert_eq!(
        send(Method::POST, &[JSON_TYPE, ("content-encoding", "gzip")], body)
            .await
            .status,
        415
    );
}

#[tokio::test]
async fn other_methods_are_405() {
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let answer = send(method.clone(), &[("accept", "text/html")], "").await;
        assert_eq!(
            (answer.status, answer.error().0),
            (405, "BAD_USER_INPUT"),
            "{method}"
        );
        assert_eq!(answer.headers["allow"], "POST");
    }
}

#[tokio::test]
async fn get_runs_queries_alone() {
    let query = "query=query+Q($a:Int!)%7Bsum(a:$a,b:2)%7D&operationName=Q&variables=%7B%22a%22:40%7D&other=1&other=2";
    let answer = get(query, &[STRICT]).await;
    assert_eq!(
        (answer.status, answer.content_type(), &answer.body),
        (200, GRAPHQL_RESPONSE, &json!({"data": {"sum": 42}}))
    );
    assert_eq!(answer.headers["cache-control"], "no-store");
    for (query, status, message) in [
        ("", 400, "`query` is missing"),
        (
            "query=%7Bhello%7D&query=%7Bhello%7D",
            400,
            "`query` is given twice",
        ),
        (
            "query=%7Bhello%7D&variables=%5B%5D",
            400,
            "`variables` is not an object in JSON: ",
        ),
        (
            "query=mutation%7Bdouble(n:1)%7D",
            405,
            "a mutation is not run by GET; send POST",
        ),
        // Which of them is run is what counts.
        (
            "query=query+A%7Bhello%7D+mutation+B%7Bdouble(n:1)%7D&operationName=B",
            405,
            "a mutation is not run by GET; send POST",
        ),
    ] {
        let answer = get(query, &[]).await;
        assert_eq!(
            (answer.status, answer.error().0),
            (status, "BAD_USER_INPUT"),
            "{query}"
        );
        assert!(answer.error().1.starts_with(message), "{:?}", answer.error());
        assert_eq!(
            answer.headers.get("allow").map(|allow| allow.to_str().unwrap()),
            (status == 405).then_some("POST")
        );
    }
    let both = "query=query+A%7Bhello%7D+mutation+B%7Bdouble(n:1)%7D&operationName=A";
    assert_eq!(get(both, &[]).await.status, 200);
}

#[tokio::test]
async fn get_with_a_cookie_needs_a_proof() {
    let query = "query=%7Bsum(a:1,b:1)%7D";
    let answer = get(query, &[("cookie", "session=1"), STRICT]).await;
    assert_eq!((answer.status, answer.error().0), (403, "FORBIDDEN"));
    for proof in [("authorization", "good-ada"), ("x-leadline-client", "1")] {
        assert_eq!(
            get(query, &[("cookie", "session=1"), proof]).await.status,
            200,
            "{proof:?}"
        );
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_announced_or_not() {
    let exact = |bytes: usize| {
        let frame = r#"{"query":"{ sum(a: 1, b: 2) }"}"#;
        format!("{frame}{}", " ".repeat(bytes - frame.len()))
    };
    assert_eq!(post(&exact(1 << 20)).await.status, 200);
    let answer = post(&exact((1 << 20) + 1)).await;
    assert_eq!(
        (answer.status, answer.error()),
        (413, ("BAD_USER_INPUT", "the body is larger than 1048576 bytes"))
    );

    let pieces = (0..2_000).map(|_| Ok::<_, std::io::Error>(" ".repeat(1024)));
    let answer = send(
        Method::POST,
        &[JSON_TYPE],
        Body::from_stream(futures_util::stream::iter(pieces)),
    )
    .await;
    assert_eq!(answer.status, 413);
}

#[tokio::test]
async fn slow_things_end() {
    let answer = strict("{ endless }").await;
    assert_eq!(
        (answer.status, answer.error()),
        (504, ("TIMEOUT", "the operation took longer than 0.05 s"))
    );

    let never = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
    let answer = send(Method::POST, &[JSON_TYPE], never).await;
    assert_eq!((answer.status, answer.error().0), (408, "TIMEOUT"));
}

#[tokio::test]
async fn a_panic_is_an_internal_error() {
    let answer = strict("{ panicking }").await;
    assert_eq!(
        (answer.status, answer.error()),
        (500, ("INTERNAL", "internal error"))
    );
}

#[tokio::test]
async fn refusals_have_their_status() {
    let body = r#"{"query":"{ hello }"}"#;
    for (token, status, code) in [
        ("bad", 401, "UNAUTHENTICATED"),
        ("other", 403, "FORBIDDEN"),
        ("away", 503, "UNAVAILABLE"),
    ] {
        let answer = send(Method::POST, &[JSON_TYPE, ("authorization", token)], body).await;
        assert_eq!((answer.status, answer.error().0), (status, code));
        assert_eq!(answer.headers.contains_key("www-authenticate"), status == 401);
    }
    let answer = send(Method::POST, &[JSON_TYPE, ("authorization", "good-ada")], body).await;
    assert_eq!(answer.body, json!({"data": {"hello": "hello good-ada"}}));
}

#[tokio::test]
async fn headers_of_resolvers_are_sent() {
    let answer = post(r#"{"query":"{ header }"}"#).await;
    assert_eq!(answer.headers["x-cost"], "7");
    assert_eq!(answer.content_type(), JSON);
}

#[test]
fn a_strange_request_id_is_replaced() {
    let mut headers = HeaderMap::new();
    for strange in ["", "a b", "é", &"x".repeat(65)] {
        headers.insert(
            "x-request-id",
            HeaderValue::from_bytes(strange.as_bytes()).unwrap(),
        );
        let id = RequestId::from_headers(&headers);
        assert!(
            id.as_str().len() == 32 && id.as_str().bytes().all(|b| b.is_ascii_hexdigit()),
            "{strange}"
        );
    }
}
