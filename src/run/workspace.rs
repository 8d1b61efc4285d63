//! Working directories: checks a requested one, or creates a fresh one (rules S6 and S11).

use std::collections::HashMap;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::workspace_size;
use crate::process::{WorkingDir, is_resource_exhausted};
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
    unsettled: Unsettled,
}

/// Requested directories that were created for runs whose creation has not succeeded yet, with the number of these runs. At most one
/// entry per request in progress.
type Unsettled = Arc<Mutex<HashMap<PathBuf, usize>>>;

/// The working directory of a run that is being created. Unless it is [kept](Self::keep), dropping it removes the directory if it was
/// created for this run, no other run is to use it, and it is still empty.
#[derive(Debug)]
pub(super) struct ReservedDirectory {
    path: PathBuf,
    rollback: Rollback,
}

/// What undoes a reservation.
#[derive(Debug)]
enum Rollback {
    /// The directory existed before, or is kept.
    Nothing,
    /// The directory is used by this run alone.
    Remove,
    /// The directory was requested by path, so other requests can use it as well.
    Release(Unsettled),
}

/// Which working directory a new run gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DirectoryRequest {
    /// The session's, which exists.
    OfSession(PathBuf, Requester),
    /// A requested one, which is created if only its last component is missing.
    Path(PathBuf, Requester),
    /// A fresh one.
    Fresh(RunId),
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
    /// The directory of a session was moved, removed or replaced.
    #[error("the directory cannot be used: {0}")]
    Gone(String),
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
        Ok(Self { data_dir, roots, user_roots, unsettled: Unsettled::default() })
    }

    /// Reserves the working directory of a new run: checks it, and creates it if it does not exist.
    ///
    /// # Errors
    /// [`WorkspaceError`], by cause. Nothing was created then.
    pub(super) fn reserve(&self, request: &DirectoryRequest) -> Result<ReservedDirectory, WorkspaceError> {
        match request {
            DirectoryRequest::OfSession(path, _) => Ok(ReservedDirectory { path: path.clone(), rollback: Rollback::Nothing }),
            DirectoryRequest::Path(path, requester) => self.resolve(path, *requester),
            DirectoryRequest::Fresh(run) => self.create_fresh(*run),
        }
    }

    /// Creates a fresh directory for one run.
    ///
    /// # Errors
    /// [`WorkspaceError::Exhausted`] or [`WorkspaceError::Io`] if it cannot be created.
    fn create_fresh(&self, run: RunId) -> Result<ReservedDirectory, WorkspaceError> {
        let path = self.data_dir.join("workspaces").join(run.to_string());
        create_private(&path).map_err(classify)?;
        let reserved = ReservedDirectory { path, rollback: Rollback::Remove };
        check_openable(&reserved.path)?;
        Ok(reserved)
    }

    /// Whether a working directory is a fresh one, which counts in the quotas.
    pub(super) fn is_fresh(&self, working_dir: &Path) -> bool {
        working_dir.starts_with(self.data_dir.join("workspaces"))
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

    /// The size of the fresh directory of a run, in bytes; 0 if it has none.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn size_of_fresh(&self, run: RunId) -> io::Result<u64> {
        workspace_size::size_of(&self.data_dir.join("workspaces").join(run.to_string()))
    }

    /// Removes the content of the fresh directory of a run, so that the session can still be continued in it.
    ///
    /// # Errors
    /// If an entry cannot be removed.
    pub(super) fn empty_fresh(&self, run: RunId) -> io::Result<()> {
        workspace_size::empty(&self.data_dir.join("workspaces").join(run.to_string()))
    }

    /// Removes the fresh directories of runs that `exists` does not know: a server died after it had created the directory and before the
    /// run was stored. They are empty; one that is not empty stays.
    ///
    /// # Errors
    /// If the directories cannot be listed.
    pub(super) fn remove_unknown(&self, exists: impl Fn(RunId) -> bool) -> io::Result<()> {
        let entries = match std::fs::read_dir(self.data_dir.join("workspaces")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let run: Option<RunId> = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if run.is_some_and(|run| !exists(run)) && std::fs::remove_dir(entry.path()).is_ok() {
                tracing::info!(dir = %entry.path().display(), "removed the working directory of a run that was never stored");
            }
        }
        Ok(())
    }

    /// Checks a requested directory, creates it if only its last component is missing, and reserves it under its canonical path.
    ///
    /// # Errors
    /// [`WorkspaceError`], by cause.
    fn resolve(&self, dir: &Path, requester: Requester) -> Result<ReservedDirectory, WorkspaceError> {
        let location = self.locate(dir, requester)?;
        // Held until the directory is checked or created, so that it is not removed in between with the reservation of another request.
        let mut unsettled = self.unsettled.lock().unwrap_or_else(PoisonError::into_inner);
        let (Location::Existing(path) | Location::Missing(path)) = &location;
        if let Some(users) = unsettled.get_mut(path) {
            *users += 1;
            return Ok(ReservedDirectory { path: path.clone(), rollback: Rollback::Release(Arc::clone(&self.unsettled)) });
        }
        match location {
            Location::Existing(path) => {
                check_openable(&path)?;
                Ok(ReservedDirectory { path, rollback: Rollback::Nothing })
            }
            Location::Missing(path) => match std::fs::create_dir(&path) {
                Ok(()) => {
                    unsettled.insert(path.clone(), 1);
                    Ok(ReservedDirectory { path, rollback: Rollback::Release(Arc::clone(&self.unsettled)) })
                }
                // A dangling symbolic link, or a race: check again what is there now, but only once.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let path = dir.canonicalize().map_err(classify)?;
                    self.check_allowed(&path, requester.is_admin)?;
                    if !path.is_dir() {
                        return Err(WorkspaceError::NotADirectory);
                    }
                    check_openable(&path)?;
                    Ok(ReservedDirectory { path, rollback: Rollback::Nothing })
                }
                Err(error) => Err(classify(error)),
            },
        }
    }

    /// Checks a working directory without creating it.
    ///
    /// # Errors
    /// [`WorkspaceError`], by cause.
    pub(super) fn check(&self, request: &DirectoryRequest) -> Result<(), WorkspaceError> {
        match request {
            DirectoryRequest::OfSession(path, requester) => {
                self.recheck(path, requester.is_admin)?;
                check_unmoved(path)
            }
            DirectoryRequest::Path(path, requester) => self.locate(path, *requester).map(drop),
            DirectoryRequest::Fresh(_) => Ok(()),
        }
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
    fn recheck(&self, working_dir: &Path, is_admin: bool) -> Result<(), WorkspaceError> {
        if self.is_fresh(working_dir) { Ok(()) } else { self.check_allowed(working_dir, is_admin) }
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

    /// Whether a directory, given by its canonical path, may be used.
    pub(super) fn allows(&self, path: &Path, is_admin: bool) -> bool {
        self.check_allowed(path, is_admin).is_ok()
    }

    /// The fresh directory of a run.
    pub(super) fn fresh(&self, run: &str) -> PathBuf {
        self.data_dir.join("workspaces").join(run)
    }

    /// The lists of roots that apply to a user. A directory must be inside a root of each list that is not empty.
    fn roots_for(&self, is_admin: bool) -> impl Iterator<Item = &[PathBuf]> {
        let user_roots = if is_admin { &[][..] } else { &self.user_roots[..] };
        [&self.roots[..], user_roots].into_iter()
    }
}

impl ReservedDirectory {
    /// The canonical path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps the directory: the run that uses it is stored.
    pub(super) fn keep(mut self) {
        if let Rollback::Release(unsettled) = std::mem::replace(&mut self.rollback, Rollback::Nothing) {
            unsettled.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.path);
        }
    }
}

impl Drop for ReservedDirectory {
    fn drop(&mut self) {
        // Only if it is empty. Failures are harmless: the directory stays.
        match &self.rollback {
            Rollback::Nothing => {}
            Rollback::Remove => drop(std::fs::remove_dir(&self.path)),
            Rollback::Release(unsettled) => {
                let mut unsettled = unsettled.lock().unwrap_or_else(PoisonError::into_inner);
                // Without an entry, another run that uses the directory is stored.
                let Some(users) = unsettled.get_mut(&self.path) else { return };
                *users -= 1;
                if *users == 0 {
                    unsettled.remove(&self.path);
                    let _ = std::fs::remove_dir(&self.path);
                }
            }
        }
    }
}

/// Opens the directory once, so that an inaccessible directory or a lack of descriptors is reported when the run is created and not when
/// it starts.
fn check_openable(path: &Path) -> Result<(), WorkspaceError> {
    std::fs::File::open(path).map(drop).map_err(classify)
}

/// Opens the directory of a session as a run does: without following links, which a path that was canonical does not contain.
fn check_unmoved(path: &Path) -> Result<(), WorkspaceError> {
    WorkingDir::open(path).map(drop).map_err(|error| match error {
        error if is_resource_exhausted(&error) => WorkspaceError::Exhausted(error),
        error if error.kind() == io::ErrorKind::NotFound => WorkspaceError::Gone("it was moved or removed".to_owned()),
        error => WorkspaceError::Gone(error.to_string()),
    })
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
        let reserved = workspaces.resolve(&dir, LOCAL).unwrap();
        assert_eq!(reserved.path(), dir);
        reserved.keep();
        assert!(dir.is_dir());
        assert!(matches!(workspaces.resolve(&fixture.path.join("no/where"), LOCAL), Err(WorkspaceError::NotFound)));
    }

    #[test]
    fn a_directory_that_was_created_for_a_run_is_removed_with_its_reservation() {
        let fixture = fixture();
        let workspaces = fixture.workspaces(&[]);
        let (new, old) = (fixture.path.join("other/new"), fixture.path.join("other"));
        let fresh = workspaces.create_fresh(RunId::new()).unwrap();
        let fresh_path = fresh.path().to_owned();
        drop((fresh, workspaces.resolve(&new, LOCAL).unwrap(), workspaces.resolve(&old, LOCAL).unwrap()));
        assert_eq!([fresh_path.exists(), new.exists(), old.exists()], [false, false, true]);
    }

    #[test]
    fn a_created_directory_stays_while_any_run_that_requested_it_is_created_or_stored() {
        let fixture = fixture();
        let workspaces = fixture.workspaces(&[]);
        let dir = fixture.path.join("other/new");
        let reserve = || workspaces.resolve(&dir, LOCAL).unwrap();
        let (first, second, third) = (reserve(), reserve(), reserve());
        drop(first);
        assert!(dir.exists(), "two others use it");
        second.keep();
        drop(third);
        assert!(dir.exists(), "a stored run uses it");
        drop(reserve());
        assert!(dir.exists(), "it existed before the last request");
    }

    #[test]
    fn a_directory_that_is_no_longer_empty_is_not_removed() {
        let fixture = fixture();
        let dir = fixture.path.join("other/new");
        let reserved = fixture.workspaces(&[]).resolve(&dir, LOCAL).unwrap();
        std::fs::write(dir.join("notes"), "").unwrap();
        drop(reserved);
        assert!(dir.join("notes").exists());
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
        assert!(workspaces.create_fresh(RunId::new()).unwrap().path().starts_with(fixture.path.join("data/workspaces")));
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
        assert_eq!(resolved.unwrap().path(), here.canonicalize().unwrap());
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
        assert!(workspaces.recheck(fresh.path(), false).is_ok());
        assert!(workspaces.recheck(&fixture.path.join("root/x"), false).is_ok());
        assert!(matches!(workspaces.recheck(&fixture.path.join("other"), true), Err(WorkspaceError::OutsideRoots)));
        assert!(matches!(workspaces.recheck(&fixture.path.join("data"), true), Err(WorkspaceError::InDataDirectory)));
    }
}
