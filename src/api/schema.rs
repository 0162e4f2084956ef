//! The schema, and how it is executed.

use std::sync::Arc;

use async_graphql::dataloader::DataLoader;
use async_graphql::{
    Data, Executor, MergedObject, MergedSubscription, Request, Response, Schema, SchemaBuilder,
};
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};

use super::errors;
use super::log::{LogQuery, LogSubscription};
use super::meta::MetaQuery;
use super::types::{CallerData, PublicUrl};
use crate::app::App;
use crate::identity::Caller;
use crate::insight::engagement::graphql as engagement;
use crate::insight::journeys::graphql as journeys;
use crate::insight::lifecycle::graphql as lifecycle;
use crate::insight::revenue::graphql as revenue;
use crate::insight::scoring::graphql as scoring;
use crate::jobs::graphql as jobs;
use crate::leads::consent::graphql as consent;
use crate::leads::custom_fields::graphql as custom_fields;
use crate::leads::export::graphql as export;
use crate::leads::import::graphql as import;
use crate::leads::lead::graphql as lead;
use crate::leads::notes::graphql as notes;
use crate::leads::tags::graphql as tags;
use crate::media::files::graphql as files;

/// The queries of all rooms.
#[derive(MergedObject, Default)]
pub struct Query(
    MetaQuery,
    files::UploadQuery,
    jobs::JobQuery,
    lead::LeadQuery,
    custom_fields::CustomFieldQuery,
    lifecycle::LifecycleQuery,
    scoring::ScoringQuery,
    engagement::EngagementQuery,
    tags::TagQuery,
    import::ImportQuery,
    journeys::JourneyQuery,
    LogQuery,
);

/// The mutations of all rooms.
#[derive(MergedObject, Default)]
pub struct Mutation(
    jobs::JobMutation,
    lead::LeadMutation,
    consent::ConsentMutation,
    custom_fields::CustomFieldMutation,
    lifecycle::LifecycleMutation,
    scoring::ScoringMutation,
    engagement::EngagementMutation,
    revenue::ConversionMutation,
    notes::NoteMutation,
    tags::TagMutation,
    import::ImportMutation,
    export::ExportMutation,
);

/// The subscriptions of all rooms.
#[derive(MergedSubscription, Default)]
pub struct Subscription(
    jobs::JobSubscription,
    lead::LeadSubscription,
    lifecycle::LifecycleSubscription,
    scoring::ScoringSubscription,
    engagement::EngagementSubscription,
    journeys::JourneySubscription,
    LogSubscription,
);

fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    // 15 is what the introspection query of graphql-js takes, with which GraphiQL and code generators begin.
    Schema::build(Query::default(), Mutation::default(), Subscription::default()).limit_depth(15)
}

/// The schema as text: the contract that `schema.graphql` keeps.
#[must_use]
pub fn sdl() -> String {
    builder().finish().sdl_with_options(
        async_graphql::SDLExportOptions::new()
            .sorted_fields()
            .sorted_arguments()
            .sorted_enum_items()
            .include_specified_by(),
    )
}

/// The GraphQL API over an application; cheap to clone.
#[derive(Clone)]
pub struct Api {
    schema: Schema<Query, Mutation, Subscription>,
}

/// The id of a request, for its errors.
struct RequestId(Arc<str>);

/// Gives a request its caller (nobody without one: no introspection, and every field but the version asks for a token).
#[must_use]
pub fn with_caller(request: Request, caller: Option<Arc<Caller>>, request_id: &str) -> Request {
    let request = if caller.is_none() {
        request.disable_introspection()
    } else {
        request
    };
    request
        .data(CallerData(caller))
        .data(RequestId(request_id.into()))
}

impl Api {
    /// The API of an application that others reach under `public_url`.
    #[must_use]
    pub fn new(app: &App, public_url: &str) -> Self {
        // The loaders serve all requests: what many ask for in the same millisecond is one statement.
        let schema = builder()
            .data(DataLoader::new(lead::LeadLoader(app.clone()), tokio::spawn))
            .data(DataLoader::new(
                lifecycle::LifecycleLoader(app.clone()),
                tokio::spawn,
            ))
            .data(DataLoader::new(
                engagement::EngagementLoader(app.clone()),
                tokio::spawn,
            ))
            .data(DataLoader::new(
                engagement::NewestLoader(app.clone()),
                tokio::spawn,
            ))
            .data(DataLoader::new(
                revenue::ConversionLoader(app.clone()),
                tokio::spawn,
            ))
            .data(DataLoader::new(tags::LeadTagsLoader(app.clone()), tokio::spawn))
            .data(DataLoader::new(tags::TagCountLoader(app.clone()), tokio::spawn))
            .data(DataLoader::new(consent::ConsentLoader(app.clone()), tokio::spawn))
            .data(DataLoader::new(
                scoring::ScoringLoader::new(app.clone()),
                tokio::spawn,
            ))
            .data(DataLoader::new(
                journeys::JourneyLoader(app.clone()),
                tokio::spawn,
            ))
            .data(DataLoader::new(lead::IdentityLoader(app.clone()), tokio::spawn))
            .data(app.clone())
            .data(PublicUrl(public_url.into()))
            .finish();
        Self { schema }
    }
}

fn request_id(request: &Request) -> Arc<str> {
    let id = request
        .data
        .get(&std::any::TypeId::of::<RequestId>())
        .and_then(|id| id.downcast_ref::<RequestId>());
    id.map_or_else(|| Arc::from("-"), |id| Arc::clone(&id.0))
}

impl Executor for Api {
    async fn execute(&self, request: Request) -> Response {
        let id = request_id(&request);
        errors::finish(self.schema.execute(request).await, &id)
    }

    fn execute_stream(
        &self,
        request: Request,
        session_data: Option<Arc<Data>>,
    ) -> BoxStream<'static, Response> {
        let id = request_id(&request);
        let responses: Box<dyn Stream<Item = Response> + Send + Unpin> =
            Box::new(Executor::execute_stream(&self.schema, request, session_data));
        responses
            .map(move |response| errors::finish(response, &id))
            .boxed()
    }
}
