//! Isolated agents.

mod accounts;
mod files;
mod guard;
mod levels;
mod probes;
mod sandbox;

use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;

use crate::support::{Server, Setup};

/// Whether agents are isolated here. If not, the test is skipped, except as root with CI=true.
pub(crate) fn is_isolated(server: &Server) -> bool {
    if server.isolates() {
        return true;
    }
    let must = std::env::var("CI").as_deref() == Ok("true") && rustix::process::geteuid().is_root();
    assert!(!must, "agents are not isolated:\n{}", server.log());
    eprintln!("NOT TESTED: agents cannot be isolated here");
    false
}

/// An account without rights of its own.
const PLAIN: u32 = 65534;

/// The same server under an account without rights of its own. `None` if this test does not run as root, or that account cannot execute the
/// program in its directory.
fn plain(setup: Setup) -> Option<Setup> {
    let start = format!("setpriv --reuid={PLAIN} --regid={PLAIN} --clear-groups");
    let mut words = start.split(' ');
    let mut command = Command::new(words.next().expect("a program"));
    command.args(words).arg(env!("CARGO_BIN_EXE_openrunner")).arg("--version");
    if !rustix::process::geteuid().is_root() || !command.output().is_ok_and(|output| output.status.success()) {
        eprintln!("NOT TESTED: only root can start a server under another account, which must be able to execute the program");
        return None;
    }
    give(setup.directory(), PLAIN);
    Some(setup.after_shell(&format!("[ \"$(id -u)\" = {PLAIN} ] || exec {start} \"$0\"")))
}

/// Gives everything in the directory to another account.
fn give(directory: &Path, account: u32) {
    for entry in std::fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry")) {
        if entry.file_type().expect("a type").is_dir() {
            give(&entry.path(), account);
        } else if !entry.path().is_symlink() {
            chown(entry.path(), Some(account), Some(account)).expect("root may");
        }
    }
    chown(directory, Some(account), Some(account)).expect("root may");
}
