//! Whoever takes their consent back here takes it back in the shops, too: a shop writes to its customers by itself, and does not
//! know what was said elsewhere. What was given is not passed on, as the proof of it lies here.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use entity::id::{ConnectionId, LeadId};
use entity::{ConsentChannel, ConsentPurpose, ConsentState, EventKind};
use integrations::facet::{ConsentChange, ContactChannel};
use integrations::{Kind, Retry, facet};
use serde::{Deserialize, Serialize};

use super::store;
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;
use crate::events::{Event, Handler};
use crate::identity::Caller;
use crate::jobs::{self, Counts, JobContext, JobKind, JobOutcome};
use crate::platforms::connections::{live, report};

const KIND: &str = "commerce.farewell";
/// Customers of one job.
const BATCH: usize = 500;

/// What a job tells a shop.
#[derive(Debug, Serialize, Deserialize)]
struct Input {
    connection: ConnectionId,
    words: Vec<Word>,
}

/// That a customer wants no more messages.
#[derive(Debug, Serialize, Deserialize)]
struct Word {
    customer: String,
    channel: ConsentChannel,
    at: DateTime<Utc>,
}

/// What an event of consent says.
#[derive(Deserialize)]
struct Said {
    channel: ConsentChannel,
    purpose: ConsentPurpose,
    state: ConsentState,
}

/// Follows the log for consent to marketing that was taken back.
#[derive(Clone, Copy, Debug, Default)]
pub struct FarewellHandler;

#[async_trait]
impl Handler for FarewellHandler {
    fn name(&self) -> &'static str {
        "commerce-farewell"
    }

    fn kinds(&self) -> &'static [EventKind] {
        &[EventKind::ConsentChanged]
    }

    async fn handle(&self, app: &App, tx: &Tx, events: &[Event]) -> Result<(), Error> {
        // The last word of each lead on each channel.
        let mut last: HashMap<(LeadId, ConsentChannel), (&Event, ConsentState)> = HashMap::new();
        for event in events {
            let Some(lead) = event.lead_id else { continue };
            let said: Said = serde_json::from_str(&event.payload)?;
            let by_shop = matches!(said.channel, ConsentChannel::Email | ConsentChannel::Sms);
            if by_shop && said.purpose == ConsentPurpose::Marketing {
                last.insert((lead, said.channel), (event, said.state));
            }
        }
        last.retain(|_, (_, state)| matches!(state, ConsentState::Withdrawn | ConsentState::Denied));
        if last.is_empty() {
            return Ok(());
        }
        let mut leads: Vec<LeadId> = last.keys().map(|(lead, _)| *lead).collect();
        leads.sort_unstable();
        leads.dedup();
        let mut words: BTreeMap<ConnectionId, Vec<Word>> = BTreeMap::new();
        for leads in leads.chunks(BATCH) {
            let customers = store::customers_of_leads(&**tx, leads).await?;
            for customer in customers.into_values().flatten() {
                for channel in [ConsentChannel::Email, ConsentChannel::Sms] {
                    let said = customer.lead_id.and_then(|lead| last.get(&(lead, channel)));
                    // The shop itself has said so.
                    let Some((event, _)) =
                        said.filter(|(event, _)| event.actor != customer.connection_id.to_string())
                    else {
                        continue;
                    };
                    words.entry(customer.connection_id).or_default().push(Word {
                        customer: customer.external_id.clone(),
                        channel,
                        at: event.at.to_chrono(),
                    });
                }
            }
        }
        let now = app.clock().now();
        for (connection, mut words) in words {
            while !words.is_empty() {
                let rest = words.split_off(words.len().min(BATCH));
                let total = i64::try_from(words.len()).ok();
                let input = Input { connection, words };
                jobs::enqueue(tx, &Caller::system(), now, KIND, &input, total).await?;
                words = rest;
            }
        }
        Ok(())
    }
}

/// Tells shops.
#[derive(Clone, Copy, Debug, Default)]
pub struct FarewellJob;

#[async_trait]
impl JobKind for FarewellJob {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn waits_for_others(&self) -> bool {
        true
    }

    async fn run(&self, app: &App, job: &JobContext) -> Result<JobOutcome, Error> {
        let Input { connection, words } = job.input()?;
        let mut done: usize = job.checkpoint()?.unwrap_or_default();
        let mut counts: Counts = job.counts()?;
        for word in words.iter().skip(done) {
            if job.is_cancelled().await {
                return Ok(JobOutcome::Stopped);
            }
            let Some(live) = live(app, connection).await?.filter(|live| live.is_active()) else {
                return Err(Error::Conflict(format!(
                    "the connection `{connection}` is not active; the shop was not told"
                )));
            };
            let Some(commerce) = live.facets(app).commerce else {
                return Ok(JobOutcome::Finished);
            };
            let told = commerce
                .change_consent(&live.context(app), &word.customer, &change(word))
                .await;
            let outcome = match &told {
                Ok(()) => "told",
                Err(error) if matches!(error.kind, Kind::Unauthorised | Kind::Revoked) => {
                    report(app, &live, Err(error)).await?;
                    return Err(Error::Conflict(format!("the shop was not told: {error}")));
                }
                Err(error) if error.retry != Retry::Never => {
                    return Err(Error::Unavailable(error.to_string()));
                }
                // E.g. a customer without that address.
                Err(error) => {
                    tracing::info!(%connection, %error, "a shop did not take that consent was taken back");
                    "refused"
                }
            };
            *counts.entry(outcome.to_owned()).or_default() += 1;
            done += 1;
            let tx = app.db().begin().await?;
            let so_far = i64::try_from(done).unwrap_or(i64::MAX);
            job.progress(&tx, so_far, None, &counts, &done).await?;
            tx.commit().await?;
        }
        Ok(JobOutcome::Finished)
    }
}

fn change(word: &Word) -> ConsentChange {
    ConsentChange {
        channel: match word.channel {
            ConsentChannel::Sms => ContactChannel::Sms,
            _ => ContactChannel::Email,
        },
        state: facet::ConsentState::Denied,
        at: Some(word.at),
        proof: None,
    }
}
