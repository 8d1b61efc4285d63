//! What stands between us and an agent at its start: a moment of this same program that prepares the new process and then becomes
//! the agent.
//!
//! A new session, the parent's death as a signal and a clean set of descriptors can only be had from inside the new process, and a
//! closure between fork and exec is not safe code in a program with threads. So we start ourselves (`openrunner launch …`), do it
//! there in plain single-threaded code, and exec the agent: same pid, same pipes, no process in between. The control group and the limits
//! of a run are entered there as well, so they hold from the agent's first instruction.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::Mode;

use super::shim::{self, ProcessDir};
use super::{Containment, Descriptors};

/// The hidden subcommand by which this program starts itself.
pub const SUBCOMMAND: &str = "launch";

/// Exit code of a launcher that could not become the agent; shells use the same for a command that is not there.
pub const NOT_STARTED: i32 = 127;

/// How the words of such a launcher begin, on its stderr.
pub const COMPLAINT: &str = "openrunner: the agent could not be started";

/// How this program can start itself.
#[derive(Clone, Debug)]
pub struct Launcher {
    program: PathBuf,
    umask: Mode,
    descriptors: Option<Descriptors>,
}

impl Launcher {
    /// A launcher that gives agents `umask`, the file mode mask that the server itself was started with.
    ///
    /// # Errors
    /// If the path of this program cannot be told (only where there is no `/proc`).
    pub fn new(umask: Mode) -> io::Result<Self> {
        // By its link and not by its path: an upgrade may have put another file there since we were started.
        let link = Path::new("/proc/self/exe");
        let program = if cfg!(target_os = "linux") { link.to_owned() } else { std::env::current_exe()? };
        Ok(Self { program, umask, descriptors: None })
    }

    /// Gives agents back the bound of open descriptors that the server itself was started with.
    #[must_use]
    pub fn giving_back(self, descriptors: Descriptors) -> Self {
        Self { descriptors: Some(descriptors), ..self }
    }

    /// The command that becomes `program` with `args`, in `containment`. Environment, folder and pipes are the caller's to add.
    ///
    /// # Errors
    /// If the cage cannot be said in words: a path that is not UTF-8.
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

    /// The command that becomes the shim of the run whose files are in `folder`.
    pub(super) fn shim(&self, folder: &ProcessDir) -> Command {
        let mut command = Command::new(&self.program);
        command.arg0("openrunner").arg(shim::SUBCOMMAND).arg(folder.path());
        command
    }

    /// Undoes, for the process of a shim that was just started, what only the server needs. Its agent has it from the shim.
    pub(super) fn settle(&self, shim: u32) {
        if let Some(descriptors) = self.descriptors {
            descriptors.give_back_to(shim);
        }
    }

    /// The file mode mask that agents are given.
    pub(super) fn umask(&self) -> u32 {
        self.umask.bits()
    }
}

/// If this process was started to become an agent, becomes it. Gives back only an error, or `None` in every other process.
///
/// Must be called before anything else: before threads, before any file is opened.
pub fn become_agent_if_asked(mut args: impl Iterator<Item = OsString>) -> Option<io::Error> {
    args.next();
    if args.next()? != SUBCOMMAND {
        return None;
    }
    Some(become_agent(args).unwrap_or_else(|error| error))
}

fn become_agent(mut args: impl Iterator<Item = OsString>) -> Result<io::Error, io::Error> {
    let mut next = |what: &str| args.next().ok_or_else(|| io::Error::other(format!("{what} is missing: this command is not for typing")));
    let umask = parse(&next("the file mode mask")?)?;
    let parent: i32 = parse(&next("the parent's id")?)?;
    let containment: Containment = serde_json::from_slice(next("the cage")?.as_encoded_bytes())?;
    let program = next("the program")?;

    rustix::process::setsid()?;
    die_with(parent)?;
    rustix::process::umask(Mode::from_bits_truncate(umask));
    containment.enter()?;
    super::descriptors::close_on_exec()?;
    Ok(Command::new(program).args(args).exec())
}

fn parse<T: std::str::FromStr>(text: &OsStr) -> io::Result<T> {
    text.to_str().and_then(|text| text.parse().ok()).ok_or_else(|| io::Error::other("this command is not for typing"))
}

/// If whoever started the agent dies, the agent dies: one that nobody keeps any more must not go on changing files.
#[cfg(target_os = "linux")]
fn die_with(parent: i32) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    // That may have happened before the line above, and then no signal ever comes.
    if rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get()) == Some(parent) {
        Ok(())
    } else {
        Err(io::Error::other("whoever started it is gone"))
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with(_parent: i32) -> io::Result<()> {
    Ok(())
}
