//! The launcher: a process of this program that prepares itself and then becomes the agent.
//!
//! A new session, a parent-death signal and a clean set of descriptors can only be set up inside the new process, and a closure between
//! fork and exec is unsafe in a multithreaded program. So this program starts itself (`openrunner launch …`), does the setup in
//! single-threaded code, and executes the agent: same pid, same pipes, no process in between. Control group and limits are applied there as
//! well, so they hold from the agent's first instruction. An isolated agent is executed by a [command prefix](super::CommandPrefix).

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::Mode;

use super::isolation::{self, ENTER_SUBCOMMAND, FORWARD_SUBCOMMAND};
use super::process_dir::ProcessDir;
use super::{Containment, Descriptors};

/// The hidden subcommand that runs the launcher.
pub const SUBCOMMAND: &str = "launch";

/// The hidden subcommand that continues a launcher under the account of the agent.
const SECOND_SUBCOMMAND: &str = "launch-as";

/// The hidden subcommand that runs a shim.
pub const SHIM_SUBCOMMAND: &str = "shim";

/// Exit code of a launcher that could not execute the agent. Shells use the same for a missing command.
pub const NOT_STARTED: i32 = 127;

/// Prefix of the launcher's error message on stderr.
pub const ERROR_PREFIX: &str = "openrunner: the agent could not be started";

/// What follows the prefix if the agent could not be isolated.
pub const ISOLATION_ERROR: &str = ": isolation: ";

/// Prefix of the error messages of bubblewrap on stderr.
pub const PREFIX_ERROR: &str = "bwrap: ";

/// Starts this program as a launcher or a shim.
#[derive(Clone, Debug)]
pub struct Launcher {
    program: PathBuf,
    umask: Mode,
    descriptors: Option<Descriptors>,
}

impl Launcher {
    /// A launcher that gives agents `umask`, the file mode mask with which the server was started.
    ///
    /// # Errors
    /// If the path of this program is unknown (only without `/proc`).
    pub fn new(umask: Mode) -> io::Result<Self> {
        // The link and not its target: an upgrade may have replaced the file since this process was started.
        let link = Path::new("/proc/self/exe");
        let program = if cfg!(target_os = "linux") { link.to_owned() } else { std::env::current_exe()? };
        Ok(Self { program, umask, descriptors: None })
    }

    /// Gives agents the limit on open descriptors with which the server was started.
    #[must_use]
    pub fn with_descriptors(self, descriptors: Descriptors) -> Self {
        Self { descriptors: Some(descriptors), ..self }
    }

    /// The command that becomes `program` with `args`, in `containment`. The caller adds environment, directory and pipes.
    ///
    /// # Errors
    /// If the containment contains a path that is not UTF-8.
    pub(super) fn command(
        &self,
        containment: &Containment,
        program: &Path,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> io::Result<Command> {
        let mut command = Command::new(&self.program);
        command.arg0("openrunner").arg(SUBCOMMAND).arg(self.umask.bits().to_string()).arg(std::process::id().to_string());
        command.arg(serde_json::to_string(containment)?).arg(program).args(args);
        Ok(command)
    }

    /// The command that becomes the shim with this process directory.
    pub(super) fn shim(&self, dir: &ProcessDir) -> Command {
        let mut command = Command::new(&self.program);
        command.arg0("openrunner").arg(SHIM_SUBCOMMAND).arg(dir.path());
        command
    }

    /// Restores limits that only the server needs to raise, in a shim that was just started. Its agent inherits them.
    pub(super) fn restore_limits(&self, shim: u32) {
        if let Some(descriptors) = self.descriptors {
            descriptors.restore_in(shim);
        }
    }

    /// The file mode mask of agents.
    pub(super) fn umask(&self) -> u32 {
        self.umask.bits()
    }
}

/// Becomes the agent, or a step on the way to it, if this process was started as a launcher. Returns only on error or when its step is
/// done, or `None` in every other process.
///
/// Must be called first: before any thread is started or any file is opened.
pub fn become_agent_if_asked(mut args: impl Iterator<Item = OsString>) -> Option<io::Result<()>> {
    args.next();
    let subcommand = args.next()?;
    let result = if subcommand == SUBCOMMAND {
        become_agent(Step::First, args)
    } else if subcommand == SECOND_SUBCOMMAND {
        become_agent(Step::Second, args)
    } else if subcommand == ENTER_SUBCOMMAND {
        isolation::enter(args)
    } else if subcommand == FORWARD_SUBCOMMAND {
        return Some(isolation::forward_step(args));
    } else {
        return None;
    };
    Some(Err(result.unwrap_or_else(|error| error)))
}

/// Which process this is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// A new one.
    First,
    /// The same one, under the account of the agent, in the session of the first step. (The session cannot be asked for: its id is 0
    /// if the leader is outside of the pid namespace, which the first step's caller may be, and rustix panics there.)
    Second,
}

fn become_agent(step: Step, mut args: impl Iterator<Item = OsString>) -> Result<io::Error, io::Error> {
    let mut next = |what: &str| {
        args.next().ok_or_else(|| io::Error::other(format!("{what} is missing; internal command, not meant to be run by hand")))
    };
    let umask = parse(&next("the file mode mask")?)?;
    let parent: i32 = parse(&next("the parent pid")?)?;
    let containment: Containment = serde_json::from_slice(next("the containment")?.as_encoded_bytes())?;
    let program = next("the program")?;

    if step == Step::First {
        rustix::process::setsid()?;
    }
    die_with(parent)?;
    rustix::process::umask(Mode::from_bits_truncate(umask));
    containment.enter()?;
    super::descriptors::close_on_exec()?;
    let Containment { prefix, files, account, .. } = containment;
    if let Some(prefix) = &prefix {
        return prefix.exec(&program, args, account.as_ref());
    }
    if let Some(account) = account {
        // Another account clears the parent-death signal, so the rest is done by this program once more, under the account.
        let rest = Containment { files, ..Containment::default() };
        let mut command = Command::new("/proc/self/exe");
        command.arg0("openrunner").arg(SECOND_SUBCOMMAND).arg(umask.to_string()).arg(parent.to_string());
        command.arg(serde_json::to_string(&rest)?).arg(program).args(args);
        account.apply(&mut command);
        return Ok(command.exec());
    }
    if let Some(files) = files {
        files.enforce()?;
    }
    Ok(Command::new(program).args(args).exec())
}

fn parse<T: std::str::FromStr>(text: &OsStr) -> io::Result<T> {
    text.to_str().and_then(|text| text.parse().ok()).ok_or_else(|| io::Error::other("internal command; not meant to be run by hand"))
}

/// Kills the agent when its parent dies: an agent without a shim must not keep changing files.
#[cfg(target_os = "linux")]
fn die_with(parent: i32) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    // The parent may have died before the call above, and then no signal is ever sent.
    if rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get()) == Some(parent) {
        Ok(())
    } else {
        Err(io::Error::other("the parent process has exited"))
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with(_parent: i32) -> io::Result<()> {
    Ok(())
}
