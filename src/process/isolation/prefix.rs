//! A program that sets up an isolated environment and then executes the agent in it.
//!
//! The agent is not executed by the prefix itself but by this program once more (`openrunner enter …`), which first checks, from inside,
//! that the environment is the one that was asked for. A start whose isolation cannot be held is refused.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};

use super::borrowed::Borrowed;
use super::forward::Forward;
use super::hidden::FileId;
use crate::process::account::Account;
use crate::process::descriptors::close_on_exec;

/// The hidden subcommand that checks the isolation from inside and executes the agent.
pub(in crate::process) const ENTER_SUBCOMMAND: &str = "enter";

/// A program that sets up an isolated environment and then executes the rest of its command line in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandPrefix {
    /// Absolute path of the program.
    pub(super) program: PathBuf,
    /// Its arguments, up to the command that it executes.
    pub(super) args: Vec<String>,
    /// Paths that must not lead to these files from inside.
    pub(super) absent: Vec<(PathBuf, FileId)>,
    /// Directories that must be in their places inside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) borrowed: Vec<Borrowed>,
    /// Whether the agent has a network of its own.
    #[serde(default)]
    pub(super) own_network: bool,
    /// What is forwarded out of that network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) forward: Option<Forward>,
}

/// What must be true inside.
#[derive(Debug, Serialize, Deserialize)]
struct Expected {
    /// The working directory.
    working_dir: FileId,
    absent: Vec<(PathBuf, FileId)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    borrowed: Vec<Borrowed>,
    /// The network outside, if the agent has one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outer_network: Option<FileId>,
    /// What is forwarded out of the agent's own network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    forward: Option<Forward>,
    /// The account that the agent runs under, if it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<Account>,
}

/// The network namespace of this process, as a file.
const NETWORK: &str = "/proc/self/ns/net";

impl Expected {
    fn check(&self) -> Result<(), String> {
        // The path was resolved again inside.
        if FileId::of(Path::new(".")).ok() != Some(self.working_dir) {
            return Err("the working directory was moved, or replaced by a symbolic link".to_owned());
        }
        for (path, id) in &self.absent {
            if FileId::of(path).is_ok_and(|found| found == *id) {
                return Err(format!("{} is not hidden from the agent", path.display()));
            }
        }
        // Otherwise what was bound there is something that the agent may not read.
        if let Some(borrowed) = self.borrowed.iter().find(|borrowed| !borrowed.is_in_place()) {
            return Err(format!("{} was moved or replaced", borrowed.path().display()));
        }
        #[cfg(target_os = "linux")]
        if rustix::process::getppid().is_none_or(|parent| !parent.is_init()) {
            return Err("the agent is not in a pid namespace of its own".to_owned());
        }
        if let Some(outer) = self.outer_network
            && FileId::of(Path::new(NETWORK)).ok().is_none_or(|inner| inner == outer)
        {
            return Err("the agent has no network of its own".to_owned());
        }
        Ok(())
    }
}

impl CommandPrefix {
    /// Becomes the prefix, which then becomes `program`, under `account` if that is another one. Must be called in the working directory,
    /// by a process with one thread. Returns only on error.
    ///
    /// # Errors
    /// If the system refuses.
    pub(in crate::process) fn exec(
        &self,
        program: &OsStr,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
        account: Option<&Account>,
    ) -> Result<io::Error, io::Error> {
        let expected = Expected {
            working_dir: FileId::of(Path::new("."))?,
            absent: self.absent.clone(),
            borrowed: self.borrowed.clone(),
            outer_network: if self.own_network { Some(FileId::of(Path::new(NETWORK))?) } else { None },
            forward: self.forward.clone(),
            account: account.cloned(),
        };
        // This program is passed as a descriptor: it may lie in a directory that does not exist inside. Inherited by bubblewrap only, it
        // leads to nothing but the file.
        let own = rustix::fs::open("/proc/self/exe", OFlags::PATH, Mode::empty())?;
        let mut command = Command::new(&self.program);
        command.args(&self.args).arg("--").arg(format!("/proc/self/fd/{}", own.as_raw_fd()));
        command.arg(ENTER_SUBCOMMAND).arg(serde_json::to_string(&expected)?).arg(program).args(args);
        let error = command.exec();
        Ok(io::Error::new(error.kind(), format!("{}: {error}", self.program.display())))
    }
}

/// Checks the isolation from inside, and becomes the agent. Returns only on error.
///
/// # Errors
/// If the isolation does not hold.
pub(in crate::process) fn enter(mut args: impl Iterator<Item = OsString>) -> Result<io::Error, io::Error> {
    let (Some(expected), Some(program)) = (args.next(), args.next()) else {
        return Err(io::Error::other("internal command; not meant to be run by hand"));
    };
    let expected: Expected = serde_json::from_slice(expected.as_encoded_bytes())?;
    expected.check().map_err(|problem| io::Error::other(format!("isolation: {problem}")))?;
    if let Some(forward) = &expected.forward {
        let with_cause = |error: io::Error| io::Error::new(error.kind(), format!("isolation: the way to the network: {error}"));
        forward.start().map_err(with_cause)?;
    }
    // The session that the launcher started is led by the prefix, which is not to receive the agent's signals to its own group.
    rustix::process::setsid()?;
    close_on_exec()?;
    let mut command = Command::new(program);
    command.args(args);
    if let Some(account) = &expected.account {
        account.apply(&mut command);
    }
    Ok(command.exec())
}

#[cfg(test)]
mod tests {
    //! Rules: G1.

    use super::*;

    #[test]
    fn an_agent_is_not_started_where_something_else_is_in_the_place_of_a_directory_that_it_reads() {
        let dir = tempfile::tempdir().unwrap();
        let [objects, secret, kept] = ["objects", "secret", "kept"].map(|name| dir.path().join(name));
        for path in [&objects, &secret] {
            std::fs::create_dir(path).unwrap();
        }
        let borrowed = Borrowed::new(objects.clone(), std::fs::File::open(&objects).unwrap()).unwrap();
        let working_dir = FileId::of(Path::new(".")).unwrap();
        let expected = || Expected {
            working_dir,
            absent: Vec::new(),
            borrowed: vec![borrowed.clone()],
            outer_network: None,
            forward: None,
            account: None,
        };
        let refusal = format!("{} was moved or replaced", objects.display());
        assert_ne!(expected().check().err(), Some(refusal.clone()));
        std::fs::rename(&objects, &kept).unwrap();
        assert_eq!(expected().check(), Err(refusal.clone()));
        std::os::unix::fs::symlink(&secret, &objects).unwrap();
        assert_eq!(expected().check(), Err(refusal.clone()));
        std::fs::remove_file(&objects).unwrap();
        std::fs::rename(&kept, &objects).unwrap();
        assert_ne!(expected().check().err(), Some(refusal));
    }
}
