//! Conversions in GraphQL.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use entity::id::{ConversionId, LeadId};
use entity::{Area, ConversionKind, Timestamp};

use super::{Answer, ConversionFilter, ConversionProblem, NewConversion, Refund, ReversalProblem};
use crate::api::types::{
    Access, Json, Listed, Money, MoneyInput, Pages, connection, page_request, scoped, user_errors,
};
use crate::api::{Eager, Lead};
use crate::app::App;
use crate::db::{CallKey, Keyset, SortValue};
use crate::error::{Error, Outcome, Problem};
use crate::identity::Scope;
use crate::insight::engagement::LeadKey;
use crate::platforms::conversions::graphql::{ConversionDelivery, deliveries_of};

/// Loads the conversions of leads for all requests together.
pub struct ConversionLoader(pub App);

impl Loader<LeadId> for ConversionLoader {
    type Value = Vec<super::Conversion>;
    type Error = Arc<Error>;

    async fn load(&self, ids: &[LeadId]) -> std::result::Result<HashMap<LeadId, Self::Value>, Arc<Error>> {
        super::of_leads(&self.0, ids).await.map_err(Arc::new)
    }
}

/// A conversion of a lead.
pub struct Conversion(pub super::Conversion);

#[scoped]
#[Object]
impl Conversion {
    /// The conversion's id.
    async fn id(&self) -> ConversionId {
        self.0.id
    }
    /// What it is.
    async fn kind(&self) -> ConversionKind {
        self.0.kind
    }
    /// Name of a custom conversion.
    async fn name(&self) -> Option<&str> {
        self.0.custom_name.as_deref()
    }
    /// What it is worth; null when it has no value.
    async fn value(&self) -> Option<Money> {
        Some(Money::of_minor(self.0.value_minor?, self.0.currency.as_deref()?))
    }
    /// What was given back of the value; null when it has no value.
    async fn refunded(&self) -> Option<Money> {
        self.0.value_minor?;
        Some(Money::of_minor(
            self.0.refunded_minor,
            self.0.currency.as_deref()?,
        ))
    }
    /// What it is worth in the reporting currency at the rate of its day; null when it has no value, or no rate is known.
    async fn reporting_value(&self) -> Option<Money> {
        let currency = self.0.reporting_currency.as_deref()?;
        Some(Money::of_minor(self.0.reporting_minor?, currency))
    }
    /// What was given back of that.
    async fn reporting_refunded(&self) -> Option<Money> {
        let currency = self.0.reporting_currency.as_deref()?;
        Some(Money::of_minor(self.0.reporting_refunded_minor?, currency))
    }
    /// When it was called off, and counts no more; null while it counts.
    async fn voided_at(&self) -> Option<Timestamp> {
        self.0.voided_at
    }
    /// More, as it was given.
    async fn metadata(&self) -> Result<Json> {
        Ok(Json(serde_json::from_str(&self.0.metadata).map_err(Error::from)?))
    }
    /// When it happened.
    async fn occurred_at(&self) -> Timestamp {
        self.0.occurred_at
    }
    /// When Leadline learnt of it.
    async fn received_at(&self) -> Timestamp {
        self.0.received_at
    }
    /// What became of it with the platforms that it is told to.
    async fn deliveries(&self, ctx: &Context<'_>) -> Result<Vec<ConversionDelivery>> {
        deliveries_of(ctx, self.0.id).await
    }
    /// The lead; null when it is deleted.
    #[scope("leads:read")]
    async fn lead(&self, ctx: &Context<'_>) -> Result<Option<Eager<Lead>>> {
        crate::leads::lead::graphql::load(ctx, self.0.lead_id).await
    }
}

/// The conversions of a lead.
pub struct LeadConversionFields(pub LeadId);

#[scoped]
#[Object]
impl LeadConversionFields {
    /// The newest conversions, at most 100, newest first.
    #[scope("engagement:read")]
    async fn conversions(&self, ctx: &Context<'_>) -> Result<Vec<Conversion>> {
        let caller = ctx.caller()?;
        caller.require(Scope::Read(Area::Engagement))?;
        let loader = ctx.data_unchecked::<DataLoader<ConversionLoader>>();
        let rows = loader.load_one(self.0).await?.unwrap_or_default();
        Ok(rows.into_iter().map(Conversion).collect())
    }
}

/// The ordering of all lists of conversions.
const ORDER: &str = "OCCURRED_AT DESC";

/// Which conversions are wanted.
#[derive(InputObject, Default)]
struct ConversionFilterInput {
    /// Of these kinds.
    #[graphql(default)]
    kinds: Vec<ConversionKind>,
    /// That happened at or after this moment.
    from: Option<Timestamp>,
    /// That happened before this moment.
    to: Option<Timestamp>,
}

/// Queries about conversions.
#[derive(Default)]
pub struct ConversionQuery;

#[scoped]
#[Object]
impl ConversionQuery {
    /// A conversion; null when there is none with this id.
    #[scope("engagement:read")]
    async fn conversion(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The conversion's id, `conv_…`.")] id: ConversionId,
    ) -> Result<Option<Conversion>> {
        let mut found = super::get_many(ctx.app(), &ctx.caller()?.rows, &[id]).await?;
        Ok(found.remove(&id).map(Conversion))
    }

    /// Conversions of all leads, the latest first.
    #[scope("engagement:read")]
    #[graphql(complexity = "first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    async fn conversions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only these.")] filter: Option<ConversionFilterInput>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Result<Listed<Conversion>> {
        let ConversionFilterInput { kinds, from, to } = filter.unwrap_or_default();
        let filter = ConversionFilter { kinds, from, to };
        let pages = Pages {
            first,
            after,
            last,
            before,
        };
        let request = page_request(&pages, ORDER)?;
        let page = super::list(ctx.app(), ctx.caller()?, &filter, &request).await?;
        Ok(connection(page, |row| {
            let keyset = Keyset {
                order: ORDER.into(),
                value: SortValue::Int(row.occurred_at.micros()),
                id: row.id.0,
            };
            (keyset, Conversion(row))
        }))
    }
}

user_errors!(
    /// An expected failure of a call about conversions.
    ConversionUserError,
    ConversionProblem
);

/// A conversion to record.
#[derive(InputObject, Clone, Debug)]
struct ConversionInput {
    /// The lead.
    lead_id: LeadId,
    /// What it is.
    kind: ConversionKind,
    /// Name of a CUSTOM conversion.
    name: Option<String>,
    /// What it is worth.
    value: Option<MoneyInput>,
    /// More: a JSON object of at most 16 KiB.
    metadata: Option<Json>,
    /// When it happened; now unless given.
    occurred_at: Option<Timestamp>,
    /// The same key twice is one conversion.
    dedupe_key: Option<String>,
}

/// Input of `conversionRecord`.
#[derive(InputObject, Debug)]
struct ConversionRecordInput {
    /// The conversion.
    #[graphql(flatten)]
    conversion: ConversionInput,
    /// The same key and input again give the same answer and are done once; kept 7 days.
    idempotency_key: Option<String>,
}

/// Conversions to record.
#[derive(InputObject, Debug)]
struct ConversionsRecordInput {
    /// Up to 1,000.
    items: Vec<ConversionInput>,
    /// The same key and input again give the same answer and are done once; kept 7 days.
    idempotency_key: Option<String>,
}

/// The answer to one conversion.
#[derive(SimpleObject)]
struct ConversionRecordPayload {
    /// The conversion; the first one with its dedupe key; null when there are user errors.
    conversion: Option<Conversion>,
    /// Whether it was there already.
    duplicate: bool,
    /// What was wrong with it.
    user_errors: Vec<ConversionUserError>,
}

/// The answer of `conversionsRecord`.
#[derive(SimpleObject)]
struct ConversionsRecordPayload {
    /// One answer each, in the order of the items.
    results: Vec<ConversionRecordPayload>,
    /// What was wrong with the call as a whole.
    user_errors: Vec<ConversionUserError>,
}

fn minor(
    value: Option<MoneyInput>,
) -> std::result::Result<Option<(i64, String)>, Problem<ConversionProblem>> {
    let Some(money) = value else { return Ok(None) };
    match money.to_minor() {
        Ok(minor) => Ok(Some((minor, money.currency_code))),
        Err(message) => Err(Problem::new("value", ConversionProblem::Malformed, message)),
    }
}

impl From<Answer> for ConversionRecordPayload {
    fn from(answer: Answer) -> Self {
        let (conversion, duplicate, problems) = match answer {
            Answer::Recorded(row) => (Some(row), false, Vec::new()),
            Answer::Duplicate(row) => (Some(row), true, Vec::new()),
            Answer::Refused(problems) => (None, false, problems),
        };
        Self {
            conversion: conversion.map(Conversion),
            duplicate,
            user_errors: problems.into_iter().map(ConversionUserError::from).collect(),
        }
    }
}

async fn record(
    ctx: &Context<'_>,
    inputs: Vec<ConversionInput>,
    key: Option<CallKey>,
) -> Result<Vec<ConversionRecordPayload>> {
    let now = ctx.app().clock().now();
    let mut early = Vec::with_capacity(inputs.len());
    let mut items = Vec::with_capacity(inputs.len());
    for input in inputs {
        let ConversionInput {
            lead_id,
            kind,
            name,
            value,
            metadata,
            occurred_at,
            dedupe_key,
        } = input;
        let metadata = match metadata {
            None => Ok(serde_json::Map::new()),
            Some(Json(serde_json::Value::Object(object))) => Ok(object),
            Some(_) => Err(Problem::new(
                "metadata",
                ConversionProblem::Malformed,
                "metadata is a JSON object",
            )),
        };
        match (minor(value), metadata) {
            (Ok(value), Ok(metadata)) => {
                let (value_minor, currency) = value.unzip();
                early.push(None);
                items.push(NewConversion {
                    lead: LeadKey::Id(lead_id),
                    kind,
                    custom_name: name,
                    value_minor,
                    currency,
                    metadata,
                    occurred_at: occurred_at.unwrap_or(now),
                    dedupe_key,
                });
            }
            (value, metadata) => {
                let problems = value.err().into_iter().chain(metadata.err()).collect();
                early.push(Some(Answer::Refused(problems)));
            }
        }
    }
    let answers = super::record(ctx.app(), ctx.caller()?, items, key.as_ref()).await?;
    let mut answers = answers.into_iter();
    let all = early
        .into_iter()
        .map(|early| early.unwrap_or_else(|| answers.next().expect("one answer for each item")));
    Ok(all.map(ConversionRecordPayload::from).collect())
}

user_errors!(
    /// An expected failure of a call that takes back.
    ConversionReversalUserError,
    ReversalProblem
);

/// A conversion to call off.
#[derive(InputObject, Debug)]
struct ConversionVoidInput {
    /// The conversion.
    id: ConversionId,
    /// The same key and input again give the same answer and are done once; kept 7 days.
    idempotency_key: Option<String>,
}

/// What to give back of a conversion.
#[derive(InputObject, Debug)]
struct ConversionRefundInput {
    /// The conversion.
    id: ConversionId,
    /// How much, in the currency of the conversion, beside what was given back before.
    amount: MoneyInput,
    /// The same key and input again give the same answer and are done once; kept 7 days.
    idempotency_key: Option<String>,
}

/// The answer to a call that takes back.
#[derive(SimpleObject)]
struct ConversionReversalPayload {
    /// The conversion as it is now; null when there are user errors.
    conversion: Option<Conversion>,
    /// What was wrong.
    user_errors: Vec<ConversionReversalUserError>,
}

impl ConversionReversalPayload {
    fn of(outcome: Outcome<super::Conversion, ReversalProblem>) -> Result<Self> {
        let (conversion, user_errors) = ConversionReversalUserError::split(outcome)?;
        Ok(Self {
            conversion: conversion.map(Conversion),
            user_errors,
        })
    }
}

/// Changes of conversions.
#[derive(Default)]
pub struct ConversionMutation;

#[scoped]
#[Object]
impl ConversionMutation {
    /// Records a conversion.
    #[scope("engagement:write")]
    async fn conversion_record(
        &self,
        ctx: &Context<'_>,
        input: ConversionRecordInput,
    ) -> Result<ConversionRecordPayload> {
        let key = CallKey::of(input.idempotency_key.as_ref(), &input);
        let mut answers = record(ctx, vec![input.conversion], key).await?;
        Ok(answers.pop().expect("one answer for each item"))
    }

    /// Calls a conversion off: it counts no more, and is kept.
    #[scope("engagement:write")]
    async fn conversion_void(
        &self,
        ctx: &Context<'_>,
        input: ConversionVoidInput,
    ) -> Result<ConversionReversalPayload> {
        let key = CallKey::of(input.idempotency_key.as_ref(), &input);
        ConversionReversalPayload::of(super::void(ctx.app(), ctx.caller()?, input.id, key.as_ref()).await)
    }

    /// Gives a part of a conversion back, or all of it. One that is given back as a whole still counts as a conversion, with
    /// nothing earned.
    #[scope("engagement:write")]
    async fn conversion_refund(
        &self,
        ctx: &Context<'_>,
        input: ConversionRefundInput,
    ) -> Result<ConversionReversalPayload> {
        let key = CallKey::of(input.idempotency_key.as_ref(), &input);
        let minor = match input.amount.to_minor() {
            Ok(minor) => minor,
            Err(message) => {
                let problem = Problem::new("amount", ReversalProblem::Malformed, message);
                return ConversionReversalPayload::of(Err(problem.into()));
            }
        };
        let refund = Refund {
            id: input.id,
            minor,
            currency: input.amount.currency_code,
        };
        ConversionReversalPayload::of(super::refund(ctx.app(), ctx.caller()?, refund, key.as_ref()).await)
    }

    /// Records up to 1,000 conversions, each answered by itself.
    #[scope("engagement:write")]
    async fn conversions_record(
        &self,
        ctx: &Context<'_>,
        input: ConversionsRecordInput,
    ) -> Result<ConversionsRecordPayload> {
        let key = CallKey::of(input.idempotency_key.as_ref(), &input);
        let count = input.items.len();
        if count > super::MOST_AT_ONCE {
            ctx.caller()?.require(Scope::Write(Area::Engagement))?;
            let message = format!("{count} are too many: at most {} at once", super::MOST_AT_ONCE);
            let problem = Problem::new("items", ConversionProblem::TooMany, message);
            return Ok(ConversionsRecordPayload {
                results: Vec::new(),
                user_errors: vec![problem.into()],
            });
        }
        Ok(ConversionsRecordPayload {
            results: record(ctx, input.items, key).await?,
            user_errors: Vec::new(),
        })
    }
}
