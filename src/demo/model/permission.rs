//! What a lead permits.

use entity::{ConsentChannel, ConsentPurpose, ConsentState, EngagementType as T, Timestamp};

use super::story::{HOUR, MINUTE, Teller, What};
use super::words;

impl Teller<'_> {
    pub(super) fn consents(&mut self) {
        let created = self.person.created_at;
        let say = |teller: &mut Self, channel, purpose, state, at: Timestamp, wording| {
            let ip = teller.ip();
            let source = match teller.person.source {
                Some("event") => "paper form at an event",
                Some("partner") => "partner's sign-up",
                _ => "website form",
            };
            teller.step(
                at,
                What::Consented {
                    channel,
                    purpose,
                    state,
                    at,
                    source,
                    wording,
                    ip,
                    user_agent: words::MOBILE_AGENT,
                },
            );
        };
        if self.person.reads_mail {
            let wording = "Yes, send me training advice and offers by e-mail. I can unsubscribe at any time.";
            let marketing = ConsentPurpose::Marketing;
            if self.dice.chance(0.3) {
                // Double opt-in, which one in eight never confirms.
                say(
                    self,
                    ConsentChannel::Email,
                    marketing,
                    ConsentState::Pending,
                    created,
                    wording,
                );
                let confirmed = created.plus_seconds(self.dice.below(MINUTE, 3 * HOUR));
                self.email_consent = !self.dice.chance(0.12) && confirmed < self.end;
                if self.email_consent {
                    say(
                        self,
                        ConsentChannel::Email,
                        marketing,
                        ConsentState::Granted,
                        confirmed,
                        wording,
                    );
                }
            } else {
                self.email_consent = true;
                say(
                    self,
                    ConsentChannel::Email,
                    marketing,
                    ConsentState::Granted,
                    created,
                    wording,
                );
            }
        } else if self.dice.chance(0.25) {
            let wording = "May we write to you by e-mail?";
            say(
                self,
                ConsentChannel::Email,
                ConsentPurpose::Marketing,
                ConsentState::Denied,
                created,
                wording,
            );
        }
        if self.person.phone.is_some() && self.dice.chance(0.3) {
            let wording = "Text me about appointments and offers.";
            say(
                self,
                ConsentChannel::Sms,
                ConsentPurpose::Marketing,
                ConsentState::Granted,
                created,
                wording,
            );
        }
        if self.dice.chance(0.2) {
            let wording = "You may adapt what I see to what I do.";
            say(
                self,
                ConsentChannel::Email,
                ConsentPurpose::Profiling,
                ConsentState::Granted,
                created,
                wording,
            );
        }
    }

    /// Unsubscribes, which takes the consent back.
    pub(super) fn leave_list(&mut self, at: Timestamp) {
        self.unsubscribed = Some(at);
        self.engage(T::EmailUnsubscribed, at, |_| {});
        let ip = self.ip();
        self.step(
            at,
            What::Consented {
                channel: ConsentChannel::Email,
                purpose: ConsentPurpose::Marketing,
                state: ConsentState::Withdrawn,
                at,
                source: "unsubscribe link",
                wording: "Unsubscribe",
                ip,
                user_agent: words::MOBILE_AGENT,
            },
        );
    }
}
