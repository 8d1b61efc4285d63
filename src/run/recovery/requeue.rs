//! Queues runs again whose agents were not launched.

use super::Outcome;
use super::end::{failed, node_lost};
use crate::run::manager::RunManager;
use crate::run::sessions::SessionTurn;
use crate::run::store::StoreError;
use crate::types::{Cause, Failure, Lease};

impl RunManager {
    /// Queues a run again, or ends it if that is not possible.
    ///
    /// # Errors
    /// [`StoreError`] if the run cannot be read or its end cannot be stored.
    pub(super) async fn requeue(&self, lease: Lease) -> Result<Outcome, StoreError> {
        let id = lease.run;
        let Some(run) = self.inner.store.run(id).await? else { return Ok(Outcome::Gone) };
        // The values of env and mcp_servers are never stored.
        if !run.spec.env.is_empty() || !run.spec.mcp_servers.is_empty() {
            let message = if run.waits_until.is_some() {
                "the server died while the run waited for a limit to reset, and the values of env and mcp_servers are not stored; continue \
                 the session with a new run"
            } else {
                "the server died before the run started, and the values of env and mcp_servers are not stored; create the run again"
            };
            return self.end(lease, &run, node_lost(message)).await;
        }
        if let Err(failure) = self.inner.config.policy_of(id, &run.spec) {
            return self.end(lease, &run, failed(failure)).await;
        }
        // What a shim left that was never told to start an agent. Without its directory it cannot.
        let dir = self.inner.config.process_dir(id);
        let removed = tokio::task::spawn_blocking(move || dir.remove()).await.unwrap_or_else(|panic| Err(std::io::Error::other(panic)));
        if let Err(error) = removed {
            let failure = Failure::new(Cause::Storage, format!("the process directory of the run cannot be removed: {error}"));
            return self.end(lease, &run, failed(failure)).await;
        }
        let summary = self.inner.log.summarize(id).await?;
        let (session, is_free) = match self.inner.sessions.try_acquire(run.session) {
            Some(guard) => (Box::pin(std::future::ready(guard)) as SessionTurn, true),
            None => (self.inner.sessions.join(run.session), false),
        };
        // It was accepted, so it waits even if the queue has become smaller.
        let parked = !is_free || run.waits_until.is_some();
        let ticket = self.inner.admission.requeue(id, run.owner.id, &run.spec.agent_type, parked);
        let secrets = self.secrets_of(&run);
        let (registration, driver) = self.restore_driver(lease, &run, summary, secrets);
        match run.waits_until {
            Some(until) => {
                let driver = driver.with_tracker(self.tracker_of(&run).await);
                self.drive(registration, driver.run_parked(ticket, session, until));
            }
            None => self.drive(registration, driver.run(ticket, session)),
        }
        Ok(Outcome::Requeued)
    }
}
