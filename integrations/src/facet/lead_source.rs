//! Leads to be read.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::{ConsentRecord, Cursor, Pages};
use crate::{Context, Result};

/// A platform that collects leads.
#[async_trait]
pub trait LeadSource: Send + Sync {
    /// The forms (or lists) that leads come from.
    ///
    /// # Errors
    /// The platform's.
    async fn forms(&self, context: &Context) -> Result<Vec<LeadForm>>;

    /// Leads since a cursor, oldest first; all there are without one. Safe to repeat.
    fn leads<'a>(&'a self, context: &'a Context, since: Option<Cursor>) -> Pages<'a, LeadRecord>;

    /// One lead by the platform's id, e.g. one that a webhook named; `None` when it is not there (any more).
    ///
    /// # Errors
    /// The platform's.
    async fn lead(&self, context: &Context, id: &str) -> Result<Option<LeadRecord>>;
}

/// A form that people fill in on the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeadForm {
    /// The platform's id.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// What it belongs to, e.g. a page.
    pub parent: Option<String>,
    /// Whether it takes leads now.
    pub active: bool,
    /// Its fields: key and question.
    pub fields: Vec<(String, String)>,
}

/// A lead as the platform has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LeadRecord {
    /// The platform's id.
    pub id: String,
    /// When it came into being there.
    pub created_at: Option<DateTime<Utc>>,
    /// When it changed there last.
    pub updated_at: Option<DateTime<Utc>>,
    /// What is known of the person, by the platform's names. A field that is absent is not known; null means that it
    /// was emptied. Texts are trimmed; what holds a date or moment is in ISO 8601.
    pub fields: Map<String, Value>,
    /// Consent on record.
    pub consents: Vec<ConsentRecord>,
    /// Labels that the platform has on it; `None` when it knows none.
    pub tags: Option<Vec<String>>,
    /// Where on the platform it came from.
    pub trail: LeadTrail,
    /// It is a test of the owner's, not a person.
    pub test: bool,
}

/// Where a lead came from, as far as the platform tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeadTrail {
    /// The platform's part or publisher, e.g. `fb`, `ig`.
    pub medium: Option<String>,
    /// Campaign: id and name.
    pub campaign: Option<(String, String)>,
    /// Group of advertisements: id and name.
    pub ad_group: Option<(String, String)>,
    /// Advertisement: id and name.
    pub ad: Option<(String, String)>,
    /// Form: id and name.
    pub form: Option<(String, String)>,
    /// Not paid for.
    pub organic: Option<bool>,
}
