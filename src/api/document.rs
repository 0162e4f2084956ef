//! What a document may ask for before anything of it runs: how deep and how large it is, and what nobody may ask.

use std::collections::HashMap;
use std::convert::Infallible;

use async_graphql::parser::types::{ExecutableDocument, Field, Selection, SelectionSet};
use async_graphql::{ErrorExtensionValues, ServerError, Value as ConstValue, Variables};

use super::contract::{Contract, root_of, type_of};
use super::types::Who;
use crate::config::GraphqlLimits;
use crate::error::Error;

/// How often `fields`, `inputFields`, `interfaces` and `possibleTypes` may stand within each other in introspection:
/// each multiplies the answer by the size of the schema. The limit, and its reason, are graphql-js's.
const MOST_INTROSPECTION_LISTS: usize = 2;

/// Most fields, where each use of a fragment counts all of its fields.
const MOST_FIELDS: usize = 5_000;

/// Deepest nesting of selections and fragments that is looked at.
const MOST_LEVELS: usize = 64;

/// How far a selection reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Reach {
    /// Fields within each other, without introspection.
    depth: usize,
    /// The same of introspection.
    introspection: usize,
    /// Lists within each other in introspection.
    lists: usize,
    /// Fields in all, with those of fragments; a spread and an inline fragment count as one, too. What walks the document
    /// later goes along every path of it, and this bounds the paths.
    fields: usize,
    /// The largest page that is asked of a connection.
    page: u64,
}

impl Reach {
    fn and(self, other: Self) -> Self {
        Self {
            depth: self.depth.max(other.depth),
            introspection: self.introspection.max(other.introspection),
            lists: self.lists.max(other.lists),
            fields: self.fields.saturating_add(other.fields),
            page: self.page.max(other.page),
        }
    }

    fn and_itself(self) -> Self {
        Self {
            fields: self.fields.saturating_add(1),
            ..self
        }
    }
}

struct Walk<'d> {
    document: &'d ExecutableDocument,
    variables: &'d Variables,
    /// Reaches of fragments; that of one within itself is nothing, and validation refuses it.
    known: HashMap<&'d str, Reach>,
}

pub(super) fn too_complex(message: String) -> ServerError {
    let mut error = ServerError::new(message, None);
    let extensions = error.extensions.get_or_insert_with(ErrorExtensionValues::default);
    extensions.set("code", "TOO_COMPLEX");
    error
}

impl<'d> Walk<'d> {
    /// `parent` is the type that the selection is of; empty where it is not known.
    fn reach(&mut self, set: &'d SelectionSet, parent: &str, level: usize) -> Result<Reach, ServerError> {
        if level > MOST_LEVELS {
            return Err(too_complex(format!(
                "selections and fragments are nested deeper than {MOST_LEVELS}"
            )));
        }
        let mut reach = Reach::default();
        for selection in &set.items {
            let found = match &selection.node {
                Selection::Field(field) => {
                    let field = &field.node;
                    let name = field.name.node.as_str();
                    let of = type_of(parent, name);
                    let mut inner = self.reach(&field.selection_set.node, of, level + 1)?;
                    let page = self.page(field)?;
                    if of.ends_with("Connection") {
                        inner.page = inner.page.max(page);
                    }
                    let fields = inner.fields.saturating_add(1);
                    match name {
                        "__schema" | "__type" => Reach {
                            depth: 0,
                            introspection: inner.depth + 1,
                            lists: inner.lists,
                            fields,
                            page: 0,
                        },
                        _ => {
                            let list =
                                matches!(name, "fields" | "inputFields" | "interfaces" | "possibleTypes");
                            Reach {
                                depth: inner.depth + 1,
                                lists: inner.lists + usize::from(list),
                                fields,
                                ..inner
                            }
                        }
                    }
                }
                Selection::InlineFragment(inline) => {
                    let inline = &inline.node;
                    let condition = inline.type_condition.as_ref();
                    let parent = condition.map_or(parent, |condition| condition.node.on.node.as_str());
                    self.reach(&inline.selection_set.node, parent, level + 1)?
                        .and_itself()
                }
                Selection::FragmentSpread(spread) => self
                    .fragment(&spread.node.fragment_name.node, level + 1)?
                    .and_itself(),
            };
            reach = reach.and(found);
        }
        Ok(reach)
    }

    fn fragment(&mut self, name: &str, level: usize) -> Result<Reach, ServerError> {
        if let Some(known) = self.known.get(name) {
            return Ok(*known);
        }
        let Some((name, fragment)) = self.document.fragments.get_key_value(name) else {
            return Ok(Reach::default());
        };
        self.known.insert(name, Reach::default());
        let parent = fragment.node.type_condition.node.on.node.as_str();
        let reach = self.reach(&fragment.node.selection_set.node, parent, level)?;
        self.known.insert(name, reach);
        Ok(reach)
    }

    /// How many rows a field asks for, as far as it can be told before its arguments are read.
    fn page(&self, field: &Field) -> Result<u64, ServerError> {
        let rows = |name: &str| {
            let given = field.get_argument(name)?.node.clone();
            let given = given.into_const_with(|variable| {
                let mut definitions = self
                    .document
                    .operations
                    .iter()
                    .flat_map(|(_, operation)| &operation.node.variable_definitions);
                let default = definitions
                    .find(|definition| definition.node.name.node == variable)
                    .and_then(|definition| definition.node.default_value.as_ref());
                let given = self
                    .variables
                    .get(&variable)
                    .or(default.map(|default| &default.node));
                Ok::<_, Infallible>(given.cloned().unwrap_or_default())
            });
            match given {
                Ok(ConstValue::Number(number)) => number.as_i64(),
                _ => None,
            }
        };
        let (first, last) = (rows("first"), rows("last"));
        // Points are counted before arguments are looked at, and fewer than none would make others free.
        if let Some(less) = first.into_iter().chain(last).find(|rows| *rows < 0) {
            return Err(too_complex(format!("a page of {less} rows is asked for")));
        }
        Ok(first.max(last).map_or(0, i64::unsigned_abs))
    }

    /// Whether a selection at the root asks for anything but what everybody is told.
    fn asks(&self, set: &'d SelectionSet, root: &str, level: usize) -> bool {
        level > MOST_LEVELS
            || set.items.iter().any(|selection| match &selection.node {
                Selection::Field(field) => !is_public(root, &field.node.name.node),
                Selection::InlineFragment(inline) => {
                    self.asks(&inline.node.selection_set.node, root, level + 1)
                }
                Selection::FragmentSpread(spread) => {
                    let fragment = self.document.fragments.get(&spread.node.fragment_name.node);
                    fragment
                        .is_some_and(|fragment| self.asks(&fragment.node.selection_set.node, root, level + 1))
                }
            })
    }
}

/// Whether everybody may ask for a field at a root: `@scope(requires: "none")`.
fn is_public(root: &str, field: &str) -> bool {
    let need = Contract::ours().field(root, field).and_then(|field| field.need);
    field == "__typename" || need.is_some_and(|need| need.who == Who::Anybody)
}

/// Refuses a document that is too deep or too large, and from nobody all that asks for more than the version: before
/// arguments are read, so that they are not what is complained of.
///
/// # Errors
/// What is wrong, with `TOO_COMPLEX` or `UNAUTHENTICATED`.
pub(super) fn check(
    document: &ExecutableDocument,
    variables: &Variables,
    nobody: bool,
    limits: &GraphqlLimits,
) -> Result<(), ServerError> {
    let GraphqlLimits {
        depth,
        introspection_depth,
        page,
        ..
    } = *limits;
    let mut walk = Walk {
        document,
        variables,
        known: HashMap::new(),
    };
    for (_, operation) in document.operations.iter() {
        let set = &operation.node.selection_set.node;
        let root = root_of(operation.node.ty);
        let reach = walk.reach(set, root, 0)?;
        let problem = if reach.depth > depth {
            format!("fields are nested {} deep; at most {depth}", reach.depth)
        } else if reach.introspection > introspection_depth {
            format!(
                "introspection is nested {} deep; at most {introspection_depth}",
                reach.introspection
            )
        } else if reach.page > page as u64 {
            format!("a page of {} rows is asked for; at most {page}", reach.page)
        } else if reach.introspection > 0 && reach.lists > MOST_INTROSPECTION_LISTS {
            format!(
                "introspection has lists of fields, interfaces or possible types {} deep within each other; at most \
                 {MOST_INTROSPECTION_LISTS}",
                reach.lists
            )
        } else if reach.fields > MOST_FIELDS {
            format!(
                "the document has more than {MOST_FIELDS} fields, counting those of fragments at each use"
            )
        } else if nobody && walk.asks(set, root, 0) {
            return Err(async_graphql::Error::from(Error::no_token()).into_server_error(operation.pos));
        } else {
            continue;
        };
        return Err(too_complex(problem));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use async_graphql::Value;
    use async_graphql::parser::parse_query;

    use super::*;

    fn refused(query: &str, nobody: bool) -> Option<String> {
        let document = parse_query(query).expect("a document");
        let variables = Variables::from_json(serde_json::json!({ "few": 100, "many": 101, "less": -5 }));
        let error = check(&document, &variables, nobody, &GraphqlLimits::default()).err()?;
        let code = error
            .extensions
            .as_ref()
            .and_then(|extensions| extensions.get("code").cloned());
        match code {
            Some(Value::String(code)) => Some(code),
            _ => Some(error.message),
        }
    }

    fn nested(field: &str, depth: usize) -> String {
        format!("{}{}", format!("{{ {field} ").repeat(depth), "}".repeat(depth))
    }

    #[test]
    fn twelve_fields_deep_is_the_end() {
        assert_eq!(refused(&nested("lead", 12), false), None);
        assert_eq!(
            refused(&nested("lead", 13), false).as_deref(),
            Some("TOO_COMPLEX")
        );
        let inner = nested("lead", 6);
        let by_fragment = format!(
            "query {} fragment F on Lead {inner}",
            nested("lead", 7).replacen("lead }", "lead { ...F } }", 1)
        );
        assert_eq!(refused(&by_fragment, false).as_deref(), Some("TOO_COMPLEX"));
    }

    #[test]
    fn introspection_may_be_deeper_but_not_multiply() {
        let of_types = nested("ofType", 12).replacen('{', "{ __schema { types { fields { type {", 1) + "}}}}";
        assert_eq!(refused(&of_types, false), None);
        assert_eq!(
            refused(
                "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }",
                false
            )
            .as_deref(),
            Some("TOO_COMPLEX")
        );
        assert_eq!(
            refused("{ lead { fields { fields { fields { name } } } } }", false),
            None,
            "fields of the same names elsewhere"
        );
    }

    #[test]
    fn fragments_that_multiply_are_refused_at_once() {
        let mut text = "{ ...F0 }".to_owned();
        for n in 0..30 {
            text += &format!(" fragment F{n} on Query {{ ...F{} ...F{} }}", n + 1, n + 1);
        }
        text += " fragment F30 on Query { version }";
        assert_eq!(refused(&text, false).as_deref(), Some("TOO_COMPLEX"));
        assert_eq!(
            refused("{ ...A } fragment A on Query { ...A version }", false),
            None,
            "validation's to refuse"
        );
        // Whatever stands at the end of the ways, and however one goes from one to the next.
        for (leaf, step) in [
            ("...Nope", "...F"),
            ("... { ...Nope }", "...F"),
            ("...Nope", "... on Query { ...F"),
        ] {
            let close = if step.contains('{') { " }" } else { "" };
            let mut text = "{ ...F0 }".to_owned();
            for n in 0..30 {
                let next = format!("{step}{}{close}", n + 1);
                text += &format!(" fragment F{n} on Query {{ {next} {next} }}");
            }
            text += &format!(" fragment F30 on Query {{ {leaf} }}");
            for nobody in [true, false] {
                assert_eq!(refused(&text, nobody).as_deref(), Some("TOO_COMPLEX"), "{text}");
            }
        }
    }

    #[test]
    fn a_page_has_a_hundred_rows() {
        for (arguments, refuses) in [
            ("first: 100", false),
            ("first: 101", true),
            ("last: 101", true),
            ("first: $few", false),
            ("first: $many", true),
            ("first: $default", true),
            ("first: $absent", false),
            ("first: -1", true),
            ("last: -2147483648", true),
            ("first: $less", true),
        ] {
            for query in [
                format!(
                    "query ($few: Int, $many: Int, $less: Int, $default: Int = 101) {{ leads({arguments}) {{ nodes {{ id }} }} }}"
                ),
                format!(
                    "query ($less: Int, $default: Int = 101) {{ ...F }} \
                     fragment F on Query {{ lead(id: 1) {{ ... on Lead {{ notes({arguments}) {{ nodes {{ id }} }} }} }} }}"
                ),
            ] {
                let code = refused(&query, false);
                assert_eq!(code.as_deref(), refuses.then_some("TOO_COMPLEX"), "{query}");
            }
        }
        assert_eq!(
            refused("{ importRejections(first: 1000) { row } }", false),
            None,
            "no connection"
        );
    }

    #[test]
    fn nobody_is_told_the_version_alone() {
        assert_eq!(refused("{ version __typename }", true), None);
        let message = refused(
            "{ ...F } fragment F on Query { version leads { nodes { id } } }",
            true,
        );
        assert!(message.is_some_and(|message| message.starts_with("a token is needed")));
        assert!(refused("{ __schema { types { name } } }", true).is_some());
        assert_eq!(refused("{ leads { nodes { id } } }", false), None);
    }
}
