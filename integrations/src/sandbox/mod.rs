//! Stand-ins of the platforms: small servers on loopback that answer as the platform does, with data of their own. They are
//! written from what is known of the platform, not from the code that asks it, so that both can be held against each
//! other; the demo connects to them, so that everything can be tried without an account.

mod cases;
mod faults;
mod message;
mod server;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use tokio::net::TcpStream;
use url::Url;

pub use self::cases::{
    AdReportingCase, AudienceSinkCase, Cases, CommerceCase, ConversionSinkCase, LeadSourceCase,
    MessengerCase, TextGeneratorCase, WebhooksCase,
};
pub use self::faults::{Failure, Faults};
pub use self::message::{Delivery, LongAnswer, SandboxAnswer, SandboxRequest};
pub use self::server::{Delivered, Running, start, start_on};
use crate::transport::{HttpTransport, Lane};
use crate::{Clock, Context, Credentials, Integration, Secret, Secrets, Settings, StaticToken};

/// A stand-in of a platform.
#[async_trait]
pub trait Sandbox: Send + Sync + 'static {
    /// How a connection to it is set up, when it is to be reached at an address.
    fn setup(&self, base: &Url) -> Setup;

    /// Answers as the platform does.
    async fn answer(&self, request: &SandboxRequest) -> SandboxAnswer;

    /// The answer to a request for what is too large to be held: its pieces are made while they are sent. It is asked for
    /// before [`answer`](Self::answer); `None` for all requests that are answered there.
    fn long_answer(&self, request: &SandboxRequest) -> Option<LongAnswer> {
        let _ = request;
        None
    }

    /// Fails as the platform fails; `None` where it has no such failure. Cuts, slow and unreadable answers are done by the
    /// server and not asked for here.
    fn failure(&self, failure: Failure, request: &SandboxRequest) -> Option<SandboxAnswer>;

    /// How many of what it holds, by name: a test sees here that something arrived, and that twice was as once.
    fn holds(&self) -> BTreeMap<&'static str, usize>;

    /// What the conformance suite needs to know of it.
    fn cases(&self) -> Cases;

    /// What the owner does in the platform's own pages: webhooks go to this address from now on.
    fn point_webhooks(&self, url: &Url) {
        let _ = url;
    }

    /// What can happen at the platform by itself.
    fn happenings(&self) -> &'static [&'static str] {
        &[]
    }

    /// Lets one of [`happenings`](Self::happenings) happen; gives the webhooks that the platform sends for it.
    fn happen(&self, what: &str) -> Vec<Delivery> {
        let _ = what;
        Vec::new()
    }

    /// Where it speaks another protocol than HTTP.
    fn protocol(&self) -> Option<&dyn Protocol> {
        None
    }
}

/// Another protocol than HTTP.
#[async_trait]
pub trait Protocol: Send + Sync {
    /// Speaks it on one connection until that ends.
    async fn speak(&self, stream: TcpStream, faults: &Faults);
}

/// How a connection is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// By the manifest's form of settings.
    pub settings: Value,
    /// By its form of secrets.
    pub secrets: Value,
    /// Where the owner has consented already.
    pub credentials: Option<Credentials>,
}

impl Setup {
    /// What a facet gets for this connection, in a lane of its own. The access token is that of the credentials, if any.
    #[must_use]
    pub fn context(
        &self,
        platform: &dyn Integration,
        transport: &HttpTransport,
        clock: Arc<dyn Clock>,
    ) -> Context {
        let entered = match &self.secrets {
            Value::Object(fields) => fields
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), Secret::new(value.as_str()?))))
                .collect(),
            _ => BTreeMap::new(),
        };
        let token = self
            .credentials
            .as_ref()
            .map(|credentials| credentials.access_token.clone());
        let secrets = Secrets::new(entered, Arc::new(StaticToken(token)));
        Context {
            http: transport.connection(
                platform.manifest().key,
                Lane::new(4),
                secrets.clone(),
                Arc::clone(&clock),
            ),
            secrets,
            settings: Settings::new(self.settings.clone()),
            clock,
        }
    }
}
