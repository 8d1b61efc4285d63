//! The way to a live run.

use tokio::sync::{mpsc, oneshot, watch};

use super::feed::ChangeNotifier;
use super::requests::{BadAnswer, RequestView};
use super::state::StopReason;
use super::store::{Idempotency, StoreError};
use crate::types::{Answer, MessageMode, RunStatus, SessionId};

/// Commands that may wait for a run's driver.
const COMMANDS: usize = 16;

/// Talks to the driver of one run. Dropping it changes nothing: the run belongs to the server, not to whoever asked for it.
#[derive(Clone, Debug)]
pub(super) struct RunHandle {
    pub(super) session: SessionId,
    pub(super) agent_type: String,
    commands: mpsc::Sender<Command>,
    status: watch::Receiver<RunStatus>,
}

#[derive(Debug)]
pub(super) enum Command {
    Stop(StopReason),
    Requests(oneshot::Sender<Vec<RequestView>>),
    Answer { request: String, answer: Answer, reply: oneshot::Sender<Result<(), AnswerRejected>> },
    Message { text: String, mode: MessageMode, idempotency: Option<Idempotency>, reply: oneshot::Sender<Result<(), MessageRejected>> },
}

/// Why an answer did not reach the agent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerRejected {
    /// It does not fit what was asked.
    #[error(transparent)]
    Bad(#[from] BadAnswer),
    /// It could not be recorded.
    #[error("the answer could not be recorded")]
    Store(#[from] StoreError),
}

/// Why a message did not reach the agent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageRejected {
    /// The run has ended, or is about to.
    #[error("the run takes no more messages")]
    Ended,
    /// As many wait as may.
    #[error("{0} messages are waiting already")]
    TooMany(usize),
    /// It could not be recorded.
    #[error("the message could not be recorded")]
    Store(#[from] StoreError),
}

/// The driver's end.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) commands: mpsc::Receiver<Command>,
    status: watch::Sender<RunStatus>,
    changes: ChangeNotifier,
    /// The state was entered anew, and what goes with that is not written yet.
    unwritten: bool,
}

/// The two ends of the way to a run, whose changes are told by `changes`.
pub(super) fn link(session: SessionId, agent_type: String, changes: ChangeNotifier) -> (RunHandle, Inbox) {
    let (commands, inbox) = mpsc::channel(COMMANDS);
    let (status, seen) = watch::channel(RunStatus::Queued);
    (RunHandle { session, agent_type, commands, status: seen }, Inbox { commands: inbox, status, changes, unwritten: false })
}

impl Inbox {
    /// Shows where the run stands now.
    pub(super) fn show(&mut self, status: RunStatus) {
        self.unwritten = true;
        if self.status.send_replace(status) != status {
            self.changes.notify();
        }
    }

    /// What goes with the last change of state is on disk: the run is told once more, as its row now has it.
    pub(super) fn written(&mut self) {
        if std::mem::take(&mut self.unwritten) {
            self.changes.notify();
        }
    }

    /// The run has ended, and its end is on disk.
    pub(super) fn ended(&self, status: RunStatus) {
        self.status.send_replace(status);
        self.changes.notify();
    }
}

impl RunHandle {
    /// Asks the run to stop. A run that has just ended does not mind.
    pub(super) async fn stop(&self, reason: StopReason) {
        let _ = self.commands.send(Command::Stop(reason)).await;
    }

    /// The open requests; none where the run has just ended.
    pub(super) async fn requests(&self) -> Vec<RequestView> {
        self.ask(Command::Requests).await.unwrap_or_default()
    }

    /// Answers a request. `None` if the run has just ended.
    pub(super) async fn answer(&self, request: String, answer: Answer) -> Option<Result<(), AnswerRejected>> {
        self.ask(|reply| Command::Answer { request, answer, reply }).await
    }

    pub(super) async fn message(&self, text: String, mode: MessageMode, idempotency: Option<Idempotency>) -> Result<(), MessageRejected> {
        self.ask(|reply| Command::Message { text, mode, idempotency, reply }).await.unwrap_or(Err(MessageRejected::Ended))
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, answered) = oneshot::channel();
        self.commands.send(command(reply)).await.ok()?;
        answered.await.ok()
    }

    pub(super) fn status(&self) -> RunStatus {
        *self.status.borrow()
    }

    /// Waits until nothing more is written about the run.
    pub(super) async fn over(&self) {
        let mut status = self.status.clone();
        // An error means that the driver has gone, which is the end as well.
        let _ = status.wait_for(|status| status.is_ended()).await;
        while status.changed().await.is_ok() {}
    }

    /// Waits until the run has begun to stop, or has ended.
    pub(super) async fn stopping(&self) {
        let mut status = self.status.clone();
        let _ = status.wait_for(|status| status.is_ended() || *status == RunStatus::Stopping).await;
    }
}
