//! Directories for one use.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::process_dir::remove_tree;
use super::{Account, process_dir};

/// A private directory with a random name. Removed with everything in it when dropped; a failure is logged.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Creates one in `base`, which must exist.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn new(base: &Path) -> io::Result<Self> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let name = random.iter().fold("openrunner-".to_owned(), |name, byte| format!("{name}{byte:02x}"));
        let path = base.canonicalize()?.join(name);
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path })
    }

    /// Path of the directory, canonical.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates a directory in it that only `account` can access. `None` for this account. The other account can neither move nor replace it.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn make(&self, name: &str, account: Option<&Account>) -> io::Result<PathBuf> {
        let path = self.path.join(name);
        DirBuilder::new().mode(0o700).create(&path)?;
        account.map_or(Ok(()), |account| account.take(&path))?;
        Ok(path)
    }

    /// Lets other accounts pass through it and the two directories above it, but list none of them.
    ///
    /// # Errors
    /// If the modes cannot be changed.
    pub fn let_pass(&self) -> io::Result<()> {
        process_dir::let_pass(self.path.ancestors().take(3))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = remove_tree(&self.path) {
            tracing::warn!(dir = %self.path.display(), %error, "could not remove a directory for temporary files");
        }
    }
}

#[cfg(test)]
mod tests {
    //! Rules: S10.

    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_scratch_directory_is_private_and_removed_with_what_is_in_it() {
        let base = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(base.path()).unwrap();
        let work = scratch.make("work", None).unwrap();
        for dir in [scratch.path(), work.as_path()] {
            assert_eq!(dir.metadata().unwrap().permissions().mode() & 0o7777, 0o700);
        }
        assert!(scratch.make("work", None).is_err(), "an existing directory is not used");
        std::fs::write(work.join("file"), "").unwrap();
        std::fs::set_permissions(&work, Permissions::from_mode(0o500)).unwrap();
        drop(scratch);
        assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 0);
    }
}
