//! Rules on what an agent may do, as they are written.

use serde::{Deserialize, Serialize};
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
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
