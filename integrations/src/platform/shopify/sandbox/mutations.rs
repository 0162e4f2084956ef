//! What changes something.

use serde_json::{Value, json};

use super::bulk::Operation;
use super::events;
use super::graphql::{self, Borrowed, Cell, Node, Plain, Step};
use super::rows::{Consent, CustomerRow, moment};
use super::state::{State, Subscription, user_error};
use crate::sandbox::{Delivery, SandboxRequest};

/// What a mutation gives: at most one object, and the rest.
pub(super) struct Payload {
    object: Option<(&'static str, Box<dyn Node>)>,
    rest: Value,
}

impl Node for Payload {
    fn kind(&self) -> &'static str {
        "Payload"
    }

    fn field(&self, step: &Step) -> Cell<'_> {
        match &self.object {
            Some((name, node)) if *name == step.name => Cell::Object(Box::new(Borrowed(&**node))),
            _ => match &self.rest[&step.name] {
                Value::Array(items) if !step.steps.is_empty() => {
                    let nodes = items
                        .iter()
                        .map(|item| Box::new(Plain("UserError", item.clone())) as _);
                    Cell::List(nodes.collect())
                }
                value => Cell::Value(value.clone()),
            },
        }
    }
}

pub(super) struct Done {
    pub payload: Payload,
    pub deliveries: Vec<Delivery>,
}

impl Done {
    fn refused(errors: &Value) -> Self {
        let payload = Payload {
            object: None,
            rest: json!({ "userErrors": errors }),
        };
        Self {
            payload,
            deliveries: Vec::new(),
        }
    }

    fn with(name: &'static str, node: impl Node + 'static, deliveries: Vec<Delivery>) -> Self {
        let payload = Payload {
            object: Some((name, Box::new(node))),
            rest: json!({ "userErrors": [] }),
        };
        Self { payload, deliveries }
    }
}

pub(super) fn run(state: &mut State, step: &Step, request: &SandboxRequest) -> Done {
    match step.name.as_str() {
        "tagsAdd" => tags(state, step, true),
        "tagsRemove" => tags(state, step, false),
        "customerUpdate" => customer_update(state, step),
        "customerEmailMarketingConsentUpdate" => consent(state, step, true),
        "customerSmsMarketingConsentUpdate" => consent(state, step, false),
        "webhookSubscriptionCreate" => subscribe(state, step),
        "webhookSubscriptionDelete" => unsubscribe(state, step),
        "bulkOperationRunQuery" => bulk(state, step, request),
        "bulkOperationCancel" => cancel(state, step, request),
        other => Done::refused(&user_error(&[], &format!("{other} is not there"))),
    }
}

fn changed(state: &mut State, mut row: CustomerRow) -> Vec<Delivery> {
    row.updated = state.seconds();
    state.customers.put(row.clone());
    events::tell(state, "CUSTOMERS_UPDATE", &row.payload())
}

fn tags(state: &mut State, step: &Step, add: bool) -> Done {
    let Some(mut row) = state.customers.by_gid(step.text("id").unwrap_or_default()) else {
        return Done::refused(&user_error(&["id"], "Customer does not exist"));
    };
    let before = row.tags.clone();
    let given = step.args["tags"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    for tag in given.map(str::trim) {
        if tag.chars().count() > 255 {
            return Done::refused(&user_error(
                &["tags"],
                "Tags is too long (maximum is 255 characters)",
            ));
        }
        let same = |other: &String| other.to_lowercase() == tag.to_lowercase();
        match (add, row.tags.iter().position(same)) {
            (true, None) => row.tags.push(tag.to_owned()),
            (false, Some(at)) => drop(row.tags.remove(at)),
            _ => {}
        }
    }
    if row.tags.len() > 250 {
        return Done::refused(&user_error(&["tags"], "Tags cannot be more than 250"));
    }
    row.tags.sort_by_key(|tag| tag.to_lowercase());
    let deliveries = if row.tags == before {
        Vec::new()
    } else {
        changed(state, row.clone())
    };
    Done::with("node", row, deliveries)
}

fn customer_update(state: &mut State, step: &Step) -> Done {
    let input = &step.args["input"];
    let Some(mut row) = state.customers.by_gid(input["id"].as_str().unwrap_or_default()) else {
        return Done::refused(&user_error(&["id"], "Customer does not exist"));
    };
    if let Some(note) = input["note"].as_str() {
        if note.chars().count() > 5_000 {
            return Done::refused(&user_error(
                &["note"],
                "Note is too long (maximum is 5000 characters)",
            ));
        }
        row.note = Some(note.to_owned());
    }
    if let Some(first) = input["firstName"].as_str() {
        first.clone_into(&mut row.first);
    }
    if let Some(last) = input["lastName"].as_str() {
        last.clone_into(&mut row.last);
    }
    let deliveries = changed(state, row.clone());
    Done::with("customer", row, deliveries)
}

fn consent(state: &mut State, step: &Step, email: bool) -> Done {
    let input = &step.args["input"];
    let given = &input[if email {
        "emailMarketingConsent"
    } else {
        "smsMarketingConsent"
    }];
    let refused = |message: &str, code: &str| {
        Done::refused(&json!([{ "field": ["input"], "message": message, "code": code }]))
    };
    let Some(mut row) = state
        .customers
        .by_gid(input["customerId"].as_str().unwrap_or_default())
    else {
        return refused("Customer does not exist", "INVALID");
    };
    let wanted = given["marketingState"].as_str().unwrap_or_default();
    if !["SUBSCRIBED", "UNSUBSCRIBED", "PENDING"].contains(&wanted) {
        return refused("Cannot specify this marketing state input", "INVALID");
    }
    let now = state.seconds();
    let at = given["consentUpdatedAt"]
        .as_str()
        .and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok())
        .map_or(now, |at| at.timestamp());
    if at > now + 60 {
        return refused(
            "Consent updated at must be a date/time that has already occurred",
            "INVALID",
        );
    }
    let slot = if email { &mut row.email } else { &mut row.phone };
    let Some((_, consent)) = slot else {
        let what = if email {
            "An email address"
        } else {
            "A phone number"
        };
        return refused(
            &format!("{what} is required to set the marketing consent"),
            "INCLUSION",
        );
    };
    *consent = Consent {
        state: wanted.to_owned(),
        level: given["marketingOptInLevel"]
            .as_str()
            .map(str::to_owned)
            .or_else(|| consent.level.clone()),
        at: Some(at),
    };
    row.updated = now;
    state.customers.put(row.clone());
    let deliveries = events::tell_consent(state, &row, email);
    Done::with("customer", row, deliveries)
}

pub(super) fn described(subscription: &Subscription) -> Value {
    json!({
        "id": format!("gid://shopify/WebhookSubscription/{}", subscription.id),
        "topic": subscription.topic, "uri": subscription.uri, "format": "JSON",
        "createdAt": moment(subscription.created), "updatedAt": moment(subscription.created),
    })
}

fn subscribe(state: &mut State, step: &Step) -> Done {
    let field = ["webhookSubscription", "callbackUrl"];
    let topic = step.text("topic").unwrap_or_default().to_owned();
    let input = &step.args["webhookSubscription"];
    let uri = input["uri"].as_str().unwrap_or_default();
    let local = uri.starts_with("http://127.0.0.1:");
    if !(uri.starts_with("https://") || local) {
        return Done::refused(&user_error(&field, "Address protocol http:// is not supported"));
    }
    if state
        .subscriptions
        .iter()
        .any(|known| known.topic == topic && known.uri == uri)
    {
        return Done::refused(&user_error(
            &field,
            "Address for this topic has already been taken",
        ));
    }
    let fields = input["includeFields"].as_array().map(|fields| {
        fields
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    });
    let subscription = Subscription {
        id: 1_400_000_000_000 + state.number(),
        topic,
        uri: uri.to_owned(),
        created: state.seconds(),
        fields,
    };
    state.subscriptions.push(subscription.clone());
    Done::with(
        "webhookSubscription",
        Plain("WebhookSubscription", described(&subscription)),
        Vec::new(),
    )
}

fn unsubscribe(state: &mut State, step: &Step) -> Done {
    let id = step.text("id").unwrap_or_default();
    let before = state.subscriptions.len();
    state
        .subscriptions
        .retain(|known| !id.ends_with(&format!("/{}", known.id)));
    if state.subscriptions.len() == before {
        return Done::refused(&user_error(&["id"], "Webhook subscription does not exist"));
    }
    let payload = Payload {
        object: None,
        rest: json!({ "deletedWebhookSubscriptionId": id, "userErrors": [] }),
    };
    Done {
        payload,
        deliveries: Vec::new(),
    }
}

fn bulk(state: &mut State, step: &Step, request: &SandboxRequest) -> Done {
    let refused = |message: &str, code: &str| {
        Done::refused(&json!([{ "field": ["query"], "message": message, "code": code }]))
    };
    let text = step.text("query").unwrap_or_default();
    let plan = match graphql::compile(text, &serde_json::Map::new(), true) {
        Ok(plan) => plan,
        Err(errors) => return refused(errors[0]["message"].as_str().unwrap_or_default(), "INVALID"),
    };
    let Some(shape) = graphql::bulk_shape(&plan) else {
        return refused("Bulk queries must contain at least one connection.", "INVALID");
    };
    if shape.root.name == "abandonedCheckouts" || plan.mutation {
        return refused("This query is not supported in bulk", "INVALID");
    }
    let running = state
        .operations
        .iter()
        .filter(|operation| operation.is_running(state))
        .count();
    if running >= 5 {
        return refused(
            "The limit of concurrent bulk query operations is reached",
            "LIMIT_REACHED",
        );
    }
    let group = step.args.get("groupObjects") == Some(&Value::Bool(true));
    let operation = Operation::begin(state, shape, group, text);
    let described = operation.describe(state, request);
    state.operations.push(operation);
    Done::with("bulkOperation", Plain("BulkOperation", described), Vec::new())
}

fn cancel(state: &mut State, step: &Step, request: &SandboxRequest) -> Done {
    let id = step.text("id").unwrap_or_default();
    let Some(at) = state
        .operations
        .iter()
        .position(|operation| operation.gid() == id)
    else {
        return Done::refused(&user_error(&["id"], "Bulk operation does not exist"));
    };
    state.operations[at].cancelled = true;
    let described = state.operations[at].describe(state, request);
    Done::with("bulkOperation", Plain("BulkOperation", described), Vec::new())
}
