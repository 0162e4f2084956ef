//! What is told to platforms of conversions, in GraphQL.

mod mutation;
mod subscription;
mod types;

use async_graphql::{Context, InputObject, Object, Result};
use entity::ConversionDeliveryState;
use entity::id::{ConnectionId, ConversionDeliveryId, ConversionId, LeadId};

pub use self::mutation::ConversionSharingMutation;
pub use self::subscription::ConversionSharingSubscription;
pub use self::types::{
    ConversionDelivery, ConversionSharing, DeliveryLoader, deliveries_of, sharing_of_connection,
};
use super::DeliveryFilter;
use crate::api::types::{Access, Listed, Pages, connection as listed, page_request, scoped};

/// Which deliveries of conversions.
#[derive(InputObject, Default)]
struct ConversionDeliveryFilter {
    /// To this connection.
    connection_id: Option<ConnectionId>,
    /// Of this conversion.
    conversion_id: Option<ConversionId>,
    /// Of this lead.
    lead_id: Option<LeadId>,
    /// In one of these states.
    #[graphql(default)]
    states: Vec<ConversionDeliveryState>,
}

/// Queries of what is told to platforms.
#[derive(Default)]
pub struct ConversionSharingQuery;

#[scoped]
#[Object]
impl ConversionSharingQuery {
    /// What is told to platforms of what their advertisements brought, and what became of it; the latest first.
    #[scope("engagement:read")]
    #[graphql(complexity = "first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    async fn conversion_deliveries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only these.")] filter: Option<ConversionDeliveryFilter>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Result<Listed<ConversionDelivery>> {
        let ConversionDeliveryFilter {
            connection_id,
            conversion_id,
            lead_id,
            states,
        } = filter.unwrap_or_default();
        let filter = DeliveryFilter {
            connection: connection_id,
            conversion: conversion_id,
            lead: lead_id,
            states,
        };
        let pages = Pages {
            first,
            after,
            last,
            before,
        };
        let page = page_request(&pages, DeliveryFilter::ORDER)?;
        let page = super::list(ctx.app(), ctx.caller()?, &filter, &page).await?;
        Ok(listed(page, |row| {
            (DeliveryFilter::keyset(&row), ConversionDelivery(row))
        }))
    }

    /// What became of one happening that is told to a platform; null when there is none with this id.
    #[scope("engagement:read")]
    #[graphql(complexity = "2 + child_complexity")]
    async fn conversion_delivery(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The delivery's id, `cdel_…`.")] id: ConversionDeliveryId,
    ) -> Result<Option<ConversionDelivery>> {
        let found = super::find(ctx.app(), ctx.caller()?, id).await?;
        Ok(found.map(ConversionDelivery))
    }
}
