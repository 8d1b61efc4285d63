//! Statuses of runs, and how runs and turns end.

use utoipa::ToSchema;

use super::string_enum;

string_enum! {
    /// Status of a run.
    #[derive(PartialOrd, Ord, ToSchema)]
    pub enum RunStatus {
        /// Waiting for a slot or for its session.
        Queued = "queued",
        /// The agent is being started.
        Starting = "starting",
        /// The agent is working.
        Running = "running",
        /// A permission request or question is open, or the run waits for a limit of the model's provider to reset.
        Waiting = "waiting",
        /// The agent and its processes are being stopped.
        Stopping = "stopping",
        /// Ended successfully, as reported by the agent.
        Completed = "completed",
        /// Ended with a failure; see the cause.
        Failed = "failed",
        /// Ended because a client cancelled it.
        Cancelled = "cancelled",
        /// Ended because a time limit expired.
        TimedOut = "timed_out",
        /// Ended because the server was shut down or died.
        Interrupted = "interrupted",
    }
}

impl RunStatus {
    /// Whether the run has ended. The status of an ended run never changes.
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled | Self::TimedOut | Self::Interrupted)
    }
}

string_enum! {
    /// Why a run ended.
    #[derive(ToSchema)]
    pub enum Cause {
        /// Success.
        Ok = "ok",
        /// The agent or its model reported an error.
        AgentError = "agent_error",
        /// The agent is not logged in, or the provider rejected its credentials.
        NotLoggedIn = "not_logged_in",
        /// The provider's rate or usage limit was reached.
        RateLimited = "rate_limited",
        /// The provider does not know the model.
        ModelNotFound = "model_not_found",
        /// The agent program is not installed.
        NotInstalled = "not_installed",
        /// The agent rejected its arguments.
        BadArguments = "bad_arguments",
        /// The agent's process exited without a result, or with an error after it.
        Crashed = "crashed",
        /// The agent's process was killed by a signal that OpenRunner did not send.
        Killed = "killed",
        /// The time limit of the run expired (`timeout_secs`).
        Timeout = "timeout",
        /// The agent printed nothing for too long after its start (`OPENRUNNER_STARTUP_TIMEOUT_SECS`).
        StartupTimeout = "startup_timeout",
        /// The agent printed nothing for too long (`idle_timeout_secs`).
        IdleTimeout = "idle_timeout",
        /// A client cancelled the run.
        Cancelled = "cancelled",
        /// The server was shut down.
        Shutdown = "shutdown",
        /// The server that drove the run died.
        NodeLost = "node_lost",
        /// The log or the agent's output could not be stored.
        Storage = "storage",
        /// The agent violated its protocol, or exited without reporting a result.
        Protocol = "protocol",
        /// The owner's daily budget was used up when the run was about to start.
        BudgetExceeded = "budget_exceeded",
        /// The run exceeded one of its spend limits (`max_cost_usd`, `max_tokens`, `max_turns`).
        SpendLimit = "spend_limit",
        /// The agent's answer does not match the run's `output_schema`, also after it was asked to correct it.
        BadOutput = "bad_output",
        /// The server failed by its own fault while it drove the run.
        Internal = "internal",
    }
}

/// A failure: a cause from the closed list, and a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The cause.
    pub cause: Cause,
    /// Human-readable description, often in the agent's words.
    pub message: String,
}

impl Failure {
    /// A failure with this cause and message.
    pub fn new(cause: Cause, message: impl Into<String>) -> Self {
        Self { cause, message: message.into() }
    }
}

/// How a turn ended, as reported by the agent: the final text, or the failure.
///
/// A run's outcome depends on this and on how the process exited.
pub type TurnEnd = Result<String, Failure>;
