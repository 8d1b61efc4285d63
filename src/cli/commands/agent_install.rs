//! `openrunner agent install`: runs the installation script of the repository, which is embedded in this program.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use clap::Args;

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::config::{self, Flags};
use crate::types::SessionId;

const SCRIPT: &str = include_str!("../../../scripts/install-agents.sh");
const VERSIONS: &str = include_str!("../../../scripts/agents.versions");
const PRESETS: &str = include_str!("../../../scripts/presets.versions");

/// The variable that tells the script its name for messages, and the name.
const SCRIPT_NAME: (&str, &str) = ("INSTALL_AGENTS_AS", "openrunner agent install");

/// Arguments of `agent install`.
#[derive(Debug, Args)]
pub(in crate::cli) struct InstallArgs {
    /// The agents to install.
    #[arg(value_name = "NAME", help = "Agents (default: claude_code, codex and opencode)")]
    names: Vec<String>,
    /// Directory to install into (default: where the server looks first)
    #[arg(long, value_name = "DIR", conflicts_with = "global")]
    prefix: Option<PathBuf>,
    /// Install for all users, like `npm install --global`
    #[arg(long)]
    global: bool,
}

/// Installs agent programs.
pub(in crate::cli) fn install(args: InstallArgs) -> anyhow::Result<Exit> {
    let flags = flags(&args.names)?;
    let prefix = match args.prefix {
        _ if args.global => None,
        Some(prefix) => Some(prefix),
        None => Some(config::load(Flags::default(), &|name| std::env::var_os(name))?.agents_dir),
    };
    let directory = ScriptDir::create()?;
    let mut command = Command::new("bash");
    command.arg(directory.path.join("install-agents.sh")).args(flags).env(SCRIPT_NAME.0, SCRIPT_NAME.1);
    if let Some(prefix) = prefix {
        command.arg("--prefix").arg(prefix);
    }
    let status = command.status().context("cannot start bash, which the installation script needs")?;
    Ok(if status.success() { Exit::Success } else { Exit::Failed })
}

/// The script's flags for these agents.
fn flags(names: &[String]) -> anyhow::Result<Vec<String>> {
    let (built_in, presets) = (listed(VERSIONS), listed(PRESETS));
    let flag = |name: &String| -> anyhow::Result<Vec<String>> {
        let agent = name.replace('-', "_");
        if built_in.contains(&agent.as_str()) {
            return Ok(vec![format!("--{}", agent.replace('_', "-"))]);
        }
        if presets.contains(&name.as_str()) {
            return Ok(vec!["--preset".to_owned(), name.clone()]);
        }
        let known: Vec<&str> = built_in.iter().chain(&presets).copied().collect();
        Err(CliError::usage(format!("NAME: `{name}` cannot be installed; expected {}", known.join(", "))).into())
    };
    let flags = names.iter().map(flag).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(flags.into_iter().flatten().collect())
}

/// The agents in a list of versions.
fn listed(versions: &'static str) -> Vec<&'static str> {
    versions.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_whitespace().next()).collect()
}

/// A temporary directory with the script. Dropping it deletes it.
struct ScriptDir {
    path: PathBuf,
}

impl ScriptDir {
    fn create() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("openrunner-install-{}", SessionId::new()));
        fs::DirBuilder::new().mode(0o700).create(&path).with_context(|| format!("cannot create the directory {}", path.display()))?;
        let directory = Self { path };
        for (name, text) in [("install-agents.sh", SCRIPT), ("agents.versions", VERSIONS), ("presets.versions", PRESETS)] {
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(directory.path.join(name))?;
            std::io::Write::write_all(&mut file, text.as_bytes())?;
        }
        Ok(directory)
    }
}

impl Drop for ScriptDir {
    fn drop(&mut self) {
        // The system cleans its temporary directory, so errors can be ignored.
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_named_by_agent_type() {
        let flags_of = |names: &[&str]| flags(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(flags_of(&["claude_code", "codex"]).unwrap(), ["--claude-code", "--codex"]);
        assert_eq!(flags_of(&["claude-code"]).unwrap(), ["--claude-code"]);
        assert!(flags_of(&[]).unwrap().is_empty());
        assert_eq!(flags_of(&["gemini", "codex"]).unwrap(), ["--preset", "gemini", "--codex"]);
        let error = flags_of(&["--prefix"]).unwrap_err().to_string();
        assert!(error.contains("claude_code, codex, opencode"), "{error}");
    }

    #[test]
    fn the_script_knows_every_flag_and_its_name() {
        for name in ["claude_code", "codex", "opencode"] {
            let flag = flags(&[name.to_owned()]).unwrap().remove(0);
            assert!(SCRIPT.contains(&format!("    {flag})")), "{flag}");
        }
        assert!(SCRIPT.contains("    --preset)"));
        assert!(SCRIPT.contains(&format!("${{{}:-$0}}", SCRIPT_NAME.0)));
    }
}
