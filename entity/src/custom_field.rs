//! Table `custom_field`.

use sea_orm::entity::prelude::*;

use crate::{CustomFieldType, Timestamp, id::CustomFieldId};

/// The definition of a custom field of leads.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "custom_field")]
pub struct Model {
    /// The field.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CustomFieldId,
    /// Key in `custom`: lower case, digits, underscores.
    pub key: String,
    /// As shown.
    pub label: String,
    /// Type of its values.
    pub field_type: CustomFieldType,
    /// Valid values of a selection: array of texts.
    #[sea_orm(column_type = "JsonBinary")]
    pub options: Json,
    /// Whether a new lead must have it.
    pub required: bool,
    /// What it is for.
    pub description: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was taken out of use; values stay.
    pub archived_at: Option<Timestamp>,
}

impl ActiveModelBehavior for ActiveModel {}
