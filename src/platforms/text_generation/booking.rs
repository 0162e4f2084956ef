//! What texts cost, among the costs of the deployment.

use std::time::Duration;

use async_trait::async_trait;
use entity::CostKind;

use super::store;
use crate::app::App;
use crate::error::Error;
use crate::identity::{Actor, Caller};
use crate::insight::revenue::{CostAnswer, NewCost, record_costs};
use crate::jobs::Chore;

/// How far back days are looked at: a text of a day may end after it, and a server may have stood still.
const DAYS: i64 = 40;
/// What is stored of a cent: budgets count millionths of a millionth of a dollar.
const CENT: i64 = 10_000_000_000;

/// Has what each connection spent on texts in a UTC day among the costs, of the kind `AI`, to the cent: one cost for each day,
/// which grows while the day goes on.
#[derive(Clone, Copy, Debug, Default)]
pub struct TextCosts;

#[async_trait]
impl Chore for TextCosts {
    fn name(&self) -> &'static str {
        "costs of generated texts"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn run(&self, app: &App) -> Result<(), Error> {
        let now = app.clock().now();
        let spent = store::spent_since(app.db().read(), now.plus_days(-DAYS).day()).await?;
        for (connection, days) in spent {
            let costs = days.into_iter().map(|(day, cost)| NewCost {
                kind: CostKind::Ai,
                amount_minor: cents(cost),
                currency: "USD".to_owned(),
                day,
                source: None,
                campaign: None,
                note: None,
                connection_id: Some(connection),
                dedupe_key: Some(format!("text:{connection}:{day}")),
            });
            let caller = Caller::on_behalf_of(Actor::of_id(&connection.to_string()));
            let tx = app.db().begin().await?;
            for answer in record_costs(&tx, &caller, now, costs.collect()).await? {
                if let CostAnswer::Refused(problems) = answer {
                    tracing::warn!(%connection, ?problems, "what texts cost is not counted among the costs");
                }
            }
            tx.commit().await?;
        }
        Ok(())
    }
}

/// Halves up.
fn cents(cost: i64) -> i64 {
    cost.saturating_add(CENT / 2).div_euclid(CENT).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cent_is_rounded_halves_up() {
        for (cost, minor) in [
            (0, 0),
            (CENT / 2 - 1, 0),
            (CENT / 2, 1),
            (CENT, 1),
            (149 * CENT + CENT / 2, 150),
            (-5, 0),
        ] {
            assert_eq!(cents(cost), minor, "{cost}");
        }
    }
}
