//! The script of one turn of the scripted agent. The prompt is the script as JSON.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The steps of one turn, in order.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Script {
    pub(crate) steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    /// Blocks until this named pipe is opened for writing.
    Gate(PathBuf),
    /// Writes this many marked events.
    Events {
        count: u64,
        /// Events per second; 0 is unlimited.
        rate: u64,
        /// Bytes of text after the mark.
        filler: usize,
    },
    /// Pauses for this many microseconds.
    PauseMicros(u64),
    /// Calls a tool that runs for this many microseconds, with or without asking for permission first.
    Tool { micros: u64, asks: bool },
}

impl Script {
    /// Waits for `gate`, then writes `count` events at `rate` per second.
    pub(crate) fn gated(gate: PathBuf, count: u64, rate: u64) -> Self {
        Self { steps: vec![Step::Gate(gate), Step::events(count, rate)] }
    }

    /// Adds a pause at the end, so that the processes can be measured once more before they exit.
    pub(crate) fn with_final_pause(mut self, millis: u64) -> Self {
        self.steps.push(Step::PauseMicros(millis * 1000));
        self
    }

    /// The number of marked events.
    pub(crate) fn marks(&self) -> u64 {
        let marks = |step: &Step| if let Step::Events { count, .. } = step { *count } else { 0 };
        self.steps.iter().map(marks).sum()
    }

    /// The script as a prompt.
    pub(crate) fn to_prompt(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Step {
    /// `count` events, each about as long as the deltas of real models.
    pub(crate) fn events(count: u64, rate: u64) -> Self {
        Self::Events { count, rate, filler: 8 }
    }
}
