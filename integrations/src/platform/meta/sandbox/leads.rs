//! Pages, their forms, what people left in them, and the webhooks about that.

use std::collections::BTreeSet;
use std::time::Duration as Wait;

use bytes::Bytes;
use chrono::{DateTime, Duration, Utc};
use http::Method;
use serde_json::{Value, json};
use url::Url;

use super::access::Holder;
use super::reply::{Answered, Fault, Params, page, project};
use super::{APP, APP_SECRET};
use crate::sandbox::{Delivery, SandboxRequest};
use crate::signature::{sign_sha1, sign_sha256};

pub(super) const LEADS: usize = 260;
const FORMS: usize = 30;
const PAGES: [(&str, &str); 3] = [
    ("561823650667841", "Café Ada"),
    ("561823650667842", "Ada Garden Tools"),
    ("561823650667843", "Ada Workshops"),
];
const PEOPLE: [(&str, &str, &str); 8] = [
    ("Ada", "Lovelace", "+15550100"),
    ("Valéry", "Durand", "+33199000"),
    ("Jürgen", "Größe", "+49301234"),
    ("María", "Peña", "+34910000"),
    ("Grace", "O'Hara", "+15550101"),
    ("Łukasz", "Nowak", "+48220000"),
    ("Mei", "Tanaka", "+81300000"),
    ("Kofi", "Mensah", "+23330000"),
];
pub(in crate::platform::meta) const MARKETING_BOX: &str = "Yes, send me the newsletter with offers by e-mail";

const PAGE_FIELDS: &[&str] = &["name", "access_token", "tasks", "category"];
const FORM_FIELDS: &[&str] = &[
    "name",
    "status",
    "locale",
    "leads_count",
    "created_time",
    "questions",
    "privacy_policy_url",
    "legal_content",
    "page_id",
];
const LEAD_FIELDS: &[&str] = &[
    "created_time",
    "field_data",
    "form_id",
    "ad_id",
    "ad_name",
    "adset_id",
    "adset_name",
    "campaign_id",
    "campaign_name",
    "is_organic",
    "platform",
    "custom_disclaimer_responses",
    "partner_name",
    "retailer_item_id",
];

struct Lead {
    id: u64,
    form: usize,
    at: DateTime<Utc>,
    object: Value,
}

/// Leads, newest first, and who is told of new ones.
pub(super) struct Leads {
    all: Vec<Lead>,
    begun: DateTime<Utc>,
    callback: Option<Url>,
    verify_token: String,
    subscribed: BTreeSet<usize>,
}

fn page_token(page: usize) -> String {
    format!("EAAGpage{page:030}")
}

pub(super) fn page_of_token(token: &str) -> Option<usize> {
    (0..PAGES.len()).find(|page| page_token(*page) == token)
}

fn form_id(form: usize) -> String {
    format!("{}", 624_049_654_500_000_u64 + form as u64)
}

pub(super) fn lead_id(number: usize) -> u64 {
    1_234_567_890_100_000 + number as u64 * 7
}

/// As the platform writes moments: without a colon in the offset.
fn written(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S+0000").to_string()
}

fn boxed(form: usize) -> bool {
    form.is_multiple_of(3)
}

fn lead(number: usize, form: usize, at: DateTime<Utc>, organic: bool, test: bool) -> Lead {
    let (first, last, phone) = PEOPLE[number % PEOPLE.len()];
    let id = lead_id(number);
    let answer = |name: &str, values: &[String]| {
        let values: Vec<_> = if test {
            vec![format!("<test lead: dummy data for {name}>")]
        } else {
            values.to_vec()
        };
        json!({ "name": name, "values": values })
    };
    let interests: Vec<String> = ["bread", "tools", "courses"]
        .into_iter()
        .take(1 + number % 3)
        .map(str::to_owned)
        .collect();
    let mut object = json!({
        "id": id.to_string(),
        "created_time": written(at),
        "form_id": form_id(form),
        "is_organic": organic,
        "platform": if number.is_multiple_of(2) { "fb" } else { "ig" },
        "field_data": [
            answer("email", &[format!(" lead{number}@example.com ")]),
            answer("full_name", &[format!("{first} {last}")]),
            answer("phone_number", &[format!("{phone}{number:04}")]),
            answer("city", &["Berlin".to_owned()]),
            answer("what_are_you_interested_in?", &interests),
        ],
    });
    if boxed(form) {
        object["custom_disclaimer_responses"] = json!([
            { "checkbox_key": "optional_1", "is_checked": if number.is_multiple_of(2) { "1" } else { "" } },
            { "checkbox_key": "optional_2", "is_checked": "1" },
        ]);
    }
    if !organic {
        let trail = [("campaign", 0), ("adset", 1), ("ad", 2)];
        for (name, kind) in trail {
            let which = number % 12;
            object[format!("{name}_id")] = format!("12020000000{kind}{which:05}").into();
            object[format!("{name}_name")] = format!("Autumn {name} {which}").into();
        }
    }
    Lead { id, form, at, object }
}

impl Leads {
    pub(super) fn new(now: DateTime<Utc>, verify_token: &str) -> Self {
        let all = (0..LEADS)
            .map(|number| {
                let back = i64::try_from(7 * (LEADS - number)).unwrap_or_default();
                let at = now - Duration::hours(back);
                lead(number, number % FORMS, at, number.is_multiple_of(5), false)
            })
            .rev()
            .collect();
        Self {
            all,
            begun: now,
            callback: None,
            verify_token: verify_token.to_owned(),
            subscribed: BTreeSet::new(),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    pub(super) fn subscriptions(&self) -> usize {
        self.subscribed.len()
    }

    pub(super) fn pages(&self, holder: Holder, params: &Params, request: &SandboxRequest) -> Answered {
        if !matches!(holder, Holder::User | Holder::System) {
            return Err(Fault::parameter("Tried accessing nonexistent field (accounts)"));
        }
        let fields = params
            .text("fields")
            .unwrap_or("name,access_token,tasks,category");
        let items = PAGES.iter().enumerate().map(|(number, (id, name))| {
            let object = json!({
                "id": id, "name": name, "access_token": page_token(number), "category": "Local business",
                "tasks": ["ADVERTISE", "ANALYZE", "CREATE_CONTENT", "MANAGE"],
            });
            Ok(((*id).to_owned(), project(&object, fields, PAGE_FIELDS)?))
        });
        page(items.collect::<Result<_, Fault>>()?, params, request, 2)
    }

    fn form(&self, form: usize) -> Value {
        let mut object = json!({
            "id": form_id(form),
            "name": format!("Form {}", form + 1),
            "status": match form % 10 { 8 => "ARCHIVED", 9 => "DELETED", _ => "ACTIVE" },
            "locale": "en_US",
            "page_id": PAGES[form % PAGES.len()].0,
            "leads_count": self.all.iter().filter(|lead| lead.form == form).count(),
            "created_time": written(self.begun - Duration::days(100)),
            "privacy_policy_url": "https://example.com/privacy",
            "questions": [
                { "key": "email", "label": "Email", "type": "EMAIL", "id": "1" },
                { "key": "full_name", "label": "Full name", "type": "FULL_NAME", "id": "2" },
                { "key": "phone_number", "label": "Phone number", "type": "PHONE", "id": "3" },
                { "key": "city", "label": "City", "type": "CITY", "id": "4" },
                { "key": "what_are_you_interested_in?", "label": "What are you interested in?", "type": "CUSTOM",
                  "id": "5", "options": [{ "key": "bread", "value": "Bread" }] },
            ],
        });
        if boxed(form) {
            object["legal_content"] = json!({ "id": "9", "custom_disclaimer": { "title": "Terms", "checkboxes": [
                { "id": "91", "key": "optional_1", "is_required": false, "is_checked_by_default": false,
                  "text": MARKETING_BOX },
                { "id": "92", "key": "optional_2", "is_required": true, "is_checked_by_default": false,
                  "text": "I have read the terms of the raffle" },
            ] } });
        }
        object
    }

    /// Forms, leads of forms, single leads and what is subscribed, by the page's own token.
    pub(super) fn get(
        &self,
        parts: &[&str],
        holder: Holder,
        params: &Params,
        request: &SandboxRequest,
    ) -> Option<Answered> {
        let by_page = |number: usize| matches!(holder, Holder::Page(own) if own == number);
        let fields = params.text("fields");
        let form = (0..FORMS).find(|form| form_id(*form) == parts[0]);
        let owner = PAGES.iter().position(|(id, _)| *id == parts[0]);
        let found = self.all.iter().find(|lead| lead.id.to_string() == parts[0]);
        match (parts, owner, form, found) {
            ([id, "leadgen_forms" | "subscribed_apps"], Some(number), ..) if !by_page(number) => {
                Some(Err(Fault::new(
                    190,
                    format!("This method must be called with a Page Access Token of {id}"),
                )))
            }
            ([_, "leadgen_forms"], Some(number), ..) => Some(self.forms(number, fields, params, request)),
            ([_, "subscribed_apps"], Some(number), ..) => {
                let app = json!({ "id": APP, "name": "Leadline", "subscribed_fields": ["leadgen"] });
                let data: Vec<_> = self
                    .subscribed
                    .contains(&number)
                    .then_some(app)
                    .into_iter()
                    .collect();
                Some(Ok(json!({ "data": data })))
            }
            ([id, ..], _, Some(form), _) if !by_page(form % PAGES.len()) => Some(Err(Fault::missing(id))),
            ([_], _, Some(form), _) => Some(project(
                &self.form(form),
                fields.unwrap_or("name,status"),
                FORM_FIELDS,
            )),
            ([_, "leads"], _, Some(form), _) => Some(self.of_form(form, fields, params, request)),
            ([id], _, _, Some(lead)) if !by_page(lead.form % PAGES.len()) => Some(Err(Fault::missing(id))),
            ([_], _, _, Some(lead)) => Some(project(
                &lead.object,
                fields.unwrap_or("created_time,field_data"),
                LEAD_FIELDS,
            )),
            _ => None,
        }
    }

    fn forms(
        &self,
        owner: usize,
        fields: Option<&str>,
        params: &Params,
        request: &SandboxRequest,
    ) -> Answered {
        let items = (0..FORMS).filter(|form| form % PAGES.len() == owner).map(|form| {
            let shown = project(&self.form(form), fields.unwrap_or("name,status"), FORM_FIELDS)?;
            Ok((form_id(form), shown))
        });
        page(items.collect::<Result<_, Fault>>()?, params, request, 6)
    }

    fn of_form(
        &self,
        form: usize,
        fields: Option<&str>,
        params: &Params,
        request: &SandboxRequest,
    ) -> Answered {
        let filters = match params.structure("filtering") {
            None => Vec::new(),
            Some(Value::Array(filters)) => filters,
            Some(_) => return Err(Fault::parameter("param filtering must be an array")),
        };
        for filter in &filters {
            let known = filter["field"] == "time_created"
                && matches!(
                    filter["operator"].as_str(),
                    Some("GREATER_THAN" | "LESS_THAN" | "GREATER_THAN_OR_EQUAL")
                )
                && filter["value"].is_i64();
            if !known {
                return Err(Fault::parameter(
                    "Filtering field, operator or value is not supported",
                ));
            }
        }
        let matches = |lead: &&Lead| {
            lead.form == form
                && filters.iter().all(|filter| {
                    let (at, bound) = (lead.at.timestamp(), filter["value"].as_i64().unwrap_or_default());
                    match filter["operator"].as_str() {
                        Some("GREATER_THAN") => at > bound,
                        Some("LESS_THAN") => at < bound,
                        _ => at >= bound,
                    }
                })
        };
        let items = self.all.iter().filter(matches).map(|lead| {
            let shown = project(
                &lead.object,
                fields.unwrap_or("created_time,field_data"),
                LEAD_FIELDS,
            )?;
            Ok((lead.id.to_string(), shown))
        });
        page(items.collect::<Result<_, Fault>>()?, params, request, 5)
    }

    /// Tells an app of what happens on a page, or no more.
    pub(super) fn subscribe_page(&mut self, id: &str, holder: Holder, params: &Params, on: bool) -> Answered {
        let number = PAGES.iter().position(|(page, _)| *page == id);
        let number = number.ok_or_else(|| Fault::missing(id))?;
        if holder != Holder::Page(number) {
            let text = format!("This method must be called with a Page Access Token of {id}");
            return Err(Fault::new(190, text));
        }
        if on {
            if params.required("subscribed_fields")? != "leadgen" {
                return Err(Fault::parameter(
                    "Param subscribed_fields[0] must be one of {leadgen, …}",
                ));
            }
            self.subscribed.insert(number);
        } else {
            self.subscribed.remove(&number);
        }
        Ok(json!({ "success": true }))
    }

    pub(super) fn app_subscriptions(&self) -> Value {
        let data: Vec<_> = self
            .callback
            .iter()
            .map(|url| {
                json!({ "object": "page", "callback_url": url.as_str(), "active": true,
                        "fields": [{ "name": "leadgen", "version": "v25.0" }] })
            })
            .collect();
        json!({ "data": data })
    }

    /// Where the app is told; gives the question that the platform asks there.
    pub(super) fn subscribe_app(&mut self, params: &Params) -> Result<Vec<Delivery>, Fault> {
        if params.required("object")? != "page" || params.required("fields")? != "leadgen" {
            return Err(Fault::parameter("Invalid object or field"));
        }
        let url = Url::parse(params.required("callback_url")?)
            .map_err(|_| Fault::parameter("callback_url must be a valid URL"))?;
        params
            .required("verify_token")?
            .clone_into(&mut self.verify_token);
        let mut question = url.clone();
        question
            .query_pairs_mut()
            .append_pair("hub.mode", "subscribe")
            .append_pair("hub.challenge", "1158201444")
            .append_pair("hub.verify_token", &self.verify_token);
        self.callback = Some(url);
        Ok(vec![Delivery {
            after: Wait::ZERO,
            method: Method::GET,
            url: question,
            headers: Vec::new(),
            body: Bytes::new(),
        }])
    }

    pub(super) fn unsubscribe_app(&mut self) {
        self.callback = None;
    }

    /// As the owner does it in the platform's own pages.
    pub(super) fn point(&mut self, url: &Url) {
        self.callback = Some(url.clone());
        self.subscribed = (0..PAGES.len()).collect();
    }

    /// People fill in forms; gives the notification.
    pub(super) fn arrive(&mut self, now: DateTime<Utc>, what: &str) -> Vec<Delivery> {
        let how_many = if what == "several_leads" { 3 } else { 1 };
        let mut entries = Vec::new();
        for _ in 0..how_many {
            let number = self.all.len();
            let form = number % FORMS;
            let organic = what == "organic_lead";
            let new = lead(number, form, now, organic, what == "test_lead");
            let owner = form % PAGES.len();
            let mut value = json!({
                "leadgen_id": new.object["id"], "page_id": PAGES[owner].0, "form_id": new.object["form_id"],
                "ad_id": new.object["ad_id"], "adgroup_id": new.object["ad_id"], "created_time": now.timestamp(),
            });
            if organic {
                // As some sources of it write ids.
                value["leadgen_id"] = new.id.into();
                value["ad_id"] = 0.into();
                value["adgroup_id"] = 0.into();
            }
            if self.subscribed.contains(&owner) {
                entries.push(json!({ "id": PAGES[owner].0, "time": now.timestamp(),
                                     "changes": [{ "field": "leadgen", "value": value }] }));
            }
            self.all.insert(0, new);
        }
        let Some(url) = self.callback.clone().filter(|_| !entries.is_empty()) else {
            return Vec::new();
        };
        let body = json!({ "object": "page", "entry": entries })
            .to_string()
            .replace('/', "\\/");
        let sign = |tag: Vec<u8>, name: &str| format!("{name}={}", hex::encode(tag));
        let key = APP_SECRET.as_bytes();
        vec![Delivery {
            after: Wait::ZERO,
            method: Method::POST,
            url,
            headers: vec![
                ("content-type", "application/json".to_owned()),
                ("x-hub-signature", sign(sign_sha1(key, body.as_bytes()), "sha1")),
                (
                    "x-hub-signature-256",
                    sign(sign_sha256(key, body.as_bytes()), "sha256"),
                ),
            ],
            body: body.into(),
        }]
    }
}
