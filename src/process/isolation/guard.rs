//! The level `guard`: everything as outside, except what belongs to the server and to other processes.

use std::io;
use std::path::{Path, PathBuf};

use super::borrowed::Borrowed;
use super::bubblewrap::{Bubblewrap, TEMP};
use super::hidden::Hidden;
use super::mounts::{Mount, Mounts};
use super::prefix::CommandPrefix;
use super::surroundings::{can_read_disks, engines, kept_devices, ssh_config_dir};

/// Starts agents by bubblewrap. It has been tried on this machine (see [`isolation_probe`](crate::process::isolation_probe)).
#[derive(Clone, Debug)]
pub struct Guard {
    bubblewrap: Bubblewrap,
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
    /// Files that its command line names.
    pub files: &'a [PathBuf],
    /// Directories of others that it reads.
    pub borrowed: &'a [Borrowed],
}

impl<'a> View<'a> {
    /// The directories that the agent needs as they are.
    pub(super) fn needed(self, shared: &'a Shared) -> impl Iterator<Item = &'a Path> {
        [self.working_dir, self.home].into_iter().chain(shared.kept.iter().chain(&shared.protected).map(PathBuf::as_path))
    }
}

impl Guard {
    pub(in crate::process) fn new(bubblewrap: Bubblewrap, hidden: Hidden, shared: Shared) -> Self {
        Self { bubblewrap, hidden, shared }
    }

    /// The prefix of an agent's command.
    ///
    /// # Errors
    /// If the server's data directory was moved, or a path is not valid UTF-8.
    pub fn prefix(&self, view: View<'_>) -> io::Result<CommandPrefix> {
        let absent = self.hidden.resolve(view.needed(&self.shared))?;
        let mut mounts = Mounts::default();
        cover_all(&mut mounts, absent.iter().map(|(path, _id)| path.as_path()));
        cover_all(&mut mounts, engines(view.home).iter().map(PathBuf::as_path));
        mounts.cover(Path::new(TEMP), Mount::Instead(view.temp_dir.to_owned()));
        if let Some(dir) = ssh_config_dir() {
            mounts.cover(dir, Mount::Nothing);
        }
        self.keep(&mut mounts, view, &absent.iter().map(|(path, _)| path.as_path()).collect::<Vec<_>>());

        let mut args: Vec<String> = ["--dev-bind", "/", "/"].map(str::to_owned).to_vec();
        self.bubblewrap.mount_proc(&mut args);
        // With control groups, an agent could end or move other processes of its account.
        args.extend(["--ro-bind", "/sys", "/sys"].map(str::to_owned));
        if can_read_disks() {
            args.extend(["--dev", "/dev"].map(str::to_owned));
            for device in kept_devices() {
                let device = device.to_string_lossy().into_owned();
                args.extend(["--dev-bind-try".to_owned(), device.clone(), device]);
            }
        }
        args.extend(mounts.args()?);
        self.bubblewrap.confine(&mut args, view.working_dir)?;
        Ok(CommandPrefix {
            program: self.bubblewrap.program().to_owned(),
            args,
            absent,
            borrowed: view.borrowed.to_vec(),
            ..CommandPrefix::default()
        })
    }

    /// Keeps what an agent needs, wherever it lies. What is hidden stays hidden.
    fn keep(&self, mounts: &mut Mounts, view: View<'_>, hidden: &[&Path]) {
        let program_dirs =
            [view.program.parent().map(Path::to_owned), resolved(view.program).and_then(|path| Some(path.parent()?.to_owned()))];
        let read_only = program_dirs.into_iter().flatten().chain(view.files.iter().cloned()).map(|path| (path, false));
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
        // Only where an agent cannot lead the mount elsewhere: other paths are not covered anyway.
        let is_covered = |path: &Path| path.starts_with(TEMP) || path.starts_with(self.hidden.data_dir());
        for path in view.borrowed.iter().map(Borrowed::path).filter(|path| is_covered(path)) {
            mounts.keep(path, false);
        }
        for path in self.shared.protected.iter().filter_map(|path| resolved(path)) {
            mounts.protect(&path);
        }
    }
}

/// Covers what an agent must not reach.
pub(super) fn cover_all<'a>(mounts: &mut Mounts, paths: impl IntoIterator<Item = &'a Path>) {
    for path in paths {
        mounts.cover(path, if path.is_dir() { Mount::Nothing } else { Mount::NoFile });
    }
}

/// The path with links resolved, if it exists.
pub(super) fn resolved(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok()
}
