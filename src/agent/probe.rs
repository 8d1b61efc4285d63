//! What adapters use to inspect an installed program.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::isolation::{IsolationPolicy, PlacedProbe, ProbePlace};
use super::project_files::read_regular;
use crate::process::launch::Launcher;
use crate::process::probe_command::{self, ProbeContext, ProbeError, ProbeOutput, ProbeStart};
use crate::process::probe_dialog::{self, Reply};
use crate::process::{Account, Exit};

/// Runs short commands in an empty directory with the agent's environment, and reads small files below its home directory.
///
/// The commands are isolated as runs are by default, up to level `guard`: an agent may be able to replace the program that is run, and
/// nothing that it leaves in their directories remains.
#[derive(Clone, Debug)]
pub struct Prober {
    env: BTreeMap<String, String>,
    home: PathBuf,
    empty_dir: PathBuf,
    isolation: Option<Isolation>,
}

/// What isolates the commands.
#[derive(Clone, Debug)]
struct Isolation {
    policy: Arc<IsolationPolicy>,
    launcher: Launcher,
    /// Files that the program's command line names.
    files: Vec<PathBuf>,
}

/// Time limit of one command. `OpenCode` needs up to 2 s on an idle machine to print its version.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(20);
/// Maximum size of a file that is read, in bytes.
const MAX_FILE: u64 = 1024 * 1024;
/// What helps if an interpreter is missing.
const REMEDY: &str = "install it, or add its directory to the PATH of the server";
/// `ENOENT`.
const NOT_FOUND: i32 = 2;

impl Prober {
    /// A prober whose commands get exactly `env` and run in `empty_dir`, which contains nothing that a program could load.
    pub fn new(env: BTreeMap<String, String>, home: PathBuf, empty_dir: PathBuf) -> Self {
        Self { env, home, empty_dir, isolation: None }
    }

    /// The same, with commands that are isolated by `policy` and run under its account. They can read `files`, which the program's command
    /// line names.
    #[must_use]
    pub fn isolated(self, policy: Arc<IsolationPolicy>, launcher: Launcher, files: Vec<PathBuf>) -> Self {
        Self { isolation: Some(Isolation { policy, launcher, files }), ..self }
    }

    /// Prepares the start of `binary`.
    fn prepare<'a>(&'a self, binary: &Path) -> io::Result<Prepared<'a>> {
        let Some(Isolation { policy, launcher, files }) = &self.isolation else {
            return Ok(Prepared::open(&self.env, &self.empty_dir, None));
        };
        let account = policy.inspecting_account();
        // Another account may not enter the server's directories.
        let dir = account.map_or(&self.empty_dir, |account| &account.home);
        let place = ProbePlace { home: &self.home, program: binary, files, base: &self.empty_dir };
        Ok(match policy.place_probe(place)? {
            None => Prepared::open(&self.env, dir, account),
            Some(placed) => {
                let mut env = self.env.clone();
                env.insert("TMPDIR".to_owned(), placed.temp_dir.to_string_lossy().into_owned());
                Prepared { env: Cow::Owned(env), start: Start::Contained(launcher, Box::new(placed)) }
            }
        })
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
        let prepared = self.prepare(binary)?;
        probe_command::run(binary, args, prepared.context(), COMMAND_TIMEOUT).await
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
        let prepared = self.prepare(binary)?;
        probe_dialog::ask(binary, args, prepared.context(), question, COMMAND_TIMEOUT, is_answer).await
    }

    /// As [`Prober::converse`], but the program is also sent what `reply` returns for a line, until that ends the dialog.
    ///
    /// # Errors
    /// [`ProbeError`] if it could not be started, or if the dialog did not end in time or at all.
    pub async fn hold_dialog(&self, binary: &Path, args: &[&str], first: &str, reply: impl FnMut(&str) -> Reply) -> Result<(), ProbeError> {
        let prepared = self.prepare(binary)?;
        probe_dialog::hold(binary, args, prepared.context(), first, COMMAND_TIMEOUT, reply).await.map(|_last_line| ())
    }

    /// The same, with commands that also get these variables.
    #[must_use]
    pub fn with_env(mut self, env: impl IntoIterator<Item = (String, String)>) -> Self {
        self.env.extend(env);
        self
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
            Err(error) => (error.to_string(), is_not_found(&error)),
        };
        let help = match interpreter(binary).await.filter(|_| is_missing) {
            Some(Interpreter { name, .. }) => format!("; its first line names the interpreter `{name}`: {REMEDY}"),
            None => String::new(),
        };
        Err(format!("`{name} --version` {reason}{help}"))
    }

    /// Why `binary` cannot be started, if its first line names an interpreter that does not exist. Starts nothing: for programs of which it is
    /// not known what they do without a task.
    pub async fn missing_interpreter(&self, binary: &Path) -> Option<String> {
        let Interpreter { name, .. } = interpreter(binary).await.filter(|found| found.is_certain)?;
        let path = Path::new(&name);
        let candidates: Vec<PathBuf> = if path.is_absolute() {
            vec![path.to_owned()]
        } else if name.contains('/') {
            return None;
        } else {
            std::env::split_paths(self.var("PATH")?).map(|dir| dir.join(path)).collect()
        };
        // A directory that the server cannot read may contain it.
        let is_missing = candidates.iter().all(|candidate| matches!(candidate.try_exists(), Ok(false)));
        let reason = io::Error::from_raw_os_error(NOT_FOUND);
        is_missing.then(|| format!("it could not be started: {reason}; its first line names the interpreter `{name}`: {REMEDY}"))
    }

    /// The text of a regular file of at most 1 MiB, such as a credentials file. `None` if there is none.
    pub async fn read(&self, path: &Path) -> Option<String> {
        let bytes = head(path, MAX_FILE + 1).await?;
        String::from_utf8(bytes).ok().filter(|text| text.len() as u64 <= MAX_FILE)
    }
}

/// Where and how one command is started.
struct Prepared<'a> {
    env: Cow<'a, BTreeMap<String, String>>,
    start: Start<'a>,
}

enum Start<'a> {
    /// In a directory, under another account if there is one.
    Open(&'a Path, Option<&'a Account>),
    Contained(&'a Launcher, Box<PlacedProbe>),
}

impl<'a> Prepared<'a> {
    fn open(env: &'a BTreeMap<String, String>, dir: &'a Path, account: Option<&'a Account>) -> Self {
        Self { env: Cow::Borrowed(env), start: Start::Open(dir, account) }
    }

    fn context(&self) -> ProbeContext<'_> {
        let (dir, start) = match &self.start {
            Start::Open(dir, account) => (*dir, ProbeStart::Direct(*account)),
            Start::Contained(launcher, placed) => (placed.working_dir.as_path(), ProbeStart::Contained(launcher, &placed.containment)),
        };
        ProbeContext { env: &self.env, dir, start }
    }
}

/// Whether a program, or the interpreter that its first line names, does not exist.
fn is_not_found(error: &ProbeError) -> bool {
    match error {
        ProbeError::Io(error) => error.kind() == io::ErrorKind::NotFound,
        // Across the process that has tried it, only the words remain.
        ProbeError::NotStarted(reason) => *reason == io::Error::from_raw_os_error(NOT_FOUND).to_string(),
        ProbeError::TimedOut(_) => false,
    }
}

/// The reason for a failed command: its exit, and the last line that it wrote to stderr.
fn output_reason(output: &ProbeOutput) -> String {
    match output.stderr.lines().map(str::trim).rfind(|line| !line.is_empty()) {
        Some(line) => format!("failed with {}: {line}", output.exit),
        None => format!("failed with {}", output.exit),
    }
}

/// The first `max` bytes of a regular file. An agent may have put anything in its place, such as a pipe, which would never be read to its end.
async fn head(path: &Path, max: u64) -> Option<Vec<u8>> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || read_regular(&path, max)).await.ok()?.ok()
}

/// What the first line of a script names.
struct Interpreter {
    /// A path, or the program that `env` starts.
    name: String,
    /// Whether it is what the system starts: `false` if `env` gets options that may change that.
    is_certain: bool,
}

/// The interpreter of a script. `None` if it is not a script.
async fn interpreter(binary: &Path) -> Option<Interpreter> {
    let start = head(binary, 256).await?;
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_whitespace();
    let first = words.next()?;
    let is_env = Path::new(first).file_name().is_some_and(|name| name == "env");
    if !is_env {
        return Some(Interpreter { name: first.to_owned(), is_certain: first.starts_with('/') });
    }
    let mut is_certain = true;
    let program = words.find(|word| {
        let is_option = word.starts_with('-');
        let is_variable = word.contains('=');
        is_certain &= (!is_option || *word == "-S") && !word.starts_with("PATH=") && !word.contains(['\'', '"', '$', '\\']);
        !is_option && !is_variable
    });
    Some(Interpreter { name: program.unwrap_or(first).to_owned(), is_certain })
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
    async fn an_interpreter_is_missed_without_starting_the_program_only_if_it_certainly_does_not_exist() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().display().to_string();
        let here = dir.path().join("here");
        std::fs::write(&here, "").unwrap();
        let missing = async |first_line: &str, path: Option<&str>| {
            let program = dir.path().join("agent");
            std::fs::write(&program, format!("{first_line}\nx")).unwrap();
            let env = path.map(|path| ("PATH".to_owned(), path.to_owned())).into_iter().collect();
            Prober::new(env, dir.path().to_owned(), dir.path().to_owned()).missing_interpreter(&program).await
        };
        for (first_line, name) in [
            ("#!/usr/bin/env no-such-node", "`no-such-node`"),
            ("#!/usr/bin/env -S A=b no-such-node --flag", "`no-such-node`"),
            ("#!/no/such/interpreter -x", "`/no/such/interpreter`"),
        ] {
            let error = missing(first_line, Some(&path)).await.expect(first_line);
            assert!(error.contains("No such file or directory") && error.contains(name) && error.ends_with(REMEDY), "{error}");
        }
        let here = format!("#!{}", here.display());
        for first_line in [
            "#!/usr/bin/env here",
            &here,
            "#!/usr/bin/env -u here no-such-node",
            "#!/usr/bin/env -S PATH=/opt/bin no-such-node",
            "#!/usr/bin/env -S 'no such node'",
            "#!no-such-node",
            "\u{7f}ELF",
            "",
        ] {
            assert_eq!(missing(first_line, Some(&path)).await, None, "{first_line}");
        }
        assert_eq!(missing("#!/usr/bin/env no-such-node", None).await, None, "where it would be searched for is not known");
    }

    #[tokio::test]
    async fn a_pipe_or_a_large_file_in_the_place_of_a_login_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let prober = Prober::new(BTreeMap::new(), dir.path().to_owned(), dir.path().to_owned());
        let (pipe, file) = (dir.path().join("pipe"), dir.path().join("file"));
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        assert_eq!(prober.read(&pipe).await, None);
        assert!(interpreter(&pipe).await.is_none());
        for (size, is_read) in [(MAX_FILE, true), (MAX_FILE + 1, false)] {
            std::fs::write(&file, vec![b'x'; usize::try_from(size).unwrap()]).unwrap();
            assert_eq!(prober.read(&file).await.is_some(), is_read, "{size}");
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
