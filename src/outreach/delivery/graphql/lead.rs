//! The messages of a lead.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Object, Result};
use entity::Area;
use entity::id::LeadId;

use super::types::{Message, MessageLoader, MessagesOf};
use crate::api::types::{Access, Listed, Pages, connection, page_request, scoped};
use crate::db::Page;
use crate::identity::Scope;
use crate::outreach::delivery::MessageFilter;

/// What was written to a lead, and by it.
pub struct LeadMessageFields(pub LeadId);

#[scoped]
#[Object]
impl LeadMessageFields {
    /// Messages to the lead and from it, newest first.
    #[scope("messages:read")]
    #[graphql(complexity = "first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    async fn messages(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Result<Listed<Message>> {
        ctx.caller()?.require(Scope::Read(Area::Messages))?;
        let pages = Pages {
            first,
            after,
            last,
            before,
        };
        // Before it is asked for with those of others.
        page_request(&pages, MessageFilter::ORDER)?;
        let loader = ctx.data_unchecked::<DataLoader<MessageLoader>>();
        let page = loader.load_one(MessagesOf(self.0, pages)).await?.unwrap_or(Page {
            items: Vec::new(),
            has_next: false,
            has_previous: false,
        });
        Ok(connection(page, |row| {
            (MessageFilter::keyset(&row), Message(row))
        }))
    }
}
