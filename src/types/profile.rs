//! Profiles: named combinations of an agent, its permissions and limits, defined by admins.

use serde::{Deserialize, Serialize};

use super::{Amount, IsolationLevel, McpServerSpec, Money, PermissionMode, ProfileUser, RuleSpec, SpendLimits, Tokens};

/// What a profile sets for its runs. What is absent is left to the request.
///
/// A request may set what the profile leaves open, and may narrow what it sets: a stricter mode, a lower limit, a higher isolation level.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Description for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_type: Option<String>,
    /// The model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Text that is added to the agent's system prompt. That of the request follows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// How permission requests are decided. A request may choose a stricter mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission_mode: Option<PermissionMode>,
    /// Rules that precede those of the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permission_rules: Vec<RuleSpec>,
    /// MCP servers for the agent, also in runs of users who are no admins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mcp_servers: Vec<McpServerSpec>,
    /// The isolation level, also in runs of users who are no admins. A request may choose a higher one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<IsolationLevel>,
    /// Time limit of the run in seconds. A request may choose a lower one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_secs: Option<u64>,
    /// Time limit in seconds without output. A request may choose a lower one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout_secs: Option<u64>,
    /// Maximum cost of a run in US dollars. A request may choose a lower limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cost_usd: Option<Money>,
    /// Maximum number of tokens of a run, as budgets count them. A request may choose a lower limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<Tokens>,
    /// Maximum number of model calls of a run. A request may choose a lower limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_turns: Option<Amount>,
    /// The users who may use the profile, besides admins; ids in a stored profile. Empty for all users.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<ProfileUser>,
}

impl Profile {
    /// Its spend limits.
    pub fn spend_limits(&self) -> SpendLimits {
        SpendLimits { max_cost_usd: self.max_cost_usd, max_tokens: self.max_tokens, max_turns: self.max_turns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_profile_for_logs_contains_no_secret() {
        let text = r#"{"mcp_servers":[{"name":"files","command":"mcp","env":{"TOKEN":"sesame-open"}}]}"#;
        let profile: Profile = serde_json::from_str(text).unwrap();
        assert!(!format!("{profile:?}").contains("sesame") && format!("{profile:?}").contains("files"));
        assert!(serde_json::from_str::<Profile>(r#"{"model":"x","modle":"y"}"#).is_err());
    }
}
