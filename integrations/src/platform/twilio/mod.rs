//! Twilio: text messages, WhatsApp and calls.

mod client;
mod codes;
mod convert;
mod events;
mod sandbox;
pub mod segments;
mod settings;
mod signed;
#[cfg(test)]
mod tests;
mod twiml;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use url::Url;

use self::client::{Client, Fields, Search};
use self::convert::{Match, address};
use self::events::{CALL_STATUS, INCOMING, MESSAGE_STATUS, OUR_ID};
use self::sandbox::TwilioSandbox;
use self::settings::{TwilioSecrets, TwilioSettings};
use self::wire::{CallResource, MessageResource, NumberResource};
use crate::facet::{
    Channel, Content, DeliveryState, Facets, Inbound, Limits, Message, Messenger, Receipt, Reconciled, Reply,
    Subscription, WebhookEvent, Webhooks,
};
use crate::sandbox::Sandbox;
use crate::{
    Account, Authentication, Category, Clock, Context, Error, Form, Integration, Kind, Manifest, Result,
    Topic,
};

/// Twilio.
#[derive(Clone, Copy, Debug, Default)]
pub struct Twilio;

const MANIFEST: Manifest = Manifest {
    key: "twilio",
    name: "Twilio",
    category: Category::Telephony,
    summary: "Sends text messages, WhatsApp messages and calls that read a text out, and tells what became of them. \
              Answers and requests to stop come in as they are written.",
    docs: "https://www.twilio.com/docs",
    authentication: Authentication::Basic,
    settings: Form::of::<TwilioSettings>(),
    secrets: Form::of::<TwilioSecrets>(),
    addresses: &["baseUrl", "messagingBaseUrl"],
    scopes: &[],
    topics: &[
        Topic {
            name: INCOMING,
            about: "Somebody has written. Set for numbers and messaging services by the API; for WhatsApp senders outside \
                    of a messaging service on Twilio's pages.",
            registrable: true,
        },
        Topic {
            name: MESSAGE_STATUS,
            about: "Something became of a message. Asked for with each message.",
            registrable: false,
        },
        Topic {
            name: CALL_STATUS,
            about: "Something became of a call. Asked for with each call.",
            registrable: false,
        },
    ],
    fields: &[],
};

#[async_trait]
impl Integration for Twilio {
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
        let account = client.account().await?;
        let status = account.status.unwrap_or_default();
        if matches!(status.as_str(), "suspended" | "closed") {
            return Err(Error::new(Kind::Forbidden, format!("the account is {status}")));
        }
        client.key().await?;
        Ok(Account {
            name: account.friendly_name.unwrap_or_else(|| account.sid.clone()),
            url: Some("https://console.twilio.com".to_owned()),
            id: account.sid,
            scopes: None,
            details: [("status", Some(status)), ("type", account.kind)]
                .into_iter()
                .filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)))
                .collect(),
        })
    }

    fn sandbox(&self, clock: Arc<dyn Clock>) -> Arc<dyn Sandbox> {
        Arc::new(TwilioSandbox::new(clock))
    }
}

#[async_trait]
impl Messenger for Twilio {
    fn channels(&self) -> &'static [Channel] {
        &[Channel::Sms, Channel::WhatsApp, Channel::Voice]
    }

    fn limits(&self, channel: Channel) -> Limits {
        match channel {
            // TwiML within a request is 4000 characters at most, what stands around the text and is escaped included.
            Channel::Voice => Limits {
                length: 3_500,
                per_second: Some(1),
            },
            // A number of the US that is not registered sends one part a second.
            Channel::Sms => Limits {
                length: 1_600,
                per_second: Some(1),
            },
            Channel::WhatsApp | Channel::Email => Limits {
                length: 1_600,
                per_second: None,
            },
        }
    }

    fn usual_sender(&self, context: &Context, channel: Channel) -> Option<String> {
        let settings: TwilioSettings = context.settings.read().ok()?;
        // The service chooses one of its senders.
        (channel != Channel::Voice && settings.messaging_service_sid.is_some()).then(String::new)
    }

    async fn send(&self, context: &Context, message: &Message) -> Result<Receipt> {
        let client = Client::of(context)?;
        if matches!(message.content, Content::Voice { .. }) {
            let fields = call_fields(&client.settings, message)?;
            return match client.create_call(&fields).await {
                Ok(call) => convert::call_receipt(call),
                Err(error) => unknown(error),
            };
        }
        let fields = message_fields(&client.settings, message)?;
        match client.create_message(&fields).await {
            Ok(created) => convert::receipt(created),
            Err(error) => unknown(error),
        }
    }

    async fn reconcile(
        &self,
        context: &Context,
        message: &Message,
        sent_at: DateTime<Utc>,
    ) -> Result<Reconciled> {
        let client = Client::of(context)?;
        let channel = message.content.channel();
        let to = address(channel, &message.to);
        let (path, day) = match channel {
            Channel::Voice => ("Calls.json", "StartTime>"),
            Channel::Sms | Channel::WhatsApp => ("Messages.json", "DateSent>"),
            Channel::Email => return Err(no_mail()),
        };
        let all = vec![("To", to), ("PageSize", "100".to_owned())];
        let mut recent = all.clone();
        recent.push((day, convert::first_day(sent_at)));
        let mut perhaps = false;
        // What waits has no day yet, and may be missing from the recent ones.
        for query in [recent, all] {
            let found = if channel == Channel::Voice {
                client
                    .find(path, &query, |call: CallResource| {
                        convert::is_call(&call, message, sent_at).then(|| Reconciled::Found {
                            state: call_state(&call),
                            id: call.sid,
                        })
                    })
                    .await
            } else {
                client
                    .find(path, &query, |found: MessageResource| {
                        match convert::is_message(&found, message, sent_at) {
                            Match::Yes => Some(Reconciled::Found {
                                state: message_state(&found),
                                id: found.sid,
                            }),
                            Match::Perhaps => {
                                perhaps = true;
                                None
                            }
                            Match::No => None,
                        }
                    })
                    .await
            };
            match found? {
                Search::Found(found) => return Ok(found),
                Search::Nothing => {}
                Search::TooMuch => perhaps = true,
            }
        }
        Ok(if perhaps {
            Reconciled::CannotTell
        } else {
            Reconciled::Absent
        })
    }
}

#[async_trait]
impl Webhooks for Twilio {
    fn handshake(&self, _: &Context, _: &Inbound) -> Result<Option<Reply>> {
        Ok(None)
    }

    fn verify(&self, context: &Context, request: &Inbound) -> Result<()> {
        signed::verify(request, &context.secrets.read()?)
    }

    fn id(&self, request: &Inbound) -> Option<String> {
        events::Fields::of(request).id().or_else(|| {
            request
                .header("i-twilio-idempotency-token")
                .filter(|token| !token.is_empty())
                .map(ToOwned::to_owned)
        })
    }

    fn topic(&self, request: &Inbound) -> Option<String> {
        events::Fields::of(request).about().topic().map(ToOwned::to_owned)
    }

    fn reply(&self, _: &Inbound) -> Reply {
        Reply {
            status: 200,
            content_type: "text/xml",
            body: twiml::NOTHING.to_owned(),
        }
    }

    fn parse(&self, _: &Context, request: &Inbound) -> Result<Vec<WebhookEvent>> {
        Ok(vec![events::parse(request)?])
    }

    async fn subscriptions(&self, context: &Context) -> Result<Vec<Subscription>> {
        let client = Client::of(context)?;
        let mut urls = match &client.settings.messaging_service_sid {
            Some(sid) => {
                let service = client.service(sid).await?;
                let by_number = service.use_inbound_webhook_on_number == Some(true);
                vec![service.inbound_request_url.filter(|_| !by_number)]
            }
            None => client
                .numbers()
                .await?
                .into_iter()
                .map(|number| number.sms_url)
                .collect(),
        };
        urls.sort();
        urls.dedup();
        Ok(urls
            .into_iter()
            .flatten()
            .filter(|url| !url.is_empty())
            .map(|url| Subscription {
                topic: INCOMING.to_owned(),
                url: Some(url),
            })
            .collect())
    }

    async fn subscribe(&self, context: &Context, url: &Url, topics: &[&str]) -> Result<()> {
        if let Some(other) = topics.iter().find(|topic| **topic != INCOMING) {
            return Err(Error::new(
                Kind::Unsupported,
                format!(
                    "`{other}` cannot be subscribed to, only `{INCOMING}`: what becomes of a message is asked for with it"
                ),
            ));
        }
        if topics.is_empty() {
            return Ok(());
        }
        let client = Client::of(context)?;
        if let Some(sid) = &client.settings.messaging_service_sid {
            let service = client.service(sid).await?;
            if told_to(service.inbound_request_url.as_deref(), url)
                && service.use_inbound_webhook_on_number != Some(true)
            {
                return Ok(());
            }
            let fields = vec![
                ("InboundRequestUrl", url.to_string()),
                ("InboundMethod", "POST".to_owned()),
                ("UseInboundWebhookOnNumber", "false".to_owned()),
            ];
            return client.update_service(sid, &fields).await;
        }
        let numbers = client.numbers().await?;
        if numbers.is_empty() {
            let text = "the account has no number that takes text messages";
            return Err(Error::new(Kind::NotFound, text));
        }
        for number in numbers.iter().filter(|number| !is_told(number, url)) {
            let mut fields = vec![("SmsUrl", url.to_string()), ("SmsMethod", "POST".to_owned())];
            if has_application(number) {
                // It would count before the address.
                fields.push(("SmsApplicationSid", String::new()));
            }
            client.update_number(&number.sid, &fields).await?;
        }
        Ok(())
    }

    async fn unsubscribe(&self, context: &Context, url: &Url) -> Result<()> {
        let client = Client::of(context)?;
        if let Some(sid) = &client.settings.messaging_service_sid {
            let service = client.service(sid).await?;
            if told_to(service.inbound_request_url.as_deref(), url) {
                let fields = vec![("InboundRequestUrl", String::new())];
                client.update_service(sid, &fields).await?;
            }
            return Ok(());
        }
        let numbers = client.numbers().await?;
        for number in numbers
            .iter()
            .filter(|number| told_to(number.sms_url.as_deref(), url))
        {
            let fields = vec![("SmsUrl", String::new())];
            client.update_number(&number.sid, &fields).await?;
        }
        Ok(())
    }
}

fn told_to(found: Option<&str>, url: &Url) -> bool {
    found == Some(url.as_str())
}

fn is_told(number: &NumberResource, url: &Url) -> bool {
    told_to(number.sms_url.as_deref(), url) && !has_application(number)
}

fn has_application(number: &NumberResource) -> bool {
    number
        .sms_application_sid
        .as_deref()
        .is_some_and(|sid| !sid.is_empty())
}

/// Whatever leaves open whether the message was taken is told as such.
fn unknown(error: Error) -> Result<Receipt> {
    match error.kind {
        Kind::OutcomeUnknown | Kind::Malformed | Kind::Unavailable | Kind::TimedOut | Kind::Cut => {
            Ok(Receipt::Unknown {
                reason: error.to_string(),
            })
        }
        _ => Err(error),
    }
}

fn message_state(message: &MessageResource) -> DeliveryState {
    convert::message_state(message.status.as_deref().unwrap_or_default(), message.error_code)
        .unwrap_or(DeliveryState::Queued)
}

fn call_state(call: &CallResource) -> DeliveryState {
    convert::call_state(call.status.as_deref().unwrap_or_default()).unwrap_or(DeliveryState::Queued)
}

fn no_mail() -> Error {
    Error::new(
        Kind::Unsupported,
        "Twilio carries no mail here: text messages, WhatsApp and calls",
    )
}

fn message_fields(settings: &TwilioSettings, message: &Message) -> Result<Fields> {
    let channel = message.content.channel();
    let mut fields = vec![("To", address(channel, &message.to))];
    match (&settings.messaging_service_sid, message.from.is_empty()) {
        (None, true) => {
            return Err(Error::new(
                Kind::Settings,
                "a message needs a sender, or the connection a messaging service (`messagingServiceSid`)",
            ));
        }
        (service, no_sender) => {
            if !no_sender {
                fields.push(("From", address(channel, &message.from)));
            }
            if let Some(service) = service {
                fields.push(("MessagingServiceSid", service.as_str().to_owned()));
            }
        }
    }
    match &message.content {
        Content::Sms { text, media } => {
            if !text.is_empty() {
                fields.push(("Body", text.clone()));
            }
            fields.extend(media.iter().map(|url| ("MediaUrl", url.to_string())));
            if settings.smart_encoded {
                fields.push(("SmartEncoded", "true".to_owned()));
            }
        }
        Content::WhatsApp { text } => fields.push(("Body", text.clone())),
        Content::WhatsAppTemplate { template, variables } => {
            let variables: serde_json::Map<_, _> = variables
                .iter()
                .map(|(name, value)| (name.clone(), value.as_str().into()))
                .collect();
            fields.push(("ContentSid", template.clone()));
            fields.push(("ContentVariables", serde_json::Value::from(variables).to_string()));
        }
        Content::Email { .. } | Content::Voice { .. } => return Err(no_mail()),
    }
    if let Some(validity) = settings.validity_seconds {
        fields.push(("ValidityPeriod", validity.seconds().to_string()));
    }
    fields.extend(callback(message).map(|url| ("StatusCallback", url)));
    Ok(fields)
}

fn call_fields(settings: &TwilioSettings, message: &Message) -> Result<Fields> {
    let Content::Voice { text, language } = &message.content else {
        return Err(no_mail());
    };
    if message.from.is_empty() {
        return Err(Error::new(Kind::Settings, "a call needs a number to call from"));
    }
    let twiml = twiml::say(text, language.as_deref(), settings.voice.as_deref())?;
    let mut fields = vec![
        ("To", message.to.clone()),
        ("From", message.from.clone()),
        ("Twiml", twiml),
    ];
    if let Some(ring) = settings.ring_seconds {
        fields.push(("Timeout", ring.seconds().to_string()));
    }
    if settings.machine_detection {
        fields.push(("MachineDetection", "Enable".to_owned()));
    }
    if let Some(url) = callback(message) {
        fields.push(("StatusCallback", url));
        fields.extend(["ringing", "completed"].map(|event| ("StatusCallbackEvent", event.to_owned())));
    }
    Ok(fields)
}

/// Where Twilio tells what becomes of a message, with our id of it.
fn callback(message: &Message) -> Option<String> {
    let mut url = message.callback.clone()?;
    url.query_pairs_mut().append_pair(OUR_ID, &message.id);
    Some(url.into())
}
