//! All SQL of the audit log.

use entity::{Timestamp, audit_entry};
use sea_orm::sea_query::{Condition, Expr};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryTrait};

use super::AuditEntry;
use super::service::AuditFilter;
use crate::db::{Direction, Page, PageRequest, Tx, sql};

pub(super) async fn insert(tx: &Tx, entry: AuditEntry) -> Result<(), DbErr> {
    audit_entry::Entity::insert(entry.into_active_model())
        .exec_without_returning(&**tx)
        .await
        .map(drop)
}

fn condition(filter: &AuditFilter) -> Condition {
    let AuditFilter {
        actor,
        action,
        subject,
        since,
        until,
    } = filter;
    Condition::all()
        .add_option(
            actor
                .as_ref()
                .map(|actor| audit_entry::Column::Actor.eq(actor.as_str())),
        )
        .add_option(
            action
                .as_ref()
                .map(|action| audit_entry::Column::Action.eq(action.as_str())),
        )
        .add_option(
            subject
                .as_ref()
                .map(|subject| audit_entry::Column::Subject.eq(subject.as_str())),
        )
        .add_option(since.map(|at| audit_entry::Column::At.gte(at)))
        .add_option(until.map(|at| audit_entry::Column::At.lt(at)))
}

pub(super) async fn list(
    db: &impl ConnectionTrait,
    filter: &AuditFilter,
    page: &PageRequest,
) -> Result<Page<AuditEntry>, DbErr> {
    let mut select = audit_entry::Entity::find().filter(condition(filter));
    page.apply(
        QueryTrait::query(&mut select),
        Expr::col((audit_entry::Entity, audit_entry::Column::At)),
        (audit_entry::Entity, audit_entry::Column::Id),
        Direction::Desc,
    );
    Ok(Page::new(page, select.all(db).await?))
}

pub(super) async fn prune(tx: &Tx, before: Timestamp, limit: i64) -> Result<u64, DbErr> {
    let text = "DELETE FROM audit_entry WHERE id IN (SELECT id FROM audit_entry WHERE at < ? ORDER BY at, id LIMIT ?)";
    let done = tx
        .execute_raw(sql(tx.backend(), text, [before.micros().into(), limit.into()]))
        .await?;
    Ok(done.rows_affected())
}
