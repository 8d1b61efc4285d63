//! Agents that the operator defines in the settings, and [presets](super::presets).
//!
//! Three formats cover most programs: the Agent Client Protocol, through [our client](super::acp); plain text, with the prompt on stdin and
//! the answer on stdout; and JSON lines, in which [`Fields`] locate the content.

mod definition;
mod diagnose;
mod fields;
mod jsonl;
mod program;
#[cfg(test)]
mod tests;
mod text;

pub use definition::{AskScope, Definition, SessionModes, WireFormat};
pub use fields::{BadPointer, Field, Fields, Pointer};
pub use program::Configured;
