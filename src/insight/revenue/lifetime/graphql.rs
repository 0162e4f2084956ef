//! Lifetime values in GraphQL.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, Enum, InputObject, Object, Result, SimpleObject};
use entity::id::LeadId;
use entity::{Day, Timestamp};

use super::LifetimeState;
use super::model::lifetime::Requirement;
use super::model::{Backtest, Prediction, Shortfall, ValueBasis};
use crate::api::types::{Access, CurrencyCode, Money, scoped};
use crate::app::App;
use crate::db::CallKey;
use crate::error::Error;
use crate::jobs::graphql::Job;

/// Loads what leads have brought and will bring for all requests together.
pub struct LifetimeLoader(pub App);

impl Loader<LeadId> for LifetimeLoader {
    type Value = Arc<super::LeadLifetime>;
    type Error = Arc<Error>;

    async fn load(&self, ids: &[LeadId]) -> std::result::Result<HashMap<LeadId, Self::Value>, Arc<Error>> {
        let found = super::of_leads(&self.0, ids).await.map_err(Arc::new)?;
        Ok(found
            .into_iter()
            .map(|(lead, value)| (lead, Arc::new(value)))
            .collect())
    }
}

/// What a lead has brought and will bring.
pub struct LeadLifetimeFields(pub LeadId);

#[scoped]
#[Object]
impl LeadLifetimeFields {
    /// What the lead has brought, and is predicted to buy.
    #[scope("engagement:read")]
    async fn lifetime_value(&self, ctx: &Context<'_>) -> Result<LifetimeValue> {
        let loader = ctx.data_unchecked::<DataLoader<LifetimeLoader>>();
        let found = loader.load_one(self.0).await?;
        let value = found.ok_or_else(|| Error::Internal(anyhow::anyhow!("no lifetime value of a lead")))?;
        Ok(LifetimeValue::of(&value))
    }
}

/// What a lead has brought and will bring.
#[derive(SimpleObject)]
struct LifetimeValue {
    /// What its conversions are worth at the rates of their days, less what was given back.
    realised: Money,
    /// What it is predicted to buy; null for who has bought nothing, and where the models are not fitted (`lifetimeModel` says why).
    predicted: Option<PredictedValue>,
}

/// Where the expected value of a purchase comes from.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
enum LifetimeValueBasis {
    /// The customer's own repeat purchases, drawn towards the mean over all customers.
    Customer,
    /// The mean over all customers: there is no repeat purchase yet.
    Population,
    /// The mean of all repeat purchases: values vary so widely that the model's own mean is infinite.
    Observed,
}

/// What a customer is predicted to buy.
#[derive(SimpleObject)]
struct PredictedValue {
    /// Purchases × their value, discounted by the month in which they are expected.
    value: Money,
    /// The same without a discount.
    undiscounted: Money,
    /// Days ahead.
    horizon_days: i32,
    /// Discount per year, 0.1 for 10 %.
    discount_rate: f64,
    /// The chance that the customer still buys, 0–1.
    alive: f64,
    /// Purchases within the horizon.
    expected_purchases: f64,
    /// Mean value of each.
    expected_purchase_value: Money,
    /// Where that value comes from.
    basis: LifetimeValueBasis,
    /// Days with a purchase after the first such day.
    repeat_purchases: i32,
    /// Days from the first purchase to the last.
    recency_days: i32,
    /// Days from the first purchase to the last day that the models rest on.
    age_days: i32,
    /// That day: the horizon begins after it.
    until: Day,
}

fn days(days: u32) -> i32 {
    i32::try_from(days).unwrap_or(i32::MAX)
}

#[expect(clippy::cast_possible_truncation, reason = "saturates; no number is 0")]
fn money(minor: f64, currency: &str) -> Money {
    Money::of_minor(minor.round() as i64, currency)
}

impl LifetimeValue {
    fn of(found: &super::LeadLifetime) -> Self {
        let currency = &found.currency;
        let predicted = found
            .predicted
            .as_ref()
            .map(|(Prediction { value, explanation }, until)| PredictedValue {
                value: Money::of_minor(*value, currency),
                undiscounted: money(explanation.undiscounted_value, currency),
                horizon_days: days(explanation.horizon_days),
                discount_rate: explanation.discount_rate,
                alive: explanation.alive,
                expected_purchases: explanation.expected_purchases,
                expected_purchase_value: money(explanation.expected_value, currency),
                basis: match explanation.value_basis {
                    ValueBasis::Customer => LifetimeValueBasis::Customer,
                    ValueBasis::Population => LifetimeValueBasis::Population,
                    ValueBasis::Observed => LifetimeValueBasis::Observed,
                },
                repeat_purchases: days(explanation.repeats),
                recency_days: days(explanation.recency_days),
                age_days: days(explanation.age_days),
                until: *until,
            });
        Self {
            realised: Money::of_minor(found.realised_minor, currency),
            predicted,
        }
    }
}

/// What there can be too little of.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
enum LifetimeRequirement {
    /// Customers with a purchase.
    Customers,
    /// Customers with purchases on two days or more, of a value above 0.
    RepeatCustomers,
    /// Days between the first and the last purchase of all.
    Days,
}

/// What there is too little of.
#[derive(SimpleObject)]
struct LifetimeShortfall {
    /// Of what.
    requirement: LifetimeRequirement,
    /// How much there is.
    have: i64,
    /// The least that is needed.
    need: i64,
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl From<Shortfall> for LifetimeShortfall {
    fn from(shortfall: Shortfall) -> Self {
        Self {
            requirement: match shortfall.requirement {
                Requirement::Customers => LifetimeRequirement::Customers,
                Requirement::RepeatCustomers => LifetimeRequirement::RepeatCustomers,
                Requirement::Days => LifetimeRequirement::Days,
            },
            have: count(shortfall.have),
            need: count(shortfall.need),
        }
    }
}

/// The parameters of both models, by maximum likelihood.
#[derive(SimpleObject)]
struct LifetimeParameters {
    /// BG/NBD: shape of the purchase rate.
    r: f64,
    /// BG/NBD: rate of the purchase rate, in days; r / alpha is the mean number of purchases a day.
    alpha: f64,
    /// BG/NBD: first shape of the chance to stop after a purchase; a / (a + b) is its mean.
    a: f64,
    /// BG/NBD: second shape of the chance to stop.
    b: f64,
    /// Gamma-Gamma: shape of the values of a customer's purchases.
    p: f64,
    /// Gamma-Gamma: shape of what differs between customers.
    q: f64,
    /// Gamma-Gamma: scale of what differs between customers, in minor units.
    gamma: f64,
    /// Log-likelihood of BG/NBD.
    purchases_log_likelihood: f64,
    /// Log-likelihood of Gamma-Gamma.
    values_log_likelihood: f64,
    /// Customers with purchases on two days or more, of a value above 0.
    repeat_customers: i64,
    /// Mean value of their repeat purchases.
    mean_purchase_value: Money,
    /// Correlation of how often and how much, −1 to 1: the models take it for 0; far from it values are biased.
    correlation: Option<f64>,
}

/// How well a fit of the time before foretold the last days.
#[derive(SimpleObject)]
struct LifetimeBacktest {
    /// How many days.
    days: i32,
    /// Purchases that were expected.
    expected: f64,
    /// Purchases that were made.
    actual: i64,
    /// Mean over the customers of |expected − actual| purchases.
    mean_absolute_error: f64,
    /// The same of the plain guess that each customer keeps on buying as before: a model is worth having where it errs less.
    naive_mean_absolute_error: f64,
}

impl From<Backtest> for LifetimeBacktest {
    fn from(backtest: Backtest) -> Self {
        Self {
            days: days(backtest.days),
            expected: backtest.expected,
            actual: count(backtest.actual),
            mean_absolute_error: backtest.mean_absolute_error,
            naive_mean_absolute_error: backtest.naive_mean_absolute_error,
        }
    }
}

/// A fit of the models of lifetime values: BG/NBD for how often, Gamma-Gamma for how much.
#[derive(SimpleObject)]
struct LifetimeModel {
    /// Counts the fits, from 1.
    version: i32,
    /// What came of it.
    state: LifetimeState,
    /// When it was made.
    fitted_at: Timestamp,
    /// The last UTC day of the purchases it rests on.
    until: Day,
    /// ISO 4217, of all money.
    currency_code: CurrencyCode,
    /// How many customers have bought something.
    customers: i64,
    /// What there is too little of.
    shortfalls: Vec<LifetimeShortfall>,
    /// The parameters; null where nothing could be fitted.
    parameters: Option<LifetimeParameters>,
    /// How well a fit of the time before foretold the last days; null where there was too little for that.
    backtest: Option<LifetimeBacktest>,
}

impl From<super::Fitted> for LifetimeModel {
    fn from(fitted: super::Fitted) -> Self {
        let report = fitted.report;
        let parameters = report.model.map(|model| {
            let (purchases, values) = (model.purchases.parameters, model.values.parameters);
            LifetimeParameters {
                r: purchases.r,
                alpha: purchases.alpha,
                a: purchases.a,
                b: purchases.b,
                p: values.p,
                q: values.q,
                gamma: values.gamma,
                purchases_log_likelihood: model.purchases.log_likelihood,
                values_log_likelihood: model.values.log_likelihood,
                repeat_customers: count(model.repeat_customers),
                mean_purchase_value: money(model.mean_value, &fitted.currency),
                correlation: model.correlation,
            }
        });
        Self {
            version: fitted.version,
            state: report.state,
            fitted_at: fitted.fitted_at,
            until: fitted.until,
            customers: count(report.customers),
            shortfalls: report.shortfalls.into_iter().map(Into::into).collect(),
            parameters,
            backtest: report.backtest.map(Into::into),
            currency_code: CurrencyCode(fitted.currency),
        }
    }
}

/// Queries about lifetime values.
#[derive(Default)]
pub struct LifetimeQuery;

#[scoped]
#[Object]
impl LifetimeQuery {
    /// The newest fit of the models of lifetime values; null before the first. They are fitted once a day.
    #[scope("revenue:read", all_rows)]
    async fn lifetime_model(&self, ctx: &Context<'_>) -> Result<Option<LifetimeModel>> {
        let fitted = super::latest(ctx.app(), ctx.caller()?).await?;
        Ok(fitted.map(Into::into))
    }
}

/// A fit that is asked for.
#[derive(InputObject, Debug)]
struct LifetimeModelFitInput {
    /// The same key again is done once and answers with the same job; kept 7 days.
    idempotency_key: Option<String>,
}

/// The answer of `lifetimeModelFit`.
#[derive(SimpleObject)]
struct LifetimeModelFitPayload {
    /// Fits the models.
    job: Job,
}

/// Changes of lifetime values.
#[derive(Default)]
pub struct LifetimeMutation;

#[scoped]
#[Object]
impl LifetimeMutation {
    /// Fits the models of lifetime values to all purchases up to yesterday, and predicts for each customer.
    #[scope("revenue:write", all_rows)]
    async fn lifetime_model_fit(
        &self,
        ctx: &Context<'_>,
        input: Option<LifetimeModelFitInput>,
    ) -> Result<LifetimeModelFitPayload> {
        let input = input.unwrap_or(LifetimeModelFitInput {
            idempotency_key: None,
        });
        let key = CallKey::of(input.idempotency_key.as_ref(), &input);
        let job = super::fit(ctx.app(), ctx.caller()?, key.as_ref()).await?;
        Ok(LifetimeModelFitPayload { job: Job::new(job) })
    }
}
