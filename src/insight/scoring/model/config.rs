//! The scoring model: one versioned object with every number a score depends on.

use std::collections::BTreeMap;

use async_graphql::{InputObject, SimpleObject};
use entity::{EngagementType, Stage};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! points_table {
    ($($(#[$doc:meta])* $name:ident, $key:ty, $length:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name(pub [f64; $length]);

        impl $name {
            /// The given points, 0 for the rest.
            #[must_use]
            pub fn of(points: &[($key, f64)]) -> Self {
                let mut table = [0.0; $length];
                for (key, value) in points {
                    table[key.index()] = *value;
                }
                Self(table)
            }

            /// The points of one.
            #[must_use]
            pub const fn get(&self, key: $key) -> f64 {
                self.0[key.index()]
            }

            /// Sets the points of one.
            pub const fn set(&mut self, key: $key, points: f64) {
                self.0[key.index()] = points;
            }

            /// All of them, in the order of the vocabulary.
            pub fn iter(&self) -> impl Iterator<Item = ($key, f64)> {
                <$key>::ALL.iter().copied().zip(self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.iter().filter(|(_, points)| *points != 0.0))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let given = BTreeMap::<$key, f64>::deserialize(deserializer)?;
                Ok(Self::of(&given.into_iter().collect::<Vec<_>>()))
            }
        }
    )*};
}

points_table! {
    /// Points for each engagement type; an object by type in JSON, in which an absent type has 0.
    PointsByType, EngagementType, 27;
    /// Points for each stage; an object by stage in JSON, in which an absent stage has 0.
    PointsByStage, Stage, 8;
}

/// Every number a score depends on. The default is the product's own model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, SimpleObject, InputObject)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[graphql(name = "ScoreModelDefinition", input_name = "ScoreModelDefinitionInput")]
pub struct ScoreModel {
    /// Share of each component in the base; they sum to 1.
    pub weights: Weights,
    /// Who the lead is: points for each field that is filled in.
    pub demographic: Demographic,
    /// What the lead did: points for each event.
    pub behavioral: Behavioral,
    /// Where the lead belongs and comes from.
    pub firmographic: Firmographic,
    /// How fresh and permitted the contact is.
    pub engagement: Engagement,
    /// How near to buying.
    pub intent: Intent,
    /// Current score from which each grade is given.
    pub grades: Grades,
    /// Current score from which each temperature is given.
    pub temperatures: Temperatures,
    /// How a score falls while nothing comes from the lead.
    pub decay: Decay,
}

/// Share of each component in the base; they sum to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, SimpleObject, InputObject)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[graphql(name = "ScoreModelWeights", input_name = "ScoreModelWeightsInput")]
pub struct Weights {
    /// Of who the lead is, 0–1.
    pub demographic: f64,
    /// Of what the lead did, 0–1.
    pub behavioral: f64,
    /// Of where the lead belongs and comes from, 0–1.
    pub firmographic: f64,
    /// Of how fresh and permitted the contact is, 0–1.
    pub engagement: f64,
    /// Of how near to buying the lead is, 0–1.
    pub intent: f64,
}

impl Weights {
    /// In the order of the components.
    #[must_use]
    pub const fn as_array(&self) -> [f64; 5] {
        let Self {
            demographic,
            behavioral,
            firmographic,
            engagement,
            intent,
        } = *self;
        [demographic, behavioral, firmographic, engagement, intent]
    }
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            demographic: 0.20,
            behavioral: 0.25,
            firmographic: 0.15,
            engagement: 0.25,
            intent: 0.15,
        }
    }
}

/// Points for each field that is filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, SimpleObject, InputObject)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[graphql(name = "ScoreModelDemographic", input_name = "ScoreModelDemographicInput")]
pub struct Demographic {
    /// Points of an e-mail address.
    pub email: f64,
    /// Points of a first name.
    pub first_name: f64,
    /// Points of a last name.
    pub last_name: f64,
    /// Points of a telephone number.
    pub phone: f64,
    /// Any part of the address: country, region or city.
    pub location: f64,
    /// Points of a customer type.
    pub customer_type: f64,
    /// The custom field named by `primary_interest_field`.
    pub primary_interest: f64,
    /// At least one interest.
    pub interests: f64,
    /// Key of the custom field that holds the primary interest.
    pub primary_interest_field: String,
}

impl Default for Demographic {
    fn default() -> Self {
        Self {
            email: 15.0,
            first_name: 10.0,
            last_name: 10.0,
            phone: 15.0,
            location: 10.0,
            customer_type: 20.0,
            primary_interest: 10.0,
            interests: 10.0,
            primary_interest_field: "sport_type".into(),
        }
    }
}

/// Points for what the lead did, over its whole life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, SimpleObject, InputObject)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[graphql(name = "ScoreModelBehavioral", input_name = "ScoreModelBehavioralInput")]
pub struct Behavioral {
    /// Points for each event, times its human confidence. Only inbound types have any.
    pub per_event: PointsByType,
    /// Points for each distinct active day.
    pub per_active_day: f64,
    /// At most this many points for active days.
    pub active_days_limit: f64,
    /// How many UTC days count, today included: 1–30.
    pub active_days_window: u32,
}

impl Default for Behavioral {
    /// "Replied" is a reply by any channel, "clicked" a link in a mail or in any other message.
    fn default() -> Self {
        use EngagementType as T;
        Self {
            per_event: PointsByType::of(&[
                (T::EmailOpened, 2.0),
                (T::EmailClicked, 5.0),
                (T::LinkClicked, 5.0),
                (T::EmailReplied, 10.0),
                (T::SmsReplied, 10.0),
                (T::WhatsappReplied, 10.0),
                (T::FormSubmitted, 15.0),
                (T::PageViewed, 1.0),
                (T::ContentDownloaded, 8.0),
                (T::MeetingScheduled, 20.0),
                (T::PurchaseMade, 50.0),
            ]),
            per_active_day: 1.0,
            active_days_limit: 10.0,
            active_days_window: 30,
        }
    }
}

/// A class of words (customer types, sources) and what belonging to it is worth.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, SimpleObject, InputObject)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[graphql(name = "ScoreModelPointClass", input_name = "ScoreModelPointClassInput")]
pub struct PointClass {
    /// Name of the class, e.g. `high`.
    pub name: String,
    /// Points of a lead in it.
    pub points: f64,
    /// The words, in any case; space, hyphen and underscore are alike.
    pub values: Vec<String>,
}

impl PointClass {
    fn new(name: &str, points: f64, values: &[&str]) -> Self {
        Self {
            name: name.into(),
            points,
            values: values.iter().map(|&value| value.into()).collect(),
        }
    }
}

/// A place; a lead is in it when each part that is given fits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, SimpleObject, InputObject)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[graphql(name = "ScoreModelPlace", input_name = "ScoreModelPlaceInput")]
pub struct TargetLocation {
    /// ISO 3166-1 alpha-2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// State, province or region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// City.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
}

/// Where the lead belongs and comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, SimpleObject, InputObject)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[graphql(name = "ScoreModelFirmographic", input_name = "ScoreModelFirmographicInput")]
pub struct Firmographic {
    /// Points of every lead.
    pub base: f64,
    /// Points of a lead in one of the target locations.
    pub target_location: f64,
    /// The target locations; none at first.
    pub target_locations: Vec<TargetLocation>,
    /// Classes of customer types; the first that fits counts.
    pub customer_types: Vec<PointClass>,
    /// Classes of sources; the first that fits counts.
    pub sources: Vec<PointClass>,
}

impl Default for Firmographic {
    fn default() -> Self {
        Self {
            base: 50.0,
            target_location: 20.0,
            target_locations: Vec::new(),
            customer_types: vec![
                PointClass::new("high", 15.0, &["coach", "team"]),
                PointClass::new("middle", 10.0, &["bike_fitter"]),
                PointClass::new("low", 5.0, &["athlete"]),
            ],
            sources: vec![
                PointClass::new("high", 15.0, &["referral", "partner"]),
                PointClass::new("middle", 10.0, &["ads", "forms", "form"]),
            ],
        }
    }
}

/// Points while the last inbound contact is younger than a number of days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, SimpleObject, InputObject)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[graphql(name = "ScoreModelRecency", input_name = "ScoreModelRecencyInput")]
pub struct Recency {
    /// Days of 86,400 s.
    pub days: u32,
    /// Points.
    pub points: f64,
}

/// How fresh and permitted the contact is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, SimpleObject, InputObject)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[graphql(name = "ScoreModelEngagement", input_name = "ScoreModelEngagementInput")]
pub struct Engagement {
    /// By age of the last inbound contact, rising; the first that fits counts.
    pub recency: Vec<Recency>,
    /// Points where the last inbound contact is older than all of them. A lead that never made one has 0.
    pub older: f64,
    /// Points of a granted consent to marketing by e-mail.
    pub email_consent: f64,
    /// Points of a granted consent to marketing by SMS.
    pub sms_consent: f64,
    /// Score of each stage, 0–100.
    pub stages: PointsByStage,
    /// The share of the stage's score that counts.
    pub stage_share: f64,
}

impl Default for Engagement {
    fn default() -> Self {
        Self {
            recency: vec![
                Recency {
                    days: 7,
                    points: 40.0,
                },
                Recency {
                    days: 30,
                    points: 30.0,
                },
                Recency {
                    days: 90,
                    points: 20.0,
                },
            ],
            older: 10.0,
            email_consent: 30.0,
            sms_consent: 15.0,
            stages: PointsByStage::of(&[
                (Stage::Contacted, 20.0),
                (Stage::Qualified, 40.0),
                (Stage::Engaged, 60.0),
                (Stage::Opportunity, 80.0),
                (Stage::Customer, 100.0),
            ]),
            stage_share: 0.15,
        }
    }
}

/// How near to buying.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, SimpleObject, InputObject)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[graphql(name = "ScoreModelIntent", input_name = "ScoreModelIntentInput")]
pub struct Intent {
    /// Points for each high-intent event in the window; any inbound type but opens, clicks and page views.
    pub high_intent: PointsByType,
    /// At most this many points for high-intent events.
    pub high_intent_limit: f64,
    /// Days of 86,400 s a high-intent event counts: 1–30.
    pub high_intent_window: u32,
    /// Points of each stage.
    pub stages: PointsByStage,
    /// Points for each reply in its window.
    pub per_reply: f64,
    /// At most this many points for replies.
    pub replies_limit: f64,
    /// Days of 86,400 s a reply counts: 1–30.
    pub replies_window: u32,
}

impl Default for Intent {
    fn default() -> Self {
        use EngagementType as T;
        Self {
            high_intent: PointsByType::of(&[
                (T::FormSubmitted, 15.0),
                (T::ContentDownloaded, 15.0),
                (T::MeetingScheduled, 15.0),
                (T::EmailReplied, 15.0),
                (T::SmsReplied, 15.0),
                (T::WhatsappReplied, 15.0),
                (T::CheckoutStarted, 15.0),
                (T::PurchaseMade, 15.0),
            ]),
            high_intent_limit: 50.0,
            high_intent_window: 30,
            stages: PointsByStage::of(&[
                (Stage::Opportunity, 40.0),
                (Stage::Engaged, 30.0),
                (Stage::Qualified, 20.0),
            ]),
            per_reply: 10.0,
            replies_limit: 30.0,
            replies_window: 14,
        }
    }
}

/// Current score from which each grade is given; D below the last.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, SimpleObject, InputObject)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[graphql(name = "ScoreModelGrades", input_name = "ScoreModelGradesInput")]
pub struct Grades {
    /// A+ from this score on.
    pub a_plus: f64,
    /// A from this score on.
    pub a: f64,
    /// B+ from this score on.
    pub b_plus: f64,
    /// B from this score on.
    pub b: f64,
    /// C+ from this score on.
    pub c_plus: f64,
    /// C from this score on.
    pub c: f64,
}

impl Default for Grades {
    fn default() -> Self {
        Self {
            a_plus: 90.0,
            a: 80.0,
            b_plus: 70.0,
            b: 60.0,
            c_plus: 50.0,
            c: 40.0,
        }
    }
}

/// Current score from which each temperature is given; COLD below the last.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, SimpleObject, InputObject)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[graphql(name = "ScoreModelTemperatures", input_name = "ScoreModelTemperaturesInput")]
pub struct Temperatures {
    /// HOT from this score on.
    pub hot: f64,
    /// WARM from this score on.
    pub warm: f64,
}

impl Default for Temperatures {
    fn default() -> Self {
        Self {
            hot: 75.0,
            warm: 50.0,
        }
    }
}

/// How a score falls while nothing comes from the lead.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, SimpleObject, InputObject)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[graphql(name = "ScoreModelDecay", input_name = "ScoreModelDecayInput")]
pub struct Decay {
    /// Points a day of 86,400 s.
    pub points_per_day: f64,
}

impl Default for Decay {
    fn default() -> Self {
        Self { points_per_day: 0.1 }
    }
}

impl ScoreModel {
    /// Whether facts gathered for the other model serve this one too. Where not, publishing this one needs the facts
    /// of every lead gathered anew, not only rescored.
    #[must_use]
    pub fn gathers_like(&self, other: &Self) -> bool {
        self.demographic.primary_interest_field == other.demographic.primary_interest_field
    }
}
