//! Generated texts, models and budgets as clients see them.

use async_graphql::{Context, Enum, Object, Result, SimpleObject};
use entity::id::{ConnectionId, TextId};
use entity::{Day, TextFinish, TextState, Timestamp};
use integrations::facet;

use crate::api::types::{Decimal, scoped};
use crate::platforms::connections::graphql::{Connection, load_connection};
use crate::platforms::text_generation::{
    self as room, BudgetState, TextProblem, UsageSum, dollars, free_again,
};

/// A text that a model was asked for: what it took and cost, without the text.
pub struct TextGeneration(pub std::sync::Arc<room::Generation>);

/// The tokens that a text took.
#[derive(SimpleObject)]
pub struct TextTokens {
    /// Read, those of the platform's cache apart.
    input: i64,
    /// Read from the platform's cache.
    cache_read: i64,
    /// Written into the platform's cache.
    cache_write: i64,
    /// Written, those of thinking included.
    output: i64,
    /// Of those, for thinking.
    reasoning: i64,
}

#[scoped]
#[Object]
impl TextGeneration {
    /// The text's id.
    async fn id(&self) -> TextId {
        self.0.id
    }
    /// The id of the connection by which it was asked for.
    async fn connection_id(&self) -> ConnectionId {
        self.0.connection_id
    }
    /// The connection by which it was asked for.
    #[scope("connections:read", all_rows)]
    #[graphql(complexity = "2 + child_complexity")]
    async fn connection(&self, ctx: &Context<'_>) -> Result<Option<Connection>> {
        load_connection(ctx, self.0.connection_id).await
    }
    /// Who asked: `user_…`, `token_…`, `operator`.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }
    /// The model that was asked for.
    async fn model(&self) -> &str {
        &self.0.model
    }
    /// The model that wrote it, as the platform tells; null until it has ended.
    async fn written_by(&self) -> Option<&str> {
        self.0.written_by.as_deref()
    }
    /// Where it stands.
    async fn state(&self) -> TextState {
        self.0.state
    }
    /// Why the model stopped; null where it did not come to an end.
    async fn finish(&self) -> Option<TextFinish> {
        self.0.finish
    }
    /// What went wrong; null unless something did.
    async fn problem(&self) -> Option<TextProblem> {
        self.0.problem.as_deref().map(TextProblem::of_word)
    }
    /// The same in words.
    async fn problem_message(&self) -> Option<&str> {
        self.0.problem_message.as_deref()
    }
    /// Whether it was answered by the text of an earlier request, or of another one at the same time: it cost nothing.
    async fn from_cache(&self) -> bool {
        self.0.copy_of.is_some()
    }
    /// What it took; nothing where it came from the cache.
    async fn tokens(&self) -> TextTokens {
        TextTokens {
            input: self.0.input_tokens,
            cache_read: self.0.cache_read_tokens,
            cache_write: self.0.cache_write_tokens,
            output: self.0.output_tokens,
            reasoning: self.0.reasoning_tokens,
        }
    }
    /// What it cost in US dollars, exactly; null where neither the platform nor the prices in the settings of the
    /// connection tell, and for what broke off.
    async fn cost(&self) -> Option<Decimal> {
        self.0.cost.map(|cost| Decimal(dollars(cost)))
    }
    /// When it was asked for.
    async fn started_at(&self) -> Timestamp {
        self.0.started_at
    }
    /// When it ended; null while it is being written.
    async fn ended_at(&self) -> Option<Timestamp> {
        self.0.ended_at
    }
    /// How long it took, in milliseconds; null while it is being written.
    async fn duration_ms(&self) -> Option<i64> {
        let ended = self.0.ended_at?;
        Some((ended.micros() - self.0.started_at.micros()).max(0) / 1_000)
    }
}

/// A model that a connection has.
#[derive(SimpleObject)]
pub struct TextModel {
    /// As it is asked for.
    id: String,
    /// For people.
    name: String,
    /// How many tokens it can look at; null where the platform does not tell.
    context_tokens: Option<i64>,
    /// US dollars for a million tokens read; null where nobody tells.
    input_price: Option<Decimal>,
    /// US dollars for a million tokens written; null where nobody tells.
    output_price: Option<Decimal>,
}

impl From<facet::Model> for TextModel {
    fn from(model: facet::Model) -> Self {
        let facet::Model {
            id,
            name,
            context,
            input_price,
            output_price,
        } = model;
        Self {
            id,
            name,
            context_tokens: context.map(|tokens| i64::try_from(tokens).unwrap_or(i64::MAX)),
            input_price: input_price.map(Decimal),
            output_price: output_price.map(Decimal),
        }
    }
}

/// What may be spent on texts by a connection in a day (UTC), and what is.
pub struct TextBudget(pub BudgetState);

#[scoped]
#[Object]
impl TextBudget {
    /// The id of the connection.
    async fn connection_id(&self) -> ConnectionId {
        self.0.connection
    }
    /// The connection.
    #[scope("connections:read", all_rows)]
    #[graphql(complexity = "2 + child_complexity")]
    async fn connection(&self, ctx: &Context<'_>) -> Result<Option<Connection>> {
        load_connection(ctx, self.0.connection).await
    }
    /// US dollars for a day; null: no limit.
    async fn usd_per_day(&self) -> Option<Decimal> {
        let limit = self.0.budget.as_ref()?.cost_per_day?;
        Some(Decimal(dollars(limit)))
    }
    /// Tokens for a day, read and written; null: no limit.
    async fn tokens_per_day(&self) -> Option<i64> {
        self.0.budget.as_ref()?.tokens_per_day
    }
    /// The model that writes where none is named.
    async fn default_model(&self) -> Option<&str> {
        self.0.budget.as_ref()?.default_model.as_deref()
    }
    /// US dollars spent today; of texts that are being written, or whose end nobody knows, an estimate.
    async fn spent_usd(&self) -> Decimal {
        Decimal(self.0.cost)
    }
    /// Tokens spent today, in the same way.
    async fn spent_tokens(&self) -> i64 {
        self.0.tokens
    }
    /// When a new day begins, and nothing is spent.
    async fn resets_at(&self) -> Timestamp {
        free_again(self.0.day)
    }
    /// Who changed it last; null when nobody did.
    async fn updated_by(&self) -> Option<&str> {
        Some(&self.0.budget.as_ref()?.updated_by)
    }
    /// When it was changed last; null when it never was.
    async fn updated_at(&self) -> Option<Timestamp> {
        Some(self.0.budget.as_ref()?.updated_at)
    }
}

/// By what a usage is told apart.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub enum TextUsageBy {
    /// By day, UTC.
    Day,
    /// By connection.
    Connection,
    /// By the model that was asked for.
    Model,
}

impl From<TextUsageBy> for room::UsageBy {
    fn from(by: TextUsageBy) -> Self {
        match by {
            TextUsageBy::Day => Self::Day,
            TextUsageBy::Connection => Self::Connection,
            TextUsageBy::Model => Self::Model,
        }
    }
}

/// What was used on a day, by a connection or of a model.
#[derive(SimpleObject)]
pub struct TextUsage {
    /// The day, when it is told by day.
    day: Option<Day>,
    /// The connection's id, when it is told by connection.
    connection_id: Option<ConnectionId>,
    /// The model, when it is told by model.
    model: Option<String>,
    /// How many texts were asked for.
    requests: i64,
    /// Of these, those that were answered from the cache.
    from_cache: i64,
    /// Of these, those that failed or were cancelled.
    failed: i64,
    /// Of these, those whose cost nobody tells: they are not in `cost`.
    unpriced: i64,
    /// Tokens read, those of the platform's cache included.
    input_tokens: i64,
    /// Tokens written.
    output_tokens: i64,
    /// In US dollars, exactly.
    cost: Decimal,
}

impl From<UsageSum> for TextUsage {
    fn from(sum: UsageSum) -> Self {
        let UsageSum {
            day,
            connection,
            model,
            requests,
            from_cache,
            failed,
            unpriced,
            input,
            output,
            cost,
        } = sum;
        Self {
            day,
            connection_id: connection,
            model,
            requests,
            from_cache,
            failed,
            unpriced,
            input_tokens: input,
            output_tokens: output,
            cost: Decimal(dollars(cost)),
        }
    }
}
