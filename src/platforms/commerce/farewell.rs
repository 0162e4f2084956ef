//! Whoever takes their consent back here takes it back in the shops, too: a shop writes to its customers by itself, and does not
//! know what was said elsewhere. What was given is not passed on, as the proof of it lies here.
//!
//! What a shop is to be told is a row until it was told. Whoever is killed between telling and forgetting tells once more, which
//! changes nothing in the shop.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use entity::id::{ConnectionId, LeadId};
use entity::{ConsentChannel, ConsentPurpose, ConsentState, EventKind, Timestamp};
use integrations::facet::{Commerce, ConsentChange, ContactChannel};
use integrations::{Context, Kind, Retry, facet};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::{Farewell, store};
use crate::app::App;
use crate::db::{Tx, wake_leases};
use crate::error::Error;
use crate::events::{Event, Handler};
use crate::leads::consent::in_force_within;
use crate::platforms::connections::{AfterBatch, Fates, LaneWork, Live, lease_name, live, primary, report};

/// Leads of one statement, and what is told before the lease is looked at again.
const BATCH: usize = 100;
/// How long a request may wait for the shop's limits: what was looked at before it must still hold when it goes.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a shop is left alone that is away, in seconds.
const AWAY_SECONDS: i64 = 10;
/// How long one is left alone that does not let us in, or that is switched off here, in seconds.
const UNTIL_MENDED_SECONDS: i64 = 60;
/// The longest wait between two tries, in seconds.
const LONGEST_SECONDS: i64 = 3_600;

/// What an event of consent says.
#[derive(Deserialize)]
struct Said {
    channel: ConsentChannel,
    purpose: ConsentPurpose,
    state: ConsentState,
}

/// Follows the log for consent to marketing that was taken back, and for what becomes of connections.
#[derive(Clone, Copy, Debug, Default)]
pub struct FarewellHandler;

#[async_trait]
impl Handler for FarewellHandler {
    fn name(&self) -> &'static str {
        "commerce-farewell"
    }

    fn kinds(&self) -> &'static [EventKind] {
        &[EventKind::ConsentChanged, EventKind::ConnectionChanged]
    }

    async fn handle(&self, app: &App, tx: &Tx, events: &[Event]) -> Result<(), Error> {
        let now = app.clock().now();
        consents(tx, events, now).await?;
        let Fates { mended, removed } = Fates::of(events)?;
        for id in removed {
            store::delete_farewells(tx, id, None).await?;
        }
        for id in mended {
            wake_leases(tx, &[lease_name::<FarewellTeller>(id)]).await?;
            store::wake_farewells(tx, id, now).await?;
        }
        Ok(())
    }
}

async fn consents(tx: &Tx, events: &[Event], now: Timestamp) -> Result<(), Error> {
    // The last word of each lead on each channel.
    let mut last: HashMap<(LeadId, ConsentChannel), (&Event, ConsentState)> = HashMap::new();
    for event in events {
        if event.kind != EventKind::ConsentChanged {
            continue;
        }
        let Some(lead) = event.lead_id else { continue };
        let said: Said = serde_json::from_str(&event.payload)?;
        let by_shop = matches!(said.channel, ConsentChannel::Email | ConsentChannel::Sms);
        if by_shop && said.purpose == ConsentPurpose::Marketing {
            last.insert((lead, said.channel), (event, said.state));
        }
    }
    for channel in [ConsentChannel::Email, ConsentChannel::Sms] {
        let is_given = |(key, (_, state)): (&(LeadId, ConsentChannel), &(&Event, ConsentState))| {
            (key.1 == channel && *state == ConsentState::Granted).then_some(key.0)
        };
        let given: Vec<LeadId> = last.iter().filter_map(is_given).collect();
        store::delete_farewells_about(tx, &given, channel).await?;
    }
    last.retain(|_, (_, state)| matches!(state, ConsentState::Withdrawn | ConsentState::Denied));
    let mut leads: Vec<LeadId> = last.keys().map(|(lead, _)| *lead).collect();
    leads.sort_unstable();
    leads.dedup();
    for leads in leads.chunks(BATCH) {
        let customers = store::customers_of_leads(&**tx, leads).await?;
        let customers: Vec<_> = customers.into_values().flatten().collect();
        let mut connections: Vec<ConnectionId> =
            customers.iter().map(|customer| customer.connection_id).collect();
        connections.sort_unstable();
        connections.dedup();
        let connections = store::not_removed(tx, &connections).await?;
        let mut rows = Vec::new();
        for customer in &customers {
            let Some(lead) = customer
                .lead_id
                .filter(|_| connections.contains(&customer.connection_id))
            else {
                continue;
            };
            for channel in [ConsentChannel::Email, ConsentChannel::Sms] {
                // What the shop itself has said is not said back.
                let Some((event, _)) = last
                    .get(&(lead, channel))
                    .filter(|(event, _)| event.actor != customer.connection_id.to_string())
                else {
                    continue;
                };
                rows.push(Farewell {
                    connection_id: customer.connection_id,
                    customer_id: customer.external_id.clone(),
                    channel,
                    lead_id: lead,
                    due_at: Some(now),
                    attempts: 0,
                    problem_kind: None,
                    problem: None,
                    created_at: event.at,
                    updated_at: now,
                });
            }
        }
        store::put_farewells(tx, &rows).await?;
    }
    Ok(())
}

/// Tells shops in a process that works, each on a [lane](crate::platforms::connections::Lanes) of its own.
#[derive(Debug)]
pub struct FarewellTeller {
    app: App,
}

/// What comes after one was told, or not.
enum Told {
    /// The next.
    Next,
    /// Nothing more of this shop for now.
    Stop(AfterBatch),
}

#[async_trait]
impl LaneWork for FarewellTeller {
    type Lane = ConnectionId;

    const NAME: &'static str = "farewells";
    const LOOK: Duration = Duration::from_secs(2);
    const LEASE_SECONDS: i64 = 180;

    async fn due(&self) -> Result<Vec<ConnectionId>, Error> {
        let now = self.app.clock().now();
        Ok(store::farewells_due(primary(&self.app), now).await?)
    }

    async fn work(&self, id: ConnectionId, stop: &CancellationToken) -> Result<AfterBatch, Error> {
        let Some(live) = live(&self.app, id).await?.filter(Live::is_active) else {
            return Ok(AfterBatch::Done);
        };
        let Some(commerce) = live.facets(&self.app).commerce else {
            return Ok(AfterBatch::Rest(UNTIL_MENDED_SECONDS));
        };
        let mut context = live.context(&self.app);
        context.http = context.http.patient_for(PATIENCE);
        let now = self.app.clock().now();
        let due = store::due_farewells(primary(&self.app), id, now, BATCH as u64).await?;
        let is_last = due.len() < BATCH;
        for row in due {
            if stop.is_cancelled() {
                return Ok(AfterBatch::Done);
            }
            if let Told::Stop(after) = self.tell(&live, commerce, &context, row).await? {
                return Ok(after);
            }
        }
        Ok(if is_last {
            AfterBatch::Done
        } else {
            AfterBatch::GoOn
        })
    }
}

impl FarewellTeller {
    /// For an application.
    #[must_use]
    pub fn new(app: App) -> Self {
        Self { app }
    }

    async fn tell(
        &self,
        live: &Live,
        commerce: &dyn Commerce,
        context: &Context,
        row: Farewell,
    ) -> Result<Told, Error> {
        let Some((row, at)) = self.looked_at_again(row).await? else {
            return Ok(Told::Next);
        };
        let told = commerce
            .change_consent(context, &row.customer_id, &change(row.channel, at))
            .await;
        let error = match told {
            Ok(()) => {
                self.done(&row, "TOLD").await?;
                report(&self.app, live, Ok(())).await?;
                return Ok(Told::Next);
            }
            Err(error) => error,
        };
        match (error.kind, error.retry) {
            // Nobody is written to whom the shop does not have.
            (Kind::NotFound, _) => {
                self.done(&row, "NOT_THERE").await?;
                Ok(Told::Next)
            }
            // E.g. a customer without that address.
            (Kind::Refused | Kind::Unsupported | Kind::Recipient(_), _) => {
                self.refused(&row, &error).await?;
                Ok(Told::Next)
            }
            (Kind::Unauthorised | Kind::Revoked, _) => {
                report(&self.app, live, Err(&error)).await?;
                let is_active = self.is_active(live).await?;
                // One that is known not to work is looked at when it is mended.
                Ok(Told::Stop(if is_active {
                    AfterBatch::Rest(UNTIL_MENDED_SECONDS)
                } else {
                    AfterBatch::Done
                }))
            }
            // A shop that is busy says nothing about the customer.
            (_, Retry::After(time)) => {
                let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
                Ok(Told::Stop(AfterBatch::Rest(
                    seconds.saturating_add(1).min(LONGEST_SECONDS),
                )))
            }
            (kind, _) => {
                self.waits(&row, &error).await?;
                // What cannot be read may be one customer's.
                Ok(if kind == Kind::Malformed {
                    Told::Next
                } else {
                    Told::Stop(AfterBatch::Rest(AWAY_SECONDS))
                })
            }
        }
    }

    async fn is_active(&self, of: &Live) -> Result<bool, Error> {
        Ok(live(&self.app, of.row.id)
            .await?
            .is_some_and(|live| live.is_active()))
    }

    /// A word that still holds, with the moment at which it was said; one that was taken back is forgotten.
    async fn looked_at_again(&self, seen: Farewell) -> Result<Option<(Farewell, Timestamp)>, Error> {
        let tx = self.app.db().begin().await?;
        let Some(row) = store::locked_farewell(&tx, &seen).await? else {
            return Ok(None);
        };
        if row.due_at.is_none() {
            return Ok(None);
        }
        let mut words = in_force_within(&tx, &[row.lead_id]).await?;
        let words = words.remove(&row.lead_id).unwrap_or_default();
        let word = words
            .into_iter()
            .find(|word| word.channel == row.channel && word.purpose == ConsentPurpose::Marketing);
        match word {
            Some(word) if word.state != ConsentState::Granted => Ok(Some((row, word.at))),
            // Given again meanwhile; or the lead was erased with all that it said.
            _ => {
                store::delete_farewell(&tx, &row).await?;
                tx.commit().await?;
                count("TAKEN_BACK");
                Ok(None)
            }
        }
    }

    /// Forgets what was told, unless the same was said anew meanwhile.
    async fn done(&self, told: &Farewell, outcome: &'static str) -> Result<(), Error> {
        let tx = self.app.db().begin().await?;
        if let Some(row) = store::locked_farewell(&tx, told).await?
            && row.created_at == told.created_at
        {
            store::delete_farewell(&tx, &row).await?;
            tx.commit().await?;
        }
        count(outcome);
        Ok(())
    }

    /// Keeps what the shop does not take.
    async fn refused(&self, tried: &Farewell, error: &integrations::Error) -> Result<(), Error> {
        tracing::warn!(
            connection = %tried.connection_id,
            customer = tried.customer_id,
            %error,
            "a shop does not take that a consent was taken back"
        );
        count("REFUSED");
        self.put(tried, error, None).await
    }

    /// Has it tried again later.
    async fn waits(&self, tried: &Farewell, error: &integrations::Error) -> Result<(), Error> {
        let connection = tried.connection_id;
        tracing::info!(%connection, %error, "a shop could not be told that a consent was taken back; trying again");
        let until = self.app.clock().now().plus_seconds(wait(tried.attempts));
        self.put(tried, error, Some(until)).await
    }

    async fn put(
        &self,
        tried: &Farewell,
        error: &integrations::Error,
        due_at: Option<Timestamp>,
    ) -> Result<(), Error> {
        let tx = self.app.db().begin().await?;
        if let Some(row) = store::locked_farewell(&tx, tried).await?
            && row.created_at == tried.created_at
        {
            let row = Farewell {
                due_at,
                attempts: row.attempts.saturating_add(1),
                problem_kind: Some(error.kind.name().to_owned()),
                problem: Some(error.message.replace('\0', "").chars().take(1_000).collect()),
                updated_at: self.app.clock().now(),
                ..row
            };
            store::put_farewells(&tx, &[row]).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}

/// Seconds until the next try, after so many in vain.
fn wait(attempts: i32) -> i64 {
    (AWAY_SECONDS << attempts.clamp(0, 20)).min(LONGEST_SECONDS)
}

fn count(outcome: &'static str) {
    metrics::counter!("leadline_farewells_total", "outcome" => outcome).increment(1);
}

fn change(channel: ConsentChannel, at: Timestamp) -> ConsentChange {
    ConsentChange {
        channel: match channel {
            ConsentChannel::Sms => ContactChannel::Sms,
            _ => ContactChannel::Email,
        },
        state: facet::ConsentState::Denied,
        at: Some(at.to_chrono()),
        proof: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_up_to_an_hour() {
        assert_eq!([0, 1, 5, 9, i32::MAX].map(wait), [10, 20, 320, 3_600, 3_600]);
    }
}
