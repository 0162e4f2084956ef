//! What happens to what shops know of a lead that is erased.

use async_trait::async_trait;
use entity::EventKind;
use entity::id::LeadId;

use super::store;
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;
use crate::events::{Event, Handler};

/// Blanks what shops told of erased leads; what was bought still counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct CommerceErasure;

#[async_trait]
impl Handler for CommerceErasure {
    fn name(&self) -> &'static str {
        "commerce-erasure"
    }

    fn kinds(&self) -> &'static [EventKind] {
        &[EventKind::LeadErased]
    }

    async fn handle(&self, _: &App, tx: &Tx, events: &[Event]) -> Result<(), Error> {
        let leads: Vec<LeadId> = events.iter().filter_map(|event| event.lead_id).collect();
        Ok(store::blank_leads(tx, &leads).await?)
    }
}
