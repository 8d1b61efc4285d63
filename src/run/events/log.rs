//! Writes the log. A batch becomes durable first, then visible.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::encode::encode;
use super::follower::{Follower, Framing};
use super::frames::Frames;
use super::live::{Live, Tip};
use super::summary::LogSummary;
use super::tail::TailTotal;
use crate::redact::{Redactor, Secrets};
use crate::run::store::{Idempotency, RunChange, RunRecord, RunStore, SessionUse, StoreError};
use crate::types::{Clock, Lease, RunId, Seq, StreamEvent, Timestamp};

/// Approximate size of one read while a log is summarized, in bytes.
const SUMMARY_READ_BYTES: usize = 1024 * 1024;

/// The logs of all runs. Cloning returns another handle.
#[derive(Clone)]
pub struct EventLog {
    store: Arc<dyn RunStore>,
    clock: Arc<dyn Clock>,
    live: Arc<Mutex<HashMap<RunId, Arc<Live>>>>,
    secrets: Secrets,
    tail_total: Arc<TailTotal>,
}

impl EventLog {
    /// The logs in `store`, with event times from `clock`.
    pub fn new(store: Arc<dyn RunStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, live: Arc::default(), secrets: Secrets::default(), tail_total: Arc::default() }
    }

    /// The same logs, with `secrets` redacted in all events that are written from now on.
    #[must_use]
    pub fn with_secrets(self, secrets: Secrets) -> Self {
        Self { secrets, ..self }
    }

    /// The secrets that are redacted in the events of every run.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Makes a run durable together with its first events, of which there must be at least one, and returns the writer of its log.
    ///
    /// # Errors
    /// [`StoreError::NoSession`] if the session to continue does not exist; [`StoreError::KeyUsed`] if the idempotency key was used before;
    /// any other [`StoreError`] if the store fails. The run does not exist then.
    pub async fn create(
        &self,
        mut run: RunRecord,
        session: SessionUse,
        first: &[StreamEvent],
        idempotency: Option<Idempotency>,
    ) -> Result<LogWriter, StoreError> {
        let chunks = encode(Seq::FIRST, self.clock.now(), first);
        run.last_seq = chunks.last().map_or(Seq::FIRST, |chunk| chunk.last);
        let frames = chunks.iter().map(Frames::from_chunk).collect();
        let lease = self.store.create_run(run, session, chunks, idempotency).await?;
        let mut writer = self.new_writer(lease, 0, Redactor::new(self.secrets.clone()));
        writer.publish(frames, false);
        Ok(writer)
    }

    /// Returns a writer for a log that an earlier server left unfinished, which writes under `lease` and redacts `secrets`. Text that the
    /// earlier server withheld is written with the next piece of its text. The run must have been read after the lease was taken.
    pub fn reopen(&self, lease: Lease, run: &RunRecord, secrets: Secrets) -> LogWriter {
        self.new_writer(lease, run.last_seq.get(), Redactor::resume(secrets, &run.withheld))
    }

    fn new_writer(&self, lease: Lease, last: u64, redactor: Redactor) -> LogWriter {
        let live = Arc::new(Live::new(last, Arc::clone(&self.tail_total)));
        self.live_logs().insert(lease.run, Arc::clone(&live));
        LogWriter { lease, last, live, redactor, log: self.clone() }
    }

    /// Follows a run from the event after number `after`; `None` if the run does not exist.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn follow(&self, run: RunId, after: u64, framing: Framing) -> Result<Option<Follower>, StoreError> {
        let live = self.live_logs().get(&run).cloned();
        if let Some(live) = live {
            return Ok(Some(Follower::new_live(run, after, framing, live, Arc::clone(&self.store))));
        }
        // A run that is not live has ended, even if only just now: its row was committed before its writer was dropped.
        let Some(record) = self.store.run(run).await? else { return Ok(None) };
        let tip = Tip { last: record.last_seq.get(), ended: true };
        Ok(Some(Follower::new_ended(run, after, framing, tip, Arc::clone(&self.store))))
    }

    /// Derives from the log in which state a run was whose driver is gone. Reads the whole log and skips what is damaged.
    ///
    /// # Errors
    /// [`StoreError`] if the log cannot be read.
    pub async fn summarize(&self, run: RunId) -> Result<LogSummary, StoreError> {
        let (mut summary, mut cursor) = (LogSummary::default(), 0);
        loop {
            let chunks = self.store.chunks(run, cursor, SUMMARY_READ_BYTES).await?;
            if chunks.is_empty() {
                return Ok(summary);
            }
            for chunk in chunks {
                match chunk {
                    Ok(chunk) => {
                        cursor = chunk.last.get();
                        chunk.body.split(|byte| *byte == b'\n').for_each(|line| summary.add_line(line));
                    }
                    Err(damaged) => {
                        cursor = damaged.last.get();
                        let (first, last, problem) = (damaged.first.get(), damaged.last.get(), damaged.problem);
                        tracing::warn!(run.id = %run, first, last, problem, "a part of the log is damaged and was skipped");
                    }
                }
            }
        }
    }

    /// The current time of the clock that stamps the events.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn live_logs(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, Arc<Live>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for EventLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventLog").field("live", &self.live_logs().len()).finish_non_exhaustive()
    }
}

/// The writer of one run's log. Each live run has exactly one.
///
/// Dropping it ends the log for its followers: they receive the durable events and then the end of the stream.
#[derive(Debug)]
pub struct LogWriter {
    lease: Lease,
    pub(super) last: u64,
    live: Arc<Live>,
    redactor: Redactor,
    log: EventLog,
}

impl LogWriter {
    /// The run whose log this is.
    pub fn run(&self) -> RunId {
        self.lease.run
    }

    /// The lease under which it writes.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// The current time of the clock that stamps the events.
    pub fn now(&self) -> Timestamp {
        self.log.now()
    }

    /// The secrets that are redacted in the events of this run.
    pub fn secrets(&self) -> &Secrets {
        self.redactor.secrets()
    }

    /// Redacts `secrets` from now on. They must include those of [`EventLog::secrets`].
    pub fn set_secrets(&mut self, secrets: Secrets) {
        self.redactor.set_secrets(secrets);
    }

    /// Redacts `events`, makes them durable together with `change` and with what is withheld of them, and then shows them to followers.
    /// Does nothing if there are no events.
    ///
    /// Not cancel-safe: if the future is dropped, the batch may be durable without being visible.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails. Nothing was written then, and the next batch gets the same numbers.
    pub async fn append(&mut self, events: &[StreamEvent], mut change: RunChange) -> Result<(), StoreError> {
        let Some(first) = Seq::new(self.last + 1).filter(|_| !events.is_empty()) else { return Ok(()) };
        let ended = change.done.is_some();
        let (events, redactor) = self.redactor.redact(events);
        if let Some((done, _)) = &mut change.done {
            self.redactor.redact_done(done);
        }
        change.withheld = redactor.as_ref().and_then(|redactor| redactor.withheld_since(&self.redactor));
        let chunks = encode(first, self.log.now(), &events);
        let stored = self.log.store.append(&self.lease, chunks.clone(), change);
        // The first step of a write hands the batch to the writing thread, so the frames are encoded while the disk works.
        let (stored, frames) = tokio::join!(biased; stored, async { chunks.iter().map(Frames::from_chunk).collect() });
        stored?;
        if let Some(redactor) = redactor {
            self.redactor = redactor;
        }
        self.publish(frames, ended);
        Ok(())
    }

    /// Makes a change durable that comes without events, such as a new status. Cancel-safe in the sense that the change is durable or not.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails. Nothing was changed then.
    pub async fn update(&self, change: RunChange) -> Result<(), StoreError> {
        self.log.store.append(&self.lease, Vec::new(), change).await
    }

    /// Makes a durable batch visible.
    fn publish(&mut self, frames: Vec<Frames>, ended: bool) {
        self.last = frames.last().map_or(self.last, Frames::last);
        self.live.publish(frames, ended);
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.log.live_logs().remove(&self.lease.run);
        self.live.end();
    }
}
