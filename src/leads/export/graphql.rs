//! Exports in GraphQL: signed links.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use entity::Timestamp;

use super::{ExportFormat, ExportProblem, ExportRequest};
use crate::api::types::{Access, WebAddress, scoped, user_errors};
use crate::identity::Link;
use crate::leads::filter::LeadFilter;

user_errors!(
    /// An expected failure of a call about exports.
    ExportUserError,
    ExportProblem
);

/// Which leads to export, and how.
#[derive(InputObject, Clone, Debug)]
struct LeadsExportInput {
    /// The format of the file.
    #[graphql(default)]
    format: ExportFormat,
    /// Only leads for which this holds; all of them unless given.
    filter: Option<LeadFilter>,
    /// The columns in their order, named as the targets of imports: `email`, `tags`, `custom.sport_type`,
    /// `consent.email`, `external_id.shopify:main`; all that you may see unless given.
    columns: Option<Vec<String>>,
}

/// The answer of `leadsExport`.
#[derive(SimpleObject)]
struct LeadsExportPayload {
    /// Where the file is to be had, by GET and without a token; null when there are user errors. Whoever has the link
    /// can open it.
    url: Option<WebAddress>,
    /// Until when it can be opened: 15 minutes from now, and no longer than your token is valid.
    expires_at: Option<Timestamp>,
    /// What was wrong with the input.
    user_errors: Vec<ExportUserError>,
}

/// Exports.
#[derive(Default)]
pub struct ExportMutation;

#[scoped]
#[Object]
impl ExportMutation {
    /// A link to a file of leads in the order of their ids, made as it is read: a browser can open it without your
    /// token. The columns `score`, `grade` and `temperature` ask for `scoring:read` as well.
    #[scope("leads:read")]
    async fn leads_export(&self, ctx: &Context<'_>, input: LeadsExportInput) -> Result<LeadsExportPayload> {
        let LeadsExportInput {
            format,
            filter,
            columns,
        } = input;
        let request = ExportRequest {
            format,
            filter: filter.unwrap_or_default(),
            columns,
        };
        let outcome = super::link(ctx.app(), ctx.caller()?, request).await;
        let (link, user_errors) = ExportUserError::split(outcome)?;
        let (url, expires_at) = match link {
            Some(Link { link, expires_at }) => {
                let url = format!("{}/exports/leads?link={link}", ctx.public_url());
                (Some(WebAddress(url)), Some(expires_at))
            }
            None => (None, None),
        };
        Ok(LeadsExportPayload {
            url,
            expires_at,
            user_errors,
        })
    }
}
