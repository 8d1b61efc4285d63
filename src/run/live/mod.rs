//! Live runs: which ones there are, how to reach their drivers, and their status.

mod commands;
mod registry;

pub use commands::{AnswerRejected, MessageRejected};
pub(super) use commands::{Command, Inbox, RunHandle, channel};
pub(super) use registry::{Registration, Registry};
