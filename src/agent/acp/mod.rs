//! A client for the Agent Client Protocol: JSON-RPC 2.0 over an agent's stdin and stdout, one message per line.
//!
//! ```text
//! initialize ─ session/new | session/load ─ (set model, set mode) ─ session/prompt ─ session/update* ─ result
//!                                                                             └ session/request_permission ⇄ answer
//! ```
//!
//! It is a [`Parser`](crate::agent::Parser) like any other: pure, so that a spool can be replayed through it. It drives any agent that
//! implements the protocol; a [`Dialect`] describes where one of them deviates.

mod causes;
mod dialect;
pub(crate) mod diff;
mod parser;
mod permissions;
mod plan;
mod request_keys;
mod setup;
#[cfg(test)]
pub(crate) mod tests;
mod text;
mod tools;
mod usage;
mod wire;

pub(crate) use causes::{cause_from_status, cause_from_text};
pub use dialect::Dialect;
pub use parser::Acp;
pub(crate) use plan::plan_entries;
