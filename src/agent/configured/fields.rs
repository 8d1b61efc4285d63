//! Locations of the relevant values in an agent's JSON lines.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use serde_json::Value;

/// The locations of the values that are interpreted. All other lines become raw events.
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fields {
    /// A chunk of the answer.
    pub token: Option<Field>,
    /// A chunk of thinking.
    pub thinking: Option<Field>,
    /// A complete message.
    pub message: Option<Field>,
    /// The final text. If this is set, a run without it fails; otherwise exit code 0 means success.
    pub result: Option<Field>,
    /// The reason for a failure: a string or an object.
    pub error: Option<Field>,
    /// The agent's id of the conversation. It should be in the first line, since the run counts as started when it arrives.
    pub session: Option<Field>,
    /// Total input tokens so far.
    pub input_tokens: Option<Field>,
    /// Total output tokens so far.
    pub output_tokens: Option<Field>,
    /// Total cost so far, in US dollars.
    pub cost_usd: Option<Field>,
}

/// The location of a value: a JSON pointer, and the lines to which it applies.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    at: Pointer,
    /// Applies only to lines with these values at these locations.
    only_if: BTreeMap<Pointer, String>,
}

/// A JSON pointer (RFC 6901): `/delta/text`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Pointer(String);

/// A string is not a JSON pointer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a JSON pointer; start it with a slash, as in `/delta/text`")]
pub struct BadPointer(String);

impl TryFrom<String> for Pointer {
    type Error = BadPointer;

    fn try_from(text: String) -> Result<Self, BadPointer> {
        if text.starts_with('/') { Ok(Self(text)) } else { Err(BadPointer(text)) }
    }
}

impl Field {
    /// The value in `line`. `None` if it is null or missing, or if the field does not apply to this line.
    pub(super) fn find<'a>(&self, line: &'a Value) -> Option<&'a Value> {
        let holds = |(pointer, expected): (&Pointer, &String)| match line.pointer(&pointer.0) {
            Some(Value::String(text)) => text == expected,
            Some(Value::Bool(value)) => expected.parse() == Ok(*value),
            Some(Value::Number(number)) => *expected == number.to_string(),
            _ => false,
        };
        line.pointer(&self.at.0).filter(|value| !value.is_null() && self.only_if.iter().all(holds))
    }
}

/// A pointer alone, or `{ at = "/text", if = { "/type" = "delta" } }`.
impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyForm)
    }
}

struct AnyForm;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct LongForm {
    at: Pointer,
    #[serde(default, rename = "if")]
    only_if: BTreeMap<Pointer, String>,
}

impl<'de> Visitor<'de> for AnyForm {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"a JSON pointer such as "/text", or { at = "/text", if = { "/type" = "delta" } }"#)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Field, E> {
        let at = Pointer::try_from(text.to_owned()).map_err(E::custom)?;
        Ok(Field { at, only_if: BTreeMap::new() })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Field, A::Error> {
        let LongForm { at, only_if } = LongForm::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Field { at, only_if })
    }
}
