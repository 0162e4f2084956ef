//! Use cases of leads.

use std::collections::HashMap;

use entity::id::LeadId;
use entity::{Area, EventKind, IdentityKind, Stage, lead, lead_identity};
use serde_json::json;

use super::{Lead, store};
use crate::app::App;
use crate::db::{Direction, Keyset, Page, PageRequest, SortValue};
use crate::error::{Error, Outcome, Problem};
use crate::events::{self, NewEvent};
use crate::identity::{Caller, Rows, Scope};

/// What can be wrong with a call about leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "LeadErrorCode")]
pub enum LeadProblem {
    /// Nothing that tells the lead apart: an e-mail, a phone number or an outside identifier is needed.
    IdentityRequired,
    /// Another lead is known by this e-mail, phone number or identifier.
    IdentityTaken,
    /// A value is malformed.
    Invalid,
    /// There is no such lead.
    NotFound,
}

/// A lead that is about to be created.
#[derive(Clone, Debug, Default)]
pub struct NewLead {
    /// E-mail address.
    pub email: Option<String>,
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// Company.
    pub company_name: Option<String>,
    /// Where the lead came from.
    pub source: Option<String>,
}

/// By what leads are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
pub enum LeadOrderField {
    /// When it became known.
    CreatedAt,
    /// When it was last changed.
    UpdatedAt,
}

/// An ordering of leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeadOrder {
    /// By what.
    pub field: LeadOrderField,
    /// Which way.
    pub direction: Direction,
}

impl LeadOrder {
    /// The name that cursors are bound to.
    #[must_use]
    pub fn name(self) -> String {
        format!("{:?} {:?}", self.field, self.direction)
    }

    /// The place of a lead in this ordering.
    #[must_use]
    pub fn keyset(self, lead: &Lead) -> Keyset {
        let value = match self.field {
            LeadOrderField::CreatedAt => lead.created_at.micros(),
            LeadOrderField::UpdatedAt => lead.updated_at.micros(),
        };
        Keyset {
            order: self.name(),
            value: SortValue::Int(value),
            id: lead.id.0,
        }
    }
}

/// Creates a lead.
///
/// # Errors
/// [`LeadProblem`]s of the input; a missing scope `leads:write`.
pub async fn create(app: &App, caller: &Caller, new: NewLead) -> Outcome<Lead, LeadProblem> {
    caller.require(Scope::Write(Area::Leads))?;
    let now = app.clock().now();
    let NewLead {
        email,
        first_name,
        last_name,
        company_name,
        source,
    } = new;
    let email = email
        .map(|email| email.trim().to_lowercase())
        .filter(|email| !email.is_empty());
    let Some(address) = email.clone() else {
        let message = "a lead needs an e-mail, a phone number or an outside identifier";
        return Err(Problem::new("email", LeadProblem::IdentityRequired, message).into());
    };
    let lead = lead::Model {
        id: LeadId::at(now),
        email,
        phone: None,
        first_name,
        last_name,
        company_name,
        job_title: None,
        website: None,
        street: None,
        city: None,
        region: None,
        postal_code: None,
        country: None,
        time_zone: None,
        language: None,
        customer_type: None,
        interests: json!([]),
        custom: json!({}),
        source,
        source_detail: json!({}),
        deal_stage: None,
        deal_value_minor: None,
        deal_currency: None,
        expected_close: None,
        owner: None,
        stage: Stage::New,
        stage_since: now,
        version: 1,
        created_at: now,
        updated_at: now,
        deleted_at: None,
        erased_at: None,
    };
    let identity = lead_identity::Model {
        kind: IdentityKind::Email,
        namespace: String::new(),
        value: address.clone(),
        lead_id: lead.id,
        created_at: now,
    };
    let tx = app.db().begin().await?;
    if !store::claim_identity(&tx, identity).await? {
        let message = format!("another lead has the e-mail `{address}`");
        return Err(Problem::new("email", LeadProblem::IdentityTaken, message).into());
    }
    store::insert(&tx, std::slice::from_ref(&lead)).await?;
    let event = NewEvent::of_lead(EventKind::LeadCreated, lead.id, json!({}));
    events::append(&tx, &caller.actor.id, now, vec![event]).await?;
    tx.commit().await?;
    Ok(lead)
}

/// Reads leads by id; those that are not there, deleted, or not the caller's to see are left out.
///
/// # Errors
/// The database's. The caller's scope has been asked for by whoever lets the loader in.
pub async fn get_many(app: &App, rows: Rows, ids: &[LeadId]) -> Result<HashMap<LeadId, Lead>, Error> {
    Ok(store::by_ids(app.db().read(), rows, ids).await?)
}

/// A page of leads.
///
/// # Errors
/// A missing scope `leads:read`; the database's.
pub async fn list(
    app: &App,
    caller: &Caller,
    order: LeadOrder,
    page: &PageRequest,
) -> Result<Page<Lead>, Error> {
    caller.require(Scope::Read(Area::Leads))?;
    Ok(store::list(app.db().read(), caller.rows, order, page).await?)
}
