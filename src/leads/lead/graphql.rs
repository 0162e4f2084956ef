//! Leads in GraphQL.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::connection::{Connection, EmptyFields};
use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, InputObject, Object, Result, SimpleObject, Subscription};
use entity::id::LeadId;
use entity::{Area, EventKind, Stage, Timestamp};
use futures_util::{Stream, StreamExt};

use super::{LeadChange, LeadOrder, LeadOrderField, LeadProblem, Patch, UpsertMode};
use crate::api::Lead;
use crate::api::types::{Access, Cursor, Live, Pages, connection, page_request, user_errors};
use crate::app::App;
use crate::db::Direction;
use crate::error::Error;
use crate::events::Event;
use crate::identity::{Rows, Scope};

/// Loads leads for all requests together: what many ask for in the same moment is one statement.
pub struct LeadLoader(pub App);

impl Loader<(Rows, LeadId)> for LeadLoader {
    type Value = Arc<super::Lead>;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[(Rows, LeadId)],
    ) -> std::result::Result<HashMap<(Rows, LeadId), Self::Value>, Arc<Error>> {
        let ids: Vec<LeadId> = keys.iter().map(|(_, id)| *id).collect();
        let leads = super::get_many(&self.0, Rows::All, &ids)
            .await
            .map_err(Arc::new)?;
        Ok(leads
            .into_iter()
            .map(|(id, lead)| ((Rows::All, id), Arc::new(lead)))
            .collect())
    }
}

/// Reads a lead through the shared loader; `None` when there is none that the caller may see.
///
/// # Errors
/// A missing scope `leads:read`; the database's.
pub async fn load(ctx: &Context<'_>, id: LeadId) -> Result<Option<Lead>> {
    Ok(load_model(ctx, id).await?.map(Lead::new))
}

/// The same, as the rooms know it.
///
/// # Errors
/// As [`load`].
pub async fn load_model(ctx: &Context<'_>, id: LeadId) -> Result<Option<Arc<super::Lead>>> {
    let caller = ctx.caller()?;
    caller.require(Scope::Read(Area::Leads))?;
    let loader = ctx.data_unchecked::<DataLoader<LeadLoader>>();
    Ok(loader.load_one((caller.rows, id)).await?)
}

/// The fields that a lead has of itself; other rooms add theirs (see `api::Lead`).
pub struct LeadFields(pub Arc<super::Lead>);

#[Object]
impl LeadFields {
    /// The lead's id.
    async fn id(&self) -> LeadId {
        self.0.id
    }
    /// What to call the lead: its name, else company, e-mail, phone number or id.
    async fn display_name(&self) -> String {
        let lead = &self.0;
        let name = [lead.first_name.as_deref(), lead.last_name.as_deref()];
        let name = name.into_iter().flatten().collect::<Vec<_>>().join(" ");
        if name.is_empty() {
            lead.company_name
                .clone()
                .or_else(|| lead.email.clone())
                .or_else(|| lead.phone.clone())
                .unwrap_or_else(|| lead.id.to_string())
        } else {
            name
        }
    }
    /// Primary e-mail address, lower case.
    async fn email(&self) -> Option<&str> {
        self.0.email.as_deref()
    }
    /// First name.
    async fn first_name(&self) -> Option<&str> {
        self.0.first_name.as_deref()
    }
    /// Last name.
    async fn last_name(&self) -> Option<&str> {
        self.0.last_name.as_deref()
    }
    /// Company.
    async fn company_name(&self) -> Option<&str> {
        self.0.company_name.as_deref()
    }
    /// Where the lead came from, e.g. `paid_search`.
    async fn source(&self) -> Option<&str> {
        self.0.source.as_deref()
    }
    /// Current stage of its lifecycle.
    async fn stage(&self) -> Stage {
        self.0.stage
    }
    /// When the lead became known.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }
    /// When the lead was last changed.
    async fn updated_at(&self) -> Timestamp {
        self.0.updated_at
    }
}

/// An ordering of leads.
#[derive(InputObject, Clone, Debug)]
struct LeadOrderInput {
    /// By what.
    field: LeadOrderField,
    /// Which way.
    #[graphql(default_with = "Direction::Desc")]
    direction: Direction,
}

/// Queries about leads.
#[derive(Default)]
pub struct LeadQuery;

#[Object]
impl LeadQuery {
    /// A lead; null when there is none with this id. Scope: `leads:read`.
    async fn lead(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The lead's id, `lead_…`.")] id: LeadId,
    ) -> Result<Option<Lead>> {
        load(ctx, id).await
    }

    /// Leads, newest first unless ordered otherwise. Scope: `leads:read`.
    #[graphql(complexity = "first.or(last).unwrap_or(25) as usize * child_complexity")]
    async fn leads(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
        #[graphql(desc = "The ordering.")] order: Option<LeadOrderInput>,
    ) -> Result<Connection<Cursor, Lead, EmptyFields, EmptyFields>> {
        let order = order.map_or(
            LeadOrder {
                field: LeadOrderField::CreatedAt,
                direction: Direction::Desc,
            },
            |LeadOrderInput { field, direction }| LeadOrder { field, direction },
        );
        let page = page_request(
            &Pages {
                first,
                after,
                last,
                before,
            },
            &order.name(),
        )?;
        let page = super::list(ctx.app(), ctx.caller()?, order, &page).await?;
        Ok(connection(page, |lead| {
            (order.keyset(&lead), Lead::new(Arc::new(lead)))
        }))
    }
}

user_errors!(
    /// An expected failure of a call about leads.
    LeadUserError,
    LeadProblem
);

/// What a new lead has.
#[derive(InputObject)]
struct LeadCreateInput {
    /// E-mail address.
    email: Option<String>,
    /// First name.
    first_name: Option<String>,
    /// Last name.
    last_name: Option<String>,
    /// Company.
    company_name: Option<String>,
    /// Where the lead came from, e.g. `referral`.
    source: Option<String>,
}

/// The answer of `leadCreate`.
#[derive(SimpleObject)]
struct LeadCreatePayload {
    /// The new lead; null when there are user errors.
    lead: Option<Lead>,
    /// What was wrong with the input.
    user_errors: Vec<LeadUserError>,
}

/// Changes of leads.
#[derive(Default)]
pub struct LeadMutation;

#[Object]
impl LeadMutation {
    /// Creates a lead. Scope: `leads:write`.
    async fn lead_create(&self, ctx: &Context<'_>, input: LeadCreateInput) -> Result<LeadCreatePayload> {
        let LeadCreateInput {
            email,
            first_name,
            last_name,
            company_name,
            source,
        } = input;
        let change = LeadChange {
            email: Patch::or_keep(email),
            first_name: Patch::or_keep(first_name),
            last_name: Patch::or_keep(last_name),
            company_name: Patch::or_keep(company_name),
            source: Patch::or_keep(source),
            ..LeadChange::default()
        };
        let outcome = super::write_one(ctx.app(), ctx.caller()?, change, UpsertMode::Create).await;
        let (id, user_errors) = LeadUserError::split(outcome)?;
        let lead = match id {
            Some(id) => load(ctx, id).await?,
            None => None,
        };
        Ok(LeadCreatePayload { lead, user_errors })
    }
}

/// A lead changed.
struct LeadChanged(Arc<Event>);

#[Object]
impl LeadChanged {
    /// Resume after this event by `after:`.
    async fn cursor(&self) -> String {
        Live::cursor(&self.0)
    }
    /// What happened to it.
    async fn event(&self) -> EventKind {
        self.0.kind
    }
    /// When it was recorded.
    async fn at(&self) -> Timestamp {
        self.0.at
    }
    /// The id of the lead.
    async fn lead_id(&self) -> Option<LeadId> {
        self.0.lead_id
    }
    /// The lead as it is now; null once it is deleted.
    async fn lead(&self, ctx: &Context<'_>) -> Result<Option<Lead>> {
        match self.0.lead_id {
            Some(id) => load(ctx, id).await,
            None => Ok(None),
        }
    }
}

/// Events that change what `Lead` shows of itself.
const LEAD_EVENTS: &[EventKind] = &[
    EventKind::LeadCreated,
    EventKind::LeadUpdated,
    EventKind::LeadDeleted,
    EventKind::LeadRestored,
    EventKind::LeadErased,
    EventKind::LeadTagged,
    EventKind::NoteChanged,
    EventKind::ConsentChanged,
    EventKind::StageChanged,
];

/// Subscriptions to leads.
#[derive(Default)]
pub struct LeadSubscription;

#[Subscription]
impl LeadSubscription {
    /// Leads as they are created, changed, deleted. Scope: `leads:read`.
    async fn lead_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this lead.")] id: Option<LeadId>,
        #[graphql(desc = "Resume after this cursor: nothing is lost, nothing comes twice.")] after: Option<
            String,
        >,
    ) -> Result<impl Stream<Item = Result<LeadChanged>> + use<>> {
        let filter = crate::events::Filter {
            lead_id: id,
            ..crate::events::Filter::kinds(LEAD_EVENTS)
        };
        let events = Live::open(ctx, Scope::Read(Area::Leads), filter, after.as_deref())?;
        Ok(events.map(|event| Ok(LeadChanged(event?))))
    }
}
