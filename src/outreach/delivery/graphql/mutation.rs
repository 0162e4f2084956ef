//! Messages sent, and who is not written to.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use entity::id::{ConnectionId, LeadId, MessageId, SuppressionId};
use entity::{MessageChannel, MessagePurpose};

use super::{Message, Suppression};
use crate::api::types::{Access, scoped, user_errors};
use crate::db::CallKey;
use crate::error::{Outcome, Problem};
use crate::outreach::delivery::{self as room, Content, MessageDraft, MessageProblem, Recipient};

user_errors!(
    /// An expected failure of a call about messages.
    MessageUserError,
    MessageProblem
);

/// A mail.
#[derive(InputObject, Debug)]
struct EmailInput {
    /// Its subject: one line, up to 998 characters.
    subject: String,
    /// As plain text.
    text: Option<String>,
    /// As HTML. One of the two is needed; together they have up to 200,000 bytes.
    html: Option<String>,
    /// Where answers go; to the sender without it.
    reply_to: Option<String>,
}

/// A text message.
#[derive(InputObject, Debug)]
struct SmsInput {
    /// What it says; as long as the platform takes.
    text: String,
}

/// A WhatsApp message within the 24 hours after the lead wrote.
#[derive(InputObject, Debug)]
struct WhatsAppInput {
    /// What it says.
    text: String,
}

/// A value that a template is filled in with.
#[derive(InputObject, Debug)]
struct MessageVariableInput {
    /// Its name, as the template calls it.
    name: String,
    /// The value.
    value: String,
}

/// A WhatsApp message by a template that the platform has approved.
#[derive(InputObject, Debug)]
struct WhatsAppTemplateInput {
    /// The platform's id of the template.
    template: String,
    /// What it is filled in with, up to 100 values.
    #[graphql(default)]
    variables: Vec<MessageVariableInput>,
}

/// A call that reads a text out.
#[derive(InputObject, Debug)]
struct VoiceInput {
    /// What is said.
    text: String,
    /// In which language, e.g. `en-GB`.
    language: Option<String>,
}

/// What a message says: exactly one of these. It decides the channel.
#[derive(InputObject, Debug)]
struct MessageContentInput {
    /// A mail.
    email: Option<EmailInput>,
    /// A text message.
    sms: Option<SmsInput>,
    /// WhatsApp within the 24 hours after the lead wrote.
    whats_app: Option<WhatsAppInput>,
    /// WhatsApp by a template.
    whats_app_template: Option<WhatsAppTemplateInput>,
    /// A call that reads a text out.
    voice: Option<VoiceInput>,
}

/// A message to be sent.
#[derive(InputObject, Debug)]
struct MessageSendInput {
    /// By which connection.
    connection_id: ConnectionId,
    /// To this lead, at its primary address or number.
    lead_id: Option<LeadId>,
    /// To this address or number, in place of a lead. The lead that is known by it is written to, where there is one.
    to: Option<String>,
    /// What it says.
    content: MessageContentInput,
    /// From which address (`Sam <sam@example.org>`) or number; not needed where the connection has a sender of its own.
    from: Option<String>,
    /// What it is for. MARKETING needs a consent that was GRANTED; TRANSACTIONAL goes unless it was DENIED or WITHDRAWN.
    purpose: MessagePurpose,
    /// The message that it answers.
    in_reply_to: Option<MessageId>,
    /// The same key and input again give the same answer; kept 7 days.
    idempotency_key: Option<String>,
}

/// Which message is sent again.
#[derive(InputObject, Debug)]
struct MessageResendInput {
    /// The message's id.
    id: MessageId,
    /// The same key and input again give the same answer; kept 7 days.
    idempotency_key: Option<String>,
}

/// Who is to be written to no more.
#[derive(InputObject)]
struct SuppressionAddInput {
    /// By which channel.
    channel: MessageChannel,
    /// The address or number.
    address: String,
    /// Why, in up to 500 characters.
    note: Option<String>,
}

/// Which suppression is lifted.
#[derive(InputObject)]
struct SuppressionRemoveInput {
    /// The suppression's id.
    id: SuppressionId,
}

/// The answer of calls about a message.
#[derive(SimpleObject)]
struct MessagePayload {
    /// The message; null when there are user errors.
    message: Option<Message>,
    /// What was wrong with the input.
    user_errors: Vec<MessageUserError>,
}

/// The answer of calls about a suppression.
#[derive(SimpleObject)]
struct SuppressionPayload {
    /// The suppression; null when there are user errors.
    suppression: Option<Suppression>,
    /// What was wrong with the input.
    user_errors: Vec<MessageUserError>,
}

fn wrong(field: &str, code: MessageProblem, message: &str) -> Problem<MessageProblem> {
    Problem::new(field, code, message)
}

impl MessageContentInput {
    fn content(self) -> Result<Content, Problem<MessageProblem>> {
        let Self {
            email,
            sms,
            whats_app,
            whats_app_template,
            voice,
        } = self;
        let email = email.map(|email| {
            let EmailInput {
                subject,
                text,
                html,
                reply_to,
            } = email;
            Content::Email {
                subject,
                text,
                html,
                reply_to,
            }
        });
        let sms = sms.map(|SmsInput { text }| Content::Sms { text });
        let free = whats_app.map(|WhatsAppInput { text }| Content::WhatsApp { text });
        let template = whats_app_template.map(|given| {
            let WhatsAppTemplateInput { template, variables } = given;
            Content::WhatsAppTemplate {
                template,
                variables: variables
                    .into_iter()
                    .map(|MessageVariableInput { name, value }| (name, value))
                    .collect(),
            }
        });
        let voice = voice.map(|VoiceInput { text, language }| Content::Voice { text, language });
        let mut given = [email, sms, free, template, voice].into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(content), None) => Ok(content),
            _ => Err(wrong(
                "content",
                MessageProblem::InvalidContent,
                "exactly one of `email`, `sms`, `whatsApp`, `whatsAppTemplate`, `voice` is given",
            )),
        }
    }
}

impl MessageSendInput {
    fn draft(self) -> Result<MessageDraft, Problem<MessageProblem>> {
        let Self {
            connection_id,
            lead_id,
            to,
            content,
            from,
            purpose,
            in_reply_to,
            idempotency_key: _,
        } = self;
        let to = match (lead_id, to) {
            (Some(lead), None) => Recipient::Lead(lead),
            (None, Some(address)) => Recipient::Address(address),
            _ => {
                let message = "a message has one recipient: `leadId` or `to`";
                return Err(wrong("to", MessageProblem::NoAddress, message));
            }
        };
        Ok(MessageDraft {
            connection: connection_id,
            to,
            from,
            content: content.content()?,
            purpose,
            in_reply_to,
        })
    }
}

fn shown(outcome: Outcome<room::Message, MessageProblem>) -> Result<MessagePayload> {
    let (message, user_errors) = MessageUserError::split(outcome)?;
    Ok(MessagePayload {
        message: message.map(Message),
        user_errors,
    })
}

fn suppressed(outcome: Outcome<room::Suppression, MessageProblem>) -> Result<SuppressionPayload> {
    let (suppression, user_errors) = MessageUserError::split(outcome)?;
    Ok(SuppressionPayload {
        suppression: suppression.map(Suppression),
        user_errors,
    })
}

/// Changes of messages and suppressions.
#[derive(Default)]
pub struct MessageMutation;

#[scoped]
#[Object]
impl MessageMutation {
    /// Sends a message to a lead or an address. It is queued, and handed over once; `messageChanged` tells what becomes of it.
    #[scope("messages:write")]
    async fn message_send(&self, ctx: &Context<'_>, input: MessageSendInput) -> Result<MessagePayload> {
        let (app, caller) = (ctx.app(), ctx.caller()?);
        let key = CallKey::of(input.idempotency_key.as_ref(), &input);
        let outcome = match input.draft() {
            Ok(draft) => room::send(app, caller, ctx.public_url(), draft, key.as_ref()).await,
            Err(problem) => Err(problem.into()),
        };
        shown(outcome)
    }

    /// Sends a message again that is FAILED or UNKNOWN. Of an UNKNOWN one nobody knows whether it was sent: the recipient may
    /// get it twice.
    #[scope("messages:write")]
    async fn message_resend(&self, ctx: &Context<'_>, input: MessageResendInput) -> Result<MessagePayload> {
        let (app, caller) = (ctx.app(), ctx.caller()?);
        let key = CallKey::of(input.idempotency_key.as_ref(), &input);
        shown(room::resend(app, caller, input.id, key.as_ref()).await)
    }

    /// Has an address or number be written to no more. Twice is as once.
    #[scope("messages:write", all_rows)]
    async fn suppression_add(
        &self,
        ctx: &Context<'_>,
        input: SuppressionAddInput,
    ) -> Result<SuppressionPayload> {
        let SuppressionAddInput {
            channel,
            address,
            note,
        } = input;
        let (app, caller) = (ctx.app(), ctx.caller()?);
        suppressed(room::add(app, caller, channel, &address, note.as_deref()).await)
    }

    /// Lifts a suppression, whatever its reason: you answer for it. Twice is as once.
    #[scope("messages:write", all_rows)]
    async fn suppression_remove(
        &self,
        ctx: &Context<'_>,
        input: SuppressionRemoveInput,
    ) -> Result<SuppressionPayload> {
        suppressed(room::remove(ctx.app(), ctx.caller()?, input.id).await)
    }
}
