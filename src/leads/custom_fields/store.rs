//! All SQL of custom fields.

use entity::custom_field;
use entity::id::CustomFieldId;
use sea_orm::{ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryOrder};
use serde_json::json;

use super::CustomField;
use crate::db::{Conflict, Tx, insert_many};

/// All definitions, oldest first.
pub(super) async fn all(db: &impl ConnectionTrait) -> Result<Vec<CustomField>, DbErr> {
    let rows = custom_field::Entity::find()
        .order_by_asc(custom_field::Column::CreatedAt)
        .order_by_asc(custom_field::Column::Id)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(from_row).collect())
}

pub(super) async fn find(db: &impl ConnectionTrait, id: CustomFieldId) -> Result<Option<CustomField>, DbErr> {
    let row = custom_field::Entity::find_by_id(id).one(db).await?;
    Ok(row.map(from_row))
}

/// Writes a new definition; false when its key is taken.
pub(super) async fn insert(tx: &Tx, field: &CustomField) -> Result<bool, DbErr> {
    Ok(insert_many(tx, &[to_row(field)], Conflict::Keep("(key)")).await? == 1)
}

pub(super) async fn update(tx: &Tx, field: &CustomField) -> Result<(), DbErr> {
    let row = to_row(field).into_active_model().reset_all();
    custom_field::Entity::update(row).exec(&**tx).await.map(drop)
}

fn from_row(row: custom_field::Model) -> CustomField {
    let custom_field::Model {
        id,
        key,
        label,
        field_type,
        options,
        required,
        description,
        created_at,
        archived_at,
    } = row;
    let options = match options {
        serde_json::Value::Array(items) => items
            .into_iter()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    };
    CustomField {
        id,
        key,
        label,
        field_type,
        options,
        required,
        description,
        created_at,
        archived_at,
    }
}

fn to_row(field: &CustomField) -> custom_field::Model {
    let CustomField {
        id,
        key,
        label,
        field_type,
        options,
        required,
        description,
        created_at,
        archived_at,
    } = field.clone();
    custom_field::Model {
        id,
        key,
        label,
        field_type,
        options: json!(options),
        required,
        description,
        created_at,
        archived_at,
    }
}
