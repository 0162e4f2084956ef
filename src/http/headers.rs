//! Headers of every answer that have browsers keep it from harm.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// What an answer may do that brings no policy of its own: nothing.
const POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What no page of this origin needs.
const PERMISSIONS: &str = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()";

/// A year, as browsers want it: once they came by TLS, they do so from then on.
const TRANSPORT: &str = "max-age=31536000";

/// Adds what is missing. `tls`: others reach the server by `https`.
pub(super) fn protect(headers: &mut HeaderMap, tls: bool) {
    let mut add = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    add(header::CONTENT_SECURITY_POLICY, POLICY);
    add(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    add(header::X_FRAME_OPTIONS, "DENY");
    add(header::REFERRER_POLICY, "no-referrer");
    add(HeaderName::from_static("permissions-policy"), PERMISSIONS);
    add(
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    );
    // Answers to CORS are not meant by it.
    add(
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    );
    if tls {
        add(header::STRICT_TRANSPORT_SECURITY, TRANSPORT);
    }
}
