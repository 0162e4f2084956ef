//! The pages of a connection and their tokens. Asking for them counts against the app as a whole, so they are kept for a
//! while: a good day brings more leads than that would allow questions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Duration, Utc};

use super::client::{Area, Graph, Token};
use super::settings::Number;
use super::wire;
use crate::{Error, Kind, Result, Secret};

const KEPT: Duration = Duration::minutes(10);
/// For so many connections.
const MOST: usize = 256;

/// A page, and the token that opens it.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) token: Secret,
}

impl Page {
    /// Says in an error which page it is about.
    pub(super) fn name_in(&self, mut error: Error) -> Error {
        error.message = format!("page `{}`: {}", self.name, error.message);
        error
    }
}

type Kept = BTreeMap<String, (DateTime<Utc>, Arc<[Page]>)>;

/// What is known of pages, by connection.
#[derive(Debug, Default)]
pub(super) struct PageTokens(Mutex<Kept>);

impl PageTokens {
    /// The pages of a connection: those in its settings, or all.
    pub(super) async fn of(&self, graph: &Graph<'_>) -> Result<Arc<[Page]>> {
        let key = graph.owner_key().await?;
        let now = graph.context.clock.now();
        if let Some((at, pages)) = self.kept().get(&key)
            && now - *at < KEPT
        {
            return Ok(Arc::clone(pages));
        }
        self.read(graph, key, now).await
    }

    async fn read(&self, graph: &Graph<'_>, key: String, now: DateTime<Utc>) -> Result<Arc<[Page]>> {
        let query = [("fields", "id,name,access_token"), ("limit", "100")];
        let found: Vec<wire::Page> = graph
            .all(Token::Owner, Area::Login, "me/accounts", &query)
            .await?;
        let mut pages: Vec<Page> = found
            .into_iter()
            .filter_map(|page| {
                Some(Page {
                    id: page.id.0,
                    name: page.name,
                    token: Secret::new(page.access_token?),
                })
            })
            .collect();
        if let Some(wanted) = graph
            .settings
            .page_ids
            .as_ref()
            .filter(|wanted| !wanted.is_empty())
        {
            let missing = wanted
                .iter()
                .find(|id| pages.iter().all(|page| page.id != id.as_str()));
            if let Some(missing) = missing.map(Number::as_str) {
                let seen: Vec<_> = pages
                    .iter()
                    .map(|page| format!("{} ({})", page.id, page.name))
                    .collect();
                let seen = if seen.is_empty() {
                    "none".to_owned()
                } else {
                    seen.join(", ")
                };
                let text = format!(
                    "setting `pageIds`: page {missing} is not open to this token; the pages that are: {seen}"
                );
                return Err(Error::new(Kind::Settings, text));
            }
            pages.retain(|page| wanted.iter().any(|id| id.as_str() == page.id));
        }
        let pages: Arc<[Page]> = pages.into();
        let mut kept = self.kept();
        kept.retain(|_, (at, _)| now - *at < KEPT);
        if kept.len() < MOST {
            kept.insert(key, (now, Arc::clone(&pages)));
        }
        Ok(pages)
    }

    /// Forgets the pages of a connection, as one of their tokens was refused or a page is missing. Tells whether they had
    /// been known for a while.
    pub(super) async fn forget(&self, graph: &Graph<'_>) -> bool {
        let Ok(key) = graph.owner_key().await else {
            return false;
        };
        let known = self.kept().remove(&key);
        known.is_some_and(|(at, _)| graph.context.clock.now() - at > Duration::minutes(1))
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
