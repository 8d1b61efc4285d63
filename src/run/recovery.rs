//! What becomes of the runs that an earlier server left unfinished: gone on with, queued again, or ended.

use std::time::Duration;

use futures_util::future::join_all;

use super::driver::{Driver, RunSecrets};
use super::events::LogSummary;
use super::handle;
use super::manager::{Forget, KEEP_KEYS, RunManager};
use super::policy::{Policy, Rule};
use super::requests::resolved;
use super::sessions::Waiting;
use super::state::{Outcome, StopReason};
use super::store::{RunChange, RunRecord, StoreError};
use crate::agent::handle::FoundAgent;
use crate::process::shim::release;
use crate::process::{Marker, shim};
use crate::redact::Secrets;
use crate::types::{Answer, DecidedBy, Decision, Failure, RunDone, RunStatus, StreamEvent, Timestamp};

/// How many runs of an earlier server there were, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Their agents were found, alive or at their end.
    pub found: usize,
    /// They had not begun, and wait again.
    pub queued: usize,
    /// Nobody could go on with them.
    pub interrupted: usize,
}

impl RunManager {
    /// Takes over the runs that an earlier server left unfinished. Those whose agents it left alive, or whose agents have ended
    /// meanwhile, go on from where their logs end; those that had not begun wait again in their old order; what nobody can go on with
    /// is killed and ended. Every unfinished run has its driver, or its end, when this returns.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn recover(&self) -> Result<Recovered, StoreError> {
        let yesterday = self.inner.log.now().as_millis() - i64::try_from(KEEP_KEYS.as_millis()).unwrap_or(i64::MAX);
        self.inner.store.forget_keys(Timestamp::from_millis(yesterday)).await?;
        let mut runs = Vec::new();
        let (orphans, mut recovered) = (self.inner.store.orphans().await?, Recovered::default());
        for id in self.inner.store.unfinished().await? {
            let run = self.inner.store.run(id).await?;
            match run {
                Some(run) if orphans.contains(&id) => {
                    self.give_up(&run).await?;
                    recovered.interrupted += 1;
                }
                run => runs.extend(run),
            }
        }
        let found = join_all(runs.iter().map(|run| self.find_agent(run))).await;
        let mut waiting = Vec::new();
        // Those that live come first: they have their sessions and their places already.
        for (run, found) in runs.into_iter().zip(found) {
            match found {
                Ok(Some(agent)) => {
                    self.go_on(run, agent).await?;
                    recovered.found += 1;
                }
                Ok(None) if run.started_at.is_none() && run.status != RunStatus::Stopping => waiting.push(run),
                Ok(None) => {
                    self.interrupt(&run, StopReason::NodeLost.outcome()).await?;
                    recovered.interrupted += 1;
                }
                Err(failure) => {
                    self.interrupt(&run, lost(failure.message)).await?;
                    recovered.interrupted += 1;
                }
            }
        }
        for run in waiting {
            match self.queue_again(run).await? {
                RunStatus::Queued => recovered.queued += 1,
                _ => recovered.interrupted += 1,
            }
        }
        self.inner.around.metrics.record_recovered(recovered.found, recovered.queued, recovered.interrupted);
        Ok(recovered)
    }

    /// Ends a run that was live when the backup was made that the store was restored from. Elsewhere on this machine its agent may work on
    /// for the server that the backup is of, so nothing is looked for by the run's mark; only what is in this data folder is ours to end.
    async fn give_up(&self, run: &RunRecord) -> Result<(), StoreError> {
        if self.inner.around.process_folder(run.id).path().exists() {
            // An agent that is found dies with its handle.
            drop(self.find_agent(run).await);
        }
        let outcome = lost("the run was live when the backup was made that this server was restored from");
        self.interrupt(run, outcome).await.map(|_| ())
    }

    /// The agent of a run. What nobody can go on with is dead when this returns.
    async fn find_agent(&self, run: &RunRecord) -> Result<Option<FoundAgent>, Failure> {
        let around = &self.inner.around;
        let (folder, marker) = (around.process_folder(run.id), Marker::new(run.id.to_string()));
        let (stored, ready) = (run.checkpoint.unwrap_or_default(), run.started_at.is_some());
        let found = around.agents.find_again(&run.spec, folder.clone(), marker.clone(), stored, ready).await;
        if !matches!(found, Ok(Some(_))) {
            let remains = shim::end_leftovers(&folder, &marker).await;
            if remains.count > 0 {
                tracing::warn!(run.id = %run.id, left = remains.count, "processes of an interrupted run could not be ended");
            }
        }
        found
    }

    async fn go_on(&self, run: RunRecord, agent: FoundAgent) -> Result<(), StoreError> {
        let FoundAgent { handle: agent, memo } = agent;
        // What was not written by us is no memo, and the agent dies with its handle.
        let Some(values) = RunSecrets::remembered(&memo) else {
            return self.interrupt(&run, lost("what was kept for the run cannot be read")).await.map(|_| ());
        };
        let secrets = self.inner.log.secrets().with(values);
        let memory = self.inner.log.summarize(run.id).await?;
        let slot = self.inner.admission.admit_existing(run.id, &run.owner, &run.spec.agent_type);
        let turn = self.inner.sessions.queue(run.session).await;
        let (id, driver) = (run.id, self.driver_again(&run, memory, secrets));
        tracing::info!(run.id = %id, "the run's agent was found again");
        self.drive(id, driver.resume(agent, slot, turn));
        Ok(())
    }

    /// Gives the run its place in the queue again, or ends it. Gives which it is.
    async fn queue_again(&self, run: RunRecord) -> Result<RunStatus, StoreError> {
        // What it would have given its agent beside the prompt was kept nowhere.
        if !run.spec.env.is_empty() || !run.spec.mcp_servers.is_empty() {
            let message = "the server died before the run began, and its env and mcp_servers are kept nowhere; create it again";
            return self.interrupt(&run, lost(message)).await;
        }
        let (turn, is_here) = match self.inner.sessions.turn_now(run.session) {
            Some(turn) => (Box::pin(std::future::ready(turn)) as Waiting, true),
            None => (self.inner.sessions.queue(run.session).await, false),
        };
        let Some(ticket) = self.inner.admission.queue(run.id, &run.owner, &run.spec.agent_type, !is_here) else {
            return self.interrupt(&run, lost("the server died before the run began, and there is no room in the queue any more")).await;
        };
        let memory = self.inner.log.summarize(run.id).await?;
        let (id, driver) = (run.id, self.driver_again(&run, memory, self.inner.log.secrets().clone()));
        self.drive(id, driver.run(ticket, turn));
        Ok(RunStatus::Queued)
    }

    /// A driver for a run that an earlier server drove, and whose events hold none of `secrets`.
    fn driver_again(&self, run: &RunRecord, memory: LogSummary, secrets: Secrets) -> Driver {
        let inner = &self.inner;
        let log = inner.log.reopen(run, secrets);
        let teller = inner.changes.notifier(run.id, run.owner.clone());
        let (handle, inbox) = handle::link(run.session, run.spec.agent_type.clone(), teller);
        self.live().insert(run.id, handle);
        // They were judged when the run was created; rules of a release that knew more are no reason to lose it.
        let rules = run.spec.permission_rules.iter().filter_map(|rule| Rule::new(rule.clone()).ok()).collect();
        let policy = Policy::new(run.spec.permission_mode, &inner.rules, rules);
        let age = u64::try_from(inner.log.now().as_millis() - run.created_at.as_millis()).unwrap_or(0);
        Driver::new(run.spec.clone(), run.session, RunSecrets::default(), policy, log, inbox, inner.around.clone())
            .remembering(memory, Duration::from_millis(age))
    }

    /// Ends a run that nobody can go on with.
    async fn interrupt(&self, run: &RunRecord, outcome: Outcome) -> Result<RunStatus, StoreError> {
        let (id, status) = (run.id, outcome.status);
        // What it cost and what it asked is worth knowing, but the run must end, even if its log cannot be read.
        let memory = self.inner.log.summarize(id).await.unwrap_or_else(|error| {
            tracing::warn!(run.id = %id, %error, "the log of an interrupted run cannot be read");
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
            usage: memory.usage,
            duration_ms: u64::try_from(now.as_millis() - run.created_at.as_millis()).unwrap_or(0),
            stderr_tail: None,
        };
        let change = RunChange { status: Some(status), done: Some((done.clone(), now)), ..RunChange::default() };
        let void = memory.open.iter().filter_map(|(request, _)| void(request));
        let events: Vec<StreamEvent> = void.chain([StreamEvent::Done(done.clone())]).collect();
        self.inner.log.reopen(run, self.inner.log.secrets().clone()).append(&events, change).await?;
        self.inner.around.metrics.record_ended(&run.spec.agent_type, &done);
        // It may have waited for somebody who knew what to do with it.
        release(&self.inner.around.process_folder(id)).await;
        self.inner.completions.tell(id);
        tracing::warn!(run.id = %id, "the run was interrupted when the server died");
        Ok(status)
    }

    /// Has a run driven in a task of its own.
    pub(super) fn drive(&self, id: crate::types::RunId, driving: impl Future<Output = ()> + Send + 'static) {
        let manager = self.clone();
        self.inner.tasks.spawn(async move {
            let forget = Forget { manager, id };
            driving.await;
            forget.manager.inner.completions.tell(id);
        });
    }
}

fn lost(message: impl Into<String>) -> Outcome {
    Outcome { message: Some(message.into()), ..StopReason::NodeLost.outcome() }
}

/// The end of a request that was open when the server died.
fn void(request: &StreamEvent) -> Option<StreamEvent> {
    let (id, answer) = match request {
        StreamEvent::Question { id, questions } => (id, Answer::Question { answers: vec![Vec::new(); questions.len()] }),
        StreamEvent::PermissionRequest { id, .. } => {
            let message = Some("the server that drove the run died".to_owned());
            (id, Answer::Permission { decision: Decision::Deny, message })
        }
        _ => return None,
    };
    Some(resolved(id, &answer, DecidedBy::Policy))
}
