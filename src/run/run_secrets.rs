//! Which of the things that a run gives its agent may be secrets.

use super::driver::RunSecrets;
use crate::redact::mcp_values;

impl RunSecrets {
    /// Values that may be secrets: of variables, of MCP servers' variables and headers, and of their addresses, which can hold tokens.
    pub(super) fn values(&self) -> impl Iterator<Item = &str> {
        self.env.values().map(String::as_str).chain(mcp_values(&self.mcp_servers))
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.env.is_empty() && self.mcp_servers.is_empty()
    }

    /// What a later server has to know in order to mask what the agent prints: the values, for the memory of the agent's shim. Empty
    /// if there is nothing private.
    pub(super) fn memo(&self) -> String {
        if self.is_empty() {
            return String::new();
        }
        // A list of texts can always be said in JSON.
        serde_json::to_string(&self.values().collect::<Vec<_>>()).unwrap_or_default()
    }

    /// The values that a memo holds; `None` if it is none.
    pub(super) fn remembered(memo: &str) -> Option<Vec<String>> {
        if memo.is_empty() { Some(Vec::new()) } else { serde_json::from_str(memo).ok() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{McpServer, McpTransport};

    #[test]
    fn every_value_that_a_run_gives_its_agent_may_be_a_secret() {
        let stdio = McpTransport::Stdio { command: "mcp".into(), args: vec![], env: [("A".into(), "one".into())].into() };
        let http = McpTransport::Http { url: "http://x/?t=two".into(), headers: [("Authorization".into(), "Bearer three".into())].into() };
        let mcp_servers = [stdio, http].map(|transport| McpServer { name: "s".into(), transport }).into();
        let private = RunSecrets { env: [("B".into(), "four".into())].into(), mcp_servers };
        let values = ["four", "one", "Bearer three", "three", "http://x/?t=two"];
        assert_eq!(private.values().collect::<Vec<_>>(), values);
        assert_eq!(RunSecrets::remembered(&private.memo()).unwrap(), values, "a later server knows the same");
        assert_eq!(RunSecrets::default().memo(), "");
        assert_eq!((RunSecrets::remembered(""), RunSecrets::remembered("noise")), (Some(vec![]), None));
    }
}
