//! The description is complete, and the committed documents match the code.
//!
//! Rules: D7.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::*;
use crate::api::router::described;

fn described_api() -> Value {
    serde_json::to_value(document(described())).unwrap()
}

/// All operations with path and method.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().iter();
            methods.map(move |(method, operation)| (path.clone(), method.clone(), operation.clone()))
        })
        .collect()
}

/// Compares with the file in `docs`. `UPDATE_DOCS=1` writes it instead.
fn assert_committed(name: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, text).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == text, "docs/{name} is outdated; run `UPDATE_DOCS=1 cargo test --lib openapi` and review the diff");
}

#[test]
fn the_committed_description_matches_the_handlers() {
    assert_committed("openapi.json", &to_text(&document(described())));
}

#[test]
fn the_committed_schema_matches_the_events() {
    assert_committed("events.schema.json", &EventsSchema::of(&document(described())).to_text());
}

#[test]
fn every_operation_has_a_unique_id_a_summary_and_a_described_tag() {
    let document = described_api();
    let tags: BTreeSet<_> = document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].clone().to_string()).collect();
    let mut names = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        assert!(names.insert(operation["operationId"].as_str().unwrap().to_owned()), "{method} {path}");
        assert!(operation["summary"].as_str().is_some_and(|summary| summary.ends_with('.')), "{method} {path}");
        assert!(operation["tags"].as_array().unwrap().iter().all(|tag| tags.contains(&tag.to_string())), "{method} {path}");
    }
}

#[test]
fn every_parameter_is_described_including_those_of_the_path() {
    for (path, method, operation) in operations(&described_api()) {
        let none = Vec::new();
        let parameters = operation["parameters"].as_array().unwrap_or(&none);
        assert!(parameters.iter().all(|parameter| parameter["description"].is_string()), "{method} {path}");
        let named: BTreeSet<_> = parameters.iter().filter(|one| one["in"] == "path").filter_map(|one| one["name"].as_str()).collect();
        let parts: BTreeSet<_> = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        assert_eq!(named, parts, "{method} {path}");
    }
}

#[test]
fn every_code_of_a_handler_is_on_the_closed_list() {
    let known: BTreeSet<_> = codes::ALL.iter().map(|code| code.name).collect();
    assert_eq!(known.len(), codes::ALL.len(), "a code has exactly one status");
    for (_types, paths, _handlers) in described() {
        for (path, mut item) in paths.paths {
            for (method, operation) in super::operations(&mut item) {
                let named = error_responses::own(operation);
                assert!(named.iter().all(|code| known.contains(code.as_str())), "{method} {path}: {named:?}");
            }
        }
    }
}

#[test]
fn security_requirements_match_the_authentication_layer() {
    for (path, method, operation) in operations(&described_api()) {
        let is_public = is_public(&method.to_uppercase().parse().unwrap(), &to_router_syntax(&path));
        let is_subject_to_its_token = path == authn::TOKEN_OPTIONAL;
        assert_eq!(operation["security"].as_array().unwrap().is_empty(), is_public && !is_subject_to_its_token, "{method} {path}");
        let has_401 = operation["responses"].get("401").is_some();
        let is_login = (method.as_str(), path.as_str()) == ("post", "/api/auth/login");
        assert_eq!(has_401, !is_public || is_login || is_subject_to_its_token, "{method} {path}");
        let by_query = operation["security"].as_array().unwrap().iter().any(|scheme| scheme.get(QUERY_TOKEN).is_some());
        assert_eq!(by_query, path == "/api/runs/{id}/events", "{method} {path}");
    }
}

#[test]
fn every_reference_resolves_and_every_schema_is_referenced() {
    let text = to_text(&document(described()));
    let document: Value = serde_json::from_str(&text).unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let referred: BTreeSet<_> = text.split("\"#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let known: BTreeSet<_> = schemas.keys().map(String::as_str).collect();
    assert!(referred.is_subset(&known), "{:?}", referred.difference(&known).collect::<Vec<_>>());
    assert!(known.is_subset(&referred), "{:?}", known.difference(&referred).collect::<Vec<_>>());
    assert!(known.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric())), "a generic type needs a plain name: {known:?}");
}

#[test]
fn only_required_fields_of_responses_are_nullable() {
    let document = described_api();
    let run = &document["components"]["schemas"]["Run"];
    assert!(!run.to_string().contains("null"), "{run}");
    let page = &document["components"]["schemas"]["RunPage"];
    assert!(page["required"].as_array().unwrap().contains(&Value::from("next_cursor")) && page.to_string().contains("null"), "{page}");
    assert!(document["components"]["schemas"]["RunMetadata"].to_string().contains("null"), "null means the default in requests");
}

#[test]
fn optional_fields_have_no_default_because_generators_make_those_required() {
    let document = described_api();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        for (field, value) in schema["properties"].as_object().into_iter().flatten() {
            let is_required = schema["required"].as_array().is_some_and(|required| required.contains(&Value::from(field.as_str())));
            assert!(value.get("default").is_none() || is_required, "{name}.{field}: state the default in the description");
        }
    }
}

#[test]
fn a_parameter_has_one_type_and_every_error_an_example() {
    let document = described_api();
    for (path, method, operation) in operations(&document) {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["schema"].get("allOf").is_none(), "{method} {path}: {parameter}");
        }
        let shared = |response: &Value| match response["$ref"].as_str() {
            Some(name) => document["components"]["responses"][name.rsplit('/').next().unwrap()].clone(),
            None => response.clone(),
        };
        let responses = operation["responses"].as_object().unwrap();
        for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
            let response = shared(response);
            assert!(
                response["content"].as_object().unwrap().values().all(|content| content.get("example").is_some()),
                "{method} {path} {status}"
            );
        }
    }
}

#[test]
fn every_event_has_its_own_schema_with_an_example() {
    let document = described_api();
    let (schemas, events) = (&document["components"]["schemas"], &document["components"]["schemas"]["Event"]);
    let mapping = events["discriminator"]["mapping"].as_object().unwrap();
    assert_eq!(mapping.len(), EXAMPLES_COUNT);
    for (name, reference) in mapping {
        let schema = &schemas[reference.as_str().unwrap().rsplit('/').next().unwrap()];
        assert_eq!(schema["examples"][0]["type"], **name, "{name}");
        assert!(schema["description"].is_string(), "{name} is not described");
    }
}

/// Number of event types; a test of the documents compares their names.
const EXAMPLES_COUNT: usize = 27;
