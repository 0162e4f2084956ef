//! What sales does about a lead, and what comes of it.

use entity::{Channel, ConversionKind, EngagementType as T, SourceKind, Stage, Timestamp};
use serde_json::json;

use super::arc::Outcome;
use super::story::{HOUR, MINUTE, Teller, What};
use super::{NAMESPACE, words};

impl Teller<'_> {
    /// A fraction of the lead's life so far, as a moment at which people work.
    fn at_fraction(&mut self, age: i64, fraction: f64) -> Timestamp {
        #[expect(clippy::cast_possible_truncation, reason = "a lead's age in seconds is small")]
        #[expect(clippy::cast_precision_loss, reason = "a lead's age in seconds is small")]
        let after = (age as f64 * fraction) as i64;
        self.person.created_at.plus_seconds(after.max(2 * HOUR))
    }

    pub(super) fn selling(&mut self, outcome: Outcome, age: i64) {
        let first = 0.1 + 0.25 * self.dice.unit();
        match outcome {
            Outcome::Fresh | Outcome::Cold | Outcome::Nurtured => {}
            Outcome::Engaged => self.conversation(age, first, 0.95),
            Outcome::Opportunity => {
                self.conversation(age, first, 0.6);
                self.deal(age, 0.7, &["proposal", "negotiation"]);
                self.conversation(age, 0.88, 0.99);
            }
            Outcome::Customer => {
                self.conversation(age, first, 0.5);
                self.buy(age, 0.55, 0.7);
            }
            Outcome::Churned => {
                self.conversation(age, first * 0.5, 0.2);
                self.buy(age, 0.2, 0.3);
                self.churn(age);
            }
            Outcome::Lost => {
                self.conversation(age, first, 0.4);
                let deal = self.dice.chance(0.5);
                if deal {
                    self.deal(age, 0.5, &["proposal"]);
                }
                let at = self.at_fraction(age, 0.75);
                let reason = *self.dice.pick(&[
                    "chose another product",
                    "no budget this season",
                    "no answer after five attempts",
                    "needs what we do not have",
                ]);
                self.step(
                    at,
                    What::Moved {
                        to: Stage::Lost,
                        reason,
                    },
                );
            }
        }
    }

    /// Sales and the lead talk to each other.
    fn conversation(&mut self, age: i64, from: f64, to: f64) {
        let rounds = self.dice.below(1, 4);
        for round in 0..rounds {
            #[expect(clippy::cast_precision_loss, reason = "a handful")]
            let fraction = from + (to - from) * (round as f64 / rounds as f64);
            let at = self.at_fraction(age, fraction);
            let at = self.awake(at).max(at);
            if self.person.email.is_some() && self.dice.chance(0.7) {
                self.letter(at);
            } else if self.person.phone.is_some() {
                self.call_or_text(at);
            } else {
                self.form(at, "Contact");
            }
            if round + 1 == rounds || self.dice.chance(0.3) {
                let at = at.plus_seconds(self.dice.below(2 * HOUR, 30 * HOUR));
                match *self.dice.weighted(&[0, 1, 2], |which| [0.5, 0.3, 0.2][*which]) {
                    0 => self.engage(T::MeetingScheduled, at, |draft| {
                        draft.title = Some("demo of 30 minutes".into());
                        draft.value = Some(60);
                    }),
                    1 => self.form(at, "Request a quote"),
                    _ => self.visit(at),
                }
            }
        }
    }

    /// A letter of a person that nobody answers.
    pub(super) fn first_letter(&mut self, at: Timestamp) {
        let message = self.next_message();
        for (kind, at) in [(T::EmailSent, at), (T::EmailDelivered, at.plus_seconds(3))] {
            let (owner, message) = (self.person.owner.unwrap_or(words::OWNERS[0]), message.clone());
            self.engage(kind, at, |draft| {
                draft.source_kind = Some(SourceKind::Manual);
                draft.source_id = Some(owner.to_owned());
                draft.message_id = Some(message);
                draft.title = Some("May I help?".into());
            });
        }
    }

    /// A letter of a person, and the answer.
    fn letter(&mut self, at: Timestamp) {
        let message = self.next_message();
        let subject = "Your question about plans";
        let part = |teller: &mut Self, kind, at| {
            let (owner, message) = (teller.person.owner.unwrap_or(words::OWNERS[0]), message.clone());
            teller.engage(kind, at, |draft| {
                draft.source_kind = Some(SourceKind::Manual);
                draft.source_id = Some(owner.to_owned());
                draft.message_id = Some(message);
                draft.title = Some(subject.to_owned());
            });
        };
        part(self, T::EmailSent, at);
        part(self, T::EmailDelivered, at.plus_seconds(4));
        let opened = at.plus_seconds(self.dice.below(20 * MINUTE, 20 * HOUR));
        part(self, T::EmailOpened, opened);
        if self.dice.chance(0.75) {
            let replied = opened.plus_seconds(self.dice.below(5 * MINUTE, 9 * HOUR));
            part(self, T::EmailReplied, replied);
        }
    }

    fn call_or_text(&mut self, at: Timestamp) {
        if matches!(self.person.country, "BR" | "IN" | "ES" | "MX" | "NG" | "KE") && self.dice.chance(0.6) {
            self.engage(T::WhatsappSent, at, |_| {});
            let at = at.plus_seconds(self.dice.below(MINUTE, 5 * HOUR));
            self.engage(T::WhatsappReplied, at, |_| {});
        } else if self.dice.chance(0.3) {
            self.engage(T::SmsSent, at, |_| {});
            self.engage(T::SmsDelivered, at.plus_seconds(3), |_| {});
            if self.dice.chance(0.6) {
                let at = at.plus_seconds(self.dice.below(MINUTE, 5 * HOUR));
                self.engage(T::SmsReplied, at, |_| {});
            }
        } else {
            self.engage(T::CallMade, at, |_| {});
            if self.dice.chance(0.6) {
                let metadata = json!({ "durationSeconds": self.dice.below(40, 1_500) });
                self.engage(T::CallAnswered, at.plus_seconds(15), |draft| {
                    draft.metadata = Some(metadata)
                });
            }
        }
    }

    /// What a deal with such a lead is worth, in minor units.
    fn worth(&mut self) -> i64 {
        let whole = match self.person.customer_type {
            Some("team") => self.dice.below(15, 90) * 100,
            Some("coach") => self.dice.below(4, 20) * 100,
            Some("bike_fitter" | "retailer" | "event_organiser") => self.dice.below(8, 40) * 100,
            _ => self.dice.below(6, 30) * 10 - 1,
        };
        // About as much everywhere: a unit of some currencies is worth less.
        match self.person.currency {
            // The yen has no minor unit.
            "JPY" => whole * 160,
            "INR" | "KES" => whole * 9_000,
            "NGN" => whole * 160_000,
            "TRY" => whole * 4_000,
            "MXN" => whole * 1_900,
            "BRL" | "PLN" => whole * 500,
            "SEK" | "NOK" => whole * 900,
            _ => whole * 100,
        }
    }

    fn deal(&mut self, age: i64, from: f64, stages: &[&'static str]) {
        let value_minor = self.worth();
        for (place, stage) in stages.iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "a handful")]
            let at = self.at_fraction(age, from + 0.1 * place as f64);
            let expected_close = self.end.plus_days(self.dice.below(-5, 75)).day();
            let what = What::Dealt {
                stage,
                value_minor,
                expected_close,
            };
            self.step(at, what);
            if place == 0 {
                self.converted(ConversionKind::Opportunity, None, at, "opportunity");
            }
        }
    }

    fn converted(&mut self, kind: ConversionKind, value_minor: Option<i64>, at: Timestamp, key: &str) {
        let dedupe_key = format!("{NAMESPACE}-{}-{key}", self.n);
        let what = What::Converted {
            kind,
            value_minor,
            at,
            dedupe_key,
        };
        self.step(at, what);
    }

    fn buy(&mut self, age: i64, deal_at: f64, won_at: f64) {
        let price = self.worth();
        let won = self.at_fraction(age, won_at);
        if matches!(self.person.customer_type, Some("team" | "coach" | "retailer")) {
            let at = self.at_fraction(age, deal_at);
            let expected_close = won.day();
            self.step(
                at,
                What::Dealt {
                    stage: "proposal",
                    value_minor: price,
                    expected_close,
                },
            );
            self.converted(ConversionKind::Opportunity, None, at, "opportunity");
            self.step(
                won,
                What::Dealt {
                    stage: "won",
                    value_minor: price,
                    expected_close,
                },
            );
        }
        self.purchase(won.plus_seconds(-9 * MINUTE), price, "annual plan");
        self.converted(
            ConversionKind::Customer,
            Some(price),
            won.plus_seconds(2),
            "customer",
        );
        // Some buy again.
        let mut again = won_at;
        for round in 0..3 {
            again += 0.04 + 0.1 * self.dice.unit();
            if again > 0.97 || !self.dice.chance(0.35) {
                break;
            }
            let at = self.at_fraction(age, again);
            let price = (price / 400).max(9) * 100 - 1;
            self.purchase(at, price, "add-on");
            let key = format!("purchase-{round}");
            self.converted(
                ConversionKind::Purchase,
                Some(price),
                at.plus_seconds(9 * MINUTE + 2),
                &key,
            );
        }
    }

    /// From the basket to the receipt, nine minutes later.
    fn purchase(&mut self, at: Timestamp, price: i64, title: &'static str) {
        self.visit(at.plus_seconds(-20 * MINUTE));
        self.engage(T::CheckoutStarted, at, |draft| {
            draft.title = Some(title.to_owned())
        });
        let currency = self.person.currency;
        self.engage(T::PurchaseMade, at.plus_seconds(9 * MINUTE), |draft| {
            draft.channel = Some(Channel::Store);
            draft.title = Some(title.to_owned());
            draft.revenue_minor = Some(price);
            draft.currency = Some(currency.to_owned());
        });
    }

    fn churn(&mut self, age: i64) {
        let at = self.at_fraction(age, 0.8);
        if self.may_mail(at) {
            self.leave_list(at);
        }
        let reason = *self
            .dice
            .pick(&["did not renew", "stopped training", "went to a competitor"]);
        self.step(
            at.plus_seconds(HOUR),
            What::Moved {
                to: Stage::Churned,
                reason,
            },
        );
    }

    pub(super) fn notes(&mut self, outcome: Outcome) {
        if outcome < Outcome::Engaged && !self.dice.chance(0.05) {
            return;
        }
        let at = self
            .person
            .created_at
            .plus_seconds(self.dice.below(2 * HOUR, 5 * 24 * HOUR));
        let body = match outcome {
            Outcome::Customer => "Signed. Onboarding call next week.",
            Outcome::Churned => "Said the season is over; ask again in spring.",
            Outcome::Lost => "Price was the point. Keep in the newsletter.",
            Outcome::Opportunity => "Wants a quote for the whole squad, decides with the board.",
            Outcome::Engaged => "Asked about data import from the current tool.",
            Outcome::Fresh | Outcome::Cold | Outcome::Nurtured => "Met at the expo; likes the planner.",
        };
        let pinned = self.dice.chance(0.1);
        self.step(
            at,
            What::Noted {
                body: body.to_owned(),
                pinned,
            },
        );
        if outcome == Outcome::Opportunity && self.dice.chance(0.4) {
            self.step(at, What::Tagged { tag: "VIP" });
        }
        if outcome == Outcome::Customer && self.dice.chance(0.3) {
            let late = self.end.plus_days(-self.dice.below(1, 10));
            self.step(late, What::Tagged { tag: "Upsell" });
        }
        if outcome == Outcome::Engaged && self.dice.chance(0.3) {
            let late = self.end.plus_days(-self.dice.below(1, 20));
            self.step(late, What::Tagged { tag: "Follow up" });
        }
    }
}
