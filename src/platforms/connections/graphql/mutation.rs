//! Changes of connections.

use async_graphql::{Context, InputObject, MaybeUndefined, Object, Result, SimpleObject};
use entity::id::{ConnectionId, WebhookDeliveryId};
use entity::{SyncKind, Timestamp};
use serde_json::{Map, Value};

use super::{Connection, Sync, WebhookDelivery};
use crate::api::types::{Access, Json, scoped, user_errors};
use crate::db::CallKey;
use crate::error::{Error, Outcome};
use crate::jobs::graphql::Job;
use crate::platforms::connections::sync::{self, Started, SyncRequest};
use crate::platforms::connections::{
    self as room, Checked, ConnectionChange, ConnectionDraft, ConnectionProblem, Mapping, SecretValues,
    service, switching, webhook,
};

user_errors!(
    /// An expected failure of a call about connections.
    ConnectionUserError,
    ConnectionProblem
);

/// A field of a platform, and the field of a lead that it is to feed.
#[derive(InputObject, Debug)]
struct FieldMappingInput {
    /// The platform's, as `integration.fieldDefaults` calls it, or one of its custom fields.
    theirs: String,
    /// Ours, as an import calls it, e.g. `first_name`, `custom.size`; empty: it feeds none.
    ours: String,
}

/// A connection that is to be made.
#[derive(InputObject)]
struct ConnectionCreateInput {
    /// The platform's key, e.g. `shopify`.
    platform: String,
    /// What you call it, up to 100 characters.
    name: String,
    /// By `integration.settingsSchema`.
    settings: Option<Json>,
    /// By `integration.secretsSchema`: an object of texts. They are sealed, and never shown again.
    secrets: Option<Json>,
    /// Which of the platform's fields feed which of ours, where that is to differ from its defaults.
    mapping: Option<Vec<FieldMappingInput>>,
    /// How often it is read, in seconds, 300 to 2,592,000; at once for the first time. Only when somebody asks without one.
    sync_every_seconds: Option<i32>,
    /// The same key and input again give the same answer; kept 7 days.
    idempotency_key: Option<String>,
}

/// A change of a connection; what is absent stays.
#[derive(InputObject)]
struct ConnectionUpdateInput {
    /// The connection's id.
    id: ConnectionId,
    /// What you call it.
    name: Option<String>,
    /// All settings anew.
    settings: Option<Json>,
    /// Those secrets that change; null removes one.
    secrets: Option<Json>,
    /// The mapping anew; null: the platform's defaults.
    mapping: MaybeUndefined<Vec<FieldMappingInput>>,
    /// How often it is read; null: only when somebody asks.
    sync_every_seconds: MaybeUndefined<i32>,
}

/// Which connection.
#[derive(InputObject)]
struct ConnectionInput {
    /// The connection's id.
    id: ConnectionId,
}

/// What is to be read.
#[derive(InputObject)]
struct ConnectionSyncInput {
    /// The connection's id.
    id: ConnectionId,
    /// What; all that the platform has without any.
    kinds: Option<Vec<SyncKind>>,
    /// Everything, not only what changed since the last time.
    #[graphql(default)]
    full: bool,
    /// The same key and input again give the same answer; kept 7 days.
    idempotency_key: Option<String>,
}

/// Which delivery is to be processed again.
#[derive(InputObject)]
struct WebhookReplayInput {
    /// The delivery's id.
    id: WebhookDeliveryId,
}

/// The answer of calls about a connection.
#[derive(SimpleObject)]
struct ConnectionPayload {
    /// The connection; null when there are user errors.
    connection: Option<Connection>,
    /// What was wrong with the input.
    user_errors: Vec<ConnectionUserError>,
}

/// The answer of `connectionTest`.
#[derive(SimpleObject)]
struct ConnectionTestPayload {
    /// The connection after it; null when there are user errors.
    connection: Option<Connection>,
    /// Whether it works; null when there are user errors.
    ok: Option<bool>,
    /// What was asked for and not granted; empty where the platform does not tell.
    missing_scopes: Vec<String>,
    /// Why it does not work, e.g. `UNAUTHORISED`; null when it works.
    problem_kind: Option<String>,
    /// The same in words.
    problem: Option<String>,
    /// What was wrong with the input.
    user_errors: Vec<ConnectionUserError>,
}

/// The answer of `connectionAuthorize`.
#[derive(SimpleObject)]
struct ConnectionAuthorizePayload {
    /// Where the owner goes to consent: an address of this server, which leads to the platform's page. It has to be opened in
    /// the browser that comes back, and is to be kept like a password until then. Null when there are user errors.
    url: Option<String>,
    /// Until when they have to be back.
    expires_at: Option<Timestamp>,
    /// What was wrong with the input.
    user_errors: Vec<ConnectionUserError>,
}

/// The answer of `connectionDelete`.
#[derive(SimpleObject)]
struct ConnectionDeletePayload {
    /// The id of what is gone; null when there are user errors.
    deleted_id: Option<ConnectionId>,
    /// What was wrong with the input.
    user_errors: Vec<ConnectionUserError>,
}

/// The answer of `connectionSync`.
#[derive(SimpleObject)]
struct ConnectionSyncPayload {
    /// The reading; null when there are user errors.
    sync: Option<Sync>,
    /// The job that does it.
    job: Option<Job>,
    /// What was wrong with the input.
    user_errors: Vec<ConnectionUserError>,
}

/// The answer of `connectionWebhooksRegister`.
#[derive(SimpleObject)]
struct ConnectionWebhooksRegisterPayload {
    /// What the platform tells by now, in its words; null when there are user errors.
    topics: Option<Vec<String>>,
    /// What was wrong with the input.
    user_errors: Vec<ConnectionUserError>,
}

/// The answer of `webhookReplay`.
#[derive(SimpleObject)]
struct WebhookReplayPayload {
    /// The delivery, which waits now; null when there are user errors.
    delivery: Option<WebhookDelivery>,
    /// What was wrong with the input.
    user_errors: Vec<ConnectionUserError>,
}

fn secrets(given: Option<Json>) -> Result<Option<SecretValues>, Error> {
    match given.map(|json| json.0) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(fields)) => Ok(Some(SecretValues(fields))),
        Some(_) => Err(Error::BadInput("`secrets` is an object of texts".into())),
    }
}

fn mapping(given: Vec<FieldMappingInput>) -> Mapping {
    given
        .into_iter()
        .map(|FieldMappingInput { theirs, ours }| (theirs, ours))
        .collect()
}

fn payload(outcome: Outcome<room::Connection, ConnectionProblem>) -> Result<ConnectionPayload> {
    let (found, user_errors) = ConnectionUserError::split(outcome)?;
    Ok(ConnectionPayload {
        connection: found.map(|row| Connection(row.into())),
        user_errors,
    })
}

/// Changes of connections.
#[derive(Default)]
pub struct ConnectionMutation;

#[scoped]
#[Object]
impl ConnectionMutation {
    /// Connects a platform. Credentials are tried first: refused ones are a user error. Where the owner has to consent on the
    /// platform's page, the connection waits for `connectionAuthorize`.
    #[scope("connections:write", all_rows)]
    async fn connection_create(
        &self,
        ctx: &Context<'_>,
        input: ConnectionCreateInput,
    ) -> Result<ConnectionPayload> {
        let ConnectionCreateInput {
            platform,
            name,
            settings,
            secrets: given,
            mapping: fields,
            sync_every_seconds,
            idempotency_key,
        } = input;
        let draft = ConnectionDraft {
            platform,
            name,
            settings: settings.map_or(Value::Object(Map::new()), |json| json.0),
            secrets: secrets(given)?.unwrap_or_default(),
            mapping: fields.map(mapping),
            sync_every_seconds,
        };
        let key = CallKey::of(idempotency_key.as_ref(), &draft);
        payload(service::create(ctx.app(), ctx.caller()?, draft, key.as_ref()).await)
    }

    /// Changes a connection. Settings and secrets that change are tried first.
    #[scope("connections:write", all_rows)]
    async fn connection_update(
        &self,
        ctx: &Context<'_>,
        input: ConnectionUpdateInput,
    ) -> Result<ConnectionPayload> {
        let ConnectionUpdateInput {
            id,
            name,
            settings,
            secrets: given,
            mapping: fields,
            sync_every_seconds,
        } = input;
        let change = ConnectionChange {
            name,
            settings: settings.map(|json| json.0),
            secrets: secrets(given)?,
            mapping: match fields {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(None),
                MaybeUndefined::Value(fields) => Some(Some(mapping(fields))),
            },
            sync_every_seconds: match sync_every_seconds {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(None),
                MaybeUndefined::Value(seconds) => Some(Some(seconds)),
            },
        };
        payload(service::update(ctx.app(), ctx.caller()?, id, change).await)
    }

    /// Tries a connection: whether its credentials work, whose they are, what was granted. Changes nothing at the platform.
    #[scope("connections:write", all_rows)]
    async fn connection_test(
        &self,
        ctx: &Context<'_>,
        input: ConnectionInput,
    ) -> Result<ConnectionTestPayload> {
        let outcome = service::test(ctx.app(), ctx.caller()?, input.id).await;
        let (checked, user_errors) = ConnectionUserError::split(outcome)?;
        let Some(Checked {
            connection,
            account: _,
            missing_scopes,
            problem,
        }) = checked
        else {
            return Ok(ConnectionTestPayload {
                connection: None,
                ok: None,
                missing_scopes: Vec::new(),
                problem_kind: None,
                problem: None,
                user_errors,
            });
        };
        let ok = problem.is_none();
        let (problem_kind, problem) = problem.unzip();
        Ok(ConnectionTestPayload {
            connection: Some(Connection(connection.into())),
            ok: Some(ok),
            missing_scopes,
            problem_kind,
            problem,
            user_errors,
        })
    }

    /// Switches a connection off: nothing is read of it, told to it or taken from it. A reading that goes on is cancelled.
    #[scope("connections:write", all_rows)]
    async fn connection_disable(
        &self,
        ctx: &Context<'_>,
        input: ConnectionInput,
    ) -> Result<ConnectionPayload> {
        payload(switching::disable(ctx.app(), ctx.caller()?, input.id).await)
    }

    /// Switches a connection on again.
    #[scope("connections:write", all_rows)]
    async fn connection_enable(
        &self,
        ctx: &Context<'_>,
        input: ConnectionInput,
    ) -> Result<ConnectionPayload> {
        payload(switching::enable(ctx.app(), ctx.caller()?, input.id).await)
    }

    /// Removes a connection with its secrets; what came by it stays, a reading that goes on is cancelled. Its webhooks are taken
    /// back at the platform where that can be done.
    #[scope("connections:write", all_rows)]
    async fn connection_delete(
        &self,
        ctx: &Context<'_>,
        input: ConnectionInput,
    ) -> Result<ConnectionDeletePayload> {
        let outcome = switching::delete(ctx.app(), ctx.caller()?, ctx.public_url(), input.id).await;
        let (deleted_id, user_errors) = ConnectionUserError::split(outcome)?;
        Ok(ConnectionDeletePayload {
            deleted_id,
            user_errors,
        })
    }

    /// Begins the owner's consent on the platform's own page. They come back to this server in the same browser, and the connection
    /// is active.
    #[scope("connections:write", all_rows)]
    async fn connection_authorize(
        &self,
        ctx: &Context<'_>,
        input: ConnectionInput,
    ) -> Result<ConnectionAuthorizePayload> {
        let outcome = room::authorize(ctx.app(), ctx.caller()?, ctx.public_url(), input.id).await;
        let (begun, user_errors) = ConnectionUserError::split(outcome)?;
        let (url, expires_at) = begun.map(|begun| (begun.url.into(), begun.expires_at)).unzip();
        Ok(ConnectionAuthorizePayload {
            url,
            expires_at,
            user_errors,
        })
    }

    /// Reads a platform: a job that can be watched (`syncProgressed`) and cancelled. One at a time for a connection.
    #[scope("connections:write", all_rows)]
    async fn connection_sync(
        &self,
        ctx: &Context<'_>,
        input: ConnectionSyncInput,
    ) -> Result<ConnectionSyncPayload> {
        let ConnectionSyncInput {
            id,
            kinds,
            full,
            idempotency_key,
        } = input;
        let request = SyncRequest {
            connection: id,
            kinds: kinds.unwrap_or_default(),
            is_full: full,
        };
        let key = CallKey::of(idempotency_key.as_ref(), &request);
        let outcome = sync::start(ctx.app(), ctx.caller()?, request, key.as_ref()).await;
        let (started, user_errors) = ConnectionUserError::split(outcome)?;
        let (sync, job) = started
            .map(|Started { sync, job }| (Sync(sync), Job::new(job)))
            .unzip();
        Ok(ConnectionSyncPayload {
            sync,
            job,
            user_errors,
        })
    }

    /// Has the platform tell this server what it can be asked to tell by its API. Doing so again mends what is missing.
    #[scope("connections:write", all_rows)]
    async fn connection_webhooks_register(
        &self,
        ctx: &Context<'_>,
        input: ConnectionInput,
    ) -> Result<ConnectionWebhooksRegisterPayload> {
        let outcome = webhook::register(ctx.app(), ctx.caller()?, ctx.public_url(), input.id).await;
        let (topics, user_errors) = ConnectionUserError::split(outcome)?;
        Ok(ConnectionWebhooksRegisterPayload { topics, user_errors })
    }

    /// Has a webhook processed again that could not be, or that had nothing for us.
    #[scope("connections:write", all_rows)]
    async fn webhook_replay(
        &self,
        ctx: &Context<'_>,
        input: WebhookReplayInput,
    ) -> Result<WebhookReplayPayload> {
        let outcome = webhook::replay(ctx.app(), ctx.caller()?, input.id).await;
        let (delivery, user_errors) = ConnectionUserError::split(outcome)?;
        Ok(WebhookReplayPayload {
            delivery: delivery.map(WebhookDelivery),
            user_errors,
        })
    }
}
