//! The schema as a table: what its types are made of, and what their fields ask of callers.

use std::collections::HashMap;
use std::sync::LazyLock;

use async_graphql::Name;
use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    BaseType, FieldDefinition, OperationType, Type, TypeKind, TypeSystemDefinition,
};

use super::types::Need;

/// A field of an object or interface.
pub(super) struct Field {
    pub(super) ty: Type,
    /// `None`: what the field that led to it needs.
    pub(super) need: Option<Need>,
    /// The names of the types of its arguments.
    pub(super) arguments: Vec<Name>,
}

pub(super) type Fields = HashMap<Name, Field>;

/// All that a schema has.
pub(super) struct Contract {
    /// The fields of objects and interfaces, by the name of the type.
    pub(super) fields: HashMap<Name, Fields>,
    /// The names of the types of an input object's fields; none for scalars, enums and unions.
    pub(super) others: HashMap<Name, Vec<Name>>,
}

static OURS: LazyLock<Contract> = LazyLock::new(|| Contract::read(super::sdl()));

impl Contract {
    /// That of our schema.
    pub(super) fn ours() -> &'static Self {
        &OURS
    }

    /// That of a schema as text.
    pub(super) fn read(sdl: &str) -> Self {
        let schema = parse_schema(sdl).expect("a schema that was printed can be read");
        let mut contract = Self {
            fields: HashMap::new(),
            others: HashMap::new(),
        };
        for definition in schema.definitions {
            let TypeSystemDefinition::Type(definition) = definition else {
                continue;
            };
            let definition = definition.node;
            let name = definition.name.node;
            let fields = match definition.kind {
                TypeKind::Object(object) => object.fields,
                TypeKind::Interface(interface) => interface.fields,
                TypeKind::InputObject(input) => {
                    let types = input
                        .fields
                        .iter()
                        .map(|field| named(&field.node.ty.node).clone());
                    contract.others.insert(name, types.collect());
                    continue;
                }
                _ => {
                    contract.others.insert(name, Vec::new());
                    continue;
                }
            };
            let fields = fields
                .into_iter()
                .map(|field| (field.node.name.node.clone(), Field::read(field.node)));
            contract.fields.insert(name, fields.collect());
        }
        contract
    }

    pub(super) fn field(&self, parent: &str, name: &str) -> Option<&Field> {
        self.fields.get(parent)?.get(name)
    }

    /// Whether it has a type of this name.
    pub(super) fn has(&self, ty: &str) -> bool {
        self.fields.contains_key(ty) || self.others.contains_key(ty)
    }
}

impl Field {
    fn read(field: FieldDefinition) -> Self {
        let directive = |name: &str| {
            let mut directives = field.directives.iter();
            directives.find(|directive| directive.node.name.node == name)
        };
        let need = directive("scope").map(|scope| {
            let requires = scope.node.get_argument("requires").map(|value| &value.node);
            let Some(async_graphql::Value::String(requires)) = requires else {
                panic!("`@scope` of `{}` has no text", field.name.node);
            };
            Need::read(requires, directive("allRows").is_some())
                .unwrap_or_else(|| panic!("`{requires}` of `{}` is no scope", field.name.node))
        });
        Self {
            need,
            arguments: field
                .arguments
                .iter()
                .map(|argument| named(&argument.node.ty.node).clone())
                .collect(),
            ty: field.ty.node,
        }
    }
}

/// The name of the type at the root of an operation.
pub(super) const fn root_of(ty: OperationType) -> &'static str {
    match ty {
        OperationType::Query => "Query",
        OperationType::Mutation => "Mutation",
        OperationType::Subscription => "Subscription",
    }
}

/// The name of the type of a field of our schema; empty where it is not known.
pub(super) fn type_of(parent: &str, field: &str) -> &'static str {
    let field = OURS.field(parent, field);
    field.map_or("", |field| named(&field.ty).as_str())
}

/// The name in a type.
pub(super) fn named(ty: &Type) -> &Name {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => named(inner),
    }
}
