//! Use cases of shops: looked at, tags and notes written back.

use std::collections::HashMap;

use entity::id::{CheckoutId, ConnectionId, LeadId, OrderId, ProductId};
use entity::{Area, PaymentState, Timestamp};
use integrations::facet::{self, Commerce, CommerceCounts};

use super::store::{self, Purchases};
use super::{Checkout, Customer, Order, Product, Shop};
use crate::app::App;
use crate::db::{Keyset, Page, PageRequest, SortValue, Tx};
use crate::error::{Error, Outcome, Problem};
use crate::identity::{Caller, Scope};
use crate::leads::visible::Visible;
use crate::platforms::connections::{ConnectionProblem, Live, live};

/// Which orders.
#[derive(Clone, Debug, Default)]
pub struct OrderFilter {
    /// Of this shop.
    pub connection: Option<ConnectionId>,
    /// In one of these states; all when empty.
    pub payments: Vec<PaymentState>,
    /// Placed at or after this moment.
    pub from: Option<Timestamp>,
    /// Placed before this moment.
    pub to: Option<Timestamp>,
}

impl OrderFilter {
    /// The name of the one ordering, the latest first.
    pub const ORDER: &'static str = "order PLACED_AT DESC";

    /// The place of an order in it.
    #[must_use]
    pub fn keyset(order: &Order) -> Keyset {
        keyset(Self::ORDER, order.placed_at, order.id.0)
    }
}

/// Which products.
#[derive(Clone, Debug, Default)]
pub struct ProductFilter {
    /// Of this shop.
    pub connection: Option<ConnectionId>,
    /// On sale or not.
    pub is_active: Option<bool>,
}

impl ProductFilter {
    /// The name of the one ordering, changed last first.
    pub const ORDER: &'static str = "product CHANGED_AT DESC";

    /// The place of a product in it.
    #[must_use]
    pub fn keyset(product: &Product) -> Keyset {
        keyset(Self::ORDER, product.changed_at, product.id.0)
    }
}

/// Which abandoned checkouts.
#[derive(Clone, Debug, Default)]
pub struct CheckoutFilter {
    /// Of this shop.
    pub connection: Option<ConnectionId>,
    /// Whether it became an order after all.
    pub is_recovered: Option<bool>,
}

impl CheckoutFilter {
    /// The name of the one ordering, begun last first.
    pub const ORDER: &'static str = "checkout BEGUN_AT DESC";

    /// The place of a checkout in it.
    #[must_use]
    pub fn keyset(checkout: &Checkout) -> Keyset {
        keyset(Self::ORDER, checkout.begun_at, checkout.id.0)
    }
}

fn keyset(order: &str, at: Timestamp, id: uuid::Uuid) -> Keyset {
    Keyset {
        order: order.to_owned(),
        value: SortValue::Int(at.micros()),
        id,
    }
}

fn may_read(caller: &Caller) -> Result<(), Error> {
    caller.require(Scope::Read(Area::Commerce))
}

/// Shops, by name.
///
/// # Errors
/// A missing scope `commerce:read`; a caller who does not see all rows; the database's.
pub async fn shops(app: &App, caller: &Caller) -> Result<Vec<Shop>, Error> {
    may_read(caller)?;
    caller.require_all_rows()?;
    Ok(store::shops(app.db().read()).await?)
}

/// Orders, the latest first; of leads that the caller sees.
///
/// # Errors
/// A missing scope `commerce:read`; the database's.
pub async fn orders(
    app: &App,
    caller: &Caller,
    filter: &OrderFilter,
    page: &PageRequest,
) -> Result<Page<Order>, Error> {
    may_read(caller)?;
    let visible = Visible::of(app, &caller.rows).await?;
    Ok(store::list_orders(app.db().read(), &visible, filter, page).await?)
}

/// An order; `None` when there is none, or its lead is not the caller's to see.
///
/// # Errors
/// A missing scope `commerce:read`; the database's.
pub async fn find_order(app: &App, caller: &Caller, id: OrderId) -> Result<Option<Order>, Error> {
    may_read(caller)?;
    let visible = Visible::of(app, &caller.rows).await?;
    Ok(store::find_order(app.db().read(), &visible, id).await?)
}

/// A product; `None` when there is none.
///
/// # Errors
/// A missing scope `commerce:read`; the database's.
pub async fn find_product(app: &App, caller: &Caller, id: ProductId) -> Result<Option<Product>, Error> {
    may_read(caller)?;
    Ok(store::find_product(app.db().read(), id).await?)
}

/// An abandoned checkout; `None` when there is none, or its lead is not the caller's to see.
///
/// # Errors
/// A missing scope `commerce:read`; the database's.
pub async fn find_checkout(app: &App, caller: &Caller, id: CheckoutId) -> Result<Option<Checkout>, Error> {
    may_read(caller)?;
    let visible = Visible::of(app, &caller.rows).await?;
    Ok(store::find_checkout(app.db().read(), &visible, id).await?)
}

/// Products, changed last first.
///
/// # Errors
/// A missing scope `commerce:read`; the database's.
pub async fn products(
    app: &App,
    caller: &Caller,
    filter: &ProductFilter,
    page: &PageRequest,
) -> Result<Page<Product>, Error> {
    may_read(caller)?;
    Ok(store::list_products(app.db().read(), filter, page).await?)
}

/// Abandoned checkouts, begun last first; of leads that the caller sees.
///
/// # Errors
/// A missing scope `commerce:read`; the database's.
pub async fn checkouts(
    app: &App,
    caller: &Caller,
    filter: &CheckoutFilter,
    page: &PageRequest,
) -> Result<Page<Checkout>, Error> {
    may_read(caller)?;
    let visible = Visible::of(app, &caller.rows).await?;
    Ok(store::list_checkouts(app.db().read(), &visible, filter, page).await?)
}

/// The same page of the orders of each lead, the latest first.
///
/// # Errors
/// The database's. Whoever shows the leads has asked for scope and sight.
pub async fn orders_of_leads(
    app: &App,
    leads: &[LeadId],
    page: &PageRequest,
) -> Result<HashMap<LeadId, Page<Order>>, Error> {
    Ok(store::orders_of_leads(app.db().read(), leads, page).await?)
}

/// Orders by id, as they stand in the transaction.
///
/// # Errors
/// The database's. Whoever calls has made sure that they may be seen.
pub async fn orders_within(tx: &Tx, ids: &[OrderId]) -> Result<HashMap<OrderId, Order>, Error> {
    Ok(store::orders_by_ids(tx, ids).await?)
}

/// What shops know of leads as customers.
///
/// # Errors
/// As [`orders_of_leads`].
pub async fn customers_of_leads(
    app: &App,
    leads: &[LeadId],
) -> Result<HashMap<LeadId, Vec<Customer>>, Error> {
    Ok(store::customers_of_leads(app.db().read(), leads).await?)
}

/// What leads bought, by currency.
///
/// # Errors
/// As [`orders_of_leads`].
pub async fn purchases_of_leads(
    app: &App,
    leads: &[LeadId],
) -> Result<HashMap<LeadId, Vec<Purchases>>, Error> {
    Ok(store::purchases(app.db().read(), leads).await?)
}

fn wrong(field: &str, code: ConnectionProblem, message: impl Into<String>) -> Problem<ConnectionProblem> {
    Problem::new(field, code, message)
}

/// The shop of a connection that is used.
pub(super) async fn shop<'a>(
    app: &'a App,
    caller: &Caller,
    id: ConnectionId,
) -> Outcome<(Live, &'a dyn Commerce), ConnectionProblem> {
    caller.require(Scope::Write(Area::Commerce))?;
    caller.require_all_rows()?;
    let Some(live) = live(app, id).await? else {
        let message = format!("there is no connection `{id}`");
        return Err(wrong("connectionId", ConnectionProblem::NotFound, message).into());
    };
    let Some(commerce) = live.facets(app).commerce else {
        let message = format!("{} is no shop", live.row.platform);
        return Err(wrong("connectionId", ConnectionProblem::Unsupported, message).into());
    };
    if !live.is_active() {
        let message = format!("the connection is {}; it has to be ACTIVE", live.row.state);
        return Err(wrong("connectionId", ConnectionProblem::NotActive, message).into());
    }
    Ok((live, commerce))
}

async fn customer(app: &App, connection: ConnectionId, id: &str) -> Outcome<Customer, ConnectionProblem> {
    let found = store::find_customer(app.db().write(), connection, id).await?;
    found.ok_or_else(|| {
        let message = format!("the shop has no customer `{id}`, or it was not read yet");
        wrong("customerId", ConnectionProblem::NotFound, message).into()
    })
}

pub(super) fn fault(error: integrations::Error) -> Problem<ConnectionProblem> {
    wrong("", ConnectionProblem::PlatformFault, error.message)
}

/// Puts tags on a customer in the shop and takes others off. Twice is as once.
///
/// # Errors
/// [`ConnectionProblem`]s; a missing scope `commerce:write`; the database's.
pub async fn change_tags(
    app: &App,
    caller: &Caller,
    connection: ConnectionId,
    customer_id: &str,
    add: &[String],
    remove: &[String],
) -> Outcome<Customer, ConnectionProblem> {
    let (live, commerce) = shop(app, caller, connection).await?;
    let mut row = customer(app, connection, customer_id).await?;
    commerce
        .change_tags(&live.context(app), customer_id, add, remove)
        .await
        .map_err(fault)?;
    let mut tags: Vec<String> = serde_json::from_str(&row.tags)?;
    let same = |left: &str, right: &str| left.to_lowercase() == right.to_lowercase();
    tags.retain(|tag| !remove.iter().any(|gone| same(gone, tag)));
    for tag in add {
        if !tags.iter().any(|there| same(there, tag)) {
            tags.push(tag.clone());
        }
    }
    let tx = app.db().begin().await?;
    // What came in meanwhile stays.
    if let Some(held) = store::customers(&tx, connection, &[customer_id])
        .await?
        .remove(customer_id)
    {
        row = held;
        row.tags = serde_json::to_string(&tags)?;
        store::put_customers(&tx, std::slice::from_ref(&row)).await?;
    }
    tx.commit().await?;
    Ok(row)
}

/// Adds a line to the note that the shop has of a customer, unless it is there already.
///
/// # Errors
/// As [`change_tags`].
pub async fn add_note(
    app: &App,
    caller: &Caller,
    connection: ConnectionId,
    customer_id: &str,
    line: &str,
) -> Outcome<Customer, ConnectionProblem> {
    let (live, commerce) = shop(app, caller, connection).await?;
    let mut row = customer(app, connection, customer_id).await?;
    let line = line.trim();
    if line.is_empty() || line.chars().count() > 5_000 {
        let message = "a note has 1 to 5,000 characters";
        return Err(wrong("note", ConnectionProblem::InvalidSettings, message).into());
    }
    commerce
        .add_note(&live.context(app), customer_id, line)
        .await
        .map_err(fault)?;
    let before = row.note.take().unwrap_or_default();
    let note = Some(if before.lines().any(|there| there.trim() == line) {
        before
    } else if before.is_empty() {
        line.to_owned()
    } else {
        format!("{before}\n{line}")
    });
    let tx = app.db().begin().await?;
    // What came in meanwhile stays.
    if let Some(held) = store::customers(&tx, connection, &[customer_id])
        .await?
        .remove(customer_id)
    {
        row = held;
        row.note = note;
        store::put_customers(&tx, std::slice::from_ref(&row)).await?;
    }
    tx.commit().await?;
    Ok(row)
}

/// A shop as the platform tells of it.
pub(super) fn shop_of(
    connection: ConnectionId,
    told: facet::Shop,
    counts: CommerceCounts,
    now: Timestamp,
) -> Shop {
    let whole = |count: Option<u64>| count.and_then(|count| i64::try_from(count).ok());
    Shop {
        connection_id: connection,
        external_id: told.id,
        name: told.name,
        url: told.url,
        currency: told.currency,
        time_zone: told.time_zone,
        email: told.email,
        plan: told.plan,
        customers: whole(counts.customers),
        orders: whole(counts.orders),
        products: whole(counts.products),
        updated_at: now,
    }
}
