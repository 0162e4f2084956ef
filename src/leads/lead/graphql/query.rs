//! Reading leads.

use std::sync::Arc;

use async_graphql::{Context, Enum, InputObject, Object, Result, SimpleObject};
use entity::id::LeadId;

use super::load;
use crate::api::types::{Access, Listed, Pages, connection, page_request, scoped};
use crate::api::{Eager, Lead};
use crate::db::Direction;
use crate::insight::scoring::graphql::scale;
use crate::leads::filter::LeadFilter;
use crate::leads::lead::{self, LeadOrder, LeadOrderField};

/// An ordering of leads.
#[derive(InputObject, Clone, Debug)]
struct LeadOrderInput {
    /// By what.
    field: LeadOrderField,
    /// Which way.
    #[graphql(default_with = "Direction::Desc")]
    direction: Direction,
}

/// How exact a count is.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
enum CountPrecision {
    /// There are so many.
    Exact,
    /// There are so many, or more.
    AtLeast,
}

/// How many there are.
#[derive(SimpleObject)]
struct LeadCount {
    /// The number.
    count: i64,
    /// Whether it is exact: counting stops at 100,000.
    precision: CountPrecision,
}

/// Queries about leads.
#[derive(Default)]
pub struct LeadQuery;

#[scoped]
#[Object]
impl LeadQuery {
    /// A lead; null when there is none with this id.
    #[scope("leads:read")]
    async fn lead(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The lead's id, `lead_…`.")] id: LeadId,
    ) -> Result<Option<Eager<Lead>>> {
        load(ctx, id).await
    }

    /// Leads, newest first unless ordered otherwise.
    #[scope("leads:read")]
    #[graphql(complexity = "first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection")]
    async fn leads(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only leads for which this holds.")] filter: Option<LeadFilter>,
        #[graphql(desc = "The ordering.")] order: Option<LeadOrderInput>,
    ) -> Result<Listed<Lead>> {
        let order = order.map_or(
            LeadOrder {
                field: LeadOrderField::CreatedAt,
                direction: Direction::Desc,
            },
            |LeadOrderInput { field, direction }| LeadOrder { field, direction },
        );
        let pages = Pages {
            first,
            after,
            last,
            before,
        };
        let page = page_request(&pages, &order.name())?;
        let filter = filter.unwrap_or_default();
        let scale = scale(ctx, &filter).await?;
        let page = lead::list(ctx.app(), ctx.caller()?, &filter, &scale, order, &page).await?;
        Ok(connection(page, |(lead, keyset)| {
            (keyset, Lead::new(Arc::new(lead)))
        }))
    }

    /// How many leads there are.
    #[scope("leads:read")]
    async fn leads_count(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only leads for which this holds.")] filter: Option<LeadFilter>,
    ) -> Result<LeadCount> {
        let filter = filter.unwrap_or_default();
        let scale = scale(ctx, &filter).await?;
        let (count, exact) = lead::count(ctx.app(), ctx.caller()?, &filter, &scale).await?;
        Ok(LeadCount {
            count,
            precision: if exact {
                CountPrecision::Exact
            } else {
                CountPrecision::AtLeast
            },
        })
    }
}
