//! A stand-in of Twilio. Magic numbers decide how a message or call to them ends: the last five digits of `+155501…` are the
//! code that it is refused with, of `+155502…` the code of a failure that is told later, and `+15550300001` to
//! `+15550300005` are a busy line, one that nobody takes, one that fails, one that is cancelled, and a machine.

mod callbacks;
mod calls;
mod messages;
mod numbers;
mod paging;
mod state;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use http::Method;
use serde_json::{Value, json};
use url::Url;

use self::state::State;
pub(super) use self::state::{ACCOUNT, KEY, KEY_SECRET, SERVICE, TEMPLATE, TOKEN, number};
use crate::facet::{Content, Message};
use crate::sandbox::{
    Cases, Delivery, Failure, MessengerCase, Sandbox, SandboxAnswer, SandboxRequest, Setup, WebhooksCase,
};
use crate::{Clock, Kind, RecipientFault};

/// The version of the API that it speaks.
const VERSION: &str = "2010-04-01";

const HAPPENINGS: &[&str] = &[
    "sms",
    "mms",
    "whatsapp",
    "whatsapp_button",
    "stop",
    "advanced_stop",
    "start",
    "help",
    "late_status",
];

/// A stand-in of Twilio.
pub(super) struct TwilioSandbox {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

impl TwilioSandbox {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let state = Mutex::new(State::seeded(clock.now()));
        Self { clock, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Sandbox for TwilioSandbox {
    fn setup(&self, base: &Url) -> Setup {
        Setup {
            settings: json!({
                "accountSid": ACCOUNT,
                "apiKeySid": KEY,
                "baseUrl": base.as_str(),
                "messagingBaseUrl": base.as_str(),
            }),
            secrets: json!({ "authToken": TOKEN, "apiKeySecret": KEY_SECRET }),
            credentials: None,
        }
    }

    async fn answer(&self, request: &SandboxRequest) -> SandboxAnswer {
        let now = self.clock.now();
        let mut state = self.state();
        match route(request, &mut state, now) {
            Ok(answer) => answer.header("twilio-request-id", state.request_id()),
            Err(refusal) => refusal.answer().header("twilio-request-id", state.request_id()),
        }
    }

    fn failure(&self, failure: Failure, request: &SandboxRequest) -> Option<SandboxAnswer> {
        let refusal = match failure {
            Failure::Unauthorised => Refusal::unauthorised(),
            Failure::Throttled { seconds } => {
                let refusal = Refusal::new(429, 20429, "Too Many Requests");
                return Some(refusal.answer().header("retry-after", seconds));
            }
            Failure::ServerError => Refusal::new(500, 20500, "Internal Server Error"),
            Failure::BodyError => return self.failed_within(request),
            Failure::Cut | Failure::CutWithin | Failure::Slow(_) | Failure::Malformed => return None,
        };
        Some(refusal.answer())
    }

    fn holds(&self) -> BTreeMap<&'static str, usize> {
        let state = self.state();
        BTreeMap::from([
            ("messages", state.messages.len()),
            ("calls", state.calls.len()),
            ("sent", state.sent()),
            ("numbers", state.numbers.len()),
            ("optedOut", state.opted_out.len()),
            ("listening", state.listening()),
        ])
    }

    fn cases(&self) -> Cases {
        Cases {
            messenger: Some(messenger_case()),
            webhooks: Some(WebhooksCase {
                topics: vec!["incoming-message"],
                ids: true,
                signed: true,
            }),
            ..Cases::default()
        }
    }

    fn point_webhooks(&self, url: &Url) {
        self.state().point_webhooks(url);
    }

    fn happenings(&self) -> &'static [&'static str] {
        HAPPENINGS
    }

    fn happen(&self, what: &str) -> Vec<Delivery> {
        let now = self.clock.now();
        callbacks::happen(&mut self.state(), what, now)
    }
}

impl TwilioSandbox {
    /// A message that is created and has failed already; an account that is suspended.
    fn failed_within(&self, request: &SandboxRequest) -> Option<SandboxAnswer> {
        let now = self.clock.now();
        if request.method == Method::POST && request.path.ends_with("/Messages.json") {
            let mut state = self.state();
            let mut message = state.messages.first()?.to_json(now);
            message["sid"] = state.next_sid("SM").into();
            message["status"] = "failed".into();
            message["error_code"] = 30034.into();
            message["error_message"] = "US A2P 10DLC - Message from an Unregistered Number".into();
            return Some(SandboxAnswer::json(201, &message));
        }
        (request.method == Method::GET && request.path.ends_with(&format!("/Accounts/{ACCOUNT}.json")))
            .then(|| SandboxAnswer::json(200, &account("suspended")))
    }
}

/// An answer that refuses.
#[derive(Debug)]
struct Refusal {
    status: u16,
    code: u32,
    message: String,
}

impl Refusal {
    fn new(status: u16, code: u32, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    fn bad(code: u32, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    fn unauthorised() -> Self {
        Self::new(401, 20003, "Authenticate")
    }

    fn not_found(path: &str) -> Self {
        Self::new(404, 20404, format!("The requested resource {path} was not found"))
    }

    fn answer(&self) -> SandboxAnswer {
        let Self {
            status,
            code,
            message,
        } = self;
        let body = json!({
            "code": code,
            "message": message,
            "more_info": format!("https://www.twilio.com/docs/errors/{code}"),
            "status": status,
        });
        let answer = SandboxAnswer::json(*status, &body);
        if *status == 401 {
            answer.header("www-authenticate", "Basic realm=\"Twilio API\"")
        } else {
            answer
        }
    }
}

type Answered = Result<SandboxAnswer, Refusal>;

fn route(request: &SandboxRequest, state: &mut State, now: chrono::DateTime<chrono::Utc>) -> Answered {
    let key = authenticate(request)?;
    let parts: Vec<&str> = request.path.split('/').skip(1).collect();
    let post = request.method == Method::POST;
    match (request.method.as_str(), parts.as_slice()) {
        ("GET", [VERSION, "Accounts", account_json]) if *account_json == format!("{ACCOUNT}.json") => {
            // Keys of the standard kind may not see accounts.
            if key {
                Err(Refusal::unauthorised())
            } else {
                Ok(SandboxAnswer::json(200, &account("active")))
            }
        }
        (_, [VERSION, "Accounts", ACCOUNT, rest @ ..]) => match rest {
            ["Messages.json"] if post => messages::create(request, state, now),
            ["Messages.json"] => messages::list(request, state, now),
            ["Messages", sid] => messages::one(request, state, sid, now),
            ["Calls.json"] if post => calls::create(request, state, now),
            ["Calls.json"] => calls::list(request, state, now),
            ["Calls", sid] => calls::one(request, state, sid, now),
            ["IncomingPhoneNumbers.json"] if !post => numbers::list(request, state),
            ["IncomingPhoneNumbers", sid] => numbers::one(request, state, sid),
            _ => Err(Refusal::not_found(&request.path)),
        },
        (_, ["v1", "Services", SERVICE]) => Ok(numbers::service(request, state)),
        _ => Err(Refusal::not_found(&request.path)),
    }
}

/// Whether it was a key (and not the account's own token) that was shown.
fn authenticate(request: &SandboxRequest) -> Result<bool, Refusal> {
    let shown = request
        .header("authorization")
        .and_then(|value| value.strip_prefix("Basic "))
        .and_then(|value| crate::signature::from_base64(value).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(Refusal::unauthorised)?;
    if shown == format!("{ACCOUNT}:{TOKEN}") {
        Ok(false)
    } else if shown == format!("{KEY}:{KEY_SECRET}") {
        Ok(true)
    } else {
        Err(Refusal::unauthorised())
    }
}

fn account(status: &str) -> Value {
    json!({
        "sid": ACCOUNT,
        "auth_token": TOKEN,
        "friendly_name": "Sandbox of Example Ltd",
        "owner_account_sid": ACCOUNT,
        "status": status,
        "type": "Full",
        "date_created": "Mon, 06 Jan 2025 09:00:00 +0000",
        "date_updated": "Mon, 06 Jan 2025 09:00:00 +0000",
        "subresource_uris": { "messages": format!("/{VERSION}/Accounts/{ACCOUNT}/Messages.json") },
        "uri": format!("/{VERSION}/Accounts/{ACCOUNT}.json"),
    })
}

/// The fields of what was posted. What is no form is not read, so its fields are missing.
fn fields(request: &SandboxRequest) -> Fields {
    let form = request
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    Fields(if form { request.form() } else { Vec::new() })
}

struct Fields(Vec<(String, String)>);

impl Fields {
    fn get(&self, name: &str) -> Option<&str> {
        self.sent(name).filter(|value| !value.is_empty())
    }

    /// Also where it was sent empty.
    fn sent(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(key, _)| key == name)?;
        Some(value.as_str())
    }

    fn all(&self, name: &str) -> Vec<&str> {
        self.0
            .iter()
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }
}

fn messenger_case() -> MessengerCase {
    let sms = |id: &str, to: &str| Message {
        id: id.to_owned(),
        from: number(0),
        to: to.to_owned(),
        to_name: None,
        content: Content::Sms {
            text: "Hello Lea, is Tuesday fine? Sam & Co".to_owned(),
            media: Vec::new(),
        },
        callback: None,
    };
    let with = |id: &str, content: Content| Message {
        content,
        ..sms(id, "+15550107002")
    };
    let picture = Url::parse("https://files.example.org/plan.png").expect("an address");
    let messages = vec![
        sms("case-sms", "+15550107001"),
        with(
            "case-mms",
            Content::Sms {
                text: "The plan".to_owned(),
                media: vec![picture],
            },
        ),
        with(
            "case-whatsapp",
            Content::WhatsApp {
                text: "Good morning 🌞".to_owned(),
            },
        ),
        with(
            "case-template",
            Content::WhatsAppTemplate {
                template: TEMPLATE.to_owned(),
                variables: vec![("1".to_owned(), "Lea".to_owned())],
            },
        ),
        with(
            "case-voice",
            Content::Voice {
                text: "Hello Lea. Your <order> has come & waits.".to_owned(),
                language: Some("en-GB".to_owned()),
            },
        ),
    ];
    let refused = [
        ("+15550121211", Kind::Recipient(RecipientFault::Unknown)),
        ("+15550121610", Kind::Recipient(RecipientFault::OptedOut)),
        ("+15550121612", Kind::Recipient(RecipientFault::NoRoute)),
        ("+15550121614", Kind::Recipient(RecipientFault::NotMobile)),
        ("+15550121408", Kind::Forbidden),
        ("lea", Kind::Recipient(RecipientFault::Unknown)),
    ]
    .into_iter()
    .map(|(to, kind)| (sms("case-refused", to), kind))
    .collect();
    MessengerCase {
        messages,
        refused,
        held: "sent",
    }
}
