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
use crate::run::store::{Idempotency, RunChange, RunRecord, RunStore, StoreError};
use crate::types::{Clock, RunId, Seq, StreamEvent, Timestamp};

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
    /// [`StoreError::KeyUsed`] if the idempotency key was used before; any other [`StoreError`] if the store fails. The run does not
    /// exist then.
    pub async fn create(
        &self,
        mut run: RunRecord,
        first: &[StreamEvent],
        idempotency: Option<Idempotency>,
    ) -> Result<LogWriter, StoreError> {
        let id = run.id;
        let chunks = encode(Seq::FIRST, self.clock.now(), first);
        run.last_seq = chunks.last().map_or(Seq::FIRST, |chunk| chunk.last);
        let frames = chunks.iter().map(Frames::from_chunk).collect();
        self.store.create_run(run, chunks, idempotency).await?;
        let mut writer = self.new_writer(id, 0, Redactor::new(self.secrets.clone()));
        writer.publish(frames, false);
        Ok(writer)
    }

    /// Returns a writer for a log that an earlier server left unfinished, which redacts `secrets`. Text that the earlier server withheld
    /// is written with the next piece of its text.
    pub fn reopen(&self, run: &RunRecord, secrets: Secrets) -> LogWriter {
        self.new_writer(run.id, run.last_seq.get(), Redactor::resume(secrets, &run.withheld))
    }

    fn new_writer(&self, run: RunId, last: u64, redactor: Redactor) -> LogWriter {
        let live = Arc::new(Live::new(last, Arc::clone(&self.tail_total)));
        self.live_logs().insert(run, Arc::clone(&live));
        LogWriter { run, last, live, redactor, log: self.clone() }
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

    /// Derives from the log in which state a run was whose driver is gone. Reads the whole log.
    ///
    /// # Errors
    /// [`StoreError`] if the log cannot be read.
    pub async fn summarize(&self, run: RunId) -> Result<LogSummary, StoreError> {
        let (mut summary, mut cursor) = (LogSummary::default(), 0);
        loop {
            let chunks = self.store.chunks(run, cursor, SUMMARY_READ_BYTES).await?;
            let Some(last) = chunks.last() else { return Ok(summary) };
            cursor = last.last.get();
            for line in chunks.iter().flat_map(|chunk| chunk.body.split(|byte| *byte == b'\n')) {
                summary.add_line(line);
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
    run: RunId,
    pub(super) last: u64,
    live: Arc<Live>,
    redactor: Redactor,
    log: EventLog,
}

impl LogWriter {
    /// The run whose log this is.
    pub fn run(&self) -> RunId {
        self.run
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
        let stored = self.log.store.append(self.run, chunks.clone(), change);
        // The first step of a write hands the batch to the writing thread, so the frames are encoded while the disk works.
        let (stored, frames) = tokio::join!(biased; stored, async { chunks.iter().map(Frames::from_chunk).collect() });
        stored?;
        if let Some(redactor) = redactor {
            self.redactor = redactor;
        }
        self.publish(frames, ended);
        Ok(())
    }

    /// Makes a durable batch visible.
    fn publish(&mut self, frames: Vec<Frames>, ended: bool) {
        self.last = frames.last().map_or(self.last, Frames::last);
        self.live.publish(frames, ended);
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.log.live_logs().remove(&self.run);
        self.live.end();
    }
}
