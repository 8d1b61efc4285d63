//! Watching a run in a terminal or a pipe, and taking part in it.

mod ask;
mod follow;
mod keys;
mod screen;
mod spinner;

pub(super) use follow::{Leaving, Watch};
pub(super) use screen::{Events, Screen};
