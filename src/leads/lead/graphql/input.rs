//! What clients send to change leads.

use async_graphql::{InputObject, MaybeUndefined};
use entity::Day;
use entity::id::LeadId;
use serde_json::Value;

use crate::api::types::{Json, MoneyInput};
use crate::leads::lead::{ExternalId, LeadChange, Patch};

/// Fields of a lead. What is absent stays as it is; null, like an empty text, clears.
#[derive(InputObject, Clone, Debug)]
pub struct LeadInput {
    /// E-mail address, e.g. `ana@example.com`; it makes the lead known. Null takes that identity away.
    email: MaybeUndefined<String>,
    /// Phone number with its country code, e.g. `+55 11 96123-4567`; it makes the lead known. Null takes that identity
    /// away.
    phone: MaybeUndefined<String>,
    /// First name, up to 200 characters.
    first_name: MaybeUndefined<String>,
    /// Last name, up to 200 characters.
    last_name: MaybeUndefined<String>,
    /// Company, up to 300 characters.
    company_name: MaybeUndefined<String>,
    /// Job title, up to 200 characters.
    job_title: MaybeUndefined<String>,
    /// Web address; `https://` is put in front where the scheme is missing.
    website: MaybeUndefined<String>,
    /// Street and number, up to 300 characters.
    street: MaybeUndefined<String>,
    /// City, up to 200 characters.
    city: MaybeUndefined<String>,
    /// State, province or region, up to 200 characters.
    region: MaybeUndefined<String>,
    /// Postal code, up to 100 characters.
    postal_code: MaybeUndefined<String>,
    /// Country, the two letters of ISO 3166-1, e.g. `BR`.
    country: MaybeUndefined<String>,
    /// Time zone, IANA name, e.g. `America/Sao_Paulo`.
    time_zone: MaybeUndefined<String>,
    /// Language, BCP 47, e.g. `pt-BR`.
    language: MaybeUndefined<String>,
    /// What kind of customer, a word of the deployment's own, up to 100 characters.
    customer_type: MaybeUndefined<String>,
    /// All interests, up to 100.
    interests: MaybeUndefined<Vec<String>>,
    /// Values of custom fields by key, e.g. `{"sport_type": "triathlon"}`; null as a value clears it, keys that are not
    /// named stay.
    custom: Option<Json>,
    /// Where the lead came from, e.g. `referral`, up to 100 characters.
    source: MaybeUndefined<String>,
    /// More about the source by key; null as a value removes it, keys that are not named stay.
    source_detail: Option<Json>,
    /// Stage of the deal, a word of the deployment's own.
    deal_stage: MaybeUndefined<String>,
    /// Value of the deal, 0 or more.
    deal_value: MaybeUndefined<MoneyInput>,
    /// When the deal is expected to close.
    expected_close_date: MaybeUndefined<Day>,
    /// E-mail address of the person responsible.
    owner_email: MaybeUndefined<String>,
    /// Outside identifiers to add; they make the lead known.
    external_ids: Option<Vec<ExternalIdInput>>,
}

/// An identifier that an import or an outside platform gave a lead.
#[derive(InputObject, Clone, Debug)]
pub struct ExternalIdInput {
    /// Whose identifier it is, e.g. `shopify:main`; compared in lower case, up to 100 characters.
    namespace: String,
    /// The identifier, compared as it is, up to 200 characters.
    value: String,
}

fn patch<T>(value: MaybeUndefined<T>) -> Patch<T> {
    match value {
        MaybeUndefined::Undefined => Patch::Keep,
        MaybeUndefined::Null => Patch::Clear,
        MaybeUndefined::Value(value) => Patch::Set(value),
    }
}

/// The entries of a JSON object; something else is one entry without a key, which the rules refuse.
fn entries(json: Option<Json>) -> Vec<(String, Option<Value>)> {
    let keep = |value: Value| Some(value).filter(|value| !value.is_null());
    match json {
        None | Some(Json(Value::Null)) => Vec::new(),
        Some(Json(Value::Object(map))) => map.into_iter().map(|(key, value)| (key, keep(value))).collect(),
        Some(Json(other)) => vec![(String::new(), Some(other))],
    }
}

impl LeadInput {
    /// As the use cases take it.
    pub(super) fn into_change(self) -> LeadChange {
        let Self {
            email,
            phone,
            first_name,
            last_name,
            company_name,
            job_title,
            website,
            street,
            city,
            region,
            postal_code,
            country,
            time_zone,
            language,
            customer_type,
            interests,
            custom,
            source,
            source_detail,
            deal_stage,
            deal_value,
            expected_close_date,
            owner_email,
            external_ids,
        } = self;
        let (deal_value, deal_currency) = match deal_value {
            MaybeUndefined::Undefined => (Patch::Keep, Patch::Keep),
            MaybeUndefined::Null => (Patch::Clear, Patch::Clear),
            MaybeUndefined::Value(MoneyInput {
                amount,
                currency_code,
            }) => (Patch::Set(amount.0), Patch::Set(currency_code)),
        };
        LeadChange {
            id: None,
            version: None,
            email: patch(email),
            phone: patch(phone),
            first_name: patch(first_name),
            last_name: patch(last_name),
            company_name: patch(company_name),
            job_title: patch(job_title),
            website: patch(website),
            street: patch(street),
            city: patch(city),
            region: patch(region),
            postal_code: patch(postal_code),
            country: patch(country),
            time_zone: patch(time_zone),
            language: patch(language),
            customer_type: patch(customer_type),
            interests: patch(interests),
            custom: entries(custom),
            source: patch(source),
            source_detail: entries(source_detail),
            deal_stage: patch(deal_stage),
            deal_value,
            deal_currency,
            expected_close: patch(expected_close_date),
            owner: patch(owner_email),
            external_ids: external_ids
                .into_iter()
                .flatten()
                .map(|ExternalIdInput { namespace, value }| ExternalId { namespace, value })
                .collect(),
            stage: None,
            created_at: None,
            is_first_source: false,
            contact_is_normal: false,
        }
    }
}

/// Input of `leadCreate`.
#[derive(InputObject)]
pub struct LeadCreateInput {
    /// The fields.
    #[graphql(flatten)]
    pub(super) fields: LeadInput,
    /// The same key and input again give the same answer; kept 7 days.
    pub(super) idempotency_key: Option<String>,
}

/// Input of `leadUpsert`.
#[derive(InputObject)]
pub struct LeadUpsertInput {
    /// The fields; the identities among them tell which lead is meant.
    #[graphql(flatten)]
    pub(super) fields: LeadInput,
    /// The same key and input again give the same answer; kept 7 days.
    pub(super) idempotency_key: Option<String>,
}

/// Input of `leadUpdate`, and an item of `leadsUpdate`.
#[derive(InputObject)]
pub struct LeadUpdateInput {
    /// The lead.
    pub(super) id: LeadId,
    /// The version that was read: when the lead has another one by now, nothing is changed (`CONFLICT`).
    pub(super) version: Option<i64>,
    /// The fields.
    #[graphql(flatten)]
    pub(super) fields: LeadInput,
}

impl LeadUpdateInput {
    pub(super) fn into_change(self) -> LeadChange {
        let Self { id, version, fields } = self;
        LeadChange {
            id: Some(id),
            version,
            ..fields.into_change()
        }
    }
}

/// Input of `leadsCreate`.
#[derive(InputObject)]
pub struct LeadsCreateInput {
    /// 1 to 1,000 leads.
    pub(super) leads: Vec<LeadInput>,
    /// The same key and input again give the same answer; kept 7 days.
    pub(super) idempotency_key: Option<String>,
}

/// Input of `leadsUpsert`.
#[derive(InputObject)]
pub struct LeadsUpsertInput {
    /// 1 to 1,000 leads; the identities among their fields tell which ones are meant.
    pub(super) leads: Vec<LeadInput>,
    /// The same key and input again give the same answer; kept 7 days.
    pub(super) idempotency_key: Option<String>,
}

/// Input of `leadsUpdate`.
#[derive(InputObject)]
pub struct LeadsUpdateInput {
    /// 1 to 1,000 changes.
    pub(super) leads: Vec<LeadUpdateInput>,
}

/// Input of `leadDelete`, `leadRestore` and `leadErase`.
#[derive(InputObject)]
pub struct LeadRemovalInput {
    /// The lead.
    pub(super) id: LeadId,
}

/// Input of `leadsDelete`.
#[derive(InputObject)]
pub struct LeadsDeleteInput {
    /// 1 to 1,000 leads.
    pub(super) ids: Vec<LeadId>,
}
