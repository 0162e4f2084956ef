//! What a deployment may set.

use std::collections::BTreeSet;

use entity::EngagementType;
use serde::{Deserialize, Serialize};

use super::rules::Weights;
use crate::insight::engagement::is_touch_point;

/// Longest window, in days.
pub const MOST_WINDOW_DAYS: u32 = 365;
/// Longest half-life, in days.
pub const MOST_HALF_LIFE_DAYS: f64 = 365.0;

/// The settings of attribution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct AttributionSettings {
    /// Touches so many days before a conversion count for it, 1–365.
    pub window_days: u32,
    /// `TIME_DECAY`: after so many days a touch counts half, above 0, at most 365.
    pub half_life_days: f64,
    /// Which engagements are touches; each one that a lead does itself, or an ad shown to it.
    pub touch_types: BTreeSet<EngagementType>,
    /// `U_SHAPED`: the weights of the first, the last and all others together, from 0, not all 0.
    pub u_shaped: [f64; 3],
    /// `W_SHAPED`: the weights of the first, the one that made an opportunity, the last and all others together.
    pub w_shaped: [f64; 4],
}

impl Default for AttributionSettings {
    fn default() -> Self {
        let Weights {
            half_life_days,
            u_shaped,
            w_shaped,
        } = Weights::default();
        Self {
            window_days: 90,
            half_life_days,
            touch_types: touch_types().collect(),
            u_shaped,
            w_shaped,
        }
    }
}

/// What can be a touch: what a lead does itself, and ads shown to it; no message sent to it, nor what became of that.
pub fn touch_types() -> impl Iterator<Item = EngagementType> {
    EngagementType::ALL
        .iter()
        .copied()
        .filter(|kind| is_touch_point(*kind))
}

/// A setting that is out of its range: which, by its name in GraphQL, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongSetting {
    /// Which.
    pub field: &'static str,
    /// Why.
    pub message: String,
}

impl AttributionSettings {
    /// The numbers of the rules.
    #[must_use]
    pub fn weights(&self) -> Weights {
        Weights {
            half_life_days: self.half_life_days,
            u_shaped: self.u_shaped,
            w_shaped: self.w_shaped,
        }
    }

    /// Whether the same touches count by these and other settings: then trails are the same, and credits alone differ.
    #[must_use]
    pub fn have_the_trails_of(&self, other: &Self) -> bool {
        self.window_days == other.window_days && self.touch_types == other.touch_types
    }

    /// All that is wrong with them.
    #[must_use]
    pub fn problems(&self) -> Vec<WrongSetting> {
        let mut found = Vec::new();
        let mut wrong = |field, message: String| found.push(WrongSetting { field, message });
        if !(1..=MOST_WINDOW_DAYS).contains(&self.window_days) {
            let message = format!(
                "the window has 1 to {MOST_WINDOW_DAYS} days, not {}",
                self.window_days
            );
            wrong("windowDays", message);
        }
        if !(self.half_life_days > 0.0 && self.half_life_days <= MOST_HALF_LIFE_DAYS) {
            let message = format!(
                "the half-life lies above 0 and is at most {MOST_HALF_LIFE_DAYS} days, not {}",
                self.half_life_days
            );
            wrong("halfLifeDays", message);
        }
        let others: Vec<_> = self
            .touch_types
            .iter()
            .filter(|kind| !is_touch_point(**kind))
            .map(|kind| kind.as_str())
            .collect();
        if !others.is_empty() {
            let message = format!("no touches of a lead: {}", others.join(", "));
            wrong("touchTypes", message);
        } else if self.touch_types.is_empty() {
            wrong(
                "touchTypes",
                "at least one type of engagement is a touch".to_owned(),
            );
        }
        for (field, weights) in [("uShaped", &self.u_shaped[..]), ("wShaped", &self.w_shaped)] {
            let in_range = weights.iter().all(|weight| (0.0..=1.0).contains(weight));
            if !in_range || weights.iter().sum::<f64>() <= 0.0 {
                wrong(field, "weights lie between 0 and 1, and are not all 0".to_owned());
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_no_touch() {
        let settings = AttributionSettings::default();
        let without: Vec<_> = EngagementType::ALL
            .iter()
            .filter(|kind| !settings.touch_types.contains(kind))
            .map(|kind| kind.as_str())
            .collect();
        assert_eq!(
            without,
            [
                "EMAIL_SENT",
                "EMAIL_DELIVERED",
                "EMAIL_BOUNCED",
                "EMAIL_COMPLAINED",
                "EMAIL_UNSUBSCRIBED",
                "SMS_SENT",
                "SMS_DELIVERED",
                "WHATSAPP_SENT",
                "CALL_MADE"
            ]
        );
        assert_eq!(settings.problems(), []);
    }

    #[test]
    fn all_that_is_wrong_is_told() {
        let settings = AttributionSettings {
            window_days: 366,
            half_life_days: f64::NAN,
            touch_types: [EngagementType::SmsSent, EngagementType::PageViewed].into(),
            u_shaped: [0.0; 3],
            w_shaped: [0.5, 0.5, -0.1, 0.1],
        };
        let fields: Vec<_> = settings.problems().into_iter().map(|wrong| wrong.field).collect();
        assert_eq!(
            fields,
            ["windowDays", "halfLifeDays", "touchTypes", "uShaped", "wShaped"]
        );
        let none = AttributionSettings {
            touch_types: BTreeSet::new(),
            ..AttributionSettings::default()
        };
        assert_eq!(none.problems()[0].field, "touchTypes");
    }
}
