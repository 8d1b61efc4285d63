//! The scenarios. Each starts its own server with empty directories and returns its figures.

mod creates;
mod history;
mod hop;
mod isolation;
mod list;
mod live;
mod load;
mod many_readers;
mod memory;
mod plans;
mod snapshot;
mod start;
mod stream;

pub(super) use self::list::Scenario;
