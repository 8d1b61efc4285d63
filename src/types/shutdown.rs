//! What happens to runs at shutdown.

use serde::{Deserialize, Serialize};

/// What happens to live runs when the server shuts down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnShutdown {
    /// Agents keep running, and the next server on the same data directory reattaches to them.
    #[default]
    Detach,
    /// Runs end as `interrupted`.
    Stop,
}
