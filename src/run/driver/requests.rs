//! The agent's permission requests and questions: decided by the policy, or open until a user answers.

use std::time::Duration;

use tokio::time::Instant;

use super::{Batch, Driver};
use crate::agent::handle::AgentHandle;
use crate::run::live::AnswerRejected;
use crate::run::policy::{PermissionQuery, Verdict};
use crate::run::requests::{LimitReached, RequestKind, RequestView, resolved_event};
use crate::run::state::{Input, RunState};
use crate::run::store::{Audited, RunChange, StoreError};
use crate::types::{Answer, DecidedBy, Decision, StreamEvent, Timestamp};

/// Delay before expired requests are resolved again after their answers could not be written.
const RETRY_DELAY: Duration = Duration::from_secs(1);

impl Driver {
    pub(super) fn add_permission_request(&mut self, mut event: StreamEvent, batch: &mut Batch) {
        let StreamEvent::PermissionRequest { id, tool_call_id, tool, kind, input, options, choices, expires_at } = &mut event else {
            return;
        };
        let query = PermissionQuery { tool, kind: *kind, input, options, choices, working_dir: &self.spec.working_dir };
        let id = id.clone();
        match self.policy.decide(query) {
            Verdict::Decided(decision, reason) => {
                batch.events.push(event);
                self.decide(id, Answer::Permission { decision, message: Some(reason), option_id: None }, batch);
            }
            Verdict::Ask => {
                let (tool_call_id, tool, kind) = (tool_call_id.clone(), tool.clone(), *kind);
                let (input, options, choices) = (input.clone(), options.clone(), choices.clone());
                let kind = RequestKind::Permission { tool_call_id, tool, kind, input, options, choices };
                match self.open_request(id.clone(), kind) {
                    Ok(expiry) => {
                        *expires_at = Some(expiry);
                        batch.events.push(event);
                    }
                    Err(limit) => {
                        batch.events.push(event);
                        self.report_limit(
                            limit.name(),
                            limit.max(),
                            "denied further permission requests and questions of the agent",
                            batch,
                        );
                        let message = Some(limit.to_string());
                        self.decide(id, Answer::Permission { decision: Decision::Deny, message, option_id: None }, batch);
                    }
                }
            }
        }
    }

    pub(super) fn add_question(&mut self, event: StreamEvent, batch: &mut Batch) {
        let StreamEvent::Question { id, questions } = &event else { return };
        let (id, count) = (id.clone(), questions.len());
        let opened = self.open_request(id.clone(), RequestKind::Question { questions: questions.clone() });
        batch.events.push(event);
        if let Err(limit) = opened {
            self.report_limit(limit.name(), limit.max(), "denied further permission requests and questions of the agent", batch);
            self.decide(id, Answer::Question { answers: vec![Vec::new(); count] }, batch);
        }
    }

    /// Resolves a request that was never open.
    fn decide(&mut self, id: String, answer: Answer, batch: &mut Batch) {
        batch.events.push(resolved_event(&id, &answer, DecidedBy::Policy));
        self.requests.mark_answered(&id);
        batch.answers.push((id, answer));
    }

    /// Opens a request. Returns the time at which it expires.
    fn open_request(&mut self, id: String, mut kind: RequestKind) -> Result<Timestamp, LimitReached> {
        kind.hide(self.log.secrets());
        let created_at = self.log.now();
        let expires_at = self.expiry(created_at);
        let deadline = Instant::now() + self.context.config.permission_timeout;
        self.requests.open(RequestView { id, kind, created_at, expires_at }, deadline)?;
        self.transition(Input::RequestOpened);
        Ok(expires_at)
    }

    /// Reopens a request found in the log of an earlier server. Its timeout has continued meanwhile.
    pub(super) fn reopen_request(&mut self, request: StreamEvent, created_at: Timestamp) {
        let (id, kind, expires_at) = match request {
            StreamEvent::PermissionRequest { id, tool_call_id, tool, kind, input, options, choices, expires_at } => {
                (id, RequestKind::Permission { tool_call_id, tool, kind, input, options, choices }, expires_at)
            }
            StreamEvent::Question { id, questions } => (id, RequestKind::Question { questions }, None),
            _ => return,
        };
        let expires_at = expires_at.unwrap_or_else(|| self.expiry(created_at));
        let remaining = u64::try_from(expires_at.as_millis() - self.log.now().as_millis()).unwrap_or(0);
        // Bounded, in case the wall clock was set back.
        let deadline = Instant::now() + Duration::from_millis(remaining).min(self.context.config.permission_timeout);
        self.requests.reopen(RequestView { id, kind, created_at, expires_at }, deadline);
        self.transition(Input::RequestOpened);
    }

    fn expiry(&self, created_at: Timestamp) -> Timestamp {
        let timeout = i64::try_from(self.context.config.permission_timeout.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(created_at.as_millis().saturating_add(timeout))
    }

    /// Answers the requests that have expired. They stay open while that cannot be written.
    pub(super) async fn expire_requests(&mut self, agent: &AgentHandle) {
        for (id, answer) in self.requests.expired(Instant::now()) {
            if self.resolve_request(&id, answer, DecidedBy::Timeout, None, agent).await.is_err() {
                return self.requests.postpone(Instant::now() + RETRY_DELAY);
            }
        }
    }

    /// Answers a request on behalf of a user. On success the answer is stored, and the agent's task has it.
    ///
    /// # Errors
    /// [`AnswerRejected`], by cause. If the answer could not be stored, the request stays open.
    pub(super) async fn answer_request(
        &mut self,
        id: &str,
        answer: Answer,
        audit: Option<Audited>,
        agent: &AgentHandle,
    ) -> Result<(), AnswerRejected> {
        self.requests.check(id, &answer)?;
        self.resolve_request(id, answer, DecidedBy::User, audit, agent).await
    }

    /// Stores an answer, then sends it to the agent.
    async fn resolve_request(
        &mut self,
        id: &str,
        answer: Answer,
        by: DecidedBy,
        audit: Option<Audited>,
        agent: &AgentHandle,
    ) -> Result<(), AnswerRejected> {
        // The request itself may be among the events that are held. The run is being stopped.
        if !self.held.is_empty() {
            return Err(StoreError::Write("the run's log could not be written".to_owned()).into());
        }
        let open = self.state.clone();
        let change = RunChange { audit: audit.into_iter().collect(), ..RunChange::default() };
        self.transition(Input::RequestClosed);
        let stored = self.store(&[resolved_event(id, &answer, by)], change, Some(agent)).await;
        if let Err(error) = stored {
            // Unless it was stopped meanwhile.
            if !matches!(self.state, RunState::Stopping(_)) {
                self.state = open;
                self.sync_clock();
            }
            return Err(error.into());
        }
        self.requests.close(id);
        self.reset_idle_timer();
        if agent.answer(id.to_owned(), answer).await { Ok(()) } else { Err(AnswerRejected::Ended) }
    }
}
