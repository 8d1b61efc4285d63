//! The scripted agent. It stands in for `claude`, `codex` or `opencode`, speaks the two-way protocol of the program whose name it was
//! started by, and writes marked events at a given rate or as fast as the pipe accepts them.
//!
//! Its lines have the length and the fields of the real programs' lines, because a parser also pays for what it skips.

mod acp;
mod claude;
mod codex;
mod program;
mod protocol;
mod writer;

pub(crate) use self::program::{AgentProgram, run};
