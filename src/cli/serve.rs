//! `leadline serve` and `leadline worker`: the processes that run.

use tokio::signal::unix::{SignalKind, signal};

use super::failure::Failure;
use super::runtime::block_on;
use crate::assembly::{Plan, Role};
use crate::config::Settings;
use crate::identity::account;
use crate::telemetry::Telemetry;

/// Exit code after a second signal, as shells report an interrupted program.
pub(super) const INTERRUPTED: i32 = 130;

/// Serve the API, subscriptions and the console, and do the background work
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Leave the background work to processes started by `leadline worker`
    #[arg(long)]
    no_worker: bool,
}

pub(super) fn run(arguments: &Arguments, settings: &Settings) -> Result<(), Failure> {
    run_role(
        Role {
            serve: true,
            work: !arguments.no_worker,
        },
        settings,
    )
}

pub(super) fn run_worker(settings: &Settings) -> Result<(), Failure> {
    run_role(
        Role {
            serve: false,
            work: true,
        },
        settings,
    )
}

fn run_role(role: Role, settings: &Settings) -> Result<(), Failure> {
    block_on(async {
        let telemetry = Telemetry::start(settings)?;
        let mut stop = Signals::new()?;
        let running = tokio::select! {
            running = Plan::new(settings, role).start() => running?,
            // A start may wait for a lock or a server that is away.
            () = stop.next() => return Ok(()),
        };
        match running.address() {
            Some(address) => {
                tracing::info!("listening on http://{address}");
                if let Some(code) = account::set_up_code(running.app()).await? {
                    // To whoever sits before it, not to the log.
                    let url = settings.public_url(address);
                    eprintln!(
                        "there are no users yet. To make the first one, open within a day\n\n    {url}/account#set-up={code}\n\n\
                         or run `leadline user create --email ADDRESS --role admin`"
                    );
                }
            }
            None => tracing::info!("working; this process listens nowhere"),
        }
        stop.next().await;
        tracing::info!("stopping; a second signal ends at once");
        let ending = async {
            running.stop().await;
            telemetry.shutdown().await;
        };
        tokio::select! {
            () = ending => tracing::info!("stopped"),
            () = stop.next() => std::process::exit(INTERRUPTED),
        }
        Ok(())
    })
}

/// The signals that ask a process to end.
pub(super) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Self, Failure> {
        let on =
            |kind| signal(kind).map_err(|error| Failure::new(format!("cannot listen to signals: {error}")));
        Ok(Self {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
        })
    }

    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
