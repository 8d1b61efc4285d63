//! Makes a backup the database of a data folder.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::SqliteStore;
use super::backup::problem_of;
use super::connection::{FILE_NAME, OpenError, connect, embedded, prepare};
use super::decode::count;
use super::temp_file::TempFile;

/// What `SQLite` keeps beside a database, and the end of the name that a database gets which another one replaces.
const BESIDE: [&str; 2] = ["-wal", "-shm"];
const REPLACED: &str = ".replaced";

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// How many runs there are.
    pub runs: u64,
    /// How many of them had not ended. The next server ends them as `interrupted`.
    pub live: u64,
    /// Where the database is now that was there before.
    pub replaced: Option<PathBuf>,
}

/// Why nothing was restored. The data folder is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The data folder cannot be used, or a server works on it.
    #[error(transparent)]
    Folder(#[from] OpenError),
    /// The data folder has a database.
    #[error(
        "there is a database in {0} already; restore into another folder, or replace it with --force, which keeps it under another name"
    )]
    NotEmpty(PathBuf),
    /// The backup cannot be read, or the copy not be written.
    #[error("cannot restore {path}")]
    Io {
        /// The backup.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is something else.
    #[error("{0} is no backup of openrunner")]
    NotABackup(PathBuf),
    /// It was made by a release whose tables this one does not know.
    #[error("{path} was made by a later release: its tables have version {version}, and this release knows {known}; install that release")]
    Later {
        /// The backup.
        path: PathBuf,
        /// The version of its tables.
        version: u32,
        /// The newest version that is known here.
        known: u32,
    },
    /// It does not hold together.
    #[error("{path} is damaged: {problem}; take another backup")]
    Damaged {
        /// The backup.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The tables cannot be brought up to date.
    #[error("cannot bring the backup's tables up to date")]
    Migration(#[from] Box<refinery::Error>),
    /// The copy cannot be used as a database.
    #[error("the restored database cannot be used")]
    Database(#[from] rusqlite::Error),
}

impl SqliteStore {
    /// Makes the backup `from` the database of `data_dir`, where no server may work. The folder is made if it is not there. A database
    /// that is there stops this, or with `replace` is kept under another name.
    ///
    /// Runs that were live at the backup's moment are marked: their agents belong to the server that the backup is of, so the next
    /// server here neither looks for them nor begins those that had not begun, and ends them all as interrupted.
    ///
    /// # Errors
    /// [`RestoreError`], by cause.
    pub fn restore(from: &Path, data_dir: &Path, replace: bool) -> Result<Restored, RestoreError> {
        let failed = |source| RestoreError::Io { path: from.to_owned(), source };
        let mut backup = File::open(from).map_err(failed)?;
        let _lock = prepare(data_dir)?;
        let place = data_dir.join(FILE_NAME);
        // A server that was killed in its very first moments leaves an empty file.
        let is_there = place.metadata().is_ok_and(|file| file.len() > 0);
        if is_there && !replace {
            return Err(RestoreError::NotEmpty(data_dir.to_owned()));
        }
        let temp_file = TempFile::make(data_dir).map_err(failed)?;
        io::copy(&mut backup, &mut temp_file.file()).map_err(failed)?;
        let (runs, live) = make_ready(from, temp_file.path())?;
        let replaced = if is_there { Some(set_aside(&place).map_err(failed)?) } else { None };
        for end in BESIDE {
            remove(&with_end(&place, end)).map_err(failed)?;
        }
        temp_file.put(&place, true).map_err(failed)?;
        Ok(Restored { runs, live, replaced })
    }
}

/// Checks a copy of a backup, brings its tables up to date and marks what was live. Gives how many runs it has, and how many of them
/// were live.
fn make_ready(from: &Path, copy: &Path) -> Result<(u64, u64), RestoreError> {
    let mut connection = connect(copy, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    let sql = "SELECT max(version) FROM refinery_schema_history WHERE EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'event_chunks')";
    let version = connection.query_row(sql, [], |row| row.get::<_, Option<u32>>(0)).ok().flatten();
    let version = version.ok_or_else(|| RestoreError::NotABackup(from.to_owned()))?;
    let known = embedded::migrations::runner().get_migrations().iter().map(refinery::Migration::version).max().unwrap_or(0);
    if version > u32::try_from(known).unwrap_or(u32::MAX) {
        return Err(RestoreError::Later { path: from.to_owned(), version, known: u32::try_from(known).unwrap_or(u32::MAX) });
    }
    if let Some(problem) = problem_of(&connection)? {
        return Err(RestoreError::Damaged { path: from.to_owned(), problem });
    }
    embedded::migrations::runner().run(&mut connection).map_err(Box::new)?;
    let marked = mark(&mut connection)?;
    // A copy that was made of the file alone says that there is a log beside it, which must not be made here.
    connection.pragma_update(None, "journal_mode", "DELETE")?;
    connection.close().map_err(|(_connection, error)| error)?;
    Ok(marked)
}

fn mark(connection: &mut Connection) -> rusqlite::Result<(u64, u64)> {
    let change = connection.transaction()?;
    change.execute("DELETE FROM orphans", [])?;
    let live = change.execute("INSERT INTO orphans (run_id) SELECT id FROM runs WHERE ended_at IS NULL", [])?;
    let runs = change.query_row("SELECT count(*) FROM runs", [], count)?;
    change.commit()?;
    Ok((runs, live as u64))
}

/// Gives the present database another name, together with what belongs to it.
fn set_aside(place: &Path) -> io::Result<PathBuf> {
    let aside = with_end(place, REPLACED);
    // What is in the log beside it is brought into it first. One that is too damaged for that keeps its log by its side.
    if let Ok(connection) = connect(place, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX) {
        let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
    }
    for end in BESIDE {
        remove(&with_end(&aside, end))?;
        match std::fs::rename(with_end(place, end), with_end(&aside, end)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    std::fs::rename(place, &aside)?;
    Ok(aside)
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
