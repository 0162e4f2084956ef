//! What the shop holds: made from an index when it is asked for, so that a large shop takes no memory; what has changed
//! since is kept.

mod customer;
mod order;
mod product;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};

pub(super) use self::customer::{Consent, CustomerRow};
pub(super) use self::order::{CheckoutRow, OrderRow};
pub(super) use self::product::ProductRow;
use super::graphql::{Cell, Connection, Lazy, Node, Step};

/// What all rows are made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct World {
    /// When the sandbox was made, in seconds since 1970; all rows are older than a day before that.
    pub born: i64,
    pub customers: usize,
    pub orders: usize,
    pub products: usize,
    pub checkouts: usize,
}

const DAY: i64 = 86_400;

impl World {
    /// When the row of an index changed last, of so many: evenly over 300 days, the last a day before the sandbox was made.
    fn stamp(&self, i: usize, of: usize) -> i64 {
        let step = (300 * DAY / i64::try_from(of.max(1)).unwrap_or(i64::MAX)).max(1);
        self.born - DAY - step * i64::try_from(of.saturating_sub(i)).unwrap_or(0)
    }
}

/// A kind of row.
pub(super) trait Row: Node + Clone + Send + 'static {
    /// Its type in ids.
    const KIND: &'static str;
    /// The id of index 0.
    const FIRST: u64;

    fn count(world: &World) -> usize;
    fn make(world: &World, i: usize) -> Self;
    fn index(&self) -> usize;
    fn created(&self) -> i64;
    fn updated(&self) -> i64;
    fn email(&self) -> Option<&str>;

    fn gid(i: usize) -> String {
        gid(Self::KIND, Self::FIRST + i as u64)
    }

    /// The index of an id, whether there is such a row or not.
    fn of_gid(id: &str) -> Option<usize> {
        let (kind, number) = id.strip_prefix("gid://shopify/")?.split_once('/')?;
        let number: u64 = number.parse().ok()?;
        (kind == Self::KIND)
            .then(|| number.checked_sub(Self::FIRST))?
            .map(|i| usize::try_from(i).ok())?
    }
}

/// The rows of a kind.
#[derive(Clone, Debug)]
pub(super) struct Store<R> {
    world: World,
    changed: BTreeMap<usize, R>,
    gone: BTreeSet<usize>,
    next: usize,
}

impl<R: Row> Store<R> {
    pub(super) fn new(world: World) -> Self {
        Self {
            world,
            changed: BTreeMap::new(),
            gone: BTreeSet::new(),
            next: R::count(&world),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.next - self.gone.len()
    }

    pub(super) fn get(&self, i: usize) -> Option<R> {
        if i >= self.next || self.gone.contains(&i) {
            return None;
        }
        Some(
            self.changed
                .get(&i)
                .cloned()
                .unwrap_or_else(|| R::make(&self.world, i)),
        )
    }

    pub(super) fn by_gid(&self, id: &str) -> Option<R> {
        self.get(R::of_gid(id)?)
    }

    /// The row that an index has when nothing has happened to it.
    pub(super) fn fresh(&self, i: usize) -> R {
        R::make(&self.world, i)
    }

    pub(super) fn put(&mut self, row: R) {
        self.next = self.next.max(row.index() + 1);
        self.changed.insert(row.index(), row);
    }

    pub(super) fn remove(&mut self, i: usize) {
        self.changed.remove(&i);
        self.gone.insert(i);
    }

    /// What has changed.
    pub(super) fn changed(&self) -> impl Iterator<Item = &R> {
        self.changed.values()
    }

    pub(super) fn next(&self) -> usize {
        self.next
    }

    /// All rows there are, as they are now, made one by one.
    pub(super) fn into_rows(self) -> impl Iterator<Item = R> + Send {
        (0..self.next).filter_map(move |i| self.get(i))
    }

    /// The indices that a search finds, by what they are sorted by.
    pub(super) fn find(&self, search: &Search, by_update: bool) -> Vec<(i64, usize)> {
        let count = R::count(&self.world);
        let mut found: Vec<(i64, usize)> = (0..self.next)
            .filter(|i| !self.gone.contains(i))
            .filter_map(|i| {
                let updated = match self.changed.get(&i) {
                    Some(row) => row.updated(),
                    None => self.world.stamp(i, count),
                };
                if search.updated.is_some_and(|from| updated < from) {
                    return None;
                }
                if search.email.is_none() && search.created.is_none() && by_update {
                    return Some((updated, i));
                }
                let row = self.get(i)?;
                let fits = search.created.is_none_or(|from| row.created() >= from)
                    && search
                        .email
                        .as_ref()
                        .is_none_or(|email| row.email() == Some(email));
                fits.then(|| (if by_update { updated } else { row.created() }, i))
            })
            .collect();
        found.sort_unstable();
        found
    }
}

/// What is searched for.
#[derive(Debug, Default)]
pub(super) struct Search {
    pub updated: Option<i64>,
    pub created: Option<i64>,
    pub email: Option<String>,
}

impl Search {
    /// Reads the platform's search language as far as clients use it; what it does not know it leaves out, as the platform
    /// does.
    pub(super) fn of(text: &str) -> Self {
        let mut search = Self::default();
        for term in text.split(" AND ") {
            let Some((field, value)) = term.trim().split_once(':') else {
                continue;
            };
            let (at_least, value) = match value.strip_prefix(">=") {
                Some(value) => (true, value),
                None => (false, value),
            };
            let value = value.trim_matches(['\'', '"']);
            let moment = DateTime::parse_from_rfc3339(value).ok().map(|at| at.timestamp());
            match field {
                "updated_at" if at_least => search.updated = moment,
                "created_at" if at_least => search.created = moment,
                "email" => search.email = Some(value.to_owned()),
                _ => {}
            }
        }
        search
    }
}

pub(super) fn gid(kind: &str, id: u64) -> String {
    format!("gid://shopify/{kind}/{id}")
}

/// A moment as the platform writes it.
pub(super) fn moment(seconds: i64) -> String {
    let at = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

pub(super) fn amount(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn money(cents: u64) -> Value {
    json!({ "amount": amount(cents), "currencyCode": super::CURRENCY })
}

fn money_cell(cents: u64) -> Cell<'static> {
    Cell::Object(Box::new(Lazy("MoneyV2", move |name: &str| match name {
        "amount" => amount(cents).into(),
        _ => super::CURRENCY.into(),
    })))
}

/// An amount in the shop's currency and in the customer's, which are one.
struct MoneySet(u64);

impl Node for MoneySet {
    fn kind(&self) -> &'static str {
        "MoneyBag"
    }

    fn field(&self, _: &Step) -> Cell<'_> {
        money_cell(self.0)
    }
}

fn money_set(cents: u64) -> Cell<'static> {
    Cell::Object(Box::new(MoneySet(cents)))
}

fn maybe<'a>(value: Option<impl Into<Value>>) -> Cell<'a> {
    value.map_or(Cell::NULL, Cell::from)
}

/// The part of a list of children that a step asks for.
fn children<'a>(all: Vec<Box<dyn Node + 'a>>, step: &Step) -> Cell<'a> {
    let from = step
        .text("after")
        .and_then(|after| after.parse::<usize>().ok())
        .map_or(0, |at| at + 1);
    let first = step.first().unwrap_or(usize::MAX);
    let count = all.len();
    let nodes: Vec<_> = all.into_iter().skip(from).take(first).collect();
    let cursors = (from..from + nodes.len()).map(|at| at.to_string()).collect();
    Cell::Object(Box::new(Connection {
        more: from + nodes.len() < count,
        before: from > 0,
        nodes,
        cursors,
    }))
}
