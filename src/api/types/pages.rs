//! Relay connections over keyset pages.

use async_graphql::ObjectType;
use async_graphql::connection::{Connection, CursorType, Edge, EmptyFields};

use crate::api::Eager;
use crate::db::{Keyset, Page, PageRequest};
use crate::error::Error;

/// The usual arguments of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pages {
    /// Rows from the start.
    pub first: Option<i32>,
    /// After this cursor.
    pub after: Option<String>,
    /// Rows from the end.
    pub last: Option<i32>,
    /// Before this cursor.
    pub before: Option<String>,
}

const DEFAULT: i32 = 25;
const MOST: i32 = 100;

/// Reads the arguments of a connection whose ordering is called `order`.
///
/// # Errors
/// [`Error::BadInput`]: both `first` and `last`, a number outside of 1–100, a cursor of another list.
pub fn page_request(pages: &Pages, order: &str) -> Result<PageRequest, Error> {
    let (limit, backward, name) = match (pages.first, pages.last) {
        (Some(_), Some(_)) => return Err(Error::BadInput("give `first` or `last`, not both".into())),
        (None, Some(last)) => (last, true, "last"),
        (first, None) => (first.unwrap_or(DEFAULT), false, "first"),
    };
    if !(1..=MOST).contains(&limit) {
        return Err(Error::BadInput(format!(
            "`{name}` is {limit}; it has to be from 1 to {MOST}"
        )));
    }
    let decode = |cursor: &Option<String>| {
        cursor
            .as_deref()
            .map(|text| Keyset::decode(text, order).map_err(|error| Error::BadInput(error.to_string())))
            .transpose()
    };
    Ok(PageRequest {
        limit: u64::from(limit.unsigned_abs()),
        after: decode(&pages.after)?,
        before: decode(&pages.before)?,
        backward,
    })
}

/// An opaque cursor.
#[derive(Clone, Debug)]
pub struct Cursor(String);

impl CursorType for Cursor {
    type Error = std::convert::Infallible;
    fn decode_cursor(text: &str) -> Result<Self, Self::Error> {
        Ok(Self(text.to_owned()))
    }
    fn encode_cursor(&self) -> String {
        self.0.clone()
    }
}

/// A page of a list, as clients see it.
pub type Listed<N> = Connection<Cursor, Eager<N>, EmptyFields, EmptyFields>;

/// The connection of a page; `edge` makes the cursor and the node of each row.
pub fn connection<T, N: ObjectType>(page: Page<T>, mut edge: impl FnMut(T) -> (Keyset, N)) -> Listed<N> {
    let mut connection = Connection::new(page.has_previous, page.has_next);
    connection.edges.extend(page.items.into_iter().map(|row| {
        let (keyset, node) = edge(row);
        Edge::new(Cursor(keyset.encode()), Eager(node))
    }));
    connection
}
