//! Shops in GraphQL.

mod lead;
mod types;

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use entity::id::{ConnectionId, OrderId};
use entity::{PaymentState, Timestamp};

pub use self::lead::{CommerceLoader, LeadCommerceFields};
pub use self::types::{AbandonedCheckout, Order, Product, Shop, ShopAudit, ShopCustomer};
use super::{CheckoutFilter, OrderFilter, ProductFilter};
use crate::api::types::{Access, Listed, Pages, connection as listed, page_request, scoped};
use crate::platforms::connections::graphql::ConnectionUserError;

/// Which orders are wanted.
#[derive(InputObject, Default)]
struct OrderFilterInput {
    /// Of this shop.
    connection_id: Option<ConnectionId>,
    /// In one of these states.
    #[graphql(default)]
    payments: Vec<PaymentState>,
    /// Placed at or after this moment.
    from: Option<Timestamp>,
    /// Placed before this moment.
    to: Option<Timestamp>,
}

/// Queries of shops.
#[derive(Default)]
pub struct CommerceQuery;

#[scoped]
#[Object]
impl CommerceQuery {
    /// The shops that were read, by name.
    #[scope("commerce:read", all_rows)]
    #[graphql(complexity = "5 + 10 * child_complexity")]
    async fn shops(&self, ctx: &Context<'_>) -> Result<Vec<Shop>> {
        let shops = super::shops(ctx.app(), ctx.caller()?).await?;
        Ok(shops.into_iter().map(Shop).collect())
    }

    /// Orders of all shops, the latest first.
    #[scope("commerce:read")]
    #[graphql(complexity = "first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    async fn orders(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only these.")] filter: Option<OrderFilterInput>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Result<Listed<Order>> {
        let OrderFilterInput {
            connection_id,
            payments,
            from,
            to,
        } = filter.unwrap_or_default();
        let filter = OrderFilter {
            connection: connection_id,
            payments,
            from,
            to,
        };
        let pages = Pages {
            first,
            after,
            last,
            before,
        };
        let page = page_request(&pages, OrderFilter::ORDER)?;
        let page = super::orders(ctx.app(), ctx.caller()?, &filter, &page).await?;
        Ok(listed(page, |row| (OrderFilter::keyset(&row), Order(row))))
    }

    /// An order; null when there is none with this id.
    #[scope("commerce:read")]
    #[graphql(complexity = "2 + child_complexity")]
    async fn order(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The order's id, `order_…`.")] id: OrderId,
    ) -> Result<Option<Order>> {
        Ok(super::find_order(ctx.app(), ctx.caller()?, id).await?.map(Order))
    }

    /// Products of all shops, changed last first.
    #[scope("commerce:read")]
    #[graphql(complexity = "first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a connection and a filter"
    )]
    async fn products(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those of this shop.")] connection_id: Option<ConnectionId>,
        #[graphql(desc = "Only those that are on sale, or are not.")] active: Option<bool>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Result<Listed<Product>> {
        let filter = ProductFilter {
            connection: connection_id,
            is_active: active,
        };
        let pages = Pages {
            first,
            after,
            last,
            before,
        };
        let page = page_request(&pages, ProductFilter::ORDER)?;
        let page = super::products(ctx.app(), ctx.caller()?, &filter, &page).await?;
        Ok(listed(page, |row| (ProductFilter::keyset(&row), Product(row))))
    }

    /// Checkouts that were begun and not finished in time, begun last first.
    #[scope("commerce:read")]
    #[graphql(complexity = "first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a connection and a filter"
    )]
    async fn abandoned_checkouts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those of this shop.")] connection_id: Option<ConnectionId>,
        #[graphql(desc = "Only those that became an order after all, or did not.")] recovered: Option<bool>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Result<Listed<AbandonedCheckout>> {
        let filter = CheckoutFilter {
            connection: connection_id,
            is_recovered: recovered,
        };
        let pages = Pages {
            first,
            after,
            last,
            before,
        };
        let page = page_request(&pages, CheckoutFilter::ORDER)?;
        let page = super::checkouts(ctx.app(), ctx.caller()?, &filter, &page).await?;
        Ok(listed(page, |row| {
            (CheckoutFilter::keyset(&row), AbandonedCheckout(row))
        }))
    }
}

/// Which tags of a customer change.
#[derive(InputObject)]
struct ShopCustomerTagsInput {
    /// The shop's connection.
    connection_id: ConnectionId,
    /// The platform's id of the customer.
    customer_id: String,
    /// Tags to put on.
    #[graphql(default)]
    add: Vec<String>,
    /// Tags to take off.
    #[graphql(default)]
    remove: Vec<String>,
}

/// What is noted of a customer.
#[derive(InputObject)]
struct ShopCustomerNoteInput {
    /// The shop's connection.
    connection_id: ConnectionId,
    /// The platform's id of the customer.
    customer_id: String,
    /// A line for the note, up to 5,000 characters.
    note: String,
}

/// Which shop is looked over.
#[derive(InputObject)]
struct ShopAuditInput {
    /// The shop's connection.
    connection_id: ConnectionId,
}

/// The answer of calls about a customer of a shop.
#[derive(SimpleObject)]
struct ShopCustomerPayload {
    /// The customer; null when there are user errors.
    customer: Option<ShopCustomer>,
    /// What was wrong with the input.
    user_errors: Vec<ConnectionUserError>,
}

/// The answer of `shopAudit`.
#[derive(SimpleObject)]
struct ShopAuditPayload {
    /// What was found; null when there are user errors.
    audit: Option<ShopAudit>,
    /// What was wrong with the input.
    user_errors: Vec<ConnectionUserError>,
}

/// Changes of shops.
#[derive(Default)]
pub struct CommerceMutation;

#[scoped]
#[Object]
impl CommerceMutation {
    /// Puts tags on a customer in the shop and takes others off. Twice is as once.
    #[scope("commerce:write", all_rows)]
    async fn shop_customer_tags_change(
        &self,
        ctx: &Context<'_>,
        input: ShopCustomerTagsInput,
    ) -> Result<ShopCustomerPayload> {
        let ShopCustomerTagsInput {
            connection_id,
            customer_id,
            add,
            remove,
        } = input;
        let (app, caller) = (ctx.app(), ctx.caller()?);
        let outcome = super::change_tags(app, caller, connection_id, &customer_id, &add, &remove).await;
        let (customer, user_errors) = ConnectionUserError::split(outcome)?;
        Ok(ShopCustomerPayload {
            customer: customer.map(ShopCustomer),
            user_errors,
        })
    }

    /// Adds a line to the note that the shop has of a customer, unless it is there already.
    #[scope("commerce:write", all_rows)]
    async fn shop_customer_note_add(
        &self,
        ctx: &Context<'_>,
        input: ShopCustomerNoteInput,
    ) -> Result<ShopCustomerPayload> {
        let ShopCustomerNoteInput {
            connection_id,
            customer_id,
            note,
        } = input;
        let outcome = super::add_note(ctx.app(), ctx.caller()?, connection_id, &customer_id, &note).await;
        let (customer, user_errors) = ConnectionUserError::split(outcome)?;
        Ok(ShopCustomerPayload {
            customer: customer.map(ShopCustomer),
            user_errors,
        })
    }

    /// Looks a shop over: webhooks that are missing, consent, customers who are there twice, orders that were not read; with
    /// advice. Asks the platform for its figures.
    #[scope("commerce:write", all_rows)]
    async fn shop_audit(&self, ctx: &Context<'_>, input: ShopAuditInput) -> Result<ShopAuditPayload> {
        let outcome = super::audit(ctx.app(), ctx.caller()?, ctx.public_url(), input.connection_id).await;
        let (audit, user_errors) = ConnectionUserError::split(outcome)?;
        Ok(ShopAuditPayload {
            audit: audit.map(ShopAudit),
            user_errors,
        })
    }
}
