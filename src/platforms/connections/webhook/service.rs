//! Use cases of webhooks: looked at, replayed, registered at platforms.

use entity::id::{ConnectionId, WebhookDeliveryId};
use entity::{EventKind, WebhookState};
use integrations::facet::{Subscription, Webhooks};
use serde_json::{Map, Value, json};

use super::intake::Arrived;
use super::{WebhookDelivery, address};
use crate::app::App;
use crate::db::{Keyset, Page, PageRequest, SortValue};
use crate::error::{Error, Outcome};
use crate::events::{self, NewEvent};
use crate::identity::Caller;
use crate::platforms::connections::live::forget;
use crate::platforms::connections::model::wrong;
use crate::platforms::connections::service::{missing, platform, require_read, require_write, tell};
use crate::platforms::connections::{ConnectionProblem, Live, live, store};

/// Which deliveries; an empty list is all.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    /// Of this connection.
    pub connection: Option<ConnectionId>,
    /// In one of these states.
    pub states: Vec<WebhookState>,
}

impl DeliveryFilter {
    /// The name of the one ordering, newest first, that cursors are bound to.
    pub const ORDER: &'static str = "webhook RECEIVED_AT DESC";

    /// The place of a delivery in that ordering.
    #[must_use]
    pub fn keyset(delivery: &WebhookDelivery) -> Keyset {
        Keyset {
            order: Self::ORDER.to_owned(),
            value: SortValue::Int(delivery.received_at.micros()),
            id: delivery.id.0,
        }
    }
}

/// A delivery; `None` when there is none.
///
/// # Errors
/// A missing scope `connections:read`; a caller who does not see all rows; the database's.
pub async fn find(
    app: &App,
    caller: &Caller,
    id: WebhookDeliveryId,
) -> Result<Option<WebhookDelivery>, Error> {
    require_read(caller)?;
    Ok(store::find_delivery(app.db().read(), id).await?)
}

/// Deliveries, newest first.
///
/// # Errors
/// As [`find`].
pub async fn list(
    app: &App,
    caller: &Caller,
    filter: &DeliveryFilter,
    page: &PageRequest,
) -> Result<Page<WebhookDelivery>, Error> {
    require_read(caller)?;
    let db = app.db().read();
    Ok(store::list_deliveries(db, filter.connection, &filter.states, page).await?)
}

/// Has a delivery processed again that could not be, or that had nothing for us.
///
/// # Errors
/// [`ConnectionProblem::NotFound`], [`ConnectionProblem::NotFailed`]; a missing scope `connections:write`; the database's.
pub async fn replay(
    app: &App,
    caller: &Caller,
    id: WebhookDeliveryId,
) -> Outcome<WebhookDelivery, ConnectionProblem> {
    require_write(caller)?;
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    let Some(mut row) = store::locked_delivery(&tx, id).await? else {
        let message = format!("there is no webhook delivery `{id}`");
        return Err(wrong("id", ConnectionProblem::NotFound, message).into());
    };
    if !matches!(row.state, WebhookState::Failed | WebhookState::Ignored) {
        let message = format!(
            "the delivery is {}; only FAILED and IGNORED ones are replayed",
            row.state
        );
        return Err(wrong("id", ConnectionProblem::NotFailed, message).into());
    }
    row.state = WebhookState::Waiting;
    row.due_at = Some(now);
    row.attempts = 0;
    row.problem = None;
    row.problem_kind = None;
    let told = NewEvent {
        kind: EventKind::WebhookChanged,
        lead_id: None,
        subject: row.id.to_string(),
        payload: json!({ "connection": row.connection_id, "state": row.state, "problem": null }),
    };
    store::update_delivery(&tx, row.clone()).await?;
    events::append(&tx, &caller.actor.id, now, vec![told]).await?;
    tx.commit().await?;
    app.memory::<Arrived>().notify.notify_one();
    Ok(row)
}

async fn hooks(app: &App, id: ConnectionId) -> Outcome<(Live, &dyn Webhooks), ConnectionProblem> {
    let Some(live) = live(app, id).await? else {
        return Err(missing(id).into());
    };
    let integration = platform(app, &live.row.platform)?;
    let Some(webhooks) = integration.facets().webhooks else {
        let message = format!("{} sends no webhooks", integration.manifest().name);
        return Err(wrong("id", ConnectionProblem::Unsupported, message).into());
    };
    Ok((live, webhooks))
}

/// What the platform tells to this server by now.
///
/// # Errors
/// [`ConnectionProblem`]s; a missing scope `connections:read`; the database's.
pub async fn subscriptions(
    app: &App,
    caller: &Caller,
    public_url: &str,
    id: ConnectionId,
) -> Outcome<Vec<Subscription>, ConnectionProblem> {
    require_read(caller)?;
    let (live, webhooks) = hooks(app, id).await?;
    let found = webhooks.subscriptions(&live.context(app)).await;
    let found = found.map_err(|error| wrong("id", ConnectionProblem::PlatformFault, error.message))?;
    let own = address(public_url, id).map(String::from);
    Ok(found
        .into_iter()
        .filter(|subscription| subscription.url.is_none() || subscription.url == own)
        .collect())
}

/// Has the platform tell this server what it can be asked to tell by its API.
///
/// # Errors
/// [`ConnectionProblem`]s; a missing scope `connections:write`; the database's.
pub async fn register(
    app: &App,
    caller: &Caller,
    public_url: &str,
    id: ConnectionId,
) -> Outcome<Vec<String>, ConnectionProblem> {
    require_write(caller)?;
    let (live, webhooks) = hooks(app, id).await?;
    let integration = platform(app, &live.row.platform)?;
    let topics: Vec<&str> = integration
        .manifest()
        .topics
        .iter()
        .filter(|topic| topic.registrable)
        .map(|topic| topic.name)
        .collect();
    let Some(url) = address(public_url, id) else {
        let message = format!("`{public_url}` is no address to be called at; set `public_url`");
        return Err(wrong("", ConnectionProblem::Unsupported, message).into());
    };
    let fault = |error: integrations::Error| wrong("id", ConnectionProblem::PlatformFault, error.message);
    let context = live.context(app);
    webhooks.subscribe(&context, &url, &topics).await.map_err(fault)?;
    // Some platforms hand out what their signatures are checked by only now.
    let given = webhooks
        .subscription_settings(&context, &url)
        .await
        .map_err(fault)?;
    if !given.is_empty() {
        keep_settings(app, caller, id, given).await?;
    }
    Ok(topics.into_iter().map(str::to_owned).collect())
}

async fn keep_settings(
    app: &App,
    caller: &Caller,
    id: ConnectionId,
    given: Map<String, Value>,
) -> Outcome<(), ConnectionProblem> {
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    let Some(mut row) = store::locked(&tx, id).await? else {
        return Err(missing(id).into());
    };
    let mut settings: Map<String, Value> = serde_json::from_str(&row.settings)?;
    settings.extend(given);
    let settings = Value::Object(settings).to_string();
    if settings == row.settings {
        return Ok(());
    }
    row.settings = settings;
    row.version += 1;
    row.updated_at = now;
    tell(&tx, &caller.actor.id, now, &row, "UPDATED").await?;
    store::update(&tx, row).await?;
    tx.commit().await?;
    forget(app, id);
    Ok(())
}
