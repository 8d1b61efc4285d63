//! Decides what becomes of one unfinished run.

use super::Outcome;
use super::end::{failed, node_lost};
use crate::run::manager::RunManager;
use crate::run::state::StopReason;
use crate::run::store::{RunRecord, StoreError};
use crate::types::{Cause, Failure, Lease, RunId, RunStatus};

/// The result of a scan.
#[derive(Debug)]
pub(super) enum Scanned {
    /// The run is recovered, or does not have to be.
    Outcome(Outcome),
    /// Nothing was started for the run, so it can be queued again.
    NotLaunched(Lease),
}

impl RunManager {
    /// Recovers one run, unless it is to be queued again. An orphan was live when the backup was made that this store was restored from.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot read or change the run now. Its agent is left alone then.
    pub(super) async fn scan(&self, id: RunId, is_orphan: bool) -> Result<Scanned, StoreError> {
        // Before anything is read: what an earlier server of this run still writes would make it outdated.
        let lease = match self.inner.store.take_lease(id).await {
            Ok(lease) => lease,
            Err(StoreError::NoRun(_) | StoreError::Ended { .. }) => return Ok(Scanned::Outcome(Outcome::Gone)),
            Err(error) => return Err(error),
        };
        let run = match self.inner.store.run(id).await {
            Ok(Some(run)) => run,
            Ok(None) => return Ok(Scanned::Outcome(Outcome::Gone)),
            Err(error @ StoreError::Damaged { .. }) => return self.end_damaged(lease, &error).await.map(Scanned::Outcome),
            Err(error) => return Err(error),
        };
        if is_orphan {
            return self.abandon(lease, &run).await.map(Scanned::Outcome);
        }
        // The one fact that decides whether an agent may have been started. It was stored before the agent was launched.
        if run.launched_at.is_some() {
            return self.reattach(lease, run).await.map(Scanned::Outcome);
        }
        if run.status == RunStatus::Stopping {
            // It ends as it was asked to: no agent had started.
            return self.end(lease, &run, StopReason::Cancel.outcome()).await.map(Scanned::Outcome);
        }
        Ok(Scanned::NotLaunched(lease))
    }

    /// Ends a run that was live when the backup was made from which the store was restored. The original server may still drive its agent
    /// elsewhere on this machine, so processes are not searched by the run's marker; only those recorded in this data directory are ended.
    async fn abandon(&self, lease: Lease, run: &RunRecord) -> Result<Outcome, StoreError> {
        if self.inner.config.process_dir(run.id).path().exists() {
            self.kill_agent(run.id).await;
        }
        let outcome = node_lost("the run was live when the backup was made that this server was restored from");
        self.end(lease, run, outcome).await
    }

    /// Kills the agent of a run that cannot be continued, and ends the run.
    pub(super) async fn kill_and_end(&self, lease: Lease, run: &RunRecord, failure: Failure) -> Result<Outcome, StoreError> {
        self.kill_agent(run.id).await;
        // Only the disk can be at fault. Otherwise the run was interrupted with its server.
        let outcome = if failure.cause == Cause::Storage { failed(failure) } else { node_lost(failure.message) };
        self.end(lease, run, outcome).await
    }
}
