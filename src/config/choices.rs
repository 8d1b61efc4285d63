//! Settings with a closed set of values.

use std::path::PathBuf;

use crate::types::IsolationLevel;

/// Where the control groups of runs are created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlGroup {
    /// In the group that was delegated to this server, if there is one.
    Auto,
    /// Nowhere.
    Off,
    /// In this one. The path is absolute.
    At(PathBuf),
}

/// Log format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogFormat {
    /// One line of text per entry.
    Text,
    /// One JSON object per line.
    Json,
}

/// Whether something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// It is done.
    On,
    /// It is not.
    Off,
}

/// How agents are isolated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isolation {
    /// The level of runs that do not ask for one, as far as the machine can hold it.
    pub level: IsolationLevel,
    /// Whether the server does not start where the machine cannot hold it, and no run gets a lower one.
    pub is_required: bool,
}
