//! Who has to go: leads that take their consent back, are deleted or erased leave their audiences at once, not when the next
//! sync by schedule comes.

use async_trait::async_trait;
use entity::id::LeadId;
use entity::{ConsentChannel, ConsentState, EventKind};
use serde::Deserialize;

use super::store;
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;
use crate::events::{Event, Handler};

/// Has platforms told of leads that have to go.
#[derive(Clone, Copy, Debug, Default)]
pub struct AudienceWatch;

#[derive(Deserialize)]
struct Said {
    channel: ConsentChannel,
    state: ConsentState,
}

fn has_to_go(event: &Event) -> bool {
    match event.kind {
        EventKind::ConsentChanged => {
            let said = serde_json::from_str::<Said>(&event.payload);
            // What cannot be read is looked at rather than left.
            said.map_or(true, |said| {
                said.channel == ConsentChannel::Ads && said.state != ConsentState::Granted
            })
        }
        _ => true,
    }
}

#[async_trait]
impl Handler for AudienceWatch {
    fn name(&self) -> &'static str {
        "audience-watch"
    }

    fn kinds(&self) -> &'static [EventKind] {
        &[
            EventKind::ConsentChanged,
            EventKind::LeadDeleted,
            EventKind::LeadErased,
        ]
    }

    async fn handle(&self, app: &App, tx: &Tx, events: &[Event]) -> Result<(), Error> {
        let those = |wanted: fn(&Event) -> bool| -> Vec<LeadId> {
            let wanted = events.iter().filter(|event| wanted(event));
            let mut leads: Vec<LeadId> = wanted.filter_map(|event| event.lead_id).collect();
            leads.sort_unstable();
            leads.dedup();
            leads
        };
        store::blank(tx, &those(|event| event.kind == EventKind::LeadErased)).await?;
        Ok(store::ask_for(tx, &those(has_to_go), app.clock().now()).await?)
    }
}
