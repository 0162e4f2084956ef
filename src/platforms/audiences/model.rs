//! What an audience may be, whom the platform is told of, when it is tried again: pure rules.

use std::collections::HashMap;
use std::time::Duration;

use entity::id::{AudienceId, ConnectionId, LeadId};
use entity::{AudienceMemberState, ConsentChannel, ConsentPurpose, Timestamp};
use integrations::Retry;
use integrations::facet::Person;

use super::store::Candidate;
use super::{Audience, AudienceSync, Member};
use crate::db::{Keyset, SortValue};
use crate::error::Problem;
use crate::leads::filter::{ConsentCondition, LeadFilter, TextCondition};

/// Most audiences of a deployment: platforms have no more for an account.
pub const MOST_AUDIENCES: u64 = 500;
const MOST_NAME_CHARS: usize = 100;
const MOST_DESCRIPTION_CHARS: usize = 500;
/// How often a platform may be told: every 5 minutes to every 30 days.
const EVERY_SECONDS: std::ops::RangeInclusive<i32> = 300..=30 * 86_400;
/// The first wait after a failure that may pass, in seconds; doubled each time.
const FIRST_WAIT_SECONDS: i64 = 60;
/// The longest such wait.
const LONGEST_WAIT_SECONDS: i64 = 3_600;
/// What will not pass by itself is tried again so rarely: somebody may have mended it, and whoever withdrew has to go.
const HOPELESS_WAIT_SECONDS: i64 = 6 * 3_600;
/// The longest wait that a platform is believed.
const LONGEST_TOLD_SECONDS: i64 = 86_400;

/// What can be wrong with a call about audiences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, async_graphql::Enum)]
#[graphql(name = "AudienceErrorCode")]
pub enum AudienceProblem {
    /// There is no such audience.
    NotFound,
    /// There is no such connection.
    ConnectionNotFound,
    /// The platform has no audiences, or not of this kind.
    Unsupported,
    /// The connection is switched off, waits for consent or does not work.
    NotActive,
    /// A name that is empty or too long.
    InvalidName,
    /// A description that is too long.
    InvalidDescription,
    /// A filter that cannot be used.
    InvalidFilter,
    /// A schedule that cannot be.
    InvalidSchedule,
    /// A country or a ratio that cannot be.
    InvalidLookalike,
    /// Another audience of the connection is called so.
    NameTaken,
    /// More audiences than a deployment has.
    TooMany,
    /// The platform is being told of it already.
    SyncRunning,
    /// The platform does not have it yet.
    NotReady,
}

/// An audience that is about to be made.
#[derive(Clone, Debug)]
pub struct AudienceDraft {
    /// By which connection.
    pub connection: ConnectionId,
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Which leads.
    pub filter: LeadFilter,
    /// How often the platform is told; none: when somebody asks, and when somebody has to go.
    pub every_seconds: Option<i32>,
}

/// An audience of people who are like those of another, about to be made.
#[derive(Clone, Debug)]
pub struct LookalikeDraft {
    /// The other one.
    pub origin: AudienceId,
    /// What it is called.
    pub name: String,
    /// Where they live, ISO 3166 alpha-2.
    pub country: String,
    /// How large a part of the country, 0.01 to 0.2.
    pub ratio: f64,
}

/// A change of an audience; `None` leaves as is.
#[derive(Clone, Debug, Default)]
pub struct AudienceChange {
    /// What it is called here.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Which leads.
    pub filter: Option<LeadFilter>,
    /// How often the platform is told; none: when somebody asks.
    pub every_seconds: Option<Option<i32>>,
}

/// The one ordering of audiences, newest first.
#[derive(Debug)]
pub struct AudienceOrder;

impl AudienceOrder {
    /// Its name, that cursors are bound to.
    pub const NAME: &'static str = "audience CREATED_AT DESC";

    /// The place of an audience in it.
    #[must_use]
    pub fn keyset(audience: &Audience) -> Keyset {
        keyset(Self::NAME, audience.created_at, audience.id.0)
    }
}

/// The one ordering of members, who came last first.
#[derive(Debug)]
pub struct MemberOrder;

impl MemberOrder {
    /// Its name, that cursors are bound to.
    pub const NAME: &'static str = "audience member JOINED_AT DESC";

    /// The place of a member in it.
    #[must_use]
    pub fn keyset(member: &Member) -> Keyset {
        keyset(Self::NAME, member.joined_at, member.lead_id.0)
    }
}

/// The one ordering of syncs, newest first.
#[derive(Debug)]
pub struct AudienceSyncOrder;

impl AudienceSyncOrder {
    /// Its name, that cursors are bound to.
    pub const NAME: &'static str = "audience sync CREATED_AT DESC";

    /// The place of a sync in it.
    #[must_use]
    pub fn keyset(sync: &AudienceSync) -> Keyset {
        keyset(Self::NAME, sync.created_at, sync.id.0)
    }
}

fn keyset(order: &str, at: Timestamp, id: uuid::Uuid) -> Keyset {
    Keyset {
        order: order.to_owned(),
        value: SortValue::Int(at.micros()),
        id,
    }
}

pub(super) fn wrong(
    field: &str,
    code: AudienceProblem,
    message: impl Into<String>,
) -> Problem<AudienceProblem> {
    Problem::new(field, code, message)
}

pub(super) fn checked_name(name: &str) -> Result<String, Problem<AudienceProblem>> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MOST_NAME_CHARS || name.chars().any(char::is_control) {
        let message = format!("a name has 1 to {MOST_NAME_CHARS} characters");
        return Err(wrong("name", AudienceProblem::InvalidName, message));
    }
    Ok(name.to_owned())
}

pub(super) fn checked_description(text: &str) -> Result<String, Problem<AudienceProblem>> {
    let text = text.trim();
    if text.chars().count() > MOST_DESCRIPTION_CHARS {
        let message = format!("a description has at most {MOST_DESCRIPTION_CHARS} characters");
        return Err(wrong("description", AudienceProblem::InvalidDescription, message));
    }
    Ok(text.to_owned())
}

pub(super) fn checked_schedule(seconds: Option<i32>) -> Result<Option<i32>, Problem<AudienceProblem>> {
    match seconds {
        Some(seconds) if !EVERY_SECONDS.contains(&seconds) => {
            let message = format!(
                "a platform is told every {} to {} seconds, or when somebody asks",
                EVERY_SECONDS.start(),
                EVERY_SECONDS.end()
            );
            Err(wrong("everySeconds", AudienceProblem::InvalidSchedule, message))
        }
        seconds => Ok(seconds),
    }
}

pub(super) fn checked_country(country: &str) -> Result<String, Problem<AudienceProblem>> {
    let country = country.trim().to_ascii_uppercase();
    if country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Ok(country);
    }
    let message = "a country has two letters, e.g. `DE` (ISO 3166-1)";
    Err(wrong("country", AudienceProblem::InvalidLookalike, message))
}

/// A ratio in hundredths.
#[expect(
    clippy::cast_possible_truncation,
    reason = "it is between 1 and 20 by then, and whole"
)]
pub(super) fn checked_ratio(ratio: f64) -> Result<i32, Problem<AudienceProblem>> {
    let percent = (ratio * 100.0).round();
    if (1.0..=20.0).contains(&percent) && (ratio * 100.0 - percent).abs() < 1e-6 {
        return Ok(percent as i32);
    }
    let message = "a ratio is 0.01 to 0.2, in steps of 0.01";
    Err(wrong("ratio", AudienceProblem::InvalidLookalike, message))
}

/// Those for whom a filter holds, who agreed to it, and who can be matched by something. Without a filter: all of these.
pub(super) fn belonging(filter: Option<LeadFilter>) -> LeadFilter {
    let is_set = || {
        Some(TextCondition {
            is_set: Some(true),
            ..TextCondition::default()
        })
    };
    let by_email = LeadFilter {
        email: is_set(),
        ..LeadFilter::default()
    };
    let by_phone = LeadFilter {
        phone: is_set(),
        ..LeadFilter::default()
    };
    LeadFilter {
        and: filter.map(|filter| vec![filter]),
        or: Some(vec![by_email, by_phone]),
        consents: Some(vec![ConsentCondition {
            channel: ConsentChannel::Ads,
            purpose: ConsentPurpose::Marketing,
            granted: true,
            refused: false,
        }]),
        // To tell a platform is to pass on to others.
        not: Some(Box::new(LeadFilter {
            consents: Some(vec![ConsentCondition {
                channel: ConsentChannel::Ads,
                purpose: ConsentPurpose::ThirdParty,
                granted: true,
                refused: true,
            }]),
            ..LeadFilter::default()
        })),
        ..LeadFilter::default()
    }
}

/// What a lead is known by to a platform, as a keyed hash: whether the platform was told the same before.
pub(super) fn match_key(key: &[u8; 32], lead: &Candidate) -> i64 {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(b"audience");
    for part in [
        &lead.email,
        &lead.phone,
        &lead.first_name,
        &lead.last_name,
        &lead.city,
        &lead.region,
        &lead.postal_code,
        &lead.country,
    ] {
        // With its length, so that no two lists of parts run into the same bytes.
        let length = part.as_ref().map_or(u64::MAX, |part| part.len() as u64);
        hasher.update(&length.to_le_bytes());
        hasher.update(part.as_deref().unwrap_or_default().as_bytes());
    }
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    i64::from_le_bytes(bytes)
}

/// A lead as platforms are told of it.
pub(super) fn person(lead: &Candidate) -> Person {
    Person {
        external_id: lead.id.to_string(),
        email: lead.email.clone(),
        phone: lead.phone.clone(),
        first_name: lead.first_name.clone(),
        last_name: lead.last_name.clone(),
        city: lead.city.clone(),
        region: lead.region.clone(),
        postal_code: lead.postal_code.clone(),
        country: lead.country.clone(),
        born: None,
    }
}

/// A lead of which nothing is left but our own id.
pub(super) fn nobody(lead: LeadId) -> Person {
    Person {
        external_id: lead.to_string(),
        ..Person::default()
    }
}

/// What is to be done about some leads that belong into an audience.
#[derive(Debug, Default)]
pub(super) struct Step {
    /// Those that the platform is told of.
    pub(super) told: Vec<Member>,
    /// Of these, those that it knows by something that does not hold any more: taken out before.
    pub(super) changed: Vec<LeadId>,
    /// Those that it was told of just so: only looked at again.
    pub(super) same: Vec<Member>,
    /// How many of those told were not in it.
    pub(super) new: i64,
}

/// Sorts leads that belong into an audience by what the platform knows of them.
pub(super) fn step(
    audience: &Audience,
    leads: &[Candidate],
    held: &HashMap<LeadId, Member>,
    key: &[u8; 32],
    now: Timestamp,
) -> Step {
    let mut step = Step::default();
    for lead in leads {
        let match_key = match_key(key, lead);
        // Who was in an audience that is gone is in none.
        let before = held
            .get(&lead.id)
            .filter(|member| member.generation == audience.generation);
        let is_same = before.is_some_and(|member| member.match_key == match_key);
        let is_in = before.is_some_and(|member| member.state == AudienceMemberState::In);
        let member = Member {
            audience_id: audience.id,
            lead_id: lead.id,
            state: AudienceMemberState::In,
            generation: audience.generation,
            lead_version: lead.version,
            match_key,
            joined_at: before.map_or(now, |member| member.joined_at),
            told_at: Some(now),
        };
        if is_in && is_same {
            let told_at = before.and_then(|member| member.told_at);
            step.same.push(Member { told_at, ..member });
            continue;
        }
        if before.is_some() && !is_same {
            step.changed.push(lead.id);
        }
        step.new += i64::from(!is_in);
        step.told.push(member);
    }
    step
}

/// When to try again after a number of failures in a row.
pub(super) fn retry_at(now: Timestamp, retry: Retry, failures: i32) -> Timestamp {
    let doubled = FIRST_WAIT_SECONDS << failures.saturating_sub(1).clamp(0, 10);
    let backed_off = doubled.min(LONGEST_WAIT_SECONDS);
    let seconds = match retry {
        Retry::BackOff | Retry::Exhausted => backed_off,
        Retry::After(time) => told_seconds(time).max(1),
        Retry::Never => HOPELESS_WAIT_SECONDS,
    };
    now.plus_seconds(seconds)
}

fn told_seconds(time: Duration) -> i64 {
    let seconds = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
    i64::try_from(seconds).map_or(LONGEST_TOLD_SECONDS, |seconds| seconds.min(LONGEST_TOLD_SECONDS))
}

#[cfg(test)]
mod tests {
    use entity::{AudienceKind, AudienceState};
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000_000);

    fn audience(generation: i32) -> Audience {
        Audience {
            id: AudienceId::at(Timestamp(1)),
            connection_id: ConnectionId::at(Timestamp(1)),
            kind: AudienceKind::Custom,
            name: "Buyers".into(),
            description: String::new(),
            filter: "{}".into(),
            origin_id: None,
            country: None,
            percent: None,
            state: AudienceState::Ready,
            external_id: Some("1".into()),
            generation,
            problem_kind: None,
            problem: None,
            failures: 0,
            every_seconds: None,
            next_sync_at: None,
            next_size_at: None,
            synced_at: None,
            size_at_least: None,
            size_at_most: None,
            readiness: None,
            size_detail: None,
            sized_at: None,
            size_failures: 0,
            size_problem_kind: None,
            size_problem: None,
            created_by: "system".into(),
            created_at: NOW,
            updated_at: NOW,
            deleted_at: None,
        }
    }

    fn lead(n: i64, email: &str) -> Candidate {
        Candidate {
            id: LeadId::at(Timestamp(n)),
            email: Some(email.to_owned()),
            phone: None,
            first_name: None,
            last_name: None,
            city: None,
            region: None,
            postal_code: None,
            country: None,
            version: 1,
        }
    }

    const KEY: [u8; 32] = [7; 32];

    fn told(audience: &Audience, lead: &Candidate, state: AudienceMemberState) -> HashMap<LeadId, Member> {
        let step = step(
            audience,
            std::slice::from_ref(lead),
            &HashMap::new(),
            &KEY,
            Timestamp(5),
        );
        let member = step.told.into_iter().next().expect("a new one is told");
        HashMap::from([(lead.id, Member { state, ..member })])
    }

    #[test]
    fn who_was_told_of_just_so_is_not_told_of_again() {
        let (audience, lead) = (audience(1), lead(1, "ann@example.com"));
        let held = told(&audience, &lead, AudienceMemberState::In);
        let again = Candidate {
            version: 9,
            ..lead.clone()
        };
        let step = step(&audience, &[again], &held, &KEY, NOW);
        assert!(step.told.is_empty() && step.changed.is_empty());
        assert_eq!(
            (step.same[0].lead_version, step.same[0].told_at),
            (9, Some(Timestamp(5)))
        );
    }

    #[test]
    fn who_is_known_by_something_else_now_is_taken_out_before() {
        let (audience, before) = (audience(1), lead(1, "ann@example.com"));
        for state in [AudienceMemberState::In, AudienceMemberState::Joining] {
            let held = told(&audience, &before, state);
            let now = Candidate {
                email: Some("ann@example.org".into()),
                ..before.clone()
            };
            let step = step(&audience, &[now], &held, &KEY, NOW);
            assert_eq!(step.changed, [before.id], "{state}");
            assert_eq!((step.told.len(), step.told[0].joined_at), (1, Timestamp(5)));
        }
    }

    #[test]
    fn who_may_have_been_told_of_is_told_of_again() {
        let (audience, lead) = (audience(1), lead(1, "ann@example.com"));
        let held = told(&audience, &lead, AudienceMemberState::Joining);
        let step = step(&audience, &[lead], &held, &KEY, NOW);
        assert_eq!((step.told.len(), step.changed.len(), step.new), (1, 0, 1));
    }

    #[test]
    fn who_was_in_an_audience_that_is_gone_is_told_of_as_new() {
        let lead = lead(1, "ann@example.com");
        let held = told(&audience(1), &lead, AudienceMemberState::In);
        let step = step(&audience(2), &[lead], &held, &KEY, NOW);
        assert_eq!((step.told.len(), step.changed.len(), step.new), (1, 0, 1));
        assert_eq!((step.told[0].generation, step.told[0].joined_at), (2, NOW));
    }

    #[test]
    fn ratios_are_hundredths() {
        assert_eq!(checked_ratio(0.01).ok(), Some(1));
        assert_eq!(checked_ratio(0.07).ok(), Some(7));
        assert_eq!(checked_ratio(0.2).ok(), Some(20));
        for wrong in [0.0, 0.009, 0.015, 0.21, 1.0, -0.01, f64::NAN, f64::INFINITY] {
            assert!(checked_ratio(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_does_not_pass_is_tried_again_rarely_and_the_platform_is_believed() {
        let seconds = |retry, failures| (retry_at(NOW, retry, failures).micros() - NOW.micros()) / 1_000_000;
        assert_eq!(seconds(Retry::BackOff, 1), 60);
        assert_eq!(seconds(Retry::BackOff, 3), 240);
        assert_eq!(seconds(Retry::Exhausted, 1_000), 3_600);
        assert_eq!(seconds(Retry::Never, 1), 21_600);
        assert_eq!(seconds(Retry::After(Duration::from_millis(90_500)), 9), 91);
        assert_eq!(seconds(Retry::After(Duration::MAX), 1), 86_400);
        assert_eq!(seconds(Retry::After(Duration::ZERO), 1), 1);
    }

    proptest! {
        #[test]
        fn each_lead_is_told_of_or_left_and_nobody_twice(
            leads in proptest::collection::btree_map(1..200_i64, (0..3_u8, 0..2_u8, any::<bool>()), 0..40),
        ) {
            let audience = audience(2);
            let (mut all, mut held) = (Vec::new(), HashMap::new());
            for (n, (state, generation, is_changed)) in leads {
                let lead = lead(n, "x@example.com");
                if state > 0 {
                    let state = AudienceMemberState::ALL[usize::from(state - 1)];
                    let member = Member {
                        generation: i32::from(generation) + 1,
                        match_key: match_key(&KEY, &lead) + i64::from(is_changed),
                        ..told(&audience, &lead, state).remove(&lead.id).expect("it is there")
                    };
                    held.insert(lead.id, member);
                }
                all.push(lead);
            }
            let step = step(&audience, &all, &held, &KEY, NOW);
            prop_assert_eq!(step.told.len() + step.same.len(), all.len());
            for member in &step.same {
                let before = &held[&member.lead_id];
                prop_assert!(before.state == AudienceMemberState::In && before.generation == 2);
                prop_assert_eq!(before.match_key, member.match_key);
            }
            for id in &step.changed {
                prop_assert!(held[id].generation == 2 && step.told.iter().any(|member| member.lead_id == *id));
            }
        }

        #[test]
        fn two_people_have_two_keys(one in "\\PC{0,8}", other in "\\PC{0,8}") {
            let pair = |email: &str, phone: &str| Candidate {
                phone: Some(phone.to_owned()),
                ..lead(1, email)
            };
            let same = match_key(&KEY, &pair(&one, &other)) == match_key(&KEY, &pair(&other, &one));
            prop_assert_eq!(same, one == other);
        }
    }
}
