//! The filter tree: its shape and its limits. Pure.

use async_graphql::InputObject;
use entity::id::LeadId;
use entity::{ConsentChannel, ConsentPurpose, CustomFieldType, Day, Grade, Stage, Temperature, Timestamp};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::leads::contact::Currency;
use crate::leads::custom_fields::Definitions;

/// Deepest nesting of `and`, `or`, `not`.
pub const MOST_DEPTH: usize = 8;
/// Most conditions of a tree.
pub const MOST_CONDITIONS: usize = 100;
/// Most values in one list.
const MOST_VALUES: usize = 1_000;
/// Longest text to compare with, in characters.
const MOST_TEXT: usize = 500;

/// Which leads. All that is given has to hold; an empty filter holds for every lead. `or` without branches holds for
/// none. A condition on something that a lead does not have does not hold, and its `not` does.
#[derive(InputObject, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct LeadFilter {
    /// All of these hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub and: Option<Vec<LeadFilter>>,
    /// At least one of these holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub or: Option<Vec<LeadFilter>>,
    /// This does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not: Option<Box<LeadFilter>>,
    /// One of these leads, up to 1,000 ids.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<LeadId>>,
    /// Any e-mail address that the lead is known by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<TextCondition>,
    /// Any phone number that the lead is known by, in E.164.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<TextCondition>,
    /// First name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<TextCondition>,
    /// Last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<TextCondition>,
    /// Company.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company_name: Option<TextCondition>,
    /// Job title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_title: Option<TextCondition>,
    /// Web address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website: Option<TextCondition>,
    /// City.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<TextCondition>,
    /// State, province or region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<TextCondition>,
    /// Postal code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<TextCondition>,
    /// Country, ISO 3166-1 alpha-2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<TextCondition>,
    /// Time zone, IANA name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<TextCondition>,
    /// Language, BCP 47.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<TextCondition>,
    /// Customer type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_type: Option<TextCondition>,
    /// Source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<TextCondition>,
    /// Stage of the deal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deal_stage: Option<TextCondition>,
    /// E-mail of the person responsible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_email: Option<TextCondition>,
    /// Interests, compared as they are written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interests: Option<ListCondition>,
    /// Tags, by id (`tag_…`) or name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<ListCondition>,
    /// Stage of the lifecycle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageCondition>,
    /// When it entered its stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage_since: Option<MomentRange>,
    /// Consents: each has to hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consents: Option<Vec<ConsentCondition>>,
    /// Custom fields: each has to hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom: Option<Vec<CustomCondition>>,
    /// Current score, after decay. A lead without a score has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<NumberRange>,
    /// Grade of the current score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grade: Option<GradeCondition>,
    /// Temperature of the current score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<TemperatureCondition>,
    /// Value of the deal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deal_value: Option<DealValueCondition>,
    /// When the deal is expected to close.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_close_date: Option<DayRange>,
    /// When the lead was last active: its last inbound engagement, else its creation, as its score has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_activity_at: Option<MomentRange>,
    /// When the lead became known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<MomentRange>,
    /// When the lead was last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<MomentRange>,
}

/// A condition on a text, in any case. All that is given has to hold.
#[derive(InputObject, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct TextCondition {
    /// Is this text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eq: Option<String>,
    /// Is one of these texts, up to 1,000.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    #[graphql(name = "in")]
    pub one_of: Option<Vec<String>>,
    /// Has this text in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// Begins with this text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_with: Option<String>,
    /// Is there at all (or, with false, is not).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_set: Option<bool>,
}

/// A condition on a list. All that is given has to hold.
#[derive(InputObject, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ListCondition {
    /// Has at least one of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub any: Option<Vec<String>>,
    /// Has all of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all: Option<Vec<String>>,
    /// Has none of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub none: Option<Vec<String>>,
}

/// A condition on the stage.
#[derive(InputObject, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct StageCondition {
    /// Is one of these.
    #[serde(rename = "in")]
    #[graphql(name = "in")]
    pub one_of: Vec<Stage>,
}

/// A condition on the grade.
#[derive(InputObject, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct GradeCondition {
    /// Is one of these.
    #[serde(rename = "in")]
    #[graphql(name = "in")]
    pub one_of: Vec<Grade>,
}

/// A condition on the temperature.
#[derive(InputObject, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct TemperatureCondition {
    /// Is one of these.
    #[serde(rename = "in")]
    #[graphql(name = "in")]
    pub one_of: Vec<Temperature>,
}

/// A condition on a number. All that is given has to hold.
#[derive(InputObject, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct NumberRange {
    /// At least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gte: Option<f64>,
    /// More than.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gt: Option<f64>,
    /// At most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lte: Option<f64>,
    /// Less than.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lt: Option<f64>,
}

/// A condition on a moment. All that is given has to hold.
#[derive(InputObject, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct MomentRange {
    /// At or after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gte: Option<Timestamp>,
    /// Before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lt: Option<Timestamp>,
    /// Within so many days of 86,400 s before now, 1 to 36,500.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within_days: Option<i32>,
    /// Longer ago than so many days of 86,400 s, 1 to 36,500.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub older_than_days: Option<i32>,
    /// Is there at all (or, with false, is not).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_set: Option<bool>,
}

/// A condition on a day. All that is given has to hold.
#[derive(InputObject, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct DayRange {
    /// On or after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gte: Option<Day>,
    /// On or before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lte: Option<Day>,
    /// Is there at all (or, with false, is not).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_set: Option<bool>,
}

/// A condition on the value of the deal: deals of one currency are compared.
#[derive(InputObject, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct DealValueCondition {
    /// Currency, ISO 4217.
    pub currency_code: String,
    /// At least this amount in units of the currency, e.g. 1234.5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gte: Option<f64>,
    /// At most this amount in units of the currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lte: Option<f64>,
}

/// A condition on a consent.
#[derive(InputObject, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ConsentCondition {
    /// For which channel.
    pub channel: ConsentChannel,
    /// For what.
    pub purpose: ConsentPurpose,
    /// Granted (or, with false, not granted: refused, withdrawn, pending, never asked).
    #[graphql(default = true)]
    #[serde(default = "yes")]
    pub granted: bool,
    /// Instead of `granted`: said no, when asked or since.
    #[graphql(default)]
    #[serde(default)]
    pub refused: bool,
}

const fn yes() -> bool {
    true
}

/// A condition on a custom field. All that is given has to hold; what can be given depends on the type of the field.
#[derive(InputObject, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct CustomCondition {
    /// The key of the field, e.g. `sport_type`.
    pub key: String,
    /// For TEXT, SELECT and URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<TextCondition>,
    /// For NUMBER.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<NumberRange>,
    /// For BOOLEAN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boolean: Option<bool>,
    /// For DATE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<DayRange>,
    /// For DATE_TIME.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date_time: Option<MomentRange>,
    /// For MULTI_SELECT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<ListCondition>,
    /// For any type: there is a value at all (or, with false, there is none).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_set: Option<bool>,
}

/// How scores are read: the rate of decay and where grades and temperatures begin.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreScale {
    /// Points a day.
    pub rate: f64,
    /// From which current score on each grade is given, highest first; the last grade has no lower end.
    pub grades: Vec<(Grade, f64)>,
    /// The same for temperatures.
    pub temperatures: Vec<(Temperature, f64)>,
}

impl Default for ScoreScale {
    /// The defaults of the product (spec, section 4).
    fn default() -> Self {
        Self {
            rate: 0.1,
            grades: vec![
                (Grade::APlus, 90.0),
                (Grade::A, 80.0),
                (Grade::BPlus, 70.0),
                (Grade::B, 60.0),
                (Grade::CPlus, 50.0),
                (Grade::C, 40.0),
                (Grade::D, f64::NEG_INFINITY),
            ],
            temperatures: vec![
                (Temperature::Hot, 75.0),
                (Temperature::Warm, 50.0),
                (Temperature::Cold, f64::NEG_INFINITY),
            ],
        }
    }
}

impl ScoreScale {
    /// The decay key from which on a lead has at least a current score at a moment.
    #[must_use]
    pub fn threshold(&self, score: f64, now: Timestamp) -> f64 {
        score + self.rate * now.days()
    }
}

/// What a filter is read with.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The moment that "now" means.
    pub now: Timestamp,
    /// How scores are read.
    pub scale: ScoreScale,
}

/// Why a filter cannot be used; says where, as a dotted path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct FilterError {
    /// Where, e.g. `filter.and.0.custom`.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl LeadFilter {
    /// Whether a condition of the tree reads scores, so that it needs their scale.
    #[must_use]
    pub fn reads_scores(&self) -> bool {
        let within = |trees: &Option<Vec<Self>>| trees.iter().flatten().any(Self::reads_scores);
        self.score.is_some()
            || self.grade.is_some()
            || self.temperature.is_some()
            || within(&self.and)
            || within(&self.or)
            || self.not.as_deref().is_some_and(Self::reads_scores)
    }

    /// Checks a tree: its limits, its texts, its custom fields.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, definitions: &Definitions) -> Result<(), FilterError> {
        let mut count = 0;
        self.check_at("filter", 1, &mut count, definitions)
    }

    fn check_at(
        &self,
        path: &str,
        depth: usize,
        count: &mut usize,
        definitions: &Definitions,
    ) -> Result<(), FilterError> {
        let fault = |message: String| {
            Err(FilterError {
                path: path.to_owned(),
                message,
            })
        };
        if depth > MOST_DEPTH {
            return fault(format!(
                "the filter is nested too deeply: the most is {MOST_DEPTH} levels"
            ));
        }
        *count += self.conditions();
        if *count > MOST_CONDITIONS {
            return fault(format!(
                "the filter has too many conditions: the most is {MOST_CONDITIONS}"
            ));
        }
        for (name, condition) in self.texts() {
            condition.check(&format!("{path}.{name}"))?;
        }
        for (name, condition) in [("interests", &self.interests), ("tags", &self.tags)] {
            if let Some(condition) = condition {
                condition.check(&format!("{path}.{name}"))?;
            }
        }
        for (name, range) in [
            ("stageSince", &self.stage_since),
            ("lastActivityAt", &self.last_activity_at),
            ("createdAt", &self.created_at),
            ("updatedAt", &self.updated_at),
        ] {
            if let Some(range) = range {
                range.check(&format!("{path}.{name}"))?;
            }
        }
        if self.ids.as_ref().is_some_and(|ids| ids.len() > MOST_VALUES) {
            return fault(format!("`ids` has too many values: the most is {MOST_VALUES}"));
        }
        if let Some(condition) = &self.deal_value
            && let Err(error) = condition.currency_code.parse::<Currency>()
        {
            return fault(error.to_string());
        }
        for (n, condition) in self.custom.iter().flatten().enumerate() {
            condition.check(&format!("{path}.custom.{n}"), definitions)?;
        }
        for (name, branches) in [("and", &self.and), ("or", &self.or)] {
            for (n, branch) in branches.iter().flatten().enumerate() {
                branch.check_at(&format!("{path}.{name}.{n}"), depth + 1, count, definitions)?;
            }
        }
        match &self.not {
            Some(inner) => inner.check_at(&format!("{path}.not"), depth + 1, count, definitions),
            None => Ok(()),
        }
    }

    /// How many conditions this level has.
    fn conditions(&self) -> usize {
        let others = [
            self.ids.is_some(),
            self.interests.is_some(),
            self.tags.is_some(),
            self.stage.is_some(),
            self.stage_since.is_some(),
            self.score.is_some(),
            self.grade.is_some(),
            self.temperature.is_some(),
            self.deal_value.is_some(),
            self.expected_close_date.is_some(),
            self.last_activity_at.is_some(),
            self.created_at.is_some(),
            self.updated_at.is_some(),
        ];
        // A branch counts itself, so that a wide tree of empty branches is bounded too.
        let branches = [&self.and, &self.or]
            .into_iter()
            .flatten()
            .map(Vec::len)
            .sum::<usize>();
        self.texts().count()
            + others.into_iter().filter(|given| *given).count()
            + self.consents.as_ref().map_or(0, Vec::len)
            + self.custom.as_ref().map_or(0, Vec::len)
            + branches
            + usize::from(self.not.is_some())
    }

    /// The conditions on texts that are given, with their names.
    fn texts(&self) -> impl Iterator<Item = (&'static str, &TextCondition)> {
        [
            ("email", &self.email),
            ("phone", &self.phone),
            ("firstName", &self.first_name),
            ("lastName", &self.last_name),
            ("companyName", &self.company_name),
            ("jobTitle", &self.job_title),
            ("website", &self.website),
            ("city", &self.city),
            ("region", &self.region),
            ("postalCode", &self.postal_code),
            ("country", &self.country),
            ("timeZone", &self.time_zone),
            ("language", &self.language),
            ("customerType", &self.customer_type),
            ("source", &self.source),
            ("dealStage", &self.deal_stage),
            ("ownerEmail", &self.owner_email),
        ]
        .into_iter()
        .filter_map(|(name, condition)| Some((name, condition.as_ref()?)))
    }
}

impl TextCondition {
    fn check(&self, path: &str) -> Result<(), FilterError> {
        let texts = [&self.eq, &self.contains, &self.starts_with];
        values(path, texts.into_iter().flatten())?;
        values(path, self.one_of.iter().flatten())
    }
}

impl ListCondition {
    fn check(&self, path: &str) -> Result<(), FilterError> {
        for list in [&self.any, &self.all, &self.none] {
            values(path, list.iter().flatten())?;
        }
        // Each of `all` is a condition of its own.
        if self.all.as_ref().is_some_and(|all| all.len() > MOST_CONDITIONS) {
            return Err(FilterError {
                path: path.to_owned(),
                message: format!("`all` has too many values: the most is {MOST_CONDITIONS}"),
            });
        }
        Ok(())
    }
}

impl MomentRange {
    fn check(&self, path: &str) -> Result<(), FilterError> {
        for days in [self.within_days, self.older_than_days].into_iter().flatten() {
            if !(1..=36_500).contains(&days) {
                return Err(FilterError {
                    path: path.to_owned(),
                    message: format!("{days} days; it has to be from 1 to 36,500"),
                });
            }
        }
        Ok(())
    }
}

impl CustomCondition {
    fn check(&self, path: &str, definitions: &Definitions) -> Result<(), FilterError> {
        let fault = |message: String| {
            Err(FilterError {
                path: path.to_owned(),
                message,
            })
        };
        let Some(field) = definitions.get(&self.key) else {
            return fault(definitions.unknown(&self.key));
        };
        let kind = field.field_type;
        let (fits, name) = match kind {
            CustomFieldType::Text | CustomFieldType::Select | CustomFieldType::Url => {
                (self.text.is_some(), "text")
            }
            CustomFieldType::Number => (self.number.is_some(), "number"),
            CustomFieldType::Boolean => (self.boolean.is_some(), "boolean"),
            CustomFieldType::Date => (self.date.is_some(), "date"),
            CustomFieldType::DateTime => (self.date_time.is_some(), "dateTime"),
            CustomFieldType::MultiSelect => (self.options.is_some(), "options"),
        };
        let given = [
            self.text.is_some(),
            self.number.is_some(),
            self.boolean.is_some(),
            self.date.is_some(),
            self.date_time.is_some(),
            self.options.is_some(),
        ];
        let given = given.into_iter().filter(|given| *given).count();
        if given != usize::from(fits) || (given == 0 && self.is_set.is_none()) {
            return fault(format!(
                "the custom field `{}` is of type {kind}: give `{name}` or `isSet`",
                self.key
            ));
        }
        if let Some(text) = &self.text {
            text.check(path)?;
        }
        if let Some(range) = &self.date_time {
            range.check(path)?;
        }
        match &self.options {
            Some(options) => options.check(path),
            None => Ok(()),
        }
    }
}

impl DealValueCondition {
    /// A bound in minor units, rounded outwards by `up`.
    pub(super) fn minor(&self, amount: f64, up: bool) -> i64 {
        let exponent = self
            .currency_code
            .parse::<Currency>()
            .map_or(2, Currency::exponent);
        let scaled = Decimal::try_from(amount)
            .ok()
            .and_then(|amount| amount.checked_mul(Decimal::from(10_i64.pow(exponent))));
        let rounded = scaled.map(|scaled| if up { scaled.ceil() } else { scaled.floor() });
        rounded
            .and_then(|rounded| i64::try_from(rounded).ok())
            .unwrap_or(if amount > 0.0 { i64::MAX } else { i64::MIN })
    }
}

fn values<'a>(path: &str, texts: impl Iterator<Item = &'a String>) -> Result<(), FilterError> {
    let fault = |message: String| {
        Err(FilterError {
            path: path.to_owned(),
            message,
        })
    };
    for (n, text) in texts.enumerate() {
        if n >= MOST_VALUES {
            return fault(format!("too many values: the most is {MOST_VALUES}"));
        }
        if text.contains('\0') {
            return fault("a text has a NUL character in it".to_owned());
        }
        if text.chars().nth(MOST_TEXT).is_some() {
            return fault(format!("a text is too long: the most is {MOST_TEXT} characters"));
        }
    }
    Ok(())
}
