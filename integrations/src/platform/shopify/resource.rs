//! What can be read from a shop: how each is asked for and read.

use std::sync::atomic::{AtomicU32, Ordering};

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::convert;
use super::settings::Options;
use super::wire::graphql::{CheckoutRow, Connection, CustomerRow, LineRow, OrderRow, ProductRow, VariantRow};
use crate::facet::{AbandonedCheckout, Customer, LineItem, Order, Product, Variant};

/// A kind of object.
pub(super) trait Resource: Send + Sync + 'static {
    /// As it comes.
    type Row<'a>: Deserialize<'a> + Send;
    /// As it is given.
    type Item: Send + Sync + 'static;
    /// A part of it that comes as a connection, as it comes.
    type ChildRow<'a>: Deserialize<'a> + Send;
    /// The same, as it is given.
    type Child: Send + Sync + 'static;

    /// How the platform calls it, and many of them.
    const TYPE: &'static str;
    const CONNECTION: &'static str;
    /// What is asked of it, its children apart.
    const FIELDS: &'static str;
    /// Its children: the name of the connection, and what is asked of each.
    const CHILDREN: Option<(&'static str, &'static str)>;
    /// By what listings are sorted.
    const SORT: &'static str;
    /// How many are asked for at once.
    const PAGE: u32;

    /// How many at once are not too dear, as the platform has said; the same for all shops.
    fn affordable() -> &'static AtomicU32;

    /// Converts it, with the children that came with it and where the rest of them begins.
    fn item(row: Self::Row<'_>) -> (Self::Item, Option<String>);
    fn child(row: Self::ChildRow<'_>) -> Self::Child;
    fn attach(item: &mut Self::Item, child: Self::Child);
    fn id(item: &Self::Item) -> &str;
    fn updated(item: &Self::Item) -> Option<DateTime<Utc>>;
}

/// How many children are asked for with each object. Most have fewer; the rest is fetched where there are more.
const WITH_EACH: u32 = 10;

/// How many to ask for at once.
pub(super) fn page_size<R: Resource>(options: &Options) -> u32 {
    let wanted = options.page_size.map_or(R::PAGE, |size| u32::from(size.0));
    wanted.min(R::affordable().load(Ordering::Relaxed)).max(1)
}

/// What is asked of an object in a listing.
fn fields<R: Resource>() -> String {
    let children = R::CHILDREN.map_or_else(String::new, |(name, fields)| {
        format!("children: {name}(first: {WITH_EACH}) {{ pageInfo {{ hasNextPage endCursor }} nodes {{ {fields} }} }}")
    });
    format!("{} {children}", R::FIELDS)
}

/// A page of a listing.
pub(super) fn listing<R: Resource>() -> String {
    let (connection, sort, fields) = (R::CONNECTION, R::SORT, fields::<R>());
    format!(
        "query ($first: Int!, $after: String, $query: String) {{ \
         items: {connection}(first: $first, after: $after, query: $query, sortKey: {sort}) {{ \
         pageInfo {{ hasNextPage endCursor }} nodes {{ {fields} }} }} }}"
    )
}

/// Objects by their ids.
pub(super) fn by_ids<R: Resource>() -> String {
    let (kind, fields) = (R::TYPE, fields::<R>());
    format!("query ($ids: [ID!]!) {{ items: nodes(ids: $ids) {{ ... on {kind} {{ {fields} }} }} }}")
}

/// More children of an object.
pub(super) fn more_children<R: Resource>() -> Option<String> {
    let (name, fields) = R::CHILDREN?;
    let kind = R::TYPE;
    Some(format!(
        "query ($id: ID!, $after: String) {{ node(id: $id) {{ ... on {kind} {{ \
         items: {name}(first: 100, after: $after) {{ pageInfo {{ hasNextPage endCursor }} nodes {{ {fields} }} }} }} }} }}"
    ))
}

/// All there is, for a bulk operation.
pub(super) fn everything<R: Resource>() -> String {
    let children = R::CHILDREN.map_or_else(String::new, |(name, fields)| {
        format!("{name} {{ edges {{ node {{ {fields} }} }} }}")
    });
    format!(
        "{{ {} {{ edges {{ node {{ {} {children} }} }} }} }}",
        R::CONNECTION,
        R::FIELDS
    )
}

fn apart<R>(children: Option<Connection<R>>) -> (Vec<R>, Option<String>) {
    children.map_or_else(
        || (Vec::new(), None),
        |found| (found.nodes, found.page_info.next()),
    )
}

/// Customers.
pub(super) struct Customers;

impl Resource for Customers {
    type Row<'a> = CustomerRow<'a>;
    type Item = Customer;
    type ChildRow<'a> = serde::de::IgnoredAny;
    type Child = ();

    const TYPE: &'static str = "Customer";
    const CONNECTION: &'static str = "customers";
    const FIELDS: &'static str = include_str!("queries/customer.graphql");
    const CHILDREN: Option<(&'static str, &'static str)> = None;
    const SORT: &'static str = "UPDATED_AT";
    const PAGE: u32 = 250;

    fn affordable() -> &'static AtomicU32 {
        static AFFORDABLE: AtomicU32 = AtomicU32::new(250);
        &AFFORDABLE
    }

    fn item(row: CustomerRow<'_>) -> (Customer, Option<String>) {
        (convert::customer(row), None)
    }

    fn child(_: serde::de::IgnoredAny) {}

    fn attach(_: &mut Customer, (): ()) {}

    fn id(item: &Customer) -> &str {
        &item.lead.id
    }

    fn updated(item: &Customer) -> Option<DateTime<Utc>> {
        item.lead.updated_at
    }
}

/// Orders.
pub(super) struct Orders;

impl Resource for Orders {
    type Row<'a> = OrderRow<'a>;
    type Item = Order;
    type ChildRow<'a> = LineRow<'a>;
    type Child = LineItem;

    const TYPE: &'static str = "Order";
    const CONNECTION: &'static str = "orders";
    const FIELDS: &'static str = include_str!("queries/order.graphql");
    const CHILDREN: Option<(&'static str, &'static str)> =
        Some(("lineItems", include_str!("queries/line.graphql")));
    const SORT: &'static str = "UPDATED_AT";
    const PAGE: u32 = 100;

    fn affordable() -> &'static AtomicU32 {
        static AFFORDABLE: AtomicU32 = AtomicU32::new(250);
        &AFFORDABLE
    }

    fn item(mut row: OrderRow<'_>) -> (Order, Option<String>) {
        let (lines, rest) = apart(row.children.take());
        let mut order = convert::order(row);
        order.lines = lines.into_iter().map(convert::line).collect();
        (order, rest)
    }

    fn child(row: LineRow<'_>) -> LineItem {
        convert::line(row)
    }

    fn attach(item: &mut Order, child: LineItem) {
        item.lines.push(child);
    }

    fn id(item: &Order) -> &str {
        &item.id
    }

    fn updated(item: &Order) -> Option<DateTime<Utc>> {
        Some(item.updated_at)
    }
}

/// Products.
pub(super) struct Products;

impl Resource for Products {
    type Row<'a> = ProductRow<'a>;
    type Item = Product;
    type ChildRow<'a> = VariantRow<'a>;
    type Child = Variant;

    const TYPE: &'static str = "Product";
    const CONNECTION: &'static str = "products";
    const FIELDS: &'static str = include_str!("queries/product.graphql");
    const CHILDREN: Option<(&'static str, &'static str)> =
        Some(("variants", include_str!("queries/variant.graphql")));
    const SORT: &'static str = "UPDATED_AT";
    const PAGE: u32 = 100;

    fn affordable() -> &'static AtomicU32 {
        static AFFORDABLE: AtomicU32 = AtomicU32::new(250);
        &AFFORDABLE
    }

    fn item(mut row: ProductRow<'_>) -> (Product, Option<String>) {
        let (variants, rest) = apart(row.children.take());
        let mut product = convert::product(row);
        product.variants = variants.into_iter().map(convert::variant).collect();
        (product, rest)
    }

    fn child(row: VariantRow<'_>) -> Variant {
        convert::variant(row)
    }

    fn attach(item: &mut Product, child: Variant) {
        item.variants.push(child);
    }

    fn id(item: &Product) -> &str {
        &item.id
    }

    fn updated(item: &Product) -> Option<DateTime<Utc>> {
        Some(item.updated_at)
    }
}

/// Checkouts that were begun. They can be searched by their last change but not sorted by it.
pub(super) struct Checkouts;

impl Resource for Checkouts {
    type Row<'a> = CheckoutRow<'a>;
    type Item = AbandonedCheckout;
    type ChildRow<'a> = LineRow<'a>;
    type Child = LineItem;

    const TYPE: &'static str = "AbandonedCheckout";
    const CONNECTION: &'static str = "abandonedCheckouts";
    const FIELDS: &'static str = include_str!("queries/checkout.graphql");
    const CHILDREN: Option<(&'static str, &'static str)> =
        Some(("lineItems", include_str!("queries/line.graphql")));
    const SORT: &'static str = "CREATED_AT";
    const PAGE: u32 = 50;

    fn affordable() -> &'static AtomicU32 {
        static AFFORDABLE: AtomicU32 = AtomicU32::new(250);
        &AFFORDABLE
    }

    fn item(mut row: CheckoutRow<'_>) -> (AbandonedCheckout, Option<String>) {
        let (lines, rest) = apart(row.children.take());
        let mut checkout = convert::checkout(row);
        checkout.lines = lines.into_iter().map(convert::line).collect();
        (checkout, rest)
    }

    fn child(row: LineRow<'_>) -> LineItem {
        convert::line(row)
    }

    fn attach(item: &mut AbandonedCheckout, child: LineItem) {
        item.lines.push(child);
    }

    fn id(item: &AbandonedCheckout) -> &str {
        &item.id
    }

    fn updated(item: &AbandonedCheckout) -> Option<DateTime<Utc>> {
        Some(item.updated_at)
    }
}
