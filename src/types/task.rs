//! Tasks that an agent runs in the background.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Kind of a task in the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// A sub-agent.
    Agent,
    /// A command.
    Command,
    /// Anything else.
    #[serde(other)]
    Other,
}

/// How a task in the background ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// The task completed.
    Completed,
    /// The task failed.
    Failed,
    /// The task was stopped.
    Stopped,
}
