//! What a lead does, and what is done about it.

use super::arc::{Arc, Outcome};
use super::dice::Dice;
use super::mail::{Mail, NEWSLETTERS, WELCOME};
use super::person::Person;
use super::{NAMESPACE, words};
use crate::insight::engagement::EngagementDraft;
use entity::{
    Channel, ConsentChannel, ConsentPurpose, ConsentState, ConversionKind, Day, Device, EngagementType as T,
    SourceKind, Stage, Timestamp,
};

pub(super) const MINUTE: i64 = 60;
pub(super) const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

/// One thing that Leadline is told of a lead.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// When Leadline learns of it: not before it happened, and some things late.
    pub arrives_at: Timestamp,
    /// What.
    pub what: What,
}

/// What Leadline is told.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// An engagement.
    Engaged(Box<EngagementDraft>),
    /// A conversion.
    Converted {
        /// Its kind.
        kind: ConversionKind,
        /// Its value in minor units of the lead's currency; none where it has none of its own.
        value_minor: Option<i64>,
        /// When.
        at: Timestamp,
        /// The same key twice is one conversion.
        dedupe_key: String,
    },
    /// The deal is opened or goes on.
    Dealt {
        /// Stage of the deal.
        stage: &'static str,
        /// Value in minor units of the lead's currency.
        value_minor: i64,
        /// When it is expected to close.
        expected_close: Day,
    },
    /// A person moves the lead.
    Moved {
        /// To which stage.
        to: Stage,
        /// Why.
        reason: &'static str,
    },
    /// A consent is given, refused or withdrawn.
    Consented {
        /// For which channel.
        channel: ConsentChannel,
        /// For what.
        purpose: ConsentPurpose,
        /// Given or not.
        state: ConsentState,
        /// When.
        at: Timestamp,
        /// Where it was said.
        source: &'static str,
        /// The text that was agreed to.
        wording: &'static str,
        /// From which address.
        ip: String,
        /// With which browser.
        user_agent: &'static str,
    },
    /// A note is written.
    Noted {
        /// Its text.
        body: String,
        /// Shown first.
        pinned: bool,
    },
    /// A tag is put on.
    Tagged {
        /// Its name.
        tag: &'static str,
    },
}

/// Writes the story of one lead.
pub(super) struct Teller<'a> {
    pub(super) dice: Dice,
    pub(super) person: &'a Person,
    pub(super) n: u64,
    /// Up to where stories are told.
    pub(super) end: Timestamp,
    arc: Arc,
    /// Engagements so far, for their keys.
    told: u32,
    /// Messages so far.
    messages: u32,
    /// When the lead left the mailing list.
    pub(super) unsubscribed: Option<Timestamp>,
    pub(super) email_consent: bool,
    steps: Vec<Step>,
}

impl<'a> Teller<'a> {
    pub(super) fn new(dice: Dice, person: &'a Person, n: u64, end: Timestamp) -> Self {
        Self {
            dice,
            person,
            n,
            end,
            arc: Arc::default(),
            told: 0,
            messages: 0,
            unsubscribed: None,
            email_consent: false,
            steps: Vec::new(),
        }
    }

    /// The whole story, in the order in which Leadline learns of it.
    pub(super) fn tell(mut self) -> (Outcome, Vec<Step>) {
        let age = (self.end.micros() - self.person.created_at.micros()) / 1_000_000;
        let outcome = Outcome::draw(&mut self.dice, self.person.promise, age / 86_400);
        self.arc = Arc::draw(&mut self.dice, outcome);
        self.consents();
        self.arrival();
        if outcome != Outcome::Fresh {
            self.mailings();
        }
        // Whom no mailing reaches a person writes to.
        let unreached = outcome != Outcome::Fresh && !self.email_consent && self.person.email.is_some();
        if unreached && self.dice.chance(0.7) {
            let after = self.dice.below(DAY, 6 * DAY);
            self.first_letter(self.person.created_at.plus_seconds(after));
        }
        self.visits();
        self.selling(outcome, age);
        self.notes(outcome);
        // A day's arrivals come as they come; within a moment, as they were told.
        self.steps.sort_by_key(|step| step.arrives_at);
        (outcome, self.steps)
    }

    /// An engagement of the story; nothing where it lies behind its end.
    pub(super) fn engage(&mut self, kind: T, at: Timestamp, detail: impl FnOnce(&mut EngagementDraft)) {
        self.told += 1;
        if at >= self.end || at < self.person.created_at {
            return;
        }
        let mut draft = EngagementDraft::new(kind, at);
        draft.dedupe_key = Some(format!("{NAMESPACE}-{}-{}", self.n, self.told));
        detail(&mut draft);
        // Most are told at once, some an hour or a day late, and so behind what happened after them.
        let late = if self.dice.chance(0.04) {
            self.dice.below(HOUR, 40 * HOUR)
        } else {
            self.dice.below(0, 20)
        };
        let arrives_at = Timestamp(at.plus_seconds(late).micros().min(self.end.micros() - 1));
        let what = What::Engaged(Box::new(draft));
        // Platforms that do not know whether we heard them say it again.
        if self.dice.chance(0.01) {
            let what = what.clone();
            self.step(arrives_at, what);
        }
        self.steps.push(Step { arrives_at, what });
    }

    pub(super) fn step(&mut self, at: Timestamp, what: What) {
        if at < self.end && at >= self.person.created_at {
            self.steps.push(Step { arrives_at: at, what });
        }
    }

    /// Whether the lead may be mailed at a moment.
    pub(super) fn may_mail(&self, at: Timestamp) -> bool {
        self.email_consent && self.unsubscribed.is_none_or(|gone| at < gone)
    }

    /// How near to heart the matter is to the lead at a moment, 0–1.
    pub(super) fn interest(&self, at: Timestamp) -> f64 {
        let day = |from: Timestamp, to: Timestamp| to.days() - from.days();
        self.arc.interest(
            day(self.person.created_at, at),
            day(at, self.end),
            day(self.person.created_at, self.end),
        )
    }

    /// The key of the next message.
    pub(super) fn next_message(&mut self) -> String {
        self.messages += 1;
        format!("{NAMESPACE}-{}-m{}", self.n, self.messages)
    }

    /// What a browser tells of itself and where it is.
    pub(super) fn browse(&mut self, draft: &mut EngagementDraft) {
        let (device, agent) = *self.dice.weighted(
            &[
                (Device::Mobile, words::MOBILE_AGENT),
                (Device::Desktop, words::DESKTOP_AGENT),
                (Device::Tablet, words::TABLET_AGENT),
            ],
            |(device, _)| match device {
                Device::Mobile => 5.0,
                Device::Desktop => 4.0,
                Device::Tablet | Device::Other => 1.0,
            },
        );
        draft.device = Some(device);
        draft.user_agent = Some(agent.to_owned());
        draft.country = Some(self.person.country.to_owned());
        draft.region = self.person.region.map(str::to_owned);
        draft.city = self.person.city.map(str::to_owned);
        draft.ip = Some(self.ip());
    }

    /// An address out of the ranges for documentation, the same for all of a lead's life.
    pub(super) fn ip(&self) -> String {
        match self.n % 5 {
            0 => format!("2001:db8:{:x}::{:x}", self.n / 5 % 65_536, self.n % 251 + 1),
            1 | 2 => format!("203.0.113.{}", self.n / 5 % 254 + 1),
            _ => format!("198.51.100.{}", self.n / 5 % 254 + 1),
        }
    }

    /// A moment of the same day at which the lead is awake: mostly between 7 and 22 o'clock where it lives.
    pub(super) fn awake(&mut self, day: Timestamp) -> Timestamp {
        let hour = *self
            .dice
            .weighted(&[7, 9, 12, 14, 17, 19, 20, 21], |hour| match hour {
                12 | 19 | 20 => 3.0,
                7 | 21 => 1.0,
                _ => 2.0,
            });
        let second = (hour - self.person.utc_offset) * HOUR + self.dice.below(0, HOUR);
        day.day().start().plus_seconds(second.rem_euclid(86_400))
    }

    /// How the lead became known.
    fn arrival(&mut self) {
        let created = self.person.created_at;
        let shortly = created.plus_seconds(self.dice.below(1, 30));
        match self.person.source {
            Some("paid_search" | "ads") => {
                let campaign = self.campaign();
                self.engage(T::AdClicked, shortly, |draft| {
                    draft.source_kind = Some(SourceKind::Integration);
                    draft.source_id = Some("google_ads".into());
                    draft.source_name = campaign;
                });
                self.visit(shortly.plus_seconds(5));
            }
            Some("social") => {
                self.engage(T::SocialInteraction, shortly, |draft| {
                    draft.title = Some("comment on a post".into());
                });
                self.visit(shortly.plus_seconds(40));
            }
            Some("event") => self.engage(T::Custom, shortly, |draft| {
                draft.custom_name = Some("event stand visited".into());
                draft.channel = Some(Channel::InPerson);
            }),
            Some("form") => {
                self.visit(shortly);
                self.form(shortly.plus_seconds(90), "Season planner");
            }
            _ => self.visit(shortly),
        }
    }

    fn campaign(&self) -> Option<String> {
        let detail = &self.person.source_detail;
        let (_, name) = detail.iter().find(|(key, _)| *key == "campaign")?;
        name.as_str().map(str::to_owned)
    }

    pub(super) fn form(&mut self, at: Timestamp, name: &str) {
        let mut seen = EngagementDraft::new(T::FormSubmitted, at);
        self.browse(&mut seen);
        self.engage(T::FormSubmitted, at, |draft| {
            draft.source_kind = Some(SourceKind::Form);
            draft.source_id = Some(name.to_lowercase().replace(' ', "-"));
            draft.source_name = Some(name.to_owned());
            draft.device = seen.device;
            draft.user_agent = seen.user_agent;
            draft.ip = seen.ip;
            draft.country = seen.country;
        });
    }

    /// One look at the website: some pages, now and then a download or a chat.
    pub(super) fn visit(&mut self, at: Timestamp) {
        let mut seen = EngagementDraft::new(T::PageViewed, at);
        self.browse(&mut seen);
        let mut at = at;
        for _ in 0..self.dice.below(1, 4) {
            let (path, title) = *self.dice.pick(words::PAGES);
            self.engage(T::PageViewed, at, |draft| {
                draft.url = Some(format!("https://www.leadline.example{path}"));
                draft.title = Some(title.to_owned());
                draft.device = seen.device;
                draft.user_agent.clone_from(&seen.user_agent);
                draft.ip.clone_from(&seen.ip);
                draft.country.clone_from(&seen.country);
                draft.region.clone_from(&seen.region);
                draft.city.clone_from(&seen.city);
            });
            at = at.plus_seconds(self.dice.below(8, 240));
        }
        if self.dice.chance(0.12) {
            let title = *self.dice.pick(words::DOWNLOADS);
            self.engage(T::ContentDownloaded, at, |draft| {
                draft.title = Some(title.to_owned())
            });
        } else if self.dice.chance(0.05) {
            self.engage(T::ChatMessage, at, |draft| {
                draft.title = Some("question about plans".into())
            });
        }
    }

    fn mailings(&mut self) {
        if matches!(self.person.source, Some("form" | "email" | "ads" | "paid_search"))
            && self.dice.chance(0.5)
        {
            for (after, subject) in WELCOME {
                let at = self.person.created_at.plus_days(*after).plus_seconds(600);
                if self.may_mail(at) {
                    self.mail(at, &Mail::welcome(subject));
                }
            }
        }
        for (ago, subject) in NEWSLETTERS {
            let at = self.end.plus_days(-*ago).plus_seconds(9 * HOUR);
            let reached = at > self.person.created_at.plus_days(1);
            if reached && self.may_mail(at) && self.dice.chance(0.7) {
                // A large mailing leaves within minutes, not at once.
                let at = at.plus_seconds(self.dice.below(0, 20 * MINUTE));
                self.mail(at, &Mail::newsletter(*ago, subject));
            }
        }
    }

    /// Visits while the interest lasts.
    fn visits(&mut self) {
        let days = (self.end.days() - self.person.created_at.days()) as i64;
        // One in fifty comes four times as often.
        let keen = if self.dice.chance(0.02) {
            4.0
        } else {
            0.4 + 1.2 * self.dice.unit()
        };
        for day in 1..=days {
            let day = self.person.created_at.plus_days(day);
            let rate = 0.075 * keen * self.interest(day);
            if self.dice.chance(rate) {
                let at = self.awake(day);
                match *self.dice.weighted(&[0, 1, 2], |which| [0.86, 0.08, 0.06][*which]) {
                    0 => self.visit(at),
                    1 => self.engage(T::AdViewed, at, |draft| {
                        draft.source_kind = Some(SourceKind::Integration);
                        draft.source_id = Some("meta_ads".into());
                        draft.source_name = Some("retargeting".into());
                    }),
                    _ => self.engage(T::SocialInteraction, at, |draft| {
                        draft.title = Some("liked a post".into());
                    }),
                }
            }
        }
    }
}
