//! What the events of engagements say, so that whoever follows them need not read the rows again.

use std::borrow::Cow;

use entity::{Channel, EngagementType, Timestamp};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::events::Event;

/// The payload of `ENGAGEMENT_RECORDED`; the event's subject is the engagement's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Recorded<'a> {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: EngagementType,
    /// By which way.
    pub channel: Channel,
    /// When it happened, in microseconds since the epoch.
    pub occurred_micros: i64,
    /// Human confidence in thousandths, as it was then.
    pub confidence_milli: i32,
    /// Revenue in minor units, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revenue_minor: Option<i64>,
    /// ISO 4217, of the revenue.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Cow<'a, str>>,
}

/// The payload of `ENGAGEMENT_REWEIGHED`; the event's subject is the engagement's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reweighed {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: EngagementType,
    /// By which way.
    pub channel: Channel,
    /// When it happened, in microseconds since the epoch.
    pub occurred_micros: i64,
    /// Human confidence in thousandths until now.
    pub from_milli: i32,
    /// Human confidence in thousandths from now on.
    pub to_milli: i32,
}

impl<'a> Recorded<'a> {
    /// Reads it from its event.
    ///
    /// # Errors
    /// Where the payload is of another kind.
    pub fn read(event: &'a Event) -> Result<Self, Error> {
        Ok(serde_json::from_str(&event.payload)?)
    }

    /// When it happened.
    #[must_use]
    pub const fn occurred_at(&self) -> Timestamp {
        Timestamp(self.occurred_micros)
    }

    /// Currency and minor units of the revenue.
    #[must_use]
    pub fn revenue(&self) -> Option<(&str, i64)> {
        Some((self.currency.as_deref()?, self.revenue_minor?))
    }
}

impl Reweighed {
    /// Reads it from its event.
    ///
    /// # Errors
    /// Where the payload is of another kind.
    pub fn read(event: &Event) -> Result<Self, Error> {
        Ok(serde_json::from_str(&event.payload)?)
    }

    /// When the engagement happened.
    #[must_use]
    pub const fn occurred_at(&self) -> Timestamp {
        Timestamp(self.occurred_micros)
    }
}
