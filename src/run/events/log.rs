//! Writes the log. A batch becomes durable first, then visible.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::encode::encode;
use super::follower::{Follower, Framing};
use super::frames::Frames;
use super::live::{LiveEntry, LiveLogs};
use super::source::{Logs, Source};
use super::summary::{self, LogSummary};
use crate::redact::{Redactor, Secrets};
use crate::run::store::{Audited, Chunk, Idempotency, RunChange, RunRecord, RunStore, SessionUse, StoreError};
use crate::types::{Answer, Clock, Lease, RunId, Seq, StreamEvent, Timestamp};

/// Delay before the tip of a log is read again to find out whether a batch was written.
const READ_RETRY_DELAY: Duration = Duration::from_secs(1);
/// Approximate size of one read while a log is summarized, in bytes.
const SUMMARY_READ_BYTES: usize = 1024 * 1024;

/// The logs of all runs. Cloning returns another handle.
#[derive(Clone)]
pub struct EventLog {
    logs: Logs,
    clock: Arc<dyn Clock>,
    secrets: Secrets,
}

impl EventLog {
    /// The logs in `store`, with event times from `clock`.
    pub fn new(store: Arc<dyn RunStore>, clock: Arc<dyn Clock>) -> Self {
        let logs = Logs { store, live: LiveLogs::default(), closed: CancellationToken::new() };
        Self { logs, clock, secrets: Secrets::default() }
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
        audit: Option<Audited>,
    ) -> Result<LogWriter, StoreError> {
        // Before the run is stored: an observer that finds its row also finds its log.
        let live = self.logs.live.reserve(run.id);
        let chunks = encode(Seq::FIRST, self.clock.now(), first);
        run.last_seq = chunks.last().map_or(Seq::FIRST, |chunk| chunk.last);
        let frames = chunks.iter().map(Frames::from_chunk).collect();
        let lease = self.logs.store.create_run(run, session, chunks, idempotency, audit).await?;
        let mut writer = LogWriter { lease, last: 0, live, redactor: Redactor::new(self.secrets.clone()), log: self.clone() };
        writer.publish(frames, false);
        Ok(writer)
    }

    /// Returns a writer for a log that an earlier server left unfinished, which writes under `lease` and redacts `secrets`. Text that the
    /// earlier server withheld is written with the next piece of its text. The run must have been read after the lease was taken.
    pub fn reopen(&self, lease: Lease, run: &RunRecord, secrets: Secrets) -> LogWriter {
        self.writer_at(lease, run.last_seq.get(), Redactor::resume(secrets, &run.withheld))
    }

    /// Returns a writer for the log of a run whose row cannot be read, whose last event has number `last`. Text that an earlier server
    /// withheld is lost.
    pub fn reopen_damaged(&self, lease: Lease, last: u64) -> LogWriter {
        self.writer_at(lease, last, Redactor::new(self.secrets.clone()))
    }

    fn writer_at(&self, lease: Lease, last: u64, redactor: Redactor) -> LogWriter {
        let live = self.logs.live.open(lease.run, last);
        LogWriter { lease, last, live, redactor, log: self.clone() }
    }

    /// Follows a run from the event after number `after`; `None` if the run does not exist.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn follow(&self, run: RunId, after: u64, framing: Framing) -> Result<Option<Follower>, StoreError> {
        let source = Source::find(&self.logs, run).await?;
        Ok(source.map(|source| Follower::new(run, after, framing, source, self.logs.clone())))
    }

    /// Ends all followers of logs that this server does not write, now and from now on, after they have received what is stored: it shuts
    /// down. The others end with their writers.
    pub fn close(&self) {
        self.logs.closed.cancel();
    }

    /// Derives from the log in which state a run was whose driver is gone. Reads the whole log and skips what is damaged.
    ///
    /// # Errors
    /// [`StoreError`] if the log cannot be read.
    pub async fn summarize(&self, run: RunId) -> Result<LogSummary, StoreError> {
        let mut summary = LogSummary::default();
        self.scan(run, |line| summary.add_line(line)).await?;
        Ok(summary)
    }

    /// The answers to these requests that the log contains. Reads the whole log and skips what is damaged.
    ///
    /// # Errors
    /// [`StoreError`] if the log cannot be read.
    pub async fn answers(&self, run: RunId, requests: &HashSet<String>) -> Result<HashMap<String, Answer>, StoreError> {
        let mut answers = HashMap::new();
        self.scan(run, |line| summary::add_answer(line, requests, &mut answers)).await?;
        Ok(answers)
    }

    /// Passes every line of the log to `add_line`, except for those that are damaged.
    async fn scan(&self, run: RunId, mut add_line: impl FnMut(&[u8])) -> Result<(), StoreError> {
        let mut cursor = 0;
        loop {
            let chunks = self.logs.store.chunks(run, cursor, SUMMARY_READ_BYTES).await?;
            if chunks.is_empty() {
                return Ok(());
            }
            for chunk in chunks {
                match chunk {
                    Ok(chunk) => {
                        cursor = chunk.last.get();
                        chunk.body.split(|byte| *byte == b'\n').for_each(&mut add_line);
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
}

impl std::fmt::Debug for EventLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventLog").field("live", &self.logs.live.len()).finish_non_exhaustive()
    }
}

/// The writer of one run's log. Each live run has exactly one.
///
/// Dropping it ends the followers only if the end of the run is stored. Otherwise they receive what another writer appends, or wait for one.
#[derive(Debug)]
pub struct LogWriter {
    lease: Lease,
    pub(super) last: u64,
    live: LiveEntry,
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

    /// The answers to these requests that the log contains.
    ///
    /// # Errors
    /// [`StoreError`] if the log cannot be read.
    pub async fn answers(&self, requests: &HashSet<String>) -> Result<HashMap<String, Answer>, StoreError> {
        self.log.answers(self.lease.run, requests).await
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
    /// Whether a write was durable although the store reported a failure is found out before this returns, which takes as long as the
    /// store cannot be read.
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
        let stored = self.log.logs.store.append(&self.lease, chunks.clone(), change);
        // The first step of a write hands the batch to the writing thread, so the frames are encoded while the disk works.
        let (stored, frames) = tokio::join!(biased; stored, async { chunks.iter().map(Frames::from_chunk).collect() });
        if let Err(error) = stored
            && !self.was_stored(&error, &chunks).await
        {
            return Err(error);
        }
        if let Some(redactor) = redactor {
            self.redactor = redactor;
        }
        self.publish(frames, ended);
        Ok(())
    }

    /// Whether a batch is durable although its write was reported as failed. Only this writer appends to the log, so its tip decides.
    async fn was_stored(&self, error: &StoreError, batch: &[Chunk]) -> bool {
        if !matches!(error, StoreError::Write(_)) {
            return false;
        }
        loop {
            match self.log.logs.store.run(self.lease.run).await {
                Ok(run) => {
                    return run
                        .is_some_and(|run| run.lease == Some(self.lease) && batch.last().is_some_and(|chunk| chunk.last == run.last_seq));
                }
                Err(StoreError::Read(_) | StoreError::NoReader(_)) => tokio::time::sleep(READ_RETRY_DELAY).await,
                Err(_) => return false,
            }
        }
    }

    /// Makes a change durable that comes without events, such as a new status. Cancel-safe in the sense that the change is durable or not.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails. Nothing was changed then.
    pub async fn update(&self, change: RunChange) -> Result<(), StoreError> {
        self.log.logs.store.append(&self.lease, Vec::new(), change).await
    }

    /// Makes a durable batch visible.
    fn publish(&mut self, frames: Vec<Frames>, ended: bool) {
        self.last = frames.last().map_or(self.last, Frames::last);
        self.live.publish(frames, ended);
    }
}
