//! Costs in GraphQL.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use entity::id::CostId;
use entity::{CostKind, Day, Timestamp};

use super::{Answer, CostFilter, CostProblem, NewCost};
use crate::api::types::{
    Access, Listed, Money, MoneyInput, Pages, connection, page_request, scoped, user_errors,
};
use crate::db::{CallKey, Keyset, SortValue};
use crate::error::Problem;

/// What something cost on a day.
pub struct Cost(pub super::Cost);

#[scoped]
#[Object]
impl Cost {
    /// The cost's id.
    async fn id(&self) -> CostId {
        self.0.id
    }
    /// What it was for.
    async fn kind(&self) -> CostKind {
        self.0.kind
    }
    /// The amount.
    async fn amount(&self) -> Money {
        Money::of_minor(self.0.amount_minor, &self.0.currency)
    }
    /// The amount in the reporting currency at the rate of its day; null where no rate is known.
    async fn reporting_amount(&self) -> Option<Money> {
        let currency = self.0.reporting_currency.as_deref()?;
        Some(Money::of_minor(self.0.reporting_minor?, currency))
    }
    /// The day that it counts for.
    async fn day(&self) -> Day {
        self.0.day
    }
    /// The source of leads that it was spent on.
    async fn source(&self) -> Option<&str> {
        self.0.source.as_deref()
    }
    /// The campaign that it was spent on.
    async fn campaign(&self) -> Option<&str> {
        self.0.campaign.as_deref()
    }
    /// In words.
    async fn note(&self) -> Option<&str> {
        self.0.note.as_deref()
    }
    /// Who recorded it, or corrected it last.
    async fn recorded_by(&self) -> &str {
        &self.0.recorded_by
    }
    /// When it was recorded, or last corrected.
    async fn recorded_at(&self) -> Timestamp {
        self.0.recorded_at
    }
    /// When it was taken back, and counts no more; null while it counts.
    async fn voided_at(&self) -> Option<Timestamp> {
        self.0.voided_at
    }
}

/// The ordering of all lists of costs.
const ORDER: &str = "cost DAY DESC";

/// Which costs are wanted.
#[derive(InputObject, Default)]
struct CostFilterInput {
    /// Of these kinds.
    #[graphql(default)]
    kinds: Vec<CostKind>,
    /// Of this day and later ones.
    from: Option<Day>,
    /// Of this day and earlier ones.
    to: Option<Day>,
    /// Spent on these sources of leads.
    #[graphql(default)]
    sources: Vec<String>,
    /// Spent on these campaigns.
    #[graphql(default)]
    campaigns: Vec<String>,
    /// Those that were taken back as well.
    #[graphql(default)]
    with_voided: bool,
}

/// Queries about costs.
#[derive(Default)]
pub struct CostQuery;

#[scoped]
#[Object]
impl CostQuery {
    /// A cost; null when there is none with this id.
    #[scope("revenue:read", all_rows)]
    async fn cost(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The cost's id, `cost_…`.")] id: CostId,
    ) -> Result<Option<Cost>> {
        let mut found = super::get_many(ctx.app(), &ctx.caller()?.rows, &[id]).await?;
        Ok(found.remove(&id).map(Cost))
    }

    /// Costs, those of the latest day first.
    #[scope("revenue:read", all_rows)]
    #[graphql(complexity = "first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    async fn costs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only these.")] filter: Option<CostFilterInput>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Result<Listed<Cost>> {
        let CostFilterInput {
            kinds,
            from,
            to,
            sources,
            campaigns,
            with_voided,
        } = filter.unwrap_or_default();
        let filter = CostFilter {
            kinds,
            from,
            to,
            sources,
            campaigns,
            with_voided,
        };
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
                value: SortValue::Int(row.day.0.into()),
                id: row.id.0,
            };
            (keyset, Cost(row))
        }))
    }
}

user_errors!(
    /// An expected failure of a call about costs.
    CostUserError,
    CostProblem
);

/// A cost to record.
#[derive(InputObject, Debug)]
struct CostInput {
    /// What it was for.
    kind: CostKind,
    /// The amount, not negative.
    amount: MoneyInput,
    /// The day that it counts for.
    day: Day,
    /// The source of leads that it was spent on, as leads name it; at most 200 characters.
    source: Option<String>,
    /// The campaign that it was spent on, as engagements name it; at most 200 characters.
    campaign: Option<String>,
    /// In words, at most 2,000 characters.
    note: Option<String>,
    /// The same key twice is one cost.
    dedupe_key: Option<String>,
}

/// Costs to record.
#[derive(InputObject, Debug)]
struct CostsRecordInput {
    /// Up to 1,000.
    items: Vec<CostInput>,
    /// The same key and input again give the same answer and are done once; kept 7 days.
    idempotency_key: Option<String>,
}

/// The answer to one cost.
#[derive(SimpleObject)]
struct CostRecordPayload {
    /// The cost; the first one with its dedupe key; null when there are user errors.
    cost: Option<Cost>,
    /// Whether it was there already.
    duplicate: bool,
    /// What was wrong with it.
    user_errors: Vec<CostUserError>,
}

impl From<Answer> for CostRecordPayload {
    fn from(answer: Answer) -> Self {
        let (cost, duplicate, problems) = match answer {
            Answer::Recorded(row) => (Some(row), false, Vec::new()),
            Answer::Duplicate(row) => (Some(row), true, Vec::new()),
            Answer::Refused(problems) => (None, false, problems),
        };
        Self {
            cost: cost.map(Cost),
            duplicate,
            user_errors: problems.into_iter().map(Into::into).collect(),
        }
    }
}

/// The answer of `costsRecord`.
#[derive(SimpleObject)]
struct CostsRecordPayload {
    /// One answer each, in the order of the items.
    results: Vec<CostRecordPayload>,
    /// What was wrong with the call as a whole.
    user_errors: Vec<CostUserError>,
}

/// A cost to take back.
#[derive(InputObject)]
struct CostVoidInput {
    /// The cost.
    id: CostId,
}

/// The answer of `costVoid`.
#[derive(SimpleObject)]
struct CostVoidPayload {
    /// The cost as it is now; null when there are user errors.
    cost: Option<Cost>,
    /// What was wrong.
    user_errors: Vec<CostUserError>,
}

/// Changes of costs.
#[derive(Default)]
pub struct CostMutation;

#[scoped]
#[Object]
impl CostMutation {
    /// Records up to 1,000 costs, each answered by itself.
    #[scope("revenue:write", all_rows)]
    async fn costs_record(&self, ctx: &Context<'_>, input: CostsRecordInput) -> Result<CostsRecordPayload> {
        let key = CallKey::of(input.idempotency_key.as_ref(), &input);
        let count = input.items.len();
        if count > super::MOST_AT_ONCE {
            let message = format!("{count} are too many: at most {} at once", super::MOST_AT_ONCE);
            let problem = Problem::new("items", CostProblem::TooMany, message);
            return Ok(CostsRecordPayload {
                results: Vec::new(),
                user_errors: vec![problem.into()],
            });
        }
        let mut early = Vec::with_capacity(count);
        let mut items = Vec::with_capacity(count);
        for input in input.items {
            match input.amount.to_minor() {
                Ok(amount_minor) => {
                    early.push(None);
                    items.push(NewCost {
                        kind: input.kind,
                        amount_minor,
                        currency: input.amount.currency_code,
                        day: input.day,
                        source: input.source,
                        campaign: input.campaign,
                        note: input.note,
                        connection_id: None,
                        dedupe_key: input.dedupe_key,
                    });
                }
                Err(message) => {
                    let problem = Problem::new("amount", CostProblem::Malformed, message);
                    early.push(Some(Answer::Refused(vec![problem])));
                }
            }
        }
        let answers = super::record(ctx.app(), ctx.caller()?, items, key.as_ref()).await?;
        let mut answers = answers.into_iter();
        let all = early
            .into_iter()
            .map(|early| early.unwrap_or_else(|| answers.next().expect("one answer for each item")));
        Ok(CostsRecordPayload {
            results: all.map(Into::into).collect(),
            user_errors: Vec::new(),
        })
    }

    /// Takes a cost back: it counts no more, and is kept.
    #[scope("revenue:write", all_rows)]
    async fn cost_void(&self, ctx: &Context<'_>, input: CostVoidInput) -> Result<CostVoidPayload> {
        let outcome = super::void(ctx.app(), ctx.caller()?, input.id).await;
        let (cost, user_errors) = CostUserError::split(outcome)?;
        Ok(CostVoidPayload {
            cost: cost.map(Cost),
            user_errors,
        })
    }
}
