//! The versions of the agent programs that the adapters are tested with, from the lists that the installation script reads.

use std::collections::BTreeMap;
use std::sync::LazyLock;

const LIST: &str = include_str!("../../scripts/agents.versions");
const PRESETS: &str = include_str!("../../scripts/presets.versions");

static INSTALL: LazyLock<BTreeMap<&str, String>> = LazyLock::new(|| {
    // Always with the version: without it, npm on Node 20 silently installs an older Claude Code.
    let built_in = rows(LIST).filter_map(|row| match row[..] {
        [agent_type, _program, package, version] => Some((agent_type, format!("npm install -g {package}@{version}"))),
        _ => None,
    });
    let presets = rows(PRESETS).filter_map(|row| match row[..] {
        [agent_type, _program, "npm", packages] => Some((agent_type, format!("npm install -g {}", packages.replace(',', " ")))),
        [agent_type, _program, "pip", packages] => {
            let quoted: Vec<String> = packages.split(';').map(|package| format!("'{package}'")).collect();
            Some((agent_type, format!("pip install {}", quoted.join(" "))))
        }
        _ => None,
    });
    built_in.chain(presets).collect()
});

fn rows(list: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    list.lines().filter(|line| !line.starts_with('#')).map(|line| line.split_whitespace().collect())
}

/// The exact command that installs the program of `agent_type`; empty if it is not in the list.
pub(super) fn install_command(agent_type: &str) -> &'static str {
    INSTALL.get(agent_type).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_installed_with_pinned_versions() {
        assert_eq!(install_command("gemini"), "npm install -g @google/gemini-cli@0.61.0");
        assert_eq!(install_command("pi"), "npm install -g pi-acp@0.0.34 @earendil-works/pi-coding-agent@1.6.0");
        assert_eq!(install_command("hermes"), "pip install 'hermes-agent[acp]==0.19.0' 'agent-client-protocol>=0.9,<0.10'");
        assert_eq!(install_command("goose"), "", "in no registry");
    }

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
