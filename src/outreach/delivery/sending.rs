//! Messages asked for: checked, written down with their event, handed over later by the [`Outbox`](super::Outbox).

use entity::id::{ConnectionId, LeadId, MessageId};
use entity::{Area, MessageChannel, MessageDirection, MessagePurpose, MessageState, MessageStep, Timestamp};
use integrations::facet::Messenger;

use super::consenting::permitted;
use super::happened::{Happened, Scribe};
use super::model::{self, Content, Details, MessageProblem, Refused, domain_of, link_count, theirs};
use super::outbox::Wake;
use super::{Message, store, suppressing};
use crate::app::App;
use crate::db::{CallKey, Once, Tx};
use crate::error::{Error, Failure, Outcome, Problem};
use crate::identity::{Caller, Scope};
use crate::leads::visible::Visible;
use crate::platforms::connections::{Live, live, webhook};

/// To whom a message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// A lead, at its primary address or number.
    Lead(LeadId),
    /// An address or number; it is the lead's that is known by it, where there is one.
    Address(String),
}

/// A message that is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageDraft {
    /// By which connection.
    pub connection: ConnectionId,
    /// To whom.
    pub to: Recipient,
    /// From which address or number; that of the connection without one.
    pub from: Option<String>,
    /// What it says.
    pub content: Content,
    /// What it is for.
    pub purpose: MessagePurpose,
    /// The message that it answers.
    pub in_reply_to: Option<MessageId>,
}

fn wrong(field: &str, code: MessageProblem, message: impl Into<String>) -> Problem<MessageProblem> {
    Problem::new(field, code, message)
}

fn refused(field: &str, Refused { code, message }: Refused) -> Failure<MessageProblem> {
    wrong(field, code, message).into()
}

/// Asks for a message: it is written down, and handed over soon.
///
/// # Errors
/// [`MessageProblem`]s; a missing scope `messages:write`; a key used with another input; the database's.
pub async fn send(
    app: &App,
    caller: &Caller,
    public_url: &str,
    draft: MessageDraft,
    key: Option<&CallKey>,
) -> Outcome<Message, MessageProblem> {
    caller.require(Scope::Write(Area::Messages))?;
    let once = Once::new(key, &caller.actor.id, "messageSend")?;
    if key.is_some()
        && let Some(before) = before(app, caller, &once).await?
    {
        return Ok(before);
    }
    let live = connection(app, draft.connection).await?;
    let messenger = messenger(app, &live, draft.content.channel())?;
    let channel = draft.content.channel();
    let limits = messenger.limits(theirs(channel));
    if let Err((field, why)) = draft.content.checked(limits) {
        return Err(refused(field, why));
    }
    if let Content::Email {
        reply_to: Some(reply_to),
        ..
    } = &draft.content
    {
        suppressing::normal(app, channel, bare(reply_to))
            .map_err(|message| wrong("content.email.replyTo", MessageProblem::InvalidAddress, message))?;
    }
    let sender = sender(app, &live, messenger, channel, draft.from.as_deref())?;
    let now = app.clock().now();
    let visible = Visible::of(app, &caller.rows).await?;
    let tx = app.db().begin().await?;
    if let Some(id) = once.before::<MessageId>(&tx, now).await? {
        tx.rollback().await?;
        return made_before(app, caller, id).await.map_err(Failure::from);
    }
    let (lead_id, address, name) = recipient(app, &tx, caller, &visible, channel, &draft.to).await?;
    if let Err(why) = permitted(&tx, lead_id, channel, &address, draft.purpose).await? {
        let field = match &draft.to {
            Recipient::Lead(_) => "leadId",
            Recipient::Address(_) => "to",
        };
        return Err(refused(field, why));
    }
    let answers = match draft.in_reply_to {
        Some(id) => {
            let found = store::find(&*tx, &visible, id).await?;
            let message = || format!("there is no message `{id}`");
            Some(found.ok_or_else(|| wrong("inReplyTo", MessageProblem::NotFound, message()))?)
        }
        None => None,
    };
    let mut row = fresh(now, caller, &live, channel, draft.purpose);
    row.lead_id = lead_id;
    row.address = Some(address);
    row.own_address = Some(sender);
    row.callback = live
        .facets(app)
        .webhooks
        .and_then(|_| webhook::address(public_url, live.row.id))
        .map(String::from);
    say(&mut row, draft.content, name)?;
    if let Some(answers) = answers {
        let mut references: Vec<String> = serde_json::from_str(&answers.refs)?;
        references.extend(answers.internet_id);
        // The oldest and the newest matter (RFC 5322); some servers cut long headers.
        if references.len() > 20 {
            references.drain(1..references.len() - 19);
        }
        row.refs = serde_json::to_string(&references)?;
        row.answers_id = Some(answers.id);
    }
    queue(&tx, now, caller, &mut row).await?;
    once.keep(&tx, &row.id).await?;
    tx.commit().await?;
    app.memory::<Wake>().wake();
    Ok(row)
}

/// Sends a message again that failed, or of which it is not known whether it was sent: somebody's own choice. It is a new
/// message; a mail keeps its `Message-ID`, so that who gets it twice can tell.
///
/// # Errors
/// As [`send`].
pub async fn resend(
    app: &App,
    caller: &Caller,
    id: MessageId,
    key: Option<&CallKey>,
) -> Outcome<Message, MessageProblem> {
    caller.require(Scope::Write(Area::Messages))?;
    let once = Once::new(key, &caller.actor.id, "messageResend")?;
    if key.is_some()
        && let Some(before) = before(app, caller, &once).await?
    {
        return Ok(before);
    }
    let missing = || {
        wrong(
            "id",
            MessageProblem::NotFound,
            format!("there is no message `{id}`"),
        )
    };
    let visible = Visible::of(app, &caller.rows).await?;
    let seen = store::find(app.db().read(), &visible, id)
        .await?
        .ok_or_else(missing)?;
    let live = connection(app, seen.connection_id).await?;
    messenger(app, &live, seen.channel)?;
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    if let Some(id) = once.before::<MessageId>(&tx, now).await? {
        tx.rollback().await?;
        return made_before(app, caller, id).await.map_err(Failure::from);
    }
    let before = store::locked(&tx, id).await?.ok_or_else(missing)?;
    let is_open = matches!(before.state, MessageState::Failed | MessageState::Unknown);
    if before.direction != MessageDirection::Outbound || !is_open || before.blanked_at.is_some() {
        let message = format!(
            "the message is {}{}; only one that is FAILED or UNKNOWN is sent again",
            before.state,
            if before.blanked_at.is_some() {
                " and was erased"
            } else {
                ""
            }
        );
        return Err(wrong("id", MessageProblem::NotResendable, message).into());
    }
    if store::is_resent(&tx, id).await? {
        let message = "it was sent again already; it is that message which may be sent again";
        return Err(wrong("id", MessageProblem::AlreadyResent, message).into());
    }
    let (Some(purpose), Some(address)) = (before.purpose, before.address.clone()) else {
        return Err(wrong("id", MessageProblem::NotResendable, "it has no recipient").into());
    };
    if let Some(lead) = before.lead_id
        && store::reach(&tx, &visible, lead).await?.is_none()
    {
        let message = format!("there is no lead `{lead}`");
        return Err(wrong("id", MessageProblem::LeadNotFound, message).into());
    }
    if let Err(why) = permitted(&tx, before.lead_id, before.channel, &address, purpose).await? {
        return Err(refused("id", why));
    }
    let mut row = Message {
        lead_id: before.lead_id,
        address: before.address,
        own_address: before.own_address,
        subject: before.subject,
        body: before.body,
        html: before.html,
        details: before.details,
        internet_id: before.internet_id,
        refs: before.refs,
        answers_id: before.answers_id,
        link_count: before.link_count,
        callback: before.callback,
        resend_of: Some(before.id),
        ..fresh(now, caller, &live, before.channel, purpose)
    };
    queue(&tx, now, caller, &mut row).await?;
    once.keep(&tx, &row.id).await?;
    tx.commit().await?;
    app.memory::<Wake>().wake();
    Ok(row)
}

async fn before(app: &App, caller: &Caller, once: &Once<'_>) -> Result<Option<Message>, Error> {
    let tx = app.db().begin().await?;
    let id = once.before::<MessageId>(&tx, app.clock().now()).await?;
    tx.rollback().await?;
    match id {
        Some(id) => made_before(app, caller, id).await.map(Some),
        None => Ok(None),
    }
}

async fn made_before(app: &App, caller: &Caller, id: MessageId) -> Result<Message, Error> {
    let visible = Visible::of(app, &caller.rows).await?;
    let found = store::find(app.db().write(), &visible, id).await?;
    found.ok_or_else(|| Error::NotFound(format!("the message `{id}` of this call is gone")))
}

async fn connection(app: &App, id: ConnectionId) -> Outcome<Live, MessageProblem> {
    let Some(live) = live(app, id).await? else {
        let message = format!("there is no connection `{id}`");
        return Err(wrong("connectionId", MessageProblem::ConnectionNotFound, message).into());
    };
    if !live.is_active() {
        let message = format!("the connection is {}; it has to be ACTIVE", live.row.state);
        return Err(wrong("connectionId", MessageProblem::ConnectionNotActive, message).into());
    }
    Ok(live)
}

fn messenger<'a>(
    app: &'a App,
    live: &Live,
    channel: MessageChannel,
) -> Result<&'a dyn Messenger, Problem<MessageProblem>> {
    let no = |message: String| wrong("connectionId", MessageProblem::Unsupported, message);
    let platform = &live.row.platform;
    let messenger = live
        .facets(app)
        .messenger
        .ok_or_else(|| no(format!("{platform} sends no messages")))?;
    let channels = messenger.channels();
    if !channels.contains(&theirs(channel)) {
        let known: Vec<_> = channels
            .iter()
            .map(|known| model::ours(*known).as_str())
            .collect();
        return Err(no(format!(
            "{platform} does not carry {channel}; it carries {}",
            known.join(", ")
        )));
    }
    Ok(messenger)
}

/// The address within `Sam <sam@example.org>`.
fn bare(mailbox: &str) -> &str {
    match mailbox.rsplit_once('<') {
        Some((_, rest)) => rest.trim_end().trim_end_matches('>'),
        None => mailbox,
    }
}

fn sender(
    app: &App,
    live: &Live,
    messenger: &dyn Messenger,
    channel: MessageChannel,
    given: Option<&str>,
) -> Result<String, Problem<MessageProblem>> {
    let Some(given) = given else {
        let context = live.context(app);
        return messenger.usual_sender(&context, theirs(channel)).ok_or_else(|| {
            wrong(
                "from",
                MessageProblem::NoSender,
                "the connection has no sender: say one",
            )
        });
    };
    let malformed = |message: String| wrong("from", MessageProblem::InvalidAddress, message);
    let given = given.trim();
    if given.len() > 500 || given.chars().any(char::is_control) {
        return Err(malformed("a sender has up to 500 bytes in one line".to_owned()));
    }
    if channel == MessageChannel::Email {
        suppressing::normal(app, channel, bare(given)).map_err(malformed)?;
    } else if given.is_empty() {
        return Err(malformed(
            "a sender is a number, or a name that the platform knows".to_owned(),
        ));
    }
    Ok(given.to_owned())
}

/// The lead, the address and the name of whom a message goes to.
async fn recipient(
    app: &App,
    tx: &Tx,
    caller: &Caller,
    visible: &Visible,
    channel: MessageChannel,
    to: &Recipient,
) -> Outcome<(Option<LeadId>, String, Option<String>), MessageProblem> {
    match to {
        Recipient::Lead(id) => {
            let Some(reach) = store::reach(tx, visible, *id).await? else {
                let message = format!("there is no lead `{id}`");
                return Err(wrong("leadId", MessageProblem::LeadNotFound, message).into());
            };
            let (address, what) = if channel == MessageChannel::Email {
                (reach.email, "e-mail address")
            } else {
                (reach.phone, "telephone number")
            };
            let address = address.ok_or_else(|| {
                wrong(
                    "leadId",
                    MessageProblem::NoAddress,
                    format!("the lead has no {what}"),
                )
            })?;
            let name = [reach.first_name, reach.last_name].into_iter().flatten();
            let name = name.collect::<Vec<_>>().join(" ");
            Ok((Some(*id), address, Some(name).filter(|name| !name.is_empty())))
        }
        Recipient::Address(given) => {
            let address = suppressing::normal(app, channel, given)
                .map_err(|message| wrong("to", MessageProblem::InvalidAddress, message))?;
            let lead = suppressing::lead_of(tx, visible, channel, &address).await?;
            if lead.is_none() && !caller.rows.is_all() {
                // Whether somebody else's lead has it is not told.
                let message = "no lead that this token shows has this address";
                return Err(wrong("to", MessageProblem::LeadNotFound, message).into());
            }
            Ok((lead, address, None))
        }
    }
}

/// A message of ours with nothing in it yet.
fn fresh(
    now: Timestamp,
    caller: &Caller,
    live: &Live,
    channel: MessageChannel,
    purpose: MessagePurpose,
) -> Message {
    Message {
        id: MessageId::at(now),
        connection_id: live.row.id,
        lead_id: None,
        direction: MessageDirection::Outbound,
        channel,
        purpose: Some(purpose),
        state: MessageState::Queued,
        address: None,
        own_address: None,
        subject: None,
        body: None,
        html: None,
        details: "{}".to_owned(),
        internet_id: None,
        platform_id: None,
        refs: "[]".to_owned(),
        answers_id: None,
        resend_of: None,
        segments: None,
        link_count: 0,
        steps: 0,
        opens: 0,
        clicks: 0,
        attempts: 0,
        asked: 0,
        due_at: Some(now),
        claim: None,
        sent_at: None,
        problem_kind: None,
        problem: None,
        problem_code: None,
        callback: None,
        created_by: caller.actor.id.clone(),
        created_at: now,
        updated_at: now,
        blanked_at: None,
    }
}

/// Puts into a message what it says.
fn say(row: &mut Message, content: Content, name: Option<String>) -> Result<(), Error> {
    let mut details = Details::default();
    match content {
        Content::Email {
            subject,
            text,
            html,
            reply_to,
        } => {
            let domain = row.own_address.as_deref().and_then(domain_of);
            row.internet_id = Some(format!("{}@{}", row.id, domain.unwrap_or("leadline.invalid")));
            row.link_count = html.as_deref().map_or(0, link_count);
            row.subject = Some(subject);
            row.body = text.filter(|text| !text.trim().is_empty());
            row.html = html.filter(|html| !html.trim().is_empty());
            details.reply_to = reply_to;
            details.name = name.map(|name| name.split_whitespace().collect::<Vec<_>>().join(" "));
        }
        Content::Sms { text } | Content::WhatsApp { text } => row.body = Some(text),
        Content::WhatsAppTemplate { template, variables } => {
            details.template = Some(template);
            details.variables = variables;
        }
        Content::Voice { text, language } => {
            row.body = Some(text);
            details.language = language;
        }
    }
    row.details = serde_json::to_string(&details)?;
    Ok(())
}

async fn queue(tx: &Tx, now: Timestamp, caller: &Caller, row: &mut Message) -> Result<(), Error> {
    store::insert(tx, row).await?;
    let scribe = Scribe {
        tx,
        now,
        actor: &caller.actor.id,
    };
    scribe
        .apply(row, vec![Happened::new("queued:0", MessageStep::Queued, now)])
        .await
}
