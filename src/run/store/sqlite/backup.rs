//! Copies the database whole, also while a server writes to it.
//!
//! A backup is a database like the one in the data folder, as it was at one moment: every event that was delivered before it began is in
//! it. Writers are not held up: what they write meanwhile goes into the log beside the database, which grows until the copy is made.

use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::SqliteStore;
use super::connection::{FILE_NAME, connect};
use super::decode;
use super::temp_file::{TempFile, folder_of};

/// What is in a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saved {
    /// How long it is.
    pub bytes: u64,
    /// How many runs it holds.
    pub runs: u64,
    /// How many of them had not ended.
    pub live: u64,
}

/// Why there is no backup. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The data folder holds no database.
    #[error("there is no database in {0}; name the server's data folder with --data-dir or OPENRUNNER_DATA_DIR")]
    Nothing(PathBuf),
    /// There is a file of that name.
    #[error("{0} is there already; choose another name, or overwrite it with --force")]
    Exists(PathBuf),
    /// A file cannot be made, read or written.
    #[error("cannot write the backup {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The database cannot be read, or the copy not be written.
    #[error("the database cannot be copied")]
    Database(#[from] rusqlite::Error),
    /// The copy does not hold together, so neither does the database.
    #[error("the database is damaged: {0}; keep the last good backup")]
    Damaged(String),
}

impl SqliteStore {
    /// Copies the database of `data_dir` into the file `to`, whether or not a server works on it. The copy is compact, checked, on disk
    /// and readable by its owner only when this returns.
    ///
    /// # Errors
    /// [`BackupError`], by cause.
    pub fn back_up(data_dir: &Path, to: &Path, replace: bool) -> Result<Saved, BackupError> {
        if !replace && to.symlink_metadata().is_ok() {
            return Err(BackupError::Exists(to.to_owned()));
        }
        let failed = |source| BackupError::Io { path: to.to_owned(), source };
        let temp_file = TempFile::make(folder_of(to)).map_err(failed)?;
        let saved = copy(data_dir, &temp_file)?;
        temp_file.put(to, replace).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => BackupError::Exists(to.to_owned()),
            _ => failed(error),
        })?;
        Ok(saved)
    }

    /// The same for a stream. The copy is made and checked in the data folder before its first byte is written.
    ///
    /// # Errors
    /// [`BackupError`], by cause.
    pub fn back_up_into(data_dir: &Path, to: &mut dyn Write) -> Result<Saved, BackupError> {
        let failed = |source| BackupError::Io { path: data_dir.to_owned(), source };
        if !data_dir.join(FILE_NAME).exists() {
            return Err(BackupError::Nothing(data_dir.to_owned()));
        }
        let temp_file = TempFile::make(data_dir).map_err(failed)?;
        let saved = copy(data_dir, &temp_file)?;
        let mut file = temp_file.file();
        file.rewind().and_then(|()| io::copy(&mut file, to)).and_then(|_| to.flush()).map_err(failed)?;
        Ok(saved)
    }
}

fn copy(data_dir: &Path, temp_file: &TempFile) -> Result<Saved, BackupError> {
    let database = data_dir.join(FILE_NAME);
    if !database.exists() {
        return Err(BackupError::Nothing(data_dir.to_owned()));
    }
    let to = temp_file.path().to_str().ok_or_else(|| BackupError::Io {
        path: temp_file.path().to_owned(),
        source: io::Error::new(io::ErrorKind::InvalidInput, "the path is not UTF-8"),
    })?;
    let source = connect(&database, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // One reading of one moment, into a file that may be there as long as it is empty. The online backup of SQLite begins anew whenever
    // another process has written, and would find no end beside a busy server.
    source.execute("VACUUM INTO ?1", [to])?;
    drop(source);
    let copy = connect(temp_file.path(), OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    if let Some(problem) = problem_of(&copy)? {
        return Err(BackupError::Damaged(problem));
    }
    let count = |what: &str| copy.query_row(&format!("SELECT count(*) FROM runs WHERE {what}"), [], decode::count);
    let (runs, live) = (count("1")?, count("ended_at IS NULL")?);
    let bytes = temp_file.file().metadata().map_err(|source| BackupError::Io { path: temp_file.path().to_owned(), source })?.len();
    Ok(Saved { bytes, runs, live })
}

/// What is wrong with a database, if anything is: every page and every index is looked at.
pub(super) fn problem_of(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let said: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    Ok(Some(said).filter(|said| said != "ok"))
}
