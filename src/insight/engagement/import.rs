//! Where imported engagements land.

use async_trait::async_trait;
use entity::Timestamp;
use serde_json::{Map, json};

use super::{Answer, EngagementDraft, LeadKey, NewEngagement, record_many};
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;
use crate::identity::Caller;
use crate::leads::import::{Field, FileContext, Landed, LeadRef, Record, Sink, Value, row_key};

/// Where imported engagements land. A row without a dedupe key has one made of all its values, so that the same file
/// twice creates nothing twice; two rows that are the same in every mapped column are one engagement.
#[derive(Clone, Copy, Debug, Default)]
pub struct EngagementSink;

#[async_trait]
impl Sink for EngagementSink {
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
            match engagement(file, record) {
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

fn engagement(file: &FileContext, record: &Record) -> Result<NewEngagement, String> {
    let values = || file.mapping.bindings().iter().zip(&record.values);
    let kind = values().find_map(|(_, value)| match value {
        Some(Value::EngagementType(kind)) => Some(*kind),
        _ => None,
    });
    let at = values().find_map(|(binding, value)| match (binding.target.field(), value) {
        (Field::OccurredAt, Some(Value::Moment(at))) => Some(*at),
        _ => None,
    });
    let mut draft = EngagementDraft::new(
        kind.ok_or("the row has no type of engagement: map a column or give `type=…` as default")?,
        at.ok_or("the row has no moment")?,
    );
    let mut lead = None;
    let mut metadata = Map::new();
    for (binding, value) in values() {
        let Some(value) = value else { continue };
        match (binding.target.field(), value) {
            (Field::Channel, Value::Channel(channel)) => draft.channel = Some(*channel),
            (Field::SourceKind, Value::SourceKind(kind)) => draft.source_kind = Some(*kind),
            (Field::Device, Value::Device(device)) => draft.device = Some(*device),
            (Field::Score, Value::Integer(value)) => draft.value = i32::try_from(*value).ok(),
            (
                Field::Amount,
                Value::Money {
                    minor_units,
                    currency,
                },
            ) => {
                draft.revenue_minor = Some(*minor_units);
                draft.currency = Some(currency.code().to_owned());
            }
            (Field::Metadata, Value::Text(text)) => {
                metadata.insert(binding.target.key().to_owned(), json!(text));
            }
            (field, Value::Text(text)) => {
                let place = match field {
                    Field::Name => &mut draft.custom_name,
                    Field::SourceId => &mut draft.source_id,
                    Field::SourceName => &mut draft.source_name,
                    Field::Url => &mut draft.url,
                    Field::Title => &mut draft.title,
                    Field::Country => &mut draft.country,
                    Field::Region => &mut draft.region,
                    Field::City => &mut draft.city,
                    Field::Ip => &mut draft.ip,
                    Field::UserAgent => &mut draft.user_agent,
                    Field::DedupeKey => &mut draft.dedupe_key,
                    _ => {
                        lead = lead.or_else(|| file.lead(field, value));
                        continue;
                    }
                };
                *place = Some(text.clone());
            }
            (field, value) => lead = lead.or_else(|| file.lead(field, value)),
        }
    }
    if !metadata.is_empty() {
        draft.metadata = Some(metadata.into());
    }
    draft
        .dedupe_key
        .get_or_insert_with(|| row_key("engagement", file, record));
    let lead = match lead.ok_or("the row names no lead")? {
        LeadRef::Id(id) => LeadKey::Id(id),
        LeadRef::Known(identity) => LeadKey::Known(identity),
    };
    Ok(NewEngagement { lead, draft })
}
