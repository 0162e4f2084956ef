//! All SQL of shops.

mod farewells;

use std::collections::HashMap;

use entity::id::{CheckoutId, ConnectionId, LeadId, OrderId, ProductId};
use entity::{
    PaymentState, Timestamp, shop, shop_checkout, shop_customer, shop_order, shop_product, sync_cursor,
};
use sea_orm::sea_query::{Expr, ExprTrait as _, Func, IntoColumnRef};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QueryTrait,
    Select,
};

pub(super) use self::farewells::*;
use super::{Checkout, CheckoutFilter, Customer, Order, OrderFilter, Product, ProductFilter, Shop};
use crate::db::{Direction, Page, PageRequest, Tx, newest_of_leads, padded, sql, upsert_many};
use crate::leads::visible::Visible;

/// Ids of one statement: below SQLite's number of variables, few enough for a plan by the index.
const IDS: usize = 500;

macro_rules! by_external_ids {
    ($name:ident, $entity:ident, $row:ty) => {
        /// Those that are there, by the platform's id.
        pub(super) async fn $name(
            tx: &Tx,
            connection: ConnectionId,
            ids: &[&str],
        ) -> Result<HashMap<String, $row>, DbErr> {
            let mut found = HashMap::with_capacity(ids.len());
            for ids in ids.chunks(IDS) {
                let rows = $entity::Entity::find()
                    .filter($entity::Column::ConnectionId.eq(connection))
                    .filter($entity::Column::ExternalId.is_in(padded(ids)))
                    .all(&**tx)
                    .await?;
                found.extend(rows.into_iter().map(|row| (row.external_id.clone(), row)));
            }
            Ok(found)
        }
    };
}

by_external_ids!(customers, shop_customer, Customer);
by_external_ids!(products, shop_product, Product);
by_external_ids!(orders, shop_order, Order);
by_external_ids!(checkouts, shop_checkout, Checkout);

pub(super) async fn orders_by_ids(tx: &Tx, ids: &[OrderId]) -> Result<HashMap<OrderId, Order>, DbErr> {
    let mut found = HashMap::with_capacity(ids.len());
    for ids in ids.chunks(IDS) {
        let rows = shop_order::Entity::find()
            .filter(shop_order::Column::Id.is_in(padded(ids)))
            .all(&**tx)
            .await?;
        found.extend(rows.into_iter().map(|row| (row.id, row)));
    }
    Ok(found)
}

pub(super) async fn put_customers(tx: &Tx, rows: &[Customer]) -> Result<(), DbErr> {
    upsert_many(tx, rows, "connection_id, external_id")
        .await
        .map(drop)
}

pub(super) async fn put_products(tx: &Tx, rows: &[Product]) -> Result<(), DbErr> {
    upsert_many(tx, rows, "id").await.map(drop)
}

pub(super) async fn put_orders(tx: &Tx, rows: &[Order]) -> Result<(), DbErr> {
    upsert_many(tx, rows, "id").await.map(drop)
}

pub(super) async fn put_checkouts(tx: &Tx, rows: &[Checkout]) -> Result<(), DbErr> {
    upsert_many(tx, rows, "id").await.map(drop)
}

pub(super) async fn put_shop(tx: &Tx, row: Shop) -> Result<(), DbErr> {
    upsert_many(tx, &[row], "connection_id").await.map(drop)
}

pub(super) async fn delete_customer(tx: &Tx, connection: ConnectionId, id: &str) -> Result<(), DbErr> {
    delete_farewells(tx, connection, Some(id)).await?;
    shop_customer::Entity::delete_by_id((connection, id.to_owned()))
        .exec(&**tx)
        .await
        .map(drop)
}

pub(super) async fn delete_product(
    tx: &Tx,
    connection: ConnectionId,
    id: &str,
    now: Timestamp,
) -> Result<(), DbErr> {
    shop_product::Entity::update_many()
        .col_expr(shop_product::Column::DeletedAt, now.micros().into())
        .filter(shop_product::Column::ConnectionId.eq(connection))
        .filter(shop_product::Column::ExternalId.eq(id))
        .exec(&**tx)
        .await
        .map(drop)
}

/// The platform's ids of customers with an address.
pub(super) async fn customers_by_email(
    tx: &Tx,
    connection: ConnectionId,
    email: &str,
) -> Result<Vec<String>, DbErr> {
    let rows = shop_customer::Entity::find()
        .filter(shop_customer::Column::ConnectionId.eq(connection))
        .filter(Expr::expr(Func::lower(Expr::col(shop_customer::Column::Email))).eq(email.to_lowercase()))
        .all(&**tx)
        .await?;
    Ok(rows.into_iter().map(|row| row.external_id).collect())
}

/// Takes out what is told of a customer; what counts stays.
pub(super) async fn blank_customer(tx: &Tx, connection: ConnectionId, customer: &str) -> Result<(), DbErr> {
    blank(tx, connection, Some(customer)).await
}

/// Takes out what is told of leads as customers; what counts stays.
pub(super) async fn blank_leads(tx: &Tx, leads: &[LeadId]) -> Result<(), DbErr> {
    let none = || Expr::val(Option::<String>::None);
    for leads in leads.chunks(IDS) {
        let leads = padded(leads);
        shop_order::Entity::update_many()
            .col_expr(shop_order::Column::Email, none())
            .col_expr(shop_order::Column::Phone, none())
            .col_expr(shop_order::Column::Visits, Expr::val("[]"))
            .filter(shop_order::Column::LeadId.is_in(leads.iter().copied()))
            .exec(&**tx)
            .await?;
        shop_checkout::Entity::update_many()
            .col_expr(shop_checkout::Column::Email, none())
            .col_expr(shop_checkout::Column::Phone, none())
            .col_expr(shop_checkout::Column::Url, none())
            .filter(shop_checkout::Column::LeadId.is_in(leads.iter().copied()))
            .exec(&**tx)
            .await?;
        shop_customer::Entity::delete_many()
            .filter(shop_customer::Column::LeadId.is_in(leads.iter().copied()))
            .exec(&**tx)
            .await?;
        delete_farewells_of_leads(tx, &leads).await?;
    }
    Ok(())
}

/// Of one customer, or of all of the shop.
async fn blank(tx: &Tx, connection: ConnectionId, customer: Option<&str>) -> Result<(), DbErr> {
    let none = || Expr::val(Option::<String>::None);
    let mut orders = shop_order::Entity::update_many()
        .col_expr(shop_order::Column::Email, none())
        .col_expr(shop_order::Column::Phone, none())
        .col_expr(shop_order::Column::Visits, Expr::val("[]"))
        .filter(shop_order::Column::ConnectionId.eq(connection));
    let mut checkouts = shop_checkout::Entity::update_many()
        .col_expr(shop_checkout::Column::Email, none())
        .col_expr(shop_checkout::Column::Phone, none())
        .col_expr(shop_checkout::Column::Url, none())
        .filter(shop_checkout::Column::ConnectionId.eq(connection));
    let mut customers =
        shop_customer::Entity::delete_many().filter(shop_customer::Column::ConnectionId.eq(connection));
    if let Some(customer) = customer {
        orders = orders.filter(shop_order::Column::CustomerId.eq(customer));
        checkouts = checkouts.filter(shop_checkout::Column::CustomerId.eq(customer));
        customers = customers.filter(shop_customer::Column::ExternalId.eq(customer));
    }
    delete_farewells(tx, connection, customer).await?;
    orders.exec(&**tx).await?;
    checkouts.exec(&**tx).await?;
    customers.exec(&**tx).await.map(drop)
}

/// The same of a whole shop; it is read anew should it ever come back.
pub(super) async fn blank_shop(tx: &Tx, connection: ConnectionId) -> Result<(), DbErr> {
    blank(tx, connection, None).await?;
    shop::Entity::delete_by_id(connection).exec(&**tx).await?;
    sync_cursor::Entity::delete_many()
        .filter(sync_cursor::Column::ConnectionId.eq(connection))
        .exec(&**tx)
        .await
        .map(drop)
}

pub(super) async fn shops(db: &impl ConnectionTrait) -> Result<Vec<Shop>, DbErr> {
    shop::Entity::find()
        .order_by_asc(shop::Column::Name)
        .all(db)
        .await
}

pub(super) async fn find_order(
    db: &impl ConnectionTrait,
    visible: &Visible,
    id: OrderId,
) -> Result<Option<Order>, DbErr> {
    let mut select = shop_order::Entity::find_by_id(id);
    if !visible.is_all() {
        select = select.filter(visible.is_there((shop_order::Entity, shop_order::Column::LeadId)));
    }
    select.one(db).await
}

fn paged<E: EntityTrait>(
    mut select: Select<E>,
    page: &PageRequest,
    sort: impl IntoColumnRef,
    id: impl IntoColumnRef,
) -> Select<E> {
    let sort = Expr::col(sort.into_column_ref());
    page.apply(QueryTrait::query(&mut select), sort, id, Direction::Desc);
    select
}

pub(super) async fn list_orders(
    db: &impl ConnectionTrait,
    visible: &Visible,
    filter: &OrderFilter,
    page: &PageRequest,
) -> Result<Page<Order>, DbErr> {
    use shop_order::{Column, Entity};
    let mut select = Entity::find();
    if !visible.is_all() {
        select = select.filter(visible.is_there((Entity, Column::LeadId)));
    }
    if let Some(connection) = filter.connection {
        select = select.filter(Column::ConnectionId.eq(connection));
    }
    if !filter.payments.is_empty() {
        select = select.filter(Column::Payment.is_in(filter.payments.iter().copied()));
    }
    if let Some(from) = filter.from {
        select = select.filter(Column::PlacedAt.gte(from));
    }
    if let Some(to) = filter.to {
        select = select.filter(Column::PlacedAt.lt(to));
    }
    let select = paged(select, page, (Entity, Column::PlacedAt), (Entity, Column::Id));
    Ok(Page::new(page, select.all(db).await?))
}

pub(super) async fn list_products(
    db: &impl ConnectionTrait,
    filter: &ProductFilter,
    page: &PageRequest,
) -> Result<Page<Product>, DbErr> {
    use shop_product::{Column, Entity};
    let mut select = Entity::find().filter(Column::DeletedAt.is_null());
    if let Some(connection) = filter.connection {
        select = select.filter(Column::ConnectionId.eq(connection));
    }
    if let Some(active) = filter.is_active {
        select = select.filter(Column::IsActive.eq(active));
    }
    let select = paged(select, page, (Entity, Column::ChangedAt), (Entity, Column::Id));
    Ok(Page::new(page, select.all(db).await?))
}

pub(super) async fn list_checkouts(
    db: &impl ConnectionTrait,
    visible: &Visible,
    filter: &CheckoutFilter,
    page: &PageRequest,
) -> Result<Page<Checkout>, DbErr> {
    use shop_checkout::{Column, Entity};
    let mut select = Entity::find();
    if !visible.is_all() {
        select = select.filter(visible.is_there((Entity, Column::LeadId)));
    }
    if let Some(connection) = filter.connection {
        select = select.filter(Column::ConnectionId.eq(connection));
    }
    match filter.is_recovered {
        Some(true) => select = select.filter(Column::RecoveredAt.is_not_null()),
        Some(false) => select = select.filter(Column::RecoveredAt.is_null()),
        None => {}
    }
    let select = paged(select, page, (Entity, Column::BegunAt), (Entity, Column::Id));
    Ok(Page::new(page, select.all(db).await?))
}

/// The same page of the orders of each lead, the latest first.
pub(super) async fn orders_of_leads(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
    page: &PageRequest,
) -> Result<HashMap<LeadId, Page<Order>>, DbErr> {
    if page.after.is_some() || page.before.is_some() {
        // A cursor is of one lead; where several come with it, each is asked for.
        let mut found = HashMap::with_capacity(leads.len());
        for lead in leads {
            let select = shop_order::Entity::find().filter(shop_order::Column::LeadId.eq(*lead));
            let select = paged(
                select,
                page,
                (shop_order::Entity, shop_order::Column::PlacedAt),
                (shop_order::Entity, shop_order::Column::Id),
            );
            found.insert(*lead, Page::new(page, select.all(db).await?));
        }
        return Ok(found);
    }
    newest_of_leads::<shop_order::Entity, Order>(
        db,
        "shop_order",
        ("placed_at", "id"),
        leads,
        page,
        ("", Vec::new()),
        |row| row.lead_id.expect("chosen by it"),
    )
    .await
}

pub(super) async fn customers_of_leads(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
) -> Result<HashMap<LeadId, Vec<Customer>>, DbErr> {
    let rows = shop_customer::Entity::find()
        .filter(shop_customer::Column::LeadId.is_in(padded(leads)))
        .order_by_asc(shop_customer::Column::ConnectionId)
        .order_by_asc(shop_customer::Column::ExternalId)
        .all(db)
        .await?;
    let mut found: HashMap<LeadId, Vec<Customer>> = HashMap::new();
    for row in rows {
        if let Some(lead) = row.lead_id {
            found.entry(lead).or_default().push(row);
        }
    }
    Ok(found)
}

/// What a lead bought in a currency, trials and orders that nobody paid apart.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Purchases {
    /// The lead.
    pub lead_id: LeadId,
    /// ISO 4217.
    pub currency: String,
    /// How many orders.
    pub orders: i64,
    /// As placed, in minor units.
    pub total_minor: i64,
    /// What is left of it after refunds and orders called off.
    pub net_minor: i64,
    /// When the first was placed.
    pub first_at: Timestamp,
    /// When the last was placed.
    pub last_at: Timestamp,
}

pub(super) async fn purchases(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
) -> Result<HashMap<LeadId, Vec<Purchases>>, DbErr> {
    let leads = padded(leads);
    let text = format!(
        "SELECT lead_id, currency, count(*) AS orders, CAST(sum(total_minor) AS bigint) AS total_minor, \
         CAST(sum(CASE WHEN cancelled_at IS NOT NULL OR payment = ? THEN 0 ELSE current_minor END) AS bigint) AS net_minor, \
         min(placed_at) AS first_at, max(placed_at) AS last_at FROM shop_order WHERE lead_id IN ({}) AND NOT is_test AND \
         payment NOT IN (?, ?, ?) GROUP BY lead_id, currency ORDER BY lead_id, currency",
        vec!["?"; leads.len()].join(", ")
    );
    let values = std::iter::once(PaymentState::Refunded.as_str().into())
        .chain(leads.into_iter().map(|id| id.0.into()))
        .chain([
            PaymentState::Pending.as_str().into(),
            PaymentState::Voided.as_str().into(),
            PaymentState::Other.as_str().into(),
        ]);
    let statement = sql(db.get_database_backend(), &text, values);
    let mut found: HashMap<LeadId, Vec<Purchases>> = HashMap::new();
    for row in Purchases::find_by_statement(statement).all(db).await? {
        found.entry(row.lead_id).or_default().push(row);
    }
    Ok(found)
}

/// What a look at a shop counts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Figures {
    pub(super) customers: i64,
    pub(super) with_consent: i64,
    pub(super) without_contact: i64,
    pub(super) without_lead: i64,
    pub(super) shared_leads: i64,
    pub(super) orders: i64,
    pub(super) orders_without_lead: i64,
}

pub(super) async fn figures(db: &impl ConnectionTrait, connection: ConnectionId) -> Result<Figures, DbErr> {
    let backend = db.get_database_backend();
    let text = "SELECT count(*) AS customers, \
                CAST(coalesce(sum(CASE WHEN consents LIKE '%GRANTED%' THEN 1 ELSE 0 END), 0) AS bigint) AS with_consent, \
                CAST(coalesce(sum(CASE WHEN email IS NULL AND phone IS NULL THEN 1 ELSE 0 END), 0) AS bigint) AS without_contact, \
                CAST(coalesce(sum(CASE WHEN lead_id IS NULL THEN 1 ELSE 0 END), 0) AS bigint) AS without_lead, \
                count(lead_id) - count(DISTINCT lead_id) AS shared_leads FROM shop_customer WHERE connection_id = ?";
    let row = db
        .query_one_raw(sql(backend, text, [connection.0.into()]))
        .await?;
    let mut figures = Figures::default();
    if let Some(row) = row {
        figures.customers = row.try_get("", "customers")?;
        figures.with_consent = row.try_get("", "with_consent")?;
        figures.without_contact = row.try_get("", "without_contact")?;
        figures.without_lead = row.try_get("", "without_lead")?;
        figures.shared_leads = row.try_get("", "shared_leads")?;
    }
    let text = "SELECT count(*) AS orders, \
                CAST(coalesce(sum(CASE WHEN lead_id IS NULL THEN 1 ELSE 0 END), 0) AS bigint) AS orders_without_lead \
                FROM shop_order WHERE connection_id = ?";
    let row = db
        .query_one_raw(sql(backend, text, [connection.0.into()]))
        .await?;
    if let Some(row) = row {
        figures.orders = row.try_get("", "orders")?;
        figures.orders_without_lead = row.try_get("", "orders_without_lead")?;
    }
    Ok(figures)
}

/// The shop rows of ids, for whoever shows them.
pub(super) async fn find_customer(
    db: &impl ConnectionTrait,
    connection: ConnectionId,
    id: &str,
) -> Result<Option<Customer>, DbErr> {
    shop_customer::Entity::find_by_id((connection, id.to_owned()))
        .one(db)
        .await
}

/// A product by id.
pub(super) async fn find_product(db: &impl ConnectionTrait, id: ProductId) -> Result<Option<Product>, DbErr> {
    shop_product::Entity::find_by_id(id).one(db).await
}

/// An abandoned checkout by id.
pub(super) async fn find_checkout(
    db: &impl ConnectionTrait,
    visible: &Visible,
    id: CheckoutId,
) -> Result<Option<Checkout>, DbErr> {
    let mut select = shop_checkout::Entity::find_by_id(id);
    if !visible.is_all() {
        select = select.filter(visible.is_there((shop_checkout::Entity, shop_checkout::Column::LeadId)));
    }
    select.one(db).await
}
