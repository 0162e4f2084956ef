//! How the journeys of leads go.

use entity::{ReportMeasure as M, Trend};

use super::sums::Sums;

/// How the journeys go of the leads that became known in a range.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Health {
    /// Leads that became known.
    pub leads: i64,
    /// By which way their journeys go.
    pub trends: Vec<(Trend, i64)>,
    /// By tenths of their churn risk.
    pub risk_tenths: [i64; 10],
    /// Those at high risk.
    pub high_risk: i64,
    /// Those that have done anything.
    pub journeys: i64,
    /// The mean length of the journeys of these, in days; `None` without any.
    pub mean_days: Option<f64>,
    /// Those that became customers.
    pub customers: i64,
    /// What their conversions are worth less what was given back, in minor units of the currency of the reports.
    pub revenue_minor: i64,
}

impl Health {
    /// What sums tell.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "seconds of journeys")]
    pub fn of(sums: &Sums) -> Self {
        let mut risk_tenths = [0; 10];
        for (place, count) in risk_tenths.iter_mut().enumerate() {
            *count = sums.get(M::RiskTenths, &place.to_string());
        }
        let (journeys, seconds) = (sums.total(M::Journeys), sums.total(M::JourneySeconds));
        Self {
            leads: sums.total(M::Leads),
            trends: Trend::ALL
                .iter()
                .map(|trend| (*trend, sums.get(M::Trend, trend.as_str())))
                .collect(),
            risk_tenths,
            high_risk: sums.total(M::HighRisk),
            journeys,
            mean_days: (journeys > 0).then(|| seconds as f64 / journeys as f64 / 86_400.0),
            customers: sums.total(M::Customers),
            revenue_minor: sums.total(M::Revenue),
        }
    }
}
