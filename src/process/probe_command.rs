//! Probe commands: short invocations of a program, such as `--version`.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use super::launch::{self, Launcher};
use super::{Account, Containment, Exit};

/// Maximum size of each output, in bytes.
const OUTPUT_CAP: u64 = 256 * 1024;

/// Result of a probe command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeOutput {
    /// Exit status.
    pub exit: Exit,
    /// Standard output, at most 256 KiB.
    pub stdout: String,
    /// Standard error, at most 256 KiB.
    pub stderr: String,
}

/// Why a probe command failed.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// It could not be started, or its output could not be read.
    #[error("could not be started: {0}")]
    Io(#[from] io::Error),
    /// It could not be executed in its containment, for this reason.
    #[error("could not be started: {0}")]
    NotStarted(String),
    /// It did not exit in time.
    #[error("did not exit within {0:?}")]
    TimedOut(Duration),
}

/// What a probe command is started with.
#[derive(Clone, Copy, Debug)]
pub struct ProbeContext<'a> {
    /// Its complete environment.
    pub env: &'a BTreeMap<String, String>,
    /// Its working directory.
    pub dir: &'a Path,
    /// How it is started.
    pub start: ProbeStart<'a>,
}

/// How a probe command is started.
#[derive(Clone, Copy, Debug)]
pub enum ProbeStart<'a> {
    /// Directly, under another account if there is one.
    Direct(Option<&'a Account>),
    /// By the launcher, in a containment, which also names the account.
    Contained(&'a Launcher, &'a Containment),
}

impl ProbeContext<'_> {
    /// The command that becomes `program`, without its pipes. It leads a process group of its own, from its start or soon after.
    ///
    /// # Errors
    /// If the containment contains a path that is not UTF-8.
    pub(super) fn command(&self, program: &Path, args: &[&str]) -> io::Result<Command> {
        let mut command = match self.start {
            ProbeStart::Direct(account) => {
                let mut command = std::process::Command::new(program);
                command.args(args).process_group(0);
                if let Some(account) = account {
                    account.apply(&mut command);
                }
                command
            }
            // The launcher starts a session, which it cannot do as the leader of a group.
            ProbeStart::Contained(launcher, containment) => launcher.command(containment, program, args)?,
        };
        command.env_clear().envs(self.env).current_dir(self.dir);
        Ok(command.into())
    }

    /// Why the launcher or bubblewrap could not start the program, if that is what the exit and the first line of stderr mean.
    fn refusal(&self, output: &ProbeOutput) -> Option<String> {
        let ProbeStart::Contained(..) = self.start else { return None };
        let line = output.stderr.lines().find(|line| !line.trim().is_empty()).filter(|_| output.stdout.is_empty())?;
        match output.exit {
            Exit::Code(launch::NOT_STARTED) => line.strip_prefix(launch::ERROR_PREFIX)?.strip_prefix(": ").map(str::to_owned),
            Exit::Code(1) => line.strip_prefix(launch::PREFIX_ERROR).map(|reason| format!("isolation: {reason}")),
            _ => None,
        }
    }
}

/// Runs `program` in `context`, without stdin, and waits for its exit. Dropping the future kills the whole process group.
///
/// # Errors
/// [`ProbeError`]. After [`ProbeError::TimedOut`] the whole process group has been killed.
pub async fn run(program: &Path, args: &[&str], context: ProbeContext<'_>, limit: Duration) -> Result<ProbeOutput, ProbeError> {
    let mut child =
        context.command(program, args)?.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn()?;
    // Declared after the child, so that the group is killed before the leader is reaped.
    let mut group = GroupGuard::of(&child);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let answer = async {
        let (stdout, stderr) = tokio::join!(head(stdout), head(stderr));
        let status = child.wait().await?;
        group.disarm();
        let output = ProbeOutput { exit: status.into(), stdout: stdout?, stderr: stderr? };
        match context.refusal(&output) {
            Some(reason) => Err(ProbeError::NotStarted(reason)),
            None => Ok(output),
        }
    };
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer,
        Err(_elapsed) => Err(ProbeError::TimedOut(limit)),
    }
}

/// Kills a process group on drop. Its leader must not have been reaped: only then does its pid still identify the group.
pub(super) struct GroupGuard(Option<Pid>);

impl GroupGuard {
    /// The group that a child leads.
    pub(super) fn of(leader: &Child) -> Self {
        Self(leader.id().and_then(|pid| Pid::from_raw(pid.cast_signed())))
    }

    /// The leader; `None` if it has exited.
    pub(super) fn leader(&self) -> Option<Pid> {
        self.0
    }

    /// Leaves the group alone from now on: its leader was reaped.
    pub(super) fn disarm(&mut self) {
        self.0 = None;
    }
}

impl Drop for GroupGuard {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Reads to the end and returns the first part as text.
pub(super) async fn head(source: Option<impl AsyncRead + Unpin>) -> io::Result<String> {
    let Some(mut source) = source else { return Ok(String::new()) };
    let mut kept = Vec::new();
    (&mut source).take(OUTPUT_CAP).read_to_end(&mut kept).await?;
    tokio::io::copy(&mut source, &mut tokio::io::sink()).await?;
    Ok(String::from_utf8_lossy(&kept).into_owned())
}
