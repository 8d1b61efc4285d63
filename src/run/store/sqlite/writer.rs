//! The one writer: a thread that commits together what has gathered while it was busy.
//!
//! There is no lingering: the first job is begun at once, and whatever arrives during its commit makes up the next one. Under load
//! that groups by itself, and without load nothing waits.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::decode::writing;
use crate::metrics::StoreMetrics;
use crate::run::store::StoreError;

/// Jobs that may wait. Each waits for its own answer, so this bounds how many callers are served at once, not how much they write.
const QUEUE: usize = 1024;
/// Most jobs of one transaction, so that none waits long for those that came after it.
const GROUP: usize = 256;

/// Does its temp_file inside the open transaction, or hears that there is none.
type Job = Box<dyn FnOnce(Result<TempFile<'_>, StoreError>) -> Done + Send>;

/// A job's temp_file of the open transaction.
#[derive(Clone, Copy)]
enum TempFile<'a> {
    /// All of it: if the job fails, it is rolled back.
    Whole(&'a Connection),
    /// It is shared with others, which are to stand if this job fails.
    Shared(&'a Connection),
}

/// What a job has come to, before the commit.
struct Done {
    worked: bool,
    /// Whether the disk took it, as far as that shows before the commit.
    taken: bool,
    /// Answers after the commit.
    reply: Box<dyn FnOnce(Result<(), StoreError>) + Send>,
}

#[derive(Clone, Debug)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    healthy: Arc<AtomicBool>,
}

impl Writer {
    pub(super) fn start(connection: Connection, lock: Option<Arc<File>>, metrics: StoreMetrics) -> std::io::Result<Self> {
        let (jobs, mut inbox) = mpsc::channel::<Job>(QUEUE);
        let healthy = Arc::new(AtomicBool::new(true));
        let health = Arc::clone(&healthy);
        std::thread::Builder::new().name("store".into()).spawn(move || {
            let mut group = Vec::with_capacity(GROUP);
            while inbox.blocking_recv_many(&mut group, GROUP) > 0 {
                commit(&connection, &mut group, &health, &metrics);
            }
            // The server is going away; what cannot be tidied up now is at the next start.
            let _ = connection.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE);");
            drop(connection);
            drop(lock);
        })?;
        Ok(Self { jobs, healthy })
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    /// Carries out `work` in a transaction and answers when it is on disk. If `work` fails, nothing of it stays. A caller that gives
    /// up waiting does not undo it.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |temp_file| {
            let done = temp_file.and_then(|temp_file| match temp_file {
                TempFile::Whole(connection) => work(connection),
                TempFile::Shared(connection) => apart(connection, work),
            });
            let (worked, taken) = (done.is_ok(), !matches!(done, Err(StoreError::Write(_))));
            let reply = Box::new(move |committed: Result<(), StoreError>| {
                let _ = answer.send(committed.and(done));
            });
            Done { worked, taken, reply }
        });
        self.jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

/// One transaction over the whole group. Whether the disk took it is known by the time that anybody is answered.
fn commit(connection: &Connection, group: &mut Vec<Job>, healthy: &AtomicBool, metrics: &StoreMetrics) {
    let began = Instant::now();
    if let Err(error) = execute(connection, "BEGIN IMMEDIATE") {
        healthy.store(false, Ordering::Relaxed);
        metrics.record_commit(began.elapsed(), false);
        for job in group.drain(..) {
            (job(Err(error.clone())).reply)(Ok(()));
        }
        return;
    }
    let alone = group.len() == 1;
    let temp_file = if alone { TempFile::Whole(connection) } else { TempFile::Shared(connection) };
    let done: Vec<Done> = group.drain(..).map(|job| job(Ok(temp_file))).collect();
    let committed = if alone && done.iter().any(|done| !done.worked) {
        // It hears its own error, unless SQLite has given up the transaction by itself, which is the disk's doing.
        still_open(connection).and_then(|()| execute(connection, "ROLLBACK"))
    } else {
        execute(connection, "COMMIT")
    };
    let written = committed.is_ok();
    if !written && !connection.is_autocommit() {
        // Whatever is wrong, the next group must not find this transaction open.
        let _ = execute(connection, "ROLLBACK");
    }
    // A temp_file that the disk did not take is undone before the commit, which then succeeds with whatever is left.
    let taken = written && done.iter().all(|done| done.taken);
    healthy.store(taken, Ordering::Relaxed);
    metrics.record_commit(began.elapsed(), taken);
    for done in done {
        (done.reply)(committed.clone());
    }
}

/// A full disk can make SQLite give up the whole transaction in its middle.
fn still_open(connection: &Connection) -> Result<(), StoreError> {
    if connection.is_autocommit() { Err(StoreError::Write("the transaction was given up".into())) } else { Ok(()) }
}

fn execute(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    // Prepared once: reading the text again costs as much as a small transaction.
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute([])).map(|_| ()).map_err(|error| writing(&error))
}

/// Carries out `work` so that nothing of it stays if it fails, while the rest of the group goes on.
fn apart<T>(connection: &Connection, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
    // What came after it would be committed alone.
    still_open(connection)?;
    execute(connection, "SAVEPOINT job")?;
    let done = work(connection);
    if done.is_err() && !connection.is_autocommit() {
        execute(connection, "ROLLBACK TO job")?;
    }
    execute(connection, "RELEASE job")?;
    done
}
