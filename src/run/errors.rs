//! Why the manager did not do what it was asked: one type for each thing that can be asked.

use super::budgets::{BudgetError, OverBudget};
use super::handle::{AnswerRejected, MessageRejected};
use super::request::BadRun;
use super::store::StoreError;
use crate::types::{RunId, SessionId};

/// Why a run was not created. Nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The request is not one that can be carried out.
    #[error(transparent)]
    Bad(#[from] BadRun),
    /// There is no such session, or it is somebody else's.
    #[error("there is no session {0}")]
    NoSession(SessionId),
    /// The session has a live run, and the request does not want to wait.
    #[error("session {0} has a live run; wait for it, or set on_busy to queue or interrupt")]
    SessionBusy(SessionId),
    /// The key was used before for another request.
    #[error("this Idempotency-Key was used before, for another request; take a new key for a new request")]
    KeyReused,
    /// As many runs wait as may.
    #[error("{max_queue} runs are waiting already; try again later")]
    QueueFull {
        /// The bound.
        max_queue: usize,
    },
    /// The caller's budget for the day is used up.
    #[error(transparent)]
    OverBudget(Box<OverBudget>),
    /// The server is going away.
    #[error("the server is shutting down; try again when it is back")]
    Draining,
    /// The store failed.
    #[error("the run could not be recorded")]
    Store(#[from] StoreError),
}

impl From<BudgetError> for CreateError {
    fn from(error: BudgetError) -> Self {
        match error {
            BudgetError::Over(over) => Self::OverBudget(over),
            BudgetError::Store(error) => Self::Store(error),
        }
    }
}

impl From<FindError> for CreateError {
    /// Only for the run that an earlier request with the same key made: one that is not there was deleted since, and its key with it.
    fn from(error: FindError) -> Self {
        match error {
            FindError::NotFound(_) => Self::KeyReused,
            FindError::Store(error) => Self::Store(error),
        }
    }
}

/// Why a run was not found.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// There is none, or it is somebody else's, which is the same to the caller.
    #[error("there is no run {0}")]
    NotFound(RunId),
    /// The store failed.
    #[error("the run could not be read")]
    Store(#[from] StoreError),
}

/// Why a session was not found.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// There is none, or it is somebody else's.
    #[error("there is no session {0}")]
    NotFound(SessionId),
    /// The store failed.
    #[error("the session could not be read")]
    Store(#[from] StoreError),
}

/// Why an answer did not reach the agent.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The run was not found.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The run has ended, and with it whatever it asked.
    #[error("run {0} has ended: nothing waits for an answer any more")]
    Ended(RunId),
    /// It does not fit, or could not be recorded.
    #[error(transparent)]
    Not(#[from] AnswerRejected),
}

/// Why a message did not reach the agent.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// The run was not found.
    #[error(transparent)]
    Find(#[from] FindError),
    /// There is nothing in it.
    #[error("there is nothing to say: it is empty, or contains a NUL character")]
    Empty,
    /// The budget of the run's owner is used up for the day.
    #[error(transparent)]
    OverBudget(Box<OverBudget>),
    /// The agent takes a prompt and nothing else.
    #[error("agent {0} takes no further messages; go on in a new run with the session's id")]
    NotSupported(String),
    /// The run takes no more; its session goes on.
    #[error("run {run} has ended; go on with a new run whose metadata has session_id {session}")]
    Ended {
        /// The run.
        run: RunId,
        /// Its session.
        session: SessionId,
    },
    /// The key was used before for another request.
    #[error("this Idempotency-Key was used before, for another request; take a new key for a new request")]
    KeyReused,
    /// As many wait as may, or it could not be recorded.
    #[error(transparent)]
    Not(#[from] MessageRejected),
}

impl From<BudgetError> for MessageError {
    fn from(error: BudgetError) -> Self {
        match error {
            BudgetError::Over(over) => Self::OverBudget(over),
            BudgetError::Store(error) => Self::Find(error.into()),
        }
    }
}

/// Why a run was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// It was not found.
    #[error(transparent)]
    Find(#[from] FindError),
    /// It has not ended.
    #[error("run {0} has not ended; cancel it first")]
    Alive(RunId),
}
