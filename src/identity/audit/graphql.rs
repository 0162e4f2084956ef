//! The audit log in GraphQL.

use async_graphql::{Context, InputObject, Object, Result};
use entity::Timestamp;
use entity::id::{AuditEntryId, LeadId};

use super::{AuditFilter, ORDER};
use crate::api::types::{Access, Json, Listed, Pages, connection, page_request, scoped};

/// One act: who did what to what, from where.
pub struct AuditEntry(super::AuditEntry);

#[Object]
impl AuditEntry {
    /// The entry's id.
    async fn id(&self) -> AuditEntryId {
        self.0.id
    }
    /// When.
    async fn at(&self) -> Timestamp {
        self.0.at
    }
    /// Who: `user_…`, `token_…`, `operator` (the command line), `nobody` (who did not get in).
    async fn actor(&self) -> &str {
        &self.0.actor
    }
    /// What: the type of an event such as `LEAD_UPDATED`, or `SIGN_IN_FAILED`, `LEADS_EXPORTED`, `AUDIT_EXPORTED`,
    /// `FILE_UPLOADED`.
    async fn action(&self) -> &str {
        &self.0.action
    }
    /// To what: its id; null when the act touched many things, or none.
    async fn subject(&self) -> Option<&str> {
        Some(self.0.subject.as_str()).filter(|subject| !subject.is_empty())
    }
    /// The lead that it is about; null when it is about none, or many.
    async fn lead_id(&self) -> Option<LeadId> {
        self.0.lead_id
    }
    /// How many things the act touched.
    async fn count(&self) -> i32 {
        self.0.count
    }
    /// Details, by the kind of act: ids and words, no secrets, no personal data.
    async fn detail(&self) -> Json {
        Json(serde_json::from_str(&self.0.detail).unwrap_or_default())
    }
    /// The network address it came from; null at the command line.
    async fn address(&self) -> Option<&str> {
        self.0.address.as_deref()
    }
    /// The browser or program, as it names itself.
    async fn user_agent(&self) -> Option<&str> {
        self.0.user_agent.as_deref()
    }
    /// The request, as the log and `extensions.requestId` name it.
    async fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }
}

/// Which entries of the audit log; all conditions hold together.
#[derive(InputObject, Default)]
struct AuditFilterInput {
    /// Who: `user_…`, `token_…`, `operator`, `nobody`.
    actor: Option<String>,
    /// What, e.g. `LEAD_UPDATED`.
    action: Option<String>,
    /// To what: its id.
    subject: Option<String>,
    /// From this moment on.
    since: Option<Timestamp>,
    /// Before this moment.
    until: Option<Timestamp>,
}

/// Queries of the audit log.
#[derive(Default)]
pub struct AuditQuery;

#[scoped]
#[Object]
impl AuditQuery {
    /// Who did what, newest first. As a file: `GET /exports/audit`.
    #[scope("audit:read", all_rows)]
    #[graphql(complexity = "5 + first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    async fn audit_entries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which; all when left out.")] filter: Option<AuditFilterInput>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Result<Listed<AuditEntry>> {
        let AuditFilterInput {
            actor,
            action,
            subject,
            since,
            until,
        } = filter.unwrap_or_default();
        let filter = AuditFilter {
            actor,
            action,
            subject,
            since,
            until,
        };
        let pages = Pages {
            first,
            after,
            last,
            before,
        };
        let page = page_request(&pages, ORDER)?;
        let page = super::list(ctx.app(), ctx.caller()?, &filter, &page).await?;
        Ok(connection(page, |entry| {
            (super::keyset(&entry), AuditEntry(entry))
        }))
    }
}
