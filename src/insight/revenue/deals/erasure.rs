//! What happens to the deals of a lead that is erased.

use async_trait::async_trait;
use entity::EventKind;
use entity::id::LeadId;

use super::store;
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;
use crate::events::{Event, Handler};

/// Blanks names and reasons of the deals of erased leads; what they count stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct DealErasure;

#[async_trait]
impl Handler for DealErasure {
    fn name(&self) -> &'static str {
        "deal-erasure"
    }

    fn kinds(&self) -> &'static [EventKind] {
        &[EventKind::LeadErased]
    }

    async fn handle(&self, _: &App, tx: &Tx, events: &[Event]) -> Result<(), Error> {
        let leads: Vec<LeadId> = events.iter().filter_map(|event| event.lead_id).collect();
        Ok(store::blank(tx, &leads).await?)
    }
}
