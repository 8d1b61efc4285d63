//! Writes the log: durable first, then seen.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;

use super::encode::Encoder;
use super::follower::{Follower, Framing};
use super::frames::Frames;
use super::mask::Masker;
use super::secrets::Secrets;
use super::summary::LogSummary;
use super::tail::{Tail, Tails};
use crate::run::store::{Chunk, Idempotency, RunChange, RunRecord, RunStore, StoreError};
use crate::types::{Clock, RunId, Seq, StreamEvent, Timestamp};

/// Bytes of events after which a batch goes on in another chunk, as long as a page that followers are given: one of them that stands
/// still holds no more than that, however large the batches are.
const CHUNK: usize = 64 * 1024;

/// About how much of a log is read at once where nobody waits for it, in bytes.
const READ: usize = 1024 * 1024;

/// The logs of all runs. Cloning gives another handle.
#[derive(Clone)]
pub struct EventLog {
    store: Arc<dyn RunStore>,
    clock: Arc<dyn Clock>,
    live: Arc<Mutex<HashMap<RunId, Arc<Live>>>>,
    secrets: Secrets,
    tails: Arc<Tails>,
}

/// How far a log has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tip {
    /// Number of the last event on disk.
    pub(super) last: u64,
    /// Whether nothing follows.
    pub(super) ended: bool,
}

/// What the writer and the followers of one live run share.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) tip: watch::Sender<Tip>,
    tail: Mutex<Tail>,
}

impl EventLog {
    /// The logs in `store`, stamped with `clock`.
    pub fn new(store: Arc<dyn RunStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, live: Arc::default(), secrets: Secrets::default(), tails: Arc::default() }
    }

    /// The same, without these values in any event that is written from now on.
    #[must_use]
    pub fn hiding(self, secrets: Secrets) -> Self {
        Self { secrets, ..self }
    }

    /// The values that are in no event of any run.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Makes a run durable together with its first events, of which there is at least one, and gives the right to write on.
    ///
    /// # Errors
    /// [`StoreError::KeyUsed`] if the key was used before; any other [`StoreError`] if the store fails. There is no such run then.
    pub async fn create(
        &self,
        mut run: RunRecord,
        first: &[StreamEvent],
        idempotency: Option<Idempotency>,
    ) -> Result<LogWriter, StoreError> {
        let id = run.id;
        let chunks = chunks_of(Seq::FIRST, self.clock.now(), first);
        run.last_seq = chunks.last().map_or(Seq::FIRST, |chunk| chunk.last);
        let frames = chunks.iter().map(Frames::of).collect();
        self.store.create_run(run, chunks, idempotency).await?;
        let mut writer = self.writer(id, 0, Masker::new(self.secrets.clone()));
        writer.seen(frames, false);
        Ok(writer)
    }

    /// Gives the right to write on in a log that an earlier server left unfinished, without any of `secrets`. What that server held back
    /// of the last texts comes with their next pieces.
    pub fn reopen(&self, run: &RunRecord, secrets: Secrets) -> LogWriter {
        self.writer(run.id, run.last_seq.get(), Masker::resumed(secrets, &run.withheld))
    }

    fn writer(&self, run: RunId, last: u64, mask: Masker) -> LogWriter {
        let live =
            Arc::new(Live { tip: watch::Sender::new(Tip { last, ended: false }), tail: Mutex::new(Tail::new(Arc::clone(&self.tails))) });
        self.lock().insert(run, Arc::clone(&live));
        LogWriter { run, last, live, mask, log: self.clone() }
    }

    /// Follows a run from the event after number `after`; `None` if there is no such run.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn follow(&self, run: RunId, after: u64, framing: Framing) -> Result<Option<Follower>, StoreError> {
        let live = self.lock().get(&run).cloned();
        if let Some(live) = live {
            return Ok(Some(Follower::of_live(run, after, framing, live, Arc::clone(&self.store))));
        }
        // Not live: it has ended, and its row says where. (One that ended a moment ago has its row committed by now.)
        let Some(record) = self.store.run(run).await? else { return Ok(None) };
        let tip = Tip { last: record.last_seq.get(), ended: true };
        Ok(Some(Follower::of_ended(run, after, framing, tip, Arc::clone(&self.store))))
    }

    /// What the log of a run whose driver is gone says of where it stood. Reads the whole log.
    ///
    /// # Errors
    /// [`StoreError`] if the log cannot be read.
    pub async fn memory(&self, run: RunId) -> Result<LogSummary, StoreError> {
        let (mut memory, mut cursor) = (LogSummary::default(), 0);
        loop {
            let chunks = self.store.chunks(run, cursor, READ).await?;
            let Some(last) = chunks.last() else { return Ok(memory) };
            cursor = last.last.get();
            for line in chunks.iter().flat_map(|chunk| chunk.body.split(|byte| *byte == b'\n')) {
                memory.see(line);
            }
        }
    }

    /// The present moment by the clock that stamps the events.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, Arc<Live>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for EventLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventLog").field("live", &self.lock().len()).finish_non_exhaustive()
    }
}

impl Live {
    /// Shows a batch that is on disk.
    fn publish(&self, frames: Vec<Frames>, ended: bool) {
        let Some(last) = frames.last().map(Frames::last) else { return };
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).push(frames);
        self.tip.send_replace(Tip { last, ended });
    }

    /// Ready frames after number `after`, at most about `budget` bytes, with the number of the last; `None` if the tail does not
    /// reach back that far.
    pub(super) fn tail_after(&self, after: u64, budget: usize) -> Option<(Bytes, u64)> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).after(after, budget)
    }
}

/// The right to write one run's log. There is one for each live run.
///
/// Dropping it ends the following of the run: who reads gets what is on disk, and then the end of the stream.
#[derive(Debug)]
pub struct LogWriter {
    run: RunId,
    pub(super) last: u64,
    live: Arc<Live>,
    mask: Masker,
    log: EventLog,
}

impl LogWriter {
    /// The run whose log it is.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// The present moment by the clock that stamps the events.
    pub fn now(&self) -> Timestamp {
        self.log.now()
    }

    /// The values that are in no event of this run.
    pub fn secrets(&self) -> &Secrets {
        self.mask.secrets()
    }

    /// Writes none of these values from now on: those of [`EventLog::secrets`], and the run's own.
    pub fn hide(&mut self, secrets: Secrets) {
        self.mask.add(secrets);
    }

    /// Makes `events` durable, but for the secrets in them, with `change` in the run's row, and then lets followers see them. What is held
    /// back of them is known in the row as well, both or neither. Without events it does nothing.
    ///
    /// Must not be dropped before it answers: the batch may be on disk without being seen.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails. Nothing was written then, and the same numbers are given again.
    pub async fn append(&mut self, events: &[StreamEvent], mut change: RunChange) -> Result<(), StoreError> {
        let Some(first) = Seq::new(self.last + 1).filter(|_| !events.is_empty()) else { return Ok(()) };
        let ended = change.done.is_some();
        let (events, mask) = self.mask.mask(events);
        if let Some((done, _)) = &mut change.done {
            self.mask.done(done);
        }
        change.withheld = mask.as_ref().and_then(|mask| mask.held_unlike(&self.mask));
        let chunks = chunks_of(first, self.log.now(), &events);
        let stored = self.log.store.append(self.run, chunks.clone(), change);
        // They are framed while the disk is at work, since the first step of a write is to hand it on.
        let (stored, frames) = tokio::join!(biased; stored, async { chunks.iter().map(Frames::of).collect() });
        stored?;
        if let Some(mask) = mask {
            self.mask = mask;
        }
        self.seen(frames, ended);
        Ok(())
    }

    /// The batch is on disk: from now on it is seen, and the next one follows it.
    fn seen(&mut self, frames: Vec<Frames>, ended: bool) {
        self.last = frames.last().map_or(self.last, Frames::last);
        self.live.publish(frames, ended);
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.log.lock().remove(&self.run);
        self.live.tip.send_modify(|tip| tip.ended = true);
    }
}

/// The batch as it is stored: whole lines, in chunks that a reader can take one by one.
pub(super) fn chunks_of(first: Seq, ts: Timestamp, events: &[StreamEvent]) -> Vec<Chunk> {
    let encoder = Encoder::new(ts);
    let mut chunks = Vec::new();
    let (mut begun, mut body) = (first, Vec::new());
    let mut seq = first;
    for (event, left) in events.iter().zip((0..events.len()).rev()) {
        if body.is_empty() {
            body.reserve((left + 1).saturating_mul(128).min(CHUNK + CHUNK / 8));
        }
        encoder.line(seq, event, &mut body);
        let next = seq.next();
        if body.len() >= CHUNK || left == 0 {
            chunks.push(Chunk { first: begun, last: seq, body: std::mem::take(&mut body).into() });
            begun = next;
        }
        seq = next;
    }
    chunks
}
