//! A batch comes to the same as its items one by one.

use proptest::prelude::*;

use super::*;
use crate::leads::lead::change::ExternalId;

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

/// The tables, in memory.
#[derive(Clone, Debug, Default)]
struct World {
    leads: HashMap<LeadId, lead::Model>,
    owners: HashMap<Identity, LeadId>,
    events: usize,
}

impl World {
    fn run(&mut self, changes: &[LeadChange], mode: UpsertMode) -> Vec<ItemOutcome> {
        let definitions = Definitions::default();
        let items = check_all(changes.to_vec(), &definitions, NOW);
        let mut known = Known {
            owners: self.owners.clone(),
            leads: self.leads.clone(),
            ..Known::default()
        };
        for (identity, id) in &self.owners {
            known.held.entry(*id).or_default().insert(identity.clone());
        }
        let Plan {
            outcomes,
            created,
            changed,
            claims,
            releases,
            events,
        } = plan(&items, known, &definitions, mode, NOW);
        for identity in releases {
            assert!(self.owners.remove(&identity).is_some());
        }
        for claim in claims {
            let identity = Identity {
                kind: claim.kind,
                namespace: claim.namespace,
                value: claim.value,
            };
            assert_eq!(self.owners.insert(identity, claim.lead_id), None, "claimed twice");
        }
        for lead in created {
            assert!(self.leads.insert(lead.id, lead).is_none());
        }
        for lead in changed {
            assert!(self.leads.insert(lead.id, lead).is_some());
        }
        self.events += events.len();
        outcomes
    }

    /// Each lead by its identities, without what depends on chance: ids, and the number of writes.
    #[expect(clippy::type_complexity, reason = "read once, to compare")]
    fn seen(&self) -> Vec<(Vec<Identity>, Option<String>, Option<String>, Option<String>)> {
        let mut seen: Vec<_> = self
            .leads
            .values()
            .map(|lead| {
                let owned = self.owners.iter().filter(|(_, id)| **id == lead.id);
                let mut identities: Vec<Identity> = owned.map(|(identity, _)| identity.clone()).collect();
                identities.sort();
                (
                    identities,
                    lead.email.clone(),
                    lead.phone.clone(),
                    lead.first_name.clone(),
                )
            })
            .collect();
        seen.sort();
        seen
    }
}

fn patch(values: &'static [&'static str]) -> impl Strategy<Value = Patch<String>> {
    prop_oneof![
        3 => Just(Patch::Keep),
        1 => Just(Patch::Clear),
        4 => prop::sample::select(values).prop_map(|value| Patch::Set(value.to_owned())),
    ]
}

fn change() -> impl Strategy<Value = LeadChange> {
    let ids = prop::collection::vec(prop::sample::select(vec!["1", "2", "3"]), 0..2);
    (
        patch(&["a@example.com", "b@example.com", "c@example.com"]),
        patch(&["+5511961234567", "+12025550143"]),
        patch(&["Ann", "Bob"]),
        ids,
    )
        .prop_map(|(email, phone, first_name, ids)| LeadChange {
            email,
            phone,
            first_name,
            external_ids: ids
                .into_iter()
                .map(|value| ExternalId {
                    namespace: "x".into(),
                    value: value.into(),
                })
                .collect(),
            ..LeadChange::default()
        })
}

fn kind(outcome: &ItemOutcome) -> &'static str {
    match outcome {
        ItemOutcome::Created(_) => "created",
        ItemOutcome::Updated { .. } | ItemOutcome::Unchanged(_) => "there",
        ItemOutcome::Refused(_) => "refused",
    }
}

proptest! {
    #[test]
    fn a_batch_is_its_items_one_after_the_other(
        before in prop::collection::vec(change(), 0..4),
        changes in prop::collection::vec(change(), 1..12),
        mode in prop::sample::select(vec![UpsertMode::Create, UpsertMode::Update, UpsertMode::Upsert]),
    ) {
        let mut at_once = World::default();
        at_once.run(&before, UpsertMode::Upsert);
        let mut one_by_one = at_once.clone();
        let together = at_once.run(&changes, mode);
        let alone: Vec<ItemOutcome> =
            changes.iter().map(|change| one_by_one.run(std::slice::from_ref(change), mode).remove(0)).collect();
        prop_assert_eq!(
            together.iter().map(kind).collect::<Vec<_>>(),
            alone.iter().map(kind).collect::<Vec<_>>()
        );
        prop_assert_eq!(at_once.seen(), one_by_one.seen());
    }

    #[test]
    fn the_same_single_item_twice_writes_nothing_the_second_time(change in change()) {
        let mut world = World::default();
        let first = world.run(std::slice::from_ref(&change), UpsertMode::Upsert).remove(0);
        prop_assume!(first.lead_id().is_some());
        let events = world.events;
        let second = world.run(std::slice::from_ref(&change), UpsertMode::Upsert).remove(0);
        prop_assert_eq!(Some(second), first.lead_id().map(ItemOutcome::Unchanged));
        prop_assert_eq!(world.events, events);
    }

    #[test]
    fn every_lead_keeps_an_identity(changes in prop::collection::vec(change(), 1..16)) {
        let mut world = World::default();
        world.run(&changes, UpsertMode::Upsert);
        for (identities, email, phone, _) in world.seen() {
            prop_assert!(!identities.is_empty());
            for value in [email, phone].into_iter().flatten() {
                prop_assert!(identities.iter().any(|identity| identity.value == value));
            }
        }
    }

    #[test]
    fn checking_twice_changes_nothing(mut change in change()) {
        let definitions = Definitions::default();
        prop_assert_eq!(model::check(&mut change, &definitions, NOW), vec![]);
        let once = change.clone();
        prop_assert_eq!(model::check(&mut change, &definitions, NOW), vec![]);
        prop_assert_eq!(change, once);
    }
}

#[test]
fn an_event_names_fields_and_no_values() {
    let mut world = World::default();
    let ann = LeadChange {
        email: Patch::Set("ann@example.com".into()),
        ..LeadChange::default()
    };
    world.run(std::slice::from_ref(&ann), UpsertMode::Create);
    let id = *world.leads.keys().next().expect("one lead");
    let event = updated(id, [LeadField::FirstName, LeadField::Email].into_iter().collect());
    assert_eq!(event.payload, json!({ "fields": ["email", "firstName"] }));
}
