//! The single writer: a thread that commits all jobs that were queued during its last commit in one transaction.
//!
//! The first job starts immediately, and those that arrive during its commit form the next group. Only while many runs write does a commit
//! wait for more jobs, for at most a millisecond; see [`Grouping`]. Jobs are therefore grouped under load and not delayed without it. A job
//! that panics fails alone.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::grouping::Grouping;
use super::sql;
use crate::metrics::StoreMetrics;
use crate::run::store::StoreError;

/// Maximum number of queued jobs. Each caller waits for its own job, so this limits the number of concurrent callers, not their data.
const QUEUE: usize = 1024;
/// Maximum number of jobs in one transaction, so that no job waits long for later ones.
const GROUP: usize = 256;

/// Does its part of the open transaction, or receives the reason why there is none.
type Job = Box<dyn FnOnce(Result<Transaction<'_>, StoreError>) -> Done + Send>;

/// A job's part of the open transaction.
#[derive(Clone, Copy)]
enum Transaction<'a> {
    /// The job is alone: if it fails, the transaction is rolled back.
    Exclusive(&'a Connection),
    /// Other jobs share the transaction and must not be affected if this one fails.
    Shared(&'a Connection),
}

/// The result of a job before the commit.
struct Done {
    succeeded: bool,
    /// Whether the disk accepted the writes, as far as this is known before the commit.
    disk_ok: bool,
    /// Replies to the caller after the commit.
    reply: Box<dyn FnOnce(Result<(), StoreError>) + Send>,
}

/// A handle of the writer. When the last one is dropped, the queued jobs are completed and the database is closed.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    jobs: Jobs,
    healthy: Arc<AtomicBool>,
}

/// How jobs get to the database.
#[derive(Clone, Debug)]
enum Jobs {
    Thread(mpsc::Sender<Job>),
    /// Each job runs at once on the task of its caller, which makes tests deterministic.
    #[cfg(test)]
    Inline(super::inline::Inline),
}

impl Writer {
    pub(super) fn start(connection: Connection, lock: Option<Arc<File>>, metrics: StoreMetrics) -> std::io::Result<Self> {
        let (jobs, mut inbox) = mpsc::channel::<Job>(QUEUE);
        let healthy = Arc::new(AtomicBool::new(true));
        let guard = DeathGuard(Arc::clone(&healthy));
        std::thread::Builder::new().name("store".into()).spawn(move || {
            let mut group = Vec::with_capacity(GROUP);
            let mut grouping = Grouping::default();
            while inbox.blocking_recv_many(&mut group, GROUP) > 0 {
                let wait = grouping.wait(Instant::now());
                if !wait.is_zero() {
                    std::thread::sleep(wait);
                    while group.len() < GROUP
                        && let Ok(job) = inbox.try_recv()
                    {
                        group.push(job);
                    }
                }
                let jobs = group.len();
                commit(&connection, &mut group, &guard.0, &metrics);
                grouping.note(jobs, Instant::now());
            }
            // The last handle was dropped. If this fails, the next start does it.
            let _ = connection.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE);");
            drop(connection);
            drop(lock);
        })?;
        Ok(Self { jobs: Jobs::Thread(jobs), healthy })
    }

    #[cfg(test)]
    pub(super) fn inline(connection: super::inline::Inline) -> Self {
        Self { jobs: Jobs::Inline(connection), healthy: Arc::new(AtomicBool::new(true)) }
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    /// Runs `work` in a transaction and returns when it is on disk. If `work` fails or panics, none of its changes stay. Dropping the future
    /// does not undo the job.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let job: Job = Box::new(move |transaction| {
            // What the job has changed in memory is dropped with it, and what it has changed in the database is rolled back.
            let work = |connection: &Connection| {
                catch_unwind(AssertUnwindSafe(|| work(connection))).unwrap_or_else(|panic| Err(panicked("a write", &*panic)))
            };
            let result = transaction.and_then(|transaction| match transaction {
                Transaction::Exclusive(connection) => work(connection),
                Transaction::Shared(connection) => run_in_savepoint(connection, work),
            });
            let (succeeded, disk_ok) = (result.is_ok(), !matches!(result, Err(StoreError::Write(_))));
            let reply = Box::new(move |committed: Result<(), StoreError>| {
                let _ = sender.send(committed.and(result));
            });
            Done { succeeded, disk_ok, reply }
        });
        // The thread ends before its last handle only by a panic. Its queued jobs are dropped with it, so that no caller waits forever.
        let died = || {
            self.healthy.store(false, Ordering::Relaxed);
            StoreError::Closed
        };
        match &self.jobs {
            Jobs::Thread(jobs) => jobs.send(job).await.map_err(|_| died())?,
            #[cfg(test)]
            Jobs::Inline(connection) => commit(&connection.lock(), &mut vec![job], &self.healthy, &StoreMetrics::default()),
        }
        receiver.await.map_err(|_| died())?
    }
}

/// Marks the store as unhealthy for good when the thread dies by a panic, also if no caller notices.
struct DeathGuard(Arc<AtomicBool>);

impl Drop for DeathGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(false, Ordering::Relaxed);
        }
    }
}

/// The error for a panic in `operation`, which is logged here.
pub(super) fn panicked(operation: &str, panic: &(dyn std::any::Any + Send)) -> StoreError {
    let message = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    let message = message.unwrap_or("panic without a message");
    tracing::error!(operation, message, "an operation of the store panicked");
    StoreError::Internal(message.to_owned())
}

/// Commits the whole group in one transaction. The health is updated before any caller gets its reply.
fn commit(connection: &Connection, group: &mut Vec<Job>, healthy: &AtomicBool, metrics: &StoreMetrics) {
    let began = Instant::now();
    // A rollback that failed, or a failed beginning, may have left a transaction open.
    if !connection.is_autocommit() {
        let _ = execute(connection, "ROLLBACK");
    }
    if let Err(error) = execute(connection, "BEGIN IMMEDIATE") {
        healthy.store(false, Ordering::Relaxed);
        metrics.record_commit(began.elapsed(), false);
        for job in group.drain(..) {
            (job(Err(error.clone())).reply)(Ok(()));
        }
        return;
    }
    let alone = group.len() == 1;
    let transaction = if alone { Transaction::Exclusive(connection) } else { Transaction::Shared(connection) };
    let done: Vec<Done> = group.drain(..).map(|job| job(Ok(transaction))).collect();
    let committed = if alone && done.iter().any(|done| !done.succeeded) {
        // The caller gets the error of its job, unless SQLite has rolled back by itself because the disk failed.
        require_open(connection).and_then(|()| execute(connection, "ROLLBACK"))
    } else {
        execute(connection, "COMMIT")
    };
    let written = committed.is_ok();
    if !written && !connection.is_autocommit() {
        // The next group must not find this transaction open.
        let _ = execute(connection, "ROLLBACK");
    }
    // A job that the disk rejected is undone before the commit, which may then succeed for the others.
    let disk_ok = written && done.iter().all(|done| done.disk_ok);
    healthy.store(disk_ok, Ordering::Relaxed);
    metrics.record_commit(began.elapsed(), disk_ok);
    for done in done {
        (done.reply)(committed.clone());
    }
}

/// Fails if SQLite has rolled back the transaction by itself, which a full disk can cause at any statement.
fn require_open(connection: &Connection) -> Result<(), StoreError> {
    if connection.is_autocommit() { Err(StoreError::Write("SQLite rolled back the transaction".into())) } else { Ok(()) }
}

fn execute(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    // Uses prepared statements: parsing the text again costs as much as a small transaction.
    sql::execute(connection, sql, []).map(|_| ())
}

/// Runs `work` so that none of its changes stay if it fails, without affecting the rest of the group.
fn run_in_savepoint<T>(connection: &Connection, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
    // Without an open transaction, each following statement would be committed on its own.
    require_open(connection)?;
    execute(connection, "SAVEPOINT job")?;
    let result = work(connection);
    if result.is_err() && !connection.is_autocommit() {
        execute(connection, "ROLLBACK TO job")?;
    }
    execute(connection, "RELEASE job")?;
    result
}
