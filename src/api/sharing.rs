//! Which subscriptions may be run once for all who ask for the same.

use async_graphql::parser::types::Selection;
use async_graphql::{Request, Value};

/// The subscriptions whose results depend on nothing but their arguments, the rights of the caller and the event log.
const READING_THE_LOG: &[&str] = &[
    "engagementRecorded",
    "events",
    "jobProgressed",
    "journeyUpdated",
    "leadChanged",
    "scoreChanged",
    "stageChanged",
];

/// Whether a request is one subscription that reads the event log from now on, not after a cursor of its own.
pub fn reads_the_log_from_now_on(request: &mut Request) -> bool {
    let wanted = request.operation_name.clone();
    let variables = request.variables.clone();
    let Ok(document) = request.parsed_query() else {
        return false;
    };
    let mut operations = document.operations.iter();
    let operation = match &wanted {
        Some(wanted) => operations.find(|(name, _)| name.is_some_and(|name| name.as_str() == wanted)),
        None => operations.next(),
    };
    let Some((_, operation)) = operation else {
        return false;
    };
    let [selection] = &operation.node.selection_set.node.items[..] else {
        return false;
    };
    let Selection::Field(field) = &selection.node else {
        return false;
    };
    let field = &field.node;
    READING_THE_LOG.contains(&field.name.node.as_str())
        && field.directives.is_empty()
        && operation.node.directives.is_empty()
        && field.get_argument("after").is_none_or(|after| {
            let value = after.node.clone().into_const_with(|name| {
                let definitions = &operation.node.variable_definitions;
                let default = definitions
                    .iter()
                    .find(|definition| definition.node.name.node == name)
                    .and_then(|definition| definition.node.default_value.as_ref());
                let given = variables.get(&name).or(default.map(|default| &default.node));
                Ok::<_, std::convert::Infallible>(given.cloned().unwrap_or_default())
            });
            matches!(value, Ok(Value::Null))
        })
}

#[cfg(test)]
mod tests {
    use async_graphql::Variables;
    use serde_json::json;

    use super::*;

    fn shared(query: &str, variables: serde_json::Value) -> bool {
        let mut request = Request::new(query).variables(Variables::from_json(variables));
        reads_the_log_from_now_on(&mut request)
    }

    #[test]
    fn what_begins_at_a_place_of_its_own_is_not_shared() {
        let plain = "subscription { leadChanged { cursor } }";
        let asking = "subscription ($after: String) { leadChanged(after: $after) { cursor } }";
        assert!(shared(plain, json!({})));
        assert!(shared(asking, json!({})));
        assert!(shared(asking, json!({ "after": null })));
        assert!(!shared(asking, json!({ "after": "ev7" })));
        assert!(!shared(
            "subscription { leadChanged(after: \"ev7\") { cursor } }",
            json!({})
        ));
        assert!(!shared(
            "subscription ($after: String = \"ev7\") { leadChanged(after: $after) { cursor } }",
            json!({})
        ));
    }

    #[test]
    fn what_is_not_plainly_a_reading_of_the_log_is_not_shared() {
        for query in [
            "subscription { tick }",
            "subscription { ...Fields } fragment Fields on Subscription { leadChanged { cursor } }",
            "subscription { leadChanged @skip(if: false) { cursor } }",
            "subscription A { leadChanged { cursor } } subscription B { tick }",
            "subscription {",
        ] {
            let mut request = Request::new(query).operation_name("B");
            assert!(!reads_the_log_from_now_on(&mut request), "{query}");
        }
    }

    #[test]
    fn the_shared_ones_are_those_that_resume() {
        let schema = crate::api::sdl();
        let subscriptions = schema
            .split("type Subscription {")
            .nth(1)
            .expect("there are some");
        let subscriptions = subscriptions.split("\n}").next().expect("a type ends");
        let names: Vec<&str> = subscriptions
            .lines()
            .filter_map(|line| {
                line.strip_prefix('\t')?
                    .strip_suffix('(')
                    .filter(|name| !name.starts_with('\t'))
            })
            .collect();
        assert_eq!(names, READING_THE_LOG);
        assert_eq!(subscriptions.matches("after: String").count(), names.len());
    }
}
