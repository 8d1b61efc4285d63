//! Looks at agent programs: where they are, which version, whether a login is configured.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::process::probe_command::{self, ProbeError, ProbeOutput};

/// What an adapter may use to look at a program: short commands in an empty folder, the agent's environment, and its home.
#[derive(Clone, Debug)]
pub struct Prober {
    env: BTreeMap<String, String>,
    home: PathBuf,
    empty_dir: PathBuf,
}

/// How long one short command may take. `OpenCode` needs up to 2 s on an idle machine just to tell its version.
const COMMAND_LIMIT: Duration = Duration::from_secs(20);

impl Prober {
    /// A prober whose commands get exactly `env` and run in `empty_dir`, which holds nothing that a program could pick up.
    pub fn new(env: BTreeMap<String, String>, home: PathBuf, empty_dir: PathBuf) -> Self {
        Self { env, home, empty_dir }
    }

    /// A variable of the environment that the agent would get; `None` if it is unset or empty.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The agent's home folder.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Runs `binary` with `args`: no stdin, no terminal, at most 20 s, at most 256 KiB of each output.
    ///
    /// # Errors
    /// [`ProbeError`] if it could not be started or did not end in time; it is killed then, with its group.
    pub async fn run(&self, binary: &Path, args: &[&str]) -> Result<ProbeOutput, ProbeError> {
        probe_command::run(binary, args, &self.env, &self.empty_dir, COMMAND_LIMIT).await
    }

    /// The text of a file if it is there, is a file and is at most 1 MiB; for looking whether a login is stored.
    pub async fn read(&self, path: &Path) -> Option<String> {
        let meta = tokio::fs::metadata(path).await.ok()?;
        if !meta.is_file() || meta.len() > 1024 * 1024 {
            return None;
        }
        tokio::fs::read_to_string(path).await.ok()
    }
}
