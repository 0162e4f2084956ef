//! Where imported rates of exchange land.

use async_trait::async_trait;
use entity::Timestamp;

use super::NewRate;
use super::service::record_many;
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;
use crate::identity::Caller;
use crate::leads::import::{Fault, Field, FileContext, Landed, Record, Sink, Value};

/// Where imported rates land. A row has a day and one currency with its rate, or a column for each currency, as the file of
/// the European Central Bank has. Its job to tell amounts anew is found by the sweep.
#[derive(Clone, Copy, Debug, Default)]
pub struct RateSink;

#[async_trait]
impl Sink for RateSink {
    type Item = Vec<NewRate>;

    fn item(&self, file: &FileContext, record: &Record) -> Result<Vec<NewRate>, Vec<Fault>> {
        let (mut day, mut currency, mut single) = (None, None, None);
        let mut rates = Vec::new();
        for (target, value) in file.values(record) {
            match (target.field(), value) {
                (Field::Day, Value::Day(at)) => day = Some(*at),
                (Field::Currency, Value::Text(code)) => currency = Some(code.clone()),
                (Field::Rate, Value::Decimal(rate)) if target.key().is_empty() => single = Some(*rate),
                (Field::Rate, Value::Decimal(rate)) => rates.push((target.key().to_owned(), *rate)),
                _ => {}
            }
        }
        let fault = |field, message: &str| vec![Fault::new(field, message)];
        let day = day.ok_or_else(|| fault("day", "the row has no day"))?;
        match (currency, single) {
            (Some(currency), Some(rate)) => rates.push((currency, rate)),
            (None, None) => {}
            (None, Some(_)) => return Err(fault("currency", "the row has a rate and no currency")),
            (Some(_), None) => return Err(fault("rate", "the row has a currency and no rate")),
        }
        let rate = |(currency, rate)| NewRate { currency, day, rate };
        Ok(rates.into_iter().map(rate).collect())
    }

    async fn write(
        &self,
        _: &App,
        tx: &Tx,
        caller: &Caller,
        now: Timestamp,
        _: &FileContext,
        items: Vec<Vec<NewRate>>,
    ) -> Result<Vec<Landed>, Error> {
        let counts: Vec<usize> = items.iter().map(Vec::len).collect();
        let (answers, _) = record_many(tx, caller, now, items.into_iter().flatten().collect()).await?;
        let mut answers = answers.into_iter();
        Ok(counts
            .into_iter()
            .map(|count| {
                let of_row = answers.by_ref().take(count);
                let problems: Vec<_> = of_row.filter_map(Result::err).flatten().collect();
                if problems.is_empty() {
                    Landed::Updated
                } else {
                    Landed::refused(problems)
                }
            })
            .collect())
    }
}
