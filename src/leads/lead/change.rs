//! What create, update, upsert and import do to a lead: one type for all of them.

use entity::id::LeadId;
use entity::{Day, Stage, Timestamp};
use rust_decimal::Decimal;
use serde_json::Value;

/// What happens to one field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Patch<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It becomes empty.
    Clear,
    /// It gets this value.
    Set(T),
}

impl<T> Patch<T> {
    /// A value to set; without one the field stays.
    pub fn or_keep(value: Option<T>) -> Self {
        value.map_or(Self::Keep, Self::Set)
    }

    /// Whether the field stays.
    pub const fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }

    /// The value to set, if there is one.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }
}

/// An identifier that an import or an outside platform gave a lead.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExternalId {
    /// Whose identifier it is, e.g. `shopify:main` or `import:olist`; compared in lower case.
    pub namespace: String,
    /// The identifier, compared as it is.
    pub value: String,
}

/// What happens to one lead. `LeadChange::default()` changes nothing.
///
/// A blank text counts as `Clear`. Which lead is meant is told by `id`, else by the identities: the e-mail,
/// the phone number, the external ids.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LeadChange {
    /// The lead, where it is known by its id.
    pub id: Option<LeadId>,
    /// The version that the caller has seen: another one is a conflict.
    pub version: Option<i64>,
    /// E-mail address. Clearing it takes the identity away as well.
    pub email: Patch<String>,
    /// Phone number in E.164. Clearing it takes the identity away as well.
    pub phone: Patch<String>,
    /// First name.
    pub first_name: Patch<String>,
    /// Last name.
    pub last_name: Patch<String>,
    /// Company.
    pub company_name: Patch<String>,
    /// Job title.
    pub job_title: Patch<String>,
    /// Web address.
    pub website: Patch<String>,
    /// Street and number.
    pub street: Patch<String>,
    /// City.
    pub city: Patch<String>,
    /// State, province or region.
    pub region: Patch<String>,
    /// Postal code.
    pub postal_code: Patch<String>,
    /// ISO 3166-1 alpha-2.
    pub country: Patch<String>,
    /// IANA name.
    pub time_zone: Patch<String>,
    /// BCP 47 tag.
    pub language: Patch<String>,
    /// What kind of customer, a word of the deployment's own.
    pub customer_type: Patch<String>,
    /// All interests.
    pub interests: Patch<Vec<String>>,
    /// Values of custom fields by key; `None` empties one, keys that are not named stay.
    pub custom: Vec<(String, Option<Value>)>,
    /// Where the lead came from.
    pub source: Patch<String>,
    /// More about the source by key; `None` removes one, keys that are not named stay.
    pub source_detail: Vec<(String, Option<Value>)>,
    /// Stage of the deal.
    pub deal_stage: Patch<String>,
    /// Value of the deal in units of its currency.
    pub deal_value: Patch<Decimal>,
    /// Currency of the deal, ISO 4217.
    pub deal_currency: Patch<String>,
    /// When the deal is expected to close.
    pub expected_close: Patch<Day>,
    /// E-mail of the person responsible.
    pub owner: Patch<String>,
    /// Outside identifiers to add.
    pub external_ids: Vec<ExternalId>,
    /// Stage in which a new lead begins; nothing for a lead that is there already (it moves by the lifecycle).
    pub stage: Option<Stage>,
    /// When a new lead became known (imports); nothing for a lead that is there already.
    pub created_at: Option<Timestamp>,
    /// Source and what is known of it are for a lead that has no source yet; a lead keeps the first.
    pub is_first_source: bool,
    /// Says that e-mail, phone number, website and time zone have been through [`contact`](crate::leads::contact)
    /// already: they are not looked at again, which is the costliest part of an import.
    pub contact_is_normal: bool,
}

macro_rules! fields {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A field of a lead, as events and answers name it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, async_graphql::Enum)]
        pub enum LeadField {
            $($(#[$doc])* $variant,)*
        }

        impl LeadField {
            /// All fields.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name in GraphQL inputs and in the payload of `LEAD_UPDATED`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

fields! {
    /// E-mail address.
    Email = "email",
    /// Phone number.
    Phone = "phone",
    /// First name.
    FirstName = "firstName",
    /// Last name.
    LastName = "lastName",
    /// Company.
    CompanyName = "companyName",
    /// Job title.
    JobTitle = "jobTitle",
    /// Web address.
    Website = "website",
    /// Street and number.
    Street = "street",
    /// City.
    City = "city",
    /// State, province or region.
    Region = "region",
    /// Postal code.
    PostalCode = "postalCode",
    /// Country.
    Country = "country",
    /// Time zone.
    TimeZone = "timeZone",
    /// Language.
    Language = "language",
    /// Customer type.
    CustomerType = "customerType",
    /// Interests.
    Interests = "interests",
    /// Custom fields.
    Custom = "custom",
    /// Source.
    Source = "source",
    /// More about the source.
    SourceDetail = "sourceDetail",
    /// Stage of the deal.
    DealStage = "dealStage",
    /// Value of the deal.
    DealValue = "dealValue",
    /// Currency of the deal.
    DealCurrency = "dealCurrency",
    /// Expected close of the deal.
    ExpectedClose = "expectedCloseDate",
    /// Owner.
    Owner = "ownerEmail",
    /// An identity was added or taken away.
    Identities = "identities",
}

/// A set of fields.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct LeadFields(u32);

impl LeadFields {
    /// With one more field.
    pub const fn insert(&mut self, field: LeadField) {
        self.0 |= 1 << field as u32;
    }

    /// With all of another set.
    pub const fn extend(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Whether a field is in it.
    #[must_use]
    pub const fn contains(self, field: LeadField) -> bool {
        self.0 & (1 << field as u32) != 0
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The fields in their order.
    pub fn iter(self) -> impl Iterator<Item = LeadField> {
        LeadField::ALL
            .iter()
            .copied()
            .filter(move |field| self.contains(*field))
    }

    /// Their names in their order.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        self.iter().map(LeadField::name).collect()
    }
}

impl std::fmt::Debug for LeadFields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl FromIterator<LeadField> for LeadFields {
    fn from_iter<I: IntoIterator<Item = LeadField>>(fields: I) -> Self {
        let mut set = Self::default();
        for field in fields {
            set.insert(field);
        }
        set
    }
}
