//! What adapters use to inspect an installed program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::process::probe_command::{self, ProbeError, ProbeOutput};
use crate::process::probe_dialog;

/// Runs short commands in an empty directory with the agent's environment, and reads small files below its home directory.
#[derive(Clone, Debug)]
pub struct Prober {
    env: BTreeMap<String, String>,
    home: PathBuf,
    empty_dir: PathBuf,
}

/// Time limit of one command. `OpenCode` needs up to 2 s on an idle machine to print its version.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(20);

impl Prober {
    /// A prober whose commands get exactly `env` and run in `empty_dir`, which contains nothing that a program could load.
    pub fn new(env: BTreeMap<String, String>, home: PathBuf, empty_dir: PathBuf) -> Self {
        Self { env, home, empty_dir }
    }

    /// A variable of the agent's environment; `None` if it is unset or empty.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The agent's home directory.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Runs `binary` with `args`: without stdin and terminal, for at most 20 s, with at most 256 KiB of each output.
    ///
    /// # Errors
    /// [`ProbeError`] if it could not be started or did not end in time. In the latter case its process group is killed.
    pub async fn run(&self, binary: &Path, args: &[&str]) -> Result<ProbeOutput, ProbeError> {
        probe_command::run(binary, args, &self.env, &self.empty_dir, COMMAND_TIMEOUT).await
    }

    /// Runs `binary` with `args`, writes the line `question` to its stdin, and returns the first line of its output for which `is_answer` holds.
    /// The program is killed then. As [`Prober::run`] otherwise.
    ///
    /// # Errors
    /// [`ProbeError`] if it could not be started, or if no such line arrived in time or at all.
    pub async fn converse(
        &self,
        binary: &Path,
        args: &[&str],
        question: &str,
        is_answer: impl Fn(&str) -> bool,
    ) -> Result<String, ProbeError> {
        probe_dialog::ask(binary, args, &self.env, &self.empty_dir, question, COMMAND_TIMEOUT, is_answer).await
    }

    /// The text of a regular file of at most 1 MiB, such as a credentials file. `None` if there is none.
    pub async fn read(&self, path: &Path) -> Option<String> {
        let meta = tokio::fs::metadata(path).await.ok()?;
        if !meta.is_file() || meta.len() > 1024 * 1024 {
            return None;
        }
        tokio::fs::read_to_string(path).await.ok()
    }
}
