//! The same page of a list of each lead, in one statement.

use std::collections::HashMap;

use entity::id::LeadId;
use sea_orm::sea_query::Value;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, ModelTrait};

use super::{Page, PageRequest, padded, sql};

/// The first page (or, backwards, the last) of each lead's rows in a table with a column `lead_id`, the greatest first
/// by a column of integers and then by another one. The page begins at no cursor. `also` restricts, e.g. `AND kind = ?`.
///
/// # Errors
/// The database's.
pub async fn newest_of_leads<E, M>(
    db: &impl ConnectionTrait,
    table: &str,
    (sort, tie): (&str, &str),
    leads: &[LeadId],
    page: &PageRequest,
    (also, values): (&str, Vec<Value>),
    lead_of: impl Fn(&M) -> LeadId,
) -> Result<HashMap<LeadId, Page<M>>, DbErr>
where
    E: EntityTrait<Model = M>,
    M: ModelTrait<Entity = E> + sea_orm::FromQueryResult,
{
    if leads.is_empty() {
        return Ok(HashMap::new());
    }
    let leads = padded(leads);
    let order = if page.backward { "ASC" } else { "DESC" };
    let marks = vec!["?"; leads.len()].join(",");
    let text = format!(
        "SELECT * FROM (SELECT {table}.*, ROW_NUMBER() OVER (PARTITION BY lead_id ORDER BY {sort} {order}, {tie} {order}) \
         AS place FROM {table} WHERE lead_id IN ({marks}) {also}) AS ranked WHERE place <= ? ORDER BY lead_id, place"
    );
    let most = i64::try_from(page.limit).unwrap_or(i64::MAX).saturating_add(1);
    let values = leads
        .iter()
        .map(|id| Value::from(*id))
        .chain(values)
        .chain([most.into()]);
    let rows = E::find()
        .from_raw_sql(sql(db.get_database_backend(), &text, values))
        .all(db)
        .await?;
    let mut by_lead: HashMap<LeadId, Vec<M>> = HashMap::new();
    for row in rows {
        by_lead.entry(lead_of(&row)).or_default().push(row);
    }
    Ok(by_lead
        .into_iter()
        .map(|(id, rows)| (id, Page::new(page, rows)))
        .collect())
}
