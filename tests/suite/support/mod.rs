//! The harness of the end-to-end tests.
//!
//! * [`on_both!`] makes of one `async fn` two tests, `NAME::sqlite` and `NAME::postgres`; `super::server` has examples.
//!   `(server: &Server)` is given a running application; `(database: &Database)` starts what it needs by [`Setup`].
//! * [`Server`] is the whole application in this process, over HTTP on a free port: [`Server::data`] asks as admin,
//!   [`Server::data_as`] with the token that [`Server::token`] makes, [`Server::socket`] speaks graphql-transport-ws.
//! * [`Server::settled`] waits until handlers and jobs have done their work: call it before looking at derived state.
//! * Tests never sleep: they wait for a condition ([`until`]) or for what a [`Feed`] says, each with a time limit.
//! * [`Database`] is fresh and migrated; PostgreSQL is a throw-away server, one for each run, or `TEST_POSTGRES_URL`.
//! * [`command`] runs the real binary to its end; a [`Process`] is one that serves, to be asked by [`ask`] and killed.
//! * A [`Client`] is a script of `tests/clients`, with an npm package that speaks to the server.
//! * What a machine lacks (PostgreSQL, nats-server, Node.js) is said and its tests are skipped; with `CI=true` they fail.

mod clients;
mod database;
mod nats;
mod postgres;
mod process;
mod provider;
mod scratch;
mod secrets;
mod server;
mod smtp;
mod socket;
mod throwaway;

use std::future::Future;
use std::io::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

pub use self::clients::Client;
pub use self::database::{Backend, Database};
pub use self::nats::Nats;
pub use self::postgres::Postgres;
pub use self::process::{Process, command, prepared};
pub use self::provider::Provider;
pub use self::scratch::scratch;
pub use self::secrets::{is_secret, secret_in};
pub use self::server::{Server, Setup, ask, http};
pub use self::smtp::Smtp;
pub use self::socket::{Feed, Socket};

/// Longest wait for anything: long, because machines that build and test at once are slow.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Makes tests that run on both databases. Within the body `unwrap` is allowed.
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($given:ident: &$kind:ident) $body:block)+) => {$(
        $(#[$meta])*
        #[cfg(test)]
        mod $name {
            use super::*;

            async fn body($given: &$kind) $body

            #[test]
            fn sqlite() {
                on_both!(@run $kind, Sqlite);
            }

            #[test]
            fn postgres() {
                on_both!(@run $kind, Postgres);
            }
        }
    )+};
    (@run Server, $backend:ident) => {
        $crate::support::with_database($crate::support::Backend::$backend, async |database| {
            let server = $crate::support::Server::start(database, $crate::support::Setup::default()).await;
            body(&server).await;
        })
    };
    (@run Database, $backend:ident) => {
        $crate::support::with_database($crate::support::Backend::$backend, async |database| body(database).await)
    };
}

/// Runs a test over a fresh database, which goes with it.
pub fn with_database(backend: Backend, test: impl AsyncFnOnce(&Database)) {
    // Outlives the runtime: what still runs at the end must not find its database gone.
    if let Some(database) = Database::create(backend) {
        run(test(&database));
    }
}

/// Runs a test that needs no database, or makes its own.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    struct Ending(Option<Runtime>);
    impl Drop for Ending {
        fn drop(&mut self) {
            if let Some(runtime) = self.0.take() {
                runtime.shutdown_timeout(Duration::from_secs(5));
            }
        }
    }
    secrets::watch_logs();
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime starts");
    let runtime = Ending(Some(runtime));
    runtime.0.as_ref().expect("there until dropped").block_on(test)
}

/// Waits until a condition holds; panics with `what` when it does not within [`LIMIT`].
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < LIMIT, "waited {LIMIT:?} in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Seconds since 1970, by the machine's clock.
pub fn unix_seconds() -> u64 {
    let micros = leadline::clock::Clock::system().now().micros();
    u64::try_from(micros / 1_000_000).expect("after 1970")
}

/// The code of the first error of a response.
#[track_caller]
pub fn code(response: &Value) -> &str {
    response["errors"][0]["extensions"]["code"]
        .as_str()
        .unwrap_or_else(|| panic!("an error with a code was expected: {response}"))
}

/// The field that a response says is not there: so it is with one that the caller may not ask for. Of its arguments, which
/// are not there either, more may be said.
#[track_caller]
pub fn unknown_field(response: &Value) -> &str {
    let errors = response["errors"].as_array().map_or(&[][..], Vec::as_slice);
    errors
        .iter()
        .find_map(|error| {
            let rest = error["message"].as_str()?.strip_prefix("Unknown field \"")?;
            rest.split('"').next()
        })
        .unwrap_or_else(|| panic!("a field that is not there was expected: {response}"))
}

/// Says that tests are skipped for want of something; under `CI=true` that is a failure.
pub fn lacking(what: &str) {
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "{what}; under CI=true nothing is skipped"
    );
    // Past the capture of the test's output: whoever runs the tests must see it.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {what}");
}

/// Runs something to its end on a thread of its own, whatever runs here.
fn aside<T: Send>(work: impl AsyncFnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime starts").block_on(work())
        });
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A port of the loopback interface that nobody listens on.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Below those that systems give to outgoing connections: nobody takes it before it is listened on.
    const PORTS: std::ops::Range<u32> = 12_000..32_000;
    loop {
        let next = std::process::id()
            .wrapping_mul(97)
            .wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(PORTS.start + next % (PORTS.end - PORTS.start)).expect("a port");
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
