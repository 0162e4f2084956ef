//! The part of the platform's schema that the stand-in knows, and what fits its types.

use std::collections::HashMap;
use std::sync::OnceLock;

use graphql_parser::query::Type;
use graphql_parser::schema::{Definition as SchemaDefinition, InputValue, TypeDefinition, parse_schema};
use serde_json::Value;

pub(super) type Name = &'static str;

pub(super) struct Schema(pub HashMap<Name, Kind>);

pub(super) enum Kind {
    Object(HashMap<Name, FieldType>),
    Input(Vec<Argument>),
    Enum(Vec<Name>),
    Scalar,
}

pub(super) struct FieldType {
    pub of: Type<'static, Name>,
    pub arguments: Vec<Argument>,
}

pub(super) struct Argument {
    pub name: Name,
    pub of: Type<'static, Name>,
    pub default: bool,
}

pub(super) fn schema() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let parsed = parse_schema::<Name>(include_str!("../schema.graphql")).expect("the schema is GraphQL");
        let kinds = parsed
            .definitions
            .into_iter()
            .filter_map(|definition| match definition {
                SchemaDefinition::TypeDefinition(definition) => Some(kind(definition)),
                _ => None,
            });
        let builtin = ["ID", "String", "Int", "Float", "Boolean"].map(|name| (name, Kind::Scalar));
        Schema(kinds.chain(builtin).collect())
    })
}

fn kind(definition: TypeDefinition<'static, Name>) -> (Name, Kind) {
    let fields = |fields: Vec<graphql_parser::schema::Field<'static, Name>>| {
        let field = |field: graphql_parser::schema::Field<'static, Name>| {
            let of = field.field_type;
            let arguments = arguments(field.arguments);
            (field.name, FieldType { of, arguments })
        };
        Kind::Object(fields.into_iter().map(field).collect())
    };
    match definition {
        TypeDefinition::Object(object) => (object.name, fields(object.fields)),
        TypeDefinition::Interface(interface) => (interface.name, fields(interface.fields)),
        TypeDefinition::InputObject(input) => (input.name, Kind::Input(arguments(input.fields))),
        TypeDefinition::Enum(found) => {
            let values = found.values.into_iter().map(|value| value.name).collect();
            (found.name, Kind::Enum(values))
        }
        TypeDefinition::Scalar(scalar) => (scalar.name, Kind::Scalar),
        TypeDefinition::Union(union) => (union.name, Kind::Object(HashMap::new())),
    }
}

fn arguments(values: Vec<InputValue<'static, Name>>) -> Vec<Argument> {
    let argument = |value: InputValue<'static, Name>| Argument {
        name: value.name,
        of: value.value_type,
        default: value.default_value.is_some(),
    };
    values.into_iter().map(argument).collect()
}

pub(super) fn named<'t, T: graphql_parser::query::Text<'t>>(of: &Type<'t, T>) -> T::Value {
    match of {
        Type::NamedType(name) => name.clone(),
        Type::ListType(inner) | Type::NonNullType(inner) => named(inner),
    }
}

/// Whether a value is one of a type; what is wrong with it otherwise.
pub(super) fn fits<'t, T: graphql_parser::query::Text<'t>>(
    value: &Value,
    of: &Type<'t, T>,
) -> Result<(), String> {
    match of {
        Type::NonNullType(_) if value.is_null() => Err(": expected value to not be null".to_owned()),
        Type::NonNullType(inner) => fits(value, inner),
        _ if value.is_null() => Ok(()),
        Type::ListType(inner) => match value {
            Value::Array(items) if items.len() > 250 => {
                Err(": the input array size is greater than the maximum allowed of 250".to_owned())
            }
            Value::Array(items) => items.iter().try_for_each(|item| fits(item, inner)),
            single => fits(single, inner),
        },
        Type::NamedType(name) => fits_named(value, name.as_ref()),
    }
}

fn fits_named(value: &Value, name: &str) -> Result<(), String> {
    let right = match (schema().0.get(name), name) {
        (Some(Kind::Input(known)), _) => {
            let Value::Object(fields) = value else {
                return Err(format!(": expected an object of {name}"));
            };
            if let Some(unknown) = fields
                .keys()
                .find(|key| known.iter().all(|field| field.name != **key))
            {
                return Err(format!(" for {unknown} (Field is not defined on {name})"));
            }
            return known.iter().try_for_each(|field| {
                let given = fields.get(field.name).unwrap_or(&Value::Null);
                fits(given, &field.of).map_err(|why| format!(" for {}{why}", field.name))
            });
        }
        (Some(Kind::Enum(values)), _) => value.as_str().is_some_and(|text| values.contains(&text)),
        (Some(Kind::Object(_)) | None, _) => return Err(format!(": {name} isn't a defined input type")),
        (_, "Int") => value.is_i64() || value.is_u64(),
        (_, "Boolean") => value.is_boolean(),
        (_, "ID") => value.as_str().is_some_and(|id| id.starts_with("gid://shopify/")),
        (_, "DateTime") => value
            .as_str()
            .is_some_and(|text| chrono::DateTime::parse_from_rfc3339(text).is_ok()),
        (_, "Float") => value.is_number(),
        _ => value.is_string(),
    };
    if right {
        Ok(())
    } else {
        Err(format!(": expected {value} to be one of {name}"))
    }
}
