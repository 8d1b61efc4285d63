//! Errors of the manager: one type per operation.

use super::attachments::BadAttachment;
use super::budgets::{BudgetError, OverBudget};
use super::live::{AnswerRejected, MessageRejected};
use super::request::BadRun;
use super::searches::TooManySearches;
use super::store::{DeliveryStatus, StoreError};
use crate::types::{RunId, SessionId};

/// Why a run was not created. Nothing was stored or started.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The request is invalid; all its faults, at least one.
    #[error("{}", .0.iter().map(BadRun::to_string).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<BadRun>),
    /// The session does not exist, or belongs to another user.
    #[error("session {0} not found")]
    NoSession(SessionId),
    /// The session has a live run, and `on_busy` is `reject`.
    #[error("session {0} has a live run; wait for it to end, or set on_busy to queue or interrupt")]
    SessionBusy(SessionId),
    /// The idempotency key was used for a different request.
    #[error("this Idempotency-Key was already used for a different request; use a new key")]
    KeyReused,
    /// The queue is full.
    #[error("the queue is full ({max_queue} runs); try again later")]
    QueueFull {
        /// Maximum number of queued runs.
        max_queue: usize,
    },
    /// The caller has too many queued runs.
    #[error(
        "{waiting} of your runs are queued; at most {max} may be (OPENRUNNER_MAX_QUEUE_PER_USER), and never more than the queue has free \
         places; wait until some have started, or cancel some"
    )]
    UserQueueFull {
        /// Number of the caller's queued runs.
        waiting: usize,
        /// Maximum number of queued runs per user.
        max: usize,
    },
    /// The caller's daily budget is used up.
    #[error(transparent)]
    OverBudget(Box<OverBudget>),
    /// The server is shutting down.
    #[error("the server is shutting down; try again later")]
    Draining,
    /// The store failed.
    #[error("could not store the run")]
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
    /// For the lookup of the run that an earlier request with the same key created: if it is gone, it was deleted together with its key.
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
    /// The run does not exist, or belongs to another user; callers cannot tell which.
    #[error("run {0} not found")]
    NotFound(RunId),
    /// The store failed.
    #[error("could not read the run")]
    Store(#[from] StoreError),
}

/// Why a search returned nothing.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// Too many searches of the caller are in progress.
    #[error(transparent)]
    TooMany(#[from] TooManySearches),
    /// The search took too long, or the store failed.
    #[error("could not search the runs")]
    Store(#[from] StoreError),
}

/// Why a delivery is not attempted again.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    /// The delivery does not exist, or the caller may not see it.
    #[error("delivery not found")]
    NotFound,
    /// Only failed deliveries can be retried.
    #[error("the delivery is {}; only failed ones can be retried", .0.as_str())]
    NotFailed(DeliveryStatus),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a session was not found.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The session does not exist, or belongs to another user.
    #[error("session {0} not found")]
    NotFound(SessionId),
    /// The store failed.
    #[error("could not read the session")]
    Store(#[from] StoreError),
}

/// Why an answer was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The run was not found.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The run has ended, and its requests are closed.
    #[error("run {0} has ended; its requests are closed")]
    Ended(RunId),
    /// The answer is invalid or could not be stored.
    #[error(transparent)]
    Rejected(#[from] AnswerRejected),
}

/// Why a message was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// The run was not found.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The text is empty or contains a NUL character.
    #[error("text is empty or contains a NUL character")]
    InvalidText,
    /// Images or files are invalid; at least one, each with the position of its part.
    #[error("an image or a file is invalid")]
    Attachments(Vec<(usize, BadAttachment)>),
    /// The daily budget of the run's owner is used up.
    #[error(transparent)]
    OverBudget(Box<OverBudget>),
    /// The agent accepts no further messages.
    #[error("agent {0} does not support further messages; create a new run in the same session")]
    NotSupported(String),
    /// The run has ended.
    #[error("run {run} has ended; continue with a new run with session_id {session} in metadata")]
    Ended {
        /// ID of the run.
        run: RunId,
        /// Its session, in which a new run can continue.
        session: SessionId,
    },
    /// The idempotency key was used for a different request.
    #[error("this Idempotency-Key was already used for a different request; use a new key")]
    KeyReused,
    /// The message queue is full, or the message could not be stored.
    #[error(transparent)]
    Rejected(#[from] MessageRejected),
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
    /// The run was not found.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The run has not ended.
    #[error("{0} has not ended; cancel it first")]
    Live(RunId),
}
