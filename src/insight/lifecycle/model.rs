//! The rules of the lifecycle: what moves a lead by itself, and where a late event leaves its mark.
//!
//! A person or token may move a lead to any stage. Automatic moves only go forward, and never out of CHURNED or LOST:
//! a person put the lead there, and only a person brings it back.
//!
//! An event may arrive late. Closed stays are never rewritten, so a move begins at the event's own moment where that
//! lies in the open stay, and at the moment it is learnt of where the event is older than the open stay: the lead did not
//! stand in the later stage during stays that are already told otherwise.

use entity::{EngagementType, Stage, Timestamp};
use serde::{Deserialize, Serialize};

use crate::insight::engagement::is_reply;

/// What moves a lead by itself; each can be switched off.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct LifecycleSettings {
    /// The first outbound message moves to CONTACTED.
    pub contacted_on_message: bool,
    /// A current score of `qualifying_score` moves to QUALIFIED.
    pub qualified_on_score: bool,
    /// The current score that qualifies: above 0, up to 100.
    pub qualifying_score: f64,
    /// A reply, meeting or form after contact moves to ENGAGED.
    pub engaged_on_response: bool,
    /// An opened deal moves to OPPORTUNITY.
    pub opportunity_on_deal: bool,
    /// A recorded conversion moves to CUSTOMER.
    pub customer_on_conversion: bool,
}

impl Default for LifecycleSettings {
    fn default() -> Self {
        Self {
            contacted_on_message: true,
            qualified_on_score: true,
            qualifying_score: 60.0,
            engaged_on_response: true,
            opportunity_on_deal: true,
            customer_on_conversion: true,
        }
    }
}

impl LifecycleSettings {
    /// What is wrong with them, as field and message; empty where they may be stored.
    #[must_use]
    pub fn validate(&self) -> Vec<(&'static str, String)> {
        let score = self.qualifying_score;
        if score > 0.0 && score <= 100.0 {
            return Vec::new();
        }
        vec![(
            "qualifyingScore",
            format!("{score} is out of range: above 0, up to 100"),
        )]
    }
}

/// What may move a lead by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cause {
    /// An outbound message was sent.
    MessageSent,
    /// The current score came to be this.
    Score(f64),
    /// The lead replied, booked a meeting or filled in a form.
    Response {
        /// When the first outbound message went to the lead, if any did: a response after it counts even where the lead
        /// was never in CONTACTED, as a score may qualify a lead before it is contacted.
        first_message_at: Option<Timestamp>,
        /// When the lead responded.
        at: Timestamp,
    },
    /// A deal was opened.
    DealOpened,
    /// A conversion to a customer, or a purchase, was recorded.
    Converted,
}

impl Cause {
    /// The cause in words, as the reason of the stay it opens.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::MessageSent => "first message sent",
            Self::Score(_) => "score reached the threshold",
            Self::Response { .. } => "first response after contact",
            Self::DealOpened => "deal opened",
            Self::Converted => "conversion recorded",
        }
    }
}

/// Whether it is a reply, meeting or form.
#[must_use]
pub const fn is_response(kind: EngagementType) -> bool {
    is_reply(kind)
        || matches!(
            kind,
            EngagementType::MeetingScheduled | EngagementType::FormSubmitted
        )
}

/// The stage to which the cause moves a lead that stands in `current`, if it does. Always a later one.
///
/// "After contact" holds in CONTACTED however the lead came there, and in an earlier or later stage where an outbound
/// message went out at or before the response.
#[must_use]
pub fn automatic_move(current: Stage, cause: Cause, settings: &LifecycleSettings) -> Option<Stage> {
    let target = match cause {
        Cause::MessageSent => settings.contacted_on_message.then_some(Stage::Contacted),
        Cause::Score(score) => {
            let reached = settings.qualified_on_score && score >= settings.qualifying_score;
            reached.then_some(Stage::Qualified)
        }
        Cause::Response { first_message_at, at } => {
            let contacted = current == Stage::Contacted || first_message_at.is_some_and(|first| first <= at);
            (settings.engaged_on_response && contacted).then_some(Stage::Engaged)
        }
        Cause::DealOpened => settings.opportunity_on_deal.then_some(Stage::Opportunity),
        Cause::Converted => settings.customer_on_conversion.then_some(Stage::Customer),
    }?;
    (!is_end(current) && target > current).then_some(target)
}

/// Whether the stage is one of the two ends, which only a person leaves.
#[must_use]
pub const fn is_end(stage: Stage) -> bool {
    matches!(stage, Stage::Churned | Stage::Lost)
}

/// The open stay of a lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenStay {
    /// The stage.
    pub stage: Stage,
    /// When it was entered.
    pub entered_at: Timestamp,
}

/// A move to make: the open stay is closed and another opened at the same moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Move {
    /// From which stage.
    pub from: Stage,
    /// To which stage.
    pub to: Stage,
    /// When: not before the open stay was entered and not in the future.
    pub at: Timestamp,
    /// What moved it.
    pub cause: Cause,
}

/// The moves that what became known brings about, in order; each enters the stay that the next one leaves.
///
/// `causes` are all causes known of the lead that may not have been weighed yet, each with its moment, in any order:
/// they are taken in order of time (ties by stage). So a reply that arrived before the message it answers moves the
/// lead once the message is known, if the caller hands both in again.
#[must_use]
pub fn automatic_moves(
    open: OpenStay,
    causes: &[(Timestamp, Cause)],
    settings: &LifecycleSettings,
    now: Timestamp,
) -> Vec<Move> {
    let mut ordered: Vec<_> = causes.to_vec();
    ordered.sort_by_key(|(at, cause)| (*at, place(cause)));
    let mut open = open;
    let mut moves = Vec::new();
    for (happened_at, cause) in ordered {
        if let Some(to) = automatic_move(open.stage, cause, settings) {
            let at = entered_at(open, happened_at, now);
            moves.push(Move {
                from: open.stage,
                to,
                at,
                cause,
            });
            open = OpenStay {
                stage: to,
                entered_at: at,
            };
        }
    }
    moves
}

const fn place(cause: &Cause) -> u8 {
    match cause {
        Cause::MessageSent => 0,
        Cause::Score(_) => 1,
        Cause::Response { .. } => 2,
        Cause::DealOpened => 3,
        Cause::Converted => 4,
    }
}

/// From when a stay counts that an event of the given moment opens: from the event on where it lies in the open
/// stay, from now on where it is older. Never in the future, never before the open stay.
#[must_use]
pub fn entered_at(open: OpenStay, happened_at: Timestamp, now: Timestamp) -> Timestamp {
    let at = if happened_at < open.entered_at {
        now
    } else {
        happened_at.min(now)
    };
    at.max(open.entered_at)
}

/// How long a stay lasted, in microseconds; an open one until now. Never negative.
#[must_use]
pub fn stay_micros(entered_at: Timestamp, left_at: Option<Timestamp>, now: Timestamp) -> i64 {
    left_at
        .unwrap_or(now)
        .micros()
        .saturating_sub(entered_at.micros())
        .max(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000_000);

    fn response(first: Option<i64>, at: i64) -> Cause {
        Cause::Response {
            first_message_at: first.map(|days| NOW.plus_days(days)),
            at: NOW.plus_days(at),
        }
    }

    fn moved(current: Stage, cause: Cause) -> Option<Stage> {
        automatic_move(current, cause, &LifecycleSettings::default())
    }

    #[test]
    fn each_cause_moves_to_its_stage() {
        assert_eq!(moved(Stage::New, Cause::MessageSent), Some(Stage::Contacted));
        assert_eq!(moved(Stage::New, Cause::Score(60.0)), Some(Stage::Qualified));
        assert_eq!(moved(Stage::New, Cause::Score(59.9)), None);
        assert_eq!(
            moved(Stage::Qualified, Cause::DealOpened),
            Some(Stage::Opportunity)
        );
        assert_eq!(moved(Stage::New, Cause::Converted), Some(Stage::Customer));
        assert_eq!(moved(Stage::Customer, Cause::DealOpened), None);
        assert_eq!(moved(Stage::Contacted, Cause::MessageSent), None);
    }

    #[test]
    fn a_response_counts_after_contact() {
        assert_eq!(moved(Stage::New, response(None, 0)), None);
        assert_eq!(
            moved(Stage::Qualified, response(None, 0)),
            None,
            "qualified by score alone"
        );
        assert_eq!(
            moved(Stage::Contacted, response(None, 0)),
            Some(Stage::Engaged),
            "by hand"
        );
        assert_eq!(
            moved(Stage::Qualified, response(Some(-2), -1)),
            Some(Stage::Engaged)
        );
        assert_eq!(
            moved(Stage::Qualified, response(Some(-1), -2)),
            None,
            "before contact"
        );
    }

    #[test]
    fn replies_meetings_and_forms_are_responses() {
        let responses = EngagementType::ALL.iter().filter(|kind| is_response(**kind));
        assert_eq!(
            responses.map(|kind| kind.as_str()).collect::<Vec<_>>(),
            [
                "EMAIL_REPLIED",
                "SMS_REPLIED",
                "WHATSAPP_REPLIED",
                "FORM_SUBMITTED",
                "MEETING_SCHEDULED"
            ]
        );
    }

    #[test]
    fn a_late_event_moves_forward_from_now_on_and_never_back() {
        let open = OpenStay {
            stage: Stage::Contacted,
            entered_at: NOW.plus_days(-5),
        };
        let settings = LifecycleSettings::default();
        let only = |happened: i64, cause| {
            let moves = automatic_moves(open, &[(NOW.plus_days(happened), cause)], &settings, NOW);
            moves.iter().map(|one| (one.to, one.at)).collect::<Vec<_>>()
        };
        assert_eq!(
            only(-3, Cause::DealOpened),
            [(Stage::Opportunity, NOW.plus_days(-3))]
        );
        assert_eq!(
            only(-9, Cause::DealOpened),
            [(Stage::Opportunity, NOW)],
            "not back-dated"
        );
        assert_eq!(
            only(1, Cause::DealOpened),
            [(Stage::Opportunity, NOW)],
            "not in the future"
        );
        assert_eq!(only(-9, Cause::MessageSent), []);
    }

    #[test]
    fn a_reply_known_before_its_message_counts_once_the_message_is_known() {
        let open = OpenStay {
            stage: Stage::New,
            entered_at: NOW.plus_days(-9),
        };
        let causes = [
            (NOW.plus_days(-2), response(Some(-3), -2)),
            (NOW.plus_days(-3), Cause::MessageSent),
        ];
        let moves = automatic_moves(open, &causes, &LifecycleSettings::default(), NOW);
        let told: Vec<_> = moves
            .iter()
            .map(|one| (one.from, one.to, one.at, one.cause.reason()))
            .collect();
        assert_eq!(
            told,
            [
                (
                    Stage::New,
                    Stage::Contacted,
                    NOW.plus_days(-3),
                    "first message sent"
                ),
                (
                    Stage::Contacted,
                    Stage::Engaged,
                    NOW.plus_days(-2),
                    "first response after contact"
                ),
            ]
        );
    }

    #[test]
    fn durations_and_settings() {
        assert_eq!(
            stay_micros(NOW, Some(NOW.plus_seconds(2)), NOW.plus_days(1)),
            2_000_000
        );
        assert_eq!(stay_micros(NOW, None, NOW.plus_seconds(3)), 3_000_000);
        assert_eq!(stay_micros(NOW, None, NOW.plus_seconds(-3)), 0);
        let wrong = LifecycleSettings {
            qualifying_score: f64::NAN,
            ..Default::default()
        };
        assert_eq!(
            wrong.validate(),
            [(
                "qualifyingScore",
                "NaN is out of range: above 0, up to 100".to_owned()
            )]
        );
        assert_eq!(LifecycleSettings::default().validate(), []);
    }

    fn any_cause() -> impl Strategy<Value = (Timestamp, Cause)> {
        (-20_i64..2, 0..5_u8, prop::option::of(-20_i64..1), 0.0..100.0_f64).prop_map(
            |(days, which, first, score)| {
                let cause = match which {
                    0 => Cause::MessageSent,
                    1 => Cause::Score(score),
                    2 => response(first, days),
                    3 => Cause::DealOpened,
                    _ => Cause::Converted,
                };
                (NOW.plus_days(days), cause)
            },
        )
    }

    proptest! {
        #[test]
        fn moves_only_go_forward_join_up_and_respect_the_switches(
            stage in prop::sample::select(Stage::ALL),
            entered in -30_i64..1,
            causes in prop::collection::vec(any_cause(), 0..8),
            switches in prop::collection::vec(any::<bool>(), 5),
        ) {
            let settings = LifecycleSettings {
                contacted_on_message: switches[0],
                qualified_on_score: switches[1],
                engaged_on_response: switches[2],
                opportunity_on_deal: switches[3],
                customer_on_conversion: switches[4],
                ..Default::default()
            };
            let mut open = OpenStay { stage, entered_at: NOW.plus_days(entered) };
            for one in automatic_moves(open, &causes, &settings, NOW) {
                prop_assert_eq!(one.from, open.stage);
                prop_assert!(one.to > one.from && one.to <= Stage::Customer);
                prop_assert!(one.at >= open.entered_at && one.at <= NOW);
                prop_assert!(switches[usize::from(place(&one.cause))]);
                open = OpenStay { stage: one.to, entered_at: one.at };
            }
            if is_end(stage) {
                prop_assert_eq!(open.stage, stage);
            }
        }

        /// Handed in together, the order in which causes became known does not matter; and the stage reached is the
        /// same as one by one.
        #[test]
        fn the_stage_reached_does_not_depend_on_the_order_of_arrival(
            (causes, shuffled) in prop::collection::vec(any_cause(), 0..8)
                .prop_map(|mut causes| {
                    // Responses apart: what they cause depends on the first message known so far.
                    causes.retain(|(_, cause)| !matches!(cause, Cause::Response { .. }));
                    causes
                })
                .prop_flat_map(|causes| (Just(causes.clone()), Just(causes).prop_shuffle())),
        ) {
            let settings = LifecycleSettings::default();
            let start = OpenStay { stage: Stage::New, entered_at: NOW.plus_days(-30) };
            let together = automatic_moves(start, &causes, &settings, NOW);
            let reached = together.last().map_or(Stage::New, |last| last.to);
            let mut open = start;
            for cause in shuffled {
                for one in automatic_moves(open, &[cause], &settings, NOW) {
                    open = OpenStay { stage: one.to, entered_at: one.at };
                }
            }
            prop_assert_eq!(open.stage, reached);
        }
    }
}
