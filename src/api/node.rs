//! `node` and `nodes`: anything that has an id, by its id.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::indexmap::{IndexMap, IndexSet};
use async_graphql::parser::types::Field;
use async_graphql::registry::{Deprecation, MetaField, MetaType, MetaTypeId, Registry};
use async_graphql::{
    Context, ContextSelectionSet, ID, Object, OutputType, Positioned, Result, ServerResult, Value,
};
use entity::Area;
use entity::id::{
    AnyId, ConsentId, ConversionId, CustomFieldId, DealId, JobId, LeadId, NoteId, ScoreModelId, StageStayId,
    TagId, UploadId,
};

use super::types::{Access, scoped};
use super::{Lead, shape};
use crate::app::App;
use crate::error::Error;
use crate::identity::{Caller, Rows, Scope};
use crate::insight::engagement::graphql::{self as engagement, EngagementNode};
use crate::insight::lifecycle::{self, StageStay, graphql::StageStayNode};
use crate::insight::revenue::{self, graphql::Conversion, graphql::Deal};
use crate::insight::scoring::{self, StoredModel, graphql::ScoreModel};
use crate::jobs::{self, graphql::Job};
use crate::leads::consent::{self, graphql::ConsentRecord};
use crate::leads::custom_fields::{self, graphql::CustomField};
use crate::leads::lead::graphql as lead;
use crate::leads::notes::{self, graphql::Note};
use crate::leads::tags::{self, graphql::Tag};
use crate::leads::visible::by_rows;
use crate::media::files::{self, graphql::Upload};

/// Most ids of one call.
const MOST: usize = 100;

macro_rules! nodes {
    ($($kind:ident of $area:ident,)*) => {
        /// Something that has an id.
        enum Node {
            $($kind($kind),)*
        }

        /// What may be found, and the area that may be read by who finds it.
        pub(super) fn areas() -> impl Iterator<Item = (Cow<'static, str>, Area)> {
            [$((<$kind as OutputType>::type_name(), Area::$area)),*].into_iter()
        }

        impl Node {
            fn possible_types(registry: &mut Registry) -> IndexSet<String> {
                $(
                    <$kind as OutputType>::create_type_info(registry);
                    let name = <$kind as OutputType>::type_name();
                    registry.add_implements(&name, "Node");
                    if let Some(MetaType::Object { visible, .. }) = registry.types.get_mut(&*name) {
                        *visible = Some(|ctx| shape::shows(ctx, &<$kind as OutputType>::type_name()));
                    }
                )*
                [$(<$kind as OutputType>::type_name().into_owned()),*].into()
            }
        }

        $(
            impl From<$kind> for Node {
                fn from(found: $kind) -> Self {
                    Self::$kind(found)
                }
            }

            impl Kind for $kind {
                const AREA: Area = Area::$area;
            }
        )*

        // Written out, since the derive wants each type to have a method `id`, which a merged object has not.
        impl OutputType for Node {
            fn type_name() -> Cow<'static, str> {
                Cow::Borrowed("Node")
            }

            fn create_type_info(registry: &mut Registry) -> String {
                registry.create_output_type::<Self, _>(MetaTypeId::Interface, |registry| MetaType::Interface {
                    name: "Node".to_owned(),
                    description: Some("Something that has an id of its own, to be found by `node` and `nodes`.".to_owned()),
                    fields: IndexMap::from([("id".to_owned(), id_field(registry))]),
                    possible_types: Self::possible_types(registry),
                    extends: false,
                    keys: None,
                    visible: None,
                    inaccessible: false,
                    tags: Vec::new(),
                    rust_typename: Some(std::any::type_name::<Self>()),
                    directive_invocations: Vec::new(),
                    requires_scopes: Vec::new(),
                })
            }

            async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
                match self {
                    $(Self::$kind(found) => OutputType::resolve(found, ctx, field).await,)*
                }
            }
        }
    };
}

nodes! {
    Lead of Leads,
    Tag of Leads,
    Note of Leads,
    CustomField of Leads,
    ConsentRecord of Leads,
    EngagementNode of Engagement,
    Conversion of Engagement,
    Deal of Engagement,
    StageStayNode of Lifecycle,
    ScoreModel of Scoring,
    Job of Jobs,
    Upload of Leads,
}

/// What may be found by an id.
trait Kind: Into<Node> {
    /// The area that may be read by who finds it.
    const AREA: Area;
}

fn id_field(registry: &mut Registry) -> MetaField {
    MetaField {
        name: "id".to_owned(),
        description: Some("The id: a prefix that says what it is of, `_`, and 26 characters.".to_owned()),
        args: IndexMap::new(),
        ty: <LeadId as OutputType>::create_type_info(registry),
        deprecation: Deprecation::NoDeprecated,
        cache_control: Default::default(),
        external: false,
        requires: None,
        provides: None,
        visible: None,
        shareable: false,
        inaccessible: false,
        tags: Vec::new(),
        override_from: None,
        compute_complexity: None,
        directive_invocations: Vec::new(),
        requires_scopes: Vec::new(),
    }
}

/// Loads what `node` finds, for all requests together: one statement for each kind of thing.
pub(super) struct NodeLoader(pub(super) App);

macro_rules! loaders {
    ($($id:ident => $value:ty, $load:path;)*) => {$(
        impl Loader<(Rows, $id)> for NodeLoader {
            type Value = $value;
            type Error = Arc<Error>;

            async fn load(
                &self,
                keys: &[(Rows, $id)],
            ) -> std::result::Result<HashMap<(Rows, $id), $value>, Arc<Error>> {
                let mut all = HashMap::with_capacity(keys.len());
                for (rows, ids) in by_rows(keys) {
                    let found = $load(&self.0, rows, &ids).await.map_err(Arc::new)?;
                    all.extend(found.into_iter().map(|(id, value)| ((rows.clone(), id), value)));
                }
                Ok(all)
            }
        }
    )*};
}

loaders! {
    NoteId => notes::Note, notes::get_many;
    ConsentId => consent::ConsentRecord, consent::get_many;
    ConversionId => revenue::Conversion, revenue::get_many;
    DealId => revenue::Deal, revenue::deals_by_id;
    StageStayId => StageStay, lifecycle::get_many;
}

macro_rules! loaders_for_all {
    ($($id:ident => $value:ty, $load:path;)*) => {$(
        impl Loader<$id> for NodeLoader {
            type Value = $value;
            type Error = Arc<Error>;

            async fn load(&self, ids: &[$id]) -> std::result::Result<HashMap<$id, $value>, Arc<Error>> {
                $load(&self.0, ids).await.map_err(Arc::new)
            }
        }
    )*};
}

// The words of a deployment, the same for everybody; jobs and uploads are shown to whom they belong.
loaders_for_all! {
    TagId => tags::Tag, tags::get_many;
    CustomFieldId => custom_fields::CustomField, custom_fields::get_many;
    ScoreModelId => StoredModel, scoring::get_many;
    JobId => jobs::Job, jobs::get_many;
    UploadId => files::Upload, files::get_many;
}

async fn load<I, N, K: Kind>(ctx: &Context<'_>, id: I, shown: impl FnOnce(N) -> K) -> Result<Option<Node>>
where
    NodeLoader: Loader<(Rows, I), Value = N, Error = Arc<Error>>,
    I: Copy + Eq + Hash + Send + Sync + 'static,
    N: Clone + Send + Sync + 'static,
{
    let caller = ctx.caller()?;
    caller.require(Scope::Read(K::AREA))?;
    let loader = ctx.data_unchecked::<DataLoader<NodeLoader>>();
    let found = loader.load_one((caller.rows.clone(), id)).await?;
    Ok(found.map(|found| shown(found).into()))
}

/// The same for what hangs on no lead.
async fn load_apart<I, N, K: Kind>(
    ctx: &Context<'_>,
    id: I,
    seen: impl FnOnce(&Caller, &N) -> bool,
    shown: impl FnOnce(N) -> K,
) -> Result<Option<Node>>
where
    NodeLoader: Loader<I, Value = N, Error = Arc<Error>>,
    I: Copy + Eq + Hash + Send + Sync + 'static,
    N: Clone + Send + Sync + 'static,
{
    let caller = ctx.caller()?;
    caller.require(Scope::Read(K::AREA))?;
    let loader = ctx.data_unchecked::<DataLoader<NodeLoader>>();
    let found = loader.load_one(id).await?;
    let found = found.filter(|found| seen(caller, found));
    Ok(found.map(|found| shown(found).into()))
}

fn by_all<N>(_: &Caller, _: &N) -> bool {
    true
}

async fn find(ctx: &Context<'_>, id: AnyId) -> Result<Option<Node>> {
    match id {
        AnyId::LeadId(id) => Ok(lead::load(ctx, id).await?.map(|lead| Node::Lead(lead.0))),
        AnyId::EngagementId(id) => Ok(engagement::load(ctx, id).await?.map(Node::EngagementNode)),
        AnyId::TagId(id) => load_apart(ctx, id, by_all, Tag).await,
        AnyId::NoteId(id) => load(ctx, id, Note).await,
        AnyId::CustomFieldId(id) => load_apart(ctx, id, by_all, CustomField).await,
        AnyId::ConsentId(id) => load(ctx, id, ConsentRecord).await,
        AnyId::UploadId(id) => {
            let own = |caller: &Caller, row: &files::Upload| caller.sees_made_by(&row.created_by);
            load_apart(ctx, id, own, Upload).await
        }
        AnyId::ConversionId(id) => load(ctx, id, Conversion).await,
        AnyId::DealId(id) => load(ctx, id, Deal).await,
        AnyId::StageStayId(id) => load(ctx, id, StageStayNode).await,
        AnyId::ScoreModelId(id) => load_apart(ctx, id, by_all, ScoreModel).await,
        AnyId::JobId(id) => {
            let own = |caller: &Caller, row: &jobs::Job| caller.sees_made_by(&row.created_by);
            load_apart(ctx, id, own, Job::new).await
        }
        // They lie with their lead, or are found by fields of their own, which the caller may not know.
        AnyId::ScoreEntryId(_)
        | AnyId::DealStageId(_)
        | AnyId::CostId(_)
        | AnyId::TokenId(_)
        | AnyId::UserId(_)
        | AnyId::SessionId(_)
        | AnyId::InvitationId(_)
        | AnyId::MailId(_)
        | AnyId::AuditEntryId(_)
        | AnyId::ConnectionId(_)
        | AnyId::SyncId(_)
        | AnyId::WebhookDeliveryId(_)
        | AnyId::OrderId(_)
        | AnyId::ProductId(_)
        | AnyId::CheckoutId(_)
        | AnyId::AudienceId(_)
        | AnyId::AudienceSyncId(_)
        | AnyId::ConversionDeliveryId(_)
        | AnyId::MessageId(_)
        | AnyId::SuppressionId(_)
        | AnyId::TextId(_) => {
            Err(Error::BadInput("ids of this kind are not found by `node` and `nodes`".to_owned()).into())
        }
    }
}

fn read(id: &str) -> Result<AnyId, Error> {
    AnyId::parse(id).map_err(Error::BadInput)
}

/// Queries of anything.
#[derive(Default)]
pub struct NodeQuery;

#[scoped]
#[Object]
impl NodeQuery {
    /// Anything by its id; null when it is not there. What is found asks for the scope to read it: leads, tags, notes,
    /// custom fields, consent records and uploads `leads:read`, engagements, conversions and deals `engagement:read`, stays
    /// `lifecycle:read`, score models `scoring:read`, jobs `jobs:read`.
    #[scope("any")]
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id, e.g. `lead_…`.")] id: ID,
    ) -> Result<Option<Node>> {
        find(ctx, read(&id)?).await
    }

    /// Anything by ids, in their order; null for what is not there. Scopes are those of `node`.
    #[scope("any")]
    #[graphql(complexity = "ids.len() * child_complexity")]
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Up to 100 ids.")] ids: Vec<ID>,
    ) -> Result<Vec<Option<Node>>> {
        if ids.len() > MOST {
            return Err(Error::BadInput(format!("{} ids; one call takes up to {MOST}", ids.len())).into());
        }
        let ids = ids.iter().map(|id| read(id)).collect::<Result<Vec<_>, _>>()?;
        // At once, so that those of one kind are one statement.
        futures_util::future::try_join_all(ids.into_iter().map(|id| find(ctx, id))).await
    }
}
