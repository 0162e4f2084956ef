//! All SQL of exports: batches of leads by their ids, and what hangs on them.

use std::collections::HashMap;

use entity::id::LeadId;
use entity::{
    ConsentChannel, ConsentPurpose, ConsentState, IdentityKind, consent, lead, lead_identity, lead_tag, tag,
};
use sea_orm::sea_query::{Expr, ExprTrait, JoinType, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Select,
};

use crate::db::padded;
use crate::leads::filter::{self, LeadFilter, Terms};
use crate::leads::lead::Lead;
use crate::leads::visible::Visible;

/// The highest id there is now: where an export ends, however many leads come while it runs.
pub(super) async fn last_id(db: &impl ConnectionTrait) -> Result<Option<LeadId>, DbErr> {
    lead::Entity::find()
        .select_only()
        .column(lead::Column::Id)
        .order_by_desc(lead::Column::Id)
        .into_tuple()
        .one(db)
        .await
}

/// Which leads.
pub(super) struct Selected<'a> {
    pub(super) visible: &'a Visible,
    pub(super) filter: &'a LeadFilter,
    pub(super) terms: &'a Terms,
}

/// The next leads in the order of their ids: behind `after`, up to `last`. Neither deleted nor erased ones.
pub(super) async fn batch(
    db: &impl ConnectionTrait,
    selected: &Selected<'_>,
    after: Option<LeadId>,
    last: LeadId,
    limit: u64,
) -> Result<Vec<Lead>, DbErr> {
    query(selected, after, last, limit, db.get_database_backend())
        .all(db)
        .await
}

fn query(
    Selected {
        visible,
        filter,
        terms,
    }: &Selected<'_>,
    after: Option<LeadId>,
    last: LeadId,
    limit: u64,
    backend: DbBackend,
) -> Select<lead::Entity> {
    let mut query = lead::Entity::find()
        .filter(lead::Column::Id.lte(last))
        .filter(lead::Column::DeletedAt.is_null())
        .filter(lead::Column::ErasedAt.is_null());
    if let Some(after) = after {
        query = query.filter(lead::Column::Id.gt(after));
    }
    query
        .filter(filter::condition(filter, terms, backend))
        .apply_if(visible.condition(), |query, condition| query.filter(condition))
        .order_by_asc(lead::Column::Id)
        .limit(limit)
}

/// By what leads are known, in the order in which it was learnt.
pub(super) async fn identities(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
) -> Result<HashMap<LeadId, Vec<lead_identity::Model>>, DbErr> {
    let rows = lead_identity::Entity::find()
        .filter(lead_identity::Column::LeadId.is_in(padded(leads)))
        .order_by_asc(lead_identity::Column::CreatedAt)
        .order_by_asc(lead_identity::Column::Kind)
        .order_by_asc(lead_identity::Column::Namespace)
        .order_by_asc(lead_identity::Column::Value)
        .all(db)
        .await?;
    let mut found: HashMap<LeadId, Vec<_>> = HashMap::with_capacity(leads.len());
    for row in rows {
        found.entry(row.lead_id).or_default().push(row);
    }
    Ok(found)
}

/// The names of the tags of leads, by name.
pub(super) async fn tags(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
) -> Result<HashMap<LeadId, Vec<String>>, DbErr> {
    let query = Query::select()
        .column((lead_tag::Entity, lead_tag::Column::LeadId))
        .column((tag::Entity, tag::Column::Name))
        .from(lead_tag::Entity)
        .join(
            JoinType::InnerJoin,
            tag::Entity,
            Expr::col((tag::Entity, tag::Column::Id)).equals((lead_tag::Entity, lead_tag::Column::TagId)),
        )
        .and_where(Expr::col((lead_tag::Entity, lead_tag::Column::LeadId)).is_in(padded(leads)))
        .order_by((tag::Entity, tag::Column::NameKey), sea_orm::Order::Asc)
        .to_owned();
    let mut found: HashMap<LeadId, Vec<String>> = HashMap::new();
    for row in db.query_all(&query).await? {
        let lead: LeadId = row.try_get("", "lead_id")?;
        found.entry(lead).or_default().push(row.try_get("", "name")?);
    }
    Ok(found)
}

/// The consents in force.
pub(super) async fn consents(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
) -> Result<HashMap<LeadId, Vec<(ConsentChannel, ConsentPurpose, ConsentState)>>, DbErr> {
    let rows = consent::Entity::find()
        .filter(consent::Column::LeadId.is_in(padded(leads)))
        .all(db)
        .await?;
    let mut found: HashMap<LeadId, Vec<_>> = HashMap::new();
    for consent::Model {
        lead_id,
        channel,
        purpose,
        state,
        at: _,
        record_id: _,
    } in rows
    {
        found.entry(lead_id).or_default().push((channel, purpose, state));
    }
    Ok(found)
}

/// The namespaces of external ids in their order, `most` of them at most. Each is one step in the index, whatever the
/// number of ids.
pub(super) async fn namespaces(
    db: &impl ConnectionTrait,
    visible: &Visible,
    most: usize,
) -> Result<Vec<String>, DbErr> {
    if let Some(seen) = visible.among((lead_identity::Entity, lead_identity::Column::LeadId)) {
        // The leads have to be found anyway.
        return lead_identity::Entity::find()
            .select_only()
            .column(lead_identity::Column::Namespace)
            .distinct()
            .filter(lead_identity::Column::Kind.eq(IdentityKind::External))
            .filter(seen)
            .order_by_asc(lead_identity::Column::Namespace)
            .limit(most as u64)
            .into_tuple()
            .all(db)
            .await;
    }
    let mut found: Vec<String> = Vec::new();
    while found.len() < most {
        let mut query = lead_identity::Entity::find()
            .select_only()
            .column(lead_identity::Column::Namespace)
            .filter(lead_identity::Column::Kind.eq(IdentityKind::External));
        if let Some(last) = found.last() {
            query = query.filter(lead_identity::Column::Namespace.gt(last.as_str()));
        }
        let next: Option<String> = query
            .order_by_asc(lead_identity::Column::Namespace)
            .into_tuple()
            .one(db)
            .await?;
        match next {
            Some(next) => found.push(next),
            None => break,
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use entity::Timestamp;
    use sea_orm::QueryTrait;

    use super::*;
    use crate::db::{Db, DbOptions};
    use crate::leads::filter::{ScoreScale, TextCondition};

    #[tokio::test]
    async fn a_batch_is_found_by_the_index_of_ids() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("test.db").display());
        let db = Db::open(&DbOptions::new(url)).await.unwrap();
        db.migrate().await.unwrap();
        let terms = Terms {
            now: Timestamp::from_micros(0),
            scale: ScoreScale::default(),
        };
        let named = LeadFilter {
            last_name: Some(TextCondition {
                contains: Some("a".into()),
                ..TextCondition::default()
            }),
            ..LeadFilter::default()
        };
        for filter in [LeadFilter::default(), named] {
            let id = LeadId::at(Timestamp::from_micros(0));
            let selected = Selected {
                visible: &Visible::all(),
                filter: &filter,
                terms: &terms,
            };
            let sql = query(&selected, Some(id), id, 500, DbBackend::Sqlite)
                .build(DbBackend::Sqlite)
                .to_string();
            assert!(sql.contains("ORDER BY") && !sql.contains("OFFSET"), "{sql}");
            let plan = crate::db::sql(DbBackend::Sqlite, &format!("EXPLAIN QUERY PLAN {sql}"), []);
            let steps: Vec<String> = db
                .read()
                .query_all_raw(plan)
                .await
                .unwrap()
                .iter()
                .map(|row| row.try_get("", "detail").unwrap())
                .collect();
            assert_eq!(
                steps,
                ["SEARCH lead USING INDEX sqlite_autoindex_lead_1 (id>? AND id<?)"]
            );
        }
    }
}
