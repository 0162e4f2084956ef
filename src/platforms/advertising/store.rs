//! All SQL of results of advertisements.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use entity::id::ConnectionId;
use entity::{AdLevel, Day, ad_action, ad_result};
use sea_orm::sea_query::Value;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter};

use super::model::Kept;
use super::{AdFilter, AdGrouping};
use crate::db::{
    Conflict, KeyType, Page, PageRequest, SortValue, Tx, among, insert_many, key_table, padded, sql,
    upsert_many,
};

/// Keys of one statement: below SQLite's number of variables.
const KEYS: usize = 400;

/// Those that are there with what came of them, by id and day.
pub(super) async fn known<'k>(
    tx: &Tx,
    connection: ConnectionId,
    level: AdLevel,
    keys: impl Iterator<Item = &'k (String, i32)>,
) -> Result<HashMap<(String, i32), Kept>, DbErr> {
    let mut days: BTreeMap<&str, BTreeSet<i32>> = BTreeMap::new();
    for (id, day) in keys {
        days.entry(id).or_default().insert(*day);
    }
    let (Some(first), Some(last)) = (
        days.values().filter_map(BTreeSet::first).min().copied(),
        days.values().filter_map(BTreeSet::last).max().copied(),
    ) else {
        return Ok(HashMap::new());
    };
    let wanted = |id: &str, day: Day| days.get(id).is_some_and(|days| days.contains(&day.0));
    let ids: Vec<&str> = days.keys().copied().collect();
    let mut found: HashMap<(String, i32), Kept> = HashMap::new();
    for ids in ids.chunks(KEYS) {
        let ids = padded(ids);
        let rows = ad_result::Entity::find()
            .filter(ad_result::Column::ConnectionId.eq(connection))
            .filter(ad_result::Column::Level.eq(level))
            .filter(ad_result::Column::ExternalId.is_in(ids.iter().copied()))
            .filter(ad_result::Column::Day.between(Day(first), Day(last)))
            .all(&**tx)
            .await?;
        let rows = rows.into_iter().filter(|row| wanted(&row.external_id, row.day));
        found.extend(rows.map(|row| ((row.external_id.clone(), row.day.0), (row, Vec::new()))));
        let actions = ad_action::Entity::find()
            .filter(ad_action::Column::ConnectionId.eq(connection))
            .filter(ad_action::Column::Level.eq(level))
            .filter(ad_action::Column::ExternalId.is_in(ids.iter().copied()))
            .filter(ad_action::Column::Day.between(Day(first), Day(last)))
            .all(&**tx)
            .await?;
        for action in actions {
            if let Some((_, actions)) = found.get_mut(&(action.external_id.clone(), action.day.0)) {
                actions.push(action);
            }
        }
    }
    for (_, actions) in found.values_mut() {
        actions.sort_by(|left, right| left.action.cmp(&right.action));
    }
    Ok(found)
}

/// Writes results in the place of those that are there.
pub(super) async fn put(tx: &Tx, results: &[Kept]) -> Result<(), DbErr> {
    for results in results.chunks(KEYS) {
        let rows: Vec<_> = results.iter().map(|(row, _)| row.clone()).collect();
        upsert_many(tx, &rows, "connection_id, level, external_id, day").await?;
        let Some(first) = rows.first() else { continue };
        let mut values: Vec<Value> = Vec::new();
        let keys = key_table(
            tx.backend(),
            "k",
            [("external_id", KeyType::Text), ("day", KeyType::Integer)],
            rows.iter()
                .map(|row| [row.external_id.clone().into(), row.day.0.into()]),
            &mut values,
        );
        let text = format!(
            "WITH {keys} DELETE FROM ad_action WHERE connection_id = ? AND level = ? AND EXISTS (SELECT 1 FROM k WHERE \
             k.external_id = ad_action.external_id AND k.day = ad_action.day)"
        );
        values.push(first.connection_id.0.into());
        values.push(first.level.as_str().into());
        tx.execute_raw(sql(tx.backend(), &text, values)).await?;
        let actions: Vec<_> = results.iter().flat_map(|(_, actions)| actions.clone()).collect();
        insert_many(tx, &actions, Conflict::Fail).await?;
    }
    Ok(())
}

/// What results come to.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Sum {
    /// Its place among the others.
    pub place: String,
    /// The day, where they are added up by day.
    pub day: Option<Day>,
    /// The connection, where they are added up by campaign.
    pub connection_id: Option<ConnectionId>,
    /// The platform's id of the campaign, where they are.
    pub external_id: Option<String>,
    /// Its name; of several that it had in those days, the last by the alphabet.
    pub name: Option<String>,
    /// ISO 4217.
    pub currency: String,
    /// What they cost, in minor units.
    pub spend_minor: i64,
    /// How often they were shown.
    pub impressions: i64,
    /// How often they were clicked.
    pub clicks: i64,
}

/// The text by which sums are told apart and put in order; days have five digits for the next two centuries.
fn place(by: AdGrouping) -> &'static str {
    match by {
        AdGrouping::Day => "CAST(r.day AS text) || ' ' || r.currency",
        AdGrouping::Campaign => "r.external_id || ' ' || r.currency",
        AdGrouping::CampaignDay => "CAST(r.day AS text) || ' ' || r.external_id || ' ' || r.currency",
    }
}

/// The condition on results, with its values.
fn wanted(filter: &AdFilter, values: &mut Vec<Value>) -> String {
    let mut text = "r.level = 'CAMPAIGN' AND r.day BETWEEN ? AND ?".to_owned();
    values.push(filter.from.0.into());
    values.push(filter.to.0.into());
    if let Some(connection) = filter.connection {
        text.push_str(" AND r.connection_id = ?");
        values.push(connection.0.into());
    }
    text
}

/// A page of sums, the latest first; never over several currencies.
pub(super) async fn sums(
    db: &impl ConnectionTrait,
    filter: &AdFilter,
    by: AdGrouping,
    page: &PageRequest,
) -> Result<Page<Sum>, DbErr> {
    let (day, campaign) = (by.by_day(), by.by_campaign());
    let place = place(by);
    let mut values = Vec::new();
    let condition = wanted(filter, &mut values);
    let shown_day = if day { "r.day" } else { "CAST(NULL AS integer)" };
    let (connection, external, name) = if campaign {
        ("r.connection_id", "r.external_id", "max(r.name)")
    } else {
        // Together with the place it tells sums apart; where there is no campaign, the place does alone.
        ("NULL", "CAST(NULL AS text)", "CAST(NULL AS text)")
    };
    let connection = if campaign || db.get_database_backend() != sea_orm::DbBackend::Postgres {
        connection.to_owned()
    } else {
        format!("CAST({connection} AS uuid)")
    };
    let mut group = vec!["r.currency"];
    group.extend(day.then_some("r.day"));
    group.extend(campaign.then_some("r.connection_id, r.external_id"));
    let mut text = format!(
        "SELECT * FROM (SELECT {place} AS place, {shown_day} AS day, {connection} AS connection_id, {external} AS external_id, \
         {name} AS name, r.currency, CAST(sum(r.spend_minor) AS bigint) AS spend_minor, \
         CAST(sum(r.impressions) AS bigint) AS impressions, CAST(sum(r.clicks) AS bigint) AS clicks \
         FROM ad_result AS r WHERE {condition} GROUP BY {}) AS sums",
        group.join(", ")
    );
    let mut conditions = Vec::new();
    for (at, sign) in [(&page.after, "<"), (&page.before, ">")] {
        let Some(at) = at else { continue };
        let SortValue::Text(place) = &at.value else {
            continue;
        };
        if campaign {
            conditions.push(format!("(place, connection_id) {sign} (?, ?)"));
            values.extend([place.clone().into(), at.id.into()]);
        } else {
            conditions.push(format!("place {sign} ?"));
            values.push(place.clone().into());
        }
    }
    if !conditions.is_empty() {
        text.push_str(" WHERE ");
        text.push_str(&conditions.join(" AND "));
    }
    let direction = if page.backward { "ASC" } else { "DESC" };
    text.push_str(&format!(" ORDER BY place {direction}"));
    if campaign {
        text.push_str(&format!(", connection_id {direction}"));
    }
    text.push_str(" LIMIT ?");
    values.push(
        i64::try_from(page.limit)
            .unwrap_or(i64::MAX)
            .saturating_add(1)
            .into(),
    );
    let statement = sql(db.get_database_backend(), &text, values);
    Ok(Page::new(page, Sum::find_by_statement(statement).all(db).await?))
}

/// What tells a sum apart from the others of its question.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Its place.
    pub place: String,
    /// Its connection, where they are added up by campaign.
    pub connection: Option<ConnectionId>,
}

/// What came of advertisements, added up.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Action {
    place: String,
    connection_id: Option<ConnectionId>,
    /// The platform's word.
    pub action: String,
    /// How often, in thousandths.
    pub count_milli: i64,
    /// What it was worth, in minor units of the sum's currency.
    pub value_minor: Option<i64>,
}

/// What came of sums.
pub(super) async fn actions(
    db: &impl ConnectionTrait,
    filter: &AdFilter,
    by: AdGrouping,
    places: &[Place],
) -> Result<HashMap<Place, Vec<Action>>, DbErr> {
    let backend = db.get_database_backend();
    let expression = place(by);
    let mut values = Vec::new();
    let condition = wanted(filter, &mut values);
    let texts: BTreeSet<&str> = places.iter().map(|place| place.place.as_str()).collect();
    let texts = texts.into_iter().map(Value::from);
    let chosen = among(
        backend,
        &format!("({expression})"),
        KeyType::Text,
        texts,
        &mut values,
    );
    let connection = match (by.by_campaign(), backend) {
        (true, _) => "r.connection_id",
        (false, sea_orm::DbBackend::Postgres) => "CAST(NULL AS uuid)",
        (false, _) => "NULL",
    };
    let also = if by.by_campaign() { ", r.connection_id" } else { "" };
    let text = format!(
        "SELECT {expression} AS place, {connection} AS connection_id, a.action, \
         CAST(sum(a.count_milli) AS bigint) AS count_milli, CAST(sum(a.value_minor) AS bigint) AS value_minor \
         FROM ad_result AS r JOIN ad_action AS a ON a.connection_id = r.connection_id AND a.level = r.level AND \
         a.external_id = r.external_id AND a.day = r.day WHERE {condition} AND {chosen} \
         GROUP BY {expression}{also}, a.action ORDER BY a.action"
    );
    let mut found: HashMap<Place, Vec<Action>> = HashMap::new();
    for action in Action::find_by_statement(sql(backend, &text, values))
        .all(db)
        .await?
    {
        let place = Place {
            place: action.place.clone(),
            connection: action.connection_id,
        };
        found.entry(place).or_default().push(action);
    }
    Ok(found)
}
