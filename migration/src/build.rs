//! Short forms of the column types that Leadline uses, so that a table reads as a list.
//!
//! Moments are 64-bit microseconds, days 32-bit day numbers, money 64-bit minor units: integers compare, bucket and
//! index alike on both databases.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

pub(crate) fn col(name: &'static str) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    column.not_null();
    column
}

pub(crate) fn opt(name: &'static str) -> ColumnDef {
    ColumnDef::new(name)
}

/// A table being put together.
pub(crate) struct TableBuilder {
    table: TableCreateStatement,
    clustered: bool,
}

pub(crate) fn table(name: &'static str) -> TableBuilder {
    let mut table = Table::create();
    table.table(name);
    TableBuilder {
        table,
        clustered: false,
    }
}

impl TableBuilder {
    pub(crate) fn col(mut self, column: &mut ColumnDef) -> Self {
        self.table.col(column.take());
        self
    }

    pub(crate) fn key<const N: usize>(mut self, columns: [&'static str; N]) -> Self {
        let mut index = Index::create();
        for column in columns {
            index.col(column);
        }
        self.table.primary_key(&mut index);
        self
    }

    /// SQLite keeps the rows in the primary key's own tree: one tree to write instead of two.
    /// Only for narrow rows that are looked up by their key.
    pub(crate) fn clustered(mut self) -> Self {
        self.clustered = true;
        self
    }

    pub(crate) async fn create(mut self, manager: &SchemaManager<'_>) -> Result<(), DbErr> {
        if self.clustered && manager.get_database_backend() == DbBackend::Sqlite {
            self.table.extra("WITHOUT ROWID");
        }
        manager.create_table(self.table).await
    }
}

/// An index or a new column given as SQL, the same text for both databases (partial indexes among them).
pub(crate) async fn index(manager: &SchemaManager<'_>, sql: &str) -> Result<(), DbErr> {
    manager.get_connection().execute_unprepared(sql).await.map(drop)
}
