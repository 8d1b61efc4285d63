//! The scenarios. Each starts its own server with empty directories and returns its figures.

mod history;
mod hop;
mod isolation;
mod list;
mod many_readers;
mod many_runs;
mod memory;
mod plans;
mod start;
mod stream;

pub(super) use self::list::Scenario;
