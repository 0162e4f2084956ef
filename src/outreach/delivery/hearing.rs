//! What platforms tell of messages, and what people write: heard within the transaction that marks the webhook as done.

use async_trait::async_trait;
use entity::id::MessageId;
use entity::{
    EngagementType, MessageChannel, MessageDirection, MessageState, MessageStep, SuppressionReason, SyncKind,
    Timestamp, message_stray,
};
use integrations::facet::{InboundMessage, Keyword, MessageEvent, WebhookEvent};

use super::consenting::{self, Word};
use super::happened::{Happened, Scribe, draft};
use super::model::{Details, MOST_BYTES, cut, kept, moment, ours, reply_of};
use super::suppressing::{self, Cause};
use super::{Message, store};
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;
use crate::insight::engagement::{EngagementDraft, LeadKey, NewEngagement};
use crate::leads::visible::Visible;
use crate::platforms::connections::{Consumer, Items, Live, Written};

/// A text message answers the last one that was sent to its sender within so many seconds: 30 days.
const ANSWERED_WITHIN_SECONDS: i64 = 30 * 86_400;
/// Most pictures of a message.
const MOST_MEDIA: usize = 20;

/// Takes what is told of messages, and messages that come in.
#[derive(Clone, Copy, Debug, Default)]
pub struct MessageConsumer;

#[async_trait]
impl Consumer for MessageConsumer {
    fn kinds(&self) -> &'static [SyncKind] {
        &[]
    }

    async fn write(&self, _: &App, _: &Tx, _: &Live, _: Timestamp, _: &Items) -> Result<Written, Error> {
        Ok(Written::default())
    }

    async fn hear(
        &self,
        app: &App,
        tx: &Tx,
        of: &Live,
        arrived: Timestamp,
        event: &WebhookEvent,
    ) -> Result<bool, Error> {
        let actor = of.row.id.to_string();
        let ear = Ear {
            app,
            of,
            arrived,
            scribe: Scribe {
                tx,
                now: app.clock().now(),
                actor: &actor,
            },
        };
        match event {
            WebhookEvent::Message(event) => ear.told(event).await,
            WebhookEvent::Received(received) => ear.received(received).await,
            _ => Ok(false),
        }
    }
}

struct Ear<'a> {
    app: &'a App,
    of: &'a Live,
    /// What says no moment of its own happened then: it may be heard late.
    arrived: Timestamp,
    scribe: Scribe<'a>,
}

impl Ear<'_> {
    /// Something became of a message; false when it is none of ours.
    async fn told(&self, event: &MessageEvent) -> Result<bool, Error> {
        let Scribe { tx, now, .. } = self.scribe;
        let happened = Happened::told(event, self.arrived);
        if let Some(mut row) = self.of_ours(event).await? {
            if row.platform_id.is_none()
                && row.connection_id == self.of.row.id
                && row.internet_id != event.platform_message
            {
                row.platform_id.clone_from(&event.platform_message);
            }
            self.scribe.apply(&mut row, vec![happened]).await?;
            return Ok(true);
        }
        // The platform may be quicker than the writing down of what it said.
        if let Some(platform_id) = &event.platform_message
            && store::is_sending(tx, self.of.row.id).await?
        {
            let stray = message_stray::Model {
                connection_id: self.of.row.id,
                platform_id: kept(platform_id, 500),
                step_key: happened.key.clone(),
                happened: serde_json::to_string(&happened)?,
                received_at: now,
            };
            store::keep_stray(tx, stray).await?;
        }
        Ok(false)
    }

    async fn of_ours(&self, event: &MessageEvent) -> Result<Option<Message>, Error> {
        let tx = self.scribe.tx;
        // Reports of mail servers come back by another connection than the mail went out by; our id is known to nobody else
        // than who got the mail.
        if let Some(id) = event
            .message
            .as_deref()
            .and_then(|id| id.parse::<MessageId>().ok())
            && let Some(row) = store::locked(tx, id).await?
            && row.direction == MessageDirection::Outbound
        {
            return Ok(Some(row));
        }
        let Some(platform_id) = event.platform_message.as_deref() else {
            return Ok(None);
        };
        if let Some(row) = store::locked_by_platform(tx, self.of.row.id, platform_id).await? {
            return Ok(Some(row));
        }
        // Reports name the mail by its `Message-ID`.
        if platform_id.contains('@') {
            let id = platform_id.trim_matches(['<', '>']);
            return Ok(store::locked_by_internet_id(tx, id).await?);
        }
        Ok(None)
    }

    /// Somebody wrote to us.
    async fn received(&self, received: &InboundMessage) -> Result<bool, Error> {
        let Scribe { tx, actor, .. } = self.scribe;
        let channel = ours(received.channel);
        let normal = suppressing::normal(self.app, channel, &received.from);
        // What is no address (a short code, a name) is kept as it is; nobody is known by it.
        let known = normal.as_ref().ok().cloned();
        let address = normal.unwrap_or_else(|_| kept(received.from.trim(), 500));
        let answered = self.answered(received, channel, known.as_deref()).await?;
        let lead = match &known {
            Some(address) => suppressing::lead_of(tx, &Visible::all(), channel, address).await?,
            None => None,
        };
        let lead = lead.or_else(|| {
            // Who answers from the address that was written to is the lead who was written to.
            let same = answered.as_ref().filter(|answered| answered.address == known);
            same.and_then(|answered| answered.lead_id)
        });
        let at = moment(received.at.map(Timestamp::from), self.arrived);
        let mut row = self.row(received, channel, address, at)?;
        row.lead_id = lead;
        row.answers_id = answered.as_ref().map(|answered| answered.id);
        if !store::insert_received(tx, &row).await? {
            // It was told before.
            return Ok(true);
        }
        self.scribe
            .apply(
                &mut row,
                vec![Happened::new("received", MessageStep::Received, at)],
            )
            .await?;
        let written_to = answered.as_ref().and_then(|answered| {
            // Whoever answers with STOP from another address means the one that was written to, too.
            let address = answered.address.clone()?;
            let is_other = received.keyword == Some(Keyword::Stop) && Some(&address) != known.as_ref();
            is_other.then_some((address, answered.lead_id))
        });
        if let Some(mut answered) = answered {
            let key = format!("reply:{}", row.id);
            self.scribe
                .apply(&mut answered, vec![Happened::new(key, MessageStep::Replied, at)])
                .await?;
        }
        if let (Some(keyword), Some(address)) = (received.keyword, &known) {
            let cause = Cause {
                channel,
                address,
                lead,
                message: Some(row.id),
                note: None,
                at,
                actor,
            };
            self.asked_for(keyword, cause).await?;
            if let Some((address, lead)) = &written_to {
                let cause = Cause {
                    address,
                    lead: *lead,
                    ..cause
                };
                self.asked_for(keyword, cause).await?;
            }
        }
        if received.keyword.is_none()
            && let Some(lead) = lead
        {
            let act = reply(&row, lead, at);
            self.scribe.engage(vec![act]).await?;
        }
        Ok(true)
    }

    fn row(
        &self,
        received: &InboundMessage,
        channel: MessageChannel,
        address: String,
        at: Timestamp,
    ) -> Result<Message, Error> {
        let Scribe { now, actor, .. } = self.scribe;
        let is_mail = channel == MessageChannel::Email;
        let details = Details {
            name: received.from_name.as_deref().map(|name| kept(name, 200)),
            media: received
                .media
                .iter()
                .take(MOST_MEDIA)
                .map(|url| kept(url, 2_000))
                .collect(),
            keyword: received.keyword.map(|keyword| match keyword {
                Keyword::Stop => "STOP".to_owned(),
                Keyword::Start => "START".to_owned(),
                Keyword::Help => "HELP".to_owned(),
            }),
            ..Details::default()
        };
        let references: Vec<&str> = received
            .answers
            .iter()
            .rev()
            .take(20)
            .rev()
            .map(|id| cut(id, 500))
            .collect();
        Ok(Message {
            id: MessageId::at(now),
            connection_id: self.of.row.id,
            lead_id: None,
            direction: MessageDirection::Inbound,
            channel,
            purpose: None,
            state: MessageState::Received,
            address: Some(address),
            own_address: Some(kept(&received.to, 500)),
            subject: received.subject.as_deref().map(|text| kept(text, 2_000)),
            body: Some(kept(&received.text, MOST_BYTES)),
            html: None,
            details: serde_json::to_string(&details)?,
            internet_id: is_mail.then(|| kept(&received.id, 500)),
            platform_id: Some(kept(&received.id, 500)),
            refs: serde_json::to_string(&references)?,
            answers_id: None,
            resend_of: None,
            segments: None,
            link_count: 0,
            steps: 0,
            opens: 0,
            clicks: 0,
            attempts: 0,
            asked: 0,
            due_at: None,
            claim: None,
            sent_at: Some(at),
            problem_kind: None,
            problem: None,
            problem_code: None,
            callback: None,
            created_by: actor.to_owned(),
            created_at: now,
            updated_at: now,
            blanked_at: None,
        })
    }

    /// The message of ours that somebody answers: the one that the answer names; of a text message, the last that went there.
    async fn answered(
        &self,
        received: &InboundMessage,
        channel: MessageChannel,
        address: Option<&str>,
    ) -> Result<Option<Message>, Error> {
        let Scribe { tx, now, .. } = self.scribe;
        for id in received.answers.iter().rev().take(20) {
            let found = if channel == MessageChannel::Email {
                store::locked_by_internet_id(tx, id.trim_matches(['<', '>'])).await?
            } else {
                store::locked_by_platform(tx, self.of.row.id, id).await?
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        match address {
            Some(address) if channel != MessageChannel::Email => {
                let since = now.plus_seconds(-ANSWERED_WITHIN_SECONDS);
                Ok(store::locked_last_to(tx, self.of.row.id, channel, address, since).await?)
            }
            _ => Ok(None),
        }
    }

    /// STOP, START, HELP.
    async fn asked_for(&self, keyword: Keyword, cause: Cause<'_>) -> Result<(), Error> {
        let Scribe { tx, now, actor } = self.scribe;
        let word = |source| {
            cause.lead.map(|lead| Word {
                lead,
                channel: cause.channel,
                at: cause.at,
                source,
                actor,
            })
        };
        match keyword {
            Keyword::Stop => {
                // Whoever answers a mail so wants no more of that kind; a carrier lets nothing pass to a number that says it.
                let is_mail = cause.channel == MessageChannel::Email;
                let reason = if is_mail {
                    SuppressionReason::Unsubscribed
                } else {
                    SuppressionReason::Stop
                };
                suppressing::suppress(tx, now, cause, reason).await?;
                if let Some(word) = word("STOP") {
                    consenting::withdraw(tx, now, word, !is_mail).await?;
                }
            }
            // Anybody can put any sender on a mail: it gives nothing back.
            Keyword::Start if cause.channel == MessageChannel::Email => {}
            Keyword::Start => {
                let reasons = [SuppressionReason::Stop, SuppressionReason::Unsubscribed];
                suppressing::lift(tx, now, cause, &reasons).await?;
                if let Some(word) = word("START") {
                    consenting::give_back(tx, now, word).await?;
                }
            }
            // Who we are is for a person to say.
            Keyword::Help => {}
        }
        Ok(())
    }
}

/// What a message that came in is as an engagement: an answer, or something that the lead wrote of its own accord.
fn reply(row: &Message, lead: entity::id::LeadId, at: Timestamp) -> NewEngagement {
    let is_answer = row.answers_id.is_some() || row.channel != MessageChannel::Email;
    let kind = if is_answer {
        reply_of(row.channel)
    } else {
        EngagementType::Custom
    };
    let draft = EngagementDraft {
        custom_name: (!is_answer).then(|| "e-mail received".to_owned()),
        message_id: Some(row.answers_id.unwrap_or(row.id).to_string()),
        dedupe_key: Some(format!("message:{}:received", row.id)),
        ..draft(row, kind, at)
    };
    NewEngagement {
        lead: LeadKey::Id(lead),
        draft,
    }
}
