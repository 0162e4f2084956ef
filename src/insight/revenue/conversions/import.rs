//! Where imported conversions land.

use async_trait::async_trait;
use entity::Timestamp;
use serde_json::{Map, json};

use super::{Answer, NewConversion, record_many};
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;
use crate::identity::Caller;
use crate::leads::import::{Fault, Field, FileContext, Landed, Record, Sink, Value};
use crate::leads::visible::Visible;

/// Where imported conversions land. A row without a dedupe key has one made of all its values, so that the same file
/// twice creates nothing twice; two rows that are the same in every mapped column are one conversion.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConversionSink;

#[async_trait]
impl Sink for ConversionSink {
    type Item = NewConversion;

    fn item(&self, file: &FileContext, record: &Record) -> Result<NewConversion, Vec<Fault>> {
        conversion(file, record).map_err(|message| vec![Fault::new("", message)])
    }

    async fn write(
        &self,
        app: &App,
        tx: &Tx,
        caller: &Caller,
        now: Timestamp,
        _: &FileContext,
        items: Vec<NewConversion>,
    ) -> Result<Vec<Landed>, Error> {
        let seen = Visible::of(app, &caller.rows).await?;
        let answers = record_many(tx, caller, &seen, now, items).await?;
        Ok(answers
            .into_iter()
            .map(|answer| match answer {
                Answer::Recorded(_) => Landed::Created,
                Answer::Duplicate(_) => Landed::Unchanged,
                Answer::Refused(problems) => Landed::refused(problems),
            })
            .collect())
    }
}

fn conversion(file: &FileContext, record: &Record) -> Result<NewConversion, String> {
    let (mut kind, mut occurred_at, mut custom_name, mut dedupe_key) = (None, None, None, None);
    let mut amount = None;
    let mut metadata = Map::new();
    for (target, value) in file.values(record) {
        match (target.field(), value) {
            (Field::Kind, Value::ConversionKind(word)) => kind = Some(*word),
            (Field::OccurredAt, Value::Moment(moment)) => occurred_at = Some(*moment),
            (
                Field::Amount,
                Value::Money {
                    minor_units,
                    currency,
                },
            ) => amount = Some((*minor_units, currency.code().to_owned())),
            (Field::Name, Value::Text(text)) => custom_name = Some(text.clone()),
            (Field::DedupeKey, Value::Text(text)) => dedupe_key = Some(text.clone()),
            (Field::Metadata, Value::Text(text)) => {
                metadata.insert(target.key().to_owned(), json!(text));
            }
            _ => {}
        }
    }
    let (value_minor, currency) = amount.unzip();
    Ok(NewConversion {
        lead: file.lead(record).ok_or("the row names no lead")?.into(),
        kind: kind
            .ok_or("the row has no kind of conversion: map a column or give `kind=CUSTOMER` as default")?,
        custom_name,
        value_minor,
        currency,
        metadata,
        occurred_at: occurred_at.ok_or("the row has no moment")?,
        dedupe_key: Some(dedupe_key.unwrap_or_else(|| file.row_key(record))),
    })
}
