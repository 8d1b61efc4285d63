//! Finds out whether a level of isolation works on this machine, by using it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::isolation::{Bubblewrap, Files, Guard, Hidden, Sandbox, SandboxView, Shared, View};
use super::launch::Launcher;
use super::probe_command::{self, ProbeContext, ProbeError, ProbeStart};
use super::{Account, CommandPrefix, Containment, Exit, Scratch};

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

/// The levels of isolation on one machine: how each is held, or why it cannot be.
#[derive(Clone, Debug)]
pub struct Levels {
    /// Level `files`.
    pub files: Result<Files, Unavailable>,
    /// Level `guard`.
    pub guard: Result<Guard, Unavailable>,
    /// Level `sandbox`.
    pub sandbox: Result<Sandbox, Unavailable>,
}

impl Levels {
    /// No level.
    pub fn none(reason: &str) -> Self {
        let unavailable = Unavailable::new(reason, "");
        Self { files: Err(unavailable.clone()), guard: Err(unavailable.clone()), sandbox: Err(unavailable) }
    }
}

/// Tries each level by starting a program as agents will be, under `account` if that is another one. `search` are the directories that are
/// searched for bubblewrap, and of which a sandboxed agent sees the programs.
pub async fn find_levels(launcher: &Launcher, search: &[PathBuf], hidden: Hidden, shared: Shared, account: Option<&Account>) -> Levels {
    if !cfg!(target_os = "linux") {
        let unavailable = Unavailable::new("the system is not Linux", "run the server on Linux");
        return Levels { files: Err(unavailable.clone()), guard: Err(unavailable.clone()), sandbox: Err(unavailable) };
    }
    let start = Start { launcher, account };
    let files = try_files(start, Files::new(hidden.clone(), shared.clone(), start.is_root()));
    let Some(bwrap) = search.iter().map(|dir| dir.join("bwrap")).find(|path| path.is_absolute() && is_executable(path)) else {
        let missing = Unavailable::new("bubblewrap (bwrap) is not installed", "install it, for example with `apt install bubblewrap`");
        return Levels { files: files.await, guard: Err(missing.clone()), sandbox: Err(missing) };
    };
    let bubblewrap = Bubblewrap::new(bwrap, start.is_root());
    let guard = |bubblewrap| Guard::new(bubblewrap, hidden.clone(), shared.clone());
    let sandbox = |bubblewrap| Sandbox::new(bubblewrap, hidden.clone(), shared.clone(), search.to_vec());
    let (guard, sandbox) = (try_bubblewrap(start, &bubblewrap, guard), try_bubblewrap(start, &bubblewrap, sandbox));
    let (files, guard, sandbox) = tokio::join!(files, guard, sandbox);
    Levels { files, guard, sandbox }
}

/// A level that bubblewrap sets up.
trait BubblewrapLevel {
    fn prefix_in(&self, dirs: &Directories) -> io::Result<CommandPrefix>;
}

impl BubblewrapLevel for Guard {
    fn prefix_in(&self, dirs: &Directories) -> io::Result<CommandPrefix> {
        self.prefix(dirs.view())
    }
}

impl BubblewrapLevel for Sandbox {
    fn prefix_in(&self, dirs: &Directories) -> io::Result<CommandPrefix> {
        // Nothing in the scratch directory leads elsewhere.
        self.prefix(SandboxView { view: dirs.view(), private_home: &dirs.home, egress: None }).map(|(prefix, _mount_points)| prefix)
    }
}

async fn try_bubblewrap<L: BubblewrapLevel>(
    start: Start<'_>,
    bubblewrap: &Bubblewrap,
    level: impl Fn(Bubblewrap) -> L,
) -> Result<L, Unavailable> {
    let attempt = async |level: &L| {
        let dirs = Directories::new().map_err(|error| format!("no temporary directory can be created: {error}"))?;
        let prefix = level.prefix_in(&dirs).map_err(|error| error.to_string())?;
        start.version(&dirs, Containment { prefix: Some(prefix), ..Containment::default() }).await
    };
    let mut found = level(bubblewrap.clone());
    let mut failure = match attempt(&found).await {
        Ok(()) => return Ok(found),
        Err(failure) => failure,
    };
    // In a container, root may lack the permission to mount and have the permission to create user namespaces.
    if rustix::process::getuid().is_root() {
        found = level(bubblewrap.clone().with_user_namespace());
        match attempt(&found).await {
            Ok(()) => return Ok(found),
            Err(other) => failure = other,
        }
    }
    Err(Unavailable::new(format!("bubblewrap does not work here: {failure}"), remedy(&failure, &|path| fs::read_to_string(path).ok())))
}

async fn try_files(start: Start<'_>, files: Files) -> Result<Files, Unavailable> {
    let attempt = async {
        let dirs = Directories::new().map_err(|error| format!("no temporary directory can be created: {error}"))?;
        let rules = files.rules(dirs.view()).map_err(|error| error.to_string())?;
        start.version(&dirs, Containment { files: Some(rules), ..Containment::default() }).await
    };
    let account = "run the server under an account of its own, or set OPENRUNNER_AGENT_USER";
    let kernel = "use Linux 6.2 or later with `landlock` in its `lsm=` parameter (see /sys/kernel/security/lsm)";
    attempt.await.map_err(|failure| {
        let remedy = if failure.contains("agents run as root") { account } else { kernel };
        Unavailable::new(format!("Landlock does not work here: {failure}"), remedy)
    })?;
    Ok(files)
}

/// How programs are started for an attempt.
#[derive(Clone, Copy)]
struct Start<'a> {
    launcher: &'a Launcher,
    account: Option<&'a Account>,
}

impl Start<'_> {
    /// Whether agents run as root.
    fn is_root(self) -> bool {
        self.account.is_none() && rustix::process::getuid().is_root()
    }

    /// Starts this program, which only prints its version, in `containment`.
    async fn version(self, dirs: &Directories, containment: Containment) -> Result<(), String> {
        let containment = Containment { account: self.account.cloned(), ..containment };
        let env = BTreeMap::new();
        let context = ProbeContext { env: &env, dir: &dirs.work, start: ProbeStart::Contained(self.launcher, &containment) };
        match probe_command::run(dirs.view().program, &["--version"], context, TIMEOUT).await {
            Ok(output) if output.exit == Exit::Code(0) => Ok(()),
            Ok(output) => {
                let line = output.stderr.lines().find(|line| !line.trim().is_empty()).unwrap_or("it fails without a message");
                Err(line.to_owned())
            }
            Err(ProbeError::NotStarted(reason)) => Err(reason.strip_prefix("isolation: ").map(str::to_owned).unwrap_or(reason)),
            Err(error @ (ProbeError::Io(_) | ProbeError::TimedOut(_))) => Err(error.to_string()),
        }
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

/// The directories of an attempt.
struct Directories {
    scratch: Scratch,
    home: PathBuf,
    work: PathBuf,
}

impl Directories {
    fn new() -> io::Result<Self> {
        let scratch = Scratch::new(&std::env::temp_dir())?;
        Ok(Self { home: scratch.make("home", None)?, work: scratch.make("work", None)?, scratch })
    }

    fn view(&self) -> View<'_> {
        View {
            working_dir: &self.work,
            temp_dir: self.scratch.path(),
            home: &self.home,
            program: Path::new("/proc/self/exe"),
            files: &[],
            borrowed: &[],
        }
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
        let found = find_levels(&launcher, &[dir.path().to_owned(), PathBuf::from("relative")], hidden, Shared::default(), None).await;
        if cfg!(target_os = "linux") {
            assert!(found.guard.unwrap_err().remedy.contains("apt install bubblewrap"));
            assert!(found.sandbox.unwrap_err().remedy.contains("apt install bubblewrap"));
        }
    }
}
