//! What was earned and spent in a range.

use std::collections::BTreeMap;

use entity::{ConversionKind, CostKind, Day, ReportMeasure as M};

use super::funnel::part;
use super::sources::Spent;
use super::sums::Sums;

/// Conversions that count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sold {
    /// How many.
    pub conversions: i64,
    /// What they are worth less what was given back, in minor units of the currency of the reports.
    pub minor: i64,
    /// Of them, those whose worth is not known in that currency.
    pub unvalued: i64,
}

/// A cost of a day, of all that have the same day, kind, source and campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost {
    /// The day.
    pub day: Day,
    /// What it was for.
    pub kind: CostKind,
    /// The source of leads; empty for none.
    pub source: String,
    /// The campaign; empty for none.
    pub campaign: String,
    /// How much.
    pub spent: Spent,
}

impl Spent {
    /// Adds more.
    pub fn add(&mut self, more: Self) {
        self.minor += more.minor;
        self.unvalued += more.unvalued;
    }
}

/// What was earned and spent by one source, campaign or day.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// Conversions; of a campaign in fractions, as it may have a part in one.
    pub conversions: f64,
    /// What they are worth.
    pub minor: i64,
    /// What was spent.
    pub spent: Spent,
}

impl Line {
    /// (earned − spent) / spent; `None` where nothing was spent.
    #[must_use]
    pub fn roi(&self) -> Option<f64> {
        part(self.minor - self.spent.minor, self.spent.minor)
    }
}

/// What was earned and spent in a range.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Earnings {
    /// All conversions.
    pub sold: Sold,
    /// By kind, in the order of the vocabulary; those without any are left out.
    pub kinds: Vec<(ConversionKind, Sold)>,
    /// By the source of the lead, those that brought most first; empty for none.
    pub sources: Vec<(String, Line)>,
    /// All costs.
    pub spent: Spent,
    /// By kind, in the order of the vocabulary; those without any are left out.
    pub costs: Vec<(CostKind, Spent)>,
}

fn sorted(lines: BTreeMap<String, Line>) -> Vec<(String, Line)> {
    let mut lines: Vec<(String, Line)> = lines.into_iter().collect();
    lines.sort_by(|(one, first), (other, second)| {
        (second.minor.cmp(&first.minor))
            .then(second.conversions.total_cmp(&first.conversions))
            .then(second.spent.minor.cmp(&first.spent.minor))
            .then(one.cmp(other))
    });
    lines
}

impl Earnings {
    /// (earned − spent) / spent; `None` where nothing was spent.
    #[must_use]
    pub fn roi(&self) -> Option<f64> {
        part(self.sold.minor - self.spent.minor, self.spent.minor)
    }

    /// What sums and costs tell.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "numbers of conversions")]
    pub fn of(sums: &Sums, costs: &[Cost]) -> Self {
        let mut all = Self::default();
        for kind in ConversionKind::ALL {
            let sold = Sold {
                conversions: sums.get(M::KindConversions, kind.as_str()),
                minor: sums.get(M::KindWorth, kind.as_str()),
                unvalued: sums.get(M::KindUnvalued, kind.as_str()),
            };
            if sold != Sold::default() {
                all.sold.conversions += sold.conversions;
                all.sold.minor += sold.minor;
                all.sold.unvalued += sold.unvalued;
                all.kinds.push((*kind, sold));
            }
        }
        let mut sources: BTreeMap<String, Line> = BTreeMap::new();
        for (name, number) in sums.of(M::SourceConversions) {
            sources.entry(name.to_owned()).or_default().conversions = number as f64;
        }
        for (name, minor) in sums.of(M::SourceWorth) {
            sources.entry(name.to_owned()).or_default().minor = minor;
        }
        let mut kinds: BTreeMap<CostKind, Spent> = BTreeMap::new();
        for cost in costs {
            all.spent.add(cost.spent);
            kinds.entry(cost.kind).or_default().add(cost.spent);
            sources
                .entry(cost.source.clone())
                .or_default()
                .spent
                .add(cost.spent);
        }
        sources.retain(|_, line| *line != Line::default());
        all.sources = sorted(sources);
        all.costs = kinds.into_iter().collect();
        all
    }
}

/// Campaigns: what each is credited with, and what was spent on it; those that brought most first.
#[must_use]
pub fn campaigns(
    credited: impl IntoIterator<Item = (String, f64, i64)>,
    costs: &[Cost],
) -> Vec<(String, Line)> {
    let mut lines: BTreeMap<String, Line> = BTreeMap::new();
    for (name, conversions, minor) in credited {
        let line = lines.entry(name).or_default();
        line.conversions += conversions;
        line.minor += minor;
    }
    for cost in costs.iter().filter(|cost| !cost.campaign.is_empty()) {
        lines
            .entry(cost.campaign.clone())
            .or_default()
            .spent
            .add(cost.spent);
    }
    sorted(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(kind: CostKind, source: &str, campaign: &str, minor: i64) -> Cost {
        Cost {
            day: Day(1),
            kind,
            source: source.to_owned(),
            campaign: campaign.to_owned(),
            spent: Spent { minor, unvalued: 0 },
        }
    }

    #[test]
    fn what_is_earned_stands_beside_what_is_spent() {
        let mut sums = Sums::default();
        sums.add(M::KindConversions, "PURCHASE", 3);
        sums.add(M::KindWorth, "PURCHASE", 900);
        sums.add(M::KindConversions, "CUSTOMER", 1);
        sums.add(M::KindUnvalued, "PURCHASE", 1);
        sums.add(M::SourceConversions, "ads", 4);
        sums.add(M::SourceWorth, "ads", 900);
        let costs = [
            cost(CostKind::AdSpend, "ads", "spring", 300),
            cost(CostKind::Ai, "", "", 7),
            cost(CostKind::AdSpend, "fair", "", 50),
        ];
        let all = Earnings::of(&sums, &costs);
        assert_eq!(
            (all.sold.conversions, all.sold.minor, all.sold.unvalued),
            (4, 900, 1)
        );
        assert_eq!(all.kinds.len(), 2);
        assert_eq!(all.spent.minor, 357);
        assert_eq!(all.costs.iter().map(|(_, spent)| spent.minor).sum::<i64>(), 357);
        let names: Vec<&str> = all.sources.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["ads", "fair", ""]);
        assert_eq!(all.sources[0].1.roi(), Some(2.0));
        assert_eq!(
            (all.sources[1].1.roi(), Line::default().roi()),
            (Some(-1.0), None)
        );
        let campaigns = campaigns([("summer".to_owned(), 0.5, 400)], &costs);
        let told: Vec<_> = campaigns
            .iter()
            .map(|(name, line)| (name.as_str(), line.minor, line.spent.minor))
            .collect();
        assert_eq!(told, [("summer", 400, 0), ("spring", 0, 300)]);
    }
}
