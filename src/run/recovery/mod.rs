//! Recovery of the runs that an earlier server left unfinished: reattached, requeued, or ended.
//!
//! ```text
//! scan ─┬─ launched, its agent was found ──▶ reattach
//!       ├─ not launched ───────────────────▶ requeue, after all others, in their order
//!       ├─ cannot be continued ────────────▶ end
//!       └─ the store cannot be read ───────▶ again later
//! ```
//!
//! Each run is recovered by itself: damage to its row, its log or its process directory ends or shortens that run and delays no other. The
//! lease comes first, so that nothing that an earlier server of the run still writes can be stored.

mod end;
mod reattach;
mod requeue;
mod scan;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};

use self::scan::Scanned;
use super::idempotency::KEY_LIFETIME;
use super::manager::RunManager;
use super::store::StoreError;
use crate::types::{Lease, RunId, Timestamp};

/// Runs that are recovered at the same time. Each one opens files and reads its log and its agent's output.
const PARALLEL: usize = 16;

/// Delay before a run whose recovery failed is tried again. It doubles with each attempt.
const MIN_RETRY: Duration = Duration::from_secs(1);
const MAX_RETRY: Duration = Duration::from_mins(1);

/// Number of expired idempotency keys that are deleted in one transaction.
const KEYS_PER_STEP: usize = 1000;

/// Number of recovered runs, by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Runs whose agents were found, alive or exited.
    pub reattached: usize,
    /// Runs that had not started and are queued again.
    pub requeued: usize,
    /// Runs that could not be continued.
    pub interrupted: usize,
    /// Runs that the store could not read. They are tried again until it can.
    pub postponed: usize,
}

/// The outcome of the recovery of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::run) enum Outcome {
    Reattached,
    Requeued,
    Interrupted,
    /// It has ended or was deleted.
    Gone,
    Postponed,
}

impl RunManager {
    /// Recovers the runs that an earlier server left unfinished. Runs whose agents are alive, or exited meanwhile, continue from the end
    /// of their logs. Runs whose agents were not launched are queued again in their original order. All others are killed and ended. When
    /// this returns, every unfinished run has a driver, has ended, or waits for a store that can read it.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot list the runs.
    pub async fn recover(&self) -> Result<Recovered, StoreError> {
        let expired = self.inner.log.now().as_millis() - i64::try_from(KEY_LIFETIME.as_millis()).unwrap_or(i64::MAX);
        while self.inner.store.forget_keys(Timestamp::from_millis(expired), KEYS_PER_STEP).await? {}
        self.remove_unknown_workspaces().await;
        self.load_uploads().await;
        let orphans: HashSet<RunId> = self.inner.store.orphans().await?.into_iter().collect();
        let (mut recovered, mut waiting) = (Recovered::default(), Vec::new());
        let scans = self.inner.store.unfinished().await?.into_iter().map(|run| self.scan_isolated(run, orphans.contains(&run)));
        let mut scans = stream::iter(scans).buffered(PARALLEL);
        // Live runs first: they already hold their sessions and slots.
        while let Some(scanned) = scans.next().await {
            match scanned {
                Scanned::Outcome(outcome) => recovered.count(outcome),
                Scanned::NotLaunched(lease) => waiting.push(lease),
            }
        }
        for lease in waiting {
            recovered.count(self.requeue_isolated(lease).await);
        }
        self.inner.context.metrics.record_recovered(recovered.reattached, recovered.requeued, recovered.interrupted);
        Ok(recovered)
    }

    /// Finds the uploads of an earlier server. A failure is logged: without them, they must be uploaded again.
    async fn load_uploads(&self) {
        let uploads = self.inner.uploads.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || uploads.load()).await {
            tracing::warn!(%error, "could not read the uploads of an earlier server");
        }
    }

    /// Removes the working directories of runs that an earlier server was about to store when it died. A failure is logged: nothing depends
    /// on it.
    async fn remove_unknown_workspaces(&self) {
        let known: HashSet<RunId> = match self.inner.store.first_runs().await {
            Ok(runs) => runs.into_iter().collect(),
            Err(error) => return tracing::warn!(%error, "could not look for working directories of runs that were never stored"),
        };
        let (workspaces, worktrees) = (self.inner.workspaces.clone(), self.inner.context.worktrees.clone());
        let removed = tokio::task::spawn_blocking(move || {
            let exists = |name: &str| name.parse().is_ok_and(|run| known.contains(&run));
            worktrees.repair(exists, |name| workspaces.fresh(name)).and(workspaces.remove_unknown(|run| known.contains(&run)))
        });
        if let Ok(Err(error)) = removed.await {
            tracing::warn!(%error, "could not remove working directories of runs that were never stored");
        }
    }

    /// Scans one run in a task of its own, so that even a panic affects no other run.
    async fn scan_isolated(&self, run: RunId, is_orphan: bool) -> Scanned {
        let this = self.clone();
        let scan = self.inner.tasks.spawn(async move { this.scan(run, is_orphan).await });
        match scan.await {
            Ok(Ok(scanned)) => scanned,
            Ok(Err(error)) => Scanned::Outcome(self.postpone(run, is_orphan, &error)),
            Err(panic) => Scanned::Outcome(self.postpone(run, is_orphan, &panic)),
        }
    }

    async fn requeue_isolated(&self, lease: Lease) -> Outcome {
        let this = self.clone();
        let requeue = self.inner.tasks.spawn(async move { this.requeue(lease).await });
        match requeue.await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => self.postpone(lease.run, false, &error),
            Err(panic) => self.postpone(lease.run, false, &panic),
        }
    }

    /// Recovers a run later, repeatedly until that succeeds or the server shuts down.
    fn postpone(&self, run: RunId, is_orphan: bool, error: &(dyn std::error::Error + Sync)) -> Outcome {
        tracing::error!(run.id = %run, %error, "could not recover a run; trying again later");
        let this = self.clone();
        self.inner.tasks.spawn(async move {
            let mut delay = MIN_RETRY;
            loop {
                tokio::select! {
                    () = tokio::time::sleep(delay) => {}
                    // The next server finds it.
                    _ = this.inner.context.shutdown.requested() => return,
                }
                delay = (delay * 2).min(MAX_RETRY);
                let outcome = match this.scan(run, is_orphan).await {
                    Ok(Scanned::NotLaunched(lease)) => this.requeue(lease).await,
                    Ok(Scanned::Outcome(outcome)) => Ok(outcome),
                    Err(error) => Err(error),
                };
                match outcome {
                    Ok(outcome) => {
                        let mut recovered = Recovered::default();
                        recovered.count(outcome);
                        this.inner.context.metrics.record_recovered(recovered.reattached, recovered.requeued, recovered.interrupted);
                        return tracing::info!(run.id = %run, ?outcome, "recovered a run that was postponed");
                    }
                    Err(error) => tracing::warn!(run.id = %run, %error, "could not recover a run; trying again later"),
                }
            }
        });
        Outcome::Postponed
    }
}

impl Recovered {
    fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Reattached => self.reattached += 1,
            Outcome::Requeued => self.requeued += 1,
            Outcome::Interrupted => self.interrupted += 1,
            Outcome::Gone => {}
            Outcome::Postponed => self.postponed += 1,
        }
    }
}
