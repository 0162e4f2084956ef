//! What goes on after the reference day: one pulse after another, each a function of seed, number and moment.

use entity::{Channel, EngagementType as T, SourceKind, Timestamp};

use super::dice::Dice;
use super::person::Person;
use super::words;
use super::{DataSet, LIVE, PEOPLE};
use crate::insight::engagement::EngagementDraft;

/// What happens at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Pulse {
    /// How long after the one before, in thousandths of the usual pace.
    pub pause: u32,
    /// What is told.
    pub deeds: Vec<Deed>,
}

/// One thing that is told at once.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// A lead becomes known.
    Came(Box<Person>),
    /// A lead does something.
    Did {
        /// The lead's number.
        n: u64,
        /// What.
        draft: Box<EngagementDraft>,
    },
    /// A lead's field is brought up to date.
    Tended {
        /// The lead's number.
        n: u64,
        /// Who is responsible now.
        owner: &'static str,
        /// The deal's stage and value in minor units of the currency, where there is one.
        deal: Option<(&'static str, i64, &'static str)>,
    },
}

/// A customer's number begins here, beyond all leads of a data set.
const NEWCOMERS: u64 = 1_000_000;

impl DataSet {
    /// Pulse number `k`, at a moment after the reference day.
    #[must_use]
    pub fn pulse(&self, k: u64, now: Timestamp) -> Pulse {
        let mut dice = Dice::of(self.seed, LIVE, k);
        let pause = u32::try_from(dice.below(500, 1_500)).expect("in range");
        // Now and then a newsletter leaves, and many things happen at once.
        if k % 20 == 13 {
            let deeds = (0..dice.below(8, 16)).flat_map(|_| {
                let n = self.any(&mut dice);
                [T::EmailSent, T::EmailDelivered].map(|kind| {
                    self.did(n, kind, now, |draft| {
                        draft.source_kind = Some(SourceKind::Campaign);
                        draft.source_id = Some("live".into());
                        draft.source_name = Some("Today's training tip".into());
                    })
                })
            });
            let deeds = deeds.collect();
            return Pulse { pause, deeds };
        }
        let n = self.any(&mut dice);
        let deeds = match *dice.weighted(DEEDS, |(_, weight)| *weight) {
            (What::Comes, _) => vec![Deed::Came(Box::new(self.newcomer(now)))],
            (What::IsTended, _) => vec![self.tended(&mut dice, n)],
            (What::Buys, _) => self.buys(&mut dice, n, now),
            (What::Does(kind), _) => {
                let (path, title) = *dice.pick(words::PAGES);
                vec![self.did(n, kind, now, |draft| match kind {
                    T::PageViewed => {
                        draft.url = Some(format!("https://www.leadline.example{path}"));
                        draft.title = Some(title.to_owned());
                        draft.user_agent = Some(words::MOBILE_AGENT.to_owned());
                    }
                    T::FormSubmitted => {
                        draft.source_kind = Some(SourceKind::Form);
                        draft.source_id = Some("contact".into());
                        draft.source_name = Some("Contact".into());
                    }
                    _ => {}
                })]
            }
        };
        Pulse { pause, deeds }
    }

    fn any(&self, dice: &mut Dice) -> u64 {
        let last = i64::try_from(self.leads.max(1)).expect("fewer leads than that");
        dice.below(0, last).unsigned_abs()
    }

    fn did(&self, n: u64, kind: T, now: Timestamp, detail: impl FnOnce(&mut EngagementDraft)) -> Deed {
        let mut draft = EngagementDraft::new(kind, now);
        detail(&mut draft);
        let draft = Box::new(draft);
        Deed::Did { n, draft }
    }

    fn buys(&self, dice: &mut Dice, n: u64, now: Timestamp) -> Vec<Deed> {
        let currency = self.person(n).currency;
        let price = dice.below(20, 400) * 100 - 1;
        vec![
            self.did(n, T::CheckoutStarted, now.plus_seconds(-240), |_| {}),
            self.did(n, T::PurchaseMade, now, |draft| {
                draft.channel = Some(Channel::Store);
                draft.revenue_minor = Some(price);
                draft.currency = Some(currency.to_owned());
            }),
        ]
    }

    fn tended(&self, dice: &mut Dice, n: u64) -> Deed {
        let currency = self.person(n).currency;
        let value = dice.below(5, 90) * 10_000;
        let deal = dice.chance(0.3).then_some(("proposal", value, currency));
        let owner = *dice.pick(words::OWNERS);
        Deed::Tended { n, owner, deal }
    }

    /// A lead that becomes known now; one a second at most.
    fn newcomer(&self, now: Timestamp) -> Person {
        let seconds = (now.micros() - self.today.start().micros()).max(0) / 1_000_000;
        let n = NEWCOMERS + seconds.unsigned_abs() % 5_000_000;
        Person::draw(&mut Dice::of(self.seed, PEOPLE, n), n, now)
    }
}

#[derive(Clone, Copy)]
enum What {
    Comes,
    IsTended,
    Buys,
    Does(T),
}

/// How often what happens.
const DEEDS: &[(What, f64)] = &[
    (What::Comes, 14.0),
    (What::IsTended, 10.0),
    (What::Buys, 5.0),
    (What::Does(T::PageViewed), 28.0),
    (What::Does(T::EmailOpened), 14.0),
    (What::Does(T::EmailClicked), 8.0),
    (What::Does(T::EmailReplied), 5.0),
    (What::Does(T::FormSubmitted), 5.0),
    (What::Does(T::ContentDownloaded), 4.0),
    (What::Does(T::MeetingScheduled), 3.0),
    (What::Does(T::AdClicked), 4.0),
];

#[cfg(test)]
mod tests {
    use super::*;
    use entity::Day;

    #[test]
    fn pulses_are_valid_and_the_same_for_the_same_moment() {
        let set = DataSet {
            seed: 1,
            leads: 50,
            today: Day(20_000),
        };
        let now = Timestamp(set.today.start().micros() + 5_000_000);
        let (mut came, mut tended, mut bought, mut many) = (0, 0, 0, 0);
        for k in 0..1_000 {
            let pulse = set.pulse(k, now);
            assert_eq!(pulse, set.pulse(k, now));
            assert!((500..1_500).contains(&pulse.pause) && !pulse.deeds.is_empty());
            many += usize::from(pulse.deeds.len() > 4);
            for deed in pulse.deeds {
                match deed {
                    Deed::Came(person) => {
                        came += 1;
                        assert_eq!(person.created_at, now);
                    }
                    Deed::Tended { .. } => tended += 1,
                    Deed::Did { n, draft } => {
                        assert!(n < 50);
                        assert_eq!(draft.problems(now), []);
                        bought += usize::from(draft.kind == T::PurchaseMade);
                    }
                }
            }
        }
        assert!(
            came > 80 && tended > 60 && bought > 10 && many == 50,
            "{came} {tended} {bought} {many}"
        );
    }
}
