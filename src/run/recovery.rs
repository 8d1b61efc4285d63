//! Recovery of the runs that an earlier server left unfinished: reattached, requeued, or ended.

use std::time::Duration;

use futures_util::future::join_all;

use super::driver::Driver;
use super::events::LogSummary;
use super::idempotency::KEY_LIFETIME;
use super::live::{self, Registration};
use super::manager::RunManager;
use super::policy::{Policy, Rule};
use super::requests::resolved_event;
use super::run_secrets::RunSecrets;
use super::sessions::SessionTurn;
use super::state::{Outcome, StopReason};
use super::store::{RunChange, RunRecord, StoreError};
use crate::agent::handle::ReattachedAgent;
use crate::process::shim::release;
use crate::process::{Marker, shim};
use crate::redact::Secrets;
use crate::types::{Answer, DecidedBy, Decision, Failure, Lease, RunDone, RunStatus, StreamEvent, Timestamp};

/// Number of recovered runs, by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Runs whose agents were found, alive or exited.
    pub reattached: usize,
    /// Runs that had not started and are queued again.
    pub requeued: usize,
    /// Runs that could not be continued.
    pub interrupted: usize,
}

impl RunManager {
    /// Recovers the runs that an earlier server left unfinished. Runs whose agents are alive, or exited meanwhile, continue from the end
    /// of their logs. Runs that had not started are queued again in their original order. All others are killed and ended as
    /// `interrupted`. When this returns, every unfinished run has a driver or has ended.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn recover(&self) -> Result<Recovered, StoreError> {
        let expired = self.inner.log.now().as_millis() - i64::try_from(KEY_LIFETIME.as_millis()).unwrap_or(i64::MAX);
        self.inner.store.forget_keys(Timestamp::from_millis(expired)).await?;
        let mut runs = Vec::new();
        let (orphans, mut recovered) = (self.inner.store.orphans().await?, Recovered::default());
        for id in self.inner.store.unfinished().await? {
            let run = self.inner.store.run(id).await?;
            match run {
                Some(run) if orphans.contains(&id) => {
                    self.abandon(&run).await?;
                    recovered.interrupted += 1;
                }
                run => runs.extend(run),
            }
        }
        let agents = join_all(runs.iter().map(|run| self.find_agent(run))).await;
        let mut not_started = Vec::new();
        // Live runs first: they already hold their sessions and slots.
        for (run, agent) in runs.into_iter().zip(agents) {
            match agent {
                Ok(Some(agent)) => {
                    self.reattach(run, agent).await?;
                    recovered.reattached += 1;
                }
                Ok(None) if run.started_at.is_none() && run.status != RunStatus::Stopping => not_started.push(run),
                Ok(None) => {
                    self.interrupt(&run, StopReason::NodeLost.outcome()).await?;
                    recovered.interrupted += 1;
                }
                Err(failure) => {
                    self.interrupt(&run, node_lost(failure.message)).await?;
                    recovered.interrupted += 1;
                }
            }
        }
        for run in not_started {
            match self.requeue(run).await? {
                RunStatus::Queued => recovered.requeued += 1,
                _ => recovered.interrupted += 1,
            }
        }
        self.inner.context.metrics.record_recovered(recovered.reattached, recovered.requeued, recovered.interrupted);
        Ok(recovered)
    }

    /// Ends a run that was live when the backup was made from which the store was restored. The original server may still drive its agent
    /// elsewhere on this machine, so processes are not searched by the run's marker; only those recorded in this data directory are ended.
    async fn abandon(&self, run: &RunRecord) -> Result<(), StoreError> {
        if self.inner.config.process_dir(run.id).path().exists() {
            // Dropping the handle of an agent that was found kills it.
            drop(self.find_agent(run).await);
        }
        let outcome = node_lost("the run was live when the backup was made that this server was restored from");
        self.interrupt(run, outcome).await.map(|_| ())
    }

    /// Finds the agent of a run. If it cannot be continued, all its processes are killed before this returns.
    async fn find_agent(&self, run: &RunRecord) -> Result<Option<ReattachedAgent>, Failure> {
        let (dir, marker) = (self.inner.config.process_dir(run.id), Marker::new(run.id.to_string()));
        let (checkpoint, started) = (run.checkpoint.unwrap_or_default(), run.started_at.is_some());
        let found = self.inner.context.agents.reattach(&run.spec, dir.clone(), marker.clone(), checkpoint, started).await;
        if !matches!(found, Ok(Some(_))) {
            let survivors = shim::kill_leftovers(&dir, &marker).await;
            if survivors.count > 0 {
                tracing::warn!(run.id = %run.id, survivors = survivors.count, "could not kill all processes of an interrupted run");
            }
        }
        found
    }

    /// Continues a run with the agent that an earlier server started.
    async fn reattach(&self, run: RunRecord, agent: ReattachedAgent) -> Result<(), StoreError> {
        let ReattachedAgent { handle: agent, handover } = agent;
        // Dropping the handle kills the agent.
        let Some(values) = RunSecrets::values_from_memo(&handover) else {
            return self.interrupt(&run, node_lost("the memo that the shim keeps for the run is invalid")).await.map(|_| ());
        };
        let secrets = self.inner.log.secrets().with(values.into_iter().chain(self.agent_secrets(&run)));
        let (lease, summary) = (self.inner.store.take_lease(run.id).await?, self.inner.log.summarize(run.id).await?);
        let slot = self.inner.admission.admit_existing(run.id, &run.owner, &run.spec.agent_type);
        let session = self.inner.sessions.join(run.session);
        let (registration, driver) = self.restore_driver(lease, &run, summary, secrets);
        tracing::info!(run.id = %run.id, "reattached to the agent of a run");
        self.drive(registration, driver.reattach(agent, slot, session));
        Ok(())
    }

    /// Queues a run again, or ends it if that is not possible. Returns its new status.
    async fn requeue(&self, run: RunRecord) -> Result<RunStatus, StoreError> {
        // The values of env and mcp_servers are never stored.
        if !run.spec.env.is_empty() || !run.spec.mcp_servers.is_empty() {
            let message =
                "the server died before the run started, and the values of env and mcp_servers are not stored; create the run again";
            return self.interrupt(&run, node_lost(message)).await;
        }
        let (session, is_free) = match self.inner.sessions.try_acquire(run.session) {
            Some(guard) => (Box::pin(std::future::ready(guard)) as SessionTurn, true),
            None => (self.inner.sessions.join(run.session), false),
        };
        let Some(ticket) = self.inner.admission.queue(run.id, &run.owner, &run.spec.agent_type, !is_free) else {
            return self.interrupt(&run, node_lost("the server died before the run started, and the queue is full")).await;
        };
        let (lease, summary) = (self.inner.store.take_lease(run.id).await?, self.inner.log.summarize(run.id).await?);
        let (registration, driver) = self.restore_driver(lease, &run, summary, self.inner.log.secrets().with(self.agent_secrets(&run)));
        self.drive(registration, driver.run(ticket, session));
        Ok(RunStatus::Queued)
    }

    /// Values to mask because of the run's agent.
    fn agent_secrets(&self, run: &RunRecord) -> Vec<String> {
        self.inner.context.agents.secrets(&run.spec.agent_type)
    }

    /// The driver of a run that an earlier server drove. `secrets` are masked in its events.
    fn restore_driver(&self, lease: Lease, run: &RunRecord, summary: LogSummary, secrets: Secrets) -> (Registration, Driver) {
        let inner = &self.inner;
        let log = inner.log.reopen(lease, run, secrets);
        let notifier = inner.changes.notifier(run.id, run.owner.clone());
        let (handle, inbox) = live::channel(run.session, run.spec.agent_type.clone(), notifier);
        let registration = inner.live.reserve(run.id, handle);
        registration.activate();
        // The rules were validated when the run was created. Rules of a later release that this one rejects are skipped.
        let rules = run.spec.permission_rules.iter().filter_map(|rule| Rule::new(rule).ok()).collect();
        let policy = Policy::new(run.spec.permission_mode, &inner.config.permission_rules, rules);
        let age = u64::try_from(inner.log.now().as_millis() - run.created_at.as_millis()).unwrap_or(0);
        let driver = Driver::new(run.spec.clone(), run.session, RunSecrets::default(), policy, log, inbox, inner.context.clone());
        (registration, driver.with_summary(summary, Duration::from_millis(age)))
    }

    /// Ends a run that cannot be continued.
    async fn interrupt(&self, run: &RunRecord, outcome: Outcome) -> Result<RunStatus, StoreError> {
        let (id, status) = (run.id, outcome.status);
        // Usage and open requests come from the log, but the run must end even if its log cannot be read.
        let summary = self.inner.log.summarize(id).await.unwrap_or_else(|error| {
            tracing::warn!(run.id = %id, %error, "could not read the log of an interrupted run");
            LogSummary::default()
        });
        let now = self.inner.log.now();
        let done = RunDone {
            status: outcome.status,
            cause: outcome.cause,
            message: outcome.message,
            exit_code: None,
            signal: None,
            out_of_memory: false,
            result: None,
            usage: summary.usage,
            duration_ms: u64::try_from(now.as_millis() - run.created_at.as_millis()).unwrap_or(0),
            stderr_tail: None,
        };
        let change = RunChange { status: Some(status), done: Some((done.clone(), now)), ..RunChange::default() };
        let unanswered = summary.open.iter().filter_map(|(request, _)| deny(request));
        let events: Vec<StreamEvent> = unanswered.chain([StreamEvent::Done(done.clone())]).collect();
        let lease = self.inner.store.take_lease(id).await?;
        self.inner.log.reopen(lease, run, self.inner.log.secrets().with(self.agent_secrets(run))).append(&events, change).await?;
        self.inner.context.metrics.record_ended(&run.spec.agent_type, &done);
        // The shim, if there is one, exits only when it is released.
        release(&self.inner.config.process_dir(id)).await;
        self.inner.completions.notify(id);
        tracing::warn!(run.id = %id, "ended a run that was interrupted by a server crash");
        Ok(status)
    }
}

fn node_lost(message: impl Into<String>) -> Outcome {
    Outcome { message: Some(message.into()), ..StopReason::NodeLost.outcome() }
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
