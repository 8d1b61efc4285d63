//! Rules on what an agent may do, as they are written.

use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StrDeserializer};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::ToolKind;

/// A rule as it is written, in the settings file and in a run's `permission_rules`. A part that is absent fits everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleSpec {
    /// The agent's name of the tool, `*` and `?` as in file names: `Bash`, `mcp__*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// What sort of tool.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known_kind")]
    pub kind: Option<ToolKind>,
    /// The files that the tool names: `src/**`, relative to the working folder or absolute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How the command begins, word by word: `git status`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// What the rule says.
    pub decision: RuleVerdict,
}

/// What a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuleVerdict {
    /// Allowed.
    Allow,
    /// A person is asked.
    Ask,
    /// Denied.
    Deny,
}

impl RuleVerdict {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Deny => "deny",
        }
    }
}

/// The kind that a rule is about, by its exact name. An event's reader takes a word that it does not know for `other`; in a rule that would
/// turn a typing error into a rule about something else.
fn known_kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ToolKind>, D::Error> {
    let Some(name) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let read: StrDeserializer<'_, ValueError> = name.as_str().into_deserializer();
    match ToolKind::deserialize(read) {
        Ok(ToolKind::Other) if name != "other" => Err(serde::de::Error::custom(format_args!(
            "there is no kind {name:?}: it is one of read, edit, delete, move, search, execute, think, fetch, other"
        ))),
        kind => kind.map(Some).map_err(serde::de::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_about_a_kind_that_there_is_not_is_refused_and_not_taken_for_another() {
        let rule = |kind: &str| serde_json::from_str::<RuleSpec>(&format!(r#"{{"kind": {kind}, "decision": "deny"}}"#));
        for (kind, expected) in [("\"execute\"", Some(ToolKind::Execute)), ("\"other\"", Some(ToolKind::Other)), ("null", None)] {
            assert_eq!(rule(kind).unwrap().kind, expected, "{kind}");
        }
        for wrong in ["\"exceute\"", "\"\"", "\"Read\"", "7"] {
            assert!(rule(wrong).is_err(), "{wrong}");
        }
        let error = rule("\"exceute\"").unwrap_err().to_string();
        assert!(error.contains("exceute") && error.contains("execute"), "{error}");
    }
}
