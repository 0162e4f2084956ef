//! The order of the fields at the root of an answer.
//!
//! The specification has them in the order of the document; async-graphql writes them as they are ready.

use std::collections::HashMap;

use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{Name, Value};

use super::nulls::operation_of;

/// Deepest nesting of fragments that is followed; deeper ones were refused before.
const MOST_LEVELS: usize = 64;

/// Puts the fields at the root of `data` into the order of the operation that was asked.
pub(super) fn restore(data: &mut Value, document: &ExecutableDocument, operation: Option<&str>) {
    let Value::Object(fields) = data else { return };
    if fields.len() < 2 {
        return;
    }
    let Some(asked) = operation_of(document, operation) else {
        return;
    };
    let mut places = HashMap::with_capacity(fields.len());
    collect(document, &asked.selection_set.node, &mut places, 0);
    fields.sort_by_cached_key(|key, _| places.get(key).copied().unwrap_or(usize::MAX));
}

/// The places of the keys under which fields answer, in the order in which they are first met.
fn collect<'d>(
    document: &'d ExecutableDocument,
    set: &'d SelectionSet,
    places: &mut HashMap<&'d Name, usize>,
    level: usize,
) {
    if level > MOST_LEVELS {
        return;
    }
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => {
                let next = places.len();
                places.entry(&field.node.response_key().node).or_insert(next);
            }
            Selection::InlineFragment(inline) => {
                collect(document, &inline.node.selection_set.node, places, level + 1);
            }
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                    collect(document, &fragment.node.selection_set.node, places, level + 1);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use async_graphql::value;

    use super::*;

    fn ordered(query: &str, operation: Option<&str>, mut data: Value) -> String {
        let document = parse_query(query).expect("a document");
        restore(&mut data, &document, operation);
        serde_json::to_string(&data).expect("plain values")
    }

    #[test]
    fn fields_follow_the_document_and_its_fragments() {
        let query =
            "query A { c } query B { b: x ...F ... on Query { d } a b: x } fragment F on Query { c a }";
        let data = value!({ "a": 1, "b": { "z": 1, "y": 2 }, "c": 3, "d": 4 });
        assert_eq!(
            ordered(query, Some("B"), data),
            r#"{"b":{"z":1,"y":2},"c":3,"a":1,"d":4}"#
        );
    }

    #[test]
    fn what_is_not_there_is_not_missed() {
        assert_eq!(
            ordered("{ a b c }", None, value!({ "c": 1, "a": 2 })),
            r#"{"a":2,"c":1}"#
        );
        assert_eq!(ordered("{ a b }", None, Value::Null), "null");
    }
}
