//! Explains a body or query of the wrong shape in the terms of the API, instead of passing on the parser's messages.

use super::{FaultCode, FieldError};

/// The fault that `serde` reports as `message` at `path`. A fault of the whole is one of the field `whole`.
///
/// Messages of this program's own types are passed on.
pub(super) fn fault(path: &str, message: &str, whole: &str) -> FieldError {
    let (code, detail) = explain(message);
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    // A missing field has no position, so its name is only in the message.
    let field = match (path, missing) {
        (".", Some(missing)) => missing.to_owned(),
        (".", None) => whole.to_owned(),
        (path, Some(missing)) => format!("{path}.{missing}"),
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
