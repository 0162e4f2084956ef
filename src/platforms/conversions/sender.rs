//! Tells platforms what waits for them: each connection on its own, so that one that is slow delays no other. What is told is
//! looked at in one transaction, told outside of any, and written down in another.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use entity::id::ConnectionId;
use entity::{ConversionDeliveryState, Timestamp};
use integrations::facet::{AdConsent, ConversionEvent, ConversionOutcome, ConversionSink};
use tokio_util::sync::CancellationToken;

use super::model::{Next, Stop, Told, consent, event, next_try, order_of};
use super::service::tell;
use super::{ConversionDelivery, ConversionSharing, store};
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;
use crate::insight::revenue::Conversion;
use crate::leads::consent::in_force_within;
use crate::platforms::commerce::orders_within;
use crate::platforms::connections::{AfterBatch, LaneWork, Live, live, primary, report};

/// Most that is told at once, whatever the platform takes: bounds memory and what is told twice after a crash.
const BATCH: usize = 500;

/// Tells what waits in a process that works, each connection on a [lane](crate::platforms::connections::Lanes) of its own.
#[derive(Debug)]
pub struct ConversionSender {
    app: App,
}

/// What is to be told now.
struct Batch {
    rows: Vec<ConversionDelivery>,
    events: Vec<ConversionEvent>,
    /// Whether there was nothing due any more.
    is_last: bool,
}

#[async_trait]
impl LaneWork for ConversionSender {
    type Lane = ConnectionId;

    const NAME: &'static str = "conversions";
    const LOOK: Duration = Duration::from_secs(2);
    const LEASE_SECONDS: i64 = 300;

    async fn due(&self) -> Result<Vec<ConnectionId>, Error> {
        let (app, now) = (&self.app, self.app.clock().now());
        Ok(store::connections_due(primary(app), app.db().backend(), now).await?)
    }

    async fn work(&self, id: ConnectionId, stop: &CancellationToken) -> Result<AfterBatch, Error> {
        // What is interrupted is told again, and counts once.
        let goes_on = tokio::select! {
            told = self.batch(id) => told?,
            () = stop.cancelled() => false,
        };
        Ok(if goes_on {
            AfterBatch::GoOn
        } else {
            AfterBatch::Done
        })
    }
}

impl ConversionSender {
    /// For an application.
    #[must_use]
    pub fn new(app: App) -> Self {
        Self { app }
    }

    /// False when there is nothing more to be told now.
    async fn batch(&self, id: ConnectionId) -> Result<bool, Error> {
        let Some(live) = live(&self.app, id).await? else {
            return Ok(false);
        };
        let Some(sink) = live.facets(&self.app).conversion_sink else {
            // The platform is switched off: what waits is told when it is there again.
            return Ok(false);
        };
        if !live.is_active() {
            return Ok(false);
        }
        let Batch {
            rows,
            events,
            is_last,
        } = self.prepare(&live, sink).await?;
        if events.is_empty() {
            return Ok(!is_last);
        }
        let context = live.context(&self.app);
        let outcomes = match sink.send(&context, &events).await {
            Ok(outcomes) if outcomes.len() == events.len() => Ok(outcomes),
            Ok(outcomes) => Err(integrations::Error::malformed(format!(
                "the platform answered for {} of {} events",
                outcomes.len(),
                events.len()
            ))),
            Err(error) => Err(error),
        };
        match outcomes {
            Ok(outcomes) => {
                self.told(rows, outcomes).await?;
                report(&self.app, &live, Ok(())).await?;
                Ok(!is_last)
            }
            Err(error) => {
                self.failed(id, rows, &error).await?;
                report(&self.app, &live, Err(&error)).await?;
                Ok(false)
            }
        }
    }

    /// What is due: what must not be told any more is written down, the rest is put into events.
    async fn prepare(&self, live: &Live, sink: &dyn ConversionSink) -> Result<Batch, Error> {
        let (now, id) = (self.app.clock().now(), live.row.id);
        let limit = sink.batch_limit().clamp(1, BATCH);
        let tx = self.app.db().begin().await?;
        let nothing = Batch {
            rows: Vec::new(),
            events: Vec::new(),
            is_last: true,
        };
        let sharing = store::sharings(&*tx, &[id]).await?.remove(&id);
        let is_open = |sharing: &ConversionSharing| {
            sharing.is_enabled && sharing.paused_until.is_none_or(|until| until <= now)
        };
        let Some(sharing) = sharing.filter(is_open) else {
            return Ok(nothing);
        };
        let due = store::due(&tx, id, now, limit as u64).await?;
        let is_last = due.len() < limit;
        // Locked before consent is read: who consents from here on is heard by the handler behind this transaction, which finds what
        // is withheld by it; an erasure or a removal that was quicker is seen.
        let mut held = store::locked(&tx, &ids(&due)).await?;
        let due: Vec<_> = due
            .iter()
            .filter_map(|row| held.remove(&row.id))
            .filter(|row| row.state == ConversionDeliveryState::Pending)
            .collect();
        let known = Known::of(&tx, live, &due).await?;
        let (mut stopped, mut rows, mut events) = (Vec::new(), Vec::new(), Vec::new());
        for mut row in due {
            match known.look(&row, &sharing, sink.oldest(), now) {
                Ok(event) => {
                    rows.push(row);
                    events.push(event);
                }
                Err(stop) => {
                    stop.put(&mut row, now);
                    stopped.push(row);
                }
            }
        }
        store::put(&tx, &stopped).await?;
        tell(&tx, "system", now, &stopped).await?;
        tx.commit().await?;
        count(&stopped);
        Ok(Batch {
            rows,
            events,
            is_last,
        })
    }

    /// Writes down what the platform said of each.
    async fn told(
        &self,
        seen: Vec<ConversionDelivery>,
        outcomes: Vec<ConversionOutcome>,
    ) -> Result<(), Error> {
        let now = self.app.clock().now();
        let tx = self.app.db().begin().await?;
        let mut held = store::locked(&tx, &ids(&seen)).await?;
        let mut changed = Vec::with_capacity(seen.len());
        for (seen, outcome) in seen.into_iter().zip(outcomes) {
            let Some(mut row) = held.remove(&seen.id) else {
                continue;
            };
            let stop = match outcome {
                ConversionOutcome::Accepted => Stop::Sent,
                ConversionOutcome::Withheld => Stop::Unknown,
                ConversionOutcome::Refused(words) => Stop::Refused(words),
            };
            // What was called off meanwhile was told all the same, if it was.
            let is_ours = row.state == ConversionDeliveryState::Pending
                || stop == Stop::Sent && row.state == ConversionDeliveryState::Cancelled;
            if is_ours {
                stop.put(&mut row, now);
                changed.push(row);
            }
        }
        store::put(&tx, &changed).await?;
        tell(&tx, "system", now, &changed).await?;
        tx.commit().await?;
        count(&changed);
        Ok(())
    }

    /// Has what was tried wait, and the platform left alone; or gives it up.
    async fn failed(
        &self,
        id: ConnectionId,
        seen: Vec<ConversionDelivery>,
        error: &integrations::Error,
    ) -> Result<(), Error> {
        let now = self.app.clock().now();
        let tx = self.app.db().begin().await?;
        let mut held = store::locked(&tx, &ids(&seen)).await?;
        let (mut waiting, mut given_up) = (Vec::new(), Vec::new());
        let mut until = None;
        for seen in seen {
            let Some(mut row) = held.remove(&seen.id) else {
                continue;
            };
            if row.state != ConversionDeliveryState::Pending {
                continue;
            }
            match next_try(error, row.attempts) {
                Next::Again { seconds, counts } => {
                    let at = now.plus_seconds(seconds);
                    until = until.max(Some(at));
                    row.attempts += i32::from(counts);
                    row.due_at = Some(at);
                    row.problem_kind = Some(error.kind.name().to_owned());
                    row.problem = Some(error.message.replace('\0', "").chars().take(1_000).collect());
                    row.updated_at = now;
                    waiting.push(row);
                }
                Next::GiveUp => {
                    Stop::GivenUp(error.clone()).put(&mut row, now);
                    given_up.push(row);
                }
            }
        }
        store::put(&tx, &waiting).await?;
        store::put(&tx, &given_up).await?;
        tell(&tx, "system", now, &given_up).await?;
        if until.is_some() {
            // The platform is not asked for others meanwhile.
            store::pause(&tx, id, until).await?;
        }
        tx.commit().await?;
        count(&given_up);
        tracing::info!(connection = %id, reason = %error, given_up = given_up.len(), "conversions wait for their platform");
        Ok(())
    }
}

fn ids(rows: &[ConversionDelivery]) -> Vec<entity::id::ConversionDeliveryId> {
    rows.iter().map(|row| row.id).collect()
}

fn count(rows: &[ConversionDelivery]) {
    for row in rows {
        metrics::counter!("leadline_conversion_deliveries_total", "state" => row.state.as_str()).increment(1);
    }
}

/// What is known of what is due.
struct Known {
    leads: HashMap<entity::id::LeadId, crate::leads::lead::Lead>,
    consents: HashMap<entity::id::LeadId, Vec<crate::leads::consent::ConsentRecord>>,
    platform_leads: HashMap<entity::id::LeadId, String>,
    conversions: HashMap<entity::id::ConversionId, Conversion>,
    orders: HashMap<entity::id::OrderId, crate::platforms::commerce::Order>,
}

impl Known {
    async fn of(tx: &Tx, live: &Live, due: &[ConversionDelivery]) -> Result<Self, Error> {
        let leads = store::distinct(due.iter().map(|row| row.lead_id));
        let conversions = store::distinct(due.iter().filter_map(|row| row.conversion_id));
        let conversions = store::conversions(tx, &conversions).await?;
        let orders = store::distinct(conversions.values().filter_map(order_of));
        Ok(Self {
            leads: store::leads(tx, &leads).await?,
            consents: in_force_within(tx, &leads).await?,
            platform_leads: store::platform_leads(tx, &live.namespace(), &leads).await?,
            orders: orders_within(tx, &orders).await?,
            conversions,
        })
    }

    /// What the platform is told, or why it is told nothing.
    fn look(
        &self,
        row: &ConversionDelivery,
        sharing: &ConversionSharing,
        oldest: chrono::Duration,
        now: Timestamp,
    ) -> Result<ConversionEvent, Stop> {
        let lead = self.leads.get(&row.lead_id).ok_or(Stop::LeadGone)?;
        if lead.erased_at.is_some() {
            return Err(Stop::Erased);
        }
        if lead.deleted_at.is_some() {
            return Err(Stop::LeadGone);
        }
        let conversion = match row.conversion_id {
            Some(id) => Some(self.conversions.get(&id).ok_or(Stop::ConversionGone)?),
            None => None,
        };
        if conversion.is_some_and(is_taken_back) {
            return Err(Stop::Reversed);
        }
        if now.to_chrono() - row.occurred_at.to_chrono() >= oldest {
            return Err(Stop::TooOld(oldest.num_days()));
        }
        let words = self.consents.get(&row.lead_id).map_or(&[][..], Vec::as_slice);
        let consent = consent(words, sharing.unknown_consent);
        match consent {
            AdConsent::Denied => return Err(Stop::Denied),
            AdConsent::Unknown => return Err(Stop::Unknown),
            AdConsent::Granted | AdConsent::NotRequired => {}
        }
        let order = conversion
            .and_then(order_of)
            .and_then(|id| self.orders.get(&id))
            // Whoever records a conversion may name any order.
            .filter(|order| order.lead_id == Some(row.lead_id));
        Ok(event(&Told {
            row,
            sharing,
            lead,
            conversion,
            order,
            platform_lead: self.platform_leads.get(&row.lead_id).map(String::as_str),
            consent,
        }))
    }
}

/// Whether nothing is left of a conversion.
fn is_taken_back(conversion: &Conversion) -> bool {
    let is_given_back = conversion.refunded_minor > 0
        && conversion
            .value_minor
            .is_some_and(|value| conversion.refunded_minor >= value);
    conversion.voided_at.is_some() || is_given_back
}
