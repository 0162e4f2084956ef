//! What the conversions of leads owe to each of their touches.

use std::collections::HashMap;

use entity::AttributionModel;
use entity::id::{EngagementId, LeadId};

use super::model::money::split;
use super::model::paths::Channel;
use super::model::touches::touch_credits;
use super::model::trail::{End, Touch};
use super::settings::answering;
use super::store;
use crate::app::App;
use crate::error::Error;
use crate::insight::revenue;

/// The newest conversions of a lead whose touches are shown.
const CONVERSIONS: u64 = 50;
/// The newest touches of a lead that are shown.
const MOST_TOUCHES: usize = 100;

/// A touch, and what the conversions after it owe to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Credited {
    /// The touch.
    pub touch: Touch,
    /// Conversions, in fractions.
    pub conversions: f64,
    /// Money, in minor units of the currency of the reports.
    pub minor: i64,
}

/// The touches of a lead with their credit.
#[derive(Clone, Debug, PartialEq)]
pub struct JourneyCredit {
    /// The newest first, at most 100.
    pub touches: Vec<Credited>,
    /// ISO 4217, of all money.
    pub currency: String,
}

/// What the newest 50 conversions of some leads owe to their touches, by a rule or by `SHAPLEY`.
///
/// # Errors
/// `MARKOV`, which tells of all journeys at once; the database's. Whoever shows the leads has asked for scope and sight.
pub async fn of_journeys(
    app: &App,
    leads: &[LeadId],
    model: AttributionModel,
) -> Result<HashMap<LeadId, JourneyCredit>, Error> {
    if model == AttributionModel::Markov {
        let message =
            "`MARKOV` tells of all journeys at once: ask `attribution` for one conversion, or for sums";
        return Err(Error::BadInput(message.to_owned()));
    }
    let db = app.db().read();
    let kept = store::kept(db).await?;
    let row = answering(&kept)?;
    let settings = store::settings_of(row)?;
    let currency = revenue::reporting_currency(app).await?;
    let mut found: HashMap<LeadId, HashMap<EngagementId, Credited>> = HashMap::new();
    for row in store::newest_trails(db, row.version, leads, CONVERSIONS).await? {
        let trail = store::read(&row)?;
        let End::Converted { value, .. } = trail.end else {
            continue;
        };
        let weights = trail.credits(model, &settings).unwrap_or_else(|| {
            let channels: Vec<Channel> = trail
                .touches
                .iter()
                .map(|touch| Channel::try_from(touch.channel.index()).unwrap_or(Channel::MAX))
                .collect();
            touch_credits(&channels, |_| 1.0)
        });
        let money = split(value.unwrap_or_default(), &weights);
        let of_lead = found.entry(row.lead_id).or_default();
        for ((touch, weight), minor) in trail.touches.into_iter().zip(weights).zip(money) {
            let credited = of_lead.entry(touch.id).or_insert_with(|| Credited {
                touch,
                conversions: 0.0,
                minor: 0,
            });
            credited.conversions += weight;
            credited.minor += minor;
        }
    }
    let newest_first = |credited: &Credited| std::cmp::Reverse((credited.touch.at, credited.touch.id));
    let credit = |(lead, touches): (LeadId, HashMap<EngagementId, Credited>)| {
        let mut touches: Vec<Credited> = touches.into_values().collect();
        touches.sort_by_key(newest_first);
        touches.truncate(MOST_TOUCHES);
        let currency = currency.clone();
        (lead, JourneyCredit { touches, currency })
    };
    Ok(found.into_iter().map(credit).collect())
}
