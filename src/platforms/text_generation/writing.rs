//! Texts as they are asked for: from memory, along with somebody who asked for the same, or written anew.

use std::sync::Arc;
use std::time::Duration;

use entity::id::{ConnectionId, TextId};
use entity::{Area, TextState, Timestamp};
use integrations::facet::TextRequest;

use super::flight::{Ended, Flights, Follower, Full, Heard, Lead, MOST_AT_ONCE, MOST_OF_ONE, Seat};
use super::model::{self, Estimate, Price, TextCursor, TextDraft, TextProblem, wrong};
use super::service::{models_known, models_of, usable};
use super::work::{ALIVE_SECONDS, note, problem_of_row, tell, write};
use super::{Budget, Generation, dollars, store};
use crate::app::App;
use crate::db::{CallKey, Once, deployment_key};
use crate::error::{Error, Failure, Outcome, Problem};
use crate::identity::{Caller, Scope};
use crate::origin;
use crate::platforms::connections::Live;
use crate::vault::Place;

/// How often a text that another process writes is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// What the operation is called among those with keys.
const OPERATION: &str = "textGenerate";

/// A piece of a text that was asked for.
#[derive(Clone, Debug)]
pub enum Piece {
    /// More text.
    Text(String),
    /// That was all: what it took, or why there is no more. Always the last.
    End(Ending),
}

/// A text that was asked for. Who drops it before its end may come back ([`resume`]), unless they [forgo](Self::forgo) it.
#[derive(Debug)]
pub struct Writing {
    call: Call,
    source: Source,
    /// Where it was told up to.
    place: Option<TextCursor>,
}

/// What it took, or why there is no more.
type Ending = Result<Arc<Generation>, Problem<TextProblem>>;

/// What was asked for, and by whom.
#[derive(Debug)]
struct Call {
    app: App,
    caller: Caller,
    /// None for who comes back for the rest of a text of their own.
    draft: Option<TextDraft>,
    key: Option<CallKey>,
    stays: bool,
    is_back: bool,
}

/// Where the text comes from.
#[derive(Debug)]
enum Source {
    /// It is there from a place on.
    Known(Option<TextCursor>, Option<String>, Ending),
    /// It is being written here, for this call or for another one.
    Follow { follower: Follower, is_own: bool },
    /// It is being written by another process.
    Elsewhere { at: TextCursor, is_own: bool },
    /// All was told.
    Over,
}

/// Asks for a text; once for a key. `stays`: it is written to its end even if nobody waits for it any more.
///
/// What was asked before is answered from memory, and what is asked by two at the same time is written once; both only where
/// the draft takes that.
///
/// # Errors
/// [`TextProblem`]s that are known before anything is written; a missing scope `content:write`; a caller who does not see
/// all rows; the database's.
pub async fn begin(
    app: &App,
    caller: &Caller,
    draft: TextDraft,
    key: Option<CallKey>,
    stays: bool,
) -> Outcome<Writing, TextProblem> {
    caller.require(Scope::Write(Area::Content))?;
    caller.require_all_rows()?;
    let call = Call {
        app: app.clone(),
        caller: caller.clone(),
        draft: Some(draft),
        key,
        stays,
        is_back: false,
    };
    let source = call.source().await?;
    Ok(Writing {
        call,
        source,
        place: None,
    })
}

/// Goes on with a text behind a place of it, without asking for anything anew: for who asked for it, and for who asks for the
/// same by `draft` and would be answered by it.
///
/// # Errors
/// [`TextProblem::NotFound`], [`TextProblem::Gone`], [`TextProblem::InvalidInput`] for a place that the text does not have; a
/// missing scope `content:write`; a caller who does not see all rows; the database's.
pub async fn resume(
    app: &App,
    caller: &Caller,
    at: TextCursor,
    draft: Option<TextDraft>,
) -> Outcome<Writing, TextProblem> {
    caller.require(Scope::Write(Area::Content))?;
    caller.require_all_rows()?;
    let call = Call {
        app: app.clone(),
        caller: caller.clone(),
        draft,
        key: None,
        stays: false,
        is_back: true,
    };
    // A replica may not know of it yet.
    let row = store::find(app.db().write(), at.id).await?;
    let is_own = match &row {
        Some(row) if row.created_by == caller.actor.id => true,
        Some(row) if call.asks_for(row).await? => false,
        _ => {
            let message = format!("there is no text `{}` that you asked for", at.id);
            return Err(wrong("after", TextProblem::NotFound, message).into());
        }
    };
    let source = call.taken_up(at, is_own).await?;
    Ok(Writing {
        call,
        source,
        place: Some(at),
    })
}

impl Writing {
    /// Where it was told up to: [`resume`] goes on there. None before its first piece.
    #[must_use]
    pub fn cursor(&self) -> Option<TextCursor> {
        self.place
    }

    /// Says that no more of it is wanted: it is cancelled unless somebody else waits for it, or may come back.
    pub fn forgo(&mut self) {
        if let Source::Follow { follower, .. } = &mut self.source {
            follower.forgo();
        }
    }

    /// What comes next: text, all of it that came since the last time, then the end; `None` behind that.
    ///
    /// # Errors
    /// The database's.
    pub async fn next(&mut self) -> Result<Option<Piece>, Error> {
        loop {
            match &mut self.source {
                Source::Over => return Ok(None),
                Source::Known(at, text, end) => {
                    self.place = at.or(self.place);
                    if let Some(text) = text.take().filter(|text| !text.is_empty()) {
                        if let Some(at) = at {
                            at.read += text.len();
                        }
                        self.place = at.or(self.place);
                        return Ok(Some(Piece::Text(text)));
                    }
                    let end = end.clone();
                    self.source = Source::Over;
                    return Ok(Some(Piece::End(end)));
                }
                Source::Elsewhere { at, is_own } => {
                    let (at, is_own) = (*at, *is_own);
                    tokio::time::sleep(LOOK_EVERY).await;
                    self.source = match self.call.taken_up(at, is_own).await {
                        Ok(source) => source,
                        Err(failure) => return self.failed(failure),
                    };
                }
                Source::Follow { follower, is_own } => {
                    let is_own = *is_own;
                    match follower.next().await {
                        Heard::More(text) => {
                            self.place = Some(follower.place());
                            return Ok(Some(Piece::Text(text)));
                        }
                        Heard::End(Ended::Abandoned) if self.place.is_some() => {
                            let message = "the text broke off; ask for it again";
                            let problem = wrong("", TextProblem::Interrupted, message);
                            self.source = Source::Known(None, None, Err(problem));
                        }
                        Heard::End(Ended::Abandoned) => {
                            self.source = match self.call.source().await {
                                Ok(source) => source,
                                Err(failure) => return self.failed(failure),
                            };
                        }
                        Heard::End(Ended::Done(row)) => {
                            let at = Some(follower.place());
                            let row = if is_own {
                                row
                            } else {
                                self.call.copied(&row).await?
                            };
                            self.source = Source::Known(at, None, Ok(row));
                        }
                        Heard::End(Ended::Failed(row, problem)) => {
                            let at = row.as_ref().map(|_| follower.place());
                            if let Some(row) = row
                                && !is_own
                            {
                                self.call.copied(&row).await?;
                            }
                            self.source = Source::Known(at, None, Err(problem));
                        }
                    }
                }
            }
        }
    }

    fn failed(&mut self, failure: Failure<TextProblem>) -> Result<Option<Piece>, Error> {
        self.source = Source::Over;
        match failure {
            Failure::Error(error) => Err(error),
            Failure::Problems(problems) => Ok(problems
                .into_iter()
                .next()
                .map(|problem| Piece::End(Err(problem)))),
        }
    }
}

impl Call {
    fn once(&self) -> Result<Once<'_>, Error> {
        Once::new(self.key.as_ref(), &self.caller.actor.id, OPERATION)
    }

    /// The text of an earlier call with the same key.
    async fn before(&self) -> Result<Option<TextId>, Error> {
        if self.key.is_none() {
            return Ok(None);
        }
        let tx = self.app.db().begin().await?;
        let before = self.once()?.before::<TextId>(&tx, self.app.clock().now()).await?;
        tx.rollback().await?;
        Ok(before)
    }

    async fn source(&self) -> Outcome<Source, TextProblem> {
        if let Some(id) = self.before().await? {
            return self.taken_up(TextCursor::start(id), true).await;
        }
        let Some(draft) = &self.draft else {
            let message = "say by `input` what is to be written";
            return Err(wrong("input", TextProblem::InvalidInput, message).into());
        };
        let order = self.order(draft).await?;
        let (app, now) = (&self.app, self.app.clock().now());
        let wanted = draft.takes_known().then(|| order.digest.clone());
        let flights = app.memory::<Flights>();
        let id = TextId::at(now);
        match flights.seat(id, draft.connection, &self.caller.actor.id, wanted, self.stays) {
            Err(full) => {
                let name = &order.live.row.name;
                let message = match full {
                    Full::All => {
                        format!("{MOST_AT_ONCE} texts are being written by `{name}` already; try again later")
                    }
                    Full::Own => format!(
                        "{MOST_OF_ONE} texts are being written for you by `{name}` already; try again later"
                    ),
                };
                Err(wrong("connectionId", TextProblem::TooMany, message).into())
            }
            Ok(Seat::Join(follower)) => Ok(Source::Follow {
                follower,
                is_own: false,
            }),
            Ok(Seat::Lead(lead, follower)) => self.lead(lead, follower, draft, order).await,
        }
    }

    /// What is needed to have a draft written.
    async fn order(&self, draft: &TextDraft) -> Outcome<Order, TextProblem> {
        let app = &self.app;
        model::check(draft)?;
        let live = usable(app, draft.connection).await?;
        let budget = store::budget(app.db().read(), draft.connection).await?;
        let default_model = budget.as_ref().and_then(|budget| budget.default_model.clone());
        let Some(model) = draft.model.clone().or(default_model) else {
            let message = "name a `model`, or set the connection's own by `textBudgetUpdate`";
            return Err(wrong("model", TextProblem::NoModel, message).into());
        };
        let key = deployment_key(app.db(), app.clock().now()).await?;
        let request = draft.request(model, model::user_name(&key, &self.caller.actor.id));
        let digest = model::digest(&key, draft.connection, live.row.version, &request);
        Ok(Order {
            live,
            budget,
            request,
            digest,
        })
    }

    /// Whether the call asks for a text that somebody else asked for, and would be answered by it.
    async fn asks_for(&self, row: &Generation) -> Result<bool, Error> {
        let Some(draft) = &self.draft else {
            return Ok(false);
        };
        if !draft.takes_known() || draft.connection != row.connection_id {
            return Ok(false);
        }
        match self.order(draft).await {
            Ok(order) => Ok(order.digest == row.digest),
            Err(Failure::Problems(_)) => Ok(false),
            Err(Failure::Error(error)) => Err(error),
        }
    }

    /// Answers from memory, or has the text written.
    async fn lead(
        &self,
        lead: Lead,
        follower: Follower,
        draft: &TextDraft,
        order: Order,
    ) -> Outcome<Source, TextProblem> {
        let app = &self.app;
        let now = app.clock().now();
        if draft.takes_known()
            && let Some((row, sealed)) =
                store::known(app.db().read(), draft.connection, &order.digest, now).await?
        {
            let text = opened(app, row.id, &sealed).await?;
            let copy = self.copied(&row).await?;
            lead.flight.push(&text);
            // Whoever follows has an entry of their own, as a copy of the first.
            lead.end(Ended::Done(Arc::new(row)));
            drop(follower);
            let at = TextCursor::start(copy.id);
            return Ok(Source::Known(Some(at), Some(text), Ok(copy)));
        }
        let price = match order.price(app).await {
            Ok(price) => price,
            Err(problem) => {
                lead.end(Ended::Failed(None, problem.clone()));
                return Err(problem.into());
            }
        };
        let estimate = model::estimate(&order.request, price.as_ref());
        let row = self.new_row(
            lead.flight.id,
            draft.connection,
            &order.request.model,
            &order.digest,
            estimate,
            now,
        );
        let once = self.once()?;
        let tx = app.db().begin().await?;
        if let Some(id) = once.before::<TextId>(&tx, now).await? {
            tx.rollback().await?;
            drop(lead);
            return self.taken_up(TextCursor::start(id), true).await;
        }
        if !store::reserve(&tx, row.connection_id, row.day, estimate).await? {
            tx.rollback().await?;
            let problem = self.overdrawn(&order, &row).await?;
            lead.end(Ended::Failed(None, problem.clone()));
            return Err(problem.into());
        }
        store::insert(&tx, row.clone()).await?;
        once.keep(&tx, &row.id).await?;
        tx.commit().await?;
        // From here on somebody writes, whatever becomes of the caller.
        let work = write(app.clone(), order, price, row, lead);
        match origin::current() {
            Some(origin) => drop(tokio::spawn(origin::within(origin, work))),
            None => drop(tokio::spawn(work)),
        }
        Ok(Source::Follow {
            follower,
            is_own: true,
        })
    }

    fn new_row(
        &self,
        id: TextId,
        connection_id: ConnectionId,
        model: &str,
        digest: &str,
        estimate: Estimate,
        now: Timestamp,
    ) -> Generation {
        Generation {
            id,
            connection_id,
            created_by: self.caller.actor.id.clone(),
            model: model.to_owned(),
            written_by: None,
            digest: digest.to_owned(),
            state: TextState::Running,
            finish: None,
            problem: None,
            problem_message: None,
            copy_of: None,
            external_id: None,
            input_tokens: 0,
            cache_read_tokens: 0,
            cache_write_tokens: 0,
            output_tokens: 0,
            reasoning_tokens: 0,
            cost: None,
            day: now.day(),
            counted_cost: estimate.cost,
            counted_tokens: estimate.tokens,
            alive_until: Some(now.plus_seconds(ALIVE_SECONDS)),
            cancel_requested_at: None,
            started_at: now,
            ended_at: None,
        }
    }

    /// Why the budget does not suffice.
    async fn overdrawn(&self, order: &Order, row: &Generation) -> Result<Problem<TextProblem>, Error> {
        let connection = row.connection_id;
        let budget = store::budget(self.app.db().read(), connection).await?;
        let spent = store::spending(self.app.db().read(), &[connection], row.day).await?;
        let spent = spent.get(&connection).copied().unwrap_or_default();
        let limit = |cost: Option<i64>| cost.map(|cost| format!("{} US dollars", dollars(cost)));
        let (cost, tokens) = budget.map_or((None, None), |budget| {
            (budget.cost_per_day, budget.tokens_per_day)
        });
        let limits: Vec<_> = [limit(cost), tokens.map(|tokens| format!("{tokens} tokens"))]
            .into_iter()
            .flatten()
            .collect();
        let message = format!(
            "`{}` may spend {} a day; {} US dollars and {} tokens of today are spent or held back, and this text may take \
             {} US dollars and {} tokens. It is free again at {}",
            order.live.row.name,
            limits.join(" and "),
            dollars(spent.cost),
            spent.tokens,
            dollars(row.counted_cost),
            row.counted_tokens,
            model::free_again(row.day).to_rfc3339(),
        );
        Ok(wrong("connectionId", TextProblem::BudgetSpent, message))
    }

    /// A text that was asked for before, from a place in it on: what a repetition of a call and who comes back are answered with.
    async fn taken_up(&self, at: TextCursor, is_own: bool) -> Outcome<Source, TextProblem> {
        let (app, id) = (&self.app, at.id);
        let nowhere = || {
            let message = format!("the text `{id}` has no place {}", at.read);
            wrong("after", TextProblem::InvalidInput, message)
        };
        if let Some(follower) = app
            .memory::<Flights>()
            .rejoin(at, &self.caller.actor.id, self.stays)
        {
            if !follower.is_within() {
                return Err(nowhere().into());
            }
            return Ok(Source::Follow { follower, is_own });
        }
        let Some(row) = store::find(app.db().read(), id).await? else {
            return Err(Error::NotFound(format!("the text `{id}` of this call is gone")).into());
        };
        if row.state == TextState::Running {
            return Ok(Source::Elsewhere { at, is_own });
        }
        let written = row.copy_of.unwrap_or(row.id);
        let rest = match store::answer(app.db().read(), written, app.clock().now()).await? {
            Some(sealed) => {
                let text = opened(app, written, &sealed).await?;
                Some(model::behind(&text, at.read).ok_or_else(nowhere)?.to_owned())
            }
            None => None,
        };
        let end = match (problem_of_row(&row), &rest) {
            (Some(problem), _) => Err(problem),
            (None, Some(_)) if is_own => Ok(Arc::new(row)),
            (None, Some(_)) => Ok(self.copied(&row).await?),
            (None, None) => {
                let (field, hint) = match self.is_back {
                    true => ("after", "ask for it anew"),
                    false => ("idempotencyKey", "ask for it with another key"),
                };
                let message = format!("the text of `{id}` is not kept any more; {hint}");
                return Err(wrong(field, TextProblem::Gone, message).into());
            }
        };
        Ok(Source::Known(Some(at), rest, end))
    }

    /// An entry of its own for a call that was answered by the text of another one; once for a key.
    async fn copied(&self, of: &Generation) -> Result<Arc<Generation>, Error> {
        let app = &self.app;
        let now = app.clock().now();
        let row = Generation {
            written_by: of.written_by.clone(),
            state: of.state,
            finish: of.finish,
            problem: of.problem.clone(),
            problem_message: of.problem_message.clone(),
            copy_of: Some(of.copy_of.unwrap_or(of.id)),
            cost: Some(0),
            alive_until: None,
            ended_at: Some(now),
            ..self.new_row(
                TextId::at(now),
                of.connection_id,
                &of.model,
                &of.digest,
                Estimate::default(),
                now,
            )
        };
        let once = self.once()?;
        let tx = app.db().begin().await?;
        if self.is_back
            && let Some(before) =
                store::copy_of(&tx, of, of.copy_of.unwrap_or(of.id), &row.created_by).await?
        {
            // They were told its end before, though it may not have arrived.
            tx.rollback().await?;
            return Ok(Arc::new(before));
        }
        if let Some(id) = once.before::<TextId>(&tx, now).await? {
            tx.rollback().await?;
            let before = store::find(app.db().read(), id).await?;
            let before =
                before.ok_or_else(|| Error::NotFound(format!("the text `{id}` of this call is gone")))?;
            return Ok(Arc::new(before));
        }
        store::insert(&tx, row.clone()).await?;
        once.keep(&tx, &row.id).await?;
        tell(&tx, now, &row).await?;
        tx.commit().await?;
        Ok(Arc::new(row))
    }
}

/// What is needed to have a text written.
pub(super) struct Order {
    pub(super) live: Live,
    budget: Option<Budget>,
    pub(super) request: TextRequest,
    digest: String,
}

impl Order {
    /// What the model costs, where that has to be known; else where it is known.
    async fn price(&self, app: &App) -> Result<Option<Price>, Problem<TextProblem>> {
        let of = |models: &[integrations::facet::Model]| {
            let model = models.iter().find(|model| model.id == self.request.model);
            model.and_then(Price::of)
        };
        let limits = self.budget.as_ref().map_or((None, None), |budget| {
            (budget.cost_per_day, budget.tokens_per_day)
        });
        let (Some(_), tokens) = limits else {
            return Ok(models_known(app, &self.live).and_then(|models| of(&models)));
        };
        let models = match models_of(app, &self.live).await {
            Ok(models) => models,
            Err(error) => {
                note(app, &self.live, Err(&error)).await;
                let (code, message) = model::problem_of(&error);
                return Err(wrong("connectionId", code, message));
            }
        };
        match (of(&models), tokens) {
            (None, None) => {
                let message = format!(
                    "there is a limit in US dollars, and nobody tells what `{}` costs: enter its price in the settings of \
                     the connection, or set a limit in tokens (`textBudgetUpdate`)",
                    self.request.model
                );
                Err(wrong("model", TextProblem::PriceUnknown, message))
            }
            (price, _) => Ok(price),
        }
    }
}

async fn opened(app: &App, id: TextId, sealed: &[u8]) -> Result<String, Error> {
    let plain = app
        .vault()
        .open(app.db().read(), Place::TEXT_ANSWER, id.0, sealed)
        .await?;
    String::from_utf8(plain.to_vec()).map_err(Error::internal)
}
