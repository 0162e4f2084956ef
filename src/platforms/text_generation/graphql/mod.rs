//! Generated texts in GraphQL.

mod asking;
mod types;

use async_graphql::{Context, InputObject, Object, Result};
use entity::id::{ConnectionId, TextId};
use entity::{Day, TextState};

pub use self::asking::{TextMutation, TextSubscription};
pub use self::types::{TextBudget, TextGeneration, TextModel, TextUsage, TextUsageBy};
use super::{BudgetOrder, GenerationFilter};
use crate::api::types::{Access, Listed, Pages, connection as listed, page_request, scoped};
use crate::error::Error;

/// Which generated texts are wanted.
#[derive(InputObject, Default)]
struct TextGenerationFilterInput {
    /// Those by this connection.
    connection_id: Option<ConnectionId>,
    /// Those in one of these states.
    #[graphql(default)]
    states: Vec<TextState>,
    /// Those that this caller asked for, e.g. `user_…`.
    created_by: Option<String>,
}

/// Queries of generated texts.
#[derive(Default)]
pub struct TextQuery;

#[scoped]
#[Object]
impl TextQuery {
    /// The models that a connection has, by id, as they were a few minutes ago at most.
    #[scope("content:read", all_rows)]
    #[graphql(complexity = "20 + first.clamp(1, 500) as usize * child_complexity")]
    async fn text_models(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The connection.")] connection_id: ConnectionId,
        #[graphql(desc = "Only those that have this in their id or name.")] search: Option<String>,
        #[graphql(desc = "How many, 1–500.", default = 100)] first: i32,
        #[graphql(desc = "From this position on, counted from 0.", default = 0)] from: i32,
    ) -> Result<Vec<TextModel>> {
        if !(1..=500).contains(&first) || from < 0 {
            let message =
                format!("`first` is {first} and `from` {from}; they have to be from 1 to 500 and from 0 on");
            return Err(Error::BadInput(message).into());
        }
        let models = super::models(ctx.app(), ctx.caller()?, connection_id, search.as_deref()).await?;
        let place = |number: i32| usize::try_from(number).unwrap_or_default();
        let models = models.into_iter().skip(place(from)).take(place(first));
        Ok(models.map(TextModel::from).collect())
    }

    /// What was asked of models, the latest first, with usage and cost; without the texts. Kept 400 days.
    #[scope("content:read", all_rows)]
    #[graphql(complexity = "first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    async fn text_generations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only these.")] filter: Option<TextGenerationFilterInput>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Result<Listed<TextGeneration>> {
        let TextGenerationFilterInput {
            connection_id,
            states,
            created_by,
        } = filter.unwrap_or_default();
        let filter = GenerationFilter {
            connection: connection_id,
            states,
            created_by,
        };
        let pages = Pages {
            first,
            after,
            last,
            before,
        };
        let page = page_request(&pages, GenerationFilter::ORDER)?;
        let page = super::list(ctx.app(), ctx.caller()?, &filter, &page).await?;
        Ok(listed(page, |row| {
            (GenerationFilter::keyset(&row), TextGeneration(row.into()))
        }))
    }

    /// What was asked of a model; null when there is nothing with this id.
    #[scope("content:read", all_rows)]
    #[graphql(complexity = "2 + child_complexity")]
    async fn text_generation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The text's id, `text_…`.")] id: TextId,
    ) -> Result<Option<TextGeneration>> {
        let found = super::find(ctx.app(), ctx.caller()?, id).await?;
        Ok(found.map(|row| TextGeneration(row.into())))
    }

    /// What was used from one day to another, told apart: by day in their order, else what cost most first, up to 1,000.
    #[scope("content:read", all_rows)]
    #[graphql(complexity = "20 + 10 * child_complexity")]
    async fn text_usage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The first day, UTC.")] from: Day,
        #[graphql(desc = "The last day, UTC; up to 400 days in all.")] to: Day,
        #[graphql(desc = "How it is told apart.")] by: TextUsageBy,
    ) -> Result<Vec<TextUsage>> {
        let sums = super::usage(ctx.app(), ctx.caller()?, from, to, by.into()).await?;
        Ok(sums.into_iter().map(TextUsage::from).collect())
    }

    /// What a connection may spend on texts, and has today; null when there is no such connection.
    #[scope("content:read", all_rows)]
    #[graphql(complexity = "2 + child_complexity")]
    async fn text_budget(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The connection.")] connection_id: ConnectionId,
    ) -> Result<Option<TextBudget>> {
        let found = super::budget_of(ctx.app(), ctx.caller()?, connection_id).await?;
        Ok(found.map(TextBudget))
    }

    /// The budgets that were set, changed last first.
    #[scope("content:read", all_rows)]
    #[graphql(complexity = "first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    async fn text_budgets(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Result<Listed<TextBudget>> {
        let pages = Pages {
            first,
            after,
            last,
            before,
        };
        let page = page_request(&pages, BudgetOrder::NAME)?;
        let page = super::budgets(ctx.app(), ctx.caller()?, &page).await?;
        Ok(listed(page, |state| {
            (BudgetOrder::keyset(&state), TextBudget(state))
        }))
    }
}
