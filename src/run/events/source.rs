//! Where a follower learns what was appended.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::live::{Live, LiveLogs, Tip, TipState};
use crate::run::store::{RunStore, StoreError};
use crate::types::RunId;

/// How often the row of an unfinished run is read again if this server does not write its log.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// What followers read from. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Logs {
    pub(super) store: Arc<dyn RunStore>,
    /// The logs that this server writes.
    pub(super) live: LiveLogs,
    /// Cancelled when the server shuts down.
    pub(super) closed: CancellationToken,
}

/// Where a follower learns what was appended to a log.
#[derive(Debug)]
pub(super) enum Source {
    /// From the writer, which is in this process.
    Live { live: Arc<Live>, tip: watch::Receiver<Tip> },
    /// From the run's row, which is read again at `next_read` unless the run has ended.
    Row { tip: Tip, next_read: Instant },
}

/// What a follower does after it has received everything up to the tip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// There may be more.
    Continue,
    /// Nothing follows.
    End,
}

impl Source {
    /// The source for a run; `None` if the run does not exist. A run's log is in this process before its row exists and until after its
    /// end is stored, so the row is read only if there is no log here.
    pub(super) async fn find(logs: &Logs, run: RunId) -> Result<Option<Self>, StoreError> {
        if let Some(live) = logs.live.get(run) {
            let tip = live.subscribe();
            return Ok(Some(Self::Live { live, tip }));
        }
        let Some(row) = logs.store.log_tip(run).await? else { return Ok(None) };
        let state = if row.ended_at.is_some() { TipState::Ended } else { TipState::Detached };
        Ok(Some(Self::Row { tip: Tip { last: row.last.get(), state }, next_read: Instant::now() + POLL_INTERVAL }))
    }

    pub(super) fn tip(&mut self) -> Tip {
        match self {
            Self::Live { tip, .. } => *tip.borrow_and_update(),
            Self::Row { tip, .. } => *tip,
        }
    }

    /// Frames after number `after` that are in memory; see [`Live::tail_after`].
    pub(super) fn tail_after(&self, after: u64, budget: usize) -> Option<(Bytes, u64)> {
        match self {
            Self::Live { live, .. } => live.tail_after(after, budget),
            Self::Row { .. } => None,
        }
    }

    /// Waits until the tip may have changed. `seen` is the tip up to which everything was received. Cancel-safe.
    ///
    /// # Errors
    /// [`StoreError`] if the row cannot be read.
    pub(super) async fn wait(&mut self, seen: Tip, logs: &Logs, run: RunId) -> Result<Wait, StoreError> {
        match (&mut *self, seen.state) {
            (_, TipState::Ended) => return Ok(Wait::End),
            (Self::Live { tip, .. }, TipState::Reserved | TipState::Open) => {
                // The sender exists as long as `live`.
                let _ = tip.changed().await;
                return Ok(Wait::Continue);
            }
            // The writer is gone: the row tells at once whether it stored the end.
            (Self::Live { .. }, TipState::Detached) => {}
            (Self::Row { next_read, .. }, _) => {
                // A log that appeared since the row was read, for example of a run that is being continued, is found without delay.
                if logs.live.get(run).is_none() {
                    tokio::select! {
                        biased;
                        () = logs.closed.cancelled() => return Ok(Wait::End),
                        () = sleep_until(*next_read) => {}
                    }
                }
            }
        }
        match Self::find(logs, run).await? {
            Some(source) => {
                *self = source;
                Ok(Wait::Continue)
            }
            None => Ok(Wait::End),
        }
    }
}
