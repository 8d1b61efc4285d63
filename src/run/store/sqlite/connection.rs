//! Opens the database: who may, with which settings, and how readers and the writer get at it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use super::writer::Writer;
use crate::metrics::StoreMetrics;
use crate::run::store::StoreError;

pub(super) mod embedded {
    refinery::embed_migrations!("migrations/sqlite");
}

/// Name of the database in the data folder.
pub(super) const FILE_NAME: &str = "openrunner.db";

/// Connections for reading. Each reads a page at a time, so a few serve many followers.
const READERS: usize = 4;

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder or a file in it cannot be made or opened.
    #[error("cannot use the data folder {path}")]
    Folder {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another server works on it.
    #[error("another openrunner server is using the data folder {0}; stop it, or set OPENRUNNER_DATA_DIR to another folder")]
    InUse(PathBuf),
    /// `SQLite` cannot open the file, or it is not a database.
    #[error("cannot open the database")]
    Database(#[from] rusqlite::Error),
    /// The tables cannot be brought up to date, such as those of a later release.
    #[error("cannot bring the database's tables up to date")]
    Migration(#[from] Box<refinery::Error>),
    /// The system gives no thread.
    #[error("cannot start the writing thread")]
    Thread(#[source] std::io::Error),
}

/// The store in one `SQLite` file. Cloning gives another handle to the same one.
///
/// When the last handle is dropped the writer finishes what it was given, closes the file and gives up the data folder.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    pub(super) writer: Writer,
    pub(super) metrics: StoreMetrics,
    readers: Arc<Readers>,
}

#[derive(Debug)]
struct Readers {
    permits: Semaphore,
    idle: Mutex<Vec<Connection>>,
    path: PathBuf,
    /// A server's is held for as long as the store lives: a second one on the same folder refuses to start.
    _lock: Option<Arc<File>>,
}

impl SqliteStore {
    /// Opens the store in `data_dir`, which is made (mode 0700) if it is not there.
    ///
    /// # Errors
    /// [`OpenError`], by cause.
    pub fn open(data_dir: &Path) -> Result<Self, OpenError> {
        let lock = prepare(data_dir)?;
        let connection = migrated(data_dir)?;
        Self::over(connection, data_dir, Some(Arc::new(lock)))
    }

    /// Opens the store for a short while whether or not a server works on it, which then sees every change at its next look. The
    /// tables are brought up to date only if no server does: a running one has done that for itself.
    ///
    /// # Errors
    /// [`OpenError`], by cause; never [`OpenError::InUse`].
    pub fn open_beside_a_server(data_dir: &Path) -> Result<Self, OpenError> {
        let connection = match prepare(data_dir) {
            // The lock is held while the tables are looked after, and no longer: a server that starts now must not be turned away.
            Ok(_lock) => migrated(data_dir)?,
            Err(OpenError::InUse(_)) => connect(&data_dir.join(FILE_NAME), OpenFlags::default())?,
            Err(error) => return Err(error),
        };
        Self::over(connection, data_dir, None)
    }

    fn over(connection: Connection, data_dir: &Path, lock: Option<Arc<File>>) -> Result<Self, OpenError> {
        // Said here, not left to how SQLite was built: a commit that was answered for is on disk.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
        let metrics = StoreMetrics::default();
        let writer = Writer::start(connection, lock.clone(), metrics.clone()).map_err(OpenError::Thread)?;
        let path = data_dir.join(FILE_NAME);
        let readers = Readers { permits: Semaphore::new(READERS), idle: Mutex::new(Vec::new()), path, _lock: lock };
        Ok(Self { writer, metrics, readers: Arc::new(readers) })
    }

    /// What is counted of it.
    pub fn metrics(&self) -> &StoreMetrics {
        &self.metrics
    }

    /// Whether the last write succeeded. A store that could not write serves reads, and heals by itself with the next good write.
    pub fn is_healthy(&self) -> bool {
        self.writer.is_healthy()
    }

    /// Whether it can write again, found out by a small write if the last one failed.
    pub async fn try_to_heal(&self) -> bool {
        // The version of a schema that we number elsewhere: written as it was, it changes nothing, and yet goes to the disk.
        let trial = |connection: &Connection| {
            let written = connection.pragma_update(None, "user_version", 0);
            written.map_err(|error| super::decode::writing(&error))
        };
        self.is_healthy() || self.writer.write(trial).await.is_ok()
    }

    /// Carries out `work` on a connection for reading, off the async threads.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let readers = Arc::clone(&self.readers);
        let _permit = self.readers.permits.acquire().await.map_err(|_closed| StoreError::Closed)?;
        let reading = tokio::task::spawn_blocking(move || {
            let connection = readers.take()?;
            let answer = work(&connection);
            readers.give_back(connection);
            answer
        });
        reading.await.unwrap_or_else(|panic| Err(StoreError::Read(panic.to_string())))
    }
}

impl Readers {
    fn take(&self) -> Result<Connection, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(connection) => Ok(connection),
            None => connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
                .map_err(|error| StoreError::NoReader(error.to_string())),
        }
    }

    fn give_back(&self, connection: Connection) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }
}

/// Makes the folder if it is not there, and takes it for us alone.
pub(super) fn prepare(data_dir: &Path) -> Result<File, OpenError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(data_dir);
    made.map_err(|source| OpenError::Folder { path: data_dir.to_owned(), source })?;
    lock(data_dir)
}

/// The database with its tables as this release needs them. Only for whoever holds the lock.
fn migrated(data_dir: &Path) -> Result<Connection, OpenError> {
    let path = data_dir.join(FILE_NAME);
    // Made by us first, so that it never exists with a wider mode.
    let made = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
    made.map_err(|source| OpenError::Folder { path: path.clone(), source })?;
    let mut connection = connect(&path, OpenFlags::default())?;
    // Both must stand before the first table is made; on an existing database they change nothing.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    embedded::migrations::runner().run(&mut connection).map_err(Box::new)?;
    Ok(connection)
}

pub(super) fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

fn lock(data_dir: &Path) -> Result<File, OpenError> {
    let path = data_dir.join("openrunner.lock");
    let failed = |source| OpenError::Folder { path: path.clone(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(OpenError::InUse(data_dir.to_owned())),
        Err(std::fs::TryLockError::Error(source)) => Err(failed(source)),
    }
}
