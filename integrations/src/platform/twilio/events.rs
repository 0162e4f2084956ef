//! What Twilio's webhooks say.

use http::Method;

use super::codes;
use super::convert::{bare, call_state, channel_of, keyword, message_state, moment, opt_out_type};
use super::signed::is_form;
use crate::facet::{Inbound, InboundMessage, MessageEvent, WebhookEvent};
use crate::{Error, Result};

/// Somebody has written.
pub const INCOMING: &str = "incoming-message";
/// Something became of a message.
pub const MESSAGE_STATUS: &str = "message-status";
/// Something became of a call.
pub const CALL_STATUS: &str = "call-status";

/// The parameter of our callbacks that brings our id of the message back. The signature covers it.
pub const OUR_ID: &str = "message";

/// What Twilio sent, by name.
pub struct Fields(Vec<(String, String)>);

/// What it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// Somebody has written.
    Incoming,
    /// Something became of a message.
    Message,
    /// Something became of a call.
    Call,
    /// Somebody calls.
    IncomingCall,
    /// Something else.
    Other,
}

impl Fields {
    /// Of the form, or of the query where the webhook is set to `GET`.
    #[must_use]
    pub fn of(request: &Inbound) -> Self {
        Self(if request.method == Method::GET {
            request.url.query_pairs().into_owned().collect()
        } else if is_form(request) {
            request.form()
        } else {
            Vec::new()
        })
    }

    fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(key, _)| key == name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    fn message_sid(&self) -> Option<&str> {
        ["MessageSid", "SmsSid", "SmsMessageSid"]
            .into_iter()
            .find_map(|name| self.get(name))
    }

    /// What it is about.
    #[must_use]
    pub fn about(&self) -> About {
        if self.message_sid().is_some() {
            return match self.get("MessageStatus") {
                None | Some("received" | "receiving") => About::Incoming,
                Some(_) => About::Message,
            };
        }
        match (self.get("CallSid"), self.get("Direction")) {
            (None, _) => About::Other,
            (Some(_), Some("inbound")) => About::IncomingCall,
            (Some(_), _) => About::Call,
        }
    }

    /// The same when it is sent again, another for the next status: taken from what is signed. The header that Twilio adds
    /// for this is not, so that whoever has seen a delivery could send it as a new one.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        let sid = self.message_sid().or_else(|| self.get("CallSid"))?;
        let parts = match self.about() {
            About::Incoming => vec![Some("received")],
            About::Message => vec![
                self.get("MessageStatus"),
                self.get("ErrorCode"),
                self.get("EventType"),
            ],
            About::Call | About::IncomingCall => vec![self.get("CallStatus"), self.get("SequenceNumber")],
            About::Other => return None,
        };
        let parts: Vec<_> = std::iter::once(sid).chain(parts.into_iter().flatten()).collect();
        Some(parts.join(":"))
    }
}

impl About {
    /// As the manifest calls it.
    #[must_use]
    pub const fn topic(self) -> Option<&'static str> {
        match self {
            Self::Incoming => Some(INCOMING),
            Self::Message => Some(MESSAGE_STATUS),
            Self::Call => Some(CALL_STATUS),
            Self::IncomingCall | Self::Other => None,
        }
    }
}

/// What a webhook says.
///
/// # Errors
/// [`Kind::Malformed`](crate::Kind::Malformed) where what it must say is missing.
pub fn parse(request: &Inbound) -> Result<WebhookEvent> {
    let fields = Fields::of(request);
    let ignored = |reason: String| Ok(WebhookEvent::Ignored { reason });
    match fields.about() {
        About::Incoming => incoming(&fields),
        About::Message | About::Call => {
            let ours = request
                .url
                .query_pairs()
                .find_map(|(name, value)| (name == OUR_ID && !value.is_empty()).then(|| value.into_owned()));
            status(&fields, ours)
        }
        About::IncomingCall => ignored("somebody calls: there is nothing here that answers".to_owned()),
        About::Other => ignored("neither a message nor a call".to_owned()),
    }
}

fn incoming(fields: &Fields) -> Result<WebhookEvent> {
    let missing = |name: &str| Error::malformed(format!("an incoming message without `{name}`"));
    let from = fields.get("From").ok_or_else(|| missing("From"))?;
    let to = fields.get("To").ok_or_else(|| missing("To"))?;
    let Some((channel, sender)) = channel_of(from) else {
        return Ok(WebhookEvent::Ignored {
            reason: format!("a message by a channel that is not known: `{from}`"),
        });
    };
    let text = fields
        .get("Body")
        .or_else(|| fields.get("ButtonText"))
        .unwrap_or_default();
    let asked = fields.get("OptOutType").and_then(opt_out_type);
    Ok(WebhookEvent::Received(InboundMessage {
        id: fields
            .message_sid()
            .ok_or_else(|| missing("MessageSid"))?
            .to_owned(),
        channel,
        from: sender.to_owned(),
        to: bare(to).to_owned(),
        from_name: fields.get("ProfileName").map(ToOwned::to_owned),
        subject: None,
        text: text.to_owned(),
        answers: fields
            .get("OriginalRepliedMessageSid")
            .map(ToOwned::to_owned)
            .into_iter()
            .collect(),
        keyword: asked.or_else(|| keyword(channel, text)),
        media: (0..)
            .map_while(|at| fields.get(&format!("MediaUrl{at}")))
            .map(ToOwned::to_owned)
            .collect(),
        at: None,
    }))
}

fn status(fields: &Fields, ours: Option<String>) -> Result<WebhookEvent> {
    let call = fields.about() == About::Call;
    let (sid, status) = if call {
        (fields.get("CallSid"), fields.get("CallStatus"))
    } else {
        (fields.message_sid(), fields.get("MessageStatus"))
    };
    let status = status.ok_or_else(|| Error::malformed("a status callback without a status"))?;
    let code = fields.get("ErrorCode");
    let number = code.and_then(|code| code.trim().parse().ok());
    let read = fields.get("EventType") == Some("READ");
    let state = match status {
        _ if call => call_state(status),
        _ if read => message_state("read", None),
        _ => message_state(status, number),
    };
    let Some(state) = state else {
        return Ok(WebhookEvent::Ignored {
            reason: format!("a status that is not known: `{status}`"),
        });
    };
    let meaning = number
        .filter(|_| matches!(status, "failed" | "undelivered"))
        .and_then(codes::meaning);
    let sip = fields
        .get("SipResponseCode")
        .filter(|_| call && status != "completed")
        .map(|code| format!("SIP response {code}"));
    Ok(WebhookEvent::Message(MessageEvent {
        id: fields.id(),
        message: ours,
        platform_message: sid.map(ToOwned::to_owned),
        recipient: fields.get("To").map(|to| bare(to).to_owned()),
        state,
        fault: meaning.and_then(codes::Meaning::fault),
        // Messages come without: of `RawDlrDoneDate` the time zone is not known.
        at: fields.get("Timestamp").and_then(moment),
        code: code.map(ToOwned::to_owned),
        detail: fields
            .get("ErrorMessage")
            .map(ToOwned::to_owned)
            .or_else(|| meaning.map(|meaning| meaning.about.to_owned()))
            .or(sip),
        url: None,
        user_agent: None,
        ip: None,
        machine: fields
            .get("AnsweredBy")
            .is_some_and(|by| by.starts_with("machine") || by == "fax"),
    }))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use chrono::DateTime;
    use http::HeaderMap;
    use url::Url;

    use super::*;
    use crate::RecipientFault;
    use crate::facet::{Channel, DeliveryState, Keyword};

    fn posted(query: &str, body: &'static str) -> Inbound {
        let mut headers = HeaderMap::new();
        let kind = "application/x-www-form-urlencoded".parse().expect("a header");
        headers.insert("content-type", kind);
        Inbound {
            method: Method::POST,
            url: Url::parse(&format!("https://h.example.test/t?{query}")).expect("an address"),
            headers,
            body: Bytes::from_static(body.as_bytes()),
            received_at: DateTime::UNIX_EPOCH,
        }
    }

    fn event(query: &str, body: &'static str) -> MessageEvent {
        match parse(&posted(query, body)) {
            Ok(WebhookEvent::Message(event)) => event,
            other => panic!("{other:?}"),
        }
    }

    fn received(body: &'static str) -> InboundMessage {
        match parse(&posted("", body)) {
            Ok(WebhookEvent::Received(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_failure_is_told_with_our_id_the_code_and_the_fault() {
        let told = event(
            "connection=7&message=m-1",
            "MessageSid=SM1&MessageStatus=undelivered&ErrorCode=30005&To=whatsapp%3A%2B15550107001&New=1",
        );
        assert_eq!(told.message.as_deref(), Some("m-1"));
        assert_eq!(told.platform_message.as_deref(), Some("SM1"));
        assert_eq!(told.recipient.as_deref(), Some("+15550107001"));
        assert_eq!(told.state, DeliveryState::Bounced);
        assert_eq!(told.fault, Some(RecipientFault::Unknown));
        assert_eq!(told.code.as_deref(), Some("30005"));
        assert_eq!(told.detail.as_deref(), Some("the number is not known"));
        assert_eq!(told.id.as_deref(), Some("SM1:undelivered:30005"));
    }

    #[test]
    fn calls_are_told_in_their_order_and_machines_are_named() {
        let told = event(
            "message=v-1",
            "CallSid=CA1&CallStatus=completed&AnsweredBy=machine_start&SequenceNumber=3&To=%2B1555&\
             Timestamp=Fri%2C+14+Mar+2025+10%3A00%3A01+%2B0000&CallbackSource=call-progress-events&SipResponseCode=200",
        );
        assert_eq!((told.state, told.machine), (DeliveryState::Delivered, true));
        assert_eq!(told.id.as_deref(), Some("CA1:completed:3"));
        assert_eq!(told.at, Some("2025-03-14T10:00:01Z".parse().unwrap()));
        assert_eq!(told.detail, None);
        let busy = event(
            "",
            "CallSid=CA1&CallStatus=busy&SequenceNumber=2&SipResponseCode=486&AnsweredBy=human",
        );
        assert_eq!((busy.state, busy.machine), (DeliveryState::Busy, false));
        assert_eq!(busy.detail.as_deref(), Some("SIP response 486"));
    }

    #[test]
    fn the_opt_out_type_counts_before_the_text() {
        let told = received("MessageSid=SM1&From=%2B1&To=%2B2&Body=Arr%C3%AAt&OptOutType=STOP");
        assert_eq!((told.keyword, told.text.as_str()), (Some(Keyword::Stop), "Arrêt"));
        let own = received("MessageSid=SM1&From=%2B1&To=%2B2&Body=+stop+&OptOutType=NEW");
        assert_eq!(own.keyword, Some(Keyword::Stop));
        assert_eq!(
            received("SmsSid=SM1&From=ACME&To=%2B2&Body=Please+stop").keyword,
            None
        );
    }

    #[test]
    fn whatsapp_buttons_and_pictures_are_read() {
        let told = received(
            "MessageSid=MM1&SmsStatus=received&From=whatsapp%3A%2B1&To=whatsapp%3A%2B2&Body=&ButtonText=Yes&ProfileName=Lea&\
             OriginalRepliedMessageSid=SM0&NumMedia=2&MediaUrl0=https%3A%2F%2Fa.example%2F0&MediaUrl1=https%3A%2F%2Fa.example%2F1",
        );
        assert_eq!(
            (told.channel, told.from.as_str(), told.to.as_str()),
            (Channel::WhatsApp, "+1", "+2")
        );
        assert_eq!(told.text, "Yes");
        assert_eq!(told.from_name.as_deref(), Some("Lea"));
        assert_eq!(told.answers, ["SM0"]);
        assert_eq!(told.media, ["https://a.example/0", "https://a.example/1"]);
    }

    #[test]
    fn what_is_not_known_is_ignored_and_what_is_broken_is_told() {
        let ignored = |body| matches!(parse(&posted("", body)), Ok(WebhookEvent::Ignored { .. }));
        assert!(ignored("MessageSid=SM1&MessageStatus=teleported"));
        assert!(ignored("MessageSid=SM1&From=rcs%3Aagent&To=%2B2&Body=a"));
        assert!(ignored("CallSid=CA1&CallStatus=ringing&Direction=inbound"));
        assert!(ignored("Something=else"));
        assert!(parse(&posted("", "MessageSid=SM1&Body=a")).is_err());
        assert!(parse(&posted("", "CallSid=CA1")).is_err());
    }

    #[test]
    fn a_get_is_read_from_its_query() {
        let asked = Inbound {
            method: Method::GET,
            ..posted("MessageSid=SM1&From=%2B1&To=%2B2&Body=Hi", "MessageSid=SM2")
        };
        assert_eq!(Fields::of(&asked).id().as_deref(), Some("SM1:received"));
    }
}
