//! What a scripted agent is to do in one turn: the prompt is this, as JSON.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The steps of one turn, carried out in their order.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Script {
    pub(crate) steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    /// Waits, without using the processor, until this named pipe is opened for writing.
    Gate(PathBuf),
    /// Writes this many marked events.
    Events {
        count: u64,
        /// Events a second; 0 is as fast as the pipe takes them.
        rate: u64,
        /// Bytes of text beside the mark.
        filler: usize,
    },
    /// Does nothing for so long.
    PauseMs(u64),
}

impl Script {
    /// Waits for `gate`, then writes `count` events at `rate` a second.
    pub(crate) fn gated(gate: PathBuf, count: u64, rate: u64) -> Self {
        Self { steps: vec![Step::Gate(gate), Step::events(count, rate)] }
    }

    /// With a pause at the end. Whoever measures processes from outside can look at them once more before they are gone.
    pub(crate) fn and_pause(mut self, millis: u64) -> Self {
        self.steps.push(Step::PauseMs(millis));
        self
    }

    /// The prompt.
    pub(crate) fn prompt(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Step {
    /// This many events, each about as long as the pieces that models write.
    pub(crate) fn events(count: u64, rate: u64) -> Self {
        Self::Events { count, rate, filler: 8 }
    }
}
