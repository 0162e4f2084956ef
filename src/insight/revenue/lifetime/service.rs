//! Use cases of lifetime values.

use std::collections::HashMap;

use entity::id::LeadId;
use entity::{Area, Day, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::job::FIT;
use super::model::{Backtest, LifetimeModel, LifetimeSettings, Prediction, Shortfall, predict};
use super::store;
use crate::app::App;
use crate::db::{CallKey, Once};
use crate::error::Error;
use crate::identity::{Caller, Scope};
use crate::jobs::{self, Job};

/// What came of a fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, async_graphql::Enum)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[graphql(name = "LifetimeModelState")]
pub enum LifetimeState {
    /// There are parameters, and predictions by them.
    Fitted,
    /// There is too little to learn from; the shortfalls say what.
    NotEnoughData,
    /// No parameters fit the purchases; nothing is predicted.
    NotConverged,
}

/// A fit.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// Counts the fits, from 1.
    pub version: i32,
    /// When it was made.
    pub fitted_at: Timestamp,
    /// The last day of the purchases it rests on.
    pub until: Day,
    /// ISO 4217, of all money.
    pub currency: String,
    /// What came of it.
    pub report: Report,
}

/// What a fit says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What came of it.
    pub state: LifetimeState,
    /// How many customers there were.
    pub customers: u64,
    /// What there was too little of.
    pub shortfalls: Vec<Shortfall>,
    /// The parameters.
    pub model: Option<LifetimeModel>,
    /// How well a fit of the time before foretold the last months; none where there was too little for that.
    pub backtest: Option<Backtest>,
    /// The numbers it was made with.
    pub settings: LifetimeSettings,
}

/// What a lead has brought and will bring.
#[derive(Clone, Debug, PartialEq)]
pub struct LeadLifetime {
    /// What its conversions are worth less refunds, in minor units of the currency of the reports.
    pub realised_minor: i64,
    /// ISO 4217.
    pub currency: String,
    /// What it is predicted to buy; none for who has bought nothing, or without a fit.
    pub predicted: Option<(Prediction, Day)>,
}

/// The newest fit.
///
/// # Errors
/// A missing scope `revenue:read`; a row filter; the database's.
pub async fn latest(app: &App, caller: &Caller) -> Result<Option<Fitted>, Error> {
    caller.require(Scope::Read(Area::Revenue))?;
    caller.require_all_rows()?;
    store::latest(app.db().read()).await
}

/// Has the models fitted anew, once for a key.
///
/// # Errors
/// A missing scope `revenue:write`; a row filter; a key used for another call; the database's.
pub async fn fit(app: &App, caller: &Caller, key: Option<&CallKey>) -> Result<Job, Error> {
    caller.require(Scope::Write(Area::Revenue))?;
    caller.require_all_rows()?;
    let now = app.clock().now();
    let once = Once::new(key, &caller.actor.id, "lifetimeModelFit")?;
    let tx = app.db().begin().await?;
    if let Some(id) = once.before(&tx, now).await? {
        tx.rollback().await?;
        return jobs::queued_before(app, id).await;
    }
    let job = jobs::enqueue(&tx, caller, now, FIT, &json!({}), None).await?;
    once.keep(&tx, &job.id).await?;
    tx.commit().await?;
    jobs::wake(app, job.id).await;
    Ok(job)
}

/// What leads have brought and will bring.
///
/// # Errors
/// The database's. Whoever shows the leads has asked for scope and sight.
pub async fn of_leads(app: &App, leads: &[LeadId]) -> Result<HashMap<LeadId, LeadLifetime>, Error> {
    let db = app.db().read();
    let currency = crate::insight::revenue::reporting_currency(app).await?;
    let realised = store::realised(db, leads).await?;
    let fitted = store::latest(db).await?;
    let model = fitted
        .as_ref()
        .and_then(|fitted| Some((fitted, fitted.report.model.as_ref()?)));
    let mut summaries = match model {
        // Money in another currency than reports are in by now is none of theirs.
        Some((fitted, _)) if fitted.currency == currency => {
            store::summaries(db, fitted.version, leads).await?
        }
        _ => HashMap::new(),
    };
    let lead = |lead: &LeadId| {
        let predicted = summaries
            .remove(lead)
            .zip(model)
            .map(|(summary, (fitted, model))| {
                (predict(model, &summary, &fitted.report.settings), fitted.until)
            });
        let value = LeadLifetime {
            realised_minor: realised.get(lead).copied().unwrap_or_default(),
            currency: currency.clone(),
            predicted,
        };
        (*lead, value)
    };
    Ok(leads.iter().map(lead).collect())
}
