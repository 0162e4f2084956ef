//! Where imported conversions land.

use async_trait::async_trait;
use entity::{ConversionKind, IdentityKind, Timestamp};
use serde_json::{Map, json};

use super::{Answer, NewConversion, record_many};
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;
use crate::identity::Caller;
use crate::insight::engagement::LeadKey;
use crate::leads::import::{Field, FileContext, Landed, Record, Sink, Value, row_key};
use crate::leads::lead::Identity;

/// Where imported conversions land. A row without a dedupe key has one made of all its values, so that the same file
/// twice creates nothing twice; two rows that are the same in every mapped column are one conversion.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConversionSink;

#[async_trait]
impl Sink for ConversionSink {
    async fn write(
        &self,
        _: &App,
        tx: &Tx,
        caller: &Caller,
        now: Timestamp,
        file: &FileContext,
        records: &[Record],
    ) -> Result<Vec<Landed>, Error> {
        let mut landed = Vec::with_capacity(records.len());
        let mut items = Vec::with_capacity(records.len());
        for record in records {
            match conversion(file, record) {
                Ok(item) => {
                    items.push(item);
                    landed.push(None);
                }
                Err(reason) => landed.push(Some(Landed::Rejected(vec![(None, "value missing", reason)]))),
            }
        }
        let mut answers = record_many(tx, caller, now, items)
            .await?
            .into_iter()
            .map(|answer| match answer {
                Answer::Recorded(_) => Landed::Created,
                Answer::Duplicate(_) => Landed::Unchanged,
                Answer::Refused(problems) => Landed::Rejected(
                    problems
                        .into_iter()
                        .map(|problem| (None, "refused", problem.message))
                        .collect(),
                ),
            });
        Ok(landed
            .into_iter()
            .map(|early| early.unwrap_or_else(|| answers.next().expect("one answer for each item")))
            .collect())
    }
}

fn conversion(file: &FileContext, record: &Record) -> Result<NewConversion, String> {
    let (mut lead, mut kind, mut at) = (None, None, None);
    let mut item = NewConversion {
        lead: LeadKey::Known(Identity {
            kind: IdentityKind::External,
            namespace: String::new(),
            value: String::new(),
        }),
        kind: ConversionKind::Custom,
        custom_name: None,
        value_minor: None,
        currency: None,
        metadata: Map::new(),
        occurred_at: Timestamp::default(),
        dedupe_key: None,
    };
    for (binding, value) in file.mapping.bindings().iter().zip(&record.values) {
        let Some(value) = value else { continue };
        match (binding.target.field(), value) {
            (Field::Kind, Value::ConversionKind(word)) => kind = Some(*word),
            (Field::OccurredAt, Value::Moment(moment)) => at = Some(*moment),
            (
                Field::Amount,
                Value::Money {
                    minor_units,
                    currency,
                },
            ) => {
                item.value_minor = Some(*minor_units);
                item.currency = Some(currency.code().to_owned());
            }
            (Field::Name, Value::Text(text)) => item.custom_name = Some(text.clone()),
            (Field::DedupeKey, Value::Text(text)) => item.dedupe_key = Some(text.clone()),
            (Field::Metadata, Value::Text(text)) => {
                item.metadata.insert(binding.target.key().to_owned(), json!(text));
            }
            (field, value) => lead = lead.or_else(|| file.lead(field, value)),
        }
    }
    item.lead = match lead.ok_or("the row names no lead")? {
        crate::leads::import::LeadRef::Id(id) => LeadKey::Id(id),
        crate::leads::import::LeadRef::Known(identity) => LeadKey::Known(identity),
    };
    item.kind =
        kind.ok_or("the row has no kind of conversion: map a column or give `kind=CUSTOMER` as default")?;
    item.occurred_at = at.ok_or("the row has no moment")?;
    item.dedupe_key
        .get_or_insert_with(|| row_key("conversion", file, record));
    Ok(item)
}
