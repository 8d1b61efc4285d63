//! Restores a backup as the database of a data directory.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::SqliteStore;
use super::backup::check_integrity;
use super::connection::{FILE_NAME, connect, embedded, prepare};
use super::node;
use super::sql::count;
use super::temp_file::TempFile;
use crate::run::store::OpenError;

/// Suffixes of the files that `SQLite` keeps beside a database.
const SIDE_FILES: [&str; 2] = ["-wal", "-shm"];
/// Suffix of a database that was replaced.
const REPLACED: &str = ".replaced";

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreSummary {
    /// Number of runs.
    pub runs: u64,
    /// Number of runs that had not ended. The next server ends them as `interrupted`.
    pub live: u64,
    /// New path of the previous database, if there was one.
    pub replaced: Option<PathBuf>,
}

/// Why nothing was restored. The data directory is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The data directory cannot be used, or a server uses it.
    #[error(transparent)]
    DataDir(#[from] OpenError),
    /// The data directory contains a database.
    #[error("{0} already contains a database; restore into another directory, or replace it with --force, which keeps the old one")]
    NotEmpty(PathBuf),
    /// The data directory contains no database.
    #[error("no database in {0}; pass the server's data directory with --data-dir or OPENRUNNER_DATA_DIR")]
    NoDatabase(PathBuf),
    /// The data directory contains a database, which is not replaced.
    #[error("{0} exists; move it away, or choose another directory")]
    Occupied(PathBuf),
    /// The backup cannot be read, or the copy cannot be written.
    #[error("cannot restore {path}")]
    Io {
        /// The backup.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The file is something else.
    #[error("{0} is not an openrunner backup")]
    NotABackup(PathBuf),
    /// The backup was made by a release with a newer schema.
    #[error("{path} was made by a later release: its schema version is {version}, this release supports up to {known}; upgrade openrunner")]
    Later {
        /// The backup.
        path: PathBuf,
        /// Schema version of the backup.
        version: u32,
        /// Newest schema version that this release supports.
        known: u32,
    },
    /// The backup fails the integrity check.
    #[error("{path} is damaged: {problem}; use another backup")]
    Damaged {
        /// The backup.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The schema cannot be migrated.
    #[error("cannot migrate the backup's schema")]
    Migration(#[from] Box<refinery::Error>),
    /// The copy cannot be used as a database.
    #[error("cannot use the restored database")]
    Database(#[from] rusqlite::Error),
}

impl SqliteStore {
    /// Restores the backup `from` as the database of `data_dir`, which no server may use. The directory is created if it does not exist. An
    /// existing database is an error, or with `replace` kept under another name.
    ///
    /// Runs that were live at the time of the backup are recorded as orphans: their agents belong to the server that the backup was made
    /// of. The next server on `data_dir` ends them as interrupted, without looking for their processes or starting them.
    ///
    /// # Errors
    /// [`RestoreError`], by cause.
    pub fn restore(from: &Path, data_dir: &Path, replace: bool) -> Result<RestoreSummary, RestoreError> {
        let io_error = |source| RestoreError::Io { path: from.to_owned(), source };
        let mut backup = File::open(from).map_err(io_error)?;
        let _lock = prepare(data_dir)?;
        let target = data_dir.join(FILE_NAME);
        // A server that is killed right after its start leaves an empty file.
        let exists = target.metadata().is_ok_and(|file| file.len() > 0);
        if exists && !replace {
            return Err(RestoreError::NotEmpty(data_dir.to_owned()));
        }
        let temp_file = TempFile::create(data_dir).map_err(io_error)?;
        io::copy(&mut backup, &mut temp_file.file()).map_err(io_error)?;
        let (runs, live) = make_ready(from, temp_file.path())?;
        let replaced = if exists { Some(set_aside(&target).map_err(io_error)?) } else { None };
        for suffix in SIDE_FILES {
            remove(&with_suffix(&target, suffix)).map_err(io_error)?;
        }
        temp_file.persist(&target, true).map_err(io_error)?;
        Ok(RestoreSummary { runs, live, replaced })
    }
}

/// Checks a copy of a backup, migrates its schema and records the orphans. Returns the number of all and of live runs.
fn make_ready(from: &Path, copy: &Path) -> Result<(u64, u64), RestoreError> {
    let mut connection = connect(copy, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    let sql = "SELECT max(version) FROM refinery_schema_history WHERE EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'event_chunks')";
    let version = connection.query_row(sql, [], |row| row.get::<_, Option<u32>>(0)).ok().flatten();
    let version = version.ok_or_else(|| RestoreError::NotABackup(from.to_owned()))?;
    let known = embedded::migrations::runner().get_migrations().iter().map(refinery::Migration::version).max().unwrap_or(0);
    let known = u32::try_from(known).unwrap_or(u32::MAX);
    if version > known {
        return Err(RestoreError::Later { path: from.to_owned(), version, known });
    }
    if let Some(problem) = check_integrity(&connection)? {
        return Err(RestoreError::Damaged { path: from.to_owned(), problem });
    }
    embedded::migrations::runner().run(&mut connection).map_err(Box::new)?;
    let counts = record_orphans(&mut connection)?;
    // A copy of a WAL-mode file would create a write-ahead log beside it, which must not happen here.
    connection.pragma_update(None, "journal_mode", "DELETE")?;
    connection.close().map_err(|(_connection, error)| error)?;
    Ok(counts)
}

fn record_orphans(connection: &mut Connection) -> rusqlite::Result<(u64, u64)> {
    let change = connection.transaction()?;
    change.execute("DELETE FROM orphans", [])?;
    let live = change.execute("INSERT INTO orphans (run_id) SELECT id FROM runs WHERE ended_at IS NULL", [])?;
    let runs = change.query_row("SELECT count(*) FROM runs", [], count)?;
    // The node of the backup may still be in use.
    node::renew(&change)?;
    change.commit()?;
    Ok((runs, live as u64))
}

/// Renames the present database and its side files.
fn set_aside(database: &Path) -> io::Result<PathBuf> {
    let aside = with_suffix(database, REPLACED);
    // Moves the content of the write-ahead log into the database. If the database is too damaged for that, its log is kept with it.
    if let Ok(connection) = connect(database, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX) {
        let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
    }
    for suffix in SIDE_FILES {
        remove(&with_suffix(&aside, suffix))?;
        match std::fs::rename(with_suffix(database, suffix), with_suffix(&aside, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    std::fs::rename(database, &aside)?;
    Ok(aside)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Removes a file if it exists.
fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
