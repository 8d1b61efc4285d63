//! What the agent asks: decided by policy, or open until somebody answers.

use std::time::Duration;

use tokio::time::Instant;

use super::{Batch, Driver};
use crate::agent::handle::AgentHandle;
use crate::run::policy::{PermissionQuery, Verdict};
use crate::run::requests::{RequestKind, RequestView, resolved};
use crate::run::state::Input;
use crate::run::store::RunChange;
use crate::types::{Answer, DecidedBy, StreamEvent, Timestamp};

impl Driver {
    pub(super) fn permission(&mut self, mut event: StreamEvent, batch: &mut Batch) {
        let StreamEvent::PermissionRequest { id, tool_call_id, tool, kind, input, options, expires_at } = &mut event else { return };
        let query = PermissionQuery { tool, kind: *kind, input, options, working_dir: &self.spec.working_dir };
        let id = id.clone();
        match self.policy.decide(query) {
            Verdict::Decided(decision, reason) => {
                batch.events.push(event);
                let answer = Answer::Permission { decision, message: Some(reason) };
                batch.events.push(resolved(&id, &answer, DecidedBy::Policy));
                self.requests.answered_at_once(id.clone());
                batch.answers.push((id, answer));
            }
            Verdict::Ask => {
                let (tool_call_id, tool, kind) = (tool_call_id.clone(), tool.clone(), *kind);
                let asks = RequestKind::Permission { tool_call_id, tool, kind, input: input.clone(), options: options.clone() };
                *expires_at = Some(self.open(id, asks));
                batch.events.push(event);
            }
        }
    }

    /// A request waits for somebody from now on. Gives the moment when it does not any more.
    pub(super) fn open(&mut self, id: String, mut asks: RequestKind) -> Timestamp {
        asks.hide(self.log.secrets());
        let created_at = self.log.now();
        let expires_at = self.expiry(created_at);
        self.requests.open(RequestView { id, asks, created_at, expires_at }, Instant::now() + self.around.patience);
        self.transition(Input::RequestOpened);
        expires_at
    }

    /// Opens a request again that the log of an earlier server holds. Its time has gone on.
    pub(super) fn open_again(&mut self, request: StreamEvent, created_at: Timestamp) {
        let (id, asks, expires_at) = match request {
            StreamEvent::PermissionRequest { id, tool_call_id, tool, kind, input, options, expires_at } => {
                (id, RequestKind::Permission { tool_call_id, tool, kind, input, options }, expires_at)
            }
            StreamEvent::Question { id, questions } => (id, RequestKind::Question { questions }, None),
            _ => return,
        };
        let expires_at = expires_at.unwrap_or_else(|| self.expiry(created_at));
        let left = u64::try_from(expires_at.as_millis() - self.log.now().as_millis()).unwrap_or(0);
        // A wall clock that was set back must not make it wait for longer than it ever could.
        let deadline = Instant::now() + Duration::from_millis(left).min(self.around.patience);
        self.requests.open(RequestView { id, asks, created_at, expires_at }, deadline);
        self.transition(Input::RequestOpened);
    }

    fn expiry(&self, created_at: Timestamp) -> Timestamp {
        let patience = i64::try_from(self.around.patience.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(created_at.as_millis().saturating_add(patience))
    }

    pub(super) async fn expire_requests(&mut self, agent: &AgentHandle) {
        for (id, answer) in self.requests.expired(Instant::now()) {
            self.resolve(&id, answer, DecidedBy::Timeout, agent).await;
        }
    }

    /// Writes an answer down, and gives it to the agent when it is on disk.
    pub(super) async fn resolve(&mut self, id: &str, answer: Answer, by: DecidedBy, agent: &AgentHandle) {
        self.requests.close(id);
        self.transition(Input::RequestClosed);
        if self.write(vec![resolved(id, &answer, by)], RunChange::default(), agent).await {
            agent.answer(id.to_owned(), answer).await;
        }
        self.reset_idle_timer();
    }
}
