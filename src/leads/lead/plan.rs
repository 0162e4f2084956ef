//! What a batch of changes comes to: which leads are created, changed, revived, left alone. Pure.
//!
//! A batch has the outcome of its items one after the other, so that the size of a batch changes nothing: an item
//! that names an identity which an earlier item brought is about the same lead.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use entity::id::LeadId;
use entity::{EventKind, IdentityKind, Stage, Timestamp, lead, lead_identity};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::change::{LeadChange, LeadField, LeadFields, Patch};
use super::model::{self, Identity, LeadFault, LeadProblem, Primary, apply, blank, identities, missing};
use crate::error::Problem;
use crate::events::NewEvent;
use crate::leads::custom_fields::Definitions;

/// What may happen to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpsertMode {
    /// A new lead: an identity that another lead has is a problem.
    Create,
    /// An existing lead: one that is not there is a problem.
    Update,
    /// Whichever applies. A deleted lead that is known by one of the identities is restored.
    Upsert,
}

/// What became of an item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ItemOutcome {
    /// A new lead.
    Created(LeadId),
    /// These fields of a lead changed.
    Updated {
        /// The lead.
        id: LeadId,
        /// What changed; empty when a deleted lead came back as it was.
        fields: LeadFields,
    },
    /// The lead has all of it already: nothing was written.
    Unchanged(LeadId),
    /// Nothing was done, for these reasons.
    Refused(Vec<LeadFault>),
}

impl ItemOutcome {
    /// The lead, unless the item was refused.
    #[must_use]
    pub const fn lead_id(&self) -> Option<LeadId> {
        match self {
            Self::Created(id) | Self::Updated { id, .. } | Self::Unchanged(id) => Some(*id),
            Self::Refused(_) => None,
        }
    }
}

/// What is there before the batch.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// To whom the identities of the batch belong.
    pub(super) owners: HashMap<Identity, LeadId>,
    /// The leads that the batch may be about; deleted ones among them, erased ones not.
    pub(super) leads: HashMap<LeadId, lead::Model>,
    /// All identities of those leads whose e-mail or phone number the batch clears.
    pub(super) held: HashMap<LeadId, BTreeSet<Identity>>,
}

/// What to write.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) outcomes: Vec<ItemOutcome>,
    pub(super) created: Vec<lead::Model>,
    pub(super) changed: Vec<lead::Model>,
    /// Sorted: everybody claims identities in the same order, so that nobody waits in a circle.
    pub(super) claims: Vec<lead_identity::Model>,
    pub(super) releases: Vec<Identity>,
    pub(super) events: Vec<NewEvent>,
}

/// A lead that the batch is working on.
struct Work {
    lead: lead::Model,
    created: bool,
    revived: bool,
    fields: LeadFields,
}

struct Planner<'a> {
    mode: UpsertMode,
    now: Timestamp,
    definitions: &'a Definitions,
    known: Known,
    work: HashMap<LeadId, Work>,
    order: Vec<LeadId>,
    claims: HashMap<Identity, LeadId>,
    releases: BTreeSet<Identity>,
    fresh: std::vec::IntoIter<LeadId>,
}

/// Plans a batch of checked items.
pub(super) fn plan(
    items: &[Result<LeadChange, Vec<LeadFault>>],
    known: Known,
    definitions: &Definitions,
    mode: UpsertMode,
    now: Timestamp,
) -> Plan {
    // In order, so that rows of one batch lie together and come in the order of the items where times are alike.
    let mut fresh: Vec<LeadId> = match mode {
        UpsertMode::Update => Vec::new(),
        UpsertMode::Create | UpsertMode::Upsert => items.iter().map(|_| LeadId::at(now)).collect(),
    };
    fresh.sort_unstable();
    let mut planner = Planner {
        mode,
        now,
        definitions,
        known,
        work: HashMap::with_capacity(items.len()),
        order: Vec::with_capacity(items.len()),
        claims: HashMap::with_capacity(items.len()),
        releases: BTreeSet::new(),
        fresh: fresh.into_iter(),
    };
    let outcomes = items
        .iter()
        .map(|item| match item {
            Ok(change) => planner
                .item(change)
                .unwrap_or_else(|problem| ItemOutcome::Refused(vec![problem])),
            Err(problems) => ItemOutcome::Refused(problems.clone()),
        })
        .collect();
    planner.finish(outcomes)
}

impl Planner<'_> {
    fn owner(&self, identity: &Identity) -> Option<LeadId> {
        if let Some(id) = self.claims.get(identity) {
            return Some(*id);
        }
        if self.releases.contains(identity) {
            return None;
        }
        self.known.owners.get(identity).copied()
    }

    fn lead(&self, id: LeadId) -> Option<&lead::Model> {
        self.work
            .get(&id)
            .map(|work| &work.lead)
            .or_else(|| self.known.leads.get(&id))
    }

    fn item(&mut self, change: &LeadChange) -> Result<ItemOutcome, LeadFault> {
        let named: Vec<(Identity, &'static str, Option<LeadId>)> = identities(change)
            .map(|(identity, path)| {
                let owner = self.owner(&identity);
                (identity, path, owner)
            })
            .collect();
        if named.is_empty() && change.id.is_none() {
            return Err(Problem::new(
                "",
                LeadProblem::IdentityRequired,
                "a lead needs an e-mail, a phone number or an external id",
            ));
        }
        match self.target(change, &named)? {
            Some(id) => self.update(id, change, named),
            None => self.create(change, named),
        }
    }

    /// The lead that an item is about.
    fn target(
        &self,
        change: &LeadChange,
        named: &[(Identity, &'static str, Option<LeadId>)],
    ) -> Result<Option<LeadId>, LeadFault> {
        if let Some(id) = change.id {
            if self.lead(id).is_none_or(|lead| lead.deleted_at.is_some()) {
                return Err(Problem::new(
                    "id",
                    LeadProblem::NotFound,
                    format!("there is no lead `{id}`"),
                ));
            }
            let other = named.iter().find_map(|(identity, path, owner)| {
                let owner = (*owner).filter(|owner| *owner != id)?;
                Some((identity, path, owner))
            });
            return match other {
                Some((identity, path, owner)) => Err(self.taken(identity, path, owner)),
                None => Ok(Some(id)),
            };
        }
        let mut first: Option<(&Identity, LeadId)> = None;
        for (identity, path, owner) in named {
            let Some(owner) = *owner else { continue };
            if self.mode == UpsertMode::Create {
                return Err(self.taken(identity, path, owner));
            }
            match first {
                Some((other, id)) if id != owner => {
                    return Err(Problem::new(
                        path,
                        LeadProblem::Ambiguous,
                        format!(
                            "the {other} belongs to `{id}`, but the {identity} to `{owner}`: these are two leads"
                        ),
                    ));
                }
                Some(_) => {}
                None => first = Some((identity, owner)),
            }
        }
        match first {
            Some((_, id)) => Ok(Some(id)),
            None if self.mode == UpsertMode::Update => {
                let (identity, path, _) = &named[0];
                Err(Problem::new(
                    path,
                    LeadProblem::NotFound,
                    format!("there is no lead with the {identity}"),
                ))
            }
            None => Ok(None),
        }
    }

    fn taken(&self, identity: &Identity, path: &str, owner: LeadId) -> LeadFault {
        let deleted = self.lead(owner).is_some_and(|lead| lead.deleted_at.is_some());
        let hint = if deleted {
            ", which is deleted: restore it, or upsert instead"
        } else {
            ""
        };
        Problem::new(
            path,
            LeadProblem::IdentityTaken,
            format!("the {identity} belongs to the lead `{owner}`{hint}"),
        )
    }

    fn create(
        &mut self,
        change: &LeadChange,
        named: Vec<(Identity, &'static str, Option<LeadId>)>,
    ) -> Result<ItemOutcome, LeadFault> {
        let id = self.fresh.next().expect("one id for each item");
        let mut lead = blank(id, change, self.now);
        let all = Primary {
            email: true,
            phone: true,
        };
        let fields = apply(change, &mut lead, all)?;
        let missing = missing(&lead, self.definitions);
        if !missing.is_empty() {
            return Ok(ItemOutcome::Refused(missing));
        }
        self.claims
            .extend(named.into_iter().map(|(identity, _, _)| (identity, id)));
        self.order.push(id);
        self.work.insert(
            id,
            Work {
                lead,
                created: true,
                revived: false,
                fields,
            },
        );
        Ok(ItemOutcome::Created(id))
    }

    fn update(
        &mut self,
        id: LeadId,
        change: &LeadChange,
        named: Vec<(Identity, &'static str, Option<LeadId>)>,
    ) -> Result<ItemOutcome, LeadFault> {
        let lead = self.lead(id).expect("the target is known");
        if let Some(version) = change.version
            && version != lead.version
        {
            return Err(Problem::new(
                "version",
                LeadProblem::Conflict,
                format!(
                    "the lead has changed: it has version {}, not {version}; read it again",
                    lead.version
                ),
            ));
        }
        let mut next = lead.clone();
        // A further address by which the lead is known already does not become the primary one unasked: else two rows
        // of one file would push each other out at each import.
        let owned = |kind| {
            named
                .iter()
                .any(|(identity, _, owner)| identity.kind == kind && *owner == Some(id))
        };
        let take = Primary {
            email: change.id.is_some() || next.email.is_none() || !owned(IdentityKind::Email),
            phone: change.id.is_some() || next.phone.is_none() || !owned(IdentityKind::Phone),
        };
        let mut fields = apply(change, &mut next, take)?;
        let lead = self.lead(id).expect("the target is known");
        let mut released = Vec::new();
        for (patch, kind, before) in [
            (&change.email, IdentityKind::Email, &lead.email),
            (&change.phone, IdentityKind::Phone, &lead.phone),
        ] {
            if let (Patch::Clear, Some(value)) = (patch, before) {
                released.push(Identity {
                    kind,
                    namespace: String::new(),
                    value: value.clone(),
                });
            }
        }
        let gained: Vec<Identity> = named
            .into_iter()
            .filter(|(_, _, owner)| owner.is_none())
            .map(|(identity, _, _)| identity)
            .collect();
        if !released.is_empty() && gained.is_empty() {
            let held = self.held(id);
            if held.iter().all(|identity| released.contains(identity)) {
                return Err(Problem::new(
                    if released[0].kind == IdentityKind::Email {
                        "email"
                    } else {
                        "phone"
                    },
                    LeadProblem::IdentityRequired,
                    format!(
                        "the lead is known by its {} alone: a lead needs an e-mail, a phone number or an external id",
                        released[0]
                    ),
                ));
            }
        }
        if !gained.is_empty() || !released.is_empty() {
            fields.insert(LeadField::Identities);
        }
        for identity in released {
            if self.claims.remove(&identity).is_none() {
                self.releases.insert(identity);
            }
        }
        for identity in gained {
            // Released by an earlier item and still in the table: it stays there.
            if self.known.owners.get(&identity) == Some(&id) && self.releases.remove(&identity) {
                continue;
            }
            self.claims.insert(identity, id);
        }
        let revived = next.deleted_at.take().is_some();
        if fields.is_empty() && !revived {
            return Ok(ItemOutcome::Unchanged(id));
        }
        match self.work.entry(id) {
            Entry::Occupied(mut work) => {
                let work = work.get_mut();
                work.lead = next;
                work.revived |= revived;
                work.fields.extend(fields);
            }
            Entry::Vacant(place) => {
                place.insert(Work {
                    lead: next,
                    created: false,
                    revived,
                    fields,
                });
                self.order.push(id);
            }
        }
        Ok(ItemOutcome::Updated { id, fields })
    }

    /// The identities that a lead has at this point of the batch.
    fn held(&self, id: LeadId) -> BTreeSet<Identity> {
        let before = self.known.held.get(&id).into_iter().flatten();
        let mut held: BTreeSet<Identity> = before
            .filter(|identity| !self.releases.contains(*identity))
            .cloned()
            .collect();
        held.extend(
            self.claims
                .iter()
                .filter(|(_, owner)| **owner == id)
                .map(|(identity, _)| identity.clone()),
        );
        held
    }

    fn finish(self, mut outcomes: Vec<ItemOutcome>) -> Plan {
        let Self {
            now,
            known,
            mut work,
            order,
            claims,
            releases,
            ..
        } = self;
        let mut plan = Plan {
            created: Vec::with_capacity(order.len()),
            events: Vec::with_capacity(order.len()),
            ..Plan::default()
        };
        let mut back_as_it_was: BTreeSet<LeadId> = BTreeSet::new();
        for id in order {
            let Work {
                mut lead,
                created,
                revived,
                fields,
            } = work.remove(&id).expect("each is worked on once");
            if created {
                let payload = match lead.stage {
                    Stage::New => json!({}),
                    stage => json!({ "stage": stage.as_str() }),
                };
                plan.events
                    .push(NewEvent::of_lead(EventKind::LeadCreated, id, payload));
                plan.created.push(lead);
                continue;
            }
            if known.leads.get(&id) == Some(&lead) && !fields.contains(LeadField::Identities) {
                back_as_it_was.insert(id);
                continue;
            }
            lead.version += 1;
            lead.updated_at = now;
            if revived {
                plan.events
                    .push(NewEvent::of_lead(EventKind::LeadRestored, id, json!({})));
            }
            if !fields.is_empty() {
                plan.events.push(updated(id, fields));
            }
            plan.changed.push(lead);
        }
        if !back_as_it_was.is_empty() {
            for outcome in &mut outcomes {
                if let ItemOutcome::Updated { id, .. } = outcome
                    && back_as_it_was.contains(id)
                {
                    *outcome = ItemOutcome::Unchanged(*id);
                }
            }
        }
        let mut claims: Vec<(Identity, LeadId)> = claims.into_iter().collect();
        claims.sort_unstable();
        plan.claims = claims
            .into_iter()
            .map(|(identity, lead_id)| {
                let Identity {
                    kind,
                    namespace,
                    value,
                } = identity;
                lead_identity::Model {
                    kind,
                    namespace,
                    value,
                    lead_id,
                    created_at: now,
                }
            })
            .collect();
        plan.releases = releases.into_iter().collect();
        plan.outcomes = outcomes;
        plan
    }
}

/// `LEAD_UPDATED`, with the names of the fields and none of their values.
pub(super) fn updated(id: LeadId, fields: LeadFields) -> NewEvent {
    NewEvent::of_lead(EventKind::LeadUpdated, id, json!({ "fields": fields.names() }))
}

/// Whether a checked change may take an identity away, so that all of the lead's have to be known.
pub(super) fn may_release(change: &LeadChange) -> bool {
    matches!(change.email, Patch::Clear) || matches!(change.phone, Patch::Clear)
}

/// Checks all items of a batch.
pub(super) fn check_all(
    items: Vec<LeadChange>,
    definitions: &Definitions,
    now: Timestamp,
) -> Vec<Result<LeadChange, Vec<LeadFault>>> {
    items
        .into_iter()
        .map(|mut change| {
            let problems = model::check(&mut change, definitions, now);
            if problems.is_empty() {
                Ok(change)
            } else {
                Err(problems)
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
