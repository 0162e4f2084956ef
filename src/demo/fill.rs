//! Fills a database with the data set, through the services, as if the half year were passing.
//!
//! The application's clock, which must be one that can be set, is moved on in steps of some days. Within a step leads
//! become known and what they do is recorded; then derived state catches up before the clock moves on. So stages, scores
//! and their histories come out as they would have.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use entity::id::{LeadId, TagId};
use entity::{CostKind, Day};
use rust_decimal::Decimal;

use super::model::{
    CameTo, DAYS, DataSet, Dealt, DemoLead, FIELDS, FieldDefinition, NAMESPACE, Person, TAGS, TagDefinition,
    What,
};
use crate::app::App;
use crate::error::{Error, Failure, Outcome};
use crate::events::{self, Handler, behind};
use crate::identity::Caller;
use crate::insight::engagement::{self, LeadKey, NewEngagement};
use crate::insight::lifecycle::{self, StageChange};
use crate::insight::revenue::{self, DealCall, DealClosing, NewConversion, NewCost, NewDeal, NewRate};
use crate::leads::consent::{self, NewConsent};
use crate::leads::custom_fields::{self, NewCustomField};
use crate::leads::lead::{self, ExternalId, ItemOutcome, LeadChange, Patch, UpsertMode};
use crate::leads::notes::{self, NewNote};
use crate::leads::tags::{self, NewTag};
use crate::leads::visible::Visible;

/// Leads or engagements of one transaction.
const BATCH: usize = 1_000;
/// Deals that are opened.
const MOST_DEALS: usize = 80;
/// How often it is asked whether derived state has caught up.
const LOOK: Duration = Duration::from_millis(5);
/// How long no handler may move before the filling is given up.
const STUCK: Duration = Duration::from_secs(120);

/// How far the filling is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filled {
    /// Leads created.
    pub leads: u64,
    /// Engagements recorded, repeated ones left out.
    pub engagements: u64,
    /// Conversions recorded.
    pub conversions: u64,
    /// The parts done, of [`Filled::parts`].
    pub part: u64,
    /// All parts.
    pub parts: u64,
}

/// Fills the database; `told` hears how far it is.
///
/// `handlers` are those that run meanwhile, in this process or another, and are waited for after each step.
///
/// # Errors
/// The database's; a row of the data that a service refuses, as that is a fault of the data.
pub async fn fill(
    app: &App,
    caller: &Caller,
    set: DataSet,
    handlers: &[Arc<dyn Handler>],
    told: &mut (dyn FnMut(Filled) + Send),
) -> Result<Filled, Error> {
    // Each step goes through all stories so far: with many leads that costs more than small steps are worth.
    let step = if set.leads <= 20_000 { 6 } else { 30 };
    let steps = u64::try_from(DAYS / step).expect("a few");
    let mut filling = Filling {
        app,
        caller,
        set,
        ids: Vec::new(),
        next: Vec::new(),
        tags: HashMap::new(),
        moves: Vec::new(),
        filled: Filled {
            parts: steps * PARTS,
            ..Filled::default()
        },
        told,
    };
    app.clock().set(set.first_day().start());
    filling.define().await?;
    for n in 0..DAYS / step {
        let from = Day(set.first_day().0 + n * step);
        let to = Day(from.0 + step);
        app.clock().set(to.start());
        filling.people(to).await?;
        filling.stories(from, to).await?;
        settled(app, handlers).await?;
        if !filling.moves.is_empty() {
            filling.moves().await?;
            settled(app, handlers).await?;
        }
        filling.filled.part = (u64::try_from(n).expect("not negative") + 1) * PARTS;
        (filling.told)(filling.filled);
    }
    filling.money().await?;
    filling.deals().await?;
    settled(app, handlers).await?;
    Ok(filling.filled)
}

/// Into how many parts a step is divided, for the progress.
const PARTS: u64 = 100;

struct Filling<'a> {
    app: &'a App,
    caller: &'a Caller,
    set: DataSet,
    /// By number of the lead.
    ids: Vec<LeadId>,
    /// By number of the lead: the day on which its story goes on.
    next: Vec<Day>,
    /// By name.
    tags: HashMap<&'static str, TagId>,
    /// Moves by hand that wait until the automatic ones are made.
    moves: Vec<StageChange>,
    filled: Filled,
    told: &'a mut (dyn FnMut(Filled) + Send),
}

/// What is recorded in one transaction.
#[derive(Default)]
struct Batch {
    consents: Vec<NewConsent>,
    engagements: Vec<NewEngagement>,
    conversions: Vec<NewConversion>,
    changes: Vec<LeadChange>,
    notes: Vec<NewNote>,
    tags: Vec<(LeadId, TagId)>,
}

impl Filling<'_> {
    /// Custom fields and tags.
    async fn define(&mut self) -> Result<(), Error> {
        for field in FIELDS {
            let FieldDefinition {
                key,
                label,
                field_type,
                options,
                description,
            } = *field;
            let new = NewCustomField {
                key: key.to_owned(),
                label: Some(label.to_owned()),
                field_type,
                options: options.iter().map(|option| (*option).to_owned()).collect(),
                required: false,
                description: Some(description.to_owned()),
            };
            expected(
                "custom field",
                key,
                custom_fields::create(self.app, self.caller, new, None).await,
            )?;
        }
        for tag in TAGS {
            let TagDefinition {
                name,
                colour,
                category,
                description,
            } = *tag;
            let new = NewTag {
                name: name.to_owned(),
                colour: Some(colour.to_owned()),
                category: Some(category.to_owned()),
                description: Some(description.to_owned()),
            };
            let made = expected("tag", name, tags::create(self.app, self.caller, new, None).await)?;
            self.tags.insert(name, made.id);
        }
        Ok(())
    }

    /// What was spent, and what currencies were worth. The job that tells amounts anew is done by whoever works next.
    async fn money(&mut self) -> Result<(), Error> {
        let rates = self.set.rates().map(|rate| NewRate {
            currency: rate.currency.to_owned(),
            day: rate.day,
            rate: Decimal::new(rate.milli, 3),
        });
        let (answers, _) = revenue::record_rates(self.app, self.caller, rates.collect(), None).await?;
        for answer in answers {
            answer.map_err(|problems| refused("rate", "of exchange", &problems))?;
        }
        let costs = self.set.spent().map(|spent| NewCost {
            kind: CostKind::AdSpend,
            amount_minor: spent.cents,
            currency: "EUR".to_owned(),
            day: spent.day,
            source: Some(spent.source.to_owned()),
            campaign: Some(spent.campaign.to_owned()),
            note: None,
            connection_id: None,
            dedupe_key: None,
        });
        let tx = self.app.db().begin().await?;
        let now = self.app.clock().now();
        for answer in revenue::record_costs(&tx, self.caller, now, costs.collect()).await? {
            if let revenue::CostAnswer::Refused(problems) = answer {
                return Err(refused("cost", "of advertising", &problems));
            }
        }
        tx.commit().await?;
        Ok(())
    }

    /// The deals of a few leads: enough for a forecast that rests on what became of earlier ones.
    async fn deals(&mut self) -> Result<(), Error> {
        let stages = revenue::deal_stages(self.app, self.caller).await?.stages;
        for dealt in self.set.deals(MOST_DEALS) {
            let Dealt {
                lead,
                name,
                value: (minor, currency),
                opened_at,
                expected_close,
                came_to,
            } = dealt;
            let lead = usize::try_from(lead).expect("it is there");
            // What was won stands in the order.
            let is_won = matches!(came_to, CameTo::Won(_));
            let new = NewDeal {
                lead_id: self.ids[lead],
                name,
                stage_id: None,
                value_minor: (!is_won).then_some(minor),
                currency: (!is_won).then(|| currency.to_owned()),
                expected_close: Some(expected_close),
                owner: None,
                opened_at: Some(opened_at),
            };
            let deal = expected(
                "deal",
                "",
                revenue::deal_create(self.app, self.caller, new, None).await,
            )?;
            let call = DealCall {
                id: deal.id,
                expected_version: None,
                key: None,
            };
            let further = match came_to {
                CameTo::Stage(stage) => stage,
                CameTo::Won(_) | CameTo::Lost(_) => 1,
            };
            for stage in stages.iter().skip(1).take(further) {
                expected(
                    "deal",
                    &stage.name,
                    revenue::deal_move(self.app, self.caller, call, stage.id).await,
                )?;
            }
            let closing = |at, reason: &str| DealClosing {
                reason: Some(reason.to_owned()),
                closed_at: Some(at),
            };
            match came_to {
                CameTo::Stage(_) => {}
                CameTo::Won(at) => {
                    let won =
                        revenue::deal_win(self.app, self.caller, call, closing(at, "signed for a year"))
                            .await;
                    expected("deal", "won", won)?;
                }
                CameTo::Lost(at) => {
                    let lost =
                        revenue::deal_lose(self.app, self.caller, call, closing(at, "chose another one"))
                            .await;
                    expected("deal", "lost", lost)?;
                }
            }
        }
        Ok(())
    }

    /// The leads that become known before a day.
    async fn people(&mut self, before: Day) -> Result<(), Error> {
        let now = self.app.clock().now();
        let end = self.set.leads_before(before);
        while (self.ids.len() as u64) < end {
            let from = self.ids.len() as u64;
            let to = end.min(from + BATCH as u64);
            let people: Vec<Person> = (from..to).map(|n| self.set.person(n)).collect();
            let changes: Vec<LeadChange> = people.iter().map(lead_change).collect();
            let tx = self.app.db().begin().await?;
            let outcomes =
                lead::upsert_many(&tx, self.app, self.caller, now, changes, UpsertMode::Create).await?;
            for (person, outcome) in people.iter().zip(outcomes) {
                match outcome {
                    ItemOutcome::Created(id) => {
                        self.ids.push(id);
                        self.next.push(person.created_at.day());
                    }
                    other => return Err(refused("lead", &person.external_id, &other)),
                }
            }
            let first = self.ids.len() - people.len();
            let mut hung = Vec::new();
            for (person, id) in people.iter().zip(&self.ids[first..]) {
                hung.extend(person.tags.iter().map(|name| (*id, self.tags[name])));
            }
            let log = tags::assign_many(&tx, now, &hung).await?;
            events::append(&tx, &self.caller.actor.id, now, log).await?;
            tx.commit().await?;
            self.filled.leads = to;
            (self.told)(self.filled);
        }
        Ok(())
    }

    /// What arrives from one day up to another.
    async fn stories(&mut self, from: Day, to: Day) -> Result<(), Error> {
        let (start, end) = (from.start(), to.start());
        let count = self.ids.len();
        let part = self.filled.part;
        let mut batch = Batch::default();
        for n in 0..count {
            if self.next[n] >= to {
                continue;
            }
            let DemoLead { person, steps, .. } = self.set.lead(n as u64);
            self.next[n] = steps
                .iter()
                .find(|step| step.arrives_at >= end)
                .map_or(Day(i32::MAX), |step| step.arrives_at.day());
            for step in steps {
                if step.arrives_at >= start && step.arrives_at < end {
                    self.take(&mut batch, n, &person, step.what);
                }
            }
            if batch.engagements.len() >= BATCH {
                self.record(mem::take(&mut batch)).await?;
                self.filled.part = part + PARTS * n as u64 / count as u64;
                (self.told)(self.filled);
            }
        }
        self.record(batch).await
    }

    fn take(&mut self, batch: &mut Batch, n: usize, person: &Person, what: What) {
        let lead_id = self.ids[n];
        match what {
            What::Engaged(draft) => batch.engagements.push(NewEngagement {
                lead: LeadKey::Id(lead_id),
                draft: *draft,
            }),
            What::Dealt {
                stage,
                value_minor,
                expected_close,
            } => batch.changes.push(LeadChange {
                id: Some(lead_id),
                ..deal(person.currency, stage, value_minor, expected_close)
            }),
            What::Moved { to, reason } => self.moves.push(StageChange {
                lead_id,
                stage: to,
                reason: reason.to_owned(),
                at: None,
            }),
            What::Consented {
                channel,
                purpose,
                state,
                at,
                source,
                wording,
                ip,
                user_agent,
            } => batch.consents.push(NewConsent {
                lead_id,
                channel,
                purpose,
                state,
                at: Some(at),
                source: Some(source.to_owned()),
                wording: Some(wording.to_owned()),
                ip: Some(ip),
                user_agent: Some(user_agent.to_owned()),
            }),
            What::Noted { body, pinned } => batch.notes.push(NewNote {
                lead_id,
                body,
                pinned,
                at: None,
            }),
            What::Tagged { tag } => batch.tags.push((lead_id, self.tags[tag])),
            What::Converted {
                kind,
                value_minor,
                at,
                dedupe_key,
            } => batch.conversions.push(NewConversion {
                lead: LeadKey::Id(lead_id),
                kind,
                custom_name: None,
                currency: value_minor.map(|_| person.currency.to_owned()),
                value_minor,
                metadata: serde_json::Map::new(),
                occurred_at: at,
                dedupe_key: Some(dedupe_key),
            }),
        }
    }

    async fn record(&mut self, batch: Batch) -> Result<(), Error> {
        let Batch {
            consents,
            engagements,
            conversions,
            changes,
            notes,
            tags: hung,
        } = batch;
        let now = self.app.clock().now();
        let actor = &self.caller.actor.id;
        let tx = self.app.db().begin().await?;
        let said = consent::record_many(&tx, actor, now, &consents).await?;
        if let Some(wrong) = said.records.iter().find(|record| record.is_err()) {
            return Err(refused("consent", "", wrong));
        }
        let mut log = said.events;
        let answers = engagement::record_many(&tx, self.caller, &Visible::all(), now, engagements).await?;
        for answer in answers {
            match answer {
                engagement::Answer::Recorded(_) => self.filled.engagements += 1,
                engagement::Answer::Duplicate(_) => {}
                engagement::Answer::Refused(problems) => return Err(refused("engagement", "", &problems)),
            }
        }
        for answer in revenue::record_many(&tx, self.caller, &Visible::all(), now, conversions).await? {
            match answer {
                revenue::Answer::Recorded(_) => self.filled.conversions += 1,
                revenue::Answer::Duplicate(_) => {}
                revenue::Answer::Refused(problems) => return Err(refused("conversion", "", &problems)),
            }
        }
        let outcomes =
            lead::upsert_many(&tx, self.app, self.caller, now, changes, UpsertMode::Update).await?;
        if let Some(wrong) = outcomes.iter().find(|outcome| outcome.lead_id().is_none()) {
            return Err(refused("deal", "", wrong));
        }
        let (noted, wrong) = notes::add_many(&tx, actor, now, notes).await?;
        if let Some(wrong) = wrong.first() {
            return Err(refused("note", "", wrong));
        }
        log.extend(noted);
        log.extend(tags::assign_many(&tx, now, &hung).await?);
        events::append(&tx, actor, now, log).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Moves by hand, after what moves leads by itself.
    async fn moves(&mut self) -> Result<(), Error> {
        let moves = mem::take(&mut self.moves);
        for chunk in moves.chunks(lifecycle::MOST_AT_ONCE) {
            let changed = lifecycle::change_stages(self.app, self.caller, chunk.to_vec(), None).await?;
            for (change, outcome) in chunk.iter().zip(changed) {
                outcome.map_err(|problems| refused("move", &change.lead_id.to_string(), &problems))?;
            }
        }
        Ok(())
    }
}

/// What a new lead of the data set is, as the service takes it.
pub(super) fn lead_change(person: &Person) -> LeadChange {
    let Person {
        created_at,
        external_id,
        email,
        phone,
        first_name,
        last_name,
        company_name,
        job_title,
        website,
        street,
        city,
        region,
        postal_code,
        country,
        time_zone,
        language,
        currency: _,
        customer_type,
        interests,
        custom,
        source,
        source_detail,
        owner,
        tags: _,
        utc_offset: _,
        promise: _,
        behind_gateway: _,
        reads_mail: _,
    } = person;
    let text = |value: &Option<String>| Patch::or_keep(value.clone());
    let word = |value: &Option<&'static str>| Patch::or_keep(value.map(str::to_owned));
    LeadChange {
        email: text(email),
        phone: text(phone),
        first_name: text(first_name),
        last_name: text(last_name),
        company_name: text(company_name),
        job_title: text(job_title),
        website: text(website),
        street: text(street),
        city: word(city),
        region: word(region),
        postal_code: text(postal_code),
        country: word(&Some(country)),
        time_zone: word(&Some(time_zone)),
        language: word(&Some(language)),
        customer_type: word(customer_type),
        interests: Patch::Set(interests.iter().map(|interest| (*interest).to_owned()).collect()),
        custom: owned(custom),
        source: word(source),
        source_detail: owned(source_detail),
        owner: word(owner),
        external_ids: vec![external(external_id)],
        created_at: Some(*created_at),
        // A test holds the data set to it.
        contact_is_normal: true,
        ..LeadChange::default()
    }
}

/// The identity by which each lead of the data set is known.
pub(super) fn external(value: &str) -> ExternalId {
    ExternalId {
        namespace: NAMESPACE.to_owned(),
        value: value.to_owned(),
    }
}

fn owned(pairs: &[(&'static str, serde_json::Value)]) -> Vec<(String, Option<serde_json::Value>)> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), Some(value.clone())))
        .collect()
}

/// What a deal changes of its lead.
pub(super) fn deal(currency: &str, stage: &str, value_minor: i64, expected_close: Day) -> LeadChange {
    // The yen has no minor unit.
    let scale = if currency == "JPY" { 0 } else { 2 };
    LeadChange {
        deal_stage: Patch::Set(stage.to_owned()),
        deal_value: Patch::Set(Decimal::new(value_minor, scale)),
        deal_currency: Patch::Set(currency.to_owned()),
        expected_close: Patch::Set(expected_close),
        ..LeadChange::default()
    }
}

fn refused(what: &str, which: &str, why: &dyn std::fmt::Debug) -> Error {
    Error::internal(anyhow::anyhow!(
        "a {what} of the data {which} was refused: {why:?}"
    ))
}

/// The result of a use case that has no reason to refuse.
pub(super) fn expected<T, C: std::fmt::Debug>(
    what: &str,
    which: &str,
    outcome: Outcome<T, C>,
) -> Result<T, Error> {
    outcome.map_err(|failure| match failure {
        Failure::Problems(problems) => refused(what, which, &problems),
        Failure::Error(error) => error,
    })
}

/// Waits until the handlers have handled all there is.
///
/// # Errors
/// The database's; when nothing has moved for a while.
pub async fn settled(app: &App, handlers: &[Arc<dyn Handler>]) -> Result<(), Error> {
    let mut waited = Duration::ZERO;
    let mut seen = None;
    loop {
        let behind = behind(app, handlers).await?;
        if behind.is_empty() {
            return Ok(());
        }
        if seen.as_ref() == Some(&behind) {
            waited += LOOK;
        } else {
            waited = Duration::ZERO;
            seen = Some(behind);
        }
        if waited > STUCK {
            let message = "derived state does not catch up: see the log for the handler that fails";
            return Err(Error::Unavailable(message.into()));
        }
        tokio::time::sleep(LOOK).await;
    }
}
