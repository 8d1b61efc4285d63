//! Codex: by its app-server (JSON-RPC on stdio), or by `codex exec` where the operator says so.
//!
//! `command` starts it, `wire` is the app-server's JSON, `parser` its protocol and `turn` its state; `items`, `approvals`, `threads`, `limits`, `usage`, `diff` and `errors`
//! are the meanings of its parts. `exec` is the one-shot mode as a whole. `login` finds out what is installed.

mod approvals;
mod command;
mod diff;
mod errors;
mod exec;
mod flags;
mod items;
mod limits;
mod login;
mod parser;
mod program;
#[cfg(test)]
mod tests;
mod threads;
mod tools;
mod turn;
mod usage;
mod wire;

pub use program::Codex;
