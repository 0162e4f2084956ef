//! Sums of days.

use std::collections::{BTreeMap, BTreeSet};

use entity::{
    AttributionDimension, AttributionModel, ConversionKind, Day, attribution_credit, attribution_paths,
    attribution_total,
};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect};

use crate::db::{Conflict, Tx, insert_many, padded, sql, upsert_many};
use crate::error::Error;
use crate::insight::attribution::model::named::NamedPaths;
use crate::insight::attribution::model::sums::{Credit, CreditKey, EndedIn, Sums, Total};

/// Adds sums to those of their days.
pub(in crate::insight::attribution) async fn add(tx: &Tx, version: i32, sums: Sums) -> Result<(), Error> {
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
        Conflict::Add("version, model, dimension, day, kind, name"),
    )
    .await?;
    let totals: Vec<_> = totals
        .into_iter()
        .map(|((day, kind), total)| attribution_total::Model {
            version,
            day,
            kind,
            conversions: total.conversions,
            minor: total.minor,
            unvalued: total.unvalued,
            untouched: total.untouched,
            untouched_minor: total.untouched_minor,
        })
        .collect();
    insert_many(tx, &totals, Conflict::Add("version, day, kind")).await?;
    add_paths(tx, version, paths).await
}

type Paths = BTreeMap<(AttributionDimension, Day, EndedIn), NamedPaths>;

async fn add_paths(tx: &Tx, version: i32, mut paths: Paths) -> Result<(), Error> {
    if paths.is_empty() {
        return Ok(());
    }
    let days: BTreeSet<Day> = paths.keys().map(|(_, day, _)| *day).collect();
    let days: Vec<Day> = days.into_iter().collect();
    for chunk in days.chunks(512) {
        let stored = attribution_paths::Entity::find()
            .filter(attribution_paths::Column::Version.eq(version))
            .filter(attribution_paths::Column::Dimension.is_in(AttributionDimension::ALL.iter().copied()))
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
                day: *day,
                ended_in: ended_in.map_or("", ConversionKind::as_str).to_owned(),
                paths: serde_json::to_string(paths)?,
            })
        })
        .collect();
    upsert_many(tx, &rows?, "version, dimension, day, ended_in").await?;
    Ok(())
}

fn ended_in(word: &str) -> Result<EndedIn, Error> {
    if word.is_empty() {
        return Ok(None);
    }
    Ok(Some(word.parse().map_err(Error::internal)?))
}

/// Which days and conversions are asked for: from a UTC day to another, both included; all kinds where none is named.
#[derive(Clone, Debug)]
pub(in crate::insight::attribution) struct Asked {
    pub(in crate::insight::attribution) version: i32,
    pub(in crate::insight::attribution) days: (Day, Day),
    pub(in crate::insight::attribution) kinds: Vec<ConversionKind>,
}

impl Asked {
    fn kinds(&self) -> Vec<ConversionKind> {
        if self.kinds.is_empty() {
            ConversionKind::ALL.to_vec()
        } else {
            self.kinds.clone()
        }
    }
}

/// The credits of one rule in a range, by name.
pub(in crate::insight::attribution) async fn credits(
    db: &impl ConnectionTrait,
    asked: &Asked,
    model: AttributionModel,
    dimension: AttributionDimension,
) -> Result<BTreeMap<String, Credit>, DbErr> {
    let rows: Vec<(String, i64, i64)> = attribution_credit::Entity::find()
        .select_only()
        .column(attribution_credit::Column::Name)
        .expr_as(sum("parts"), "parts")
        .expr_as(sum("minor"), "minor")
        .filter(attribution_credit::Column::Version.eq(asked.version))
        .filter(attribution_credit::Column::Model.eq(model))
        .filter(attribution_credit::Column::Dimension.eq(dimension))
        .filter(attribution_credit::Column::Day.between(asked.days.0, asked.days.1))
        .filter(attribution_credit::Column::Kind.is_in(asked.kinds()))
        .group_by(attribution_credit::Column::Name)
        .into_tuple()
        .all(db)
        .await?;
    let rows = rows
        .into_iter()
        .map(|(name, parts, minor)| (name, Credit { parts, minor }));
    Ok(rows.filter(|(_, credit)| *credit != Credit::default()).collect())
}

fn sum(column: &str) -> sea_orm::sea_query::SimpleExpr {
    sea_orm::sea_query::Expr::cust(format!("CAST(sum({column}) AS BIGINT)"))
}

/// The conversions in a range, by kind.
pub(in crate::insight::attribution) async fn totals(
    db: &impl ConnectionTrait,
    asked: &Asked,
) -> Result<BTreeMap<ConversionKind, Total>, DbErr> {
    let rows: Vec<(ConversionKind, i64, i64, i64, i64, i64)> = attribution_total::Entity::find()
        .select_only()
        .column(attribution_total::Column::Kind)
        .expr_as(sum("conversions"), "conversions")
        .expr_as(sum("minor"), "minor")
        .expr_as(sum("unvalued"), "unvalued")
        .expr_as(sum("untouched"), "untouched")
        .expr_as(sum("untouched_minor"), "untouched_minor")
        .filter(attribution_total::Column::Version.eq(asked.version))
        .filter(attribution_total::Column::Day.between(asked.days.0, asked.days.1))
        .filter(attribution_total::Column::Kind.is_in(asked.kinds()))
        .group_by(attribution_total::Column::Kind)
        .into_tuple()
        .all(db)
        .await?;
    let total = |(kind, conversions, minor, unvalued, untouched, untouched_minor)| {
        let total = Total {
            conversions,
            minor,
            unvalued,
            untouched,
            untouched_minor,
        };
        (kind, total)
    };
    Ok(rows
        .into_iter()
        .map(total)
        .filter(|(_, total)| *total != Total::default())
        .collect())
}

/// The journeys that ended in a range: in the kinds asked for, or in nothing.
pub(in crate::insight::attribution) async fn paths(
    db: &impl ConnectionTrait,
    asked: &Asked,
    dimension: AttributionDimension,
) -> Result<NamedPaths, Error> {
    let kinds = asked.kinds();
    let ends = kinds.iter().map(|kind| kind.as_str()).chain([""]);
    let rows = attribution_paths::Entity::find()
        .filter(attribution_paths::Column::Version.eq(asked.version))
        .filter(attribution_paths::Column::Dimension.eq(dimension))
        .filter(attribution_paths::Column::Day.between(asked.days.0, asked.days.1))
        .filter(attribution_paths::Column::EndedIn.is_in(ends))
        .all(db)
        .await?;
    let mut sum = NamedPaths::default();
    for row in rows {
        sum.merge(serde_json::from_str(&row.paths)?);
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

/// All sums of a version, but for those that are nothing.
pub(in crate::insight::attribution) async fn all_sums(
    db: &impl ConnectionTrait,
    version: i32,
) -> Result<Sums, Error> {
    let mut sums = Sums::default();
    let credits = attribution_credit::Entity::find().filter(attribution_credit::Column::Version.eq(version));
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
    let paths = attribution_paths::Entity::find().filter(attribution_paths::Column::Version.eq(version));
    for row in paths.all(db).await? {
        let paths: NamedPaths = serde_json::from_str(&row.paths)?;
        if !paths.is_empty() {
            sums.paths
                .insert((row.dimension, row.day, ended_in(&row.ended_in)?), paths);
        }
    }
    let totals = attribution_total::Entity::find().filter(attribution_total::Column::Version.eq(version));
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
