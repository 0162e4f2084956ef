//! Mailings: what is sent, and what becomes of each message.

use entity::{EngagementType as T, SourceKind, Timestamp};

use super::story::Teller;
use super::words;

/// Newsletters: days before the reference day, and the subject.
pub(super) const NEWSLETTERS: &[(i64, &str)] = &[
    (165, "Build your base"),
    (138, "How to test your threshold"),
    (111, "Three weeks to your race"),
    (84, "What a bike fit changes"),
    (57, "How a club of 200 trains together"),
    (30, "Plans for teams are here"),
    (3, "Your season in one picture"),
];

/// The welcome sequence: days after the beginning, and the subject.
pub(super) const WELCOME: &[(i64, &str)] = &[
    (0, "Welcome! Your planner is inside"),
    (3, "Your first week, step by step"),
    (9, "Questions? Talk to a coach"),
];

/// A message to many.
pub(super) struct Mail {
    kind: SourceKind,
    id: String,
    name: &'static str,
    subject: &'static str,
    links: i32,
}

impl Mail {
    pub(super) fn newsletter(ago: i64, subject: &'static str) -> Self {
        Self {
            kind: SourceKind::Campaign,
            id: format!("newsletter-{}", 1 + (165 - ago) / 27),
            name: subject,
            subject,
            links: 4,
        }
    }

    pub(super) fn welcome(subject: &'static str) -> Self {
        Self {
            kind: SourceKind::Sequence,
            id: "welcome".into(),
            name: "Welcome",
            subject,
            links: 2,
        }
    }
}

impl Teller<'_> {
    /// One message: sent, delivered or not, followed by a gateway, opened, clicked, and now and then the end of it.
    pub(super) fn mail(&mut self, at: Timestamp, mail: &Mail) {
        let message = self.next_message();
        let part = |teller: &mut Self, kind, at, agent: Option<&str>, link: Option<i32>| {
            teller.engage(kind, at, |draft| {
                draft.source_kind = Some(mail.kind);
                draft.source_id = Some(mail.id.clone());
                draft.source_name = Some(mail.name.to_owned());
                draft.title = Some(mail.subject.to_owned());
                draft.message_id = Some(message.clone());
                draft.message_link_count = Some(mail.links);
                draft.user_agent = agent.map(str::to_owned);
                draft.url = link.map(|link| format!("https://www.leadline.example/m/{}/{link}", mail.id));
            });
        };
        part(self, T::EmailSent, at, None, None);
        let delivered = at.plus_seconds(self.dice.below(2, 25));
        if self.dice.chance(0.015) {
            return part(self, T::EmailBounced, delivered, None, None);
        }
        part(self, T::EmailDelivered, delivered, None, None);
        if self.person.behind_gateway {
            // Some gateways name themselves, some look like a browser; both click before anybody can have read.
            let named = self.dice.chance(0.5);
            let agent = if named {
                words::GATEWAY_AGENT
            } else {
                words::DESKTOP_AGENT
            };
            part(
                self,
                T::EmailOpened,
                delivered.plus_seconds(1),
                Some(words::GATEWAY_AGENT),
                None,
            );
            for link in 0..mail.links {
                part(
                    self,
                    T::EmailClicked,
                    delivered.plus_seconds(1),
                    Some(agent),
                    Some(link),
                );
            }
        } else if self.dice.chance(0.12) {
            part(
                self,
                T::EmailOpened,
                delivered.plus_seconds(30),
                Some(words::PREFETCH_AGENT),
                None,
            );
        }
        let interest = self.interest(at);
        if !self.dice.chance(0.12 + 0.5 * interest) {
            return;
        }
        let opened = delivered.plus_seconds(self.dice.below(120, 40_000));
        part(self, T::EmailOpened, opened, Some(words::MOBILE_AGENT), None);
        if self.dice.chance(0.06 + 0.3 * interest) {
            let clicked = opened.plus_seconds(self.dice.below(5, 300));
            let link = self.dice.below(0, i64::from(mail.links));
            let link = i32::try_from(link).expect("a handful of links");
            part(
                self,
                T::EmailClicked,
                clicked,
                Some(words::MOBILE_AGENT),
                Some(link),
            );
            self.visit(clicked.plus_seconds(2));
        } else if self.dice.chance(0.012) {
            self.leave_list(opened.plus_seconds(60));
        } else if self.dice.chance(0.001) {
            part(self, T::EmailComplained, opened.plus_seconds(20), None, None);
        }
    }
}
