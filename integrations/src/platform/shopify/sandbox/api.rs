//! The GraphQL door.

use serde_json::{Map, Value, json};

use super::graphql::{self, Cell, Connection, MAX_COST, Node, Plain, Step};
use super::rows::{CheckoutRow, CustomerRow, OrderRow, ProductRow, Row, Search, Store};
use super::state::{BUCKET, DOMAIN, State};
use super::{CURRENCY, bulk, mutations};
use crate::sandbox::{Delivery, Failure, SandboxAnswer, SandboxRequest};
use crate::signature;

/// The versions that are served, oldest first.
const VERSIONS: [&str; 5] = ["2026-01", "2026-04", "2026-07", "2026-10", "2027-01"];
/// How far a listing can be paged.
const DEEPEST: usize = 25_000;

/// The version that serves a request; `None` where there is none of that name.
fn served(version: &str) -> Option<&str> {
    if version == "unstable" || VERSIONS.contains(&version) {
        return Some(version);
    }
    let (year, month) = version.split_once('-')?;
    let retired = year.parse::<u16>().is_ok_and(|year| (2019..2026).contains(&year));
    (retired && ["01", "04", "07", "10"].contains(&month)).then_some(VERSIONS[0])
}

fn errors(errors: &Value) -> SandboxAnswer {
    SandboxAnswer::json(200, &json!({ "errors": errors }))
}

pub(super) fn graphql(state: &mut State, version: &str, request: &SandboxRequest) -> SandboxAnswer {
    let Some(version) = served(version).map(str::to_owned) else {
        return SandboxAnswer::json(404, &json!({ "errors": "Not Found" }));
    };
    let token = request.header("x-shopify-access-token").unwrap_or_default();
    if !state.knows_token(token) {
        let text = "[API] Invalid API key or access token (unrecognized login or wrong password)";
        return SandboxAnswer::json(401, &json!({ "errors": text }));
    }
    if request
        .header("content-type")
        .is_none_or(|kind| !kind.starts_with("application/json"))
    {
        let text = "Content-Type must be application/json";
        return SandboxAnswer::json(415, &json!({ "errors": text }));
    }
    let body = request.json();
    let Some(text) = body["query"].as_str() else {
        let text = "Required parameter missing or invalid";
        return SandboxAnswer::json(400, &json!({ "errors": { "query": text } }));
    };
    let variables = body["variables"].as_object().cloned().unwrap_or_default();
    answer(state, text, &variables, request).header("x-shopify-api-version", version)
}

fn answer(
    state: &mut State,
    text: &str,
    variables: &Map<String, Value>,
    request: &SandboxRequest,
) -> SandboxAnswer {
    let plan = match graphql::compile(text, variables, false) {
        Ok(plan) => plan,
        Err(found) => return errors(&found.into()),
    };
    let points = plan.cost();
    if points > MAX_COST {
        let message =
            format!("Query cost is {points}, which exceeds the single query max cost limit ({MAX_COST}).");
        let extensions = json!({ "code": "MAX_COST_EXCEEDED", "cost": points, "maxCost": MAX_COST });
        return errors(&json!([{ "message": message, "extensions": extensions }]));
    }
    #[expect(clippy::cast_precision_loss, reason = "at most a thousand")]
    let drawn = state.draw(points as f64);
    let cost = |available: f64, actual: Option<u64>| {
        json!({ "cost": {
            "requestedQueryCost": points,
            "actualQueryCost": actual,
            "throttleStatus": {
                "maximumAvailable": BUCKET.0, "currentlyAvailable": available.floor(), "restoreRate": BUCKET.1,
            },
        } })
    };
    let available = match drawn {
        Ok(available) => available,
        Err(available) => {
            let extensions =
                json!({ "code": "THROTTLED", "documentation": "https://shopify.dev/api/usage/rate-limits" });
            let error = json!([{ "message": "Throttled", "extensions": extensions }]);
            return SandboxAnswer::json(
                200,
                &json!({ "errors": error, "extensions": cost(available, None) }),
            );
        }
    };
    let mut out = b"{\"data\":{".to_vec();
    let mut deliveries: Vec<Delivery> = Vec::new();
    for (at, step) in plan.steps.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        graphql::write_key(&step.key, &mut out);
        let written = if plan.mutation {
            let done = mutations::run(state, step, request);
            deliveries.extend(done.deliveries);
            graphql::write(&done.payload, &step.steps, false, &mut out);
            Ok(())
        } else {
            deliveries.extend(bulk::finish(state));
            query(state, step, request, &mut out)
        };
        if let Err(error) = written {
            return errors(&json!([error]));
        }
    }
    out.extend_from_slice(b"},\"extensions\":");
    graphql::scalar(&cost(available, Some(points)), &mut out);
    out.push(b'}');
    SandboxAnswer::text(200, "application/json; charset=utf-8", out).deliver(deliveries)
}

/// Answers a field of the root.
fn query(state: &State, step: &Step, request: &SandboxRequest, out: &mut Vec<u8>) -> Result<(), Value> {
    let cell = match step.name.as_str() {
        "shop" => Cell::Object(Box::new(Plain("Shop", shop()))),
        "currentAppInstallation" => {
            let scopes: Value = state
                .scopes
                .iter()
                .map(|scope| json!({ "handle": scope, "description": "" }))
                .collect();
            let found = json!({ "id": "gid://shopify/AppInstallation/1", "accessScopes": scopes });
            Cell::Object(Box::new(Plain("AppInstallation", found)))
        }
        "customers" => listing(&state.customers, step, "UPDATED_AT")?,
        "orders" => listing(&state.orders, step, "UPDATED_AT")?,
        "products" => listing(&state.products, step, "UPDATED_AT")?,
        "abandonedCheckouts" => listing(&state.checkouts, step, "UPDATED_AT")?,
        "customersCount" => count(state.customers.len()),
        "ordersCount" => count(state.orders.len()),
        "productsCount" => count(state.products.len()),
        "webhookSubscriptions" => subscriptions(state, step),
        "nodes" => {
            // Those that are not there are null, which a list of objects cannot say: they are written by hand.
            out.push(b'[');
            for (at, id) in step.args["ids"].as_array().into_iter().flatten().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                let found = node(state, id.as_str().unwrap_or_default(), request);
                graphql::cell(&found.map_or(Cell::NULL, Cell::Object), step, false, out);
            }
            out.push(b']');
            return Ok(());
        }
        // `node`, `customer`, `order`, `product`.
        _ => node(state, step.text("id").unwrap_or_default(), request).map_or(Cell::NULL, Cell::Object),
    };
    graphql::cell(&cell, step, false, out);
    Ok(())
}

fn node(state: &State, id: &str, request: &SandboxRequest) -> Option<Box<dyn Node>> {
    fn boxed<R: Row>(store: &Store<R>, id: &str) -> Option<Box<dyn Node>> {
        store.by_gid(id).map(|row| Box::new(row) as _)
    }
    boxed::<CustomerRow>(&state.customers, id)
        .or_else(|| boxed::<OrderRow>(&state.orders, id))
        .or_else(|| boxed::<ProductRow>(&state.products, id))
        .or_else(|| boxed::<CheckoutRow>(&state.checkouts, id))
        .or_else(|| {
            let found = state.operations.iter().find(|operation| operation.gid() == id)?;
            Some(Box::new(Plain("BulkOperation", found.describe(state, request))))
        })
}

fn shop() -> Value {
    json!({
        "id": "gid://shopify/Shop/61000000001", "name": "Leadline Demo", "email": "owner@example.com",
        "contactEmail": "hello@example.com", "myshopifyDomain": DOMAIN, "url": "https://leadline-demo.example.com",
        "primaryDomain": {
            "id": "gid://shopify/Domain/1", "host": "leadline-demo.example.com", "url": "https://leadline-demo.example.com",
        },
        "currencyCode": CURRENCY, "ianaTimezone": "Europe/Berlin",
        "plan": { "publicDisplayName": "Basic", "partnerDevelopment": false, "shopifyPlus": false },
    })
}

fn count(count: usize) -> Cell<'static> {
    let (count, precision) = if count > DEEPEST {
        (DEEPEST + 1, "AT_LEAST")
    } else {
        (count, "EXACT")
    };
    Cell::Object(Box::new(Plain(
        "Count",
        json!({ "count": count, "precision": precision }),
    )))
}

fn listing<R: Row>(store: &Store<R>, step: &Step, update_key: &str) -> Result<Cell<'static>, Value> {
    let search = Search::of(step.text("query").unwrap_or_default());
    let by_update = step.text("sortKey") == Some(update_key);
    let mut found = store.find(&search, by_update);
    if step.args.get("reverse") == Some(&Value::Bool(true)) {
        found.reverse();
    }
    let from = match step.text("after") {
        Some(after) => {
            let cursor = read_cursor(after).ok_or_else(|| {
                let extensions = json!({ "code": "INVALID_CURSOR" });
                json!({ "message": "Invalid cursor for current pagination sort.", "extensions": extensions })
            })?;
            found.partition_point(|at| *at <= cursor)
        }
        None => 0,
    };
    if from >= DEEPEST {
        let message = "Pagination is limited to 25000 objects.";
        return Err(json!({ "message": message, "extensions": { "code": "BAD_REQUEST" } }));
    }
    let page: Vec<(i64, usize)> = found
        .iter()
        .skip(from)
        .take(step.first().unwrap_or(0))
        .copied()
        .collect();
    let nodes = page
        .iter()
        .filter_map(|(_, i)| store.get(*i))
        .map(|row| Box::new(row) as Box<dyn Node>)
        .collect();
    Ok(Cell::Object(Box::new(Connection {
        more: from + page.len() < found.len(),
        before: from > 0,
        nodes,
        cursors: page.iter().map(|at| cursor(*at)).collect(),
    })))
}

fn cursor((value, id): (i64, usize)) -> String {
    signature::to_base64(
        json!({ "last_id": id, "last_value": value })
            .to_string()
            .as_bytes(),
    )
}

fn read_cursor(text: &str) -> Option<(i64, usize)> {
    let read: Value = serde_json::from_slice(&signature::from_base64(text).ok()?).ok()?;
    Some((
        read["last_value"].as_i64()?,
        usize::try_from(read["last_id"].as_u64()?).ok()?,
    ))
}

fn subscriptions(state: &State, step: &Step) -> Cell<'static> {
    let after = step
        .text("after")
        .and_then(|after| after.parse::<u64>().ok())
        .unwrap_or(0);
    let rest: Vec<_> = state
        .subscriptions
        .iter()
        .filter(|subscription| subscription.id > after)
        .collect();
    let page: Vec<_> = rest.iter().take(step.first().unwrap_or(0)).collect();
    Cell::Object(Box::new(Connection {
        more: page.len() < rest.len(),
        before: after > 0,
        cursors: page
            .iter()
            .map(|subscription| subscription.id.to_string())
            .collect(),
        nodes: page
            .iter()
            .map(|subscription| {
                Box::new(Plain("WebhookSubscription", mutations::described(subscription))) as _
            })
            .collect(),
    }))
}

/// Fails as the platform fails.
pub(super) fn failure(failure: Failure, request: &SandboxRequest) -> Option<SandboxAnswer> {
    let graphql = request.path.ends_with("/graphql.json");
    let error = |message: &str, code: &str| {
        let extensions = json!({ "code": code, "requestId": "5affffff-0000-4000-8000-00000000cafe" });
        errors(&json!([{ "message": message, "extensions": extensions }]))
    };
    Some(match failure {
        Failure::Unauthorised if graphql => {
            let text = "[API] Invalid API key or access token (unrecognized login or wrong password)";
            SandboxAnswer::json(401, &json!({ "errors": text }))
        }
        Failure::Unauthorised => SandboxAnswer::json(
            401,
            &json!({ "error": "invalid_client", "error_description": "client authentication failed" }),
        ),
        Failure::Throttled { seconds } if graphql => {
            let rate = 50.0;
            let extensions = json!({ "cost": {
                "requestedQueryCost": f64::from(seconds) * rate, "actualQueryCost": null,
                "throttleStatus": { "maximumAvailable": BUCKET.0, "currentlyAvailable": 0, "restoreRate": rate },
            } });
            let error = json!([{ "message": "Throttled", "extensions": { "code": "THROTTLED" } }]);
            SandboxAnswer::json(
                200,
                &json!({ "data": null, "errors": error, "extensions": extensions }),
            )
        }
        Failure::Throttled { seconds } => SandboxAnswer::json(
            429,
            &json!({ "errors": "Exceeded 2 calls per second for api client." }),
        )
        .header("retry-after", format!("{seconds}.0")),
        Failure::ServerError => SandboxAnswer::text(503, "text/html", "<html>Service Unavailable</html>"),
        Failure::BodyError if graphql => error(
            "Internal error. Looks like something went wrong on our end.",
            "INTERNAL_SERVER_ERROR",
        ),
        _ => return None,
    })
}
