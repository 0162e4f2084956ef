//! Use cases of rates of exchange.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use entity::id::JobId;
use entity::{Area, Day, EventKind, Timestamp, setting};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::model::{CurrencySettings, MOST_DAYS_OLD, Rates};
use super::{CurrencyRate, REVALUATION, store};
use crate::app::App;
use crate::db::{CallKey, ConnectionTrait, Once, Tx};
use crate::error::{Error, Outcome, Problem};
use crate::events::{self, NewEvent};
use crate::identity::{Caller, Scope};
use crate::jobs::{self, Job};
use crate::leads::contact::Currency;

/// Most rates of one call.
pub const MOST_AT_ONCE: usize = 1_000;
/// Most days of one list.
pub const MOST_DAYS: i32 = 366;
/// Stands for the day of whatever rate is the newest of its currency.
const NEWEST: Day = Day(0);

/// What can be wrong with a call about currencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, async_graphql::Enum)]
#[graphql(name = "CurrencyErrorCode")]
pub enum CurrencyProblem {
    /// Not of the form that is wanted.
    Malformed,
    /// A number or day outside of its range.
    OutOfRange,
    /// The base of the table has no rate: it is 1.
    IsBase,
    /// More items than one call takes.
    TooMany,
    /// Somebody else changed the settings meanwhile.
    Outdated,
}

/// A rate that is about to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRate {
    /// ISO 4217.
    pub currency: String,
    /// The day.
    pub day: Day,
    /// Units of the currency for one of the base.
    pub rate: Decimal,
}

/// A currency of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// ISO 4217.
    pub currency: String,
    /// The first day with a rate.
    pub first: Day,
    /// The last.
    pub last: Day,
    /// How many days have one.
    pub days: i64,
}

/// The settings as they are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCurrencies {
    /// The settings.
    pub settings: CurrencySettings,
    /// Counts the changes of the settings and of the rates.
    pub version: i32,
    /// When they were last changed; `None` while they are as they came.
    pub updated_at: Option<Timestamp>,
    /// By whom.
    pub updated_by: Option<String>,
}

impl StoredCurrencies {
    fn read(row: setting::Model) -> Result<Self, Error> {
        let is_changed = row.updated_at.micros() > 0;
        Ok(Self {
            settings: serde_json::from_str(&row.value)?,
            version: row.version,
            updated_at: is_changed.then_some(row.updated_at),
            updated_by: is_changed.then_some(row.updated_by),
        })
    }
}

/// A change of the settings; what is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// In which currency reports are.
    pub reporting: Option<String>,
    /// Of which currency the table of rates tells. Another than before forgets all rates.
    pub base: Option<String>,
    /// Change them only if this is still their version.
    pub expected_version: Option<i32>,
}

/// What amounts are worth in the reporting currency.
#[derive(Clone, Debug)]
pub(in crate::insight::revenue) struct Reporting {
    currency: String,
    rates: Rates,
}

impl Reporting {
    /// What is needed for amounts of these currencies and days. Neither rates nor settings change before the transaction ends,
    /// so that nothing is written by those of before.
    ///
    /// # Errors
    /// The database's.
    pub(in crate::insight::revenue) async fn of<'a>(
        tx: &Tx,
        amounts: impl Iterator<Item = (&'a str, Day)> + Send,
    ) -> Result<Self, Error> {
        let held = store::held_settings(tx, false).await?;
        Self::by(&**tx, held, amounts).await
    }

    async fn by<'a>(
        db: &impl ConnectionTrait,
        settings: setting::Model,
        amounts: impl Iterator<Item = (&'a str, Day)> + Send,
    ) -> Result<Self, Error> {
        let CurrencySettings { reporting, base } = StoredCurrencies::read(settings)?.settings;
        let mut currencies = BTreeSet::new();
        let mut days: Option<(Day, Day)> = None;
        for (currency, day) in amounts.filter(|(currency, _)| *currency != reporting) {
            currencies.insert(currency);
            let (first, last) = days.unwrap_or((day, day));
            days = Some((first.min(day), last.max(day)));
        }
        let mut rates = Rates::of_base(&base);
        if let Some((first, last)) = days {
            currencies.insert(&reporting);
            currencies.remove(base.as_str());
            let first = Day(first.0.saturating_sub(MOST_DAYS_OLD));
            for row in store::between(db, &currencies, (first, last)).await? {
                rates.add(&row.currency, row.day, decimal(&row)?);
            }
        }
        Ok(Self {
            currency: reporting,
            rates,
        })
    }

    /// What is needed for amounts of these currencies by the newest rate of each, however old it is. Neither rates nor settings
    /// change before the transaction ends.
    ///
    /// # Errors
    /// The database's.
    pub(in crate::insight::revenue) async fn newest<'a>(
        tx: &Tx,
        currencies: impl Iterator<Item = &'a str> + Send,
    ) -> Result<Self, Error> {
        let settings = StoredCurrencies::read(store::held_settings(tx, false).await?)?.settings;
        let CurrencySettings { reporting, base } = settings;
        let mut currencies: BTreeSet<&str> = currencies.filter(|currency| *currency != reporting).collect();
        let mut rates = Rates::of_base(&base);
        if !currencies.is_empty() {
            currencies.insert(&reporting);
            currencies.remove(base.as_str());
            for row in store::newest(&**tx, &currencies).await? {
                rates.add(&row.currency, NEWEST, decimal(&row)?);
            }
        }
        Ok(Self {
            currency: reporting,
            rates,
        })
    }

    /// An amount in the reporting currency by the [newest](Self::newest) rates, in minor units; `None` where none is known.
    pub(in crate::insight::revenue) fn newest_amount(&self, minor: i64, currency: &str) -> Option<i64> {
        self.amount(minor, currency, NEWEST)
    }

    /// ISO 4217.
    pub(in crate::insight::revenue) fn currency(&self) -> &str {
        &self.currency
    }

    /// An amount in the reporting currency at the rate of a day, in minor units; `None` where no rate is known.
    pub(in crate::insight::revenue) fn amount(&self, minor: i64, currency: &str, day: Day) -> Option<i64> {
        self.rates.convert(minor, currency, &self.currency, day)
    }
}

/// What amounts in minor units of some currency, each at the rate of a day, are worth in the reporting currency, as rates are now;
/// `None` where none is known.
///
/// # Errors
/// The database's.
pub async fn in_reporting_currency(
    db: &impl ConnectionTrait,
    amounts: &[(i64, &str, Day)],
) -> Result<Vec<Option<i64>>, Error> {
    let needed = amounts.iter().map(|(_, currency, day)| (*currency, *day));
    let reporting = Reporting::by(db, store::settings(db).await?, needed).await?;
    let worth = |(minor, currency, day): &(i64, &str, Day)| reporting.amount(*minor, currency, *day);
    Ok(amounts.iter().map(worth).collect())
}

fn decimal(row: &CurrencyRate) -> Result<Decimal, Error> {
    let wrong = |_| anyhow::anyhow!("the rate of {} on {} is no number", row.currency, row.day);
    row.rate.parse().map_err(wrong).map_err(Error::Internal)
}

/// The settings in force and the currencies of the table.
///
/// # Errors
/// A missing scope `revenue:read`; a row filter; the database's.
pub async fn settings(app: &App, caller: &Caller) -> Result<(StoredCurrencies, Vec<Known>), Error> {
    caller.require(Scope::Read(Area::Revenue))?;
    caller.require_all_rows()?;
    let db = app.db().read();
    let stored = StoredCurrencies::read(store::settings(db).await?)?;
    Ok((stored, store::known(db).await?))
}

/// The currency of the reports, ISO 4217.
///
/// # Errors
/// The database's. Whoever shows amounts in it has asked for the scope.
pub async fn reporting_currency(app: &App) -> Result<String, Error> {
    let stored = StoredCurrencies::read(store::settings(app.db().read()).await?)?;
    Ok(stored.settings.reporting)
}

/// The rates of a currency from a day to another, both included, in their order.
///
/// # Errors
/// A missing scope `revenue:read`; a row filter; more than `MOST_DAYS` days; the database's.
pub async fn list(
    app: &App,
    caller: &Caller,
    currency: &str,
    (from, to): (Day, Day),
) -> Result<Vec<CurrencyRate>, Error> {
    caller.require(Scope::Read(Area::Revenue))?;
    caller.require_all_rows()?;
    if to < from {
        return Err(Error::BadInput(format!(
            "the range ends ({to}) before it begins ({from})"
        )));
    }
    if to.0.saturating_sub(from.0) >= MOST_DAYS {
        return Err(Error::BadInput(format!("a range has at most {MOST_DAYS} days")));
    }
    let currency = currency.to_ascii_uppercase();
    let currencies = BTreeSet::from([currency.as_str()]);
    Ok(store::between(app.db().read(), &currencies, (from, to)).await?)
}

/// Changes the settings; amounts are told anew by the job that is answered, too.
///
/// # Errors
/// [`CurrencyProblem`]s; a missing scope `settings:write`; a row filter; the database's.
pub async fn update_settings(
    app: &App,
    caller: &Caller,
    change: Change,
) -> Outcome<(StoredCurrencies, Option<Job>), CurrencyProblem> {
    caller.require(Scope::Write(Area::Settings))?;
    caller.require_all_rows()?;
    let Change {
        reporting,
        base,
        expected_version,
    } = change;
    let mut problems = Vec::new();
    let mut code = |field, given: Option<String>| {
        let given = given?;
        match given.parse::<Currency>() {
            Ok(currency) => Some(currency.code().to_owned()),
            Err(error) => {
                problems.push(Problem::new(field, CurrencyProblem::Malformed, error.to_string()));
                None
            }
        }
    };
    let reporting = code("reportingCurrency", reporting);
    let base = code("rateBase", base);
    if !problems.is_empty() {
        return Err(problems.into());
    }
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    let before = StoredCurrencies::read(store::held_settings(&tx, true).await?)?;
    if expected_version.is_some_and(|version| version != before.version) {
        let message = format!(
            "the settings have version {} by now: read them again",
            before.version
        );
        return Err(Problem::new("expectedVersion", CurrencyProblem::Outdated, message).into());
    }
    let settings = CurrencySettings {
        reporting: reporting.unwrap_or_else(|| before.settings.reporting.clone()),
        base: base.unwrap_or_else(|| before.settings.base.clone()),
    };
    if settings == before.settings {
        tx.rollback().await?;
        return Ok((before, None));
    }
    if settings.base != before.settings.base {
        store::clear(&tx).await?;
    }
    let (stored, job) = changed(&tx, caller, now, before.version, settings).await?;
    tx.commit().await?;
    if let Some(job) = &job {
        jobs::wake(app, job.id).await;
    }
    Ok((stored, job))
}

/// Writes the next version and has amounts told anew, unless a job that will do so waits already.
async fn changed(
    tx: &Tx,
    caller: &Caller,
    now: Timestamp,
    version: i32,
    settings: CurrencySettings,
) -> Result<(StoredCurrencies, Option<Job>), Error> {
    let version = version + 1;
    let row = setting::Model {
        key: store::SETTINGS.to_owned(),
        version,
        value: serde_json::to_string(&settings)?,
        updated_at: now,
        updated_by: caller.actor.id.clone(),
    };
    store::store_settings(tx, row.clone()).await?;
    let event = NewEvent {
        kind: EventKind::RatesChanged,
        lead_id: None,
        subject: store::SETTINGS.to_owned(),
        payload: json!({ "version": version, "reporting": settings.reporting, "base": settings.base }),
    };
    events::append(tx, &caller.actor.id, now, vec![event]).await?;
    let job = jobs::enqueue_unless_queued(tx, caller, now, REVALUATION, &json!({})).await?;
    Ok((StoredCurrencies::read(row)?, job))
}

/// The answer to one rate handed in: the rate as it is now, or what is wrong with it.
pub type Answer = Result<CurrencyRate, Vec<Problem<CurrencyProblem>>>;

/// Records up to [`MOST_AT_ONCE`] rates in one transaction, once for a key; one answer each, in their order. A rate of the same
/// currency and day is replaced. Amounts are told anew by the job that is answered, too, where one was needed.
///
/// # Errors
/// A missing scope `settings:write`; a row filter; more items than that; a key used with another input; the database's.
pub async fn record(
    app: &App,
    caller: &Caller,
    items: Vec<NewRate>,
    key: Option<&CallKey>,
) -> Result<(Vec<Answer>, Option<Job>), Error> {
    caller.require(Scope::Write(Area::Settings))?;
    caller.require_all_rows()?;
    if items.len() > MOST_AT_ONCE {
        let count = items.len();
        let message = format!("{count} rates are too many: at most {MOST_AT_ONCE} at once");
        return Err(Error::BadInput(message));
    }
    let now = app.clock().now();
    let once = Once::new(key, &caller.actor.id, "currencyRatesRecord")?;
    let tx = app.db().begin().await?;
    if let Some(job) = once.before::<Option<JobId>>(&tx, now).await? {
        let (answers, ..) = compared(&tx, now, items).await?;
        tx.rollback().await?;
        let job = match job {
            Some(id) => Some(jobs::queued_before(app, id).await?),
            None => None,
        };
        return Ok((answers, job));
    }
    let (answers, job) = record_many(&tx, caller, now, items).await?;
    if answers.iter().all(Result::is_err) {
        // Nothing was done: the key may be used again with a better input.
        tx.rollback().await?;
        return Ok((answers, None));
    }
    once.keep(&tx, &job.as_ref().map(|job| job.id)).await?;
    tx.commit().await?;
    if let Some(job) = &job {
        jobs::wake(app, job.id).await;
    }
    Ok((answers, job))
}

/// The same within a transaction of the caller's own, for imports. Whoever calls wakes the job after the commit.
///
/// # Errors
/// The database's.
pub(super) async fn record_many(
    tx: &Tx,
    caller: &Caller,
    now: Timestamp,
    items: Vec<NewRate>,
) -> Result<(Vec<Answer>, Option<Job>), Error> {
    let (answers, fresh, before) = compared(tx, now, items).await?;
    if fresh.is_empty() {
        return Ok((answers, None));
    }
    store::put(tx, &fresh).await?;
    let (_, job) = changed(tx, caller, now, before.version, before.settings).await?;
    Ok((answers, job))
}

/// The answers to some rates, those of them that are not there yet, and the settings, held to be changed.
async fn compared(
    tx: &Tx,
    now: Timestamp,
    items: Vec<NewRate>,
) -> Result<(Vec<Answer>, Vec<CurrencyRate>, StoredCurrencies), Error> {
    let before = StoredCurrencies::read(store::held_settings(tx, true).await?)?;
    let rows = items.into_iter().map(|item| row_of(item, &before.settings, now));
    let mut answers: Vec<Answer> = rows.collect();
    let days = answers.iter().flatten().map(|row| row.day);
    let Some(span) = days.clone().min().zip(days.max()) else {
        return Ok((answers, Vec::new(), before));
    };
    let currencies = answers
        .iter()
        .flatten()
        .map(|row| row.currency.as_str())
        .collect();
    let known = store::between(&**tx, &currencies, span).await?;
    let known = known
        .into_iter()
        .map(|row| ((row.currency.clone(), row.day), row));
    let mut known: HashMap<(String, Day), CurrencyRate> = known.collect();
    let mut fresh: BTreeMap<(String, Day), CurrencyRate> = BTreeMap::new();
    for row in answers.iter_mut().flatten() {
        let key = (row.currency.clone(), row.day);
        match known.get(&key) {
            Some(known) if known.rate == row.rate => *row = known.clone(),
            _ => {
                known.insert(key.clone(), row.clone());
                fresh.insert(key, row.clone());
            }
        }
    }
    Ok((answers, fresh.into_values().collect(), before))
}

fn row_of(item: NewRate, settings: &CurrencySettings, now: Timestamp) -> Answer {
    let NewRate { currency, day, rate } = item;
    let refused = |field, code, message: String| Err(vec![Problem::new(field, code, message)]);
    let currency = match currency.parse::<Currency>() {
        Ok(currency) => currency.code(),
        Err(error) => return refused("currencyCode", CurrencyProblem::Malformed, error.to_string()),
    };
    if currency == settings.base {
        let message = format!("{currency} is the base of the table: its rate is 1");
        return refused("currencyCode", CurrencyProblem::IsBase, message);
    }
    // Between a thousandth of the smallest and a thousand times the greatest there are.
    let (least, most) = (Decimal::new(1, 9), Decimal::from(1_000_000_000_i64));
    if rate < least || rate > most {
        let message = format!(
            "{rate} is no rate: units of {currency} for one {}, above 0",
            settings.base
        );
        return refused("rate", CurrencyProblem::OutOfRange, message);
    }
    // Of the years that there are files of.
    if day < Day(0) || day > now.plus_days(1).day() {
        let message = format!("{day} lies in the future or before 1970");
        return refused("day", CurrencyProblem::OutOfRange, message);
    }
    Ok(CurrencyRate {
        currency: currency.to_owned(),
        day,
        rate: rate.normalize().to_string(),
        recorded_at: now,
    })
}
