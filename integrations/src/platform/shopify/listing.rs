//! Reading what changed, page by page.

use std::sync::atomic::Ordering;

use async_stream::try_stream;
use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::StreamExt as _;
use serde_json::json;

use super::bulk;
use super::client::{Client, Graph, TOO_DEAR, read};
use super::cursor::{Mark, Place};
use super::resource::{Resource, by_ids, listing, more_children, page_size};
use super::wire::graphql::{ByIds, Data, Items, Rest};
use crate::facet::{Cursor, Page, Pages};
use crate::{Context, Result};

/// A listing cannot be paged beyond 25,000 objects: before that it is begun anew from the newest change read.
const DEEP: u64 = 20_000;

/// Reads from a cursor; without one all there is, by a bulk operation where there is one for it.
pub(super) fn pages<R: Resource>(
    context: &Context,
    since: Option<Cursor>,
    by_bulk: bool,
) -> Pages<'_, R::Item> {
    Box::pin(try_stream! {
        let client = Client::of(context)?;
        let mut place = match since {
            Some(cursor) => Place::of(&cursor)?,
            None if by_bulk => bulk::begin::<R>(&client).await?,
            None => everything(),
        };
        if let Place::Bulk { .. } = place {
            let mut read = bulk::pages::<R>(&client, place.clone());
            while let Some(page) = read.next().await {
                let (page, next) = page?;
                place = next;
                yield page;
            }
            // The file held all there was, unless the platform gave up within it.
            if !is_everything(&place) {
                return;
            }
        }
        loop {
            let (items, next, last) = page::<R>(&client, place).await?;
            place = next;
            yield Page { items, cursor: place.cursor(), total: None };
            if last {
                return;
            }
        }
    })
}

/// The place before all there is.
pub(super) fn everything() -> Place {
    Place::List {
        since: None,
        after: None,
        given: 0,
        mark: Mark::default(),
    }
}

fn is_everything(place: &Place) -> bool {
    matches!(
        place,
        Place::List {
            since: None,
            after: None,
            ..
        }
    )
}

/// Reads one page: what is new in it, the place behind it, and whether it is the last.
async fn page<R: Resource>(client: &Client<'_>, place: Place) -> Result<(Vec<R::Item>, Place, bool)> {
    let Place::List {
        since,
        after,
        given,
        mut mark,
    } = place
    else {
        return Ok((Vec::new(), place, true));
    };
    let query = listing::<R>();
    let judge = Graph::default();
    let answer = loop {
        let first = page_size::<R>(&client.options);
        let variables = json!({ "first": first, "after": after, "query": since.map(search) });
        match client.ask(&query, &variables, 0.0, &judge).await {
            Err(error) if error.code.as_deref() == Some(TOO_DEAR) && first > 1 => {
                let allowed = judge.told().allowed.unwrap_or(0.5);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a part of at most 250"
                )]
                let fewer = (f64::from(first) * allowed.clamp(0.01, 0.95)) as u32;
                R::affordable().fetch_min(fewer.max(1), Ordering::Relaxed);
            }
            answer => break answer?,
        }
    };
    let Items { items: connection } = read::<Data<Items<R::Row<'_>>>>(&answer.body)?.data;
    let mut items = Vec::with_capacity(connection.nodes.len());
    let mut rest = Vec::new();
    let count = connection.nodes.len() as u64;
    for row in connection.nodes {
        let (item, more) = R::item(row);
        if let Some(at) = R::updated(&item)
            && !mark.is_new(R::id(&item), at)
        {
            continue;
        }
        if let Some(more) = more {
            rest.push((items.len(), more));
        }
        items.push(item);
    }
    let next = connection.page_info.next();
    for (at, more) in rest {
        complete::<R>(client, &mut items[at], more).await?;
    }
    mark.trim();
    let newer = mark
        .since()
        .filter(|newer| since.is_none_or(|since| *newer > since));
    let last = next.is_none();
    let place = match (next, newer) {
        (None, newer) => Place::List {
            since: newer.or(since),
            after: None,
            given: 0,
            mark,
        },
        (Some(_), Some(newer)) if given + count >= DEEP && R::SORT == "UPDATED_AT" => Place::List {
            since: Some(newer),
            after: None,
            given: 0,
            mark,
        },
        (Some(next), _) => Place::List {
            since,
            after: Some(next),
            given: given + count,
            mark,
        },
    };
    Ok((items, place, last))
}

fn search(since: DateTime<Utc>) -> String {
    format!(
        "updated_at:>='{}'",
        since.to_rfc3339_opts(SecondsFormat::Secs, true)
    )
}

/// Fetches the children that did not come with an object.
async fn complete<R: Resource>(client: &Client<'_>, item: &mut R::Item, more: String) -> Result<()> {
    let Some(query) = more_children::<R>() else {
        return Ok(());
    };
    let mut after = Some(more);
    while after.is_some() {
        let variables = json!({ "id": R::id(item), "after": after });
        let answer = client.ask(&query, &variables, 0.0, &Graph::default()).await?;
        let rest = read::<Data<Rest<R::ChildRow<'_>>>>(&answer.body)?.data;
        // It was removed meanwhile: what there is of it is given.
        let Some(node) = rest.node else { break };
        for row in node.items.nodes {
            R::attach(item, R::child(row));
        }
        after = node.items.page_info.next();
    }
    Ok(())
}

/// Reads objects by their ids, whole; those that are gone are left out.
pub(super) async fn some<R: Resource>(client: &Client<'_>, ids: &[String]) -> Result<Vec<R::Item>> {
    let query = by_ids::<R>();
    let answer = client
        .ask(&query, &json!({ "ids": ids }), 0.0, &Graph::default())
        .await?;
    let found = read::<Data<ByIds<R::Row<'_>>>>(&answer.body)?.data.items;
    let rows: Vec<_> = found.into_iter().flatten().map(R::item).collect();
    let mut items = Vec::with_capacity(rows.len());
    for (mut item, more) in rows {
        if let Some(more) = more {
            complete::<R>(client, &mut item, more).await?;
        }
        items.push(item);
    }
    Ok(items)
}
