//! How a run, and a turn of it, can end.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a run stands, as listings and answers show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Waits for a free place.
    Queued,
    /// Its agent is being started.
    Starting,
    /// The agent works.
    Running,
    /// A permission or a question is open.
    Waiting,
    /// It was told to stop, and its processes are being ended.
    Stopping,
    /// Ended well, by the agent's own word.
    Completed,
    /// Ended badly; the cause tells why.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
    /// A time limit ran out.
    TimedOut,
    /// The server went away while it ran.
    Interrupted,
}

impl RunStatus {
    /// Every status, in the order of a run's life.
    pub const ALL: [Self; 10] = [
        Self::Queued,
        Self::Starting,
        Self::Running,
        Self::Waiting,
        Self::Stopping,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
        Self::TimedOut,
        Self::Interrupted,
    ];

    /// The name on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Stopping => "stopping",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
            Self::Interrupted => "interrupted",
        }
    }

    /// The status of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// Whether the run is over: an ended run never changes again.
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled | Self::TimedOut | Self::Interrupted)
    }
}

/// Why a run ended as it did. A closed list: clients switch on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It did what it was asked.
    Ok,
    /// The agent, or the model behind it, reported an error.
    AgentError,
    /// The agent has no login or key, or the provider refused it.
    NotLoggedIn,
    /// The provider's rate or usage limit.
    RateLimited,
    /// The provider does not know the model.
    ModelNotFound,
    /// The agent program is not on this machine.
    NotInstalled,
    /// The agent refused its arguments.
    BadArguments,
    /// The agent's process ended by itself without a result.
    Crashed,
    /// The agent's process died of a signal that was not ours.
    Killed,
    /// The wall-clock limit (`timeout_secs`).
    Timeout,
    /// The agent printed nothing for too long after its start (`OPENRUNNER_STARTUP_TIMEOUT_SECS`).
    StartupTimeout,
    /// The agent printed nothing for too long (`idle_timeout_secs`).
    IdleTimeout,
    /// A user's cancel.
    Cancelled,
    /// The server was told to stop.
    Shutdown,
    /// The server that drove the run died.
    NodeLost,
    /// The log could not be written.
    Storage,
    /// The agent did not speak its protocol, or ended without saying how.
    Protocol,
    /// Its user's budget for the day was used up when its turn came.
    BudgetExceeded,
}

impl Cause {
    /// The name on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::AgentError => "agent_error",
            Self::NotLoggedIn => "not_logged_in",
            Self::RateLimited => "rate_limited",
            Self::ModelNotFound => "model_not_found",
            Self::NotInstalled => "not_installed",
            Self::BadArguments => "bad_arguments",
            Self::Crashed => "crashed",
            Self::Killed => "killed",
            Self::Timeout => "timeout",
            Self::StartupTimeout => "startup_timeout",
            Self::IdleTimeout => "idle_timeout",
            Self::Cancelled => "cancelled",
            Self::Shutdown => "shutdown",
            Self::NodeLost => "node_lost",
            Self::Storage => "storage",
            Self::Protocol => "protocol",
            Self::BudgetExceeded => "budget_exceeded",
        }
    }
}

/// What went wrong, in the closed list's word and the agent's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which of the closed list.
    pub cause: Cause,
    /// What the agent said, for a person.
    pub message: String,
}

impl Failure {
    /// A failure of this cause, with the words that go with it.
    pub fn new(cause: Cause, message: impl Into<String>) -> Self {
        Self { cause, message: message.into() }
    }
}

/// The agent's own word on how a turn ended: the final text, or what went wrong.
///
/// It is one of two facts that a run's end is judged by; the other is how the process exited.
pub type TurnEnd = Result<String, Failure>;
