//! As much of GraphQL as the platform's clients need: a document is held against the schema and made into steps, their cost
//! is counted, and an answer is written with nothing in it but what was asked for.

mod answer;
mod schema;

use std::collections::HashMap;

use graphql_parser::query::{
    Definition, Field, FragmentDefinition, OperationDefinition, Selection, SelectionSet, Type, TypeCondition,
    Value as Literal, VariableDefinition, parse_query,
};
use serde_json::{Map, Value, json};

pub(super) use self::answer::{
    Borrowed, BulkShape, Cell, Connection, Lazy, Node, Plain, bulk_shape, cell, scalar, write, write_key,
};
use self::schema::{FieldType, Kind, fits, named, schema};

/// How many points one query may cost.
pub(super) const MAX_COST: u64 = 1_000;
/// The most that `first` takes.
const MAX_FIRST: i64 = 250;

/// A field that was asked for.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Its name in the answer.
    pub key: String,
    /// Its name in the schema.
    pub name: String,
    /// Its arguments, variables put in.
    pub args: Map<String, Value>,
    /// Only where the object is of this type.
    pub on: Option<String>,
    /// The type it gives.
    pub kind: String,
    /// What is asked of that.
    pub steps: Vec<Step>,
}

impl Step {
    /// An argument as text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.args.get(name)?.as_str()
    }

    /// How many of a connection are asked for.
    pub(super) fn first(&self) -> Option<usize> {
        usize::try_from(self.args.get("first")?.as_u64()?).ok()
    }

    fn is_connection(&self) -> bool {
        self.kind.ends_with("Connection")
    }
}

/// A document that was understood.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub mutation: bool,
    pub steps: Vec<Step>,
}

impl Plan {
    /// What it costs: scalars nothing, objects a point, connections a point and as many of their objects as are asked for,
    /// mutations ten.
    pub(super) fn cost(&self) -> u64 {
        let each: u64 = self.steps.iter().map(cost).sum();
        if self.mutation {
            10 * self.steps.len() as u64
        } else {
            each
        }
    }
}

fn cost(step: &Step) -> u64 {
    if step.steps.is_empty() {
        return 0;
    }
    let inner: u64 = step.steps.iter().map(cost).sum();
    match step.kind.as_str() {
        "PageInfo" => 0,
        _ if step.is_connection() => {
            let first = step.first().unwrap_or(1) as u64;
            // `edges { node { … } }` is `nodes { … }` a level deeper.
            1 + first * inner
        }
        kind if kind.ends_with("Edge") => inner,
        _ => 1 + inner,
    }
}

/// Holds a document against the schema. `bulk`: connections need not say how many.
pub(super) fn compile(text: &str, variables: &Map<String, Value>, bulk: bool) -> Result<Plan, Vec<Value>> {
    let document = parse_query::<&str>(text).map_err(|error| {
        let message = error.to_string().lines().next().unwrap_or_default().to_owned();
        vec![json!({ "message": format!("syntax error: {message}"), "extensions": { "code": "parseError" } })]
    })?;
    let mut fragments = HashMap::new();
    let mut operation = None;
    for definition in &document.definitions {
        match definition {
            Definition::Fragment(fragment) => drop(fragments.insert(fragment.name, fragment)),
            Definition::Operation(found) => operation = operation.or(Some(found)),
        }
    }
    let Some(operation) = operation else {
        return Err(vec![problem(
            "An operation is missing",
            "missingOperation",
            json!({}),
        )]);
    };
    let none: &[VariableDefinition<&str>] = &[];
    let (mutation, declared, set) = match operation {
        OperationDefinition::SelectionSet(set) => (false, none, set),
        OperationDefinition::Query(query) => (false, &*query.variable_definitions, &query.selection_set),
        OperationDefinition::Mutation(found) => (true, &*found.variable_definitions, &found.selection_set),
        OperationDefinition::Subscription(_) => {
            return Err(vec![problem(
                "Schema is not configured for subscriptions",
                "missingSubscription",
                json!({}),
            )]);
        }
    };
    let mut compiler = Compiler {
        fragments,
        variables,
        declared,
        bulk,
        errors: Vec::new(),
    };
    compiler.variables_given();
    let steps = compiler.set(if mutation { "Mutation" } else { "QueryRoot" }, None, set);
    if compiler.errors.is_empty() {
        Ok(Plan { mutation, steps })
    } else {
        Err(compiler.errors)
    }
}

fn problem(message: &str, code: &str, mut extensions: Value) -> Value {
    extensions["code"] = code.into();
    json!({ "message": message, "extensions": extensions })
}

struct Compiler<'d> {
    fragments: HashMap<&'d str, &'d FragmentDefinition<'d, &'d str>>,
    variables: &'d Map<String, Value>,
    declared: &'d [VariableDefinition<'d, &'d str>],
    bulk: bool,
    errors: Vec<Value>,
}

impl<'d> Compiler<'d> {
    fn fault(&mut self, message: &str, code: &str, extensions: Value) {
        self.errors.push(problem(message, code, extensions));
    }

    fn variables_given(&mut self) {
        for declared in self.declared {
            let given = self.variables.get(declared.name).unwrap_or(&Value::Null);
            if given.is_null() && declared.default_value.is_some() {
                continue;
            }
            if let Err(why) = fits(given, &declared.var_type) {
                let message = format!(
                    "Variable ${} of type {} was provided invalid value{why}",
                    declared.name, declared.var_type
                );
                self.fault(&message, "INVALID_VARIABLE", json!({ "value": given }));
            }
        }
    }

    fn set(&mut self, parent: &str, on: Option<&str>, set: &'d SelectionSet<'d, &'d str>) -> Vec<Step> {
        let mut steps = Vec::new();
        for item in &set.items {
            match item {
                Selection::Field(field) => steps.extend(self.field(parent, on, field)),
                Selection::InlineFragment(inline) => {
                    let on = inline
                        .type_condition
                        .as_ref()
                        .map(|TypeCondition::On(name)| *name)
                        .or(on);
                    steps.extend(self.set(on.unwrap_or(parent), on, &inline.selection_set));
                }
                Selection::FragmentSpread(spread) => {
                    let Some(fragment) = self.fragments.get(spread.fragment_name).copied() else {
                        let message = format!("Fragment {} was used, but not defined", spread.fragment_name);
                        self.fault(&message, "useAndDefineFragment", json!({}));
                        continue;
                    };
                    let TypeCondition::On(on) = fragment.type_condition;
                    steps.extend(self.set(on, Some(on), &fragment.selection_set));
                }
            }
        }
        steps
    }

    fn field(&mut self, parent: &str, on: Option<&str>, field: &'d Field<'d, &'d str>) -> Option<Step> {
        let key = field.alias.unwrap_or(field.name).to_owned();
        if field.name == "__typename" {
            return Some(Step {
                key,
                name: field.name.to_owned(),
                args: Map::new(),
                on: on.map(str::to_owned),
                kind: "String".to_owned(),
                steps: Vec::new(),
            });
        }
        let known = match schema().0.get(parent) {
            Some(Kind::Object(fields)) => fields.get(field.name),
            _ => None,
        };
        let Some(known) = known else {
            let message = format!("Field '{}' doesn't exist on type '{parent}'", field.name);
            let more = json!({ "typeName": parent, "fieldName": field.name });
            self.fault(&message, "undefinedField", more);
            return None;
        };
        let args = self.arguments(field, known);
        let kind = named(&known.of);
        let object = matches!(schema().0.get(kind), Some(Kind::Object(_)));
        if object == field.selection_set.items.is_empty() {
            let message = format!("Field '{}' of type {kind} has a wrong selection", field.name);
            self.fault(&message, "selectionMismatch", json!({ "nodeName": field.name }));
            return None;
        }
        let steps = self.set(kind, None, &field.selection_set);
        let step = Step {
            key,
            name: field.name.to_owned(),
            args,
            on: on.map(str::to_owned),
            kind: kind.to_owned(),
            steps,
        };
        if step.is_connection() && !self.bulk {
            let asked = step
                .args
                .get("first")
                .or(step.args.get("last"))
                .and_then(Value::as_i64);
            match asked {
                None => {
                    let message = "you must provide one of first or last";
                    self.fault(message, "BAD_REQUEST", json!({}));
                }
                Some(1..=MAX_FIRST) => {}
                Some(_) => self.fault("first must be from 1 to 250", "BAD_REQUEST", json!({})),
            }
        }
        Some(step)
    }

    fn arguments(&mut self, field: &'d Field<'d, &'d str>, known: &FieldType) -> Map<String, Value> {
        let mut found = Map::new();
        for (name, literal) in &field.arguments {
            let Some(argument) = known.arguments.iter().find(|argument| argument.name == *name) else {
                let message = format!("Field '{}' doesn't accept argument '{name}'", field.name);
                self.fault(&message, "argumentNotAccepted", json!({ "argumentName": name }));
                continue;
            };
            let value = self.value(literal);
            if let Err(why) = fits(&value, &argument.of) {
                let message = format!(
                    "Argument '{name}' on Field '{}' has an invalid value{why}",
                    field.name
                );
                self.fault(
                    &message,
                    "argumentLiteralsIncompatible",
                    json!({ "argumentName": name }),
                );
            }
            found.insert((*name).to_owned(), value);
        }
        for argument in &known.arguments {
            let needed = matches!(argument.of, Type::NonNullType(_)) && !argument.default;
            if needed && !found.contains_key(argument.name) {
                let message = format!(
                    "Field '{}' is missing required arguments: {}",
                    field.name, argument.name
                );
                self.fault(
                    &message,
                    "missingRequiredArguments",
                    json!({ "arguments": argument.name }),
                );
            }
        }
        found
    }

    fn value(&mut self, literal: &Literal<'d, &'d str>) -> Value {
        match literal {
            Literal::Variable(name) => {
                let Some(declared) = self.declared.iter().find(|declared| declared.name == *name) else {
                    let message = format!("Variable ${name} is used but not declared");
                    self.fault(&message, "variableNotDefined", json!({ "variableName": name }));
                    return Value::Null;
                };
                match (self.variables.get(*name), &declared.default_value) {
                    (Some(value), _) => value.clone(),
                    (None, Some(default)) => self.value(default),
                    (None, None) => Value::Null,
                }
            }
            Literal::Int(number) => number.as_i64().into(),
            Literal::Float(number) => (*number).into(),
            Literal::String(text) => text.as_str().into(),
            Literal::Boolean(flag) => (*flag).into(),
            Literal::Null => Value::Null,
            Literal::Enum(name) => (*name).into(),
            Literal::List(items) => items.iter().map(|item| self.value(item)).collect(),
            Literal::Object(fields) => fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), self.value(value)))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str, variables: &Value) -> Vec<String> {
        let variables = variables.as_object().cloned().unwrap_or_default();
        compile(text, &variables, false)
            .err()
            .unwrap_or_default()
            .iter()
            .map(|error| {
                error["extensions"]["code"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect()
    }

    #[test]
    fn what_the_schema_does_not_have_is_refused() {
        let none = json!({});
        assert_eq!(codes("{ shop { id name } }", &none), [""; 0]);
        assert_eq!(codes("{ shop { id nome } }", &none), ["undefinedField"]);
        assert_eq!(codes("{ shop { id ", &none), ["parseError"]);
        assert_eq!(codes("{ shop }", &none), ["selectionMismatch"]);
        assert_eq!(codes("{ customers { nodes { id } } }", &none), ["BAD_REQUEST"]);
        assert_eq!(
            codes("{ customers(first: 251) { nodes { id } } }", &none),
            ["BAD_REQUEST"]
        );
        assert_eq!(
            codes("{ customers(first: 1, when: 2) { nodes { id } } }", &none),
            ["argumentNotAccepted"]
        );
        assert_eq!(
            codes("{ customers(first: $n) { nodes { id } } }", &none)[0],
            "variableNotDefined"
        );
        assert_eq!(
            codes("query($id: ID!) { customer(id: $id) { id } }", &none)[0],
            "INVALID_VARIABLE"
        );
        let create = "mutation($s: WebhookSubscriptionInput!) { \
                      webhookSubscriptionCreate(topic: ORDERS_CREATE, webhookSubscription: $s) { userErrors { message } } }";
        assert_eq!(
            codes(create, &json!({ "s": { "uri": "https://example.com" } })),
            [""; 0]
        );
        assert_eq!(
            codes(create, &json!({ "s": { "url": "https://example.com" } }))[0],
            "INVALID_VARIABLE"
        );
    }

    #[test]
    fn the_cost_is_that_of_the_objects() {
        let cost = |text| compile(text, &Map::new(), false).unwrap().cost();
        assert_eq!(cost("{ shop { id name } }"), 1);
        assert_eq!(
            cost("{ customers(first: 100) { pageInfo { hasNextPage } nodes { id } } }"),
            101
        );
        assert_eq!(cost("{ customers(first: 100) { edges { node { id } } } }"), 101);
        let nested =
            "{ orders(first: 10) { nodes { id customer { id } lineItems(first: 5) { nodes { id } } } } }";
        assert_eq!(cost(nested), 1 + 10 * (1 + 1 + 1 + 5));
    }

    #[test]
    fn only_what_was_asked_for_is_written() {
        let plan = compile(
            "{ shop { other: name primaryDomain { url } } }",
            &Map::new(),
            false,
        )
        .unwrap();
        let shop = json!({ "id": 1, "name": "a \"b\"", "primaryDomain": { "url": "u", "host": "h" } });
        let mut out = Vec::new();
        write(&Plain("Shop", shop), &plan.steps[0].steps, false, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"other":"a \"b\"","primaryDomain":{"url":"u"}}"#
        );
    }
}
