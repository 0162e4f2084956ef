//! How far leads got.

use async_graphql::SimpleObject;
use entity::Stage;

use crate::insight::analytics::model::funnel::{self, Step};

/// A stage of the funnel.
#[derive(SimpleObject)]
struct FunnelStage {
    /// The stage.
    stage: Stage,
    /// Leads that got this far.
    reached: i64,
    /// What part of those that got to the stage before, 0–1; null where nobody did.
    from_previous: Option<f64>,
    /// What part of all leads, 0–1; null without leads.
    from_first: Option<f64>,
    /// Leads that got this far and no further.
    dropped: i64,
    /// What part of those that got this far that is, 0–1; null where nobody did.
    drop_off: Option<f64>,
    /// Leads that are in the stage now.
    standing: i64,
    /// Stays in the stage that have ended.
    stays: i64,
    /// Their mean length in days; null without any.
    mean_days: Option<f64>,
    /// Their median length in days, told from classes of length: off by an eighth at most. Null without any.
    median_days: Option<f64>,
}

impl From<Step> for FunnelStage {
    fn from(step: Step) -> Self {
        let Step {
            stage,
            reached,
            from_previous,
            from_first,
            dropped,
            drop_off,
            standing,
            stays,
            mean_days,
            median_days,
        } = step;
        Self {
            stage,
            reached,
            from_previous,
            from_first,
            dropped,
            drop_off,
            standing,
            stays,
            mean_days,
            median_days,
        }
    }
}

/// How far leads got.
#[derive(SimpleObject)]
pub(in crate::insight::analytics::graphql) struct Funnel {
    /// Leads that became known.
    leads: i64,
    /// The stages, in order.
    stages: Vec<FunnelStage>,
    /// Leads that are lost now.
    lost: i64,
    /// Leads that were customers and have left.
    churned: i64,
}

impl Funnel {
    pub(in crate::insight::analytics::graphql) fn new(funnel: funnel::Funnel) -> Self {
        Self {
            leads: funnel.leads,
            stages: funnel.steps.into_iter().map(Into::into).collect(),
            lost: funnel.lost,
            churned: funnel.churned,
        }
    }
}
