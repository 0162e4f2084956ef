//! What happens to the engagements of a lead that is erased.

use async_trait::async_trait;
use entity::EventKind;
use entity::id::LeadId;

use super::service;
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;
use crate::events::{Event, Handler};

/// Blanks what is personal in the engagements of erased leads: address, client, place, page, title, metadata. What is
/// counted stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct Erasure;

#[async_trait]
impl Handler for Erasure {
    fn name(&self) -> &'static str {
        "engagement-erasure"
    }

    fn kinds(&self) -> &'static [EventKind] {
        &[EventKind::LeadErased]
    }

    async fn handle(&self, _: &App, tx: &Tx, events: &[Event]) -> Result<(), Error> {
        let leads: Vec<LeadId> = events.iter().filter_map(|event| event.lead_id).collect();
        service::blank(tx, &leads).await
    }
}
