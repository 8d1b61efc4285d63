//! Spend limits: a run that exceeds one is stopped as soon as its agent reports it.
//!
//! Whether a limit is exceeded follows from the limits in the run's specification and the usage in its log alone, so a later server decides
//! the same as the one that has died.

use super::{Batch, Driver};
use crate::agent::handle::AgentHandle;
use crate::run::state::{Input, RunState, StopReason};
use crate::types::{ExceededLimit, Level, NoticeCode, SpendKind, StreamEvent, TurnEnd};

impl Driver {
    /// The notices about spend limits that the agent can exceed by more than one model call.
    pub(super) fn weak_limit_notices(&self) -> Vec<StreamEvent> {
        let reports = self.context.agents.known_capabilities(&self.spec.agent_type).usage;
        let weak = SpendKind::ALL.into_iter().filter(|kind| self.spec.spend_limits.has(*kind));
        let notice = |kind: SpendKind, weakness: String| {
            let message = format!("{weakness}, so the run may exceed {} by more than one model call", kind.limit_name());
            StreamEvent::notice(Level::Warning, NoticeCode::WeakGuarantee, message)
        };
        weak.filter_map(|kind| Some(notice(kind, reports.weakness(kind)?))).collect()
    }

    /// The spend limits that the run has exceeded.
    fn exceeded_limits(&self) -> Vec<ExceededLimit> {
        self.usage.as_ref().map(|usage| self.spec.spend_limits.exceeded_by(usage)).unwrap_or_default()
    }

    /// What the run has exceeded, for its `done` event. `None` if it has exceeded nothing.
    pub(super) fn spend_message(&self) -> Option<String> {
        let exceeded = self.exceeded_limits();
        (!exceeded.is_empty()).then(|| ExceededLimit::message(&exceeded))
    }

    /// Whether the run must be stopped because it has exceeded a spend limit. Adds a notice to `batch` the first time.
    pub(super) fn must_stop_spending(&mut self, batch: &mut Batch) -> bool {
        let exceeded = self.exceeded_limits();
        if exceeded.is_empty() || matches!(self.state, RunState::Stopping(_) | RunState::Ended(_)) {
            return false;
        }
        if !self.emitted_notices.contains(&NoticeCode::SpendLimit) {
            self.emitted_notices.push(NoticeCode::SpendLimit);
            let (message, data) = (ExceededLimit::message(&exceeded), Some(ExceededLimit::data(&exceeded)));
            batch.events.push(StreamEvent::Notice { level: Level::Warning, code: NoticeCode::SpendLimit, message, data });
        }
        true
    }

    /// Stops a run that has exceeded a spend limit. `turn` is the end of the agent's turn, if it has ended by itself: the agent then has
    /// nothing left to interrupt, and only gets no further message.
    pub(super) async fn stop_spending(&mut self, turn: Option<TurnEnd>, agent: &AgentHandle) {
        // If the status cannot be stored now, it is stored with the next batch.
        if let Some(turn) = turn {
            self.begin_stop(StopReason::SpendLimit, None);
            self.complete_turn(turn, agent).await;
            let _ = self.store_status(Some(agent)).await;
        } else {
            let _ = self.request_stop(StopReason::SpendLimit, None, agent).await;
        }
    }

    /// Enters the state of a run that has exceeded a spend limit when its agent has ended already.
    pub(super) fn note_overspending_at_end(&mut self, batch: &mut Batch) {
        if self.must_stop_spending(batch) {
            self.transition(Input::StopRequested(StopReason::SpendLimit));
        }
    }
}
