//! What shows that a request is not another site's doing (CSRF).
//!
//! A page of another origin can have a browser send requests with the user's cookies: as long as they are "simple", CORS
//! does not ask the server first. A request is proven not to be of that kind by anything a page of another origin cannot
//! add without being asked about in a preflight, which is refused unless `cors_origins` names it:
//! - `Authorization`: browsers do not add a bearer token by themselves;
//! - a `Content-Type` other than the three of HTML forms (the GraphQL endpoint takes JSON alone for that reason);
//! - one of [`HEADERS`], with any value.
//!
//! `Accept` proves nothing: a page of another origin may set it. Without a cookie there is nothing to abuse.

use axum::http::{HeaderMap, header};

/// Headers that prove by being there; clients send one of them already, or are told to.
pub const HEADERS: &[&str] = &[
    "x-leadline-client",
    "x-requested-with",
    "apollo-require-preflight",
    "x-apollo-operation-name",
];

/// What forms may send without a preflight.
const OF_FORMS: &[&str] = &[
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "text/plain",
];

/// Whether a request is proven not to be another site's doing.
#[must_use]
pub fn is_proven(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION)
        || HEADERS.iter().any(|name| headers.contains_key(*name))
        || headers.get(header::CONTENT_TYPE).is_some_and(|value| {
            let media = value.to_str().unwrap_or_default().split(';').next();
            let media = media.unwrap_or_default().trim();
            !media.is_empty()
                && !OF_FORMS
                    .iter()
                    .any(|of_forms| media.eq_ignore_ascii_case(of_forms))
        })
}

/// Refuses a request with a cookie that is not proven.
///
/// # Errors
/// What to send, for the client.
pub fn check_cookie(headers: &HeaderMap) -> Result<(), String> {
    if headers.contains_key(header::COOKIE) && !is_proven(headers) {
        return Err(format!(
            "this may be the doing of another site: send a header that only your own program can add, one of \
             authorization, {}",
            HEADERS.join(", ")
        ));
    }
    Ok(())
}

/// Refuses a request with a cookie that a page of another origin has had sent, as its `Origin` tells: for what CORS does
/// not hold for. A page is of this origin where `Host` or `public_url` says so, or `others` names it.
///
/// # Errors
/// Which origin it is, for the client.
pub fn check_origin(headers: &HeaderMap, public_url: &str, others: &[String]) -> Result<(), String> {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    if !headers.contains_key(header::COOKIE) {
        return Ok(());
    }
    let origin = origin.to_str().unwrap_or_default();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let of_host = origin.split_once("://").map(|(_, host)| host);
    let own = (of_host.is_some() && of_host == host)
        || url::Url::parse(public_url).is_ok_and(|url| url.origin().ascii_serialization() == origin)
        || others.iter().any(|other| other == origin);
    if own {
        return Ok(());
    }
    Err(format!(
        "the origin `{origin}` may not use the user's cookies here; `cors_origins` names those that may"
    ))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn what_a_page_of_another_origin_can_send_proves_nothing() {
        for pairs in [
            &[][..],
            &[("accept", "application/graphql-response+json")],
            &[("content-type", "text/plain")],
            &[("content-type", "Multipart/Form-Data; boundary=x")],
            &[("content-type", "application/x-www-form-urlencoded")],
            &[("content-type", "")],
            &[("cookie", "session=1"), ("origin", "https://evil.example")],
        ] {
            assert!(!is_proven(&headers(pairs)), "{pairs:?}");
        }
    }

    #[test]
    fn what_it_cannot_send_unasked_proves() {
        for pair in [
            ("authorization", "Bearer x"),
            ("x-leadline-client", "1"),
            ("x-requested-with", "XMLHttpRequest"),
            ("apollo-require-preflight", "true"),
            ("x-apollo-operation-name", "Leads"),
            ("content-type", "application/json"),
            ("content-type", "text/csv"),
        ] {
            assert!(is_proven(&headers(&[pair])), "{pair:?}");
        }
    }

    #[test]
    fn only_a_cookie_needs_a_proof() {
        assert_eq!(check_cookie(&headers(&[("accept", "*/*")])), Ok(()));
        let refused = check_cookie(&headers(&[("cookie", "session=1")]));
        assert!(refused.is_err_and(|message| message.contains("x-leadline-client")));
        assert_eq!(
            check_cookie(&headers(&[("cookie", "session=1"), ("x-leadline-client", "1")])),
            Ok(())
        );
    }

    #[test]
    fn a_page_of_another_origin_may_not_use_cookies() {
        let with = |origin: &'static str| {
            headers(&[("origin", origin), ("cookie", "a=1"), ("host", "10.0.0.1:8080")])
        };
        let others = ["https://crm.example".to_owned()];
        let check = |headers: &HeaderMap| check_origin(headers, "https://leads.example/app", &others);
        for own in [
            "http://10.0.0.1:8080",
            "https://leads.example",
            "https://crm.example",
        ] {
            assert_eq!(check(&with(own)), Ok(()), "{own}");
        }
        for other in [
            "https://evil.example",
            "null",
            "",
            "https://leads.example.evil.example",
        ] {
            assert!(check(&with(other)).is_err(), "{other}");
        }
        assert_eq!(check(&headers(&[("origin", "https://evil.example")])), Ok(()));
        assert_eq!(check(&headers(&[("cookie", "a=1")])), Ok(()));
    }
}
