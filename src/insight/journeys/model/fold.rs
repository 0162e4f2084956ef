//! How what happened to a lead is taken into its journey and its days.

use std::borrow::Cow;
use std::collections::HashMap;

use entity::{ConversionKind, Day, Stage, Timestamp};
use serde::{Deserialize, Serialize};

use super::days::DayActivity;
use super::facts::{Contribution, JourneyFacts, Milestone};
use crate::insight::engagement::{Recorded, Reweighed, is_inbound};

/// What `CONVERSION_RECORDED` says; the event's subject is the conversion's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Converted<'a> {
    /// What it is.
    pub kind: ConversionKind,
    /// When it happened, in microseconds since the epoch.
    pub occurred_micros: i64,
    /// Value in minor units, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_minor: Option<i64>,
    /// ISO 4217, of the value.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Cow<'a, str>>,
}

/// What `CONVERSION_REVERSED` says, as far as a journey depends on it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reversed<'a> {
    /// What more was given back, in minor units; negative where less.
    pub minor: i64,
    /// ISO 4217.
    #[serde(borrow)]
    pub currency: Option<Cow<'a, str>>,
}

/// What `STAGE_CHANGED` says, as far as a journey depends on it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Moved {
    /// The stage that was entered.
    pub to: Stage,
    /// When, in microseconds since the epoch.
    pub entered_micros: i64,
}

/// Something that happened to a lead.
#[derive(Clone, Debug)]
pub enum Happening<'a> {
    /// An engagement was recorded.
    Engaged(Recorded<'a>),
    /// The confidence of an engagement changed.
    Reweighed(Reweighed),
    /// It moved to another stage.
    Moved(Moved),
    /// A conversion was recorded.
    Converted(Converted<'a>),
    /// A part of a conversion was given back.
    Reversed(Reversed<'a>),
}

/// A lead's journey with those of its days that are concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeadFold {
    /// The journey.
    pub facts: JourneyFacts,
    /// Days; one that is absent had no engagement yet.
    pub days: HashMap<Day, DayActivity>,
}

impl LeadFold {
    /// Takes something in. Of an engagement, the day's activity before must be there if there was any.
    pub fn take(&mut self, happening: &Happening<'_>) {
        match happening {
            Happening::Engaged(recorded) => {
                let contribution = contribution(recorded);
                let day = self.days.entry(recorded.occurred_at().day()).or_default();
                let is_new_active_day = is_inbound(recorded.kind) && !day.is_active();
                day.fold(&contribution);
                self.facts.fold(&contribution, is_new_active_day);
            }
            Happening::Reweighed(reweighed) => {
                self.facts
                    .reweigh(reweighed.kind, reweighed.from_milli, reweighed.to_milli);
            }
            Happening::Moved(moved) => {
                let milestone = match moved.to {
                    Stage::Qualified => Milestone::Qualified,
                    Stage::Opportunity => Milestone::Opportunity,
                    Stage::Customer => Milestone::Customer,
                    _ => return,
                };
                self.facts.reach(milestone, Timestamp(moved.entered_micros));
            }
            Happening::Reversed(reversed) => {
                if let Some(currency) = &reversed.currency {
                    self.facts.fold_conversion(currency, -reversed.minor);
                }
            }
            Happening::Converted(converted) => {
                let at = Timestamp(converted.occurred_micros);
                if let (Some(currency), Some(minor)) = (&converted.currency, converted.value_minor) {
                    self.facts.fold_conversion(currency, minor);
                }
                match converted.kind {
                    ConversionKind::Qualified => self.facts.reach(Milestone::Qualified, at),
                    ConversionKind::Opportunity => self.facts.reach(Milestone::Opportunity, at),
                    ConversionKind::Customer => self.facts.reach(Milestone::Customer, at),
                    ConversionKind::Purchase => self.facts.reach(Milestone::FirstPurchase, at),
                    ConversionKind::LeadCreated | ConversionKind::Custom => {}
                }
            }
        }
    }
}

/// What an engagement adds, as its event tells it.
#[must_use]
pub fn contribution<'a>(recorded: &'a Recorded<'_>) -> Contribution<'a> {
    Contribution {
        kind: recorded.kind,
        channel: recorded.channel,
        occurred_at: recorded.occurred_at(),
        confidence: recorded.confidence_milli,
        revenue: recorded.revenue(),
    }
}

#[cfg(test)]
mod tests {
    use entity::{Channel, EngagementType};

    use super::*;

    #[test]
    fn a_day_counts_as_active_once_and_milestones_are_reached() {
        let at = |day: i64| Timestamp(1_772_323_200_000_000).plus_days(day);
        let viewed = |day| {
            Happening::Engaged(Recorded {
                kind: EngagementType::PageViewed,
                channel: Channel::Web,
                occurred_micros: at(day).micros(),
                confidence_milli: 1000,
                revenue_minor: None,
                currency: None,
            })
        };
        let mut fold = LeadFold::default();
        for happening in [viewed(1), viewed(0), viewed(1)] {
            fold.take(&happening);
        }
        fold.take(&Happening::Moved(Moved {
            to: Stage::Qualified,
            entered_micros: at(3).micros(),
        }));
        let converted: Converted<'_> = serde_json::from_str(
            r#"{"kind":"CUSTOMER","occurredMicros":1772323200000000,"valueMinor":500,"currency":"EUR"}"#,
        )
        .expect("a payload");
        fold.take(&Happening::Converted(converted));
        assert_eq!(fold.facts.active_days, 2);
        assert_eq!(fold.days[&at(1).day()].total(), 2);
        assert_eq!(fold.facts.milestone(Milestone::Qualified), Some(at(3)));
        assert_eq!(fold.facts.milestone(Milestone::Customer), Some(at(0)));
        assert_eq!(fold.facts.conversions.get("EUR"), 500);
    }
}
