//! Ends runs that cannot be continued.

use super::Outcome;
use crate::process::shim::release;
use crate::run::events::{LogSummary, LogWriter};
use crate::run::manager::RunManager;
use crate::run::requests::resolved_event;
use crate::run::state::{Outcome as RunOutcome, StopReason};
use crate::run::store::{RunChange, RunRecord, StoreError};
use crate::types::{Answer, Cause, DecidedBy, Decision, Failure, Lease, RunDone, StreamEvent};

/// Approximate size of one read while the end of a log is looked for, in bytes.
const READ_BYTES: usize = 1024 * 1024;

impl RunManager {
    /// Ends a run that cannot be continued. Its agent must be dead.
    ///
    /// # Errors
    /// [`StoreError`] if the end cannot be stored.
    pub(in crate::run) async fn end(&self, lease: Lease, run: &RunRecord, outcome: RunOutcome) -> Result<Outcome, StoreError> {
        let id = run.id;
        // Usage and open requests come from the log, but the run must end even if its log cannot be read.
        let summary = self.inner.log.summarize(id).await.unwrap_or_else(|error| {
            tracing::warn!(run.id = %id, %error, "could not read the log of an interrupted run");
            LogSummary::default()
        });
        let age = u64::try_from(self.inner.log.now().as_millis() - run.created_at.as_millis()).unwrap_or(0);
        let log = self.inner.log.reopen(lease, run, self.secrets_of(run));
        self.write_end(log, summary, outcome, age, &run.spec.agent_type).await
    }

    /// Ends a run whose row cannot be read. Its agent is killed first: nothing is known that it could be continued with.
    ///
    /// # Errors
    /// [`StoreError`] if the end cannot be stored.
    pub(in crate::run) async fn end_damaged(&self, lease: Lease, error: &StoreError) -> Result<Outcome, StoreError> {
        tracing::error!(run.id = %lease.run, %error, "the row of an unfinished run is damaged; ending the run");
        self.kill_agent(lease.run).await;
        let mut last = 0;
        loop {
            let chunks = self.inner.store.chunks(lease.run, last, READ_BYTES).await?;
            let Some(chunk) = chunks.last() else { break };
            last = chunk.as_ref().map_or_else(|damaged| damaged.last, |chunk| chunk.last).get();
        }
        let summary = self.inner.log.summarize(lease.run).await.unwrap_or_default();
        let log = self.inner.log.reopen_damaged(lease, last);
        let outcome = failed(Failure::new(Cause::Storage, format!("the stored run cannot be read: {error}")));
        self.write_end(log, summary, outcome, 0, "unknown").await
    }

    async fn write_end(
        &self,
        mut log: LogWriter,
        summary: LogSummary,
        outcome: RunOutcome,
        duration_ms: u64,
        agent_type: &str,
    ) -> Result<Outcome, StoreError> {
        let (id, status) = (log.run(), outcome.status);
        let done = RunDone {
            status,
            cause: outcome.cause,
            message: outcome.message,
            exit_code: None,
            signal: None,
            out_of_memory: false,
            result: None,
            output: None,
            usage: summary.usage,
            duration_ms,
            stderr_tail: None,
        };
        let change = RunChange { status: Some(status), done: Some((done.clone(), log.now())), ..RunChange::default() };
        let unanswered = summary.open.iter().filter_map(|(request, _)| deny(request));
        let events: Vec<StreamEvent> = unanswered.chain([StreamEvent::Done(done.clone())]).collect();
        log.append(&events, change).await?;
        self.inner.context.metrics.record_ended(agent_type, &done);
        // The shim, if there is one, exits only when it is released.
        release(&self.inner.config.process_dir(id)).await;
        self.inner.completions.notify(id);
        tracing::warn!(run.id = %id, cause = done.cause.as_str(), "ended a run that could not be recovered");
        Ok(Outcome::Interrupted)
    }
}

/// The outcome of a run that ends because its server died.
pub(super) fn node_lost(message: impl Into<String>) -> RunOutcome {
    RunOutcome { message: Some(message.into()), ..StopReason::NodeLost.outcome() }
}

/// The outcome of a run that cannot be continued because of its own data.
pub(super) fn failed(failure: Failure) -> RunOutcome {
    RunOutcome::failed(failure)
}

/// The event that closes a request that was open when the server died.
fn deny(request: &StreamEvent) -> Option<StreamEvent> {
    let (id, answer) = match request {
        StreamEvent::Question { id, questions } => (id, Answer::Question { answers: vec![Vec::new(); questions.len()] }),
        StreamEvent::PermissionRequest { id, .. } => {
            let message = Some("the server that drove the run died".to_owned());
            (id, Answer::Permission { decision: Decision::Deny, message, option_id: None })
        }
        _ => return None,
    };
    Some(resolved_event(id, &answer, DecidedBy::Policy))
}
