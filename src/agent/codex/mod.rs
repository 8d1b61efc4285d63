//! Codex: driven through its app-server (JSON-RPC on stdio) or, if the operator configures it, through `codex exec`.
//!
//! `command` starts it and `login` inspects the installation. For the app-server, `wire` has the JSON as types, `parser` the protocol and
//! `turn` the turn's state; `items`, `approvals`, `threads`, `rate_limits`, `usage`, `diff` and `errors` convert its parts. `exec` is the
//! complete one-shot mode.

mod approvals;
#[cfg(test)]
mod bounds_tests;
mod command;
mod diff;
mod errors;
mod exec;
mod flags;
#[cfg(test)]
mod input_tests;
mod items;
mod login;
mod open_calls;
mod parser;
mod program;
mod rate_limits;
#[cfg(test)]
mod tests;
mod threads;
mod tools;
mod trust;
mod turn;
mod turn_control;
#[cfg(test)]
mod turn_tests;
mod usage;
mod wire;

pub use program::Codex;
