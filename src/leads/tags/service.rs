//! Use cases of tags.

use std::collections::{BTreeMap, HashMap, HashSet};

use entity::id::{LeadId, TagId};
use entity::{Area, EventKind, Timestamp};
use serde_json::json;

use super::model::{checked_category, checked_colour, checked_name};
use super::{Tag, name_key, store};
use crate::app::App;
use crate::db::{CallKey, Keyset, Once, Page, PageRequest, SortValue, Tx};
use crate::error::{Error, Failure, Outcome, Problem};
use crate::events::{self, NewEvent};
use crate::identity::{Caller, Rows, Scope};
use crate::leads::text::block;
use crate::leads::visible::{self, Visible};

/// Most tags of a deployment.
const MOST_TAGS: u64 = 10_000;
/// Most tags of one call.
const MOST_OF_CALL: usize = 50;
/// Most leads of one call.
pub const MOST_LEADS: usize = 1_000;
/// Longest description, in characters.
const MOST_DESCRIPTION: usize = 500;

/// What can be wrong with a call about tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "TagErrorCode")]
pub enum TagProblem {
    /// The name is missing, too long or contains `;` or `|`.
    InvalidName,
    /// Another tag has the name.
    NameTaken,
    /// The colour, category or description is malformed.
    Invalid,
    /// More tags or leads than one call or the deployment may have.
    TooMany,
    /// There is no such tag.
    NotFound,
    /// There is no such lead.
    LeadNotFound,
    /// The lead would be outside of what the row filter of the token shows.
    OutsideRowFilter,
}

/// A tag that is about to be made.
#[derive(Clone, Debug, Default)]
pub struct NewTag {
    /// Its name.
    pub name: String,
    /// `#rrggbb`.
    pub colour: Option<String>,
    /// Group of tags.
    pub category: Option<String>,
    /// What it is for.
    pub description: Option<String>,
}

/// A change of a tag: `None` leaves as is, `Some(None)` clears.
#[derive(Clone, Debug, Default)]
pub struct TagChange {
    /// Its name.
    pub name: Option<String>,
    /// `#rrggbb`.
    pub colour: Option<Option<String>>,
    /// Group of tags.
    pub category: Option<Option<String>>,
    /// What it is for.
    pub description: Option<Option<String>>,
}

/// Which tags to list.
#[derive(Clone, Debug, Default)]
pub struct TagFilter {
    /// Of this category, exactly.
    pub category: Option<String>,
    /// With this text in the name, in any case.
    pub text: Option<String>,
}

/// Which tags to hang on leads and which to take off.
#[derive(Clone, Debug, Default)]
pub struct Tagging {
    /// To add, by id.
    pub add: Vec<TagId>,
    /// To add, by name.
    pub add_names: Vec<String>,
    /// Whether names to add that are no tag become one.
    pub create_missing: bool,
    /// To remove, by id.
    pub remove: Vec<TagId>,
    /// To remove, by name; a name that is no tag is no problem.
    pub remove_names: Vec<String>,
}

/// What became of one lead.
#[derive(Clone, Debug)]
pub struct LeadTagging {
    /// The lead.
    pub lead_id: LeadId,
    /// What it got and lost by this call; a problem when there is no such lead.
    pub outcome: Result<(Vec<TagId>, Vec<TagId>), Problem<TagProblem>>,
}

/// The place of a tag in the list.
#[must_use]
pub fn tags_keyset(tag: &Tag) -> Keyset {
    Keyset {
        order: "NAME".into(),
        value: SortValue::Text(tag.name_key.clone()),
        id: tag.id.0,
    }
}

/// Tags by name.
///
/// # Errors
/// A missing scope `leads:read`; the database's.
pub async fn list(
    app: &App,
    caller: &Caller,
    filter: &TagFilter,
    page: &PageRequest,
) -> Result<Page<Tag>, Error> {
    caller.require(Scope::Read(Area::Leads))?;
    Ok(store::list(app.db().read(), filter, page).await?)
}

/// The tags of leads, by name.
///
/// # Errors
/// The database's. The caller's scope has been asked for by whoever shows the lead.
pub async fn of_leads(app: &App, leads: &[LeadId]) -> Result<HashMap<LeadId, Vec<Tag>>, Error> {
    Ok(store::of_leads(app.db().read(), leads).await?)
}

/// How many leads have each tag.
///
/// # Errors
/// The database's.
pub async fn leads_counts(app: &App, rows: &Rows, tags: &[TagId]) -> Result<HashMap<TagId, i64>, Error> {
    let visible = Visible::of(app, rows).await?;
    Ok(store::leads_counts(app.db().read_lagging(), &visible, tags).await?)
}

/// Tags by id; those that are not there are left out.
///
/// # Errors
/// The database's. The caller's scope has been asked for by whoever lets the loader in.
pub async fn get_many(app: &App, ids: &[TagId]) -> Result<HashMap<TagId, Tag>, Error> {
    Ok(store::by_ids(app.db().read(), ids).await?)
}

/// Makes a tag; once for a key.
///
/// # Errors
/// [`TagProblem`]s of the input; a missing scope `leads:write`; a key used with another input.
pub async fn create(
    app: &App,
    caller: &Caller,
    new: NewTag,
    key: Option<&CallKey>,
) -> Outcome<Tag, TagProblem> {
    caller.require(Scope::Write(Area::Leads))?;
    let NewTag {
        name,
        colour,
        category,
        description,
    } = new;
    let now = app.clock().now();
    let mut problems = Vec::new();
    let tag = Tag {
        id: TagId::at(now),
        name_key: name_key(&name),
        name: read_name(&name, &mut problems),
        colour: optional("colour", colour.as_deref(), checked_colour, &mut problems),
        category: optional("category", category.as_deref(), checked_category, &mut problems),
        description: optional(
            "description",
            description.as_deref(),
            checked_description,
            &mut problems,
        ),
        created_at: now,
    };
    if !problems.is_empty() {
        return Err(problems.into());
    }
    let once = Once::new(key, &caller.actor.id, "tagCreate")?;
    let tx = app.db().begin().await?;
    if let Some(id) = once.before(&tx, now).await? {
        return existing(&tx, id).await;
    }
    room_for(&tx, 1).await?;
    if !store::insert(&tx, &tag).await? {
        return Err(taken(&tag.name).into());
    }
    events::append(&tx, &caller.actor.id, now, vec![changed(tag.id, "CREATED")]).await?;
    once.keep(&tx, &tag.id).await?;
    tx.commit().await?;
    Ok(tag)
}

/// Changes a tag.
///
/// # Errors
/// [`TagProblem`]s of the input; a missing scope `leads:write`.
pub async fn update(app: &App, caller: &Caller, id: TagId, change: TagChange) -> Outcome<Tag, TagProblem> {
    caller.require(Scope::Write(Area::Leads))?;
    // All leads that have it are shown with it.
    caller.require_all_rows()?;
    let tx = app.db().begin().await?;
    let before = existing(&tx, id).await?;
    let TagChange {
        name,
        colour,
        category,
        description,
    } = change;
    let mut after = before.clone();
    let mut problems = Vec::new();
    if let Some(name) = name {
        after.name_key = name_key(&name);
        after.name = read_name(&name, &mut problems);
    }
    if let Some(colour) = colour {
        after.colour = optional("colour", colour.as_deref(), checked_colour, &mut problems);
    }
    if let Some(category) = category {
        after.category = optional("category", category.as_deref(), checked_category, &mut problems);
    }
    if let Some(text) = description {
        after.description = optional("description", text.as_deref(), checked_description, &mut problems);
    }
    if !problems.is_empty() {
        return Err(problems.into());
    }
    if after == before {
        return Ok(after);
    }
    let holder = store::by_keys(&*tx, std::slice::from_ref(&after.name_key)).await?;
    if holder.get(&after.name_key).is_some_and(|holder| *holder != id) {
        return Err(taken(&after.name).into());
    }
    store::update(&tx, &after).await?;
    events::append(
        &tx,
        &caller.actor.id,
        app.clock().now(),
        vec![changed(id, "UPDATED")],
    )
    .await?;
    tx.commit().await?;
    Ok(after)
}

/// Removes a tag, from all leads too; answers with what it was. Leads lose it in steps of 1,000, each with a
/// `LEAD_TAGGED` event and each step for good; the tag itself goes with the last of them.
///
/// # Errors
/// [`TagProblem::NotFound`]; a missing scope `leads:write`.
pub async fn delete(app: &App, caller: &Caller, id: TagId) -> Outcome<Tag, TagProblem> {
    caller.require(Scope::Write(Area::Leads))?;
    caller.require_all_rows()?;
    let (tx, tag) = loop {
        let tx = app.db().begin().await?;
        let tag = existing(&tx, id).await?;
        let leads = store::unassign_some(&tx, id, MOST_LEADS).await?;
        let told = leads.iter().map(|lead| tagged(*lead, &[], &[id])).collect();
        events::append(&tx, &caller.actor.id, app.clock().now(), told).await?;
        if leads.len() < MOST_LEADS {
            break (tx, tag);
        }
        tx.commit().await?;
    };
    store::delete(&tx, id).await?;
    events::append(
        &tx,
        &caller.actor.id,
        app.clock().now(),
        vec![changed(id, "DELETED")],
    )
    .await?;
    tx.commit().await?;
    Ok(tag)
}

/// Hangs tags on leads and takes others off, all in one transaction; answers for each lead, in the order given.
/// What is so already is no change and no event. A tag both to add and to remove is removed.
///
/// # Errors
/// [`TagProblem`]s of the tags (then nothing has changed); a missing scope `leads:write`.
pub async fn change_leads(
    app: &App,
    caller: &Caller,
    leads: &[LeadId],
    tagging: &Tagging,
) -> Outcome<Vec<LeadTagging>, TagProblem> {
    caller.require(Scope::Write(Area::Leads))?;
    let Tagging {
        add,
        add_names,
        create_missing,
        remove,
        remove_names,
    } = tagging;
    if leads.len() > MOST_LEADS {
        let message = format!("one call takes up to 1,000 leads; this has {}", leads.len());
        return Err(Problem::new("leadIds", TagProblem::TooMany, message).into());
    }
    let count = add.len() + add_names.len() + remove.len() + remove_names.len();
    if count > MOST_OF_CALL {
        let message = format!("one call takes up to {MOST_OF_CALL} tags; this has {count}");
        return Err(Problem::new("", TagProblem::TooMany, message).into());
    }
    let now = app.clock().now();
    let seen = Visible::of(app, &caller.rows).await?;
    let tx = app.db().begin().await?;
    let mut events = Vec::new();
    let there = visible::lock(&tx, &seen, leads).await?;
    let known = store::by_ids(&*tx, &[&add[..], remove].concat()).await?;
    let mut problems = Vec::new();
    for (list, ids) in [("add", add), ("remove", remove)] {
        for (n, id) in ids.iter().enumerate().filter(|(_, id)| !known.contains_key(id)) {
            problems.push(no_tag(&format!("{list}.{n}"), *id));
        }
    }
    let mut added: Vec<TagId> = add.clone();
    let missing = if *create_missing {
        match named(&tx, now, add_names, &mut events).await {
            Ok(ids) => added.extend(ids),
            Err(Failure::Problems(found)) => problems.extend(found),
            Err(Failure::Error(error)) => return Err(error.into()),
        }
        Vec::new()
    } else {
        let keys: Vec<String> = add_names.iter().map(|name| name_key(name)).collect();
        let found = store::by_keys(&*tx, &keys).await?;
        added.extend(found.values());
        let absent = keys
            .iter()
            .enumerate()
            .filter(|(_, key)| !found.contains_key(*key));
        absent.map(|(n, _)| n).collect()
    };
    for n in missing {
        let name: String = add_names[n].chars().take(48).collect();
        let message = format!("there is no tag `{name}`; `createMissing: true` makes it");
        problems.push(Problem::new(
            &format!("addNames.{n}"),
            TagProblem::NotFound,
            message,
        ));
    }
    if !problems.is_empty() {
        return Err(problems.into());
    }
    let keys: Vec<String> = remove_names.iter().map(|name| name_key(name)).collect();
    let mut removed: Vec<TagId> = remove.clone();
    removed.extend(store::by_keys(&*tx, &keys).await?.values());
    added.retain(|id| !removed.contains(id));
    added.sort_unstable();
    added.dedup();
    let mut targets: Vec<LeadId> = there.iter().copied().collect();
    targets.sort_unstable();
    let mut guard = seen.guard(&tx).await?;
    let (gained, lost) = loop {
        targets.retain(|lead| !guard.refused().contains(lead));
        let pairs: Vec<_> = targets
            .iter()
            .flat_map(|lead| added.iter().map(|tag| (*lead, *tag)))
            .collect();
        let gained = by_lead(store::assign(&tx, now, &pairs).await?);
        let lost = by_lead(store::unassign(&tx, &targets, &removed).await?);
        if guard.holds(targets.iter().map(|lead| (*lead, *lead))).await? {
            break (gained, lost);
        }
    };
    let none = Vec::new();
    for lead in &targets {
        let (gained, lost) = (gained.get(lead).unwrap_or(&none), lost.get(lead).unwrap_or(&none));
        if !gained.is_empty() || !lost.is_empty() {
            events.push(tagged(*lead, gained, lost));
        }
    }
    events::append(&tx, &caller.actor.id, now, events).await?;
    let outside = guard.refused().clone();
    tx.commit().await?;
    let answer = |(n, lead_id): (usize, &LeadId)| LeadTagging {
        lead_id: *lead_id,
        outcome: if outside.contains(lead_id) {
            let (path, code) = (format!("leadIds.{n}"), TagProblem::OutsideRowFilter);
            Err(Problem::new(&path, code, visible::outside()))
        } else if there.contains(lead_id) {
            let of = |map: &BTreeMap<LeadId, Vec<TagId>>| map.get(lead_id).cloned().unwrap_or_default();
            Ok((of(&gained), of(&lost)))
        } else {
            let path = format!("leadIds.{n}");
            Err(Problem::new(
                &path,
                TagProblem::LeadNotFound,
                visible::missing(*lead_id),
            ))
        },
    };
    Ok(leads.iter().enumerate().map(answer).collect())
}

/// The tags with these names, made where they are missing; the events to append are added to `events`.
/// Keys are the names as given.
///
/// # Errors
/// [`TagProblem`]s of names; the database's.
pub async fn resolve_names(
    tx: &Tx,
    now: Timestamp,
    names: &[String],
    events: &mut Vec<NewEvent>,
) -> Outcome<HashMap<String, TagId>, TagProblem> {
    let ids = named(tx, now, names, events).await?;
    Ok(names.iter().cloned().zip(ids).collect())
}

/// Hangs tags on leads that the transaction holds, in a few statements whatever their number; answers with the events to
/// append: one for each lead that got a tag it did not have.
///
/// # Errors
/// The database's.
pub async fn assign_many(tx: &Tx, now: Timestamp, pairs: &[(LeadId, TagId)]) -> Result<Vec<NewEvent>, Error> {
    let mut seen = HashSet::new();
    let pairs: Vec<_> = pairs.iter().copied().filter(|pair| seen.insert(*pair)).collect();
    let gained = by_lead(store::assign(tx, now, &pairs).await?);
    Ok(gained
        .iter()
        .map(|(lead, tags)| tagged(*lead, tags, &[]))
        .collect())
}

/// The ids of names, in their order.
async fn named(
    tx: &Tx,
    now: Timestamp,
    names: &[String],
    events: &mut Vec<NewEvent>,
) -> Outcome<Vec<TagId>, TagProblem> {
    let keys: Vec<String> = names.iter().map(|name| name_key(name)).collect();
    let mut found = store::by_keys(&**tx, &keys).await?;
    let mut problems = Vec::new();
    let mut wanted: Vec<Tag> = Vec::new();
    for (n, (name, key)) in names.iter().zip(&keys).enumerate() {
        if found.contains_key(key) || wanted.iter().any(|tag| tag.name_key == *key) {
            continue;
        }
        match checked_name(name) {
            Ok(name) => wanted.push(Tag {
                id: TagId::at(now),
                name,
                name_key: key.clone(),
                colour: None,
                category: None,
                description: None,
                created_at: now,
            }),
            Err(message) => {
                problems.push(Problem::new(
                    &format!("addNames.{n}"),
                    TagProblem::InvalidName,
                    message,
                ));
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems.into());
    }
    if !wanted.is_empty() {
        room_for(tx, wanted.len()).await?;
        for tag in store::insert_missing(tx, &wanted).await? {
            events.push(changed(tag.id, "CREATED"));
            found.insert(tag.name_key, tag.id);
        }
        // Another transaction may have made some of them meanwhile; they can be read now.
        let rest: Vec<String> = keys
            .iter()
            .filter(|key| !found.contains_key(*key))
            .cloned()
            .collect();
        found.extend(store::by_keys(&**tx, &rest).await?);
    }
    keys.iter()
        .map(|key| {
            found
                .get(key)
                .copied()
                .ok_or_else(|| Error::Unavailable("a tag was removed meanwhile; try again".into()).into())
        })
        .collect()
}

async fn room_for(tx: &Tx, more: usize) -> Outcome<(), TagProblem> {
    if store::count(&**tx).await? + more as u64 > MOST_TAGS {
        let message = "there are 10,000 tags already; remove some first";
        return Err(Problem::new("", TagProblem::TooMany, message).into());
    }
    Ok(())
}

async fn existing(tx: &Tx, id: TagId) -> Outcome<Tag, TagProblem> {
    let mut found = store::by_ids(&**tx, &[id]).await?;
    found.remove(&id).ok_or_else(|| no_tag("id", id).into())
}

fn no_tag(path: &str, id: TagId) -> Problem<TagProblem> {
    Problem::new(path, TagProblem::NotFound, format!("there is no tag `{id}`"))
}

fn taken(name: &str) -> Problem<TagProblem> {
    Problem::new(
        "name",
        TagProblem::NameTaken,
        format!("another tag has the name `{name}`"),
    )
}

fn changed(id: TagId, change: &str) -> NewEvent {
    NewEvent {
        kind: EventKind::TagChanged,
        lead_id: None,
        subject: id.to_string(),
        payload: json!({ "change": change }),
    }
}

fn tagged(lead: LeadId, added: &[TagId], removed: &[TagId]) -> NewEvent {
    let payload = json!({ "added": added, "removed": removed });
    NewEvent::of_lead(EventKind::LeadTagged, lead, payload)
}

fn by_lead(pairs: Vec<(LeadId, TagId)>) -> BTreeMap<LeadId, Vec<TagId>> {
    let mut map: BTreeMap<LeadId, Vec<TagId>> = BTreeMap::new();
    for (lead, tag) in pairs {
        map.entry(lead).or_default().push(tag);
    }
    map.values_mut().for_each(|tags| tags.sort_unstable());
    map
}

type Problems = Vec<Problem<TagProblem>>;

fn read_name(name: &str, problems: &mut Problems) -> String {
    checked_name(name).unwrap_or_else(|message| {
        problems.push(Problem::new("name", TagProblem::InvalidName, message));
        String::new()
    })
}

fn checked_description(text: &str) -> Result<String, String> {
    block("the description", text, MOST_DESCRIPTION)
}

/// A field that may be empty.
fn optional(
    field: &str,
    text: Option<&str>,
    check: impl Fn(&str) -> Result<String, String>,
    problems: &mut Problems,
) -> Option<String> {
    let text = text.filter(|text| !text.trim().is_empty())?;
    check(text)
        .map_err(|message| problems.push(Problem::new(field, TagProblem::Invalid, message)))
        .ok()
}
