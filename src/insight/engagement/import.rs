//! Where imported engagements land.

use async_trait::async_trait;
use entity::Timestamp;
use serde_json::{Map, json};

use super::{Answer, EngagementDraft, LeadKey, NewEngagement, record_many};
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;
use crate::identity::Caller;
use crate::leads::import::{Fault, Field, FileContext, Landed, LeadRef, Record, Sink, Value};
use crate::leads::visible::Visible;

/// Where imported engagements land. A row without a dedupe key has one made of all its values, so that the same file
/// twice creates nothing twice; two rows that are the same in every mapped column are one engagement.
#[derive(Clone, Copy, Debug, Default)]
pub struct EngagementSink;

impl From<LeadRef> for LeadKey {
    fn from(lead: LeadRef) -> Self {
        match lead {
            LeadRef::Id(id) => Self::Id(id),
            LeadRef::Known(identity) => Self::Known(identity),
        }
    }
}

#[async_trait]
impl Sink for EngagementSink {
    type Item = NewEngagement;

    fn item(&self, file: &FileContext, record: &Record) -> Result<NewEngagement, Vec<Fault>> {
        engagement(file, record).map_err(|message| vec![Fault::new("", message)])
    }

    async fn write(
        &self,
        app: &App,
        tx: &Tx,
        caller: &Caller,
        now: Timestamp,
        _: &FileContext,
        items: Vec<NewEngagement>,
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

fn engagement(file: &FileContext, record: &Record) -> Result<NewEngagement, String> {
    let kind = file.values(record).find_map(|(_, value)| match value {
        Value::EngagementType(kind) => Some(*kind),
        _ => None,
    });
    let at = file
        .values(record)
        .find_map(|(target, value)| match (target.field(), value) {
            (Field::OccurredAt, Value::Moment(at)) => Some(*at),
            _ => None,
        });
    let mut draft = EngagementDraft::new(
        kind.ok_or("the row has no type of engagement: map a column or give `type=…` as default")?,
        at.ok_or("the row has no moment")?,
    );
    let mut metadata = Map::new();
    for (target, value) in file.values(record) {
        match (target.field(), value) {
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
                metadata.insert(target.key().to_owned(), json!(text));
            }
            (field, Value::Text(text)) => {
                if let Some(place) = text_field(&mut draft, field) {
                    *place = Some(text.clone());
                }
            }
            _ => {}
        }
    }
    if !metadata.is_empty() {
        draft.metadata = Some(metadata.into());
    }
    draft.dedupe_key.get_or_insert_with(|| file.row_key(record));
    let lead = file.lead(record).ok_or("the row names no lead")?.into();
    Ok(NewEngagement { lead, draft })
}

fn text_field(draft: &mut EngagementDraft, field: Field) -> Option<&mut Option<String>> {
    Some(match field {
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
        _ => return None,
    })
}
