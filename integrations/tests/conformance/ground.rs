//! A platform with its sandbox running.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use leadline_integrations::sandbox::{Cases, Running, Setup, start};
use leadline_integrations::transport::{Egress, HttpTransport, Policy};
use leadline_integrations::{Clock, Context, Integration, ManualClock, Secret, all};
use serde_json::{Value, json};

use super::guestbook::Guestbook;

/// The longest wait of these tests for an answer.
pub const ANSWER: Duration = Duration::from_millis(600);

/// A platform, its sandbox, and what asks it.
pub struct Ground {
    /// The platform.
    pub integration: Box<dyn Integration>,
    /// Its sandbox.
    pub running: Running,
    /// How it is connected with.
    pub setup: Setup,
    /// A clock on which waiting takes no time.
    pub clock: Arc<ManualClock>,
    transport: HttpTransport,
}

/// All platforms and the example of the guide, each with a sandbox of its own.
pub async fn grounds() -> Vec<Ground> {
    let only = std::env::var("CONFORMANCE_PLATFORM").ok();
    let mut grounds = Vec::new();
    for integration in all().into_iter().chain([Box::new(Guestbook) as _]) {
        if only
            .as_deref()
            .is_none_or(|key| key == integration.manifest().key)
        {
            grounds.push(Ground::of(integration).await);
        }
    }
    assert!(!grounds.is_empty(), "there is no platform {only:?}");
    grounds
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).expect("a moment of 2026")
}

impl Ground {
    /// A platform with its sandbox.
    pub async fn of(integration: Box<dyn Integration>) -> Self {
        let clock = Arc::new(ManualClock::at(now()));
        let sandbox = integration.sandbox(Arc::clone(&clock) as Arc<dyn Clock>);
        let running = start(sandbox, Arc::clone(&clock) as Arc<dyn Clock>)
            .await
            .expect("a port of loopback");
        let mut setup = running.sandbox().setup(&running.base);
        // Models have times of their own.
        if integration.facets().text_generator.is_some() {
            let seconds = ANSWER.as_secs_f64();
            setup.settings["deadlines"] = json!({ "firstTokenSeconds": seconds, "betweenTokensSeconds": seconds, "wholeTextSeconds": 60 });
        }
        let policy = Policy {
            answer: ANSWER,
            piece: ANSWER,
            ..Policy::default()
        };
        let transport = HttpTransport::new(Egress::Anywhere, policy).expect("TLS is compiled in");
        Self {
            integration,
            running,
            setup,
            clock,
            transport,
        }
    }

    /// What a facet gets, in a lane of its own.
    pub fn context(&self) -> Context {
        self.setup.context(
            &*self.integration,
            &self.transport,
            Arc::clone(&self.clock) as Arc<dyn Clock>,
        )
    }

    /// The same with secrets that are not those of the sandbox; `None` where it has none.
    pub fn with_wrong_secrets(&self) -> Option<Context> {
        let mut setup = self.setup.clone();
        let mut changed = false;
        if let Value::Object(secrets) = &mut setup.secrets {
            for value in secrets.values_mut() {
                if let Value::String(text) = value {
                    *value = json!(wrong(text));
                    changed = true;
                }
            }
        }
        if let Some(credentials) = &mut setup.credentials {
            credentials.access_token = Secret::new(wrong(credentials.access_token.expose()));
            changed = true;
        }
        changed.then(|| {
            setup.context(
                &*self.integration,
                &self.transport,
                Arc::clone(&self.clock) as Arc<dyn Clock>,
            )
        })
    }

    /// All secrets of the sandbox's connection.
    pub fn secrets(&self) -> Vec<String> {
        let entered = self.setup.secrets.as_object().into_iter().flatten();
        let entered = entered.filter_map(|(_, value)| value.as_str().map(str::to_owned));
        let token = self
            .setup
            .credentials
            .iter()
            .map(|found| found.access_token.expose().to_owned());
        entered.chain(token).filter(|secret| secret.len() >= 6).collect()
    }

    /// What the suite knows of the sandbox.
    pub fn cases(&self) -> Cases {
        self.running.sandbox().cases()
    }

    /// What it holds.
    pub fn holds(&self) -> BTreeMap<&'static str, usize> {
        self.running.sandbox().holds()
    }
}

/// A secret of the same form that is another one.
fn wrong(text: &str) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let place = letters.iter().rposition(|letter| letter.is_ascii_alphanumeric());
    if let Some(place) = place {
        letters[place] = if letters[place] == '0' { '1' } else { '0' };
    }
    letters.into_iter().collect()
}
