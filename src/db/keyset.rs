//! Keyset pages: a cursor holds the sort value and the id of a row, bound to its ordering; no offset is ever counted.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sea_orm::sea_query::{Expr, ExprTrait, IntoColumnRef, Order, SelectStatement, SimpleExpr};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Ascending or descending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize, async_graphql::Enum)]
#[graphql(name = "OrderDirection")]
pub enum Direction {
    /// Smallest first.
    #[default]
    Asc,
    /// Largest first.
    Desc,
}

impl Direction {
    const fn reversed(self) -> Self {
        match self {
            Self::Asc => Self::Desc,
            Self::Desc => Self::Asc,
        }
    }
}

/// The value a row is sorted by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SortValue {
    /// Integers and moments.
    Int(i64),
    /// Scores.
    Float(f64),
    /// Texts.
    Text(String),
}

impl From<SortValue> for sea_orm::sea_query::Value {
    fn from(value: SortValue) -> Self {
        match value {
            SortValue::Int(v) => v.into(),
            SortValue::Float(v) => v.into(),
            SortValue::Text(v) => v.into(),
        }
    }
}

/// A place in a list: after this row (or before it).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Keyset {
    /// Names the ordering, e.g. `CREATED_AT DESC`.
    #[serde(rename = "o")]
    pub order: String,
    /// The row's sort value.
    #[serde(rename = "v")]
    pub value: SortValue,
    /// The row's id, which breaks ties.
    #[serde(rename = "i")]
    pub id: Uuid,
}

/// A cursor that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeysetError {
    /// Not a cursor of ours.
    #[error(
        "`{0}` is not a cursor of this list: pass the `endCursor` or `startCursor` of a page as it was given"
    )]
    Malformed(String),
    /// From a list with another ordering.
    #[error("the cursor belongs to the ordering {theirs}, but this list is ordered by {ours}")]
    OtherOrder {
        /// The cursor's.
        theirs: String,
        /// The list's.
        ours: String,
    },
}

impl Keyset {
    /// The opaque text form.
    #[must_use]
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).expect("plain values serialise"))
    }

    /// Reads the text form of a cursor of a list with the ordering `order`.
    ///
    /// # Errors
    /// See [`KeysetError`].
    pub fn decode(text: &str, order: &str) -> Result<Self, KeysetError> {
        let malformed = || KeysetError::Malformed(text.chars().take(48).collect());
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed())?;
        let keyset: Self = serde_json::from_slice(&bytes).map_err(|_| malformed())?;
        if keyset.order == order {
            Ok(keyset)
        } else {
            Err(KeysetError::OtherOrder {
                theirs: keyset.order,
                ours: order.to_owned(),
            })
        }
    }
}

/// Which page of a list: `limit` rows after `after` or, backwards, the last `limit` before `before`.
#[derive(Clone, Debug, PartialEq)]
pub struct PageRequest {
    /// Rows on the page.
    pub limit: u64,
    /// Only rows after this one.
    pub after: Option<Keyset>,
    /// Only rows before this one.
    pub before: Option<Keyset>,
    /// Take the last rows instead of the first.
    pub backward: bool,
}

impl PageRequest {
    /// The first rows of a list.
    #[must_use]
    pub const fn first(limit: u64) -> Self {
        Self {
            limit,
            after: None,
            before: None,
            backward: false,
        }
    }

    /// Orders and bounds a query; it fetches one row more than the page, by which [`Page::new`] knows of more.
    /// `sort` must not be null in any row.
    pub fn apply(
        &self,
        query: &mut SelectStatement,
        sort: SimpleExpr,
        id: impl IntoColumnRef,
        direction: Direction,
    ) {
        let id = Expr::col(id.into_column_ref());
        let row = || Expr::tuple([sort.clone(), id.clone()]);
        let place = |at: &Keyset| Expr::tuple([Expr::val(at.value.clone()), Expr::val(at.id)]);
        let ascending = direction == Direction::Asc;
        if let Some(at) = &self.after {
            query.and_where(if ascending {
                row().gt(place(at))
            } else {
                row().lt(place(at))
            });
        }
        if let Some(at) = &self.before {
            query.and_where(if ascending {
                row().lt(place(at))
            } else {
                row().gt(place(at))
            });
        }
        let order = match if self.backward {
            direction.reversed()
        } else {
            direction
        } {
            Direction::Asc => Order::Asc,
            Direction::Desc => Order::Desc,
        };
        query
            .order_by_expr(sort.clone(), order.clone())
            .order_by_expr(id, order)
            .limit(self.limit + 1);
    }
}

/// One page of a list, in the list's order.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Whether there are rows after the page.
    pub has_next: bool,
    /// Whether there are rows before the page.
    pub has_previous: bool,
}

impl<T> Page<T> {
    /// From the rows of a query that [`PageRequest::apply`] bounded.
    #[must_use]
    pub fn new(request: &PageRequest, mut rows: Vec<T>) -> Self {
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        if request.backward {
            rows.reverse();
            Self {
                items: rows,
                has_next: request.before.is_some(),
                has_previous: more,
            }
        } else {
            Self {
                items: rows,
                has_next: more,
                has_previous: request.after.is_some(),
            }
        }
    }

    /// The same page of something made from each row.
    #[must_use]
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        let Self {
            items,
            has_next,
            has_previous,
        } = self;
        Page {
            items: items.into_iter().map(f).collect(),
            has_next,
            has_previous,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_bound_to_its_ordering() {
        let at = Keyset {
            order: "CREATED_AT DESC".into(),
            value: SortValue::Int(7),
            id: Uuid::nil(),
        };
        assert_eq!(Keyset::decode(&at.encode(), "CREATED_AT DESC"), Ok(at.clone()));
        assert_eq!(
            Keyset::decode(&at.encode(), "SCORE DESC")
                .expect_err("another list")
                .to_string(),
            "the cursor belongs to the ordering CREATED_AT DESC, but this list is ordered by SCORE DESC"
        );
        assert!(matches!(
            Keyset::decode("abc", "X"),
            Err(KeysetError::Malformed(_))
        ));
    }
}
