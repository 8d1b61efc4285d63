//! What the adapters share.

pub(in crate::agent) mod attachments;
mod bounded;
mod bounded_text;
mod call_ids;
mod forms;
mod line_reader;
mod open_requests;
mod project_dirs;
mod session_change;
mod surrogates;

pub(in crate::agent) use bounded::{Limit, Remembered, cut, size_of};
pub(in crate::agent) use bounded_text::BoundedText;
pub(in crate::agent) use call_ids::{CallIds, numbered};
pub(in crate::agent) use forms::Form;
pub(in crate::agent) use line_reader::{LineReader, find_in_line};
pub(in crate::agent) use open_requests::{OpenRequests, Rejected};
pub(in crate::agent) use project_dirs::{instruction_files, project_directories};
pub(in crate::agent) use session_change::session_changed;
pub(in crate::agent) use surrogates::is_same_text;
