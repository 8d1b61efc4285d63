//! Working directories: checks a requested one, or creates a fresh one (rules S6 and S11).

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path, PathBuf};

use crate::process::is_resource_exhausted;
use crate::types::RunId;

/// Directories of the kernel. Through them, an agent could reach other processes and devices as files of its project.
const SYSTEM_DIRS: [&str; 3] = ["/proc", "/sys", "/dev"];

/// The operator's restrictions on working directories.
#[derive(Clone, Debug)]
pub(super) struct Workspaces {
    /// The server's data directory, canonical. Neither it nor a directory that contains it or lies inside it is a working directory, except
    /// for the fresh ones created in it.
    data_dir: PathBuf,
    /// Directories that contain every permitted working directory; empty for no restriction.
    roots: Vec<PathBuf>,
    /// Further restriction for non-admins; empty for none.
    user_roots: Vec<PathBuf>,
}

/// The user who requests a working directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Requester {
    /// Whether the user is an admin.
    pub(super) is_admin: bool,
    /// Whether the request comes from this machine.
    pub(super) is_local: bool,
}

/// Why a directory cannot be used as a working directory.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// The path is relative or contains `..`.
    #[error("must be an absolute path without `..`, such as /home/me/project")]
    NotAbsolute,
    /// Neither the directory nor its parent exists.
    #[error("neither the directory nor its parent exists; create the parent first")]
    NotFound,
    /// The path is not a directory.
    #[error("not a directory")]
    NotADirectory,
    /// The directory is outside the permitted roots.
    #[error("outside the permitted directories (OPENRUNNER_WORKSPACE_ROOTS, for non-admins also OPENRUNNER_USER_WORKSPACE_ROOTS)")]
    OutsideRoots,
    /// The directory is inside the server's data directory.
    #[error("inside the server's data directory")]
    InDataDirectory,
    /// The directory contains the server's data directory.
    #[error("contains the server's data directory; use a directory below it, or ask the operator to move OPENRUNNER_DATA_DIR")]
    ContainsDataDirectory,
    /// The directory is, or is inside, `/proc`, `/sys` or `/dev`.
    #[error("directories in {} cannot be working directories", SYSTEM_DIRS.join(", "))]
    SystemDirectory,
    /// Remote users may choose a directory only if the operator has set roots.
    #[error(
        "remote users cannot choose a directory; omit working_dir to get a fresh one, or ask the operator to set OPENRUNNER_WORKSPACE_ROOTS"
    )]
    NotLocal,
    /// The disk is full, or there are no free descriptors.
    #[error("the server is out of disk space or file descriptors: {0}")]
    Exhausted(#[source] io::Error),
    /// Another system error.
    #[error("the server cannot use this directory; see the server's log")]
    Io(#[source] io::Error),
}

/// Where a requested directory is, as a canonical path.
enum Location {
    Existing(PathBuf),
    /// Only the last component is missing.
    Missing(PathBuf),
}

impl Workspaces {
    /// Creates the `workspaces` directory in `data_dir`. `roots` apply to all users, `user_roots` also to non-admins.
    ///
    /// # Errors
    /// If a root does not exist (a typo would otherwise lock all users out), or the `workspaces` directory cannot be created.
    pub(super) fn new(data_dir: &Path, roots: &[PathBuf], user_roots: &[PathBuf]) -> io::Result<Self> {
        let data_dir = data_dir.canonicalize()?;
        create_private(&data_dir.join("workspaces"))?;
        let resolve =
            |root: &PathBuf| root.canonicalize().map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", root.display())));
        let (roots, user_roots) =
            (roots.iter().map(resolve).collect::<io::Result<_>>()?, user_roots.iter().map(resolve).collect::<io::Result<_>>()?);
        Ok(Self { data_dir, roots, user_roots })
    }

    /// Creates a fresh directory for one run.
    ///
    /// # Errors
    /// [`WorkspaceError::Exhausted`] or [`WorkspaceError::Io`] if it cannot be created.
    pub(super) fn create_fresh(&self, run: RunId) -> Result<PathBuf, WorkspaceError> {
        let path = self.data_dir.join("workspaces").join(run.to_string());
        create_private(&path).map_err(classify)?;
        check_openable(path)
    }

    /// Removes the fresh directory of a run, if it had one. Symbolic links in it are removed, not followed.
    ///
    /// # Errors
    /// If an entry cannot be removed.
    pub(super) fn remove_fresh(&self, run: RunId) -> io::Result<()> {
        match std::fs::remove_dir_all(self.data_dir.join("workspaces").join(run.to_string())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// Checks a requested directory, creates it if only its last component is missing, and returns its canonical path.
    ///
    /// # Errors
    /// [`WorkspaceError`], by cause.
    pub(super) fn resolve(&self, dir: &Path, requester: Requester) -> Result<PathBuf, WorkspaceError> {
        match self.locate(dir, requester)? {
            Location::Existing(path) => check_openable(path),
            Location::Missing(path) => self.create(dir, path, requester.is_admin),
        }
    }

    /// Checks a requested directory without creating it.
    ///
    /// # Errors
    /// [`WorkspaceError`], by cause.
    pub(super) fn check(&self, dir: &Path, requester: Requester) -> Result<(), WorkspaceError> {
        self.locate(dir, requester).map(drop)
    }

    fn locate(&self, dir: &Path, requester: Requester) -> Result<Location, WorkspaceError> {
        if !dir.is_absolute() || dir.components().any(|component| component == Component::ParentDir) {
            return Err(WorkspaceError::NotAbsolute);
        }
        if !requester.is_local && self.roots_for(requester.is_admin).all(<[PathBuf]>::is_empty) {
            return Err(WorkspaceError::NotLocal);
        }
        match dir.canonicalize() {
            Ok(path) => {
                self.check_allowed(&path, requester.is_admin)?;
                if path.is_dir() { Ok(Location::Existing(path)) } else { Err(WorkspaceError::NotADirectory) }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let (Some(parent), Some(name)) = (dir.parent(), dir.file_name()) else { return Err(WorkspaceError::NotFound) };
                let path = parent.canonicalize().map_err(|_| WorkspaceError::NotFound)?.join(name);
                self.check_allowed(&path, requester.is_admin)?;
                Ok(Location::Missing(path))
            }
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(WorkspaceError::NotADirectory),
            Err(error) => Err(classify(error)),
        }
    }

    /// Checks the directory of a session that is continued: the operator may have changed the roots since it was created. Whether the
    /// user is local is not checked again.
    ///
    /// # Errors
    /// [`WorkspaceError`] if the current roots exclude it.
    pub(super) fn recheck(&self, working_dir: &Path, is_admin: bool) -> Result<(), WorkspaceError> {
        if working_dir.starts_with(self.data_dir.join("workspaces")) { Ok(()) } else { self.check_allowed(working_dir, is_admin) }
    }

    /// Creates `path`, the allowed location of the requested directory, whose parent exists.
    fn create(&self, dir: &Path, path: PathBuf, is_admin: bool) -> Result<PathBuf, WorkspaceError> {
        match std::fs::create_dir(&path) {
            Ok(()) => Ok(path),
            // A dangling symbolic link, or a race: check again what is there now, but only once.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let path = dir.canonicalize().map_err(classify)?;
                self.check_allowed(&path, is_admin)?;
                if path.is_dir() { check_openable(path) } else { Err(WorkspaceError::NotADirectory) }
            }
            Err(error) => Err(classify(error)),
        }
    }

    /// Checks a canonical path by its components: `/home/me2` is not inside `/home/me`.
    fn check_allowed(&self, path: &Path, is_admin: bool) -> Result<(), WorkspaceError> {
        if path.starts_with(&self.data_dir) {
            return Err(WorkspaceError::InDataDirectory);
        }
        if self.data_dir.starts_with(path) {
            return Err(WorkspaceError::ContainsDataDirectory);
        }
        if SYSTEM_DIRS.iter().any(|dir| path.starts_with(dir)) {
            return Err(WorkspaceError::SystemDirectory);
        }
        let contains = |roots: &[PathBuf]| roots.is_empty() || roots.iter().any(|root| path.starts_with(root));
        if self.roots_for(is_admin).all(contains) { Ok(()) } else { Err(WorkspaceError::OutsideRoots) }
    }

    /// The lists of roots that apply to a user. A directory must be inside a root of each list that is not empty.
    fn roots_for(&self, is_admin: bool) -> impl Iterator<Item = &[PathBuf]> {
        let user_roots = if is_admin { &[][..] } else { &self.user_roots[..] };
        [&self.roots[..], user_roots].into_iter()
    }
}

/// Opens the directory once, so that an inaccessible directory or a lack of descriptors is reported when the run is created and not when
/// it starts.
fn check_openable(path: PathBuf) -> Result<PathBuf, WorkspaceError> {
    std::fs::File::open(&path).map(|_file| path).map_err(classify)
}

/// Distinguishes a lack of resources from other errors.
fn classify(error: io::Error) -> WorkspaceError {
    if is_resource_exhausted(&error) { WorkspaceError::Exhausted(error) } else { WorkspaceError::Io(error) }
}

fn create_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    //! Rules: S6, S11.

    use std::os::unix::fs::symlink;

    use super::*;

    struct Fixture {
        _dir: tempfile::TempDir,
        path: PathBuf,
    }

    fn fixture() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap();
        for name in ["data", "root", "root2", "other"] {
            std::fs::create_dir(path.join(name)).unwrap();
        }
        Fixture { _dir: dir, path }
    }

    impl Fixture {
        fn workspaces(&self, roots: &[&str]) -> Workspaces {
            let roots: Vec<PathBuf> = roots.iter().map(|root| self.path.join(root)).collect();
            Workspaces::new(&self.path.join("data"), &roots, &[]).unwrap()
        }
    }

    const LOCAL: Requester = Requester { is_admin: false, is_local: true };
    const REMOTE: Requester = Requester { is_admin: false, is_local: false };

    #[test]
    fn a_missing_directory_is_created_if_its_parent_exists() {
        let fixture = fixture();
        let workspaces = fixture.workspaces(&[]);
        let dir = fixture.path.join("other/new");
        assert_eq!(workspaces.resolve(&dir, LOCAL).unwrap(), dir);
        assert!(dir.is_dir());
        assert!(matches!(workspaces.resolve(&fixture.path.join("no/where"), LOCAL), Err(WorkspaceError::NotFound)));
    }

    #[test]
    fn only_absolute_paths_to_directories_are_accepted() {
        let fixture = fixture();
        let workspaces = fixture.workspaces(&[]);
        std::fs::write(fixture.path.join("file"), "").unwrap();
        for invalid in ["relative", "", "./x"] {
            assert!(matches!(workspaces.resolve(Path::new(invalid), LOCAL), Err(WorkspaceError::NotAbsolute)), "{invalid}");
        }
        assert!(matches!(workspaces.resolve(&fixture.path.join("root/../data"), LOCAL), Err(WorkspaceError::NotAbsolute)));
        assert!(matches!(workspaces.resolve(&fixture.path.join("file"), LOCAL), Err(WorkspaceError::NotADirectory)));
        assert!(matches!(workspaces.resolve(&fixture.path.join("file/inner"), LOCAL), Err(WorkspaceError::NotADirectory)));
    }

    #[test]
    fn the_data_directory_is_rejected_also_behind_a_symbolic_link() {
        let fixture = fixture();
        let workspaces = fixture.workspaces(&[]);
        symlink(fixture.path.join("data"), fixture.path.join("other/link")).unwrap();
        for invalid in ["data", "data/new", "data/workspaces", "other/link", "other/link/new"] {
            assert!(matches!(workspaces.resolve(&fixture.path.join(invalid), LOCAL), Err(WorkspaceError::InDataDirectory)), "{invalid}");
        }
        assert!(workspaces.create_fresh(RunId::new()).unwrap().starts_with(fixture.path.join("data/workspaces")));
    }

    #[test]
    fn a_directory_that_contains_the_data_directory_is_rejected_also_behind_a_symbolic_link() {
        let fixture = fixture();
        symlink(&fixture.path, fixture.path.join("other/up")).unwrap();
        // A root that contains the data directory permits only what lies beside it.
        for workspaces in [fixture.workspaces(&[]), fixture.workspaces(&["."])] {
            for invalid in [&fixture.path, fixture.path.parent().unwrap(), Path::new("/"), &fixture.path.join("other/up")] {
                let resolved = workspaces.resolve(invalid, LOCAL);
                assert!(matches!(resolved, Err(WorkspaceError::ContainsDataDirectory)), "{}: {resolved:?}", invalid.display());
            }
            assert!(matches!(workspaces.recheck(&fixture.path, true), Err(WorkspaceError::ContainsDataDirectory)));
            assert!(workspaces.resolve(&fixture.path.join("other"), LOCAL).is_ok());
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn directories_of_the_kernel_are_rejected_also_behind_a_symbolic_link() {
        let fixture = fixture();
        let workspaces = fixture.workspaces(&[]);
        symlink("/proc/self/task", fixture.path.join("other/tasks")).unwrap();
        for invalid in ["/proc", "/proc/self", "/sys", "/sys/kernel", "/dev", "/dev/new"] {
            assert!(matches!(workspaces.resolve(Path::new(invalid), LOCAL), Err(WorkspaceError::SystemDirectory)), "{invalid}");
        }
        assert!(matches!(workspaces.resolve(&fixture.path.join("other/tasks"), LOCAL), Err(WorkspaceError::SystemDirectory)));
        assert!(matches!(workspaces.recheck(Path::new("/dev"), true), Err(WorkspaceError::SystemDirectory)));
        // A link in /proc to another directory leads there.
        let (resolved, here) = (workspaces.resolve(Path::new("/proc/self/cwd"), LOCAL), std::env::current_dir().unwrap());
        assert_eq!(resolved.unwrap(), here.canonicalize().unwrap());
    }

    #[test]
    fn roots_are_compared_by_component_after_resolving_symbolic_links() {
        let fixture = fixture();
        let workspaces = fixture.workspaces(&["root"]);
        symlink(fixture.path.join("other"), fixture.path.join("root/link")).unwrap();
        symlink(fixture.path.join("nowhere"), fixture.path.join("root/dangling")).unwrap();
        assert!(workspaces.resolve(&fixture.path.join("root/new"), REMOTE).is_ok());
        for invalid in ["root2", "root2/new", "other", "root/link", "root/link/new"] {
            assert!(matches!(workspaces.resolve(&fixture.path.join(invalid), LOCAL), Err(WorkspaceError::OutsideRoots)), "{invalid}");
        }
        assert!(workspaces.resolve(&fixture.path.join("root/dangling"), LOCAL).is_err());
        assert!(!fixture.path.join("nowhere").exists());
    }

    #[test]
    fn remote_users_cannot_choose_a_directory_unless_roots_are_set() {
        let fixture = fixture();
        assert!(matches!(fixture.workspaces(&[]).resolve(&fixture.path.join("root"), REMOTE), Err(WorkspaceError::NotLocal)));
        assert!(fixture.workspaces(&["root"]).resolve(&fixture.path.join("root"), REMOTE).is_ok());
    }

    #[test]
    fn user_roots_restrict_non_admins_further() {
        let fixture = fixture();
        std::fs::create_dir(fixture.path.join("root/users")).unwrap();
        let paths = |names: &[&str]| names.iter().map(|name| fixture.path.join(name)).collect::<Vec<_>>();
        let admin = Requester { is_admin: true, ..LOCAL };
        // A directory must be in both lists: user roots do not extend the general ones.
        let workspaces = Workspaces::new(&fixture.path.join("data"), &paths(&["root"]), &paths(&["root/users", "other"])).unwrap();
        assert!(workspaces.resolve(&fixture.path.join("root/users/x"), LOCAL).is_ok());
        for invalid in ["root", "root/x", "other", "root2"] {
            assert!(matches!(workspaces.resolve(&fixture.path.join(invalid), LOCAL), Err(WorkspaceError::OutsideRoots)), "{invalid}");
        }
        assert!(workspaces.resolve(&fixture.path.join("root/x"), admin).is_ok());
        assert!(workspaces.resolve(&fixture.path.join("other"), admin).is_err());
        // With user roots only, remote users may choose a directory and remote admins may not.
        let workspaces = Workspaces::new(&fixture.path.join("data"), &[], &paths(&["other"])).unwrap();
        assert!(workspaces.resolve(&fixture.path.join("other"), REMOTE).is_ok());
        assert!(workspaces.resolve(&fixture.path.join("root"), admin).is_ok());
        assert!(matches!(
            workspaces.resolve(&fixture.path.join("root"), Requester { is_local: false, ..admin }),
            Err(WorkspaceError::NotLocal)
        ));
    }

    #[test]
    fn a_session_outside_the_current_roots_cannot_continue() {
        let fixture = fixture();
        let workspaces = fixture.workspaces(&["root"]);
        let fresh = workspaces.create_fresh(RunId::new()).unwrap();
        assert!(workspaces.recheck(&fresh, false).is_ok());
        assert!(workspaces.recheck(&fixture.path.join("root/x"), false).is_ok());
        assert!(matches!(workspaces.recheck(&fixture.path.join("other"), true), Err(WorkspaceError::OutsideRoots)));
        assert!(matches!(workspaces.recheck(&fixture.path.join("data"), true), Err(WorkspaceError::InDataDirectory)));
    }
}
