//! Where an agent may work: checks a wanted folder, or makes a fresh one (S6 of the threat model).

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path, PathBuf};

use crate::process::is_resource_exhausted;
use crate::types::RunId;

/// The operator's rules for working folders.
#[derive(Clone, Debug)]
pub(super) struct Workspaces {
    /// Our own folder, canonical: never a working folder, but for the fresh ones that we make in it.
    data_dir: PathBuf,
    /// Where working folders may be; empty for anywhere.
    roots: Vec<PathBuf>,
    /// Where those of users who are no admins must be as well; empty for no further bound.
    user_roots: Vec<PathBuf>,
}

/// Who wants to work in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chooser {
    /// Whether it is an admin.
    pub(super) admin: bool,
    /// Whether they are on this machine.
    pub(super) local: bool,
}

/// Why a folder cannot be worked in.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// It begins somewhere else than at the root, or holds `..`.
    #[error("it must be an absolute path without `..`, such as /home/me/project")]
    NotAbsolute,
    /// It is not there, and neither is the folder that it would be made in.
    #[error("it does not exist, and neither does the folder above it; make that one first")]
    NotThere,
    /// It is something else.
    #[error("it is not a folder")]
    NotAFolder,
    /// The operator's roots leave it out.
    #[error(
        "it is outside of the folders that this server may work in (OPENRUNNER_WORKSPACE_ROOTS, and for users OPENRUNNER_USER_WORKSPACE_ROOTS)"
    )]
    OutsideRoots,
    /// It is the server's own.
    #[error("it lies in the server's own data folder")]
    InDataFolder,
    /// Folders of one's own choice are for users on the server's machine unless roots are set.
    #[error(
        "a folder can be chosen only by users on the server's own machine; leave it out to get a fresh one, or let the operator set OPENRUNNER_WORKSPACE_ROOTS"
    )]
    NotFromAfar,
    /// There is no room on the disk, or there are no descriptors.
    #[error("the server cannot make or open it at the moment: {0}")]
    Short(#[source] io::Error),
    /// The system says no.
    #[error("the server cannot use it; its log tells why")]
    Io(#[source] io::Error),
}

impl Workspaces {
    /// Rules for a server with this data folder, these roots for everybody, and these for users who are no admins.
    ///
    /// # Errors
    /// If a root is not there, since a mistyped root would shut everybody out, or the workspaces' folder cannot be made.
    pub(super) fn new(data_dir: &Path, roots: &[PathBuf], user_roots: &[PathBuf]) -> io::Result<Self> {
        let data_dir = data_dir.canonicalize()?;
        make_private(&data_dir.join("workspaces"))?;
        let named =
            |root: &PathBuf| root.canonicalize().map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", root.display())));
        let (roots, user_roots) =
            (roots.iter().map(named).collect::<io::Result<_>>()?, user_roots.iter().map(named).collect::<io::Result<_>>()?);
        Ok(Self { data_dir, roots, user_roots })
    }

    /// A fresh folder for one run.
    ///
    /// # Errors
    /// [`WorkspaceError::Io`] if it cannot be made.
    pub(super) fn fresh(&self, run: RunId) -> Result<PathBuf, WorkspaceError> {
        let path = self.data_dir.join("workspaces").join(run.to_string());
        make_private(&path).map_err(refused)?;
        can_be_opened(path)
    }

    /// Removes the fresh folder of a run, if it had one. Links in it are removed, not followed.
    ///
    /// # Errors
    /// If something in it cannot be removed.
    pub(super) fn remove_fresh(&self, run: RunId) -> io::Result<()> {
        match std::fs::remove_dir_all(self.data_dir.join("workspaces").join(run.to_string())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// Checks a wanted folder, makes it if only its last part is missing, and gives its one true path.
    ///
    /// # Errors
    /// [`WorkspaceError`], by cause.
    pub(super) fn check(&self, wanted: &Path, chooser: Chooser) -> Result<PathBuf, WorkspaceError> {
        if !wanted.is_absolute() || wanted.components().any(|part| part == Component::ParentDir) {
            return Err(WorkspaceError::NotAbsolute);
        }
        if !chooser.local && self.bounds(chooser.admin).all(<[PathBuf]>::is_empty) {
            return Err(WorkspaceError::NotFromAfar);
        }
        match wanted.canonicalize() {
            Ok(path) => {
                self.allowed(&path, chooser.admin)?;
                if path.is_dir() { can_be_opened(path) } else { Err(WorkspaceError::NotAFolder) }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.make(wanted, chooser.admin),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(WorkspaceError::NotAFolder),
            Err(error) => Err(refused(error)),
        }
    }

    /// Judges the folder of a conversation that goes on: the operator may have drawn the bounds closer since it began. What it was made of,
    /// a folder of its own or one that somebody on this machine has chosen, does not count again.
    ///
    /// # Errors
    /// [`WorkspaceError`] if the bounds leave it out now.
    pub(super) fn check_again(&self, working_dir: &Path, admin: bool) -> Result<(), WorkspaceError> {
        if working_dir.starts_with(self.data_dir.join("workspaces")) { Ok(()) } else { self.allowed(working_dir, admin) }
    }

    /// Makes the last part of a path whose other parts are there.
    fn make(&self, wanted: &Path, admin: bool) -> Result<PathBuf, WorkspaceError> {
        let (Some(above), Some(name)) = (wanted.parent(), wanted.file_name()) else { return Err(WorkspaceError::NotThere) };
        let path = above.canonicalize().map_err(|_| WorkspaceError::NotThere)?.join(name);
        self.allowed(&path, admin)?;
        match std::fs::create_dir(&path) {
            Ok(()) => Ok(path),
            // A link that leads nowhere, or somebody was quicker: what it is now has to be judged from the start, but only once.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let path = wanted.canonicalize().map_err(refused)?;
                self.allowed(&path, admin)?;
                if path.is_dir() { can_be_opened(path) } else { Err(WorkspaceError::NotAFolder) }
            }
            Err(error) => Err(refused(error)),
        }
    }

    /// Judges a path without links, by its parts: `/home/me2` is not inside `/home/me`.
    fn allowed(&self, path: &Path, admin: bool) -> Result<(), WorkspaceError> {
        if path.starts_with(&self.data_dir) {
            return Err(WorkspaceError::InDataFolder);
        }
        let holds = |roots: &[PathBuf]| roots.is_empty() || roots.iter().any(|root| path.starts_with(root));
        if self.bounds(admin).all(holds) { Ok(()) } else { Err(WorkspaceError::OutsideRoots) }
    }

    /// The lists of roots that count for somebody. A folder must lie in each list that is not empty.
    fn bounds(&self, admin: bool) -> impl Iterator<Item = &[PathBuf]> {
        let further = if admin { &[][..] } else { &self.user_roots[..] };
        [&self.roots[..], further].into_iter()
    }
}

/// A run opens its folder when it begins. One that cannot be opened now is refused now, and so is new work when there are no
/// descriptors.
fn can_be_opened(path: PathBuf) -> Result<PathBuf, WorkspaceError> {
    std::fs::File::open(&path).map(|_opened| path).map_err(refused)
}

/// What the system's no means.
fn refused(error: io::Error) -> WorkspaceError {
    if is_resource_exhausted(&error) { WorkspaceError::Short(error) } else { WorkspaceError::Io(error) }
}

fn make_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct Place {
        _folder: tempfile::TempDir,
        path: PathBuf,
    }

    fn place() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        for name in ["data", "root", "root2", "other"] {
            std::fs::create_dir(path.join(name)).unwrap();
        }
        Place { _folder: folder, path }
    }

    impl Place {
        fn rules(&self, roots: &[&str]) -> Workspaces {
            let roots: Vec<PathBuf> = roots.iter().map(|root| self.path.join(root)).collect();
            Workspaces::new(&self.path.join("data"), &roots, &[]).unwrap()
        }
    }

    const HERE: Chooser = Chooser { admin: false, local: true };
    const AFAR: Chooser = Chooser { admin: false, local: false };

    #[test]
    fn s6_a_folder_is_made_if_the_one_above_it_is_there() {
        let place = place();
        let rules = place.rules(&[]);
        let wanted = place.path.join("other/new");
        assert_eq!(rules.check(&wanted, HERE).unwrap(), wanted);
        assert!(wanted.is_dir());
        assert!(matches!(rules.check(&place.path.join("no/where"), HERE), Err(WorkspaceError::NotThere)));
    }

    #[test]
    fn s6_only_absolute_folders_are_taken() {
        let place = place();
        let rules = place.rules(&[]);
        std::fs::write(place.path.join("file"), "").unwrap();
        for wrong in ["relative", "", "./x"] {
            assert!(matches!(rules.check(Path::new(wrong), HERE), Err(WorkspaceError::NotAbsolute)), "{wrong}");
        }
        assert!(matches!(rules.check(&place.path.join("root/../data"), HERE), Err(WorkspaceError::NotAbsolute)));
        assert!(matches!(rules.check(&place.path.join("file"), HERE), Err(WorkspaceError::NotAFolder)));
        assert!(matches!(rules.check(&place.path.join("file/inner"), HERE), Err(WorkspaceError::NotAFolder)));
    }

    #[test]
    fn s6_our_own_data_is_never_a_working_folder_not_even_by_a_link() {
        let place = place();
        let rules = place.rules(&[]);
        symlink(place.path.join("data"), place.path.join("other/link")).unwrap();
        for wrong in ["data", "data/new", "data/workspaces", "other/link", "other/link/new"] {
            assert!(matches!(rules.check(&place.path.join(wrong), HERE), Err(WorkspaceError::InDataFolder)), "{wrong}");
        }
        assert!(rules.fresh(RunId::new()).unwrap().starts_with(place.path.join("data/workspaces")));
    }

    #[test]
    fn s6_roots_are_compared_part_by_part_and_behind_links() {
        let place = place();
        let rules = place.rules(&["root"]);
        symlink(place.path.join("other"), place.path.join("root/link")).unwrap();
        symlink(place.path.join("nowhere"), place.path.join("root/dangling")).unwrap();
        assert!(rules.check(&place.path.join("root/new"), AFAR).is_ok());
        for wrong in ["root2", "root2/new", "other", "root/link", "root/link/new"] {
            assert!(matches!(rules.check(&place.path.join(wrong), HERE), Err(WorkspaceError::OutsideRoots)), "{wrong}");
        }
        assert!(rules.check(&place.path.join("root/dangling"), HERE).is_err());
        assert!(!place.path.join("nowhere").exists());
    }

    #[test]
    fn s6_users_from_afar_choose_no_folder_unless_roots_are_set() {
        let place = place();
        assert!(matches!(place.rules(&[]).check(&place.path.join("root"), AFAR), Err(WorkspaceError::NotFromAfar)));
        assert!(place.rules(&["root"]).check(&place.path.join("root"), AFAR).is_ok());
    }

    #[test]
    fn s6_users_have_narrower_roots_than_admins() {
        let place = place();
        std::fs::create_dir(place.path.join("root/users")).unwrap();
        let of = |names: &[&str]| names.iter().map(|name| place.path.join(name)).collect::<Vec<_>>();
        let admin = Chooser { admin: true, ..HERE };
        // In all lists at once: a folder that was left out for everybody is not let in for users.
        let rules = Workspaces::new(&place.path.join("data"), &of(&["root"]), &of(&["root/users", "other"])).unwrap();
        assert!(rules.check(&place.path.join("root/users/x"), HERE).is_ok());
        for wrong in ["root", "root/x", "other", "root2"] {
            assert!(matches!(rules.check(&place.path.join(wrong), HERE), Err(WorkspaceError::OutsideRoots)), "{wrong}");
        }
        assert!(rules.check(&place.path.join("root/x"), admin).is_ok());
        assert!(rules.check(&place.path.join("other"), admin).is_err());
        // Roots for users alone: they choose from afar, and admins do not.
        let rules = Workspaces::new(&place.path.join("data"), &[], &of(&["other"])).unwrap();
        assert!(rules.check(&place.path.join("other"), AFAR).is_ok());
        assert!(rules.check(&place.path.join("root"), admin).is_ok());
        assert!(matches!(rules.check(&place.path.join("root"), Chooser { local: false, ..admin }), Err(WorkspaceError::NotFromAfar)));
    }

    #[test]
    fn s6_a_conversation_does_not_go_on_outside_of_the_roots_of_today() {
        let place = place();
        let rules = place.rules(&["root"]);
        let fresh = rules.fresh(RunId::new()).unwrap();
        assert!(rules.check_again(&fresh, false).is_ok());
        assert!(rules.check_again(&place.path.join("root/x"), false).is_ok());
        assert!(matches!(rules.check_again(&place.path.join("other"), true), Err(WorkspaceError::OutsideRoots)));
        assert!(matches!(rules.check_again(&place.path.join("data"), true), Err(WorkspaceError::InDataFolder)));
    }
}
