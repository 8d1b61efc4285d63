//! What a server leaves behind.

use serde::{Deserialize, Serialize};

/// What becomes of the runs when their server goes away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnShutdown {
    /// They go on without it, and the next server on the same data folder finds them.
    #[default]
    Detach,
    /// They end as `interrupted`.
    Stop,
}
