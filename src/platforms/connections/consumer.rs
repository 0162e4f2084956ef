//! Where what platforms hold becomes ours.

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use entity::{SyncKind, Timestamp};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use integrations::Context;
use integrations::facet::{
    AbandonedCheckout, AdLevel, AdResult, Cursor, Customer, DateRange, Facets, LeadRecord, Order, Page,
    Pages, Product, WebhookEvent,
};

use super::{Live, model};
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;

/// Things of one kind, as a platform has them.
#[derive(Clone, Debug)]
pub enum Items {
    /// Leads.
    Leads(Vec<LeadRecord>),
    /// Customers.
    Customers(Vec<Customer>),
    /// Products.
    Products(Vec<Product>),
    /// Orders.
    Orders(Vec<Order>),
    /// Checkouts that were not finished.
    AbandonedCheckouts(Vec<AbandonedCheckout>),
    /// Results of advertisements.
    AdResults(Vec<AdResult>),
}

impl Items {
    /// What they are.
    #[must_use]
    pub const fn kind(&self) -> SyncKind {
        match self {
            Self::Leads(_) => SyncKind::Leads,
            Self::Customers(_) => SyncKind::Customers,
            Self::Products(_) => SyncKind::Products,
            Self::Orders(_) => SyncKind::Orders,
            Self::AbandonedCheckouts(_) => SyncKind::AbandonedCheckouts,
            Self::AdResults(_) => SyncKind::AdResults,
        }
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Leads(items) => items.len(),
            Self::Customers(items) => items.len(),
            Self::Products(items) => items.len(),
            Self::Orders(items) => items.len(),
            Self::AbandonedCheckouts(items) => items.len(),
            Self::AdResults(items) => items.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a refusal calls a result of advertisements: its id comes again each day.
    #[must_use]
    pub fn name_of(result: &AdResult) -> String {
        format!("{} {}", result.id, result.day)
    }

    /// Takes those of others in, where they are of the same kind; gives them back where not.
    ///
    /// # Errors
    /// The others.
    pub fn join(&mut self, others: Self) -> Result<(), Self> {
        match (self, others) {
            (Self::Leads(own), Self::Leads(more)) => own.extend(more),
            (Self::Customers(own), Self::Customers(more)) => own.extend(more),
            (Self::Products(own), Self::Products(more)) => own.extend(more),
            (Self::Orders(own), Self::Orders(more)) => own.extend(more),
            (Self::AbandonedCheckouts(own), Self::AbandonedCheckouts(more)) => own.extend(more),
            (Self::AdResults(own), Self::AdResults(more)) => own.extend(more),
            (_, others) => return Err(others),
        }
        Ok(())
    }
}

/// What became of items.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// New ones.
    pub created: u64,
    /// Changed ones.
    pub updated: u64,
    /// Those that were there already.
    pub unchanged: u64,
    /// Those that could not be used.
    pub refused: Vec<Refusal>,
}

/// Something that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The platform's id of it.
    pub external_id: String,
    /// Why.
    pub message: String,
    /// All of it; else the rest was taken.
    pub is_whole: bool,
}

/// A room that takes what platforms hold.
#[async_trait]
pub trait Consumer: Send + Sync {
    /// What it takes.
    fn kinds(&self) -> &'static [SyncKind];

    /// Called once before a reading of what it takes.
    ///
    /// # Errors
    /// The database's.
    async fn begin(&self, app: &App, of: &Live, context: &Context) -> Result<(), Error> {
        let _ = (app, of, context);
        Ok(())
    }

    /// Writes items of a kind it takes, within the transaction. The same again changes nothing; what is older than what is
    /// there changes nothing.
    ///
    /// # Errors
    /// The database's. Wrong items are answers, not errors.
    async fn write(
        &self,
        app: &App,
        tx: &Tx,
        of: &Live,
        now: Timestamp,
        items: &Items,
    ) -> Result<Written, Error>;

    /// Takes something that a platform told which is not about such items; false when it is nothing for this room.
    /// `arrived`: when it was told; what says no moment of its own happened then, however late it is heard.
    ///
    /// # Errors
    /// The database's.
    async fn hear(
        &self,
        app: &App,
        tx: &Tx,
        of: &Live,
        arrived: Timestamp,
        event: &WebhookEvent,
    ) -> Result<bool, Error> {
        let _ = (app, tx, of, arrived, event);
        Ok(false)
    }
}

/// All rooms that take what platforms hold; cheap to clone.
#[derive(Clone)]
pub struct Consumers(Arc<Vec<Arc<dyn Consumer>>>);

impl Consumers {
    /// Puts them together.
    #[must_use]
    pub fn new(consumers: Vec<Arc<dyn Consumer>>) -> Self {
        Self(Arc::new(consumers))
    }

    /// The ids of items, as refusals name them.
    pub(super) fn ids(items: &Items) -> Vec<Cow<'_, str>> {
        match items {
            Items::Leads(items) => items.iter().map(|item| item.id.as_str().into()).collect(),
            Items::Customers(items) => items.iter().map(|item| item.lead.id.as_str().into()).collect(),
            Items::Products(items) => items.iter().map(|item| item.id.as_str().into()).collect(),
            Items::Orders(items) => items.iter().map(|item| item.id.as_str().into()).collect(),
            Items::AbandonedCheckouts(items) => items.iter().map(|item| item.id.as_str().into()).collect(),
            Items::AdResults(items) => items.iter().map(|item| Items::name_of(item).into()).collect(),
        }
    }

    /// Who takes a kind.
    pub(super) fn of(&self, kind: SyncKind) -> Option<&dyn Consumer> {
        self.0
            .iter()
            .find(|consumer| consumer.kinds().contains(&kind))
            .map(AsRef::as_ref)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &dyn Consumer> {
        self.0.iter().map(AsRef::as_ref)
    }
}

impl std::fmt::Debug for Consumers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kinds = self.0.iter().map(|consumer| consumer.kinds());
        f.debug_list().entries(kinds).finish()
    }
}

/// What can be read of a platform, in the order in which it is read.
#[must_use]
pub fn offered(facets: &Facets<'_>) -> Vec<SyncKind> {
    model::sync_kinds(facets)
}

/// Reads a kind from a platform, batch by batch; `None` when it has no such facet. `days`: for results by day.
pub fn batches<'a>(
    kind: SyncKind,
    facets: Facets<'a>,
    context: &'a Context,
    since: Option<Cursor>,
    days: DateRange,
) -> Option<BoxStream<'a, integrations::Result<Page<Items>>>> {
    Some(match kind {
        SyncKind::Leads => each(facets.lead_source?.leads(context, since), Items::Leads),
        SyncKind::Customers => each(facets.commerce?.customers(context, since), Items::Customers),
        SyncKind::Products => each(facets.commerce?.products(context, since), Items::Products),
        SyncKind::Orders => each(facets.commerce?.orders(context, since), Items::Orders),
        SyncKind::AbandonedCheckouts => each(
            facets.commerce?.abandoned_checkouts(context, since),
            Items::AbandonedCheckouts,
        ),
        SyncKind::AdResults => each(
            facets
                .ad_reporting?
                .results(context, days, AdLevel::Campaign, since),
            Items::AdResults,
        ),
    })
}

fn each<'a, T: Send + 'a>(
    pages: Pages<'a, T>,
    items: fn(Vec<T>) -> Items,
) -> BoxStream<'a, integrations::Result<Page<Items>>> {
    // A page has items of one kind, so that is wrapped as a page of one.
    pages
        .map_ok(move |page| Page {
            items: vec![items(page.items)],
            cursor: page.cursor,
            total: page.total,
        })
        .boxed()
}
