//! Opens the database: locking, settings, and the connections of the writer and the readers.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

#[cfg(test)]
use super::inline::Inline;
use super::lock::lock;
use super::node;
use super::sql::{read_error, write_error};
use super::writer::{Writer, panicked};
use crate::metrics::StoreMetrics;
use crate::ownership;
use crate::run::store::OpenError;
use crate::run::store::StoreError;
use crate::run::store::damaged::DamagedRows;
use crate::types::{Amount, NodeId, PerQuota};

pub(super) mod embedded {
    refinery::embed_migrations!("migrations/sqlite");
}

/// Name of the database in the data directory.
pub(super) const FILE_NAME: &str = "openrunner.db";

/// Number of pages in the write-ahead log from which a commit copies them into the database: 16 MiB. Live runs write the same few pages again
/// and again, so that more of them in the log are copied once.
const CHECKPOINT_PAGES: u32 = 4000;

/// Number of connections for searches, which can take long.
const SEARCHERS: usize = 2;

/// Number of steps of SQLite's virtual machine between two checks whether a search is to stop: well below a millisecond.
const STEPS_PER_CHECK: i32 = 2000;

/// Number of connections for reading. Each reads one batch at a time, so a few serve many followers.
const READERS: usize = 4;

/// Default quotas; `None` is unlimited.
pub(super) type DefaultQuotas = PerQuota<Option<Amount>>;

/// A store in one `SQLite` file. Cloning returns another handle to the same store.
///
/// When the last handle is dropped, the writer completes its queued jobs, closes the file and unlocks the data directory.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    pub(super) writer: Writer,
    pub(super) metrics: StoreMetrics,
    pub(super) node: NodeId,
    pub(super) damaged: DamagedRows,
    /// Quotas of users who have none of their own.
    pub(super) quotas: DefaultQuotas,
    readers: Arc<Readers>,
    searchers: Arc<Readers>,
}

#[derive(Debug)]
struct Readers {
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
    path: PathBuf,
    #[cfg(test)]
    inline: Option<Inline>,
    /// Held as long as a server's store is open, so that no second server uses the same directory.
    _lock: Option<Arc<File>>,
}

impl SqliteStore {
    /// Opens the store in `data_dir`, which is created (mode 0700) if it does not exist.
    ///
    /// # Errors
    /// [`OpenError`], by cause.
    pub fn open(data_dir: &Path) -> Result<Self, OpenError> {
        let lock = prepare(data_dir)?;
        let connection = open_and_migrate(data_dir)?;
        Self::with_connection(connection, data_dir, Some(&Arc::new(lock)))
    }

    /// Opens the store for a short time, whether or not a server uses it. A server sees every change with its next read. The schema is
    /// migrated only if no server is running, since a running one has migrated it.
    ///
    /// # Errors
    /// [`OpenError`], by cause; never [`OpenError::InUse`].
    pub fn open_alongside_server(data_dir: &Path) -> Result<Self, OpenError> {
        let connection = match prepare(data_dir) {
            // The lock is held only during the migration, so that a server can start afterwards.
            Ok(_lock) => open_and_migrate(data_dir)?,
            Err(OpenError::InUse(_)) => connect(&data_dir.join(FILE_NAME), OpenFlags::default())?,
            Err(error) => return Err(error),
        };
        Self::with_connection(connection, data_dir, None)
    }

    fn with_connection(connection: Connection, data_dir: &Path, lock: Option<&Arc<File>>) -> Result<Self, OpenError> {
        // Set explicitly instead of relying on SQLite's build options: a successful commit must be on disk.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        let node = node::identify(&connection)?;
        let metrics = StoreMetrics::default();
        let writer = Writer::start(connection, lock.cloned(), metrics.clone()).map_err(OpenError::Thread)?;
        let readers = |count| {
            Arc::new(Readers {
                permits: Arc::new(Semaphore::new(count)),
                idle: Mutex::new(Vec::new()),
                path: data_dir.join(FILE_NAME),
                #[cfg(test)]
                inline: None,
                _lock: lock.cloned(),
            })
        };
        let damaged = DamagedRows::new(metrics.clone());
        Ok(Self {
            writer,
            metrics,
            node,
            damaged,
            quotas: DefaultQuotas::default(),
            readers: readers(READERS),
            searchers: readers(SEARCHERS),
        })
    }

    /// A store in memory that runs each operation on the task of its caller, so that tests with it are deterministic.
    #[cfg(test)]
    pub(in crate::run) fn in_memory() -> Self {
        let mut connection = connect(Path::new(":memory:"), OpenFlags::default()).unwrap();
        embedded::migrations::runner().run(&mut connection).unwrap();
        let (node, inline) = (node::identify(&connection).unwrap(), Inline::new(connection));
        let (writer, permits) = (Writer::inline(inline.clone()), Arc::new(Semaphore::new(READERS)));
        let readers = Arc::new(Readers { permits, idle: Mutex::default(), path: PathBuf::new(), inline: Some(inline), _lock: None });
        let (metrics, searchers) = (StoreMetrics::default(), Arc::clone(&readers));
        Self { writer, damaged: DamagedRows::new(metrics.clone()), metrics, node, quotas: DefaultQuotas::default(), readers, searchers }
    }

    /// The permits of the connections for reading.
    #[cfg(test)]
    pub(super) fn read_permits(&self) -> Arc<Semaphore> {
        Arc::clone(&self.readers.permits)
    }

    /// The permits of the connections for searches.
    #[cfg(test)]
    pub(in crate::run) fn search_permits(&self) -> Arc<Semaphore> {
        Arc::clone(&self.searchers.permits)
    }

    /// The same store with these quotas for users who have none of their own. Without this, nothing is limited.
    #[must_use]
    pub fn with_default_quotas(mut self, quotas: PerQuota<Option<Amount>>) -> Self {
        self.quotas = quotas;
        self
    }

    /// The store's metrics.
    pub fn metrics(&self) -> &StoreMetrics {
        &self.metrics
    }

    /// Whether the last write succeeded. A store that cannot write still serves reads, and becomes healthy with the next successful write.
    pub fn is_healthy(&self) -> bool {
        self.writer.is_healthy()
    }

    /// Whether the store can write. If the last write failed, this tries a small one.
    pub async fn try_to_heal(&self) -> bool {
        // `user_version` is not used otherwise. Setting it to its present value changes nothing and still writes to the disk.
        let trial = |connection: &Connection| connection.pragma_update(None, "user_version", 0).map_err(write_error);
        self.is_healthy() || self.writer.write(trial).await.is_ok()
    }

    /// Runs `work` with a connection for reading, on a blocking thread. Proceeds once the future was polled, whether or not it is polled again.
    /// Dropping the future does not stop a read that has begun, which continues to count towards the limit until it ends.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        Arc::clone(&self.readers).run(|connection| work(connection)).await
    }

    /// Runs `work` with a connection that only searches use, as [`SqliteStore::read`] does, at most for `max_time`. Dropping the future stops
    /// the search.
    ///
    /// # Errors
    /// [`StoreError::SearchTimeout`] if it takes longer; the error of `work` otherwise.
    pub(super) async fn read_for_search<T, F>(&self, max_time: Duration, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let abandoned = CancellationToken::new();
        let _guard = abandoned.clone().drop_guard();
        let search = move |connection: &mut Connection| {
            let deadline = Instant::now() + max_time;
            let check = move || abandoned.is_cancelled() || Instant::now() >= deadline;
            connection.progress_handler(STEPS_PER_CHECK, Some(check)).map_err(read_error)?;
            let result = work(connection);
            connection.progress_handler(0, None::<fn() -> bool>).map_err(read_error)?;
            result.map_err(|error| if Instant::now() >= deadline { StoreError::SearchTimeout(max_time.as_secs()) } else { error })
        };
        Arc::clone(&self.searchers).run(search).await
    }
}

#[cfg(test)]
impl SqliteStore {
    /// The connection of a store in memory.
    pub(super) fn inline(&self) -> &Inline {
        self.readers.inline.as_ref().unwrap()
    }
}

impl Readers {
    /// Runs `work` with one of the connections, on a blocking thread; see [`SqliteStore::read`].
    async fn run<T, F>(self: Arc<Self>, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    {
        #[cfg(test)]
        if let Some(inline) = &self.inline {
            return work(&mut inline.lock());
        }
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return self.start(permit, work).await.unwrap_or_else(|error| Err(failed(error)));
        }
        // On a task of its own: a caller that is not polled, such as the stream of a `select!` whose other branch reads as well, would keep the
        // permit that it is granted, and the callers that wait for one would wait forever.
        #[expect(clippy::disallowed_methods, reason = "the caller waits for the task, or aborts it")]
        let reading = AbortOnDropHandle::new(tokio::spawn(async move {
            let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_closed| StoreError::Closed)?;
            self.start(permit, work).await.unwrap_or_else(|error| Err(failed(error)))
        }));
        reading.await.unwrap_or_else(|error| Err(failed(error)))
    }

    /// Starts `work` on a blocking thread. The permit is returned when it ends.
    fn start<T, F>(self: Arc<Self>, permit: OwnedSemaphorePermit, work: F) -> JoinHandle<Result<T, StoreError>>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    {
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let mut connection = self.take()?;
            let result = work(&mut connection);
            self.give_back(connection);
            result
        })
    }

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

/// Why a read has no result.
fn failed(error: JoinError) -> StoreError {
    match error.try_into_panic() {
        Ok(panic) => panicked("a read", &*panic),
        // The runtime is shutting down.
        Err(error) => StoreError::Read(error.to_string()),
    }
}

/// Creates the data directory if it does not exist, checks that no other account controls it, and locks it.
pub(in crate::run::store) fn prepare(data_dir: &Path) -> Result<File, OpenError> {
    let created = DirBuilder::new().recursive(true).mode(0o700).create(data_dir);
    created.map_err(|source| OpenError::DataDir { path: data_dir.to_owned(), source })?;
    ownership::check_data_dir(data_dir)?;
    lock(data_dir)
}

/// Opens the database with the schema of this release. The caller must hold the lock.
pub(super) fn open_and_migrate(data_dir: &Path) -> Result<Connection, OpenError> {
    let path = data_dir.join(FILE_NAME);
    // Created here, not by SQLite, so that the file never exists with a wider mode.
    let created = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
    created.map_err(|source| OpenError::DataDir { path: path.clone(), source })?;
    let mut connection = connect(&path, OpenFlags::default())?;
    // Must precede the first table; no effect on an existing database.
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
