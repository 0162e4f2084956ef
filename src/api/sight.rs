//! Which leads the events of a subscription may be about.

use std::collections::HashSet;

use async_trait::async_trait;
use entity::id::LeadId;

use super::types::Sight;
use crate::app::App;
use crate::error::Error;
use crate::identity::Rows;
use crate::leads::visible::Visible;

/// As `leads` tells it.
pub(super) struct LeadSight;

#[async_trait]
impl Sight for LeadSight {
    async fn of(&self, app: &App, rows: &Rows, leads: Vec<LeadId>) -> Result<HashSet<LeadId>, Error> {
        let visible = Visible::of(app, rows).await?;
        visible.those(app, &leads).await
    }
}
