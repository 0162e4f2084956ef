//! Where imported leads land: the same upsert as the API's.

use async_trait::async_trait;
use entity::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Map, Value as Json, json};

use super::convert::Record;
use super::engine::{FileContext, Landed, Sink};
use super::targets::Field;
use super::value::Value;
use crate::app::App;
use crate::db::Tx;
use crate::error::{Error, Failure};
use crate::events;
use crate::identity::Caller;
use crate::leads::consent::{self, NewConsent};
use crate::leads::custom_fields::{self, Definitions};
use crate::leads::lead::{self, ExternalId, ItemOutcome, LeadChange, LeadFault, Patch, UpsertMode};
use crate::leads::notes::{self, NewNote};
use crate::leads::tags;

/// Where imported leads land.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeadSink;

#[async_trait]
impl Sink for LeadSink {
    async fn write(
        &self,
        app: &App,
        tx: &Tx,
        caller: &Caller,
        now: Timestamp,
        file: &FileContext,
        records: &[Record],
    ) -> Result<Vec<Landed>, Error> {
        let definitions = custom_fields::definitions(app).await?;
        let changes = records
            .iter()
            .map(|record| change(file, &definitions, record))
            .collect();
        let outcomes = lead::upsert_many(tx, app, caller, now, changes, UpsertMode::Upsert).await?;
        write_beside(app, tx, caller, now, file, records, &outcomes).await?;
        Ok(outcomes
            .into_iter()
            .map(|outcome| landed(file, outcome))
            .collect())
    }
}

/// Tags, notes and consents of the leads that landed. Notes are written with a new lead only, a consent only where it
/// differs from the one in force: the same file twice writes nothing twice.
async fn write_beside(
    app: &App,
    tx: &Tx,
    caller: &Caller,
    now: Timestamp,
    file: &FileContext,
    records: &[Record],
    outcomes: &[ItemOutcome],
) -> Result<(), Error> {
    let bindings = file.mapping.bindings();
    let brings = |field| bindings.iter().any(|binding| binding.target.field() == field);
    if !brings(Field::Tags) && !brings(Field::Notes) && !brings(Field::Consent) {
        return Ok(());
    }
    let (mut names, mut wanted, mut notes, mut consents) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (record, outcome) in records.iter().zip(outcomes) {
        let Some(lead_id) = outcome.lead_id() else {
            continue;
        };
        for (binding, value) in bindings.iter().zip(&record.values) {
            match (binding.target.field(), value) {
                (Field::Tags, Some(Value::List(list))) => {
                    names.extend(list.iter().cloned());
                    wanted.extend(list.iter().map(|name| (lead_id, name.clone())));
                }
                (Field::Notes, Some(Value::Text(body))) if matches!(outcome, ItemOutcome::Created(_)) => {
                    notes.push(NewNote {
                        lead_id,
                        body: body.clone(),
                        pinned: false,
                        at: None,
                    });
                }
                (Field::Consent, Some(Value::Consent(state))) => {
                    let Some((channel, purpose)) = binding.target.consent() else {
                        continue;
                    };
                    consents.push(NewConsent {
                        lead_id,
                        channel,
                        purpose,
                        state: *state,
                        at: None,
                        source: Some(format!("import: {}", file.namespace)),
                        wording: None,
                        ip: None,
                        user_agent: None,
                    });
                }
                _ => {}
            }
        }
    }
    let mut log = Vec::new();
    if !wanted.is_empty() {
        names.sort_unstable();
        names.dedup();
        let ids = match tags::resolve_names(tx, now, &names, &mut log).await {
            Ok(ids) => ids,
            Err(Failure::Error(error)) => return Err(error),
            Err(Failure::Problems(problems)) => {
                let what: Vec<_> = problems.into_iter().map(|problem| problem.message).collect();
                return Err(Error::BadInput(format!("tags: {}", what.join("; "))));
            }
        };
        let pairs: Vec<_> = wanted
            .iter()
            .filter_map(|(lead, name)| Some((*lead, *ids.get(name)?)))
            .collect();
        log.extend(tags::assign_many(tx, now, &pairs).await?);
    }
    if !notes.is_empty() {
        log.extend(notes::add_many(tx, &caller.actor.id, now, notes).await?.0);
    }
    if !consents.is_empty() {
        let ids: Vec<_> = consents.iter().map(|consent| consent.lead_id).collect();
        let in_force = consent::in_force(app, &ids).await?;
        consents.retain(|new| {
            let mut said = in_force.get(&new.lead_id).into_iter().flatten();
            !said
                .any(|word| (word.channel, word.purpose, word.state) == (new.channel, new.purpose, new.state))
        });
        log.extend(
            consent::record_many(tx, &caller.actor.id, now, &consents)
                .await?
                .events,
        );
    }
    events::append(tx, &caller.actor.id, now, log).await?;
    Ok(())
}

fn landed(file: &FileContext, outcome: ItemOutcome) -> Landed {
    match outcome {
        ItemOutcome::Created(_) => Landed::Created,
        ItemOutcome::Updated { .. } => Landed::Updated,
        ItemOutcome::Unchanged(_) => Landed::Unchanged,
        ItemOutcome::Refused(faults) => {
            Landed::Rejected(faults.into_iter().map(|fault| rejected(file, fault)).collect())
        }
    }
}

/// A problem of the lead as one of the file: the column that feeds the field.
fn rejected(file: &FileContext, fault: LeadFault) -> (Option<String>, &'static str, String) {
    let field = fault.field.first().and_then(|name| field_named(name));
    (
        field.and_then(|field| file.column(field)),
        "refused",
        fault.message,
    )
}

fn field_named(name: &str) -> Option<Field> {
    Some(match name {
        "id" => Field::LeadId,
        "email" => Field::Email,
        "phone" => Field::Phone,
        "firstName" => Field::FirstName,
        "lastName" => Field::LastName,
        "companyName" => Field::CompanyName,
        "jobTitle" => Field::JobTitle,
        "website" => Field::Website,
        "street" => Field::Street,
        "city" => Field::City,
        "region" => Field::Region,
        "postalCode" => Field::PostalCode,
        "country" => Field::Country,
        "timeZone" => Field::TimeZone,
        "language" => Field::Language,
        "customerType" => Field::CustomerType,
        "interests" => Field::Interests,
        "source" => Field::Source,
        "dealStage" => Field::DealStage,
        "dealValue" => Field::DealValue,
        "dealCurrency" => Field::DealCurrency,
        "expectedCloseDate" => Field::ExpectedCloseDate,
        "ownerEmail" => Field::OwnerEmail,
        "createdAt" => Field::CreatedAt,
        "externalIds" => Field::ExternalId,
        _ => return None,
    })
}

/// The change that a record asks for: an empty cell leaves a field as it is.
fn change(file: &FileContext, definitions: &Definitions, record: &Record) -> LeadChange {
    let mut change = LeadChange {
        contact_is_normal: true,
        ..LeadChange::default()
    };
    for (binding, value) in file.mapping.bindings().iter().zip(&record.values) {
        let Some(value) = value else { continue };
        let key = || binding.target.key().to_owned();
        match (binding.target.field(), value) {
            (Field::LeadId, Value::Lead(id)) => change.id = Some(*id),
            (Field::ExternalId, Value::Text(text)) => change.external_ids.push(ExternalId {
                namespace: Some(key())
                    .filter(|key| !key.is_empty())
                    .unwrap_or_else(|| file.namespace.clone()),
                value: text.clone(),
            }),
            (Field::Interests, Value::List(list)) => change.interests = Patch::Set(list.clone()),
            (
                Field::DealValue,
                Value::Money {
                    minor_units,
                    currency,
                },
            ) => {
                change.deal_value = Patch::Set(Decimal::new(*minor_units, currency.exponent()));
                change.deal_currency = Patch::Set(currency.code().to_owned());
            }
            (Field::ExpectedCloseDate, Value::Day(day)) => change.expected_close = Patch::Set(*day),
            (Field::Stage, Value::Stage(stage)) => change.stage = Some(*stage),
            (Field::CreatedAt, Value::Moment(at)) => change.created_at = Some(*at),
            (Field::SourceDetail, Value::Text(text)) if binding.target.key().is_empty() => {
                let facts: Map<String, Json> = serde_json::from_str(text).unwrap_or_default();
                let facts = facts.into_iter().map(|(key, value)| (key, Some(value)));
                change.source_detail.extend(facts);
            }
            (Field::SourceDetail, Value::Text(text)) => change.source_detail.push((key(), Some(json!(text)))),
            (Field::Custom, Value::Text(text)) => {
                // What cannot be read is handed on as it is: the lead says what is wrong with it.
                let value = definitions.get(binding.target.key());
                let value = value.and_then(|field| custom_fields::read_text(field, text).ok());
                change
                    .custom
                    .push((key(), Some(value.unwrap_or_else(|| json!(text)))));
            }
            (Field::DisplayName, Value::Text(text)) => name(&mut change, text),
            (field, Value::Text(text)) => {
                if let Some(place) = text_field(&mut change, field) {
                    *place = Patch::Set(text.clone());
                }
            }
            _ => {}
        }
    }
    change
}

/// A name in one column, where first and last name have none: the last word is the last name.
fn name(change: &mut LeadChange, text: &str) {
    if !change.first_name.is_keep() || !change.last_name.is_keep() {
        return;
    }
    match text.trim().rsplit_once(' ') {
        Some((first, last)) => {
            change.first_name = Patch::Set(first.trim().to_owned());
            change.last_name = Patch::Set(last.to_owned());
        }
        None => change.first_name = Patch::Set(text.trim().to_owned()),
    }
}

fn text_field(change: &mut LeadChange, field: Field) -> Option<&mut Patch<String>> {
    Some(match field {
        Field::Email => &mut change.email,
        Field::Phone => &mut change.phone,
        Field::FirstName => &mut change.first_name,
        Field::LastName => &mut change.last_name,
        Field::CompanyName => &mut change.company_name,
        Field::JobTitle => &mut change.job_title,
        Field::Website => &mut change.website,
        Field::Street => &mut change.street,
        Field::City => &mut change.city,
        Field::Region => &mut change.region,
        Field::PostalCode => &mut change.postal_code,
        Field::Country => &mut change.country,
        Field::TimeZone => &mut change.time_zone,
        Field::Language => &mut change.language,
        Field::CustomerType => &mut change.customer_type,
        Field::Source => &mut change.source,
        Field::DealStage => &mut change.deal_stage,
        Field::DealCurrency => &mut change.deal_currency,
        Field::OwnerEmail => &mut change.owner,
        _ => return None,
    })
}
