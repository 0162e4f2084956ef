//! What a column can feed: the targets of each kind of import, their names and the names files use for them.

mod lists;

use std::fmt;
use std::str::FromStr;

use entity::{ConsentChannel, ConsentPurpose};

use crate::leads::contact::Currency;

/// What a file brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportKind {
    /// Leads.
    Leads,
    /// Engagements of leads.
    Engagements,
    /// Conversions of leads.
    Conversions,
    /// Costs.
    Costs,
    /// Rates of exchange.
    Rates,
}

impl fmt::Display for ImportKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Leads => "leads",
            Self::Engagements => "engagements",
            Self::Conversions => "conversions",
            Self::Costs => "costs",
            Self::Rates => "rates",
        })
    }
}

/// How the cells of a target are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// As it is.
    Text,
    /// An e-mail address.
    Email,
    /// A phone number.
    Phone,
    /// A web address.
    Url,
    /// An IANA time zone.
    TimeZone,
    /// A currency code.
    Currency,
    /// A date with or without a time.
    Moment,
    /// A calendar day.
    Day,
    /// An amount in the currency of the row.
    Money,
    /// A whole number 0 to 100.
    Percent,
    /// Several texts between `;` or `|`, or as a JSON array.
    List,
    /// A JSON object.
    Object,
    /// An IP address.
    Ip,
    /// The id of a lead (`lead_…`).
    Lead,
    /// A word of the lifecycle.
    Stage,
    /// A word for a kind of engagement.
    EngagementType,
    /// A word for a channel.
    Channel,
    /// A word for a kind of source.
    SourceKind,
    /// A word for a device.
    Device,
    /// A word for a kind of conversion.
    ConversionKind,
    /// A word for a kind of cost.
    CostKind,
    /// A rate of exchange; `N/A` is none.
    Rate,
    /// Yes, no, or a state of a consent.
    Consent,
}

macro_rules! fields {
    ($($(#[$doc:meta])* $variant:ident),* $(,)?) => {
        /// A field of what is imported.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Field { $($(#[$doc])* $variant,)* }
    };
}

fields! {
    /// The id Leadline gave the lead.
    LeadId,
    /// The id an outside system gave the lead.
    ExternalId,
    /// E-mail address of the lead.
    Email,
    /// Phone number of the lead.
    Phone,
    /// First name.
    FirstName,
    /// Last name.
    LastName,
    /// First and last name in one.
    DisplayName,
    /// Company.
    CompanyName,
    /// Position in the company.
    JobTitle,
    /// Web site.
    Website,
    /// Street and number.
    Street,
    /// City, of a lead or an engagement.
    City,
    /// State or province, of a lead or an engagement.
    Region,
    /// Postal code.
    PostalCode,
    /// Country, of a lead or an engagement.
    Country,
    /// Time zone.
    TimeZone,
    /// Language.
    Language,
    /// Type of customer.
    CustomerType,
    /// Interests.
    Interests,
    /// Tags.
    Tags,
    /// Where the lead came from.
    Source,
    /// One more fact about the source, by key, or all of them as a JSON object.
    SourceDetail,
    /// Stage of the deal.
    DealStage,
    /// Value of the deal.
    DealValue,
    /// Currency of the deal.
    DealCurrency,
    /// Day on which the deal is expected to close.
    ExpectedCloseDate,
    /// E-mail address of the owner.
    OwnerEmail,
    /// Stage of the lifecycle.
    Stage,
    /// When the lead was created.
    CreatedAt,
    /// Notes.
    Notes,
    /// Consent, by channel.
    Consent,
    /// Custom field, by key.
    Custom,
    /// Type of the engagement.
    Type,
    /// Channel of the engagement.
    Channel,
    /// When it happened.
    OccurredAt,
    /// What keeps a second reading from creating it twice.
    DedupeKey,
    /// Title of the engagement.
    Title,
    /// Value of an engagement, 0 to 100.
    Score,
    /// Revenue of an engagement, value of a conversion, or a cost.
    Amount,
    /// Currency of the amount.
    Currency,
    /// Kind of source of the engagement.
    SourceKind,
    /// Id of that source.
    SourceId,
    /// Name of that source.
    SourceName,
    /// Device.
    Device,
    /// IP address.
    Ip,
    /// User agent.
    UserAgent,
    /// Web address of the page.
    Url,
    /// One more fact, by key.
    Metadata,
    /// Kind of the conversion or the cost.
    Kind,
    /// Name of a custom engagement or conversion.
    Name,
    /// Day of a cost or a rate.
    Day,
    /// Campaign of a cost.
    Campaign,
    /// Rate of exchange, or one more of them, by currency.
    Rate,
}

/// One line of the table of targets.
pub(super) struct Spec {
    pub(super) name: &'static str,
    pub(super) field: Field,
    pub(super) shape: Shape,
    /// Written `name.key`, a target for each key.
    pub(super) keyed: bool,
    pub(super) synonyms: &'static [&'static str],
}

const fn one(name: &'static str, field: Field, shape: Shape, synonyms: &'static [&'static str]) -> Spec {
    Spec {
        name,
        field,
        shape,
        keyed: false,
        synonyms,
    }
}

const fn keyed(name: &'static str, field: Field, shape: Shape) -> Spec {
    Spec {
        name,
        field,
        shape,
        keyed: true,
        synonyms: &[],
    }
}

impl ImportKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Leads,
        Self::Engagements,
        Self::Conversions,
        Self::Costs,
        Self::Rates,
    ];

    pub(super) fn specs(self) -> &'static [Spec] {
        match self {
            Self::Leads => lists::LEADS,
            Self::Engagements => lists::ENGAGEMENTS,
            Self::Conversions => lists::CONVERSIONS,
            Self::Costs => lists::COSTS,
            Self::Rates => lists::RATES,
        }
    }

    /// The names of all targets, with `.<key>` where one takes a key.
    pub fn target_names(self) -> Vec<String> {
        let name = |spec: &Spec| match spec.field {
            Field::Consent => "consent.<channel>".to_owned(),
            Field::ExternalId if spec.keyed => "external_id.<namespace>".to_owned(),
            Field::Rate if spec.keyed => "rate.<currency>".to_owned(),
            _ if spec.keyed => format!("{}.<key>", spec.name),
            _ => spec.name.to_owned(),
        };
        self.specs().iter().map(name).collect()
    }

    /// The target of this name (`email`, `custom.sport`); none when there is no such target.
    pub fn target(self, name: &str) -> Option<Target> {
        let (stem, key) = match name.split_once('.') {
            Some((stem, key)) => (stem, key.trim()),
            None => (name, ""),
        };
        let stem = folded(stem);
        let spec = self
            .specs()
            .iter()
            .find(|spec| folded(spec.name) == stem && spec.keyed == name.contains('.'))?;
        let target = Target {
            field: spec.field,
            key: key.to_owned(),
            name: spec.name,
            shape: spec.shape,
        };
        let valid = match spec.field {
            Field::Consent => target.consent().is_some(),
            Field::Rate if spec.keyed => key.parse::<Currency>().is_ok(),
            _ => !spec.keyed || !key.is_empty(),
        };
        valid.then_some(target)
    }

    /// The target of this name, or of another name that files use for it; none when there is no such target.
    pub(super) fn target_like(self, name: &str) -> Option<Target> {
        let synonym = || {
            let name = folded(name);
            let mut specs = self.specs().iter();
            specs
                .find(|spec| spec.synonyms.iter().any(|synonym| folded(synonym) == name))
                .map(Target::of)
        };
        // A column for each currency, called by its code.
        let currency = || {
            let code = name.parse::<Currency>().ok().filter(|_| self == Self::Rates)?;
            self.target(&format!("rate.{}", code.code()))
        };
        self.target(name).or_else(synonym).or_else(currency)
    }
}

/// A field of what is imported, with its key where it takes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    field: Field,
    key: String,
    name: &'static str,
    shape: Shape,
}

impl Target {
    /// The field.
    pub fn field(&self) -> Field {
        self.field
    }

    /// The key of `custom.<key>`, `metadata.<key>`, `source_detail.<key>`, `external_id.<namespace>`, `consent.<key>`;
    /// empty otherwise.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// How its cells are read.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Channel and purpose of `consent.<channel>` or `consent.<channel>.<purpose>`; marketing when not named.
    pub fn consent(&self) -> Option<(ConsentChannel, ConsentPurpose)> {
        if self.field != Field::Consent {
            return None;
        }
        let (channel, purpose) = match self.key.split_once('.') {
            Some((channel, purpose)) => (channel, ConsentPurpose::from_str(purpose).ok()?),
            None => (self.key.as_str(), ConsentPurpose::Marketing),
        };
        Some((channel.parse().ok()?, purpose))
    }

    fn of(spec: &Spec) -> Self {
        Self {
            field: spec.field,
            key: String::new(),
            name: spec.name,
            shape: spec.shape,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)?;
        if !self.key.is_empty() {
            write!(formatter, ".{}", self.key)?;
        }
        Ok(())
    }
}

/// A name without case, blanks and marks, for comparison.
pub(super) fn folded(name: &str) -> String {
    name.chars()
        .filter(|character| character.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_name_means_two_targets_of_a_kind() {
        for kind in ImportKind::ALL {
            let mut seen = HashSet::new();
            for spec in kind.specs() {
                assert!(
                    seen.insert((folded(spec.name), spec.keyed)),
                    "{kind}: {}",
                    spec.name
                );
            }
            for spec in kind.specs() {
                for synonym in spec.synonyms {
                    assert!(seen.insert((folded(synonym), false)), "{kind}: {synonym}");
                }
            }
        }
    }

    #[test]
    fn targets_are_found_by_name_and_key() {
        let target = ImportKind::Leads.target("custom.Sport Type").unwrap();
        assert_eq!((target.field(), target.key()), (Field::Custom, "Sport Type"));
        assert_eq!(target.to_string(), "custom.Sport Type");
        assert_eq!(
            ImportKind::Leads.target("First-Name").unwrap().field(),
            Field::FirstName
        );
        let target = ImportKind::Leads.target("external_id.shop.de").unwrap();
        assert_eq!((target.field(), target.key()), (Field::ExternalId, "shop.de"));
        assert_eq!(target.shape(), Shape::Text);
        let target = ImportKind::Leads.target("source_detail").unwrap();
        assert_eq!((target.key(), target.shape()), ("", Shape::Object));
        let consent = ImportKind::Leads.target("consent.sms").unwrap().consent();
        assert_eq!(consent, Some((ConsentChannel::Sms, ConsentPurpose::Marketing)));
        let consent = ImportKind::Leads
            .target("consent.email.transactional")
            .unwrap()
            .consent();
        assert_eq!(
            consent,
            Some((ConsentChannel::Email, ConsentPurpose::Transactional))
        );
        for unknown in ["consent.fax", "custom", "custom.", "email.x", "shoe_size"] {
            assert_eq!(ImportKind::Leads.target(unknown), None, "{unknown}");
        }
    }
}
