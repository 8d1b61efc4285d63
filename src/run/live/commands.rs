//! The handle of a live run.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::run::feed::ChangeNotifier;
use crate::run::queued_message::NewMessage;
use crate::run::requests::{BadAnswer, RequestView};
use crate::run::state::StopReason;
use crate::run::store::{Audited, Idempotency, StoreError};
use crate::types::bounds::MAX_WAITING_COMMANDS;
use crate::types::{Answer, MessageMode, RunStatus, SessionId};

/// How long a client waits for its command. A driver that takes longer is waiting for the disk.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(2);

/// Sends commands to the driver of one run and observes its status. Dropping it has no effect on the run.
#[derive(Clone, Debug)]
pub(in crate::run) struct RunHandle {
    pub(in crate::run) session: SessionId,
    pub(in crate::run) agent_type: String,
    commands: mpsc::Sender<Waiting>,
    status: watch::Receiver<RunStatus>,
}

/// A command. Its reply is sent when its effect is stored.
#[derive(Debug)]
pub(in crate::run) enum Command {
    /// Stop the run. If the reply is an error, the run is being stopped, but that is not stored yet.
    Stop {
        reason: StopReason,
        audit: Option<Audited>,
        reply: oneshot::Sender<Result<(), StoreError>>,
    },
    /// List the open requests.
    Requests(oneshot::Sender<Vec<RequestView>>),
    Answer {
        request: String,
        answer: Answer,
        audit: Option<Audited>,
        reply: oneshot::Sender<Result<(), AnswerRejected>>,
    },
    Message {
        message: NewMessage,
        mode: MessageMode,
        idempotency: Option<Idempotency>,
        audit: Option<Audited>,
        reply: oneshot::Sender<Result<(), MessageRejected>>,
    },
}

/// A command on its way to the driver.
#[derive(Debug)]
pub(in crate::run) struct Waiting {
    command: Command,
    /// When its sender gives up and reports an error.
    expires_at: Instant,
}

/// Why an answer was rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerRejected {
    /// The answer does not match the request.
    #[error(transparent)]
    Bad(#[from] BadAnswer),
    /// The agent has ended. An answer that was stored before that had no effect.
    #[error("the agent has ended")]
    Ended,
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
    commands: mpsc::Receiver<Waiting>,
    /// Commands that arrived while the log was being written.
    deferred: VecDeque<Waiting>,
    status: watch::Sender<RunStatus>,
    changes: ChangeNotifier,
}

/// Creates a handle and the driver's side of it. Status changes are reported to `changes`.
pub(in crate::run) fn channel(session: SessionId, agent_type: String, changes: ChangeNotifier) -> (RunHandle, Inbox) {
    let (commands, inbox) = mpsc::channel(MAX_WAITING_COMMANDS);
    let (status, observer) = watch::channel(RunStatus::Queued);
    let handle = RunHandle { session, agent_type, commands, status: observer };
    (handle, Inbox { commands: inbox, deferred: VecDeque::new(), status, changes })
}

impl Inbox {
    /// The next command, deferred ones first. Skips commands whose senders have given up, except for stops, which take effect in any case.
    /// Pending forever when all handles are dropped. Cancel-safe.
    pub(in crate::run) async fn next(&mut self) -> Command {
        loop {
            let waiting = match self.deferred.pop_front() {
                Some(deferred) => deferred,
                None => receive(&mut self.commands).await,
            };
            if waiting.expires_at > Instant::now() || matches!(waiting.command, Command::Stop { .. }) {
                return waiting.command;
            }
        }
    }

    /// The next command that has not been deferred. Pending while [`MAX_WAITING_COMMANDS`] are deferred. Cancel-safe.
    pub(in crate::run) async fn next_new(&mut self) -> Waiting {
        if self.deferred.len() >= MAX_WAITING_COMMANDS { std::future::pending().await } else { receive(&mut self.commands).await }
    }

    /// Leaves a command for [`Inbox::next`].
    pub(in crate::run) fn defer(&mut self, waiting: Waiting) {
        self.deferred.push_back(waiting);
    }

    /// Publishes a status that is stored.
    pub(in crate::run) fn publish(&mut self, status: RunStatus) {
        if self.status.send_replace(status) != status {
            self.changes.notify();
        }
    }

    /// Publishes the final status, after the run's end is stored. Further commands are rejected.
    pub(in crate::run) fn publish_end(&mut self, status: RunStatus) {
        self.status.send_replace(status);
        self.changes.notify();
        self.commands.close();
        self.deferred.clear();
        while self.commands.try_recv().is_ok() {}
    }
}

async fn receive(commands: &mut mpsc::Receiver<Waiting>) -> Waiting {
    match commands.recv().await {
        Some(waiting) => waiting,
        None => std::future::pending().await,
    }
}

impl Waiting {
    pub(in crate::run) fn command(&self) -> &Command {
        &self.command
    }

    pub(in crate::run) fn into_command(self) -> Command {
        self.command
    }
}

/// Why a command got no reply.
enum NoReply {
    Ended,
    TimedOut,
}

impl NoReply {
    fn timeout() -> StoreError {
        StoreError::Write(format!("the run's log was not written within {} s", COMMAND_TIMEOUT.as_secs()))
    }
}

impl RunHandle {
    /// Stops the run. Returns when it is stored that it is stopping or has ended.
    ///
    /// # Errors
    /// [`StoreError`] if that could not be stored. The run is being stopped nevertheless.
    pub(in crate::run) async fn stop(&self, reason: StopReason, audit: Option<Audited>) -> Result<(), StoreError> {
        match self.call(|reply| Command::Stop { reason, audit, reply }).await {
            Ok(stored) => stored,
            Err(NoReply::Ended) => Ok(()),
            Err(NoReply::TimedOut) => Err(NoReply::timeout()),
        }
    }

    /// The open requests; empty if the run has ended.
    pub(in crate::run) async fn requests(&self) -> Vec<RequestView> {
        self.call(Command::Requests).await.unwrap_or_default()
    }

    /// Answers a request. On success the answer is stored, and the agent's task has it.
    ///
    /// # Errors
    /// [`AnswerRejected`], by cause.
    pub(in crate::run) async fn answer(&self, request: String, answer: Answer, audit: Option<Audited>) -> Result<(), AnswerRejected> {
        match self.call(|reply| Command::Answer { request, answer, audit, reply }).await {
            Ok(answered) => answered,
            Err(NoReply::Ended) => Err(AnswerRejected::Ended),
            Err(NoReply::TimedOut) => Err(NoReply::timeout().into()),
        }
    }

    /// Sends a message. On success the message is stored.
    ///
    /// # Errors
    /// [`MessageRejected`], by cause.
    pub(in crate::run) async fn message(
        &self,
        message: NewMessage,
        mode: MessageMode,
        idempotency: Option<Idempotency>,
        audit: Option<Audited>,
    ) -> Result<(), MessageRejected> {
        match self.call(|reply| Command::Message { message, mode, idempotency, audit, reply }).await {
            Ok(accepted) => accepted,
            Err(NoReply::Ended) => Err(MessageRejected::Ended),
            Err(NoReply::TimedOut) => Err(NoReply::timeout().into()),
        }
    }

    async fn call<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, NoReply> {
        let (reply, response) = oneshot::channel();
        let expires_at = Instant::now() + COMMAND_TIMEOUT;
        let exchange = async {
            self.commands.send(Waiting { command: command(reply), expires_at }).await.ok()?;
            response.await.ok()
        };
        match tokio::time::timeout_at(expires_at, exchange).await {
            Ok(reply) => reply.ok_or(NoReply::Ended),
            Err(_elapsed) => Err(NoReply::TimedOut),
        }
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
}
