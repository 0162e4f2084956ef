//! All SQL of consent.

use std::collections::HashMap;

use entity::id::{ConsentId, LeadId};
use entity::{consent, consent_record};
use sea_orm::sea_query::{Expr, LockType};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait,
};
use uuid::Uuid;

use super::{Consent, ConsentRecord, HistoryFilter};
use crate::db::{
    Direction, Page, PageRequest, Tx, insert_new, newest_of_leads, padded, placeholders, upsert_many,
};
use crate::leads::visible::Visible;

/// Makes other transactions wait that record consents of these leads.
pub(super) async fn lock(tx: &Tx, leads: &[LeadId]) -> Result<(), DbErr> {
    if tx.backend() != DbBackend::Postgres || leads.is_empty() {
        return Ok(());
    }
    let _: Vec<LeadId> = entity::lead::Entity::find()
        .select_only()
        .column(entity::lead::Column::Id)
        .filter(entity::lead::Column::Id.is_in(padded(leads)))
        .order_by_asc(entity::lead::Column::Id)
        .lock(LockType::NoKeyUpdate)
        .into_tuple()
        .all(&**tx)
        .await?;
    Ok(())
}

/// Writes words but for those that are there already; answers with those written.
pub(super) async fn insert(tx: &Tx, records: &[ConsentRecord]) -> Result<Vec<ConsentRecord>, DbErr> {
    insert_new(tx, records, "(lead_id, fingerprint)").await
}

/// The words with these fingerprints.
pub(super) async fn by_fingerprints(
    tx: &Tx,
    leads: &[LeadId],
    fingerprints: &[Uuid],
) -> Result<HashMap<(LeadId, Uuid), ConsentRecord>, DbErr> {
    if fingerprints.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = consent_record::Entity::find()
        .filter(consent_record::Column::LeadId.is_in(padded(leads)))
        .filter(consent_record::Column::Fingerprint.is_in(padded(fingerprints)))
        .all(&**tx)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| ((row.lead_id, row.fingerprint), row))
        .collect())
}

pub(super) async fn by_ids(
    db: &impl ConnectionTrait,
    visible: &Visible,
    ids: &[ConsentId],
) -> Result<HashMap<ConsentId, ConsentRecord>, DbErr> {
    let words = consent_record::Entity::find()
        .filter(consent_record::Column::Id.is_in(padded(ids)))
        .filter(visible.is_there((consent_record::Entity, consent_record::Column::LeadId)))
        .all(db)
        .await?;
    Ok(words.into_iter().map(|word| (word.id, word)).collect())
}

/// The consents in force of leads.
pub(super) async fn of_leads(tx: &Tx, leads: &[LeadId]) -> Result<Vec<Consent>, DbErr> {
    if leads.is_empty() {
        return Ok(Vec::new());
    }
    consent::Entity::find()
        .filter(consent::Column::LeadId.is_in(padded(leads)))
        .all(&**tx)
        .await
}

pub(super) async fn put(tx: &Tx, consents: &[Consent]) -> Result<(), DbErr> {
    upsert_many(tx, consents, "lead_id, channel, purpose")
        .await
        .map(drop)
}

/// The words in force of leads, by channel and purpose: one statement whatever the number of leads.
pub(super) async fn words_in_force(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
) -> Result<HashMap<LeadId, Vec<ConsentRecord>>, DbErr> {
    let leads = padded(leads);
    let backend = db.get_database_backend();
    let statement = sea_orm::Statement::from_sql_and_values(
        backend,
        format!(
            "SELECT consent_record.* FROM consent JOIN consent_record ON consent_record.id = consent.record_id \
             WHERE consent.lead_id IN ({}) ORDER BY consent.channel, consent.purpose",
            placeholders(backend, 1, leads.len())
        ),
        leads.iter().map(|id| id.0.into()),
    );
    let mut words: HashMap<LeadId, Vec<ConsentRecord>> = HashMap::new();
    for row in db.query_all_raw(statement).await? {
        let word = ConsentRecord::from_query_result(&row, "")?;
        words.entry(word.lead_id).or_default().push(word);
    }
    Ok(words)
}

/// The first page of all that was ever said of each lead's consents, newest first by the moment it was said.
pub(super) async fn first_histories(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
    filter: &HistoryFilter,
    page: &PageRequest,
) -> Result<HashMap<LeadId, Page<ConsentRecord>>, DbErr> {
    let HistoryFilter { channel, purpose } = filter;
    let (mut also, mut values) = (String::new(), Vec::new());
    if let Some(channel) = channel {
        also.push_str(" AND channel = ?");
        values.push(channel.as_str().into());
    }
    if let Some(purpose) = purpose {
        also.push_str(" AND purpose = ?");
        values.push(purpose.as_str().into());
    }
    let of = |word: &ConsentRecord| word.lead_id;
    newest_of_leads(
        db,
        "consent_record",
        ("at", "id"),
        leads,
        page,
        (&also, values),
        of,
    )
    .await
}

/// All that was ever said of a lead's consents, newest first by the moment it was said.
pub(super) async fn history(
    db: &impl ConnectionTrait,
    lead: LeadId,
    filter: &HistoryFilter,
    page: &PageRequest,
) -> Result<Page<ConsentRecord>, DbErr> {
    let HistoryFilter { channel, purpose } = filter;
    let mut select = consent_record::Entity::find().filter(consent_record::Column::LeadId.eq(lead));
    if let Some(channel) = channel {
        select = select.filter(consent_record::Column::Channel.eq(*channel));
    }
    if let Some(purpose) = purpose {
        select = select.filter(consent_record::Column::Purpose.eq(*purpose));
    }
    page.apply(
        QueryTrait::query(&mut select),
        Expr::col((consent_record::Entity, consent_record::Column::At)),
        (consent_record::Entity, consent_record::Column::Id),
        Direction::Desc,
    );
    Ok(Page::new(page, select.all(db).await?))
}
