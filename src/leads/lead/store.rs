//! All SQL of leads.

use std::collections::{HashMap, HashSet};

use entity::id::LeadId;
use entity::{consent_record, lead, lead_identity, lead_tag, note};
use sea_orm::sea_query::{Condition, Expr, ExprTrait, LockType, Order, Query, Value};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, TryGetable,
};
use serde_json::json;

use super::model::Identity;
use super::plan::Plan;
use super::{Lead, LeadOrder, LeadOrderField};
use crate::db::{
    self, Conflict, Direction, KeyType, Keyset, Page, PageRequest, SortValue, Tx, among, insert_many,
    key_table, padded, sql,
};
use crate::leads::filter::{self, LeadFilter, Terms};
use crate::leads::visible::Visible;

/// Most keys of one statement.
const KEYS: usize = 1_024;

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
pub(super) async fn lock(tx: &Tx, ids: &[LeadId]) -> Result<HashMap<LeadId, Lead>, DbErr> {
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
        let leads = db::rows(&**tx, query).await?;
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

/// Writes leads that are there already.
pub(super) async fn replace(tx: &Tx, leads: &[Lead]) -> Result<(), DbErr> {
    insert_many(tx, leads, Conflict::Replace("id")).await.map(drop)
}

/// Removes what the rooms of this wing know about people: identities, notes, tags, and who proved a consent from
/// where. The consents themselves stay as a record of what was permitted.
pub(super) async fn erase_around(tx: &Tx, ids: &[LeadId]) -> Result<(), DbErr> {
    for chunk in ids.chunks(KEYS) {
        let ids = padded(chunk);
        lead_identity::Entity::delete_many()
            .filter(lead_identity::Column::LeadId.is_in(ids.clone()))
            .exec(&**tx)
            .await?;
        note::Entity::delete_many()
            .filter(note::Column::LeadId.is_in(ids.clone()))
            .exec(&**tx)
            .await?;
        lead_tag::Entity::delete_many()
            .filter(lead_tag::Column::LeadId.is_in(ids.clone()))
            .exec(&**tx)
            .await?;
        let nothing = Option::<String>::None;
        consent_record::Entity::update_many()
            .col_expr(consent_record::Column::Ip, Expr::value(nothing.clone()))
            .col_expr(consent_record::Column::UserAgent, Expr::value(nothing))
            .filter(consent_record::Column::LeadId.is_in(ids))
            .exec(&**tx)
            .await?;
    }
    Ok(())
}

pub(super) async fn by_ids(
    db: &impl ConnectionTrait,
    visible: &Visible,
    ids: &[LeadId],
) -> Result<HashMap<LeadId, Lead>, DbErr> {
    let select = lead::Entity::find()
        .filter(lead::Column::Id.is_in(padded(ids)))
        .filter(lead::Column::DeletedAt.is_null())
        .apply_if(visible.condition(), |select, condition| select.filter(condition));
    let leads = db::rows(db, select).await?;
    Ok(leads.into_iter().map(|lead| (lead.id, lead)).collect())
}

/// Which leads a read is about.
pub(super) struct Selected<'a> {
    pub(super) visible: Visible,
    pub(super) filter: &'a LeadFilter,
    pub(super) terms: Terms,
    pub(super) backend: DbBackend,
}

impl Selected<'_> {
    /// The condition on `lead`; deleted leads are never listed.
    fn condition(&self) -> Condition {
        Condition::all()
            .add(lead::Column::DeletedAt.is_null())
            .add(filter::condition(self.filter, &self.terms, self.backend))
            .add_option(self.visible.condition())
    }
}

pub(super) async fn count(
    db: &impl ConnectionTrait,
    selected: &Selected<'_>,
    up_to: u64,
) -> Result<i64, DbErr> {
    let some = Query::select()
        .expr(Expr::val(1))
        .from(lead::Entity)
        .cond_where(selected.condition())
        .limit(up_to)
        .to_owned();
    let query = Query::select()
        .expr_as(Expr::cust("COUNT(*)"), "counted")
        .from_subquery(some, "counted_leads")
        .to_owned();
    let row = db
        .query_one(&query)
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("a count".into()))?;
    row.try_get("", "counted")
}

pub(super) async fn holds(
    db: &impl ConnectionTrait,
    selected: &Selected<'_>,
    id: LeadId,
) -> Result<bool, DbErr> {
    let mut query = Query::select()
        .expr(Expr::val(1))
        .from(lead::Entity)
        .and_where(lead::Column::Id.eq(id))
        .cond_where(filter::condition(
            selected.filter,
            &selected.terms,
            selected.backend,
        ))
        .to_owned();
    if let Some(condition) = selected.visible.condition() {
        query.cond_where(condition);
    }
    Ok(db.query_one(&query).await?.is_some())
}

pub(super) async fn list(
    db: &impl ConnectionTrait,
    selected: &Selected<'_>,
    order: LeadOrder,
    page: &PageRequest,
) -> Result<Page<(Lead, Keyset)>, DbErr> {
    let column = match order.field {
        LeadOrderField::CreatedAt => lead::Column::CreatedAt,
        LeadOrderField::UpdatedAt => lead::Column::UpdatedAt,
        LeadOrderField::StageSince => lead::Column::StageSince,
        LeadOrderField::Name => lead::Column::SortName,
        LeadOrderField::Score => return apart::<f64>(db, selected, order, page, &SCORES).await,
        LeadOrderField::LastActivityAt => return apart::<i64>(db, selected, order, page, &ACTIVITY).await,
    };
    let mut select = lead::Entity::find().filter(selected.condition());
    page.apply(
        QueryTrait::query(&mut select),
        Expr::col((lead::Entity, column)),
        (lead::Entity, lead::Column::Id),
        order.direction,
    );
    let name = order.name();
    let keyset = |lead: &Lead| Keyset {
        order: name.clone(),
        value: match order.field {
            LeadOrderField::UpdatedAt => SortValue::Int(lead.updated_at.micros()),
            LeadOrderField::StageSince => SortValue::Int(lead.stage_since.micros()),
            LeadOrderField::Name => SortValue::Text(lead.sort_name.clone()),
            _ => SortValue::Int(lead.created_at.micros()),
        },
        id: lead.id.0,
    };
    let page = Page::new(page, db::rows(db, select).await?);
    Ok(page.map(|lead| {
        let keyset = keyset(&lead);
        (lead, keyset)
    }))
}

/// A table with one row per lead that orders leads; those without a row come last.
struct Ordering {
    table: &'static str,
    value: &'static str,
}

const SCORES: Ordering = Ordering {
    table: "lead_score",
    value: "decay_key",
};
const ACTIVITY: Ordering = Ordering {
    table: "lead_score",
    value: "last_activity_at",
};

/// A sort value that a cursor carries as a whole number: floats by their bits, for JSON may round them.
trait Sortable: TryGetable + Copy + Into<Value> {
    fn to_bits(self) -> i64;
    fn from_bits(bits: i64) -> Self;
}

impl Sortable for i64 {
    fn to_bits(self) -> i64 {
        self
    }
    fn from_bits(bits: i64) -> Self {
        bits
    }
}

impl Sortable for f64 {
    fn to_bits(self) -> i64 {
        f64::to_bits(self).cast_signed()
    }
    fn from_bits(bits: i64) -> Self {
        f64::from_bits(bits.cast_unsigned())
    }
}

/// A page by a value that lies in another table. The list has two parts, each in the direction of the ordering: leads
/// with a value, by the value and id; then the others, by id. The empty text in a cursor marks the second part.
async fn apart<T: Sortable>(
    db: &impl ConnectionTrait,
    selected: &Selected<'_>,
    order: LeadOrder,
    page: &PageRequest,
    Ordering { table, value }: &Ordering,
) -> Result<Page<(Lead, Keyset)>, DbErr> {
    let name = order.name();
    let id = || Expr::col((*table, "lead_id"));
    let sort = || Expr::col((*table, *value));
    let mut found: Vec<(LeadId, SortValue)> = Vec::new();
    let most = usize::try_from(page.limit).unwrap_or(usize::MAX) + 1;
    for without in [page.backward, !page.backward] {
        if found.len() == most {
            break;
        }
        let mine = |cursor: &Option<Keyset>| {
            let cursor = cursor.clone()?;
            Some((matches!(cursor.value, SortValue::Text(_)), cursor))
        };
        let (after, before) = (mine(&page.after), mine(&page.before));
        // The first part lies wholly before a cursor of the second, and the second wholly after one of the first.
        let beyond = if without {
            before.as_ref().is_some_and(|(second, _)| !second)
        } else {
            after.as_ref().is_some_and(|(second, _)| *second)
        };
        if beyond {
            continue;
        }
        let within = |cursor: Option<(bool, Keyset)>| {
            cursor
                .filter(|(second, _)| *second == without)
                .map(|(_, cursor)| cursor)
        };
        let (after, before) = (within(after), within(before));
        let limit = (most - found.len()) as u64;
        let forward = (order.direction == Direction::Asc) != page.backward;
        let direction = if forward { Order::Asc } else { Order::Desc };
        let mut query = Query::select();
        query.cond_where(selected.condition()).limit(limit);
        // Which side of a cursor is wanted, by the direction in which the list as a whole runs.
        let ascending = order.direction == Direction::Asc;
        if without {
            let known = Query::select()
                .expr(Expr::val(1))
                .from(*table)
                .and_where(id().equals((lead::Entity, lead::Column::Id)))
                .and_where(sort().is_not_null())
                .to_owned();
            let lead_id = || Expr::col((lead::Entity, lead::Column::Id));
            query
                .expr_as(lead_id(), "lead_id")
                .from(lead::Entity)
                .and_where(Expr::exists(known).not())
                .order_by_expr(lead_id(), direction);
            for (cursor, greater) in [(after, ascending), (before, !ascending)] {
                if let Some(cursor) = cursor {
                    query.and_where(if greater {
                        lead_id().gt(cursor.id)
                    } else {
                        lead_id().lt(cursor.id)
                    });
                }
            }
        } else {
            query
                .expr_as(id(), "lead_id")
                .expr_as(sort(), "sort_value")
                .from(*table)
                .and_where(sort().is_not_null())
                .order_by_expr(sort(), direction.clone())
                .order_by_expr(id(), direction);
            // The ordering table leads, so that its index gives the order: SQLite takes CROSS JOIN as that order.
            let on = id().equals((lead::Entity, lead::Column::Id));
            if selected.backend == DbBackend::Sqlite {
                // A cross join takes no condition of its own.
                query.cross_join(lead::Entity).and_where(on);
            } else {
                query.inner_join(lead::Entity, on);
            }
            for (cursor, greater) in [(after, ascending), (before, !ascending)] {
                let Some(cursor) = cursor else { continue };
                let SortValue::Int(bits) = cursor.value else {
                    continue;
                };
                let row = Expr::tuple([sort(), id()]);
                let place = Expr::tuple([Expr::val(T::from_bits(bits)), Expr::val(cursor.id)]);
                query.and_where(if greater { row.gt(place) } else { row.lt(place) });
            }
        }
        for row in db.query_all(&query).await? {
            let value = if without {
                SortValue::Text(String::new())
            } else {
                SortValue::Int(row.try_get::<T>("", "sort_value")?.to_bits())
            };
            found.push((row.try_get("", "lead_id")?, value));
        }
    }
    let ids: Vec<LeadId> = found.iter().map(|(id, _)| *id).collect();
    let mut leads = if ids.is_empty() {
        HashMap::new()
    } else {
        by_ids(db, &selected.visible, &ids).await?
    };
    // A lead deleted between the two statements is left out of the page.
    let rows = found
        .into_iter()
        .map(|(id, value)| {
            let keyset = Keyset {
                order: name.clone(),
                value,
                id: id.0,
            };
            (leads.remove(&id), keyset)
        })
        .collect();
    let Page {
        items,
        has_next,
        has_previous,
    } = Page::new(page, rows);
    Ok(Page {
        items: items
            .into_iter()
            .filter_map(|(lead, keyset)| Some((lead?, keyset)))
            .collect(),
        has_next,
        has_previous,
    })
}

pub(super) async fn existing(
    db: &impl ConnectionTrait,
    visible: &Visible,
    ids: &HashSet<LeadId>,
) -> Result<HashSet<LeadId>, DbErr> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let backend = db.get_database_backend();
    let mut values = Vec::with_capacity(ids.len().next_power_of_two());
    let among = among(
        backend,
        "l.id",
        KeyType::Uuid,
        ids.iter().map(|id| id.0.into()),
        &mut values,
    );
    let seen = visible.and_seen("l.id", &mut values);
    let text = format!("SELECT l.id FROM lead l WHERE l.deleted_at IS NULL AND {among}{seen}");
    let rows = db.query_all_raw(sql(backend, &text, values)).await?;
    rows.iter().map(|row| row.try_get("", "id")).collect()
}

pub(super) async fn known(
    db: &impl ConnectionTrait,
    visible: &Visible,
    identities: &HashSet<&Identity>,
) -> Result<HashMap<Identity, LeadId>, DbErr> {
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
    let seen = visible.and_seen("l.id", &mut values);
    let text = format!(
        "WITH {table} SELECT i.kind, i.namespace, i.value, i.lead_id FROM k CROSS JOIN lead_identity i \
         CROSS JOIN lead l WHERE i.kind = k.kind AND i.namespace = k.namespace AND i.value = k.value \
         AND l.id = i.lead_id AND l.deleted_at IS NULL{seen}"
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
