//! Where in an agent's JSON lines the things stand that a client wants to see.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use serde_json::Value;

/// The places of what is understood. Everything else that the agent writes is shown as it stands.
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fields {
    /// A piece of the answer as it is being written.
    pub token: Option<Field>,
    /// A piece of thinking as it is being written.
    pub thinking: Option<Field>,
    /// A finished message.
    pub message: Option<Field>,
    /// The final text. Where this is given, a run without it has failed; where it is not, exit code 0 ends a run well.
    pub result: Option<Field>,
    /// Why it failed: text, or an object of any shape.
    pub error: Option<Field>,
    /// The agent's id of the conversation. It should stand in the first line, since the run counts as started with it.
    pub session: Option<Field>,
    /// Tokens read by the model, in all so far.
    pub input_tokens: Option<Field>,
    /// Tokens written by the model, in all so far.
    pub output_tokens: Option<Field>,
    /// US dollars, in all so far.
    pub cost_usd: Option<Field>,
}

/// One place: a JSON pointer, in the lines that it is meant for.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    at: Pointer,
    /// Only in lines that hold these texts at these places.
    only_if: BTreeMap<Pointer, String>,
}

/// A JSON pointer (RFC 6901): `/delta/text`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Pointer(String);

/// Why a text is no JSON pointer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a JSON pointer; one begins with a slash, such as `/delta/text`")]
pub struct BadPointer(String);

impl TryFrom<String> for Pointer {
    type Error = BadPointer;

    fn try_from(text: String) -> Result<Self, BadPointer> {
        if text.starts_with('/') { Ok(Self(text)) } else { Err(BadPointer(text)) }
    }
}

impl Field {
    /// What stands there, unless that is null or the line is another one.
    pub(super) fn find<'a>(&self, line: &'a Value) -> Option<&'a Value> {
        let holds = |(place, wanted): (&Pointer, &String)| match line.pointer(&place.0) {
            Some(Value::String(text)) => text == wanted,
            Some(other) => other.to_string() == *wanted,
            None => false,
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
