//! The schema, and how it is executed.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use async_graphql::parser::types::ExecutableDocument;
use async_graphql::{
    Context, Data, Executor, MergedObject, MergedSubscription, Request, Response, Schema, SchemaBuilder,
};
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};

use super::batching::{Counted, Gathering, batched};
use super::contract::Contract;
use super::cost::{Bill, Pricing};
use super::documents::{Documents, Read};
use super::errors::Told;
use super::log::{LogQuery, LogSubscription};
use super::meta::MetaQuery;
use super::node::{NodeLoader, NodeQuery};
use super::sight::LeadSight;
use super::timeline::TimelineLoader;
use super::types::{CallerData, Door, PublicUrl, Remarks, Sight};
use super::{errors, nulls, order, shape, sharing};
use crate::app::App;
use crate::config::{GraphqlLimits, GraphqlSettings};
use crate::identity::Caller;
use crate::identity::account::graphql as account;
use crate::identity::audit::graphql as audit;
use crate::identity::mail::graphql as mail;
use crate::identity::open_id::graphql as open_id;
use crate::identity::role::graphql as role;
use crate::identity::session::graphql as session;
use crate::identity::token::graphql as token;
use crate::identity::user::graphql as user;
use crate::insight::analytics::graphql as analytics;
use crate::insight::attribution::graphql as attribution;
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
use crate::origin::{self, Origin};
use crate::outreach::delivery::graphql as delivery;
use crate::platforms::advertising::graphql as advertising;
use crate::platforms::audiences::graphql as audiences;
use crate::platforms::commerce::graphql as commerce;
use crate::platforms::connections::graphql as connections;
use crate::platforms::conversions::graphql as conversions;
use crate::platforms::text_generation::graphql as text_generation;

/// The queries of all rooms.
#[derive(MergedObject, Default)]
pub struct Query(
    MetaQuery,
    NodeQuery,
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
    attribution::AttributionQuery,
    analytics::ReportQuery,
    revenue::ConversionQuery,
    revenue::DealQuery,
    revenue::ForecastQuery,
    revenue::CostQuery,
    revenue::CurrencyQuery,
    revenue::LifetimeQuery,
    LogQuery,
    user::UserQuery,
    role::RoleQuery,
    account::AccountQuery,
    mail::MailQuery,
    audit::AuditQuery,
    token::TokenQuery,
    connections::ConnectionQuery,
    commerce::CommerceQuery,
    audiences::AudienceQuery,
    conversions::ConversionSharingQuery,
    advertising::AdvertisingQuery,
    delivery::MessageQuery,
    text_generation::TextQuery,
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
    attribution::AttributionMutation,
    revenue::ConversionMutation,
    revenue::DealMutation,
    revenue::CostMutation,
    revenue::CurrencyMutation,
    revenue::LifetimeMutation,
    notes::NoteMutation,
    tags::TagMutation,
    import::ImportMutation,
    export::ExportMutation,
    analytics::ReportExportMutation,
    session::SessionMutation,
    account::AccountMutation,
    user::UserMutation,
    role::RoleMutation,
    open_id::OpenIdMutation,
    token::TokenMutation,
    connections::ConnectionMutation,
    commerce::CommerceMutation,
    audiences::AudienceMutation,
    conversions::ConversionSharingMutation,
    delivery::MessageMutation,
    text_generation::TextMutation,
);

fn has_subscriptions(ctx: &Context<'_>) -> bool {
    shape::shows(ctx, "Subscription")
}

/// The subscriptions of all rooms.
#[derive(MergedSubscription, Default)]
#[graphql(visible = "has_subscriptions")]
pub struct Subscription(
    jobs::JobSubscription,
    lead::LeadSubscription,
    lifecycle::LifecycleSubscription,
    scoring::ScoringSubscription,
    engagement::EngagementSubscription,
    journeys::JourneySubscription,
    revenue::DealSubscription,
    analytics::ReportSubscription,
    connections::ConnectionSubscription,
    audiences::AudienceSubscription,
    conversions::ConversionSharingSubscription,
    delivery::MessageSubscription,
    text_generation::TextSubscription,
    LogSubscription,
);

fn builder(most_points: usize) -> SchemaBuilder<Query, Mutation, Subscription> {
    // Depth is `document`'s to bound: introspection is deeper than data may be. Directives are `scan`'s.
    Schema::build(Query::default(), Mutation::default(), Subscription::default())
        .limit_complexity(most_points)
        .extension(Pricing)
}

/// The schema as text: the contract that `schema.graphql` keeps.
#[must_use]
pub fn sdl() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(print);
    &TEXT
}

fn print() -> String {
    let schema = builder(GraphqlLimits::default().cost).finish();
    schema.sdl_with_options(
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
    documents: Documents,
    told: Told,
}

/// The id of a request, for its errors.
struct RequestId(Arc<str>);

/// Gives a request its caller (nobody without one: everything but the version asks for a token, introspection too).
#[must_use]
pub fn with_caller(request: Request, caller: Option<Arc<Caller>>, request_id: &str) -> Request {
    request
        .data(CallerData(caller))
        .data(RequestId(request_id.into()))
}

impl Api {
    /// The API of an application that others reach under `public_url`.
    #[must_use]
    pub fn new(app: &App, public_url: &str, settings: &GraphqlSettings) -> Self {
        // Before anybody waits for it.
        Contract::ours();
        let limits = settings.limits;
        let told = Told {
            most_points: limits.cost,
            suggestions: settings.suggestions,
        };
        // The loaders serve all requests: what many ask for while one fetch runs is the next.
        let mut schema = builder(limits.cost);
        if !told.suggestions {
            schema = schema.disable_suggestions();
        }
        let schema = schema
            .data(batched(lead::LeadLoader(app.clone())))
            .data(batched(lifecycle::LifecycleLoader(app.clone())))
            .data(batched(engagement::EngagementLoader(app.clone())))
            .data(batched(engagement::NewestLoader(app.clone())))
            .data(batched(revenue::ConversionLoader(app.clone())))
            .data(batched(revenue::DealLoader(app.clone())))
            .data(batched(revenue::LifetimeLoader(app.clone())))
            .data(batched(attribution::CreditLoader(app.clone())))
            .data(batched(tags::LeadTagsLoader(app.clone())))
            .data(batched(tags::TagCountLoader(app.clone())))
            .data(batched(consent::ConsentLoader(app.clone())))
            .data(batched(scoring::ScoringLoader::new(app.clone())))
            .data(batched(journeys::JourneyLoader(app.clone())))
            .data(batched(NodeLoader(app.clone())))
            .data(batched(TimelineLoader(app.clone())))
            .data(batched(notes::NoteLoader(app.clone())))
            .data(batched(lead::IdentityLoader(app.clone())))
            .data(batched(connections::ConnectionLoader(app.clone())))
            .data(batched(commerce::CommerceLoader(app.clone())))
            .data(batched(audiences::AudienceLoader(app.clone())))
            .data(batched(conversions::DeliveryLoader(app.clone())))
            .data(batched(advertising::AdActionLoader(app.clone())))
            .data(batched(delivery::MessageLoader(app.clone())))
            .data::<Arc<dyn Sight>>(Arc::new(LeadSight))
            .data(app.clone())
            .data(PublicUrl(public_url.into()))
            .finish();
        Self {
            schema,
            documents: Documents::new(limits),
            told,
        }
    }
}

/// What is kept of a request to finish its responses.
struct Asked {
    id: Arc<str>,
    document: Arc<ExecutableDocument>,
    is_concealed: bool,
    operation: Option<String>,
    told: Told,
}

impl Asked {
    /// Looks at a request before it runs.
    ///
    /// # Errors
    /// The response to a request that is refused.
    fn new(request: &mut Request, api: &Api) -> Result<Self, Box<Response>> {
        let id = request_id(request);
        let caller = caller_of(request);
        let told = Told {
            // The library knows names that the caller does not.
            suggestions: api.told.suggestions && caller.as_deref().is_some_and(shape::is_whole),
            ..api.told
        };
        match api.documents.read(request, caller.as_deref()) {
            Ok(Read {
                document,
                is_concealed,
            }) => Ok(Self {
                id,
                document,
                is_concealed,
                operation: request.operation_name.clone(),
                told,
            }),
            Err(refused) => {
                let response = Response::from_errors(vec![refused]);
                Err(Box::new(errors::finish(response, &id, told)))
            }
        }
    }

    fn finish(&self, mut response: Response) -> Response {
        if self.is_concealed {
            shape::reveal(&mut response);
        }
        if !response.errors.is_empty() {
            nulls::fill(&mut response, &self.document, self.operation.as_deref());
        }
        order::restore(&mut response.data, &self.document, self.operation.as_deref());
        errors::finish(response, &self.id, self.told)
    }
}

fn caller_of(request: &Request) -> Option<Arc<Caller>> {
    let data = request.data.get(&std::any::TypeId::of::<CallerData>());
    data.and_then(|data| data.downcast_ref::<CallerData>())
        .and_then(|data| data.0.clone())
}

fn origin_of(request: &Request) -> Arc<Origin> {
    let door = request.data.get(&std::any::TypeId::of::<Door>());
    let door = door.and_then(|door| door.downcast_ref::<Door>());
    door.map(|door| Arc::clone(&door.origin)).unwrap_or_default()
}

fn request_id(request: &Request) -> Arc<str> {
    let id = request
        .data
        .get(&std::any::TypeId::of::<RequestId>())
        .and_then(|id| id.downcast_ref::<RequestId>());
    id.map_or_else(|| Arc::from("-"), |id| Arc::clone(&id.0))
}

impl Executor for Api {
    async fn execute(&self, mut request: Request) -> Response {
        let begun = Instant::now();
        let bill = Bill::of(&request);
        let remarks = Remarks::default();
        request = request.data(remarks.clone());
        let mut response = match Asked::new(&mut request, self) {
            Ok(asked) => {
                let _counted = Counted::new();
                let origin = origin_of(&request);
                let work = Gathering::new(self.schema.execute(request));
                asked.finish(origin::within(origin, work).await)
            }
            Err(refused) => *refused,
        };
        remarks.write(&mut response);
        if let Some(bill) = bill {
            bill.settle(&mut response);
        }
        let outcome = if response.errors.is_empty() { "ok" } else { "error" };
        metrics::histogram!("leadline_graphql_request_duration_seconds", "outcome" => outcome)
            .record(begun.elapsed().as_secs_f64());
        response
    }

    fn execute_stream(
        &self,
        mut request: Request,
        session_data: Option<Arc<Data>>,
    ) -> BoxStream<'static, Response> {
        let asked = match Asked::new(&mut request, self) {
            Ok(asked) => asked,
            Err(refused) => return futures_util::stream::once(std::future::ready(*refused)).boxed(),
        };
        let tells_changes = sharing::tells_a_state(&mut request);
        let remarks = Remarks::default();
        request = request.data(remarks.clone());
        let responses: Box<dyn Stream<Item = Response> + Send + Unpin> =
            Box::new(Executor::execute_stream(&self.schema, request, session_data));
        let responses = Gathering::new(responses).map(move |response| {
            let mut response = asked.finish(response);
            remarks.write(&mut response);
            response
        });
        if !tells_changes {
            return responses.boxed();
        }
        let mut last = None;
        let changes = responses.filter(move |response| {
            // An error of the server names the execution that met it, and is none the newer for that.
            let errors: Vec<_> = response.errors.iter().map(|error| error.path.clone()).collect();
            let told = Some((response.data.clone(), errors));
            let is_new = told != last;
            last = told;
            std::future::ready(is_new)
        });
        changes.boxed()
    }
}
