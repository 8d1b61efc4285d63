//! What a run's processes are held to.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a run's processes are held to, as far as anything holds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunLimits {
    /// What holds them.
    pub by: LimitedBy,
    /// Memory, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Processes and threads at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<u64>,
    /// Share of the processors where there are not enough: 1 to 10000, and 100 is everybody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_weight: Option<u64>,
}

/// What holds a run's processes to their limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitedBy {
    /// A control group: the limits count for all of them together.
    Cgroup,
    /// Inherited resource limits: that of memory counts for each process by itself.
    Rlimit,
}
