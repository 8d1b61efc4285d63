//! How far the stored events of a run reach in its agent's output.

use serde::{Deserialize, Serialize};

/// How much of an agent's output, and of the commands sent to it, the stored events of a run cover.
///
/// It is stored in the same transaction as the events. A server that reads the agent's output again therefore knows which of the resulting
/// events are in the log already, no matter when the previous server died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputCheckpoint {
    /// Bytes of stdout that were parsed.
    pub out: u64,
    /// Bytes of stderr that were parsed.
    pub err: u64,
    /// Whether the end of stdout was parsed too: an incomplete last line is parsed only then.
    pub out_ended: bool,
    /// Whether the end of stderr was parsed too.
    pub err_ended: bool,
    /// Number of commands that were carried out. Some parsers emit events for an answer or an interrupt.
    pub calls: u64,
}
