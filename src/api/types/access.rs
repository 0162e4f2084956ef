//! What resolvers get out of the GraphQL context.

use std::collections::HashSet;
use std::sync::Arc;

use async_graphql::Context;
use async_trait::async_trait;
use entity::EventKind;
use entity::id::LeadId;
use futures_util::future::Either;
use futures_util::{Stream, StreamExt};

use super::door::Door;
use super::remarks::Remarks;
use crate::app::App;
use crate::error::Error;
use crate::events::{Event, Filter, Place, Position, StreamError};
use crate::identity::{Caller, Rows, Scope};

/// Most events that are looked at together for who sees them.
const MOST_READY: usize = 256;

/// The caller of a request, `None` for nobody.
#[derive(Clone, Debug)]
pub(in crate::api) struct CallerData(pub Option<Arc<Caller>>);

/// Tells which leads are somebody's to see. Leads stand above these types, so the schema brings it.
#[async_trait]
pub(in crate::api) trait Sight: Send + Sync {
    /// Of these leads, those that who sees these rows may see, deleted ones among them.
    async fn of(&self, app: &App, rows: &Rows, leads: Vec<LeadId>) -> Result<HashSet<LeadId>, Error>;
}

/// Access to the application and the caller.
pub trait Access {
    /// The application.
    fn app(&self) -> &App;

    /// Who calls.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for nobody.
    fn caller(&self) -> Result<&Caller, Error>;

    /// The address under which others reach the server, without a slash at the end.
    fn public_url(&self) -> &str;

    /// Where the request came in.
    fn door(&self) -> &Door;

    /// Says in `extensions.reads` how a field was read, where that is not the usual way, and why.
    fn remark(&self, field: &str, from: &str, because: &str);
}

/// The address under which others reach the server.
#[derive(Clone, Debug)]
pub(in crate::api) struct PublicUrl(pub Arc<str>);

impl Access for Context<'_> {
    fn app(&self) -> &App {
        self.data_unchecked::<App>()
    }

    fn caller(&self) -> Result<&Caller, Error> {
        self.data_opt::<CallerData>()
            .and_then(|data| data.0.as_deref())
            .ok_or_else(Error::no_token)
    }

    fn public_url(&self) -> &str {
        &self.data_unchecked::<PublicUrl>().0
    }

    fn door(&self) -> &Door {
        static NOWHERE: std::sync::LazyLock<Door> = std::sync::LazyLock::new(Door::default);
        self.data_opt::<Door>().unwrap_or(&NOWHERE)
    }

    fn remark(&self, field: &str, from: &str, because: &str) {
        if let Some(remarks) = self.data_opt::<Remarks>() {
            remarks.read(field, from, because);
        }
    }
}

/// Opens the event log for a subscription.
pub struct Live;

impl Live {
    /// The wanted events about leads that the caller sees after a cursor (without one: after the [`Place`] among the request's data, else from now on),
    /// for a caller with the scope.
    ///
    /// # Errors
    /// A missing scope, a cursor that is not one; in the stream: a cursor older than the log.
    pub fn open(
        ctx: &Context<'_>,
        scope: Scope,
        filter: Filter,
        after: Option<&str>,
    ) -> Result<impl Stream<Item = Result<Arc<Event>, Error>> + Send + use<>, Error> {
        let sight = Arc::clone(ctx.data_unchecked::<Arc<dyn Sight>>());
        let (app, rows) = (ctx.app().clone(), ctx.caller()?.rows.clone());
        Self::open_for(ctx, scope, filter, after, move |events| {
            let (sight, app, rows) = (Arc::clone(&sight), app.clone(), rows.clone());
            async move {
                let leads: HashSet<LeadId> = events.iter().filter_map(|event| event.lead_id).collect();
                let seen = sight.of(&app, &rows, leads.into_iter().collect()).await?;
                let is_seen = |event: &Arc<Event>| event.lead_id.is_some_and(|lead| seen.contains(&lead));
                Ok(events.into_iter().filter(is_seen).collect())
            }
        })
    }

    /// The same, where for a caller who does not see all rows `seen` leaves out what the caller must not see. It is asked
    /// for all events at once that are ready.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_for<F, S>(
        ctx: &Context<'_>,
        scope: Scope,
        filter: Filter,
        after: Option<&str>,
        seen: S,
    ) -> Result<impl Stream<Item = Result<Arc<Event>, Error>> + Send + use<F, S>, Error>
    where
        S: Fn(Vec<Arc<Event>>) -> F + Send + 'static,
        F: Future<Output = Result<Vec<Arc<Event>>, Error>> + Send + 'static,
    {
        let caller = ctx.caller()?;
        caller.require(scope)?;
        let place = ctx.data_opt::<Place>().cloned();
        let after = match after {
            Some(cursor) => Some(Self::position(cursor)?),
            None => place.as_ref().map(Place::get),
        };
        let events = ctx
            .app()
            .bus()
            .stream(filter, after)
            .map(|event| event.map_err(into_error));
        let events = if caller.rows.is_all() {
            Either::Left(events)
        } else {
            Either::Right(seen_ones(events, seen))
        };
        // Behind all that is left out: the place is that of what was handed on.
        Ok(events.map(move |event| {
            if let (Ok(event), Some(place)) = (&event, &place) {
                place.set(event.position);
            }
            event
        }))
    }

    /// The same for events of some kinds.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn kinds(
        ctx: &Context<'_>,
        scope: Scope,
        kinds: &[EventKind],
        after: Option<&str>,
    ) -> Result<impl Stream<Item = Result<Arc<Event>, Error>> + Send + use<>, Error> {
        Self::open(ctx, scope, Filter::kinds(kinds), after)
    }

    /// The cursor of an event, as clients see it.
    #[must_use]
    pub fn cursor(event: &Event) -> String {
        format!("ev{}", event.position)
    }

    /// The position that a cursor names.
    ///
    /// # Errors
    /// [`Error::BadInput`] when it is none.
    pub fn position(cursor: &str) -> Result<Position, Error> {
        cursor
            .strip_prefix("ev")
            .and_then(|digits| digits.parse().ok())
            .filter(|position| *position >= 0)
            .ok_or_else(|| {
                let shown: String = cursor.chars().take(48).collect();
                Error::BadInput(format!(
                    "`{shown}` is not a cursor of the event log: pass the `cursor` of an earlier payload"
                ))
            })
    }
}

/// Those events that `seen` leaves, asked for whatever is ready at once. When it cannot be told the stream ends with that:
/// whoever reads goes on behind the last event.
fn seen_ones<F>(
    events: impl Stream<Item = Result<Arc<Event>, Error>> + Send + 'static,
    seen: impl Fn(Vec<Arc<Event>>) -> F + Send + 'static,
) -> impl Stream<Item = Result<Arc<Event>, Error>> + Send
where
    F: Future<Output = Result<Vec<Arc<Event>>, Error>> + Send + 'static,
{
    async_stream::try_stream! {
        let mut ready = std::pin::pin!(events.ready_chunks(MOST_READY));
        while let Some(chunk) = ready.next().await {
            let mut told = Vec::with_capacity(chunk.len());
            let mut fault = None;
            for event in chunk {
                match event {
                    Ok(event) => told.push(event),
                    Err(error) => {
                        fault = Some(error);
                        break;
                    }
                }
            }
            if !told.is_empty() {
                for event in seen(told).await? {
                    yield event;
                }
            }
            if let Some(error) = fault {
                Err(error)?;
            }
        }
    }
}

fn into_error(error: StreamError) -> Error {
    match error {
        StreamError::TooOld { .. } | StreamError::PastEnd => Error::BadInput(error.to_string()),
        StreamError::Db(error) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::stream;

    use super::*;

    fn event(position: Position) -> Arc<Event> {
        Arc::new(Event {
            position,
            kind: EventKind::LeadUpdated,
            lead_id: Some(LeadId::at(entity::Timestamp(position))),
            subject: String::new(),
            actor: String::new(),
            payload: String::new(),
            at: entity::Timestamp(0),
        })
    }

    #[tokio::test]
    async fn who_sees_events_is_asked_for_all_that_are_ready_at_once() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        let even = move |events: Vec<Arc<Event>>| {
            noted.lock().unwrap().push(events.len());
            std::future::ready(Ok(events
                .into_iter()
                .filter(|event| event.position % 2 == 0)
                .collect()))
        };
        let events = stream::iter((0..400).map(|n| Ok(event(n))));
        let seen: Vec<_> = seen_ones(events, even)
            .map(|event| event.unwrap().position)
            .collect()
            .await;
        assert_eq!(seen, (0..400).filter(|n| n % 2 == 0).collect::<Vec<_>>());
        assert_eq!(*asked.lock().unwrap(), [256, 144]);
    }

    #[tokio::test]
    async fn a_fault_comes_in_its_place_and_ends_the_stream() {
        let all = |events: Vec<Arc<Event>>| std::future::ready(Ok(events));
        let fault = || Err(Error::BadInput("the cursor is too old".into()));
        let events = stream::iter([Ok(event(1)), Ok(event(2)), fault(), Ok(event(3))]);
        let told: Vec<_> = seen_ones(events, all)
            .map(|event| event.ok().map(|event| event.position))
            .collect()
            .await;
        assert_eq!(told[..3], [Some(1), Some(2), None]);
        let unknown = |_| std::future::ready(Err(Error::Unavailable("the database is away".into())));
        let told: Vec<_> = seen_ones(stream::iter([Ok(event(1)), Ok(event(2))]), unknown)
            .collect()
            .await;
        assert!(matches!(&told[..], [Err(Error::Unavailable(_))]));
    }
}
