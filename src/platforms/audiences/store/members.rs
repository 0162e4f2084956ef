//! Who belongs into audiences, and who is in them.

use std::collections::HashMap;

use entity::id::{AudienceId, LeadId};
use entity::{AudienceMemberState, audience, audience_member, lead};
use sea_orm::sea_query::{Expr, ExprTrait as _, Func, Query, SelectStatement, SimpleExpr};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Select,
};

use crate::db::{Direction, KeyType, Page, PageRequest, Tx, among, padded, sql, upsert_many};
use crate::leads::visible::Visible;
use crate::platforms::audiences::{Audience, Member};

/// Members that are removed by one statement when their audience is.
const SWEPT: u64 = 5_000;

/// A lead that belongs into an audience, with what platforms match people by.
#[derive(Clone, Debug, PartialEq, FromQueryResult)]
pub(in super::super) struct Candidate {
    pub(in super::super) id: LeadId,
    pub(in super::super) email: Option<String>,
    pub(in super::super) phone: Option<String>,
    pub(in super::super) first_name: Option<String>,
    pub(in super::super) last_name: Option<String>,
    pub(in super::super) city: Option<String>,
    pub(in super::super) region: Option<String>,
    pub(in super::super) postal_code: Option<String>,
    pub(in super::super) country: Option<String>,
    pub(in super::super) version: i64,
}

/// How many leads a filter finds, and how many of them may go into an audience.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromQueryResult)]
pub struct Preview {
    /// For which the filter holds.
    pub matching: i64,
    /// Of these, those that agreed to be shared with advertising platforms.
    pub consenting: i64,
    /// Of these, those with an address or a number.
    pub matchable: i64,
    /// Those with both.
    pub belonging: i64,
}

/// Leads that belong into an audience and of which the platform was not told as they are.
fn missing_query(audience: &Audience, belonging: &Visible) -> Select<lead::Entity> {
    let member = |column| Expr::col((audience_member::Entity, column));
    let told = Query::select()
        .expr(Expr::val(1))
        .from(audience_member::Entity)
        .and_where(member(audience_member::Column::LeadId).equals((lead::Entity, lead::Column::Id)))
        .and_where(audience_member::Column::AudienceId.eq(audience.id))
        .and_where(audience_member::Column::State.eq(AudienceMemberState::In))
        .and_where(audience_member::Column::Generation.eq(audience.generation))
        .and_where(member(audience_member::Column::LeadVersion).equals((lead::Entity, lead::Column::Version)))
        .to_owned();
    lead::Entity::find()
        .select_only()
        .filter(lead::Column::DeletedAt.is_null())
        .filter(lead::Column::ErasedAt.is_null())
        .apply_if(belonging.condition(), |query, condition| query.filter(condition))
        .filter(Expr::exists(told).not())
}

/// The next of them in the order of their ids.
pub(in super::super) async fn missing(
    db: &impl ConnectionTrait,
    audience: &Audience,
    belonging: &Visible,
    after: Option<LeadId>,
    limit: u64,
) -> Result<Vec<Candidate>, DbErr> {
    missing_query(audience, belonging)
        .columns([
            lead::Column::Id,
            lead::Column::Email,
            lead::Column::Phone,
            lead::Column::FirstName,
            lead::Column::LastName,
            lead::Column::City,
            lead::Column::Region,
            lead::Column::PostalCode,
            lead::Column::Country,
            lead::Column::Version,
        ])
        .apply_if(after, |query, after| query.filter(lead::Column::Id.gt(after)))
        .order_by_asc(lead::Column::Id)
        .limit(limit)
        .into_model()
        .all(db)
        .await
}

/// Members of an audience that do not belong into it any more.
fn leaving_query(audience: AudienceId, belonging: &Visible) -> Select<audience_member::Entity> {
    let is_there = belonging.is_there((audience_member::Entity, audience_member::Column::LeadId));
    audience_member::Entity::find()
        .select_only()
        .filter(audience_member::Column::AudienceId.eq(audience))
        .filter(is_there.not())
}

/// The next of them in the order of their ids.
pub(in super::super) async fn leaving(
    db: &impl ConnectionTrait,
    audience: AudienceId,
    belonging: &Visible,
    after: Option<LeadId>,
    limit: u64,
) -> Result<Vec<LeadId>, DbErr> {
    leaving_query(audience, belonging)
        .column(audience_member::Column::LeadId)
        .apply_if(after, |query, after| {
            query.filter(audience_member::Column::LeadId.gt(after))
        })
        .order_by_asc(audience_member::Column::LeadId)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await
}

/// How many leads a platform is to be told of: those to come and those to go.
pub(in super::super) async fn difference(
    db: &impl ConnectionTrait,
    audience: &Audience,
    belonging: &Visible,
) -> Result<i64, DbErr> {
    let count = async |query: SelectStatement| -> Result<i64, DbErr> {
        let row = db.query_one(&query).await?;
        row.map_or(Ok(0), |row| row.try_get_by_index(0))
    };
    let counted = || Expr::cust("COUNT(*)");
    let mut to_come = missing_query(audience, belonging);
    QueryTrait::query(&mut to_come).expr(counted());
    let mut to_go = leaving_query(audience.id, belonging);
    QueryTrait::query(&mut to_go).expr(counted());
    Ok(count(to_come.into_query()).await? + count(to_go.into_query()).await?)
}

/// What is known of some leads as members.
pub(in super::super) async fn held(
    db: &impl ConnectionTrait,
    audience: AudienceId,
    leads: &[LeadId],
) -> Result<HashMap<LeadId, Member>, DbErr> {
    let backend = db.get_database_backend();
    let mut values = vec![audience.0.into()];
    let keys = leads.iter().map(|lead| lead.0.into());
    let those = among(backend, "lead_id", KeyType::Uuid, keys, &mut values);
    let text = format!("SELECT * FROM audience_member WHERE audience_id = ? AND {those}");
    let rows = Member::find_by_statement(sql(backend, &text, values))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| (row.lead_id, row)).collect())
}

pub(in super::super) async fn put_members(tx: &Tx, rows: &[Member]) -> Result<(), DbErr> {
    upsert_many(tx, rows, "audience_id, lead_id").await.map(drop)
}

pub(in super::super) async fn remove_members(
    tx: &Tx,
    audience: AudienceId,
    leads: &[LeadId],
) -> Result<(), DbErr> {
    let mut values = vec![audience.0.into()];
    let keys = leads.iter().map(|lead| lead.0.into());
    let those = among(tx.backend(), "lead_id", KeyType::Uuid, keys, &mut values);
    let text = format!("DELETE FROM audience_member WHERE audience_id = ? AND {those}");
    tx.execute_raw(sql(tx.backend(), &text, values)).await.map(drop)
}

/// Takes out what was made of the data of leads that are erased.
pub(in super::super) async fn blank(tx: &Tx, leads: &[LeadId]) -> Result<(), DbErr> {
    for leads in leads.chunks(500) {
        audience_member::Entity::update_many()
            .col_expr(audience_member::Column::MatchKey, 0_i64.into())
            .filter(audience_member::Column::LeadId.is_in(padded(leads)))
            .exec(&**tx)
            .await?;
    }
    Ok(())
}

/// Removes some members of an audience that was removed; false when there were none.
pub(in super::super) async fn sweep(tx: &Tx, audience: AudienceId) -> Result<bool, DbErr> {
    let ids: Vec<LeadId> = audience_member::Entity::find()
        .select_only()
        .column(audience_member::Column::LeadId)
        .filter(audience_member::Column::AudienceId.eq(audience))
        .order_by_asc(audience_member::Column::LeadId)
        .limit(SWEPT)
        .into_tuple()
        .all(&**tx)
        .await?;
    let Some(last) = ids.last() else {
        return Ok(false);
    };
    audience_member::Entity::delete_many()
        .filter(audience_member::Column::AudienceId.eq(audience))
        .filter(audience_member::Column::LeadId.lte(*last))
        .exec(&**tx)
        .await?;
    Ok(true)
}

/// Who is in an audience: those that the platform was told of, as far as the caller sees them.
fn seen(visible: &Visible) -> Select<audience_member::Entity> {
    audience_member::Entity::find()
        .filter(audience_member::Column::State.eq(AudienceMemberState::In))
        .filter(visible.is_there((audience_member::Entity, audience_member::Column::LeadId)))
}

/// Members of an audience, who came last first.
pub(in super::super) async fn list_members(
    db: &impl ConnectionTrait,
    visible: &Visible,
    audience: &Audience,
    page: &PageRequest,
) -> Result<Page<Member>, DbErr> {
    let mut select = seen(visible)
        .filter(audience_member::Column::AudienceId.eq(audience.id))
        .filter(audience_member::Column::Generation.eq(audience.generation));
    page.apply(
        QueryTrait::query(&mut select),
        Expr::col((audience_member::Entity, audience_member::Column::JoinedAt)),
        (audience_member::Entity, audience_member::Column::LeadId),
        Direction::Desc,
    );
    Ok(Page::new(page, select.all(db).await?))
}

/// That a member is in the audience as it is now, for statements that join both.
fn of_this_generation() -> SimpleExpr {
    Expr::col((audience_member::Entity, audience_member::Column::Generation))
        .equals((audience::Entity, audience::Column::Generation))
}

fn joined(mut query: SelectStatement) -> SelectStatement {
    query.inner_join(
        audience::Entity,
        Expr::col((audience::Entity, audience::Column::Id))
            .equals((audience_member::Entity, audience_member::Column::AudienceId)),
    );
    query.and_where(of_this_generation());
    query
}

/// How many members audiences have, as far as the caller sees them; those without any are left out.
pub(in super::super) async fn count_members(
    db: &impl ConnectionTrait,
    visible: &Visible,
    audiences: &[AudienceId],
) -> Result<HashMap<AudienceId, i64>, DbErr> {
    let id = (audience_member::Entity, audience_member::Column::AudienceId);
    let mut query = joined(seen(visible).select_only().into_query());
    query
        .column(id)
        .expr_as(Func::count(Expr::col(id)), "counted")
        .and_where(Expr::col(id).is_in(padded(audiences)))
        .group_by_col(id);
    let rows = db.query_all(&query).await?;
    rows.iter()
        .map(|row| Ok((row.try_get("", "audience_id")?, row.try_get("", "counted")?)))
        .collect()
}

/// The audiences that leads are in, by name. Whoever shows the leads has asked for sight.
pub(in super::super) async fn of_leads(
    db: &impl ConnectionTrait,
    leads: &[LeadId],
) -> Result<Vec<(LeadId, AudienceId)>, DbErr> {
    let query = joined(
        audience_member::Entity::find()
            .select_only()
            .column(audience_member::Column::LeadId)
            .column(audience_member::Column::AudienceId)
            .filter(audience_member::Column::LeadId.is_in(padded(leads)))
            .filter(audience_member::Column::State.eq(AudienceMemberState::In))
            .into_query(),
    );
    let query = {
        let mut query = query;
        query.and_where(Expr::col((audience::Entity, audience::Column::DeletedAt)).is_null());
        query.order_by((audience::Entity, audience::Column::Name), sea_orm::Order::Asc);
        query
    };
    let rows = db.query_all(&query).await?;
    rows.iter()
        .map(|row| Ok((row.try_get("", "lead_id")?, row.try_get("", "audience_id")?)))
        .collect()
}

/// How many leads a filter finds, and how many of them may go into an audience.
pub(in super::super) async fn preview(
    db: &impl ConnectionTrait,
    matching: &Visible,
) -> Result<Preview, DbErr> {
    const CONSENTS: &str = "(lead.id IN (SELECT lead_id FROM consent WHERE channel = 'ADS' AND purpose = 'MARKETING' AND \
                            state = 'GRANTED') AND lead.id NOT IN (SELECT lead_id FROM consent WHERE channel = 'ADS' AND \
                            purpose = 'THIRD_PARTY' AND state IN ('DENIED', 'WITHDRAWN')))";
    const MATCHABLE: &str = "(lead.email IS NOT NULL OR lead.phone IS NOT NULL)";
    let counted = |condition: &str| Expr::cust(format!("COUNT(CASE WHEN {condition} THEN 1 END)"));
    let found = lead::Entity::find()
        .select_only()
        .expr_as(Expr::cust("COUNT(*)"), "matching")
        .expr_as(counted(CONSENTS), "consenting")
        .expr_as(counted(MATCHABLE), "matchable")
        .expr_as(counted(&format!("{CONSENTS} AND {MATCHABLE}")), "belonging")
        .filter(lead::Column::DeletedAt.is_null())
        .filter(lead::Column::ErasedAt.is_null())
        .apply_if(matching.condition(), |query, condition| query.filter(condition))
        .into_model::<Preview>()
        .one(db)
        .await?;
    Ok(found.unwrap_or_default())
}
