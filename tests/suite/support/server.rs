//! The whole application in this process.

use std::net::SocketAddr;
use std::sync::Arc;

use entity::{EventKind, JobState, Timestamp, event_cursor, job};
use leadline::app::App;
use leadline::assembly::{self, Plan, Role, Running};
use leadline::clock::Clock;
use leadline::config::Settings;
use leadline::events::{self, Handler};
use leadline::identity::{Caller, create_token};
use leadline::jobs::JobKind;
use sea_orm::{ColumnTrait as _, ConnectionTrait as _, DbBackend, EntityTrait as _, QueryFilter as _};
use serde_json::{Value, json};

use super::{Database, LIMIT, Socket, until};

type Change = Box<dyn for<'a> FnOnce(Plan<'a>) -> Plan<'a> + Send>;

/// What to start other than a server that serves and works by the machine's clock.
pub struct Setup {
    role: Role,
    clock: Clock,
    settings: Vec<(String, String)>,
    handlers: Vec<Arc<dyn Handler>>,
    changes: Vec<Change>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            role: Role {
                serve: true,
                work: true,
            },
            clock: Clock::system(),
            settings: Vec::new(),
            handlers: assembly::handlers(),
            changes: Vec::new(),
        }
    }
}

impl Setup {
    /// With a clock that stands, at first at a moment such as `2026-03-01T12:00:00Z`; [`Server::set_time`] moves it.
    pub fn at(mut self, moment: &str) -> Self {
        self.clock = Clock::fixed(Timestamp::parse_rfc3339(moment).expect("a moment"));
        self
    }

    /// With a setting, e.g. `nats_url`.
    pub fn setting(mut self, key: &str, value: impl Into<String>) -> Self {
        self.settings.push((key.to_owned(), value.into()));
        self
    }

    /// With one handler of events more.
    pub fn handler(mut self, handler: Arc<dyn Handler>) -> Self {
        self.handlers.push(Arc::clone(&handler));
        self.changes
            .push(Box::new(move |plan| plan.with_handler(handler)));
        self
    }

    /// With one kind of jobs more.
    pub fn job(mut self, kind: impl JobKind) -> Self {
        self.changes.push(Box::new(move |plan| plan.with_job(kind)));
        self
    }

    /// Serves, and leaves the work to others (`serve --no-worker`).
    pub fn without_work(mut self) -> Self {
        self.role.work = false;
        self
    }

    /// Works, and serves nobody (`worker`).
    pub fn without_http(mut self) -> Self {
        self.role.serve = false;
        self
    }
}

/// A running application. It ends with its test; [`Self::stop`] ends it in good order before.
pub struct Server {
    running: Running,
    admin: String,
    http: reqwest::Client,
    handlers: Vec<Arc<dyn Handler>>,
}

impl Server {
    /// Starts one over a database; several may share it.
    pub async fn start(database: &Database, setup: Setup) -> Self {
        let folder = database.folder().display().to_string();
        let mut pairs = vec![
            ("listen", "127.0.0.1:0"),
            ("database_url", database.url()),
            ("data_dir", &folder),
            // Many servers share one PostgreSQL.
            ("database_max_connections", "8"),
            ("shutdown_grace_seconds", "5"),
        ];
        pairs.extend(
            setup
                .settings
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str())),
        );
        let settings = Settings::from_pairs(pairs).expect("the settings fit");
        let plan = Plan::new(&settings, setup.role).with_clock(setup.clock);
        let plan = setup.changes.into_iter().fold(plan, |plan, change| change(plan));
        let running = plan.start().await.expect("it starts");
        let mut server = Self {
            running,
            admin: String::new(),
            http: http(),
            handlers: setup.handlers,
        };
        server.admin = server.token(&["admin"]).await;
        // What is subscribed to from now on begins behind the last event that the bus has seen.
        until("the bus follows the log", async || {
            server.app().bus().position().is_some()
        })
        .await;
        server
    }

    /// The application itself, for what cannot be reached from outside.
    pub fn app(&self) -> &App {
        self.running.app()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.running.address().expect("it serves")
    }

    /// The address of a path, for requests other than GraphQL's.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// The HTTP client that it is asked with.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Sets the clock given by [`Setup::at`].
    pub fn set_time(&self, moment: &str) {
        self.app()
            .clock()
            .set(Timestamp::parse_rfc3339(moment).expect("a moment"));
    }

    /// A token that may do everything.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// Makes a token of some scopes, e.g. `&["leads:read"]`.
    pub async fn token(&self, scopes: &[&str]) -> String {
        let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        create_token(self.app(), &Caller::operator(), "test", &scopes, None)
            .await
            .unwrap_or_else(|error| panic!("no token of {scopes:?}: {error:?}"))
            .secret
    }

    /// Asks as admin; answers the whole response.
    pub async fn graphql(&self, query: &str, variables: Value) -> Value {
        self.graphql_as(Some(&self.admin), query, variables).await
    }

    /// Asks as admin; answers `data`. Panics on errors, and shows them.
    pub async fn data(&self, query: &str, variables: Value) -> Value {
        data(query, self.graphql(query, variables).await)
    }

    /// Asks as the holder of a token, as nobody without one; answers the whole response.
    pub async fn graphql_as(&self, token: Option<&str>, query: &str, variables: Value) -> Value {
        self.post(token, query, variables).await.1
    }

    /// Asks as the holder of a token; answers `data`. Panics on errors, and shows them.
    pub async fn data_as(&self, token: &str, query: &str, variables: Value) -> Value {
        data(query, self.graphql_as(Some(token), query, variables).await)
    }

    /// Asks over HTTP; answers status and body.
    pub async fn post(&self, token: Option<&str>, query: &str, variables: Value) -> (u16, Value) {
        ask(&self.http, self.address(), token, query, variables).await
    }

    /// Opens a socket that the server lets in.
    pub async fn socket(&self, token: &str) -> Socket {
        let mut socket = Socket::open(self.address(), Some(token)).await;
        socket.let_in().await;
        socket
    }

    /// Opens a socket that the server may refuse: see [`Socket::closed`].
    pub async fn knock(&self, token: Option<&str>) -> Socket {
        Socket::open(self.address(), token).await
    }

    /// SQL statements that GraphQL operations executed so far; the background's are not among them.
    pub fn statements(&self) -> u64 {
        self.app().db().statements_of_operations()
    }

    /// Asserts that a query costs as many SQL statements with some variables as with others.
    pub async fn costs_the_same(&self, query: &str, one: Value, other: Value) {
        self.cost_the_same(query, (&self.admin, one), (&self.admin, other))
            .await;
    }

    /// Asserts that a query costs two callers as many SQL statements: by the least or the median of as many runs as it takes, within
    /// bounds. The first run fills what is kept in memory. On a busy machine a loader's keys come in two parts now and then, again
    /// and again for a while, and those of two steps as one where the first is late.
    pub async fn cost_the_same(&self, query: &str, one: (&str, Value), other: (&str, Value)) {
        let mut costs = [Vec::new(), Vec::new()];
        for run in 0..200 {
            for (costs, (token, variables)) in costs.iter_mut().zip([&one, &other]) {
                let before = self.statements();
                self.data_as(token, query, variables.clone()).await;
                costs.push(self.statements() - before);
                costs.sort_unstable();
            }
            let by_both = |of: fn(&[u64]) -> u64| of(&costs[0]) == of(&costs[1]);
            if run >= 2 && by_both(|costs| costs[0]) || run >= 9 && by_both(|costs| costs[costs.len() / 2]) {
                return;
            }
        }
        panic!(
            "{:?} statements with {}, {:?} with {}: {query}",
            costs[0], one.1, costs[1], other.1
        );
    }

    /// Waits until the bus and every handler have come to the end of the log and no job waits or runs.
    pub async fn settled(&self) {
        until("handlers and jobs are done", async || self.is_settled().await).await;
    }

    async fn is_settled(&self) -> bool {
        let db = self.app().db().read();
        let head = async || {
            let waiting = self.app().db().backend() == DbBackend::Postgres
                && db
                    .query_one_raw(leadline::db::sql(
                        db.get_database_backend(),
                        "SELECT 1 FROM event_outbox LIMIT 1",
                        [],
                    ))
                    .await
                    .expect("the outbox is readable")
                    .is_some();
            (!waiting).then_some(events::head(db).await.expect("there is a head").0)
        };
        let Some(begin) = head().await else { return false };
        for handler in &self.handlers {
            if self.is_behind(handler.name(), handler.kinds()).await {
                return false;
            }
        }
        // After the handlers, which may ask for jobs; before the head, as jobs append events.
        let active = job::Entity::find()
            .filter(job::Column::State.is_in([JobState::Queued, JobState::Running]))
            .one(db)
            .await
            .expect("jobs are readable");
        // Who subscribes from now on is told nothing of what was before.
        active.is_none() && head().await == Some(begin) && self.app().bus().position() >= Some(begin)
    }

    async fn is_behind(&self, handler: &str, kinds: &[EventKind]) -> bool {
        let db = self.app().db().read();
        let cursor = event_cursor::Entity::find_by_id(handler.to_owned()).one(db).await;
        let Some(cursor) = cursor.expect("cursors are readable") else {
            return true;
        };
        let next = events::page(db, cursor.position, None, kinds, None, 1).await;
        !next.expect("the log is readable").is_empty()
    }

    /// Ends it in good order, as SIGTERM does.
    pub async fn stop(self) {
        self.running.stop().await;
    }
}

/// Asks any server over HTTP; answers status and body.
pub async fn ask(
    http: &reqwest::Client,
    address: SocketAddr,
    token: Option<&str>,
    query: &str,
    variables: Value,
) -> (u16, Value) {
    let mut request = http
        .post(format!("http://{address}/graphql"))
        .json(&json!({ "query": query, "variables": variables }));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let response = request.send().await.expect("the server answers");
    let status = response.status().as_u16();
    (status, response.json().await.expect("it answers JSON"))
}

/// A client for requests other than GraphQL's, and for other servers. It belongs to the runtime of its test.
pub fn http() -> reqwest::Client {
    // Once for the process: what comes later is refused, and the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(LIMIT)
        .build()
        .expect("a client without options")
}

fn data(query: &str, mut response: Value) -> Value {
    assert!(response.get("errors").is_none(), "{query}\nanswered {response:#}");
    response["data"].take()
}
