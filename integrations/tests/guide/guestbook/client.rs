//! Requests to the platform, and how its answers are read.

use std::time::Duration;

use http::Method;
use serde::de::DeserializeOwned;
use url::Url;

use super::wire::{Account, Book, Entries, Entry, Failure, Hook, List, NewHook};
use super::{Secrets, Settings};
use crate::transport::{Answer, Judge, Pace, Request, by_status, retry_after};
use crate::{Context, Error, Kind, Result, Retry};

/// How many entries are asked for at once: the most that the platform gives.
const PAGE: &str = "100";

/// A connection, ready to ask.
pub(super) struct Client<'a> {
    context: &'a Context,
    settings: Settings,
    secrets: Secrets,
}

impl<'a> Client<'a> {
    pub(super) fn of(context: &'a Context) -> Result<Self> {
        Ok(Self {
            context,
            settings: context.settings.read()?,
            secrets: context.secrets.read()?,
        })
    }

    fn request(&self, method: Method, path: &str) -> Request {
        self.context
            .http
            .request(method, &self.settings.url(path))
            .bearer(&self.secrets.api_key)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.request(Method::GET, path)
            .send(&GuestbookJudge)
            .await?
            .json()
    }

    pub(super) async fn account(&self) -> Result<Account> {
        self.get("/v1/account").await
    }

    pub(super) async fn books(&self) -> Result<Vec<Book>> {
        let List { data } = self.get("/v1/books").await?;
        Ok(data)
    }

    /// A page of entries, in the order of their last change.
    pub(super) async fn entries(&self, after: Option<&str>) -> Result<Entries> {
        let after = after.map(|after| ("after", after));
        self.request(Method::GET, "/v1/entries")
            .query([("limit", PAGE)].into_iter().chain(after))
            .send(&GuestbookJudge)
            .await?
            .json()
    }

    pub(super) async fn entry(&self, id: &str) -> Result<Option<Entry>> {
        match self.get(&format!("/v1/entries/{id}")).await {
            Ok(entry) => Ok(Some(entry)),
            Err(error) if error.kind == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn hooks(&self) -> Result<Vec<Hook>> {
        let List { data } = self.get("/v1/hooks").await?;
        Ok(data)
    }

    pub(super) async fn add_hook(&self, url: &Url, events: &[&str]) -> Result<()> {
        let url = url.as_str();
        // Twice sent, there would be two: where it is not known whether it arrived, whoever asked looks again.
        self.request(Method::POST, "/v1/hooks")
            .json(&NewHook { url, events })
            .once()
            .send(&GuestbookJudge)
            .await?;
        Ok(())
    }

    pub(super) async fn remove_hook(&self, id: &str) -> Result<()> {
        let path = format!("/v1/hooks/{id}");
        match self.request(Method::DELETE, &path).send(&GuestbookJudge).await {
            Err(error) if error.kind != Kind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Reads the platform's answers.
struct GuestbookJudge;

/// What the platform's codes mean; the status says it for all others.
const CODES: [(&str, Kind); 6] = [
    ("key_unknown", Kind::Unauthorised),
    ("key_limited", Kind::Forbidden),
    ("not_found", Kind::NotFound),
    ("too_fast", Kind::Throttled),
    ("plan_exhausted", Kind::OutOfFunds),
    ("maintenance", Kind::Unavailable),
];

impl Judge for GuestbookJudge {
    fn judge(&self, answer: &Answer) -> Result<()> {
        let by_status = by_status(answer);
        // During maintenance the platform answers 200 with an error in it, so the body is looked at first.
        let Ok(Failure { error: told }) = serde_json::from_slice(&answer.body) else {
            return by_status;
        };
        let known = CODES.iter().find(|(code, _)| *code == told.code);
        let kind = match (known, by_status) {
            (Some((_, kind)), _) => *kind,
            (None, Err(error)) => error.kind,
            (None, Ok(())) => Kind::Refused,
        };
        let mut error = Error::new(kind, format!("Guestbook said: {}", told.message)).code(told.code);
        error.request_id = told.request_id;
        Err(match retry_after(answer) {
            Some(time) if matches!(kind, Kind::Throttled | Kind::Unavailable) => {
                error.retry(Retry::After(time))
            }
            _ => error,
        })
    }

    fn pace(&self, answer: &Answer) -> Option<Pace> {
        let number = |name| answer.header(name)?.parse().ok();
        Some(Pace::Window {
            remaining: number("x-quota-remaining")?,
            left: Duration::from_secs(number("x-quota-reset")?),
        })
    }
}
