//! The agent's items: turned into entries of the log and changes of the run's row.

use serde_json::json;
use tokio::time::Instant;

use super::phase::Phase;
use super::{Batch, Driver, millis};
use crate::agent::handle::{AgentEnd, AgentHandle, Restrictions};
use crate::agent::{Item, Started};
use crate::run::state::{Input, Outcome, RunState};
use crate::types::bounds::MAX_TIMED_CALLS;
use crate::types::{IsolationLevel, Level, NoticeCode, OutputCheckpoint, RunIsolation, RunStarted, StreamEvent};

impl Driver {
    /// Writes the agent's items, answers its requests, and continues after the end of its turn.
    pub(super) async fn record(&mut self, items: Vec<Item>, checkpoint: OutputCheckpoint, agent: &AgentHandle) {
        let mut batch = Batch::default();
        batch.change.checkpoint = Some(checkpoint);
        for item in items {
            self.add_item(item, &mut batch);
        }
        self.note_activity();
        let overspent = self.must_stop_spending(&mut batch);
        if !self.store_batch(&mut batch, agent).await {
            return;
        }
        if overspent {
            return Box::pin(self.stop_spending(batch.turn, agent)).await;
        }
        // Answered only now: a decision is stored before the agent acts on it.
        for (request, answer) in batch.answers {
            agent.answer(request, answer).await;
        }
        if let Some(turn) = batch.turn {
            Box::pin(self.complete_turn(turn, agent)).await;
        }
    }

    /// Handles the end of the agent. Its last items are written together with the run's end, unless the run waits for a limit to reset.
    pub(super) async fn handle_end(&mut self, mut end: AgentEnd) -> Phase {
        let mut batch = Batch::default();
        for item in std::mem::take(&mut end.items) {
            self.add_item(item, &mut batch);
        }
        if let Some(turn) = batch.turn.take() {
            self.last_turn = Some(turn);
        }
        self.note_overspending_at_end(&mut batch);
        if let Some(waiting) = self.park(&end, &mut batch).await {
            return waiting;
        }
        self.held.add(batch);
        // Not compared yet if the agent exited with its turn, or if an earlier server did that.
        if self.output.is_none()
            && let Some(turn) = self.last_turn.take()
        {
            self.last_turn = Some(self.with_output(turn).await);
        }
        let outcome = Outcome::from_agent_end(self.last_turn.as_ref(), &end);
        self.transition(Input::AgentEnded(outcome));
        let finishing = self.finish_changes();
        Phase::Closing(self.close(end).after(finishing))
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

    fn add_started(&mut self, started: Started, batch: &mut Batch) {
        if std::mem::replace(&mut self.started, true) {
            // The agent that continues after a wait for a limit to reset.
            if self.state == RunState::Starting {
                self.transition(Input::AgentReady);
                batch.change.agent_session = started.agent_session;
            }
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
        let Restrictions { limits, isolation, unignored, untested, readable_keys } = std::mem::take(&mut self.restrictions);
        batch.events.extend(isolation.as_ref().and_then(not_isolated));
        batch.events.extend(unignored.as_deref().map(not_ignored));
        batch.events.extend(untested.then(not_tested));
        batch.events.extend(readable_keys.map(|keys| keys_inside(&keys.0)));
        let project_config = isolation.as_ref().map(|_| self.spec.project_config);
        batch.events.push(StreamEvent::RunStarted(RunStarted {
            agent_type: self.spec.agent_type.clone(),
            agent_version: started.version,
            model,
            session_id: self.session,
            working_dir: self.spec.working_dir.clone(),
            permission_mode: self.spec.permission_mode,
            limits,
            isolation,
            project_config,
        }));
    }

    fn add_event(&mut self, mut event: StreamEvent, batch: &mut Batch) {
        // An agent that works without having reported that it is ready, is ready.
        let is_diagnostic = matches!(
            event,
            StreamEvent::Log { .. } | StreamEvent::Notice { .. } | StreamEvent::Raw { .. } | StreamEvent::AgentError { .. }
        );
        if (!self.started || self.state == RunState::Starting) && !is_diagnostic {
            self.add_started(Started::default(), batch);
        }
        match &mut event {
            StreamEvent::ToolCall(call) => {
                let is_full = self.tool_calls.insert(&call.id, Instant::now());
                if is_full {
                    self.report_limit("timed_calls", MAX_TIMED_CALLS, "the durations of the oldest running tool calls are unknown", batch);
                }
            }
            StreamEvent::ToolResult { id, duration_ms, .. } => {
                let since = self.tool_calls.remove(id);
                *duration_ms = duration_ms.or_else(|| since.map(|since| millis(since.elapsed())));
            }
            StreamEvent::Usage(usage) => {
                self.limit_wait.add_earlier_usage(usage);
                batch.change.usage = Some((usage.clone(), self.log.now()));
                self.context.metrics.record_usage(&self.spec.agent_type, usage, self.usage.as_ref());
                self.usage = Some(usage.clone());
            }
            StreamEvent::SessionUpdated(update) => {
                // As with the model: the row outlives the log.
                let mut title = update.title.clone();
                if let Some(title) = &mut title {
                    self.log.secrets().redact(title);
                }
                batch.change.session_title = title.or(batch.change.session_title.take());
            }
            StreamEvent::PermissionRequest { .. } => return self.add_permission_request(event, batch),
            StreamEvent::Question { .. } => return self.add_question(event, batch),
            // The agent withdraws a request. If it was answered meanwhile, the answer stands.
            StreamEvent::PermissionResolved { id, .. } | StreamEvent::QuestionResolved { id, .. } => {
                if !self.requests.close(id) {
                    return;
                }
                self.transition(Input::RequestClosed);
            }
            StreamEvent::Notice { code: NoticeCode::RateLimited, .. } => self.note_rate_limit(&event),
            StreamEvent::Notice { code: code @ NoticeCode::ExitGraceExpired, .. } if self.emitted_notices.contains(code) => return,
            // Written by the driver itself, never by an agent.
            StreamEvent::Done(_) | StreamEvent::RunQueued { .. } | StreamEvent::RunStarted(_) => return,
            _ => {}
        }
        batch.events.push(event);
    }

    /// Adds a notice about a limit that the agent has reached, once per limit.
    pub(super) fn report_limit(&mut self, limit: &'static str, max: usize, effect: &str, batch: &mut Batch) {
        if self.reported_limits.contains(&limit) {
            return;
        }
        self.reported_limits.push(limit);
        let data = Some(json!({ "limit": limit, "max": max }));
        let message = format!("the agent reached the limit of {max} for {limit}: {effect}");
        batch.events.push(StreamEvent::Notice { level: Level::Warning, code: NoticeCode::LimitReached, message, data });
    }
}

/// The notice that a run begins with whose agent may not ignore the configuration in its working directory (rule P1).
fn not_ignored(reason: &str) -> StreamEvent {
    let message = format!(
        "project_config is ignore, but {reason}: files in the working directory may make it run programs or change its settings without \
         asking"
    );
    StreamEvent::notice(Level::Warning, NoticeCode::WeakGuarantee, message)
}

/// The notice that a run begins with whose agent was not tested.
fn not_tested() -> StreamEvent {
    let message = "this agent, or this version of it, was not tested: it may not keep to the permission mode, and parts of its output may be \
                   reported as raw events";
    StreamEvent::notice(Level::Warning, NoticeCode::WeakGuarantee, message)
}

/// The notice that a sandboxed run begins with whose agent has keys of the operator in its environment (rule G5).
fn keys_inside(variables: &[String]) -> StreamEvent {
    let message = format!(
        "the agent can read keys of the server inside its sandbox, and send them to the hosts that it can reach: {}. With a table for the agent in \
         `[credentials]` they stay outside, if the agent has a setting for the address of its model",
        variables.join(", ")
    );
    StreamEvent::notice(Level::Warning, NoticeCode::WeakGuarantee, message)
}

/// The notice that a run below level `guard` begins with (rule G2).
fn not_isolated(isolation: &RunIsolation) -> Option<StreamEvent> {
    let reason = isolation.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let message = match (isolation.level, &isolation.account) {
        (IsolationLevel::None | IsolationLevel::Files, Some(account)) => format!(
            "the agent is not isolated from other runs under its account{reason}. It can do everything that the account {account} can do, such \
             as reading and changing those runs"
        ),
        (IsolationLevel::None, None) => format!(
            "the agent is not isolated{reason}. It can do everything that the account of the server can do, such as reading the server's \
             keys and other runs, so permissions and approvals bind it only as long as it keeps to them"
        ),
        (IsolationLevel::Files, None) => format!(
            "the agent is isolated from the server's files only{reason}. It can connect to the sockets of the server's account and see its \
             processes, so it may be able to answer its own permission requests"
        ),
        (IsolationLevel::Guard | IsolationLevel::Sandbox, _) => return None,
    };
    Some(StreamEvent::notice(Level::Warning, NoticeCode::WeakGuarantee, message))
}
