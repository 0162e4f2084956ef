//! The client against the stand-in, and against what the platform's documentation shows.

mod exchanges;
mod messenger;
mod webhooks;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::DateTime;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use url::Url;

use super::Twilio;
use super::sandbox::number;
use crate::facet::{Content, Inbound, Message, Webhooks as _};
use crate::sandbox::{Cases, Failure, Running, Sandbox, SandboxAnswer, SandboxRequest, Setup, start};
use crate::transport::{Egress, HttpTransport, Policy};
use crate::{Context, Integration as _, ManualClock};

/// The stand-in, running, and a connection to it.
struct Rig {
    running: Running,
    clock: Arc<ManualClock>,
    context: Context,
}

async fn rig() -> Rig {
    rig_with(json!({}), Policy::default()).await
}

/// With more settings.
async fn rig_with(settings: Value, policy: Policy) -> Rig {
    rig_changed(policy, |setup| {
        let (Value::Object(ours), Value::Object(more)) = (&mut setup.settings, settings) else {
            panic!("settings are objects");
        };
        ours.extend(more);
    })
    .await
}

async fn rig_changed(policy: Policy, change: impl FnOnce(&mut Setup)) -> Rig {
    let noon = DateTime::from_timestamp(1_741_953_600, 0).expect("a moment");
    let clock = Arc::new(ManualClock::at(noon));
    let sandbox = Twilio.sandbox(clock.clone());
    let running = start(sandbox, clock.clone()).await.expect("a port");
    let mut setup = running.sandbox().setup(&running.base);
    change(&mut setup);
    let transport = HttpTransport::new(Egress::Anywhere, policy).expect("TLS");
    let context = setup.context(&Twilio, &transport, clock.clone());
    Rig {
        running,
        clock,
        context,
    }
}

impl Rig {
    fn held(&self, name: &str) -> usize {
        self.running.sandbox().holds()[name]
    }

    /// The fields of the last form that was posted.
    fn last_form(&self) -> Vec<(String, String)> {
        let requests = self.running.requests();
        requests.last().expect("a request").form()
    }

    fn posts(&self) -> usize {
        let requests = self.running.requests();
        requests.iter().filter(|request| request.method == "POST").count()
    }
}

fn value<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let (_, value) = form.iter().find(|(key, _)| key == name)?;
    Some(value)
}

fn sms(to: &str, text: &str) -> Message {
    Message {
        id: "m-1".to_owned(),
        from: number(0),
        to: to.to_owned(),
        to_name: None,
        content: Content::Sms {
            text: text.to_owned(),
            media: Vec::new(),
        },
        callback: None,
    }
}

fn with(content: Content) -> Message {
    Message {
        content,
        ..sms("+15550107001", "")
    }
}

fn voice(to: &str) -> Message {
    Message {
        content: Content::Voice {
            text: "Good morning.".to_owned(),
            language: None,
        },
        ..sms(to, "")
    }
}

/// Whoever is told: hands on what comes in, and answers as the platform wants it.
struct Listener(mpsc::UnboundedSender<SandboxRequest>);

#[async_trait]
impl Sandbox for Listener {
    fn setup(&self, _: &Url) -> Setup {
        Setup {
            settings: Value::Null,
            secrets: Value::Null,
            credentials: None,
        }
    }

    async fn answer(&self, request: &SandboxRequest) -> SandboxAnswer {
        let reply = Twilio.reply(&inbound(request));
        // Nobody waits any more once a test is over.
        let _ = self.0.send(request.clone());
        SandboxAnswer::text(reply.status, reply.content_type, reply.body)
    }

    fn failure(&self, _: Failure, _: &SandboxRequest) -> Option<SandboxAnswer> {
        None
    }

    fn holds(&self) -> BTreeMap<&'static str, usize> {
        BTreeMap::new()
    }

    fn cases(&self) -> Cases {
        Cases::default()
    }
}

/// Where webhooks go in a test.
struct Told {
    url: Url,
    requests: mpsc::UnboundedReceiver<SandboxRequest>,
    _running: Running,
}

impl Told {
    async fn new(rig: &Rig) -> Self {
        let (sender, requests) = mpsc::unbounded_channel();
        let running = start(Arc::new(Listener(sender)), rig.clock.clone())
            .await
            .expect("a port");
        let url = running.base.join("hooks/7?tenant=a%20b").expect("an address");
        Self {
            url,
            requests,
            _running: running,
        }
    }

    async fn next(&mut self) -> Inbound {
        let waited = tokio::time::timeout(Duration::from_secs(20), self.requests.recv()).await;
        inbound(&waited.expect("a webhook in time").expect("a webhook"))
    }
}

fn inbound(request: &SandboxRequest) -> Inbound {
    Inbound {
        method: request.method.clone(),
        url: request.url.clone(),
        headers: request.headers.clone(),
        body: request.body.clone(),
        received_at: request.at,
    }
}
