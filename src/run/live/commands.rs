//! The handle of a live run.

use tokio::sync::{mpsc, oneshot, watch};

use crate::run::feed::ChangeNotifier;
use crate::run::requests::{BadAnswer, RequestView};
use crate::run::state::StopReason;
use crate::run::store::{Idempotency, StoreError};
use crate::types::{Answer, MessageMode, RunStatus, SessionId};

/// Maximum number of commands queued for a driver. Senders wait when it is full.
const COMMAND_CAPACITY: usize = 16;

/// Sends commands to the driver of one run and observes its status. Dropping it has no effect on the run.
#[derive(Clone, Debug)]
pub(in crate::run) struct RunHandle {
    pub(in crate::run) session: SessionId,
    pub(in crate::run) agent_type: String,
    commands: mpsc::Sender<Command>,
    status: watch::Receiver<RunStatus>,
}

#[derive(Debug)]
pub(in crate::run) enum Command {
    Stop(StopReason),
    Requests(oneshot::Sender<Vec<RequestView>>),
    Answer { request: String, answer: Answer, reply: oneshot::Sender<Result<(), AnswerRejected>> },
    Message { text: String, mode: MessageMode, idempotency: Option<Idempotency>, reply: oneshot::Sender<Result<(), MessageRejected>> },
}

/// Why an answer was rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerRejected {
    /// The answer does not match the request.
    #[error(transparent)]
    Bad(#[from] BadAnswer),
    /// The answer could not be stored.
    #[error("could not store the answer")]
    Store(#[from] StoreError),
}

/// Why a message was rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageRejected {
    /// The run has ended or is finishing.
    #[error("the run accepts no more messages")]
    Ended,
    /// The run's message queue is full; contains the limit.
    #[error("the run's message queue is full ({0} messages); try again later")]
    TooMany(usize),
    /// The message could not be stored.
    #[error("could not store the message")]
    Store(#[from] StoreError),
}

/// The driver's side: receives commands and publishes the status.
#[derive(Debug)]
pub(in crate::run) struct Inbox {
    pub(in crate::run) commands: mpsc::Receiver<Command>,
    status: watch::Sender<RunStatus>,
    changes: ChangeNotifier,
    /// Whether a published status is not yet in the run's row.
    unwritten: bool,
}

/// Creates a handle and the driver's side of it. Status changes are reported to `changes`.
pub(in crate::run) fn channel(session: SessionId, agent_type: String, changes: ChangeNotifier) -> (RunHandle, Inbox) {
    let (commands, inbox) = mpsc::channel(COMMAND_CAPACITY);
    let (status, observer) = watch::channel(RunStatus::Queued);
    (RunHandle { session, agent_type, commands, status: observer }, Inbox { commands: inbox, status, changes, unwritten: false })
}

impl Inbox {
    /// Publishes a status that is not stored yet.
    pub(in crate::run) fn publish(&mut self, status: RunStatus) {
        self.unwritten = true;
        if self.status.send_replace(status) != status {
            self.changes.notify();
        }
    }

    /// Reports that the published status is stored: subscribers that read the row now see it.
    pub(in crate::run) fn confirm_written(&mut self) {
        if std::mem::take(&mut self.unwritten) {
            self.changes.notify();
        }
    }

    /// Publishes the final status, after the run's end is stored.
    pub(in crate::run) fn publish_end(&self, status: RunStatus) {
        self.status.send_replace(status);
        self.changes.notify();
    }
}

impl RunHandle {
    /// Requests a stop. Has no effect if the run has ended.
    pub(in crate::run) async fn stop(&self, reason: StopReason) {
        let _ = self.commands.send(Command::Stop(reason)).await;
    }

    /// The open requests; empty if the run has ended.
    pub(in crate::run) async fn requests(&self) -> Vec<RequestView> {
        self.call(Command::Requests).await.unwrap_or_default()
    }

    /// Answers a request. `None` if the run has ended.
    pub(in crate::run) async fn answer(&self, request: String, answer: Answer) -> Option<Result<(), AnswerRejected>> {
        self.call(|reply| Command::Answer { request, answer, reply }).await
    }

    pub(in crate::run) async fn message(
        &self,
        text: String,
        mode: MessageMode,
        idempotency: Option<Idempotency>,
    ) -> Result<(), MessageRejected> {
        self.call(|reply| Command::Message { text, mode, idempotency, reply }).await.unwrap_or(Err(MessageRejected::Ended))
    }

    async fn call<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, response) = oneshot::channel();
        self.commands.send(command(reply)).await.ok()?;
        response.await.ok()
    }

    /// Whether the driver is gone.
    pub(in crate::run) fn is_closed(&self) -> bool {
        self.commands.is_closed()
    }

    pub(in crate::run) fn status(&self) -> RunStatus {
        *self.status.borrow()
    }

    /// Waits until the run has ended and its driver is gone.
    pub(in crate::run) async fn ended(&self) {
        let mut status = self.status.clone();
        // An error means that the driver is gone.
        let _ = status.wait_for(|status| status.is_ended()).await;
        while status.changed().await.is_ok() {}
    }

    /// Waits until the run is stopping or has ended.
    pub(in crate::run) async fn stopping(&self) {
        let mut status = self.status.clone();
        let _ = status.wait_for(|status| status.is_ended() || *status == RunStatus::Stopping).await;
    }
}
