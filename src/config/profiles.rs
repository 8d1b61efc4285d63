//! The tables `[profiles.NAME]`: named combinations that runs are created with.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::types::{McpServerSpec, Profile, ProfileName};

/// Profiles, one table each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct ProfilesSettings(pub BTreeMap<ProfileName, Profile>);

impl ProfilesSettings {
    /// What distinguishes each profile. The settings of MCP servers may contain secrets, so only their names are shown.
    pub(super) fn summary(&self) -> Value {
        let shown = |profile: &Profile| {
            let servers: Vec<&str> = profile.mcp_servers.iter().map(McpServerSpec::name).collect();
            let mut shown = json!(Profile { mcp_servers: Vec::new(), ..profile.clone() });
            if !servers.is_empty() {
                shown["mcp_servers"] = json!(servers);
            }
            shown
        };
        Value::Object(self.0.iter().map(|(name, profile)| (name.to_string(), shown(profile))).collect())
    }

    /// Whether a profile may contain a secret.
    pub(super) fn has_secret(&self) -> bool {
        self.0.values().flat_map(|profile| &profile.mcp_servers).any(McpServerSpec::has_secret)
    }
}
