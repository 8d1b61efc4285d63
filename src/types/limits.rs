//! Resource limits of a run's processes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Resource limits of a run's processes, as far as they are enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunLimits {
    /// Mechanism that enforces the limits.
    pub by: LimitedBy,
    /// Memory limit, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Maximum number of concurrent processes and threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<u64>,
    /// Relative share of CPU time under contention, from 1 to 10000; the system default is 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_weight: Option<u64>,
}

/// Mechanism that enforces a run's resource limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitedBy {
    /// A control group: the limits apply to all processes of the run together.
    Cgroup,
    /// Inherited resource limits (`setrlimit`): the memory limit applies to each process separately.
    Rlimit,
}
