//! Which subscriptions may be run once for all who ask for the same.

use async_graphql::parser::types::Selection;
use async_graphql::{Request, Value};

use crate::identity::Caller;

/// The subscriptions whose results depend on nothing but their arguments, the rights of the caller and the event log.
const READING_THE_LOG: &[&str] = &[
    "audienceChanged",
    "connectionChanged",
    "conversionDeliveryChanged",
    "dealChanged",
    "engagementRecorded",
    "events",
    "jobProgressed",
    "journeyUpdated",
    "leadChanged",
    "messageChanged",
    "scoreChanged",
    "stageChanged",
    "syncProgressed",
];

/// The subscriptions that tell how something is, and how it is whenever that changes: their results depend on nothing but their
/// arguments, the rights of the caller and the moment.
const TELLING_A_STATE: &[&str] = &["dashboardUpdated"];

/// How a request is run once for all who ask for the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// What must be the same of two callers.
    pub rights: String,
    /// Who joins is told the last result at once.
    pub is_state: bool,
}

/// Those of them that depend on who asks as well, where the caller does not see all rows: jobs are shown to whom they belong.
const OF_THE_ACTOR: &[&str] = &["jobProgressed"];

/// What must be the same of two callers for whom a request is run once; `None` for one that is not shared.
pub fn shared_by(caller: &Caller, request: &mut Request) -> Option<Shared> {
    let is_state = tells_a_state(request);
    if !is_state && !reads_the_log_from_now_on(request) {
        return None;
    }
    let Caller {
        actor,
        scopes,
        rows,
        // No subscription tells who asks or from where.
        user: _,
        session: _,
        origin: _,
    } = caller;
    let is_own = |field: &&str| OF_THE_ACTOR.contains(field);
    let actor = if rows.is_all() || !root_fields(request).iter().any(|name| is_own(&name.as_str())) {
        None
    } else {
        Some(actor)
    };
    Some(Shared {
        rights: format!("{scopes:?} {rows:?} {actor:?}"),
        is_state,
    })
}

/// Whether a request is a subscription to how something is: the same result again is no news.
pub(super) fn tells_a_state(request: &mut Request) -> bool {
    let fields = root_fields(request);
    !fields.is_empty()
        && fields
            .iter()
            .all(|field| TELLING_A_STATE.contains(&field.as_str()))
}

/// The names of the fields at the root of all operations.
fn root_fields(request: &mut Request) -> Vec<String> {
    let Ok(document) = request.parsed_query() else {
        return Vec::new();
    };
    let operations = document.operations.iter();
    let selections = operations.flat_map(|(_, operation)| &operation.node.selection_set.node.items);
    selections
        .filter_map(|selection| match &selection.node {
            Selection::Field(field) => Some(field.node.name.node.to_string()),
            _ => None,
        })
        .collect()
}

/// Whether a request is one subscription that reads the event log from now on, not after a cursor of its own.
fn reads_the_log_from_now_on(request: &mut Request) -> bool {
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
    use crate::identity::{Actor, RowFilter, Rows};

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
    fn who_sees_the_same_shares_but_for_what_is_ones_own() {
        let caller = |id: &str, rows: &Rows| Caller {
            actor: Actor::of_id(id),
            ..Caller::operator().with_rows(rows.clone())
        };
        let key = |caller: Caller, query: &str| shared_by(&caller, &mut Request::new(query));
        let (one, other) = (RowFilter::new("one"), RowFilter::new("other"));
        let (one, other) = (Rows::Where(one), Rows::Where(other));
        let changes = "subscription { leadChanged { cursor } }";
        assert!(key(caller("token_a", &one), changes).is_some());
        assert_eq!(
            key(caller("token_a", &one), changes),
            key(caller("token_b", &one), changes)
        );
        assert_ne!(
            key(caller("token_a", &one), changes),
            key(caller("token_a", &other), changes)
        );
        assert_ne!(
            key(caller("token_a", &one), changes),
            key(caller("token_a", &Rows::All), changes)
        );
        let jobs = "subscription { mine: jobProgressed { cursor } }";
        assert_ne!(
            key(caller("token_a", &one), jobs),
            key(caller("token_b", &one), jobs)
        );
        assert_eq!(
            key(caller("token_a", &Rows::All), jobs),
            key(caller("token_b", &Rows::All), jobs)
        );
        assert_eq!(key(caller("token_a", &one), "subscription { tick }"), None);
        let reports = "subscription { dashboardUpdated { funnelReport(range: { lastDays: 7 }) { current { leads } } } }";
        let shared = key(caller("token_a", &one), reports).unwrap();
        assert!(shared.is_state);
        assert_eq!(Some(shared), key(caller("token_b", &one), reports));
        assert_ne!(
            key(caller("token_a", &one), reports),
            key(caller("token_a", &other), reports)
        );
        assert!(!key(caller("token_a", &one), changes).unwrap().is_state);
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
        assert_eq!(subscriptions.matches("after: String").count(), names.len());
        // A text that is being written has cursors of its own: it is in no log, and who listens to it is whose it is.
        let (texts, of_the_log): (Vec<&str>, Vec<&str>) =
            names.into_iter().partition(|name| *name == "textGenerating");
        assert_eq!((of_the_log.as_slice(), texts.len()), (READING_THE_LOG, 1));
    }
}
