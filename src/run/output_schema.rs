//! The JSON Schema of a run's answer: checks the schema of a request, and answers against it.
//!
//! Nothing outside of a schema is ever read. What validation costs is bounded: schemas are small and not recursive, the size of a schema
//! whose references are replaced by what they refer to is limited, patterns are few and matched in linear time, and answers are short.

use std::collections::BTreeMap;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

/// Maximum length of a schema as JSON, in bytes.
const MAX_LENGTH: usize = 64 * 1024;
/// Maximum depth of a schema.
const MAX_DEPTH: usize = 64;
/// Maximum number of values in a schema whose references are replaced by what they refer to.
const MAX_VALUES: usize = 2000;
/// Maximum number of patterns, which are compiled one by one.
const MAX_PATTERNS: usize = 64;
/// Maximum size of a compiled pattern, in bytes.
const MAX_PATTERN: usize = 128 * 1024;
/// Maximum length of an answer, in bytes. Each of its values may be compared with each value of the schema.
const MAX_ANSWER: usize = 256 * 1024;
/// Maximum length of a problem, in bytes: a property name of the agent can be long.
const MAX_PROBLEM: usize = 1000;

/// The versions of JSON Schema that `$schema` may name, without their schemes and fragments.
const VERSIONS: [&str; 5] = [
    "json-schema.org/draft/2020-12/schema",
    "json-schema.org/draft/2019-09/schema",
    "json-schema.org/draft-07/schema",
    "json-schema.org/draft-06/schema",
    "json-schema.org/draft-04/schema",
];

/// Keywords that name or reach other schemas than `$ref` to a part of the same document.
const UNSUPPORTED: [&str; 7] = ["$id", "id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor"];

/// Why a schema is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSchema {
    /// It is not an object.
    #[error("must be an object with a JSON Schema")]
    NotAnObject,
    /// It is too long.
    #[error("must have at most {} KiB", MAX_LENGTH / 1024)]
    TooLong,
    /// It is too deep, or too large after its references are replaced.
    #[error(
        "is too complex: at most {MAX_DEPTH} levels and {MAX_VALUES} values, counting what references refer to, and \
             {MAX_PATTERNS} patterns"
    )]
    TooComplex,
    /// Its version is unknown.
    #[error("$schema must name a version of JSON Schema, such as https://json-schema.org/draft/2020-12/schema")]
    Version,
    /// A reference leads out of the schema or to nothing.
    #[error("at {at}: $ref must refer to a part of this schema, such as #/$defs/name")]
    Reference {
        /// JSON Pointer of the schema with the reference.
        at: String,
    },
    /// A reference leads to a schema that contains it.
    #[error("at {at}: recursive schemas are not supported")]
    Recursive {
        /// JSON Pointer of the schema with the reference.
        at: String,
    },
    /// A keyword is not supported.
    #[error("at {at}: {keyword} is not supported; use $ref to a part of this schema")]
    Keyword {
        /// JSON Pointer of the schema with the keyword.
        at: String,
        /// The keyword.
        keyword: &'static str,
    },
    /// It is not a valid JSON Schema.
    #[error("at {at}: {problem}")]
    Invalid {
        /// JSON Pointer of the fault.
        at: String,
        /// What is wrong.
        problem: String,
    },
}

/// A schema that answers are compared with.
#[derive(Debug)]
pub(super) struct OutputSchema(Validator);

impl OutputSchema {
    /// Compiles a schema. May take milliseconds.
    ///
    /// # Errors
    /// [`BadSchema`] if it is invalid or exceeds a limit.
    pub(super) fn compile(schema: &Value) -> Result<Self, BadSchema> {
        let Value::Object(fields) = schema else { return Err(BadSchema::NotAnObject) };
        if schema.to_string().len() > MAX_LENGTH {
            return Err(BadSchema::TooLong);
        }
        if let Some(version) = fields.get("$schema") {
            let name = version.as_str().unwrap_or_default().trim_end_matches('#');
            let name = name.strip_prefix("https://").or_else(|| name.strip_prefix("http://"));
            if !name.is_some_and(|name| VERSIONS.contains(&name)) {
                return Err(BadSchema::Version);
            }
        }
        Expansion { root: schema, open: vec![String::new()], extents: BTreeMap::new(), patterns: 0 }.extent_of(
            schema,
            Role::Schema,
            "",
            0,
        )?;
        let invalid = |at: String, problem: String| {
            let at = if at.is_empty() { "the root".to_owned() } else { at };
            BadSchema::Invalid { at, problem: shortened(problem) }
        };
        jsonschema::meta::validate(schema)
            .map_err(|error| invalid(error.instance_path().to_string(), format!("not valid in a JSON Schema: {error}")))?;
        let patterns = PatternOptions::regex().size_limit(MAX_PATTERN).dfa_size_limit(MAX_PATTERN);
        let validator = jsonschema::options().should_validate_formats(false).with_pattern_options(patterns).build(schema);
        validator.map(Self).map_err(|error| invalid(error.instance_path().to_string(), format!("not supported: {error}")))
    }

    /// The value in an answer: the whole text, the last block of code in it, or what is between its first and last bracket.
    ///
    /// # Errors
    /// What is wrong with the first of them that is JSON.
    pub(super) fn check(&self, answer: &str) -> Result<Value, String> {
        if answer.len() > MAX_ANSWER {
            return Err(format!("the answer is longer than {} KiB", MAX_ANSWER / 1024));
        }
        let mut problem = None;
        for value in candidates(answer).filter_map(|text| serde_json::from_str::<Value>(text.trim()).ok()) {
            let Err(error) = self.0.validate(&value) else { return Ok(value) };
            let at = error.instance_path().to_string();
            // Without the value itself, which may be long and is in the log.
            let text = format!("{}: {}", if at.is_empty() { "the value" } else { &at }, error.masked());
            problem.get_or_insert(text);
        }
        Err(shortened(problem.unwrap_or_else(|| "the answer is not JSON".to_owned())))
    }
}

/// The texts in an answer that may be its value, the likeliest first.
fn candidates(answer: &str) -> impl Iterator<Item = &str> {
    let fenced = answer.rmatch_indices("```").nth(1).and_then(|(start, _)| {
        let block = &answer[start + 3..];
        let (_language, code) = block.split_once('\n')?;
        code.split_once("```").map(|(code, _)| code)
    });
    let bracketed = match (answer.find(['{', '[']), answer.rfind(['}', ']'])) {
        (Some(start), Some(end)) if start < end => Some(&answer[start..=end]),
        _ => None,
    };
    std::iter::once(answer).chain(fenced).chain(bracketed)
}

fn shortened(mut text: String) -> String {
    if text.len() > MAX_PROBLEM {
        text.truncate(text.floor_char_boundary(MAX_PROBLEM));
        text.push('…');
    }
    text
}

/// Number of values, and of levels, in a schema whose references are replaced by what they refer to.
#[derive(Clone, Copy)]
struct Extent {
    size: usize,
    height: usize,
}

/// What a value in a schema is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// A schema, a list of schemas, or what belongs to a keyword.
    Schema,
    /// An object whose names are not keywords and whose values are schemas.
    SchemasByName,
    /// A value that answers are compared with, or that documents them. Nothing in it is a keyword.
    Data,
}

impl Role {
    /// The role of the value of a member of that name of an object with this role.
    fn of_member(self, name: &str) -> Self {
        match (self, name) {
            (Self::Data, _) | (Self::Schema, "const" | "enum" | "default" | "examples") => Self::Data,
            (Self::Schema, "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas" | "dependencies") => {
                Self::SchemasByName
            }
            (Self::Schema | Self::SchemasByName, _) => Self::Schema,
        }
    }
}

/// Determines the extent of a schema, and what else is bounded in it.
struct Expansion<'a> {
    root: &'a Value,
    /// The references that are being followed, as JSON Pointers.
    open: Vec<String>,
    /// The extents of schemas that were referred to.
    extents: BTreeMap<String, Extent>,
    /// Number of patterns so far.
    patterns: usize,
}

impl<'a> Expansion<'a> {
    fn extent_of(&mut self, value: &'a Value, role: Role, at: &str, depth: usize) -> Result<Extent, BadSchema> {
        if depth > MAX_DEPTH {
            return Err(BadSchema::TooComplex);
        }
        let mut whole = Extent { size: 1, height: 0 };
        let mut add = |part: Extent| {
            whole = Extent { size: whole.size + part.size, height: whole.height.max(part.height + 1) };
        };
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    add(self.extent_of(item, role, &format!("{at}/{index}"), depth + 1)?);
                }
            }
            Value::Object(fields) => {
                let here = || if at.is_empty() { "the root".to_owned() } else { at.to_owned() };
                for (name, field) in fields {
                    let keyword = if role == Role::Schema { name.as_str() } else { "" };
                    self.patterns += match (keyword, field) {
                        ("pattern", Value::String(_)) => 1,
                        ("patternProperties", Value::Object(patterns)) => patterns.len(),
                        _ => 0,
                    };
                    match (keyword, field) {
                        ("$ref", Value::String(target)) => add(self.extent_of_target(target, here(), depth + 1)?),
                        (name, Value::String(_) | Value::Bool(_)) if UNSUPPORTED.contains(&name) => {
                            let keyword = UNSUPPORTED.into_iter().find(|keyword| *keyword == name).unwrap_or_default();
                            return Err(BadSchema::Keyword { at: here(), keyword });
                        }
                        _ => {
                            let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                            add(self.extent_of(field, role.of_member(name), &at, depth + 1)?);
                        }
                    }
                }
            }
            _ => {}
        }
        let is_bounded = whole.size <= MAX_VALUES && depth + whole.height <= MAX_DEPTH && self.patterns <= MAX_PATTERNS;
        if is_bounded { Ok(whole) } else { Err(BadSchema::TooComplex) }
    }

    fn extent_of_target(&mut self, target: &str, at: String, depth: usize) -> Result<Extent, BadSchema> {
        let pointer = target.strip_prefix('#').filter(|pointer| !pointer.contains('%'));
        let found = pointer.and_then(|pointer| Some((pointer, self.root.pointer(pointer)?)));
        let Some((pointer, schema)) = found else { return Err(BadSchema::Reference { at }) };
        if self.open.iter().any(|open| open == pointer) {
            return Err(BadSchema::Recursive { at });
        }
        if let Some(extent) = self.extents.get(pointer) {
            return Ok(*extent);
        }
        self.open.push(pointer.to_owned());
        let extent = self.extent_of(schema, Role::Schema, pointer, depth)?;
        self.open.pop();
        self.extents.insert(pointer.to_owned(), extent);
        Ok(extent)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> OutputSchema {
        OutputSchema::compile(&json!({
            "type": "object",
            "properties": { "files": { "type": "array", "items": { "$ref": "#/$defs/file" } }, "$ref": { "type": "string" } },
            "required": ["files"],
            "additionalProperties": false,
            "$defs": { "file": { "type": "string", "pattern": "^[a-z]+[.]rs$" } },
        }))
        .unwrap()
    }

    fn refused(schema: &Value) -> BadSchema {
        OutputSchema::compile(schema).unwrap_err()
    }

    #[test]
    fn names_in_values_and_names_of_properties_are_no_keywords() {
        let values = json!({ "id": "a", "$id": true, "$anchor": "b", "$ref": "https://example.org/x", "pattern": "(" });
        let accepted = OutputSchema::compile(&json!({
            "type": "object",
            "properties": {
                "id": true,
                "const": { "const": values },
                "one": { "enum": [values, { "list": [values] }] },
                "default": { "default": values, "examples": [values] },
            },
            "default": { "const": values },
        }))
        .unwrap();
        let answer = json!({ "id": 7, "const": values, "one": values });
        assert_eq!(accepted.check(&answer.to_string()), Ok(answer));
        assert!(accepted.check(&json!({ "const": { "id": "b" } }).to_string()).is_err());

        let keyword = |schema: Value| matches!(refused(&schema), BadSchema::Keyword { .. });
        for schema in [
            json!({ "properties": { "default": { "$id": "x" } } }),
            json!({ "properties": { "properties": { "properties": { "enum": { "id": "x" } } } } }),
            json!({ "allOf": [{ "$anchor": "x" }] }),
            json!({ "$defs": { "const": { "$dynamicAnchor": "x" } } }),
            // What a reference leads to is a schema, wherever it is.
            json!({ "const": { "$id": "x" }, "items": { "$ref": "#/const" } }),
        ] {
            assert!(keyword(schema.clone()), "{schema}");
        }
        let many = json!({ "properties": { "properties": { "patternProperties": { "a": true, "b": true } } } });
        assert!(OutputSchema::compile(&many).is_ok());
    }

    #[test]
    fn the_value_is_found_in_an_answer_with_other_words() {
        let value = json!({ "files": ["a.rs"] });
        for answer in [
            r#"{"files": ["a.rs"]}"#,
            "\n {\"files\": [\"a.rs\"]}\n",
            "Here it is:\n```json\n{\"files\": [\"a.rs\"]}\n```\nDone.",
            "First `x`, then:\n```\n{\"files\": [\"b\"]}\n```\nno:\n```json\n{\"files\": [\"a.rs\"]}\n```",
            "The answer is {\"files\": [\"a.rs\"]}.",
        ] {
            assert_eq!(schema().check(answer), Ok(value.clone()), "{answer}");
        }
    }

    #[test]
    fn an_answer_that_does_not_match_is_explained_without_its_values() {
        for (answer, problem) in [
            ("I cannot do that.", "the answer is not JSON"),
            ("", "the answer is not JSON"),
            ("42", "the value: value is not of type \"object\""),
            (r#"{"files": ["secret"]}"#, "/files/0: value does not match \"^[a-z]+[.]rs$\""),
            (r#"{"files": [1, 2]}"#, "/files/0: value is not of type \"string\""),
            ("{}", "the value: \"files\" is a required property"),
        ] {
            assert_eq!(schema().check(answer), Err(problem.to_owned()), "{answer}");
        }
        let long = format!(r#"{{"files": [], "{}": 1}}"#, "ä".repeat(5000));
        assert!(schema().check(&long).unwrap_err().len() < MAX_PROBLEM + 10);
        assert!(schema().check(&"x".repeat(MAX_ANSWER + 1)).unwrap_err().contains("256 KiB"));
    }

    #[test]
    fn an_invalid_schema_is_refused_with_the_place() {
        assert_eq!(refused(&json!(true)), BadSchema::NotAnObject);
        assert_eq!(refused(&json!({ "$schema": "https://a.example/schema" })), BadSchema::Version);
        let invalid = refused(&json!({ "properties": { "a": { "type": "text" } } })).to_string();
        assert!(invalid.starts_with("at /properties/a/type: not valid in a JSON Schema"), "{invalid}");
        let pattern = refused(&json!({ "properties": { "a": { "pattern": "(?<x" } } })).to_string();
        assert!(pattern.contains("/properties/a/pattern"), "{pattern}");
        for version in ["http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2020-12/schema"] {
            assert!(OutputSchema::compile(&json!({ "$schema": version, "type": "object" })).is_ok(), "{version}");
        }
    }

    #[test]
    fn no_reference_leads_out_of_a_schema_or_back_to_itself() {
        for target in ["https://a.example/s.json", "file:///etc/passwd", "other.json", "#anchor", "#/$defs/none", "#/%24defs/a"] {
            let schema = json!({ "properties": { "a": { "$ref": target } } });
            assert_eq!(refused(&schema), BadSchema::Reference { at: "/properties/a".into() }, "{target}");
        }
        let two = json!({ "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "items": { "$ref": "#/$defs/a" } } } });
        for schema in [json!({ "$ref": "#" }), json!({ "properties": { "a": { "$ref": "#" } } }), two] {
            assert!(matches!(refused(&schema), BadSchema::Recursive { .. }), "{schema}");
        }
        for keyword in UNSUPPORTED {
            assert!(matches!(refused(&json!({ "items": { keyword: "x" } })), BadSchema::Keyword { .. }), "{keyword}");
        }
    }

    #[test]
    fn what_a_schema_costs_is_bounded() {
        assert_eq!(refused(&json!({ "description": "x".repeat(MAX_LENGTH) })), BadSchema::TooLong);
        let deep = (0..80).fold(json!({}), |inner, _| json!({ "not": inner }));
        assert_eq!(refused(&deep), BadSchema::TooComplex);
        // Each refers twice to the next.
        let mut definitions = serde_json::Map::new();
        definitions.insert("d0".into(), json!({ "type": "string" }));
        for level in 1..30 {
            let inner = json!({ "$ref": format!("#/$defs/d{}", level - 1) });
            definitions.insert(format!("d{level}"), json!({ "anyOf": [inner, inner] }));
        }
        assert_eq!(refused(&json!({ "$defs": definitions, "$ref": "#/$defs/d29" })), BadSchema::TooComplex);
        // Each is deep and refers to the one before, whose extent is known by then.
        let mut definitions = serde_json::Map::new();
        definitions.insert("d10".into(), json!({ "type": "string" }));
        for level in 11..20 {
            let inner = json!({ "$ref": format!("#/$defs/d{}", level - 1) });
            definitions.insert(format!("d{level}"), (0..40).fold(inner, |inner, _| json!({ "not": inner })));
        }
        assert_eq!(refused(&json!({ "$defs": definitions })), BadSchema::TooComplex);
        let many =
            |count: usize| (0..count).map(|number| (format!("\\p{{L}}{{40}}{number}"), json!({}))).collect::<serde_json::Map<_, _>>();
        assert_eq!(refused(&json!({ "patternProperties": many(MAX_PATTERNS + 1) })), BadSchema::TooComplex);
        let each: Vec<Value> = (0..=MAX_PATTERNS).map(|number| json!({ "pattern": format!("{number}") })).collect();
        assert_eq!(refused(&json!({ "anyOf": each })), BadSchema::TooComplex);
        let pattern = json!({ "pattern": "(((a{1,100}){1,100}){1,100}){1,100}" });
        assert!(matches!(refused(&pattern), BadSchema::Invalid { .. }));
        // A pattern that takes exponential time in engines that go back.
        let schema = OutputSchema::compile(&json!({ "type": "string", "pattern": "^(a|a)*$" })).unwrap();
        assert!(schema.check(&format!("{:?}", format!("{}!", "a".repeat(10_000)))).is_err());
    }
}
