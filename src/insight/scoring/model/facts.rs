//! Everything a score needs to know of a lead.
//!
//! The facts do not depend on the model (one custom field's name apart), so that another model rescores a lead
//! without looking at its engagements again. Each part is a sum, a maximum or a set: the order in which engagements
//! arrive leaves no trace.

use entity::{Day, EngagementType, Stage, Timestamp, time::DAY_MICROS};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::insight::engagement::is_inbound;

/// For how many days single events are kept: the longest window a model may choose.
pub const RECENT_DAYS: u32 = 30;
/// How many events of each type are kept at most: the newest. More than these do not raise intent.
pub const RECENT_PER_TYPE: usize = 100;

/// Whether a model may count the type as one of high intent: inbound, and neither open, click nor page view.
#[must_use]
pub const fn is_intent_candidate(kind: EngagementType) -> bool {
    use EngagementType as T;
    is_inbound(kind)
        && !matches!(
            kind,
            T::EmailOpened | T::EmailClicked | T::LinkClicked | T::AdClicked | T::PageViewed
        )
}

/// A field of a lead whose presence counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "the fields by name")]
pub enum Field {
    Email,
    FirstName,
    LastName,
    Phone,
    /// Any part of the address: country, region or city.
    Location,
    CustomerType,
    /// The custom field the model names.
    PrimaryInterest,
    /// At least one.
    Interests,
}

/// Which fields are filled in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fields(u16);

impl Fields {
    /// None but the given ones.
    #[must_use]
    pub fn of(fields: &[Field]) -> Self {
        let mut set = Self::default();
        for field in fields {
            set.set(*field, true);
        }
        set
    }

    /// Whether the field is filled in.
    #[must_use]
    pub const fn has(self, field: Field) -> bool {
        self.0 >> field as u8 & 1 == 1
    }

    /// Marks the field as filled in or empty.
    pub const fn set(&mut self, field: Field, present: bool) {
        let bit = 1 << field as u8;
        if present { self.0 |= bit } else { self.0 &= !bit }
    }
}

/// How often each type happened, in thousandths by human confidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WeightedCounts([i64; 27]);

impl WeightedCounts {
    /// Thousandths of one type.
    #[must_use]
    pub const fn get(&self, kind: EngagementType) -> i64 {
        self.0[kind.index()]
    }

    /// Adds thousandths to one type, or takes them away.
    pub const fn add(&mut self, kind: EngagementType, thousandths: i64) {
        self.0[kind.index()] += thousandths;
    }

    /// In the order of the vocabulary.
    #[must_use]
    pub const fn as_array(&self) -> &[i64; 27] {
        &self.0
    }
}

/// Which of the last 64 UTC days, up to the newest active one, were active.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecentDays {
    newest: Day,
    /// Bit n: the day n days before the newest.
    days: u64,
}

impl RecentDays {
    /// Marks a day as active.
    pub const fn insert(&mut self, day: Day) {
        if self.days == 0 {
            *self = Self { newest: day, days: 1 };
            return;
        }
        let ahead = day.0 as i64 - self.newest.0 as i64;
        if ahead > 0 {
            self.days = if ahead < 64 { self.days << ahead } else { 0 } | 1;
            self.newest = day;
        } else if ahead > -64 {
            self.days |= 1 << -ahead;
        }
    }

    /// How many days from the given one on were active, and the first of them.
    #[must_use]
    pub const fn since(&self, first: Day) -> (u32, Option<Day>) {
        let span = self.newest.0 as i64 - first.0 as i64;
        if span < 0 || self.days == 0 {
            return (0, None);
        }
        let days = if span >= 63 {
            self.days
        } else {
            self.days & ((1 << (span + 1)) - 1)
        };
        if days == 0 {
            return (0, None);
        }
        #[expect(clippy::cast_possible_wrap, reason = "below 64")]
        let back = (63 - days.leading_zeros()) as i32;
        (days.count_ones(), Some(Day(self.newest.0 - back)))
    }
}

/// Everything a score needs to know of a lead.
///
/// Its JSON form is compact (short keys, types by their place in the vocabulary) and meant for storage as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoreFacts {
    /// Which fields are filled in.
    #[serde(rename = "f", default)]
    pub fields: Fields,
    /// ISO 3166-1 alpha-2.
    #[serde(rename = "lc", default, skip_serializing_if = "Option::is_none")]
    pub country: Option<Box<str>>,
    /// State, province or region.
    #[serde(rename = "lr", default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Box<str>>,
    /// City.
    #[serde(rename = "lt", default, skip_serializing_if = "Option::is_none")]
    pub city: Option<Box<str>>,
    /// What kind of customer.
    #[serde(rename = "ct", default, skip_serializing_if = "Option::is_none")]
    pub customer_type: Option<Box<str>>,
    /// Where the lead came from.
    #[serde(rename = "so", default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Box<str>>,
    /// Current stage.
    #[serde(rename = "st", with = "stage_code")]
    pub stage: Stage,
    /// Consent to marketing by e-mail is granted.
    #[serde(rename = "ce", default, skip_serializing_if = "is_false")]
    pub email_consent: bool,
    /// Consent to marketing by SMS is granted.
    #[serde(rename = "cs", default, skip_serializing_if = "is_false")]
    pub sms_consent: bool,
    /// When the lead became known.
    #[serde(rename = "at", with = "micros")]
    pub created_at: Timestamp,
    /// The lead's last inbound engagement.
    #[serde(
        rename = "in",
        default,
        with = "optional_micros",
        skip_serializing_if = "Option::is_none"
    )]
    pub last_inbound_at: Option<Timestamp>,
    /// Inbound engagements over the lead's life, by type, in thousandths by human confidence.
    #[serde(rename = "n", default)]
    pub counts: WeightedCounts,
    /// UTC days with an inbound engagement.
    #[serde(rename = "d", default)]
    pub active_days: RecentDays,
    /// Recent events that a model may count as high intent, newest first; ties by type.
    #[serde(
        rename = "r",
        default,
        with = "recent_pairs",
        skip_serializing_if = "Vec::is_empty"
    )]
    recent: Vec<(EngagementType, Timestamp)>,
}

impl ScoreFacts {
    /// The facts of a lead of which nothing is known but since when it is.
    #[must_use]
    pub fn new(created_at: Timestamp) -> Self {
        Self {
            fields: Fields::default(),
            country: None,
            region: None,
            city: None,
            customer_type: None,
            source: None,
            stage: Stage::New,
            email_consent: false,
            sms_consent: false,
            created_at,
            last_inbound_at: None,
            counts: WeightedCounts::default(),
            active_days: RecentDays::default(),
            recent: Vec::new(),
        }
    }

    /// Takes an engagement in, with its human confidence in thousandths. What is not inbound leaves no trace.
    ///
    /// Confidence weighs the event's points alone; any open or click, whoever made it, is a contact and makes an
    /// active day, as nothing but the points and the touch point's weight are said to depend on it.
    pub fn observe(&mut self, kind: EngagementType, occurred_at: Timestamp, confidence: i32) {
        if !is_inbound(kind) {
            return;
        }
        self.last_inbound_at = self.last_inbound_at.max(Some(occurred_at));
        self.counts.add(kind, confidence.into());
        self.active_days.insert(occurred_at.day());
        if is_intent_candidate(kind) {
            let key = |(kind, at): &(EngagementType, Timestamp)| (std::cmp::Reverse(*at), kind.index());
            let place = self
                .recent
                .partition_point(|other| key(other) <= key(&(kind, occurred_at)));
            self.recent.insert(place, (kind, occurred_at));
            let mut alike = self
                .recent
                .iter()
                .enumerate()
                .filter(|(_, (other, _))| *other == kind);
            if let Some((oldest, _)) = alike.nth(RECENT_PER_TYPE) {
                self.recent.remove(oldest);
            }
        }
    }

    /// Corrects an engagement whose confidence was found to be another one, in thousandths.
    pub fn reweigh(&mut self, kind: EngagementType, from: i32, to: i32) {
        if is_inbound(kind) {
            self.counts.add(kind, i64::from(to) - i64::from(from));
        }
    }

    /// Lets go what no model can count any more at the given moment or later. Do it before storing.
    pub fn trim(&mut self, now: Timestamp) {
        self.recent
            .retain(|(_, at)| now < at.plus_days(RECENT_DAYS.into()));
    }

    /// Recent events that a model may count as high intent, newest first.
    #[must_use]
    pub fn recent(&self) -> &[(EngagementType, Timestamp)] {
        &self.recent
    }

    /// From when decay counts: the last inbound engagement, else since the lead is known.
    #[must_use]
    pub fn last_activity(&self) -> Timestamp {
        self.last_inbound_at.unwrap_or(self.created_at)
    }

    /// The compact form for storage.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("facts have no maps and no floats")
    }

    /// Reads the compact form.
    ///
    /// # Errors
    /// Where the text is not facts.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// A type by its place in the vocabulary, to which types are only ever appended.
fn kind_at<E: de::Error>(place: i64) -> Result<EngagementType, E> {
    usize::try_from(place)
        .ok()
        .and_then(|place| EngagementType::ALL.get(place).copied())
        .ok_or_else(|| E::custom(format_args!("no engagement type has the number {place}")))
}

fn place_of(kind: EngagementType) -> i64 {
    i64::try_from(kind.index()).expect("a short list")
}

/// A day is start and end of a pair: the newest day and the bits of those before it.
impl Serialize for RecentDays {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.newest.0, self.days).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RecentDays {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (newest, days) = <(i32, u64)>::deserialize(deserializer)?;
        Ok(Self {
            newest: Day(newest),
            days,
        })
    }
}

/// Pairs of place and number in one flat array.
struct Pairs<F>(F);

impl<'de, F: FnMut(EngagementType, i64)> de::Visitor<'de> for Pairs<F> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of pairs of an engagement type's number and an integer")
    }

    fn visit_seq<A: de::SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        while let Some(place) = items.next_element::<i64>()? {
            let number = items
                .next_element::<i64>()?
                .ok_or_else(|| de::Error::custom("an odd number of items in pairs"))?;
            (self.0)(kind_at(place)?, number);
        }
        Ok(())
    }
}

impl Serialize for WeightedCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let given = EngagementType::ALL
            .iter()
            .zip(self.0)
            .filter(|(_, count)| *count != 0);
        serializer.collect_seq(given.flat_map(|(kind, count)| [place_of(*kind), count]))
    }
}

impl<'de> Deserialize<'de> for WeightedCounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut counts = Self::default();
        deserializer.deserialize_seq(Pairs(|kind, count| counts.add(kind, count)))?;
        Ok(counts)
    }
}

mod recent_pairs {
    use super::{Deserializer, EngagementType, Pairs, Serializer, Timestamp, place_of};

    pub(super) fn serialize<S: Serializer>(
        recent: &[(EngagementType, Timestamp)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(
            recent
                .iter()
                .flat_map(|(kind, at)| [place_of(*kind), at.micros()]),
        )
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(EngagementType, Timestamp)>, D::Error> {
        let mut recent = Vec::new();
        deserializer.deserialize_seq(Pairs(|kind, at| recent.push((kind, Timestamp(at)))))?;
        Ok(recent)
    }
}

mod stage_code {
    use super::{Deserialize, Deserializer, Serialize, Serializer, Stage, de};

    pub(super) fn serialize<S: Serializer>(stage: &Stage, serializer: S) -> Result<S::Ok, S::Error> {
        stage.index().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Stage, D::Error> {
        let place = usize::deserialize(deserializer)?;
        let stage = Stage::ALL.get(place).copied();
        stage.ok_or_else(|| de::Error::custom(format_args!("no stage has the number {place}")))
    }
}

mod micros {
    use super::{Deserialize, Deserializer, Serialize, Serializer, Timestamp};

    pub(super) fn serialize<S: Serializer>(moment: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        moment.micros().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(deserializer).map(Timestamp)
    }
}

mod optional_micros {
    use super::{Deserialize, Deserializer, Serialize, Serializer, Timestamp};

    pub(super) fn serialize<S: Serializer>(
        moment: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        moment.map(Timestamp::micros).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        Option::<i64>::deserialize(deserializer).map(|micros| micros.map(Timestamp))
    }
}

/// The first day that a window of so many UTC days, today included, still holds.
#[must_use]
pub(super) const fn first_day_of(window: u32, now: Timestamp) -> Day {
    // Counted in i64: the day of a far moment may lie near the end of i32.
    let first = now.micros().div_euclid(DAY_MICROS) - window as i64 + 1;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "i64 microseconds span 107 million days"
    )]
    Day(first as i32)
}
