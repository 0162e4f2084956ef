//! Table `lead`.

use leadline_macros::ByPlace;
use sea_orm::entity::prelude::*;

use crate::{Day, Stage, Timestamp, id::LeadId};

/// A lead.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, ByPlace)]
#[sea_orm(table_name = "lead")]
pub struct Model {
    /// The lead.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: LeadId,
    /// Primary e-mail, lower case.
    pub email: Option<String>,
    /// Primary telephone number, E.164.
    pub phone: Option<String>,
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// Company.
    pub company_name: Option<String>,
    /// Job title.
    pub job_title: Option<String>,
    /// Web address.
    pub website: Option<String>,
    /// Street and number.
    pub street: Option<String>,
    /// City.
    pub city: Option<String>,
    /// State, province or region.
    pub region: Option<String>,
    /// Postal code.
    pub postal_code: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// IANA name.
    pub time_zone: Option<String>,
    /// BCP 47 tag.
    pub language: Option<String>,
    /// What kind of customer, a word of the deployment's own.
    pub customer_type: Option<String>,
    /// JSON array of texts. (JSON is kept as text, so that reading a lead parses only what is asked for.)
    pub interests: String,
    /// JSON object: values of custom fields by key.
    pub custom: String,
    /// Where the lead came from, e.g. `paid_search`.
    pub source: Option<String>,
    /// JSON object: more about the source (campaign, medium, landing page …).
    pub source_detail: String,
    /// Stage of the deal, a word of the deployment's own.
    pub deal_stage: Option<String>,
    /// Value of the deal in minor units.
    pub deal_value_minor: Option<i64>,
    /// ISO 4217.
    pub deal_currency: Option<String>,
    /// When the deal is expected to close.
    pub expected_close: Option<Day>,
    /// E-mail of the person responsible.
    pub owner: Option<String>,
    /// The name folded for ordering: last name, first name, else company, e-mail or phone.
    pub sort_name: String,
    /// Current stage, kept by the lifecycle.
    pub stage: Stage,
    /// Since when.
    pub stage_since: Timestamp,
    /// Counts its changes, for optimistic updates.
    pub version: i64,
    /// When it became known (may lie in the past for imported leads).
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Soft deletion.
    pub deleted_at: Option<Timestamp>,
    /// When its personal data was erased.
    pub erased_at: Option<Timestamp>,
}

impl ActiveModelBehavior for ActiveModel {}
