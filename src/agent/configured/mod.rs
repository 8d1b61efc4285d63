//! Agents that the operator describes in the settings: no code of ours knows them.
//!
//! Three ways of speaking are enough for most programs: the Agent Client Protocol, by [our client of it](super::acp); plain text,
//! prompt in and answer out; and JSON lines, of which a few [`Fields`] say where the text is.

mod definition;
mod diagnose;
mod fields;
mod jsonl;
mod program;
#[cfg(test)]
mod tests;
mod text;

pub use definition::{Definition, WireFormat};
pub use fields::{BadPointer, Field, Fields, Pointer};
pub use program::Configured;
