//! HTTP to the platforms. Retry, throttle, time-outs, tracing, metrics and the striking-out of secrets are written here, once;
//! a platform only says how its answers are to be read ([`Judge`]).

mod egress;
mod pace;
mod recording;
mod request;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;

pub use self::egress::Egress;
pub use self::pace::{Lane, Pace};
pub use self::recording::Recording;
pub(crate) use self::request::too_late;
pub use self::request::{Answer, AnswerStream, Judge, Request, StatusJudge, by_status, retry_after};
pub(crate) use self::wire::tls;
pub use self::wire::{Incoming, Outgoing, ReqwestWire, Wire, WireFault};
use crate::{Clock, Error, Kind, Result, Secrets};

/// How long to wait for what, and how often to try.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// For an answer as a whole.
    pub answer: Duration,
    /// For the next piece of an answer that is streamed.
    pub piece: Duration,
    /// How often a request is tried in all.
    pub attempts: u32,
    /// The first wait between two tries; doubled each time, with jitter.
    pub first_wait: Duration,
    /// What is waited at most, here; whoever is told to wait longer gets the error with the time in it.
    pub longest_wait: Duration,
    /// What is sent later than this after it was asked for is not sent: whoever asks must look again whether it still may go.
    /// It ends with [`Kind::Throttled`]. No limit without one.
    pub patience: Option<Duration>,
    /// How many bytes of an answer are read, streams apart.
    pub largest_answer: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(30),
            piece: Duration::from_secs(120),
            attempts: 4,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(60),
            patience: None,
            largest_answer: 32 << 20,
        }
    }
}

/// HTTP of a process, to all platforms.
#[derive(Clone)]
pub struct HttpTransport {
    wire: Arc<dyn Wire>,
    egress: Egress,
    policy: Policy,
}

impl HttpTransport {
    /// HTTP over the network.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(egress: Egress, policy: Policy) -> Result<Self> {
        let wire = ReqwestWire::new(egress)
            .map_err(|error| Error::new(Kind::Unreachable, format!("HTTP cannot be set up: {error}")))?;
        Ok(Self {
            wire: Arc::new(wire),
            egress,
            policy,
        })
    }

    /// HTTP over something else, e.g. a [`Recording`].
    #[must_use]
    pub fn over(wire: Arc<dyn Wire>, policy: Policy) -> Self {
        Self {
            wire,
            egress: Egress::Anywhere,
            policy,
        }
    }

    /// HTTP for one connection, in its lane.
    #[must_use]
    pub fn connection(
        &self,
        platform: &'static str,
        lane: Arc<Lane>,
        secrets: Secrets,
        clock: Arc<dyn Clock>,
    ) -> Http {
        Http(Arc::new(Inner {
            transport: self.clone(),
            platform,
            lane,
            secrets,
            clock,
        }))
    }
}

impl std::fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpTransport")
            .field("egress", &self.egress)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// HTTP of one connection.
#[derive(Clone)]
pub struct Http(Arc<Inner>);

struct Inner {
    transport: HttpTransport,
    platform: &'static str,
    lane: Arc<Lane>,
    secrets: Secrets,
    clock: Arc<dyn Clock>,
}

impl Http {
    /// A request. It is an error of its own, told when it is sent, when the address is none.
    pub fn request(&self, method: Method, url: &str) -> Request {
        Request::new(Arc::clone(&self.0), method, url)
    }

    /// A `GET`.
    pub fn get(&self, url: &str) -> Request {
        self.request(Method::GET, url)
    }

    /// A `POST`.
    pub fn post(&self, url: &str) -> Request {
        self.request(Method::POST, url)
    }

    /// Whether a host may be connected to by other means than HTTP, by the rule for HTTP.
    ///
    /// # Errors
    /// [`Kind::Settings`] when it may not, [`Kind::Unreachable`] when it has no address.
    pub async fn may_connect(&self, host: &str, port: u16) -> Result<()> {
        self.0.transport.egress.check(host, port).await
    }

    /// The addresses of a host that is to be connected to by other means than HTTP. Connect to these, and not to the name: it
    /// may have others by then.
    ///
    /// # Errors
    /// As [`Self::may_connect`].
    pub async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>> {
        self.0.transport.egress.addresses(host, port).await
    }

    /// The same, for what must go within so long after it was asked for, or not at all: see [`Policy::patience`].
    #[must_use]
    pub fn patient_for(&self, time: Duration) -> Self {
        let Inner {
            transport,
            platform,
            lane,
            secrets,
            clock,
        } = &*self.0;
        let mut transport = transport.clone();
        transport.policy.patience = Some(time);
        transport.connection(platform, Arc::clone(lane), secrets.clone(), Arc::clone(clock))
    }

    /// Counts what was asked by other means than HTTP, as requests are counted: what came of it (`OK` or [`Kind::name`]) and
    /// when it began.
    pub fn count(&self, outcome: &'static str, begun: Instant) {
        let platform = self.0.platform;
        metrics::counter!("leadline_platform_requests_total", "platform" => platform, "outcome" => outcome)
            .increment(1);
        metrics::histogram!("leadline_platform_request_seconds", "platform" => platform)
            .record(begun.elapsed().as_secs_f64());
    }

    /// Strikes the connection's secrets out of a text.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.0.secrets.redact(text, [])
    }

    /// How long to wait for what.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.0.transport.policy
    }
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http")
            .field("platform", &self.0.platform)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
