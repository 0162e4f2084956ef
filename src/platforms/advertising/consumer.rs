//! Takes results of advertisements that were read.

use std::collections::HashMap;

use async_trait::async_trait;
use entity::{AdLevel, CostKind, SyncKind, Timestamp, ad_result};

use super::model::{Kept, is_same, kept};
use super::store;
use crate::app::App;
use crate::db::Tx;
use crate::error::Error;
use crate::identity::{Actor, Caller};
use crate::insight::revenue::{CostAnswer, NewCost, record_costs};
use crate::platforms::connections::{Consumer, Items, Live, Refusal, Written};

/// Takes results of advertisements. Those of a day replace those that were read before.
#[derive(Clone, Copy, Debug, Default)]
pub struct AdConsumer;

#[async_trait]
impl Consumer for AdConsumer {
    fn kinds(&self) -> &'static [SyncKind] {
        &[SyncKind::AdResults]
    }

    async fn write(
        &self,
        _: &App,
        tx: &Tx,
        of: &Live,
        now: Timestamp,
        items: &Items,
    ) -> Result<Written, Error> {
        let Items::AdResults(results) = items else {
            return Ok(Written::default());
        };
        let mut written = Written::default();
        // The last word of a day counts where a page has two.
        let mut read: HashMap<(String, i32), Kept> = HashMap::with_capacity(results.len());
        for result in results {
            match kept(of.row.id, AdLevel::Campaign, result, now) {
                Ok(kept) => drop(read.insert((kept.0.external_id.clone(), kept.0.day.0), kept)),
                Err(message) => written.refused.push(Refusal {
                    external_id: Items::name_of(result),
                    message,
                    is_whole: true,
                }),
            }
        }
        let before = store::known(tx, of.row.id, AdLevel::Campaign, read.keys()).await?;
        let mut changed = Vec::new();
        for (key, kept) in read {
            match before.get(&key) {
                None => written.created += 1,
                Some(old) if is_same(&kept, old) => {
                    written.unchanged += 1;
                    continue;
                }
                Some(_) => written.updated += 1,
            }
            changed.push(kept);
        }
        // In one order, so that two that write the same do not wait for each other in a circle.
        changed.sort_by(|(left, _), (right, _)| {
            (&left.external_id, left.day).cmp(&(&right.external_id, right.day))
        });
        store::put(tx, &changed).await?;
        let actor = Actor::of_id(&of.row.id.to_string());
        let spent = changed.iter().map(|(row, _)| cost(row, of)).collect();
        for answer in record_costs(tx, &Caller::on_behalf_of(actor), now, spent).await? {
            if let CostAnswer::Refused(problems) = answer {
                tracing::warn!(
                    ?problems,
                    "what advertisements cost is not counted among the costs"
                );
            }
        }
        Ok(written)
    }
}

/// What a campaign cost on a day, as costs have it: spent on the source that leads of the platform have.
fn cost(row: &ad_result::Model, of: &Live) -> NewCost {
    let name = row.name.chars().take(200).collect();
    NewCost {
        kind: CostKind::AdSpend,
        amount_minor: row.spend_minor,
        currency: row.currency.clone(),
        day: row.day,
        source: Some(of.row.platform.clone()),
        campaign: Some(name),
        note: None,
        connection_id: Some(row.connection_id),
        dedupe_key: Some(format!(
            "ad:{}:{}:{}",
            row.connection_id, row.external_id, row.day
        )),
    }
}
