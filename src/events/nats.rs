//! Wakes other processes over NATS: "the log has grown". Nothing else is sent; the log in the database stays the truth,
//! so a message lost costs the time until the next look at the log and nothing more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, ConnectOptions, Event};
use futures_util::StreamExt;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Bus, Position};

/// Longest pause between two tries to reach the server.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// What to tell the other processes.
#[derive(Clone, Debug)]
pub struct Announcer(watch::Sender<Position>);

impl Default for Announcer {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Announcer {
    /// Says that the log has grown up to a position. Never waits; of several in a row only the last is sent.
    pub fn announce(&self, head: Position) {
        self.0.send_replace(head);
    }
}

/// Why NATS cannot be used at all.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NatsError(String);

/// Opens a client that connects, and connects again, by itself. The server may be away; `tell` hears when it comes and goes.
/// User and password, or a lone token, stand in the address.
///
/// # Errors
/// An address that is none.
pub async fn connect_nats(url: &str, wait: bool, bus: Option<Arc<Bus>>) -> Result<Client, NatsError> {
    let unfit =
        |error: &dyn std::fmt::Display| NatsError(format!("the address of NATS does not fit: {error}"));
    let mut address = url::Url::parse(url).map_err(|error| unfit(&error))?;
    let user = address.username().to_owned();
    let password = address.password().map(str::to_owned);
    // Both fail only for addresses without a host.
    let _ = address.set_username("");
    let _ = address.set_password(None);
    let mut options = match (user.is_empty(), password) {
        (true, _) => ConnectOptions::new(),
        (false, Some(password)) => ConnectOptions::with_user_and_password(user, password),
        (false, None) => ConnectOptions::with_token(user),
    };
    let away = Arc::new(AtomicBool::new(false));
    options = options
        .name("leadline")
        .no_echo()
        .connection_timeout(Duration::from_secs(3))
        .reconnect_delay_callback(|tries| LONGEST_PAUSE.min(Duration::from_millis(50 << tries.min(7))))
        .event_callback(move |event| {
            let away = Arc::clone(&away);
            let bus = bus.clone();
            async move {
                match event {
                    Event::Connected => {
                        if away.swap(false, Ordering::Relaxed) {
                            tracing::info!("NATS is back");
                        } else {
                            tracing::debug!("connected to NATS");
                        }
                        // Something may have been announced meanwhile.
                        if let Some(bus) = bus {
                            bus.nudge();
                        }
                    }
                    Event::Disconnected | Event::ClientError(_) | Event::ServerError(_) => {
                        if !away.swap(true, Ordering::Relaxed) {
                            tracing::warn!(
                                %event,
                                "NATS is away: events of other processes are seen a little later until it is back"
                            );
                        }
                    }
                    _ => tracing::debug!(%event, "NATS"),
                }
            }
        });
    if !wait {
        options = options.retry_on_initial_connect();
    }
    options
        .connect(address.as_str())
        .await
        .map_err(|error| NatsError(error.to_string()))
}

/// Announces the growth of the log on `leadline.<deployment>.head`, and nudges the bus when others do, until cancelled.
///
/// # Errors
/// As [`connect_nats`].
pub async fn follow_nats(
    url: &str,
    deployment: &str,
    bus: Arc<Bus>,
    announcer: &Announcer,
    stop: CancellationToken,
) -> Result<(), NatsError> {
    let subject = format!("leadline.{deployment}.head");
    let client = connect_nats(url, false, Some(Arc::clone(&bus))).await?;
    let mut others = client
        .subscribe(subject.clone())
        .await
        .map_err(|error| NatsError(error.to_string()))?;
    let mut head = announcer.0.subscribe();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            changed = head.changed() => {
                if changed.is_err() {
                    break;
                }
                let position = *head.borrow_and_update();
                // While NATS is away nothing is queued for it: whoever connects looks at the log.
                if client.connection_state() == State::Connected
                    && let Err(error) = client.publish(subject.clone(), position.to_string().into()).await
                {
                    tracing::debug!(%error, "could not announce the head of the log");
                }
            }
            message = others.next() => match message {
                Some(_) => bus.nudge(),
                None => return Err(NatsError("the subscription ended".into())),
            },
        }
    }
    // What was announced last reaches the others even though this process ends.
    let _ = tokio::time::timeout(Duration::from_secs(1), client.flush()).await;
    Ok(())
}
