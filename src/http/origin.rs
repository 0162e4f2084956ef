//! Where a request comes from, and the cookies that it brings.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use ipnet::IpNet;
use url::Url;

use super::gateway::RequestId;
use super::preflight;
use crate::origin::Origin;

/// What the server knows of its surroundings.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Reverse proxies whose word on where a request comes from is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// The origin (scheme, host, port) under which others reach the server.
    pub own_origin: String,
    /// Other origins whose pages may call; `*` stands for all.
    pub cors_origins: Vec<String>,
    /// Whether the server is reached on loopback, where browsers take cookies without encryption.
    pub on_loopback: bool,
}

impl Surroundings {
    /// From the settings.
    #[must_use]
    pub fn new(public_url: &str, cors_origins: &[String], trusted_proxies: &[IpNet]) -> Self {
        let url = Url::parse(public_url).ok();
        let on_loopback = url.as_ref().and_then(Url::host).is_some_and(|host| match host {
            url::Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
            url::Host::Ipv4(ip) => ip.is_loopback(),
            url::Host::Ipv6(ip) => ip.is_loopback(),
        });
        Self {
            trusted_proxies: trusted_proxies.to_vec(),
            own_origin: url
                .map(|url| url.origin().ascii_serialization())
                .unwrap_or_default(),
            cors_origins: cors_origins.to_vec(),
            on_loopback,
        }
    }

    /// Where a request comes from.
    #[must_use]
    pub fn origin(&self, parts: &Parts) -> Arc<Origin> {
        let peer = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|info| info.0.ip().to_canonical());
        let user_agent = parts
            .headers
            .get(header::USER_AGENT)
            .and_then(|value| value.to_str().ok());
        let id = RequestId::from_headers(&parts.headers);
        let page = parts
            .headers
            .get(header::ORIGIN)
            .and_then(|value| value.to_str().ok());
        let address = peer.map(|peer| self.client(peer, &parts.headers));
        Arc::new(Origin::new(address, user_agent, id.as_str()).of_page(page))
    }

    /// The client behind trusted proxies: of `X-Forwarded-For`, read from the right, the first that is none of them. What
    /// stands further left is the client's own word.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let is_trusted = |address: &IpAddr| {
            self.trusted_proxies
                .iter()
                .any(|network| network.contains(address))
        };
        if !is_trusted(&peer) {
            return peer;
        }
        // Each by itself: what a client put before its proxy's word may be anything.
        let forwarded: Vec<&[u8]> = headers
            .get_all("x-forwarded-for")
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .collect();
        let mut client = peer;
        for address in forwarded.into_iter().rev() {
            let Some(address) = address_of(address) else { break };
            client = address;
            if !is_trusted(&address) {
                break;
            }
        }
        client
    }

    /// Whether a request with cookies may come from the page that it names: a page of this server, or of an origin of the
    /// settings. `None`: it names none.
    #[must_use]
    pub fn is_own_page(&self, headers: &HeaderMap) -> Option<bool> {
        headers.get(header::ORIGIN)?;
        Some(preflight::check_origin(headers, &self.own_origin, &self.cors_origins).is_ok())
    }
}

/// The address in a piece of `X-Forwarded-For`; some proxies write the port, too.
fn address_of(piece: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(piece).ok()?.trim();
    let address = text
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()))
        .or_else(|_| text.trim_start_matches('[').trim_end_matches(']').parse());
    address.ok().map(|address| address.to_canonical())
}

/// The value of a cookie.
#[must_use]
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value)
        .filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn surroundings(proxies: &str) -> Surroundings {
        let proxies: Vec<IpNet> = proxies
            .split_whitespace()
            .map(|network| network.parse().expect("a network"))
            .collect();
        Surroundings::new(
            "https://leads.example.com",
            &["https://app.example.com".to_owned()],
            &proxies,
        )
    }

    fn client(proxies: &str, peer: &str, forwarded: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(
            "x-forwarded-for",
            HeaderValue::from_bytes(forwarded.as_bytes()).expect("a value"),
        );
        let peer = peer.parse().expect("an address");
        surroundings(proxies).client(peer, &headers).to_string()
    }

    #[test]
    fn a_proxy_is_believed_when_it_is_trusted() {
        assert_eq!(client("", "192.0.2.1", "198.51.100.7"), "192.0.2.1");
        assert_eq!(client("10.0.0.0/8", "10.0.0.2", "198.51.100.7"), "198.51.100.7");
        assert_eq!(client("10.0.0.0/8", "192.0.2.1", "198.51.100.7"), "192.0.2.1");
        // What the client wrote itself stands to the left.
        assert_eq!(
            client("10.0.0.0/8", "10.0.0.2", "203.0.113.9, 198.51.100.7, 10.0.0.3"),
            "198.51.100.7"
        );
        assert_eq!(client("10.0.0.0/8", "10.0.0.2", "nonsense"), "10.0.0.2");
        assert_eq!(
            client("10.0.0.0/8", "10.0.0.2", "\u{e9}, 198.51.100.7"),
            "198.51.100.7",
            "whatever the client wrote before"
        );
        for written in [
            "198.51.100.7:4711",
            "::ffff:198.51.100.7",
            "[::ffff:198.51.100.7]:4711",
        ] {
            assert_eq!(
                client("10.0.0.0/8", "10.0.0.2", written),
                "198.51.100.7",
                "{written}"
            );
        }
        assert_eq!(client("10.0.0.0/8", "10.0.0.2", "[2001:db8::1]"), "2001:db8::1");
    }

    #[test]
    fn only_own_pages_bring_cookies() {
        let of = |origin: &str, host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_static("leadline_access=x"));
            headers.insert(header::ORIGIN, HeaderValue::from_str(origin).expect("a value"));
            headers.insert(header::HOST, HeaderValue::from_str(host).expect("a value"));
            surroundings("").is_own_page(&headers)
        };
        assert_eq!(of("https://leads.example.com", "x"), Some(true));
        assert_eq!(of("https://app.example.com", "x"), Some(true));
        assert_eq!(of("http://127.0.0.1:8080", "127.0.0.1:8080"), Some(true));
        assert_eq!(of("https://evil.example.com", "leads.example.com"), Some(false));
        assert_eq!(of("null", "leads.example.com"), Some(false));
        assert_eq!(surroundings("").is_own_page(&HeaderMap::new()), None);
    }

    #[test]
    fn cookies_are_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(
            header::COOKIE,
            HeaderValue::from_static("a=1; leadline_access=x.y=z"),
        );
        headers.append(header::COOKIE, HeaderValue::from_static("leadline_refresh="));
        assert_eq!(cookie(&headers, "leadline_access"), Some("x.y=z"));
        assert_eq!(cookie(&headers, "leadline_refresh"), None);
        assert_eq!(cookie(&headers, "b"), None);
    }
}
