//! Use cases of results of advertisements: looked at.

use std::collections::HashMap;

use entity::Area;

use super::store::{self, Action, Place, Sum};
use super::{AdFilter, AdGrouping};
use crate::app::App;
use crate::db::{Page, PageRequest};
use crate::error::Error;
use crate::identity::{Caller, Scope};

/// What advertisements cost and brought, added up, the latest first; never over several currencies.
///
/// # Errors
/// A range that is too long or ends before it begins; a missing scope `connections:read`; a caller who does not see all
/// rows; the database's.
pub async fn results(
    app: &App,
    caller: &Caller,
    filter: &AdFilter,
    by: AdGrouping,
    page: &PageRequest,
) -> Result<Page<Sum>, Error> {
    caller.require(Scope::Read(Area::Connections))?;
    caller.require_all_rows()?;
    filter.check()?;
    Ok(store::sums(app.db().read(), filter, by, page).await?)
}

/// What came of sums, by the platform's words.
///
/// # Errors
/// The database's. Whoever shows the sums has asked for scope and sight.
pub async fn actions(
    app: &App,
    filter: &AdFilter,
    by: AdGrouping,
    places: &[Place],
) -> Result<HashMap<Place, Vec<Action>>, Error> {
    Ok(store::actions(app.db().read(), filter, by, places).await?)
}
