//! Messages in GraphQL.

mod lead;
mod mutation;
mod subscription;
mod types;

use async_graphql::{Context, InputObject, Object, Result};
use entity::id::{ConnectionId, LeadId, MessageId};
use entity::{MessageChannel, MessageDirection, MessageState, SuppressionReason, Timestamp};

pub use self::lead::LeadMessageFields;
pub use self::mutation::{MessageMutation, MessageUserError};
pub use self::subscription::MessageSubscription;
pub use self::types::{Message, MessageLoader, Suppression};
use super::{MessageFilter, SuppressionFilter};
use crate::api::types::{Access, Listed, Pages, connection as listed, page_request, scoped};

/// Which messages are wanted; what is absent does not restrict.
#[derive(InputObject, Default)]
struct MessageFilterInput {
    /// To this lead, or from it.
    lead_id: Option<LeadId>,
    /// By this connection.
    connection_id: Option<ConnectionId>,
    /// By one of these channels.
    #[graphql(default)]
    channels: Vec<MessageChannel>,
    /// In one of these directions.
    #[graphql(default)]
    directions: Vec<MessageDirection>,
    /// In one of these states.
    #[graphql(default)]
    states: Vec<MessageState>,
    /// Asked for, or come in, at or after this moment.
    from: Option<Timestamp>,
    /// Before this moment.
    to: Option<Timestamp>,
}

/// Which suppressions are wanted; what is absent does not restrict.
#[derive(InputObject, Default)]
struct SuppressionFilterInput {
    /// By one of these channels.
    #[graphql(default)]
    channels: Vec<MessageChannel>,
    /// For one of these reasons.
    #[graphql(default)]
    reasons: Vec<SuppressionReason>,
    /// Of this address or number, however it is written.
    address: Option<String>,
    /// Those that were lifted, too.
    #[graphql(default)]
    with_lifted: bool,
}

/// Queries of messages.
#[derive(Default)]
pub struct MessageQuery;

#[scoped]
#[Object]
impl MessageQuery {
    /// Messages to leads and from them, newest first. A token with a row filter sees those of the leads that it shows; those
    /// without a lead are for who sees all.
    #[scope("messages:read")]
    #[graphql(complexity = "first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    async fn messages(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only these.")] filter: Option<MessageFilterInput>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Result<Listed<Message>> {
        let MessageFilterInput {
            lead_id,
            connection_id,
            channels,
            directions,
            states,
            from,
            to,
        } = filter.unwrap_or_default();
        let filter = MessageFilter {
            lead: lead_id,
            connection: connection_id,
            channels,
            directions,
            states,
            from,
            to,
        };
        let pages = Pages {
            first,
            after,
            last,
            before,
        };
        let page = page_request(&pages, MessageFilter::ORDER)?;
        let page = super::list(ctx.app(), ctx.caller()?, &filter, &page).await?;
        Ok(listed(page, |row| (MessageFilter::keyset(&row), Message(row))))
    }

    /// A message; null when there is none with this id.
    #[scope("messages:read")]
    #[graphql(complexity = "2 + child_complexity")]
    async fn message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The message's id, `msg_…`.")] id: MessageId,
    ) -> Result<Option<Message>> {
        Ok(super::find(ctx.app(), ctx.caller()?, id).await?.map(Message))
    }

    /// Addresses and numbers that are not written to, newest first.
    #[scope("messages:read", all_rows)]
    #[graphql(complexity = "first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    async fn suppressions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only these.")] filter: Option<SuppressionFilterInput>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Result<Listed<Suppression>> {
        let SuppressionFilterInput {
            channels,
            reasons,
            address,
            with_lifted,
        } = filter.unwrap_or_default();
        let filter = SuppressionFilter {
            channels,
            reasons,
            address,
            with_lifted,
        };
        let pages = Pages {
            first,
            after,
            last,
            before,
        };
        let page = page_request(&pages, SuppressionFilter::ORDER)?;
        let page = super::suppressions(ctx.app(), ctx.caller()?, &filter, &page).await?;
        Ok(listed(page, |row| {
            (SuppressionFilter::keyset(&row), Suppression(row))
        }))
    }
}
