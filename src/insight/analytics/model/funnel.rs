//! How far leads get.

use entity::{ReportMeasure as M, Stage};

use super::lengths;
use super::outline::FUNNEL;
use super::sums::Sums;

/// A stage of the funnel, for the leads that became known in a range.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The stage.
    pub stage: Stage,
    /// Leads that got this far.
    pub reached: i64,
    /// What part of those of the stage before, 0–1; 1 for the first. `None` where nobody got to the one before.
    pub from_previous: Option<f64>,
    /// What part of all leads, 0–1; `None` without leads.
    pub from_first: Option<f64>,
    /// Leads that got this far and no further.
    pub dropped: i64,
    /// What part of those that got this far, 0–1; 0 for the last stage. `None` where nobody did.
    pub drop_off: Option<f64>,
    /// Leads that are in the stage.
    pub standing: i64,
    /// Stays in the stage that have ended.
    pub stays: i64,
    /// Their mean length in days.
    pub mean_days: Option<f64>,
    /// Their median length in days, told from classes of length.
    pub median_days: Option<f64>,
}

/// The funnel.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Funnel {
    /// Leads that became known.
    pub leads: i64,
    /// The stages, in order.
    pub steps: Vec<Step>,
    /// Leads that are lost.
    pub lost: i64,
    /// Leads that were customers and have left.
    pub churned: i64,
}

const DAY: f64 = 86_400.0;

/// A part of a whole; `None` of nothing.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "numbers of leads")]
pub fn part(some: i64, all: i64) -> Option<f64> {
    (all > 0).then(|| some as f64 / all as f64)
}

impl Funnel {
    /// The funnel that sums tell.
    #[must_use]
    pub fn of(sums: &Sums) -> Self {
        let reached = FUNNEL.map(|stage| sums.get(M::Reached, stage.as_str()));
        let leads = reached[0];
        let steps = FUNNEL.iter().enumerate().map(|(place, stage)| {
            let next = reached.get(place + 1).copied();
            let dropped = next.map_or(0, |next| reached[place] - next);
            let name = stage.as_str();
            let stays = sums.get(M::Stays, name);
            Step {
                stage: *stage,
                reached: reached[place],
                from_previous: match place {
                    0 => part(leads, leads),
                    _ => part(reached[place], reached[place - 1]),
                },
                from_first: part(reached[place], leads),
                dropped,
                drop_off: part(dropped, reached[place]),
                standing: sums.get(M::Standing, name),
                stays,
                mean_days: part(sums.get(M::StaySeconds, name), stays).map(|seconds| seconds / DAY),
                median_days: lengths::median(&classes(sums, name)).map(|seconds| seconds / DAY),
            }
        });
        Self {
            leads,
            steps: steps.collect(),
            lost: sums.get(M::Standing, Stage::Lost.as_str()),
            churned: sums.get(M::Standing, Stage::Churned.as_str()),
        }
    }
}

/// How many stays in a stage are of each class of length, ascending.
fn classes(sums: &Sums, stage: &str) -> Vec<(u32, i64)> {
    let of = |name: &str| name.strip_prefix(stage)?.strip_prefix(':')?.parse().ok();
    let mut classes: Vec<(u32, i64)> = sums
        .of(M::StayClass)
        .filter_map(|(name, count)| Some((of(name)?, count)))
        .collect();
    classes.sort_unstable();
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_funnel_by_hand() {
        let mut sums = Sums::default();
        for (stage, reached) in [
            ("NEW", 8),
            ("CONTACTED", 4),
            ("QUALIFIED", 4),
            ("ENGAGED", 1),
            ("OPPORTUNITY", 1),
            ("CUSTOMER", 1),
        ] {
            sums.add(M::Reached, stage, reached);
        }
        sums.add(M::Standing, "LOST", 2);
        sums.add(M::Stays, "NEW", 2);
        sums.add(M::StaySeconds, "NEW", 3 * 86_400);
        sums.add(M::StayClass, "NEW:37", 2);
        let funnel = Funnel::of(&sums);
        assert_eq!((funnel.leads, funnel.lost, funnel.churned), (8, 2, 0));
        let step = &funnel.steps[0];
        assert_eq!(
            (step.reached, step.dropped, step.drop_off, step.from_previous),
            (8, 4, Some(0.5), Some(1.0))
        );
        assert_eq!((step.mean_days, step.stays), (Some(1.5), 2));
        assert!((step.median_days.unwrap() - 1.0).abs() < 0.13, "{step:?}");
        let step = &funnel.steps[3];
        assert_eq!(
            (step.from_previous, step.from_first, step.dropped),
            (Some(0.25), Some(0.125), 0)
        );
        assert_eq!(
            (funnel.steps[5].dropped, funnel.steps[5].drop_off),
            (0, Some(0.0))
        );
        let nobody = Funnel::of(&Sums::default());
        assert_eq!(
            (
                nobody.leads,
                nobody.steps[1].from_previous,
                nobody.steps[0].drop_off
            ),
            (0, None, None)
        );
        assert_eq!(nobody.steps.len(), 6);
    }
}
