//! Requests to Twilio, and how its answers are read.

use http::Method;
use serde::de::DeserializeOwned;
use url::Url;

use super::convert::failure;
use super::settings::{ServiceSid, TwilioSecrets, TwilioSettings};
use super::wire::{
    AccountResource, CallResource, Listing, MessageResource, NumberResource, Refusal, ServiceResource,
};
use crate::transport::{Answer, Judge, Request, by_status};
use crate::{Context, Error, Kind, Result, Retry};

/// How many pages of a listing are read at most.
const MOST_PAGES: usize = 50;

/// Twilio, for one connection.
pub struct Client<'a> {
    context: &'a Context,
    pub settings: TwilioSettings,
    secrets: TwilioSecrets,
}

/// What came of looking for something in a listing.
#[derive(Debug, PartialEq, Eq)]
pub enum Search<R> {
    /// It is there.
    Found(R),
    /// It is not there.
    Nothing,
    /// There is more than is read, and it is not in that.
    TooMuch,
}

/// Fields of a form or a query.
pub type Fields = Vec<(&'static str, String)>;

impl<'a> Client<'a> {
    pub fn of(context: &'a Context) -> Result<Self> {
        let settings: TwilioSettings = context.settings.read()?;
        let secrets: TwilioSecrets = context.secrets.read()?;
        settings.credentials(&secrets)?;
        Ok(Self {
            context,
            settings,
            secrets,
        })
    }

    /// The account, asked for with its own token: keys of the standard kind may not see it, and what Twilio signs with is to
    /// be known to be right.
    pub async fn account(&self) -> Result<AccountResource> {
        let Self {
            settings, secrets, ..
        } = self;
        let base = settings.base_url.prefix();
        let (version, sid) = (settings.api_version.as_str(), settings.account_sid.as_str());
        self.context
            .http
            .get(&format!("{base}/{version}/Accounts/{sid}.json"))
            .basic(sid, &secrets.auth_token)
            .send(&TwilioJudge)
            .await?
            .json()
    }

    /// Whether the API key is accepted, where there is one.
    pub async fn key(&self) -> Result<()> {
        if self.settings.api_key_sid.is_some() {
            let one = [("PageSize", "1")];
            self.page::<MessageResource>(self.get("Messages.json")?.query(one))
                .await?;
        }
        Ok(())
    }

    pub async fn create_message(&self, fields: &Fields) -> Result<MessageResource> {
        self.create("Messages.json", fields).await
    }

    pub async fn create_call(&self, fields: &Fields) -> Result<CallResource> {
        self.create("Calls.json", fields).await
    }

    /// Reads a listing page by page until something in it is found.
    pub async fn find<T: DeserializeOwned, R>(
        &self,
        path: &str,
        query: &Fields,
        mut look: impl FnMut(T) -> Option<R>,
    ) -> Result<Search<R>> {
        let mut request = self
            .get(path)?
            .query(query.iter().map(|(name, value)| (*name, value)));
        for _ in 0..MOST_PAGES {
            let page: Listing<T> = self.page(request).await?;
            if let Some(found) = page.rows.into_iter().find_map(&mut look) {
                return Ok(Search::Found(found));
            }
            match page.next_page_uri.filter(|uri| !uri.is_empty()) {
                Some(uri) => request = self.following(&uri)?,
                None => return Ok(Search::Nothing),
            }
        }
        Ok(Search::TooMuch)
    }

    /// All numbers of the account, or those that the settings name.
    pub async fn numbers(&self) -> Result<Vec<NumberResource>> {
        let wanted = &self.settings.numbers;
        let mut found = Vec::new();
        let query = vec![("PageSize", "50".to_owned())];
        let search = self
            .find("IncomingPhoneNumbers.json", &query, |number: NumberResource| {
                let wanted = wanted.is_empty() || wanted.contains(&number.phone_number);
                if wanted && number.capabilities.sms != Some(false) {
                    found.push(number);
                }
                None::<()>
            })
            .await?;
        if matches!(search, Search::TooMuch) {
            return Err(Error::new(
                Kind::Settings,
                "the account has too many numbers to tell of all: name some in `numbers`, or a messaging service",
            ));
        }
        match wanted
            .iter()
            .find(|wanted| !found.iter().any(|number| number.phone_number == **wanted))
        {
            Some(missing) => Err(Error::new(
                Kind::Settings,
                format!(
                    "setting `numbers`: `{missing}` is no number of the account that takes text messages"
                ),
            )),
            None => Ok(found),
        }
    }

    pub async fn update_number(&self, sid: &str, fields: &Fields) -> Result<()> {
        let path = format!("IncomingPhoneNumbers/{sid}.json");
        self.post(&path, fields)?.send(&TwilioJudge).await.map(drop)
    }

    pub async fn service(&self, sid: &ServiceSid) -> Result<ServiceResource> {
        let url = self.service_url(sid);
        self.signed_in(Method::GET, &url)?
            .send(&TwilioJudge)
            .await?
            .json()
    }

    pub async fn update_service(&self, sid: &ServiceSid, fields: &Fields) -> Result<()> {
        let url = self.service_url(sid);
        let request = self.signed_in(Method::POST, &url)?;
        request
            .form(fields.iter().map(|(name, value)| (*name, value)))
            .send(&TwilioJudge)
            .await
            .map(drop)
    }

    async fn create<T: DeserializeOwned>(&self, path: &str, fields: &Fields) -> Result<T> {
        self.post(path, fields)?.once().send(&TwilioJudge).await?.json()
    }

    async fn page<T: DeserializeOwned>(&self, request: Request) -> Result<Listing<T>> {
        request.send(&TwilioJudge).await?.json()
    }

    /// The page behind another. It must be of the same host: the credentials go there.
    fn following(&self, uri: &str) -> Result<Request> {
        let base = self.settings.base_url.url();
        let url = base
            .join(uri)
            .ok()
            .filter(|url: &Url| url.origin() == base.origin())
            .ok_or_else(|| Error::malformed("the address of the next page is not of the same host"))?;
        self.signed_in(Method::GET, url.as_str())
    }

    fn get(&self, path: &str) -> Result<Request> {
        self.signed_in(Method::GET, &self.url(path))
    }

    fn post(&self, path: &str, fields: &Fields) -> Result<Request> {
        let request = self.signed_in(Method::POST, &self.url(path))?;
        Ok(request.form(fields.iter().map(|(name, value)| (*name, value))))
    }

    fn signed_in(&self, method: Method, url: &str) -> Result<Request> {
        let (name, password) = self.settings.credentials(&self.secrets)?;
        Ok(self.context.http.request(method, url).basic(name, password))
    }

    fn url(&self, path: &str) -> String {
        let TwilioSettings {
            base_url,
            api_version,
            account_sid,
            ..
        } = &self.settings;
        let base = base_url.prefix();
        format!(
            "{base}/{}/Accounts/{}/{path}",
            api_version.as_str(),
            account_sid.as_str()
        )
    }

    fn service_url(&self, sid: &ServiceSid) -> String {
        let base = self.settings.messaging_base_url.prefix();
        format!("{base}/v1/Services/{}", sid.as_str())
    }
}

/// Reads Twilio's codes, in its own shape and in problem+json.
#[derive(Clone, Copy, Debug)]
pub struct TwilioJudge;

impl Judge for TwilioJudge {
    fn judge(&self, answer: &Answer) -> Result<()> {
        let Err(mut error) = by_status(answer) else {
            return Ok(());
        };
        let refusal: Refusal = serde_json::from_slice(&answer.body).unwrap_or_default();
        let words = words(&refusal);
        if refusal.code.is_some() || words.is_some() {
            let told = failure(refusal.code, words.as_deref());
            // A code that is not known says no more than the status does.
            if refusal.code.and_then(super::codes::meaning).is_some() {
                error.kind = told.kind;
                if !matches!(error.retry, Retry::After(_)) {
                    error.retry = told.retry;
                }
            }
            error.message = told.message;
            error.code = told.code.or(error.code);
        }
        error.request_id = answer.header("twilio-request-id").map(ToOwned::to_owned);
        Err(error)
    }
}

fn words(refusal: &Refusal) -> Option<String> {
    let Refusal {
        message,
        title,
        detail,
        errors,
        ..
    } = refusal;
    let more = errors
        .iter()
        .filter_map(|error| error.detail.as_ref().or(error.message.as_ref()));
    let all: Vec<&str> = message
        .iter()
        .chain(detail.as_ref().or(title.as_ref()))
        .chain(more)
        .map(String::as_str)
        .filter(|words| !words.is_empty())
        .collect();
    (!all.is_empty()).then(|| all.join("; "))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use chrono::DateTime;
    use http::{HeaderMap, StatusCode};

    use super::*;
    use crate::RecipientFault;

    fn judged(status: u16, header: Option<(&'static str, &str)>, body: &'static str) -> Error {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(name, value.parse().expect("a header"));
        }
        let answer = Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            headers,
            body: Bytes::from_static(body.as_bytes()),
            at: DateTime::UNIX_EPOCH,
        };
        TwilioJudge.judge(&answer).expect_err("a failure")
    }

    #[test]
    fn both_shapes_of_refusals_are_read() {
        let own = judged(
            400,
            Some(("twilio-request-id", "RQ1")),
            r#"{"code":21610,"message":"Attempt to send to unsubscribed recipient","status":400}"#,
        );
        assert_eq!(own.kind, Kind::Recipient(RecipientFault::OptedOut));
        assert_eq!(
            (own.code.as_deref(), own.request_id.as_deref()),
            (Some("21610"), Some("RQ1"))
        );
        let problem = judged(
            400,
            None,
            r#"{"type":"about:blank","title":"Bad","status":400,"code":"21211","detail":"No number","errors":[{"detail":"To"}]}"#,
        );
        assert_eq!(problem.kind, Kind::Recipient(RecipientFault::Unknown));
        assert!(problem.message.ends_with("No number; To"), "{problem}");
        let unknown = judged(403, None, r#"{"code":99999,"message":"Why not"}"#);
        assert_eq!(
            (unknown.kind, unknown.message.as_str()),
            (Kind::Forbidden, "Why not")
        );
        assert_eq!(unknown.code.as_deref(), Some("99999"));
        assert_eq!(
            judged(502, None, "<html>Bad gateway</html>").kind,
            Kind::Unavailable
        );
    }

    #[test]
    fn a_named_wait_is_kept_to() {
        let body = r#"{"code":20429,"message":"Too Many Requests","status":429}"#;
        let named = judged(429, Some(("retry-after", "7")), body);
        assert_eq!(named.retry, Retry::After(Duration::from_secs(7)));
        assert_eq!(judged(429, None, body).retry, Retry::BackOff);
        let full = judged(400, None, r#"{"code":21611,"message":"Queue full","status":400}"#);
        assert_eq!((full.kind, full.retry), (Kind::Throttled, Retry::BackOff));
    }
}
