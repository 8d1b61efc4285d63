//! The parts of a run that may be secret.

use std::collections::BTreeMap;

use crate::redact::mcp_values;
use crate::types::McpServer;

/// Values that a run passes to its agent and that are neither stored in readable form nor shown.
#[derive(Clone, Default)]
pub(super) struct RunSecrets {
    pub(super) env: BTreeMap<String, String>,
    pub(super) mcp_servers: Vec<McpServer>,
}

impl RunSecrets {
    /// The values to mask: environment variables, and the environments, headers and URLs of MCP servers (URLs can contain tokens).
    pub(super) fn values(&self) -> impl Iterator<Item = &str> {
        self.env.values().map(String::as_str).chain(mcp_values(&self.mcp_servers))
    }

    /// Whether the run has no secrets.
    pub(super) fn is_empty(&self) -> bool {
        self.env.is_empty() && self.mcp_servers.is_empty()
    }

    /// The values in the form in which the agent's shim keeps them in memory, so that a later server can mask them in the agent's output.
    /// Empty if there are none.
    pub(super) fn to_memo(&self) -> String {
        if self.is_empty() {
            return String::new();
        }
        // Serializing a list of strings cannot fail.
        serde_json::to_string(&self.values().collect::<Vec<_>>()).unwrap_or_default()
    }

    /// The values in a memo; `None` if it is invalid.
    pub(super) fn values_from_memo(memo: &str) -> Option<Vec<String>> {
        if memo.is_empty() { Some(Vec::new()) } else { serde_json::from_str(memo).ok() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::McpTransport;

    #[test]
    fn all_values_are_masked_also_after_a_restart() {
        let stdio = McpTransport::Stdio { command: "mcp".into(), args: vec![], env: [("A".into(), "one".into())].into() };
        let http = McpTransport::Http { url: "http://x/?t=two".into(), headers: [("Authorization".into(), "Bearer three".into())].into() };
        let mcp_servers = [stdio, http].map(|transport| McpServer { name: "s".into(), transport }).into();
        let secrets = RunSecrets { env: [("B".into(), "four".into())].into(), mcp_servers };
        let values = ["four", "one", "Bearer three", "three", "http://x/?t=two"];
        assert_eq!(secrets.values().collect::<Vec<_>>(), values);
        assert_eq!(RunSecrets::values_from_memo(&secrets.to_memo()).unwrap(), values);
        assert_eq!(RunSecrets::default().to_memo(), "");
        assert_eq!((RunSecrets::values_from_memo(""), RunSecrets::values_from_memo("noise")), (Some(vec![]), None));
    }
}
