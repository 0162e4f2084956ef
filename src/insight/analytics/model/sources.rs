//! What each source of leads brings, and costs.

use std::collections::{BTreeMap, BTreeSet};

use entity::{ReportMeasure as M, Timestamp};

use super::funnel::part;
use super::sums::{Sums, mean_score};

/// What was spent on a source in a range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// In minor units of the currency of the reports.
    pub minor: i64,
    /// Costs whose amount is not known in that currency.
    pub unvalued: i64,
}

/// A source of leads: those that became known in a range, what came of them, and what was spent on it in the range.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Its name; empty for leads of which it is not known, and costs that name none.
    pub name: String,
    /// Leads.
    pub leads: i64,
    /// Of them, those that were qualified.
    pub qualified: i64,
    /// Of them, those that became customers.
    pub customers: i64,
    /// Customers by leads, 0–1; `None` without leads.
    pub conversion_rate: Option<f64>,
    /// The mean of their current scores.
    pub mean_score: Option<f64>,
    /// What their conversions are worth, in minor units.
    pub revenue_minor: i64,
    /// Their conversions whose worth is not known in the currency of the reports.
    pub unvalued: i64,
    /// What was spent.
    pub spent: Spent,
}

impl Source {
    /// (revenue − cost) / cost; `None` without costs.
    #[must_use]
    pub fn roi(&self) -> Option<f64> {
        part(self.revenue_minor - self.spent.minor, self.spent.minor)
    }

    /// What a lead cost, in minor units, rounded half away from zero; `None` without leads.
    #[must_use]
    pub fn cost_per_lead(&self) -> Option<i64> {
        share(self.spent.minor, self.leads)
    }

    /// What a customer cost.
    #[must_use]
    pub fn cost_per_customer(&self) -> Option<i64> {
        share(self.spent.minor, self.customers)
    }
}

/// Minor units divided, rounded half away from zero.
#[must_use]
pub fn share(minor: i64, by: i64) -> Option<i64> {
    if by <= 0 {
        return None;
    }
    let (minor, by) = (i128::from(minor), i128::from(by));
    let rounded = (2 * minor.abs() + by) / (2 * by);
    i64::try_from(rounded * minor.signum()).ok()
}

/// The sources of a range, those with most leads first, and all of them together.
#[must_use]
pub fn of(sums: &Sums, spent: &BTreeMap<String, Spent>, now: Timestamp) -> (Vec<Source>, Source) {
    let mut names: BTreeSet<&str> = sums
        .of(M::Leads)
        .filter(|(_, leads)| *leads != 0)
        .map(|(name, _)| name)
        .collect();
    names.extend(spent.keys().map(String::as_str));
    let one = |name: &str| {
        let get = |measure| sums.get(measure, name);
        source(name, &get, spent.get(name).copied().unwrap_or_default(), now)
    };
    let mut sources: Vec<Source> = names.into_iter().map(one).collect();
    sources.sort_by(|one, other| {
        other
            .leads
            .cmp(&one.leads)
            .then_with(|| one.name.cmp(&other.name))
    });
    let all = Spent {
        minor: spent.values().map(|spent| spent.minor).sum(),
        unvalued: spent.values().map(|spent| spent.unvalued).sum(),
    };
    (sources, source("", &|measure| sums.total(measure), all, now))
}

fn source(name: &str, get: &dyn Fn(M) -> i64, spent: Spent, now: Timestamp) -> Source {
    let (leads, customers) = (get(M::Leads), get(M::Customers));
    Source {
        name: name.to_owned(),
        leads,
        qualified: get(M::Qualified),
        customers,
        conversion_rate: part(customers, leads),
        mean_score: mean_score(get(M::ScoreKey), get(M::ScoreRate), get(M::Scored), now),
        revenue_minor: get(M::Revenue),
        unvalued: get(M::Unvalued),
        spent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_by_hand() {
        let mut sums = Sums::default();
        for (measure, name, amount) in [
            (M::Leads, "ads", 3),
            (M::Customers, "ads", 1),
            (M::Revenue, "ads", 25_000),
            (M::Leads, "", 5),
            (M::Leads, "gone", 0),
        ] {
            sums.add(measure, name, amount);
        }
        let spent = |minor| Spent { minor, unvalued: 0 };
        let costs = BTreeMap::from([("ads".to_owned(), spent(10_000)), ("fair".to_owned(), spent(500))]);
        let (sources, all) = of(&sums, &costs, Timestamp(0));
        let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
        assert_eq!(names, ["", "ads", "fair"]);
        let ads = &sources[1];
        assert_eq!(
            (ads.roi(), ads.cost_per_lead(), ads.cost_per_customer()),
            (Some(1.5), Some(3_333), Some(10_000))
        );
        assert_eq!(ads.conversion_rate, Some(1.0 / 3.0));
        assert_eq!((sources[2].roi(), sources[2].cost_per_lead()), (Some(-1.0), None));
        assert_eq!((sources[0].roi(), sources[0].mean_score), (None, None));
        assert_eq!(
            (all.leads, all.customers, all.spent.minor, all.revenue_minor),
            (8, 1, 10_500, 25_000)
        );
        assert_eq!(
            (share(-5, 2), share(5, 2), share(4, 3)),
            (Some(-3), Some(3), Some(1))
        );
    }
}
