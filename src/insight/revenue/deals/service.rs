//! Reading deals.

use std::collections::HashMap;

use entity::id::{DealId, DealStageId, LeadId};
use entity::{Area, Day, DealState};

use super::{Deal, DealMove, store};
use crate::app::App;
use crate::db::{Direction, Keyset, Page, PageRequest, SortValue};
use crate::error::Error;
use crate::identity::{Caller, Rows, Scope};
use crate::leads::visible::Visible;

/// Where a deal without a day of its expected close stands: behind all days.
pub(super) const NO_DAY: i32 = i32::MAX;
/// Where a deal whose value is not known in the reporting currency stands: below all values.
pub(super) const NO_VALUE: i64 = -1;
/// How the deals of a lead are ordered.
pub(super) const BY_LEAD: DealOrder = DealOrder {
    field: DealOrderField::OpenedAt,
    direction: Direction::Desc,
};

/// By what deals are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
pub enum DealOrderField {
    /// When they were opened.
    OpenedAt,
    /// When they were last changed.
    UpdatedAt,
    /// When they are expected to be closed; those without a day are the latest.
    ExpectedClose,
    /// Their value in the reporting currency; those without are the least.
    Value,
}

/// An ordering of deals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DealOrder {
    /// By what.
    pub field: DealOrderField,
    /// Which way.
    pub direction: Direction,
}

impl DealOrder {
    /// Its name, which cursors are bound to.
    #[must_use]
    pub fn name(self) -> String {
        let field = match self.field {
            DealOrderField::OpenedAt => "OPENED_AT",
            DealOrderField::UpdatedAt => "UPDATED_AT",
            DealOrderField::ExpectedClose => "EXPECTED_CLOSE",
            DealOrderField::Value => "VALUE",
        };
        let direction = match self.direction {
            Direction::Asc => "ASC",
            Direction::Desc => "DESC",
        };
        format!("deal {field} {direction}")
    }
}

/// How the deals of a lead are ordered: the latest opened first.
#[must_use]
pub const fn by_lead_order() -> DealOrder {
    BY_LEAD
}

/// The place of a deal in an ordering.
#[must_use]
pub fn place(deal: &Deal, order: DealOrder) -> Keyset {
    let value = match order.field {
        DealOrderField::OpenedAt => deal.opened_at.micros(),
        DealOrderField::UpdatedAt => deal.updated_at.micros(),
        DealOrderField::ExpectedClose => deal.expected_close.map_or(NO_DAY, |day| day.0).into(),
        DealOrderField::Value => deal.reporting_minor.unwrap_or(NO_VALUE),
    };
    Keyset {
        order: order.name(),
        value: SortValue::Int(value),
        id: deal.id.0,
    }
}

/// Which deals are wanted.
#[derive(Clone, Debug, Default)]
pub struct DealFilter {
    /// In these states; all when empty.
    pub states: Vec<DealState>,
    /// In these stages; all when empty.
    pub stages: Vec<DealStageId>,
    /// With this lead.
    pub lead: Option<LeadId>,
    /// Expected to be closed on this day or later.
    pub close_from: Option<Day>,
    /// Expected to be closed on this day or earlier.
    pub close_to: Option<Day>,
    /// With this in their names, in any case.
    pub search: Option<String>,
}

/// A page of deals of leads that are not deleted.
///
/// # Errors
/// A missing scope `engagement:read`; the database's.
pub async fn list(
    app: &App,
    caller: &Caller,
    filter: &DealFilter,
    order: DealOrder,
    page: &PageRequest,
) -> Result<Page<Deal>, Error> {
    caller.require(Scope::Read(Area::Engagement))?;
    if filter.search.as_deref().is_some_and(|text| text.contains('\0')) {
        return Err(Error::BadInput("no name holds a NUL".to_owned()));
    }
    let visible = Visible::of(app, &caller.rows).await?;
    Ok(store::list(app.db().read(), &visible, filter, order, page).await?)
}

/// Deals by id; those that are not there, or whose lead is not the caller's to see, are left out.
///
/// # Errors
/// The database's. The caller's scope has been asked for by whoever lets the loader in.
pub async fn get_many(app: &App, rows: &Rows, ids: &[DealId]) -> Result<HashMap<DealId, Deal>, Error> {
    let visible = Visible::of(app, rows).await?;
    Ok(store::by_ids(app.db().read(), &visible, ids).await?)
}

/// The same page of the deals of each lead, the latest opened first. One statement for all, unless the page begins at a
/// cursor, which only one lead can have.
///
/// # Errors
/// The database's. Whoever lets the loader in has asked for scope and sight.
pub async fn of_leads(
    app: &App,
    leads: &[LeadId],
    page: &PageRequest,
) -> Result<HashMap<LeadId, Page<Deal>>, Error> {
    Ok(store::of_leads(app.db().read(), leads, page).await?)
}

/// How some deals went: at most the 100 newest moves of each, newest first.
///
/// # Errors
/// The database's. Whoever shows the deals has asked for scope and sight.
pub async fn histories(app: &App, deals: &[DealId]) -> Result<HashMap<DealId, Vec<DealMove>>, Error> {
    Ok(store::histories(app.db().read(), deals).await?)
}
