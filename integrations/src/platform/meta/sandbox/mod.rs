//! A stand-in of the Graph API: pages with forms and leads, a dataset for events, an advertising account.

mod access;
mod audiences;
mod events;
mod insights;
mod leads;
mod reply;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use http::Method;
use serde_json::json;
use url::Url;

#[cfg(test)]
pub(super) use self::access::SYSTEM_TOKEN;
pub(super) use self::access::USER_TOKEN;
use self::access::{Access, Holder};
use self::audiences::Audiences;
use self::events::Events;
use self::leads::Leads;
#[cfg(test)]
pub(super) use self::leads::MARKETING_BOX;
use self::reply::{Answered, Fault, Params};
use crate::facet::DateRange;
use crate::sandbox::{
    AdReportingCase, AudienceSinkCase, Cases, ConversionSinkCase, Delivery, Failure, LeadSourceCase, Sandbox,
    SandboxAnswer, SandboxRequest, Setup, WebhooksCase,
};
use crate::{Clock, Credentials, Secret};

const APP: &str = "1700000000000042";
const APP_SECRET: &str = "5f4dcc3b5aa765d61d8327deb882cf99";
const VERIFY_TOKEN: &str = "a-word-of-our-own";
const ACCOUNT: &str = "1700000000000001";
const CURRENCY: &str = "EUR";
const DATASET: &str = "1700000000000077";
/// Versions in which the Graph API and its marketing part can be asked.
const VERSIONS: [&str; 5] = ["v22.0", "v23.0", "v24.0", "v25.0", "v26.0"];
const MARKETING_VERSIONS: [&str; 2] = ["v25.0", "v26.0"];

/// The stand-in.
pub(super) struct MetaSandbox {
    clock: Arc<dyn Clock>,
    begun: DateTime<Utc>,
    state: Mutex<State>,
}

struct State {
    access: Access,
    leads: Leads,
    events: Events,
    audiences: Audiences,
    requests: u32,
}

impl MetaSandbox {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let begun = clock.now();
        let state = State {
            access: Access::default(),
            leads: Leads::new(begun, VERIFY_TOKEN),
            events: Events::default(),
            audiences: Audiences::new(begun),
            requests: 0,
        };
        Self {
            clock,
            begun,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Sandbox for MetaSandbox {
    fn setup(&self, base: &Url) -> Setup {
        let base = base.as_str().trim_end_matches('/');
        Setup {
            settings: json!({
                "appId": APP, "adAccountId": format!("act_{ACCOUNT}"), "datasetId": DATASET,
                "baseUrl": base, "dialogUrl": base,
            }),
            secrets: json!({ "appSecret": APP_SECRET, "verifyToken": VERIFY_TOKEN }),
            credentials: Some(Credentials {
                access_token: Secret::new(USER_TOKEN),
                refresh_token: None,
                expires_at: Some(self.begun + Duration::days(60)),
                refresh_expires_at: None,
                scopes: vec!["leads_retrieval".to_owned(), "ads_management".to_owned()],
            }),
        }
    }

    async fn answer(&self, request: &SandboxRequest) -> SandboxAnswer {
        let mut state = self.state();
        state.requests += 1;
        let used = state.requests % 40;
        let usage = json!({ "call_count": used, "total_time": used / 2, "total_cputime": used / 3 });
        let parts: Vec<_> = request.path.trim_matches('/').split('/').collect();
        let [version, parts @ ..] = &parts[..] else {
            return Fault::new(2500, "Unknown path components").answer();
        };
        if !VERSIONS.contains(version) {
            return Fault::new(2500, format!("Unknown path components: /{version}")).answer();
        }
        let answer = match (&request.method, parts) {
            (&Method::GET, ["dialog", "oauth"]) => return state.access.dialog(request),
            _ => state.route(version, parts, request, self.begun),
        };
        answer
            .unwrap_or_else(|fault| fault.answer())
            .header("facebook-api-version", version)
            .header("x-app-usage", usage)
    }

    fn failure(&self, failure: Failure, request: &SandboxRequest) -> Option<SandboxAnswer> {
        let fault = match failure {
            Failure::Unauthorised => {
                let text = "Error validating access token: Session has expired on Friday.";
                Fault::new(190, text).subcode(463)
            }
            Failure::Throttled { seconds } => {
                let path = request.path.as_str();
                let (code, case) = if path.contains("/insights") {
                    (80_000, "ads_insights")
                } else if path.contains("audience") || path.contains("/users") {
                    (80_003, "custom_audience")
                } else if path.contains("/events") || path.contains("act_") {
                    (80_004, "ads_management")
                } else if path.contains("leads") || path.contains("leadgen") {
                    (80_005, "leadgen")
                } else {
                    (80_001, "pages")
                };
                let text = "There have been too many calls. Wait a bit and try again.";
                Fault {
                    // The platform names minutes.
                    limit: Some((case, seconds.div_ceil(60).max(1))),
                    ..Fault::new(code, format!("(#{code}) {text}"))
                }
            }
            Failure::ServerError => Fault {
                status: 500,
                transient: true,
                ..Fault::new(
                    2,
                    "An unexpected error has occurred. Please retry your request later.",
                )
            },
            // Outside of batches the platform tells no failure within a success; the others are the server's.
            Failure::BodyError
            | Failure::Cut
            | Failure::CutWithin
            | Failure::Slow(_)
            | Failure::Malformed => return None,
        };
        Some(fault.answer())
    }

    fn holds(&self) -> BTreeMap<&'static str, usize> {
        let state = self.state();
        BTreeMap::from([
            ("leads", state.leads.count()),
            ("page_subscriptions", state.leads.subscriptions()),
            ("events", state.events.count()),
            ("audiences", state.audiences.count()),
            ("audience_members", state.audiences.members()),
        ])
    }

    fn cases(&self) -> Cases {
        let yesterday = self.begun.date_naive() - Duration::days(1);
        Cases {
            lead_source: Some(LeadSourceCase {
                leads: leads::LEADS,
                lead: leads::lead_id(17).to_string(),
                another: "lead",
            }),
            audience_sink: Some(AudienceSinkCase {
                members: "audience_members",
            }),
            conversion_sink: Some(ConversionSinkCase { events: "events" }),
            webhooks: Some(WebhooksCase {
                topics: vec!["leadgen"],
                ids: false,
                signed: true,
            }),
            ad_reporting: Some(AdReportingCase {
                range: DateRange {
                    from: yesterday - Duration::days(29),
                    to: yesterday,
                },
                results: insights::CAMPAIGNS * 30,
            }),
            oauth: Some(()),
            ..Cases::default()
        }
    }

    fn point_webhooks(&self, url: &Url) {
        self.state().leads.point(url);
    }

    fn happenings(&self) -> &'static [&'static str] {
        &["lead", "organic_lead", "several_leads", "test_lead"]
    }

    fn happen(&self, what: &str) -> Vec<Delivery> {
        self.state().leads.arrive(self.clock.now(), what)
    }
}

impl State {
    fn route(
        &mut self,
        version: &str,
        parts: &[&str],
        request: &SandboxRequest,
        begun: DateTime<Utc>,
    ) -> Result<SandboxAnswer, Fault> {
        let params = Params::of(request);
        if parts == ["oauth", "access_token"] {
            if request.method != Method::GET {
                return Err(Fault::new(100, "Unsupported method"));
            }
            return self
                .access
                .exchange(&params, request.at)
                .map(|value| SandboxAnswer::json(200, &value));
        }
        let holder = self.access.holder(request, &params)?;
        let marketing = parts.first().is_some_and(|part| part.starts_with("act_"))
            || matches!(parts, [_, "users" | "sessions" | "customaudiences"]);
        if marketing && !MARKETING_VERSIONS.contains(&version) {
            let text = "(#2635) You are calling a deprecated version of the Ads API. Please update to the latest version: \
                        v26.0.";
            return Err(Fault::new(2635, text));
        }
        if parts == [APP, "subscriptions"] {
            return self.app_subscriptions(holder, &params, request);
        }
        let value = match request.method {
            Method::GET => self.read(parts, holder, &params, request, begun),
            Method::POST => self.write(parts, holder, &params, request),
            Method::DELETE => self.remove(parts, holder, &params, request),
            _ => Err(Fault::new(100, "Unsupported method")),
        }?;
        Ok(SandboxAnswer::json(200, &value))
    }

    fn app_subscriptions(
        &mut self,
        holder: Holder,
        params: &Params,
        request: &SandboxRequest,
    ) -> Result<SandboxAnswer, Fault> {
        if holder != Holder::App {
            return Err(Fault::new(
                15,
                "(#15) This method must be called with an app access_token.",
            ));
        }
        let done = SandboxAnswer::json(200, &json!({ "success": true }));
        match request.method {
            Method::GET => Ok(SandboxAnswer::json(200, &self.leads.app_subscriptions())),
            Method::POST => Ok(done.deliver(self.leads.subscribe_app(params)?)),
            Method::DELETE => {
                self.leads.unsubscribe_app();
                Ok(done)
            }
            _ => Err(Fault::new(100, "Unsupported method")),
        }
    }

    fn read(
        &mut self,
        parts: &[&str],
        holder: Holder,
        params: &Params,
        request: &SandboxRequest,
        begun: DateTime<Utc>,
    ) -> Answered {
        match parts {
            ["me"] => Ok(match holder {
                Holder::User => json!({ "id": "10224000000000001", "name": "Ada Owner" }),
                Holder::System => json!({ "id": "10224000000000002", "name": "Leadline system user" }),
                _ => return Err(Fault::new(2500, "An active access token must be used")),
            }),
            ["debug_token"] => self.access.debug(holder, params, request.at),
            ["me", "accounts"] => self.leads.pages(holder, params, request),
            [account, rest @ ..] if account.starts_with("act_") => {
                own_account(account, holder)?;
                match rest {
                    [] => Ok(json!({
                        "id": account, "account_id": ACCOUNT, "name": "Ada Advertising", "currency": CURRENCY,
                        "timezone_name": "Europe/Berlin",
                    })),
                    ["customaudiences"] => self.audiences.list(params, request),
                    ["insights"] => insights::read(params, request, begun),
                    _ => Err(Fault::parameter("Unknown path components")),
                }
            }
            [id] if self.audiences.knows(id) => self.audiences.get(id, params),
            [id, ..] => {
                let found = self.leads.get(parts, holder, params, request);
                found.unwrap_or_else(|| Err(Fault::missing(id)))
            }
            [] => Err(Fault::new(2500, "Unknown path components")),
        }
    }

    fn write(
        &mut self,
        parts: &[&str],
        holder: Holder,
        params: &Params,
        request: &SandboxRequest,
    ) -> Answered {
        match parts {
            [page, "subscribed_apps"] => self.leads.subscribe_page(page, holder, params, true),
            [DATASET, "events"] => {
                own_account(&format!("act_{ACCOUNT}"), holder)?;
                self.events.receive(params, request.at)
            }
            [account, "customaudiences"] => {
                own_account(account, holder)?;
                self.audiences.create(params, request.at)
            }
            [id, "users"] => self.audiences.users(id, params, true, request.at),
            parts => Err(Fault::missing(parts.first().unwrap_or(&""))),
        }
    }

    fn remove(
        &mut self,
        parts: &[&str],
        holder: Holder,
        params: &Params,
        request: &SandboxRequest,
    ) -> Answered {
        match parts {
            [page, "subscribed_apps"] => self.leads.subscribe_page(page, holder, params, false),
            [id, "users"] => self.audiences.users(id, params, false, request.at),
            [id] => self.audiences.delete(id),
            parts => Err(Fault::missing(parts.first().unwrap_or(&""))),
        }
    }
}

fn own_account(account: &str, holder: Holder) -> Result<(), Fault> {
    if account.strip_prefix("act_") != Some(ACCOUNT) {
        return Err(Fault::missing(account));
    }
    if matches!(holder, Holder::Page(_)) {
        return Err(Fault::new(
            200,
            "(#200) Ad account owner has NOT grant ads_management or ads_read permission",
        ));
    }
    Ok(())
}
