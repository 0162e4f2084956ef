//! The console page at `/`, and at `/account` where users sign in and links of mails lead: the files that `make web` builds into `web/dist`, embedded in the binary.
//!
//! Where they were missing at compile time, `/` serves a small page that says how to add them.

use std::borrow::Cow;

use axum::{
    Router,
    body::Body,
    extract::Path,
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
    routing::get,
};
use rust_embed::RustEmbed;

/// What the page may load: its own files only, and requests to its own origin. The editor writes style elements
/// (`unsafe-inline`) and draws the lines under faulty text with `data:` pictures.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; \
     style-src 'self' 'unsafe-inline'; font-src 'self'; img-src 'self' data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The name of an asset carries a hash of its content, so a copy is good for ever: one year, the longest that is honoured.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// The page itself names the assets of one build: a copy is asked about each time.
const ASK_EACH_TIME: &str = "no-cache";

#[derive(RustEmbed)]
#[folder = "web/dist"]
#[include = "index.html"]
#[include = "account.html"]
#[include = "assets/*"]
#[allow_missing = true]
struct Dist;

/// A file of the page.
struct File {
    data: Cow<'static, [u8]>,
    /// SHA-256 of the data.
    hash: [u8; 32],
}

/// Finds a file by its path below `web/dist`, without a leading slash.
type Files = fn(&str) -> Option<File>;

fn embedded(path: &str) -> Option<File> {
    Dist::get(path).map(|file| File {
        hash: file.metadata.sha256_hash(),
        data: file.data,
    })
}

/// Whether the console page was there when this binary was built.
pub fn is_built_in() -> bool {
    Dist::get("index.html").is_some()
}

/// The routes `/`, `/account` and `/assets/…`. They need no token: the page holds no data and sends the user's token itself.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    routes(embedded)
}

fn routes<S: Clone + Send + Sync + 'static>(files: Files) -> Router<S> {
    Router::new()
        .route(
            "/",
            get(async move |headers: HeaderMap| page(files, "index.html", &headers)),
        )
        .route(
            "/account",
            get(async move |headers: HeaderMap| page(files, "account.html", &headers)),
        )
        .route(
            "/assets/{*path}",
            get(async move |Path(path): Path<String>, headers: HeaderMap| asset(files, &path, &headers)),
        )
}

fn page(files: Files, name: &str, headers: &HeaderMap) -> Response<Body> {
    match files(name) {
        Some(file) => serve(name, file, ASK_EACH_TIME, headers),
        None => {
            let page = include_bytes!("console_missing.html");
            respond(
                StatusCode::OK,
                "index.html",
                "no-store",
                None,
                Body::from(page.as_slice()),
            )
        }
    }
}

fn asset(files: Files, path: &str, headers: &HeaderMap) -> Response<Body> {
    match files(&format!("assets/{path}")) {
        Some(file) => serve(path, file, FOR_EVER, headers),
        None => respond(
            StatusCode::NOT_FOUND,
            "missing.txt",
            "no-store",
            None,
            Body::from("no such asset\n"),
        ),
    }
}

/// Answers with the file, or with 304 when the caller has it already.
fn serve(path: &str, file: File, caching: &'static str, headers: &HeaderMap) -> Response<Body> {
    let tag = entity_tag(&file.hash);
    if names_tag(headers, &tag) {
        respond(StatusCode::NOT_MODIFIED, path, caching, Some(&tag), Body::empty())
    } else {
        respond(StatusCode::OK, path, caching, Some(&tag), Body::from(file.data))
    }
}

fn respond(
    status: StatusCode,
    path: &str,
    caching: &'static str,
    tag: Option<&str>,
    body: Body,
) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if status != StatusCode::NOT_MODIFIED {
        headers.insert(header::CONTENT_TYPE, content_type(path));
    }
    if let Some(tag) = tag {
        headers.insert(
            header::ETAG,
            HeaderValue::from_str(tag).expect("a tag is hexadecimal digits in quotes"),
        );
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(CONTENT_SECURITY_POLICY),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// The media type by the file's extension; text is UTF-8.
fn content_type(path: &str) -> HeaderValue {
    let guess = mime_guess::from_path(path).first_or_octet_stream();
    let full = if guess.type_() == mime_guess::mime::TEXT {
        format!("{guess}; charset=utf-8")
    } else {
        guess.to_string()
    };
    HeaderValue::from_str(&full).expect("a media type is printable ASCII")
}

/// A weak tag from half of the hash: weak, because the same tag also stands for the compressed form.
fn entity_tag(hash: &[u8; 32]) -> String {
    let digits: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("W/\"{digits}\"")
}

/// Whether `If-None-Match` names the tag (weak comparison, RFC 9110 section 13.1.2).
fn names_tag(headers: &HeaderMap, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let wanted = opaque(tag);
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|given| given.trim() == "*" || opaque(given) == wanted)
}

#[cfg(test)]
mod tests {
    use axum::{body::to_bytes, http::Request};
    use tower::ServiceExt;

    use super::*;

    fn sample(path: &str) -> Option<File> {
        let data: &'static [u8] = match path {
            "index.html" => b"<title>Leadline</title>",
            "assets/index-4f2a.js" => b"start()",
            "assets/index-4f2a.css" => b"body{}",
            "assets/icon-4f2a.svg" => b"<svg/>",
            "assets/signs-4f2a.ttf" => b"\0\x01\0\0",
            _ => return None,
        };
        Some(File {
            data: Cow::Borrowed(data),
            hash: [0xab; 32],
        })
    }

    fn nothing(_: &str) -> Option<File> {
        None
    }

    async fn answer(files: Files, request: Request<Body>) -> (StatusCode, HeaderMap, String) {
        let response = routes::<()>(files).with_state(()).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        (
            parts.status,
            parts.headers,
            String::from_utf8(body.to_vec()).unwrap(),
        )
    }

    fn ask(path: &str) -> Request<Body> {
        Request::get(path).body(Body::empty()).unwrap()
    }

    #[tokio::test]
    async fn the_page_is_served_at_the_root() {
        let (status, headers, body) = answer(sample, ask("/")).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(body, "<title>Leadline</title>");
        assert_eq!(headers["content-type"], "text/html; charset=utf-8");
        assert_eq!(headers["cache-control"], "no-cache");
        assert_eq!(headers["etag"], "W/\"abababababababababababababababab\"");
        assert_eq!(headers["x-content-type-options"], "nosniff");
    }

    #[tokio::test]
    async fn nothing_outside_the_origin_may_be_loaded() {
        for (files, path) in [
            (sample as Files, "/"),
            (sample, "/assets/index-4f2a.js"),
            (nothing, "/"),
        ] {
            let (_, headers, _) = answer(files, ask(path)).await;
            let policy = headers["content-security-policy"].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none';"), "{policy}");
            for source in policy
                .split(';')
                .flat_map(|directive| directive.split_whitespace().skip(1))
            {
                assert!(
                    ["'none'", "'self'", "'unsafe-inline'", "data:"].contains(&source),
                    "{source} in {policy}"
                );
            }
            let scripts = policy
                .split("; ")
                .find(|directive| directive.starts_with("script-src"));
            assert_eq!(scripts, Some("script-src 'self'"));
        }
    }

    #[tokio::test]
    async fn assets_have_their_type_and_are_kept_for_ever() {
        for (path, content_type) in [
            ("/assets/index-4f2a.js", "text/javascript; charset=utf-8"),
            ("/assets/index-4f2a.css", "text/css; charset=utf-8"),
            ("/assets/icon-4f2a.svg", "image/svg+xml"),
            ("/assets/signs-4f2a.ttf", "font/ttf"),
        ] {
            let (status, headers, _) = answer(sample, ask(path)).await;
            assert_eq!(status, StatusCode::OK, "{path}");
            assert_eq!(headers["content-type"], content_type, "{path}");
            assert_eq!(
                headers["cache-control"], "public, max-age=31536000, immutable",
                "{path}"
            );
        }
    }

    #[tokio::test]
    async fn an_unknown_asset_is_not_found_and_not_kept() {
        for path in [
            "/assets/index-0000.js",
            "/assets/../index.html",
            "/assets/%2e%2e/index.html",
        ] {
            let (status, headers, body) = answer(sample, ask(path)).await;
            assert_eq!(
                (status, body.as_str()),
                (StatusCode::NOT_FOUND, "no such asset\n"),
                "{path}"
            );
            assert_eq!(headers["cache-control"], "no-store", "{path}");
        }
    }

    #[tokio::test]
    async fn a_known_tag_is_answered_without_the_file() {
        let tag = "W/\"abababababababababababababababab\"";
        for given in [tag, &tag[2..], "*", &format!("\"other\", {tag}")] {
            let request = Request::get("/")
                .header("if-none-match", given)
                .body(Body::empty())
                .unwrap();
            let (status, headers, body) = answer(sample, request).await;
            assert_eq!((status, body.as_str()), (StatusCode::NOT_MODIFIED, ""), "{given}");
            assert_eq!(headers["etag"], tag, "{given}");
        }
        let request = Request::get("/")
            .header("if-none-match", "\"other\"")
            .body(Body::empty())
            .unwrap();
        assert_eq!(answer(sample, request).await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn without_the_page_the_root_says_how_to_add_it() {
        let (status, headers, body) = answer(nothing, ask("/")).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers["content-type"], "text/html; charset=utf-8");
        assert_eq!(headers["cache-control"], "no-store");
        assert!(body.contains("<code>make web</code>"), "{body}");
        assert!(body.contains("<code>/graphql</code>"), "{body}");
        assert_eq!(
            answer(nothing, ask("/assets/index-4f2a.js")).await.0,
            StatusCode::NOT_FOUND
        );
    }

    #[tokio::test]
    async fn what_is_embedded_is_complete() {
        let (status, _, body) = answer(embedded, ask("/")).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(is_built_in(), !body.contains("make web"));
        // Each asset that the page names is in the binary too.
        for part in body.split("\"/assets/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(embedded(&format!("assets/{name}")).is_some(), "{name}");
        }
    }
}
