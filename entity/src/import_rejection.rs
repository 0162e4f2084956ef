//! Table `import_rejection`.

use sea_orm::entity::prelude::*;

use crate::id::JobId;

/// What an import could not use, by line and column.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "import_rejection")]
pub struct Model {
    /// The import.
    #[sea_orm(primary_key, auto_increment = false)]
    pub job_id: JobId,
    /// Counts from 1, in the order of the file.
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    /// Line in the file, or row of the sheet, from 1.
    pub line: i64,
    /// The column; none when it is about the row as a whole.
    pub column_name: Option<String>,
    /// What the cell holds, shortened.
    pub value: String,
    /// A short name of the fault.
    pub code: String,
    /// What is wrong and what was expected.
    pub reason: String,
}

impl ActiveModelBehavior for ActiveModel {}
