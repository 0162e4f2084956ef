//! Rows read by the place of their columns.

use sea_orm::{DbErr, QueryResult};

/// A row of a table, read by the place of its columns. SeaORM reads by name: it looks each column up, and writes a
/// message with the name for each NULL, which is most of the work of reading a wide row.
pub trait ByPlace: Sized {
    /// The columns in the order in which they are read.
    const COLUMNS: &'static [&'static str];

    /// Reads a row whose columns begin at the place `from`.
    ///
    /// # Errors
    /// A value of another type.
    fn by_place(row: &QueryResult, from: usize) -> Result<Self, DbErr>;

    /// The columns of a table with this alias, for a statement written as text: `t.id, t.name`.
    #[must_use]
    fn columns(alias: &str) -> String {
        let columns: Vec<_> = Self::COLUMNS
            .iter()
            .map(|column| format!("{alias}.{column}"))
            .collect();
        columns.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::{EntityTrait, IdenStatic, Iterable};

    use super::ByPlace;

    /// A select of an entity names its columns in the order of `Column::iter()`.
    fn same_order<E: EntityTrait<Model: ByPlace>>() {
        let columns: Vec<_> = E::Column::iter()
            .map(|column| column.as_str().to_owned())
            .collect();
        assert_eq!(<E::Model as ByPlace>::COLUMNS, columns);
    }

    #[test]
    fn columns_stand_in_the_order_of_a_select() {
        same_order::<crate::lead::Entity>();
        same_order::<crate::engagement::Entity>();
        same_order::<crate::tag::Entity>();
    }
}
