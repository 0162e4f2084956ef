//! The way to a platform: the network, or whatever stands in for it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::{HeaderMap, Method, StatusCode};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::egress::Egress;

/// Carries one request and brings the answer.
#[async_trait]
pub trait Wire: Send + Sync {
    /// Sends a request; answers as soon as the head of the answer is there.
    ///
    /// # Errors
    /// What broke on the way.
    async fn send(&self, request: Outgoing) -> Result<Incoming, WireFault>;
}

/// A request, ready to go.
#[derive(Clone)]
pub struct Outgoing {
    /// `GET`, `POST`, …
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its bytes.
    pub body: Bytes,
}

/// An answer, its body still on the way.
pub struct Incoming {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its bytes, piece by piece.
    pub body: Pin<Box<dyn Stream<Item = Result<Bytes, WireFault>> + Send>>,
}

/// What broke on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WireFault {
    /// No connection came about: nothing was sent.
    Unreachable(String),
    /// The address is not to be connected to.
    Private,
    /// The connection broke; what was sent may have arrived.
    Cut(String),
}

/// The network.
pub struct ReqwestWire {
    client: reqwest::Client,
    egress: Egress,
}

impl ReqwestWire {
    /// HTTP over TLS, to where `egress` allows. Redirects are not followed: no platform has one in its API, and who
    /// answers with one would otherwise learn the credentials.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(egress: Egress) -> reqwest::Result<Self> {
        tls();
        let client = reqwest::Client::builder()
            .user_agent(concat!("Leadline/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .pool_idle_timeout(Duration::from_secs(60))
            .no_proxy()
            .dns_resolver(Arc::new(Resolver(egress)))
            .build()?;
        Ok(Self { client, egress })
    }
}

#[async_trait]
impl Wire for ReqwestWire {
    async fn send(&self, request: Outgoing) -> Result<Incoming, WireFault> {
        let Outgoing {
            method,
            url,
            headers,
            body,
        } = request;
        // A host that is an address already is never resolved.
        let address = match url.host() {
            Some(Host::Ipv4(v4)) => Some(v4.into()),
            Some(Host::Ipv6(v6)) => Some(v6.into()),
            _ => None,
        };
        if address.is_some_and(|address| !self.egress.allows(address)) {
            return Err(WireFault::Private);
        }
        let sent = self.client.request(method, url).headers(headers).body(body);
        let answer = sent.send().await.map_err(fault)?;
        Ok(Incoming {
            status: answer.status(),
            headers: answer.headers().clone(),
            body: Box::pin(answer.bytes_stream().map(|piece| piece.map_err(fault))),
        })
    }
}

/// Makes ring the process's cryptography for TLS, unless another is chosen already.
pub(crate) fn tls() {
    // An error says that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn fault(error: reqwest::Error) -> WireFault {
    // The address may hold what is not for a log.
    let error = error.without_url();
    let mut causes = Vec::new();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(error) = cause {
        if error.is::<NotAllowed>() {
            return WireFault::Private;
        }
        causes.push(error.to_string());
        cause = error.source();
    }
    let text = causes.join(": ");
    if error.is_connect() || error.is_builder() {
        WireFault::Unreachable(text)
    } else {
        WireFault::Cut(text)
    }
}

/// Gives only addresses that may be connected to; what was looked at is what is connected to.
struct Resolver(Egress);

#[derive(Debug, thiserror::Error)]
#[error("an address of a private network")]
struct NotAllowed;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let egress = self.0;
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<_> = found
                .iter()
                .copied()
                .filter(|address| egress.allows(address.ip()))
                .collect();
            if allowed.is_empty() && !found.is_empty() {
                return Err(NotAllowed.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}
