//! Temporary files that get their final name only when they are complete and on disk.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

/// A file that only its owner can access (mode 0600), in the directory of its final path. Dropping it removes it, unless it was persisted.
#[derive(Debug)]
pub(super) struct TempFile {
    path: PathBuf,
    file: File,
}

impl TempFile {
    /// Creates an empty file in `dir` with an unpredictable name (rule S10).
    ///
    /// # Errors
    /// If the file cannot be created.
    pub(super) fn create(dir: &Path) -> io::Result<Self> {
        // Absolute, since SQLite interprets some relative paths as URIs.
        let path = std::path::absolute(dir)?.join(format!(".openrunner-{}.tmp", uuid::Uuid::now_v7().simple()));
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { path, file })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Renames the file to `target` in the same directory and returns when file and name are on disk. An existing file is overwritten only
    /// if `replace` is set.
    ///
    /// # Errors
    /// If the disk fails, or with [`io::ErrorKind::AlreadyExists`] if the file exists. Nothing has changed then.
    pub(super) fn persist(self, target: &Path, replace: bool) -> io::Result<()> {
        self.file.sync_all()?;
        let flags = if replace { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
        renameat_with(CWD, &self.path, CWD, target, flags)?;
        File::open(directory_of(target))?.sync_all()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        // Fails if the file was persisted.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The directory that contains a file.
pub(super) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
