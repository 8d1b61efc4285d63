//! Our client of the Agent Client Protocol: JSON-RPC 2.0, one message a line, over an agent's stdin and stdout.
//!
//! ```text
//! initialize ─ session/new | session/load ─ (choice of model, of mode) ─ session/prompt ─ session/update* ─ result
//!                                                                             └ session/request_permission ⇄ answer
//! ```
//!
//! It is a [`Parser`](crate::agent::Parser) like any other: pure, so that a spool can be replayed through it. Any agent that
//! speaks the protocol can be driven by it; what one of them does in its own way is told by a [`Dialect`].

mod causes;
mod dialect;
pub(crate) mod diff;
mod parser;
mod permissions;
mod plan;
mod setup;
#[cfg(test)]
pub(crate) mod tests;
mod text;
mod tools;
mod usage;
mod wire;

pub(crate) use causes::{from_status, from_words};
pub use dialect::Dialect;
pub use parser::Acp;
pub(crate) use plan::plan_entries;
