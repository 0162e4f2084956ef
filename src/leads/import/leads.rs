//! Where imported leads land: the same upsert as the API's.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use async_trait::async_trait;
use entity::id::LeadId;
use entity::{ConsentState, Timestamp};
use rust_decimal::Decimal;
use serde_json::{Map, Value as Json, json};

use super::convert::Record;
use super::fields::Said;
use super::sink::{Fault, FileContext, Landed, Sink};
use super::targets::Field;
use super::value::Value;
use crate::app::App;
use crate::db::Tx;
use crate::error::{Error, Failure};
use crate::events;
use crate::identity::Caller;
use crate::leads::consent::{self, ConsentRecord, NewConsent};
use crate::leads::lead::{self, ExternalId, ItemOutcome, LeadChange, Patch, UpsertMode};
use crate::leads::notes::{self, NewNote};
use crate::leads::tags;
use crate::leads::visible::Visible;

/// Where imported leads land.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeadSink;

/// What a row of a file of leads asks for.
#[derive(Clone, Debug)]
pub struct ImportedLead {
    change: LeadChange,
    beside: Beside,
}

/// What is kept beside the lead's own row.
#[derive(Clone, Debug, Default)]
struct Beside {
    tags: Vec<String>,
    note: Option<String>,
    consents: Vec<Said>,
}

/// What a record asks for.
///
/// # Errors
/// What is wrong with it.
pub(super) fn imported(file: &FileContext, record: &Record) -> Result<ImportedLead, Vec<Fault>> {
    let beside = beside(file, record)?;
    Ok(ImportedLead {
        change: change(file, record),
        beside,
    })
}

impl ImportedLead {
    /// With tags beside those of its fields; names that no tag can have are left out.
    pub fn add_tags(&mut self, names: &[String]) {
        let names = names.iter().filter_map(|name| tags::checked_name(name).ok());
        self.beside.tags.extend(names);
    }

    /// With what the lead has said.
    pub fn add_consents(&mut self, said: impl IntoIterator<Item = Said>) {
        self.beside.consents.extend(said);
    }

    /// With where it came from, unless its fields say so; a lead that is there keeps its first source.
    pub fn set_source(&mut self, source: &str, detail: impl IntoIterator<Item = (String, Json)>) {
        if !self.change.source.is_keep() {
            return;
        }
        self.change.is_first_source = true;
        self.change.source = Patch::Set(source.to_owned());
        self.change
            .source_detail
            .extend(detail.into_iter().map(|(key, value)| (key, Some(value))));
    }

    /// With the moment it came into being elsewhere, unless its fields say so.
    pub fn set_created_at(&mut self, at: Option<Timestamp>) {
        self.change.created_at = self.change.created_at.or(at);
    }
}

#[async_trait]
impl Sink for LeadSink {
    type Item = ImportedLead;

    fn item(&self, file: &FileContext, record: &Record) -> Result<ImportedLead, Vec<Fault>> {
        imported(file, record)
    }

    async fn write(
        &self,
        app: &App,
        tx: &Tx,
        caller: &Caller,
        now: Timestamp,
        file: &FileContext,
        items: Vec<ImportedLead>,
    ) -> Result<Vec<Landed>, Error> {
        let seen = Visible::of(app, &caller.rows).await?;
        let outcomes = if seen.is_all() {
            land_leads(
                app,
                tx,
                caller,
                now,
                &format!("import: {}", file.namespace),
                items,
            )
            .await?
        } else {
            // Tags and consents count as well, so that it is looked at when all of a row is done.
            let mut guard = seen.guard(tx).await?;
            loop {
                let (places, kept) = lead::without(&items, guard.refused());
                let source = format!("import: {}", file.namespace);
                let done = land_leads(app, tx, caller, now, &source, kept).await?;
                let touched = places.iter().zip(&done);
                let touched: Vec<_> = touched
                    .filter_map(|(place, outcome)| Some((*place, outcome.lead_id()?)))
                    .collect();
                if guard.holds(touched).await? {
                    break lead::with_refused(items.len(), places, done);
                }
            }
        };
        Ok(outcomes
            .into_iter()
            .map(|outcome| match outcome {
                ItemOutcome::Created(_) => Landed::Created,
                ItemOutcome::Updated { .. } => Landed::Updated,
                ItemOutcome::Unchanged(_) => Landed::Unchanged,
                ItemOutcome::Refused(problems) => Landed::refused(problems),
            })
            .collect())
    }
}

/// Writes leads and what stands beside them; one outcome each, in their order. `source`: where their consents are on record.
/// Whoever calls has made sure that the caller sees all rows, or looks at what was written.
///
/// # Errors
/// The database's; a missing scope.
pub async fn land_leads(
    app: &App,
    tx: &Tx,
    caller: &Caller,
    now: Timestamp,
    source: &str,
    items: Vec<ImportedLead>,
) -> Result<Vec<ItemOutcome>, Error> {
    let (changes, beside): (Vec<_>, Vec<_>) = items
        .into_iter()
        .map(|ImportedLead { change, beside }| (change, beside))
        .unzip();
    let outcomes = lead::upsert_many(tx, app, caller, now, changes, UpsertMode::Upsert).await?;
    let landed: Vec<_> = beside
        .into_iter()
        .zip(&outcomes)
        .filter_map(|(beside, outcome)| {
            Some((
                outcome.lead_id()?,
                matches!(outcome, ItemOutcome::Created(_)),
                beside,
            ))
        })
        .collect();
    write_beside(tx, caller, now, source, landed).await?;
    Ok(outcomes)
}

/// Tags, notes and consents of the leads that landed, each with whether it is new. Notes are written with a new lead
/// only, a consent only where it differs from the one in force: the same file twice writes nothing twice, also where the
/// lead has taken its consent back in between.
async fn write_beside(
    tx: &Tx,
    caller: &Caller,
    now: Timestamp,
    source: &str,
    landed: Vec<(LeadId, bool, Beside)>,
) -> Result<(), Error> {
    let (mut names, mut wanted, mut notes, mut consents) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (lead_id, is_new, beside) in landed {
        let Beside {
            tags,
            note,
            consents: said,
        } = beside;
        names.extend(tags.iter().cloned());
        wanted.extend(tags.into_iter().map(|name| (lead_id, name)));
        notes.extend(note.filter(|_| is_new).map(|body| NewNote {
            lead_id,
            body,
            pinned: false,
            at: None,
        }));
        consents.extend(said.into_iter().map(|said| {
            let Said {
                channel,
                purpose,
                state,
                at,
                wording,
            } = said;
            NewConsent {
                lead_id,
                channel,
                purpose,
                state,
                at,
                source: Some(source.to_owned()),
                wording,
                ip: None,
                user_agent: None,
            }
        }));
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
        let mut consents = last_words(consents);
        let ids: Vec<_> = consents.iter().map(|consent| consent.lead_id).collect();
        let in_force = consent::in_force_within(tx, &ids).await?;
        consents.retain(|new| {
            let mut said = in_force.get(&new.lead_id).into_iter().flatten();
            let word = said.find(|word| (word.channel, word.purpose) == (new.channel, new.purpose));
            word.is_none_or(|word| brings_news(word, new))
        });
        log.extend(
            consent::record_many(tx, &caller.actor.id, now, &consents)
                .await?
                .events,
        );
    }
    if log.is_empty() {
        return Ok(());
    }
    events::append(tx, &caller.actor.id, now, log).await?;
    Ok(())
}

/// Of several words of a lead about the same, the youngest; where nobody knows when, the last.
fn last_words(consents: Vec<NewConsent>) -> Vec<NewConsent> {
    let mut places: HashMap<_, usize> = HashMap::with_capacity(consents.len());
    let mut last: Vec<NewConsent> = Vec::with_capacity(consents.len());
    for consent in consents {
        match places.entry((consent.lead_id, consent.channel, consent.purpose)) {
            Entry::Vacant(place) => {
                place.insert(last.len());
                last.push(consent);
            }
            Entry::Occupied(place) if last[*place.get()].at <= consent.at || consent.at.is_none() => {
                last[*place.get()] = consent;
            }
            Entry::Occupied(_) => {}
        }
    }
    last
}

/// Whether a consent from elsewhere is written over the word in force. What has a moment is news when it is younger. What a
/// file says has none: a yes in it may be older than the no that the lead has said elsewhere since, and then the no stays.
fn brings_news(word: &ConsentRecord, new: &NewConsent) -> bool {
    if let Some(at) = new.at {
        return word.state != new.state && at > word.at;
    }
    let said_no = matches!(word.state, ConsentState::Denied | ConsentState::Withdrawn);
    let says_yes = matches!(new.state, ConsentState::Granted | ConsentState::Pending);
    word.state != new.state && !(said_no && says_yes && word.source != new.source)
}

/// What a record asks for beside the lead, checked: once the lead is written it is too late to refuse the row.
fn beside(file: &FileContext, record: &Record) -> Result<Beside, Vec<Fault>> {
    let mut beside = Beside::default();
    let mut faults = Vec::new();
    for (target, value) in file.values(record) {
        let checked = match (target.field(), value) {
            (Field::Tags, Value::List(names)) => names.iter().try_for_each(|name| {
                beside.tags.push(tags::checked_name(name)?);
                Ok(())
            }),
            (Field::Notes, Value::Text(body)) => notes::checked(body).map(|body| beside.note = Some(body)),
            (Field::Consent, Value::Consent(state)) => {
                beside
                    .consents
                    .extend(target.consent().map(|(channel, purpose)| Said {
                        channel,
                        purpose,
                        state: *state,
                        at: None,
                        wording: None,
                    }));
                Ok(())
            }
            _ => Ok(()),
        };
        if let Err(message) = checked {
            faults.push(Fault::new(&target.to_string(), message));
        }
    }
    if faults.is_empty() {
        Ok(beside)
    } else {
        Err(faults)
    }
}

/// The change that a record asks for: an empty cell leaves a field as it is.
fn change(file: &FileContext, record: &Record) -> LeadChange {
    let mut change = LeadChange {
        contact_is_normal: true,
        ..LeadChange::default()
    };
    for (target, value) in file.values(record) {
        let key = || target.key().to_owned();
        match (target.field(), value) {
            (Field::LeadId, Value::Lead(id)) => change.id = Some(*id),
            (Field::ExternalId, Value::Text(text)) => change.external_ids.push(ExternalId {
                namespace: file.namespace_of(target).to_owned(),
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
            (Field::SourceDetail, Value::Text(text)) if target.key().is_empty() => {
                let facts: Map<String, Json> = serde_json::from_str(text).unwrap_or_default();
                let facts = facts.into_iter().map(|(key, value)| (key, Some(value)));
                change.source_detail.extend(facts);
            }
            (Field::SourceDetail, Value::Text(text)) => change.source_detail.push((key(), Some(json!(text)))),
            // By its definition the lead reads the text, or says what is wrong with it.
            (Field::Custom, Value::Text(text)) => change.custom.push((key(), Some(json!(text)))),
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
