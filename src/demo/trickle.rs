//! Live activity, so that there is something to see.

use std::time::Duration;

use entity::IdentityKind;
use tokio_util::sync::CancellationToken;

use super::fill::{deal, external, lead_change};
use super::model::{DataSet, Deed, NAMESPACE, Pulse};
use crate::app::App;
use crate::error::Error;
use crate::identity::Caller;
use crate::insight::engagement::{self, LeadKey, NewEngagement};
use crate::leads::lead::{self, Identity, LeadChange, Patch, UpsertMode};

/// Lets things happen at a pace (the mean pause between two) until cancelled.
pub async fn trickle(app: App, caller: Caller, set: DataSet, pace: Duration, stop: CancellationToken) {
    for k in 0.. {
        let Pulse { pause, deeds } = set.pulse(k, app.clock().now());
        if let Err(error) = tell(&app, &caller, deeds).await {
            tracing::warn!(?error, "live activity of the demonstration failed; it goes on");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pace * pause / 1_000) => {}
        }
    }
}

async fn tell(app: &App, caller: &Caller, deeds: Vec<Deed>) -> Result<(), Error> {
    let mut changes = Vec::new();
    let mut engagements = Vec::new();
    for deed in deeds {
        match deed {
            Deed::Came(person) => changes.push(lead_change(&person)),
            Deed::Did { n, draft } => engagements.push(NewEngagement {
                lead: LeadKey::Known(Identity {
                    kind: IdentityKind::External,
                    namespace: NAMESPACE.to_owned(),
                    value: n.to_string(),
                }),
                draft: *draft,
            }),
            Deed::Tended {
                n,
                owner,
                deal: opened,
            } => {
                let change = opened.map_or_else(LeadChange::default, |(stage, value, currency)| {
                    deal(currency, stage, value, app.clock().now().plus_days(30).day())
                });
                changes.push(LeadChange {
                    external_ids: vec![external(&n.to_string())],
                    owner: Patch::Set(owner.to_owned()),
                    ..change
                });
            }
        }
    }
    if !changes.is_empty() {
        lead::write(app, caller, changes, UpsertMode::Upsert).await?;
    }
    if !engagements.is_empty() {
        engagement::record(app, caller, engagements).await?;
    }
    Ok(())
}
