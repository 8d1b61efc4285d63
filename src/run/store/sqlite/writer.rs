//! The one writer: a thread that commits together what has gathered while it was busy.
//!
//! There is no lingering: the first job is begun at once, and whatever arrives during its commit makes up the next one. Under load
//! that groups by itself, and without load nothing waits.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::decode::writing;
use crate::run::store::StoreError;

/// Jobs that may wait. Each waits for its own answer, so this bounds how many callers are served at once, not how much they write.
const QUEUE: usize = 1024;
/// Most jobs of one transaction, so that none waits long for those that came after it.
const GROUP: usize = 256;

/// Does its part inside the open transaction, or hears that there is none, and gives what is to be done after the commit.
type Job = Box<dyn FnOnce(Result<&Connection, StoreError>) -> Reply + Send>;
/// Answers, and gives whether the disk took this part.
type Reply = Box<dyn FnOnce(Result<(), StoreError>) -> bool + Send>;

#[derive(Clone, Debug)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    healthy: Arc<AtomicBool>,
}

impl Writer {
    pub(super) fn start(mut connection: Connection, lock: Option<Arc<File>>) -> std::io::Result<Self> {
        let (jobs, mut inbox) = mpsc::channel::<Job>(QUEUE);
        let healthy = Arc::new(AtomicBool::new(true));
        let health = Arc::clone(&healthy);
        std::thread::Builder::new().name("store".into()).spawn(move || {
            let mut group = Vec::with_capacity(GROUP);
            while inbox.blocking_recv_many(&mut group, GROUP) > 0 {
                let written = commit(&mut connection, &mut group);
                health.store(written, Ordering::Relaxed);
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
        let job: Job = Box::new(move |connection| {
            let done = connection.and_then(|connection| apart(connection, work));
            Box::new(move |committed| {
                let answered = committed.and(done);
                let taken = !matches!(answered, Err(StoreError::Write(_)));
                let _ = answer.send(answered);
                taken
            })
        });
        self.jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

/// One transaction over the whole group. Gives whether the disk took it.
fn commit(connection: &mut Connection, group: &mut Vec<Job>) -> bool {
    let transaction = match connection.transaction_with_behavior(TransactionBehavior::Immediate) {
        Ok(transaction) => transaction,
        Err(error) => {
            let error = writing(&error);
            for job in group.drain(..) {
                let _taken = job(Err(error.clone()))(Ok(()));
            }
            return false;
        }
    };
    let replies: Vec<Reply> = group.drain(..).map(|job| job(Ok(&transaction))).collect();
    let committed = transaction.commit().map_err(|error| writing(&error));
    // A part that the disk did not take is undone before the commit, which then succeeds with whatever is left.
    replies.into_iter().fold(committed.is_ok(), |written, reply| reply(committed.clone()) && written)
}

/// Carries out `work` so that nothing of it stays if it fails, while the rest of the group goes on.
fn apart<T>(connection: &Connection, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
    // A full disk can make SQLite give up the whole transaction in its middle. What came after it would then be committed alone.
    if connection.is_autocommit() {
        return Err(StoreError::Write("the transaction was given up".into()));
    }
    let run = |sql: &str| connection.prepare_cached(sql).and_then(|mut statement| statement.execute([])).map_err(|error| writing(&error));
    run("SAVEPOINT job")?;
    let done = work(connection);
    if done.is_err() && !connection.is_autocommit() {
        run("ROLLBACK TO job")?;
    }
    run("RELEASE job")?;
    done
}
