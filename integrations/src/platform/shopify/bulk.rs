//! The first full reading, by a bulk operation: begun, waited for, and its file read as it comes.

mod assembly;

use std::pin::Pin;
use std::time::Duration;

use async_stream::try_stream;
use futures_util::{Stream, StreamExt as _};
use serde_json::json;

use self::assembly::{Assembly, Lines};
use super::client::{Client, accepted};
use super::cursor::{Mark, Place};
use super::listing;
use super::resource::{Resource, everything};
use super::wire::graphql::{BulkBegun, BulkNode, BulkState};
use crate::facet::Page;
use crate::{Error, Kind, Result, Retry};

/// How many objects are given at once.
const PAGE: usize = 500;
/// The first wait for an operation, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How long an operation is waited for. It goes on by itself: whoever reads on from the cursor finds it.
const PATIENCE: Duration = Duration::from_hours(6);
/// How often a file is fetched again without anything new in it.
const TRIES: u32 = 3;
/// How many objects are read again at once.
const AGAIN: usize = 10;

/// Pages, and the place behind each.
type Placed<'c, T> = Pin<Box<dyn Stream<Item = Result<(Page<T>, Place)>> + Send + 'c>>;

/// Begins an operation over all there is.
pub(super) async fn begin<R: Resource>(client: &Client<'_>) -> Result<Place> {
    // Children are wanted behind their parent, else the whole file would have to be held; what has no children needs no
    // such order, and is ready sooner without.
    let variables = json!({ "query": everything::<R>(), "group": R::CHILDREN.is_some() });
    let begun: BulkBegun = client
        .query(include_str!("queries/bulk_begin.graphql"), &variables)
        .await?;
    let payload = begun.begun.ok_or_else(nothing_begun)?;
    accepted(&payload.user_errors).map_err(|error| match error.kind {
        // Five at once, and none of them ours to end.
        Kind::Throttled => error.retry(Retry::After(Duration::from_mins(2))),
        _ => error,
    })?;
    let operation = payload.bulk_operation.ok_or_else(nothing_begun)?;
    Ok(Place::Bulk {
        operation: operation.id,
        begun: operation.created_at,
        given: 0,
        mark: Mark::at(operation.created_at),
    })
}

fn nothing_begun() -> Error {
    Error::malformed("the shop does not say whether the bulk operation was begun")
}

/// What became of an operation.
enum Outcome {
    /// A file, how many objects are in it, and whether that is all there was.
    File {
        url: String,
        total: Option<u64>,
        whole: bool,
    },
    /// There was nothing.
    Nothing,
    /// It is not there any more, or was called off.
    Gone,
}

/// Reads an operation from a place in it.
pub(super) fn pages<'c, R: Resource>(client: &'c Client<'c>, place: Place) -> Placed<'c, R::Item> {
    Box::pin(try_stream! {
        let mut place = place;
        // Whoever is told where to go on before the waiting begins need not begin anew after a restart.
        yield (empty(&place), place.clone());
        let mut anew = false;
        let (url, total, whole) = loop {
            match wait::<R>(client, &place).await? {
                Outcome::File { url, total, whole } => break (url, total, whole),
                Outcome::Nothing => {
                    let behind = behind(&place, true);
                    yield (empty(&behind), behind);
                    return;
                }
                Outcome::Gone if anew => Err(called_off())?,
                Outcome::Gone => {
                    anew = true;
                    place = begin::<R>(client).await?;
                    yield (empty(&place), place.clone());
                }
            }
        };
        let Place::Bulk { operation, begun, mut given, mut mark } = place else { return };
        let mut tries = 0;
        let late = 'file: loop {
            let at = given;
            let mut file = client.file(&url).await?.body;
            let mut lines = Lines::default();
            let mut assembly = Assembly::<R>::behind(given);
            let cut = loop {
                let piece = match file.next().await {
                    Some(Ok(piece)) => piece,
                    Some(Err(error)) => break Some(error),
                    None => break None,
                };
                lines.push(&piece);
                while let Some(line) = lines.next() {
                    assembly.take(&line)?;
                    if assembly.ready.len() >= PAGE {
                        let items: Vec<_> = std::mem::take(&mut assembly.ready);
                        given += items.len() as u64;
                        note::<R>(&mut mark, &items);
                        let place = Place::Bulk { operation: operation.clone(), begun, given, mark: mark.clone() };
                        yield (Page { items, cursor: place.cursor(), total }, place);
                    }
                }
            };
            match cut {
                None => {
                    if let Some(line) = lines.rest() {
                        assembly.take(&line)?;
                    }
                    let (items, late) = assembly.finish();
                    note::<R>(&mut mark, &items);
                    given += items.len() as u64;
                    break 'file (items, late);
                }
                Some(error) => {
                    // What was given is passed over in the file when it is fetched again.
                    tries = if given > at { 1 } else { tries + 1 };
                    if tries >= TRIES {
                        Err(error.retry(Retry::Exhausted))?;
                    }
                    client.context.clock.sleep(WAITS.0 * 2_u32.pow(tries)).await;
                }
            }
        };
        let (items, late) = late;
        let place = Place::Bulk { operation, begun, given, mark };
        if late.is_empty() {
            let behind = behind(&place, whole);
            yield (Page { items, cursor: behind.cursor(), total }, behind);
            return;
        }
        yield (Page { items, cursor: place.cursor(), total }, place.clone());
        let mut left = late.chunks(AGAIN).peekable();
        while let Some(ids) = left.next() {
            let items = listing::some::<R>(client, ids).await?;
            let next = if left.peek().is_some() { place.clone() } else { behind(&place, whole) };
            yield (Page { items, cursor: next.cursor(), total }, next);
        }
    })
}

fn note<R: Resource>(mark: &mut Mark, items: &[R::Item]) {
    for item in items {
        if let Some(at) = R::updated(item) {
            mark.is_new(R::id(item), at);
        }
    }
    mark.trim();
}

fn empty<T>(place: &Place) -> Page<T> {
    Page {
        items: Vec::new(),
        cursor: place.cursor(),
        total: None,
    }
}

/// The place behind an operation: what changed since it began. Where it did not come to its end, all there is.
fn behind(place: &Place, whole: bool) -> Place {
    match place {
        Place::Bulk { mark, .. } if whole => Place::List {
            since: mark.since(),
            after: None,
            given: 0,
            mark: mark.clone(),
        },
        _ => listing::everything(),
    }
}

fn called_off() -> Error {
    let text = "the shop called the bulk operation off";
    Error::new(Kind::Unavailable, text)
}

/// Waits until an operation has come to an end.
async fn wait<R: Resource>(client: &Client<'_>, place: &Place) -> Result<Outcome> {
    let Place::Bulk { operation, .. } = place else {
        return Ok(Outcome::Gone);
    };
    let (mut wait, longest) = WAITS;
    let mut waited = Duration::ZERO;
    loop {
        let query = include_str!("queries/bulk_state.graphql");
        let found: BulkNode = client.query(query, &json!({ "id": operation })).await?;
        let Some(state) = found.node else {
            return Ok(Outcome::Gone);
        };
        if let Some(outcome) = outcome(state)? {
            return Ok(outcome);
        }
        if waited >= PATIENCE {
            let text = "the bulk operation is not ready yet";
            return Err(Error::new(Kind::Unavailable, text).retry(Retry::After(longest * 10)));
        }
        client.context.clock.sleep(wait).await;
        waited += wait;
        wait = (wait * 2).min(longest);
    }
}

/// What the state of an operation says; `None` while it runs.
fn outcome(state: BulkState) -> Result<Option<Outcome>> {
    let total = state.root_object_count;
    let status = state.status.as_deref().unwrap_or_default();
    Ok(Some(match (status, state.url) {
        ("COMPLETED", Some(url)) => Outcome::File {
            url,
            total,
            whole: true,
        },
        ("COMPLETED", None) => Outcome::Nothing,
        ("CANCELED" | "CANCELING" | "EXPIRED", _) => Outcome::Gone,
        ("FAILED", _) => {
            let code = state.error_code.unwrap_or_default();
            match (code.as_str(), state.partial_data_url) {
                // It took too long: what it has is read, and the rest page by page.
                ("TIMEOUT", Some(url)) => Outcome::File {
                    url,
                    total: None,
                    whole: false,
                },
                ("ACCESS_DENIED", _) => {
                    let text = "the app may not read all that the bulk operation asks for";
                    return Err(Error::new(Kind::Forbidden, text).code(code));
                }
                _ => {
                    let text = "the bulk operation failed";
                    return Err(Error::new(Kind::Unavailable, text).code(code));
                }
            }
        }
        _ => return Ok(None),
    }))
}
