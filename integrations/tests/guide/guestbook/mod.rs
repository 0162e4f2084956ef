//! Guestbook, a made-up form service: the example of `docs/adding-an-integration.md`. It is held to the same promises as the
//! platforms that are shipped, and could be put into `src/platform` as it is.

mod client;
mod convert;
mod sandbox;
#[cfg(test)]
mod tests;
mod webhooks;
mod wire;

use std::sync::Arc;

use async_stream::try_stream;
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use self::client::Client;
use self::sandbox::GuestbookSandbox;
use crate::facet::{Cursor, Facets, LeadForm, LeadRecord, LeadSource, Page, Pages};
use crate::sandbox::Sandbox;
use crate::{
    Account, Authentication, Category, Clock, Context, Error, FieldDefault, Form, Integration, Manifest,
    Result, Secret, Topic,
};

/// What is to be entered.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Settings {
    /// Where the API is; `https://api.guestbook.example` when left out.
    base_url: Option<BaseUrl>,
}

/// What is to be entered and is never shown again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Secrets {
    /// An API key (`gb_live_…`), made at Settings → API keys.
    api_key: Secret,
    /// The signing secret of webhooks (`gb_sign_…`), shown on the same page. Without it no webhooks are taken.
    signing_secret: Option<Secret>,
}

/// Where an API is: checked when it is entered, so that it is known to be good when it is used.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("format" = "uri"))]
struct BaseUrl(String);

impl TryFrom<String> for BaseUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match Url::parse(text.trim()) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.query().is_none() => {
                Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
            }
            _ => Err("an address like `https://api.guestbook.example`"),
        }
    }
}

impl Settings {
    /// The address of a path, e.g. `/v1/entries`.
    fn url(&self, path: &str) -> String {
        let base = self.base_url.as_ref();
        let base = base.map_or("https://api.guestbook.example", |base| base.0.as_str());
        format!("{base}{path}")
    }
}

static MANIFEST: Manifest = Manifest {
    key: "guestbook",
    name: "Guestbook",
    category: Category::Other,
    summary: "Whoever signs one of your guestbooks becomes a lead, with their answers and what they agreed to.",
    docs: "https://guestbook.example/docs/api",
    authentication: Authentication::Key,
    settings: Form::of::<Settings>(),
    secrets: Form::of::<Secrets>(),
    addresses: &["baseUrl"],
    scopes: &[],
    topics: &[
        topic(webhooks::CREATED, "Somebody has signed a book."),
        topic(webhooks::CHANGED, "Somebody has changed their entry."),
    ],
    fields: &[
        field("email", "email"),
        field("name", "full_name"),
        field("phone", "phone"),
        field("company", "company"),
    ],
};

const fn topic(name: &'static str, about: &'static str) -> Topic {
    Topic {
        name,
        about,
        registrable: true,
    }
}

const fn field(theirs: &'static str, ours: &'static str) -> FieldDefault {
    FieldDefault { theirs, ours }
}

/// Leads of guestbooks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Guestbook;

#[async_trait]
impl Integration for Guestbook {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    fn facets(&self) -> Facets<'_> {
        Facets {
            lead_source: Some(self),
            webhooks: Some(self),
            ..Facets::default()
        }
    }

    async fn check(&self, context: &Context) -> Result<Account> {
        let account = Client::of(context)?.account().await?;
        Ok(Account {
            id: account.id,
            name: account.name,
            ..Account::default()
        })
    }

    fn sandbox(&self, clock: Arc<dyn Clock>) -> Arc<dyn Sandbox> {
        Arc::new(GuestbookSandbox::new(clock))
    }
}

#[async_trait]
impl LeadSource for Guestbook {
    async fn forms(&self, context: &Context) -> Result<Vec<LeadForm>> {
        let books = Client::of(context)?.books().await?;
        Ok(books.into_iter().map(convert::form).collect())
    }

    fn leads<'a>(&'a self, context: &'a Context, since: Option<Cursor>) -> Pages<'a, LeadRecord> {
        Box::pin(try_stream! {
            let client = Client::of(context)?;
            let whole = since.is_none();
            let mut after = since.map(|Cursor(text)| text);
            loop {
                let page = client.entries(after.as_deref()).await?;
                // A platform that promises more and stays where it is would be asked for ever.
                if page.more && after.as_deref() == Some(page.next.as_str()) {
                    Err(Error::malformed("there is to be more, but the next page is this one"))?;
                }
                yield Page {
                    items: page.data.into_iter().map(convert::lead).collect(),
                    cursor: Cursor(page.next.clone()),
                    total: page.total.filter(|_| whole),
                };
                if !page.more {
                    break;
                }
                after = Some(page.next);
            }
        })
    }

    async fn lead(&self, context: &Context, id: &str) -> Result<Option<LeadRecord>> {
        // The id comes from outside and goes into a path: what is no id of theirs is not asked for.
        if !wire::is_id(id) {
            return Ok(None);
        }
        let entry = Client::of(context)?.entry(id).await?;
        Ok(entry.map(convert::lead))
    }
}
