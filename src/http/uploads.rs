//! `POST /uploads`: a file for an import, streamed to the disk.
//!
//! Either `multipart/form-data` with one part that has a file name, or the bare content with `?fileName=`. Answers 201
//! with `{"id", "fileName", "sizeBytes", "digest", "createdAt"}`; failures are shaped as GraphQL's errors: 400, 401, 403,
//! 403 (also for what another site may have had sent, see
//! [`preflight`]), 405, 413 (larger than `upload_max_bytes`), 503.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::body::{Body, BodyDataStream};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Query, Request};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::{MethodRouter, any};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use serde::Deserialize;
use serde_json::json;

use super::access::{Beside, ServerGateway};
use super::fault::{Fault, json as written};
use super::gateway::RequestId;
use super::preflight;
use crate::app::App;
use crate::error::Failure;
use crate::identity::Caller;
use crate::media::files::{self, Upload, UploadProblem};

/// What may stand around the file in a form: boundaries, heads of parts, other parts.
const AROUND: u64 = 64 << 10;

/// Longest time without a byte.
const SILENCE: Duration = Duration::from_secs(60);

/// Bytes that have to come each second on the whole, once a minute has passed.
const LEAST_RATE: u64 = 4 << 10;

/// How much has come of a body, and what it is read for.
#[derive(Debug)]
struct Pace {
    most: u64,
    begun: Instant,
    searching: AtomicBool,
    searched: AtomicU64,
}

impl Pace {
    fn new(most: u64) -> Self {
        Self {
            most,
            begun: Instant::now(),
            searching: AtomicBool::new(false),
            searched: AtomicU64::new(0),
        }
    }

    /// Whether what comes is searched for the head of a part, and kept in memory until it is found.
    fn search(&self, searching: bool) {
        self.searched.store(0, Ordering::Relaxed);
        self.searching.store(searching, Ordering::Relaxed);
    }

    /// Looks at how far the body is, a piece of some bytes included.
    fn check(&self, whole: u64, piece: u64) -> io::Result<()> {
        let refuse = |message: String| Err(io::Error::other(message));
        // Who takes the file sees first that it is too large, and says so better.
        if whole - piece > self.most {
            return refuse(format!("the body has more than {} bytes", self.most));
        }
        if self.searching.load(Ordering::Relaxed)
            && self.searched.fetch_add(piece, Ordering::Relaxed) > AROUND
        {
            return refuse(format!("there is no file within {AROUND} bytes"));
        }
        let seconds = self.begun.elapsed().saturating_sub(SILENCE).as_secs();
        if whole < seconds.saturating_mul(LEAST_RATE) {
            return refuse(format!("less than {LEAST_RATE} bytes came each second"));
        }
        Ok(())
    }
}

/// A body that ends with an error when it stops, drips, or grows beyond what is allowed.
fn paced(body: BodyDataStream, pace: Arc<Pace>) -> impl Stream<Item = io::Result<Bytes>> + Send {
    async_stream::try_stream! {
        let mut body = std::pin::pin!(body);
        let mut whole = 0_u64;
        loop {
            let next = tokio::time::timeout(SILENCE, body.next()).await;
            let next = next.map_err(|_| io::Error::other(format!("nothing came for {} s", SILENCE.as_secs())))?;
            let Some(piece) = next else { break };
            let piece = piece.map_err(io::Error::other)?;
            whole += piece.len() as u64;
            pace.check(whole, piece.len() as u64)?;
            yield piece;
        }
    }
}

/// Takes uploads.
#[derive(Clone, Debug)]
pub struct Uploads {
    app: App,
    gateway: Arc<ServerGateway>,
}

/// The query of an upload without multipart.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    file_name: Option<String>,
}

impl Uploads {
    /// Takes uploads for an application from whom the gateway knows.
    #[must_use]
    pub fn new(app: App, gateway: Arc<ServerGateway>) -> Self {
        Self { app, gateway }
    }

    /// The route to mount at `/uploads`; it must not stand behind a limit of the body's size.
    pub fn route<S: Clone + Send + Sync + 'static>(self) -> MethodRouter<S> {
        any(move |request: Request| {
            let this = self.clone();
            async move { this.answer(request).await }
        })
        .layer(DefaultBodyLimit::disable())
    }

    async fn answer(&self, request: Request) -> Response {
        let request_id = RequestId::from_headers(request.headers());
        match self.take(request).await {
            Ok(upload) => created(upload),
            Err(fault) => {
                let is_method = fault.status == StatusCode::METHOD_NOT_ALLOWED;
                let mut response = fault.answer(&request_id);
                if is_method {
                    response
                        .headers_mut()
                        .insert(header::ALLOW, HeaderValue::from_static("POST"));
                }
                response
            }
        }
    }

    async fn take(&self, request: Request) -> Result<Upload, Fault> {
        if request.method() != Method::POST {
            return Err(Fault::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "BAD_USER_INPUT",
                format!("method {} is not allowed; send POST", request.method()),
            ));
        }
        preflight::check_cookie(request.headers())
            .map_err(|message| Fault::new(StatusCode::FORBIDDEN, "FORBIDDEN", message))?;
        let (parts, body) = request.into_parts();
        let caller = self.gateway.caller(&parts, Beside::Upload).await?;
        // Before anything of the body is read.
        files::may_send(&caller)?;
        let limit = self.app.storage().upload_max_bytes;
        let pace = Arc::new(Pace::new(limit.saturating_add(AROUND)));
        let body = Body::from_stream(paced(body.into_data_stream(), Arc::clone(&pace)));
        let request = Request::from_parts(parts, body);
        let announced = request
            .headers()
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        // Multipart adds its boundaries and headers to the file.
        if announced.is_some_and(|length| length > limit.saturating_add(AROUND)) {
            return Err(too_large(format!(
                "the file is larger than {limit} bytes, the most that `upload_max_bytes` allows"
            )));
        }
        let multipart = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.to_ascii_lowercase().starts_with("multipart/form-data"));
        if multipart {
            self.take_multipart(&caller, request, &pace).await
        } else {
            self.take_bare(&caller, request).await
        }
    }

    async fn take_bare(&self, caller: &Caller, request: Request) -> Result<Upload, Fault> {
        let Query(Named { file_name }) = Query::try_from_uri(request.uri())
            .map_err(|error| Fault::input(format!("the query cannot be read: {error}")))?;
        let Some(file_name) = file_name.filter(|name| !name.trim().is_empty()) else {
            return Err(Fault::input(
                "the file has no name: add `?fileName=leads.csv`, or send multipart/form-data".into(),
            ));
        };
        let body = request.into_body().into_data_stream();
        Ok(files::receive(&self.app, caller, &file_name, body).await?)
    }

    async fn take_multipart(&self, caller: &Caller, request: Request, pace: &Pace) -> Result<Upload, Fault> {
        let broken =
            |error: &dyn std::fmt::Display| Fault::input(format!("the form cannot be read: {error}"));
        let mut form = Multipart::from_request(request, &())
            .await
            .map_err(|error| broken(&error))?;
        loop {
            // The form is searched for the head of a part as far as it is there.
            pace.search(true);
            let part = form.next_field().await.map_err(|error| broken(&error))?;
            pace.search(false);
            let Some(part) = part else { break };
            if let Some(file_name) = part.file_name().map(str::to_owned) {
                return Ok(files::receive(&self.app, caller, &file_name, part).await?);
            }
        }
        Err(Fault::input(
            "the form has no file: one part needs a `filename` in its Content-Disposition".into(),
        ))
    }
}

impl From<Failure<UploadProblem>> for Fault {
    fn from(failure: Failure<UploadProblem>) -> Self {
        match failure {
            Failure::Error(error) => error.into(),
            Failure::Problems(problems) => match problems.into_iter().next() {
                Some(problem) if problem.code == UploadProblem::TooLarge => too_large(problem.message),
                problem => Self::input(problem.map(|problem| problem.message).unwrap_or_default()),
            },
        }
    }
}

fn too_large(message: String) -> Fault {
    Fault::new(StatusCode::PAYLOAD_TOO_LARGE, "TOO_LARGE", message)
}

fn created(upload: Upload) -> Response {
    let Upload {
        id,
        file_name,
        size_bytes,
        digest,
        created_by: _,
        created_at,
    } = upload;
    let body = json!({
        "id": id,
        "fileName": file_name,
        "sizeBytes": size_bytes,
        "digest": digest,
        "createdAt": created_at,
    });
    written(StatusCode::CREATED, body.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use entity::Timestamp;
    use serde_json::Value;
    use tempfile::TempDir;
    use tower::ServiceExt;

    use super::*;
    use crate::app::Storage;
    use crate::clock::Clock;
    use crate::config::Settings;
    use crate::db::{Db, DbOptions};
    use crate::http::intake::Intake;
    use crate::http::origin::Surroundings;
    use crate::identity::create_token;

    async fn house() -> (TempDir, Router, String) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite:{}", dir.path().join("test.db").display());
        let db = Db::open(&DbOptions::new(url)).await.expect("opens");
        db.migrate().await.expect("migrates");
        let storage = Storage {
            data_dir: dir.path().to_owned(),
            upload_max_bytes: 100,
        };
        let clock = Clock::fixed(Timestamp::from_micros(1_780_000_000_000_000));
        let app = App::with_storage(db, clock, storage);
        let scopes = ["leads:write".to_owned()];
        let token = create_token(&app, &Caller::operator(), "test", &scopes, None)
            .await
            .expect("made");
        let surroundings = Surroundings::new("http://127.0.0.1", &[], &[]);
        let settings = Settings::from_pairs([]).expect("the defaults fit");
        let intake = Intake::new(&settings.graphql).expect("no files are named");
        let gateway = Arc::new(ServerGateway::new(app.clone(), surroundings, intake));
        let router = Router::new().route("/uploads", Uploads::new(app, gateway).route());
        (dir, router, token.secret)
    }

    async fn send(router: &Router, request: Request) -> (StatusCode, Value) {
        let response = router.clone().oneshot(request).await.expect("answers");
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20)
            .await
            .expect("whole");
        (status, serde_json::from_slice(&body).expect("JSON"))
    }

    fn post(uri: &str, token: &str, media: &str, body: impl Into<Body>) -> Request {
        Request::post(uri)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", media)
            .body(body.into())
            .expect("a request")
    }

    #[tokio::test]
    async fn a_bare_body_and_a_form_are_stored_alike() {
        let (dir, router, token) = house().await;
        let bare = post("/uploads?fileName=leads.csv", &token, "text/csv", "a,b\n1,2\n");
        let form = "--X\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--X\r\n\
            Content-Disposition: form-data; name=\"file\"; filename=\"leads.csv\"\r\n\r\na,b\n1,2\n\r\n--X--\r\n";
        let form = post("/uploads", &token, "multipart/form-data; boundary=X", form);
        for request in [bare, form] {
            let (status, body) = send(&router, request).await;
            assert_eq!(status, StatusCode::CREATED, "{body}");
            assert_eq!(
                (&body["fileName"], &body["sizeBytes"]),
                (&json!("leads.csv"), &json!(8))
            );
            assert_eq!(body["digest"], blake3::hash(b"a,b\n1,2\n").to_hex().to_string());
            let file = dir
                .path()
                .join("uploads")
                .join(body["id"].as_str().expect("an id"));
            assert_eq!(std::fs::read_to_string(file).expect("is there"), "a,b\n1,2\n");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_taken_is_answered_with_a_code() {
        let (_dir, router, token) = house().await;
        let large = "x".repeat(101);
        let huge = "x".repeat(100_000);
        for (request, status, code) in [
            (
                post("/uploads?fileName=a.csv", &token, "text/csv", large),
                413,
                "TOO_LARGE",
            ),
            (
                post("/uploads?fileName=a.csv", &token, "text/csv", huge),
                413,
                "TOO_LARGE",
            ),
            (post("/uploads", &token, "text/csv", "1"), 400, "BAD_USER_INPUT"),
            (
                post("/uploads?fileName=a.csv", &token, "text/csv", ""),
                400,
                "BAD_USER_INPUT",
            ),
            (
                post("/uploads?fileName=a.csv", "nonsense", "text/csv", "1"),
                401,
                "UNAUTHENTICATED",
            ),
            (
                Request::get("/uploads").body(Body::empty()).expect("a request"),
                405,
                "BAD_USER_INPUT",
            ),
        ] {
            let (answered, body) = send(&router, request).await;
            assert_eq!(answered.as_u16(), status, "{body}");
            assert_eq!(body["errors"][0]["extensions"]["code"], code, "{body}");
        }
    }

    #[test]
    fn a_body_has_its_bounds() {
        let pace = Pace::new(1 << 20);
        assert!(pace.check(1 << 20, 1 << 20).is_ok());
        assert!(pace.check((1 << 20) + 2, 1).is_err(), "too large");
        pace.search(true);
        assert!(pace.check(AROUND, AROUND).is_ok());
        assert!(pace.check(AROUND + 1, 1).is_ok());
        assert!(pace.check(AROUND + 2, 1).is_err(), "no part begins");
        pace.search(false);
        assert!(pace.check(AROUND + 3, 1).is_ok());
        let Some(begun) = Instant::now().checked_sub(SILENCE + Duration::from_secs(10)) else {
            return;
        };
        let slow = Pace {
            begun,
            ..Pace::new(1 << 20)
        };
        assert!(slow.check(10 * LEAST_RATE, 1).is_ok());
        assert!(slow.check(9 * LEAST_RATE, 1).is_err(), "it drips");
    }
}
