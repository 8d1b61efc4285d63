//! Writing the run's log. No write leaves a command waiting.

use std::time::Duration;

use tokio::time::Instant;

use super::{Driver, DriverExit};
use crate::agent::handle::AgentHandle;
use crate::run::live::Command;
use crate::run::state::{RunState, StopReason};
use crate::run::store::{RunChange, StoreError};
use crate::types::StreamEvent;

/// How long a write may take after the shutdown time is over.
const LAST_WRITE: Duration = Duration::from_secs(1);

impl Driver {
    /// Stores events, a change of the run's row and its status in one transaction, and then publishes the status.
    ///
    /// Meanwhile open requests are listed and a stop reaches the agent at once. Other commands are deferred until the write has finished, in
    /// their order.
    ///
    /// # Errors
    /// [`StoreError`]. Nothing was written then.
    pub(super) async fn store(
        &mut self,
        events: &[StreamEvent],
        mut change: RunChange,
        agent: Option<&AgentHandle>,
    ) -> Result<(), StoreError> {
        let status = change.done.as_ref().map_or_else(|| self.state.status(), |(done, _)| done.status);
        change.status = Some(status);
        change.audit.extend(self.stop_audit.clone());
        let is_end = change.done.is_some();
        let (run, mut stop_sent) = (self.log.run(), None);
        let result = {
            let Self { log, inbox, requests, context, state, .. } = self;
            let writing = async { if events.is_empty() { log.update(change).await } else { log.append(events, change).await } };
            // The process is about to exit.
            let forced = async {
                context.force.cancelled().await;
                tokio::time::sleep(LAST_WRITE).await;
            };
            tokio::pin!(writing, forced);
            loop {
                tokio::select! {
                    biased;
                    result = &mut writing => break result,
                    // Nothing is written after a batch whose outcome is unknown.
                    () = &mut forced => {
                        self.exit = Some(DriverExit::Abandoned);
                        break Err(StoreError::Closed);
                    }
                    queued = inbox.next_new() => match (queued.command(), agent) {
                        (Command::Requests(_), _) => {
                            if let Command::Requests(reply) = queued.into_command() {
                                let _ = reply.send(requests.views());
                            }
                        }
                        (Command::Stop { reason, audit, .. }, Some(agent)) if stop_sent.is_none() && !matches!(state, RunState::Stopping(_)) => {
                            stop_sent = Some((*reason, audit.clone()));
                            agent.stop(reason.as_str().to_owned(), context.config.stop_grace).await;
                            inbox.defer(queued);
                        }
                        _ => inbox.defer(queued),
                    },
                }
            }
        };
        match &result {
            Ok(()) => {
                self.context.outage.end();
                self.stored_status = Some(status);
                self.stop_audit = None;
                if !is_end {
                    self.inbox.publish(status);
                }
            }
            Err(StoreError::LeaseLost { .. }) => self.exit = Some(DriverExit::LeaseLost),
            Err(StoreError::KeyUsed(_) | StoreError::Closed) => {}
            Err(error) => self.context.outage.report(run, error, Instant::now()),
        }
        if let Some((reason, audit)) = stop_sent {
            // The agent may end before the command is handled, which then stores the status.
            self.begin_stop(reason, audit);
        }
        result
    }

    /// Stores the present status if it is not stored.
    ///
    /// # Errors
    /// [`StoreError`]. The status is then stored with the next batch.
    pub(super) async fn store_status(&mut self, agent: Option<&AgentHandle>) -> Result<(), StoreError> {
        if self.stored_status == Some(self.state.status()) {
            return Ok(());
        }
        self.store(&[], RunChange::default(), agent).await
    }

    /// Stores a batch of the agent. If that fails, the batch is held until the end of the run, and the run is stopped. Returns whether it
    /// was stored.
    pub(super) async fn store_batch(&mut self, batch: &mut super::Batch, agent: &AgentHandle) -> bool {
        if self.held.is_empty() {
            let Err(error) = self.store(&batch.events, batch.change.clone(), Some(agent)).await else { return true };
            if self.exit.is_some() {
                return false;
            }
            tracing::error!(run.id = %self.log.run(), %error, "could not write the run's log; stopping the run");
        }
        self.held.add(std::mem::take(batch));
        // An error was logged already, and the status is stored with the end.
        let _ = Box::pin(self.request_stop(StopReason::Storage, None, agent)).await;
        false
    }
}
