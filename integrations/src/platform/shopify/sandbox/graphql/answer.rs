//! Answers, written with nothing in them but what was asked for.

use serde_json::{Value, json};

use super::{Plan, Step};

/// What a field holds.
pub(in super::super) enum Cell<'a> {
    Value(Value),
    Object(Box<dyn Node + 'a>),
    List(Vec<Box<dyn Node + 'a>>),
}

impl Cell<'_> {
    pub(in super::super) const NULL: Self = Cell::Value(Value::Null);
}

impl<T: Into<Value>> From<T> for Cell<'_> {
    fn from(value: T) -> Self {
        Cell::Value(value.into())
    }
}

/// An object that can be asked for fields.
pub(in super::super) trait Node {
    /// Its type.
    fn kind(&self) -> &str;

    /// One of its fields; the schema was looked at before.
    fn field(&self, step: &Step) -> Cell<'_>;
}

/// An object that is there as JSON, and its type.
pub(in super::super) struct Plain(pub &'static str, pub Value);

impl Node for Plain {
    fn kind(&self) -> &str {
        self.0
    }

    fn field(&self, step: &Step) -> Cell<'_> {
        match &self.1[&step.name] {
            Value::Array(items) if !step.steps.is_empty() => Cell::List(
                items
                    .iter()
                    .map(|item| Box::new(Plain("", item.clone())) as _)
                    .collect(),
            ),
            value if step.steps.is_empty() || value.is_null() => Cell::Value(value.clone()),
            value => Cell::Object(Box::new(Plain("", value.clone()))),
        }
    }
}

/// An object whose fields are made when they are asked for.
pub(in super::super) struct Lazy<F>(pub &'static str, pub F);

impl<F: Fn(&str) -> Value> Node for Lazy<F> {
    fn kind(&self) -> &str {
        self.0
    }

    fn field(&self, step: &Step) -> Cell<'_> {
        Cell::Value(self.1(&step.name))
    }
}

/// A page of a connection.
pub(in super::super) struct Connection<'a> {
    pub nodes: Vec<Box<dyn Node + 'a>>,
    /// The cursor of each.
    pub cursors: Vec<String>,
    pub more: bool,
    pub before: bool,
}

struct Edge<'c, 'a>(&'c (dyn Node + 'a), &'c str);

pub(in super::super) struct Borrowed<'c, 'a>(pub &'c (dyn Node + 'a));

impl Node for Borrowed<'_, '_> {
    fn kind(&self) -> &str {
        self.0.kind()
    }

    fn field(&self, step: &Step) -> Cell<'_> {
        self.0.field(step)
    }
}

impl Node for Edge<'_, '_> {
    fn kind(&self) -> &'static str {
        "Edge"
    }

    fn field(&self, step: &Step) -> Cell<'_> {
        match step.name.as_str() {
            "node" => Cell::Object(Box::new(Borrowed(self.0))),
            _ => self.1.into(),
        }
    }
}

impl Node for Connection<'_> {
    fn kind(&self) -> &'static str {
        "Connection"
    }

    fn field(&self, step: &Step) -> Cell<'_> {
        match step.name.as_str() {
            "nodes" => Cell::List(
                self.nodes
                    .iter()
                    .map(|node| Box::new(Borrowed(&**node)) as _)
                    .collect(),
            ),
            "edges" => {
                let edges = self.nodes.iter().zip(&self.cursors);
                Cell::List(
                    edges
                        .map(|(node, cursor)| Box::new(Edge(&**node, cursor)) as _)
                        .collect(),
                )
            }
            _ => Cell::Object(Box::new(Plain(
                "PageInfo",
                json!({
                    "hasNextPage": self.more,
                    "hasPreviousPage": self.before,
                    "startCursor": self.cursors.first(),
                    "endCursor": self.cursors.last(),
                }),
            ))),
        }
    }
}

/// Writes what was asked of an object as JSON. With `skip`, connections are left out.
pub(in super::super) fn write(node: &dyn Node, steps: &[Step], skip: bool, out: &mut Vec<u8>) {
    out.push(b'{');
    let mut first = true;
    for step in steps {
        let elsewhere = step
            .on
            .as_ref()
            .is_some_and(|on| *on != node.kind() && on != "Node");
        if elsewhere || (skip && step.is_connection()) {
            continue;
        }
        if !first {
            out.push(b',');
        }
        first = false;
        write_key(&step.key, out);
        if step.name == "__typename" {
            scalar(&node.kind().into(), out);
        } else {
            cell(&node.field(step), step, skip, out);
        }
    }
    out.push(b'}');
}

/// Writes a cell as JSON.
pub(in super::super) fn cell(cell: &Cell<'_>, step: &Step, skip: bool, out: &mut Vec<u8>) {
    match cell {
        Cell::Value(value) => scalar(value, out),
        Cell::Object(node) => write(&**node, &step.steps, skip, out),
        Cell::List(nodes) => {
            out.push(b'[');
            for (at, node) in nodes.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write(&**node, &step.steps, skip, out);
            }
            out.push(b']');
        }
    }
}

/// Writes the name of a field, with the colon.
pub(in super::super) fn write_key(key: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Writes a value that is asked nothing.
pub(in super::super) fn scalar(value: &Value, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("a Vec takes all");
}

/// Where the objects of a bulk query are: the step of its connection, of its nodes, and of the connection within.
pub(in super::super) struct BulkShape {
    pub root: Step,
    pub nodes: Vec<Step>,
    pub child: Option<(Step, Vec<Step>)>,
}

/// Takes a bulk query apart.
pub(in super::super) fn bulk_shape(plan: &Plan) -> Option<BulkShape> {
    let [root] = &plan.steps[..] else { return None };
    let nodes = nodes_of(root)?;
    let child = match nodes.iter().find(|step| step.is_connection()) {
        Some(step) => Some((step.clone(), nodes_of(step)?)),
        None => None,
    };
    Some(BulkShape {
        root: root.clone(),
        nodes,
        child,
    })
}

fn nodes_of(connection: &Step) -> Option<Vec<Step>> {
    if !connection.is_connection() {
        return None;
    }
    let by_name = |steps: &[Step], name: &str| steps.iter().find(|step| step.name == name).cloned();
    match by_name(&connection.steps, "nodes") {
        Some(nodes) => Some(nodes.steps),
        None => by_name(&by_name(&connection.steps, "edges")?.steps, "node").map(|node| node.steps),
    }
}
