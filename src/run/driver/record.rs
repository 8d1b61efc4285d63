//! Recording: turns the agent's items into log entries and changes of the run's row, and writes the run's end.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Batch, Driver, millis};
use crate::agent::handle::{AgentEnd, AgentHandle};
use crate::agent::{Item, Started};
use crate::process::shim::release;
use crate::run::requests::{RequestKind, resolved_event};
use crate::run::state::{Input, Outcome, RunState, StopReason};
use crate::run::store::{RunChange, StoreError};
use crate::types::{Cause, DecidedBy, NoticeCode, OutputCheckpoint, RunDone, RunStarted, StreamEvent};

/// Delay before the run's end is written again after a failure, such as a full disk.
const WRITE_RETRY_DELAY: Duration = Duration::from_secs(1);

impl Driver {
    /// Writes the agent's items, answers its requests, and continues after the end of its turn.
    pub(super) async fn record(&mut self, items: Vec<Item>, checkpoint: OutputCheckpoint, agent: &AgentHandle) {
        let mut batch = Batch::default();
        batch.change.checkpoint = Some(checkpoint);
        for item in items {
            self.add_item(item, &mut batch);
        }
        self.startup_deadline = None;
        self.reset_idle_timer();
        if !self.write(batch.events, batch.change, agent).await {
            return;
        }
        // Answered only now: a decision is stored before the agent acts on it.
        for (request, answer) in batch.answers {
            agent.answer(request, answer).await;
        }
        if let Some(turn) = batch.turn {
            self.complete_turn(turn, agent).await;
        }
    }

    /// Takes the end of the agent. Its last items are written together with the run's end.
    pub(super) fn record_end(&mut self, mut end: AgentEnd) -> AgentEnd {
        let mut batch = Batch::default();
        for item in std::mem::take(&mut end.items) {
            self.add_item(item, &mut batch);
        }
        if let Some(turn) = batch.turn.take() {
            self.last_turn = Some(turn);
        }
        self.final_batch = batch;
        let outcome = Outcome::from_agent_end(self.last_turn.as_ref(), &end);
        self.transition(Input::AgentEnded(outcome));
        end
    }

    /// Adds an item of the agent to `batch` and applies its effects on the driver's state.
    pub(super) fn add_item(&mut self, item: Item, batch: &mut Batch) {
        match item {
            Item::Started(started) => self.add_started(started, batch),
            Item::Event(event) => self.add_event(event, batch),
            Item::SessionChanged(session) => batch.change.agent_session = Some(session),
            Item::TurnEnded(turn) => batch.turn = Some(turn),
        }
    }

    /// Stores events. If that fails, stops the run and returns `false`.
    pub(super) async fn write(&mut self, events: Vec<StreamEvent>, mut change: RunChange, agent: &AgentHandle) -> bool {
        change.status = Some(self.state.status());
        let Err(error) = self.log.append(&events, change).await else {
            self.inbox.confirm_written();
            return true;
        };
        tracing::error!(run.id = %self.log.run(), %error, "could not write the run's log; stopping the run");
        self.request_stop(StopReason::Storage, agent).await;
        false
    }

    fn add_started(&mut self, started: Started, batch: &mut Batch) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        self.transition(Input::AgentReady);
        if let Some(admitted_at) = self.admitted_at.take() {
            self.context.metrics.record_agent_ready(&self.spec.agent_type, admitted_at.elapsed());
        }
        batch.change.started_at = Some(self.log.now());
        batch.change.agent_session = started.agent_session;
        let mut model = started.model.or_else(|| self.spec.model.clone());
        // The agent chooses this text, and the row outlives the log.
        if let Some(model) = &mut model {
            self.log.secrets().redact(model);
        }
        batch.change.model.clone_from(&model);
        batch.events.push(StreamEvent::RunStarted(RunStarted {
            agent_type: self.spec.agent_type.clone(),
            agent_version: started.version,
            model,
            session_id: self.session,
            working_dir: self.spec.working_dir.clone(),
            permission_mode: self.spec.permission_mode,
            limits: self.limits,
        }));
    }

    fn add_event(&mut self, mut event: StreamEvent, batch: &mut Batch) {
        // An agent that works without having reported that it is ready, is ready.
        let is_diagnostic = matches!(
            event,
            StreamEvent::Log { .. } | StreamEvent::Notice { .. } | StreamEvent::Raw { .. } | StreamEvent::AgentError { .. }
        );
        if !self.started && !is_diagnostic {
            self.add_started(Started::default(), batch);
        }
        match &mut event {
            StreamEvent::ToolCall(call) => {
                self.tool_calls.insert(call.id.clone(), Instant::now());
            }
            StreamEvent::ToolResult { id, duration_ms, .. } => {
                let since = self.tool_calls.remove(id);
                *duration_ms = duration_ms.or_else(|| since.map(|since| millis(since.elapsed())));
            }
            StreamEvent::Usage(usage) => {
                batch.change.usage = Some((usage.clone(), self.log.now()));
                self.context.metrics.record_usage(&self.spec.agent_type, usage, self.usage.as_ref());
                self.usage = Some(usage.clone());
            }
            StreamEvent::PermissionRequest { .. } => return self.add_permission_request(event, batch),
            StreamEvent::Question { id, questions } => {
                self.open_request(id.clone(), RequestKind::Question { questions: questions.clone() });
            }
            // The agent withdraws a request. If it was answered meanwhile, the answer stands.
            StreamEvent::PermissionResolved { id, .. } | StreamEvent::QuestionResolved { id, .. } => {
                if !self.requests.close(id) {
                    return;
                }
                self.transition(Input::RequestClosed);
            }
            StreamEvent::Notice { code: code @ NoticeCode::ExitGraceExpired, .. } if self.emitted_notices.contains(code) => return,
            // Written by the driver itself, never by an agent.
            StreamEvent::Done(_) | StreamEvent::RunQueued { .. } | StreamEvent::RunStarted(_) => return,
            _ => {}
        }
        batch.events.push(event);
    }

    /// Writes the `done` event, retrying until it is stored or the shutdown time is over. Then releases the shim.
    pub(super) async fn finish(mut self, end: AgentEnd) {
        let RunState::Ended(outcome) = self.state.clone() else {
            return tracing::error!(run.id = %self.log.run(), state = ?self.state, "driver finished before its run ended");
        };
        let succeeded = outcome.cause == Cause::Ok;
        let done = RunDone {
            status: outcome.status,
            cause: outcome.cause,
            message: outcome.message,
            exit_code: end.exit.and_then(crate::process::Exit::code),
            signal: end.exit.and_then(crate::process::Exit::signal),
            out_of_memory: end.out_of_memory,
            result: self.last_turn.take().and_then(Result::ok),
            usage: self.usage.take(),
            duration_ms: millis(self.prior_age + self.created.elapsed()),
            stderr_tail: Some(end.stderr_tail).filter(|tail| !succeeded && !tail.is_empty()),
        };
        tracing::info!(run.id = %self.log.run(), status = done.status.as_str(), cause = done.cause.as_str(), "run ended");
        let status = done.status;
        let unanswered = self.requests.close_all();
        let unanswered = unanswered.iter().map(|(id, answer)| resolved_event(id, answer, DecidedBy::Policy));
        let Batch { events: last_events, change: last_change, .. } = std::mem::take(&mut self.final_batch);
        let ending = unanswered.chain(self.take_undelivered()).chain([StreamEvent::Done(done.clone())]);
        let events: Vec<StreamEvent> = last_events.into_iter().chain(ending).collect();
        loop {
            let change = RunChange { status: Some(status), done: Some((done.clone(), self.log.now())), ..last_change.clone() };
            match self.log.append(&events, change).await {
                Ok(()) => break,
                Err(
                    error @ (StoreError::NotNext { .. } | StoreError::LeaseLost { .. } | StoreError::Ended { .. } | StoreError::Closed),
                ) => {
                    return tracing::error!(run.id = %self.log.run(), %error, "could not write the run's end");
                }
                Err(error) => tracing::warn!(run.id = %self.log.run(), %error, "could not write the run's end; retrying"),
            }
            tokio::select! {
                () = sleep(WRITE_RETRY_DELAY) => {}
                // The next server finds the run unfinished and ends it.
                () = self.context.force.cancelled() => return,
            }
        }
        self.context.metrics.record_ended(&self.spec.agent_type, &done);
        self.inbox.publish_end(status);
        let dir = self.context.config.process_dir(self.log.run());
        release(&dir).await;
        // Best effort: recovery does not look at ended runs.
        let _ = tokio::task::spawn_blocking(move || dir.remove_process_files()).await;
    }
}
