//! Which column feeds which target: by name, and by what the caller says.

use std::str::FromStr;

use super::source::Header;
use super::targets::{Field, ImportKind, Target, folded};
use crate::leads::contact::normalise_namespace;

/// Pairs of a left and a right side, as on the command line: `external_id=mql_id,"custom.Sport"="Sport, main"`.
/// Either side may stand in double quotes, where a quote is written twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignments(pub Vec<(String, String)>);

impl FromStr for Assignments {
    type Err = MappingError;

    fn from_str(text: &str) -> Result<Self, MappingError> {
        let fault = |reason| MappingError::Syntax {
            text: text.to_owned(),
            reason,
        };
        let mut pairs = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (left, after) = take_side(rest, &['=', ',']).ok_or_else(|| fault("a quote is not closed"))?;
            let after = after.strip_prefix('=').ok_or_else(|| fault("a `=` is missing"))?;
            let (right, after) = take_side(after, &[',']).ok_or_else(|| fault("a quote is not closed"))?;
            if left.is_empty() {
                return Err(fault("nothing stands before a `=`"));
            }
            pairs.push((left, right));
            rest = match after.strip_prefix(',') {
                Some(after) => after.trim_start(),
                None if after.is_empty() => after,
                None => return Err(fault("a comma is missing after a closing quote")),
            };
        }
        Ok(Self(pairs))
    }
}

/// Takes a word up to one of `ends`, or a quoted one, and the blanks around it.
fn take_side<'t>(text: &'t str, ends: &[char]) -> Option<(String, &'t str)> {
    let text = text.trim_start();
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find(ends).unwrap_or(text.len());
        return Some((text[..end].trim().to_owned(), &text[end..]));
    };
    let mut word = String::new();
    loop {
        let quote = rest.find('"')?;
        word.push_str(&rest[..quote]);
        rest = &rest[quote + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                word.push('"');
                rest = after;
            }
            None => return Some((word, rest.trim_start())),
        }
    }
}

/// Why columns and targets do not come together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// The text of a mapping cannot be read.
    #[error("cannot read the mapping `{text}`: {reason}; expected target=column,target=column")]
    Syntax {
        /// The text.
        text: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// No such target.
    #[error("unknown target `{name}` for {kind}{}; one of {valid}", did_you_mean(.suggestion.as_deref()))]
    UnknownTarget {
        /// The name.
        name: String,
        /// What is imported.
        kind: ImportKind,
        /// A near name.
        suggestion: Option<String>,
        /// The names there are.
        valid: String,
    },
    /// External ids of a namespace that cannot be.
    #[error("target `{target}`: {message}")]
    Namespace {
        /// The target.
        target: String,
        /// What is wrong, with what is valid.
        message: String,
    },
    /// No such custom field.
    #[error("{message}; or say custom.{key}= to leave its column out")]
    UnknownCustomField {
        /// Its key.
        key: String,
        /// What is wrong, with the fields there are.
        message: String,
    },
    /// No such column.
    #[error("the file has no column `{name}`{}; its columns are: {valid}", did_you_mean(.suggestion.as_deref()))]
    UnknownColumn {
        /// The name.
        name: String,
        /// A near name.
        suggestion: Option<String>,
        /// The columns there are.
        valid: String,
    },
    /// Two columns for one target.
    #[error("`{target}` is fed by two columns, `{first}` and `{second}`: choose one with {target}=COLUMN")]
    TwoColumns {
        /// The target.
        target: String,
        /// One column.
        first: String,
        /// The other one.
        second: String,
    },
    /// A target without which nothing can be imported.
    #[error("importing {kind} needs {need}: map a column, like {example}=COLUMN; the columns are: {columns}")]
    Missing {
        /// What is imported.
        kind: ImportKind,
        /// The targets, any one of which is enough.
        need: &'static str,
        /// A target to show how.
        example: &'static str,
        /// The columns there are.
        columns: String,
    },
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"))
}

/// What feeds a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The target.
    pub target: Target,
    /// Index of its column; none when only the default value feeds it.
    pub column: Option<usize>,
    /// The value where the cell is empty or there is no column.
    pub default: Option<String>,
}

/// A column that nothing uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownColumn {
    /// Its name.
    pub name: String,
    /// A target with a near name.
    pub suggestion: Option<String>,
}

/// The columns of a file and the targets they feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    kind: ImportKind,
    header: Header,
    bindings: Vec<Binding>,
    unknown: Vec<UnknownColumn>,
}

impl Mapping {
    /// Maps columns to targets by their names, and over that as `explicit` says: `target=column`, or `target=`
    /// for a target that no column shall feed. `defaults` are `target=value` for empty cells and missing columns.
    /// A column that `explicit` uses is not mapped by its name as well.
    ///
    /// # Errors
    /// See [`MappingError`].
    pub fn new(
        kind: ImportKind,
        header: &Header,
        explicit: &Assignments,
        defaults: &Assignments,
    ) -> Result<Self, MappingError> {
        let mut mapping = Self {
            kind,
            header: header.clone(),
            bindings: Vec::new(),
            unknown: Vec::new(),
        };
        let mut closed = Vec::new();
        for (target, column) in &explicit.0 {
            let target = mapping.target(target)?;
            if column.is_empty() {
                closed.push(target);
                continue;
            }
            let column = mapping.column(column)?;
            mapping.bind(target, column)?;
        }
        let used: Vec<Option<usize>> = mapping.bindings.iter().map(|binding| binding.column).collect();
        let taken: Vec<Target> = mapping
            .bindings
            .iter()
            .map(|binding| binding.target.clone())
            .chain(closed)
            .collect();
        // A column with the target's own name comes before one with another name for it.
        for own_name in [true, false] {
            let done: Vec<Target> = mapping
                .bindings
                .iter()
                .map(|binding| binding.target.clone())
                .collect();
            for column in 0..header.names.len() {
                let name = &header.names[column];
                if used.contains(&Some(column)) {
                    continue;
                }
                let target = if own_name {
                    kind.target(name)
                } else {
                    kind.target_like(name)
                };
                if let Some(target) = target
                    && !taken.contains(&target)
                    && (own_name || !done.contains(&target))
                {
                    mapping.bind(target, column)?;
                }
            }
        }
        for (target, value) in &defaults.0 {
            let target = mapping.target(target)?;
            match mapping
                .bindings
                .iter_mut()
                .find(|binding| binding.target == target)
            {
                Some(binding) => binding.default = Some(value.clone()),
                None => mapping.bindings.push(Binding {
                    target,
                    column: None,
                    default: Some(value.clone()),
                }),
            }
        }
        mapping
            .bindings
            .sort_by_key(|binding| binding.column.unwrap_or(usize::MAX));
        mapping.check_needs()?;
        mapping.check_namespaces()?;
        mapping.unknown = mapping.find_unknown();
        Ok(mapping)
    }

    /// What is imported.
    pub fn kind(&self) -> ImportKind {
        self.kind
    }

    /// The names of the columns.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The targets that are fed, in the order of the columns; a [`Record`](super::Record) has its values in the same order.
    pub fn bindings(&self) -> &[Binding] {
        &self.bindings
    }

    /// The columns nothing uses, in the order of the file.
    pub fn unknown_columns(&self) -> &[UnknownColumn] {
        &self.unknown
    }

    /// The place of a field without a key among the bindings.
    pub fn position(&self, field: Field) -> Option<usize> {
        self.bindings
            .iter()
            .position(|binding| binding.target.field() == field)
    }

    /// The keys of the custom fields that are fed.
    pub fn custom_fields(&self) -> Vec<&str> {
        let targets = self.bindings.iter().map(|binding| &binding.target);
        targets
            .filter(|target| target.field() == Field::Custom)
            .map(Target::key)
            .collect()
    }

    fn target(&self, name: &str) -> Result<Target, MappingError> {
        self.kind.target(name).ok_or_else(|| {
            let names = self.kind.target_names();
            MappingError::UnknownTarget {
                name: name.to_owned(),
                kind: self.kind,
                suggestion: nearest(name, self.kind.specs().iter().map(|spec| spec.name)),
                valid: names.join(", "),
            }
        })
    }

    fn column(&self, name: &str) -> Result<usize, MappingError> {
        let names = &self.header.names;
        let name = name.trim();
        names
            .iter()
            .position(|column| column == name)
            .or_else(|| {
                names
                    .iter()
                    .position(|column| column.to_lowercase() == name.to_lowercase())
            })
            .ok_or_else(|| MappingError::UnknownColumn {
                name: name.to_owned(),
                suggestion: nearest(name, names.iter().map(String::as_str)),
                valid: names.join(", "),
            })
    }

    fn bind(&mut self, target: Target, column: usize) -> Result<(), MappingError> {
        match self
            .bindings
            .iter()
            .find(|binding| binding.target == target)
            .map(|binding| binding.column)
        {
            None => {
                self.bindings.push(Binding {
                    target,
                    column: Some(column),
                    default: None,
                });
                Ok(())
            }
            Some(Some(first)) if first != column => Err(MappingError::TwoColumns {
                target: target.to_string(),
                first: self.header.names[first].clone(),
                second: self.header.names[column].clone(),
            }),
            Some(_) => Ok(()),
        }
    }

    fn check_needs(&self) -> Result<(), MappingError> {
        use Field::{Amount, Day, Email, ExternalId, Kind, LeadId, OccurredAt, Phone, Rate, Type};
        let needs: &[(&[Field], &str, &str)] = match self.kind {
            ImportKind::Leads => &[(
                &[ExternalId, Email, Phone],
                "external_id, email or phone to know a lead by",
                "external_id",
            )],
            ImportKind::Engagements => &[
                (
                    &[LeadId, ExternalId, Email, Phone],
                    "lead_id, external_id, email or phone to find the lead",
                    "email",
                ),
                (&[Type], "type (or a default for it, type=PAGE_VIEWED)", "type"),
                (&[OccurredAt], "occurred_at", "occurred_at"),
            ],
            ImportKind::Conversions => &[
                (
                    &[LeadId, ExternalId, Email, Phone],
                    "lead_id, external_id, email or phone to find the lead",
                    "email",
                ),
                (&[Kind], "kind (or a default for it, kind=CUSTOMER)", "kind"),
                (&[OccurredAt], "occurred_at", "occurred_at"),
            ],
            ImportKind::Costs => &[
                (&[Kind], "kind (or a default for it, kind=AD_SPEND)", "kind"),
                (&[Day], "day", "day"),
                (&[Amount], "amount", "amount"),
            ],
            ImportKind::Rates => &[
                (&[Day], "day", "day"),
                (&[Rate], "rate, or a column for each currency", "rate"),
            ],
        };
        for &(fields, need, example) in needs {
            if !fields.iter().any(|&field| self.position(field).is_some()) {
                let columns = self.header.names.join(", ");
                return Err(MappingError::Missing {
                    kind: self.kind,
                    need,
                    example,
                    columns,
                });
            }
        }
        Ok(())
    }

    fn check_namespaces(&self) -> Result<(), MappingError> {
        let targets = self.bindings.iter().map(|binding| &binding.target);
        for target in targets.filter(|target| target.field() == Field::ExternalId && !target.key().is_empty())
        {
            normalise_namespace(target.key()).map_err(|error| MappingError::Namespace {
                target: target.to_string(),
                message: error.to_string(),
            })?;
        }
        Ok(())
    }

    fn find_unknown(&self) -> Vec<UnknownColumn> {
        let used: Vec<Option<usize>> = self.bindings.iter().map(|binding| binding.column).collect();
        let free = |name: &&str| {
            !self
                .bindings
                .iter()
                .any(|binding| binding.target.to_string() == **name)
        };
        let names = self.header.names.iter().enumerate();
        names
            .filter(|(column, _)| !used.contains(&Some(*column)))
            .map(|(_, name)| UnknownColumn {
                name: name.clone(),
                suggestion: nearest(name, self.kind.specs().iter().map(|spec| spec.name).filter(free)),
            })
            .collect()
    }
}

/// The candidate nearest to a name, where it is near enough to be a slip.
fn nearest<'c>(name: &str, candidates: impl Iterator<Item = &'c str>) -> Option<String> {
    let name = folded(name);
    candidates
        .map(|candidate| (strsim::jaro_winkler(&name, &folded(candidate)), candidate))
        .filter(|(likeness, _)| *likeness >= 0.87)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(names: &[&str]) -> Header {
        Header {
            line: 1,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn map(
        kind: ImportKind,
        names: &[&str],
        explicit: &str,
        defaults: &str,
    ) -> Result<Mapping, MappingError> {
        Mapping::new(
            kind,
            &header(names),
            &explicit.parse().unwrap(),
            &defaults.parse().unwrap(),
        )
    }

    fn pairs(mapping: &Mapping) -> Vec<(String, String)> {
        let name = |column: Option<usize>| {
            column
                .map_or("-", |column| &mapping.header.names[column])
                .to_owned()
        };
        mapping
            .bindings()
            .iter()
            .map(|binding| (binding.target.to_string(), name(binding.column)))
            .collect()
    }

    fn strings(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(left, right)| ((*left).to_owned(), (*right).to_owned()))
            .collect()
    }

    #[test]
    fn assignments_are_read_with_and_without_quotes() {
        let read = |text: &str| text.parse::<Assignments>().map(|pairs| pairs.0);
        assert_eq!(read("a=b, c = d e"), Ok(strings(&[("a", "b"), ("c", "d e")])));
        assert_eq!(
            read(r#""custom.a=b"="x, ""y""",c="#),
            Ok(strings(&[("custom.a=b", "x, \"y\""), ("c", "")]))
        );
        assert_eq!(read("a=b=c"), Ok(strings(&[("a", "b=c")])));
        assert_eq!(read(""), Ok(Vec::new()));
        for (text, fault) in [
            ("a", "a `=` is missing"),
            ("a=\"b", "a quote is not closed"),
            ("=b", "nothing stands before a `=`"),
            ("a=\"b\"c", "a comma is missing after a closing quote"),
        ] {
            assert_eq!(
                read(text),
                Err(MappingError::Syntax {
                    text: text.to_owned(),
                    reason: fault
                })
            );
        }
    }

    #[test]
    fn columns_are_mapped_by_name() {
        let names = [
            "Id",
            "First Name",
            "E-mail",
            "Phone Number",
            "COMPANY",
            "custom.sport",
            "Consent.SMS",
            "Shoe size",
        ];
        let mapping = map(ImportKind::Leads, &names, "", "").unwrap();
        let mut found = pairs(&mapping);
        found.sort();
        assert_eq!(
            found,
            strings(&[
                ("company_name", "COMPANY"),
                ("consent.SMS", "Consent.SMS"),
                ("custom.sport", "custom.sport"),
                ("email", "E-mail"),
                ("external_id", "Id"),
                ("first_name", "First Name"),
                ("phone", "Phone Number"),
            ])
        );
        assert_eq!(
            mapping.unknown_columns(),
            [UnknownColumn {
                name: "Shoe size".to_owned(),
                suggestion: None
            }]
        );
    }

    #[test]
    fn the_olist_leads_are_mapped() {
        let names = ["mql_id", "first_contact_date", "origin"];
        let text = "external_id=mql_id,created_at=first_contact_date,source=origin";
        let mapping = map(ImportKind::Leads, &names, text, "").unwrap();
        assert_eq!(
            pairs(&mapping),
            strings(&[
                ("external_id", "mql_id"),
                ("created_at", "first_contact_date"),
                ("source", "origin")
            ])
        );
        let mapping = map(
            ImportKind::Conversions,
            &["mql_id", "won_date"],
            "external_id=mql_id",
            "kind=CUSTOMER",
        );
        assert_eq!(
            pairs(&mapping.unwrap()),
            strings(&[
                ("external_id", "mql_id"),
                ("occurred_at", "won_date"),
                ("kind", "-")
            ])
        );
    }

    #[test]
    fn what_is_said_goes_over_what_is_guessed() {
        let mapping = map(ImportKind::Leads, &["email", "backup"], "email=backup", "").unwrap();
        assert_eq!(pairs(&mapping), strings(&[("email", "backup")]));
        assert_eq!(mapping.unknown_columns()[0].name, "email");
        let mapping = map(ImportKind::Leads, &["email", "phone"], "phone=", "").unwrap();
        assert_eq!(pairs(&mapping), strings(&[("email", "email")]));
        let mapping = map(ImportKind::Leads, &["Mail"], "email=Mail,external_id=mail", "").unwrap();
        assert_eq!(
            pairs(&mapping),
            strings(&[("email", "Mail"), ("external_id", "Mail")])
        );
        let mapping = map(ImportKind::Leads, &["mobile", "phone"], "", "").unwrap();
        assert_eq!(pairs(&mapping), strings(&[("phone", "phone")]));
    }

    #[test]
    fn mistakes_name_the_valid_choices() {
        let fault = |names: &[&str], explicit: &str| {
            map(ImportKind::Conversions, names, explicit, "")
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            fault(&["email"], "knd=email"),
            "unknown target `knd` for conversions (did you mean `kind`?); one of lead_id, external_id, email, phone, \
             kind, occurred_at, value, currency, dedupe_key, name, metadata.<key>"
        );
        assert_eq!(
            fault(&["mql_id", "won"], "external_id=mqlid"),
            "the file has no column `mqlid` (did you mean `mql_id`?); its columns are: mql_id, won"
        );
        assert_eq!(
            fault(&["a", "b"], "email=a,email=b"),
            "`email` is fed by two columns, `a` and `b`: choose one with email=COLUMN"
        );
        assert_eq!(
            fault(&["mobile", "cell"], ""),
            "`phone` is fed by two columns, `mobile` and `cell`: choose one with phone=COLUMN"
        );
        assert_eq!(
            fault(&["email", "type"], ""),
            "importing conversions needs occurred_at: map a column, like occurred_at=COLUMN; the columns are: email, type"
        );
    }

    #[test]
    fn a_namespace_that_cannot_be_is_refused_wherever_it_stands() {
        let column = "external_id.my shop";
        for (names, explicit, defaults) in [
            (&["email", column][..], "", ""),
            (&["email", "id"], "external_id.my shop=id", ""),
            (&["email"], "", "external_id.my shop=1"),
        ] {
            assert_eq!(
                map(ImportKind::Leads, names, explicit, defaults)
                    .unwrap_err()
                    .to_string(),
                "target `external_id.my shop`: `my shop` is not a namespace: expected 1 to 100 letters, digits and \
                 . _ : / -, like shopify:main"
            );
        }
        let other = map(
            ImportKind::Leads,
            &["email", column],
            "external_id.shop=external_id.my shop",
            "",
        )
        .unwrap();
        assert_eq!(
            pairs(&other)[1],
            ("external_id.shop".to_owned(), column.to_owned())
        );
        let closed = map(ImportKind::Leads, &["email", column], "external_id.my shop=", "").unwrap();
        assert_eq!(pairs(&closed), strings(&[("email", "email")]));
    }

    #[test]
    fn a_near_name_is_suggested_for_an_unknown_column() {
        let mapping = map(ImportKind::Leads, &["email", "fist_name", "zzz"], "", "").unwrap();
        assert_eq!(
            mapping.unknown_columns(),
            [
                UnknownColumn {
                    name: "fist_name".to_owned(),
                    suggestion: Some("first_name".to_owned())
                },
                UnknownColumn {
                    name: "zzz".to_owned(),
                    suggestion: None
                }
            ]
        );
    }

    proptest! {
        #[test]
        fn quoted_assignments_are_read_back(pairs in prop::collection::vec((".{1,8}", ".{0,8}"), 0..5)) {
            let quote = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
            let text: Vec<_> = pairs.iter().map(|(left, right)| format!("{}={}", quote(left), quote(right))).collect();
            prop_assert_eq!(text.join(",").parse::<Assignments>(), Ok(Assignments(pairs)));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            if let Ok(Assignments(pairs)) = text.parse() {
                prop_assert!(pairs.iter().all(|(left, _)| !left.is_empty()));
            }
        }
    }
}
