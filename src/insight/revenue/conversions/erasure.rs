//! What happens to the conversions of a lead that is erased.

use async_trait::async_trait;
use entity::EventKind;
use entity::id::LeadId;

use super::store;
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;
use crate::events::{Event, Handler};

/// Blanks what was told of the conversions of erased leads; what they count stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConversionErasure;

#[async_trait]
impl Handler for ConversionErasure {
    fn name(&self) -> &'static str {
        "conversion-erasure"
    }

    fn kinds(&self) -> &'static [EventKind] {
        &[EventKind::LeadErased]
    }

    async fn handle(&self, _: &App, tx: &Tx, events: &[Event]) -> Result<(), Error> {
        let leads: Vec<LeadId> = events.iter().filter_map(|event| event.lead_id).collect();
        Ok(store::blank(tx, &leads).await?)
    }
}
