//! What happens to the messages of a lead that is erased.

use async_trait::async_trait;
use entity::EventKind;
use entity::id::LeadId;

use super::{store, suppressing};
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;
use crate::events::{Event, Handler};

/// Blanks the messages of erased leads. Who was not to be written to stays so, by a hash of the address.
#[derive(Clone, Copy, Debug, Default)]
pub struct MessageErasure;

#[async_trait]
impl Handler for MessageErasure {
    fn name(&self) -> &'static str {
        "message-erasure"
    }

    fn kinds(&self) -> &'static [EventKind] {
        &[EventKind::LeadErased]
    }

    async fn handle(&self, app: &App, tx: &Tx, events: &[Event]) -> Result<(), Error> {
        let leads: Vec<LeadId> = events.iter().filter_map(|event| event.lead_id).collect();
        let addresses = store::addresses_of(tx, &leads).await?;
        let digests: Vec<String> = addresses
            .iter()
            .map(|(channel, address)| suppressing::digest(*channel, address))
            .collect();
        store::blank_suppressions(tx, &digests).await?;
        Ok(store::blank_leads(tx, &leads, app.clock().now()).await?)
    }
}
