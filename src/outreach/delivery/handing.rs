//! One message handed over: claimed in a transaction of its own, sent outside of any, what came of it written down.

use std::time::Duration;

use entity::{MessageState, MessageStep, Timestamp};
use integrations::facet::{Channel, DeliveryState, Messenger, Receipt, Reconciled};
use integrations::{Context, Error as PlatformError, Kind};

use super::consenting::permitted;
use super::happened::{Happened, Scribe, changed};
use super::model::{self, GOOD_FOR_SECONDS, KNOWN_AFTER_SECONDS, Next, kept, outgoing, rank};
use super::{Message, store};
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;
use crate::events;
use crate::leads::visible::Visible;
use crate::platforms::connections::{Live, report};

/// For how long a message is one process's own, in seconds.
const CLAIM_SECONDS: i64 = 480;
/// How long a message that was looked at may wait for a platform's limits, or for others on their way, before it goes.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long handing over may take: less than the message is ours.
const WHOLE: Duration = Duration::from_secs(420);
/// How long the platform may take to say what became of a message.
const ASKING: Duration = Duration::from_secs(60);
/// After so many seconds the platform is asked what became of a message for the first time.
const ASK_AFTER_SECONDS: i64 = 20;
/// How often is tried to write down what came of it.
const WRITES: usize = 5;

/// What came of a message that was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handed {
    /// The next may go.
    Done,
    /// Nothing more by this connection and channel for so many seconds.
    Pause(i64),
}

/// A connection that messages are handed over by.
pub(super) struct Hand<'a> {
    app: &'a App,
    live: &'a Live,
    messenger: &'a dyn Messenger,
    context: Context,
}

/// What sending came to.
enum Came {
    Receipt(Receipt),
    Refused(PlatformError),
}

impl<'a> Hand<'a> {
    /// One of a connection that is in use; none of others.
    pub(super) fn of(app: &'a App, live: Option<&'a Live>) -> Option<Self> {
        let live = live.filter(|live| live.is_active())?;
        let mut context = live.context(app);
        // Whoever takes back their consent while a message waits for a platform's limit gets no message: it waits in the
        // queue, and is looked at again.
        context.http = context.http.patient_for(PATIENCE);
        Some(Self {
            app,
            live,
            messenger: live.facets(app).messenger?,
            context,
        })
    }

    /// How many messages a second.
    pub(super) fn per_second(&self, channel: Channel) -> Option<u32> {
        self.messenger.limits(channel).per_second
    }

    /// Finds out what became of a message.
    pub(super) async fn follow(&self, row: Message) -> Result<(), Error> {
        match row.state {
            MessageState::Sending => lapsed(self.app, row).await,
            MessageState::Unknown => self.ask(row).await,
            // It was due and has got on meanwhile.
            _ => {
                let tx = self.app.db().begin().await?;
                if let Some(mut row) = store::locked(&tx, row.id).await?
                    && rank(row.state) > rank(MessageState::Unknown)
                {
                    row.due_at = None;
                    store::update(&tx, &row).await?;
                    tx.commit().await?;
                }
                Ok(())
            }
        }
    }

    /// Hands a message over that waits.
    pub(super) async fn hand_over(&self, row: Message) -> Result<Handed, Error> {
        let Some((row, claim)) = claim(self.app, &row).await? else {
            return Ok(Handed::Done);
        };
        let came = match outgoing(&row) {
            Some(message) => {
                match tokio::time::timeout(WHOLE, self.messenger.send(&self.context, &message)).await {
                    Ok(Ok(receipt)) => Came::Receipt(receipt),
                    Ok(Err(error)) => Came::Refused(error),
                    Err(_) => Came::Receipt(Receipt::Unknown {
                        reason: format!("the platform took longer than {} s", WHOLE.as_secs()),
                    }),
                }
            }
            None => Came::Refused(PlatformError::refused("there is nothing left of what it said")),
        };
        self.count(&row, &came);
        let mut tried = 0;
        let handed = loop {
            tried += 1;
            match self.write(&row, &claim, &came).await {
                Ok(handed) => break handed,
                // Else the claim lapses, and the platform is asked.
                Err(error) if tried >= WRITES => return Err(error),
                Err(error) => {
                    tracing::warn!(message = %row.id, ?error, "what came of a message could not be written down; trying again");
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
            }
        };
        match &came {
            Came::Receipt(Receipt::Taken { .. }) => report(self.app, self.live, Ok(())).await?,
            Came::Refused(error) if matches!(error.kind, Kind::Unauthorised | Kind::Revoked) => {
                report(self.app, self.live, Err(error)).await?;
            }
            _ => {}
        }
        Ok(handed)
    }

    fn count(&self, row: &Message, came: &Came) {
        let outcome = match came {
            Came::Receipt(Receipt::Taken { .. }) => "TAKEN",
            Came::Receipt(Receipt::Unknown { .. }) => "UNKNOWN",
            Came::Refused(error) => error.kind.name(),
        };
        metrics::counter!(
            "leadline_messages_handed_over_total",
            "platform" => self.live.row.platform.clone(),
            "channel" => row.channel.as_str(),
            "outcome" => outcome,
        )
        .increment(1);
    }

    /// Writes down what came of a message. What webhooks told meanwhile stays.
    async fn write(&self, sent: &Message, claim: &str, came: &Came) -> Result<Handed, Error> {
        let now = self.app.clock().now();
        let tx = self.app.db().begin().await?;
        let Some(mut row) = store::locked(&tx, sent.id).await? else {
            return Ok(Handed::Done);
        };
        let scribe = system(&tx, now);
        let is_ours = row.state == MessageState::Sending && row.claim.as_deref() == Some(claim);
        let attempt = sent.attempts;
        let mut handed = Handed::Done;
        match came {
            Came::Receipt(Receipt::Taken { id, state, segments }) => {
                if row.segments.is_none() {
                    row.segments = segments.and_then(|count| i32::try_from(count).ok());
                }
                let steps = taken(&tx, &mut row, id.as_deref(), *state, now).await?;
                scribe.apply(&mut row, steps).await?;
            }
            Came::Receipt(Receipt::Unknown { reason }) => unknown(scribe, &mut row, attempt, reason).await?,
            Came::Refused(error) => match model::next(error, attempt) {
                Next::Unknown => unknown(scribe, &mut row, attempt, &error.message).await?,
                Next::End(step) => {
                    let mut happened =
                        Happened::new(format!("refused:{attempt}"), step, now).saying(&error.message);
                    happened.code.clone_from(&error.code);
                    happened.fault = match error.kind {
                        Kind::Recipient(fault) => Some(fault.into()),
                        _ => None,
                    };
                    let before = row.state;
                    scribe.apply(&mut row, vec![happened]).await?;
                    if row.state != before {
                        row.problem_kind = Some(error.kind.name().to_owned());
                        store::update(&tx, &row).await?;
                    }
                }
                next @ (Next::Again(seconds) | Next::Pause(seconds)) => {
                    if is_ours {
                        // It was surely not taken: it waits again.
                        row.state = MessageState::Queued;
                        row.claim = None;
                        row.sent_at = None;
                        row.due_at = Some(now.plus_seconds(seconds));
                        row.problem_kind = Some(error.kind.name().to_owned());
                        row.problem = Some(kept(&error.message, 1_000));
                        row.problem_code.clone_from(&error.code);
                        if matches!(next, Next::Pause(_)) {
                            row.attempts -= 1;
                        }
                        // Of a connection that is away for days, the history tells once.
                        let key = match next {
                            Next::Pause(_) => format!("paused:{}:{}", row.attempts, error.kind.name()),
                            _ => format!("queued:{attempt}"),
                        };
                        let mut happened =
                            Happened::new(key, MessageStep::Queued, now).saying(&error.message);
                        happened.code.clone_from(&error.code);
                        scribe.apply(&mut row, vec![happened]).await?;
                    }
                    if matches!(next, Next::Pause(_)) {
                        handed = Handed::Pause(seconds);
                    }
                }
            },
        }
        tx.commit().await?;
        Ok(handed)
    }

    /// Asks the platform what became of a message.
    async fn ask(&self, row: Message) -> Result<(), Error> {
        let (Some(message), Some(sent_at)) = (outgoing(&row), row.sent_at) else {
            let tx = self.app.db().begin().await?;
            if let Some(mut row) = store::locked(&tx, row.id).await? {
                row.due_at = None;
                store::update(&tx, &row).await?;
            }
            return Ok(tx.commit().await?);
        };
        let asked = self
            .messenger
            .reconcile(&self.context, &message, sent_at.to_chrono());
        let answer = match tokio::time::timeout(ASKING, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(PlatformError::new(Kind::TimedOut, "no answer in time")),
        };
        let now = self.app.clock().now();
        let tx = self.app.db().begin().await?;
        let Some(mut row) = store::locked(&tx, row.id).await? else {
            return Ok(());
        };
        if row.state != MessageState::Unknown {
            return Ok(());
        }
        let scribe = system(&tx, now);
        // It may have gone out as late as this.
        let handed_over = sent_at.plus_seconds(i64::try_from(WHOLE.as_secs()).unwrap_or(i64::MAX));
        let known_after = handed_over.min(row.updated_at).plus_seconds(KNOWN_AFTER_SECONDS);
        let answer = match answer {
            // Platforms find it by what it says: the same to the same recipient may be another message.
            Ok(Reconciled::Found { id, .. }) if is_anothers(&tx, &row, &id).await? => {
                Ok(Reconciled::CannotTell)
            }
            answer => answer,
        };
        match answer {
            Ok(Reconciled::Found { id, state }) => {
                row.asked += 1;
                let steps = taken(&tx, &mut row, Some(&id), state, now).await?;
                scribe.apply(&mut row, steps).await?;
            }
            // Perhaps it does not know it yet.
            Ok(Reconciled::Absent) if now < known_after => {
                row.due_at = Some(known_after);
                store::update(&tx, &row).await?;
            }
            Ok(Reconciled::Absent) => {
                row.asked += 1;
                let why = "the platform does not have it: it was not taken";
                let happened = Happened::new("absent", MessageStep::Failed, now).saying(why);
                scribe.apply(&mut row, vec![happened]).await?;
                row.problem_kind = Some("NOT_TAKEN".to_owned());
                store::update(&tx, &row).await?;
            }
            Ok(Reconciled::CannotTell) | Err(_) => {
                row.due_at = model::ask_again(row.asked).map(|seconds| now.plus_seconds(seconds));
                row.asked += 1;
                row.updated_at = now;
                store::update(&tx, &row).await?;
            }
        }
        Ok(tx.commit().await?)
    }
}

async fn is_anothers(tx: &Tx, row: &Message, platform_id: &str) -> Result<bool, Error> {
    let holder = store::locked_by_platform(tx, row.connection_id, platform_id).await?;
    Ok(holder.is_some_and(|holder| holder.id != row.id))
}

fn system(tx: &Tx, now: Timestamp) -> Scribe<'_> {
    Scribe {
        tx,
        now,
        actor: "system",
    }
}

/// Claims a message: from here on nobody else hands it over. What must not be sent any more ends here.
async fn claim(app: &App, seen: &Message) -> Result<Option<(Message, String)>, Error> {
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    let Some(mut row) = store::locked(&tx, seen.id).await? else {
        return Ok(None);
    };
    if row.state != MessageState::Queued || row.due_at.is_none_or(|at| at > now) {
        return Ok(None);
    }
    let scribe = system(&tx, now);
    if let Some((kind, why)) = hindrance(&tx, &row, now).await? {
        give_up(scribe, &mut row, kind, &why).await?;
        tx.commit().await?;
        return Ok(None);
    }
    let claim = format!("{:016x}", rand::random::<u64>());
    row.attempts += 1;
    row.state = MessageState::Sending;
    row.claim = Some(claim.clone());
    row.sent_at = Some(now);
    row.due_at = Some(now.plus_seconds(CLAIM_SECONDS));
    row.updated_at = now;
    // An attempt that a pause called off has told of itself before: the state is what counts.
    let key = format!("sending:{}", row.attempts);
    scribe
        .apply(&mut row, vec![Happened::new(key, MessageStep::Sending, now)])
        .await?;
    tx.commit().await?;
    Ok(Some((row, claim)))
}

/// Why a message must not be sent any more.
async fn hindrance(tx: &Tx, row: &Message, now: Timestamp) -> Result<Option<(&'static str, String)>, Error> {
    if row.created_at.plus_seconds(GOOD_FOR_SECONDS) < now {
        let why = "it could not be handed over for three days";
        return Ok(Some(("EXPIRED", why.to_owned())));
    }
    if let Some(lead) = row.lead_id
        && store::reach(tx, &Visible::all(), lead).await?.is_none()
    {
        return Ok(Some(("LEAD_GONE", "the lead was deleted".to_owned())));
    }
    let (Some(address), Some(purpose)) = (row.address.as_deref(), row.purpose) else {
        return Ok(Some(("LEAD_ERASED", "the lead was erased".to_owned())));
    };
    // Somebody may have said no since it was queued.
    let permitted = permitted(tx, row.lead_id, row.channel, address, purpose).await?;
    Ok(permitted.err().map(|refused| ("NOT_PERMITTED", refused.message)))
}

async fn give_up(scribe: Scribe<'_>, row: &mut Message, kind: &str, why: &str) -> Result<(), Error> {
    let happened = Happened::new("given up", MessageStep::Failed, scribe.now).saying(why);
    scribe.apply(row, vec![happened]).await?;
    row.problem_kind = Some(kind.to_owned());
    row.due_at = None;
    Ok(store::update(scribe.tx, row).await?)
}

/// What it means that a platform has a message; what was told of it before its id was known is taken up.
async fn taken(
    tx: &Tx,
    row: &mut Message,
    id: Option<&str>,
    state: DeliveryState,
    now: Timestamp,
) -> Result<Vec<Happened>, Error> {
    let mut steps = vec![Happened::new(
        "sent",
        MessageStep::Sent,
        row.sent_at.unwrap_or(now),
    )];
    let step = model::step_of(state);
    if step != MessageStep::Sent {
        steps.push(Happened::new(format!("answer:{state:?}"), step, now));
    }
    if let Some(id) = id {
        if row.platform_id.is_none() {
            row.platform_id = Some(id.to_owned());
        }
        for stray in store::take_strays(tx, row.connection_id, id).await? {
            steps.push(serde_json::from_str(&stray.happened)?);
        }
    }
    row.due_at = None;
    row.claim = None;
    Ok(steps)
}

/// Nobody knows whether it was sent: the platform is asked, and it is not sent again by itself.
async fn unknown(scribe: Scribe<'_>, row: &mut Message, attempt: i32, reason: &str) -> Result<(), Error> {
    let happened =
        Happened::new(format!("unknown:{attempt}"), MessageStep::Unknown, scribe.now).saying(reason);
    scribe.apply(row, vec![happened]).await?;
    if row.state == MessageState::Unknown {
        row.claim = None;
        row.due_at = Some(scribe.now.plus_seconds(ASK_AFTER_SECONDS));
        store::update(scribe.tx, row).await?;
    }
    Ok(())
}

/// Whoever had a message is gone, and left no word.
pub(super) async fn lapsed(app: &App, seen: Message) -> Result<(), Error> {
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    let Some(mut row) = store::locked(&tx, seen.id).await? else {
        return Ok(());
    };
    if row.state != MessageState::Sending || row.due_at.is_none_or(|at| at > now) {
        return Ok(());
    }
    let attempt = row.attempts;
    let reason = "whoever handed it over ended before writing down what came of it";
    unknown(system(&tx, now), &mut row, attempt, reason).await?;
    // Time enough has passed.
    row.due_at = Some(now);
    store::update(&tx, &row).await?;
    Ok(tx.commit().await?)
}

/// Gives up a message that waited too long for a connection that cannot be used.
pub(super) async fn expire(app: &App, seen: Message) -> Result<(), Error> {
    let tx = app.db().begin().await?;
    let Some(mut row) = store::locked(&tx, seen.id).await? else {
        return Ok(());
    };
    if row.state == MessageState::Queued {
        let why = "the connection could not be used for three days";
        give_up(system(&tx, app.clock().now()), &mut row, "EXPIRED", why).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Ends what is due with a message whose connection was removed.
pub(super) async fn without_connection(app: &App, seen: Message) -> Result<(), Error> {
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    let Some(mut row) = store::locked(&tx, seen.id).await? else {
        return Ok(());
    };
    if row.state == MessageState::Queued {
        let why = "the connection was removed";
        give_up(system(&tx, now), &mut row, "CONNECTION_GONE", why).await?;
    } else {
        // Nobody can be asked any more.
        row.due_at = None;
        row.updated_at = now;
        store::update(&tx, &row).await?;
        events::append(&tx, "system", now, vec![changed(&row, MessageStep::Unknown)]).await?;
    }
    Ok(tx.commit().await?)
}
