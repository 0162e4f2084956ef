//! What shops know of leads, at the lead.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, Object, Result, SimpleObject};
use entity::id::LeadId;
use entity::{Area, Timestamp};

use super::types::{Order, ShopCustomer};
use crate::api::types::{Access, Listed, Money, Pages, connection, page_request, scoped};
use crate::app::App;
use crate::db::Page;
use crate::error::Error;
use crate::identity::Scope;
use crate::platforms::commerce::{self as room, OrderFilter, Purchases};

/// Loads what shops know of leads for all requests together.
pub struct CommerceLoader(pub App);

/// A page of the orders of a lead.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct OrdersOf(LeadId, Pages);

/// What a lead bought.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PurchasesOf(LeadId);

impl Loader<LeadId> for CommerceLoader {
    type Value = Vec<room::Customer>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[LeadId]) -> std::result::Result<HashMap<LeadId, Self::Value>, Arc<Error>> {
        room::customers_of_leads(&self.0, keys).await.map_err(Arc::new)
    }
}

impl Loader<PurchasesOf> for CommerceLoader {
    type Value = Vec<Purchases>;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[PurchasesOf],
    ) -> std::result::Result<HashMap<PurchasesOf, Self::Value>, Arc<Error>> {
        let leads: Vec<_> = keys.iter().map(|key| key.0).collect();
        let found = room::purchases_of_leads(&self.0, &leads)
            .await
            .map_err(Arc::new)?;
        Ok(found
            .into_iter()
            .map(|(lead, rows)| (PurchasesOf(lead), rows))
            .collect())
    }
}

impl Loader<OrdersOf> for CommerceLoader {
    type Value = Page<room::Order>;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[OrdersOf],
    ) -> std::result::Result<HashMap<OrdersOf, Self::Value>, Arc<Error>> {
        // Leads of one list ask for the same page of their orders: one statement.
        let mut alike: HashMap<&Pages, Vec<LeadId>> = HashMap::new();
        for OrdersOf(lead, pages) in keys {
            alike.entry(pages).or_default().push(*lead);
        }
        let mut found = HashMap::with_capacity(keys.len());
        for (pages, leads) in alike {
            let request = page_request(pages, OrderFilter::ORDER).map_err(Arc::new)?;
            let lists = room::orders_of_leads(&self.0, &leads, &request)
                .await
                .map_err(Arc::new)?;
            found.extend(
                lists
                    .into_iter()
                    .map(|(lead, page)| (OrdersOf(lead, pages.clone()), page)),
            );
        }
        Ok(found)
    }
}

/// What a lead bought in a currency; trials and what nobody paid apart.
#[derive(SimpleObject)]
struct LeadPurchases {
    /// How many orders.
    orders: i64,
    /// As placed.
    total: Money,
    /// Lifetime value so far: what is left after refunds and orders called off.
    net: Money,
    /// What an order comes to on average, as placed.
    average: Money,
    /// When the first was placed.
    first_at: Timestamp,
    /// When the last was placed.
    last_at: Timestamp,
}

/// What shops know of a lead.
pub struct LeadCommerceFields(pub LeadId);

#[scoped]
#[Object]
impl LeadCommerceFields {
    /// What shops know of the lead as a customer.
    #[scope("commerce:read")]
    async fn shop_customers(&self, ctx: &Context<'_>) -> Result<Vec<ShopCustomer>> {
        ctx.caller()?.require(Scope::Read(Area::Commerce))?;
        let loader = ctx.data_unchecked::<DataLoader<CommerceLoader>>();
        let rows = loader.load_one(self.0).await?.unwrap_or_default();
        Ok(rows.into_iter().map(ShopCustomer).collect())
    }

    /// What the lead bought, by currency.
    #[scope("commerce:read")]
    async fn purchases(&self, ctx: &Context<'_>) -> Result<Vec<LeadPurchases>> {
        ctx.caller()?.require(Scope::Read(Area::Commerce))?;
        let loader = ctx.data_unchecked::<DataLoader<CommerceLoader>>();
        let rows = loader.load_one(PurchasesOf(self.0)).await?.unwrap_or_default();
        Ok(rows
            .into_iter()
            .map(|row| LeadPurchases {
                orders: row.orders,
                total: Money::of_minor(row.total_minor, &row.currency),
                net: Money::of_minor(row.net_minor, &row.currency),
                average: Money::of_minor(row.total_minor / row.orders.max(1), &row.currency),
                first_at: row.first_at,
                last_at: row.last_at,
            })
            .collect())
    }

    /// The lead's orders, the latest first.
    #[scope("commerce:read")]
    #[graphql(complexity = "first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    async fn orders(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
    ) -> Result<Listed<Order>> {
        ctx.caller()?.require(Scope::Read(Area::Commerce))?;
        let pages = Pages {
            first,
            after,
            last,
            before,
        };
        // Before it is asked for with those of others.
        page_request(&pages, OrderFilter::ORDER)?;
        let loader = ctx.data_unchecked::<DataLoader<CommerceLoader>>();
        let page = loader.load_one(OrdersOf(self.0, pages)).await?.unwrap_or(Page {
            items: Vec::new(),
            has_next: false,
            has_previous: false,
        });
        Ok(connection(page, |row| (OrderFilter::keyset(&row), Order(row))))
    }
}
