//! Validates responses against `docs/openapi.json`.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use jsonschema::Validator;
use serde_json::{Value, json};

use super::Answer;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json")).expect("the description");
    serde_json::from_str(&text).expect("it is JSON")
});

/// Compiled once: few schemas validate many responses.
static VALIDATORS: LazyLock<Mutex<BTreeMap<String, Validator>>> = LazyLock::new(Mutex::default);

/// A validator for this schema.
pub(crate) fn validator(schema: &Value) -> Validator {
    jsonschema::draft202012::new(schema).expect("a schema")
}

/// Asserts that a response matches the description of its operation. Unknown routes and methods have none.
pub(super) fn check(method: &str, path: &str, answer: &Answer) {
    let Some(operation) = operation(method, path) else { return };
    let response = &operation["responses"][answer.status.to_string()];
    let response = response["$ref"].as_str().map_or(response, |to| at(to));
    assert!(response.is_object(), "{method} {path} is not described with {}: {}", answer.status, answer.text);
    let kind = answer.header("content-type").split(';').next().unwrap_or_default();
    let content = &response["content"];
    assert_eq!(content.is_object(), !kind.is_empty(), "{method} {path}: {} {kind}", answer.status);
    if kind.is_empty() {
        return;
    }
    let schema = &content[kind]["schema"];
    assert!(schema.is_object(), "{method} {path} is not described with {kind}");
    if kind.ends_with("json") && kind != "application/x-ndjson" {
        let mut validators = VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner);
        let validator = validators
            .entry(schema.to_string())
            .or_insert_with(|| validator(&json!({ "allOf": [schema], "components": DOCUMENT["components"] })));
        let faults: Vec<String> = validator.iter_errors(&answer.body).map(|fault| format!("{} {fault}", fault.instance_path())).collect();
        assert!(faults.is_empty(), "{method} {path}: {}\n{}", answer.text, faults.join("\n"));
    }
}

/// The operation of a URL. A path without parameters takes precedence.
fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let path = path.split('?').next().unwrap_or(path);
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    let item = paths.get(path).or_else(|| paths.iter().find(|(template, _)| fits(template, path)).map(|(_, item)| item))?;
    item.get(method.to_lowercase())
}

fn fits(template: &str, path: &str) -> bool {
    let (parts, given): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    parts.len() == given.len() && parts.iter().zip(given).all(|(part, given)| part.starts_with('{') && !given.is_empty() || *part == given)
}

fn at(reference: &str) -> &'static Value {
    DOCUMENT.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null)
}
