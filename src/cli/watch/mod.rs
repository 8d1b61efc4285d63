//! Follows a run in a terminal or a pipe, and answers its requests.

mod follow;
mod input;
mod requests;
mod screen;
mod spinner;

pub(super) use follow::{DetachMode, Watch};
pub(super) use requests::parse_answer;
pub(super) use screen::{EventPrinter, Screen};
