//! Mails in GraphQL.

use async_graphql::{Context, Object, Result};
use entity::id::MailId;
use entity::{MailState, Timestamp};

use super::ORDER;
use crate::api::types::{Access, Listed, Pages, connection, page_request, scoped};

/// A mail that Leadline wrote to a user, or to who is to become one.
pub struct Mail(super::Mail);

#[scoped]
#[Object]
impl Mail {
    /// The mail's id.
    async fn id(&self) -> MailId {
        self.0.id
    }
    /// To whom.
    async fn recipient(&self) -> &str {
        &self.0.recipient
    }
    /// Its subject.
    async fn subject(&self) -> &str {
        &self.0.subject
    }
    /// Its text. It may hold a link by which somebody signs in.
    #[scope("admin", all_rows)]
    #[graphql(complexity = 10)]
    async fn body(&self, ctx: &Context<'_>) -> Result<String> {
        Ok(super::get_body(ctx.app(), ctx.caller()?, &self.0).await?)
    }
    /// How far it is.
    async fn state(&self) -> MailState {
        self.0.state
    }
    /// How often it was tried.
    async fn attempts(&self) -> i32 {
        self.0.attempts
    }
    /// What went wrong last; null when nothing did.
    async fn error(&self) -> Option<&str> {
        self.0.error.as_deref()
    }
    /// When it was written.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }
    /// When the mail server took it; null when it did not yet.
    async fn sent_at(&self) -> Option<Timestamp> {
        self.0.sent_at
    }
}

/// Queries of mails.
#[derive(Default)]
pub struct MailQuery;

#[scoped]
#[Object]
impl MailQuery {
    /// The outbox: mails to users, newest first, kept 30 days.
    #[scope("admin", all_rows)]
    #[graphql(complexity = "5 + first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    async fn mails(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Result<Listed<Mail>> {
        let pages = Pages {
            first,
            after,
            last,
            before,
        };
        let page = page_request(&pages, ORDER)?;
        let page = super::list(ctx.app(), ctx.caller()?, &page).await?;
        Ok(connection(page, |mail| (super::keyset(&mail), Mail(mail))))
    }
}
