//! What adapters use to inspect an installed program.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::AsyncReadExt;

use crate::process::probe_command::{self, ProbeContext, ProbeError, ProbeOutput};
use crate::process::probe_dialog;
use crate::process::{Account, Exit};

/// Runs short commands in an empty directory with the agent's environment, and reads small files below its home directory.
#[derive(Clone, Debug)]
pub struct Prober {
    env: BTreeMap<String, String>,
    home: PathBuf,
    empty_dir: PathBuf,
    /// The account of the commands, if it is another one.
    account: Option<Account>,
}

/// Time limit of one command. `OpenCode` needs up to 2 s on an idle machine to print its version.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(20);

impl Prober {
    /// A prober whose commands get exactly `env` and run in `empty_dir`, which contains nothing that a program could load.
    pub fn new(env: BTreeMap<String, String>, home: PathBuf, empty_dir: PathBuf) -> Self {
        Self { env, home, empty_dir, account: None }
    }

    /// The same, with commands that run under `account`, in its home directory.
    #[must_use]
    pub fn under(self, account: Option<Account>) -> Self {
        Self { account, ..self }
    }

    /// Another account may not enter the server's directories.
    fn context(&self) -> ProbeContext<'_> {
        let dir = self.account.as_ref().map_or(&self.empty_dir, |account| &account.home);
        ProbeContext { env: &self.env, dir, account: self.account.as_ref() }
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
        probe_command::run(binary, args, self.context(), COMMAND_TIMEOUT).await
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
        probe_dialog::ask(binary, args, self.context(), question, COMMAND_TIMEOUT, is_answer).await
    }

    /// Runs `binary --version`. `name` is the program's name in messages.
    ///
    /// # Errors
    /// Why it failed, in the words of the system or of the program, and which interpreter is missing, if that is the reason.
    pub async fn version(&self, binary: &Path, name: &str) -> Result<ProbeOutput, String> {
        let (reason, is_missing) = match self.run(binary, &["--version"]).await {
            Ok(output) if output.exit.is_success() => return Ok(output),
            // What a shell and `env` use for a command that they cannot find or execute.
            Ok(output) => (output_reason(&output), matches!(output.exit, Exit::Code(126 | 127))),
            Err(ProbeError::Io(error)) => (format!("could not be started: {error}"), error.kind() == io::ErrorKind::NotFound),
            Err(error) => (error.to_string(), false),
        };
        let help = match interpreter(binary).await.filter(|_| is_missing) {
            Some(interpreter) => format!(
                "; its first line names the interpreter `{interpreter}`: install it, or add its directory to the PATH of the server"
            ),
            None => String::new(),
        };
        Err(format!("`{name} --version` {reason}{help}"))
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

/// The reason for a failed command: its exit, and the last line that it wrote to stderr.
fn output_reason(output: &ProbeOutput) -> String {
    match output.stderr.lines().map(str::trim).rfind(|line| !line.is_empty()) {
        Some(line) => format!("failed with {}: {line}", output.exit),
        None => format!("failed with {}", output.exit),
    }
}

/// The interpreter that the first line of a script names: a path, or the program that `env` starts. `None` if it is not a script.
async fn interpreter(binary: &Path) -> Option<String> {
    let mut start = Vec::new();
    tokio::fs::File::open(binary).await.ok()?.take(256).read_to_end(&mut start).await.ok()?;
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_whitespace();
    let first = words.next()?;
    let is_env = Path::new(first).file_name().is_some_and(|name| name == "env");
    let program = words.find(|word| is_env && !word.starts_with('-') && !word.contains('='));
    Some(program.unwrap_or(first).to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// The error of a program with this text and a search path without Node.js.
    async fn error_of(script: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("agent");
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let env = BTreeMap::from([("PATH".to_owned(), dir.path().display().to_string())]);
        let prober = Prober::new(env, dir.path().to_owned(), dir.path().to_owned());
        prober.version(&program, "agent").await.unwrap_err()
    }

    #[tokio::test]
    async fn a_missing_interpreter_is_named_with_the_reason_of_the_system() {
        let remedy = "install it, or add its directory to the PATH of the server";
        for (script, reason, interpreter) in [
            ("#!/usr/bin/env no-such-node\nx", "no-such-node", "`no-such-node`"),
            ("#!/usr/bin/env -S A=b no-such-node --flag\nx", "no-such-node", "`no-such-node`"),
            ("#!/no/such/interpreter\nx", "could not be started: No such file or directory", "`/no/such/interpreter`"),
            ("#! /no/such/interpreter -x", "could not be started: No such file or directory", "`/no/such/interpreter`"),
        ] {
            let error = error_of(script).await;
            assert!(error.starts_with("`agent --version` ") && error.contains(reason) && error.contains("No such file"), "{error}");
            assert!(error.contains(interpreter) && error.ends_with(remedy), "{error}");
        }
    }

    #[tokio::test]
    async fn other_failures_are_reported_in_the_words_of_the_program() {
        assert_eq!(
            error_of("#!/bin/sh\necho warning >&2; echo 'no license' >&2; exit 3\n").await,
            "`agent --version` failed with exit code 3: no license"
        );
        assert_eq!(error_of("#!/bin/sh\nexit 3\n").await, "`agent --version` failed with exit code 3");
    }
}
