//! Numbers and the messaging service: where it is told that somebody has written.

use http::Method;
use serde_json::{Value, json};
use url::Url;

use super::state::{ACCOUNT, Number, SERVICE, State};
use super::{Answered, Refusal, VERSION, fields, paging};
use crate::sandbox::{SandboxAnswer, SandboxRequest};

pub(super) fn list(request: &SandboxRequest, state: &State) -> Answered {
    let wanted = request.param("PhoneNumber");
    let rows: Vec<Value> = state
        .numbers
        .iter()
        .filter(|number| wanted.is_none_or(|wanted| number.phone == wanted))
        .map(shown)
        .collect();
    paging::page(request, "incoming_phone_numbers", &rows)
}

pub(super) fn one(request: &SandboxRequest, state: &mut State, sid: &str) -> Answered {
    let sid = sid.strip_suffix(".json").unwrap_or_default();
    let number = state
        .numbers
        .iter_mut()
        .find(|number| number.sid == sid)
        .ok_or_else(|| Refusal::not_found(&request.path))?;
    if request.method == Method::POST {
        let fields = fields(request);
        if let Some(url) = fields.sent("SmsUrl") {
            if !url.is_empty() && Url::parse(url).is_err() {
                return Err(Refusal::bad(21502, "Invalid SmsUrl"));
            }
            url.clone_into(&mut number.sms_url);
        }
        if let Some(application) = fields.sent("SmsApplicationSid") {
            application.clone_into(&mut number.sms_application);
        }
    }
    Ok(SandboxAnswer::json(200, &shown(number)))
}

fn shown(number: &Number) -> Value {
    json!({
        "sid": number.sid,
        "account_sid": ACCOUNT,
        "phone_number": number.phone,
        "friendly_name": number.phone,
        "capabilities": { "voice": true, "sms": number.sms, "mms": number.sms, "fax": false },
        "sms_url": number.sms_url,
        "sms_method": "POST",
        "sms_application_sid": number.sms_application,
        "uri": format!("/{VERSION}/Accounts/{ACCOUNT}/IncomingPhoneNumbers/{}.json", number.sid),
    })
}

pub(super) fn service(request: &SandboxRequest, state: &mut State) -> SandboxAnswer {
    if request.method == Method::POST
        && let Some(url) = fields(request).sent("InboundRequestUrl")
    {
        state.service_url = Some(url.to_owned()).filter(|url| !url.is_empty());
    }
    let value = json!({
        "sid": SERVICE,
        "account_sid": ACCOUNT,
        "friendly_name": "Reminders",
        "inbound_request_url": state.service_url,
        "inbound_method": "POST",
        "use_inbound_webhook_on_number": false,
        "status_callback": null,
    });
    SandboxAnswer::json(200, &value)
}
