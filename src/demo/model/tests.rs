use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use entity::{ConsentState, EngagementType as T, Stage};

use super::*;
use crate::leads::contact::{normalise_email, normalise_phone, normalise_url};

const SET: DataSet = DataSet {
    seed: 1,
    leads: 3_000,
    today: Day(20_000),
};

fn all() -> impl Iterator<Item = DemoLead> {
    (0..SET.leads).map(|n| SET.lead(n))
}

fn share(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("small")) / 3_000.0
}

#[test]
fn the_same_seed_number_and_day_make_the_same_data() {
    let again = DataSet { ..SET };
    // In another order, to show that no lead depends on another.
    for n in (0..SET.leads).rev().step_by(7) {
        assert_eq!(SET.lead(n), again.lead(n));
        assert_eq!(SET.person(n), again.lead(n).person);
    }
    assert_ne!(SET.lead(5), DataSet { seed: 2, ..SET }.lead(5));
}

/// A figure over everything: when it changes, the data has changed, and so have screens and documents made from it.
#[test]
fn the_data_is_what_it_was() {
    let mut hash = blake3::Hasher::new();
    for lead in all().take(300) {
        hash.update(format!("{lead:?}").as_bytes());
    }
    insta::assert_snapshot!(hash.finalize().to_hex().as_str()[..16]);
}

#[test]
fn leads_come_in_order_of_days_and_more_and_more() {
    let days: Vec<Day> = all().map(|lead| lead.person.created_at.day()).collect();
    assert!(days.is_sorted());
    assert_eq!(days.first(), Some(&SET.first_day()));
    assert_eq!(days.last(), Some(&Day(SET.today.0 - 1)));
    for day in [SET.first_day().0, 19_900, 19_999, SET.today.0] {
        let before = days.iter().filter(|created| created.0 < day).count();
        assert_eq!(SET.leads_before(Day(day)), before as u64, "{day}");
    }
    let half = SET.leads_before(Day(SET.today.0 - DAYS / 2));
    assert!((1_100..1_300).contains(&half), "{half} in the first half");
}

#[test]
fn a_million_leads_need_no_more_than_the_one_at_hand() {
    let large = DataSet {
        leads: 1_000_000,
        ..SET
    };
    let last = large.lead(999_999);
    assert_eq!(last.person.created_at.day(), Day(SET.today.0 - 1));
    assert_eq!(large.leads_before(SET.today), 1_000_000);
}

#[test]
fn people_are_well_formed_and_differ() {
    let mut emails = HashSet::new();
    let mut phones = HashSet::new();
    let tags: BTreeSet<&str> = TAGS.iter().map(|tag| tag.name).collect();
    for DemoLead { person, .. } in all() {
        if let Some(email) = &person.email {
            assert_eq!(normalise_email(email).as_deref(), Ok(email.as_str()));
            assert!(emails.insert(email.clone()), "{email} twice");
        }
        if let Some(phone) = &person.phone {
            assert_eq!(normalise_phone(phone, None).as_deref(), Ok(phone.as_str()));
            assert!(phones.insert(phone.clone()), "{phone} twice");
        }
        if let Some(website) = &person.website {
            assert_eq!(normalise_url(website).as_deref(), Ok(website.as_str()));
        }
        assert!(
            person.time_zone.parse::<chrono_tz::Tz>().is_ok(),
            "{}",
            person.time_zone
        );
        for (key, value) in &person.custom {
            let field = FIELDS
                .iter()
                .find(|field| field.key == *key)
                .expect("a defined field");
            let words = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
            for word in words.iter().filter(|_| !field.options.is_empty()) {
                assert!(
                    field.options.contains(&word.as_str().expect("a text")),
                    "{key}: {word}"
                );
            }
        }
        assert!(person.tags.iter().all(|tag| tags.contains(tag)));
    }
    assert!(emails.len() > 2_700 && phones.len() > 1_400);
}

#[test]
fn stories_hold_together() {
    for lead in all() {
        let mut drafts = HashMap::new();
        let mut last = lead.person.created_at;
        for step in &lead.steps {
            assert!(step.arrives_at >= last && step.arrives_at < SET.today.start());
            last = step.arrives_at;
            if let What::Engaged(draft) = &step.what {
                assert_eq!(draft.problems(step.arrives_at), [], "{draft:?}");
                assert!(draft.occurred_at >= lead.person.created_at);
                let key = draft.dedupe_key.clone().expect("each has a key");
                let other = drafts.insert(key, draft.clone());
                assert!(
                    other.is_none_or(|other| other == *draft),
                    "one key for two engagements"
                );
            }
        }
    }
}

#[test]
fn the_funnel_looks_like_one() {
    let mut outcomes: BTreeMap<Outcome, usize> = BTreeMap::new();
    let mut sources: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    for lead in all() {
        *outcomes.entry(lead.outcome).or_default() += 1;
        *sources.entry(lead.person.source).or_default() += 1;
    }
    let of = |outcome| share(outcomes[&outcome]);
    assert!((0.04..0.07).contains(&of(Outcome::Customer)), "{outcomes:?}");
    assert!(of(Outcome::Cold) > of(Outcome::Nurtured) && of(Outcome::Nurtured) > of(Outcome::Engaged));
    assert!(of(Outcome::Engaged) > of(Outcome::Opportunity), "{outcomes:?}");
    assert_eq!(outcomes.len(), 8, "{outcomes:?}");
    assert_eq!(sources.len(), 11, "{sources:?}");
}

#[test]
fn everything_that_happens_to_leads_happens() {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut engagements, mut late, mut twice) = (0, 0, 0);
    let mut ends = BTreeSet::new();
    let mut withdrawn = 0;
    let mut at_delivery = 0;
    for lead in all() {
        let mut keys = HashSet::new();
        let mut delivered = HashMap::new();
        let mut newest = lead.person.created_at;
        for step in &lead.steps {
            match &step.what {
                What::Engaged(draft) => {
                    engagements += 1;
                    *kinds.entry(draft.kind.as_str()).or_default() += 1;
                    twice += usize::from(!keys.insert(draft.dedupe_key.clone()));
                    late += usize::from(draft.occurred_at < newest);
                    newest = newest.max(draft.occurred_at);
                    if draft.kind == T::EmailDelivered {
                        delivered.insert(draft.message_id.clone(), draft.occurred_at);
                    }
                    if draft.kind == T::EmailClicked
                        && let Some(at) = delivered.get(&draft.message_id)
                        && draft.occurred_at.micros() - at.micros() <= 2_000_000
                    {
                        at_delivery += 1;
                    }
                }
                What::Moved { to, .. } => drop(ends.insert(*to)),
                What::Consented { state, .. } => withdrawn += usize::from(*state == ConsentState::Withdrawn),
                _ => {}
            }
        }
    }
    let missing: Vec<&str> = T::ALL
        .iter()
        .map(|kind| kind.as_str())
        .filter(|kind| !kinds.contains_key(kind) && !matches!(*kind, "LINK_CLICKED" | "EMAIL_COMPLAINED"))
        .collect();
    assert_eq!(missing, [""; 0], "{kinds:?}");
    let each = engagements / 3_000;
    assert!((8..=14).contains(&each), "{each} engagements a lead: {kinds:?}");
    assert!(
        late > engagements / 50 && twice > engagements / 200,
        "{late} late, {twice} twice"
    );
    assert!(at_delivery > 100, "{at_delivery} clicks of gateways");
    assert_eq!(ends, BTreeSet::from([Stage::Churned, Stage::Lost]));
    assert!(withdrawn > 5, "{withdrawn}");
}
