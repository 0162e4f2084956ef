//! The columns of an export, by name. Pure.

use std::fmt;

use entity::{ConsentChannel, ConsentPurpose};

use crate::leads::contact::shortened;
use crate::leads::custom_fields::Definitions;
use crate::leads::import::{DEFAULT_NAMESPACE, Field, ImportKind, Target};

/// A column.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Column {
    /// Leadline's own id.
    LeadId,
    /// The external id in a namespace.
    ExternalId(String),
    /// A field of the lead that is a target of the import, without a key.
    Plain(Target),
    /// One fact about the source.
    SourceFact(String),
    /// The state of a consent.
    Consent(ConsentChannel, ConsentPurpose),
    /// A custom field.
    Custom(String),
    /// When it entered its stage.
    StageSince,
    /// When it was last changed.
    UpdatedAt,
    /// Current score.
    Score,
    /// Grade of it.
    Grade,
    /// Temperature of it.
    Temperature,
    /// All that the lead is known by.
    Identities,
}

/// All columns without a key, in the order in which they stand by default.
const NAMES: &[&str] = &[
    "lead_id",
    "external_id",
    "email",
    "phone",
    "first_name",
    "last_name",
    "company_name",
    "job_title",
    "website",
    "street",
    "city",
    "region",
    "postal_code",
    "country",
    "time_zone",
    "language",
    "customer_type",
    "interests",
    "tags",
    "source",
    "source_detail",
    "deal_stage",
    "deal_value",
    "deal_currency",
    "expected_close_date",
    "owner_email",
    "stage",
    "stage_since",
    "created_at",
    "updated_at",
    "score",
    "grade",
    "temperature",
    "identities",
];
/// Targets of the import that are no columns: the name in one is there in two, and notes have no one text.
const NOT_EXPORTED: [Field; 2] = [Field::DisplayName, Field::Notes];

/// What the columns may be.
pub(super) struct Choices<'a> {
    pub(super) definitions: &'a Definitions,
    /// The namespaces of external ids that there are.
    pub(super) namespaces: &'a [String],
    /// Whether the caller may see scores.
    pub(super) scores: bool,
}

impl Choices<'_> {
    /// All columns, in their order.
    pub(super) fn all(&self) -> Vec<Column> {
        let mut columns = Vec::new();
        for name in NAMES {
            let column = plain(name).expect("the names are columns");
            let is_external_id = matches!(column, Column::ExternalId(_));
            if self.scores || !column.is_score() {
                columns.push(column);
            }
            if is_external_id {
                let others = self.namespaces.iter().filter(|name| *name != DEFAULT_NAMESPACE);
                columns.extend(others.cloned().map(Column::ExternalId));
            }
        }
        for channel in ConsentChannel::ALL {
            for purpose in ConsentPurpose::ALL {
                columns.push(Column::Consent(*channel, *purpose));
            }
        }
        let custom = self.definitions.active();
        columns.extend(custom.map(|field| Column::Custom(field.key.clone())));
        columns
    }

    /// The columns of these names.
    ///
    /// # Errors
    /// A name that is none, with the valid ones; a column named twice; no name at all.
    pub(super) fn named(&self, names: &[String]) -> Result<Vec<Column>, String> {
        let mut columns: Vec<Column> = Vec::with_capacity(names.len());
        for name in names {
            let column = self.column(name.trim())?;
            if columns.contains(&column) {
                return Err(format!("the column `{column}` is named twice"));
            }
            columns.push(column);
        }
        if columns.is_empty() {
            return Err(format!("no column is named; one of {}", valid()));
        }
        Ok(columns)
    }

    fn column(&self, name: &str) -> Result<Column, String> {
        let unknown = || format!("unknown column `{}`; one of {}", shortened(name), valid());
        if !name.contains('.') {
            return plain(name).ok_or_else(unknown);
        }
        let target = ImportKind::Leads.target(name).ok_or_else(unknown)?;
        let key = target.key().to_owned();
        match (target.field(), target.consent()) {
            (Field::ExternalId, _) => Ok(Column::ExternalId(key.to_lowercase())),
            (Field::SourceDetail, _) => Ok(Column::SourceFact(key)),
            (Field::Custom, _) if self.definitions.get(&key).is_some() => Ok(Column::Custom(key)),
            (Field::Custom, _) => Err(self.definitions.unknown(&key)),
            (_, Some((channel, purpose))) => Ok(Column::Consent(channel, purpose)),
            _ => Err(unknown()),
        }
    }
}

fn plain(name: &str) -> Option<Column> {
    Some(match name.to_ascii_lowercase().as_str() {
        "lead_id" => Column::LeadId,
        "stage_since" => Column::StageSince,
        "updated_at" => Column::UpdatedAt,
        "score" => Column::Score,
        "grade" => Column::Grade,
        "temperature" => Column::Temperature,
        "identities" => Column::Identities,
        _ => {
            let target = ImportKind::Leads.target(name)?;
            match target.field() {
                Field::ExternalId => Column::ExternalId(DEFAULT_NAMESPACE.to_owned()),
                field if NOT_EXPORTED.contains(&field) => return None,
                _ => Column::Plain(target),
            }
        }
    })
}

/// The valid names, for messages.
fn valid() -> String {
    format!(
        "{}, external_id.<namespace>, source_detail.<key>, consent.<channel>, consent.<channel>.<purpose>, custom.<key>",
        NAMES.join(", ")
    )
}

impl Column {
    /// Whether it tells something of the score.
    pub(super) fn is_score(&self) -> bool {
        matches!(self, Self::Score | Self::Grade | Self::Temperature)
    }

    /// The field of the import that it feeds, where it has no key.
    pub(super) fn field(&self) -> Option<Field> {
        match self {
            Self::Plain(target) => Some(target.field()),
            _ => None,
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::LeadId => "lead_id",
            Self::ExternalId(namespace) if namespace == DEFAULT_NAMESPACE => "external_id",
            Self::ExternalId(namespace) => return write!(f, "external_id.{namespace}"),
            Self::Plain(target) => return write!(f, "{target}"),
            Self::SourceFact(key) => return write!(f, "source_detail.{key}"),
            Self::Consent(channel, purpose) => {
                let channel = channel.as_str().to_lowercase();
                return match purpose {
                    ConsentPurpose::Marketing => write!(f, "consent.{channel}"),
                    other => write!(f, "consent.{channel}.{}", other.as_str().to_lowercase()),
                };
            }
            Self::Custom(key) => return write!(f, "custom.{key}"),
            Self::StageSince => "stage_since",
            Self::UpdatedAt => "updated_at",
            Self::Score => "score",
            Self::Grade => "grade",
            Self::Temperature => "temperature",
            Self::Identities => "identities",
        };
        f.write_str(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(columns: &[Column]) -> Vec<String> {
        columns.iter().map(ToString::to_string).collect()
    }

    fn choices<'a>(definitions: &'a Definitions, namespaces: &'a [String]) -> Choices<'a> {
        Choices {
            definitions,
            namespaces,
            scores: true,
        }
    }

    #[test]
    fn every_target_of_the_import_but_two_is_a_column_and_every_column_finds_itself() {
        let definitions = Definitions::default();
        let namespaces = ["import".to_owned(), "shop:de".to_owned()];
        let choices = choices(&definitions, &namespaces);
        let columns = choices.all();
        assert_eq!(choices.named(&names(&columns)), Ok(columns.clone()));
        let names = names(&columns);
        assert_eq!(
            &names[..4],
            ["lead_id", "external_id", "external_id.shop:de", "email"]
        );
        assert_eq!(names.len(), NAMES.len() + 1 + 20);
        for target in ImportKind::Leads.target_names() {
            let there = names.contains(&target);
            match target.as_str() {
                "display_name" | "notes" => assert!(!there, "{target}"),
                keyed if keyed.contains('<') => {}
                _ => assert!(there, "{target}"),
            }
        }
    }

    #[test]
    fn names_are_read_as_the_import_reads_them() {
        let definitions = Definitions::default();
        let choices = choices(&definitions, &[]);
        let given = [
            "E-Mail",
            "Consent.SMS.third-party",
            "external_id.import",
            "external_id.Shop",
            "source_detail.UTM",
        ];
        let columns = choices.named(&given.map(str::to_owned)).unwrap();
        assert_eq!(
            names(&columns),
            [
                "email",
                "consent.sms.third_party",
                "external_id",
                "external_id.shop",
                "source_detail.UTM"
            ]
        );
    }

    #[test]
    fn a_wrong_name_lists_the_valid_ones() {
        let definitions = Definitions::default();
        let choices = choices(&definitions, &[]);
        let wrong = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            choices.named(&names).unwrap_err()
        };
        let message = wrong(&["email", "shoe_size"]);
        assert!(
            message.starts_with("unknown column `shoe_size`; one of lead_id, external_id, email, phone, "),
            "{message}"
        );
        assert!(
            message.ends_with(", consent.<channel>.<purpose>, custom.<key>"),
            "{message}"
        );
        for unknown in ["notes", "display_name", "consent.fax", "email.x", "score.x"] {
            assert!(
                wrong(&[unknown]).starts_with(&format!("unknown column `{unknown}`; one of")),
                "{unknown}"
            );
        }
        assert_eq!(wrong(&["email", "e-mail"]), "the column `email` is named twice");
        assert_eq!(
            wrong(&["custom.sport"]),
            "unknown custom field `sport`; none is defined yet (`customFieldCreate` makes one)"
        );
        assert!(wrong(&[]).starts_with("no column is named; one of lead_id"));
    }
}
