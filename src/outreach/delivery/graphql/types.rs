//! Messages and suppressions, as clients see them.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, Object, Result, SimpleObject};
use entity::id::{ConnectionId, LeadId, MessageId, SuppressionId};
use entity::{
    Area, MessageChannel, MessageDirection, MessagePurpose, MessageState, MessageStep as Step,
    SuppressionReason, Timestamp,
};

use crate::api::types::{Access, Pages, page_request, scoped};
use crate::api::{Eager, Lead};
use crate::app::App;
use crate::db::Page;
use crate::error::Error;
use crate::identity::{Rows, Scope};
use crate::leads::lead::graphql::load as load_lead;
use crate::leads::visible::by_rows;
use crate::outreach::delivery::{self as room, Details, MessageFilter};

/// A message.
pub struct Message(pub room::Message);

/// An address that is not written to.
pub struct Suppression(pub room::Suppression);

/// Loads messages, their histories and those of leads for all requests together.
pub struct MessageLoader(pub App);

/// The history of a message.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HistoryOf(pub MessageId);

/// A page of the messages of a lead.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MessagesOf(pub LeadId, pub Pages);

impl Loader<(Rows, MessageId)> for MessageLoader {
    type Value = room::Message;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[(Rows, MessageId)],
    ) -> std::result::Result<HashMap<(Rows, MessageId), room::Message>, Arc<Error>> {
        let mut all = HashMap::with_capacity(keys.len());
        for (rows, ids) in by_rows(keys) {
            let found = room::get_many(&self.0, rows, &ids).await.map_err(Arc::new)?;
            all.extend(found.into_iter().map(|(id, row)| ((rows.clone(), id), row)));
        }
        Ok(all)
    }
}

impl Loader<HistoryOf> for MessageLoader {
    type Value = Vec<room::Step>;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[HistoryOf],
    ) -> std::result::Result<HashMap<HistoryOf, Vec<room::Step>>, Arc<Error>> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let found = room::histories(&self.0, &ids).await.map_err(Arc::new)?;
        Ok(found
            .into_iter()
            .map(|(id, steps)| (HistoryOf(id), steps))
            .collect())
    }
}

impl Loader<MessagesOf> for MessageLoader {
    type Value = Page<room::Message>;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[MessagesOf],
    ) -> std::result::Result<HashMap<MessagesOf, Self::Value>, Arc<Error>> {
        // Leads of one list ask for the same page of their messages: one statement.
        let mut alike: HashMap<&Pages, Vec<LeadId>> = HashMap::new();
        for MessagesOf(lead, pages) in keys {
            alike.entry(pages).or_default().push(*lead);
        }
        let mut found = HashMap::with_capacity(keys.len());
        for (pages, leads) in alike {
            let request = page_request(pages, MessageFilter::ORDER).map_err(Arc::new)?;
            let lists = room::of_leads(&self.0, &leads, &request)
                .await
                .map_err(Arc::new)?;
            found.extend(
                lists
                    .into_iter()
                    .map(|(lead, page)| (MessagesOf(lead, pages.clone()), page)),
            );
        }
        Ok(found)
    }
}

/// A message of those that the caller sees.
pub async fn load(ctx: &Context<'_>, id: MessageId) -> Result<Option<Message>> {
    let caller = ctx.caller()?;
    caller.require(Scope::Read(Area::Messages))?;
    let loader = ctx.data_unchecked::<DataLoader<MessageLoader>>();
    let found = loader.load_one((caller.rows.clone(), id)).await?;
    Ok(found.map(Message))
}

/// Why a message was not sent or not delivered, or what holds it up.
#[derive(SimpleObject)]
struct MessageFailure {
    /// What kind: the platform's failure (`THROTTLED`, `RECIPIENT_UNKNOWN` …), the state that it was told as, or
    /// `NOT_PERMITTED`, `NOT_TAKEN`, `EXPIRED`, `CONNECTION_GONE`, `LEAD_GONE`, `LEAD_ERASED`.
    kind: String,
    /// In words; null once the lead was erased.
    message: Option<String>,
    /// The platform's code.
    code: Option<String>,
}

/// Something that became of a message.
#[derive(SimpleObject)]
struct MessageHistoryEntry {
    /// What.
    step: Step,
    /// When it happened.
    at: Timestamp,
    /// When it was known here.
    recorded_at: Timestamp,
    /// The platform's code.
    code: Option<String>,
    /// The platform's, or the receiving server's, own words.
    detail: Option<String>,
    /// The link that was followed.
    url: Option<String>,
}

/// A value that a template is filled in with.
#[derive(SimpleObject)]
struct MessageVariable {
    /// Its name.
    name: String,
    /// The value.
    value: String,
}

impl Message {
    fn details(&self) -> Result<Details> {
        Ok(serde_json::from_str(&self.0.details).map_err(Error::from)?)
    }

    fn is_outbound(&self) -> bool {
        self.0.direction == MessageDirection::Outbound
    }
}

#[scoped]
#[Object]
impl Message {
    /// The message's id.
    async fn id(&self) -> MessageId {
        self.0.id
    }
    /// The connection that it goes or came by.
    async fn connection_id(&self) -> ConnectionId {
        self.0.connection_id
    }
    /// The lead; null where it is not known, or is deleted.
    #[scope("leads:read")]
    async fn lead(&self, ctx: &Context<'_>) -> Result<Option<Eager<Lead>>> {
        match self.0.lead_id {
            Some(id) => load_lead(ctx, id).await,
            None => Ok(None),
        }
    }
    /// Which way it goes.
    async fn direction(&self) -> MessageDirection {
        self.0.direction
    }
    /// What it goes by.
    async fn channel(&self) -> MessageChannel {
        self.0.channel
    }
    /// What it is for; null of what came in.
    async fn purpose(&self) -> Option<MessagePurpose> {
        self.0.purpose
    }
    /// What has become of it.
    async fn state(&self) -> MessageState {
        self.0.state
    }
    /// The sender; null where the platform chooses it, and once the lead was erased.
    async fn from(&self) -> Option<&str> {
        let from = if self.is_outbound() {
            self.0.own_address.as_deref()
        } else {
            self.0.address.as_deref()
        };
        from.filter(|from| !from.is_empty())
    }
    /// The recipient; null once the lead was erased.
    async fn to(&self) -> Option<&str> {
        if self.is_outbound() {
            self.0.address.as_deref()
        } else {
            self.0.own_address.as_deref()
        }
    }
    /// The name of the other, where it is known.
    async fn name(&self) -> Result<Option<String>> {
        Ok(self.details()?.name)
    }
    /// The subject of a mail.
    async fn subject(&self) -> Option<&str> {
        self.0.subject.as_deref()
    }
    /// What it says, as text.
    async fn text(&self) -> Option<&str> {
        self.0.body.as_deref()
    }
    /// What it says, as HTML; as it was given: whoever shows it has to make it harmless.
    async fn html(&self) -> Option<&str> {
        self.0.html.as_deref()
    }
    /// Where answers go.
    async fn reply_to(&self) -> Result<Option<String>> {
        Ok(self.details()?.reply_to)
    }
    /// The platform's id of the template.
    async fn template(&self) -> Result<Option<String>> {
        Ok(self.details()?.template)
    }
    /// What the template is filled in with.
    async fn variables(&self) -> Result<Vec<MessageVariable>> {
        let variables = self.details()?.variables.into_iter();
        Ok(variables
            .map(|(name, value)| MessageVariable { name, value })
            .collect())
    }
    /// The language that a text is read out in, e.g. `en-GB`.
    async fn language(&self) -> Result<Option<String>> {
        Ok(self.details()?.language)
    }
    /// Where pictures that came with it are.
    async fn media_urls(&self) -> Result<Vec<String>> {
        Ok(self.details()?.media)
    }
    /// The word that it is as a whole: `STOP`, `START` or `HELP`.
    async fn keyword(&self) -> Result<Option<String>> {
        Ok(self.details()?.keyword)
    }
    /// The `Message-ID` of a mail, without angle brackets.
    async fn internet_message_id(&self) -> Option<&str> {
        self.0.internet_id.as_deref()
    }
    /// The platform's id of it; null where it tells none, or not yet.
    async fn external_id(&self) -> Option<&str> {
        self.0.platform_id.as_deref()
    }
    /// The message that it answers.
    async fn answers(&self, ctx: &Context<'_>) -> Result<Option<Message>> {
        match self.0.answers_id {
            Some(id) => load(ctx, id).await,
            None => Ok(None),
        }
    }
    /// The message that it is sent again for.
    async fn resend_of(&self, ctx: &Context<'_>) -> Result<Option<Message>> {
        match self.0.resend_of {
            Some(id) => load(ctx, id).await,
            None => Ok(None),
        }
    }
    /// Into how many parts a text message was cut, where the platform tells.
    async fn segments(&self) -> Option<i32> {
        self.0.segments
    }
    /// How often it was opened, by machines too; `engagements` tell how surely it was a person.
    async fn opens(&self) -> i32 {
        self.0.opens
    }
    /// How often a link in it was followed, by machines too.
    async fn clicks(&self) -> i32 {
        self.0.clicks
    }
    /// How often it was handed over; more than once only where the platform had surely not taken it.
    async fn attempts(&self) -> i32 {
        self.0.attempts
    }
    /// The earliest moment at which it is handed over, or the platform asked; null where nothing more is to be done.
    async fn next_attempt_at(&self) -> Option<Timestamp> {
        self.0.due_at
    }
    /// When it was handed over; of what came in: when it was written.
    async fn sent_at(&self) -> Option<Timestamp> {
        self.0.sent_at
    }
    /// Why it was not sent or delivered, or what holds it up; null where all is well.
    async fn failure(&self) -> Option<MessageFailure> {
        let kind = self.0.problem_kind.clone()?;
        Some(MessageFailure {
            kind,
            message: self.0.problem.clone(),
            code: self.0.problem_code.clone(),
        })
    }
    /// All that became of it, the first thing first; at most 500 entries.
    #[graphql(complexity = "10 * child_complexity")]
    async fn history(&self, ctx: &Context<'_>) -> Result<Vec<MessageHistoryEntry>> {
        let loader = ctx.data_unchecked::<DataLoader<MessageLoader>>();
        let steps = loader.load_one(HistoryOf(self.0.id)).await?.unwrap_or_default();
        Ok(steps
            .into_iter()
            .map(|step| MessageHistoryEntry {
                step: step.step,
                at: step.at,
                recorded_at: step.recorded_at,
                code: step.code,
                detail: step.detail,
                url: step.url,
            })
            .collect())
    }
    /// Who asked for it: `token_…`, `user_…`, `operator`; of what came in the connection's id.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }
    /// When it was asked for, or came in.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }
    /// When it changed last.
    async fn updated_at(&self) -> Timestamp {
        self.0.updated_at
    }
}

#[scoped]
#[Object]
impl Suppression {
    /// The suppression's id.
    async fn id(&self) -> SuppressionId {
        self.0.id
    }
    /// By which channel.
    async fn channel(&self) -> MessageChannel {
        self.0.channel
    }
    /// The address or number; null once its lead was erased. It holds all the same.
    async fn address(&self) -> Option<&str> {
        self.0.address.as_deref()
    }
    /// Why.
    async fn reason(&self) -> SuppressionReason {
        self.0.reason
    }
    /// The lead, where it is known.
    #[scope("leads:read")]
    async fn lead(&self, ctx: &Context<'_>) -> Result<Option<Eager<Lead>>> {
        match self.0.lead_id {
            Some(id) => load_lead(ctx, id).await,
            None => Ok(None),
        }
    }
    /// The message that brought it about.
    async fn message(&self, ctx: &Context<'_>) -> Result<Option<Message>> {
        match self.0.message_id {
            Some(id) => load(ctx, id).await,
            None => Ok(None),
        }
    }
    /// Why, in words.
    async fn note(&self) -> Option<&str> {
        self.0.note.as_deref()
    }
    /// Since when it holds.
    async fn since(&self) -> Timestamp {
        self.0.since
    }
    /// When it was lifted; null while it holds.
    async fn lifted_at(&self) -> Option<Timestamp> {
        self.0.lifted_at
    }
    /// Who brought it about: `token_…`, `user_…`, `operator`, `system`, or the connection's id.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }
    /// When it was first written down.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }
}
