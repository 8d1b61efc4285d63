//! Commands of clients, in every phase. A reply is sent when the effect is stored, and states what really happened.

use tokio::sync::oneshot;

use super::Driver;
use super::phase::Phase;
use crate::agent::handle::AgentHandle;
use crate::run::live::{AnswerRejected, Command, MessageRejected};
use crate::run::state::{Input, RunState, StopReason};
use crate::run::store::{Audited, StoreError};

/// The reply to a stop command.
type StopReply = oneshot::Sender<Result<(), StoreError>>;

impl Driver {
    pub(super) async fn handle_command(&mut self, command: Command, phase: Phase) -> Phase {
        match command {
            Command::Stop { reason, audit, reply } => return self.stop(reason, audit, Some(reply), phase).await,
            Command::Requests(reply) => send_reply(reply, self.requests.views()),
            Command::Answer { request, answer, audit, reply } => {
                let answered = match &phase {
                    Phase::Running(agent) => self.answer_request(&request, answer, audit, agent).await,
                    // Before its start an agent has no requests.
                    Phase::Queued(_) | Phase::Starting(_) | Phase::Waiting(_) => {
                        self.requests.check(&request, &answer).map_err(AnswerRejected::Bad)
                    }
                    Phase::Closing(closing) => Err(closing.error.clone().map_or(AnswerRejected::Ended, AnswerRejected::Store)),
                };
                send_reply(reply, answered);
            }
            Command::Message { message, mode, idempotency, audit, reply } => {
                let accepted = match &phase {
                    Phase::Closing(closing) => Err(closing.error.clone().map_or(MessageRejected::Ended, MessageRejected::Store)),
                    phase => Box::pin(self.accept_message(message, mode, idempotency, audit, phase.agent())).await,
                };
                send_reply(reply, accepted);
            }
        }
        phase
    }

    /// Stops the run. An agent is told at once, before the status is stored. `reply` gets the result of storing it.
    pub(super) async fn stop(&mut self, reason: StopReason, audit: Option<Audited>, reply: Option<StopReply>, phase: Phase) -> Phase {
        let mut phase = match phase {
            Phase::Running(agent) => {
                let stored = self.request_stop(reason, audit, &agent).await;
                if let Some(reply) = reply {
                    send_reply(reply, stored);
                }
                return Phase::Running(agent);
            }
            // Dropping the phase leaves the queue, or the preparation without a process.
            Phase::Queued(_) => {
                self.stop_audit = audit;
                self.transition(Input::StopRequested(reason));
                Phase::Closing(self.close_unstarted())
            }
            Phase::Starting(_) | Phase::Waiting(_) => {
                self.stop_audit = audit;
                self.transition(Input::StopRequested(reason));
                self.transition(Input::AgentEnded(reason.outcome()));
                Phase::Closing(self.close_unstarted())
            }
            closing @ Phase::Closing(_) => closing,
        };
        if let (Phase::Closing(closing), Some(reply)) = (&mut phase, reply) {
            closing.acknowledge(reply);
        }
        phase
    }

    /// Enters the state of a run whose agent is being stopped. The audit entry is stored with the status, unless the run was being stopped
    /// before: then the action changes nothing.
    pub(super) fn begin_stop(&mut self, reason: StopReason, audit: Option<Audited>) {
        if !matches!(self.state, RunState::Stopping(_)) {
            self.stop_audit = audit;
        }
        self.timers.startup = None;
        self.transition(Input::StopRequested(reason));
        self.finishing = true;
    }

    /// Stops the agent, then stores the status.
    ///
    /// # Errors
    /// [`StoreError`] if the status could not be stored. The agent is being stopped nevertheless.
    pub(super) async fn request_stop(&mut self, reason: StopReason, audit: Option<Audited>, agent: &AgentHandle) -> Result<(), StoreError> {
        let already_stopping = matches!(self.state, RunState::Stopping(_));
        self.begin_stop(reason, audit);
        // A shutdown shortens the grace period of a stop in progress.
        if reason == StopReason::Shutdown {
            agent.stop(reason.as_str().to_owned(), self.context.config.shutdown_grace).await;
        } else if !already_stopping {
            agent.stop(reason.as_str().to_owned(), self.context.config.stop_grace).await;
        }
        self.store_status(Some(agent)).await
    }
}

/// Sends a reply. The client may have disconnected.
fn send_reply<T>(reply: oneshot::Sender<T>, answer: T) {
    let _ = reply.send(answer);
}
