//! Finds out whether a level of isolation works on this machine, by using it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::isolation::{Guard, Hidden, Shared, View};
use super::launch::Launcher;
use super::probe_command::{self, ProbeError};
use super::{Containment, Exit};

/// How long a start may take. It usually takes a few milliseconds.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why a level of isolation cannot be held on this machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unavailable {
    /// What is missing, for people.
    pub reason: String,
    /// The command that grants it, or another remedy.
    pub remedy: String,
}

impl Unavailable {
    fn new(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { reason: reason.into(), remedy: remedy.into() }
    }
}

/// Finds bubblewrap in `search` and starts a program in [`Guard`], as agents will be.
///
/// # Errors
/// [`Unavailable`], with what is missing.
pub async fn find_guard(launcher: &Launcher, search: &[PathBuf], hidden: Hidden, shared: Shared) -> Result<Guard, Unavailable> {
    if !cfg!(target_os = "linux") {
        return Err(Unavailable::new("the system is not Linux", "run the server on Linux"));
    }
    let Some(bwrap) = search.iter().map(|dir| dir.join("bwrap")).find(|path| path.is_absolute() && is_executable(path)) else {
        return Err(Unavailable::new("bubblewrap (bwrap) is not installed", "install it, for example with `apt install bubblewrap`"));
    };
    let mut guard = Guard::new(bwrap, false, hidden, shared);
    let mut failure = match attempt(launcher, &guard).await {
        Ok(()) => return Ok(guard),
        Err(failure) => failure,
    };
    // In a container, root may lack the permission to mount and have the permission to create user namespaces.
    if rustix::process::getuid().is_root() {
        guard = guard.with_user_namespace();
        match attempt(launcher, &guard).await {
            Ok(()) => return Ok(guard),
            Err(other) => failure = other,
        }
    }
    Err(Unavailable::new(format!("bubblewrap does not work here: {failure}"), remedy(&failure, &|path| fs::read_to_string(path).ok())))
}

/// Starts this program, which only prints its version, in `guard`.
async fn attempt(launcher: &Launcher, guard: &Guard) -> Result<(), String> {
    let scratch = Scratch::new().map_err(|error| format!("no temporary directory can be created: {error}"))?;
    let dir = scratch.0.as_path();
    let view = View { working_dir: dir, temp_dir: dir, home: dir, program: Path::new("/proc/self/exe") };
    let prefix = guard.prefix(view).map_err(|error| error.to_string())?;
    let containment = Containment { prefix: Some(prefix), ..Containment::default() };
    let command = launcher.command(&containment, view.program, ["--version"]).map_err(|error| error.to_string())?;
    match probe_command::output(command, &BTreeMap::new(), dir, TIMEOUT).await {
        Ok(output) if output.exit == Exit::Code(0) => Ok(()),
        Ok(output) => {
            let line = output.stderr.lines().find(|line| !line.trim().is_empty()).unwrap_or("it fails without a message");
            Err(line.strip_prefix("bwrap: ").unwrap_or(line).to_owned())
        }
        Err(error @ (ProbeError::Io(_) | ProbeError::TimedOut(_))) => Err(error.to_string()),
    }
}

/// What grants the permission that is missing. `read` reads a file of the kernel.
fn remedy(failure: &str, read: &dyn Fn(&str) -> Option<String>) -> String {
    let is = |path: &str, value: &str| read(path).is_some_and(|text| text.trim() == value);
    if is("/proc/sys/user/max_user_namespaces", "0") {
        "`sudo sysctl -w user.max_user_namespaces=15000`".to_owned()
    } else if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        "`sudo sysctl -w kernel.unprivileged_userns_clone=1`".to_owned()
    } else if is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        "`sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, or an AppArmor profile for bwrap with the rule `userns,`"
            .to_owned()
    } else if ["/.dockerenv", "/run/.containerenv"].iter().any(|path| read(path).is_some()) {
        "start the container with `--security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined`"
            .to_owned()
    } else if failure.contains("proc") {
        "the server must not run where parts of /proc are covered; as a systemd service, set `ProtectKernelTunables=no`".to_owned()
    } else {
        "allow this account to create user namespaces".to_owned()
    }
}

/// A private directory with a random name, removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Self> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let name = random.iter().fold("openrunner-".to_owned(), |name, byte| format!("{name}{byte:02x}"));
        let path = std::env::temp_dir().canonicalize()?.join(name);
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Mount points may have been created in it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    //! Rules: G3.

    use super::*;

    #[test]
    fn the_missing_permission_is_named_with_the_command_that_grants_it() {
        let with = |set: &'static [(&str, &str)], failure: &str| {
            remedy(failure, &move |path| set.iter().find(|(name, _)| *name == path).map(|(_, text)| format!("{text}\n")))
        };
        let denied = "No permissions to create a new namespace";
        assert!(with(&[("/proc/sys/user/max_user_namespaces", "0")], denied).contains("sysctl -w user.max_user_namespaces"));
        assert!(with(&[("/proc/sys/kernel/unprivileged_userns_clone", "0")], denied).contains("unprivileged_userns_clone=1"));
        let ubuntu = &[("/proc/sys/user/max_user_namespaces", "9"), ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1")];
        assert!(with(ubuntu, denied).contains("apparmor_restrict_unprivileged_userns=0"));
        assert!(with(&[("/.dockerenv", "")], denied).contains("--security-opt seccomp=unconfined"));
        assert!(with(&[], "Can't mount proc on /newroot/proc: Operation not permitted").contains("ProtectKernelTunables=no"));
        assert!(with(&[], denied).contains("user namespaces"));
    }

    #[tokio::test]
    async fn a_missing_bubblewrap_is_reported_with_the_command_that_installs_it() {
        let dir = tempfile::tempdir().unwrap();
        let launcher = Launcher::new(rustix::fs::Mode::empty()).unwrap();
        let hidden = Hidden::new(dir.path(), Vec::new()).unwrap();
        let found = find_guard(&launcher, &[dir.path().to_owned(), PathBuf::from("relative")], hidden, Shared::default()).await;
        if cfg!(target_os = "linux") {
            assert!(found.unwrap_err().remedy.contains("apt install bubblewrap"));
        }
    }
}
