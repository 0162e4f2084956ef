//! What trails add to the sums of their days.

use std::collections::{BTreeMap, btree_map::Entry};

use entity::{AttributionDimension, AttributionModel, ConversionKind, Day};

use super::{
    money::split,
    named::NamedPaths,
    paths::Outcome,
    settings::AttributionSettings,
    trail::{End, Trail},
};
use crate::insight::calendar::{first_of_month, month_of};

/// The parts that a conversion's credit is counted in, so that sums are exact in any order.
pub const PARTS: i64 = 1_000_000_000;

/// The models whose credit for one conversion depends on nothing else.
pub const RULES: [AttributionModel; 6] = [
    AttributionModel::FirstTouch,
    AttributionModel::LastTouch,
    AttributionModel::Linear,
    AttributionModel::TimeDecay,
    AttributionModel::UShaped,
    AttributionModel::WShaped,
];

/// Where a credit is summed up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CreditKey {
    /// By which model.
    pub model: AttributionModel,
    /// By what.
    pub dimension: AttributionDimension,
    /// The UTC day of the conversion.
    pub day: Day,
    /// For what.
    pub kind: ConversionKind,
    /// Of that, which; empty where it is not known.
    pub name: String,
}

/// How much of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Credit {
    /// Conversions, in [`PARTS`].
    pub parts: i64,
    /// Money, in minor units.
    pub minor: i64,
}

/// Conversions of a day, however many touches they had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// How many.
    pub conversions: i64,
    /// What they are worth, in minor units.
    pub minor: i64,
    /// Of them, those without a value in the currency of the reports.
    pub unvalued: i64,
    /// Of them, those that no touch led to.
    pub untouched: i64,
    /// What those are worth.
    pub untouched_minor: i64,
}

/// Which sums are made of trails.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The credits of these of the [`RULES`].
    pub models: &'a [AttributionModel],
    /// By these.
    pub dimensions: &'a [AttributionDimension],
    /// What models need that look at all journeys.
    pub paths: bool,
    /// All as of this day, where it does not matter of which it is.
    pub day: Option<Day>,
}

impl Wanted<'_> {
    /// All that are kept.
    pub const ALL: Self = Self {
        models: &RULES,
        dimensions: AttributionDimension::ALL,
        paths: true,
        day: None,
    };
}

/// A sum of journeys is for what they ended in; `None` for those that no conversion has ended.
pub type EndedIn = Option<ConversionKind>;

/// Sums by day, or by month. A commutative group: what was added can be taken back, and neither order nor batches matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// The credits of rules.
    pub credits: BTreeMap<CreditKey, Credit>,
    /// What the other models need.
    pub paths: BTreeMap<(AttributionDimension, Day, EndedIn), NamedPaths>,
    /// Conversions.
    pub totals: BTreeMap<(Day, ConversionKind), Total>,
}

impl Sums {
    /// Adds a trail so many times: 1, or −1 to take it back.
    pub fn add(&mut self, trail: &Trail, times: i64, settings: &AttributionSettings) {
        self.add_wanted(Wanted::ALL, trail, times, settings);
    }

    /// The same to some of the sums.
    pub fn add_wanted(
        &mut self,
        wanted: Wanted<'_>,
        trail: &Trail,
        times: i64,
        settings: &AttributionSettings,
    ) {
        let (outcome, ended_in) = match trail.end {
            End::Converted { kind, value, .. } => {
                self.add_conversion(wanted, trail, (kind, value), times, settings);
                (Outcome::conversion(value.unwrap_or_default()), Some(kind))
            }
            End::Lost => (Outcome::loss(), None),
        };
        if !wanted.paths {
            return;
        }
        let day = wanted.day.unwrap_or_else(|| trail.at.day());
        let outcome = if times < 0 { -outcome } else { outcome };
        for dimension in wanted.dimensions {
            let likely = trail.touches.iter().filter(|touch| touch.is_likely());
            let names: Vec<&str> = likely.map(|touch| touch.name(*dimension)).collect();
            if names.is_empty() {
                continue;
            }
            match self.paths.entry((*dimension, day, ended_in)) {
                Entry::Vacant(place) => place.insert(NamedPaths::default()).add(&names, outcome),
                Entry::Occupied(mut place) => {
                    place.get_mut().add(&names, outcome);
                    if place.get().is_empty() {
                        place.remove();
                    }
                }
            }
        }
    }

    /// The same by month: what was of a day is of the first day of its month.
    #[must_use]
    pub fn by_month(&self) -> Self {
        let month = |day: Day| first_of_month(month_of(day));
        let mut months = Self::default();
        for (key, credit) in &self.credits {
            let key = CreditKey {
                day: month(key.day),
                ..key.clone()
            };
            months.credit(key, *credit);
        }
        for ((dimension, day, ended_in), paths) in &self.paths {
            months.add_paths((*dimension, month(*day), *ended_in), paths.clone());
        }
        for ((day, kind), total) in &self.totals {
            months.add_total((month(*day), *kind), *total);
        }
        months
    }

    /// Adds other sums.
    pub fn merge(&mut self, other: Self) {
        for (key, credit) in other.credits {
            self.credit(key, credit);
        }
        for (key, paths) in other.paths {
            self.add_paths(key, paths);
        }
        for (key, total) in other.totals {
            self.add_total(key, total);
        }
    }

    fn add_paths(&mut self, key: (AttributionDimension, Day, EndedIn), paths: NamedPaths) {
        match self.paths.entry(key) {
            Entry::Vacant(place) => {
                place.insert(paths);
            }
            Entry::Occupied(mut place) => {
                place.get_mut().merge(paths);
                if place.get().is_empty() {
                    place.remove();
                }
            }
        }
    }

    fn add_total(&mut self, key: (Day, ConversionKind), more: Total) {
        let total = self.totals.entry(key).or_default();
        total.conversions += more.conversions;
        total.minor += more.minor;
        total.unvalued += more.unvalued;
        total.untouched += more.untouched;
        total.untouched_minor += more.untouched_minor;
        if *total == Total::default() {
            self.totals.remove(&key);
        }
    }

    fn add_conversion(
        &mut self,
        wanted: Wanted<'_>,
        trail: &Trail,
        (kind, value): (ConversionKind, Option<i64>),
        times: i64,
        settings: &AttributionSettings,
    ) {
        let day = wanted.day.unwrap_or_else(|| trail.at.day());
        let minor = value.unwrap_or_default();
        let is_untouched = trail.touches.is_empty();
        let total = Total {
            conversions: times,
            minor: times * minor,
            unvalued: times * i64::from(value.is_none()),
            untouched: times * i64::from(is_untouched),
            untouched_minor: times * if is_untouched { minor } else { 0 },
        };
        self.add_total((day, kind), total);
        for model in wanted.models {
            let Some(credits) = trail.credits(*model, settings) else {
                continue;
            };
            let (parts, money) = (split(PARTS, &credits), split(minor, &credits));
            for dimension in wanted.dimensions {
                for ((touch, parts), minor) in trail.touches.iter().zip(&parts).zip(&money) {
                    if *parts == 0 && *minor == 0 {
                        continue;
                    }
                    let key = CreditKey {
                        model: *model,
                        dimension: *dimension,
                        day,
                        kind,
                        name: touch.name(*dimension).to_owned(),
                    };
                    let credit = Credit {
                        parts: times * parts,
                        minor: times * minor,
                    };
                    self.credit(key, credit);
                }
            }
        }
    }

    fn credit(&mut self, key: CreditKey, credit: Credit) {
        let place = self.credits.entry(key);
        match place {
            Entry::Vacant(place) => {
                place.insert(credit);
            }
            Entry::Occupied(mut place) => {
                let sum = place.get_mut();
                sum.parts += credit.parts;
                sum.minor += credit.minor;
                if *sum == Credit::default() {
                    place.remove();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use entity::{Channel, Timestamp, time::DAY_MICROS};
    use proptest::prelude::*;

    use super::super::trail::tests::touch;
    use super::*;

    fn trail(day: i64, channels: &[Channel], value: Option<i64>) -> Trail {
        let touches: Vec<_> = (0_u64..)
            .zip(channels)
            .map(|(n, channel)| touch(n, day - 1, *channel))
            .collect();
        let end = End::Converted {
            kind: ConversionKind::Purchase,
            value,
            opportunity_at: None,
        };
        Trail::of_conversion(
            Timestamp(day * DAY_MICROS),
            end,
            &touches,
            &AttributionSettings::default(),
        )
    }

    #[test]
    fn thirds_add_up_to_the_value() {
        let settings = AttributionSettings::default();
        let mut sums = Sums::default();
        sums.add(
            &trail(10, &[Channel::Email, Channel::Ads, Channel::Email], Some(100)),
            1,
            &settings,
        );
        sums.add(&trail(10, &[], Some(50)), 1, &settings);
        sums.add(&trail(10, &[], None), 1, &settings);
        let of = |model, name: &str| {
            let key = CreditKey {
                model,
                dimension: AttributionDimension::Channel,
                day: Day(10),
                kind: ConversionKind::Purchase,
                name: name.to_owned(),
            };
            sums.credits.get(&key).map(|credit| (credit.parts, credit.minor))
        };
        assert_eq!(of(AttributionModel::Linear, "EMAIL"), Some((666_666_667, 67)));
        assert_eq!(of(AttributionModel::Linear, "ADS"), Some((333_333_333, 33)));
        assert_eq!(of(AttributionModel::FirstTouch, "EMAIL"), Some((PARTS, 100)));
        assert_eq!(of(AttributionModel::FirstTouch, "ADS"), None);
        let total = Total {
            conversions: 3,
            minor: 150,
            unvalued: 1,
            untouched: 2,
            untouched_minor: 50,
        };
        assert_eq!(
            sums.totals,
            BTreeMap::from([((Day(10), ConversionKind::Purchase), total)])
        );
    }

    #[test]
    fn a_scanner_weighs_little_and_is_on_no_path() {
        let settings = AttributionSettings::default();
        let mut one = trail(10, &[Channel::Email, Channel::Web], Some(100));
        one.touches[0].confidence_milli = 100;
        let linear = one.credits(AttributionModel::Linear, &settings).unwrap();
        assert!((linear[0] - 0.1 / 1.1).abs() < 1e-12, "{linear:?}");
        let mut sums = Sums::default();
        sums.add(&one, 1, &settings);
        let path = &sums.paths[&(
            AttributionDimension::Channel,
            Day(10),
            Some(ConversionKind::Purchase),
        )];
        assert_eq!(path.numbered().names, [Some("WEB".to_owned())]);
    }

    #[test]
    fn the_purchase_itself_did_not_lead_to_it() {
        let settings = AttributionSettings::default();
        let mut touches = vec![
            touch(1, 3, Channel::Email),
            touch(2, 5, Channel::Store),
            touch(3, 6, Channel::Web),
        ];
        touches[1].kind = entity::EngagementType::PurchaseMade;
        let end = End::Converted {
            kind: ConversionKind::Purchase,
            value: None,
            opportunity_at: None,
        };
        let channels = |trail: &Trail| {
            trail
                .touches
                .iter()
                .map(|touch| touch.channel)
                .collect::<Vec<_>>()
        };
        let at = Timestamp(5 * DAY_MICROS);
        assert_eq!(
            channels(&Trail::of_conversion(at, end, &touches, &settings)),
            [Channel::Email]
        );
        // It may lead to another one.
        let later = Timestamp(5 * DAY_MICROS + 1);
        assert_eq!(
            channels(&Trail::of_conversion(later, end, &touches, &settings)),
            [Channel::Email, Channel::Store]
        );
        // The window is closed at both ends.
        let short = AttributionSettings {
            window_days: 2,
            ..settings.clone()
        };
        assert_eq!(
            channels(&Trail::of_conversion(at, end, &touches, &short)),
            [Channel::Email]
        );
        let later = Timestamp(5 * DAY_MICROS + 1);
        assert_eq!(
            channels(&Trail::of_conversion(later, end, &touches, &short)),
            [Channel::Store]
        );
        let open = Trail::open(Some(at), &touches, &settings).unwrap();
        assert_eq!((channels(&open), open.end), (vec![Channel::Web], End::Lost));
        assert_eq!(
            Trail::open(Some(Timestamp(6 * DAY_MICROS)), &touches, &settings),
            None
        );
        assert_eq!(Trail::open(None, &[], &settings), None);
    }

    fn any_trail() -> impl Strategy<Value = Trail> {
        let channel = prop::sample::select(&[Channel::Email, Channel::Ads, Channel::Web, Channel::Voice]);
        let channels = prop::collection::vec(channel, 0..6);
        (1_i64..5, channels, prop::option::of(0_i64..10_000))
            .prop_map(|(day, channels, value)| trail(day, &channels, value))
    }

    proptest! {
        #[test]
        fn all_credit_is_given_and_can_be_taken_back(trails in prop::collection::vec(any_trail(), 0..12)) {
            let settings = AttributionSettings::default();
            let mut sums = Sums::default();
            for trail in &trails {
                sums.add(trail, 1, &settings);
            }
            for model in RULES {
                for dimension in AttributionDimension::ALL {
                    let credits = sums.credits.iter().filter(|(key, _)| key.model == model && key.dimension == *dimension);
                    let (parts, minor) = credits.fold((0, 0), |sum, (_, credit)| (sum.0 + credit.parts, sum.1 + credit.minor));
                    let total = |of: fn(&Total) -> i64| sums.totals.values().map(of).sum::<i64>();
                    prop_assert_eq!(parts, PARTS * total(|total| total.conversions - total.untouched));
                    prop_assert_eq!(minor, total(|total| total.minor - total.untouched_minor));
                }
            }
            for trail in trails.iter().rev() {
                sums.add(trail, -1, &settings);
            }
            prop_assert_eq!(sums, Sums::default());
        }
    }
}
