//! Bulk operations: a query over everything, its result a file of lines that is made while it is read.

use std::collections::VecDeque;

use bytes::Bytes;
use serde_json::{Value, json};

use super::events;
use super::graphql::{self, BulkShape, Cell, Node, Step};
use super::rows::{CustomerRow, OrderRow, ProductRow, Row, Store, moment};
use super::state::State;
use crate::sandbox::{Delivery, LongAnswer, SandboxRequest};

/// How long an operation waits, and how long it runs, in seconds.
const WAITS: i64 = 1;
const RUNS: i64 = 4;
/// How long its file is kept, in seconds.
const KEPT: i64 = 7 * 86_400;
/// How large the pieces of a file are, in bytes.
const PIECE: usize = 64 << 10;

/// A bulk operation, with what there was when it began.
#[derive(Clone)]
pub(super) struct Operation {
    number: u64,
    created: i64,
    query: String,
    shape: std::sync::Arc<BulkShape>,
    group: bool,
    what: Snapshot,
    pub cancelled: bool,
    told: bool,
}

#[derive(Clone)]
enum Snapshot {
    Customers(Store<CustomerRow>),
    Orders(Store<OrderRow>),
    Products(Store<ProductRow>),
}

impl Operation {
    pub(super) fn begin(state: &mut State, shape: BulkShape, group: bool, query: &str) -> Self {
        let what = match shape.root.name.as_str() {
            "orders" => Snapshot::Orders(state.orders.clone()),
            "products" => Snapshot::Products(state.products.clone()),
            _ => Snapshot::Customers(state.customers.clone()),
        };
        Self {
            number: 4_700_000_000_000 + state.number(),
            created: state.seconds(),
            query: query.to_owned(),
            shape: shape.into(),
            group,
            what,
            cancelled: false,
            told: false,
        }
    }

    pub(super) fn gid(&self) -> String {
        format!("gid://shopify/BulkOperation/{}", self.number)
    }

    fn status(&self, state: &State) -> &'static str {
        let passed = state.seconds() - self.created;
        if self.cancelled {
            "CANCELED"
        } else if passed >= KEPT {
            "EXPIRED"
        } else if passed >= RUNS || !state.limits {
            "COMPLETED"
        } else if passed >= WAITS {
            "RUNNING"
        } else {
            "CREATED"
        }
    }

    pub(super) fn is_running(&self, state: &State) -> bool {
        ["CREATED", "RUNNING"].contains(&self.status(state))
    }

    fn roots(&self) -> usize {
        match &self.what {
            Snapshot::Customers(store) => store.len(),
            Snapshot::Orders(store) => store.len(),
            Snapshot::Products(store) => store.len(),
        }
    }

    pub(super) fn describe(&self, state: &State, request: &SandboxRequest) -> Value {
        let status = self.status(state);
        let done = status == "COMPLETED";
        let roots = if done { self.roots() } else { 0 };
        let url = (done && roots > 0).then(|| {
            format!(
                "{}bulk/{}.jsonl?signature=s{}",
                request.base, self.number, self.number
            )
        });
        json!({
            "id": self.gid(), "status": status, "errorCode": null, "createdAt": moment(self.created),
            "completedAt": done.then(|| moment(self.created + RUNS)), "objectCount": roots.to_string(),
            "rootObjectCount": roots.to_string(), "fileSize": null, "url": url, "partialDataUrl": null,
            "type": "QUERY", "query": self.query,
        })
    }
}

/// The webhooks of operations that are ready by now.
pub(super) fn finish(state: &mut State) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for at in 0..state.operations.len() {
        if state.operations[at].told || state.operations[at].status(state) != "COMPLETED" {
            continue;
        }
        state.operations[at].told = true;
        let payload = json!({
            "admin_graphql_api_id": state.operations[at].gid(), "completed_at": moment(state.seconds()),
            "created_at": moment(state.operations[at].created), "error_code": null, "status": "completed", "type": "query",
        });
        deliveries.extend(events::tell(state, "BULK_OPERATIONS_FINISH", &payload));
    }
    deliveries
}

/// The file of an operation. It needs no token: the address is the secret.
pub(super) fn download(state: &State, request: &SandboxRequest) -> Option<LongAnswer> {
    let name = request.path.strip_prefix("/bulk/")?;
    let operation = state.operations.iter().find(|operation| {
        name == format!("{}.jsonl", operation.number)
            && request.param("signature") == Some(&format!("s{}", operation.number))
            && operation.status(state) == "COMPLETED"
    });
    let Some(operation) = operation.cloned() else {
        return Some(LongAnswer {
            status: 404,
            headers: vec![("content-type", "application/xml".to_owned())],
            body: Box::new(std::iter::once(Bytes::from_static(
                b"<Error><Code>NoSuchKey</Code></Error>",
            ))),
        });
    };
    let Operation {
        shape, group, what, ..
    } = operation;
    Some(LongAnswer {
        status: 200,
        headers: vec![("content-type", "application/jsonl".to_owned())],
        body: match what {
            Snapshot::Customers(store) => pieces(store, shape, group),
            Snapshot::Orders(store) => pieces(store, shape, group),
            Snapshot::Products(store) => pieces(store, shape, group),
        },
    })
}

fn pieces<R: Row>(
    store: Store<R>,
    shape: std::sync::Arc<BulkShape>,
    group: bool,
) -> Box<dyn Iterator<Item = Bytes> + Send> {
    let mut rows = store.into_rows();
    // Without grouping, the children of an object come some objects before or behind it.
    let mut held: VecDeque<Vec<u8>> = VecDeque::new();
    let mut at = 0_usize;
    Box::new(std::iter::from_fn(move || {
        let mut out = Vec::with_capacity(PIECE + 4_096);
        while out.len() < PIECE {
            let Some(row) = rows.next() else {
                for children in held.drain(..) {
                    out.extend_from_slice(&children);
                }
                break;
            };
            let mut children = Vec::new();
            lines_of_children(&row, &shape, &R::gid(row.index()), &mut children);
            if !group && at % 2 == 1 {
                out.append(&mut children);
            }
            graphql::write(&row, &shape.nodes, true, &mut out);
            out.push(b'\n');
            if group {
                out.append(&mut children);
            } else {
                held.push_back(children);
                if held.len() > 3 {
                    out.extend_from_slice(&held.pop_front().unwrap_or_default());
                }
            }
            at += 1;
        }
        (!out.is_empty()).then(|| out.into())
    }))
}

fn lines_of_children(row: &dyn Node, shape: &BulkShape, parent: &str, out: &mut Vec<u8>) {
    let Some((step, fields)) = &shape.child else {
        return;
    };
    let Cell::Object(connection) = row.field(step) else {
        return;
    };
    let nodes = Step {
        name: "nodes".to_owned(),
        ..step.clone()
    };
    let Cell::List(children) = connection.field(&nodes) else {
        return;
    };
    for child in children {
        graphql::write(&*child, fields, true, out);
        out.pop();
        out.extend_from_slice(b",\"__parentId\":");
        graphql::scalar(&parent.into(), out);
        out.extend_from_slice(b"}\n");
    }
}
