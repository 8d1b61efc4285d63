//! Permission modes and rules, as written in the settings file and in requests.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::{ToolKind, string_enum};

/// How permission requests are decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PermissionMode {
    /// Allow and record everything.
    #[default]
    Auto,
    /// Ask a user.
    Ask,
    /// Allow tools that only read, search or think; deny all others.
    ReadOnly,
}

/// A permission rule. An absent field matches everything; all fields must match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleSpec {
    /// Glob pattern for the name of the tool, as the agent reports it: `Bash`, `mcp__*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Kind of tool.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known_kind")]
    pub kind: Option<ToolKind>,
    /// Glob pattern for the files in the request, relative to the working directory or absolute: `src/**`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// First words of the command: `git status`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Decision of the rule.
    pub decision: RuleVerdict,
}

string_enum! {
    /// Decision of a permission rule.
    #[derive(ToSchema)]
    pub enum RuleVerdict {
        /// Allow the request.
        Allow = "allow",
        /// Ask a user.
        Ask = "ask",
        /// Deny the request.
        Deny = "deny",
    }
}

/// Accepts only known kinds. Deserializing an event maps an unknown kind to `other`, which would turn a typo in a rule into another rule.
fn known_kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ToolKind>, D::Error> {
    let Some(name) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    ToolKind::from_name(&name).map(Some).ok_or_else(|| {
        let known = ToolKind::ALL.map(ToolKind::as_str).join(", ");
        serde::de::Error::custom(format_args!("invalid kind {name:?}; expected one of {known}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_with_an_unknown_kind_is_rejected() {
        let rule = |kind: &str| serde_json::from_str::<RuleSpec>(&format!(r#"{{"kind": {kind}, "decision": "deny"}}"#));
        for (kind, expected) in [("\"execute\"", Some(ToolKind::Execute)), ("\"other\"", Some(ToolKind::Other)), ("null", None)] {
            assert_eq!(rule(kind).unwrap().kind, expected, "{kind}");
        }
        for invalid in ["\"exceute\"", "\"\"", "\"Read\"", "7"] {
            assert!(rule(invalid).is_err(), "{invalid}");
        }
        let error = rule("\"exceute\"").unwrap_err().to_string();
        assert!(error.contains("exceute") && error.contains("execute"), "{error}");
    }
}
