//! What resolvers get out of the GraphQL context.

use std::sync::Arc;

use async_graphql::Context;
use entity::EventKind;
use futures_util::{Stream, StreamExt};

use super::door::Door;
use crate::app::App;
use crate::error::Error;
use crate::events::{Event, Filter, Place, Position, StreamError};
use crate::identity::{Caller, Scope};

/// The caller of a request, `None` for nobody.
#[derive(Clone, Debug)]
pub(in crate::api) struct CallerData(pub Option<Arc<Caller>>);

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
}

/// Opens the event log for a subscription.
pub struct Live;

impl Live {
    /// The wanted events after a cursor (without one: after the [`Place`] among the request's data, else from now on),
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
        ctx.caller()?.require(scope)?;
        let place = ctx.data_opt::<Place>().cloned();
        let after = match after {
            Some(cursor) => Some(Self::position(cursor)?),
            None => place.as_ref().map(Place::get),
        };
        let events = ctx.app().bus().stream(filter, after);
        Ok(events.map(move |event| {
            if let (Ok(event), Some(place)) = (&event, &place) {
                place.set(event.position);
            }
            event.map_err(into_error)
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

fn into_error(error: StreamError) -> Error {
    match error {
        StreamError::TooOld { .. } | StreamError::PastEnd => Error::BadInput(error.to_string()),
        StreamError::Db(error) => error.into(),
    }
}
