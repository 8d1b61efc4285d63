//! Copies the database, also while a server writes to it.
//!
//! A backup is a complete database in the state of one moment: it contains every event that was delivered before the backup began. Writers
//! are not blocked: what they write in the meantime goes to the write-ahead log, which grows until the copy is complete.

use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::SqliteStore;
use super::connection::{FILE_NAME, connect};
use super::sql;
use super::temp_file::{TempFile, directory_of};

/// The content of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupSummary {
    /// Size of the file, in bytes.
    pub bytes: u64,
    /// Number of runs.
    pub runs: u64,
    /// Number of runs that had not ended.
    pub live: u64,
}

/// Why a backup failed. No incomplete backup is left.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The data directory contains no database.
    #[error("no database in {0}; pass the server's data directory with --data-dir or OPENRUNNER_DATA_DIR")]
    NoDatabase(PathBuf),
    /// The file exists.
    #[error("{0} exists; choose another path, or overwrite it with --force")]
    Exists(PathBuf),
    /// A file cannot be created, read or written.
    #[error("cannot write the backup {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The database cannot be read, or the copy cannot be written.
    #[error("cannot copy the database")]
    Database(#[from] rusqlite::Error),
    /// Another account controls the data directory.
    #[error(transparent)]
    Insecure(#[from] crate::ownership::Insecure),
    /// The copy fails the integrity check, and so does the database.
    #[error("the database is damaged: {0}; keep the last intact backup")]
    Damaged(String),
}

impl SqliteStore {
    /// Copies the database of `data_dir` to the file `to`, whether or not a server uses it. When this returns, the copy is compact, checked,
    /// on disk and readable only by its owner.
    ///
    /// # Errors
    /// [`BackupError`], by cause.
    pub fn back_up(data_dir: &Path, to: &Path, replace: bool) -> Result<BackupSummary, BackupError> {
        crate::ownership::check_data_dir(data_dir)?;
        if !replace && to.symlink_metadata().is_ok() {
            return Err(BackupError::Exists(to.to_owned()));
        }
        let io_error = |source| BackupError::Io { path: to.to_owned(), source };
        let temp_file = TempFile::create(directory_of(to)).map_err(io_error)?;
        let summary = copy(data_dir, &temp_file)?;
        temp_file.persist(to, replace).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => BackupError::Exists(to.to_owned()),
            _ => io_error(error),
        })?;
        Ok(summary)
    }

    /// Copies the database of `data_dir` to a stream. The copy is made and checked in the data directory before its first byte is written.
    ///
    /// # Errors
    /// [`BackupError`], by cause.
    pub fn back_up_into(data_dir: &Path, to: &mut dyn Write) -> Result<BackupSummary, BackupError> {
        crate::ownership::check_data_dir(data_dir)?;
        let io_error = |source| BackupError::Io { path: data_dir.to_owned(), source };
        if !data_dir.join(FILE_NAME).exists() {
            return Err(BackupError::NoDatabase(data_dir.to_owned()));
        }
        let temp_file = TempFile::create(data_dir).map_err(io_error)?;
        let summary = copy(data_dir, &temp_file)?;
        let mut file = temp_file.file();
        file.rewind().and_then(|()| io::copy(&mut file, to)).and_then(|_| to.flush()).map_err(io_error)?;
        Ok(summary)
    }
}

fn copy(data_dir: &Path, temp_file: &TempFile) -> Result<BackupSummary, BackupError> {
    let database = data_dir.join(FILE_NAME);
    if !database.exists() {
        return Err(BackupError::NoDatabase(data_dir.to_owned()));
    }
    let io_error = |source| BackupError::Io { path: temp_file.path().to_owned(), source };
    let not_utf8 = || io_error(io::Error::new(io::ErrorKind::InvalidInput, "the path is not UTF-8"));
    let to = temp_file.path().to_str().ok_or_else(not_utf8)?;
    let source = connect(&database, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // Reads a single snapshot into a file that may exist if it is empty. SQLite's online backup restarts whenever another process has
    // written, so it might never finish beside a busy server.
    source.execute("VACUUM INTO ?1", [to])?;
    drop(source);
    let copy = connect(temp_file.path(), OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    if let Some(problem) = check_integrity(&copy)? {
        return Err(BackupError::Damaged(problem));
    }
    let count = |condition: &str| copy.query_row(&format!("SELECT count(*) FROM runs WHERE {condition}"), [], sql::count);
    let (runs, live) = (count("1")?, count("ended_at IS NULL")?);
    let bytes = temp_file.file().metadata().map_err(io_error)?.len();
    Ok(BackupSummary { bytes, runs, live })
}

/// Checks every page and index of a database. Returns the first problem.
pub(super) fn check_integrity(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let result: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    Ok(Some(result).filter(|result| result != "ok"))
}
