//! What waits for a connection goes when it works again.

use async_trait::async_trait;
use entity::{EventKind, MessageChannel};

use super::inquiring::Inquiries;
use super::outbox::{Lane, Outbox, Wake};
use super::store;
use crate::app::App;
use crate::db::{Tx, wake_leases};
use crate::error::Error;
use crate::events::{Event, Handler};
use crate::platforms::connections::{Fates, lease_name};

/// Wakes the lanes of connections that were mended.
#[derive(Clone, Copy, Debug, Default)]
pub struct MendedConnections;

#[async_trait]
impl Handler for MendedConnections {
    fn name(&self) -> &'static str {
        "message-lanes"
    }

    fn kinds(&self) -> &'static [EventKind] {
        &[EventKind::ConnectionChanged]
    }

    async fn handle(&self, app: &App, tx: &Tx, events: &[Event]) -> Result<(), Error> {
        let Fates { mended, removed } = Fates::of(events)?;
        for connection in mended.iter().chain(&removed).copied() {
            let names = MessageChannel::ALL.iter().flat_map(|channel| {
                let lane = Lane {
                    connection,
                    channel: *channel,
                };
                [lease_name::<Outbox>(lane), lease_name::<Inquiries>(lane)]
            });
            wake_leases(tx, &names.collect::<Vec<_>>()).await?;
        }
        for connection in mended {
            store::wake(tx, connection, app.clock().now()).await?;
            app.memory::<Wake>().wake();
        }
        Ok(())
    }
}
