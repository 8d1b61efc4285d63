//! A client for the Agent Client Protocol: JSON-RPC 2.0 over an agent's stdin and stdout, one message per line.
//!
//! ```text
//! initialize ─ (authenticate) ─ session/new | resume | load ─ (model, mode, options) ─ session/prompt ─ session/update* ─ result ─ (close)
//!                                                              session/request_permission, elicitation/create ⇄ answer ┘
//! ```
//!
//! It is a [`Parser`](crate::agent::Parser) like any other: pure, so that a spool can be replayed through it. It drives any agent that
//! implements the protocol; a [`Dialect`] describes where one of them deviates.

mod call;
mod call_table;
mod causes;
mod compaction;
mod content;
mod control;
mod dialect;
pub(crate) mod dialects;
pub(crate) mod diff;
mod failures;
mod parser;
mod permissions;
mod plan;
mod probe;
mod prompt;
mod questions;
mod request_keys;
mod review;
mod session_state;
mod setup;
#[cfg(test)]
pub(crate) mod tests;
mod text;
mod tools;
mod turn;
mod updates;
mod usage;
mod wire;

pub(crate) use causes::{cause_from_status, cause_from_text};
pub(crate) use control::Control;
pub use dialect::Dialect;
pub(crate) use dialect::ToolHint;
pub use parser::Acp;
pub(crate) use plan::plan_entries;
pub(crate) use probe::{initialize_request, initialized};
pub use setup::SessionOptions;
