//! Twilio SendGrid: sends mail, tells what becomes of it, and brings answers.

mod client;
mod convert;
mod hooks;
mod inbound;
mod sandbox;
mod settings;
mod signed;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use http::{Method, StatusCode};
use serde_json::{Map, Value};
use url::Url;

use self::client::{Client, SendGridJudge};
pub use self::sandbox::SendGridSandbox;
use self::settings::{Secrets, Settings};
use crate::facet::{
    Channel, DeliveryState, Facets, Inbound, Limits, Message, Messenger, Receipt, Reconciled, Reply,
    Subscription, WebhookEvent, Webhooks,
};
use crate::mail::Letter;
use crate::sandbox::Sandbox;
use crate::transport::Answer;
use crate::{
    Account, Authentication, Category, Clock, Context, Error, Form, Integration, Kind, Manifest,
    RecipientFault, Result, Scope, Topic,
};

/// What a mail may have, with its attachments.
const LARGEST: usize = 30 << 20;

const fn topic(name: &'static str, about: &'static str) -> Topic {
    Topic {
        name,
        about,
        registrable: true,
    }
}

const TOPICS: [Topic; 12] = [
    topic("processed", "The platform has taken a mail."),
    topic("delivered", "The recipient's server has taken it."),
    topic("deferred", "The recipient's server wants it later."),
    topic("bounce", "The recipient's server has refused it."),
    topic(
        "dropped",
        "The platform did not send it, e.g. to an address that bounced before.",
    ),
    topic("open", "It was looked at."),
    topic("click", "A link in it was followed."),
    topic("spam_report", "The recipient called it spam."),
    topic("unsubscribe", "The recipient wants no mail any more."),
    topic(
        "group_unsubscribe",
        "The recipient wants no mail of a group any more.",
    ),
    topic("group_resubscribe", "The recipient wants mail of a group again."),
    topic(
        "inbound",
        "Mail that came in for the host of Inbound Parse: answers, and reports of other servers.",
    ),
];

const SCOPES: [Scope; 3] = [
    Scope {
        name: "mail.send",
        purpose: "sends mail",
        required: true,
    },
    Scope {
        name: "user.webhooks.event.settings.update",
        purpose: "sets up the webhook that tells what becomes of mails",
        required: false,
    },
    Scope {
        name: "user.webhooks.parse.settings.create",
        purpose: "sets up the webhook that brings answers",
        required: false,
    },
];

static MANIFEST: Manifest = Manifest {
    key: "sendgrid",
    name: "SendGrid",
    category: Category::Email,
    summary: "Sends mail with Twilio SendGrid, learns of deliveries, bounces, opens, clicks and complaints, and takes \
              answers that come in. Webhooks are signed; only Inbound Parse may be set to be taken unsigned.",
    docs: "https://www.twilio.com/docs/sendgrid/api-reference",
    authentication: Authentication::Key,
    settings: Form::of::<Settings>(),
    secrets: Form::of::<Secrets>(),
    addresses: &["baseUrl"],
    scopes: &SCOPES,
    topics: &TOPICS,
    fields: &[],
};

/// Mail by SendGrid.
#[derive(Clone, Copy, Debug, Default)]
pub struct SendGrid;

#[async_trait]
impl Integration for SendGrid {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    fn facets(&self) -> Facets<'_> {
        Facets {
            messenger: Some(self),
            webhooks: Some(self),
            ..Facets::default()
        }
    }

    async fn check(&self, context: &Context) -> Result<Account> {
        let client = Client::of(context)?;
        let asked = client
            .request(Method::GET, "/scopes")
            .send(&SendGridJudge { sends: false })
            .await;
        let scopes = match asked {
            Ok(answer) => Some(answer.json::<wire::Scopes>()?.scopes),
            // Not all keys can be asked what they may do; that it is known to the platform is told by another question.
            Err(error) if error.kind == Kind::NotFound => {
                match hooks::all(&client).await {
                    Err(error) if error.kind != Kind::Forbidden => return Err(error),
                    _ => {}
                }
                None
            }
            Err(error) => return Err(error),
        };
        if scopes
            .as_ref()
            .is_some_and(|scopes| !scopes.iter().any(|scope| scope == "mail.send"))
        {
            return Err(Error::new(
                Kind::Forbidden,
                "the key may not send mail: it lacks the permission `mail.send`",
            ));
        }
        let of = client.settings.subuser.clone();
        Ok(Account {
            id: of.clone().unwrap_or_else(|| client.settings.url("")),
            name: of.unwrap_or_else(|| "SendGrid".to_owned()),
            url: Some("https://app.sendgrid.com/".to_owned()),
            scopes,
            details: vec![("sandboxMode", client.settings.sandbox_mode.to_string())],
        })
    }

    fn sandbox(&self, clock: Arc<dyn Clock>) -> Arc<dyn Sandbox> {
        Arc::new(SendGridSandbox::new(clock))
    }
}

#[async_trait]
impl Messenger for SendGrid {
    fn channels(&self) -> &'static [Channel] {
        &[Channel::Email]
    }

    fn limits(&self, _: Channel) -> Limits {
        Limits {
            length: LARGEST,
            per_second: None,
        }
    }

    async fn send(&self, context: &Context, message: &Message) -> Result<Receipt> {
        let client = Client::of(context)?;
        let letter = Letter::of(message)?;
        if !letter.to.email.user().is_ascii() {
            return Err(Error::new(
                Kind::Recipient(RecipientFault::NoRoute),
                "SendGrid takes no addresses with other letters than ASCII before the @",
            ));
        }
        let body = convert::send(&letter, &client.settings)?;
        let sent = client
            .request(Method::POST, "/mail/send")
            .json(&body)
            .once()
            .send(&SendGridJudge { sends: true })
            .await;
        match sent {
            Ok(answer) => Ok(receipt(&answer, client.settings.sandbox_mode)),
            Err(Error {
                kind: Kind::OutcomeUnknown | Kind::TimedOut | Kind::Cut | Kind::Malformed,
                message,
                ..
            }) => Ok(Receipt::Unknown { reason: message }),
            Err(error) => Err(error),
        }
    }

    async fn reconcile(&self, _: &Context, _: &Message, _: DateTime<Utc>) -> Result<Reconciled> {
        // Finding mails by a field of ours is an extra that accounts buy; the events tell.
        Ok(Reconciled::CannotTell)
    }
}

/// A mail is taken with 202 and no body. In the platform's sandbox mode it is 200, and nothing is sent.
fn receipt(answer: &Answer, is_trial: bool) -> Receipt {
    let is_taken = answer.status == StatusCode::ACCEPTED
        || (is_trial && answer.status == StatusCode::OK && answer.body.trim_ascii().is_empty());
    if !is_taken {
        return Receipt::Unknown {
            reason: format!("SendGrid answered {} where 202 was expected", answer.status),
        };
    }
    Receipt::Taken {
        id: answer.header("x-message-id").map(str::to_owned),
        state: DeliveryState::Queued,
        segments: None,
    }
}

#[async_trait]
impl Webhooks for SendGrid {
    fn handshake(&self, _: &Context, _: &Inbound) -> Result<Option<Reply>> {
        Ok(None)
    }

    fn verify(&self, context: &Context, request: &Inbound) -> Result<()> {
        signed::verify(&context.settings.read()?, request)
    }

    fn id(&self, _: &Inbound) -> Option<String> {
        None
    }

    fn topic(&self, request: &Inbound) -> Option<String> {
        if signed::is_inbound(request) {
            return Some("inbound".to_owned());
        }
        let events: Vec<Map<String, Value>> = request.json().ok()?;
        let mut names: Vec<_> = events
            .iter()
            .filter_map(|event| event.get("event")?.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        names.truncate(12);
        (!names.is_empty()).then(|| names.join(", "))
    }

    fn parse(&self, _: &Context, request: &Inbound) -> Result<Vec<WebhookEvent>> {
        if signed::is_inbound(request) {
            inbound::events(request)
        } else {
            convert::events(request.json()?)
        }
    }

    /// Mails come in with all that is attached to them, 30 MB at most.
    fn largest(&self) -> usize {
        32 << 20
    }

    async fn subscriptions(&self, context: &Context) -> Result<Vec<Subscription>> {
        hooks::subscriptions(&Client::of(context)?).await
    }

    async fn subscribe(&self, context: &Context, url: &Url, topics: &[&str]) -> Result<()> {
        hooks::subscribe(&Client::of(context)?, url, topics).await
    }

    async fn subscription_settings(&self, context: &Context, url: &Url) -> Result<Map<String, Value>> {
        hooks::settings(&Client::of(context)?, url).await
    }

    async fn unsubscribe(&self, context: &Context, url: &Url) -> Result<()> {
        hooks::unsubscribe(&Client::of(context)?, url).await
    }
}
