//! Currencies and rates of exchange in GraphQL.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use entity::{Day, Timestamp};

use super::{Change, CurrencyProblem, Known, NewRate, StoredCurrencies};
use crate::api::types::{Access, CurrencyCode, Decimal, scoped, user_errors};
use crate::db::CallKey;
use crate::error::{Error, Problem};
use crate::jobs::graphql::Job;

/// A currency with rates.
#[derive(SimpleObject)]
struct CurrencyWithRates {
    /// ISO 4217, e.g. `USD`.
    currency_code: CurrencyCode,
    /// The first day with a rate.
    first_day: Day,
    /// The last day with a rate.
    last_day: Day,
    /// How many days have a rate.
    days: i64,
}

impl From<Known> for CurrencyWithRates {
    fn from(known: Known) -> Self {
        let Known {
            currency,
            first,
            last,
            days,
        } = known;
        Self {
            currency_code: CurrencyCode(currency),
            first_day: first,
            last_day: last,
            days,
        }
    }
}

/// In which currency sums are told, and which rates of exchange are known.
#[derive(SimpleObject)]
struct CurrencySettings {
    /// What sums over several currencies are told in, ISO 4217.
    reporting_currency: CurrencyCode,
    /// A rate says what one unit of this currency buys, ISO 4217.
    rate_base: CurrencyCode,
    /// Counts the changes of these settings and of the rates.
    version: i32,
    /// When they were last changed; null while they are as they came.
    updated_at: Option<Timestamp>,
    /// Who changed them last.
    updated_by: Option<String>,
}

impl From<StoredCurrencies> for CurrencySettings {
    fn from(stored: StoredCurrencies) -> Self {
        Self {
            reporting_currency: CurrencyCode(stored.settings.reporting),
            rate_base: CurrencyCode(stored.settings.base),
            version: stored.version,
            updated_at: stored.updated_at,
            updated_by: stored.updated_by,
        }
    }
}

/// What is known of currencies.
#[derive(SimpleObject)]
struct Currencies {
    /// The settings in force.
    settings: CurrencySettings,
    /// The currencies that there are rates of, by their codes.
    with_rates: Vec<CurrencyWithRates>,
}

/// A rate of exchange.
#[derive(SimpleObject)]
struct CurrencyRate {
    /// ISO 4217.
    currency_code: CurrencyCode,
    /// The day.
    day: Day,
    /// Units of the currency for one of the base.
    rate: Decimal,
    /// When it was recorded.
    recorded_at: Timestamp,
}

impl TryFrom<super::CurrencyRate> for CurrencyRate {
    type Error = Error;

    fn try_from(row: super::CurrencyRate) -> std::result::Result<Self, Error> {
        let rate = row.rate.parse().map_err(Error::internal)?;
        Ok(Self {
            currency_code: CurrencyCode(row.currency),
            day: row.day,
            rate: Decimal(rate),
            recorded_at: row.recorded_at,
        })
    }
}

/// Queries about currencies.
#[derive(Default)]
pub struct CurrencyQuery;

#[scoped]
#[Object]
impl CurrencyQuery {
    /// The currency of the reports, and of which currencies rates are known.
    #[scope("revenue:read", all_rows)]
    async fn currencies(&self, ctx: &Context<'_>) -> Result<Currencies> {
        let (settings, known) = super::settings(ctx.app(), ctx.caller()?).await?;
        Ok(Currencies {
            settings: settings.into(),
            with_rates: known.into_iter().map(Into::into).collect(),
        })
    }

    /// The rates of a currency, the earliest first; none on days without one of their own.
    #[scope("revenue:read", all_rows)]
    #[graphql(complexity = "50 + child_complexity")]
    async fn currency_rates(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "ISO 4217, e.g. `USD`.")] currency_code: String,
        #[graphql(desc = "The first day.")] from: Day,
        #[graphql(desc = "The last day, at most 365 days later.")] to: Day,
    ) -> Result<Vec<CurrencyRate>> {
        let rows = super::list(ctx.app(), ctx.caller()?, &currency_code, (from, to)).await?;
        let rates: std::result::Result<_, Error> = rows.into_iter().map(CurrencyRate::try_from).collect();
        Ok(rates?)
    }
}

user_errors!(
    /// An expected failure of a call about currencies.
    CurrencyUserError,
    CurrencyProblem
);

/// A change of the settings of currencies; what is absent stays as it is.
#[derive(InputObject)]
struct CurrencySettingsUpdateInput {
    /// What sums over several currencies are told in, ISO 4217.
    reporting_currency: Option<String>,
    /// A rate says what one unit of this currency buys, ISO 4217. Another than before forgets all rates.
    rate_base: Option<String>,
    /// Change them only if this is still their version.
    expected_version: Option<i32>,
}

/// The answer of `currencySettingsUpdate`.
#[derive(SimpleObject)]
struct CurrencySettingsUpdatePayload {
    /// The settings as they are now; null when there are user errors.
    settings: Option<CurrencySettings>,
    /// Tells amounts anew; null when nothing changed, or one that will do so waits already.
    job: Option<Job>,
    /// What was wrong.
    user_errors: Vec<CurrencyUserError>,
}

/// A rate to record.
#[derive(InputObject, Debug)]
struct CurrencyRateInput {
    /// ISO 4217, another than the base.
    currency_code: String,
    /// The day.
    day: Day,
    /// Units of the currency for one of the base, above 0.
    rate: Decimal,
}

/// Rates to record.
#[derive(InputObject, Debug)]
struct CurrencyRatesRecordInput {
    /// Up to 1,000.
    items: Vec<CurrencyRateInput>,
    /// The same key and input again give the same answer and are done once; kept 7 days.
    idempotency_key: Option<String>,
}

/// The answer to one rate.
#[derive(SimpleObject)]
struct CurrencyRateRecordPayload {
    /// The rate as it is now; null when there are user errors.
    rate: Option<CurrencyRate>,
    /// What was wrong with it.
    user_errors: Vec<CurrencyUserError>,
}

/// The answer of `currencyRatesRecord`.
#[derive(SimpleObject)]
struct CurrencyRatesRecordPayload {
    /// One answer each, in the order of the items.
    results: Vec<CurrencyRateRecordPayload>,
    /// Tells amounts anew; null when nothing changed, or one that will do so waits already.
    job: Option<Job>,
    /// What was wrong with the call as a whole.
    user_errors: Vec<CurrencyUserError>,
}

/// Changes of currencies.
#[derive(Default)]
pub struct CurrencyMutation;

#[scoped]
#[Object]
impl CurrencyMutation {
    /// Changes the currency of the reports or the base of the rates; what conversions and costs are worth is told anew.
    #[scope("settings:write", all_rows)]
    async fn currency_settings_update(
        &self,
        ctx: &Context<'_>,
        input: CurrencySettingsUpdateInput,
    ) -> Result<CurrencySettingsUpdatePayload> {
        let CurrencySettingsUpdateInput {
            reporting_currency,
            rate_base,
            expected_version,
        } = input;
        let change = Change {
            reporting: reporting_currency,
            base: rate_base,
            expected_version,
        };
        let outcome = super::update_settings(ctx.app(), ctx.caller()?, change).await;
        let (changed, user_errors) = CurrencyUserError::split(outcome)?;
        let (settings, job) = changed.unzip();
        Ok(CurrencySettingsUpdatePayload {
            settings: settings.map(Into::into),
            job: job.flatten().map(Job::new),
            user_errors,
        })
    }

    /// Records up to 1,000 rates of exchange, each answered by itself; one of the same currency and day is replaced. What
    /// conversions and costs are worth is told anew.
    #[scope("settings:write", all_rows)]
    async fn currency_rates_record(
        &self,
        ctx: &Context<'_>,
        input: CurrencyRatesRecordInput,
    ) -> Result<CurrencyRatesRecordPayload> {
        let key = CallKey::of(input.idempotency_key.as_ref(), &input);
        let count = input.items.len();
        if count > super::MOST_AT_ONCE {
            let message = format!("{count} are too many: at most {} at once", super::MOST_AT_ONCE);
            let problem = Problem::new("items", CurrencyProblem::TooMany, message);
            return Ok(CurrencyRatesRecordPayload {
                results: Vec::new(),
                job: None,
                user_errors: vec![problem.into()],
            });
        }
        let rate = |input: CurrencyRateInput| NewRate {
            currency: input.currency_code,
            day: input.day,
            rate: input.rate.0,
        };
        let items = input.items.into_iter().map(rate).collect();
        let (answers, job) = super::record(ctx.app(), ctx.caller()?, items, key.as_ref()).await?;
        let answered = |answer: super::Answer| {
            Ok::<_, Error>(match answer {
                Ok(row) => CurrencyRateRecordPayload {
                    rate: Some(row.try_into()?),
                    user_errors: Vec::new(),
                },
                Err(problems) => CurrencyRateRecordPayload {
                    rate: None,
                    user_errors: problems.into_iter().map(Into::into).collect(),
                },
            })
        };
        let results: std::result::Result<_, Error> = answers.into_iter().map(answered).collect();
        Ok(CurrencyRatesRecordPayload {
            results: results?,
            job: job.map(Job::new),
            user_errors: Vec::new(),
        })
    }
}
