//! Consent in GraphQL.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use entity::id::{ConsentId, LeadId};
use entity::{ConsentChannel, ConsentPurpose, ConsentState, Timestamp};

use super::{ConsentProblem, HistoryFilter, NewConsent, ORDER};
use crate::api::types::{Access, Listed, Pages, connection, page_request, scoped, user_errors};
use crate::api::{Eager, Lead};
use crate::app::App;
use crate::db::{CallKey, Page};
use crate::error::Error;
use crate::leads::lead::graphql::load as load_lead;

/// Loads the consents in force of leads for all requests together.
pub struct ConsentLoader(pub App);

impl Loader<LeadId> for ConsentLoader {
    type Value = Vec<super::ConsentRecord>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[LeadId]) -> std::result::Result<HashMap<LeadId, Self::Value>, Arc<Error>> {
        super::in_force(&self.0, keys).await.map_err(Arc::new)
    }
}

/// A page of what was said of a lead's consents.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HistoryPage(LeadId, HistoryFilter, Pages);

impl Loader<HistoryPage> for ConsentLoader {
    type Value = Page<super::ConsentRecord>;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[HistoryPage],
    ) -> std::result::Result<HashMap<HistoryPage, Self::Value>, Arc<Error>> {
        // Leads of one list ask for the same page of their histories: one statement.
        let mut alike: HashMap<_, Vec<LeadId>> = HashMap::new();
        for HistoryPage(lead, filter, pages) in keys {
            alike.entry((*filter, pages)).or_default().push(*lead);
        }
        let mut found = HashMap::with_capacity(keys.len());
        for ((filter, pages), leads) in alike {
            let request = page_request(pages, ORDER).map_err(Arc::new)?;
            let lists = super::histories(&self.0, &leads, &filter, &request).await;
            let lists = lists.map_err(Arc::new)?.into_iter();
            found.extend(lists.map(|(lead, page)| (HistoryPage(lead, filter, pages.clone()), page)));
        }
        Ok(found)
    }
}

/// One word about a consent, with its proof.
pub struct ConsentRecord(pub super::ConsentRecord);

#[Object]
impl ConsentRecord {
    /// The record's id.
    async fn id(&self) -> ConsentId {
        self.0.id
    }
    /// For which channel.
    async fn channel(&self) -> ConsentChannel {
        self.0.channel
    }
    /// For what.
    async fn purpose(&self) -> ConsentPurpose {
        self.0.purpose
    }
    /// Given or not.
    async fn state(&self) -> ConsentState {
        self.0.state
    }
    /// When it was said.
    async fn at(&self) -> Timestamp {
        self.0.at
    }
    /// Where: a form, an import, a call.
    async fn source(&self) -> Option<&str> {
        self.0.source.as_deref()
    }
    /// The text that was agreed to.
    async fn wording(&self) -> Option<&str> {
        self.0.wording.as_deref()
    }
    /// From which IP address.
    async fn ip(&self) -> Option<&str> {
        self.0.ip.as_deref()
    }
    /// With which browser.
    async fn user_agent(&self) -> Option<&str> {
        self.0.user_agent.as_deref()
    }
    /// Who recorded it: `token_…`, `user_…`, `operator`.
    async fn recorded_by(&self) -> &str {
        &self.0.recorded_by
    }
    /// When it was recorded.
    async fn recorded_at(&self) -> Timestamp {
        self.0.recorded_at
    }
}

/// The consent in force for a channel and a purpose.
#[derive(SimpleObject)]
struct Consent {
    /// For which channel.
    channel: ConsentChannel,
    /// For what.
    purpose: ConsentPurpose,
    /// Given or not.
    state: ConsentState,
    /// Since when.
    since: Timestamp,
    /// The word that is in force, with its proof.
    record: ConsentRecord,
}

/// What a lead shows of its consents.
pub struct LeadConsentFields(pub LeadId);

#[scoped]
#[Object]
impl LeadConsentFields {
    /// The consents in force: at most one for each channel and purpose. Where there is none, nothing was ever said.
    #[graphql(complexity = "2 + 2 * child_complexity")]
    async fn consents(&self, ctx: &Context<'_>) -> Result<Vec<Consent>> {
        let loader = ctx.data_unchecked::<DataLoader<ConsentLoader>>();
        let words = loader.load_one(self.0).await?.unwrap_or_default();
        let consent = |word: super::ConsentRecord| Consent {
            channel: word.channel,
            purpose: word.purpose,
            state: word.state,
            since: word.at,
            record: ConsentRecord(word),
        };
        Ok(words.into_iter().map(consent).collect())
    }

    /// All that was ever said of the lead's consents, with its proof; newest first by the moment it was said.
    #[scope("leads:read")]
    #[graphql(complexity = "5 + first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a connection and two filters"
    )]
    async fn consent_history(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only of this channel.")] channel: Option<ConsentChannel>,
        #[graphql(desc = "Only of this purpose.")] purpose: Option<ConsentPurpose>,
    ) -> Result<Listed<ConsentRecord>> {
        let pages = Pages {
            first,
            after,
            last,
            before,
        };
        // Checked here, so that a wrong cursor of one lead is not the trouble of all.
        let request = page_request(&pages, ORDER)?;
        let filter = HistoryFilter { channel, purpose };
        let loader = ctx.data_unchecked::<DataLoader<ConsentLoader>>();
        let page = loader.load_one(HistoryPage(self.0, filter, pages)).await?;
        let page = page.unwrap_or_else(|| Page::new(&request, Vec::new()));
        Ok(connection(page, |word| {
            (super::history_keyset(&word), ConsentRecord(word))
        }))
    }
}

user_errors!(
    /// An expected failure of a call about consent.
    ConsentUserError,
    ConsentProblem
);

/// A word about a consent.
#[derive(InputObject, Debug)]
struct ConsentWordInput {
    /// The lead.
    lead_id: LeadId,
    /// For which channel.
    channel: ConsentChannel,
    /// For what.
    #[graphql(default_with = "ConsentPurpose::Marketing")]
    purpose: ConsentPurpose,
    /// Given or not.
    state: ConsentState,
    /// When it was said; now when not given. The newest by this moment is in force, whatever the order of recording.
    at: Option<Timestamp>,
    /// Where: a form, an import, a call; up to 200 characters.
    source: Option<String>,
    /// The text that was agreed to, up to 5,000 characters.
    wording: Option<String>,
    /// From which IP address.
    ip: Option<String>,
    /// With which browser, up to 500 characters.
    user_agent: Option<String>,
}

/// Words about consents.
#[derive(InputObject, Debug)]
struct ConsentsRecordInput {
    /// The words, up to 1,000.
    consents: Vec<ConsentWordInput>,
    /// The same key and input again give the same answer and are done once; kept 7 days.
    idempotency_key: Option<String>,
}

/// Input of `consentRecord`.
#[derive(InputObject, Debug)]
struct ConsentRecordInput {
    /// The word.
    #[graphql(flatten)]
    word: ConsentWordInput,
    /// The same key and input again give the same answer and are done once; kept 7 days.
    idempotency_key: Option<String>,
}

/// The answer of `consentRecord`, and for each word of `consentsRecord`.
#[derive(SimpleObject)]
struct ConsentRecordPayload {
    /// What was recorded (the first record where the same word was there already); null when there are user errors.
    record: Option<ConsentRecord>,
    /// The lead; null when there are user errors.
    #[graphql(complexity = "1 + child_complexity")]
    lead: Option<Eager<Lead>>,
    /// What was wrong with the input.
    user_errors: Vec<ConsentUserError>,
}

/// What became of one word.
#[derive(SimpleObject)]
struct ConsentsRecordResult {
    /// What was recorded (the first record where the same word was there already); null when there are user errors.
    record: Option<ConsentRecord>,
    /// What was wrong with this word.
    user_errors: Vec<ConsentUserError>,
}

/// The answer of `consentsRecord`.
#[derive(SimpleObject)]
struct ConsentsRecordPayload {
    /// One answer for each word, in the order given; empty when there are user errors.
    results: Vec<ConsentsRecordResult>,
    /// What was wrong with the whole; then nothing was recorded.
    user_errors: Vec<ConsentUserError>,
}

/// Changes of consent.
#[derive(Default)]
pub struct ConsentMutation;

#[scoped]
#[Object]
impl ConsentMutation {
    /// Records that a lead gave, refused or withdrew a consent. The same word with the same proof is recorded once.
    #[scope("leads:write")]
    async fn consent_record(
        &self,
        ctx: &Context<'_>,
        input: ConsentRecordInput,
    ) -> Result<ConsentRecordPayload> {
        let key = CallKey::of(input.idempotency_key.as_ref(), &input);
        let lead_id = input.word.lead_id;
        let outcome = super::record(ctx.app(), ctx.caller()?, &[read(input.word)], key.as_ref()).await;
        let (records, mut user_errors) = ConsentUserError::split(outcome)?;
        let mut record = None;
        match records.into_iter().flatten().next() {
            Some(Ok(word)) => record = Some(ConsentRecord(word)),
            Some(Err(problem)) => user_errors.push(problem.into()),
            None => {}
        }
        let lead = match &record {
            Some(_) => load_lead(ctx, lead_id).await?,
            None => None,
        };
        Ok(ConsentRecordPayload {
            record,
            lead,
            user_errors,
        })
    }

    /// Records up to 1,000 words about consents in one step, with an answer for each.
    #[scope("leads:write")]
    async fn consents_record(
        &self,
        ctx: &Context<'_>,
        input: ConsentsRecordInput,
    ) -> Result<ConsentsRecordPayload> {
        let key = CallKey::of(input.idempotency_key.as_ref(), &input);
        let new: Vec<NewConsent> = input.consents.into_iter().map(read).collect();
        let outcome = super::record(ctx.app(), ctx.caller()?, &new, key.as_ref()).await;
        let (records, user_errors) = ConsentUserError::split(outcome)?;
        let results = records
            .into_iter()
            .flatten()
            .enumerate()
            .map(|(n, record)| match record {
                Ok(word) => ConsentsRecordResult {
                    record: Some(ConsentRecord(word)),
                    user_errors: Vec::new(),
                },
                Err(problem) => ConsentsRecordResult {
                    record: None,
                    user_errors: vec![problem.within(&["consents", &n.to_string()]).into()],
                },
            });
        Ok(ConsentsRecordPayload {
            results: results.collect(),
            user_errors,
        })
    }
}

fn read(input: ConsentWordInput) -> NewConsent {
    let ConsentWordInput {
        lead_id,
        channel,
        purpose,
        state,
        at,
        source,
        wording,
        ip,
        user_agent,
    } = input;
    NewConsent {
        lead_id,
        channel,
        purpose,
        state,
        at,
        source,
        wording,
        ip,
        user_agent,
    }
}
