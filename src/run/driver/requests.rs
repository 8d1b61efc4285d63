//! The agent's permission requests and questions: decided by the policy, or open until a user answers.

use std::time::Duration;

use tokio::time::Instant;

use super::{Batch, Driver};
use crate::agent::handle::AgentHandle;
use crate::run::policy::{PermissionQuery, Verdict};
use crate::run::requests::{RequestKind, RequestView, resolved_event};
use crate::run::state::Input;
use crate::run::store::RunChange;
use crate::types::{Answer, DecidedBy, StreamEvent, Timestamp};

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
                let answer = Answer::Permission { decision, message: Some(reason), option_id: None };
                batch.events.push(resolved_event(&id, &answer, DecidedBy::Policy));
                self.requests.mark_answered(id.clone());
                batch.answers.push((id, answer));
            }
            Verdict::Ask => {
                let (tool_call_id, tool, kind) = (tool_call_id.clone(), tool.clone(), *kind);
                let (input, options, choices) = (input.clone(), options.clone(), choices.clone());
                let kind = RequestKind::Permission { tool_call_id, tool, kind, input, options, choices };
                *expires_at = Some(self.open_request(id, kind));
                batch.events.push(event);
            }
        }
    }

    /// Opens a request. Returns the time at which it expires.
    pub(super) fn open_request(&mut self, id: String, mut kind: RequestKind) -> Timestamp {
        kind.hide(self.log.secrets());
        let created_at = self.log.now();
        let expires_at = self.expiry(created_at);
        self.requests.open(RequestView { id, kind, created_at, expires_at }, Instant::now() + self.context.config.permission_timeout);
        self.transition(Input::RequestOpened);
        expires_at
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
        self.requests.open(RequestView { id, kind, created_at, expires_at }, deadline);
        self.transition(Input::RequestOpened);
    }

    fn expiry(&self, created_at: Timestamp) -> Timestamp {
        let timeout = i64::try_from(self.context.config.permission_timeout.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(created_at.as_millis().saturating_add(timeout))
    }

    pub(super) async fn expire_requests(&mut self, agent: &AgentHandle) {
        for (id, answer) in self.requests.expired(Instant::now()) {
            self.resolve_request(&id, answer, DecidedBy::Timeout, agent).await;
        }
    }

    /// Stores an answer, then sends it to the agent.
    pub(super) async fn resolve_request(&mut self, id: &str, answer: Answer, by: DecidedBy, agent: &AgentHandle) {
        self.requests.close(id);
        self.transition(Input::RequestClosed);
        if self.write(vec![resolved_event(id, &answer, by)], RunChange::default(), agent).await {
            agent.answer(id.to_owned(), answer).await;
        }
        self.reset_idle_timer();
    }
}
