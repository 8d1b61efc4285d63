//! The one place that runs git (rule S9).
//!
//! Git runs in a repository of the server's own, without a working directory, and with an environment of its own. Everything with which a
//! configuration could make it run another program or reach a network is switched off on the command line as well, so that this does not
//! depend on what the repository contains.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::process::Exit;
use crate::process::piped_command::{PipedCommand, PipedError, PipedOutput};

/// Maximum address space of a git process, in bytes. It maps its packs, so this is more than it uses.
const MAX_MEMORY: u64 = 2 * 1024 * 1024 * 1024;

/// Maximum length of the error that is reported, in characters.
const MAX_ERROR: usize = 1000;

/// Number of input chunks that wait for git.
const INPUT_QUEUE: usize = 4;

/// Options before the subcommand. None of them takes a path of a user.
const OPTIONS: [&str; 3] = ["--no-pager", "--no-replace-objects", "--literal-pathspecs"];

/// Settings that win over each configuration file.
const SETTINGS: [&str; 44] = [
    // Programs that git would run.
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.pager=cat",
    "core.editor=false",
    "core.askPass=false",
    "core.sshCommand=false",
    "core.gitProxy=none",
    "core.alternateRefsCommand=false",
    "diff.external=",
    "interactive.diffFilter=",
    "credential.helper=",
    "gpg.program=false",
    "gpg.ssh.program=false",
    "gpg.x509.program=false",
    "commit.gpgSign=false",
    "tag.gpgSign=false",
    "uploadpack.packObjectsHook=",
    "gc.auto=0",
    "maintenance.auto=false",
    // Each snapshot is a pack, never single files: packs are combined.
    "fastimport.unpackLimit=1",
    // Networks and other repositories.
    "protocol.allow=never",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "diff.ignoreSubmodules=all",
    "diff.submodule=short",
    // Content and names stay as they are.
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.autocrlf=false",
    "core.safecrlf=false",
    "core.ignoreCase=false",
    "core.precomposeUnicode=false",
    // Names that are special on other systems. A patch is checked by the git that applies it.
    "core.protectNTFS=false",
    "core.protectHFS=false",
    // The output that is parsed, and time and memory for it.
    "core.quotePath=true",
    "diff.noPrefix=false",
    "diff.mnemonicPrefix=false",
    "diff.orderFile=/dev/null",
    "diff.renames=true",
    "diff.renameLimit=1000",
    "diff.suppressBlankEmpty=false",
    "core.packedGitLimit=256m",
    "core.packedGitWindowSize=16m",
    "core.deltaBaseCacheLimit=64m",
    // Lost objects after a power failure are detected, and the store is made again.
    "core.fsync=none",
];

/// The environment, besides the paths of the repository.
const ENVIRONMENT: [(&str, &str); 16] = [
    ("PATH", "/usr/bin:/bin"),
    ("LC_ALL", "C"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_SYSTEM", "/dev/null"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_ATTR_NOSYSTEM", "1"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_ASKPASS", "false"),
    ("SSH_ASKPASS", "false"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    // None: this wins over the settings of single protocols.
    ("GIT_ALLOW_PROTOCOL", ""),
    ("GIT_PROTOCOL_FROM_USER", "0"),
    ("GIT_PAGER", "cat"),
    ("GIT_CEILING_DIRECTORIES", "/"),
];

/// The git program.
#[derive(Clone, Debug)]
pub struct Git {
    program: PathBuf,
}

/// What a command may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Time until it is killed.
    pub(super) time: Duration,
    /// Size of its output, in bytes.
    pub(super) output: u64,
}

/// Where a command runs, and with what.
#[derive(Clone, Copy, Debug)]
pub(super) struct GitContext<'a> {
    /// The repository of the server's own.
    pub(super) repository: &'a Path,
    /// The current directory.
    pub(super) dir: &'a Path,
    /// Further variables.
    pub(super) env: &'a [(&'static str, OsString)],
    /// Further settings, which win over the usual ones.
    pub(super) settings: &'a [&'a str],
}

/// Why git failed.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// It could not be started, or its output could not be read.
    #[error("git could not be run: {0}")]
    Io(#[from] io::Error),
    /// It did not exit in time, and was killed.
    #[error("git did not finish within {0:?}")]
    TimedOut(Duration),
    /// Its output is longer than permitted.
    #[error("the output of git is longer than {0} bytes")]
    TooLong(u64),
    /// It reported an error.
    #[error("git failed: {0}")]
    Failed(String),
    /// Its output is not understood.
    #[error("git answered with something unexpected: {0}")]
    Unexpected(&'static str),
}

impl From<PipedError> for GitError {
    fn from(error: PipedError) -> Self {
        match error {
            PipedError::Io(error) => Self::Io(error),
            PipedError::TimedOut(time) => Self::TimedOut(time),
            PipedError::TooLong(max) => Self::TooLong(max),
        }
    }
}

impl Git {
    /// Finds git in the absolute directories of `search_path`, which has the form of `PATH`. `None` if it is in none of them.
    pub fn find(search_path: &OsStr) -> Option<Self> {
        let is_program =
            |path: &PathBuf| path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0);
        std::env::split_paths(search_path)
            .filter(|directory| directory.is_absolute())
            .map(|directory| directory.join("git"))
            .find(is_program)
            .map(|program| Self { program })
    }

    /// The program at this path.
    #[cfg(test)]
    pub(super) fn at(program: PathBuf) -> Self {
        Self { program }
    }

    /// Runs a command in the repository, without input, and returns its output. Dropping the future kills git and its children.
    ///
    /// # Errors
    /// [`GitError`]. Git and its children are dead then.
    pub(super) async fn run<S: AsRef<OsStr>>(&self, repository: &Path, args: &[S], bounds: Bounds) -> Result<Vec<u8>, GitError> {
        self.run_with(repository, args, bounds, None).await
    }

    /// Like [`run`](Self::run), with the input that is received. If the channel is closed before git has the input that it needs, git
    /// fails.
    ///
    /// # Errors
    /// Those of [`run`](Self::run).
    pub(super) async fn run_with<S: AsRef<OsStr>>(
        &self,
        repository: &Path,
        args: &[S],
        bounds: Bounds,
        input: Option<mpsc::Receiver<Bytes>>,
    ) -> Result<Vec<u8>, GitError> {
        self.run_in(&GitContext { repository, dir: repository, env: &[], settings: &[] }, args, bounds, input).await
    }

    /// Like [`run_with`](Self::run_with), with a directory, variables and settings besides the usual ones.
    ///
    /// # Errors
    /// Those of [`run`](Self::run).
    pub(super) async fn run_in<S: AsRef<OsStr>>(
        &self,
        context: &GitContext<'_>,
        args: &[S],
        bounds: Bounds,
        input: Option<mpsc::Receiver<Bytes>>,
    ) -> Result<Vec<u8>, GitError> {
        let GitContext { repository, dir, env: more_env, settings } = *context;
        let settings = SETTINGS.into_iter().chain(settings.iter().copied()).flat_map(|setting| ["-c", setting]);
        let options = OPTIONS.into_iter().chain(settings).map(OsString::from);
        let args: Vec<OsString> = options.chain(args.iter().map(|arg| arg.as_ref().to_owned())).collect();
        let mut env: Vec<(&str, OsString)> = ENVIRONMENT.into_iter().map(|(name, value)| (name, value.into())).collect();
        // The repository explicitly, so nothing is searched and no owner is compared: the account of the server owns it.
        env.extend(["HOME", "TMPDIR", "GIT_DIR"].map(|name| (name, repository.into())));
        env.extend(more_env.iter().cloned());
        let Bounds { time, output } = bounds;
        let command = PipedCommand { program: &self.program, args: &args, env: &env, dir, time, output, memory: MAX_MEMORY };
        let PipedOutput { exit, stdout, stderr } = command.run(input).await?;
        if exit == Exit::Code(0) { Ok(stdout) } else { Err(GitError::Failed(stderr.trim().chars().take(MAX_ERROR).collect())) }
    }
}

/// A channel for the input of a command.
pub(super) fn input() -> (mpsc::Sender<Bytes>, mpsc::Receiver<Bytes>) {
    mpsc::channel(INPUT_QUEUE)
}
