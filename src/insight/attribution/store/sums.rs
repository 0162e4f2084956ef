//! Sums of days and months.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use entity::{
    AttributionDimension, AttributionModel, ConversionKind, Day, ReportLevel, attribution_credit,
    attribution_paths, attribution_total,
};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, Value};

use crate::db::{Conflict, KeyType, Tx, insert_many, key_table, looked_up, padded, sql, upsert_many};
use crate::error::Error;
use crate::insight::attribution::model::named::NamedPaths;
use crate::insight::attribution::model::sums::{Credit, CreditKey, EndedIn, Sums, Total};
use crate::insight::calendar::{Span, first_of_month};

/// Adds sums to those of their days and months.
pub(in crate::insight::attribution) async fn add(tx: &Tx, version: i32, sums: Sums) -> Result<(), Error> {
    add_to(tx, version, ReportLevel::Month, sums.by_month()).await?;
    add_to(tx, version, ReportLevel::Day, sums).await
}

async fn add_to(tx: &Tx, version: i32, level: ReportLevel, sums: Sums) -> Result<(), Error> {
    let Sums {
        credits,
        paths,
        totals,
    } = sums;
    let credits: Vec<_> = credits
        .into_iter()
        .map(|(key, credit)| attribution_credit::Model {
            version,
            model: key.model,
            dimension: key.dimension,
            level,
            day: key.day,
            kind: key.kind,
            name: key.name,
            parts: credit.parts,
            minor: credit.minor,
        })
        .collect();
    insert_many(
        tx,
        &credits,
        Conflict::Add("version, dimension, model, level, day, kind, name"),
    )
    .await?;
    let totals: Vec<_> = totals
        .into_iter()
        .map(|((day, kind), total)| attribution_total::Model {
            version,
            level,
            day,
            kind,
            conversions: total.conversions,
            minor: total.minor,
            unvalued: total.unvalued,
            untouched: total.untouched,
            untouched_minor: total.untouched_minor,
        })
        .collect();
    insert_many(tx, &totals, Conflict::Add("version, level, day, kind")).await?;
    add_paths(tx, version, level, paths).await
}

type Paths = BTreeMap<(AttributionDimension, Day, EndedIn), NamedPaths>;

async fn add_paths(tx: &Tx, version: i32, level: ReportLevel, mut paths: Paths) -> Result<(), Error> {
    if paths.is_empty() {
        return Ok(());
    }
    let days: BTreeSet<Day> = paths.keys().map(|(_, day, _)| *day).collect();
    let days: Vec<Day> = days.into_iter().collect();
    for chunk in days.chunks(512) {
        let stored = attribution_paths::Entity::find()
            .filter(attribution_paths::Column::Version.eq(version))
            .filter(attribution_paths::Column::Dimension.is_in(AttributionDimension::ALL.iter().copied()))
            .filter(attribution_paths::Column::Level.eq(level))
            .filter(attribution_paths::Column::Day.is_in(padded(chunk)))
            .all(&**tx)
            .await?;
        for row in stored {
            if let Some(sum) = paths.get_mut(&(row.dimension, row.day, ended_in(&row.ended_in)?)) {
                sum.merge(serde_json::from_str(&row.paths)?);
            }
        }
    }
    let rows: Result<Vec<_>, Error> = paths
        .iter()
        .map(|((dimension, day, ended_in), paths)| {
            Ok(attribution_paths::Model {
                version,
                dimension: *dimension,
                level,
                day: *day,
                ended_in: ended_in.map_or("", ConversionKind::as_str).to_owned(),
                paths: serde_json::to_string(paths)?,
            })
        })
        .collect();
    upsert_many(tx, &rows?, "version, dimension, level, day, ended_in").await?;
    Ok(())
}

fn ended_in(word: &str) -> Result<EndedIn, Error> {
    if word.is_empty() {
        return Ok(None);
    }
    Ok(Some(word.parse().map_err(Error::internal)?))
}

/// Which days and conversions are asked for: whole UTC months and days; all kinds where none is named.
#[derive(Clone, Debug)]
pub(in crate::insight::attribution) struct Asked {
    pub(in crate::insight::attribution) version: i32,
    pub(in crate::insight::attribution) spans: Vec<Span>,
    pub(in crate::insight::attribution) kinds: Vec<ConversionKind>,
}

impl Asked {
    /// `AND column IN (…)`, where not all kinds are meant.
    fn of_kinds(&self, column: &str, also: &[&str]) -> String {
        if self.kinds.is_empty() {
            return String::new();
        }
        let words = self.kinds.iter().map(|kind| kind.as_str());
        format!("AND {column} IN ({})", listed(words.chain(also.iter().copied())))
    }

    /// A table `k` of the spans.
    fn table(&self, db: &impl ConnectionTrait, values: &mut Vec<Value>) -> String {
        let columns = [
            ("level", KeyType::Text),
            ("first", KeyType::Integer),
            ("last", KeyType::Integer),
        ];
        let rows = self.spans.iter().map(|span| {
            let (first, last) = days(span);
            [span.level.as_str().into(), first.0.into(), last.0.into()]
        });
        key_table(db.get_database_backend(), "k", columns, rows, values)
    }
}

/// Words of the schema, as a list in SQL.
fn listed<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words
        .map(|word| format!("'{word}'"))
        .collect::<Vec<_>>()
        .join(",")
}

/// The first days of the first and the last of some spans.
fn days(span: &Span) -> (Day, Day) {
    match span.level {
        ReportLevel::Month => (first_of_month(span.from), first_of_month(span.to)),
        _ => (Day(span.from), Day(span.to)),
    }
}

/// Credits of rules, by model and name.
pub(in crate::insight::attribution) type Credits = HashMap<AttributionModel, BTreeMap<String, Credit>>;

/// The credits of some rules in a range.
pub(in crate::insight::attribution) async fn credits(
    db: &impl ConnectionTrait,
    asked: &Asked,
    models: &[AttributionModel],
    dimension: AttributionDimension,
) -> Result<Credits, DbErr> {
    if asked.spans.is_empty() || models.is_empty() {
        return Ok(Credits::new());
    }
    let mut values = Vec::new();
    let table = asked.table(db, &mut values);
    let models = listed(models.iter().map(|model| model.as_str()));
    values.extend([asked.version.into(), dimension.as_str().into()]);
    let kinds = asked.of_kinds("c.kind", &[]);
    let found_in = looked_up(
        db.get_database_backend(),
        "attribution_credit",
        "c",
        &format!(
            "c.version = ? AND c.dimension = ? AND c.model IN ({models}) AND c.level = k.level \
             AND c.day >= k.first AND c.day <= k.last {kinds}"
        ),
    );
    let text = format!(
        "WITH {table} SELECT c.model, c.name, CAST(sum(c.parts) AS BIGINT), CAST(sum(c.minor) AS BIGINT) \
         FROM k {found_in} GROUP BY c.model, c.name"
    );
    let mut credits = Credits::new();
    for row in db
        .query_all_raw(sql(db.get_database_backend(), &text, values))
        .await?
    {
        let credit = Credit {
            parts: row.try_get_by_index(2)?,
            minor: row.try_get_by_index(3)?,
        };
        if credit != Credit::default() {
            let of_model = credits.entry(row.try_get_by_index(0)?).or_default();
            of_model.insert(row.try_get_by_index(1)?, credit);
        }
    }
    Ok(credits)
}

/// The conversions in a range, by kind.
pub(in crate::insight::attribution) async fn totals(
    db: &impl ConnectionTrait,
    asked: &Asked,
) -> Result<BTreeMap<ConversionKind, Total>, DbErr> {
    if asked.spans.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut values = Vec::new();
    let table = asked.table(db, &mut values);
    values.push(asked.version.into());
    let sums = ["conversions", "minor", "unvalued", "untouched", "untouched_minor"]
        .map(|column| format!("CAST(sum(t.{column}) AS BIGINT)"))
        .join(", ");
    let kinds = asked.of_kinds("t.kind", &[]);
    let found_in = looked_up(
        db.get_database_backend(),
        "attribution_total",
        "t",
        &format!("t.version = ? AND t.level = k.level AND t.day >= k.first AND t.day <= k.last {kinds}"),
    );
    let text = format!("WITH {table} SELECT t.kind, {sums} FROM k {found_in} GROUP BY t.kind");
    let mut totals = BTreeMap::new();
    for row in db
        .query_all_raw(sql(db.get_database_backend(), &text, values))
        .await?
    {
        let total = Total {
            conversions: row.try_get_by_index(1)?,
            minor: row.try_get_by_index(2)?,
            unvalued: row.try_get_by_index(3)?,
            untouched: row.try_get_by_index(4)?,
            untouched_minor: row.try_get_by_index(5)?,
        };
        if total != Total::default() {
            totals.insert(row.try_get_by_index(0)?, total);
        }
    }
    Ok(totals)
}

/// The journeys that ended in a range: in the kinds asked for, or in nothing.
pub(in crate::insight::attribution) async fn paths(
    db: &impl ConnectionTrait,
    asked: &Asked,
    dimension: AttributionDimension,
) -> Result<NamedPaths, Error> {
    if asked.spans.is_empty() {
        return Ok(NamedPaths::default());
    }
    let mut values = Vec::new();
    let table = asked.table(db, &mut values);
    values.extend([asked.version.into(), dimension.as_str().into()]);
    let ends = asked.of_kinds("p.ended_in", &[""]);
    let found_in = looked_up(
        db.get_database_backend(),
        "attribution_paths",
        "p",
        &format!(
            "p.version = ? AND p.dimension = ? AND p.level = k.level AND p.day >= k.first AND p.day <= k.last {ends}"
        ),
    );
    let text = format!("WITH {table} SELECT p.paths FROM k {found_in}");
    let mut sum = NamedPaths::default();
    for row in db
        .query_all_raw(sql(db.get_database_backend(), &text, values))
        .await?
    {
        let paths: String = row.try_get_by_index(0)?;
        sum.merge(serde_json::from_str(&paths)?);
    }
    Ok(sum)
}

/// Forgets some of the sums of a version that answers no more; whether there was something left of them.
pub(in crate::insight::attribution) async fn forget(
    tx: &Tx,
    version: i32,
    limit: u64,
) -> Result<bool, DbErr> {
    let mut left = false;
    for (table, column) in [
        ("attribution_trail", "at"),
        ("attribution_credit", "day"),
        ("attribution_paths", "day"),
        ("attribution_total", "day"),
    ] {
        let text = format!(
            "DELETE FROM {table} WHERE version = ? AND {column} <= (SELECT max({column}) FROM (SELECT {column} \
             FROM {table} WHERE version = ? ORDER BY {column} LIMIT {limit}) part)"
        );
        let statement = sql(tx.backend(), &text, [version.into(), version.into()]);
        left |= tx.execute_raw(statement).await?.rows_affected() > 0;
    }
    Ok(left)
}

/// All sums of a version by day or by month, but for those that are nothing.
pub(in crate::insight::attribution) async fn all_sums(
    db: &impl ConnectionTrait,
    version: i32,
    level: ReportLevel,
) -> Result<Sums, Error> {
    let mut sums = Sums::default();
    let credits = attribution_credit::Entity::find()
        .filter(attribution_credit::Column::Version.eq(version))
        .filter(attribution_credit::Column::Level.eq(level));
    for row in credits.all(db).await? {
        let credit = Credit {
            parts: row.parts,
            minor: row.minor,
        };
        if credit != Credit::default() {
            let key = CreditKey {
                model: row.model,
                dimension: row.dimension,
                day: row.day,
                kind: row.kind,
                name: row.name,
            };
            sums.credits.insert(key, credit);
        }
    }
    let paths = attribution_paths::Entity::find()
        .filter(attribution_paths::Column::Version.eq(version))
        .filter(attribution_paths::Column::Level.eq(level));
    for row in paths.all(db).await? {
        let paths: NamedPaths = serde_json::from_str(&row.paths)?;
        if !paths.is_empty() {
            sums.paths
                .insert((row.dimension, row.day, ended_in(&row.ended_in)?), paths);
        }
    }
    let totals = attribution_total::Entity::find()
        .filter(attribution_total::Column::Version.eq(version))
        .filter(attribution_total::Column::Level.eq(level));
    for row in totals.all(db).await? {
        let total = Total {
            conversions: row.conversions,
            minor: row.minor,
            unvalued: row.unvalued,
            untouched: row.untouched,
            untouched_minor: row.untouched_minor,
        };
        if total != Total::default() {
            sums.totals.insert((row.day, row.kind), total);
        }
    }
    Ok(sums)
}
