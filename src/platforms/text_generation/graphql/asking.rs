//! Texts are asked for: as a whole, or as they are written. What may be spent on them.

use std::time::Duration;

use async_graphql::{Context, InputObject, MaybeUndefined, Object, Result, SimpleObject, Subscription};
use entity::TextRole;
use entity::id::{ConnectionId, TextId};
use futures_util::Stream;

use super::{TextBudget, TextGeneration};
use crate::api::types::{Access, Decimal, Json, Unsubscribed, scoped, user_errors};
use crate::db::CallKey;
use crate::error::{Error, Failure, Outcome};
use crate::platforms::text_generation::{
    self as room, BudgetChange, Piece, Said, TextCursor, TextDraft, TextProblem, USUAL_TOKENS, Writing,
};

/// Pieces of a text follow each other no faster than this.
const PACE: Duration = Duration::from_millis(50);

user_errors!(
    /// An expected failure of a call about generated texts.
    TextUserError,
    TextProblem
);

/// Something that was said to a model, or by it.
#[derive(InputObject)]
struct TextMessageInput {
    /// By whom.
    role: TextRole,
    /// What.
    text: String,
}

/// A text that is to be written.
#[derive(InputObject)]
struct TextGenerateInput {
    /// The connection whose platform writes it.
    connection_id: ConnectionId,
    /// The model, by an id of `textModels`; the connection's own (`textBudgetUpdate`) without one.
    model: Option<String>,
    /// What the model is told to be, e.g. `You write for a shop of bicycles.`
    system: Option<String>,
    /// What was said so far, 1 to 200 messages; the last is the user's. With `system` up to 512 KiB.
    messages: Vec<TextMessageInput>,
    /// At most so many tokens, those of thinking included, 1 to 100,000.
    #[graphql(default_with = "USUAL_TOKENS")]
    max_tokens: i32,
    /// How much is left to chance, 0 to 2; the model's own without one. Models that take none are not told.
    temperature: Option<f64>,
    /// The answer is to be JSON of this JSON Schema, an object of up to 64 KiB.
    json_schema: Option<Json>,
    /// Whether the answer to an earlier request of the same will do, at once and at no cost, and two requests of the same at
    /// one time are one. Without it: unless `temperature` is above 0. `false` always asks anew.
    cache: Option<bool>,
    /// The same key and input again give the same answer; kept 7 days (the text as long as the deployment keeps texts).
    idempotency_key: Option<String>,
}

impl TextGenerateInput {
    fn draft(self) -> (TextDraft, Option<CallKey>) {
        let Self {
            connection_id,
            model,
            system,
            messages,
            max_tokens,
            temperature,
            json_schema,
            cache,
            idempotency_key,
        } = self;
        let draft = TextDraft {
            connection: connection_id,
            model,
            system,
            messages: messages
                .into_iter()
                .map(|TextMessageInput { role, text }| Said { role, text })
                .collect(),
            max_tokens,
            temperature,
            json_schema: json_schema.map(|schema| schema.0),
            cache,
        };
        let key = CallKey::of(idempotency_key.as_ref(), &draft);
        (draft, key)
    }
}

/// What may be spent on texts by a connection; what is absent stays.
#[derive(InputObject)]
struct TextBudgetUpdateInput {
    /// The connection.
    connection_id: ConnectionId,
    /// US dollars for a day (UTC), e.g. `"2.50"`; null: no limit.
    usd_per_day: MaybeUndefined<Decimal>,
    /// Tokens for a day (UTC), read and written; null: no limit.
    tokens_per_day: MaybeUndefined<i64>,
    /// The model that writes where none is named; null: none.
    default_model: MaybeUndefined<String>,
}

/// The answer of `textGenerate`.
#[derive(SimpleObject)]
struct TextGeneratePayload {
    /// The text; null when there are user errors.
    text: Option<String>,
    /// What it took and cost; null when there are user errors.
    generation: Option<TextGeneration>,
    /// What was wrong with the input, or why the text could not be written.
    user_errors: Vec<TextUserError>,
}

/// Which text is written no further.
#[derive(InputObject)]
struct TextGenerationCancelInput {
    /// The text's id, `text_…`: what stands before the colon of a cursor of `textGenerating`.
    id: TextId,
}

/// The answer of `textGenerationCancel`.
#[derive(SimpleObject)]
struct TextGenerationCancelPayload {
    /// The text as it stands: it may be RUNNING for some seconds yet; null when there are user errors.
    generation: Option<TextGeneration>,
    /// What was wrong with the input.
    user_errors: Vec<TextUserError>,
}

/// The answer of `textBudgetUpdate`.
#[derive(SimpleObject)]
struct TextBudgetPayload {
    /// The budget; null when there are user errors.
    budget: Option<TextBudget>,
    /// What was wrong with the input.
    user_errors: Vec<TextUserError>,
}

/// A piece of a text that is being written. The last one has `generation` or `userErrors`.
#[derive(SimpleObject)]
struct TextGenerating {
    /// Resume behind this piece by `after:`; null where nothing was begun.
    cursor: Option<String>,
    /// More text; empty in the last one.
    text: String,
    /// What the text took and cost, when it is there as a whole; null before.
    generation: Option<TextGeneration>,
    /// Why there is no more of it; always the last.
    user_errors: Vec<TextUserError>,
}

/// A use case that has begun to answer: its text, or the problems that were known at once.
type Asked<T> = std::result::Result<T, Vec<TextUserError>>;

fn asked<T>(outcome: Outcome<T, TextProblem>) -> Result<Asked<T>> {
    match outcome {
        Ok(writing) => Ok(Ok(writing)),
        Err(Failure::Problems(problems)) => Ok(Err(problems.into_iter().map(TextUserError::from).collect())),
        Err(Failure::Error(error)) => Err(error.into()),
    }
}

async fn ask(ctx: &Context<'_>, input: TextGenerateInput, stays: bool) -> Result<Asked<Writing>> {
    let (draft, key) = input.draft();
    asked(room::begin(ctx.app(), ctx.caller()?, draft, key, stays).await)
}

async fn go_on(ctx: &Context<'_>, after: &str, input: Option<TextGenerateInput>) -> Result<Asked<Writing>> {
    let at: TextCursor = after.parse()?;
    let draft = input.map(|input| input.draft().0);
    asked(room::resume(ctx.app(), ctx.caller()?, at, draft).await)
}

/// Changes and requests of generated texts.
#[derive(Default)]
pub struct TextMutation;

#[scoped]
#[Object]
impl TextMutation {
    /// Has a text written, and answers when it is there. One that takes longer than a request may goes on: the same call again
    /// (with `cache`, or the same `idempotencyKey`) waits for the same text. For long texts see the subscription
    /// `textGenerating`. It is ended by `textGenerationCancel`.
    #[scope("content:write", all_rows)]
    #[graphql(complexity = "50 + child_complexity")]
    async fn text_generate(
        &self,
        ctx: &Context<'_>,
        input: TextGenerateInput,
    ) -> Result<TextGeneratePayload> {
        let failed = |user_errors| TextGeneratePayload {
            text: None,
            generation: None,
            user_errors,
        };
        let mut writing = match ask(ctx, input, true).await? {
            Ok(writing) => writing,
            Err(user_errors) => return Ok(failed(user_errors)),
        };
        let mut text = String::new();
        while let Some(piece) = writing.next().await? {
            match piece {
                Piece::Text(more) => text.push_str(&more),
                Piece::End(Ok(row)) => {
                    return Ok(TextGeneratePayload {
                        text: Some(text),
                        generation: Some(TextGeneration(row)),
                        user_errors: Vec::new(),
                    });
                }
                Piece::End(Err(problem)) => return Ok(failed(vec![problem.into()])),
            }
        }
        Ok(failed(Vec::new()))
    }

    /// Has a text written no further, for all who wait for it: what it took so far counts, and the request to the platform is hung
    /// up, by another server within some seconds. One that has ended stays as it is.
    #[scope("content:write", all_rows)]
    async fn text_generation_cancel(
        &self,
        ctx: &Context<'_>,
        input: TextGenerationCancelInput,
    ) -> Result<TextGenerationCancelPayload> {
        let outcome = room::cancel(ctx.app(), ctx.caller()?, input.id).await;
        let (row, user_errors) = TextUserError::split(outcome)?;
        Ok(TextGenerationCancelPayload {
            generation: row.map(|row| TextGeneration(row.into())),
            user_errors,
        })
    }

    /// Sets what may be spent on texts by a connection in a day (UTC), and the model where none is named. It holds from the
    /// next text on. A text is held back for by its longest length before it is written, and counted as it was afterwards.
    #[scope("connections:write", all_rows)]
    async fn text_budget_update(
        &self,
        ctx: &Context<'_>,
        input: TextBudgetUpdateInput,
    ) -> Result<TextBudgetPayload> {
        let TextBudgetUpdateInput {
            connection_id,
            usd_per_day,
            tokens_per_day,
            default_model,
        } = input;
        let change = BudgetChange {
            usd_per_day: given(usd_per_day).map(|limit| limit.map(|amount| amount.0)),
            tokens_per_day: given(tokens_per_day),
            default_model: given(default_model),
        };
        let outcome = room::change_budget(ctx.app(), ctx.caller()?, connection_id, change).await;
        let (state, user_errors) = TextUserError::split(outcome)?;
        Ok(TextBudgetPayload {
            budget: state.map(TextBudget),
            user_errors,
        })
    }
}

/// What is to change: absent leaves as is, null takes away.
fn given<T>(value: MaybeUndefined<T>) -> Option<Option<T>> {
    match value {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(value) => Some(Some(value)),
    }
}

/// Texts as they are written.
#[derive(Default)]
pub struct TextSubscription;

#[scoped]
#[Subscription]
impl TextSubscription {
    /// Has a text written, and tells it as it is written: pieces of text (up to 20 a second), then one end with what it took
    /// and cost, or with user errors. To unsubscribe (`complete` on a WebSocket) ends the request to the platform, unless
    /// somebody else waits for the same or may come back for it. Whose connection breaks may come back with `after`: the text is
    /// written to its end meanwhile, and kept as long as the deployment keeps texts; see `textGenerationCancel`. The same call
    /// again with the same `idempotencyKey` tells the text from its start.
    #[scope("content:write", all_rows)]
    #[graphql(complexity = "50 + child_complexity")]
    async fn text_generating(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is to be written; not needed with `after` by who asked for the text.")]
        input: Option<TextGenerateInput>,
        #[graphql(
            desc = "Goes on behind this cursor, or from the start of the text with this id, and asks for nothing anew: no piece is \
                    lost, none comes twice."
        )]
        after: Option<String>,
    ) -> Result<impl Stream<Item = Result<TextGenerating>> + use<>> {
        let asked = match (after, input) {
            (Some(after), input) => go_on(ctx, &after, input).await?,
            (None, Some(input)) => ask(ctx, input, false).await?,
            (None, None) => {
                let message = "say by `input` what is to be written, or by `after` where it goes on";
                return Err(Error::BadInput(message.to_owned()).into());
            }
        };
        let unsubscribed = ctx.data_opt::<Unsubscribed>().cloned().unwrap_or_default();
        Ok(told(asked.map(|writing| Listener {
            writing,
            unsubscribed,
        })))
    }
}

/// Somebody who listens to a text; who says that they want no more of it forgoes it.
struct Listener {
    writing: Writing,
    unsubscribed: Unsubscribed,
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.unsubscribed.is_said() {
            self.writing.forgo();
        }
    }
}

fn told(asked: Asked<Listener>) -> impl Stream<Item = Result<TextGenerating>> {
    let end = |cursor: Option<TextCursor>, generation, user_errors| TextGenerating {
        cursor: cursor.map(|cursor| cursor.to_string()),
        text: String::new(),
        generation,
        user_errors,
    };
    async_stream::stream! {
        let mut listener = match asked {
            Ok(listener) => listener,
            Err(user_errors) => {
                yield Ok(end(None, None, user_errors));
                return;
            }
        };
        loop {
            let heard = listener.writing.next().await;
            let cursor = listener.writing.cursor();
            match heard {
                Ok(Some(Piece::Text(text))) => {
                    let cursor = cursor.map(|cursor| cursor.to_string());
                    yield Ok(TextGenerating { cursor, text, generation: None, user_errors: Vec::new() });
                    // What comes meanwhile is the next piece.
                    tokio::time::sleep(PACE).await;
                }
                Ok(Some(Piece::End(Ok(row)))) => yield Ok(end(cursor, Some(TextGeneration(row)), Vec::new())),
                Ok(Some(Piece::End(Err(problem)))) => yield Ok(end(cursor, None, vec![problem.into()])),
                Ok(None) => return,
                Err(error) => {
                    yield Err(error.into());
                    return;
                }
            }
        }
    }
}
