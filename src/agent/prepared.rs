//! An agent between its preparation and its start.

use std::time::Duration;

use super::handle::AgentHandle;

/// Prepares the agent of a run in a test.
#[cfg(test)]
pub(crate) type Script =
    std::sync::Arc<dyn Fn() -> futures_util::future::BoxFuture<'static, Result<PreparedAgent, crate::types::Failure>> + Send + Sync>;

/// An agent that is ready to be started. Dropping it leaves no process behind.
pub struct PreparedAgent {
    launch: Box<dyn FnOnce(Duration) -> AgentHandle + Send>,
}

impl PreparedAgent {
    pub(crate) fn new(launch: impl FnOnce(Duration) -> AgentHandle + Send + 'static) -> Self {
        Self { launch: Box::new(launch) }
    }

    /// Starts the agent with this time limit. A program that cannot be started is reported as the end of the agent.
    pub fn launch(self, limit: Duration) -> AgentHandle {
        (self.launch)(limit)
    }
}

impl std::fmt::Debug for PreparedAgent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PreparedAgent").finish_non_exhaustive()
    }
}
