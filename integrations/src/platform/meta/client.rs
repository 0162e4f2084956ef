//! Requests to the Graph API: addresses, tokens, proofs, pages.

use http::{HeaderValue, Method};
use serde::de::DeserializeOwned;

use super::errors;
use super::settings::{BaseUrl, MetaSecrets, MetaSettings, Number};
use super::wire::Listing;
use crate::signature::sign_sha256;
use crate::transport::{Answer, Request};
use crate::{Context, Error, Result, Secret};

/// With whose token a request is sent.
#[derive(Clone, Copy)]
pub(super) enum Token<'a> {
    /// The owner's: entered, or from their consent.
    Owner,
    /// The app's.
    App,
    /// Another, e.g. a page's.
    Own(&'a Secret),
}

/// What the platform counts apart.
#[derive(Clone, Copy)]
pub(super) enum Area {
    Login,
    Pages,
    Leads,
    Events,
    Audiences,
    Insights,
}

impl Area {
    fn limit(self) -> &'static str {
        match self {
            Self::Login => "",
            Self::Pages => "pages",
            Self::Leads => "leadgen",
            Self::Events => "events",
            Self::Audiences => "custom_audience",
            Self::Insights => "ads_insights",
        }
    }
}

/// The Graph API for one connection.
pub(super) struct Graph<'a> {
    pub(super) context: &'a Context,
    pub(super) settings: MetaSettings,
    pub(super) secrets: MetaSecrets,
}

/// A request being built.
pub(super) struct Call(Request);

impl Call {
    pub(super) fn with(mut self, change: impl FnOnce(Request) -> Request) -> Self {
        self.0 = change(self.0);
        self
    }

    /// With a secret that errors must not tell, beside those that were entered.
    pub(super) fn hiding(self, secret: &Secret) -> Self {
        self.with(|request| request.hides(secret))
    }

    async fn send(self) -> Result<Answer> {
        self.0.send(&errors::Graph).await
    }

    pub(super) async fn read<T: DeserializeOwned>(self) -> Result<T> {
        self.send().await?.json()
    }
}

impl<'a> Graph<'a> {
    pub(super) fn new(context: &'a Context) -> Result<Self> {
        Ok(Self {
            context,
            settings: MetaSettings::read(context)?,
            secrets: context.secrets.read()?,
        })
    }

    /// Where the API is, without its version.
    fn base(&self) -> &str {
        let base = self.settings.base_url.as_ref().map(BaseUrl::as_str);
        base.unwrap_or("https://graph.facebook.com")
    }

    fn app_token(&self) -> Secret {
        let app = self.settings.app_id.as_str();
        Secret::new(format!("{app}|{}", self.secrets.app_secret.expose()))
    }

    /// The owner's token: entered, or from their consent.
    pub(super) async fn owner_token(&self) -> Result<Secret> {
        match &self.secrets.access_token {
            Some(token) => Ok(token.clone()),
            None => self.context.secrets.access_token().await,
        }
    }

    /// What tokens of pages are remembered by: the owner's token and where it is good, as a hash.
    pub(super) async fn owner_key(&self) -> Result<String> {
        let token = self.owner_token().await?;
        let pages = self.settings.page_ids.iter().flatten().map(Number::as_str);
        let pages = pages.collect::<Vec<_>>().join(",");
        let text = format!("{} {} {pages}", self.base(), token.expose());
        Ok(crate::signature::sha256_hex(text.as_bytes()))
    }

    /// A request that shows no token.
    pub(super) fn bare(&self, method: Method, path: &str) -> Call {
        let url = format!("{}/{}/{path}", self.base(), self.settings.api_version.as_str());
        Call(self.context.http.request(method, &url))
    }

    /// A request with a token and the proof of it.
    pub(super) fn request(&self, method: Method, token: Token<'_>, area: Area, path: &str) -> Call {
        let call = self
            .bare(method, path)
            .with(|request| request.limit(area.limit()));
        let token = match token {
            Token::Owner => match &self.secrets.access_token {
                Some(token) => token.clone(),
                None => {
                    let key = self.secrets.app_secret.clone();
                    return call.with(|request| {
                        request.authorised(move |outgoing, token| {
                            let bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose()));
                            let mut bearer = bearer.map_err(|_| {
                                Error::new(
                                    crate::Kind::Settings,
                                    "the access token has characters that no token has",
                                )
                            })?;
                            bearer.set_sensitive(true);
                            outgoing.headers.insert(http::header::AUTHORIZATION, bearer);
                            let proof = proof(&key, token);
                            outgoing
                                .url
                                .query_pairs_mut()
                                .append_pair("appsecret_proof", &proof);
                            Ok(())
                        })
                    });
                }
            },
            Token::App => self.app_token(),
            Token::Own(token) => token.clone(),
        };
        let proof = proof(&self.secrets.app_secret, &token);
        call.with(|request| request.bearer(&token).query([("appsecret_proof", proof)]))
            .hiding(&token)
    }

    pub(super) fn get(&self, token: Token<'_>, area: Area, path: &str, query: &[(&str, &str)]) -> Call {
        self.request(Method::GET, token, area, path)
            .with(|request| request.query(query.iter().copied()))
    }

    /// A part of a listing.
    pub(super) async fn part<T: DeserializeOwned>(
        &self,
        token: Token<'_>,
        area: Area,
        path: &str,
        query: &[(&str, &str)],
        after: Option<&str>,
    ) -> Result<Part<T>> {
        let from = after.map(|after| ("after", after));
        let call = self
            .get(token, area, path, query)
            .with(|request| request.query(from));
        let Listing { data, paging } = call.read().await?;
        let part = Part {
            items: data,
            after: paging.cursors.after,
            more: paging.next.is_some(),
        };
        if part.more && (part.after.is_none() || part.after.as_deref() == after) {
            return Err(Error::malformed("the platform's pages lead nowhere"));
        }
        Ok(part)
    }

    /// A listing as a whole.
    pub(super) async fn all<T: DeserializeOwned>(
        &self,
        token: Token<'_>,
        area: Area,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<T>> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let mut part = self.part(token, area, path, query, after.as_deref()).await?;
            all.append(&mut part.items);
            if !part.more {
                return Ok(all);
            }
            after = part.after;
        }
    }
}

/// A part of a listing.
pub(super) struct Part<T> {
    pub(super) items: Vec<T>,
    /// Where the next begins.
    pub(super) after: Option<String>,
    /// Whether there is a next.
    pub(super) more: bool,
}

/// The proof that whoever shows a token has the app's secret.
pub(super) fn proof(app_secret: &Secret, token: &Secret) -> String {
    hex::encode(sign_sha256(
        app_secret.expose().as_bytes(),
        token.expose().as_bytes(),
    ))
}
