//! What the schema has, read from the schema itself: for tests that go through all of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    BaseType, FieldDefinition, InputValueDefinition, Type, TypeDefinition, TypeKind, TypeSystemDefinition,
};
use async_graphql::{Name, Positioned, Value};

/// Stands for every id.
pub const SOME_ID: &str = "some-id";

fn types() -> HashMap<Name, TypeDefinition> {
    types_of(leadline::api::sdl())
}

fn types_of(sdl: &str) -> HashMap<Name, TypeDefinition> {
    let document = parse_schema(sdl).expect("the schema parses");
    document
        .definitions
        .into_iter()
        .filter_map(|definition| match definition {
            TypeSystemDefinition::Type(found) => Some((found.node.name.node.clone(), found.node)),
            _ => None,
        })
        .collect()
}

/// What the schema shows that a field asks of its caller.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// `@scope(requires: …)`.
    pub scope: String,
    /// `@allRows`.
    pub all_rows: bool,
}

/// A field of an object or interface.
#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    /// The name of its type, without lists and `!`.
    pub ty: String,
    /// `None`: what the field that led to it needs.
    pub need: Option<Need>,
    /// The names of the types of its arguments.
    pub arguments: Vec<String>,
    /// `field(a: 1)`, with the least arguments that fit.
    pub call: String,
}

/// The types of a schema.
#[derive(Debug, Default)]
pub struct Model {
    /// The fields of objects and interfaces.
    pub fields: BTreeMap<String, Vec<Field>>,
    /// The types that the fields of an input object name; none for scalars and enums.
    pub inputs: BTreeMap<String, Vec<String>>,
    /// What an interface or union may be.
    pub kinds: BTreeMap<String, Vec<String>>,
}

impl Model {
    /// That of a schema as text.
    pub fn read(sdl: &str) -> Self {
        let types = types_of(sdl);
        let mut model = Self::default();
        for (name, definition) in &types {
            let name = name.to_string();
            let (fields, implements) = match &definition.kind {
                TypeKind::Object(object) => (&object.fields, &object.implements[..]),
                TypeKind::Interface(interface) => (&interface.fields, &interface.implements[..]),
                TypeKind::Union(union) => {
                    let members = union.members.iter().map(|member| member.node.to_string());
                    model.kinds.entry(name.clone()).or_default().extend(members);
                    model.inputs.insert(name, Vec::new());
                    continue;
                }
                TypeKind::InputObject(input) => {
                    let named = input
                        .fields
                        .iter()
                        .map(|field| named(&field.node.ty.node).to_string());
                    model.inputs.insert(name, named.collect());
                    continue;
                }
                _ => {
                    model.inputs.insert(name, Vec::new());
                    continue;
                }
            };
            for interface in implements {
                let kinds = model.kinds.entry(interface.node.to_string()).or_default();
                kinds.push(name.clone());
            }
            let fields = fields.iter().map(|field| {
                let field = &field.node;
                let directive = |name: &str| {
                    let mut directives = field.directives.iter();
                    directives.find(|directive| directive.node.name.node == name)
                };
                Field {
                    name: field.name.node.to_string(),
                    ty: named(&field.ty.node).to_string(),
                    need: directive("scope").map(|scope| Need {
                        scope: match scope.node.get_argument("requires").map(|value| &value.node) {
                            Some(Value::String(scope)) => scope.clone(),
                            other => panic!("`@scope` with {other:?}"),
                        },
                        all_rows: directive("allRows").is_some(),
                    }),
                    arguments: field
                        .arguments
                        .iter()
                        .map(|argument| named(&argument.node.ty.node).to_string())
                        .collect(),
                    call: call(&types, field),
                }
            });
            let fields = fields.collect();
            model.fields.insert(name, fields);
        }
        model
    }

    /// That of the whole schema.
    pub fn whole() -> Self {
        Self::read(leadline::api::sdl())
    }

    /// The types to which fields lead that are shown, the roots among them, and `node` finds for whom `finds` says so.
    pub fn reached(&self, shown: impl Fn(&Field) -> bool, finds: impl Fn(&str) -> bool) -> BTreeSet<String> {
        let mut types = BTreeSet::new();
        let mut next: Vec<String> = ["Query", "Mutation", "Subscription", "String", "Boolean"]
            .map(str::to_owned)
            .into();
        while let Some(ty) = next.pop() {
            if !types.insert(ty.clone()) {
                continue;
            }
            for field in self
                .fields
                .get(&ty)
                .into_iter()
                .flatten()
                .filter(|field| shown(field))
            {
                next.push(field.ty.clone());
                next.extend(field.arguments.iter().cloned());
            }
            next.extend(self.inputs.get(&ty).into_iter().flatten().cloned());
            if ty == "Node" {
                next.extend(self.kinds[&ty].iter().filter(|kind| finds(kind)).cloned());
            }
        }
        types
    }

    /// For each type with fields that shown fields lead to, an operation with `…` where its fields stand.
    pub fn ways(&self, shown: impl Fn(&Field) -> bool) -> BTreeMap<String, String> {
        let mut ways = BTreeMap::new();
        let mut next: VecDeque<(String, String)> = ["Query", "Mutation", "Subscription"]
            .map(|root| (root.to_owned(), format!("{} {{ … }}", root.to_lowercase())))
            .into();
        while let Some((ty, way)) = next.pop_front() {
            if ways.contains_key(&ty) {
                continue;
            }
            let shown = self.fields[&ty].iter().filter(|field| shown(field));
            for field in shown.filter(|field| self.fields.contains_key(&field.ty)) {
                let inner = format!("{} {{ … }}", field.call);
                next.push_back((field.ty.clone(), way.replacen('…', &inner, 1)));
            }
            ways.insert(ty, way);
        }
        ways
    }
}

/// The fields of `Query`, `Mutation` or `Subscription`, each with an operation that asks for it alone.
pub fn operations(root: &str) -> Vec<(String, String)> {
    let types = types();
    let TypeKind::Object(object) = &types[root].kind else {
        panic!("`{root}` is no object");
    };
    let keyword = root.to_lowercase();
    let operation = |field: &FieldDefinition| {
        let call = call(&types, field);
        let selection = match types.get(named(&field.ty.node)).map(|found| &found.kind) {
            Some(TypeKind::Object(_) | TypeKind::Interface(_) | TypeKind::Union(_)) => " { __typename }",
            _ => "",
        };
        format!("{keyword} {{ {call}{selection} }}")
    };
    object
        .fields
        .iter()
        .map(|field| (field.node.name.to_string(), operation(&field.node)))
        .collect()
}

/// `field(a: 1)`, or `field` where it needs no arguments.
fn call(types: &HashMap<Name, TypeDefinition>, field: &FieldDefinition) -> String {
    let arguments = needed(types, &field.arguments);
    if arguments.is_empty() {
        field.name.node.to_string()
    } else {
        format!("{}({arguments})", field.name.node)
    }
}

fn named(ty: &Type) -> &Name {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => named(inner),
    }
}

/// `a: 1, b: "x"`: the values that cannot be left out.
fn needed(types: &HashMap<Name, TypeDefinition>, inputs: &[Positioned<InputValueDefinition>]) -> String {
    let needed = inputs
        .iter()
        .filter(|input| !input.node.ty.node.nullable && input.node.default_value.is_none());
    needed
        .map(|input| pair(types, &input.node))
        .collect::<Vec<_>>()
        .join(", ")
}

fn pair(types: &HashMap<Name, TypeDefinition>, input: &InputValueDefinition) -> String {
    format!("{}: {}", input.name.node, value(types, &input.ty.node))
}

fn value(types: &HashMap<Name, TypeDefinition>, ty: &Type) -> String {
    let name = match &ty.base {
        BaseType::List(inner) => return format!("[{}]", value(types, inner)),
        BaseType::Named(name) => name,
    };
    match types.get(name).map(|found| (&found.kind, &found.directives)) {
        Some((TypeKind::Enum(words), _)) => words.values[0].node.value.to_string(),
        Some((TypeKind::InputObject(object), directives)) => {
            let one_of = directives
                .iter()
                .any(|directive| directive.node.name.node == "oneOf");
            if one_of {
                return format!("{{ {} }}", pair(types, &object.fields[0].node));
            }
            format!("{{ {} }}", needed(types, &object.fields))
        }
        _ => match name.as_str() {
            "Int" | "Float" => "1".to_owned(),
            "Boolean" => "true".to_owned(),
            "DateTime" => r#""2026-03-01T12:00:00Z""#.to_owned(),
            "Date" => r#""2026-03-01""#.to_owned(),
            "ID" => format!("\"{SOME_ID}\""),
            _ => r#""x""#.to_owned(),
        },
    }
}
