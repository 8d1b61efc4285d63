//! The versions of the agent programs that the adapters are tested with, from the list that the installation script reads.

use std::collections::BTreeMap;
use std::sync::LazyLock;

const LIST: &str = include_str!("../../scripts/agents.versions");

static INSTALL: LazyLock<BTreeMap<&str, String>> = LazyLock::new(|| {
    let rows = LIST.lines().filter(|line| !line.starts_with('#')).map(|line| line.split_whitespace().collect::<Vec<_>>());
    // Always with the version: without it, npm on Node 20 silently installs an older Claude Code.
    rows.filter_map(|row| match row[..] {
        [agent_type, _program, package, version] => Some((agent_type, format!("npm install -g {package}@{version}"))),
        _ => None,
    })
    .collect()
});

/// The exact command that installs the program of `agent_type`; empty if it is not in the list.
pub(super) fn install_command(agent_type: &str) -> &'static str {
    INSTALL.get(agent_type).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_npm_agent_is_listed_with_its_version() {
        for (agent_type, package) in
            [("claude_code", "@anthropic-ai/claude-code@"), ("codex", "@openai/codex@"), ("opencode", "opencode-ai@")]
        {
            let command = install_command(agent_type);
            let version = command.strip_prefix(&format!("npm install -g {package}")).unwrap_or_else(|| panic!("{agent_type}: {command:?}"));
            assert!(version.split('.').count() == 3, "{command}");
        }
    }
}
