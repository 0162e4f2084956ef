//! Engagements in GraphQL.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, InputObject, Object, Result, SimpleObject, Subscription};
use entity::id::{EngagementId, LeadId};
use entity::{Area, Channel, Day, Device, EngagementType, EventKind, IdentityKind, SourceKind, Timestamp};
use futures_util::{Stream, StreamExt};

use super::{
    Answer, Engagement, EngagementDraft, EngagementFilter, EngagementProblem, LeadKey, NewEngagement, Stats,
};
use crate::api::types::{
    Access, Json, Listed, Live, Money, MoneyInput, Pages, connection, page_request, scoped, user_errors,
};
use crate::api::{Eager, Lead};
use crate::app::App;
use crate::db::{CallKey, Keyset, Page, SortValue};
use crate::error::{Error, Problem};
use crate::events::Event;
use crate::identity::{Rows, Scope};
use crate::insight::journeys;
use crate::leads::contact::normalise_namespace;
use crate::leads::lead::{self, Identity};
use crate::leads::visible::by_rows;

const READ: Scope = Scope::Read(Area::Engagement);

/// The ordering of all lists of engagements.
const ORDER: &str = "OCCURRED_AT DESC";

/// One interaction with a lead.
pub struct EngagementNode(pub Arc<Engagement>);

#[scoped]
#[Object(name = "Engagement")]
impl EngagementNode {
    /// The engagement's id.
    async fn id(&self) -> EngagementId {
        self.0.id
    }
    /// The lead; null when the caller may not see it, or it is deleted.
    #[scope("leads:read")]
    async fn lead(&self, ctx: &Context<'_>) -> Result<Option<Eager<Lead>>> {
        lead::graphql::load(ctx, self.0.lead_id).await
    }
    /// What happened.
    #[graphql(name = "type")]
    async fn engagement_type(&self) -> EngagementType {
        self.0.engagement_type
    }
    /// Name of a `CUSTOM` engagement.
    async fn custom_name(&self) -> Option<&str> {
        self.0.custom_name.as_deref()
    }
    /// By which way.
    async fn channel(&self) -> Channel {
        self.0.channel
    }
    /// What brought it about.
    async fn source(&self) -> Option<EngagementSource> {
        let engagement = &self.0;
        engagement.source_kind.map(|kind| EngagementSource {
            kind,
            id: engagement.source_id.clone(),
            name: engagement.source_name.clone(),
        })
    }
    /// Groups the engagements of one message.
    async fn message_id(&self) -> Option<&str> {
        self.0.message_id.as_deref()
    }
    /// The page or link.
    async fn url(&self) -> Option<&str> {
        self.0.url.as_deref()
    }
    /// The page's title, the mail's subject …
    async fn title(&self) -> Option<&str> {
        self.0.title.as_deref()
    }
    /// Worth given by the source, 0–100.
    async fn value(&self) -> Option<i32> {
        self.0.value
    }
    /// Revenue; negative for a refund.
    async fn revenue(&self) -> Option<Money> {
        Some(Money::of_minor(
            self.0.revenue_minor?,
            self.0.currency.as_deref()?,
        ))
    }
    /// The device it came from.
    async fn device(&self) -> Option<Device> {
        self.0.device
    }
    /// ISO 3166-1 alpha-2, e.g. `DE`.
    async fn country(&self) -> Option<&str> {
        self.0.country.as_deref()
    }
    /// State, province or region.
    async fn region(&self) -> Option<&str> {
        self.0.region.as_deref()
    }
    /// City.
    async fn city(&self) -> Option<&str> {
        self.0.city.as_deref()
    }
    /// IPv4 or IPv6 address.
    async fn ip(&self) -> Option<&str> {
        self.0.ip.as_deref()
    }
    /// Browser or client, as it named itself.
    async fn user_agent(&self) -> Option<&str> {
        self.0.user_agent.as_deref()
    }
    /// More, a JSON object.
    async fn metadata(&self) -> Result<Option<Json>, Error> {
        let text = self.0.metadata.as_deref();
        Ok(text.map(serde_json::from_str).transpose()?.map(Json))
    }
    /// How surely a person did it, 0–1: 0.1 for opens and clicks of mail scanners and prefetchers, 1 for all else.
    async fn human_confidence(&self) -> f64 {
        f64::from(self.0.confidence_milli) / 1000.0
    }
    /// When it happened.
    async fn occurred_at(&self) -> Timestamp {
        self.0.occurred_at
    }
    /// When Leadline learnt of it.
    async fn received_at(&self) -> Timestamp {
        self.0.received_at
    }
    /// The same key twice is one engagement.
    async fn dedupe_key(&self) -> Option<&str> {
        self.0.dedupe_key.as_deref()
    }
}

/// What brought an engagement about.
#[derive(SimpleObject)]
struct EngagementSource {
    /// What kind of thing.
    kind: SourceKind,
    /// Its id there.
    id: Option<String>,
    /// Its name there.
    name: Option<String>,
}

/// Loads engagements by id for all requests together.
pub struct EngagementLoader(pub App);

impl Loader<(Rows, EngagementId)> for EngagementLoader {
    type Value = Arc<Engagement>;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[(Rows, EngagementId)],
    ) -> std::result::Result<HashMap<(Rows, EngagementId), Self::Value>, Arc<Error>> {
        let mut all = HashMap::with_capacity(keys.len());
        for (rows, ids) in by_rows(keys) {
            let found = super::get_many(&self.0, rows, &ids).await.map_err(Arc::new)?;
            all.extend(found.into_iter().map(|(id, row)| ((rows.clone(), id), row)));
        }
        Ok(all)
    }
}

/// Reads an engagement through the shared loader.
///
/// # Errors
/// A missing scope `engagement:read`; the database's.
pub async fn load(ctx: &Context<'_>, id: EngagementId) -> Result<Option<EngagementNode>> {
    let caller = ctx.caller()?;
    caller.require(READ)?;
    let loader = ctx.data_unchecked::<DataLoader<EngagementLoader>>();
    Ok(loader
        .load_one((caller.rows.clone(), id))
        .await?
        .map(EngagementNode))
}

/// Loads the latest engagements of leads for all requests together.
pub struct NewestLoader(pub App);

/// The latest so many of a lead.
type Newest = (LeadId, u64);

impl Loader<Newest> for NewestLoader {
    type Value = Arc<Vec<Arc<Engagement>>>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[Newest]) -> std::result::Result<HashMap<Newest, Self::Value>, Arc<Error>> {
        // Whoever wants fewer than others get the beginning of what is read for them.
        let most = keys.iter().map(|(_, limit)| *limit).max().unwrap_or(1);
        let mut leads: Vec<LeadId> = keys.iter().map(|(lead, _)| *lead).collect();
        leads.sort_unstable();
        leads.dedup();
        let found = super::newest(&self.0, &leads, most).await.map_err(Arc::new)?;
        Ok(keys
            .iter()
            .map(|key| {
                let rows = found.get(&key.0).map_or(&[][..], Vec::as_slice);
                let limit = usize::try_from(key.1).unwrap_or(usize::MAX).min(rows.len());
                (*key, Arc::new(rows[..limit].to_vec()))
            })
            .collect())
    }
}

type Engagements = Listed<EngagementNode>;

fn edges(page: Page<Arc<Engagement>>) -> Engagements {
    connection(page, |engagement| {
        let keyset = Keyset {
            order: ORDER.into(),
            value: SortValue::Int(engagement.occurred_at.micros()),
            id: engagement.id.0,
        };
        (keyset, EngagementNode(engagement))
    })
}

/// Which engagements; what is absent does not restrict.
#[derive(InputObject, Clone, Debug, Default)]
struct EngagementFilterInput {
    /// Of these types.
    #[graphql(default)]
    types: Vec<EngagementType>,
    /// By these channels.
    #[graphql(default)]
    channels: Vec<Channel>,
    /// That occurred at or after this moment.
    from: Option<Timestamp>,
    /// That occurred before this moment.
    to: Option<Timestamp>,
}

impl EngagementFilterInput {
    fn of(self, lead_id: Option<LeadId>) -> EngagementFilter {
        let Self {
            types,
            channels,
            from,
            to,
        } = self;
        EngagementFilter {
            lead_id,
            types,
            channels,
            from,
            to,
        }
    }
}

async fn list(ctx: &Context<'_>, filter: EngagementFilter, pages: Pages) -> Result<Engagements> {
    let request = page_request(&pages, ORDER)?;
    let caller = ctx.caller()?;
    if let EngagementFilter {
        lead_id: Some(lead),
        types,
        channels,
        from: None,
        to: None,
    } = &filter
        && types.is_empty()
        && channels.is_empty()
        && request.after.is_none()
        && request.before.is_none()
        && !request.backward
    {
        caller.require(READ)?;
        let loader = ctx.data_unchecked::<DataLoader<NewestLoader>>();
        let rows = loader.load_one((*lead, request.limit + 1)).await?;
        return Ok(edges(Page::new(
            &request,
            rows.map_or_else(Vec::new, |rows| rows.to_vec()),
        )));
    }
    let page = super::list(ctx.app(), caller, &filter, &request).await?;
    Ok(edges(page.map(Arc::new)))
}

/// What a lead has of engagements.
pub struct EngagementFields(pub LeadId);

#[scoped]
#[Object]
impl EngagementFields {
    /// The lead's engagements, the latest first.
    #[scope("engagement:read")]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection")]
    #[graphql(complexity = "first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    async fn engagements(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only of these types.", default)] types: Vec<EngagementType>,
        #[graphql(desc = "Only by these channels.", default)] channels: Vec<Channel>,
        #[graphql(desc = "Only those that occurred at or after this moment.")] from: Option<Timestamp>,
        #[graphql(desc = "Only those that occurred before this moment.")] to: Option<Timestamp>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Result<Engagements> {
        let filter = EngagementFilter {
            lead_id: Some(self.0),
            types,
            channels,
            from,
            to,
        };
        list(
            ctx,
            filter,
            Pages {
                first,
                after,
                last,
                before,
            },
        )
        .await
    }
}

/// What engagements add up to.
#[derive(SimpleObject)]
struct EngagementStats {
    /// How many.
    total: i64,
    /// By type, without those that have none.
    by_type: Vec<TypeCount>,
    /// By channel, without those that have none.
    by_channel: Vec<ChannelCount>,
    /// By UTC day, earliest first, without those that have none.
    by_day: Vec<DayCount>,
    /// Revenue, one amount for each currency.
    revenue: Vec<Money>,
}

/// How many engagements of a type.
#[derive(SimpleObject)]
pub struct TypeCount {
    /// The type.
    #[graphql(name = "type")]
    pub engagement_type: EngagementType,
    /// How many.
    pub count: i64,
}

/// How many engagements by a channel.
#[derive(SimpleObject)]
pub struct ChannelCount {
    /// The channel.
    pub channel: Channel,
    /// How many.
    pub count: i64,
}

/// How many engagements on a day.
#[derive(SimpleObject)]
pub struct DayCount {
    /// The day: of UTC, unless a report is asked for in another time zone.
    pub day: Day,
    /// How many.
    pub count: i64,
}

impl From<Stats> for EngagementStats {
    fn from(stats: Stats) -> Self {
        let Stats {
            total,
            by_type,
            by_channel,
            by_day,
            revenue,
        } = stats;
        Self {
            total,
            by_type: by_type
                .into_iter()
                .map(|(engagement_type, count)| TypeCount {
                    engagement_type,
                    count,
                })
                .collect(),
            by_channel: by_channel
                .into_iter()
                .map(|(channel, count)| ChannelCount { channel, count })
                .collect(),
            by_day: by_day
                .into_iter()
                .map(|(day, count)| DayCount { day, count })
                .collect(),
            revenue: revenue
                .iter()
                .map(|(currency, minor)| Money::of_minor(*minor, currency))
                .collect(),
        }
    }
}

/// Which engagements to add up; what is absent does not restrict.
#[derive(InputObject, Clone, Debug, Default)]
struct EngagementStatsFilter {
    /// Of this lead.
    lead_id: Option<LeadId>,
    /// Of these types.
    #[graphql(default)]
    types: Vec<EngagementType>,
    /// By these channels.
    #[graphql(default)]
    channels: Vec<Channel>,
}

/// Queries about engagements.
#[derive(Default)]
pub struct EngagementQuery;

#[scoped]
#[Object]
impl EngagementQuery {
    /// An engagement; null when there is none with this id.
    #[scope("engagement:read")]
    async fn engagement(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The engagement's id, `eng_…`.")] id: EngagementId,
    ) -> Result<Option<EngagementNode>> {
        load(ctx, id).await
    }

    /// Engagements of all leads, the latest first.
    #[scope("engagement:read")]
    #[graphql(complexity = "first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    async fn engagements(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only these.")] filter: Option<EngagementFilterInput>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Result<Engagements> {
        let filter = filter.unwrap_or_default().of(None);
        list(
            ctx,
            filter,
            Pages {
                first,
                after,
                last,
                before,
            },
        )
        .await
    }

    /// What engagements add up to by type, channel and day. For all leads it is read from the daily summaries, so that
    /// it costs the same whatever the number of engagements.
    #[scope("engagement:read")]
    async fn engagement_stats(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only these.")] filter: Option<EngagementStatsFilter>,
        #[graphql(desc = "The first UTC day.")] from: Day,
        #[graphql(desc = "The last UTC day, included; today when absent.")] to: Option<Day>,
    ) -> Result<EngagementStats> {
        let EngagementStatsFilter {
            lead_id,
            types,
            channels,
        } = filter.unwrap_or_default();
        let to = to.unwrap_or_else(|| ctx.app().clock().now().day());
        let caller = ctx.caller()?;
        // The daily summaries are of all leads.
        let summed = lead_id.is_none() && caller.rows.is_all();
        if lead_id.is_none() {
            journeys::check_range(from, to)?;
        }
        let stats = if summed {
            caller.require(READ)?;
            journeys::engagement_stats(ctx.app(), from, to, &types, &channels).await?
        } else {
            let filter = EngagementFilter {
                lead_id,
                types,
                channels,
                from: Some(from.start()),
                to: Some(to.start().plus_days(1)),
            };
            super::stats(ctx.app(), caller, &filter).await?
        };
        Ok(stats.into())
    }
}

user_errors!(
    /// An expected failure of a call about engagements.
    EngagementUserError,
    EngagementProblem
);

/// By what a lead is known.
#[derive(InputObject, Debug)]
pub struct KnownLeadInput {
    /// An e-mail address, a phone number or an outside identifier.
    pub kind: IdentityKind,
    /// Of an outside identifier: whose, e.g. the name of the import or connection.
    #[graphql(default)]
    pub namespace: String,
    /// The address, number or identifier.
    pub value: String,
}

impl KnownLeadInput {
    /// In the form in which identities are compared.
    ///
    /// # Errors
    /// A namespace that no outside identifier has.
    pub fn identity(&self) -> std::result::Result<Identity, Problem<EngagementProblem>> {
        if self.kind == IdentityKind::External {
            normalise_namespace(&self.namespace).map_err(|error| {
                Problem::new(
                    "identity.namespace",
                    EngagementProblem::Malformed,
                    error.to_string(),
                )
            })?;
        }
        Ok(Identity::given(self.kind, &self.namespace, &self.value))
    }
}

/// What brought an engagement about.
#[derive(InputObject, Debug)]
struct EngagementSourceInput {
    /// What kind of thing.
    kind: SourceKind,
    /// Its id there, up to 200 characters.
    id: Option<String>,
    /// Its name there, up to 200 characters.
    name: Option<String>,
}

/// An interaction with a lead, which is named by `leadId` or by `identity`.
#[derive(InputObject, Debug)]
struct EngagementInput {
    /// The lead's id.
    lead_id: Option<LeadId>,
    /// By what the lead is known, instead of its id.
    identity: Option<KnownLeadInput>,
    /// What happened.
    #[graphql(name = "type")]
    engagement_type: EngagementType,
    /// When it happened; now when absent. At most five minutes ahead; as late as it may be.
    occurred_at: Option<Timestamp>,
    /// The same key twice is one engagement, and answers with the first. Up to 200 characters.
    dedupe_key: Option<String>,
    /// By which way; the type's own channel when absent.
    channel: Option<Channel>,
    /// Name of a `CUSTOM` engagement, up to 100 characters.
    custom_name: Option<String>,
    /// What brought it about.
    source: Option<EngagementSourceInput>,
    /// Groups the engagements of one message to this lead, e.g. its delivery and clicks. Up to 200 characters.
    message_id: Option<String>,
    /// How many links that message has: when all are clicked within 5 s it was a scanner.
    message_link_count: Option<i32>,
    /// The page or link, up to 2,000 characters.
    url: Option<String>,
    /// The page's title, the mail's subject …, up to 500 characters.
    title: Option<String>,
    /// Worth given by the source, 0–100.
    value: Option<i32>,
    /// Revenue; negative for a refund.
    revenue: Option<MoneyInput>,
    /// The device it came from.
    device: Option<Device>,
    /// ISO 3166-1 alpha-2, e.g. `DE`.
    country: Option<String>,
    /// State, province or region.
    region: Option<String>,
    /// City.
    city: Option<String>,
    /// IPv4 or IPv6 address.
    ip: Option<String>,
    /// Browser or client, as it named itself.
    user_agent: Option<String>,
    /// More, a JSON object up to 16 KiB.
    metadata: Option<Json>,
}

impl EngagementInput {
    fn read(self, now: Timestamp) -> std::result::Result<NewEngagement, Problem<EngagementProblem>> {
        let Self {
            lead_id,
            identity,
            engagement_type,
            occurred_at,
            dedupe_key,
            channel,
            custom_name,
            source,
            message_id,
            message_link_count,
            url,
            title,
            value,
            revenue,
            device,
            country,
            region,
            city,
            ip,
            user_agent,
            metadata,
        } = self;
        let lead = match (lead_id, identity) {
            (Some(id), None) => LeadKey::Id(id),
            (None, Some(known)) => LeadKey::Known(known.identity()?),
            (None, None) => {
                let message = "the lead is needed: its `leadId`, or the `identity` that it is known by";
                return Err(Problem::new("leadId", EngagementProblem::Missing, message));
            }
            (Some(_), Some(_)) => {
                let message = "give `leadId` or `identity`, not both";
                return Err(Problem::new("identity", EngagementProblem::NotAllowed, message));
            }
        };
        let (revenue_minor, currency) = match revenue {
            Some(money) => {
                let minor = money.to_minor().map_err(|message| {
                    Problem::new("revenue.amount", EngagementProblem::OutOfRange, message)
                })?;
                (Some(minor), Some(money.currency_code))
            }
            None => (None, None),
        };
        let (source_kind, source_id, source_name) = match source {
            Some(EngagementSourceInput { kind, id, name }) => (Some(kind), id, name),
            None => (None, None, None),
        };
        let draft = EngagementDraft {
            kind: engagement_type,
            custom_name,
            channel,
            source_kind,
            source_id,
            source_name,
            message_id,
            message_link_count,
            url,
            title,
            value,
            revenue_minor,
            currency,
            device,
            country,
            region,
            city,
            ip,
            user_agent,
            metadata: metadata.map(|Json(value)| value),
            occurred_at: occurred_at.unwrap_or(now),
            dedupe_key,
        };
        Ok(NewEngagement { lead, draft })
    }
}

/// Input of `engagementRecord`.
#[derive(InputObject, Debug)]
struct EngagementRecordInput {
    /// The interaction.
    #[graphql(flatten)]
    engagement: EngagementInput,
    /// The same key and input again give the same answer and are done once; kept 7 days.
    idempotency_key: Option<String>,
}

/// The interactions to record.
#[derive(InputObject, Debug)]
struct EngagementsRecordInput {
    /// Up to 1,000 of them.
    items: Vec<EngagementInput>,
    /// The same key and input again give the same answer and are done once; kept 7 days.
    idempotency_key: Option<String>,
}

/// The answer to one engagement handed in.
struct EngagementRecordPayload(Answer);

#[Object]
impl EngagementRecordPayload {
    /// The engagement; null when there are user errors.
    async fn engagement(&self) -> Option<EngagementNode> {
        match &self.0 {
            Answer::Recorded(row) | Answer::Duplicate(row) => Some(EngagementNode(Arc::clone(row))),
            Answer::Refused(_) => None,
        }
    }
    /// Whether an engagement with its dedupe key was there already; it is the one shown.
    async fn duplicate(&self) -> bool {
        matches!(self.0, Answer::Duplicate(_))
    }
    /// What was wrong with the input.
    async fn user_errors(&self) -> Vec<EngagementUserError> {
        match &self.0 {
            Answer::Refused(problems) => problems.iter().cloned().map(Into::into).collect(),
            _ => Vec::new(),
        }
    }
}

/// The answer of `engagementsRecord`.
#[derive(SimpleObject)]
struct EngagementsRecordPayload {
    /// One answer for each item, in their order; empty when there are user errors of the whole.
    results: Vec<EngagementRecordPayload>,
    /// How many were stored.
    recorded: i32,
    /// How many had the dedupe key of one that was there already.
    duplicates: i32,
    /// How many were refused.
    refused: i32,
    /// What was wrong with the input as a whole.
    user_errors: Vec<EngagementUserError>,
}

async fn record(
    ctx: &Context<'_>,
    items: Vec<EngagementInput>,
    key: Option<CallKey>,
) -> Result<Vec<Answer>, Error> {
    let now = ctx.app().clock().now();
    let mut answers: Vec<Option<Answer>> = Vec::with_capacity(items.len());
    let mut read = Vec::with_capacity(items.len());
    for item in items {
        answers.push(match item.read(now) {
            Ok(item) => {
                read.push(item);
                None
            }
            Err(problem) => Some(Answer::Refused(vec![problem])),
        });
    }
    let recorded = super::record_keyed(ctx.app(), ctx.caller()?, read, key.as_ref()).await?;
    let mut recorded = recorded.into_iter();
    Ok(answers
        .into_iter()
        .map(|answer| answer.unwrap_or_else(|| recorded.next().expect("one answer for each item")))
        .collect())
}

/// Changes of engagements.
#[derive(Default)]
pub struct EngagementMutation;

#[scoped]
#[Object]
impl EngagementMutation {
    /// Records an interaction with a lead.
    #[scope("engagement:write")]
    async fn engagement_record(
        &self,
        ctx: &Context<'_>,
        input: EngagementRecordInput,
    ) -> Result<EngagementRecordPayload> {
        let key = CallKey::of(input.idempotency_key.as_ref(), &input);
        let mut answers = record(ctx, vec![input.engagement], key).await?;
        Ok(EngagementRecordPayload(
            answers.pop().expect("one answer for one item"),
        ))
    }

    /// Records up to 1,000 interactions and answers for each.
    #[scope("engagement:write")]
    async fn engagements_record(
        &self,
        ctx: &Context<'_>,
        input: EngagementsRecordInput,
    ) -> Result<EngagementsRecordPayload> {
        let key = CallKey::of(input.idempotency_key.as_ref(), &input);
        let items = input.items;
        if items.len() > super::MOST_AT_ONCE {
            ctx.caller()?.require(Scope::Write(Area::Engagement))?;
            let message = format!(
                "{} are too many: at most {} at once",
                items.len(),
                super::MOST_AT_ONCE
            );
            let problem = Problem::new("items", EngagementProblem::TooMany, message);
            return Ok(EngagementsRecordPayload {
                results: Vec::new(),
                recorded: 0,
                duplicates: 0,
                refused: 0,
                user_errors: vec![problem.into()],
            });
        }
        let (mut recorded, mut duplicates, mut refused) = (0, 0, 0);
        let answers = record(ctx, items, key).await?;
        for answer in &answers {
            match answer {
                Answer::Recorded(_) => recorded += 1,
                Answer::Duplicate(_) => duplicates += 1,
                Answer::Refused(_) => refused += 1,
            }
        }
        Ok(EngagementsRecordPayload {
            results: answers.into_iter().map(EngagementRecordPayload).collect(),
            recorded,
            duplicates,
            refused,
            user_errors: Vec::new(),
        })
    }
}

/// An engagement was recorded.
struct EngagementRecorded(Arc<Event>);

impl EngagementRecorded {
    fn id(&self) -> Result<EngagementId, Error> {
        self.0.subject.parse().map_err(Error::internal)
    }
}

#[scoped]
#[Object]
impl EngagementRecorded {
    /// Resume after this event by `after:`.
    async fn cursor(&self) -> String {
        Live::cursor(&self.0)
    }
    /// When it was recorded.
    async fn at(&self) -> Timestamp {
        self.0.at
    }
    /// The id of the lead.
    async fn lead_id(&self) -> Option<LeadId> {
        self.0.lead_id
    }
    /// The engagement as it is now.
    async fn engagement(&self, ctx: &Context<'_>) -> Result<Option<EngagementNode>> {
        load(ctx, self.id()?).await
    }
    /// The lead as it is now; null once it is deleted.
    #[scope("leads:read")]
    async fn lead(&self, ctx: &Context<'_>) -> Result<Option<Eager<Lead>>> {
        match self.0.lead_id {
            Some(id) => lead::graphql::load(ctx, id).await,
            None => Ok(None),
        }
    }
}

/// Subscriptions to engagements.
#[derive(Default)]
pub struct EngagementSubscription;

#[scoped]
#[Subscription]
impl EngagementSubscription {
    /// Engagements as they are recorded.
    #[scope("engagement:read")]
    async fn engagement_recorded(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only of this lead.")] lead_id: Option<LeadId>,
        #[graphql(desc = "Only of these types.", default)] types: Vec<EngagementType>,
        #[graphql(desc = "Resume after this cursor: nothing is lost, nothing comes twice.")] after: Option<
            String,
        >,
    ) -> Result<impl Stream<Item = Result<EngagementRecorded>> + use<>> {
        let filter = crate::events::Filter {
            lead_id,
            ..crate::events::Filter::kinds(&[EventKind::EngagementRecorded])
        };
        let events = Live::open(ctx, READ, filter, after.as_deref())?;
        Ok(events.filter_map(move |event| {
            let wanted = match event {
                Ok(event) if types.is_empty() => Some(Ok(EngagementRecorded(event))),
                Ok(event) => match super::Recorded::read(&event) {
                    Ok(recorded) => types
                        .contains(&recorded.kind)
                        .then_some(())
                        .map(|()| Ok(EngagementRecorded(Arc::clone(&event)))),
                    Err(error) => Some(Err(error.into())),
                },
                Err(error) => Some(Err(error.into())),
            };
            std::future::ready(wanted)
        }))
    }
}
