//! `openrunner agents install`: the same script and the same list of versions as in the repository, carried in this program.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;

use super::exit::{Exit, Stop};
use crate::config::{self, Flags};
use crate::types::SessionId;

const SCRIPT: &str = include_str!("../../scripts/install-agents.sh");
const VERSIONS: &str = include_str!("../../scripts/agents.versions");

/// How the script is to call itself in what it says.
const CALLED: (&str, &str) = ("INSTALL_AGENTS_AS", "openrunner agents install");

/// Carries out `openrunner agents install`.
pub(super) fn install(names: &[String], prefix: Option<PathBuf>, global: bool) -> anyhow::Result<Exit> {
    let flags = flags(names)?;
    let prefix = match prefix {
        _ if global => None,
        Some(prefix) => Some(prefix),
        None => Some(config::load(Flags::default(), &|name| std::env::var_os(name))?.agents_dir),
    };
    let place = Place::new()?;
    let mut command = Command::new("bash");
    command.arg(place.folder.join("install-agents.sh")).args(flags).env(CALLED.0, CALLED.1);
    if let Some(prefix) = prefix {
        command.arg("--prefix").arg(prefix);
    }
    let status = command.status().context("cannot start bash, which the installing script needs")?;
    Ok(if status.success() { Exit::Done } else { Exit::Failed })
}

/// The script's flags for these agents.
fn flags(names: &[String]) -> anyhow::Result<Vec<String>> {
    let known: Vec<&str> =
        VERSIONS.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_whitespace().next()).collect();
    let flag = |name: &String| {
        let agent = name.replace('-', "_");
        if known.contains(&agent.as_str()) {
            return Ok(format!("--{}", agent.replace('_', "-")));
        }
        Err(Stop::usage(format!("`{name}` is no agent that can be installed; there are {}", known.join(", "))).into())
    };
    names.iter().map(flag).collect()
}

/// A folder of our own with the script in it. Dropping it removes it.
struct Place {
    folder: PathBuf,
}

impl Place {
    fn new() -> anyhow::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let folder = std::env::temp_dir().join(format!("openrunner-install-{}", SessionId::new()));
        fs::DirBuilder::new().mode(0o700).create(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let place = Self { folder };
        for (name, text) in [("install-agents.sh", SCRIPT), ("agents.versions", VERSIONS)] {
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(place.folder.join(name))?;
            std::io::Write::write_all(&mut file, text.as_bytes())?;
        }
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed lies in the temporary folder, which the system empties.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_named_as_everywhere_else() {
        let names = |names: &[&str]| flags(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(names(&["claude_code", "codex"]).unwrap(), ["--claude-code", "--codex"]);
        assert_eq!(names(&["claude-code"]).unwrap(), ["--claude-code"]);
        assert!(names(&[]).unwrap().is_empty());
        let error = names(&["--prefix"]).unwrap_err().to_string();
        assert!(error.contains("claude_code, codex, opencode"), "{error}");
    }

    #[test]
    fn the_script_knows_every_flag_that_it_is_given_and_how_it_is_called() {
        for name in ["claude_code", "codex", "opencode"] {
            let flag = flags(&[name.to_owned()]).unwrap().remove(0);
            assert!(SCRIPT.contains(&format!("    {flag})")), "{flag}");
        }
        assert!(SCRIPT.contains(&format!("${{{}:-$0}}", CALLED.0)));
    }
}
