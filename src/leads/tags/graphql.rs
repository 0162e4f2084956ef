//! Tags in GraphQL.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, InputObject, MaybeUndefined, Object, Result, SimpleObject};
use entity::Timestamp;
use entity::id::{LeadId, TagId};

use super::{LeadTagging, NewTag, TagChange, TagFilter, TagProblem, Tagging};
use crate::api::types::{Access, Listed, Pages, connection, page_request, scoped, user_errors};
use crate::api::{Eager, Lead};
use crate::app::App;
use crate::db::CallKey;
use crate::error::{Error, Outcome};
use crate::identity::Rows;
use crate::leads::lead::graphql::load as load_lead;
use crate::leads::visible::by_rows;

/// Loads the tags of leads for all requests together.
pub struct LeadTagsLoader(pub App);

impl Loader<LeadId> for LeadTagsLoader {
    type Value = Vec<super::Tag>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[LeadId]) -> std::result::Result<HashMap<LeadId, Self::Value>, Arc<Error>> {
        super::of_leads(&self.0, keys).await.map_err(Arc::new)
    }
}

/// Counts the leads of tags for all requests together.
pub struct TagCountLoader(pub App);

impl Loader<(Rows, TagId)> for TagCountLoader {
    type Value = i64;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[(Rows, TagId)],
    ) -> std::result::Result<HashMap<(Rows, TagId), i64>, Arc<Error>> {
        let mut all = HashMap::with_capacity(keys.len());
        for (rows, ids) in by_rows(keys) {
            let counts = super::leads_counts(&self.0, rows, &ids).await.map_err(Arc::new)?;
            all.extend(counts.into_iter().map(|(id, count)| ((rows.clone(), id), count)));
        }
        Ok(all)
    }
}

/// A word that people hang on leads.
pub struct Tag(pub super::Tag);

#[Object]
impl Tag {
    /// The tag's id.
    async fn id(&self) -> TagId {
        self.0.id
    }
    /// Its name, up to 50 characters; no two tags differ by case or blanks alone.
    async fn name(&self) -> &str {
        &self.0.name
    }
    /// Its colour, e.g. `#1e90ff`.
    async fn colour(&self) -> Option<&str> {
        self.0.colour.as_deref()
    }
    /// The group of tags that it belongs to.
    async fn category(&self) -> Option<&str> {
        self.0.category.as_deref()
    }
    /// What it is for.
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }
    /// When it was made.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }
    /// How many leads have it.
    #[graphql(complexity = 10)]
    async fn leads_count(&self, ctx: &Context<'_>) -> Result<i64> {
        let loader = ctx.data_unchecked::<DataLoader<TagCountLoader>>();
        let key = (ctx.caller()?.rows.clone(), self.0.id);
        Ok(loader.load_one(key).await?.unwrap_or_default())
    }
}

/// What a lead shows of its tags.
pub struct LeadTagFields(pub LeadId);

#[Object]
impl LeadTagFields {
    /// The lead's tags, by name.
    #[graphql(complexity = "2 + 2 * child_complexity")]
    async fn tags(&self, ctx: &Context<'_>) -> Result<Vec<Eager<Tag>>> {
        let loader = ctx.data_unchecked::<DataLoader<LeadTagsLoader>>();
        let tags = loader.load_one(self.0).await?.unwrap_or_default();
        Ok(tags.into_iter().map(|tag| Eager(Tag(tag))).collect())
    }
}

/// Which tags to list.
#[derive(InputObject, Default)]
struct TagFilterInput {
    /// Of this category, exactly as it is written.
    category: Option<String>,
    /// With this text in the name, in any case.
    text: Option<String>,
}

/// Queries about tags.
#[derive(Default)]
pub struct TagQuery;

#[scoped]
#[Object]
impl TagQuery {
    /// Tags, by name.
    #[scope("leads:read")]
    #[graphql(complexity = "first.or(last).unwrap_or(25).max(0) as usize * child_complexity")]
    async fn tags(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the start, 1–100; 25 when neither `first` nor `last` is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the end, 1–100.")] last: Option<i32>,
        #[graphql(desc = "Only rows before this cursor.")] before: Option<String>,
        #[graphql(desc = "Which tags.")] filter: Option<TagFilterInput>,
    ) -> Result<Listed<Tag>> {
        let pages = Pages {
            first,
            after,
            last,
            before,
        };
        let page = page_request(&pages, "NAME")?;
        let TagFilterInput { category, text } = filter.unwrap_or_default();
        let filter = TagFilter { category, text };
        let page = super::list(ctx.app(), ctx.caller()?, &filter, &page).await?;
        Ok(connection(page, |tag| (super::tags_keyset(&tag), Tag(tag))))
    }
}

user_errors!(
    /// An expected failure of a call about tags.
    TagUserError,
    TagProblem
);

/// What a new tag is.
#[derive(InputObject, Debug)]
struct TagCreateInput {
    /// Its name, up to 50 characters without `;` and `|`; no two tags differ by case or blanks alone.
    name: String,
    /// Its colour, `#rrggbb`.
    colour: Option<String>,
    /// The group of tags that it belongs to, up to 50 characters.
    category: Option<String>,
    /// What it is for, up to 500 characters.
    description: Option<String>,
    /// The same key and input again give the same answer and are done once; kept 7 days.
    idempotency_key: Option<String>,
}

/// A change of a tag; what is absent stays, null clears.
#[derive(InputObject)]
struct TagUpdateInput {
    /// The tag's id.
    id: TagId,
    /// Its name.
    name: Option<String>,
    /// Its colour, `#rrggbb`.
    colour: MaybeUndefined<String>,
    /// The group of tags that it belongs to.
    category: MaybeUndefined<String>,
    /// What it is for.
    description: MaybeUndefined<String>,
}

/// Which tag to remove.
#[derive(InputObject)]
struct TagDeleteInput {
    /// The tag's id.
    id: TagId,
}

/// The answer of calls that make or change a tag.
#[derive(SimpleObject)]
struct TagPayload {
    /// The tag; null when there are user errors.
    tag: Option<Tag>,
    /// What was wrong with the input.
    user_errors: Vec<TagUserError>,
}

/// The answer of `tagDelete`.
#[derive(SimpleObject)]
struct TagDeletePayload {
    /// The id of the tag that was removed; null when there are user errors.
    deleted_id: Option<TagId>,
    /// What was wrong with the input.
    user_errors: Vec<TagUserError>,
}

/// Tags to hang on a lead.
#[derive(InputObject)]
struct LeadTagsAddInput {
    /// The lead.
    lead_id: LeadId,
    /// Tags by id.
    #[graphql(default)]
    tag_ids: Vec<TagId>,
    /// Tags by name, in any case. At most 50 tags in all.
    #[graphql(default)]
    names: Vec<String>,
    /// Whether a name that is no tag yet becomes one; else it is a user error.
    #[graphql(default)]
    create_missing: bool,
}

/// Tags to take off a lead.
#[derive(InputObject)]
struct LeadTagsRemoveInput {
    /// The lead.
    lead_id: LeadId,
    /// Tags by id.
    #[graphql(default)]
    tag_ids: Vec<TagId>,
    /// Tags by name, in any case; a name that is no tag is no error. At most 50 tags in all.
    #[graphql(default)]
    names: Vec<String>,
}

/// The answer of calls that change the tags of one lead.
#[derive(SimpleObject)]
struct LeadTagsPayload {
    /// The lead; null when there are user errors.
    lead: Option<Eager<Lead>>,
    /// Tags that the lead got by this call.
    added_ids: Vec<TagId>,
    /// Tags that the lead lost by this call.
    removed_ids: Vec<TagId>,
    /// What was wrong with the input.
    user_errors: Vec<TagUserError>,
}

/// Tags to hang on many leads and to take off them.
#[derive(InputObject)]
struct LeadsTagInput {
    /// The leads, up to 1,000.
    lead_ids: Vec<LeadId>,
    /// Tags to add, by id.
    #[graphql(default)]
    add: Vec<TagId>,
    /// Tags to add, by name.
    #[graphql(default)]
    add_names: Vec<String>,
    /// Whether a name to add that is no tag yet becomes one; else it is a user error.
    #[graphql(default)]
    create_missing: bool,
    /// Tags to remove, by id.
    #[graphql(default)]
    remove: Vec<TagId>,
    /// Tags to remove, by name. At most 50 tags in all.
    #[graphql(default)]
    remove_names: Vec<String>,
}

/// What became of one lead.
#[derive(SimpleObject)]
struct LeadsTagResult {
    /// The lead that was named.
    lead_id: LeadId,
    /// Tags that it got by this call.
    added_ids: Vec<TagId>,
    /// Tags that it lost by this call.
    removed_ids: Vec<TagId>,
    /// What was wrong with this lead.
    user_errors: Vec<TagUserError>,
}

impl LeadsTagResult {
    fn new(tagging: LeadTagging) -> Self {
        let LeadTagging { lead_id, outcome } = tagging;
        let (added_ids, removed_ids, user_errors) = match outcome {
            Ok((added, removed)) => (added, removed, Vec::new()),
            Err(problem) => (Vec::new(), Vec::new(), vec![problem.into()]),
        };
        Self {
            lead_id,
            added_ids,
            removed_ids,
            user_errors,
        }
    }
}

/// The answer of `leadsTag`.
#[derive(SimpleObject)]
struct LeadsTagPayload {
    /// One answer for each lead, in the order given; empty when there are user errors.
    results: Vec<LeadsTagResult>,
    /// What was wrong with the tags; then nothing has changed.
    user_errors: Vec<TagUserError>,
}

/// Changes of tags.
#[derive(Default)]
pub struct TagMutation;

#[scoped]
#[Object]
impl TagMutation {
    /// Makes a tag.
    #[scope("leads:write")]
    async fn tag_create(&self, ctx: &Context<'_>, input: TagCreateInput) -> Result<TagPayload> {
        let key = CallKey::of(input.idempotency_key.as_ref(), &input);
        let TagCreateInput {
            name,
            colour,
            category,
            description,
            idempotency_key: _,
        } = input;
        let new = NewTag {
            name,
            colour,
            category,
            description,
        };
        tag_payload(super::create(ctx.app(), ctx.caller()?, new, key.as_ref()).await)
    }

    /// Changes a tag.
    #[scope("leads:write", all_rows)]
    async fn tag_update(&self, ctx: &Context<'_>, input: TagUpdateInput) -> Result<TagPayload> {
        let TagUpdateInput {
            id,
            name,
            colour,
            category,
            description,
        } = input;
        let change = TagChange {
            name,
            colour: change_of(colour),
            category: change_of(category),
            description: change_of(description),
        };
        tag_payload(super::update(ctx.app(), ctx.caller()?, id, change).await)
    }

    /// Removes a tag, from all leads too.
    #[scope("leads:write", all_rows)]
    async fn tag_delete(&self, ctx: &Context<'_>, input: TagDeleteInput) -> Result<TagDeletePayload> {
        let outcome = super::delete(ctx.app(), ctx.caller()?, input.id).await;
        let (tag, user_errors) = TagUserError::split(outcome)?;
        Ok(TagDeletePayload {
            deleted_id: tag.map(|tag| tag.id),
            user_errors,
        })
    }

    /// Hangs tags on a lead; those it has already are no change.
    #[scope("leads:write")]
    async fn lead_tags_add(&self, ctx: &Context<'_>, input: LeadTagsAddInput) -> Result<LeadTagsPayload> {
        let LeadTagsAddInput {
            lead_id,
            tag_ids,
            names,
            create_missing,
        } = input;
        let tagging = Tagging {
            add: tag_ids,
            add_names: names,
            create_missing,
            ..Tagging::default()
        };
        change_one(ctx, lead_id, &tagging).await
    }

    /// Takes tags off a lead; those it has not are no change.
    #[scope("leads:write")]
    async fn lead_tags_remove(
        &self,
        ctx: &Context<'_>,
        input: LeadTagsRemoveInput,
    ) -> Result<LeadTagsPayload> {
        let LeadTagsRemoveInput {
            lead_id,
            tag_ids,
            names,
        } = input;
        let tagging = Tagging {
            remove: tag_ids,
            remove_names: names,
            ..Tagging::default()
        };
        change_one(ctx, lead_id, &tagging).await
    }

    /// Hangs tags on up to 1,000 leads and takes others off, in one step, with an answer for each lead. A tag both to
    /// add and to remove is removed.
    #[scope("leads:write")]
    async fn leads_tag(&self, ctx: &Context<'_>, input: LeadsTagInput) -> Result<LeadsTagPayload> {
        let LeadsTagInput {
            lead_ids,
            add,
            add_names,
            create_missing,
            remove,
            remove_names,
        } = input;
        let tagging = Tagging {
            add,
            add_names,
            create_missing,
            remove,
            remove_names,
        };
        let outcome = super::change_leads(ctx.app(), ctx.caller()?, &lead_ids, &tagging).await;
        let (results, user_errors) = TagUserError::split(outcome)?;
        let results = results.unwrap_or_default();
        Ok(LeadsTagPayload {
            results: results.into_iter().map(LeadsTagResult::new).collect(),
            user_errors,
        })
    }
}

fn change_of(value: MaybeUndefined<String>) -> Option<Option<String>> {
    match value {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(text) => Some(Some(text)),
    }
}

fn tag_payload(outcome: Outcome<super::Tag, TagProblem>) -> Result<TagPayload> {
    let (tag, user_errors) = TagUserError::split(outcome)?;
    Ok(TagPayload {
        tag: tag.map(Tag),
        user_errors,
    })
}

async fn change_one(ctx: &Context<'_>, lead_id: LeadId, tagging: &Tagging) -> Result<LeadTagsPayload> {
    let outcome = super::change_leads(ctx.app(), ctx.caller()?, &[lead_id], tagging).await;
    let (results, mut user_errors) = TagUserError::split(outcome)?;
    for error in &mut user_errors {
        error.rename("add", "tagIds");
        error.rename("remove", "tagIds");
        error.rename("addNames", "names");
    }
    let (mut added_ids, mut removed_ids, mut lead) = (Vec::new(), Vec::new(), None);
    if let Some(LeadTagging { outcome, .. }) = results.into_iter().flatten().next() {
        match outcome {
            Ok((added, removed)) => {
                (added_ids, removed_ids) = (added, removed);
                lead = load_lead(ctx, lead_id).await?;
            }
            Err(mut problem) => {
                problem.field = vec!["leadId".into()];
                user_errors.push(problem.into());
            }
        }
    }
    Ok(LeadTagsPayload {
        lead,
        added_ids,
        removed_ids,
        user_errors,
    })
}

impl TagUserError {
    /// Names a field as another input calls it.
    fn rename(&mut self, from: &str, to: &str) {
        if let Some(first) = self.field.first_mut().filter(|first| *first == from) {
            to.clone_into(first);
        }
    }
}
