//! Meta: Facebook and Instagram. Leads from forms in advertisements, conversions, audiences, results of advertisements.

mod audiences;
mod client;
mod conversions;
mod convert;
mod errors;
mod insights;
mod leads;
mod login;
mod pages;
mod sandbox;
mod settings;
#[cfg(test)]
mod tests;
mod webhooks;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;

use self::client::{Area, Graph, Token};
use self::pages::PageTokens;
use self::settings::{MetaSecrets, MetaSettings};
use crate::facet::Facets;
use crate::sandbox::Sandbox;
use crate::{
    Account, Authentication, Category, Clock, Context, Form, Integration, Manifest, Result, Scope, Topic,
};

/// Facebook and Instagram.
#[derive(Debug, Default)]
pub struct Meta {
    pages: PageTokens,
}

const fn scope(name: &'static str, purpose: &'static str, required: bool) -> Scope {
    Scope {
        name,
        purpose,
        required,
    }
}

static MANIFEST: Manifest = Manifest {
    key: "meta",
    name: "Meta (Facebook, Instagram)",
    category: Category::Advertising,
    summary: "Reads leads from forms on Facebook and Instagram as they come in, tells which of them became customers, \
              keeps audiences in step and shows what advertisements cost.",
    docs: "https://developers.facebook.com/docs/marketing-api",
    authentication: Authentication::OAuth2,
    settings: Form::of::<MetaSettings>(),
    secrets: Form::of::<MetaSecrets>(),
    addresses: &["baseUrl", "dialogUrl"],
    scopes: &[
        scope("leads_retrieval", "reads leads", true),
        scope("pages_show_list", "finds the pages", true),
        scope("pages_read_engagement", "reads the forms of pages", true),
        scope("pages_manage_metadata", "has pages tell of new leads", true),
        scope("pages_manage_ads", "reads the forms of pages", false),
        scope(
            "ads_management",
            "sends conversions, keeps audiences, names campaigns of leads",
            false,
        ),
        scope("ads_read", "reads the results of advertisements", false),
    ],
    topics: &[Topic {
        name: webhooks::LEADGEN,
        about: "Somebody has filled in a form.",
        registrable: true,
    }],
    fields: convert::FIELDS,
};

#[async_trait]
impl Integration for Meta {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    fn facets(&self) -> Facets<'_> {
        Facets {
            lead_source: Some(self),
            audience_sink: Some(self),
            conversion_sink: Some(self),
            webhooks: Some(self),
            ad_reporting: Some(self),
            oauth: Some(self),
            ..Facets::default()
        }
    }

    async fn check(&self, context: &Context) -> Result<Account> {
        let graph = Graph::new(context)?;
        let me = graph.get(Token::Owner, Area::Login, "me", &[("fields", "id,name")]);
        let me: wire::Named = me.read().await?;
        let facts = login::facts(&graph, &graph.owner_token().await?).await?;
        let mut account = Account {
            id: me.id.0,
            name: me.name,
            url: None,
            scopes: Some(facts.scopes),
            details: Vec::new(),
        };
        if graph.settings.ad_account_id.is_some() {
            let path = graph.settings.account()?;
            let fields = [("fields", "name,currency,timezone_name")];
            let found: wire::Account = graph
                .get(Token::Owner, Area::Insights, path, &fields)
                .read()
                .await?;
            let details = [
                ("ad account", found.name),
                ("currency", found.currency),
                ("time zone", found.timezone_name),
            ];
            let told = details
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?)));
            account.details.extend(told);
        }
        Ok(account)
    }

    fn sandbox(&self, clock: Arc<dyn Clock>) -> Arc<dyn Sandbox> {
        Arc::new(sandbox::MetaSandbox::new(clock))
    }
}
