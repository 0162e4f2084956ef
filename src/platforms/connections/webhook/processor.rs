//! Processing of webhooks that are kept: each connection on its own, so that a platform that is slow delays no other; in the
//! order in which they came; a batch in one transaction, and one by one where the batch has one that cannot be.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use entity::id::{ConnectionId, WebhookDeliveryId};
use entity::{ConnectionState, EventKind, Timestamp, WebhookState};
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use integrations::facet::{Inbound, WebhookEvent};
use integrations::{Kind, Retry};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::WebhookDelivery;
use super::intake::Arrived;
use crate::app::App;
use crate::db::{Tx, is_transient};
use crate::error::Error;
use crate::events::{self, NewEvent};
use crate::platforms::connections::health::with_account;
use crate::platforms::connections::{
    AfterBatch, Consumers, Items, LaneWork, Live, live, primary, report, store,
};

/// Most of one connection that are processed together.
const BATCH: u64 = 250;
/// The same while webhooks come in a flood: what keeps them waits for these on SQLite.
const BATCH_IN_A_FLOOD: usize = 50;
/// Between two such batches, of whatever connections.
const PAUSE_IN_A_FLOOD: Duration = Duration::from_millis(250);
/// Processing gives way to keeping for as long as what waits is no older, in seconds.
const GIVES_WAY_SECONDS: i64 = 30;
/// How long a delivery waits for a connection whose credentials are not accepted, in seconds.
const UNTIL_MENDED_SECONDS: i64 = 3_600;
/// What is to be fetched of a platform for a batch, at a time.
const FETCHES: usize = 4;
/// So often a delivery is tried again for the sake of those of its leads that are not there, before the others are taken alone.
const WAITS_FOR_ALL: i32 = 2;
/// A batch is written so often where somebody else is at the same rows, before its deliveries are taken one by one.
const MOST_CONFLICTS: u32 = 4;
/// A delivery is tried at most so often.
const MOST_ATTEMPTS: i32 = 8;

/// Processes webhooks in a process that works, each connection on a [lane](crate::platforms::connections::Lanes) of its own.
pub struct WebhookProcessor {
    app: App,
    consumers: Consumers,
}

/// What is in a delivery.
enum Content {
    /// Things of a kind.
    Items(Items),
    /// Something else.
    Event(Box<WebhookEvent>),
}

/// A delivery that was read.
struct Read {
    row: WebhookDelivery,
    outcome: Result<Contents, integrations::Error>,
}

/// What is in a delivery.
#[derive(Default)]
struct Contents {
    parts: Vec<Content>,
    /// What it names and the platform does not have (yet), where it names others, too.
    gone: Option<String>,
}

impl Contents {
    fn has_items(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Content::Items(_)))
    }
}

#[async_trait]
impl LaneWork for WebhookProcessor {
    type Lane = ConnectionId;

    const NAME: &'static str = "webhooks";
    const LOOK: Duration = Duration::from_millis(500);
    const LEASE_SECONDS: i64 = 180;

    async fn due(&self) -> Result<Vec<ConnectionId>, Error> {
        let db = self.app.db();
        let now = self.app.clock().now();
        Ok(store::connections_due(primary(&self.app), db.backend(), now).await?)
    }

    async fn work(&self, id: ConnectionId, _: &CancellationToken) -> Result<AfterBatch, Error> {
        let now = self.app.clock().now();
        let mut due = store::deliveries_due(self.app.db().write(), id, now, BATCH).await?;
        let Some(first) = due.first() else {
            return Ok(AfterBatch::Done);
        };
        if first.received_at.plus_seconds(GIVES_WAY_SECONDS) > now {
            self.give_way(&mut due).await;
        }
        if !self.batch(id, due).await? {
            return Ok(AfterBatch::Done);
        }
        Ok(AfterBatch::GoOn)
    }

    async fn woken(&self) {
        self.app.memory::<Arrived>().notify.notified().await;
    }
}

impl WebhookProcessor {
    /// With the rooms that take what is told.
    #[must_use]
    pub fn new(app: App, consumers: Consumers) -> Self {
        Self { app, consumers }
    }

    /// While more comes than a moment's work: processing it can wait, keeping it cannot.
    async fn give_way(&self, due: &mut Vec<WebhookDelivery>) {
        let arrived = self.app.memory::<Arrived>();
        if !arrived.is_flood() {
            return;
        }
        due.truncate(BATCH_IN_A_FLOOD);
        let _turn = arrived.turn.lock().await;
        if arrived.is_flood() {
            tokio::time::sleep(PAUSE_IN_A_FLOOD).await;
        }
    }

    /// False when the connection takes nothing at the moment.
    async fn batch(&self, id: ConnectionId, due: Vec<WebhookDelivery>) -> Result<bool, Error> {
        let Some(live) = live(&self.app, id).await? else {
            let gone = integrations::Error::new(Kind::NotFound, "the connection was removed");
            for row in due {
                self.failed(row, &gone).await?;
            }
            return Ok(true);
        };
        if live.row.state == ConnectionState::Disabled {
            // They wait until it is switched on again.
            return Ok(false);
        }
        let context = live.context(&self.app);
        let mut read: Vec<Read> = stream::iter(due)
            .map(|row| self.read(&live, &context, row))
            .buffered(FETCHES)
            .collect()
            .await;
        let live = self.known_account(live, &mut read).await?;
        let (good, bad): (Vec<Read>, Vec<Read>) = read.drain(..).partition(|read| read.outcome.is_ok());
        let mut good: Vec<_> = good
            .into_iter()
            .map(|read| (read.row, read.outcome.unwrap_or_default()))
            .collect();
        if !good.is_empty() {
            match self.write_patiently(&live, &good).await {
                Ok(()) => {}
                Err(error) if passes(&error) => return Err(error),
                Err(_) if good.len() > 1 => {
                    // One of them cannot be; the others can.
                    for one in good.drain(..) {
                        let row = one.0.clone();
                        match self.write(&live, &[one]).await {
                            Ok(()) => {}
                            Err(error) if passes(&error) => return Err(error),
                            Err(error) => self.failed(row, &own(&error)).await?,
                        }
                    }
                }
                Err(error) => {
                    if let Some((row, _)) = good.into_iter().next() {
                        self.failed(row, &own(&error)).await?;
                    }
                }
            }
        }
        for Read { row, outcome } in bad {
            let Err(error) = outcome else { continue };
            if matches!(error.kind, Kind::Unauthorised | Kind::Revoked) {
                report(&self.app, &live, Err(&error)).await?;
            }
            self.failed(row, &error).await?;
        }
        Ok(true)
    }

    /// The connection with its account, by whose ids people are known. Where the platform does not tell it, deliveries about
    /// people wait; the others do without.
    async fn known_account(&self, live: Live, read: &mut [Read]) -> Result<Live, Error> {
        let is_needed = |read: &Read| matches!(&read.outcome, Ok(contents) if contents.has_items());
        if live.row.account_id.is_some() || !read.iter().any(is_needed) {
            return Ok(live);
        }
        match with_account(&self.app, &live).await? {
            Ok(live) => Ok(live),
            Err(error) => {
                for read in read.iter_mut().filter(|read| is_needed(read)) {
                    read.outcome = Err(error.clone());
                }
                Ok(live)
            }
        }
    }

    /// As [`Self::write`]; again, a few times, where somebody else was at the same rows. What still meets somebody then is
    /// taken for the deliveries' own: it must not stand before all others for ever.
    async fn write_patiently(
        &self,
        live: &Live,
        deliveries: &[(WebhookDelivery, Contents)],
    ) -> Result<(), Error> {
        for _ in 1..MOST_CONFLICTS {
            match self.write(live, deliveries).await {
                Err(Error::Conflict(_)) => tokio::time::sleep(Self::LOOK).await,
                outcome => return outcome,
            }
        }
        self.write(live, deliveries).await
    }

    /// Reads a delivery, and fetches what it only names.
    async fn read(&self, live: &Live, context: &integrations::Context, row: WebhookDelivery) -> Read {
        let outcome = self.content(live, context, &row).await;
        Read { row, outcome }
    }

    async fn content(
        &self,
        live: &Live,
        context: &integrations::Context,
        row: &WebhookDelivery,
    ) -> integrations::Result<Contents> {
        let facets = live.facets(&self.app);
        let webhooks = facets
            .webhooks
            .ok_or_else(|| integrations::Error::new(Kind::Unsupported, "the platform is switched off"))?;
        let request = inbound(row)?;
        let mut contents: Vec<Content> = Vec::new();
        let mut gone = Vec::new();
        for event in webhooks.parse(context, &request)? {
            let content = match event {
                WebhookEvent::Lead(lead) => Content::Items(Items::Leads(vec![*lead])),
                WebhookEvent::Customer(customer) => Content::Items(Items::Customers(vec![*customer])),
                WebhookEvent::Order(order) => Content::Items(Items::Orders(vec![*order])),
                WebhookEvent::Product(product) => Content::Items(Items::Products(vec![*product])),
                WebhookEvent::Checkout(checkout) => {
                    Content::Items(Items::AbandonedCheckouts(vec![*checkout]))
                }
                WebhookEvent::LeadArrived { id } => {
                    let source = facets.lead_source.ok_or_else(|| {
                        integrations::Error::new(Kind::Unsupported, "it has no leads to fetch")
                    })?;
                    match source.lead(context, &id).await? {
                        Some(lead) => Content::Items(Items::Leads(vec![lead])),
                        None => {
                            gone.push(format!("the lead `{id}` is not there, or may not be read"));
                            continue;
                        }
                    }
                }
                WebhookEvent::OrderChanged { id } => {
                    let commerce = facets.commerce.ok_or_else(|| {
                        integrations::Error::new(Kind::Unsupported, "it has no orders to fetch")
                    })?;
                    match commerce.order(context, &id).await? {
                        Some(order) => Content::Items(Items::Orders(vec![order])),
                        None => continue,
                    }
                }
                // It may have been installed again since: whoever still is let in was not thrown out.
                WebhookEvent::Uninstalled if self.is_let_in(live, context).await? => continue,
                WebhookEvent::Ignored { .. } | WebhookEvent::BulkFinished { .. } => continue,
                event => Content::Event(Box::new(event)),
            };
            let joined = match (contents.last_mut(), content) {
                (Some(Content::Items(last)), Content::Items(items)) => {
                    last.join(items).map_err(Content::Items)
                }
                (_, content) => Err(content),
            };
            if let Err(content) = joined {
                contents.push(content);
            }
        }
        let gone = (!gone.is_empty()).then(|| gone.join("; "));
        match gone {
            // It is tried again: a lead may be readable a moment after its webhook.
            Some(gone) if contents.is_empty() || row.attempts < WAITS_FOR_ALL => {
                Err(integrations::Error::new(Kind::NotFound, gone))
            }
            gone => Ok(Contents {
                parts: contents,
                gone,
            }),
        }
    }

    async fn is_let_in(&self, live: &Live, context: &integrations::Context) -> integrations::Result<bool> {
        let Some(integration) = live.integration(&self.app) else {
            return Ok(false);
        };
        match integration.check(context).await {
            Ok(_) => Ok(true),
            Err(error)
                if matches!(
                    error.kind,
                    Kind::Unauthorised | Kind::Revoked | Kind::Forbidden | Kind::NotFound
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Writes what deliveries hold, and that they are done, in one transaction.
    async fn write(&self, live: &Live, deliveries: &[(WebhookDelivery, Contents)]) -> Result<(), Error> {
        let now = self.app.clock().now();
        let tx = self.app.db().begin().await?;
        let mut done: Vec<(WebhookDeliveryId, WebhookState, i32)> = Vec::with_capacity(deliveries.len());
        let mut waiting: Option<Items> = None;
        let mut mended = Vec::new();
        let mut refused: HashMap<String, String> = HashMap::new();
        for (row, contents) in deliveries {
            let mut is_heard = false;
            for content in &contents.parts {
                match content {
                    Content::Items(items) => {
                        is_heard = true;
                        waiting = match waiting.take() {
                            None => Some(items.clone()),
                            Some(mut before) => match before.join(items.clone()) {
                                Ok(()) => Some(before),
                                Err(items) => {
                                    refused.extend(self.take(&tx, live, now, &before).await?);
                                    Some(items)
                                }
                            },
                        };
                    }
                    Content::Event(event) => {
                        if let Some(before) = waiting.take() {
                            refused.extend(self.take(&tx, live, now, &before).await?);
                        }
                        is_heard |= self.hear(&tx, live, row.received_at, event).await?;
                    }
                }
            }
            let state = if is_heard {
                WebhookState::Processed
            } else {
                WebhookState::Ignored
            };
            if row.attempts > 0 {
                mended.push(changed(row.id, live, state, None));
            }
            done.push((
                row.id,
                state,
                i32::try_from(contents.parts.len()).unwrap_or(i32::MAX),
            ));
        }
        if let Some(before) = waiting {
            refused.extend(self.take(&tx, live, now, &before).await?);
        }
        // What could not be used is kept, shown and can be replayed.
        for (row, contents) in deliveries {
            let reason = contents.gone.as_ref();
            if let Some(reason) = reason.or_else(|| why_not(&contents.parts, &refused)) {
                done.retain(|(id, _, _)| *id != row.id);
                let row = WebhookDelivery {
                    state: WebhookState::Failed,
                    due_at: None,
                    attempts: row.attempts + 1,
                    problem_kind: Some(Kind::Refused.name().to_owned()),
                    problem: Some(reason.clone()),
                    ..row.clone()
                };
                mended.push(changed(row.id, live, row.state, row.problem_kind.as_deref()));
                store::update_delivery(&tx, row).await?;
            }
        }
        done.sort_by_key(|(_, state, events)| (*state, *events));
        for alike in done.chunk_by(|left, right| (left.1, left.2) == (right.1, right.2)) {
            let ids: Vec<_> = alike.iter().map(|(id, _, _)| *id).collect();
            store::deliveries_done(&tx, &ids, alike[0].1, alike[0].2, now).await?;
        }
        events::append(&tx, "system", now, mended).await?;
        Ok(tx.commit().await?)
    }

    /// Gives what could not be used at all: the platform's id, and why.
    async fn take(
        &self,
        tx: &Tx,
        live: &Live,
        now: Timestamp,
        items: &Items,
    ) -> Result<Vec<(String, String)>, Error> {
        let Some(consumer) = self.consumers.of(items.kind()) else {
            return Ok(Vec::new());
        };
        let written = consumer.write(&self.app, tx, live, now, items).await?;
        let whole = written.refused.into_iter().filter(|refusal| refusal.is_whole);
        Ok(whole
            .map(|refusal| (refusal.external_id, refusal.message))
            .collect())
    }

    async fn hear(
        &self,
        tx: &Tx,
        live: &Live,
        arrived: Timestamp,
        event: &WebhookEvent,
    ) -> Result<bool, Error> {
        if self.hear_of_ourselves(tx, live, event).await? {
            return Ok(true);
        }
        let mut is_heard = false;
        for consumer in self.consumers.iter() {
            is_heard |= consumer.hear(&self.app, tx, live, arrived, event).await?;
        }
        Ok(is_heard)
    }

    /// What platforms tell about the connection itself.
    async fn hear_of_ourselves(&self, tx: &Tx, live: &Live, event: &WebhookEvent) -> Result<bool, Error> {
        let now = self.app.clock().now();
        let Some(mut row) = store::locked(tx, live.row.id).await? else {
            return Ok(false);
        };
        match event {
            // Consented to anew since it was looked whether it still holds.
            WebhookEvent::Uninstalled if row.access_version != live.row.access_version => return Ok(true),
            WebhookEvent::Uninstalled => {
                row.state = ConnectionState::Revoked;
                row.problem_kind = Some(Kind::Revoked.name().to_owned());
                row.problem = Some("the owner has removed the app from the platform".to_owned());
                row.credentials = None;
                row.credentials_until = None;
                row.access_version += 1;
            }
            WebhookEvent::ScopesChanged { scopes } => row.scopes = Some(scopes.join(" ")),
            _ => return Ok(false),
        }
        row.version += 1;
        row.updated_at = now;
        crate::platforms::connections::service::tell(tx, "system", now, &row, row.state.as_str()).await?;
        store::update(tx, row).await?;
        crate::platforms::connections::live::forget(&self.app, live.row.id);
        Ok(true)
    }

    /// A delivery that could not be processed: tried again later, or kept as failed.
    async fn failed(&self, seen: WebhookDelivery, error: &integrations::Error) -> Result<(), Error> {
        let now = self.app.clock().now();
        let tx = self.app.db().begin().await?;
        let Some(mut row) = store::locked_delivery(&tx, seen.id).await? else {
            return Ok(());
        };
        if row.due_at.is_none() || row.attempts != seen.attempts {
            // Another process was quicker.
            return Ok(());
        }
        row.attempts += 1;
        row.problem_kind = Some(error.kind.name().to_owned());
        row.problem = Some(error.message.clone());
        let again = match error.retry {
            _ if matches!(error.kind, Kind::Unauthorised | Kind::Revoked) => {
                // It is tried when the owner has mended the connection, however long that takes.
                row.attempts -= 1;
                Some(UNTIL_MENDED_SECONDS)
            }
            Retry::After(time) => {
                // A platform that is busy says nothing about the delivery.
                row.attempts -= 1;
                Some(i64::try_from(time.as_secs()).unwrap_or(i64::MAX).clamp(1, 3_600))
            }
            Retry::BackOff | Retry::Exhausted => Some(5 << row.attempts.clamp(0, 10)),
            // A lead may be readable a moment after its webhook.
            Retry::Never if error.kind == Kind::NotFound && row.attempts < 3 => Some(5 << row.attempts),
            Retry::Never => None,
        };
        match again.filter(|_| row.attempts < MOST_ATTEMPTS) {
            Some(seconds) => row.due_at = Some(now.plus_seconds(seconds)),
            None => {
                row.state = WebhookState::Failed;
                row.due_at = None;
                let told = NewEvent {
                    kind: EventKind::WebhookChanged,
                    lead_id: None,
                    subject: row.id.to_string(),
                    payload: json!({
                        "connection": row.connection_id,
                        "state": row.state,
                        "problem": row.problem_kind,
                    }),
                };
                events::append(&tx, "system", now, vec![told]).await?;
            }
        }
        store::update_delivery(&tx, row).await?;
        Ok(tx.commit().await?)
    }
}

/// Why something in a delivery could not be used; `refused`: by the platform's id.
fn why_not<'r>(contents: &[Content], refused: &'r HashMap<String, String>) -> Option<&'r String> {
    if refused.is_empty() {
        return None;
    }
    let items = contents.iter().filter_map(|content| match content {
        Content::Items(items) => Some(Consumers::ids(items)),
        Content::Event(_) => None,
    });
    items.flatten().find_map(|id| refused.get(&*id))
}

fn changed(id: WebhookDeliveryId, live: &Live, state: WebhookState, problem: Option<&str>) -> NewEvent {
    NewEvent {
        kind: EventKind::WebhookChanged,
        lead_id: None,
        subject: id.to_string(),
        payload: json!({ "connection": live.row.id, "state": state, "problem": problem }),
    }
}

/// A fault of ours, as it is noted on a delivery.
fn own(error: &Error) -> integrations::Error {
    if let Error::Internal(source) = error {
        tracing::error!(?source, "a webhook could not be processed");
    }
    let kind = match error {
        Error::BadInput(_) => Kind::Refused,
        _ => Kind::Unavailable,
    };
    integrations::Error::new(kind, error.to_string())
}

/// Whether a fault of ours is not the delivery's: the database is away, or others wrote the same rows.
fn passes(error: &Error) -> bool {
    is_transient(error) || matches!(error, Error::Unavailable(_))
}

/// The request as it came.
fn inbound(row: &WebhookDelivery) -> integrations::Result<Inbound> {
    let broken = |what: &str| integrations::Error::malformed(format!("the kept {what} cannot be read"));
    let pairs: Vec<(String, String)> = serde_json::from_str(&row.headers).map_err(|_| broken("headers"))?;
    let mut headers = HeaderMap::with_capacity(pairs.len());
    for (name, value) in pairs {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
            headers.append(name, value);
        }
    }
    Ok(Inbound {
        method: row.method.parse::<Method>().map_err(|_| broken("method"))?,
        url: Url::parse(&row.url).map_err(|_| broken("address"))?,
        headers,
        body: row.body.clone().into(),
        received_at: row.received_at.to_chrono(),
    })
}

impl std::fmt::Debug for WebhookProcessor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookProcessor")
            .field("consumers", &self.consumers)
            .finish_non_exhaustive()
    }
}
