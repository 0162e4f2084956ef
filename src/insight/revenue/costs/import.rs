//! Where imported costs land.

use async_trait::async_trait;
use entity::Timestamp;

use super::{Answer, NewCost, record_many};
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;
use crate::identity::Caller;
use crate::leads::import::{Fault, Field, FileContext, Landed, Record, Sink, Value};

/// Where imported costs land. A row without a dedupe key has one made of all its values, so that files that overlap count
/// nothing twice; two rows that are the same in every mapped column are one cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct CostSink;

#[async_trait]
impl Sink for CostSink {
    type Item = NewCost;

    fn item(&self, file: &FileContext, record: &Record) -> Result<NewCost, Vec<Fault>> {
        cost(file, record).map_err(|(field, message)| vec![Fault::new(field, message)])
    }

    async fn write(
        &self,
        _: &App,
        tx: &Tx,
        caller: &Caller,
        now: Timestamp,
        _: &FileContext,
        items: Vec<NewCost>,
    ) -> Result<Vec<Landed>, Error> {
        let answers = record_many(tx, caller, now, items).await?;
        let landed = |answer| match answer {
            Answer::Recorded(_) => Landed::Created,
            Answer::Duplicate(_) => Landed::Unchanged,
            Answer::Refused(problems) => Landed::refused(problems),
        };
        Ok(answers.into_iter().map(landed).collect())
    }
}

fn cost(file: &FileContext, record: &Record) -> Result<NewCost, (&'static str, &'static str)> {
    let (mut kind, mut day, mut amount) = (None, None, None);
    let (mut source, mut campaign, mut note, mut dedupe_key) = (None, None, None, None);
    for (target, value) in file.values(record) {
        match (target.field(), value) {
            (Field::Kind, Value::CostKind(word)) => kind = Some(*word),
            (Field::Day, Value::Day(at)) => day = Some(*at),
            (
                Field::Amount,
                Value::Money {
                    minor_units,
                    currency,
                },
            ) => amount = Some((*minor_units, currency.code().to_owned())),
            (Field::Source, Value::Text(text)) => source = Some(text.clone()),
            (Field::Campaign, Value::Text(text)) => campaign = Some(text.clone()),
            (Field::Notes, Value::Text(text)) => note = Some(text.clone()),
            (Field::DedupeKey, Value::Text(text)) => dedupe_key = Some(text.clone()),
            _ => {}
        }
    }
    let (amount_minor, currency) = amount.ok_or(("amount", "the row has no amount"))?;
    Ok(NewCost {
        kind: kind.ok_or(("kind", "the row has no kind of cost"))?,
        amount_minor,
        currency,
        day: day.ok_or(("day", "the row has no day"))?,
        source,
        campaign,
        note,
        connection_id: None,
        dedupe_key: Some(dedupe_key.unwrap_or_else(|| file.row_key(record))),
    })
}
