//! Use cases beside the writing itself: models, budgets, what was written and used.

use std::sync::Arc;
use std::time::Duration;

use entity::id::{ConnectionId, TextId};
use entity::{Area, ConnectionState, Day, EventKind, TextState};
use integrations::facet::Model;
use rust_decimal::Decimal;
use serde_json::json;

use super::flight::Flights;
use super::model::{self, GenerationFilter, TextProblem, wrong};
use super::store::{self, UsageBy, UsageSum};
use super::{Budget, Generation, dollars};
use crate::app::App;
use crate::db::{Keyset, Page, PageRequest, SortValue};
use crate::error::{Error, Failure, Outcome};
use crate::events::{self, NewEvent};
use crate::identity::{Caller, Scope};
use crate::platforms::connections::{Live, live};

/// For how long the models of a connection are believed to be the same.
const BELIEVED: Duration = Duration::from_secs(300);
/// Of how many connections models are remembered.
const REMEMBERED: u64 = 64;
/// Most models of a connection that are remembered.
const MOST_MODELS: usize = 5_000;
/// Most days of a usage.
const MOST_DAYS: i32 = 400;

/// Models that were asked for lately, by connection and its version.
#[derive(Debug)]
struct Models(moka::sync::Cache<(ConnectionId, i64), Arc<Vec<Model>>>);

impl Default for Models {
    fn default() -> Self {
        let cache = moka::sync::Cache::builder();
        Self(cache.max_capacity(REMEMBERED).time_to_live(BELIEVED).build())
    }
}

pub(super) fn may_read(caller: &Caller) -> Result<(), Error> {
    caller.require(Scope::Read(Area::Content))?;
    // What is asked of models belongs to no lead, so that no row filter can tell whose it is.
    caller.require_all_rows()
}

/// A connection that texts can be asked of.
pub(super) async fn usable(app: &App, id: ConnectionId) -> Outcome<Live, TextProblem> {
    let Some(live) = live(app, id).await? else {
        return Err(missing(id));
    };
    if live.facets(app).text_generator.is_none() {
        let message = format!(
            "the platform `{}` has no models that write texts",
            live.row.platform
        );
        return Err(wrong("connectionId", TextProblem::Unsupported, message).into());
    }
    match live.row.state {
        ConnectionState::Active => Ok(live),
        ConnectionState::Unauthorised | ConnectionState::Revoked => {
            let message = format!(
                "the platform does not accept the credentials of `{}`: enter others, or try it by `connectionTest`",
                live.row.name
            );
            Err(wrong("connectionId", TextProblem::CredentialsRefused, message).into())
        }
        ConnectionState::Pending | ConnectionState::Disabled => {
            let message = format!("the connection `{}` is not active", live.row.name);
            Err(wrong("connectionId", TextProblem::NotActive, message).into())
        }
    }
}

fn missing(id: ConnectionId) -> Failure<TextProblem> {
    let message = format!("there is no connection `{id}`");
    wrong("connectionId", TextProblem::NotFound, message).into()
}

/// The models of a connection, as they were a few minutes ago at most.
pub(super) async fn models_of(app: &App, live: &Live) -> integrations::Result<Arc<Vec<Model>>> {
    if let Some(models) = models_known(app, live) {
        return Ok(models);
    }
    let facets = live.facets(app);
    let Some(generator) = facets.text_generator else {
        return Ok(Arc::default());
    };
    let mut models = generator.models(&live.context(app)).await?;
    models.truncate(MOST_MODELS);
    let models = Arc::new(models);
    let known = app.memory::<Models>();
    known
        .0
        .insert((live.row.id, live.row.version), Arc::clone(&models));
    Ok(models)
}

/// The same, without asking for them.
pub(super) fn models_known(app: &App, live: &Live) -> Option<Arc<Vec<Model>>> {
    app.memory::<Models>().0.get(&(live.row.id, live.row.version))
}

/// The models of a connection by name, those that have a text in their name where one is given.
///
/// # Errors
/// A missing scope `content:read`; a caller who does not see all rows; a connection that is not there, cannot be used or has
/// no models; the platform's, as [`Error::Unavailable`].
pub async fn models(
    app: &App,
    caller: &Caller,
    id: ConnectionId,
    search: Option<&str>,
) -> Result<Vec<Model>, Error> {
    may_read(caller)?;
    let live = usable(app, id).await.map_err(|failure| match failure {
        Failure::Error(error) => error,
        Failure::Problems(problems) => {
            let problem = problems.into_iter().next();
            let is_missing = problem
                .as_ref()
                .is_some_and(|problem| problem.code == TextProblem::NotFound);
            let message = problem.map(|problem| problem.message).unwrap_or_default();
            if is_missing {
                Error::NotFound(message)
            } else {
                Error::BadInput(message)
            }
        }
    })?;
    let models = models_of(app, &live)
        .await
        .map_err(|error| Error::Unavailable(model::problem_of(&error).1))?;
    let search = search.map(str::to_lowercase).unwrap_or_default();
    let mut found: Vec<Model> = models
        .iter()
        .filter(|model| {
            search.is_empty()
                || model.id.to_lowercase().contains(&search)
                || model.name.to_lowercase().contains(&search)
        })
        .cloned()
        .collect();
    found.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(found)
}

/// A budget, and what is spent of it today.
#[derive(Clone, Debug)]
pub struct BudgetState {
    /// Of which connection.
    pub connection: ConnectionId,
    /// The budget; none when there never was a limit or a default.
    pub budget: Option<Budget>,
    /// The day, UTC.
    pub day: Day,
    /// In US dollars; of texts that are being written, an estimate.
    pub cost: Decimal,
    /// In tokens.
    pub tokens: i64,
}

async fn states(app: &App, budgets: Vec<(ConnectionId, Option<Budget>)>) -> Result<Vec<BudgetState>, Error> {
    let day = app.clock().now().day();
    let ids: Vec<_> = budgets.iter().map(|(id, _)| *id).collect();
    let spent = store::spending(app.db().read(), &ids, day).await?;
    let states = budgets.into_iter().map(|(connection, budget)| {
        let spent = spent.get(&connection).copied().unwrap_or_default();
        BudgetState {
            connection,
            budget,
            day,
            cost: dollars(spent.cost),
            tokens: spent.tokens,
        }
    });
    Ok(states.collect())
}

/// The budget of a connection; `None` when there is no such connection.
///
/// # Errors
/// A missing scope `content:read`; a caller who does not see all rows; the database's.
pub async fn budget_of(app: &App, caller: &Caller, id: ConnectionId) -> Result<Option<BudgetState>, Error> {
    may_read(caller)?;
    if live(app, id).await?.is_none() {
        return Ok(None);
    }
    let budget = store::budget(app.db().read(), id).await?;
    Ok(states(app, vec![(id, budget)]).await?.pop())
}

/// The one ordering of budgets, changed last first.
#[derive(Debug)]
pub struct BudgetOrder;

impl BudgetOrder {
    /// Its name, that cursors are bound to.
    pub const NAME: &'static str = "text budget UPDATED_AT DESC";

    /// The place of a budget in it.
    #[must_use]
    pub fn keyset(state: &BudgetState) -> Keyset {
        let at = state
            .budget
            .as_ref()
            .map_or(0, |budget| budget.updated_at.micros());
        Keyset {
            order: Self::NAME.to_owned(),
            value: SortValue::Int(at),
            id: state.connection.0,
        }
    }
}

/// Budgets that were set for connections that are there, changed last first.
///
/// # Errors
/// As [`budget_of`].
pub async fn budgets(app: &App, caller: &Caller, page: &PageRequest) -> Result<Page<BudgetState>, Error> {
    may_read(caller)?;
    let Page {
        items,
        has_next,
        has_previous,
    } = store::budgets(app.db().read(), page).await?;
    let budgets = items
        .into_iter()
        .map(|budget| (budget.connection_id, Some(budget)))
        .collect();
    Ok(Page {
        items: states(app, budgets).await?,
        has_next,
        has_previous,
    })
}

/// A change of a budget; `None` leaves as is, `Some(None)` takes a limit away.
#[derive(Clone, Debug, Default)]
pub struct BudgetChange {
    /// US dollars for a day.
    pub usd_per_day: Option<Option<Decimal>>,
    /// Tokens for a day.
    pub tokens_per_day: Option<Option<i64>>,
    /// The model where none is named.
    pub default_model: Option<Option<String>>,
}

/// Changes what may be spent on texts by a connection. It holds for the next text; what was spent today counts.
///
/// # Errors
/// [`TextProblem`]s; a missing scope `connections:write`; a caller who does not see all rows; the database's.
pub async fn change_budget(
    app: &App,
    caller: &Caller,
    id: ConnectionId,
    change: BudgetChange,
) -> Outcome<BudgetState, TextProblem> {
    // Who may ask for texts may not thereby allow themselves more of them.
    caller.require(Scope::Write(Area::Connections))?;
    caller.require_all_rows()?;
    let BudgetChange {
        usd_per_day,
        tokens_per_day,
        default_model,
    } = change;
    let cost = usd_per_day
        .map(|limit| limit.map(model::checked_dollars).transpose())
        .transpose()?;
    let tokens = tokens_per_day
        .map(|limit| limit.map(model::checked_tokens).transpose())
        .transpose()?;
    let default_model = default_model
        .map(|name| name.as_deref().map(model::checked_model).transpose())
        .transpose()?;
    let Some(live) = live(app, id).await? else {
        return Err(missing(id));
    };
    if live.integration(app).is_some() && live.facets(app).text_generator.is_none() {
        let message = format!(
            "the platform `{}` has no models that write texts",
            live.row.platform
        );
        return Err(wrong("connectionId", TextProblem::Unsupported, message).into());
    }
    let now = app.clock().now();
    let actor = &caller.actor.id;
    let tx = app.db().begin().await?;
    let before = store::locked_budget(&tx, id, actor, now).await?;
    let row = Budget {
        cost_per_day: cost.unwrap_or(before.cost_per_day),
        tokens_per_day: tokens.unwrap_or(before.tokens_per_day),
        default_model: default_model.unwrap_or_else(|| before.default_model.clone()),
        ..before.clone()
    };
    let is_new = row != before;
    if is_new {
        let row = Budget {
            updated_by: actor.clone(),
            updated_at: now,
            ..row.clone()
        };
        store::update_budget(&tx, row.clone()).await?;
        let event = NewEvent {
            kind: EventKind::SettingChanged,
            lead_id: None,
            subject: id.to_string(),
            payload: json!({
                "key": "text_budget",
                "usdPerDay": row.cost_per_day.map(|cost| dollars(cost).to_string()),
                "tokensPerDay": row.tokens_per_day,
                "defaultModel": row.default_model,
            }),
        };
        events::append(&tx, actor, now, vec![event]).await?;
    }
    tx.commit().await?;
    let budget = store::budget(app.db().read(), id).await?;
    let state = states(app, vec![(id, budget)]).await?.pop();
    state.ok_or_else(|| Error::NotFound(format!("the connection `{id}` is gone")).into())
}

/// A generation; `None` when there is none.
///
/// # Errors
/// As [`budget_of`].
pub async fn find(app: &App, caller: &Caller, id: TextId) -> Result<Option<Generation>, Error> {
    may_read(caller)?;
    Ok(store::find(app.db().read(), id).await?)
}

/// Has a text written no further, whoever follows it; what it took so far counts. One that has ended stays as it is, so that twice
/// is as once.
///
/// # Errors
/// [`TextProblem::NotFound`]; a missing scope `content:write`; a caller who does not see all rows; the database's.
pub async fn cancel(app: &App, caller: &Caller, id: TextId) -> Outcome<Generation, TextProblem> {
    caller.require(Scope::Write(Area::Content))?;
    caller.require_all_rows()?;
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    let Some(mut row) = store::locked(&tx, id).await? else {
        return Err(wrong("id", TextProblem::NotFound, format!("there is no text `{id}`")).into());
    };
    if row.state == TextState::Running && row.cancel_requested_at.is_none() {
        // For the process that writes it, if it is another one.
        row.cancel_requested_at = Some(now);
        store::update(&tx, row.clone()).await?;
    }
    tx.commit().await?;
    app.memory::<Flights>().stop(id);
    Ok(row)
}

/// What was asked for, the latest first.
///
/// # Errors
/// As [`budget_of`].
pub async fn list(
    app: &App,
    caller: &Caller,
    filter: &GenerationFilter,
    page: &PageRequest,
) -> Result<Page<Generation>, Error> {
    may_read(caller)?;
    Ok(store::list(app.db().read(), filter, page).await?)
}

/// What was used from a day to another (both among them, UTC), told apart.
///
/// # Errors
/// As [`budget_of`]; [`Error::BadInput`] for more than 400 days.
pub async fn usage(
    app: &App,
    caller: &Caller,
    from: Day,
    to: Day,
    by: UsageBy,
) -> Result<Vec<UsageSum>, Error> {
    may_read(caller)?;
    let days = i64::from(to.0) - i64::from(from.0);
    if !(0..i64::from(MOST_DAYS)).contains(&days) {
        return Err(Error::BadInput(format!(
            "`from` is not after `to`, and there are at most {MOST_DAYS} days from one to the other"
        )));
    }
    let db = app.db();
    Ok(store::usage(db.read(), db.backend(), from, Day(to.0.saturating_add(1)), by).await?)
}
