//! Which versions of the agent programs the adapters were made for: the same list that the installing script reads.

use std::collections::BTreeMap;
use std::sync::LazyLock;

const LIST: &str = include_str!("../../scripts/agents.versions");

static INSTALL: LazyLock<BTreeMap<&str, String>> = LazyLock::new(|| {
    let rows = LIST.lines().filter(|line| !line.starts_with('#')).map(|line| line.split_whitespace().collect::<Vec<_>>());
    // The version is always named: npm on Node 20 silently installs an older Claude Code without it.
    rows.filter_map(|row| match row[..] {
        [agent_type, _program, package, version] => Some((agent_type, format!("npm install -g {package}@{version}"))),
        _ => None,
    })
    .collect()
});

/// The exact command that installs the program of `agent_type`; empty for one that is not in the list.
pub(super) fn install_command(agent_type: &str) -> &'static str {
    INSTALL.get(agent_type).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_agent_that_npm_has_is_in_the_list_with_its_version() {
        for (agent_type, package) in
            [("claude_code", "@anthropic-ai/claude-code@"), ("codex", "@openai/codex@"), ("opencode", "opencode-ai@")]
        {
            let command = install_command(agent_type);
            let version = command.strip_prefix(&format!("npm install -g {package}")).unwrap_or_else(|| panic!("{agent_type}: {command:?}"));
            assert!(version.split('.').count() == 3, "{command}");
        }
    }
}
