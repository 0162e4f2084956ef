//! The place of a field that failed.
//!
//! The specification gives null to a nullable field whose resolver failed, and where null may not stand, to the nearest
//! thing around it that may be null. async-graphql leaves such a field out of `data` instead, which clients with
//! generated types do not expect; so it is mended here, for those responses alone that have errors of fields.

use std::collections::HashMap;

use async_graphql::parser::types::{
    BaseType, ExecutableDocument, OperationDefinition, Selection, SelectionSet, Type,
};
use async_graphql::{Name, PathSegment, Response, Value};

use super::contract::{Contract, Fields, named, root_of};

/// Puts nulls where the specification has them for the errors of a response. `document` and `operation` are what was asked.
pub(super) fn fill(response: &mut Response, document: &ExecutableDocument, operation: Option<&str>) {
    if response.errors.iter().any(|error| !error.path.is_empty()) {
        fill_by(&Contract::ours().fields, response, document, operation);
    }
}

/// The operation that was run.
pub(super) fn operation_of<'d>(
    document: &'d ExecutableDocument,
    wanted: Option<&str>,
) -> Option<&'d OperationDefinition> {
    let mut operations = document.operations.iter();
    let found = operations.find(|(name, _)| wanted.is_none() || name.map(Name::as_str) == wanted);
    found.map(|(_, operation)| &operation.node)
}

fn fill_by(
    types: &HashMap<Name, Fields>,
    response: &mut Response,
    document: &ExecutableDocument,
    operation: Option<&str>,
) {
    let Some(asked) = operation_of(document, operation) else {
        return;
    };
    let root = root_of(asked.ty);
    let mut places: Vec<&[PathSegment]> = Vec::new();
    for error in &response.errors {
        if error.path.is_empty() {
            continue;
        }
        let nullable = nullable(types, document, &asked.selection_set.node, root, &error.path);
        let length = nullable
            .iter()
            .rposition(|nullable| *nullable)
            .map_or(0, |last| last + 1);
        places.push(&error.path[..length]);
    }
    // What is around comes last, so that nothing is put into what is null.
    places.sort_by_key(|place| std::cmp::Reverse(place.len()));
    for place in places {
        put_null(&mut response.data, place);
    }
}

/// Whether null may stand at each beginning of a path.
fn nullable(
    types: &HashMap<Name, Fields>,
    document: &ExecutableDocument,
    set: &SelectionSet,
    root: &str,
    path: &[PathSegment],
) -> Vec<bool> {
    let mut sets = vec![(set, root.to_owned())];
    let mut ty: Option<Type> = None;
    let mut nullable = Vec::with_capacity(path.len());
    for segment in path {
        match segment {
            PathSegment::Field(key) => {
                let mut inner = Vec::new();
                let mut found = None;
                for (set, parent) in &sets {
                    matching(types, document, set, parent, key, &mut found, &mut inner);
                }
                let parent = found.as_ref().map_or("", |ty| named(ty).as_str()).to_owned();
                sets = inner.into_iter().map(|set| (set, parent.clone())).collect();
                ty = found;
            }
            PathSegment::Index(_) => {
                ty = match ty.map(|ty| ty.base) {
                    Some(BaseType::List(inner)) => Some(*inner),
                    _ => None,
                };
            }
        }
        nullable.push(ty.as_ref().is_none_or(|ty| ty.nullable));
    }
    nullable
}

/// The type of the field that answers under a key, and what is asked of it.
fn matching<'d>(
    types: &HashMap<Name, Fields>,
    document: &'d ExecutableDocument,
    set: &'d SelectionSet,
    parent: &str,
    key: &str,
    found: &mut Option<Type>,
    inner: &mut Vec<&'d SelectionSet>,
) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) if field.node.response_key().node == key => {
                let field = &field.node;
                if found.is_none() {
                    *found = types
                        .get(parent)
                        .and_then(|fields| fields.get(&field.name.node))
                        .map(|field| field.ty.clone());
                }
                inner.push(&field.selection_set.node);
            }
            Selection::Field(_) => {}
            Selection::InlineFragment(fragment) => {
                let condition = fragment.node.type_condition.as_ref();
                let parent = condition.map_or(parent, |condition| condition.node.on.node.as_str());
                let set = &fragment.node.selection_set.node;
                matching(types, document, set, parent, key, found, inner);
            }
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                    let parent = fragment.node.type_condition.node.on.node.as_str();
                    let set = &fragment.node.selection_set.node;
                    matching(types, document, set, parent, key, found, inner);
                }
            }
        }
    }
}

fn put_null(value: &mut Value, place: &[PathSegment]) {
    let Some((segment, rest)) = place.split_first() else {
        *value = Value::Null;
        return;
    };
    match segment {
        PathSegment::Field(key) => {
            // An object all of whose fields failed is written as null.
            if *value == Value::Null {
                *value = Value::Object(Default::default());
            }
            if let Value::Object(object) = value {
                put_null(object.entry(Name::new(key)).or_insert(Value::Null), rest);
            }
        }
        PathSegment::Index(index) => {
            if let Value::List(list) = value
                && let Some(item) = list.get_mut(*index)
            {
                put_null(item, rest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use async_graphql::{ServerError, value};
    use serde_json::json;

    use super::*;

    const SDL: &str = "type Query { lead: Lead, leads: [Lead!]! } \
        type Lead { id: ID!, score: Int, journey: Journey!, friends: [Lead]! } type Journey { risk: Float!, trend: String }";

    fn filled(query: &str, data: Value, paths: &[&[&str]]) -> serde_json::Value {
        let mut response = Response::new(data);
        for path in paths {
            let mut error = ServerError::new("it failed", None);
            let segment = |text: &&str| match text.parse() {
                Ok(index) => PathSegment::Index(index),
                Err(_) => PathSegment::Field((*text).to_owned()),
            };
            error.path = path.iter().map(segment).collect();
            response.errors.push(error);
        }
        let document = parse_query(query).expect("a document");
        fill_by(&Contract::read(SDL).fields, &mut response, &document, None);
        response.data.into_json().expect("plain values")
    }

    #[test]
    fn a_nullable_field_that_failed_is_null() {
        let data = value!({ "lead": { "id": "a" } });
        assert_eq!(
            filled("{ lead { id points: score } }", data, &[&["lead", "points"]]),
            json!({ "lead": { "id": "a", "points": null } })
        );
        assert_eq!(
            filled(
                "{ lead { score } }",
                value!({ "lead": null }),
                &[&["lead", "score"]]
            ),
            json!({ "lead": { "score": null } }),
            "an object whose only field failed"
        );
        assert_eq!(
            filled("{ lead { id } }", Value::Null, &[&["lead"]]),
            json!({ "lead": null })
        );
    }

    #[test]
    fn a_field_that_may_not_be_null_takes_what_is_around_it() {
        let query = "{ lead { id ...J } } fragment J on Lead { journey { risk trend } score }";
        let data = value!({ "lead": { "id": "a", "journey": { "trend": "STABLE" }, "score": 1 } });
        assert_eq!(
            filled(query, data, &[&["lead", "journey", "risk"]]),
            json!({ "lead": null })
        );
        let query = "{ leads { id } }";
        let data = value!({ "leads": [{ "id": "a" }, {}] });
        assert_eq!(
            filled(query, data, &[&["leads", "1", "id"]]),
            json!(null),
            "up to the whole"
        );
        let query = "{ lead { id friends { id } } }";
        let data = value!({ "lead": { "id": "a", "friends": [{ "id": "b" }, null] } });
        assert_eq!(
            filled(query, data, &[&["lead", "friends", "1", "id"]]),
            json!({ "lead": { "id": "a", "friends": [{ "id": "b" }, null] } })
        );
    }

    #[test]
    fn what_is_around_wins_over_what_is_within() {
        let query = "{ lead { journey { risk trend } } }";
        let data = value!({ "lead": { "journey": null } });
        let paths: [&[&str]; 2] = [&["lead", "journey", "risk"], &["lead", "journey", "trend"]];
        assert_eq!(filled(query, data, &paths), json!({ "lead": null }));
    }
}
