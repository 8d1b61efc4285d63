//! A file in the making: nobody sees it under its name before it is whole and on disk.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

/// A file of the owner's alone (mode 0600) beside the place where it is to be. Dropping it before it is put there removes it.
#[derive(Debug)]
pub(super) struct TempFile {
    path: PathBuf,
    file: File,
}

impl TempFile {
    /// Makes an empty file in `folder` whose name nobody can guess (S10 of the threat model).
    ///
    /// # Errors
    /// If it cannot be made.
    pub(super) fn make(folder: &Path) -> io::Result<Self> {
        // Absolute, since SQLite takes some relative names for addresses.
        let path = std::path::absolute(folder)?.join(format!(".openrunner-{}.temp_file", uuid::Uuid::now_v7().simple()));
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { path, file })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file itself.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Puts it in its place, in the same folder, and returns when both are on disk. Another file that is there is overwritten only if
    /// `replace` says so.
    ///
    /// # Errors
    /// If the disk does not take it, or a file is there ([`io::ErrorKind::AlreadyExists`]). Nothing has changed then.
    pub(super) fn put(self, place: &Path, replace: bool) -> io::Result<()> {
        self.file.sync_all()?;
        let flags = if replace { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
        renameat_with(CWD, &self.path, CWD, place, flags)?;
        File::open(folder_of(place))?.sync_all()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        // Not there any more if it was put in its place.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The folder that a file is in.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
