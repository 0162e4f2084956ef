//! One operation for each field at the root of the schema, with the least arguments that fit.

use std::collections::HashMap;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    BaseType, InputValueDefinition, Type, TypeDefinition, TypeKind, TypeSystemDefinition,
};
use async_graphql::{Name, Positioned};

/// Stands for every id.
pub const SOME_ID: &str = "some-id";

fn types() -> HashMap<Name, TypeDefinition> {
    let document = parse_schema(leadline::api::sdl()).expect("the schema parses");
    document
        .definitions
        .into_iter()
        .filter_map(|definition| match definition {
            TypeSystemDefinition::Type(found) => Some((found.node.name.node.clone(), found.node)),
            _ => None,
        })
        .collect()
}

/// The scope that the schema shows of each field of `Query`, `Mutation` or `Subscription`.
pub fn scopes(root: &str) -> HashMap<String, Option<String>> {
    let types = types();
    let TypeKind::Object(object) = &types[root].kind else {
        panic!("`{root}` is no object");
    };
    object
        .fields
        .iter()
        .map(|field| {
            let mut directives = field.node.directives.iter();
            let scope = directives
                .find(|directive| directive.node.name.node == "scope")
                .and_then(|directive| directive.node.get_argument("requires"))
                .map(|scope| scope.node.to_string().trim_matches('"').to_owned());
            (field.node.name.to_string(), scope)
        })
        .collect()
}

/// The fields of `Query`, `Mutation` or `Subscription`, each with an operation that asks for it alone.
pub fn operations(root: &str) -> Vec<(String, String)> {
    let types = types();
    let TypeKind::Object(object) = &types[root].kind else {
        panic!("`{root}` is no object");
    };
    let keyword = root.to_lowercase();
    let operation = |field: &async_graphql::parser::types::FieldDefinition| {
        let arguments = needed(&types, &field.arguments);
        let arguments = if arguments.is_empty() {
            arguments
        } else {
            format!("({arguments})")
        };
        let selection = match types.get(named(&field.ty.node)).map(|found| &found.kind) {
            Some(TypeKind::Object(_) | TypeKind::Interface(_) | TypeKind::Union(_)) => " { __typename }",
            _ => "",
        };
        format!("{keyword} {{ {}{arguments}{selection} }}", field.name.node)
    };
    object
        .fields
        .iter()
        .map(|field| (field.node.name.to_string(), operation(&field.node)))
        .collect()
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
