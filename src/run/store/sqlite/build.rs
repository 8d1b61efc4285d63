//! Databases that are read or written as a whole, to move their content to or from another store.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::backup::check_integrity;
use super::connection::{FILE_NAME, connect, embedded, open_and_migrate, prepare};
use super::restore::RestoreError;
use super::temp_file::TempFile;

/// The database of a data directory with the schema of this release. No server uses it as long as this exists.
pub(in crate::run::store) struct Source {
    pub(in crate::run::store) connection: Connection,
    _lock: File,
}

impl Source {
    /// # Errors
    /// [`RestoreError::DataDir`] if the directory cannot be used; [`RestoreError::NoDatabase`] if it has no database.
    pub(in crate::run::store) fn open(data_dir: &Path) -> Result<Self, RestoreError> {
        let lock = prepare(data_dir)?;
        if !data_dir.join(FILE_NAME).metadata().is_ok_and(|file| file.len() > 0) {
            return Err(RestoreError::NoDatabase(data_dir.to_owned()));
        }
        Ok(Self { connection: open_and_migrate(data_dir)?, _lock: lock })
    }
}

/// A new database, which becomes that of a data directory only when it is complete.
pub(in crate::run::store) struct Draft {
    pub(in crate::run::store) connection: Connection,
    file: TempFile,
    target: PathBuf,
    _lock: File,
}

impl Draft {
    /// An empty database for a directory that has none.
    ///
    /// # Errors
    /// [`RestoreError`], by cause.
    pub(in crate::run::store) fn create(data_dir: &Path) -> Result<Self, RestoreError> {
        let lock = prepare(data_dir)?;
        let target = data_dir.join(FILE_NAME);
        if target.metadata().is_ok_and(|file| file.len() > 0) {
            return Err(RestoreError::Occupied(target));
        }
        let file = TempFile::create(data_dir).map_err(|source| RestoreError::Io { path: target.clone(), source })?;
        let mut connection = connect(file.path(), OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        embedded::migrations::runner().run(&mut connection).map_err(Box::new)?;
        // Nothing of it counts before it is complete.
        connection.pragma_update(None, "synchronous", "OFF")?;
        Ok(Self { connection, file, target, _lock: lock })
    }

    /// Makes it the database of its directory. When this returns, it is on disk.
    ///
    /// # Errors
    /// [`RestoreError`], by cause. The directory is unchanged then.
    pub(in crate::run::store) fn finish(self) -> Result<(), RestoreError> {
        let Self { connection, file, target, _lock } = self;
        if let Some(problem) = check_integrity(&connection)? {
            return Err(RestoreError::Damaged { path: target, problem });
        }
        connection.close().map_err(|(_connection, error)| error)?;
        file.persist(&target, true).map_err(|source| RestoreError::Io { path: target, source })
    }
}
