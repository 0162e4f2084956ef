//! Puts everything together and runs it: database, event log, handlers, jobs, upkeep, HTTP.

mod upkeep;

use self::upkeep::Upkeep;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::{App, Platforms, Storage};
use crate::clock::Clock;
use crate::config::{Settings, SettingsError};
use crate::db::{Db, DbOptions, OpenError, deployment_id};
use crate::events::{Announcer, Handler, HandlerRunner, follow_nats};
use crate::http::access::ServerGateway;
use crate::http::intake::Intake;
use crate::http::listen;
use crate::http::origin::Surroundings;
use crate::http::server::{self, Sockets};
use crate::identity::mail::MailSender;
use crate::identity::token::Usage;
use crate::insight::analytics::{ReportRebuild, ReportUpkeep, ReportsHandler};
use crate::insight::attribution::{AttributionHandler, Recompute, RecomputeChore};
use crate::insight::engagement;
use crate::insight::journeys::JourneysHandler;
use crate::insight::lifecycle::LifecycleHandler;
use crate::insight::revenue;
use crate::insight::scoring::{BacktestKind, RecalculateKind, ScoreScales, ScoreUpkeep, ScoringHandler};
use crate::jobs::{JobKind, JobRegistry, Worker};
use crate::leads::custom_fields;
use crate::leads::import::{ImportJob, ImportKind, LeadSink};
use crate::leads::visible::read_scores_by;
use crate::media::files::UploadSweep;
use crate::outreach::delivery::{
    Inquiries, MendedConnections, MessageConsumer, MessageErasure, Outbox, StraySweep,
};
use crate::platforms::advertising::AdConsumer;
use crate::platforms::audiences::{AudienceJob, AudienceSchedule, AudienceSweep, AudienceWatch};
use crate::platforms::commerce::{CommerceConsumer, CommerceErasure, FarewellHandler, FarewellTeller};
use crate::platforms::connections::{
    ConnectionSweep, Consumers, LaneWork, Lanes, SyncJob, SyncSchedule, WebhookIntake, WebhookProcessor,
};
use crate::platforms::conversions::{BackfillJob, ConversionHandler, ConversionSender, ConversionSweep};
use crate::platforms::sourcing::LeadConsumer;
use crate::platforms::text_generation::{TextCosts, TextUpkeep};
use crate::telemetry::Metrics;
use crate::vault::CheckError;

/// What keeps derived state up to date with the event log, in every process that works.
#[must_use]
pub fn handlers() -> Vec<Arc<dyn Handler>> {
    vec![
        Arc::new(LifecycleHandler),
        Arc::new(ScoringHandler::default()),
        Arc::new(engagement::Erasure),
        Arc::new(revenue::ConversionErasure),
        Arc::new(revenue::DealErasure),
        Arc::new(JourneysHandler),
        Arc::new(AttributionHandler),
        Arc::new(ReportsHandler::default()),
        Arc::new(CommerceErasure),
        Arc::new(FarewellHandler),
        Arc::new(AudienceWatch),
        Arc::new(ConversionHandler),
        Arc::new(MessageErasure),
        Arc::new(MendedConnections),
    ]
}

/// The rooms that take what outside platforms hold and tell.
#[must_use]
pub fn consumers() -> Consumers {
    Consumers::new(vec![
        Arc::new(LeadConsumer),
        Arc::new(CommerceConsumer),
        Arc::new(AdConsumer),
        Arc::new(MessageConsumer),
    ])
}

/// The background work that a process can do: kinds of jobs, chores.
/// `event_days`, `audit_days`: how long the event log and the audit log are kept.
#[must_use]
pub fn jobs(event_days: u32, audit_days: u32) -> JobRegistry {
    let mut jobs = JobRegistry::default();
    jobs.add_chore(Upkeep {
        event_days,
        audit_days,
    })
    .add_chore(UploadSweep);
    jobs.add(RecalculateKind::default())
        .add(BacktestKind)
        .add_chore(ScoreUpkeep::default());
    jobs.add(ImportJob::new(ImportKind::Leads, LeadSink))
        .add(ImportJob::new(
            ImportKind::Engagements,
            engagement::EngagementSink,
        ))
        .add(ImportJob::new(ImportKind::Conversions, revenue::ConversionSink))
        .add(ImportJob::new(ImportKind::Costs, revenue::CostSink))
        .add(ImportJob::new(ImportKind::Rates, revenue::RateSink));
    jobs.add(revenue::Revaluation)
        .add(revenue::LifetimeFit)
        .add_chore(revenue::LifetimeChore)
        .add(Recompute)
        .add_chore(RecomputeChore)
        .add(ReportRebuild::default())
        .add_chore(ReportUpkeep::default());
    jobs.add_chore(MailSender::default());
    jobs.add(SyncJob::new(consumers()))
        .add_chore(SyncSchedule)
        .add_chore(ConnectionSweep);
    jobs.add(AudienceJob)
        .add_chore(AudienceSchedule)
        .add_chore(AudienceSweep);
    jobs.add(BackfillJob)
        .add_chore(ConversionSweep)
        .add_chore(StraySweep);
    jobs.add_chore(TextUpkeep);
    jobs.add_chore(TextCosts);
    jobs
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    /// Answers requests.
    pub serve: bool,
    /// Runs handlers, jobs and upkeep.
    pub work: bool,
}

/// Why a process could not start; each says how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// The vault.
    #[error("secrets of the database cannot be read: {0}")]
    Vault(#[from] CheckError),
    /// A file or something else that a setting names.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A platform that is switched off and unknown.
    #[error("setting `platforms_off`: {0}")]
    Platform(#[from] integrations::UnknownKey),
    /// The address to listen on.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address of the settings.
        address: SocketAddr,
        /// Why, in words.
        reason: String,
        /// How to mend it.
        hint: &'static str,
    },
}

impl StartError {
    /// How to mend it.
    #[must_use]
    pub fn hint(&self) -> &str {
        match self {
            Self::Settings(error) => error.hint(),
            Self::Database(error) => error.hint(),
            Self::Vault(_) => "see `master_key_file` in docs/settings.md",
            Self::Platform(_) => "`leadline integrations list` shows all platforms",
            Self::Listen { hint, .. } => hint,
        }
    }
}

/// Opens the database of the settings; creates an SQLite file that is not there. The schema is left as it is.
///
/// # Errors
/// See [`OpenError`].
pub async fn open(settings: &Settings) -> Result<Db, OpenError> {
    Db::open(&DbOptions {
        replica_url: settings
            .database_replica_url
            .as_ref()
            .map(|url| url.expose().to_owned()),
        max_connections: settings.database_max_connections,
        ..DbOptions::new(settings.database_url.expose())
    })
    .await
}

fn storage(settings: &Settings) -> Storage {
    Storage {
        data_dir: settings.data_dir.clone(),
        upload_max_bytes: settings.upload_max_bytes,
    }
}

/// The application over the database of the settings, its schema up to date; nothing runs.
/// For commands that do one thing.
///
/// # Errors
/// See [`OpenError`].
pub async fn app(settings: &Settings) -> Result<App, OpenError> {
    let db = open(settings).await?;
    db.migrate().await?;
    // A key that is misspelt is told by the server; a command that needs none is not to fail for it.
    let platforms = Platforms::new(&settings.platforms).unwrap_or_default();
    Ok(App::with_storage(db, Clock::system(), storage(settings))
        .in_region(settings.default_region)
        .with_access(settings.access.clone())
        .with_platforms(platforms))
}

/// What to run; [`Self::start`] runs it.
pub struct Plan<'a> {
    settings: &'a Settings,
    role: Role,
    clock: Clock,
    handlers: Vec<Arc<dyn Handler>>,
    jobs: JobRegistry,
}

impl<'a> Plan<'a> {
    /// What the settings and the role say, with the machine's clock and all [`handlers`].
    #[must_use]
    pub fn new(settings: &'a Settings, role: Role) -> Self {
        Self {
            settings,
            role,
            clock: Clock::system(),
            handlers: handlers(),
            jobs: jobs(settings.event_retention_days, settings.audit_retention_days),
        }
    }

    /// With another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// With one handler more.
    #[must_use]
    pub fn with_handler(mut self, handler: Arc<dyn Handler>) -> Self {
        self.handlers.push(handler);
        self
    }

    /// With one kind of jobs more.
    #[must_use]
    pub fn with_job(mut self, kind: impl JobKind) -> Self {
        self.jobs.add(kind);
        self
    }

    /// Listens, opens and migrates the database, and starts what the role does. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(self) -> Result<Running, StartError> {
        let Self {
            settings,
            role,
            clock,
            handlers,
            jobs,
        } = self;
        // Before the database is touched: a second server on the same port must leave it alone.
        let listener = if role.serve {
            let intake = Intake::new(&settings.graphql)?;
            Some((listen(settings.listen).await?, intake))
        } else {
            None
        };
        let platforms = Platforms::new(&settings.platforms)?;
        let db = open(settings).await?;
        db.migrate().await?;
        let app = App::with_storage(db, clock, storage(settings))
            .in_region(settings.default_region)
            .with_access(settings.access.clone())
            .with_platforms(platforms);
        app.vault().check(app.db().write()).await?;
        read_scores_by(&app, Arc::new(ScoreScales::default()));
        let mut running = Running {
            app,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            http: None,
            grace: settings.shutdown_grace,
        };
        running.start_events(settings).await?;
        if role.work {
            running.start_work(handlers, jobs);
        }
        if let Some((listener, intake)) = listener {
            running.start_http(settings, listener, intake);
        }
        Ok(running)
    }
}

/// Tells whether the address is free, so that a command that works long before it serves can say so first.
///
/// # Errors
/// [`StartError::Listen`].
pub async fn check_address(address: SocketAddr) -> Result<(), StartError> {
    listen(address).await.map(drop)
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| {
        let (reason, hint) = match error.kind() {
            std::io::ErrorKind::AddrInUse => (
                "the port is in use".to_owned(),
                "end the program that uses it, or choose another by `--listen ADDRESS`; port 0 picks a free one",
            ),
            std::io::ErrorKind::PermissionDenied => (
                "this user may not use the port".to_owned(),
                "choose a port from 1024 on by `--listen ADDRESS`",
            ),
            std::io::ErrorKind::AddrNotAvailable => (
                "this machine does not have the address".to_owned(),
                "choose one that it has by `--listen ADDRESS`; 0.0.0.0 stands for all",
            ),
            _ => (error.to_string(), "choose another address by `--listen ADDRESS`"),
        };
        StartError::Listen {
            address,
            reason,
            hint,
        }
    })
}

/// A process at work. [`Self::stop`] ends it in good order; dropping it does not.
pub struct Running {
    app: App,
    stop: CancellationToken,
    tasks: TaskTracker,
    http: Option<Http>,
    grace: Duration,
}

/// The listening part.
struct Http {
    address: SocketAddr,
    closing: CancellationToken,
    serving: JoinHandle<()>,
    sockets: Sockets,
}

impl Running {
    /// The application.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Where it listens, if it serves.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(|http| http.address)
    }

    /// Follows the event log, and tells and hears other processes over NATS where it is set.
    async fn start_events(&mut self, settings: &Settings) -> Result<(), StartError> {
        let announcer = Announcer::default();
        if let Some(url) = settings.nats_url.clone() {
            let deployment = deployment_id(self.app.db(), self.app.clock().now())
                .await
                .map_err(OpenError::from)?;
            let (app, announcer, stop) = (self.app.clone(), announcer.clone(), self.stop.clone());
            self.keep("nats", move || {
                let (url, deployment, bus) = (url.clone(), deployment.clone(), Arc::clone(app.bus()));
                let (announcer, stop) = (announcer.clone(), stop.clone());
                async move {
                    if let Err(error) = follow_nats(url.expose(), &deployment, bus, &announcer, stop).await {
                        tracing::warn!(%error, "NATS cannot be used; trying again");
                    }
                }
            });
        }
        let (app, stop) = (self.app.clone(), self.stop.clone());
        self.keep("events", move || {
            let (bus, stop, announcer) = (Arc::clone(app.bus()), stop.clone(), announcer.clone());
            async move { bus.run(stop, move |head| announcer.announce(head)).await }
        });
        let (app, stop) = (self.app.clone(), self.stop.clone());
        self.keep("custom fields", move || {
            custom_fields::follow(app.clone(), stop.clone())
        });
        Ok(())
    }

    /// Handlers, jobs, chores.
    fn start_work(&mut self, handlers: Vec<Arc<dyn Handler>>, jobs: JobRegistry) {
        for handler in handlers {
            let (app, stop) = (self.app.clone(), self.stop.clone());
            self.keep(handler.name(), move || {
                HandlerRunner::new(app.clone(), Arc::clone(&handler)).run(stop.clone())
            });
        }
        let (app, jobs, stop, grace) = (self.app.clone(), Arc::new(jobs), self.stop.clone(), self.grace);
        self.keep_lanes(WebhookProcessor::new(self.app.clone(), consumers()));
        self.keep_lanes(ConversionSender::new(self.app.clone()));
        self.keep_lanes(FarewellTeller::new(self.app.clone()));
        self.keep_lanes(Outbox::new(self.app.clone()));
        self.keep_lanes(Inquiries::new(self.app.clone()));
        self.keep("jobs", move || {
            Worker::new(app.clone(), Arc::clone(&jobs)).run(stop.clone(), grace)
        });
    }

    fn keep_lanes<W: LaneWork>(&self, work: W) {
        let (lanes, stop) = (Lanes::new(self.app.clone(), work), self.stop.clone());
        self.keep(W::NAME, move || lanes.clone().run(stop.clone()));
    }

    fn start_http(&mut self, settings: &Settings, listener: TcpListener, intake: Intake) {
        let address = listener.local_addr().expect("a bound listener has an address");
        let (app, budgets, stop) = (self.app.clone(), intake.budgets().clone(), self.stop.clone());
        self.keep("budgets", move || budgets.clone().keep(app.clone(), stop.clone()));
        let public_url = settings.public_url(address);
        let proxies = &settings.access.trusted_proxies;
        let surroundings = Surroundings::new(&public_url, &settings.cors_origins, proxies);
        let (app, stop) = (self.app.clone(), self.stop.clone());
        self.keep("usage of tokens", move || Usage::keep(app.clone(), stop.clone()));
        let gateway = ServerGateway::new(self.app.clone(), surroundings, intake);
        let (hearing, stop) = (gateway.clone(), self.stop.clone());
        self.keep("changes of callers", move || {
            hearing.clone().hear_of_changes(stop.clone())
        });
        let (router, sockets) = server::router(server::Parts {
            app: self.app.clone(),
            gateway,
            metrics: Metrics::install(),
            public_url,
            cors_origins: settings.cors_origins.clone(),
            graphql: settings.graphql.clone(),
            webhooks: WebhookIntake::start(&self.app, self.stop.clone()),
        });
        let closing = CancellationToken::new();
        let serving = listen::serve(
            listener,
            router,
            settings.http_header_time,
            settings.http_connections,
            closing.clone(),
        );
        let serving = tokio::spawn(serving);
        self.http = Some(Http {
            address,
            closing,
            serving,
            sockets,
        });
    }

    /// Runs a part until the process stops; starts it again should it end or panic before.
    fn keep<F>(&self, name: &'static str, part: impl Fn() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            while !stop.is_cancelled() {
                let ended = tokio::spawn(part()).await;
                if stop.is_cancelled() {
                    return;
                }
                if let Err(error) = ended {
                    tracing::error!(part = name, %error, "a part of the server broke down; starting it again");
                }
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(Duration::from_secs(1)) => {}
                }
            }
        });
    }

    /// Ends in good order: nothing new is accepted, sockets are closed with 1012, running requests and work get the
    /// grace of the settings, then the database is closed.
    pub async fn stop(self) {
        let Self {
            app,
            stop,
            tasks,
            http,
            grace,
        } = self;
        if let Some(Http {
            closing,
            mut serving,
            sockets,
            ..
        }) = http
        {
            closing.cancel();
            let ended = timeout(grace, async {
                let ((), served) = tokio::join!(sockets.shut_down(), &mut serving);
                served
            })
            .await;
            if ended.is_err() {
                tracing::warn!(
                    grace_seconds = grace.as_secs(),
                    "requests were still running and are cut off"
                );
                serving.abort();
            }
        }
        stop.cancel();
        tasks.close();
        if timeout(grace.max(Duration::from_secs(1)), tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                grace_seconds = grace.as_secs(),
                "work was still running and is cut off; it goes on at the next start"
            );
        }
        match timeout(Duration::from_secs(5), app.db().close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the database was not closed in good order"),
            Err(_elapsed) => tracing::warn!("the database was not closed in time"),
        }
    }
}
