//! The outside platforms of the demonstration: the stand-in of each runs in this process, and the server is connected to it as
//! to the platform itself, over HTTP. A shop is read, leads arrive by webhook, orders become conversions and are told on.

use std::sync::Arc;
use std::time::Duration;

use entity::id::ConnectionId;
use entity::{ConversionKind, HappeningKind, SharedAs, UnknownConsent};
use integrations::SystemClock;
use integrations::platform::shopify::SandboxShop;
use integrations::sandbox::{Running, start};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::fill::expected;
use crate::app::App;
use crate::db::PageRequest;
use crate::error::{Error, Failure};
use crate::identity::Caller;
use crate::platforms::connections::{
    self, ConnectionChange, ConnectionDraft, SecretValues, Sync, SyncRequest, find_sync, register_webhooks,
    start_sync, webhook_address,
};
use crate::platforms::conversions::{self, Rule, SharingChange};

/// What happens at the platforms, over and over: who, and what by the name of its stand-in.
const CYCLE: [(&str, &str); 8] = [
    ("meta", "lead"),
    ("shopify", "order_created"),
    ("shopify", "order_paid"),
    ("shopify", "checkout_abandoned"),
    ("meta", "organic_lead"),
    ("shopify", "customer_created"),
    ("shopify", "order_created"),
    ("shopify", "order_paid"),
];
/// The pause between two of them: at first so long, later so long.
const PAUSES: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(20));
/// How many follow each other quickly at first, so that all there is to see is seen within a minute.
const QUICK: usize = CYCLE.len();
/// How often is looked whether a reading has ended, or a conversion was told.
const LOOK: Duration = Duration::from_millis(200);
/// For how long.
const PATIENCE: Duration = Duration::from_secs(45);

/// A platform's stand-in and the connection to it.
struct Stand {
    key: &'static str,
    connection: ConnectionId,
    running: Running,
}

/// The stand-ins that run, and the connections to them.
pub struct Platforms {
    app: App,
    caller: Caller,
    stands: Vec<Stand>,
    happened: usize,
}

impl Platforms {
    /// Stands up all platforms and connects them; the server answers at `public_url` already. `happened`: how much happened
    /// at them in earlier starts, of [`Self::live`]; it is there again.
    ///
    /// # Errors
    /// When no port can be had; the database's; what a service refuses, as that is a fault of the demonstration.
    pub async fn connect(
        app: &App,
        caller: &Caller,
        public_url: &str,
        happened: usize,
    ) -> Result<Self, Error> {
        let mut stands = Vec::new();
        for integration in app.platforms().registry.iter() {
            let manifest = integration.manifest();
            let sandbox = match manifest.key {
                "shopify" => SandboxShop::with(80, 140, 24, 9).sandbox(Arc::new(SystemClock)),
                _ => integration.sandbox(Arc::new(SystemClock)),
            };
            for (_, what) in CYCLE
                .iter()
                .cycle()
                .take(happened)
                .filter(|(key, _)| *key == manifest.key)
            {
                sandbox.happen(what);
            }
            let running = start(sandbox, Arc::new(SystemClock))
                .await
                .map_err(Error::internal)?;
            let name = format!("{} (sandbox)", manifest.name);
            let connection = connected(app, caller, manifest.key, &name, &running).await?;
            if integration.facets().webhooks.is_some() {
                let registered = register_webhooks(app, caller, public_url, connection).await;
                expected("registration of webhooks", manifest.key, registered)?;
                if let Some(url) = webhook_address(public_url, connection) {
                    running.sandbox().point_webhooks(&url);
                }
            }
            if integration.facets().conversion_sink.is_some() {
                share(app, caller, connection).await?;
            }
            stands.push(Stand {
                key: manifest.key,
                connection,
                running,
            });
        }
        Ok(Self {
            app: app.clone(),
            caller: caller.clone(),
            stands,
            happened,
        })
    }

    /// Reads the shop, then lets things happen at the platforms until cancelled. `told` hears in words what came of the first
    /// ones, and how much has happened.
    pub async fn live(mut self, mut told: impl FnMut(Option<String>, usize), stop: CancellationToken) {
        let living = async {
            match self.read_the_shop().await {
                Ok(Some(words)) => told(Some(words), self.happened),
                Ok(None) => {}
                Err(error) => tracing::warn!(?error, "the shop of the demonstration could not be read"),
            }
            for n in 0.. {
                let words = self.let_happen().await;
                told(words.filter(|_| n < QUICK), self.happened);
                tokio::time::sleep(if n < QUICK { PAUSES.0 } else { PAUSES.1 }).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = living => {}
        }
    }

    fn stand(&self, key: &str) -> Option<&Stand> {
        self.stands.iter().find(|stand| stand.key == key)
    }

    async fn read_the_shop(&self) -> Result<Option<String>, Error> {
        let Some(shop) = self.stand("shopify") else {
            return Ok(None);
        };
        let request = SyncRequest {
            connection: shop.connection,
            kinds: Vec::new(),
            is_full: false,
        };
        let id = match start_sync(&self.app, &self.caller, request, None).await {
            Ok(started) => started.sync.id,
            // One goes on since the last start.
            Err(Failure::Problems(_)) => return Ok(None),
            Err(Failure::Error(error)) => return Err(error),
        };
        let mut waited = Duration::ZERO;
        while waited < PATIENCE {
            let read = find_sync(&self.app, &self.caller, id).await?;
            if let Some(read) = read.filter(|read| read.ended_at.is_some()) {
                return Ok(Some(in_words(&read)));
            }
            tokio::time::sleep(LOOK).await;
            waited += LOOK;
        }
        Ok(None)
    }

    /// The next of what happens; says what came of it.
    async fn let_happen(&mut self) -> Option<String> {
        let (key, what) = CYCLE[self.happened % CYCLE.len()];
        self.happened += 1;
        let stand = self.stand(key)?;
        let sink = self.stands.iter().find(|stand| {
            let integration = self.app.platforms().registry.get(stand.key);
            integration.is_some_and(|integration| integration.facets().conversion_sink.is_some())
        });
        let before = sink.map_or(0, arrived);
        let delivered = stand.running.happen(what).await;
        let status = delivered.first()?.status?;
        let event = what.replace('_', " ");
        let said = format!("{key}: {event}, told by webhook (answered {status})");
        if what != "order_paid" {
            return Some(said);
        }
        let sink = sink?;
        let mut waited = Duration::ZERO;
        while waited < PATIENCE {
            if arrived(sink) > before {
                return Some(format!("{said}; its conversion has arrived at {}", sink.key));
            }
            tokio::time::sleep(LOOK).await;
            waited += LOOK;
        }
        Some(said)
    }
}

impl std::fmt::Debug for Platforms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.stands.iter().map(|stand| stand.key))
            .finish()
    }
}

fn arrived(stand: &Stand) -> usize {
    let sandbox = stand.running.sandbox();
    let counted = sandbox.cases().conversion_sink.map(|case| case.events);
    counted
        .and_then(|name| sandbox.holds().get(name).copied())
        .unwrap_or_default()
}

fn in_words(read: &Sync) -> String {
    let counts: Value = serde_json::from_str(&read.counts).unwrap_or_default();
    let of = |kind: &str| -> i64 {
        ["created", "updated", "unchanged"]
            .iter()
            .filter_map(|what| counts[format!("{kind}.{what}")].as_i64())
            .sum()
    };
    format!(
        "shopify: the shop was read: {} customers, {} products, {} orders, {} abandoned checkouts",
        of("customers"),
        of("products"),
        of("orders"),
        of("abandoned_checkouts")
    )
}

/// The connection to a stand-in: made, or that of an earlier start at its new address.
async fn connected(
    app: &App,
    caller: &Caller,
    key: &'static str,
    name: &str,
    running: &Running,
) -> Result<ConnectionId, Error> {
    let setup = running.sandbox().setup(&running.base);
    let mut secrets = match setup.secrets {
        Value::Object(secrets) => secrets,
        _ => serde_json::Map::new(),
    };
    if let Some(credentials) = setup.credentials {
        // The owner has consented already.
        secrets
            .entry("accessToken")
            .or_insert_with(|| json!(credentials.access_token.expose()));
    }
    let page = PageRequest::first(100);
    let known = connections::list(app, caller, Some(key), &page).await?;
    if let Some(row) = known.items.into_iter().find(|row| row.name == name) {
        let change = ConnectionChange {
            settings: Some(setup.settings),
            secrets: Some(SecretValues(secrets)),
            ..ConnectionChange::default()
        };
        return Ok(expected(
            "connection",
            key,
            connections::update(app, caller, row.id, change).await,
        )?
        .id);
    }
    let draft = ConnectionDraft {
        platform: key.to_owned(),
        name: name.to_owned(),
        settings: setup.settings,
        secrets: SecretValues(secrets),
        mapping: None,
        sync_every_seconds: None,
    };
    Ok(expected(
        "connection",
        key,
        connections::create(app, caller, draft, None).await,
    )?
    .id)
}

/// Purchases are told. Nobody asked made-up people for their consent.
async fn share(app: &App, caller: &Caller, connection: ConnectionId) -> Result<(), Error> {
    let rule = Rule {
        happening: HappeningKind::Conversion,
        conversion_kind: Some(ConversionKind::Purchase),
        conversion_name: None,
        stage: None,
        shared_as: SharedAs::Purchase,
        name: None,
    };
    let change = SharingChange {
        is_enabled: Some(true),
        rules: Some(vec![rule]),
        unknown_consent: Some(UnknownConsent::NotRequired),
        ..SharingChange::default()
    };
    let shared = conversions::update(app, caller, connection, change).await;
    expected("sharing of conversions", "", shared).map(drop)
}
