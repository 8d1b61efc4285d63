//! The level `guard`: everything as outside, except what belongs to the server and to other processes.

use std::io;
use std::path::{Path, PathBuf};

use super::hidden::Hidden;
use super::mounts::{Mount, Mounts};
use super::prefix::CommandPrefix;
use super::surroundings::{CAPABILITIES, can_read_disks, engine_sockets, kept_devices, kernel_files, ssh_config_dir};

/// The directory of which each agent has its own.
const TEMP: &str = "/tmp";

/// Starts agents by bubblewrap. It has been tried on this machine (see [`find_guard`](crate::process::isolation_probe::find_guard)).
#[derive(Clone, Debug)]
pub struct Guard {
    /// Absolute path of bubblewrap.
    bwrap: PathBuf,
    /// Whether it sets up a user namespace although this account is root, because root may not mount here.
    user_namespace: bool,
    hidden: Hidden,
    shared: Shared,
}

/// What all agents see although something above it may be covered.
#[derive(Clone, Debug, Default)]
pub struct Shared {
    /// Paths that agents see as they are.
    pub kept: Vec<PathBuf>,
    /// Paths that agents can read and not change: their programs.
    pub protected: Vec<PathBuf>,
}

/// What one agent sees besides what all agents see.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Its working directory, canonical.
    pub working_dir: &'a Path,
    /// The directory that it sees as `/tmp`.
    pub temp_dir: &'a Path,
    /// Its home directory.
    pub home: &'a Path,
    /// Its program.
    pub program: &'a Path,
}

impl Guard {
    pub(in crate::process) fn new(bwrap: PathBuf, user_namespace: bool, hidden: Hidden, shared: Shared) -> Self {
        Self { bwrap, user_namespace, hidden, shared }
    }

    /// The same guard with a user namespace, in which root may mount.
    pub(in crate::process) fn with_user_namespace(self) -> Self {
        Self { user_namespace: true, ..self }
    }

    /// The directory for temporary files, as an agent sees it.
    pub fn temp_dir(&self) -> &'static Path {
        Path::new(TEMP)
    }

    /// The prefix of an agent's command.
    ///
    /// # Errors
    /// If the server's data directory was moved, or a path is not valid UTF-8.
    pub fn prefix(&self, view: View<'_>) -> io::Result<CommandPrefix> {
        let absent = self.hidden.resolve()?;
        let mut mounts = Mounts::default();
        for (path, _id) in &absent {
            mounts.cover(path, if path.is_dir() { Mount::Nothing } else { Mount::NoFile });
        }
        for socket in engine_sockets() {
            mounts.cover(&socket, Mount::NoFile);
        }
        mounts.cover(Path::new(TEMP), Mount::Instead(view.temp_dir.to_owned()));
        if let Some(dir) = ssh_config_dir().filter(|_| maps_no_root()) {
            mounts.cover(dir, Mount::Nothing);
        }
        self.keep(&mut mounts, view, &absent.iter().map(|(path, _)| path.as_path()).collect::<Vec<_>>());

        let mut args: Vec<String> = ["--dev-bind", "/", "/", "--proc", "/proc"].map(str::to_owned).to_vec();
        args.extend(kernel_files().flat_map(|path| ["--ro-bind", path, path].map(str::to_owned)));
        if can_read_disks() {
            args.extend(["--dev", "/dev"].map(str::to_owned));
            for device in kept_devices() {
                let device = device.to_string_lossy().into_owned();
                args.extend(["--dev-bind-try".to_owned(), device.clone(), device]);
            }
        }
        args.extend(mounts.args()?);
        args.extend(["--unshare-pid", "--die-with-parent"].map(str::to_owned));
        if rustix::process::getuid().is_root() {
            args.extend(["--cap-drop", "ALL"].map(str::to_owned));
            args.extend(CAPABILITIES.iter().flat_map(|name| ["--cap-add".to_owned(), (*name).to_owned()]));
            if self.user_namespace {
                args.push("--unshare-user".to_owned());
            }
        }
        let working_dir = view.working_dir.to_str().ok_or_else(|| io::Error::other("the working directory is not valid UTF-8"))?;
        args.extend(["--chdir".to_owned(), working_dir.to_owned()]);
        Ok(CommandPrefix { program: self.bwrap.clone(), args, absent })
    }

    /// Keeps what an agent needs, wherever it lies. What is hidden stays hidden.
    fn keep(&self, mounts: &mut Mounts, view: View<'_>, hidden: &[&Path]) {
        let program_dirs =
            [view.program.parent().map(Path::to_owned), resolved(view.program).and_then(|path| Some(path.parent()?.to_owned()))];
        let read_only = program_dirs.into_iter().flatten().map(|path| (path, false));
        let writable = [view.home.to_owned(), view.working_dir.to_owned()]
            .into_iter()
            .chain(self.shared.kept.iter().cloned())
            .map(|path| (path, true));
        for (path, is_writable) in read_only.chain(writable) {
            if let Some(path) = resolved(&path)
                && path != Path::new(TEMP)
                && !hidden.contains(&path.as_path())
            {
                mounts.keep(&path, is_writable);
            }
        }
        for path in self.shared.protected.iter().filter_map(|path| resolved(path)) {
            mounts.protect(&path);
        }
    }
}

/// Whether files of root appear to have another owner.
fn maps_no_root() -> bool {
    !rustix::process::getuid().is_root()
}

fn resolved(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok()
}
