//! Custom fields in GraphQL.

use async_graphql::{Context, InputObject, MaybeUndefined, Object, Result, SimpleObject};
use entity::id::CustomFieldId;
use entity::{Area, CustomFieldType, Timestamp};

use super::{CustomFieldChange, CustomFieldProblem, NewCustomField};
use crate::api::types::{Access, scoped, user_errors};
use crate::db::CallKey;
use crate::identity::Scope;

/// The definition of a custom field of leads.
pub struct CustomField(pub super::CustomField);

#[Object]
impl CustomField {
    /// The field's id.
    async fn id(&self) -> CustomFieldId {
        self.0.id
    }
    /// Key of its values in `Lead.custom`, e.g. `sport_type`.
    async fn key(&self) -> &str {
        &self.0.key
    }
    /// As shown to people.
    async fn label(&self) -> &str {
        &self.0.label
    }
    /// Type of its values; never changes.
    #[graphql(name = "type")]
    async fn field_type(&self) -> CustomFieldType {
        self.0.field_type
    }
    /// Valid values of a selection; empty for other types.
    async fn options(&self) -> &[String] {
        &self.0.options
    }
    /// Whether a new lead must have it.
    async fn required(&self) -> bool {
        self.0.required
    }
    /// What it is for.
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }
    /// When it was made.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }
    /// When it was taken out of use; null while in use. Values of leads stay, new ones are refused.
    async fn archived_at(&self) -> Option<Timestamp> {
        self.0.archived_at
    }
}

/// Queries about custom fields.
#[derive(Default)]
pub struct CustomFieldQuery;

#[scoped]
#[Object]
impl CustomFieldQuery {
    /// The custom fields of leads, in the order in which they were made; at most 200.
    #[scope("leads:read")]
    async fn custom_fields(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whether to list those out of use too.", default)] include_archived: bool,
    ) -> Result<Vec<CustomField>> {
        ctx.caller()?.require(Scope::Read(Area::Leads))?;
        let definitions = super::definitions(ctx.app()).await?;
        let wanted = definitions
            .all()
            .iter()
            .filter(|field| include_archived || field.archived_at.is_none());
        Ok(wanted.cloned().map(CustomField).collect())
    }
}

user_errors!(
    /// An expected failure of a call about custom fields.
    CustomFieldUserError,
    CustomFieldProblem
);

/// What a new custom field is.
#[derive(InputObject, Debug)]
struct CustomFieldCreateInput {
    /// Key of its values: up to 40 of a-z, 0-9 and `_`, beginning with a letter, e.g. `sport_type`. Never changes.
    key: String,
    /// As shown to people, up to 100 characters; the key when not given.
    label: Option<String>,
    /// Type of its values. Never changes.
    #[graphql(name = "type")]
    field_type: CustomFieldType,
    /// Valid values of SELECT and MULTI_SELECT: 1 to 200 of up to 100 characters, without `;`.
    #[graphql(default)]
    options: Vec<String>,
    /// Whether a new lead must have it.
    #[graphql(default)]
    required: bool,
    /// What it is for, up to 500 characters.
    description: Option<String>,
    /// The same key and input again give the same answer and are done once; kept 7 days.
    idempotency_key: Option<String>,
}

/// A change of a custom field.
#[derive(InputObject)]
struct CustomFieldUpdateInput {
    /// The field's id.
    id: CustomFieldId,
    /// As shown to people, up to 100 characters.
    label: Option<String>,
    /// All valid values of a selection. Values of leads that are no option any more stay.
    options: Option<Vec<String>>,
    /// Whether a new lead must have it.
    required: Option<bool>,
    /// What it is for, up to 500 characters; null clears it.
    description: MaybeUndefined<String>,
}

/// Which custom field to take out of use or back into it.
#[derive(InputObject)]
struct CustomFieldArchiveInput {
    /// The field's id.
    id: CustomFieldId,
    /// `false` takes it back into use.
    #[graphql(default = true)]
    archived: bool,
}

/// The answer of calls that change a custom field.
#[derive(SimpleObject)]
struct CustomFieldPayload {
    /// The custom field; null when there are user errors.
    custom_field: Option<CustomField>,
    /// What was wrong with the input.
    user_errors: Vec<CustomFieldUserError>,
}

impl CustomFieldPayload {
    fn from(outcome: crate::error::Outcome<super::CustomField, CustomFieldProblem>) -> Result<Self> {
        let (field, user_errors) = CustomFieldUserError::split(outcome)?;
        Ok(Self {
            custom_field: field.map(CustomField),
            user_errors,
        })
    }
}

/// Changes of custom fields.
#[derive(Default)]
pub struct CustomFieldMutation;

#[scoped]
#[Object]
impl CustomFieldMutation {
    /// Defines a custom field of leads.
    #[scope("leads:write", all_rows)]
    async fn custom_field_create(
        &self,
        ctx: &Context<'_>,
        input: CustomFieldCreateInput,
    ) -> Result<CustomFieldPayload> {
        let call = CallKey::of(input.idempotency_key.as_ref(), &input);
        let CustomFieldCreateInput {
            key,
            label,
            field_type,
            options,
            required,
            description,
            idempotency_key: _,
        } = input;
        let new = NewCustomField {
            key,
            label,
            field_type,
            options,
            required,
            description,
        };
        CustomFieldPayload::from(super::create(ctx.app(), ctx.caller()?, new, call.as_ref()).await)
    }

    /// Changes a custom field; its key and type cannot change.
    #[scope("leads:write", all_rows)]
    async fn custom_field_update(
        &self,
        ctx: &Context<'_>,
        input: CustomFieldUpdateInput,
    ) -> Result<CustomFieldPayload> {
        let CustomFieldUpdateInput {
            id,
            label,
            options,
            required,
            description,
        } = input;
        let change = CustomFieldChange {
            label,
            options,
            required,
            description: match description {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(None),
                MaybeUndefined::Value(text) => Some(Some(text)),
            },
        };
        CustomFieldPayload::from(super::update(ctx.app(), ctx.caller()?, id, change).await)
    }

    /// Takes a custom field out of use, or back into it. Values of leads stay; new ones are refused while it is out of
    /// use.
    #[scope("leads:write", all_rows)]
    async fn custom_field_archive(
        &self,
        ctx: &Context<'_>,
        input: CustomFieldArchiveInput,
    ) -> Result<CustomFieldPayload> {
        let CustomFieldArchiveInput { id, archived } = input;
        CustomFieldPayload::from(super::archive(ctx.app(), ctx.caller()?, id, archived).await)
    }
}
