//! `OpenCode`: the npm program `opencode-ai`, and the archived Go program with the same file name.
//!
//! The npm program is driven as `opencode acp` through our [ACP client](crate::agent::acp) or, as a fallback, as
//! `opencode run --format json`. The Go program (github.com/opencode-ai/opencode) takes its prompt on the command line and answers once,
//! at the end. Other major versions of the npm program were not tested and are driven over ACP.

mod command;
mod diagnose;
mod flags;
mod go;
mod identified;
mod login;
mod oneshot;
mod program;
mod project;
#[cfg(test)]
pub(in crate::agent) mod tests;
mod tools;
mod variant;

pub use program::OpenCode;
