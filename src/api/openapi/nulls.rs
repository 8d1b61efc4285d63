//! Nullable fields. In requests null means absent. In responses a field without a value is absent, unless it is required. The type alone
//! cannot express the difference: `utoipa` describes every `Option` as nullable, and this module corrects it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{AdditionalProperties, ArrayItems, SchemaType};
use utoipa::openapi::{OpenApi, RefOr, Schema, Type};

/// Removes null from parameters, which are absent without a value.
pub(super) fn strip_parameters(operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter
            && let Some(schema) = &mut parameter.schema
        {
            without_null(schema);
        }
    }
}

/// Removes null from the optional fields of all schemas that occur in responses only.
pub(super) fn strip_responses(document: &mut OpenApi) {
    let bodies = document.paths.paths.values().flat_map(|item| [&item.post, &item.put, &item.patch]).flatten();
    let bodies: Vec<_> = bodies.filter_map(|operation| serde_json::to_value(&operation.request_body).ok()).collect();
    let in_requests = reachable(document, bodies.iter().flat_map(references).collect::<Vec<_>>());
    let schemas = document.components.iter_mut().flat_map(|components| &mut components.schemas);
    for (_name, schema) in schemas.filter(|(name, _schema)| !in_requests.contains(*name)) {
        strip_fields(schema);
    }
}

/// The names of these schemas and of all schemas that they refer to.
pub(super) fn reachable(document: &OpenApi, from: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    let schemas = document.components.iter().flat_map(|components| &components.schemas);
    let refers: BTreeMap<&str, Vec<String>> = schemas
        .map(|(name, schema)| (name.as_str(), serde_json::to_value(schema).map_or_else(|_| Vec::new(), |schema| references(&schema))))
        .collect();
    let (mut found, mut next) = (BTreeSet::new(), from.into_iter().collect::<Vec<_>>());
    while let Some(name) = next.pop() {
        next.extend(refers.get(name.as_str()).into_iter().flatten().cloned());
        let _ = found.insert(name);
    }
    found
}

/// The names of the schemas that a part of the document refers to.
fn references(part: &Value) -> Vec<String> {
    match part {
        Value::Object(fields) => {
            let own = fields.get("$ref").and_then(|to| to.as_str()?.strip_prefix("#/components/schemas/"));
            own.map(str::to_owned).into_iter().chain(fields.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

/// Removes null from all optional fields below.
fn strip_fields(schema: &mut RefOr<Schema>) {
    let RefOr::T(schema) = schema else { return };
    match schema {
        Schema::Object(object) => {
            for (name, field) in &mut object.properties {
                if !object.required.contains(name) {
                    without_null(field);
                }
                strip_fields(field);
            }
            if let Some(AdditionalProperties::RefOr(values)) = object.additional_properties.as_deref_mut() {
                strip_fields(values);
            }
        }
        Schema::Array(array) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                strip_fields(items);
            }
        }
        Schema::OneOf(one) => one.items.iter_mut().for_each(strip_fields),
        Schema::AllOf(all) => all.items.iter_mut().for_each(strip_fields),
        Schema::AnyOf(any) => any.items.iter_mut().for_each(strip_fields),
        _ => {}
    }
}

/// Removes null from a schema.
fn without_null(schema: &mut RefOr<Schema>) {
    let RefOr::T(inner) = schema else { return };
    match inner {
        Schema::Object(object) => strip_type(&mut object.schema_type),
        Schema::Array(array) => strip_type(&mut array.schema_type),
        Schema::OneOf(one) => {
            one.items.retain(|item| !matches!(item, RefOr::T(Schema::Object(object)) if is_null(&object.schema_type)));
            if let [only] = &mut one.items[..] {
                let mut only = only.clone();
                if let (RefOr::Ref(reference), Some(description)) = (&mut only, one.description.take()) {
                    reference.description = description;
                }
                *schema = only;
            }
        }
        _ => {}
    }
}

fn is_null(kind: &SchemaType) -> bool {
    matches!(kind, SchemaType::Type(Type::Null))
}

fn strip_type(kind: &mut SchemaType) {
    if let SchemaType::Array(kinds) = kind {
        kinds.retain(|kind| *kind != Type::Null);
        if let [only] = &kinds[..] {
            *kind = SchemaType::Type(only.clone());
        }
    }
}
