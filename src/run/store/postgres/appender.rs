//! The writer of events: one statement at a time carries the waiting batches of all runs.
//!
//! It never waits for more batches: the first one is sent immediately, and those that arrive meanwhile form the next statement. It needs no
//! lock: the lease in the statement is the guard. If an answer is lost, what was written is read back before anything else is sent.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_postgres::Client;
use tokio_util::task::TaskTracker;

use super::append::{Append, is_written, refusal, statement_error, write_all, write_one};
use super::backend::{Backend, Unsettled};
use super::connector::Connector;
use super::session::Lifetime;
use super::sql_error::SqlError;
use super::writer::Health;
use crate::metrics::StoreMetrics;
use crate::run::store::{Chunk, RunChange, StoreError};
use crate::types::Lease;

/// Maximum number of queued batches. Each caller waits for its own, so this limits the number of concurrent callers, not their data.
const QUEUE: usize = 1024;
/// Maximum number of batches in one statement, so that none waits long for later ones.
const GROUP: usize = 256;
/// Approximate maximum size of the batches in one statement.
const GROUP_BYTES: usize = 8 * 1024 * 1024;
/// How long batches wait for a lost connection to be made again before they fail, which ends their runs. Agents continue meanwhile, and their
/// output is kept in files.
const OUTAGE: Duration = Duration::from_mins(10);
/// How long an outage lasts when it is reported for the second time, and the interval after that.
const FIRST_REPORT: Duration = Duration::from_secs(5);
const REPORT: Duration = Duration::from_mins(1);
const RETRY: Duration = Duration::from_millis(200);

/// A handle of the writer of events. When the last one is dropped, the queued batches are written and the connection is closed.
#[derive(Clone, Debug)]
pub(super) struct Appender {
    queue: mpsc::Sender<Append>,
    /// Batches whose callers were told that they failed, while the database may still receive them.
    pub(super) unsettled: Unsettled,
}

impl Appender {
    pub(super) fn start(connector: Connector, health: Health, metrics: StoreMetrics) -> Self {
        let (queue, mut inbox) = mpsc::channel(QUEUE);
        let unsettled = Unsettled::default();
        let mut task = Task { connector, health, metrics, unsettled: unsettled.clone(), link: None, outage: None };
        TaskTracker::new().spawn(async move {
            let mut waiting = Vec::with_capacity(GROUP);
            while inbox.recv_many(&mut waiting, GROUP).await > 0 {
                while !waiting.is_empty() {
                    let later = task.write(std::mem::take(&mut waiting)).await;
                    waiting = later;
                }
            }
        });
        Self { queue, unsettled }
    }

    /// Implements [`RunStore::append`](crate::run::store::RunStore::append). Dropping the future does not undo the append.
    pub(super) async fn append(&self, lease: Lease, batch: Vec<Chunk>, change: RunChange) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        let append = Append::new(lease, batch, change, reply)?;
        self.queue.send(append).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

struct Task {
    connector: Connector,
    health: Health,
    metrics: StoreMetrics,
    unsettled: Unsettled,
    link: Option<(Client, Option<Backend>)>,
    /// When the connection was lost, and when this is reported again.
    outage: Option<(Instant, Instant)>,
}

impl Task {
    /// Writes batches and answers their callers. Returns those that have to wait: a run has at most one batch in a statement.
    async fn write(&mut self, waiting: Vec<Append>) -> Vec<Append> {
        let (mut group, mut later) = (Vec::new(), Vec::new());
        let (mut runs, mut bytes) = (HashSet::new(), 0);
        for append in waiting {
            let is_first = group.is_empty();
            let fits = append.is_simple() && group.iter().all(Append::is_simple) && bytes < GROUP_BYTES;
            // A batch that follows one of its run which has to wait has to wait too.
            if runs.insert(append.lease.run) && (is_first || fits) {
                bytes += append.batch.iter().map(|chunk| chunk.body.len()).sum::<usize>();
                group.push(append);
            } else {
                later.push(append);
            }
        }
        let began = Instant::now();
        let results = self.write_group(&mut group).await;
        let failed = results.iter().any(|result| matches!(result, Err(StoreError::Write(_))));
        self.metrics.record_commit(began.elapsed(), !failed);
        for (append, result) in group.into_iter().zip(results) {
            self.health.record(&result);
            let _ = append.reply.send(result);
        }
        later
    }

    async fn write_group(&mut self, group: &mut [Append]) -> Vec<Result<(), StoreError>> {
        loop {
            let error = match self.try_write(group).await {
                Ok(results) => {
                    self.outage = None;
                    return results;
                }
                Err(error) => error,
            };
            let was_sent = self.link.is_some();
            if let Some((_, Some(backend))) = self.link.take() {
                self.unsettled.set(backend).await;
            }
            for append in &mut *group {
                append.was_sent |= was_sent;
            }
            let is_over = self.report_outage(&error, group.len());
            if is_over || group.iter().any(|append| append.was_sent && !append.is_repeatable()) {
                return group.iter().map(|_| Err(StoreError::Write(error.to_string()))).collect();
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Reports that there is no connection, but not each time. Returns whether batches have waited long enough.
    fn report_outage(&mut self, error: &SqlError, batches: usize) -> bool {
        let now = Instant::now();
        let Some((began, next_report)) = &mut self.outage else {
            tracing::warn!(%error, "lost the connection to the database; connecting again");
            self.outage = Some((now, now + FIRST_REPORT));
            return false;
        };
        let lasted = now.duration_since(*began);
        if now >= *next_report {
            tracing::warn!(%error, outage_secs = lasted.as_secs(), batches, "still no connection to the database; events wait");
            *next_report = now + REPORT;
        }
        lasted >= OUTAGE
    }

    /// Writes the group.
    ///
    /// # Errors
    /// If the connection is lost: then each batch may be written or not.
    async fn try_write(&mut self, group: &[Append]) -> Result<Vec<Result<(), StoreError>>, SqlError> {
        let link = if let Some(link) = self.link.take().filter(|(client, _)| !client.is_closed()) {
            link
        } else {
            self.unsettled.settle(&self.connector).await?;
            let client = self.connector.connect(Lifetime::Shared).await?;
            let backend = Backend::of(&client).await?;
            (client, backend)
        };
        let (client, _) = &*self.link.insert(link);
        let mut results = Vec::with_capacity(group.len());
        if let [_, _, ..] = group {
            let all: Vec<&Append> = group.iter().collect();
            match write_all(client, &all).await {
                Ok(written) => {
                    for (append, written) in group.iter().zip(written) {
                        results.push(if written { Ok(()) } else { refused(client, append).await });
                    }
                    return Ok(results);
                }
                Err(error) if error.is_lost() => return Err(error),
                // One of them is at fault, which must not affect the others.
                Err(error) => tracing::debug!(%error, "a statement for several runs failed; writing them one by one"),
            }
        }
        for append in group {
            if append.was_sent && is_written(client, append).await.unwrap_or(false) {
                results.push(Ok(()));
                continue;
            }
            results.push(match write_one(client, append).await {
                Ok(true) => Ok(()),
                Ok(false) => refused(client, append).await,
                Err(error) if error.is_lost() => return Err(error),
                Err(error) => Err(statement_error(client, append, error).await),
            });
        }
        Ok(results)
    }
}

async fn refused(client: &Client, append: &Append) -> Result<(), StoreError> {
    match refusal(client, append).await {
        Ok(None) => Ok(()),
        Ok(Some(error)) | Err(error) => Err(error),
    }
}
