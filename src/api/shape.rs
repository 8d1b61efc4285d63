//! Explains a body or query of the wrong shape in the terms of the API, instead of passing on the parser's messages.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use super::json_object::object;
use super::{FaultCode, FieldError};

/// Maximum number of shape faults that are reported for one request.
const MAX_FAULTS: usize = 16;

/// All faults of a body of the wrong shape, in the order of the body.
///
/// `serde` stops at the first fault. So the faulty member is removed and the rest is checked again, until the rest is valid, a field is
/// missing (nothing can stand in for it), or [`MAX_FAULTS`] is reached. A list is one member: its items have no names.
pub(super) fn faults<T: DeserializeOwned>(mut body: Value) -> Vec<FieldError> {
    let (mut faults, mut removed): (Vec<FieldError>, Vec<String>) = (Vec::new(), Vec::new());
    while faults.len() < MAX_FAULTS {
        let mut track = serde_path_to_error::Track::new();
        let checked: Result<T, _> = object(serde_path_to_error::Deserializer::new(&body, &mut track));
        let Err(error) = checked else { break };
        let path = track.path();
        let found = fault(&path.to_string(), &error.to_string(), "body");
        let is_missing = found.code == FaultCode::Required;
        // A required field that was removed for its own fault makes its object incomplete, which is no fault of the caller.
        if !is_missing || !removed.contains(&found.field) {
            faults.push(found);
            if is_missing {
                break;
            }
        }
        if !remove(&mut body, &path) {
            break;
        }
        removed.push(path.to_string());
    }
    faults
}

/// Removes the member at a path, or the outermost list on the way to it. Returns whether there was one.
fn remove(body: &mut Value, path: &Path) -> bool {
    let keys: Vec<&str> = path
        .iter()
        .map_while(|segment| match segment {
            Segment::Map { key } => Some(key.as_str()),
            Segment::Seq { .. } | Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect();
    let Some((last, parents)) = keys.split_last() else { return false };
    let parent = parents.iter().try_fold(body, |value, key| value.get_mut(*key));
    let Some(object) = parent.and_then(Value::as_object_mut) else { return false };
    let before = object.len();
    // `remove` would change the order of the others.
    object.retain(|key, _| key != last);
    object.len() < before
}

/// The fault that `serde` reports as `message` at `path`. A fault of the whole is one of the field `whole`.
///
/// Messages of this program's own types are passed on.
pub(super) fn fault(path: &str, message: &str, whole: &str) -> FieldError {
    let (code, detail) = explain(message);
    let named = ["missing field `", "duplicate field `"].iter().find_map(|prefix| message.strip_prefix(prefix)?.split('`').next());
    // The path of these faults is that of the object; the name of the field is only in the message.
    let field = match (path, named) {
        (".", Some(named)) => named.to_owned(),
        (".", None) => whole.to_owned(),
        (path, Some(named)) => format!("{path}.{named}"),
        (path, None) => path.to_owned(),
    };
    FieldError::new(field, code, detail)
}

fn explain(message: &str) -> (FaultCode, String) {
    if message.starts_with("missing field") {
        return (FaultCode::Required, "is required".to_owned());
    }
    if message.starts_with("duplicate field") {
        return (FaultCode::Invalid, "must be given only once".to_owned());
    }
    if let Some((_name, expected)) = message.strip_prefix("unknown field ").and_then(|rest| rest.split_once(", ")) {
        return (FaultCode::UnknownField, format!("unknown field; {}", expected.replace("there are no fields", "no fields are expected")));
    }
    if let Some((_name, expected)) = message.strip_prefix("unknown variant ").and_then(|rest| rest.rsplit_once(", expected ")) {
        return (FaultCode::Invalid, format!("must be {expected}"));
    }
    for (prefix, code) in [("invalid type: ", FaultCode::Invalid), ("invalid value: ", FaultCode::OutOfRange)] {
        if let Some((found, expected)) = message.strip_prefix(prefix).and_then(|rest| rest.rsplit_once(", expected ")) {
            let bounds = if code == FaultCode::OutOfRange { " in range" } else { "" };
            return (code, format!("must be {}{bounds}, not {}", describe_expected(expected), describe_found(found)));
        }
    }
    // The standard library's messages about numbers and truth values in a query.
    if message.starts_with("number too ") {
        return (FaultCode::OutOfRange, "is out of range".to_owned());
    }
    if message.starts_with("invalid digit") || message.starts_with("cannot parse integer") {
        return (FaultCode::Invalid, "must be a non-negative integer".to_owned());
    }
    if message.starts_with("provided string was not") {
        return (FaultCode::Invalid, "must be true or false".to_owned());
    }
    (FaultCode::Invalid, message.to_owned())
}

fn describe_expected(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a non-negative integer",
        "i8" | "i16" | "i32" | "i64" | "isize" => "an integer",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "an object",
        expected if expected.starts_with("struct ") => "an object",
        expected if expected.starts_with("path string") => "a string",
        expected => expected,
    }
}

/// Numbers and truth values as they are, anything else by its type.
fn describe_found(found: &str) -> &str {
    match found.split_once('`').and_then(|(_kind, rest)| rest.strip_suffix('`')) {
        Some(value) => value,
        None if found.starts_with("string ") => "a string",
        None => match found {
            "map" => "an object",
            "sequence" => "a list",
            found => found,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_explained_in_the_terms_of_the_api() {
        for (message, code, detail) in [
            ("missing field `a`", FaultCode::Required, "is required"),
            ("duplicate field `a`", FaultCode::Invalid, "must be given only once"),
            ("unknown field `x`, expected one of `a`, `b`", FaultCode::UnknownField, "unknown field; expected one of `a`, `b`"),
            ("unknown field `x`, there are no fields", FaultCode::UnknownField, "unknown field; no fields are expected"),
            ("unknown variant `x`, expected `a` or `b`", FaultCode::Invalid, "must be `a` or `b`"),
            ("invalid type: map, expected a string", FaultCode::Invalid, "must be a string, not an object"),
            ("invalid type: string \"x, expected y\", expected u64", FaultCode::Invalid, "must be a non-negative integer, not a string"),
            ("invalid type: floating point `1e300`, expected u64", FaultCode::Invalid, "must be a non-negative integer, not 1e300"),
            ("invalid value: integer `-1`, expected u64", FaultCode::OutOfRange, "must be a non-negative integer in range, not -1"),
            ("number too large to fit in target type", FaultCode::OutOfRange, "is out of range"),
            ("not a run id", FaultCode::Invalid, "not a run id"),
        ] {
            assert_eq!(explain(message), (code, detail.to_owned()), "{message}");
        }
    }
}
