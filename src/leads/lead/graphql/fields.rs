//! What a lead shows of itself, and how leads are loaded.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, Object, Result, SimpleObject};
use entity::id::LeadId;
use entity::{Area, Day, IdentityKind, Stage, Timestamp};

use crate::api::types::{
    Access, CountryCode, CurrencyCode, Decimal, EmailAddress, Json, Money, PhoneNumber, TimeZone, WebAddress,
};
use crate::api::{Eager, Lead};
use crate::app::App;
use crate::error::Error;
use crate::identity::{Rows, Scope};
use crate::leads::contact::Currency;
use crate::leads::lead;
use crate::leads::visible::by_rows;

/// Loads leads for all requests together: what many ask for in the same moment is one statement.
pub struct LeadLoader(pub App);

impl Loader<(Rows, LeadId)> for LeadLoader {
    type Value = Arc<lead::Lead>;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[(Rows, LeadId)],
    ) -> std::result::Result<HashMap<(Rows, LeadId), Self::Value>, Arc<Error>> {
        let mut found = HashMap::with_capacity(keys.len());
        for (rows, ids) in by_rows(keys) {
            let leads = lead::get_many(&self.0, rows, &ids).await.map_err(Arc::new)?;
            let leads = leads.into_iter();
            found.extend(leads.map(|(id, lead)| ((rows.clone(), id), Arc::new(lead))));
        }
        Ok(found)
    }
}

/// Loads the identities of leads for all requests together.
pub struct IdentityLoader(pub App);

impl Loader<LeadId> for IdentityLoader {
    type Value = Vec<LeadIdentity>;
    type Error = Arc<Error>;

    async fn load(&self, ids: &[LeadId]) -> std::result::Result<HashMap<LeadId, Self::Value>, Arc<Error>> {
        let found = lead::identities_of(&self.0, ids).await.map_err(Arc::new)?;
        let shown = |identity: entity::lead_identity::Model| LeadIdentity {
            kind: identity.kind,
            namespace: Some(identity.namespace).filter(|namespace| !namespace.is_empty()),
            value: identity.value,
            created_at: identity.created_at,
        };
        Ok(found
            .into_iter()
            .map(|(id, identities)| (id, identities.into_iter().map(shown).collect()))
            .collect())
    }
}

/// Reads a lead through the shared loader; `None` when there is none that the caller may see.
///
/// # Errors
/// A missing scope `leads:read`; the database's.
pub async fn load(ctx: &Context<'_>, id: LeadId) -> Result<Option<Eager<Lead>>> {
    Ok(load_model(ctx, id).await?.map(|lead| Eager(Lead::new(lead))))
}

/// The same, as the rooms know it.
///
/// # Errors
/// As [`load`].
pub async fn load_model(ctx: &Context<'_>, id: LeadId) -> Result<Option<Arc<lead::Lead>>> {
    let caller = ctx.caller()?;
    caller.require(Scope::Read(Area::Leads))?;
    let loader = ctx.data_unchecked::<DataLoader<LeadLoader>>();
    Ok(loader.load_one((caller.rows.clone(), id)).await?)
}

/// The same for several.
///
/// # Errors
/// As [`load`].
pub async fn load_many(ctx: &Context<'_>, ids: &[LeadId]) -> Result<HashMap<LeadId, Arc<lead::Lead>>> {
    let caller = ctx.caller()?;
    caller.require(Scope::Read(Area::Leads))?;
    let loader = ctx.data_unchecked::<DataLoader<LeadLoader>>();
    let found = loader
        .load_many(ids.iter().map(|id| (caller.rows.clone(), *id)))
        .await?;
    Ok(found.into_iter().map(|((_, id), lead)| (id, lead)).collect())
}

/// By what a lead is known. An identity belongs to one lead at most.
#[derive(SimpleObject, Clone, Debug)]
pub struct LeadIdentity {
    /// E-mail, phone or an external id.
    kind: IdentityKind,
    /// Whose identifier it is, e.g. `shopify:main`; null for e-mail and phone.
    namespace: Option<String>,
    /// The e-mail address in lower case, the phone number in E.164, or the external id as it is there.
    value: String,
    /// Since when.
    created_at: Timestamp,
}

/// The fields that a lead has of itself; other rooms add theirs (see `api::Lead`).
pub struct LeadFields(pub Arc<lead::Lead>);

#[Object]
impl LeadFields {
    /// The lead's id, `lead_…`.
    async fn id(&self) -> LeadId {
        self.0.id
    }
    /// What to call the lead: its name, else company, e-mail, phone number or id.
    async fn display_name(&self) -> String {
        let lead = &self.0;
        let name = [lead.first_name.as_deref(), lead.last_name.as_deref()];
        let name = name.into_iter().flatten().collect::<Vec<_>>().join(" ");
        if name.is_empty() {
            lead.company_name
                .clone()
                .or_else(|| lead.email.clone())
                .or_else(|| lead.phone.clone())
                .unwrap_or_else(|| lead.id.to_string())
        } else {
            name
        }
    }
    /// Primary e-mail address, lower case.
    async fn email(&self) -> Option<EmailAddress> {
        self.0.email.clone().map(EmailAddress)
    }
    /// Primary phone number, E.164.
    async fn phone(&self) -> Option<PhoneNumber> {
        self.0.phone.clone().map(PhoneNumber)
    }
    /// First name.
    async fn first_name(&self) -> Option<&str> {
        self.0.first_name.as_deref()
    }
    /// Last name.
    async fn last_name(&self) -> Option<&str> {
        self.0.last_name.as_deref()
    }
    /// Company.
    async fn company_name(&self) -> Option<&str> {
        self.0.company_name.as_deref()
    }
    /// Job title.
    async fn job_title(&self) -> Option<&str> {
        self.0.job_title.as_deref()
    }
    /// Web address.
    async fn website(&self) -> Option<WebAddress> {
        self.0.website.clone().map(WebAddress)
    }
    /// Street and number.
    async fn street(&self) -> Option<&str> {
        self.0.street.as_deref()
    }
    /// City.
    async fn city(&self) -> Option<&str> {
        self.0.city.as_deref()
    }
    /// State, province or region.
    async fn region(&self) -> Option<&str> {
        self.0.region.as_deref()
    }
    /// Postal code.
    async fn postal_code(&self) -> Option<&str> {
        self.0.postal_code.as_deref()
    }
    /// Country.
    async fn country(&self) -> Option<CountryCode> {
        self.0.country.clone().map(CountryCode)
    }
    /// Time zone.
    async fn time_zone(&self) -> Option<TimeZone> {
        self.0.time_zone.clone().map(TimeZone)
    }
    /// Language, BCP 47, e.g. `pt-BR`.
    async fn language(&self) -> Option<&str> {
        self.0.language.as_deref()
    }
    /// What kind of customer, a word of the deployment's own, e.g. `coach`.
    async fn customer_type(&self) -> Option<&str> {
        self.0.customer_type.as_deref()
    }
    /// Interests.
    async fn interests(&self) -> Result<Vec<String>> {
        Ok(serde_json::from_str(&self.0.interests).map_err(Error::from)?)
    }
    /// Values of custom fields by key, e.g. `{"sport_type": "triathlon"}`.
    async fn custom(&self) -> Result<Json> {
        Ok(Json(serde_json::from_str(&self.0.custom).map_err(Error::from)?))
    }
    /// Where the lead came from, e.g. `paid_search`.
    async fn source(&self) -> Option<&str> {
        self.0.source.as_deref()
    }
    /// More about the source, e.g. `{"landing_page": "https://…"}`.
    async fn source_detail(&self) -> Result<Json> {
        Ok(Json(
            serde_json::from_str(&self.0.source_detail).map_err(Error::from)?,
        ))
    }
    /// Stage of the deal, a word of the deployment's own.
    async fn deal_stage(&self) -> Option<&str> {
        self.0.deal_stage.as_deref()
    }
    /// Value of the deal.
    async fn deal_value(&self) -> Option<Money> {
        let code = self.0.deal_currency.as_deref()?;
        let exponent = code.parse::<Currency>().map_or(2, Currency::exponent);
        Some(Money {
            amount: Decimal(rust_decimal::Decimal::new(self.0.deal_value_minor?, exponent)),
            currency_code: CurrencyCode(code.to_owned()),
        })
    }
    /// When the deal is expected to close.
    async fn expected_close_date(&self) -> Option<Day> {
        self.0.expected_close
    }
    /// E-mail address of the person responsible.
    async fn owner_email(&self) -> Option<EmailAddress> {
        self.0.owner.clone().map(EmailAddress)
    }
    /// Current stage of its lifecycle.
    async fn stage(&self) -> Stage {
        self.0.stage
    }
    /// When it entered that stage.
    async fn stage_since(&self) -> Timestamp {
        self.0.stage_since
    }
    /// By what the lead is known.
    async fn identities(&self, ctx: &Context<'_>) -> Result<Vec<LeadIdentity>> {
        let loader = ctx.data_unchecked::<DataLoader<IdentityLoader>>();
        let found = loader.load_one(self.0.id).await?;
        Ok(found.unwrap_or_default())
    }
    /// Counts the changes of the lead, from 1; `leadUpdate` with a `version` refuses when another change came first.
    async fn version(&self) -> i64 {
        self.0.version
    }
    /// When the lead became known.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }
    /// When the lead was last changed.
    async fn updated_at(&self) -> Timestamp {
        self.0.updated_at
    }
}
