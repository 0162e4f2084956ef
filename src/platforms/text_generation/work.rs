//! Texts as they are written by a platform, and what is written down of them.

use std::sync::Arc;
use std::time::Duration;

use entity::id::TextId;
use entity::{EventKind, TextFinish, TextState, Timestamp, text_answer};
use futures_util::StreamExt as _;
use integrations::facet::{Finish, TextPiece, Usage};
use integrations::{Kind, Retry};
use serde_json::json;
use tokio::time::{Instant, interval_at};

use super::flight::{Ended, Flight, Lead};
use super::model::{self, Estimate, MOST_COST, MOST_TEXT_BYTES, Price, TextProblem, wrong};
use super::writing::Order;
use super::{Generation, dollars, store};
use crate::app::App;
use crate::db::Tx;
use crate::error::{Error, Problem};
use crate::events::{self, NewEvent};
use crate::platforms::connections::{Live, report};
use crate::vault::Place;

/// How often whoever writes says that it goes on, and for how long that is believed.
const ALIVE_EVERY: Duration = Duration::from_secs(20);
pub(super) const ALIVE_SECONDS: i64 = 90;
/// How often is looked whether another process was told to cancel a text.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often the end of a text is written down anew when the database is away, a second apart.
const TRIES: usize = 30;

/// Why a text that has ended is not there.
pub(super) fn problem_of_row(row: &Generation) -> Option<Problem<TextProblem>> {
    let code = match row.state {
        TextState::Running | TextState::Done => return None,
        TextState::Cancelled => TextProblem::Cancelled,
        TextState::Failed => TextProblem::of_word(row.problem.as_deref().unwrap_or_default()),
    };
    Some(wrong("", code, row.problem_message.clone().unwrap_or_default()))
}

/// Takes note of what asking showed about the connection, where it says something about that.
pub(super) async fn note(app: &App, live: &Live, outcome: Result<(), &integrations::Error>) {
    if let Err(error) = &outcome
        && !model::is_of_connection(error.kind)
    {
        return;
    }
    if let Err(error) = report(app, live, outcome).await {
        tracing::warn!(connection = %live.row.id, ?error, "what a connection showed could not be noted");
    }
}

/// How the writing went.
enum Wrote {
    End {
        finish: Finish,
        model: String,
        id: Option<String>,
        usage: Usage,
    },
    Error(integrations::Error),
    Stopped,
}

/// Writes a text to its end, and writes that down.
pub(super) async fn write(app: App, order: Order, price: Option<Price>, row: Generation, lead: Lead) {
    let flight = Arc::clone(&lead.flight);
    let outcome = ask(&app, &order, row.id, &flight).await;
    match &outcome {
        Wrote::End { .. } => note(&app, &order.live, Ok(())).await,
        Wrote::Error(error) => note(&app, &order.live, Err(error)).await,
        Wrote::Stopped => {}
    }
    let ending = Ending {
        outcome,
        input: model::input_tokens(&order.request),
        price,
        text: flight.text(),
    };
    let label = ending.label();
    metrics::counter!("leadline_texts_total", "platform" => order.live.row.platform.clone(), "outcome" => label)
        .increment(1);
    for tried in 1.. {
        match ending.settle(&app, row.id).await {
            Ok(Some(row)) => {
                let row = Arc::new(row);
                return lead.end(match problem_of_row(&row) {
                    None => Ended::Done(row),
                    Some(problem) => Ended::Failed(Some(row), problem),
                });
            }
            Ok(None) => break,
            Err(error) => {
                tracing::warn!(text = %row.id, ?error, tried, "the end of a text could not be written down");
                if tried >= TRIES {
                    break;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
    // Whoever looks after texts that nobody writes closes it.
    let message = "the text could not be written down; ask for it again";
    lead.end(Ended::Failed(None, wrong("", TextProblem::Interrupted, message)));
}

/// Asks the platform, and hands on what comes. To end this is to hang up.
async fn ask(app: &App, order: &Order, id: TextId, flight: &Flight) -> Wrote {
    let context = order.live.context(app);
    let facets = order.live.facets(app);
    let Some(generator) = facets.text_generator else {
        return Wrote::Error(integrations::Error::new(
            Kind::Unsupported,
            "the platform has no models",
        ));
    };
    let mut pieces = generator.generate(&context, order.request.clone());
    let mut alive = interval_at(Instant::now() + ALIVE_EVERY, ALIVE_EVERY);
    let mut look = interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
    loop {
        tokio::select! {
            biased;
            () = flight.stop.cancelled() => return Wrote::Stopped,
            _ = alive.tick() => {
                let until = app.clock().now().plus_seconds(ALIVE_SECONDS);
                if let Err(error) = store::keep_alive(app.db().write(), id, until).await {
                    tracing::warn!(text = %id, ?error, "it could not be noted that a text is still being written");
                }
            }
            _ = look.tick() => match store::is_cancelled(app.db().read(), id).await {
                Ok(true) => return Wrote::Stopped,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(text = %id, ?error, "it could not be looked whether a text was cancelled");
                }
            },
            piece = pieces.next() => match piece {
                Some(Ok(TextPiece::Text(text))) => {
                    if flight.push(&text) > MOST_TEXT_BYTES {
                        let message = format!("the text is longer than {MOST_TEXT_BYTES} bytes");
                        return Wrote::Error(integrations::Error::malformed(message));
                    }
                }
                Some(Ok(TextPiece::End { finish, model, id, usage })) => {
                    return Wrote::End { finish, model, id, usage };
                }
                Some(Err(error)) => return Wrote::Error(error),
                None => {
                    let error = integrations::Error::new(Kind::Cut, "the text broke off").retry(Retry::Never);
                    return Wrote::Error(error);
                }
            },
        }
    }
}

/// What is to be written down of a text that has ended.
struct Ending {
    outcome: Wrote,
    input: i64,
    price: Option<Price>,
    text: String,
}

impl Ending {
    fn label(&self) -> &'static str {
        match &self.outcome {
            Wrote::End { .. } => "written",
            Wrote::Error(_) => "failed",
            Wrote::Stopped => "cancelled",
        }
    }

    /// Writes it down; `None` when there is nothing of it any more.
    async fn settle(&self, app: &App, id: TextId) -> Result<Option<Generation>, Error> {
        let now = app.clock().now();
        let tx = app.db().begin().await?;
        let Some(before) = store::locked(&tx, id).await? else {
            return Ok(None);
        };
        let mut row = before.clone();
        self.apply(&mut row);
        end(&tx, &before, &mut row, now).await?;
        let hours = app.platforms().text_kept_hours;
        // Of one that broke off what there is, for who comes back for the rest.
        let is_worth = row.state == TextState::Done || !self.text.is_empty();
        if is_worth && hours > 0 {
            let sealed = app
                .vault()
                .seal(&tx, now, Place::TEXT_ANSWER, id.0, self.text.as_bytes())
                .await?;
            let answer = text_answer::Model {
                generation_id: id,
                text: sealed,
                until: now.plus_seconds(i64::from(hours) * 3_600),
            };
            store::keep_answer(&tx, answer).await?;
        }
        tx.commit().await?;
        Ok(Some(row))
    }

    /// What a text took that broke off, as nobody tells.
    fn partial(&self, row: &mut Generation) {
        if self.text.is_empty() {
            // It may have thought for long: the estimate stays.
            row.cost = None;
            return;
        }
        let written = model::written_tokens(&self.text);
        let tokens = self.input.saturating_add(written);
        row.cost = None;
        row.counted_tokens = tokens.min(row.counted_tokens);
        let cost = self
            .price
            .as_ref()
            .and_then(|price| price.cost(self.input, written));
        row.counted_cost = cost.unwrap_or(0).min(row.counted_cost);
    }

    fn apply(&self, row: &mut Generation) {
        let fail = |row: &mut Generation, code: TextProblem, message: &str| {
            row.state = TextState::Failed;
            row.problem = Some(code.word());
            row.problem_message = Some(message.to_owned());
        };
        // It may have been given up meanwhile: this is how it was.
        row.problem = None;
        row.problem_message = None;
        match &self.outcome {
            Wrote::End {
                finish,
                model,
                id,
                usage,
            } => {
                row.state = TextState::Done;
                row.finish = Some(model::finish_of(*finish));
                row.written_by = Some(model.clone()).filter(|model| !model.is_empty());
                row.external_id.clone_from(id);
                self.count(row, usage);
                match row.finish {
                    Some(TextFinish::Refused) => fail(
                        row,
                        TextProblem::ContentRefused,
                        "the model, or its platform, would not write that",
                    ),
                    Some(TextFinish::ToolCall) => {
                        fail(
                            row,
                            TextProblem::PlatformFault,
                            "the model wants a tool instead of writing",
                        );
                    }
                    _ => {}
                }
            }
            Wrote::Error(error) => {
                let (code, message) = model::problem_of(error);
                fail(row, code, &message);
                let may_have_begun = matches!(error.kind, Kind::Cut | Kind::TimedOut | Kind::OutcomeUnknown);
                if may_have_begun || !self.text.is_empty() {
                    self.partial(row);
                } else {
                    // Platforms take nothing for what they refuse.
                    row.cost = Some(0);
                    row.counted_cost = 0;
                    row.counted_tokens = 0;
                }
            }
            Wrote::Stopped => {
                row.state = TextState::Cancelled;
                row.problem = Some(TextProblem::Cancelled.word());
                row.problem_message = Some("the text was cancelled before it was done".to_owned());
                self.partial(row);
            }
        }
    }

    fn count(&self, row: &mut Generation, usage: &Usage) {
        let whole = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX).min(MOST_COST);
        let Usage {
            input,
            cache_read,
            cache_write,
            output,
            reasoning,
            cost,
        } = usage;
        row.input_tokens = whole(*input);
        row.cache_read_tokens = whole(*cache_read);
        row.cache_write_tokens = whole(*cache_write);
        row.output_tokens = whole(*output);
        row.reasoning_tokens = whole(*reasoning);
        let read = row.input_tokens + row.cache_read_tokens + row.cache_write_tokens;
        if read == 0 && row.output_tokens == 0 && cost.is_none() {
            // Some compatible servers tell nothing.
            return self.partial(row);
        }
        row.counted_tokens = read.saturating_add(row.output_tokens).min(MOST_COST);
        row.cost = cost
            .and_then(model::stored_cost)
            .map(|cost| cost.clamp(0, MOST_COST));
        let by_price = || {
            self.price
                .as_ref()
                .and_then(|price| price.cost(read, row.output_tokens))
        };
        row.counted_cost = row
            .cost
            .or_else(by_price)
            .unwrap_or(row.counted_cost)
            .min(MOST_COST);
    }
}

/// Writes down that a text has ended, corrects what is spent, and tells it.
async fn end(tx: &Tx, before: &Generation, row: &mut Generation, now: Timestamp) -> Result<(), Error> {
    row.alive_until = None;
    row.ended_at = Some(now.max(row.started_at));
    let change = Estimate {
        tokens: row.counted_tokens - before.counted_tokens,
        cost: row.counted_cost - before.counted_cost,
    };
    store::update(tx, row.clone()).await?;
    if change != Estimate::default() {
        store::correct(tx, row.connection_id, row.day, change).await?;
    }
    tell(tx, now, row).await
}

/// Tells that a text has ended.
pub(super) async fn tell(tx: &Tx, now: Timestamp, row: &Generation) -> Result<(), Error> {
    let event = NewEvent {
        kind: EventKind::TextGenerated,
        lead_id: None,
        subject: row.id.to_string(),
        payload: json!({
            "connection": row.connection_id,
            "model": row.model,
            "state": row.state,
            "finish": row.finish,
            "problem": row.problem,
            "fromCache": row.copy_of.is_some(),
            "input": row.input_tokens,
            "cacheRead": row.cache_read_tokens,
            "cacheWrite": row.cache_write_tokens,
            "output": row.output_tokens,
            "reasoning": row.reasoning_tokens,
            "cost": row.cost.map(|cost| dollars(cost).to_string()),
        }),
    };
    Ok(events::append(tx, &row.created_by, now, vec![event]).await?)
}

/// Closes a text that nobody writes any more, as the process that did has ended. What was held back for it stays counted:
/// nobody knows what it took. False when it has ended meanwhile.
pub(super) async fn give_up(app: &App, id: TextId) -> Result<bool, Error> {
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    let Some(before) = store::locked(&tx, id).await? else {
        return Ok(false);
    };
    if before.alive_until.is_none_or(|until| until >= now) {
        return Ok(false);
    }
    let mut row = before.clone();
    row.state = TextState::Failed;
    row.problem = Some(TextProblem::Interrupted.word());
    row.problem_message = Some("the server ended while the text was being written".to_owned());
    end(&tx, &before, &mut row, now).await?;
    tx.commit().await?;
    Ok(true)
}
