//! All SQL of leads.

use std::collections::{HashMap, HashSet};

use entity::id::LeadId;
use entity::{custom_field, lead, lead_identity};
use sea_orm::sea_query::{Expr, LockType, Value};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait,
};
use serde_json::json;

use super::model::{Definitions, Identity};
use super::plan::Plan;
use super::{Lead, LeadOrder, LeadOrderField};
use crate::db::{self, Conflict, KeyType, Page, PageRequest, Tx, among, insert_many, key_table, padded, sql};
use crate::identity::Rows;

/// Most keys of one statement.
const KEYS: usize = 1_024;

/// The custom fields that are defined.
pub(super) async fn definitions(db: &Tx) -> Result<Definitions, DbErr> {
    custom_field::Entity::find()
        .all(&**db)
        .await
        .map(Definitions::new)
}

/// To whom identities belong.
pub(super) async fn owners(tx: &Tx, named: &[Identity]) -> Result<HashMap<Identity, LeadId>, DbErr> {
    let mut owners = HashMap::new();
    for chunk in named.chunks(KEYS) {
        let columns = "i.kind, i.namespace, i.value, i.lead_id, i.created_at";
        let matching = "i.kind = k.kind AND i.namespace = k.namespace AND i.value = k.value";
        let statement = if tx.backend() == DbBackend::Postgres {
            let keys: Vec<_> = chunk
                .iter()
                .map(|key| json!({"kind": key.kind.as_str(), "namespace": key.namespace, "value": key.value}))
                .collect();
            let text = format!(
                "SELECT {columns} FROM json_to_recordset(?::json) AS k(kind text, namespace text, value text) \
                 JOIN lead_identity i ON {matching}"
            );
            db::sql(
                tx.backend(),
                &text,
                [Value::from(serde_json::Value::from(keys).to_string())],
            )
        } else {
            let keys = padded(chunk);
            let mut rows = "(?,?,?),".repeat(keys.len());
            rows.pop();
            let text = format!(
                "WITH k(kind, namespace, value) AS (VALUES {rows}) \
                 SELECT {columns} FROM k CROSS JOIN lead_identity i ON {matching}"
            );
            let values = keys.into_iter().flat_map(|key| {
                [
                    Value::from(key.kind.as_str()),
                    Value::from(key.namespace),
                    Value::from(key.value),
                ]
            });
            db::sql(tx.backend(), &text, values)
        };
        let found = lead_identity::Entity::find()
            .from_raw_sql(statement)
            .all(&**tx)
            .await?;
        owners.extend(found.into_iter().map(|row| {
            let (id, identity) = identity(row);
            (identity, id)
        }));
    }
    Ok(owners)
}

/// An identity as the rules know it, and whose it is.
pub(super) fn identity(row: lead_identity::Model) -> (LeadId, Identity) {
    let lead_identity::Model {
        kind,
        namespace,
        value,
        lead_id,
        created_at: _,
    } = row;
    (
        lead_id,
        Identity {
            kind,
            namespace,
            value,
        },
    )
}

/// Leads that are not erased, deleted ones among them, locked in the order of their ids until the transaction ends.
pub(super) async fn lock(tx: &Tx, rows: Rows, ids: &[LeadId]) -> Result<HashMap<LeadId, Lead>, DbErr> {
    let Rows::All = rows;
    let mut found = HashMap::with_capacity(ids.len());
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    for chunk in ids.chunks(KEYS) {
        let mut query = lead::Entity::find()
            .filter(lead::Column::Id.is_in(padded(chunk)))
            .filter(lead::Column::ErasedAt.is_null());
        if tx.backend() == DbBackend::Postgres {
            query = query.order_by_asc(lead::Column::Id).lock(LockType::Update);
        }
        let leads = query.all(&**tx).await?;
        found.extend(leads.into_iter().map(|lead| (lead.id, lead)));
    }
    Ok(found)
}

/// All identities of some leads.
pub(super) async fn identities_of(
    db: &impl ConnectionTrait,
    ids: &[LeadId],
) -> Result<Vec<lead_identity::Model>, DbErr> {
    let mut found = Vec::new();
    for chunk in ids.chunks(KEYS) {
        let rows = lead_identity::Entity::find()
            .filter(lead_identity::Column::LeadId.is_in(padded(chunk)))
            .order_by_asc(lead_identity::Column::Kind)
            .order_by_asc(lead_identity::Column::Namespace)
            .order_by_asc(lead_identity::Column::Value)
            .all(db)
            .await?;
        found.extend(rows);
    }
    Ok(found)
}

/// Writes a plan; false, with nothing written, when somebody else claimed one of its identities first.
pub(super) async fn write(tx: &Tx, plan: &Plan) -> Result<bool, DbErr> {
    for chunk in plan.releases.chunks(KEYS) {
        let mut rows = "(?,?,?),".repeat(chunk.len());
        rows.pop();
        let text = format!("DELETE FROM lead_identity WHERE (kind, namespace, value) IN (VALUES {rows})");
        let values = chunk.iter().flat_map(|key| {
            [
                Value::from(key.kind.as_str()),
                Value::from(key.namespace.clone()),
                Value::from(key.value.clone()),
            ]
        });
        tx.execute_raw(db::sql(tx.backend(), &text, values)).await?;
    }
    if !plan.claims.is_empty() {
        // SQLite has one writer: what was free when the batch was planned still is.
        let shared = tx.backend() == DbBackend::Postgres;
        if shared {
            tx.execute_unprepared("SAVEPOINT claims").await?;
        }
        let claimed = insert_many(tx, &plan.claims, Conflict::Keep("(kind, namespace, value)")).await?;
        if claimed != plan.claims.len() as u64 {
            if shared {
                tx.execute_unprepared("ROLLBACK TO SAVEPOINT claims").await?;
                return Ok(false);
            }
            return Err(DbErr::Custom(
                "an identity was claimed by another writer on SQLite".into(),
            ));
        }
        if shared {
            tx.execute_unprepared("RELEASE SAVEPOINT claims").await?;
        }
    }
    insert_many(tx, &plan.created, Conflict::Fail).await?;
    insert_many(tx, &plan.changed, Conflict::Replace("id")).await?;
    Ok(true)
}

pub(super) async fn by_ids(
    db: &impl ConnectionTrait,
    rows: Rows,
    ids: &[LeadId],
) -> Result<HashMap<LeadId, Lead>, DbErr> {
    let Rows::All = rows;
    let leads = lead::Entity::find()
        .filter(lead::Column::Id.is_in(padded(ids)))
        .filter(lead::Column::DeletedAt.is_null())
        .all(db)
        .await?;
    Ok(leads.into_iter().map(|lead| (lead.id, lead)).collect())
}

pub(super) async fn list(
    db: &impl ConnectionTrait,
    rows: Rows,
    order: LeadOrder,
    page: &PageRequest,
) -> Result<Page<Lead>, DbErr> {
    let Rows::All = rows;
    let mut select = lead::Entity::find().filter(lead::Column::DeletedAt.is_null());
    let sort = match order.field {
        LeadOrderField::CreatedAt => lead::Column::CreatedAt,
        LeadOrderField::UpdatedAt => lead::Column::UpdatedAt,
    };
    page.apply(
        QueryTrait::query(&mut select),
        Expr::col((lead::Entity, sort)),
        (lead::Entity, lead::Column::Id),
        order.direction,
    );
    Ok(Page::new(page, select.all(db).await?))
}

pub(super) async fn existing(
    db: &impl ConnectionTrait,
    rows: Rows,
    ids: &HashSet<LeadId>,
) -> Result<HashSet<LeadId>, DbErr> {
    let Rows::All = rows;
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let backend = db.get_database_backend();
    let mut values = Vec::with_capacity(ids.len().next_power_of_two());
    let among = among(
        backend,
        "id",
        KeyType::Uuid,
        ids.iter().map(|id| id.0.into()),
        &mut values,
    );
    let text = format!("SELECT id FROM lead WHERE deleted_at IS NULL AND {among}");
    let rows = db.query_all_raw(sql(backend, &text, values)).await?;
    rows.iter().map(|row| row.try_get("", "id")).collect()
}

pub(super) async fn known(
    db: &impl ConnectionTrait,
    rows: Rows,
    identities: &HashSet<&Identity>,
) -> Result<HashMap<Identity, LeadId>, DbErr> {
    let Rows::All = rows;
    if identities.is_empty() {
        return Ok(HashMap::new());
    }
    let backend = db.get_database_backend();
    let mut values = Vec::new();
    let columns = [
        ("kind", KeyType::Text),
        ("namespace", KeyType::Text),
        ("value", KeyType::Text),
    ];
    let keys = identities.iter().map(|identity| {
        let Identity {
            kind,
            namespace,
            value,
        } = identity;
        [
            kind.as_str().into(),
            namespace.as_str().into(),
            value.as_str().into(),
        ]
    });
    let table = key_table(backend, "k", columns, keys, &mut values);
    let text = format!(
        "WITH {table} SELECT i.kind, i.namespace, i.value, i.lead_id FROM k CROSS JOIN lead_identity i \
         CROSS JOIN lead l WHERE i.kind = k.kind AND i.namespace = k.namespace AND i.value = k.value \
         AND l.id = i.lead_id AND l.deleted_at IS NULL"
    );
    let rows = db.query_all_raw(sql(backend, &text, values)).await?;
    rows.iter()
        .map(|row| {
            let identity = Identity {
                kind: row.try_get("", "kind")?,
                namespace: row.try_get("", "namespace")?,
                value: row.try_get("", "value")?,
            };
            Ok((identity, row.try_get("", "lead_id")?))
        })
        .collect()
}
